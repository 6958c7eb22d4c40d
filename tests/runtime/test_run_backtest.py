"""Embedding: runs inside somebody else's loop: from a path or objects, side by side, cancelled at every await.

Side by side is `asyncio.gather` here, which the package itself may not use: it is what a user would type.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import coroutine
from typing import Any

import anyio
import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import ConfigError, EngineStateError, RunningLoopError, StrategyError
from tradecore.examples.sma_cross import SmaCross
from tradecore.storage.open_storage import make_storage
from tradecore.testing.builders import make_bars, make_instrument, make_ns, make_quote_tick, make_trade_tick
from tradecore.testing.scripted_feed import Gate, Pause, ScriptedFeed

CONFIG = """\
[run]
name = "embedded"
end = 2001-03-01T00:00:00Z
start = 2000-03-01T00:00:00Z

[data]
bundled = ["IBM"]

[storage]
url = "sqlite:market.db"

[[instruments]]
id = "IBM.NYSE"
price_increment = 0.01
quantity_increment = 1
currency = "USD"

[[strategies]]
path = "tradecore.examples.sma_cross:SmaCross"
params = { bar_type = "IBM.NYSE 1d last", quantity = 100 }

[brokers.sim]
type = "simulated"
account = "margin"
cash = { USD = 100000 }
"""
MARGIN = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


# --------------------------------------------------------------------------------------------- from a path, or objects


async def test_objects_give_what_the_same_configuration_gives(config: Path, tmp_path: Path) -> None:
    """One engine, two ways in."""
    from_path = await tc.run_backtest(config, runs_dir=tmp_path / "runs")
    async with tc.open_storage(f"sqlite:{tmp_path / 'market.db'}") as storage:
        from_objects = await tc.run_backtest(
            strategies=SmaCross("IBM.NYSE 1d last", quantity=Decimal(100)),
            brokers={"sim": MARGIN},
            storage=storage,
            instruments=[make_instrument("IBM.NYSE")],  # as the file has it: without its session
            start=datetime(2000, 3, 1, tzinfo=UTC),
            end=datetime(2001, 3, 1, tzinfo=UTC),
        )
    assert from_objects.run_folder is None  # nothing on disk unless it is asked for
    assert from_objects.digests == from_path.digests
    assert from_objects.statistics.to_dict() == from_path.statistics.to_dict()
    assert from_path.counts["executions"] > 5


async def test_overrides_reach_a_run_from_a_path(config: Path, tmp_path: Path) -> None:
    result = await tc.run_backtest(
        config, overrides=["run.name=other", "strategies[0].params.fast=5"], runs_dir=tmp_path
    )
    assert result.run_id.startswith("other-")


async def test_several_runs_share_one_loop_and_give_what_each_gives_alone(config: Path, tmp_path: Path) -> None:
    """No globals: they take turns at every await, and none sees another."""
    fasts = (3, 5, 8, 10)

    async def run(fast: int) -> dict[str, str]:
        override = [f"strategies[0].params.fast={fast}", "run.batch_size=16"]
        return (await tc.run_backtest(config, overrides=override, runs_dir=tmp_path / "runs")).digests

    alone = [await run(fast) for fast in fasts]
    together = await asyncio.gather(*(run(fast) for fast in fasts))  # noqa: TID251
    assert together == alone
    assert len({digests["executions"] for digests in alone}) == len(fasts)
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 8
    assert {json.loads((folder / "run.json").read_text())["status"] for folder in folders} == {"complete"}


async def test_a_config_and_objects_at_once_are_refused(config: Path) -> None:
    with pytest.raises(TypeError, match="takes a config or strategies, not both"):
        await tc.run_backtest(config, strategies=SmaCross("IBM.NYSE 1d last"))


async def test_all_that_does_not_fit_together_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        await tc.run_backtest(
            strategies={"one": SmaCross("A.X 1d last")},
            brokers={"sim": MARGIN},
            broker_of={"two": "sim", "one": "real"},
            batch_size=0,
            order_by="sideways",
            on_error="ignore",
            start=datetime(2001, 1, 1, tzinfo=UTC),
            end=datetime(2000, 1, 1, tzinfo=UTC),
        )
    for word in ("'two'", "'real'", "batch_size is 0", "'sideways'", "'ignore'", "is not before end"):
        assert word in str(caught.value)


async def test_a_strategy_object_is_one_run(tmp_path: Path) -> None:
    """Its indicators and counters are of that run; the second would start with them."""
    strategy = Listens(tc.feed([], name="empty"))
    await tc.run_backtest(strategies=strategy)
    with pytest.raises(EngineStateError, match="make a new one for each run"):
        await tc.run_backtest(strategies=strategy, runs_dir=tmp_path)
    assert read_statuses(tmp_path) == ["failed"]  # and its files are closed: warnings are errors here


async def test_inside_a_running_loop_the_sync_wrapper_says_what_to_write(config: Path) -> None:
    with pytest.raises(RunningLoopError, match=r"write `await tradecore.run_backtest\(...\)` instead"):
        tc.run_backtest_sync(config)


def test_in_a_script_the_sync_wrapper_runs(config: Path, tmp_path: Path) -> None:
    assert tc.run_backtest_sync(config, runs_dir=tmp_path / "runs").status == "complete"


# ------------------------------------------------------------------------------------------------ feeds of one's own


class News:
    """A user's own event: only what the Event protocol asks for."""

    event_type = "news"

    def __init__(self, second: int, text: str) -> None:
        self.dt_event = self.dt_received = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
        self.text = text

    def __lt__(self, other: Any) -> bool:
        return bool((self.dt_event, self.dt_received) < (other.dt_event, other.dt_received))


class Listens(tc.Strategy):
    """Writes down what it hears."""

    def __init__(self, *feeds: Any) -> None:
        self.feeds = feeds
        self.heard: list[str] = []
        self.is_started = False

    def on_start(self) -> None:
        self.is_started = True
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, f"feed {number}")

    def on_event(self, event: Any) -> None:
        assert self.get_current_time() == event.dt_received
        self.heard.append(event.text)


async def test_a_class_of_ones_own_goes_through_a_feed_to_on_event_without_a_store() -> None:
    early, late = [News(1, "a"), News(3, "c")], [News(2, "b"), News(4, "d")]
    strategy = Listens(tc.feed(early, name="early"), tc.feed(late, name="late"))
    result = await tc.run_backtest(strategies=strategy)
    assert strategy.heard == ["a", "b", "c", "d"]
    assert (result.status, result.counts["events"], result.run_folder) == ("complete", 4, None)


async def test_an_async_generator_is_a_feed() -> None:
    closed = []

    async def read() -> AsyncIterator[News]:
        try:
            for second in range(5):
                await asyncio.sleep(0)
                yield News(second, str(second))
        finally:
            closed.append(True)

    strategy = Listens(tc.feed(read(), name="generator"))
    await tc.run_backtest(strategies=strategy)
    assert strategy.heard == ["0", "1", "2", "3", "4"]
    assert closed == [True]


async def test_a_push_feed_is_fed_by_another_task_while_the_run_waits() -> None:
    """At capacity 2 both sides have to wait for each other."""
    feed = tc.PushFeed("pushed", ["news"], capacity=2)
    strategy = Listens(feed)

    async def push() -> None:
        for second in range(20):
            await feed.push(News(second, str(second)))
        feed.finish()

    result, _ = await asyncio.gather(tc.run_backtest(strategies=strategy, batch_size=4), push())  # noqa: TID251
    assert strategy.heard == [str(second) for second in range(20)]
    assert result.status == "complete"


# ------------------------------------------------------------------------------------------------------- cancelling


class Trades(tc.Strategy):
    """Flips once a bar, with async callbacks that really wait; also listens to a feed of its own."""

    def __init__(self, feed: ScriptedFeed) -> None:
        self.feed = feed
        self.is_started = self.is_stopped = False

    async def on_start(self) -> None:
        self.is_started = True
        self.subscribe_to_bars("TEST.SIM 1m last", key="bars")
        self.add_event_feed(self.feed, "own")
        await asyncio.sleep(0)

    async def on_bar(self, bar: tc.Bar) -> None:
        await asyncio.sleep(0)
        held = self.position(bar.instrument).quantity
        self.submit_order(tc.Order.market(bar.instrument, -2 * held if held else 1))

    async def on_execution(self, execution: tc.Execution) -> None:
        await asyncio.sleep(0)

    async def on_stop(self) -> None:
        await asyncio.sleep(0)
        self.is_stopped = True


def cancelled_at(count: int, run: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    """The same coroutine; the task that runs it is cancelled as it comes to its count-th await that suspends."""

    @coroutine
    def drive() -> Generator[Any, Any, Any]:
        suspended, send, value = 0, run.send, None
        while True:
            try:
                waited = send(value)
            except StopIteration as done:
                return done.value
            suspended += 1
            if suspended == count:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                value, send = (yield waited), run.send
            except BaseException as error:  # handed on to the run: it decides
                value, send = error, run.throw

    async def main() -> Any:
        return await drive()

    return main()


async def fill(url: str) -> None:
    async with tc.open_storage(url) as storage:
        await fill_connected(storage)


async def fill_connected(storage: Any) -> None:
    await storage.add_instruments([make_instrument()])
    await storage.append(make_bars([100.0, 101.0, 99.0, 102.0, 98.0, 100.0]))


@pytest.mark.parametrize(
    ("kind", "is_lent"),
    [("sqlite", True), ("sqlite", False), ("parquet", True), ("parquet", False), ("memory", True)],
)
async def test_a_run_can_be_cancelled_at_every_await_and_everything_is_closed(
    tmp_path: Path, kind: str, is_lent: bool
) -> None:
    """One run for each await: what it opened is closed, what it was lent works on, what it left is labelled."""
    url = "memory:" if kind == "memory" else f"{kind}:{tmp_path / 'market'}"
    if kind != "memory":
        await fill(url)
    threads = set(threading.enumerate())
    cancelled = 0
    for count in range(1, 500):
        folder = tmp_path / f"runs{count}"
        status = await cancel_once(count, url, folder, is_lent=is_lent)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert [
            thread for thread in threading.enumerate() if thread not in threads and "aiosqlite" in repr(thread)
        ] == []
        if status == "complete":
            break
        cancelled += 1
    assert cancelled > 20  # it does wait: for the store, the feed, the callbacks, the closing
    assert status == "complete"


async def cancel_once(count: int, url: str, folder: Path, *, is_lent: bool) -> str:
    feed = ScriptedFeed([News(70, "x"), Pause(), News(200, "y"), Pause()], name="own")
    strategy = Trades(feed)
    lent = await lend(url) if is_lent else None
    try:
        async with asyncio.TaskGroup() as tasks:
            run = tc.run_backtest(
                strategies=strategy, brokers={"sim": MARGIN}, storage=lent or url, batch_size=2, runs_dir=folder
            )
            task = tasks.create_task(cancelled_at(count, run))
        if lent is not None:
            assert [info.rows for info in await lent.list_series()] == [6]
    finally:
        if lent is not None:
            await lent.disconnect()
    if strategy.is_started:
        # Cancelled while the store is being closed, the run itself has come to its end.
        (status,) = read_statuses(folder)
        assert status == "complete" if strategy.is_stopped else status == "interrupted"
        assert feed.is_closed or not feed.limits
    return "cancelled" if task.cancelled() else str(task.result().status)


async def lend(url: str) -> Any:
    storage = make_storage(url)
    await storage.connect()
    if url == "memory:":
        await fill_connected(storage)
    return storage


def read_statuses(folder: Path) -> list[str]:
    return [json.loads((path / "run.json").read_text())["status"] for path in folder.iterdir()]


async def test_a_cancelled_scope_gives_what_was_done_until_then(tmp_path: Path) -> None:
    """For who wants the partial result and not an exception."""
    gate = Gate()
    feed = ScriptedFeed([[News(1, "a"), News(2, "b")], [News(3, "c")], gate, News(4, "d")], name="own")
    strategy, scope = Listens(feed), anyio.CancelScope()

    async def cancel() -> None:
        await gate.reached()
        scope.cancel()

    result, _ = await asyncio.gather(tc.run_backtest(strategies=strategy, scope=scope, runs_dir=tmp_path), cancel())  # noqa: TID251
    assert result.status == "interrupted"
    # The window ends before the last known time: more could still come at second 3.
    assert strategy.heard == ["a", "b"]
    assert result.counts["events"] == 2
    assert result.run_folder is not None
    assert json.loads((result.run_folder / "run.json").read_text())["status"] == "interrupted"
    assert feed.is_closed


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4, 1_024])
async def test_stop_run_ends_the_run_with_the_turn_in_which_it_was_called(batch_size: int, is_async: bool) -> None:
    """Three events at second 5, the first of which stops: the others are of the same turn, and so is the timer."""

    class Stops(Listens):
        def on_start(self) -> None:
            super().on_start()
            self.add_repeating_timer("t", SECOND_NS, start=make_ns("2024-01-01T00:00:05"))

        def on_event(self, event: Any) -> None:
            if event.event_type == "time_event":
                self.heard.append(f"timer {event.ts_event // SECOND_NS % 60}")
                return
            super().on_event(event)
            if event.text == "5":
                self.stop_run()

        def on_stop(self) -> None:
            self.heard.append("stop")
            self.stop_run()  # too late to mean anything

    class AsyncStops(Stops):
        async def on_event(self, event: Any) -> None:  # type: ignore[override]
            super().on_event(event)

    events = [News(second, str(second)) for second in range(100)]
    events[6:6] = [News(5, "5b"), News(5, "5c")]
    strategy = (AsyncStops if is_async else Stops)(tc.feed(events, name="own"))
    result = await tc.run_backtest(strategies={"mine": strategy}, batch_size=batch_size, end=make_ns("2024-02-01"))
    assert strategy.heard == ["0", "1", "2", "3", "4", "5", "5b", "5c", "timer 5", "stop"]
    assert (result.status, result.counts["events"]) == ("complete", 9)
    assert result.statistics.end_ns == make_ns("2024-01-01T00:00:05")
    assert result.notes == ["stopped by mine at 2024-01-01T00:00:05Z"]


async def test_a_run_that_is_stopped_in_on_start_delivers_nothing() -> None:
    class Stops(Listens):
        def on_start(self) -> None:
            super().on_start()
            self.stop_run()

    strategy = Stops(tc.feed([News(1, "a")], name="own"))
    result = await tc.run_backtest(strategies=strategy)
    assert (result.status, result.counts["events"], strategy.heard) == ("complete", 0, [])


class StopsWhileHolding(tc.Strategy):
    """Buys at minute 2 and leaves a limit; at minute 5 it stops, asking for a cancel in the same turn."""

    def __init__(self, *feeds: Any) -> None:
        self.feeds = feeds
        self.resting: tc.Order | None = None

    def on_start(self) -> None:
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, str(number))

    def on_event(self, event: Any) -> None:
        minute = (event.ts_event - make_ns("2024-01-01")) // (60 * SECOND_NS)
        if minute == 2 and self.resting is None:
            self.submit_order(tc.Order.market("TEST.SIM", 1))
            self.resting = self.submit_order(tc.Order.limit("TEST.SIM", 1, "50"))
        if minute == 5 and self.resting is not None and not self.resting.pending_cancel:
            self.cancel_order(self.resting)
            self.submit_order(tc.Order.market("TEST.SIM", 1))
            self.stop_run()


@pytest.mark.parametrize("kind", ["bars", "pairs", "quotes", "trades"])
async def test_what_comes_after_stop_run_changes_nothing_at_any_batch_size(kind: str, tmp_path: Path) -> None:
    """From minute 6 on the price is 40: the limit at 50 would execute, the mark would fall, pairs would be crossed.

    What is held at minute 5 is valued at 100: it was bought at 100 (bars open there), or half a spread from it.
    """
    closes = [100.0] * 5 + [40.0] * 40

    def make_feeds() -> list[Any]:
        if kind == "bars":
            return [tc.feed(make_bars(closes), name="bars")]
        if kind == "pairs":
            bids, asks = make_bars(closes, bar_type="TEST.SIM 1m bid"), make_bars(closes, bar_type="TEST.SIM 1m ask")
            crossed = make_bars([39.0] * 30, start="2024-01-01T00:15", bar_type="TEST.SIM 1m ask")
            return [tc.feed([*bids[:3], *bids[4:]], name="bid"), tc.feed([*asks[:15], *crossed], name="ask")]
        times = [make_ns("2024-01-01") + (n + 1) * 60 * SECOND_NS for n in range(45)]
        if kind == "quotes":
            made = [make_quote_tick(ts, price - 0.01, price + 0.01) for ts, price in zip(times, closes, strict=True)]
            return [tc.feed(made, name="quotes")]
        return [
            tc.feed([make_trade_tick(ts, price, 50.0) for ts, price in zip(times, closes, strict=True)], name="trades")
        ]

    ran = [
        await tc.run_backtest(
            strategies=StopsWhileHolding(*make_feeds()),
            instruments=[make_instrument()],
            brokers={"sim": MARGIN},
            batch_size=size,
            runs_dir=tmp_path / str(size),
        )
        for size in (1, 3, 1_024)
    ]
    first = ran[0]
    assert first.status == "complete"
    assert first.counts["orders"] == 3
    assert [one.digests for one in ran[1:]] == [first.digests] * 2
    assert [one.statistics.to_dict() for one in ran[1:]] == [first.statistics.to_dict()] * 2
    assert [one.notes for one in ran[1:]] == [first.notes] * 2
    assert first.statistics.end_ns == make_ns("2024-01-01T00:05")
    assert abs(first.statistics.net_profit) <= Decimal("0.04")
    if kind == "pairs":  # minute 4 of the bid is missing; the crossed pairs from minute 16 on never happened
        assert first.notes[0] == "sim TEST.SIM: 1 half pairs"


# ---------------------------------------------------------------------------------------------------------- failures


async def test_a_failed_run_says_where_what_it_did_was_kept(tmp_path: Path) -> None:
    class Raises(Listens):
        def on_event(self, event: Any) -> None:
            raise LookupError(event.text)

    with pytest.raises(StrategyError, match="LookupError: a") as caught:
        await tc.run_backtest(strategies=Raises(tc.feed([News(1, "a")], name="own")), runs_dir=tmp_path)
    assert caught.value.run_folder is not None
    facts = json.loads((caught.value.run_folder / "run.json").read_text())
    assert facts["status"] == "failed"
    assert "LookupError: a" in facts["error"]


async def test_progress_is_told_window_by_window_and_at_the_end() -> None:
    told: list[Any] = []
    feed = tc.feed([News(second, str(second)) for second in range(50)], name="own")
    await tc.run_backtest(strategies=Listens(feed), batch_size=10, progress=told.append)
    assert [p.events for p in told] == sorted(p.events for p in told)
    assert told[-1].done
    assert (told[-1].events, told[-1].now_ns) == (50, make_ns("2024-01-01T00:00") + 49 * SECOND_NS)
    assert len(told) > 4

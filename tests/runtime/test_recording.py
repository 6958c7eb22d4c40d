"""Recordings: what came is written as it came, replayed as it was heard, and kept whatever ends it."""

import json
import random
from collections import Counter
from decimal import Decimal
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

import anyio
import pytest

import tradecore as tc
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import MINUTE_NS, SECOND_NS, to_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import DataMissing, RecordingFailed, RecordingUnreadable
from tradecore.feeds import arrival_log
from tradecore.feeds.arrival_log import read_arrivals
from tradecore.feeds.live_buffer import HistoryAnswer, arrived_ns
from tradecore.runtime.record_streams import RecordReport, record_streams
from tradecore.runtime.recorded_session import RecordedSession, StoreFollower, load_session
from tradecore.runtime.recording import Recording
from tradecore.storage.market_data_storage import Series
from tradecore.storage.open_storage import open_storage
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.virtual_run import run_virtual, running_clock

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")
BARS = Stream("bar", "TEST.SIM 1m last")
STREAMS = [TRADES, QUOTES, BARS]


class Scene:
    """A venue with a market of two minutes that loses, repeats and delays some of its trades."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = running_clock()
        self.venue = ObjectVenue(self.clock, STREAMS)
        self.recording = Recording(folder, self.clock, **settings)
        self.rng = random.Random(3)
        self.scope = anyio.CancelScope()

    async def record(self, streams: list[Stream] | None = None) -> RecordReport:
        """Record the whole market, then stop."""
        async with open_storage("memory:") as storage, anyio.create_task_group() as tasks:
            tasks.start_soon(self.run_market)
            report = await record_streams(
                self.venue, streams or STREAMS, self.recording, self.clock, storage=storage, scope=self.scope
            )
            self.stored = {info.series: info.rows for info in await storage.list_series()}
            self.received = [
                event.ts_received async for batch in storage.read(Series("quote_tick", "TEST.SIM")) for event in batch
            ]
        return report

    async def run_market(self) -> None:
        begin = self.clock.wall_ns() // MINUTE_NS * MINUTE_NS
        await anyio.sleep(1)
        for number in range(1, 121):
            now = self.clock.wall_ns()
            trade = make_trade_tick(now, 100.0 + number % 7, trade_id=str(number))
            # Nobody can know that something is missing behind the last trade that came, so that one comes.
            fault = "none" if number == 120 else self.rng.choice(["none"] * 6 + ["lost", "twice", "late"])
            self.venue.publish(TRADES, trade, lost=fault in ("lost", "late"), copies=2 if fault == "twice" else 1)
            self.venue.publish(QUOTES, make_quote_tick(now, 99.0, 100.0 + number % 3, sequence=number))
            if number % 60 == 0:
                self.venue.publish(BARS, make_bar(begin + number // 60 * MINUTE_NS, 100.0))
            if number == 50:
                self.venue.disconnect()
            if number == 55:
                self.venue.reconnect()
            await anyio.sleep(1)
            if fault == "late":
                self.venue.send(TRADES, trade)
        await anyio.sleep(30)  # for what history still has to answer
        self.scope.cancel()


def record(folder: Path, **settings: Any) -> tuple[Scene, RecordReport]:
    """A whole recording, on virtual time."""

    async def main() -> tuple[Scene, RecordReport]:
        scene = Scene(folder, **settings)
        return scene, await scene.record()

    return run_virtual(main, seed=1)


def read_feed(session: RecordedSession, stream: Stream) -> list[Any]:
    async def read() -> list[Any]:
        feed, events = session.open_feed(stream), list[Any]()
        while batch := await feed.next_batch(7):
            events += batch
        await feed.close()
        return events

    return anyio.run(read)


def test_a_recording_has_every_arrival_in_order_and_says_how_it_ended(tmp_path: Path) -> None:
    _, report = record(tmp_path / "r")
    arrivals = [arrival for block in read_arrivals(tmp_path / "r" / "arrivals.log") for arrival in block.arrivals]
    times = [arrived_ns(arrival) for arrival in arrivals]
    assert times == sorted(set(times)), "the one order of arrival"
    assert len(arrivals) == report.arrivals == report.buffer.received
    states = [a.state for a in arrivals if hasattr(a, "state") and a.stream == TRADES]
    assert FeedState.RECONNECTING in states
    assert any(type(arrival) is HistoryAnswer for arrival in arrivals), "what history answered is recorded too"
    facts = json.loads((tmp_path / "r" / "recording.json").read_text())
    assert (facts["status"], facts["arrivals"], facts["venue"]) == ("complete", len(arrivals), "object")
    assert [(one["stream"], one["state"]) for one in facts["state"]] == [
        (str(BARS), "PROVED"), (str(QUOTES), "EXCUSED"), (str(TRADES), "PROVED"),
    ]  # fmt: skip


def test_a_replay_has_each_trade_once_and_late_ones_where_they_came(tmp_path: Path) -> None:
    """All 120 happened: those that were lost came by history, behind the hole; none comes twice."""
    record(tmp_path / "r")
    events = read_feed(load_session(tmp_path / "r"), TRADES)
    ids = [int(event.trade_id) for event in events]
    assert sorted(ids) == list(range(1, 121))
    assert ids != sorted(ids), "the faults met the recording"
    received = [event.ts_received for event in events]
    assert received == sorted(set(received))
    quotes = read_feed(load_session(tmp_path / "r"), QUOTES)
    # 51 to 55 were published while the connection was lost, and history has no quotes. 56 asks 100 + 56 % 3 = 102, as
    # 50 does: across a hole an equal value is no news.
    assert [quote.sequence for quote in quotes] == [*range(1, 51), *range(57, 121)]


def test_the_store_gets_every_event_once_with_the_time_at_which_it_was_received(tmp_path: Path) -> None:
    scene, report = record(tmp_path / "r")
    assert scene.stored[Series("trade_tick", "TEST.SIM")] == 120
    assert scene.stored[Series("bar", "TEST.SIM 1m last")] == 2
    arrivals = [arrival for block in read_arrivals(tmp_path / "r" / "arrivals.log") for arrival in block.arrivals]
    assert scene.received == [one.ts_received for one in arrivals if type(one) is QuoteTick]
    assert report.added == 120 + 2 + 115, "of 120 quotes, 51 to 55 did not come"
    assert report.known > 0, "repeated trades, and those that history gave again"
    assert report.conflicts == 0


class Trader(tc.Strategy):
    """Buys and sells a unit by turns, with every fifth trade, and writes down all that it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, int]] = []

    def on_start(self) -> None:
        self.subscribe_to_trades("TEST.SIM")
        self.subscribe_to_quotes("TEST.SIM", key="quotes")
        self.subscribe_to_bars("TEST.SIM 1m last")
        self.subscribe_to_bars("TEST.SIM 30s last", source="trades")
        self.add_repeating_timer("timer", 10 * SECOND_NS)

    def on_event(self, event: Any) -> None:
        self.heard.append((event.event_type, event.ts_received, to_ns(self.get_current_time())))
        if type(event) is TradeTick and int(event.trade_id or 0) % 5 == 0:
            self.submit_order(tc.Order.market("TEST.SIM", 1 if int(event.trade_id or 0) % 10 else -1))

    def on_execution(self, execution: tc.Execution) -> None:
        self.heard.append(("execution", execution.ts_event, to_ns(self.get_current_time())))


def replay(folder: Path, batch_size: int) -> tuple[Trader, str]:
    trader = Trader()
    settings = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(10_000)},
        latency=tc.Latency(submit=ConstantDelay(ms=1_500)),
    )  # fmt: skip
    done = tc.run_backtest_sync(
        strategies=trader, brokers={"sim": settings}, recording=folder, batch_size=batch_size, trace=True
    )
    return trader, done.digests["run"]


def test_a_backtest_over_a_recording_hears_all_when_it_was_received(tmp_path: Path) -> None:
    """One timeline for strategy and broker, whatever the batch size."""
    record(tmp_path / "r")
    trader, digest = replay(tmp_path / "r", 1_024)
    session = load_session(tmp_path / "r")
    for kind, stream in (("trade_tick", TRADES), ("quote_tick", QUOTES)):
        heard = [received for word, received, _ in trader.heard if word == kind]
        assert heard == [event.ts_received for event in read_feed(session, stream)]
    times = [now for _, _, now in trader.heard]
    assert times == sorted(times)
    assert all(now == received // 1_000 * 1_000 for word, received, now in trader.heard if word.endswith("tick"))
    words = Counter(word for word, _, _ in trader.heard)
    # Two bars were recorded, four of 30 s are made of the trades; 10 to 120 s are 12 timers; of 24 orders the one of
    # trade 120 is due when nothing comes any more.
    assert (words["bar"], words["time_event"], words["execution"]) == (2 + 4, 12, 23)
    for batch_size in (1, 16):
        again, same = replay(tmp_path / "r", batch_size)
        assert (again.heard, same) == (trader.heard, digest)


class SmallDisk(FileIO):
    """Takes 3,000 bytes."""

    def write(self, block: Any) -> int:
        room = 3_000 - self.tell()
        if room <= 0:
            raise OSError(28, "No space left on device")
        return super().write(bytes(block)[:room])


def test_a_full_disk_ends_the_recording_with_a_typed_error_and_keeps_what_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival_log, "FileIO", SmallDisk)
    with pytest.raises(ExceptionGroup) as caught:
        record(tmp_path / "r")
    (failure,) = caught.value.exceptions
    assert isinstance(failure, RecordingFailed)
    session = load_session(tmp_path / "r")
    assert (session.status, session.facts["arrivals"]) == ("cut", failure.kept)
    kept = [a for block in read_arrivals(session.log_path) for a in block.arrivals]
    assert len(kept) == failure.kept > 20


def test_under_degrade_a_full_disk_ends_the_recording_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival_log, "FileIO", SmallDisk)
    scene, report = record(tmp_path / "r", on_full="degrade")
    assert scene.recording.failure is not None
    assert report.buffer.received > report.arrivals
    assert load_session(tmp_path / "r").status == "cut"


def test_the_same_market_is_recorded_in_the_same_bytes(tmp_path: Path) -> None:
    record(tmp_path / "a")
    record(tmp_path / "b")
    assert (tmp_path / "a" / "arrivals.log").read_bytes() == (tmp_path / "b" / "arrivals.log").read_bytes()


def test_a_store_that_has_other_values_keeps_them_and_the_rest_still_comes(tmp_path: Path) -> None:
    record(tmp_path / "r")
    session = load_session(tmp_path / "r")
    fourth = read_feed(session, TRADES)[3]

    async def follow() -> tuple[int, int]:
        async with open_storage("memory:") as storage:
            await storage.append([make_trade_tick(fourth.ts_event, 1.0, trade_id=fourth.trade_id)])
            follower = StoreFollower(session.log_path, storage)
            await follower.follow()
            follower.close()
            (trades,) = [info for info in await storage.list_series() if info.series.kind == "trade_tick"]
            return follower.conflicts, trades.rows

    assert anyio.run(follow) == (1, 120)


def test_what_was_not_recorded_cannot_be_replayed(tmp_path: Path) -> None:
    record(tmp_path / "r")
    with pytest.raises(DataMissing, match=r"recorded .*; not trade_tick OTHER.SIM"):
        load_session(tmp_path / "r").open_feed(Stream("trade_tick", "OTHER.SIM"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "expected the folder of a recording"),
        ("{", "is not JSON"),
        ('{"format": 99}', "expected a recording of format 1"),
        ('{"format": 1, "streams": [{}]}', "its streams cannot be read"),
    ],
)
def test_a_folder_that_is_no_recording_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "recording.json").write_text(text)
    with pytest.raises(RecordingUnreadable, match=says):
        load_session(tmp_path)


def test_a_folder_is_never_recorded_over(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match="File exists"):
        run_virtual(partial(_make, tmp_path), seed=1)


async def _make(folder: Path) -> None:
    Recording(folder, running_clock())


def test_frames_are_recorded_beside_the_events(tmp_path: Path) -> None:
    async def main() -> int:
        recording = Recording(tmp_path / "r", running_clock())
        recording.note_frame('{"a":1}')
        recording.close()
        return recording.arrivals

    assert run_virtual(main, seed=1) == 0
    assert len(list((tmp_path / "r").glob("frames-*.jsonl.gz"))) == 1

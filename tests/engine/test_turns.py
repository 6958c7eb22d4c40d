"""A turn: what comes before what at one instant, what errors do, and who may give commands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.engine.message_bus import MessageBus
from tradecore.errors import EngineStateError, FeedOutOfOrder, InvalidTime, StrategyError
from tradecore.feeds.columns_feed import TradeColumnsFeed
from tradecore.strategy.strategy import Answer

T0 = 1_704_067_200 * SECOND_NS


def make_trades(*seconds: int, instrument: str = "A.X", name: str | None = None) -> TradeColumnsFeed:
    count = len(seconds)
    times = [T0 + s * SECOND_NS for s in seconds]
    return TradeColumnsFeed(instrument, times, [float(s) for s in seconds], [1.0] * count, name=name)


class Recorder(tc.Strategy):
    """Writes down what it hears as "callback second"."""

    def __init__(self, *feeds: Any, label: str = "s0") -> None:
        self.feeds, self.label = feeds, label
        self.heard: list[str] = []

    def on_start(self) -> None:
        self.heard.append("start")
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, str(number))

    def on_stop(self) -> None:
        self.heard.append("stop")

    def on_trade_tick(self, tick: tc.TradeTick) -> Answer:
        self.heard.append(f"trade {int(tick.price)}")
        return None

    def on_time_event(self, event: Any) -> None:
        self.heard.append(f"{event.name} {(event.ts_event - T0) // SECOND_NS}")

    def on_error(self, error: Exception) -> None:
        self.heard.append(f"error {error}")

    def on_phase_changed(self, change: tc.PhaseChanged) -> None:
        self.heard.append(f"phase {change.phase.value}")


async def test_a_run_starts_enters_phase_b_delivers_and_stops(run_engine: Any) -> None:
    """on_start comes before the phase: what it subscribes to is what the phase replays."""
    strategy = Recorder(make_trades(1, 2))
    await run_engine([strategy])
    assert strategy.heard == ["start", "phase B", "trade 1", "trade 2", "stop"]


async def test_on_event_comes_first_and_the_callback_of_its_kind_second(run_engine: Any) -> None:
    """Any event is first caught by on_event (SPEC 4.1)."""

    class Both(Recorder):
        def on_event(self, event: Any) -> None:
            self.heard.append(f"event {event.event_type}")

    strategy = Both(make_trades(1))
    await run_engine([strategy])
    assert strategy.heard[2:4] == ["event trade_tick", "trade 1"]


async def test_async_callbacks_are_awaited_in_place_one_at_a_time(run_engine: Any) -> None:
    """A callback that really waits must not let the next event pass it."""

    class Slow(Recorder):
        async def on_trade_tick(self, tick: tc.TradeTick) -> None:
            self.heard.append(f"in {int(tick.price)}")
            await asyncio.sleep(0)
            self.heard.append(f"out {int(tick.price)}")

    slow, plain = Slow(make_trades(1, 2), label="a"), Recorder(make_trades(1, 2, instrument="B.X"), label="b")
    await run_engine([plain, slow])
    assert slow.heard[2:-1] == ["in 1", "out 1", "in 2", "out 2"]
    assert plain.heard[2:-1] == ["trade 1", "trade 2"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_strategy_may_route_its_events_itself(run_engine: Any, is_async: bool) -> None:
    """Overriding distribute_event_to_proper_callbacks replaces the engine's own routing."""

    class Filter(Recorder):
        def distribute_event_to_proper_callbacks(self, event: Any) -> Any:
            return super().distribute_event_to_proper_callbacks(event) if event.price > 1 else None

    class AsyncFilter(Filter):
        async def on_trade_tick(self, tick: tc.TradeTick) -> None:
            self.heard.append(f"trade {int(tick.price)}")

    strategy = (AsyncFilter if is_async else Filter)(make_trades(1, 2, 3))
    await run_engine([strategy])
    assert strategy.heard[2:-1] == ["trade 2", "trade 3"]


async def test_a_strategy_that_never_calls_super_init_works(run_engine: Any) -> None:
    """Recorder does not call it; the base state is set in __new__."""
    strategy = Recorder(make_trades(1))
    await run_engine([strategy])
    assert strategy.name == "s0"


async def test_before_the_run_a_strategy_says_that_it_needs_an_engine() -> None:
    """A call in __init__ is a common slip."""
    with pytest.raises(EngineStateError, match="use it in on_start or a later callback"):
        Recorder().get_current_time()


# ------------------------------------------------------------------------------------------------------------- timers


async def test_a_timer_sees_the_events_of_its_instant_and_does_not_drift(run_engine: Any) -> None:
    """k-th moment = start + k * period, after the trades of the same second."""

    class Timed(Recorder):
        def on_start(self) -> None:
            super().on_start()
            self.add_repeating_timer("tick", timedelta(seconds=2), start=datetime(2024, 1, 1, tzinfo=UTC))
            self.add_timer("once", datetime(2024, 1, 1, 0, 0, 3, tzinfo=UTC))

    strategy = Timed(make_trades(1, 2, 3, 5))
    await run_engine([strategy], start_ns=T0 + SECOND_NS)
    assert strategy.heard[2:-1] == ["trade 1", "trade 2", "tick 2", "trade 3", "once 3", "tick 4", "trade 5"]


async def test_without_an_end_a_run_ends_at_the_last_event_that_is_no_timers(run_engine: Any) -> None:
    """Else a repeating timer would run for ever; with an end it runs up to it."""

    class Timed(Recorder):
        def on_start(self) -> None:
            super().on_start()
            self.add_repeating_timer("tick", SECOND_NS, start=T0)

    open_ended, ended = Timed(make_trades(2)), Timed(make_trades(2))
    await run_engine([open_ended])
    await run_engine([ended], end_ns=T0 + 4 * SECOND_NS)
    assert open_ended.heard[-3:] == ["trade 2", "tick 2", "stop"]
    assert ended.heard[-3:] == ["tick 3", "tick 4", "stop"]


async def test_a_cancelled_timer_does_not_fire_even_at_the_instant_of_the_cancel(run_engine: Any) -> None:
    """Timers are the last part of a turn: a trade of the same second can still call one off."""

    class CallsOff(Recorder):
        def on_start(self) -> None:
            super().on_start()
            self.add_repeating_timer("tick", SECOND_NS, start=T0)

        def on_trade_tick(self, tick: tc.TradeTick) -> None:
            super().on_trade_tick(tick)
            if tick.price == 2:
                self.cancel_timer("tick")

    strategy = CallsOff(make_trades(1, 2, 4))
    await run_engine([strategy], start_ns=T0)
    assert strategy.heard[2:-1] == ["tick 0", "trade 1", "tick 1", "trade 2", "trade 4"]


async def test_a_timer_in_the_past_and_a_naive_time_are_refused(run_engine: Any) -> None:
    """A timer that can never fire is a mistake, not a wish."""

    class Late(Recorder):
        def on_trade_tick(self, tick: tc.TradeTick) -> None:
            with pytest.raises(InvalidTime, match="only be set for the future"):
                self.add_timer("past", T0)
            with pytest.raises(InvalidTime, match="no time zone"):
                self.add_timer("naive", datetime(2030, 1, 1))
            self.heard.append("refused")

    strategy = Late(make_trades(1))
    await run_engine([strategy])
    assert "refused" in strategy.heard


async def test_two_strategies_may_name_their_timers_alike(run_engine: Any) -> None:
    """Each hears its own."""

    class Timed(Recorder):
        def __init__(self, label: str, every: int) -> None:
            super().__init__(make_trades(1, 6, instrument=f"{label}.X"), label=label)
            self.every = every

        def on_start(self) -> None:
            super().on_start()
            self.add_repeating_timer("tick", self.every * SECOND_NS, start=T0 + SECOND_NS)

    two, three = Timed("a", 2), Timed("b", 3)
    await run_engine([three, two])
    assert [h for h in two.heard if h.startswith("tick")] == ["tick 1", "tick 3", "tick 5"]
    assert [h for h in three.heard if h.startswith("tick")] == ["tick 1", "tick 4"]


# ------------------------------------------------------------------------------------------------------------- errors


class Raises(Recorder):
    def __init__(self, *feeds: Any, label: str, at: int, where: str = "on_trade_tick") -> None:
        super().__init__(*feeds, label=label)
        self.at, self.where = at, where

    def on_trade_tick(self, tick: tc.TradeTick) -> Answer:
        if self.where == "on_trade_tick" and tick.price == self.at:
            raise ValueError("my mistake")
        return super().on_trade_tick(tick)


async def test_a_strategy_that_raises_ends_the_run_and_the_error_names_its_line(run_engine: Any) -> None:
    """A report over a half-dead strategy is a lie."""
    strategy = Raises(make_trades(1, 2, 3), label="bad", at=2)
    with pytest.raises(
        StrategyError, match=r"strategy 'bad' raised in on_trade_tick: ValueError: my mistake"
    ) as caught:
        await run_engine([strategy])
    assert "test_turns.py" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)
    assert strategy.heard == ["start", "phase B", "trade 1", "error my mistake"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_isolate_lets_the_others_go_on_and_they_miss_nothing(run_engine: Any, asynchronous: bool) -> None:
    """The event that one strategy choked on still reaches the ones after it."""

    class AsyncRaises(Raises):
        async def on_trade_tick(self, tick: tc.TradeTick) -> None:
            super().on_trade_tick(tick)

    shared = make_trades(1, 2, 3)
    bad = (AsyncRaises if asynchronous else Raises)(shared, label="a", at=2)
    good = Recorder(shared, label="b")
    engine = await run_engine([good, bad], on_error="isolate")
    assert bad.heard == ["start", "phase B", "trade 1", "error my mistake"]
    assert good.heard == ["start", "phase B", "trade 1", "trade 2", "trade 3", "stop"]
    assert [failure.strategy for failure in engine.failures] == ["a"]


async def test_of_several_feeds_of_one_class_the_one_that_raises_is_known(run_engine: Any) -> None:
    """The loop for them looks at nothing but the series; what comes after the error still comes."""
    feeds = [make_trades(1, 2, 5), make_trades(3, 4, instrument="B.X")]
    strategy = Raises(*feeds, label="bad", at=3)
    with pytest.raises(StrategyError, match=r"strategy 'bad' raised in on_trade_tick: ValueError: my mistake"):
        await run_engine([strategy])
    assert strategy.heard == ["start", "phase B", "trade 1", "trade 2", "error my mistake"]
    first, second = make_trades(1, 2, 5), make_trades(3, 4, instrument="B.X")
    bad, good = Raises(second, label="a", at=3), Recorder(first, label="b")
    engine = await run_engine([bad, good], on_error="isolate")
    assert bad.heard == ["start", "phase B", "error my mistake"]
    assert good.heard == ["start", "phase B", "trade 1", "trade 2", "trade 5", "stop"]
    assert [failure.strategy for failure in engine.failures] == ["a"]


async def test_a_feed_that_goes_back_in_time_is_named_after_all_earlier_rows(run_engine: Any) -> None:
    """Feed, row and both times; the three good rows were delivered first, at every batch size."""
    ticks = [tc.TradeTick("A.X", T0 + s * SECOND_NS, T0 + s * SECOND_NS, float(s), 1.0) for s in (1, 3, 4, 2, 5)]
    for size in (1, 2, 1_024):
        strategy = Recorder(
            tc.feed(ticks, name="mine", event_types=["trade_tick"]), make_trades(1, 9, instrument="B.X")
        )
        with pytest.raises(FeedOutOfOrder) as caught:
            await run_engine([strategy], batch_size=size)
        assert str(caught.value).startswith(
            "feed 'mine' goes back in time at row 4: 2024-01-01T00:00:02Z comes after 2024-01-01T00:00:04Z"
        )
        assert strategy.heard[2:] == ["trade 1", "trade 1", "trade 3", "trade 4"]


async def test_a_command_from_another_task_is_refused(run_engine: Any) -> None:
    """In replay only callbacks may give commands, or the result would depend on timing."""
    refused: list[Exception] = []

    class Waits(Recorder):
        async def on_trade_tick(self, tick: tc.TradeTick) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.meddle())

        async def meddle(self) -> None:
            try:
                self.add_timer("never", T0 + 99 * SECOND_NS)
            except EngineStateError as error:
                refused.append(error)

    await run_engine([Waits(make_trades(1))])
    assert "outside a callback" in str(refused[0])


async def test_an_engine_is_one_run(run_engine: Any) -> None:
    """Its queue is used up and its strategies have ended."""
    engine = await run_engine([Recorder(make_trades(1))])
    with pytest.raises(EngineStateError, match="an engine is one run"):
        await engine.run()


# ---------------------------------------------------------------------------------------------------------------- bus


def test_the_bus_tells_observers_of_a_class_and_of_its_bases_in_order() -> None:
    """Observers come after the delivery, at once, in the order in which they subscribed."""
    bus, heard = MessageBus(), []
    bus.subscribe(tc.PositionChanged, lambda m: heard.append("changed"))
    end = bus.subscribe(tc.PositionOpened, lambda m: heard.append("opened"))
    bought = tc.Execution(
        "s-1-1", "s-1", "s", "sim", tc.BrokerSource.SIMULATED, "A.X", tc.OrderSide.BUY, Decimal(1), Decimal(100),
        Decimal(0), "USD", tc.Liquidity.TAKER, "quote", T0,
    )  # fmt: skip
    flat = tc.Position("A.X")
    message = tc.PositionOpened("s", "sim", bought, flat, flat.after(Decimal(1), Decimal(100), T0), T0)
    bus.publish(message)
    end()
    bus.publish(message)
    assert heard == ["changed", "opened", "changed"]
    assert bus.is_heard(tc.PositionClosed)
    assert not bus.is_heard(tc.Execution)


async def test_history_keeps_as_many_events_as_asked_for(run_engine: Any) -> None:
    """Newest at [-1]."""

    class Keeps(tc.Strategy):
        seen: Sequence[Any] = ()

        def on_start(self) -> None:
            self.add_event_feed(make_trades(1, 2, 3), "trades", history=2)

        def on_trade_tick(self, tick: tc.TradeTick) -> None:
            self.seen = [t.price for t in self.events["trades"]]
            assert self.events["trades"][-1] is tick

    strategy = Keeps()
    await run_engine([strategy])
    assert list(strategy.seen) == [2.0, 3.0]


async def test_cancelling_a_run_closes_its_feeds(run_engine: Any) -> None:
    """Cancellable at any await, with everything closed."""
    closed: list[str] = []

    class Endless(tc.Strategy):
        def on_start(self) -> None:
            self.add_event_feed(tc.feed(self.forever(), name="endless", event_types=["trade_tick"]), "endless")

        async def forever(self) -> Any:
            second = 0
            try:
                while True:
                    second += 1
                    yield tc.TradeTick("A.X", T0 + second, T0 + second, 1.0, 1.0)
                    await asyncio.sleep(0)
            finally:
                closed.append("closed")

    task = asyncio.get_running_loop().create_task(run_engine([Endless()], batch_size=4))
    for _ in range(200):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["closed"]


@pytest.mark.parametrize("own", [False, True])
async def test_async_callbacks_of_a_feed_of_several_kinds_are_awaited_from_its_first_event_on(
    run_engine: Any, own: bool
) -> None:
    """Nobody knows what such a feed gives before its first event is there; a callback not awaited would be lost."""

    class OnEvent(tc.Strategy):
        heard: tuple[int, ...] = ()

        def on_start(self) -> None:
            ticks = [tc.TradeTick("A.X", T0 + s * SECOND_NS, T0 + s * SECOND_NS, float(s), 1.0) for s in (1, 2, 3)]
            self.add_event_feed(tc.feed(ticks, name="mine"), "mine")

    class Own(OnEvent):
        async def on_event(self, event: Any) -> None:
            await asyncio.sleep(0)
            self.heard += (int(event.price),)

    class Kind(OnEvent):
        async def on_trade_tick(self, tick: tc.TradeTick) -> None:
            await asyncio.sleep(0)
            self.heard += (int(tick.price),)

    strategy = (Own if own else Kind)()
    await run_engine([strategy])
    assert strategy.heard == (1, 2, 3)


async def test_a_repeating_timer_of_a_run_without_a_start_begins_after_its_first_event(run_engine: Any) -> None:
    """Not in 1970: a minute timer would give 28 million events before the first one of the market."""

    class Minutes(Recorder):
        def on_start(self) -> None:
            super().on_start()
            self.add_repeating_timer("m", timedelta(minutes=1))

    for size in (1, 1_024):
        strategy = Minutes(make_trades(0, 30, 150))
        await run_engine([strategy], batch_size=size)
        assert strategy.heard[2:-1] == ["trade 0", "trade 30", "m 60", "m 120", "trade 150"]


@pytest.mark.parametrize("policy", ["halt", "isolate"])
async def test_on_error_that_raises_hides_nothing(run_engine: Any, policy: str) -> None:
    """The first mistake is the one to mend; under isolate the others still go on."""

    class RaisesTwice(Raises):
        def on_error(self, error: Exception) -> None:
            raise KeyError("in on_error")

    shared = make_trades(1, 2, 3)
    bad, good = RaisesTwice(shared, label="a", at=2), Recorder(shared, label="b")
    if policy == "halt":
        with pytest.raises(StrategyError, match="my mistake") as caught:
            await run_engine([good, bad])
        assert "in on_error" in caught.value.__notes__[0]
        return
    engine = await run_engine([good, bad], on_error="isolate")
    assert [failure.callback for failure in engine.failures] == ["on_trade_tick", "on_error"]
    assert good.heard[2:-1] == ["trade 1", "trade 2", "trade 3"]

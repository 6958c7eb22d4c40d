"""LiveMarket: a market at an ObjectVenue that goes on by itself, and a strategy that writes down all it hears.

Receives: a venue, the clock, how often something happens.
Gives:    trades, quotes and closed minutes by the venue's clock, numbered from 1; `LogStrategy.log`, line by line;
          `open_market_stage`, on which live runs are started.
Never:    leaves anything to chance: prices go up and down by their number.    STYLE 22, 23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio

from tradecore.domain.bar import Bar
from tradecore.domain.clock import Clock
from tradecore.domain.execution import Execution
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.phase import PhaseChanged
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.stream import Stream
from tradecore.domain.time_event import TimeEvent
from tradecore.domain.trade_tick import TradeTick
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.run_live import run_live
from tradecore.runtime.run_result import RunResult
from tradecore.strategy.strategy import Strategy
from tradecore.testing.builders import make_bar, make_instrument, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.virtual_run import running_clock

INSTRUMENT: Final = "TEST.SIM"
TRADES: Final = Stream("trade_tick", INSTRUMENT)
QUOTES: Final = Stream("quote_tick", INSTRUMENT)
BARS: Final = Stream("bar", f"{INSTRUMENT} 1m last")


def price_of(number: int) -> float:
    """Price of the n-th trade: 100.00 to 100.06, up and down."""
    return 100.0 + (number % 7) / 100


class LiveMarket:
    """Every step_s seconds a trade and a quote, and each closed minute a bar. `venue.truth` is what happened."""

    def __init__(self, venue: ObjectVenue, clock: Clock, *, step_s: float = 5.0) -> None:
        self.venue, self.clock = venue, clock
        self.step_s = step_s
        self.number = 0
        self.lose = 0  # of the next trades, so many do not arrive
        self.before_step: Callable[[int], None] = lambda _now: None
        self._prices: list[float] = []
        self._minute_ns: int | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.step()
            await anyio.sleep(self.step_s)

    def step(self) -> None:
        """What happens now."""
        now, venue = self.clock.wall_ns(), self.venue
        self.before_step(now)
        self._close_minute(now)
        self.number += 1
        price = price_of(self.number)
        self._prices.append(price)
        venue.publish(TRADES, make_trade_tick(now, price, trade_id=str(self.number)), lost=self.lose > 0)
        self.lose = max(self.lose - 1, 0)
        venue.publish(QUOTES, make_quote_tick(now, price - 0.05, price + 0.05, sequence=self.number))

    def _close_minute(self, now: int) -> None:
        if self._minute_ns is not None and now >= self._minute_ns and self._prices:
            opened, *_, closed = self._prices[0], self._prices[-1]
            high, low, volume = max(self._prices), min(self._prices), float(len(self._prices))
            bar = make_bar(self._minute_ns, closed, open=opened, high=high, low=low, volume=volume)
            self.venue.publish(BARS, bar)
        if self._minute_ns is None or now >= self._minute_ns:
            self._minute_ns, self._prices = (now // MINUTE_NS + 1) * MINUTE_NS, []


class LogStrategy(Strategy):
    """Subscribes to what it is told ("trades", "quotes", "bars", "made bars", "timer") and writes everything down.

    log: (phase, now, word, event). act: called after each line, with the strategy and the event.
    """

    def __init__(self, *wanted: str, act: Callable[[LogStrategy, str, Any], None] | None = None) -> None:
        self.wanted = wanted
        self.log: list[tuple[str, int, str, Any]] = []
        self.phase = "-"
        self._act = act

    def on_start(self) -> None:
        """Subscribe."""
        self._note("start", None)
        for word in self.wanted:
            self.want(word)

    def want(self, word: str) -> None:
        """Subscribe to one of the words."""
        if word == "trades":
            self.subscribe_to_trades(INSTRUMENT, key=word)
        elif word == "quotes":
            self.subscribe_to_quotes(INSTRUMENT, key=word)
        elif word == "bars":
            self.subscribe_to_bars(BARS.name, key=word)
        elif word == "made bars":
            self.subscribe_to_bars(BARS.name, key=word, source="trades")
        else:
            assert word == "timer", f"{word!r} is none of trades, quotes, bars, made bars, timer"
            self.add_repeating_timer(word, 30 * SECOND_NS)

    def on_stop(self) -> None:
        """The end."""
        self._note("stop", None)

    def on_phase_changed(self, change: PhaseChanged) -> None:
        """Lines from now on are of this phase."""
        self.phase = change.phase.value
        self._note("phase", change)

    def on_feed_state(self, change: FeedStateChanged) -> None:
        """A line."""
        self._note("state", change)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """A line."""
        self._note("trade", tick)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """A line."""
        self._note("quote", tick)

    def on_bar(self, bar: Bar) -> None:
        """A line."""
        self._note("bar", bar)

    def on_time_event(self, event: TimeEvent) -> None:
        """A line."""
        self._note("timer", event)

    def on_execution(self, execution: Execution) -> None:
        """A line."""
        self._note("execution", execution)

    def _note(self, word: str, event: Any) -> None:
        self.log.append((self.phase, self.now_ns, word, event))
        if self._act is not None:
            self._act(self, word, event)

    def list_events(self, word: str, phases: str = "ABCD") -> list[Any]:
        """Events of a word, of these phases, in order."""
        return [event for phase, _, kind, event in self.log if kind == word and (phase in phases or phase == "-")]

    def list_ids(self, phases: str = "ABCD") -> list[int]:
        """Ids of the trades of these phases, in order."""
        return [int(tick.trade_id) for tick in self.list_events("trade", phases)]


class MarketStage:
    """A market that goes on, and runs beside it. clock: of the runs. run: the newest one's LiveRun."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.venue = ObjectVenue(clock, [TRADES, QUOTES, BARS])
        self.market = LiveMarket(self.venue, clock)
        self._run: LiveRun | None = None

    @property
    def run(self) -> LiveRun:
        """The run that was started last."""
        assert self._run is not None, "no run was started on this stage"
        return self._run

    def watch(self, run: LiveRun) -> None:
        """Called by run_live."""
        self._run = run

    async def go(self, strategy: Strategy, **given: Any) -> RunResult:
        """A run of 70 s with two minutes of warm-up, unless told otherwise. given: of run_live."""
        words: dict[str, Any] = {
            "venues": {"SIM": self.venue}, "instruments": [make_instrument()], "warmup": "2m", "duration": "70s",
            "clock": self.clock, "watch": self.watch, **given,
        }  # fmt: skip
        return await run_live(strategies=strategy, **words)


@asynccontextmanager
async def open_market_stage(clock: Clock | None = None, before_s: float = 121) -> AsyncIterator[MarketStage]:
    """A market that has gone on for before_s seconds, and goes on until the end of the block."""
    stage = MarketStage(clock or running_clock())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.market.run)
        await anyio.sleep(before_s)
        yield stage
        tasks.cancel_scope.cancel()

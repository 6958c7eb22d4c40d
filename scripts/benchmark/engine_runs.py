"""The same workloads through the whole engine: what a user gets by default.

run_backtest with a TradingEngine, a SimulatedBroker with its ledger, a PerformanceAnalyzer per strategy, and digests of
orders and executions. The strategies bring columns in memory as feeds, or read a store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import tradecore as tc
from benchmark.signals import EmaSignal, SmaSignal
from benchmark.workloads import Columns

INSTRUMENT = "BENCH.X"
CENT = Decimal("0.01")


class Measured(NamedTuple):
    """CPU seconds of a run, the strategy after it, and the result."""

    seconds: float
    strategy: Any
    result: Any


def make_instrument(instrument: str = INSTRUMENT) -> tc.Instrument:
    return tc.Instrument(id=instrument, price_increment=CENT, quantity_increment=Decimal(1), currency="USD")


def run(
    strategy: tc.Strategy, *, orders: bool, storage: Any = None, instruments: Sequence[str] = (INSTRUMENT,)
) -> Measured:
    """CPU seconds of one run, assembly included."""
    start = time.process_time()
    result = asyncio.run(
        tc.run_backtest(
            strategies={"bench": strategy},
            instruments=[make_instrument(name) for name in instruments],
            brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})},
            storage=storage,
        )
    )
    seconds = time.process_time() - start
    assert result.status == "complete"
    assert orders == bool(result.counts["orders"])
    return Measured(seconds, strategy, result)


def profit(measured: Measured, last_price: float) -> float:
    """Money in hand plus what is held at a last price, less what there was."""
    strategy = measured.strategy
    return round(float(strategy.money) - 1_000_000 + float(strategy.held) * last_price, 2)


class EngineStrategy(tc.Strategy):
    """What all have in common: a feed, turning sides, and what is left at the end."""

    def __init__(self, feed: Any = None) -> None:
        self.feed = feed
        self.count = self.timers = self.side = self.submitted = self.cancelled = self.executions = 0
        self.last: Any = None
        self.money = self.held = Decimal(0)

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "feed")

    def on_stop(self) -> None:
        self.money = self.account().cash["USD"]
        self.held = self.position(INSTRUMENT).quantity

    def on_execution(self, execution: tc.Execution) -> None:
        self.executions += 1

    def turn(self, side: int) -> None:
        if side and side != self.side:
            self.submit_order(tc.Order.market(INSTRUMENT, side - self.side))
            self.submitted += 1
            self.side = side


class W1(EngineStrategy):
    def __init__(self, feed: Any) -> None:
        super().__init__(feed)
        self.signal = SmaSignal()

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        self.turn(self.signal.update(bar.close))


class W2(EngineStrategy):
    def __init__(self, feed: Any) -> None:
        super().__init__(feed)
        self.signal = EmaSignal()

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.count += 1
        self.turn(self.signal.update((tick.bid_price + tick.ask_price) / 2))


class W3(EngineStrategy):
    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1
        self.last = tick.price


class W3Async(EngineStrategy):
    async def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1
        self.last = tick.price


class W3Stored(W3):
    def on_start(self) -> None:
        self.subscribe_to_trades(INSTRUMENT)


class W4(EngineStrategy):
    def __init__(self, feeds: Sequence[Any], first_timer: int) -> None:
        super().__init__()
        self.feeds, self.first_timer = feeds, first_timer

    def on_start(self) -> None:
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, f"bars {number}")
        self.add_repeating_timer("minute", 60_000_000_000, self.first_timer)

    def on_stop(self) -> None:
        pass

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        self.last = bar.close

    def on_time_event(self, event: Any) -> None:
        self.timers += 1


class ManyFeeds(W3):
    """The trades of W3 dealt out to many instruments."""

    def __init__(self, feeds: Sequence[Any]) -> None:
        super().__init__()
        self.feeds = feeds

    def on_start(self) -> None:
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, f"feed {number}")

    def on_stop(self) -> None:
        pass


class W5(EngineStrategy):
    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.count += 1
        if self.count % 10 == 0:
            if self.last is not None and self.last.is_open:
                self.cancel_order(self.last)
                self.cancelled += 1
            self.submitted += 1
            if self.submitted % 2:
                order = tc.Order.limit(INSTRUMENT, 1, round(tick.bid_price - 0.01, 2))
            else:
                order = tc.Order.limit(INSTRUMENT, -1, round(tick.ask_price + 0.01, 2))
            self.last = self.submit_order(order)


def bars_feed(columns: Columns, instrument: str = INSTRUMENT) -> tc.BarColumnsFeed:
    return tc.BarColumnsFeed(
        f"{instrument} 1m last",
        columns["ts"],
        columns["open"],
        columns["high"],
        columns["low"],
        columns["close"],
        columns["volume"],
    )


def quotes_feed(columns: Columns) -> tc.QuoteColumnsFeed:
    return tc.QuoteColumnsFeed(
        INSTRUMENT, columns["ts"], columns["bid"], columns["ask"], columns["bid_size"], columns["ask_size"]
    )


def trades_feed(columns: Columns, instrument: str = INSTRUMENT) -> tc.TradeColumnsFeed:
    return tc.TradeColumnsFeed(instrument, columns["ts"], columns["price"], columns["size"], columns["side"])


def fill_store(url: str, columns: Columns) -> None:
    """The trades of W3 in a store."""

    async def fill() -> None:
        async with tc.open_storage(url) as storage:
            await storage.add_instruments([make_instrument()])
            feed = trades_feed(columns)
            while batch := await feed.next_batch(100_000):
                await storage.append(batch)

    asyncio.run(fill())


def plain_trades_query() -> tuple[str, Any]:
    """The query of a plain sqlite3 loop, and what makes TradeTicks of its rows."""
    aggressors = tuple(tc.Aggressor)
    make = tc.TradeTick

    def build(rows: Any) -> list[tc.TradeTick]:
        return [
            make(INSTRUMENT, ts_event, ts_received, price, size, aggressors[aggressor], trade_id, flags)
            for ts_event, ts_received, price, size, aggressor, trade_id, flags in rows
        ]

    query = (
        "SELECT ts_event, ts_received, price, size, aggressor, trade_id, flags FROM trade_ticks "
        "WHERE instrument_id = 1 ORDER BY instrument_id, ts_event, ordinal"
    )
    return query, build

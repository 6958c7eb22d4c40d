"""The bare loops: W1 to W5 in plain Python, as if there were no engine. The unit of every figure.

Each builds event objects from columns in batches of 8,192, merges where there are several streams, matches orders in
the simplest way and calls the strategy's `on_event` and its own callback. No accounts, no ledger, no files.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from benchmark.signals import EmaSignal, SmaSignal
from benchmark.workloads import Columns

BATCH = 8_192

Bar = msgspec.defstruct(
    "Bar",
    [("ts", int), ("open", float), ("high", float), ("low", float), ("close", float), ("volume", float), ("k", int)],
    gc=False,
)
Quote = msgspec.defstruct(
    "Quote", [("ts", int), ("bid", float), ("ask", float), ("bid_size", float), ("ask_size", float)], gc=False
)
Trade = msgspec.defstruct("Trade", [("ts", int), ("price", float), ("size", float), ("side", int)], gc=False)
Timer = msgspec.defstruct("Timer", [("ts", int)], gc=False)
Order = msgspec.defstruct(
    "Order", [("number", int), ("side", int), ("quantity", float), ("price", float), ("state", str)], gc=False
)
Execution = msgspec.defstruct(
    "Execution", [("order", int), ("ts", int), ("side", int), ("quantity", float), ("price", float)], gc=False
)


class Venue:
    """Orders, position and cash in floats."""

    def __init__(self) -> None:
        self.now, self.position, self.cash = 0, 0.0, 0.0
        self.orders: dict[int, Any] = {}
        self.working: dict[int, Any] = {}
        self.strategy: Any = None
        self.quote: Any = None

    def submit(self, side: int, quantity: float, price: float = 0.0) -> Any:
        order = Order(len(self.orders) + 1, side, quantity, price, "new")
        self.orders[order.number] = self.working[order.number] = order
        self.strategy.on_order(order)
        if self.quote is not None and not price:
            self.execute(order, self.quote.ask if side > 0 else self.quote.bid)
        return order

    def cancel(self, order: Any) -> None:
        del self.working[order.number]
        order.state = "cancelled"
        self.strategy.on_order(order)

    def execute(self, order: Any, price: float) -> None:
        del self.working[order.number]
        order.state = "filled"
        self.position += order.side * order.quantity
        self.cash -= order.side * order.quantity * price
        self.strategy.on_order(order)
        self.strategy.on_execution(Execution(order.number, self.now, order.side, order.quantity, price))


class BareStrategy:
    """What all have in common: empty callbacks, and turning from one side to the other."""

    def __init__(self, venue: Venue) -> None:
        venue.strategy, self.venue = self, venue
        self.count = self.side = self.submitted = self.cancelled = self.executions = self.timers = 0
        self.last: Any = None

    def on_event(self, event: Any) -> None:
        pass

    def on_order(self, order: Any) -> None:
        pass

    def on_execution(self, execution: Any) -> None:
        self.executions += 1

    def on_time_event(self, event: Any) -> None:
        self.timers += 1

    def turn(self, side: int) -> None:
        if side and side != self.side:
            self.venue.submit(side, float(abs(side - self.side)))
            self.side = side


class BareW1(BareStrategy):
    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.signal = SmaSignal()

    def on_bar(self, bar: Any) -> None:
        self.count += 1
        self.turn(self.signal.update(bar.close))


class BareW2(BareStrategy):
    def __init__(self, venue: Venue) -> None:
        super().__init__(venue)
        self.signal = EmaSignal()

    def on_quote_tick(self, quote: Any) -> None:
        self.count += 1
        self.turn(self.signal.update((quote.bid + quote.ask) / 2))


class BareW3(BareStrategy):
    def on_trade_tick(self, trade: Any) -> None:
        self.count += 1
        self.last = trade.price


class BareW4(BareStrategy):
    def on_bar(self, bar: Any) -> None:
        self.count += 1
        self.last = bar.close


class BareW5(BareStrategy):
    def on_quote_tick(self, quote: Any) -> None:
        self.count += 1
        if self.count % 10 == 0:
            if self.last is not None and self.last.state == "new":
                self.venue.cancel(self.last)
                self.cancelled += 1
            self.submitted += 1
            side = 1 if self.submitted % 2 else -1
            price = round(quote.bid - 0.01, 2) if side > 0 else round(quote.ask + 0.01, 2)
            self.last = self.venue.submit(side, 1.0, price)


def _batches(cls: Any, columns: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(columns[0]), BATCH):
        yield list(map(cls, *[column[start : start + BATCH].tolist() for column in columns]))


def run_bars(strategy: Any, venue: Venue, columns: Columns, k: Any) -> None:
    working, on_event, on_bar = venue.working, strategy.on_event, strategy.on_bar
    for batch in _batches(Bar, [*columns.values(), k]):
        for bar in batch:
            venue.now = bar.ts
            if working:
                for order in list(working.values()):
                    venue.execute(order, bar.open)
            on_event(bar)
            on_bar(bar)


def run_quotes(strategy: Any, venue: Venue, columns: Columns) -> None:
    working, on_event, on_quote = venue.working, strategy.on_event, strategy.on_quote_tick
    for batch in _batches(Quote, list(columns.values())):
        for quote in batch:
            venue.now = quote.ts
            venue.quote = quote
            if working:
                for order in list(working.values()):
                    if order.side > 0:
                        if not order.price or quote.ask <= order.price + 1e-9:
                            venue.execute(order, order.price or quote.ask)
                    elif not order.price or quote.bid >= order.price - 1e-9:
                        venue.execute(order, order.price or quote.bid)
            on_event(quote)
            on_quote(quote)


def run_trades(strategy: Any, venue: Venue, columns: Columns) -> None:
    on_event, on_trade = strategy.on_event, strategy.on_trade_tick
    for batch in _batches(Trade, list(columns.values())):
        for trade in batch:
            venue.now = trade.ts
            on_event(trade)
            on_trade(trade)


def run_merged(strategy: Any, venue: Venue, streams: list[tuple[Any, list[Any]]]) -> None:
    """Windows strictly before the smallest last time at hand, joined and sorted."""
    by_class = {Bar: strategy.on_bar, Timer: strategy.on_time_event}
    on_event, time_of = strategy.on_event, attrgetter("ts")
    sources = [_batches(cls, columns) for cls, columns in streams]
    held = [next(source, []) for source in sources]
    totals = [len(columns[0]) for _, columns in streams]
    taken = [len(batch) for batch in held]
    while any(held):
        unfinished = [batch[-1].ts for i, batch in enumerate(held) if taken[i] < totals[i]]
        mark = min(unfinished) if unfinished else None
        window: list[Any] = []
        for i, batch in enumerate(held):
            cut = len(batch) if mark is None else bisect_left(batch, mark, key=time_of)
            window += batch[:cut]
            rest = batch[cut:]
            if len(rest) < BATCH and taken[i] < totals[i]:
                more = next(sources[i], [])
                taken[i] += len(more)
                rest = rest + more
            held[i] = rest
        window.sort(key=time_of)
        for event in window:
            venue.now = event.ts
            on_event(event)
            by_class[type(event)](event)


def run_sqlite(strategy: Any, path: Path, query: str, build: Any) -> None:
    """A plain sqlite3 loop that builds the engine's own event objects and calls the strategy."""
    connection = sqlite3.connect(path)
    try:
        cursor = connection.execute(query)
        on_trade = strategy.on_trade_tick
        while rows := cursor.fetchmany(BATCH):
            for trade in build(rows):
                on_trade(trade)
    finally:
        connection.close()

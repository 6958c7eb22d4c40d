"""DepthLane: orders against snapshots of a book, walked level by level.

Receives: depth snapshots in order of event time.
Gives:    takers an Execution for each level that they reach, as far as their limit; resting limits their own price for
          what stands at it or better on the far side; triggers the best price of the far side.
Never:    invents levels below those shown, or executes twice from the same size.    EXECUTION 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tradecore.domain.depth_snapshot import DepthSnapshot, Level
from tradecore.domain.event import CROSSED
from tradecore.domain.exact import to_exact
from tradecore.execution.consumed_levels import ConsumedLevels
from tradecore.execution.lane import ZERO
from tradecore.execution.standing_lane import StandingLane
from tradecore.execution.taking_levels import take_levels
from tradecore.execution.thresholds import find_thresholds
from tradecore.execution.working_order import WorkingOrder


class DepthLane(StandingLane):
    """One instrument on depth. What a market order does not find in the snapshot waits for the next."""

    matched_on = "depth"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.consumed_asks = ConsumedLevels(1)
        self.consumed_bids = ConsumedLevels(-1)

    # ------------------------------------------------------------------------------------------- what a snapshot shows

    def ask_of(self, book: DepthSnapshot) -> float | None:
        """Price of the best ask, None where there is none."""
        return book.asks[0][0] if book.asks else None

    def bid_of(self, book: DepthSnapshot) -> float | None:
        """Price of the best bid, None where there is none."""
        return book.bids[0][0] if book.bids else None

    def is_crossed(self, book: DepthSnapshot) -> bool:
        """Whether the best bid is above the best ask."""
        return bool(book.flags & CROSSED) or bool(book.bids and book.asks and book.bids[0][0] > book.asks[0][0])

    def touch(self, sign: int) -> float | None:
        """Best ask for buys, best bid for sells, of the snapshot that stands."""
        book = self.last
        if book is None:
            return None
        return self.ask_of(book) if sign > 0 else self.bid_of(book)

    # -------------------------------------------------------------------------------------------------------- events

    def see(self) -> None:
        """See StandingLane.see."""
        asks, bids = self.consumed_asks, self.consumed_bids
        if asks or bids:
            for at in range(self._seen, self.taken):
                book = self.events[at]
                if not self.is_crossed(book):
                    asks.see(book.asks)
                    bids.see(book.bids)
        self._seen = self.taken

    def find_hit(self, start: int, stop: int) -> int:
        """First snapshot whose best prices concern an order that rests or waits for its trigger."""
        ask_low, ask_high, bid_low, bid_high = find_thresholds(self.limits, self.stops)
        for at, book in enumerate(self.events[start:stop], start):
            ask = book.asks[0][0] if book.asks else None
            bid = book.bids[0][0] if book.bids else None
            if ask is not None and not ask_low < ask < ask_high:
                return at
            if bid is not None and not bid_low < bid < bid_high:
                return at
        return -1

    # ------------------------------------------------------------------------------------------------------ executing

    def take_book(self, order: WorkingOrder, book: DepthSnapshot, ts: int) -> None:
        """Level by level, as far as limit and snapshot go."""
        levels, consumed = self._far_side(order, book)
        displayed = {to_exact(price): (price, size) for price, size in levels}
        for level, part in take_levels(self, order, _list_left(levels, consumed), order.remaining, ts):
            consumed.take(part, *displayed[level])

    def make_at(self, order: WorkingOrder, book: DepthSnapshot, ts: int) -> None:
        """A resting limit gets its price for what stands there or better, less what is consumed."""
        limit = order.price_f
        assert limit is not None
        levels, consumed = self._far_side(order, book)
        reached = [level for level in levels if (level[0] - limit) * order.sign <= 0]
        part = self.part_of(order, sum((consumed.left(*level) for level in reached), ZERO))
        if not part or not self.make(order, part, ts):
            return
        for level in reached:
            here = min(part, consumed.left(*level))
            if here:
                consumed.take(here, *level)
                part -= here

    def _far_side(self, order: WorkingOrder, book: DepthSnapshot) -> tuple[tuple[Level, ...], ConsumedLevels]:
        return (book.asks, self.consumed_asks) if order.is_buy else (book.bids, self.consumed_bids)


def _list_left(levels: tuple[Level, ...], consumed: ConsumedLevels) -> Iterator[tuple[Decimal, Decimal]]:
    for price, size in levels:
        yield to_exact(price), consumed.left(price, size)

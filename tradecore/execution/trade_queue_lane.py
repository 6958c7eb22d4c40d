"""TradeQueueLane: orders against trades, with our place in the queue from the book beside them.

Receives: trade ticks, and quotes or depth snapshots of the same instrument, each in order of event time.
Gives:    what TradeLane gives; and resting limits their price when a print at it comes after all that stood before us.
Never:    executes on what stands (match_on = "quote" or "depth" does), or moves us up by what others cancel.
          EXECUTION 5.

Before us is the size displayed when our price was, or became, the touch; prints at the price move us up. Where no book
ever showed our price as its best one, the queue is unknown, and only a print through the price executes the order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.exact import to_exact
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.execution.lane import ARRIVAL_OF, TIME_OF, ZERO
from tradecore.execution.room import Room
from tradecore.execution.trade_lane import TradeLane
from tradecore.execution.working_order import LIMIT, WorkingOrder, by_time

_UNKNOWN: Final = Aggressor.UNKNOWN
_BUYER: Final = Aggressor.BUYER
_SELLER: Final = Aggressor.SELLER


class TradeQueueLane(TradeLane):
    """One instrument on trades and its book. `_ahead`: amount before each resting order, by id; unknown without."""

    matched_on = "trade_queue"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._ahead: dict[str, Decimal] = {}
        self._books: Sequence[Any] = ()
        self._book_times: list[int] = []
        self._passed = 0
        self._book: Any = None

    # -------------------------------------------------------------------------------------------------------- events

    def load(self, name: str, events: Sequence[Any], *, by_arrival: bool = False) -> None:
        """See Lane.load. Books are kept apart: they only move queues."""
        if not events or type(events[0]) is TradeTick:
            super().load(name, events, by_arrival=by_arrival)
            return
        if self.hours is not None:
            events = self.hours.keep_open(events)
        self._books = [*self._books, *events] if self._books else events
        self._book_times += map(ARRIVAL_OF if by_arrival else TIME_OF, events)

    def end_window(self) -> None:
        """See Lane.end_window."""
        if self._book_times:
            self._see_books(self._book_times[-1])
        self._books, self._book_times, self._passed = (), [], 0
        super().end_window()

    def _see_books(self, ts: int) -> None:
        """Books up to and including an instant have been shown."""
        passed = bisect_right(self._book_times, ts, self._passed)
        if passed == self._passed:
            return
        if self.limits:
            for at in range(self._passed, passed):
                for order in self.limits:
                    self._see_book(order, self._books[at])
        self._passed, self._book = passed, self._books[passed - 1]

    def _see_book(self, order: WorkingOrder, book: Any) -> None:
        """What a book says of the queue before one order."""
        touch, size = _best_of(book, is_buy=order.is_buy)
        assert order.price_f is not None
        if touch is None:
            return
        if touch == order.price_f:
            if order.order_id not in self._ahead and size is not None:
                self._ahead[order.order_id] = to_exact(size)
        elif (order.price_f - touch) * order.sign > 0:
            self._ahead[order.order_id] = ZERO  # we are better than all that is displayed

    def take_until(self, ts: int) -> None:
        """See Lane.take_until."""
        self._see_books(ts)
        super().take_until(ts)

    def match_at(self, at: int, ts: int) -> None:
        """Books before the print, then what TradeLane does."""
        self._see_books(ts)
        super().match_at(at, ts)

    def pass_limits(self, tick: TradeTick, room: Room, ts: int) -> None:
        """Limits that the print went through; at its very price, those that it reached after the queue."""
        super().pass_limits(tick, room, ts)
        used = ZERO
        for order in sorted([o for o in self.limits if o.price_f == tick.price], key=by_time):
            ahead = self._ahead.get(order.order_id)
            if ahead is None or tick.aggressor not in (_UNKNOWN, _SELLER if order.is_buy else _BUYER):
                continue
            if tick.flags & SIZE_UNKNOWN:
                part = ZERO if ahead else order.remaining
            else:
                size = to_exact(tick.size)
                self._ahead[order.order_id] = ahead - size if ahead > size else ZERO
                part = self.part_of(order, min(size - ahead - used, room.left_for(order.remaining)))
            if part and order.place == LIMIT and self.make(order, part, ts):
                room.use(part)
                used += part

    # -------------------------------------------------------------------------------------------------------- orders

    def rest(self, order: WorkingOrder, ts: int) -> None:
        """See Lane.rest; it joins the queue of its price."""
        self._see_books(ts)
        super().rest(order, ts)
        if order.place == LIMIT and self._book is not None:
            self._see_book(order, self._book)

    def offer(self, sign: int) -> float | None:
        """See Lane.offer: the far side of the book, where it is known, else the last print."""
        if self._book is not None:
            met = _best_of(self._book, is_buy=sign < 0)[0]
            if met is not None:
                return met
        return super().offer(sign)

    def remove(self, order: WorkingOrder) -> None:
        """See Lane.remove; it gives its place in the queue up."""
        self._ahead.pop(order.order_id, None)
        super().remove(order)


def _best_of(book: Any, *, is_buy: bool) -> tuple[float | None, float | None]:
    """Best price and size of our own side of a book; None where there is none, or nothing reliable."""
    if book.flags & CROSSED:
        return None, None
    if type(book) is DepthSnapshot:
        levels = book.bids if is_buy else book.asks
        return levels[0] if levels else (None, None)
    price, size = (book.bid_price, book.bid_size) if is_buy else (book.ask_price, book.ask_size)
    if book.flags & SIZE_UNKNOWN:
        return price, None
    return (price, size) if size > 0 else (None, None)

"""StandingLane: orders against standing offers. Quotes and depth snapshots are such: what they show can be taken.

Receives: quotes or snapshots in order of event time.
Gives:    takers the book that stands at their effective time; resting limits their price when the far side reaches it;
          triggers the opposite side.
Never:    executes on a crossed book, or on a side that is not offered.    EXECUTION 4, 7.

QuoteLane and DepthLane say what a book shows and how it is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradecore.domain.instant import MINUTE_NS
from tradecore.execution.lane import Lane
from tradecore.execution.minute_marks import walk_minutes
from tradecore.execution.working_order import LIMIT, TAKER, WorkingOrder, by_price_then_time, by_time


class StandingLane(Lane):
    """One instrument on standing offers. `_seen`: events of the window up to which consumption has followed them."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._seen = 0
        self._before: Any = None  # the newest usable book of earlier windows
        self._minute_ns = 0  # the minute in which marks were asked for last
        self._valuing: dict[int, Any] = {}  # the newest book that valued a holding of a sign, before `_valued`
        self._valued = 0  # the place in the window before which nobody looks for one

    # ----------------------------------------------------------------------------------------------- what a book shows

    def ask_of(self, book: Any) -> float | None:
        """Best ask, None where nothing is offered."""
        raise NotImplementedError

    def bid_of(self, book: Any) -> float | None:
        """Best bid, None where nothing is bid for."""
        raise NotImplementedError

    def is_crossed(self, book: Any) -> bool:
        """Whether its best bid is above its best ask."""
        raise NotImplementedError

    def take_book(self, order: WorkingOrder, book: Any, ts: int) -> None:
        """Execute a taker whose limit, if it has one, is at or beyond the best price."""
        raise NotImplementedError

    def make_at(self, order: WorkingOrder, book: Any, ts: int) -> None:
        """Execute a resting limit that the best price of the far side has reached."""
        raise NotImplementedError

    def see(self) -> None:
        """Let what was consumed follow the books up to now."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------------------------------- events

    def rescale(self, rescale: Callable[[Any], Any]) -> None:
        """See Lane.rescale."""
        self._note_valuing()
        super().rescale(rescale)
        if self._before is not None:
            self._before = rescale(self._before)
        self._valuing = {sign: rescale(book) for sign, book in self._valuing.items()}
        self._valued = self.taken

    def end_window(self) -> None:
        """See Lane.end_window."""
        if self.taken < len(self.events):
            self._pass(len(self.events))
        self.see()
        self._seen = 0
        self._note_valuing()
        self._valued = 0
        self._before = next((book for book in reversed(self.events) if not self.is_crossed(book)), self._before)
        super().end_window()

    def match_at(self, at: int, ts: int) -> None:
        """Takers that wait, then stops, then limits; among each price, then time."""
        book = self.events[at]
        if self.is_crossed(book):
            return
        self.see()
        if self.takers:
            if self.hours is not None or self._before is None:  # in the first window orders may wait for a price
                self.release_held(ts)
            for order in sorted(self.takers, key=by_time):
                met = self.ask_of(book) if order.is_buy else self.bid_of(book)
                if order.place == TAKER and met is not None:
                    self._attempt(order, book, met, ts)
        if self.stops:
            self.pass_stops(ts)
        if self.limits:
            ask, bid = self.ask_of(book), self.bid_of(book)
            limits = self.limits
            for order in sorted(limits, key=by_price_then_time) if len(limits) > 1 else limits[:]:
                if order.place == LIMIT and order.price_f is not None:
                    met = ask if order.is_buy else bid
                    if met is not None and (met <= order.price_f if order.is_buy else met >= order.price_f):
                        self.make_at(order, book, ts)

    # -------------------------------------------------------------------------------------------------------- orders

    def enter(self, order: WorkingOrder, ts: int) -> None:
        """Take what stands, as far as it goes; rest or wait with what is left."""
        book = self.last
        self.see()
        order.is_fresh = False
        if book is not None:
            met = self.ask_of(book) if order.is_buy else self.bid_of(book)
            if met is not None and not self.is_crossed(book) and self._attempt(order, book, met, ts):
                return
            if order.is_immediate:
                self.end_immediate(order, ts)
                return
        if order.price is None or order.is_immediate:
            self.put(order, TAKER)
        elif book is None and not order.post_only:
            self.hold(order)  # no market yet: it comes to the first one, and takes what is within its limit
        else:
            self.rest(order, ts)

    def _attempt(self, order: WorkingOrder, book: Any, met: float, ts: int) -> bool:
        """Let a taker take the book, whose best price is `met`, as far as its limit; True when it is done with."""
        limit = order.price_f
        if limit is None or (met <= limit if order.is_buy else met >= limit):
            self.take_book(order, book, ts)
        if order.place == TAKER and order.is_immediate:
            self.end_immediate(order, ts)
        return order.is_finished

    # -------------------------------------------------------------------------------------------------------- prices

    def trigger_price(self, is_buy: bool) -> float | None:
        """See Lane.trigger_price; only a book that can execute also triggers."""
        book = self.last
        if book is None or self.is_crossed(book):
            return None
        return self.ask_of(book) if is_buy else self.bid_of(book)

    def mark(self, sign: int) -> float | None:
        """See Lane.mark; a crossed book, or one without that side, values nothing, the one before it does."""
        book = self._find_valuing(sign)
        return None if book is None else self.value_of(book, sign)

    def _find_valuing(self, sign: int) -> Any:
        for place in range(self.taken - 1, self._valued - 1, -1):
            book = self.events[place]
            if not self.is_crossed(book) and self.value_of(book, sign) is not None:
                return book
        return self._valuing.get(sign)

    def _note_valuing(self) -> None:
        """Keep the books that value holdings of each sign: those before them will not be looked at any more."""
        found = {sign: self._find_valuing(sign) for sign in (1, -1)}
        self._valuing = {sign: book for sign, book in found.items() if book is not None}

    def marks(self, sign: int, after: int, until: int) -> tuple[list[int], list[float]]:
        """Bid (long) or ask (short) at each whole minute; a crossed book values nothing, the one before it does."""
        times: list[int] = []
        prices: list[float] = []
        if self._minute_ns <= after and until < self._minute_ns + MINUTE_NS:  # as last time, no minute was completed
            return times, prices
        self._minute_ns = until - until % MINUTE_NS
        if self._minute_ns <= after:
            return times, prices
        events, before = self.events, self._before
        for minute, place in walk_minutes(self.times, before, after, until):
            while place >= 0 and self.is_crossed(events[place]):
                place -= 1
            book = events[place] if place >= 0 else before
            price = None if book is None else self.value_of(book, sign)
            if price is not None:
                times.append(minute)
                prices.append(price)
        return times, prices

    def value_of(self, book: Any, sign: int) -> float | None:
        """Price at which a holding of this sign is valued on a book."""
        return self.bid_of(book) if sign > 0 else self.ask_of(book)

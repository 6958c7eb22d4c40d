"""QuoteLane: orders against quotes. A quote is a standing offer.

Receives: quotes in order of event time.
Gives:    takers the touch that stands at their effective time, less what is consumed, and beyond the displayed size a
          synthetic depth; resting limits their price when the far side reaches it; stops the opposite quote.
Never:    executes on a crossed quote, or twice from the same size.    EXECUTION 4.

The synthetic depth: below the touch we know nothing, so each further level is one step worse (the slippage, at least
one increment) and shows as much as the touch does, ten levels deep. What even these cannot give waits for later quotes.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.execution import Liquidity
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import TimeInForce
from tradecore.domain.quote_tick import QuoteTick
from tradecore.execution.consumed_size import ConsumedSize
from tradecore.execution.exact import to_exact
from tradecore.execution.lane import ZERO, Lane
from tradecore.execution.minute_marks import walk_minutes
from tradecore.execution.working_order import LIMIT, TAKER, WorkingOrder, by_price_then_time, by_stop_then_time, by_time

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER
_TIF_FOK: Final = TimeInForce.FOK

SYNTHETIC_LEVELS: Final = 10
"""Levels beyond the touch. More would invent a market that nobody showed."""

_INF: Final = float("inf")


class QuoteLane(Lane):
    """One instrument on quotes. `consumed_ask` and `consumed_bid` hold for the first `_seen` events of the window."""

    matched_on = "quote"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.consumed_ask = ConsumedSize()
        self.consumed_bid = ConsumedSize()
        self._seen = 0
        self._before: QuoteTick | None = None  # the newest usable quote of earlier windows

    # -------------------------------------------------------------------------------------------------------- events

    def end_window(self) -> None:
        """See Lane.end_window."""
        if self.taken < len(self.events):
            self._pass(len(self.events))
        self._see()
        self._seen = 0
        self._before = next((quote for quote in reversed(self.events) if _is_usable(quote)), self._before)
        super().end_window()

    def _see(self) -> None:
        """Let what was consumed follow the quotes up to now; it stops at the first that takes the prices away."""
        ask, bid = self.consumed_ask, self.consumed_bid
        if ask.amount or bid.amount:
            events = self.events
            for at in range(self._seen, self.taken):
                quote = events[at]
                if quote.flags & (CROSSED | SIZE_UNKNOWN):
                    continue  # it says nothing of sizes that can be relied on
                if ask.amount:
                    ask.see(quote.ask_price, quote.ask_size)
                if bid.amount:
                    bid.see(quote.bid_price, quote.bid_size)
                elif not ask.amount:
                    break
        self._seen = self.taken

    def find_hit(self, start: int, stop: int) -> int:
        """First quote whose ask reaches a buy limit or a buy stop, or whose bid reaches a sell's."""
        limits, stops = self.limits, self.stops
        ask_low = max([o.price_f for o in limits if o.is_buy and o.price_f is not None], default=-_INF)
        bid_high = min([o.price_f for o in limits if not o.is_buy and o.price_f is not None], default=_INF)
        events = self.events
        if not stops:
            for at in range(start, stop):
                quote = events[at]
                if quote.ask_price <= ask_low or quote.bid_price >= bid_high:
                    return at
            return -1
        ask_high = min([o.stop_f for o in stops if o.is_buy], default=_INF)
        bid_low = max([o.stop_f for o in stops if not o.is_buy], default=-_INF)
        for at in range(start, stop):
            quote = events[at]
            ask, bid = quote.ask_price, quote.bid_price
            if ask <= ask_low or bid >= bid_high or ask >= ask_high or bid <= bid_low:
                return at
        return -1

    def match_at(self, at: int, ts: int) -> None:
        """Takers that wait, then stops, then limits; among each price, then time."""
        quote = self.events[at]
        if not _is_usable(quote):
            return
        self._see()
        for order in sorted(self.takers, key=by_time):
            if order.place == TAKER and _has_side(quote, order.is_buy):
                self._attempt(order, quote, ts)
        if self.stops:
            reached = [o for o in self.stops if _has_side(quote, o.is_buy) and self.is_through(o)]
            for order in sorted(reached, key=by_stop_then_time):
                self.set_off(order, ts)
                self.enter(order, ts)
        if self.limits:
            for order in sorted(self.limits, key=by_price_then_time):
                assert order.price_f is not None
                if order.place == LIMIT and _has_side(quote, order.is_buy):
                    met = quote.ask_price <= order.price_f if order.is_buy else quote.bid_price >= order.price_f
                    if met:
                        self._make_at(order, quote, ts)

    # -------------------------------------------------------------------------------------------------------- orders

    def enter(self, order: WorkingOrder, ts: int) -> None:
        """Take what stands, as far as it goes; rest or wait with what is left."""
        quote = self.last
        self._see()
        order.is_fresh = False
        if quote is not None:
            is_offered = _is_usable(quote) and _has_side(quote, order.is_buy)
            if is_offered and self._attempt(order, quote, ts):
                return
            if order.is_immediate:
                self.end_immediate(order, ts)
                return
        if order.price is None or order.is_immediate:
            self.put(order, TAKER)
        else:
            self.rest(order, ts)

    def _attempt(self, order: WorkingOrder, quote: QuoteTick, ts: int) -> bool:
        """Let a taker take the book as far as its limit; True when nothing more is to be done with it."""
        price_f = order.price_f
        if price_f is None or (quote.ask_price <= price_f if order.is_buy else quote.bid_price >= price_f):
            self._take_book(order, quote, ts)
        if order.place == TAKER and order.is_immediate:
            self.end_immediate(order, ts)
        return order.is_finished

    def _take_book(self, order: WorkingOrder, quote: QuoteTick, ts: int) -> None:
        if order.is_buy:
            touch, displayed, consumed = quote.ask_price, quote.ask_size, self.consumed_ask
        else:
            touch, displayed, consumed = quote.bid_price, quote.bid_size, self.consumed_bid
        if quote.flags & SIZE_UNKNOWN:
            self.uncapped += 1
            self.take(order, to_exact(touch), order.remaining, ts)
        elif not consumed.amount and order.remaining_f <= displayed:
            quantity = order.remaining
            if self.take(order, to_exact(touch), quantity, ts):
                consumed.take(quantity, touch, displayed)
        else:
            self._take_levels(order, touch, displayed, consumed, ts)

    def _take_levels(
        self, order: WorkingOrder, touch: float, displayed: float, consumed: ConsumedSize, ts: int
    ) -> None:
        """Touch, then synthetic levels, each with the displayed size; an Execution for each level."""
        found, shown = to_exact(touch), to_exact(displayed)
        step = order.sign * self.taker_price.level_step(found)
        gone, left = consumed.amount, order.remaining
        plan: list[tuple[Decimal, Decimal]] = []
        for depth in range(SYNTHETIC_LEVELS + 1):
            level = found + depth * step
            if level <= 0 < found or (order.price is not None and (order.price - level) * order.sign < 0):
                break
            here = shown - gone if gone < shown else ZERO
            gone = gone - shown if gone > shown else ZERO
            part = left if left <= here else here // self._increment * self._increment
            if part:
                plan.append((self.taker_price.after(level, order.sign, order.price), part))
                left -= part
            if not left:
                break
        if not plan or (left and order.time_in_force is _TIF_FOK):
            return
        if self.limits and not self.clear_own(order, plan[-1][0], ts):
            return
        for price, part in plan:
            if not self.venue.execute(order, part, price, ts, _LIQUIDITY_TAKER, abs(price - found)):
                return
            consumed.take(part, touch, displayed)

    def _make_at(self, order: WorkingOrder, quote: QuoteTick, ts: int) -> None:
        """A resting limit that the far side has reached gets what is displayed there and not consumed."""
        if quote.flags & SIZE_UNKNOWN:
            self.uncapped += 1
            self.make(order, order.remaining, ts)
            return
        if order.is_buy:
            price, displayed, consumed = quote.ask_price, quote.ask_size, self.consumed_ask
        else:
            price, displayed, consumed = quote.bid_price, quote.bid_size, self.consumed_bid
        if not consumed.amount and order.remaining_f <= displayed:
            part = order.remaining
        else:
            part = self.part_of(order, to_exact(displayed) - consumed.amount)
        if part and self.make(order, part, ts):
            consumed.take(part, price, displayed)

    # -------------------------------------------------------------------------------------------------------- prices

    def touch(self, sign: int) -> float | None:
        """Ask for buys, bid for sells, of the quote that stands."""
        quote = self.last
        if quote is None:
            return None
        price: float = quote.ask_price if sign > 0 else quote.bid_price
        return price

    def is_through(self, order: WorkingOrder) -> bool:
        """See Lane.is_through; only a quote that can execute also triggers."""
        quote = self.last
        if quote is None or not _is_usable(quote) or not _has_side(quote, order.is_buy):
            return False
        return bool(quote.ask_price >= order.stop_f if order.is_buy else quote.bid_price <= order.stop_f)

    def marks(self, sign: int, after: int, until: int) -> tuple[list[int], list[float]]:
        """Bid (long) or ask (short) at each whole minute; a crossed quote values nothing, the one before it does."""
        times: list[int] = []
        prices: list[float] = []
        if after // MINUTE_NS == until // MINUTE_NS:
            return times, prices
        events = self.events
        before = self._before
        for minute, place in walk_minutes(self.times, before, after, until):
            while place >= 0 and not _is_usable(events[place]):
                place -= 1
            quote = events[place] if place >= 0 else before
            if quote is not None:
                times.append(minute)
                prices.append(quote.bid_price if sign > 0 else quote.ask_price)
        return times, prices


def _is_usable(quote: QuoteTick) -> bool:
    """Not crossed."""
    return not quote.flags & CROSSED and quote.bid_price <= quote.ask_price


def _has_side(quote: QuoteTick, is_buy: bool) -> bool:
    """Whether the side that an order would take is offered at all; an absent size is not a size of 0."""
    return bool(quote.flags & SIZE_UNKNOWN) or (quote.ask_size if is_buy else quote.bid_size) > 0

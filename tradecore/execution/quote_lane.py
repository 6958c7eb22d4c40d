"""QuoteLane: orders against quotes. A quote is a standing offer.

Receives: quotes in order of event time.
Gives:    takers the touch that stands at their effective time, less what is consumed, and beyond the displayed size a
          synthetic depth; resting limits their price when the far side reaches it; stops the opposite quote.
Never:    executes on a crossed quote, or twice from the same size.    EXECUTION 4.

The synthetic depth: below the touch we know nothing, so each further level is one step worse (the slippage, at least
one increment) and shows as much as the touch does, ten levels deep; the slippage model "depth" has steps and sizes of
its own. What even these cannot give waits for later quotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import inf
from typing import Any

from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.exact import to_exact
from tradecore.domain.quote_tick import QuoteTick
from tradecore.execution.consumed_size import ConsumedSize
from tradecore.execution.lane import ZERO
from tradecore.execution.standing_lane import StandingLane
from tradecore.execution.synthetic_depth import SYNTHETIC_LEVELS
from tradecore.execution.taking_levels import take_levels
from tradecore.execution.thresholds import find_thresholds
from tradecore.execution.working_order import WorkingOrder


class QuoteLane(StandingLane):
    """One instrument on quotes. `consumed_ask` and `consumed_bid` hold for the first `_seen` events of the window."""

    matched_on = "quote"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.consumed_ask = ConsumedSize()
        self.consumed_bid = ConsumedSize()

    # ---------------------------------------------------------------------------------------------- what a quote shows

    def ask_of(self, book: QuoteTick) -> float | None:
        """Ask, None where its size is 0; an absent size is not a size of 0."""
        return book.ask_price if book.ask_size > 0 or book.flags & SIZE_UNKNOWN else None

    def bid_of(self, book: QuoteTick) -> float | None:
        """Bid, None where its size is 0."""
        return book.bid_price if book.bid_size > 0 or book.flags & SIZE_UNKNOWN else None

    def is_crossed(self, book: QuoteTick) -> bool:
        """Whether the bid is above the ask."""
        return bool(book.flags & CROSSED) or book.bid_price > book.ask_price

    def touch(self, sign: int) -> float | None:
        """Ask for buys, bid for sells, of the quote that stands."""
        quote = self.last
        return None if quote is None else self.value_of(quote, -sign)

    def value_of(self, book: QuoteTick, sign: int) -> float | None:
        """Bid for a long holding, ask for a short one, whatever their sizes."""
        return book.bid_price if sign > 0 else book.ask_price

    # -------------------------------------------------------------------------------------------------------- events

    def see(self) -> None:
        """See StandingLane.see; it stops at the first quote that takes the prices away."""
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
        """First quote whose ask or bid concerns an order that rests or waits for its trigger."""
        if len(self.limits) == 1 and not self.stops:
            return self._find_hit_alone(self.limits[0], start, stop)
        ask_low, ask_high, bid_low, bid_high = find_thresholds(self.limits, self.stops)
        quotes = enumerate(self.events[start:stop], start)
        if ask_high == inf and bid_low == -inf:  # limits alone
            for at, quote in quotes:
                if quote.ask_price <= ask_low or quote.bid_price >= bid_high:
                    return at
            return -1
        for at, quote in quotes:
            ask, bid = quote.ask_price, quote.bid_price
            if ask <= ask_low or bid >= bid_high or ask >= ask_high or bid <= bid_low:
                return at
        return -1

    def _find_hit_alone(self, order: WorkingOrder, start: int, stop: int) -> int:
        """The same for the usual lone limit: one side of each quote is enough."""
        limit, quotes = order.price_f, enumerate(self.events[start:stop], start)
        assert limit is not None
        if order.is_buy:
            for at, quote in quotes:
                if quote.ask_price <= limit:
                    return at
        else:
            for at, quote in quotes:
                if quote.bid_price >= limit:
                    return at
        return -1

    # ------------------------------------------------------------------------------------------------------ executing

    def take_book(self, order: WorkingOrder, book: QuoteTick, ts: int) -> None:
        """The touch as far as its size goes, then the synthetic depth."""
        if order.is_buy:
            touch, displayed, consumed = book.ask_price, book.ask_size, self.consumed_ask
        else:
            touch, displayed, consumed = book.bid_price, book.bid_size, self.consumed_bid
        if book.flags & SIZE_UNKNOWN:
            self.uncapped += 1
            self.take(order, to_exact(touch), order.remaining, ts)
        elif self.depth is None and not consumed.amount and order.remaining_f <= displayed:
            quantity = order.remaining
            if self.take(order, to_exact(touch), quantity, ts):
                consumed.take(quantity, touch, displayed)
        else:
            self._take_levels(order, touch, displayed, consumed, ts)

    def _take_levels(
        self, order: WorkingOrder, touch: float, displayed: float, consumed: ConsumedSize, ts: int
    ) -> None:
        """Touch, then synthetic levels; what our orders have taken before is gone from the best of them."""
        for _, part in take_levels(
            self, order, self._list_levels(touch, displayed, consumed.amount, order.sign), order.remaining, ts
        ):
            consumed.take(part, touch, displayed)

    def _list_levels(
        self, touch: float, displayed: float, gone: Decimal, sign: int
    ) -> Iterator[tuple[Decimal, Decimal]]:
        found, shown = to_exact(touch), to_exact(displayed)
        depth = self.depth
        step = sign * (self.taker_price.level_step(found) if depth is None else depth.step)
        for level in range(SYNTHETIC_LEVELS + 1):
            here = found + level * step
            if here <= 0 < found:
                break
            size = shown if depth is None or not level else depth.find_size((found, sign), level)
            yield here, size - gone if gone < size else ZERO
            gone = gone - size if gone > size else ZERO

    def make_at(self, order: WorkingOrder, book: QuoteTick, ts: int) -> None:
        """A resting limit that the far side has reached gets what is displayed there and not consumed."""
        if book.flags & SIZE_UNKNOWN:
            self.uncapped += 1
            self.make(order, order.remaining, ts)
            return
        if order.is_buy:
            price, displayed, consumed = book.ask_price, book.ask_size, self.consumed_ask
        else:
            price, displayed, consumed = book.bid_price, book.bid_size, self.consumed_bid
        if not consumed.amount and order.remaining_f <= displayed:
            part = order.remaining
        else:
            part = self.part_of(order, to_exact(displayed) - consumed.amount)
        if part and self.make(order, part, ts):
            consumed.take(part, price, displayed)

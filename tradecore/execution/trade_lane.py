"""TradeLane: orders against trades alone. A print is a record: nobody can take part in one that has happened.

Receives: trade ticks in order of event time.
Gives:    takers the next print after their effective time, plus half the spread; resting limits their price when a
          print goes through it; stops a trigger at the print that reaches them, and then the next one.
Never:    executes more than `participation` of a print, over all our orders together.    EXECUTION 5.

A limit is judged on arrival against the last print: if that is as good as its limit, it takes the next print; else, and
for what is left, it rests and never gets better than its price. With trades alone we cannot know the queue, so a print
at the very price of a resting limit does not execute it, whoever was the aggressor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradecore.domain.event import SIZE_UNKNOWN
from tradecore.domain.exact import to_exact
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.trade_tick import TradeTick
from tradecore.execution.lane import ZERO, Lane
from tradecore.execution.minute_marks import walk_minutes
from tradecore.execution.room import Room
from tradecore.execution.thresholds import find_thresholds
from tradecore.execution.working_order import (
    LIMIT,
    TAKER,
    WorkingOrder,
    by_time,
    nearest_first,
)


class TradeLane(Lane):
    """One instrument on trades."""

    matched_on = "trade"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._before: TradeTick | None = None

    def rescale(self, rescale: Callable[[Any], Any]) -> None:
        """See Lane.rescale."""
        super().rescale(rescale)
        if self._before is not None:
            self._before = rescale(self._before)

    def end_window(self) -> None:
        """See Lane.end_window."""
        if self.events:
            self._before = self.events[-1]
        super().end_window()

    def find_hit(self, start: int, stop: int) -> int:
        """First print at or through a limit or a trigger."""
        ask_low, ask_high, bid_low, bid_high = find_thresholds(self.limits, self.stops)
        low, high = max(ask_low, bid_low), min(ask_high, bid_high)
        for at, trade in enumerate(self.events[start:stop], start):
            price = trade.price
            if price <= low or price >= high:
                return at
        return -1

    def match_at(self, at: int, ts: int) -> None:
        """Takers by time, then stops trigger, then limits that the print went through, best price first."""
        tick: TradeTick = self.events[at]
        room = Room(self.rules.participation, tick.size, is_unknown=bool(tick.flags & SIZE_UNKNOWN))
        if self.takers:
            if self.hours is not None or self._before is None:  # in the first window orders may wait for a price
                self.release_held(ts)
            for order in sorted(self.takers, key=by_time):
                if order.place == TAKER:
                    self._attempt(order, tick, room, ts)
        if self.stops:
            self.pass_stops(ts)
        if self.limits:
            self.pass_limits(tick, room, ts)
        self.uncapped += room.uncapped

    def pass_limits(self, tick: TradeTick, room: Room, ts: int) -> None:
        """Limits that the print went through, best price first."""
        resting = [o for o in self.limits if o.price_f is not None and _is_past(tick.price, o.price_f, o.is_buy)]
        for order in nearest_first(resting, lambda _: tick.price):
            part = self.share_of(order, room) if order.place == LIMIT else ZERO
            if part and self.make(order, part, ts):
                room.use(part)

    def _attempt(self, order: WorkingOrder, tick: TradeTick, room: Room, ts: int) -> None:
        """Let a taker have its share of a print, if the print is within its limit."""
        if order.price_f is None or self.taker_price.is_within(tick.price, order.sign, order.price_f):
            part = self.share_of(order, room)
            if part and (done := self.take(order, to_exact(tick.price), part, ts)):
                room.use(done)
        if order.place != TAKER:
            return
        if order.is_immediate:
            self.end_immediate(order, ts)
        elif order.price is not None:
            self.remove(order)
            self.rest(order, ts)

    def enter(self, order: WorkingOrder, ts: int) -> None:
        """Wait for the next print as a taker, or rest."""
        order.is_fresh = False
        met = self.offer(order.sign)
        is_taker = order.price_f is None or (
            met is not None and self.taker_price.is_within(met, order.sign, order.price_f)
        )
        if is_taker or order.is_immediate:
            self.put(order, TAKER)
        elif met is None and not order.post_only:
            self.hold(order)  # no market yet: it comes to the first one, and takes what is within its limit
        else:
            self.rest(order, ts)

    def release_held(self, ts: int) -> None:
        """See Lane.release_held; a limit at the very price of the first print was not printed through, and rests."""
        for order in sorted([o for o in self.takers if o.is_held and o.price_f == self.last.price], key=by_time):
            order.is_held = False
            self.remove(order)
            self.rest(order, ts)
        super().release_held(ts)

    def touch(self, sign: int) -> float | None:
        """The last print, whatever the side."""
        return None if self.last is None else float(self.last.price)

    def marks(self, sign: int, after: int, until: int) -> tuple[list[int], list[float]]:
        """The last print at each whole minute."""
        times: list[int] = []
        prices: list[float] = []
        if after // MINUTE_NS == until // MINUTE_NS:
            return times, prices
        for minute, place in walk_minutes(self.times, self._before, after, until):
            tick = self.events[place] if place >= 0 else self._before
            if tick is not None:
                times.append(minute)
                prices.append(tick.price)
        return times, prices


def _is_past(price: float, limit: float, is_buy: bool) -> bool:
    return price < limit if is_buy else price > limit

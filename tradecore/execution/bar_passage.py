"""BarPassage: one bar passing the orders that work on it: its open, the path between, its close.

Receives: the bar (or the pair of ask and bid bar) with its start, when its end has come.
Gives:    executions: at the open stamped max(start, due), inside and at the close stamped with the end, because when
          inside a bar a price was met is not known before.
Never:    executes more than the bar's share, or lets an order profit from an order of prices that it cannot know.
          EXECUTION 6.

Between open and close bar_path.py says in which order prices met the orders.

An order that the venue holds for an entry comes to exist in the middle of a bar, with the entry's execution: `join`. An
order that expires inside a bar had the open alone; a stop that protects a position keeps the whole range under `worst`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tradecore.domain.bar import Bar
from tradecore.domain.event import SIZE_UNKNOWN
from tradecore.domain.exact import to_exact
from tradecore.execution.bar_path import pass_ohlc, pass_worst
from tradecore.execution.room import Room
from tradecore.execution.working_order import (
    LIMIT,
    NOWHERE,
    STOP,
    TAKER,
    WorkingOrder,
    by_time,
    nearest_first,
)

if TYPE_CHECKING:
    from tradecore.execution.bar_lane import BarLane


class BarPassage:
    """One bar and the room that is left in it. start, end: of the bar, int nanoseconds. joiners: orders that came to
    exist inside it and that its path has not looked at yet.
    """

    __slots__ = (
        "_is_inside", "_is_worst", "_room_ask", "_room_bid", "ask", "bid", "end", "is_running", "joiners", "lane",
        "start",
    )  # fmt: skip

    def __init__(self, lane: BarLane, start: int, ask: Bar, bid: Bar) -> None:
        self.lane = lane
        self.start, self.end = start, bid.ts_event
        self.ask, self.bid = ask, bid
        self.is_running = self._is_inside = False
        self._is_worst = lane.rules.bar_path == "worst"
        self.joiners: list[WorkingOrder] = []
        participation = lane.rules.participation
        self._room_ask = Room(participation, ask.volume, is_unknown=bool(ask.flags & SIZE_UNKNOWN))
        self._room_bid = (
            self._room_ask if bid is ask else Room(participation, bid.volume, is_unknown=bool(bid.flags & SIZE_UNKNOWN))
        )

    @property
    def uncapped(self) -> int:
        """Executions that no volume capped."""
        return self._room_ask.uncapped + (0 if self._room_bid is self._room_ask else self._room_bid.uncapped)

    def run(self) -> None:
        """Open, path, close."""
        lane = self.lane
        self.is_running = True
        at_close = self._pass_open()
        self._is_inside = True
        self.joiners.clear()  # those of the open meet the whole path
        if lane.stops or lane.limits:
            if self._is_worst:
                pass_worst(self)
            else:
                pass_ohlc(self)
        for order in at_close:
            if order.place == TAKER and order.leaves_ns > self.end:
                self._take_bar(order, self.bar_of(order).close, self.end)
        self.is_running = False

    def join(self, order: WorkingOrder, price: float) -> None:
        """An execution of this bar brings an order into being; price: of that execution (EXECUTION 6, 8)."""
        lane = self.lane
        order.joined_ns, order.is_fresh = self.end, False
        order.effective_ns = self.end if self._is_inside else self.start
        if order.trail is not None:
            order.follow(price, lane.instrument.price_increment)
        if order.waits_for_trigger:
            lane.put(order, STOP)
        elif order.price_f is None or order.is_immediate:
            lane.put(order, TAKER)
        else:
            lane.rest(order, order.effective_ns)
        self.joiners.append(order)

    def take_close(self, order: WorkingOrder) -> None:
        """`same_close`: an order given at this bar's end takes its close, if the close is within its limit."""
        self._take_bar(order, self.bar_of(order).close, max(self.end, order.effective_ns))

    # ---------------------------------------------------------------------------------------------------------- open

    def _pass_open(self) -> list[WorkingOrder]:
        """Takers, stops that the open is beyond, limits, late takers; returns the takers that only get the close."""
        lane, start = self.lane, self.start
        late: list[WorkingOrder] = []
        for order in sorted(lane.takers, key=by_time) if len(lane.takers) > 1 else lane.takers[:]:
            if order.place != TAKER or order.leaves_ns <= start:
                continue
            if order.effective_ns <= start:
                self._take_bar(order, self.bar_of(order).open, start)
            else:
                late.append(order)
        if lane.stops:
            self._follow_open()
            beyond = [o for o in lane.stops if self.is_here(o) and self.is_touched(o, self.bar_of(o).open)]
            for order in nearest_first(beyond, self.open_of):
                if order.place == STOP:
                    lane.set_off(order, start)
                    self.settle_triggered(order, self.bar_of(order).open, start)
        if lane.limits:
            for order in nearest_first(lane.limits, self.open_of):
                if order.place == LIMIT and order.effective_ns <= start and order.leaves_ns > start:
                    self._open_limit(order)
        return self._pass_late(late) if late else late

    def _follow_open(self) -> None:
        """A trailing stop that has met no market yet begins with the open; on a known path the open always counts."""
        for order in self.lane.stops:
            if order.trail is not None and (order.stop_price is None or not self._is_worst) and self.is_here(order):
                opened = self.bar_of(order).open
                if not self.is_touched(order, opened):
                    self.follow(order, opened)

    def _pass_late(self, late: list[WorkingOrder]) -> list[WorkingOrder]:
        """Takers due after the start: within the grace they still get the open, after those who were there at it.

        Past it the close is for those who wait; IOC and FOK have one attempt, at an open: the next bar's.
        """
        at_close: list[WorkingOrder] = []
        for order in late:
            if order.place != TAKER:
                continue
            if order.effective_ns - self.start <= self.lane.grace_ns:
                self._take_bar(order, self.bar_of(order).open, order.effective_ns)
            elif not order.is_immediate and order.effective_ns < self.end:  # a live bar ended before it arrived
                at_close.append(order)
        return at_close

    def _open_limit(self, order: WorkingOrder) -> None:
        """In its first bar a limit may be a taker at the open; later, past a gap, it gets its own price."""
        assert order.price_f is not None
        opened = self.bar_of(order).open
        was_fresh, order.is_fresh = order.is_fresh, False
        if self._room(order).is_empty:
            return
        if was_fresh:
            if self.lane.taker_price.is_within(opened, order.sign, order.price_f):
                self._take_bar(order, opened, self.start)
        elif self.is_reached(order, opened):
            self.make_bar(order, self.start)

    # ----------------------------------------------------------------------------------------- called by bar_path.py

    def settle_triggered(self, order: WorkingOrder, opened: float | None, ts: int) -> None:
        """A stop that was set off takes the open, or its own stop price inside the bar; what is left works on."""
        lane = self.lane
        order.is_fresh = False
        if opened is None:
            assert order.stop_price is not None
            shift = lane.shift_buy if order.is_buy else lane.shift_sell
            found = order.stop_price - to_exact(shift) if shift else order.stop_price
        else:
            found = to_exact(opened)
        self._take_found(order, found, ts)
        if order.place == NOWHERE and not order.is_finished:
            if order.price is None:
                lane.put(order, TAKER)
            else:
                lane.rest(order, ts)

    def follow(self, order: WorkingOrder, price: float) -> None:
        """Let a trailing stop see a price of this bar."""
        order.follow(price + self.shift_of(order), self.lane.instrument.price_increment)

    def make_bar(self, order: WorkingOrder, ts: int) -> None:
        """A resting limit that was reached gets its price, as far as there is room."""
        room = self._room(order)
        part = self.lane.share_of(order, room)
        if part and self.lane.make(order, part, ts):
            room.use(part)

    # ------------------------------------------------------------------------------------------------------ executing

    def _take_bar(self, order: WorkingOrder, price: float, ts: int) -> None:
        self._take_found(order, to_exact(price), ts)

    def _take_found(self, order: WorkingOrder, found: Decimal, ts: int) -> None:
        """Execute a taker at a price of this bar, as far as limit and room go; IOC and FOK have had their attempt."""
        lane, room = self.lane, self._room(order)
        if order.price_f is None or lane.taker_price.is_within(float(found), order.sign, order.price_f):
            part = lane.share_of(order, room)
            if part and (done := lane.take(order, found, part, ts)):
                room.use(done)
        if order.is_immediate:
            lane.end_immediate(order, ts)

    # ------------------------------------------------------------------------------------------------- what was where

    def bar_of(self, order: WorkingOrder) -> Bar:
        """The bar that an order of this side meets: buys the ask's."""
        return self.ask if order.is_buy else self.bid

    def shift_of(self, order: WorkingOrder) -> float:
        """What the bar's prices lack to be those of the order's side."""
        return self.lane.shift_buy if order.is_buy else self.lane.shift_sell

    def adverse(self, order: WorkingOrder) -> float:
        """The extreme that sets a stop of this side off."""
        return self.ask.high if order.is_buy else self.bid.low

    def favourable(self, order: WorkingOrder) -> float:
        """The extreme that reaches a limit of this side."""
        return self.ask.low if order.is_buy else self.bid.high

    def stamp(self, order: WorkingOrder) -> int:
        """When something inside the bar is taken to have happened: at its end, or just before the order expired."""
        return self.end if order.leaves_ns > self.end else order.leaves_ns - 1

    def is_here(self, order: WorkingOrder) -> bool:
        """It rested when the bar began, or joined it since, and something was traded in the bar."""
        if order.effective_ns > self.start and not self._has_joined(order):
            return False
        return order.leaves_ns > self.start and not self._room(order).is_empty

    def _has_joined(self, order: WorkingOrder) -> bool:
        """Whether it joined inside the bar; under `worst` only what hurts can be met in the rest of it."""
        if order.joined_ns != self.end:
            return False
        return not self._is_worst or (order.waits_for_trigger and order.rises is order.is_buy)

    def is_whole(self, order: WorkingOrder) -> bool:
        """It rested to the bar's end; a stop that protects may expire before it under `worst`."""
        if order.leaves_ns <= self.end and not self._is_kept(order):
            return False
        return self.is_here(order)

    def _is_kept(self, order: WorkingOrder) -> bool:
        if not self._is_worst or order.place != STOP or order.leaves_ns != order.expires_ns:
            return False
        return self.lane.venue.find_reducible(order) > 0

    def is_touched(self, order: WorkingOrder, price: float) -> bool:
        """Whether a price of this bar meets an order's trigger."""
        slack = self.lane.taker_price.slack
        price += self.shift_of(order)
        return price >= order.stop_f - slack if order.rises else price <= order.stop_f + slack

    def is_reached(self, order: WorkingOrder, price: float) -> bool:
        """Whether a price of this bar executes a resting limit."""
        assert order.price_f is not None
        price += self.shift_of(order)
        reach = self.lane.reach
        return price <= order.price_f - reach if order.is_buy else price >= order.price_f + reach

    def open_of(self, order: WorkingOrder) -> float:
        """The open, as the order's side meets it."""
        return self.bar_of(order).open + self.shift_of(order)

    def _room(self, order: WorkingOrder) -> Room:
        return self._room_ask if order.is_buy else self._room_bid

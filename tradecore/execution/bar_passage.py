"""BarPassage: one bar passing the orders that work on it: its open, the path between, its close.

Receives: the bar (or the pair of ask and bid bar) with its start, when its end has come.
Gives:    executions: at the open stamped max(start, due), inside and at the close stamped with the end, because when
          inside a bar a price was met is not known before.
Never:    executes more than the bar's share, or lets an order profit from an order of prices that it cannot know.
          EXECUTION 6.

Path `worst`: high and low may have come in either order, so a stop executes if it was touched at all, before any limit;
a stop-limit triggered inside the bar can only count on the close. Path `ohlc`: open, high, low, close, in this order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tradecore.domain.bar import Bar
from tradecore.domain.event import SIZE_UNKNOWN
from tradecore.execution.exact import to_exact
from tradecore.execution.room import Room
from tradecore.execution.working_order import (
    LIMIT,
    NOWHERE,
    STOP,
    TAKER,
    WorkingOrder,
    by_price_then_time,
    by_stop_then_time,
    by_time,
)

if TYPE_CHECKING:
    from tradecore.execution.bar_lane import BarLane


class BarPassage:
    """One bar and the room that is left in it. start, end: of the bar, int nanoseconds."""

    __slots__ = ("_ask", "_bid", "_lane", "_room_ask", "_room_bid", "end", "start")

    def __init__(self, lane: BarLane, start: int, ask: Bar, bid: Bar) -> None:
        self._lane = lane
        self.start, self.end = start, bid.ts_event
        self._ask, self._bid = ask, bid
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
        lane = self._lane
        at_close = self._pass_open()
        if lane.stops or lane.limits:
            if lane.rules.bar_path == "worst":
                self._pass_worst()
            else:
                self._pass_ohlc()
        for order in at_close:
            if order.place == TAKER and order.leaves_ns > self.end:
                self._take_bar(order, self._bar(order).close, self.end)

    def take_close(self, order: WorkingOrder) -> None:
        """`same_close`: an order given at this bar's end takes its close, if the close is within its limit."""
        self._take_bar(order, self._bar(order).close, self.end)

    # ---------------------------------------------------------------------------------------------------------- open

    def _pass_open(self) -> list[WorkingOrder]:
        """Takers, stops that the open is beyond, limits, late takers; returns the takers that only get the close."""
        lane, start = self._lane, self.start
        late: list[WorkingOrder] = []
        for order in sorted(lane.takers, key=by_time) if len(lane.takers) > 1 else lane.takers[:]:
            if order.place != TAKER or order.leaves_ns <= start:
                continue
            if order.effective_ns <= start:
                self._take_bar(order, self._bar(order).open, start)
            else:
                late.append(order)
        if lane.stops:
            beyond = [o for o in lane.stops if self._is_here(o) and self._is_touched(o, self._bar(o).open)]
            for order in sorted(beyond, key=by_stop_then_time):
                lane.set_off(order, start)
                self._settle_triggered(order, self._bar(order).open, start)
        if lane.limits:
            for order in sorted(lane.limits, key=by_price_then_time):
                if order.place == LIMIT and order.effective_ns <= start and order.leaves_ns > start:
                    self._open_limit(order)
        return self._pass_late(late) if late else late

    def _pass_late(self, late: list[WorkingOrder]) -> list[WorkingOrder]:
        """Takers due after the start: within the grace they still get the open, after those who were there at it.

        Past it the close is for those who wait; IOC and FOK have one attempt, at an open: the next bar's.
        """
        at_close: list[WorkingOrder] = []
        for order in late:
            if order.place != TAKER:
                continue
            if order.effective_ns - self.start <= self._lane.grace_ns:
                self._take_bar(order, self._bar(order).open, order.effective_ns)
            elif not order.is_immediate:
                at_close.append(order)
        return at_close

    def _open_limit(self, order: WorkingOrder) -> None:
        """In its first bar a limit may be a taker at the open; later, past a gap, it gets its own price."""
        assert order.price_f is not None
        opened = self._bar(order).open
        was_fresh, order.is_fresh = order.is_fresh, False
        if self._room(order).is_empty:
            return
        if was_fresh:
            if self._lane.taker_price.is_within(opened, order.sign, order.price_f):
                self._take_bar(order, opened, self.start)
        elif self._is_reached(order, opened):
            self._make_bar(order, self.start)

    # ---------------------------------------------------------------------------------------------------------- path

    def _pass_worst(self) -> None:
        lane = self._lane
        touched = [o for o in lane.stops if self._is_whole(o) and self._is_touched(o, self._adverse(o))]
        only_close: list[WorkingOrder] = []
        for order in sorted(touched, key=by_stop_then_time):
            if order.place == STOP:
                lane.set_off(order, self.end)
                self._settle_triggered(order, None, self.end)
                only_close.append(order)
        reached = [o for o in lane.limits if self._is_whole(o) and self._is_reached(o, self._favourable(o))]
        for order in sorted(reached, key=by_price_then_time):
            if order.place == LIMIT and order not in only_close:
                self._make_bar(order, self.end)
        for order in only_close:
            if order.place == LIMIT and self._is_reached(order, self._bar(order).close):
                self._make_bar(order, self.end)

    def _pass_ohlc(self) -> None:
        lane, ask, bid = self._lane, self._ask, self._bid
        asks = (ask.open, ask.high, ask.low, ask.close)
        bids = (bid.open, bid.high, bid.low, bid.close)
        for leg in range(3):
            met: list[tuple[float, int, int, int, WorkingOrder]] = []
            for order in (*lane.stops, *lane.limits):
                path = asks if order.is_buy else bids
                begin, end = path[leg], path[leg + 1]
                is_stop = order.place == STOP
                is_met = self._is_touched(order, end) if is_stop else self._is_reached(order, end)
                if is_met and self._is_whole(order):
                    level = (order.stop_f if is_stop else order.price_f or 0.0) - self._shift(order)
                    way = (level - begin) / (end - begin) if end != begin else 0.0
                    met.append((way, 0 if is_stop else 1, order.effective_ns, order.number, order))
            for _, kind, _, _, order in sorted(met, key=lambda item: item[:4]):
                if kind == 0 and order.place == STOP:
                    lane.set_off(order, self.end)
                    self._settle_triggered(order, None, self.end)
                elif kind == 1 and order.place == LIMIT:
                    self._make_bar(order, self.end)

    def _settle_triggered(self, order: WorkingOrder, opened: float | None, ts: int) -> None:
        """A stop that was set off takes the open, or its own stop price inside the bar; what is left works on."""
        lane = self._lane
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

    # ------------------------------------------------------------------------------------------------------ executing

    def _take_bar(self, order: WorkingOrder, price: float, ts: int) -> None:
        self._take_found(order, to_exact(price), ts)

    def _take_found(self, order: WorkingOrder, found: Decimal, ts: int) -> None:
        """Execute a taker at a price of this bar, as far as limit and room go; IOC and FOK have had their attempt."""
        lane, room = self._lane, self._room(order)
        if order.price_f is None or lane.taker_price.is_within(float(found), order.sign, order.price_f):
            part = lane.share_of(order, room)
            if part and lane.take(order, found, part, ts):
                room.use(part)
        if order.is_immediate:
            lane.end_immediate(order, ts)

    def _make_bar(self, order: WorkingOrder, ts: int) -> None:
        room = self._room(order)
        part = self._lane.share_of(order, room)
        if part and self._lane.make(order, part, ts):
            room.use(part)

    # ------------------------------------------------------------------------------------------------- what was where

    def _bar(self, order: WorkingOrder) -> Bar:
        return self._ask if order.is_buy else self._bid

    def _room(self, order: WorkingOrder) -> Room:
        return self._room_ask if order.is_buy else self._room_bid

    def _shift(self, order: WorkingOrder) -> float:
        return self._lane.shift_buy if order.is_buy else self._lane.shift_sell

    def _adverse(self, order: WorkingOrder) -> float:
        """The extreme that sets a stop of this side off."""
        return self._ask.high if order.is_buy else self._bid.low

    def _favourable(self, order: WorkingOrder) -> float:
        """The extreme that reaches a limit of this side."""
        return self._ask.low if order.is_buy else self._bid.high

    def _is_here(self, order: WorkingOrder) -> bool:
        """It rested when the bar began, and something was traded in the bar."""
        return order.effective_ns <= self.start < order.leaves_ns and not self._room(order).is_empty

    def _is_whole(self, order: WorkingOrder) -> bool:
        """It rested all through the bar."""
        return order.leaves_ns > self.end and self._is_here(order)

    def _is_touched(self, order: WorkingOrder, price: float) -> bool:
        slack = self._lane.taker_price.slack
        price += self._shift(order)
        return price >= order.stop_f - slack if order.is_buy else price <= order.stop_f + slack

    def _is_reached(self, order: WorkingOrder, price: float) -> bool:
        assert order.price_f is not None
        price += self._shift(order)
        reach = self._lane.reach
        return price <= order.price_f - reach if order.is_buy else price >= order.price_f + reach

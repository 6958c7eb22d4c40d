"""BarLane: orders against bars: last bars, bid and ask bars as a pair, or one side's bars with a spread.

Receives: bars in order of their ends, window by window; the two series of a pair in any order.
Gives:    to BarPassage each bar that may execute something, once its end has come (live: once it has arrived); marks
          at every bar's end.
Never:    shows an order a bar before its end, or lets a command undo an open that lies before it.    EXECUTION 6.

A bar becomes known at its end, but what it executes at its open happened at its start. So a cancel or update that takes
effect inside a bar waits until that bar is known (or until none can come any more that began before it, one step
later): the order may still have executed at the open, and nothing else of that bar.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.event import SIZE_UNKNOWN
from tradecore.domain.event_batch import find_column
from tradecore.domain.exact import to_exact
from tradecore.domain.execution import Liquidity
from tradecore.domain.instant import DAY_NS, MIN_NS, SECOND_NS
from tradecore.execution.bar_pairing import BarPairing
from tradecore.execution.bar_passage import BarPassage
from tradecore.execution.lane import NEAR, NEVER, TIME_OF, ZERO, Lane
from tradecore.execution.thresholds import find_thresholds
from tradecore.execution.working_order import NOWHERE, TAKER, WorkingOrder

# A member by module name: reading it off an Enum class costs 0.1 us in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER

OPEN_GRACE_NS_MAX: Final = 5 * SECOND_NS
"""EXECUTION 6: a taker this late after a bar's start does not get its open any more."""

PART_LEAST: Final = 8
"""Marks that are less than this part of a window's are copied: a view keeps the whole column."""

LATENESS_NS_MAX: Final = 5 * SECOND_NS
"""How long after its end a live bar may arrive before a command that waits for it takes effect without it."""


class BarLane(Lane):
    """One instrument on bars.

    step_ns: length of a bar, 0 for bars of ticks. pairing: joins bid and ask bars, None where there is one series.
    shift_buy, shift_sell: what one side's bars lack to be the other side's prices (the spread, signed). late_bars: live
    ones that arrived after a later one, so that no order could meet them.
    """

    __slots__ = (
        "_end_before", "_lateness_ns", "_marks", "_participation", "_passage", "_postponed", "_scan_due_ns", "asks",
        "grace_ns", "has_next_open", "has_one_price", "lag_ns", "last_ask", "late_bars", "matched_on", "pairing",
        "reach", "shift_buy", "shift_sell", "step_ns",
    )  # fmt: skip

    spans_time = True

    def __init__(
        self, *parts: Any, step_ns: int, pairing: BarPairing | None = None, shift_buy: float = 0.0,
        shift_sell: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(*parts)
        self.matched_on = "bar" if pairing is None else "bar_bid_ask"
        self.step_ns = step_ns
        self.lag_ns = step_ns or DAY_NS  # bars of ticks have no length
        self.pairing = pairing
        self.shift_buy, self.shift_sell = shift_buy, shift_sell
        self.has_one_price = pairing is None and not (shift_buy or shift_sell)
        self.grace_ns = min(int(self.rules.open_grace * step_ns), OPEN_GRACE_NS_MAX)
        # What makes a touch a trade through it: one increment; the rest is for what subtracting floats may take off.
        tick = float(self.instrument.price_increment)
        self.reach = (tick if self.rules.bar_touch == "through" else 0.0) - tick * 1e-6
        self.asks: Sequence[Bar] = ()
        self.last_ask: Bar | None = None
        self.late_bars = 0
        self._lateness_ns = 0
        self._end_before: int | None = None  # end of the last bar of earlier windows
        self._passage: BarPassage | None = None
        self._postponed: deque[tuple[int, WorkingOrder, Any]] = deque()
        self._scan_due_ns = NEVER
        self.has_next_open = self.rules.bar_fill == "next_open"  # same_close: others may still come to this bar
        self._participation = float(self.rules.participation) * 0.999_999  # in floats, so a little less than it is
        self._marks: dict[int, tuple[Sequence[int], Sequence[float]]] = {}  # of the loaded bars, by the sign held

    # -------------------------------------------------------------------------------------------------------- events

    def load(self, name: str, events: Sequence[Bar], *, by_arrival: bool = False) -> None:
        """See Lane.load. Of a pair, only bars that have found their partner are events."""
        bids, asks = (events, events) if self.pairing is None else self.pairing.add(name, events)
        if by_arrival:
            self._lateness_ns = LATENESS_NS_MAX
            bids, asks = self._leave_out_late(bids, asks)
        self.asks = [*self.asks, *asks] if self.asks else asks
        self._marks.clear()
        super().load(name, bids, by_arrival=by_arrival)

    def _open_rows(self) -> None:
        """See Lane: without a pair, they are both sides'."""
        is_both = self.asks is self.events
        super()._open_rows()
        if is_both:
            self.asks = self.events

    def _leave_out_late(self, bids: Sequence[Bar], asks: Sequence[Bar]) -> tuple[Sequence[Bar], Sequence[Bar]]:
        """What arrives after a later bar has had its open already, as far as orders go: history brought it."""
        newest = self.events[-1].ts_event if self.events else self._end_before
        kept = []
        for pair in zip(bids, asks, strict=True):
            if newest is None or pair[0].ts_event > newest:
                newest = pair[0].ts_event
                kept.append(pair)
        self.late_bars += len(bids) - len(kept)
        return [bid for bid, _ in kept], [ask for _, ask in kept]

    def read_times(self, events: Sequence[Bar]) -> list[int]:
        """See Lane.read_times; a pair has arrived when both have."""
        if self.pairing is None or self.time_of is TIME_OF:
            return super().read_times(events)
        asks = self.asks[len(self.asks) - len(events) :]
        return [max(bid.ts_received, ask.ts_received) for bid, ask in zip(events, asks, strict=True)]

    @property
    def last_ns(self) -> int:
        """Instant of the newest bar, or pair, that has happened; only asked once there is one."""
        own = self.time_of(self.last)
        return own if self.last_ask is None else max(own, self.time_of(self.last_ask))

    def _pass(self, taken: int) -> None:
        self.taken = taken
        self.last, self.last_ask = self.events[taken - 1], self.asks[taken - 1]

    def rescale(self, rescale: Callable[[Any], Any]) -> None:
        """See Lane.rescale."""
        super().rescale(rescale)
        if self.last_ask is not None:
            self.last_ask = ask = rescale(self.last_ask)
            if self.taken:
                self.asks = [*self.asks[: self.taken - 1], ask, *self.asks[self.taken :]]
        self._marks.clear()

    def end_window(self) -> None:
        """See Lane.end_window."""
        if self.pairing is not None:
            self.pairing.end_window(may_follow=self.time_of is not TIME_OF)
        if self.events:
            self._end_before = self.events[-1].ts_event
        super().end_window()
        self.asks = ()
        self._marks.clear()
        self._scan_due_ns = NEVER
        self._set_due()

    def end_run(self, ts: int) -> None:
        """Bars that never came have opened nothing: what waited for them takes effect."""
        if self.pairing is not None:
            self.pairing.end_window(ts)
        while self._postponed:
            self._run_first_postponed()
        self.rescan()

    def compute_start_ns(self, at: int) -> int:
        """Start of the bar at this place: max(previous end of its series, end - step) (EXECUTION 6)."""
        previous = self.events[at - 1].ts_event if at else self._end_before
        if not self.step_ns:  # bars of ticks have no length: one begins where the one before it ended
            return MIN_NS if previous is None else previous
        start: int = self.events[at].ts_event - self.step_ns
        return start if previous is None or previous < start else previous

    def find_hit(self, start: int, stop: int) -> int:
        """First bar that reaches a limit or a stop."""
        low, rise, fall, high = find_thresholds(self.limits, self.stops)
        slack, up, down = self.taker_price.slack, -self.shift_buy, -self.shift_sell
        low, rise, fall, high = low + up + slack, rise + up - slack, fall + down + slack, high + down - slack
        bids, asks = self.events[start:stop], self.asks[start:stop]
        for at, (bid, ask) in enumerate(zip(bids, asks, strict=True), start):
            if ask.low <= low or bid.high >= high or ask.high >= rise or bid.low <= fall:
                return at
        return -1

    def _wants_every_event(self) -> bool:
        return bool(self._postponed) or any(order.is_fresh for order in self.limits)

    def rescan(self) -> None:
        """See Lane.rescan."""
        if self.limits or self.stops or self._postponed:
            super().rescan()
        elif self.takers:
            self._scanned = self.taken
            self._scan()
        else:
            self.due_ns = self._scan_due_ns = NEVER

    def _scan(self) -> None:
        if self.takers:  # whatever else works, the next bar has to be looked at
            events, times, start = self.events, self._times, self._scanned
            if start == len(events):
                self.due_ns = NEVER
            else:
                self.due_ns = events[start].ts_event if times is None else times[start]
        elif self.limits or self.stops or self._postponed:
            super()._scan()
        else:
            self.due_ns = NEVER
        self._scan_due_ns = self.due_ns
        if self._postponed:
            self._set_due()

    def _set_due(self) -> None:
        """The scan's due time, or the instant at which the first postponed command need not wait any more."""
        if self._postponed and self.step_ns:
            self.due_ns = min(self.due_ns, self._postponed[0][0] + self.step_ns + self._lateness_ns)

    # ------------------------------------------------------------------------------------------------------ matching

    def match(self, ts: int) -> None:
        """Bars of this instant, then the commands that waited for them."""
        if self._scan_due_ns <= ts and not (self.has_next_open and self._match_alone()):
            super().match(ts)
        if self._postponed:
            self._run_postponed(ts)

    def match_at(self, at: int, ts: int) -> None:
        """Let the bar at this place pass the orders."""
        self._passage = passage = BarPassage(self, self.compute_start_ns(at), self.asks[at], self.events[at])
        passage.run()
        self.uncapped += passage.uncapped

    def _match_alone(self) -> bool:
        """The usual bar: one market order that waited for this open, and volume in plenty. False decides nothing.

        What `match` and BarPassage would do for it, without what they need for orders that compete.
        """
        if len(self.takers) != 1 or self.stops or self.limits or self._postponed or self.depth is not None:
            return False
        order = self.takers[0]
        if not order.is_plain:  # what a group has waiting may join this bar
            return False
        met = self.take_open(order.remaining_f, order.effective_ns, order.is_buy)
        if met is None:
            return False
        price, slippage, start = met
        self.venue.execute(order, order.remaining, price, start, _LIQUIDITY_TAKER, slippage)
        self.rescan()
        return True

    def find_next_open(self, ts: int) -> int:
        """Instant at which the next bar is known; those until now become what stands. NEVER behind the last one."""
        times = self.times if self._times is None else self._times
        at, count = self.taken, len(times)
        if at < count and times[at] <= ts:
            near = at + NEAR
            self.taken = at = bisect_right(times, ts, at + 1, near if near < count and times[near] > ts else count)
            self.last, self.last_ask = self.events[at - 1], self.asks[at - 1]
        return times[at] if at < count else NEVER

    def take_open(self, quantity: float, since: int, is_buy: bool) -> tuple[Decimal, Decimal, int] | None:
        """Let the next bar happen for a lone taker that works since an instant: price and slippage at which all of it
        executes at the bar's open, and when that was. None decides nothing: the bar has to be looked at closer.

        Only where no other order and no command waits in the lane, and there is no depth to walk.
        """
        at, events, step_ns = self.taken, self.events, self.step_ns
        bid, ask = events[at], self.asks[at]
        if at and step_ns:  # as compute_start_ns has it
            start, previous = bid.ts_event - step_ns, events[at - 1].ts_event
            if previous > start:
                start = previous
        else:
            start = self.compute_start_ns(at)
        if since > start:
            return None
        bar = ask if is_buy else bid
        if bar.flags & SIZE_UNKNOWN or quantity > bar.volume * self._participation:
            return None
        self.taken, self.last, self.last_ask = at + 1, bid, ask
        price = to_exact(bar.open)
        if self.taker_price.is_exact:
            return price, ZERO, start
        given = self.taker_price.after(price, 1 if is_buy else -1, None)
        return given, abs(given - price), start

    def must_wait(self, order: WorkingOrder, ts: int) -> bool:
        """A bar may have opened between the order's effective time and this instant, unknown to us."""
        if order.leaves_ns != NEVER:
            return True  # behind a command that waits
        if order.place == NOWHERE or order.effective_ns >= ts:
            return False
        return self.last is None or self.last.ts_event < ts

    def postpone(self, order: WorkingOrder, ts: int, command: Any) -> None:
        """Keep a command until the bar that contains its instant is known."""
        order.leaves_ns = min(order.leaves_ns, ts)
        self._postponed.append((ts, order, command))
        self.rescan()

    def _run_postponed(self, ts: int) -> None:
        known = MIN_NS if self.last is None else self.last.ts_event
        while self._postponed:
            given = self._postponed[0][0]
            if given > known and (not self.step_ns or given + self.step_ns + self._lateness_ns > ts):
                break
            self._run_first_postponed()
        self.rescan()

    def _run_first_postponed(self) -> None:
        given, order, command = self._postponed.popleft()
        order.leaves_ns = min((ts for ts, other, _ in self._postponed if other is order), default=NEVER)
        self.venue.run_postponed(command, given)

    # -------------------------------------------------------------------------------------------------------- orders

    def hold(self, order: WorkingOrder) -> bool:
        """A bar has its own beginning: nothing that stood before it can execute."""
        return False

    def join(self, order: WorkingOrder, ts: int, price: float) -> None:
        """See Lane.join: inside a bar it joins the rest of it."""
        if self._passage is not None and self._passage.is_running:
            self._passage.join(order, price)
            self.rescan()
        else:
            self.arrive(order, ts)

    def arrive(self, order: WorkingOrder, ts: int) -> None:
        """See Lane.arrive. The usual order, at market for the next open, has nothing to look at before."""
        if not (order.is_plain and self.has_next_open):
            super().arrive(order, ts)
            return
        order.effective_ns, order.place = ts, TAKER
        self.takers.append(order)
        self.rescan()

    def arrive_inside(self, order: WorkingOrder, ts: int) -> None:
        """See Lane.arrive_inside: it has the close of the bar that ended now, as far as its volume goes."""
        order.effective_ns = ts
        if self.last is not None and self.last_ns == ts:
            assert self.last_ask is not None
            if self._passage is None or self._passage.end != self.last.ts_event:
                self._passage = BarPassage(self, ts, self.last_ask, self.last)
            self._passage.take_close(order)
        if not order.is_finished:
            self.arrive(order, ts)

    def enter(self, order: WorkingOrder, ts: int) -> None:
        """Wait for a bar that begins at or after this instant; under same_close, take the close of this instant's."""
        is_now = self.rules.bar_fill == "same_close" and self.last is not None and self.last_ns == ts
        if is_now and not order.post_only:
            assert self.last_ask is not None
            assert self.last is not None
            if self._passage is None or self._passage.end != self.last.ts_event:
                self._passage = BarPassage(self, ts, self.last_ask, self.last)
            order.is_fresh = False
            self._passage.take_close(order)
            if order.is_finished:
                return
        if order.price_f is None or order.is_immediate:
            self.put(order, TAKER)
        else:
            order.is_fresh = order.is_fresh and not order.post_only
            self.rest(order, ts)

    def list_counts(self) -> dict[str, int]:
        """What was counted for the report."""
        counts = super().list_counts()
        if self.pairing is not None:
            counts |= {"half_pairs": self.pairing.half_pairs, "crossed_pairs": self.pairing.crossed_pairs}
        if self.late_bars:
            counts["late_bars"] = self.late_bars
        return counts

    # -------------------------------------------------------------------------------------------------------- prices

    def touch(self, sign: int) -> float | None:
        """Close of the last bar: the ask's for buys, the bid's for sells."""
        if self.last is None or self.last_ask is None:
            return None
        return self.last_ask.close + self.shift_buy if sign > 0 else float(self.last.close) + self.shift_sell

    def marks(self, sign: int, after: int, until: int) -> tuple[Sequence[int], Sequence[float]]:
        """Close at the end of every bar: long at the bid's, short at the ask's."""
        times = self.times
        start = bisect_right(times, after, 0, self.taken)
        stop = bisect_right(times, until, start, self.taken)
        marks = self._marks.get(sign)
        if marks is None:  # read off once per window, as the times are
            bars, shift = (self.events, self.shift_sell) if sign > 0 else (self.asks, self.shift_buy)
            marks = self._marks[sign] = self._list_marks(bars, shift)
        instants, prices = marks[0][start:stop], marks[1][start:stop]
        if isinstance(instants, memoryview) and (stop - start) * PART_LEAST < len(times):
            return list(instants), list(prices)
        return instants, prices

    def _list_marks(self, bars: Sequence[Bar], shift: float) -> tuple[Sequence[int], Sequence[float]]:
        """Times and closes of all loaded bars; of columns nothing is read before it is asked for."""
        times: Any = find_column(self.events, "ts_event")
        closes: Any = find_column(bars, "close")
        if self.time_of is TIME_OF and not shift and hasattr(times, "dtype") and hasattr(closes, "dtype"):  # numpy's
            return memoryview(times), memoryview(closes)
        return self.times, [bar.close + shift for bar in bars] if shift else [bar.close for bar in bars]

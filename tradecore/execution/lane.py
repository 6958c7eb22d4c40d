"""Lane: one instrument at the venue: the events of its match source, and the orders that work on it.

Receives: events of the match source, window by window, in order of the run's timeline: event time for imported history,
          arrival for live and recorded events; orders when they take effect.
Gives:    executions, triggers and withdrawals, to the Venue; `due_ns`, the next instant at which it has to be asked.
Never:    looks at an event before its instant, and touches none one by one while no order works: what stands at an
          instant is found by bisection. Nothing here knows money.    Spec: 5.2; EXECUTION 2, 3, 7.

QuoteLane, DepthLane, TradeLane and BarLane say how orders meet their kind of event; this file holds what they share.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, Decimal
from operator import attrgetter
from typing import Any, Final

from tradecore.domain.event_batch import EventBatch
from tradecore.domain.event_rows import EventRows
from tradecore.domain.execution import Liquidity
from tradecore.domain.instant import MAX_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import TimeInForce
from tradecore.execution.market_hours import make_market_hours
from tradecore.execution.match_rules import MatchRules
from tradecore.execution.order_refusal import find_refusal
from tradecore.execution.room import Room
from tradecore.execution.synthetic_depth import SyntheticDepth
from tradecore.execution.taker_price import TakerPrice
from tradecore.execution.taking_levels import take_down
from tradecore.execution.venue import Venue
from tradecore.execution.working_order import (
    LIMIT,
    NOWHERE,
    STOP,
    TAKER,
    WorkingOrder,
    by_time,
    nearest_first,
)

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_MAKER: Final = Liquidity.MAKER
_LIQUIDITY_TAKER: Final = Liquidity.TAKER
_TIF_FOK: Final = TimeInForce.FOK

NEVER: Final = MAX_NS
TIME_OF: Final = attrgetter("ts_event")
ARRIVAL_OF: Final = attrgetter("ts_received")
ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
NEAR: Final = 32  # most often, two looks at the events are not further apart: a search among them is shorter
# Events looked at in one go while orders rest: small at first, because a cancel often follows soon.
_CHUNK_FIRST: Final = 16
_CHUNK_MOST: Final = 4_096


class Lane:
    """What all match sources share. Subclasses define `match_at`, `enter`, `find_hit`, `touch`, `marks`.

    matched_on: word on every Execution. taken: number of loaded events that have happened. last: the newest of them,
    kept over windows. due_ns: next instant with something to match, NEVER without. uncapped: executions on events that
    gave no size, counted for the report. hours: of trading, None where the market never closes. depth: the
    slippage model "depth", None with another. time_of: when an event of the newest load happens on the run's timeline.
    """

    # An instance with more attributes than Python keeps in line (30) would be read through a dictionary.
    __slots__ = (
        "_chunk", "_increment", "_scanned", "_times", "depth", "due_ns", "events", "hours", "instrument", "last",
        "limits", "may_refuse", "rules", "stops", "taken", "taker_price", "takers", "time_of", "uncapped", "venue",
    )  # fmt: skip

    matched_on = ""
    spans_time = False
    """Whether an event tells of a stretch of time, so that what happened inside it is known only at its end."""
    lag_ns = 0
    """How long before an event executions may have happened that only it tells of."""
    has_one_price = False
    """Whether a long and a short holding are valued at the same price."""
    has_next_open = False
    """Whether a lone order at market executes at the open of the next event: see BarLane.take_open."""

    def __init__(self, instrument: Instrument, rules: MatchRules, taker_price: TakerPrice, venue: Venue) -> None:
        self.instrument = instrument
        self.rules = rules
        self.taker_price = taker_price
        self.venue = venue
        self.due_ns = NEVER
        self.takers: list[WorkingOrder] = []
        self.stops: list[WorkingOrder] = []
        self.limits: list[WorkingOrder] = []
        self.events: Sequence[Any] = ()
        self.time_of: Callable[[Any], int] = TIME_OF
        self._times: list[int] | None = None
        self.taken = 0
        self.last: Any = None
        self.uncapped = 0
        self.depth: SyntheticDepth | None = None
        self.hours = make_market_hours(instrument.session)
        self.may_refuse = "reject" in (rules.no_market, rules.stop_through, rules.self_trade)
        self._scanned = 0
        self._chunk = _CHUNK_FIRST
        self._increment = instrument.quantity_increment

    # -------------------------------------------------------------------------------------------------------- events

    def load(self, name: str, events: Sequence[Any], *, by_arrival: bool = False) -> None:
        """Events of the next window, or more of this one; `name` tells the two series of a pair apart.

        by_arrival: they are live or recorded, and happen when they arrive; imported history at its event time.
        """
        if self.hours is not None and not self.spans_time:
            events = self.hours.keep_open(events)
        before = self.times if self.events else []
        self.time_of = ARRIVAL_OF if by_arrival else TIME_OF
        self._times = [*before, *self.read_times(events)] if before or by_arrival else None
        self.events = [*self.events, *events] if before else events
        if type(events) is EventRows and (self.takers or self.limits or self.stops):
            self._open_rows()
        self.rescan()

    def _open_rows(self) -> None:
        """Events that are still columns are looked at one by one from here on: a list of them is faster."""
        if type(self.events) is EventRows:
            self.events = self.events.build()

    @property
    def times(self) -> list[int]:
        """Instants of the loaded events, read off once per window, where anything has to be looked up in it."""
        times = self._times
        if times is None:
            self._open_rows()
            times = self._times = self.read_times(self.events)
        return times

    def read_times(self, events: Sequence[Any]) -> list[int]:
        """When these events, the newest loaded ones, happen on the run's timeline."""
        # A comprehension, because reading a struct's field is half as dear there as through attrgetter.
        if self.time_of is TIME_OF:
            return events.times if type(events) is EventBatch else [event.ts_event for event in events]
        return [event.ts_received for event in events]

    def take_until(self, ts: int) -> None:
        """What happened by this instant becomes what stands; only called where none of it can execute anything."""
        taken, events = self.taken, self.events
        if taken < len(events):
            times = self._times
            if times is None:
                if self.time_of(events[-1]) <= ts:  # all of it, most often: no need to read off each one's time
                    self._pass(len(events))
                    return
                times = self.times
            if times[taken] <= ts:
                near = taken + NEAR
                stop = near if near < len(times) and times[near] > ts else len(times)
                self._pass(bisect_right(times, ts, taken + 1, stop))

    def _pass(self, taken: int) -> None:
        """Events before this place have happened."""
        self.taken = taken
        self.last = self.events[taken - 1]

    def rescale(self, rescale: Callable[[Any], Any]) -> None:
        """A split: what stands is in new units from now on. Call take_until before. rescale: of one event, a copy."""
        if self.last is not None:
            self.last = rescale(self.last)
        if self.taken:
            self.events = [*self.events]
            self.events[self.taken - 1] = self.last

    def end_window(self) -> None:
        """All loaded events have happened; only the last is kept."""
        if self.taken < len(self.events):
            self._pass(len(self.events))
        self.events, self.taken = (), 0
        self._times = None
        self._scanned = 0
        self.due_ns = NEVER

    def end_run(self, ts: int) -> None:
        """Nothing comes any more: settle what waits for an event."""

    def find_hit(self, start: int, stop: int) -> int:
        """Place of the first event in [start, stop) that may execute or trigger something, -1 without."""
        raise NotImplementedError

    def rescan(self) -> None:
        """Orders or events changed: look again from where we are."""
        self._scanned = self.taken
        self._chunk = _CHUNK_FIRST
        self._scan()

    def _scan(self) -> None:
        """Set due_ns to the next event worth asking about, looking no further than one chunk ahead."""
        if not (self.limits or self.stops or self.takers):
            self.due_ns = NEVER
            return
        events, times, start = self.events, self._times, self._scanned
        if start >= len(events):
            self.due_ns = NEVER
            return
        if self.takers or self._wants_every_event():
            self.due_ns = events[start].ts_event if times is None else times[start]
            return
        stop = start + self._chunk
        if stop > len(events):
            stop = len(events)
        hit = self.find_hit(start, stop)
        if hit >= 0:
            self._scanned = hit
            self.due_ns = events[hit].ts_event if times is None else times[hit]
            return
        self._scanned = stop
        self._chunk = min(self._chunk * 2, _CHUNK_MOST)
        if stop == len(events):
            self.due_ns = NEVER
        else:
            self.due_ns = events[stop - 1].ts_event if times is None else times[stop - 1]

    def _wants_every_event(self) -> bool:
        """Whether the very next event has to be looked at, though no taker waits."""
        return False

    # -------------------------------------------------------------------------------------------------------- matching

    def match(self, ts: int) -> None:
        """Let the events of this instant meet the orders; called with ts = due_ns."""
        events, times, at = self.events, self._times, self._scanned
        if at > self.taken:
            self._pass(at)  # up to here nothing could execute
        if at < len(events) and (events[at].ts_event if times is None else times[at]) <= ts:
            self._pass(at + 1)
            self.match_at(at, ts)
            self.rescan()
        else:
            self._scan()

    def match_at(self, at: int, ts: int) -> None:
        """Let the event at this place meet the orders."""
        raise NotImplementedError

    def pass_stops(self, ts: int) -> None:
        """Trigger what the newest event reaches; what it does not, and trails, follows it."""
        reached = []
        for order in self.stops:
            if self.is_through(order):
                reached.append(order)
            elif order.trail is not None:
                self.follow(order)
        for order in nearest_first(reached, self._reference) if len(reached) > 1 else reached:
            if order.place == STOP:  # an execution before it may have taken it away
                self.set_off(order, ts)
                self.enter(order, ts)

    def _reference(self, order: WorkingOrder) -> float:
        met = self.trigger_price(order.is_buy)
        assert met is not None, "what was reached was reached by a price"
        return met

    def follow(self, order: WorkingOrder) -> None:
        """Let a trailing stop see what triggers look at now."""
        met = self.trigger_price(order.is_buy)
        if met is not None:
            order.follow(met, self.instrument.price_increment)

    # ---------------------------------------------------------------------------------------------------------- orders

    def refusal(self, order: WorkingOrder, ts: int) -> str | None:
        """Why the venue does not accept an order that arrives now, None when it does. Call take_until before."""
        return find_refusal(self, order, ts)

    def enter(self, order: WorkingOrder, ts: int) -> None:
        """An accepted order takes effect: execute what can, let the rest work. Call take_until before."""
        raise NotImplementedError

    def arrive(self, order: WorkingOrder, ts: int) -> None:
        """Place an order at its effective time: a stop waits unless the market is through it already."""
        order.effective_ns = ts
        if self.hours is not None and not self.hours.is_open(ts) and self.hold(order):
            return
        if order.waits_for_trigger:
            if order.trail is not None:
                self.follow(order)
            if not self.is_through(order):
                self.put(order, STOP)
                self.rescan()
                return
            self.set_off(order, ts)
        self.enter(order, ts)
        if order.place != NOWHERE or self.due_ns != NEVER:
            self.rescan()

    def hold(self, order: WorkingOrder) -> bool:
        """Keep an order that comes while the market is closed for the first event of the next session.

        What stands in a closed market is no offer. False where events carry their own beginning (bars).
        """
        order.is_held = not order.waits_for_trigger
        self.put(order, STOP if order.waits_for_trigger else TAKER)
        self.rescan()
        return True

    def release_held(self, ts: int) -> None:
        """The market is open again: what was held takes effect now, in the order in which it came."""
        for order in sorted([o for o in self.takers if o.is_held], key=by_time):
            order.is_held = False
            self.remove(order)
            if order.post_only:
                self.rest(order, ts)
            else:
                self.enter(order, ts)

    def join(self, order: WorkingOrder, ts: int, price: float) -> None:
        """An execution at `price` brings an order into being that the venue holds for it: it works from now on."""
        self.arrive(order, ts)

    def arrive_inside(self, order: WorkingOrder, ts: int) -> None:
        """A taker that became due inside the newest event, where that spans time; else it arrives after it."""
        self.arrive(order, ts)

    def set_off(self, order: WorkingOrder, ts: int) -> None:
        """Trigger a stop; it is nowhere until its caller places it."""
        if order.place != NOWHERE:
            self.remove(order)
        order.set_off()
        self.venue.trigger(order, ts)

    def put(self, order: WorkingOrder, place: int) -> None:
        """Let an order work as a TAKER, STOP or LIMIT."""
        order.place = place
        (self.takers if place == TAKER else self.limits if place == LIMIT else self.stops).append(order)

    def remove(self, order: WorkingOrder) -> None:
        """Take an order out of the lane."""
        place = order.place
        if place != NOWHERE:
            (self.takers if place == TAKER else self.limits if place == LIMIT else self.stops).remove(order)
            order.place = NOWHERE

    def rest(self, order: WorkingOrder, ts: int) -> None:
        """Let a limit rest at its price, or withdraw what is left where it must not."""
        assert order.price is not None
        if order.is_immediate:
            self.end_immediate(order, ts)
        elif not self.limits or self.clear_own(order, order.price, ts):
            self.put(order, LIMIT)

    def end_immediate(self, order: WorkingOrder, ts: int) -> None:
        """Withdraw what an IOC or FOK order did not get at its one attempt."""
        if not order.is_finished:
            self.venue.withdraw(
                order,
                ts,
                f"{order.time_in_force.value}: {order.filled_quantity} of {order.quantity} could execute at once",
            )

    def must_wait(self, order: WorkingOrder, ts: int) -> bool:
        """Whether a command for a working order has to wait for an event that has begun and is not known yet."""
        return False

    def postpone(self, order: WorkingOrder, ts: int, command: Any) -> None:
        """Keep a command for which must_wait holds."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------ executing

    def take(self, order: WorkingOrder, found: Decimal, quantity: Decimal, ts: int) -> Decimal:
        """Execute a taker at a matched market price. What executed: 0 when it was withdrawn instead."""
        if self.depth is not None:
            return take_down(self, order, found, quantity, ts, self.depth)
        price = self.taker_price.after(found, order.sign, order.price)
        if self.limits and not self.clear_own(order, price, ts):
            return ZERO
        slippage = ZERO if price is found else abs(price - found)
        return quantity if self.venue.execute(order, quantity, price, ts, _LIQUIDITY_TAKER, slippage) else ZERO

    def make(self, order: WorkingOrder, quantity: Decimal, ts: int) -> bool:
        """Execute a resting limit at its price."""
        assert order.price is not None
        return self.venue.execute(order, quantity, order.price, ts, _LIQUIDITY_MAKER, ZERO)

    def part_of(self, order: WorkingOrder, room: Decimal) -> Decimal:
        """How much of an order fits into an amount, on the quantity grid. A FOK order: all or nothing."""
        if room >= order.remaining:
            return order.remaining
        if room <= 0 or order.time_in_force is _TIF_FOK:
            return ZERO
        return (room / self._increment).quantize(_ONE, ROUND_DOWN) * self._increment

    def share_of(self, order: WorkingOrder, room: Room) -> Decimal:
        """How much of an order a record has room for."""
        if room.has_plenty(order.remaining_f):
            return order.remaining
        return self.part_of(order, room.left_for(order.remaining))

    def crossed_by(self, order: WorkingOrder, price: Decimal) -> list[WorkingOrder]:
        """Resting limits of the other side that an order would meet at this price, of all strategies of the account."""
        if order.is_buy:
            return [own for own in self.limits if not own.is_buy and own.price is not None and own.price <= price]
        return [own for own in self.limits if own.is_buy and own.price is not None and own.price >= price]

    def clear_own(self, order: WorkingOrder, price: Decimal, ts: int) -> bool:
        """Settle a self trade by the rule; False when the order itself was withdrawn. What came later was not there."""
        crossed = [own for own in self.crossed_by(order, price) if own.effective_ns <= ts]
        if not crossed:
            return True
        if self.rules.self_trade == "reject":
            self.venue.withdraw(order, ts, f"it would cross our own order {crossed[0].order_id} (self_trade = reject)")
            return False
        for own in sorted(crossed, key=by_time):
            self.venue.withdraw(own, ts, f"our order {order.order_id} would cross it (self_trade = cancel_resting)")
        return True

    def list_counts(self) -> dict[str, int]:
        """What was counted for the report."""
        counts = {"uncapped_executions": self.uncapped}
        if self.hours is not None and not self.spans_time:
            counts["events_while_closed"] = self.hours.left_out
        return counts

    # ---------------------------------------------------------------------------------------------------------- prices

    def touch(self, sign: int) -> float | None:
        """Price that a taker of this side meets now, None before the first."""
        raise NotImplementedError

    def offer(self, sign: int) -> float | None:
        """Price that an order of this side meets if it comes now: decides whether a limit takes or rests."""
        return self.touch(sign)

    def mark(self, sign: int) -> float | None:
        """Price at which a holding of this sign is valued now: a long is sold, a short is bought back."""
        return self.touch(-sign)

    def trigger_price(self, is_buy: bool) -> float | None:
        """Price that the trigger of a buy or a sale looks at now, None where nothing can be relied on."""
        return self.touch(1 if is_buy else -1)

    def is_through(self, order: WorkingOrder) -> bool:
        """Whether the market stands at or beyond an order's trigger."""
        met = self.trigger_price(order.is_buy)
        return met is not None and (met >= order.stop_f if order.rises else met <= order.stop_f)

    def marks(self, sign: int, after: int, until: int) -> tuple[Sequence[int], Sequence[float]]:
        """Times and prices at which a holding is valued, after < time <= until (EXECUTION 10)."""
        raise NotImplementedError

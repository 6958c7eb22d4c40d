"""ExecutionEngine: orders and market events in, Executions out.

Receives: windows of market events of match sources; orders, cancels and updates at the instant they take effect.
Gives:    Executions and changed orders, to its listener; `due_ns`, the next instant at which orders may meet events.
Never:    knows latency (brokerage/ waits for it), money (the listener says whether an order can be paid) or strategies.
          Spec: 5.2; EXECUTION 2 to 7.

Each instrument has a Lane. Lanes of one instant are asked in order of instrument id, so that the order in which feeds
were added changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, Final, Protocol

from tradecore.domain.execution import BrokerSource, Execution, Liquidity
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import TimeInForce
from tradecore.domain.order_state import OrderState
from tradecore.domain.trading_session import parse_session
from tradecore.execution.bar_lane import BarLane
from tradecore.execution.bar_pairing import BarPairing
from tradecore.execution.depth_lane import DepthLane
from tradecore.execution.expiries import Expiries, Expiry
from tradecore.execution.lane import NEVER, Lane
from tradecore.execution.match_rules import MatchRules
from tradecore.execution.match_source import MatchSource
from tradecore.execution.quote_lane import QuoteLane
from tradecore.execution.synthetic_depth import SyntheticDepth
from tradecore.execution.taker_price import TakerPrice
from tradecore.execution.trade_lane import TradeLane
from tradecore.execution.trade_queue_lane import TradeQueueLane
from tradecore.execution.waiting_lane import WaitingLane
from tradecore.execution.working_order import WorkingOrder

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_STATE_CANCELLED: Final = OrderState.CANCELLED
_STATE_EXPIRED: Final = OrderState.EXPIRED
_STATE_TRIGGERED: Final = OrderState.TRIGGERED
_TIF_DAY: Final = TimeInForce.DAY


class Charge(Protocol):
    """Commission of an execution, in the currency that it is paid in."""

    def __call__(self, quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        """quantity: above 0."""
        ...


_ZERO: Final = Decimal(0)
_TWO: Final = Decimal(2)


_LANES: Final[dict[str, Callable[..., Lane]]] = {
    "depth": DepthLane,
    "quote": QuoteLane,
    "trade": TradeLane,
    "trade_queue": TradeQueueLane,
}


class ExecutionListener(Protocol):
    """Whose orders they are. Called when things happen at the venue."""

    def find_money_refusal(self, order: WorkingOrder, quantity: Decimal, price: Decimal) -> str | None:
        """Why an execution cannot be paid, None when it can. Asked only while order.is_unchecked."""
        ...

    def on_execution(self, order: WorkingOrder, execution: Execution) -> None:
        """An order executed; it shows it already."""
        ...

    def on_order_changed(self, order: WorkingOrder, ts_event: int) -> None:
        """The venue triggered an order or took it away, or its time ended."""
        ...

    def find_reducible(self, order: WorkingOrder) -> Decimal:
        """How much of what its strategy holds an order of this side would close, >= 0."""
        ...

    def resize(self, order: WorkingOrder, room: Decimal) -> None:
        """A reduce_only order may execute so much now: `order.clip(room)`, and what is set aside for it follows."""
        ...

    def run_postponed(self, command: Any, ts_event: int) -> None:
        """A command that had to wait for a bar takes effect now; ts_event: its own instant."""
        ...


class ExecutionEngine:
    """Matches orders. broker, source: written onto every Execution. lanes: by instrument id. lag_ns: most of any."""

    def __init__(self, broker: str, source: BrokerSource, rules: MatchRules, listener: ExecutionListener) -> None:
        self.rules = rules
        self.lanes: dict[str, Lane] = {}
        self.lag_ns = 0
        self.due_ns = NEVER
        self._broker, self._source = broker, source
        self._listener = listener
        self._terms: dict[str, tuple[Lane, Charge, str]] = {}  # by instrument: what executing on it takes
        self._by_series: dict[tuple[str, str], Lane] = {}
        self._due: list[tuple[int, str]] = []
        # The one lane of a run on one instrument, while no order expires: nothing to sort then.
        self._only: Lane | None = None
        self._expiries = Expiries()
        self._reducing: dict[tuple[str, str], list[WorkingOrder]] = {}  # reduce_only, by strategy and instrument

    # ------------------------------------------------------------------------------------------------------- sources

    def open_lane(
        self,
        instrument: Instrument,
        source: MatchSource,
        charge: Charge,
        *,
        ticks: Decimal = _ZERO,
        fraction: Decimal = _ZERO,
        depth: SyntheticDepth | None = None,
    ) -> None:
        """Match an instrument on a source. ticks, fraction, depth: slippage of takers (TakerPrice, SyntheticDepth)."""
        buy, sell = source.spread / _TWO, source.spread / _TWO  # trades and last bars lie in the middle
        if source.side == "bid":
            buy, sell = source.spread, _ZERO
        elif source.side == "ask":
            buy, sell = _ZERO, source.spread
        taker_price = TakerPrice(
            instrument.price_increment, ticks=ticks, fraction=fraction, spread_buy=buy, spread_sell=sell
        )
        parts = (instrument, self.rules, taker_price, self)
        lane: Lane
        if source.word in _LANES:
            lane = _LANES[source.word](*parts)
        else:
            lane = BarLane(
                *parts,
                step_ns=source.step_ns,
                pairing=BarPairing(*source.names) if source.side == "both" else None,
                shift_buy=float(buy) if source.side == "bid" else 0.0,
                shift_sell=-float(sell) if source.side == "ask" else 0.0,
            )
        if source.word != "depth":  # a shown book needs no made-up one
            lane.depth = depth
        waiting = self.lanes.get(instrument.id)
        self._place_lane(lane, charge)
        for series in source.series:
            self._by_series[series] = lane
        if isinstance(waiting, WaitingLane):
            for order in waiting.release():
                self.arrive(order, order.effective_ns)

    def open_waiting_lane(self, instrument: Instrument, charge: Charge) -> Lane:
        """Hold orders of an instrument until `open_lane`, because its series may still show themselves."""
        lane = WaitingLane(instrument, self.rules, self)
        self._place_lane(lane, charge)
        return lane

    def _place_lane(self, lane: Lane, charge: Charge) -> None:
        instrument = lane.instrument
        self.lanes[instrument.id] = lane
        self.lag_ns = max(self.lag_ns, lane.lag_ns)
        self._terms[instrument.id] = (lane, charge, instrument.currency)
        self._sort_lanes()
        if len(self.lanes) == 1 and self._expiries.due_ns == NEVER:
            self._only = lane

    def _sort_lanes(self) -> None:
        """From now on it takes a look at more than one lane to know what is due."""
        if self._only is not None and self._only.due_ns != NEVER:
            heappush(self._due, (self._only.due_ns, self._only.instrument.id))
        self._only = None

    def is_source(self, kind: str, name: str) -> bool:
        """Whether this series is matched."""
        return (kind, name) in self._by_series

    def load(self, kind: str, name: str, events: Sequence[Any], *, by_arrival: bool = False) -> None:
        """Events of the next window of a matched series, in order of ts_event, or of ts_received where by_arrival."""
        lane = self._by_series[kind, name]
        before = lane.due_ns
        lane.load(name, events, by_arrival=by_arrival)
        if lane.due_ns != before:
            self._note(lane)

    def end_window(self) -> None:
        """All loaded events have happened."""
        self._due.clear()
        self.due_ns = self._expiries.due_ns
        for lane in self.lanes.values():
            lane.end_window()
            if lane.due_ns != NEVER:
                self._note(lane)

    def end_run(self, ts: int) -> None:
        """No event comes any more: commands that waited for one take effect."""
        for name in sorted(self.lanes):
            self.lanes[name].end_run(ts)
            self._note(self.lanes[name])

    # ------------------------------------------------------------------------------------------------------- matching

    def match(self, ts: int) -> None:
        """Let the market events of this instant meet the orders; called with ts = due_ns."""
        if self._only is not None:
            self._only.match(ts)
            self.due_ns = self._only.due_ns
            return
        ending = self._expiries.take(ts) if self._expiries.due_ns <= ts else []
        # A tick at its expiry does not execute an order; a bar that ends then still counts.
        self._end([order for order in ending if not self.lanes[order.instrument].spans_time], ts)
        due, lanes = self._due, self.lanes
        while due and due[0][0] <= ts:
            at, name = heappop(due)
            lane = lanes[name]
            if lane.due_ns == at:
                lane.match(at)
                self._note(lane)
        self._end([order for order in ending if self.lanes[order.instrument].spans_time], ts)
        self._refresh()

    # --------------------------------------------------------------------------------------------------------- orders

    def find_refusal(self, order: WorkingOrder, ts: int) -> str | None:
        """Why the venue does not accept an order that arrives now, None when it does. Money is not looked at."""
        refusal = self.lanes[order.instrument].refusal(order, ts)
        if refusal is None and order.reduce_only:
            room = self._listener.find_reducible(order)
            if not room:
                return f"it is reduce_only, and {order.strategy} holds no {order.instrument} that it would close"
            order.clip(room)
        return refusal

    def arrive(self, order: WorkingOrder, ts: int) -> None:
        """An accepted order takes effect."""
        if order.is_special and not self._begin(order, ts):
            return
        lane = self.lanes[order.instrument]
        lane.arrive(order, ts)
        if lane is self._only:
            self.due_ns = lane.due_ns
        else:
            self._note(lane)

    def close_out(self, order: WorkingOrder, ts: int) -> None:
        """A taker of the venue's own, that became due inside what the events of this instant tell of."""
        lane = self.lanes[order.instrument]
        lane.take_until(ts)
        if not order.is_special or self._begin(order, ts):
            lane.arrive_inside(order, ts)
            self._note(lane)

    def join(self, order: WorkingOrder, ts: int, price: float) -> None:
        """An order that the venue holds comes to exist by an execution at ts and price; called while it happens.

        Inside a bar it joins the rest of the bar (EXECUTION 6, 8); elsewhere it arrives.
        """
        if order.is_special and not self._begin(order, ts):
            return
        lane = self.lanes[order.instrument]
        lane.join(order, ts, price)
        self._note(lane)

    def _begin(self, order: WorkingOrder, ts: int) -> bool:
        """Start the clock of an order that expires, and note one that only reduces; False when it is over already."""
        if order.time_in_force is _TIF_DAY and order.expires_ns == NEVER:
            session = parse_session(self.lanes[order.instrument].instrument.session)
            order.expires_ns = session.compute_next_close_ns(ts)
        if order.reduce_only:
            place = (order.strategy, order.instrument)
            others = [other for other in self._reducing.get(place, ()) if other is not order and not other.is_finished]
            self._reducing[place] = [*others, order]
        if order.expires_ns <= ts:
            self._expire(order, ts)
            return False
        if order.expires_ns != NEVER:
            self._sort_lanes()
            self._expiries.add(order)
        return True

    def _end(self, ending: Sequence[WorkingOrder], ts: int) -> None:
        """The time of these orders ended; one that a bar may still concern waits until the bar is known."""
        for order in ending:
            lane = self.lanes[order.instrument]
            if lane.spans_time:
                lane.take_until(ts)
            if not order.is_finished and lane.must_wait(order, ts):
                lane.postpone(order, ts, Expiry(order))
                self._note(lane)
            elif not order.is_finished:
                self._expire(order, ts)

    def _expire(self, order: WorkingOrder, ts: int) -> None:
        lane = self.lanes[order.instrument]
        lane.remove(order)
        lane.rescan()
        order.move(_STATE_EXPIRED, f"its time in force ({order.time_in_force.value}) ended")
        self._listener.on_order_changed(order, ts)
        self._note(lane)

    def leave(self, order: WorkingOrder) -> None:
        """An order stops working, for its listener's reasons."""
        lane = self.lanes[order.instrument]
        lane.remove(order)
        lane.rescan()
        self._note(lane)

    def rescan(self, instrument: str) -> None:
        """Terms of its orders changed where they stand."""
        lane = self.lanes[instrument]
        lane.rescan()
        self._note(lane)

    def postpone(self, order: WorkingOrder, ts: int, command: Any) -> bool:
        """Whether a command has to wait for a bar; then it is kept and comes back through `run_postponed`."""
        lane = self.lanes[order.instrument]
        lane.take_until(ts)
        if not lane.must_wait(order, ts):
            return False
        lane.postpone(order, ts, command)
        self._note(lane)
        return True

    def _note(self, lane: Lane) -> None:
        """Remember when a lane is due. An entry that is no longer its due time is skipped when its turn comes."""
        if lane is self._only:
            self.due_ns = lane.due_ns
            return
        if lane.due_ns != NEVER:
            heappush(self._due, (lane.due_ns, lane.instrument.id))
        self._refresh()

    def _refresh(self) -> None:
        due, lanes = self._due, self.lanes
        while due and lanes[due[0][1]].due_ns != due[0][0]:
            heappop(due)
        self.due_ns = min(due[0][0], self._expiries.due_ns) if due else self._expiries.due_ns

    # ----------------------------------------------------------------------------------------- called by lanes (Venue)

    def execute(
        self, order: WorkingOrder, quantity: Decimal, price: Decimal, ts_event: int, liquidity: Liquidity,
        slippage: Decimal,
    ) -> bool:  # fmt: skip
        """Make an Execution; False when the money is not there and the order is withdrawn instead."""
        listener = self._listener
        if order.is_unchecked:
            refusal = listener.find_money_refusal(order, quantity, price)
            if refusal is not None:
                self.withdraw(order, ts_event, refusal)
                return False
        instrument = order.instrument
        lane, charge, currency = self._terms[instrument]
        commission = charge(quantity, price, liquidity, order.is_buy)
        if order.book(quantity, price):
            lane.remove(order)
        order_id, number = order.order_id, order.executions
        execution_id = order_id + ".1" if number == 1 else f"{order_id}.{number}"
        execution = Execution(
            execution_id, order_id, order.strategy, self._broker, self._source, instrument,
            order.side, quantity, price, commission, currency, liquidity, lane.matched_on, ts_event, slippage,
        )  # fmt: skip
        listener.on_execution(order, execution)
        if self._reducing:
            self._clip_reducing(order.strategy, instrument, ts_event)
        return True

    def _clip_reducing(self, strategy: str, instrument: str, ts_event: int) -> None:
        """A position changed: reduce_only orders follow it, and end with it."""
        for order in self._reducing.get((strategy, instrument), ()):
            if order.is_finished:
                continue
            room = self._listener.find_reducible(order)
            if not room:
                self.withdraw(order, ts_event, "it is reduce_only, and there is nothing left to close")
            elif room != order.room:
                self._listener.resize(order, room)

    def find_reducible(self, order: WorkingOrder) -> Decimal:
        """See Venue."""
        return self._listener.find_reducible(order)

    def trigger(self, order: WorkingOrder, ts_event: int) -> None:
        """A stop's condition was met."""
        order.move(_STATE_TRIGGERED)
        self._listener.on_order_changed(order, ts_event)

    def withdraw(self, order: WorkingOrder, ts_event: int, reason: str) -> None:
        """Take an order away."""
        self.lanes[order.instrument].remove(order)
        order.move(_STATE_CANCELLED, reason)
        self._listener.on_order_changed(order, ts_event)

    def run_postponed(self, command: Any, ts_event: int) -> None:
        """Hand a command back whose bar is known now."""
        if isinstance(command, Expiry):
            if not command.order.is_finished:
                self._expire(command.order, ts_event)
            return
        self._listener.run_postponed(command, ts_event)

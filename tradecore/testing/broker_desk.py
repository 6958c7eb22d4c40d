"""BrokerDesk: drives one broker as the engine does, without an engine, so that a test can say what happens when.

Receives: a broker and its timeline; market events, as a story told in pieces (`play`); commands at the present instant.
Gives:    the handles of orders as reports change them, the reports, and what the broker recorded.
Never:    lets a report out before its due time, or an instant pass in which the broker is due.    STYLE 22; DESIGN 4.

    desk = make_broker_desk("quote_tick TEST.SIM")      # a SimulatedBroker; BrokerDesk(...) for one of your own
    desk.play(make_quote_tick("2024-01-01T10:00"))
    order = await desk.submit(Order.market("TEST.SIM", 1))
    assert desk.recorder.executions[0].price == Decimal("100.01")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment
from tradecore.domain.bar_type import BarType
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.position import Position
from tradecore.engine.participant import AdjustmentReport, BrokerParticipant, BrokerReport, Source
from tradecore.engine.timeline import Timeline
from tradecore.testing.builders import make_instrument


class ListRecorder:
    """A Recorder that keeps what it is told, in order. marks: (instrument, time, price)."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        self.positions: list[tuple[Position, Position]] = []
        self.orders: list[tuple[OrderSnapshot, int]] = []
        self.marks: list[tuple[str, int, float]] = []
        self.adjustments: list[tuple[AccountAdjusted, Decimal, float]] = []
        self.notes: list[tuple[str, int, dict[str, Any]]] = []

    def record_execution(self, execution: Execution, before: Position, after: Position, known_ns: int) -> None:
        """Keep it."""
        self.executions.append(execution)
        self.positions.append((before, after))

    def record_order(self, order: OrderSnapshot) -> None:
        """Keep it."""
        self.orders.append((order, order.ts_event))

    def record_marks(self, instrument: str, times: Sequence[int], prices: Sequence[float]) -> None:
        """Keep them one by one."""
        self.marks += [(instrument, ts, price) for ts, price in zip(times, prices, strict=True)]

    def record_adjustment(self, adjusted: AccountAdjusted, profit: Decimal, price: float) -> None:
        """Keep it."""
        self.adjustments.append((adjusted, profit, price))

    def record_note(self, kind: str, ts_event: int, facts: Mapping[str, Any]) -> None:
        """Keep it."""
        self.notes.append((kind, ts_event, dict(facts)))


class Received(msgspec.Struct, frozen=True):
    """A report and the instant at which the strategy got it, int nanoseconds."""

    at: int
    report: BrokerReport


class BrokerDesk:
    """One broker, strategies by name ("s" alone unless told), and the present instant `timeline.now`.

    handles: orders by id, changed by reports as a strategy would see them. received: reports in order; adjusted:
    those of adjustments. recorder: of the first strategy; recorders: of all.
    """

    def __init__(
        self,
        broker: BrokerParticipant,
        timeline: Timeline,
        instruments: Sequence[Instrument],
        *,
        sources: Sequence[tuple[str, str]],
        strategies: Sequence[str] = ("s",),
    ) -> None:
        self.broker: Any = broker
        self.timeline = timeline
        self.instruments = {instrument.id: instrument for instrument in instruments}
        self.recorders = {name: ListRecorder() for name in strategies}
        self.recorder = self.recorders[strategies[0]]
        self.handles: dict[str, Order] = {}
        self.received: list[Received] = []
        self.adjusted: list[AccountAdjusted] = []
        for name, recorder in self.recorders.items():
            broker.attach(name, recorder)
        broker.choose_sources([_make_source(kind, name) for kind, name in sources], self.instruments)

    # --------------------------------------------------------------------------------------------------- market events

    def play(self, *events: Any, until: int | None = None, window: int | None = None, by_arrival: bool = False) -> None:
        """Let these events happen, instant by instant, then time go on to `until` (by default the last of them).

        window: how many events are loaded at a time, whole instants; by default all of them. by_arrival: they are live,
        and happen when they are received.
        """
        time_of = attrgetter("ts_received" if by_arrival else "ts_event")
        ordered = sorted(events, key=time_of)
        place = 0
        while place < len(ordered):
            stop = len(ordered) if window is None else min(place + window, len(ordered))
            while stop < len(ordered) and time_of(ordered[stop]) == time_of(ordered[stop - 1]):
                stop += 1
            self._play_window(ordered[place:stop], by_arrival=by_arrival)
            place = stop
        if until is not None:
            self.advance(until)

    def _play_window(self, events: list[Any], *, by_arrival: bool) -> None:
        by_series: dict[tuple[str, str], list[Any]] = {}
        dues = [(event.ts_event, event) for event in events if isinstance(event, AccountAdjustment)]
        if dues:
            self.broker.load_adjustments(dues)
        for event in events:
            if isinstance(event, AccountAdjustment):
                continue
            by_series.setdefault((event.event_type, str(event.series)), []).append(event)
        for (kind, name), part in by_series.items():
            if self.broker.is_source(kind, name):
                self.broker.load(kind, name, part, by_arrival=by_arrival)
        times = [event.ts_received if by_arrival else event.ts_event for event in events]
        for ts in times:
            self.advance(ts)
        self.broker.end_window(times[-1] + 1)
        self._serve()

    def advance(self, until: int) -> None:
        """Let time go on to this instant, stopping wherever the broker is due."""
        while self.broker.due_ns <= until:
            self.timeline.advance_to(max(self.timeline.now, self.broker.due_ns))
            self._serve()
        self.timeline.advance_to(max(self.timeline.now, until))

    def _serve(self) -> None:
        now = self.timeline.now
        while self.broker.due_ns <= now:
            self.broker.advance(now)
            for report in self.broker.take_reports(now):
                if isinstance(report, AdjustmentReport):
                    self.adjusted.append(report.adjusted)
                    continue
                self.received.append(Received(now, report))
                handle = self.handles.get(report.order.order_id)
                if handle is not None:  # else the broker's own, that closes an account
                    handle.apply_report(report.order)

    def finish(self) -> None:
        """The run ends now."""
        self.broker.finish(self.timeline.now)
        self._serve()

    # -------------------------------------------------------------------------------------------------------- commands

    async def submit(self, order: Order, strategy: str = "s") -> Order:
        """Submit an order now, with the next id of the strategy; what happens at once has happened on return."""
        if order.instrument in self.instruments:
            order.round_to(self.instruments[order.instrument])
        order.mark_submitted(f"{strategy}-{len(self.handles) + 1}", strategy, self.broker.name, self.timeline.now)
        self.handles[order.order_id] = order
        await self.broker.submit_order(order)
        self._serve()
        return order

    async def cancel(self, order: Order) -> None:
        """Cancel an order now."""
        await self.broker.cancel_order(order)
        self._serve()

    async def update(
        self,
        order: Order,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        """Update an order now."""
        await self.broker.update_order(order, quantity=quantity, price=price, stop_price=stop_price)
        self._serve()

    # ---------------------------------------------------------------------------------------------- what one asks of it

    @property
    def executions(self) -> list[Execution]:
        """Executions of all strategies; those of one strategy in order."""
        return [execution for recorder in self.recorders.values() for execution in recorder.executions]

    def list_executed(self, order: Order) -> list[tuple[str, str]]:
        """(quantity, price) of each execution of an order, as text: what a test writes down."""
        return [(str(e.quantity), str(e.price)) for e in self.executions if e.order_id == order.order_id]

    def list_states(self, order: Order) -> list[str]:
        """States of an order in the order in which they were reported."""
        return [r.report.order.state.name for r in self.received if r.report.order.order_id == order.order_id]


def make_broker_desk(
    *sources: str,
    instruments: Sequence[Instrument] = (),
    strategies: Sequence[str] = ("s",),
    seed: int = 7,
    **settings: Any,
) -> BrokerDesk:
    """A desk with a SimulatedBroker that reads these sources ("quote_tick TEST.SIM", "bar TEST.SIM 1m last").

    A margin account of a million dollars, without costs and latency; `settings` are SimulatedBrokerSettings by name.
    """
    words: dict[str, Any] = {"account": "margin", "cash": {"USD": Decimal(1_000_000)}, **settings}
    timeline = Timeline()
    broker = SimulatedBroker("sim", SimulatedBrokerSettings(**words), seed=seed, timeline=timeline)
    listed = [(kind, name) for kind, _, name in (source.partition(" ") for source in sources)]
    return BrokerDesk(broker, timeline, instruments or [make_instrument()], sources=listed, strategies=strategies)


def _make_source(kind: str, name: str) -> Source:
    return Source(kind, name, BarType.parse(name).instrument if kind == "bar" else name)

"""OrderStage: a strategy's desk and a simulated broker, driven instant by instant without an engine or a loop.

Receives: market events, adjustments, time, and the calls of a strategy (orders, groups, cancels, updates).
Gives:    handles as the strategy sees them; everything that the broker recorded and reported, with its instant.
Never:    lets a report out before its time, or carries a command out after the turn in which it was given. DESIGN 4.

    stage = OrderStage("quote_tick TEST.SIM", latency=Latency(report=ConstantDelay(ms=Decimal(50))))
    stage.play(make_quote_tick("2024-01-01T10:00"))
    group = stage.submit_group(Order.bracket("TEST.SIM", 10, profit_price=101, stop_price=99))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, cast

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment
from tradecore.domain.bar_type import BarType
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_group import OrderGroup
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.participant import AdjustmentReport, Source
from tradecore.engine.timeline import Timeline
from tradecore.engine.trading_engine import TradingEngine
from tradecore.strategy.order_desk import OrderDesk
from tradecore.strategy.reported_money import ReportedMoney
from tradecore.testing.broker_desk import ListRecorder, Received
from tradecore.testing.builders import make_instrument

ROUNDS_MAX = 200
"""Rounds at one instant; the engine allows a thousand."""


class Turns:
    """What a desk needs of the engine: the time, the instruments, and somebody who carries its commands out."""

    def __init__(self, timeline: Timeline, instruments: dict[str, Instrument]) -> None:
        self.timeline, self.instruments, self.bus = timeline, instruments, MessageBus()
        self.given: list[tuple[Callable[..., Awaitable[None]], Order | None]] = []
        self.asked: list[tuple[int, str, str]] = []

    def check_in_turn(self, label: str) -> None:
        """Whoever drives the stage is always in a turn."""

    def note_order(
        self, strategy: str, label: str, carry_out: Callable[..., Awaitable[None]], order: Order | None = None,
        is_unheard: bool = False,
    ) -> None:  # fmt: skip
        """Keep a command for the end of the turn."""
        self.given.append((carry_out, order))
        self.asked.append((self.timeline.now, label, "" if order is None else order.order_id))


class OrderStage:
    """One strategy "s" at one broker "sim". received: reports with their instants; adjusted: those of
    adjustments. handles, groups: in order. intents: ids in the order of their giving. changed: orders that the strategy
    updated, by id, with the largest total that it asked for.

    settings: SimulatedBrokerSettings by name; a margin account of ten million dollars unless told otherwise.
    """

    def __init__(self, source: str, *, instrument: Instrument | None = None, seed: int = 7, **settings: Any) -> None:
        kind, _, name = source.partition(" ")
        words: dict[str, Any] = {"account": "margin", "cash": {"USD": Decimal(10_000_000)}, **settings}
        self.instrument = instrument or make_instrument()
        self.timeline = Timeline()
        self.settings = SimulatedBrokerSettings(**words)
        self.broker = SimulatedBroker("sim", self.settings, seed=seed, timeline=self.timeline)
        self.recorder = ListRecorder()
        self.broker.attach("s", self.recorder)
        instruments = {self.instrument.id: self.instrument}
        listed = Source(kind, name, BarType.parse(name).instrument if kind == "bar" else name)
        self.broker.choose_sources([listed], instruments)
        self._turns = Turns(self.timeline, instruments)
        money = ReportedMoney(instruments)
        money.open("sim", self.settings.account, self.settings.cash)
        engine = cast("TradingEngine", self._turns)
        self.desk = OrderDesk("s", engine, {"sim": self.broker}, "sim", money, "USD")
        self.received: list[Received] = []
        self.adjusted: list[AccountAdjusted] = []
        self.handles: dict[str, Order] = {}
        self.groups: list[OrderGroup] = []
        self.intents: list[str] = []
        self.changed: dict[str, Decimal] = {}

    # ---------------------------------------------------------------------------------------------- the passing of time

    def play(self, *events: Any) -> None:
        """Let these market events happen, in order of time."""
        for event in sorted(events, key=lambda event: event.ts_event):
            if isinstance(event, AccountAdjustment):
                self.broker.load_adjustments([(event.ts_event, event)])
            else:
                self.broker.load(event.event_type, str(event.series), [event])
            self.advance(event.ts_event)
            self.broker.end_window(event.ts_event + 1)
            self._turn()

    def advance(self, until: int) -> None:
        """Let time go on, stopping wherever the broker is due."""
        while self.broker.due_ns <= until:
            self.timeline.advance_to(max(self.timeline.now, self.broker.due_ns))
            self._turn()
        self.timeline.advance_to(max(self.timeline.now, until))

    def finish(self) -> None:
        """The run ends now."""
        self.broker.finish(self.timeline.now)
        self._turn()

    def _turn(self) -> None:
        """Broker, reports, commands, and again until nothing is left of this instant."""
        now = self.timeline.now
        for _ in range(ROUNDS_MAX):
            self.broker.advance(now)
            reports = self.broker.take_reports(now)
            for report in reports:
                if isinstance(report, AdjustmentReport):
                    self.adjusted.append(report.adjusted)
                    self.desk.take_adjustment(report.adjusted)
                    continue
                self.received.append(Received(now, report))
                self.desk.take_report(report)
            given, self._turns.given = self._turns.given, []
            for carry_out, order in given:
                if order is None or not order.is_finished:
                    _carry_out(carry_out() if order is None else carry_out(order))
            self._note_closings()
            if not reports and not given:
                return
        raise AssertionError(f"{ROUNDS_MAX} rounds at one instant")

    def tell_again(self, place: int) -> None:
        """Deliver a report of the past once more, as a venue might."""
        self.desk.take_report(self.received[place].report)
        self._turn()

    # --------------------------------------------------------------------------------------------- what a strategy does

    def submit(self, order: Order) -> Order:
        """Submit an order now."""
        self.desk.submit_order(order, None)
        self._keep(order)
        self._turn()
        return order

    def submit_group(self, group: OrderGroup) -> OrderGroup:
        """Submit a group now."""
        self.desk.groups.submit(group, None)
        self.groups.append(group)
        for order in group.orders:
            self._keep(order)
        self._turn()
        return group

    def _keep(self, order: Order) -> None:
        self.intents.append(order.order_id)
        self.handles[order.order_id] = order

    def cancel(self, order: Order) -> None:
        """Cancel an order now."""
        self.desk.cancel_order(order)
        self._turn()

    def cancel_group(self, group: OrderGroup) -> None:
        """Cancel a group now."""
        self.desk.groups.cancel(group)
        self._turn()

    def update(self, order: Order, **changes: Any) -> None:
        """Update an order now."""
        words: dict[str, Any] = {"quantity": None, "price": None, "stop_price": None, **changes}
        self.changed[order.order_id] = max(
            Decimal(words["quantity"] or 0), self.changed.get(order.order_id, Decimal(0))
        )
        self.desk.update_order(order, **words)
        self._turn()

    def _note_closings(self) -> None:
        for group in self.groups:
            for order in group.closing:
                if order.order_id not in self.handles:
                    self._keep(order)

    # ---------------------------------------------------------------------------------------------- what one asks of it

    @property
    def bus(self) -> MessageBus:
        """What its strategy publishes."""
        return self._turns.bus

    @property
    def asked(self) -> list[tuple[int, str, str]]:
        """Every command that was given: when, which call, and the order's id."""
        return self._turns.asked

    @property
    def executions(self) -> list[Execution]:
        """As they happened at the broker."""
        return self.recorder.executions

    @property
    def lines(self) -> list[OrderSnapshot]:
        """What the broker recorded of orders, in order: the lines of orders.jsonl."""
        return [snapshot for snapshot, _ in self.recorder.orders]

    def list_executed(self, order: Order) -> list[tuple[str, str]]:
        """(quantity, price) of each execution of an order, as text."""
        return [(str(e.quantity), str(e.price)) for e in self.executions if e.order_id == order.order_id]

    def list_story(self) -> list[str]:
        """What the strategy was told of orders, in order: "s-1 ACCEPTED 0/10"."""
        told = [received.report.order for received in self.received]
        return [f"{o.order_id} {o.state.name} {o.filled_quantity}/{o.quantity}" for o in told]


def _carry_out(command: Awaitable[None]) -> None:
    """Run a command of a broker that never suspends."""
    try:
        cast("Any", command).send(None)
    except StopIteration:
        return
    raise AssertionError("the simulated broker suspended")

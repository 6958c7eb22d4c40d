"""BrokerContract: what every BrokerageProvider promises, as tests that anybody can run on a broker of their own.

Receives: a way to make the broker afresh on a timeline, from a subclass; the market that makes it execute.
Gives:    tests, for pytest with pytest-asyncio in either mode.
Never:    knows the broker's class or how it matches: what it asks is what the engine and strategies rely on.
          DESIGN 9; EXECUTION 1, 9; STYLE 12.

    class TestMyBroker(BrokerContract):
        def make_broker(self, timeline: Timeline) -> MyBroker:
            return MyBroker(..., timeline)
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from tradecore.domain.execution import Execution
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState, check_transition
from tradecore.domain.position import Position
from tradecore.engine.participant import NEVER
from tradecore.engine.timeline import Timeline
from tradecore.errors import OrderError, UnknownOrder
from tradecore.testing.broker_desk import BrokerDesk
from tradecore.testing.builders import make_instrument, make_quote_tick

ID = "TEST.SIM"
START_NS = 1_704_103_200 * SECOND_NS  # 2024-01-01T10:00:00Z


class BrokerContract:
    """Subclass it, override `make_broker`, and pytest runs the suite on your broker.

    The market of the suite is quotes of TEST.SIM, one a second, 10 offered on each side. A broker that is fed otherwise
    overrides `play_quote`; one whose latency is longer than a second overrides `settle_ns`.
    """

    settle_ns = SECOND_NS
    """Time in which a command and its report are through."""

    def make_broker(self, timeline: Timeline) -> Any:
        """A new broker with at least 1,000,000 USD and a margin account, which nobody has used."""
        raise NotImplementedError(f"{type(self).__name__} must override make_broker")

    def list_instruments(self) -> Sequence[Instrument]:
        """What is traded."""
        return [make_instrument(ID)]

    def play_quote(self, desk: BrokerDesk, bid: float, ask: float) -> None:
        """Let the market stand at this bid and ask one second later, with 10 on each side, and settle."""
        desk.play(make_quote_tick(desk.timeline.now + SECOND_NS, bid, ask, instrument=ID))
        desk.advance(desk.timeline.now + self.settle_ns)

    async def open_desk(self) -> BrokerDesk:
        """A connected broker whose market stands at 99.98 / 100.02."""
        timeline = Timeline(START_NS)
        broker = self.make_broker(timeline)
        await broker.connect()
        desk = BrokerDesk(broker, timeline, self.list_instruments(), sources=[("quote_tick", ID)])
        self.play_quote(desk, 99.98, 100.02)
        return desk

    async def submit(self, desk: BrokerDesk, order: Order) -> Order:
        """Submit and settle."""
        await desk.submit(order)
        desk.advance(desk.timeline.now + self.settle_ns)
        return order

    # ----------------------------------------------------------------------------------------------------- the promises

    @pytest.mark.asyncio
    async def test_it_has_a_name_a_source_and_nothing_to_do_at_first(self) -> None:
        """The engine asks `due_ns` before anything else."""
        desk = await self.open_desk()
        assert isinstance(desk.broker.name, str)
        assert desk.broker.name
        assert desk.broker.source.value in ("SIMULATED", "REAL")
        assert desk.broker.due_ns == NEVER
        await desk.broker.disconnect()
        await desk.broker.disconnect()  # idempotent

    @pytest.mark.asyncio
    async def test_a_market_order_executes_and_is_reported_in_order(self) -> None:
        """Every move of the handle is one that the transition table has, and the totals are those of the executions."""
        desk = await self.open_desk()
        order = await self.submit(desk, Order.market(ID, 3))
        assert order.state is OrderState.FILLED
        assert order.filled_quantity == 3
        states = [OrderState[name] for name in ("SUBMITTED", *desk.list_states(order))]
        for current, requested in pairwise(states):
            check_transition(order.order_id, current, requested)
        value = [e.price * e.quantity for e in desk.executions]
        assert order.average_price == sum(value[1:], value[0]) / 3

    @pytest.mark.asyncio
    async def test_nothing_executes_before_it_was_decided_and_no_report_comes_early(self) -> None:
        """Look-ahead begins with a stamp."""
        desk = await self.open_desk()
        order = await self.submit(desk, Order.market(ID, 1))
        assert all(execution.ts_event >= order.ts_decided for execution in desk.executions)
        for received in desk.received:
            assert received.at >= received.report.due_ns >= received.report.order.ts_event

    @pytest.mark.asyncio
    async def test_executions_say_who_made_them(self) -> None:
        """Statistics are filtered by broker source, and each Execution has an id of its own."""
        desk = await self.open_desk()
        orders = [await self.submit(desk, Order.market(ID, quantity)) for quantity in (2, -1, -1)]
        executions = desk.executions
        assert len({e.execution_id for e in executions}) == len(executions)
        assert {e.broker for e in executions} == {desk.broker.name}
        assert {e.source for e in executions} == {desk.broker.source}
        assert {e.order_id for e in executions} == {order.order_id for order in orders}
        assert all(e.quantity > 0 and e.matched_on for e in executions)

    @pytest.mark.asyncio
    async def test_a_limit_rests_and_never_executes_beyond_its_price(self) -> None:
        """Below the market it waits; when the market comes, it gets its price or better."""
        desk = await self.open_desk()
        order = await self.submit(desk, Order.limit(ID, 2, "99.50"))
        assert order.state.name == "ACCEPTED"
        assert [snapshot.order_id for snapshot in desk.broker.get_orders()] == [order.order_id]
        self.play_quote(desk, 99.38, 99.42)
        assert order.state.name == "FILLED"
        assert all(e.price <= Decimal("99.50") for e in desk.executions)
        assert desk.broker.get_orders() == []

    @pytest.mark.asyncio
    async def test_a_cancelled_order_stays_cancelled(self) -> None:
        """The market that would have executed it comes too late."""
        desk = await self.open_desk()
        order = await self.submit(desk, Order.limit(ID, 2, "99.50"))
        await desk.cancel(order)
        desk.advance(desk.timeline.now + self.settle_ns)
        self.play_quote(desk, 99.38, 99.42)
        assert order.state is OrderState.CANCELLED
        assert order.filled_quantity == 0
        assert desk.broker.get_orders() == []

    @pytest.mark.asyncio
    async def test_a_cancel_never_overtakes_its_submit(self) -> None:
        """Given at one instant, one after the other: either it never executed, or the cancel came too late."""
        desk = await self.open_desk()
        order = Order.limit(ID, 1, "99.00")
        await desk.submit(order)
        if order.is_open:
            await desk.cancel(order)
        desk.advance(desk.timeline.now + 2 * self.settle_ns)
        assert desk.list_states(order) == ["ACCEPTED", "CANCELLED"]

    @pytest.mark.asyncio
    async def test_an_update_changes_price_and_total(self) -> None:
        """quantity is the absolute total."""
        desk = await self.open_desk()
        order = await self.submit(desk, Order.limit(ID, 2, "99.00"))
        await desk.update(order, quantity=Decimal(5), price=Decimal("99.50"))
        desk.advance(desk.timeline.now + self.settle_ns)
        assert order.quantity == 5
        assert order.price == Decimal("99.50")
        assert not order.pending_update
        self.play_quote(desk, 99.38, 99.42)
        assert order.filled_quantity == 5

    @pytest.mark.asyncio
    async def test_commands_for_an_order_it_does_not_have_raise(self) -> None:
        """What is wrong at any time raises at the call."""
        desk = await self.open_desk()
        stranger = Order.market(ID, 1)
        stranger.mark_submitted("other-1", "s", desk.broker.name, START_NS)
        with pytest.raises(UnknownOrder):
            await desk.broker.cancel_order(stranger)
        order = await self.submit(desk, Order.limit(ID, 2, "99.00"))
        with pytest.raises(OrderError):
            await desk.broker.update_order(order)  # changes nothing
        with pytest.raises(OrderError):
            await desk.broker.update_order(order, stop_price=Decimal(98))  # a limit has none

    @pytest.mark.asyncio
    async def test_positions_and_cash_are_the_executions_added_up(self) -> None:
        """Exact, whatever was paid: cash falls by price x quantity x multiplier and commission; flat means cost 0."""
        desk = await self.open_desk()
        start = desk.broker.get_account().cash["USD"]
        for quantity in (3, 4, -5, -6, 4):
            self.play_quote(desk, 99.98, 100.02)
            await self.submit(desk, Order.market(ID, quantity))
        self._check_books(desk, desk.executions, start)
        assert desk.broker.get_positions() == []
        assert all(after.cost == 0 for _, after in desk.recorder.positions if after.is_flat)

    def _check_books(self, desk: BrokerDesk, executions: list[Execution], start: Decimal) -> None:
        cash, position = start, Position(ID)
        for execution, (before, after) in zip(executions, desk.recorder.positions, strict=True):
            assert before.quantity == position.quantity
            cash -= execution.signed_quantity * execution.price + execution.commission
            position = position.after(
                execution.signed_quantity, execution.price, execution.ts_event, execution.commission
            )
            assert (after.quantity, after.cost, after.realised) == (position.quantity, position.cost, position.realised)
        assert desk.broker.get_account().cash["USD"] == cash

    @pytest.mark.asyncio
    async def test_marks_come_in_order_and_only_while_something_is_held(self) -> None:
        """Three minutes held, one minute flat."""
        desk = await self.open_desk()
        order = await self.submit(desk, Order.market(ID, 1))
        opened = desk.timeline.now
        for _ in range(90):
            self.play_quote(desk, 99.98, 100.02)
        await self.submit(desk, Order.market(ID, -1))
        closed = desk.timeline.now
        for _ in range(40):
            self.play_quote(desk, 99.98, 100.02)
        desk.finish()
        times = [ts for _, ts, _ in desk.recorder.marks]
        assert times
        assert times == sorted(set(times))
        assert order.ts_decided <= times[0] <= opened + 60 * SECOND_NS
        assert times[-1] <= closed

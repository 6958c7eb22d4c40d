"""GroupDesk: the groups of orders of one strategy, and what it does to hold those that no venue holds.

Receives: groups from the strategy; what its orders' reports say.
Gives:    commands for the end of the turn: children sent, siblings reduced or cancelled, what is out of balance closed.
Never:    knows more than was reported: with latency both exits may execute, and the excess is flagged and closed.
          EXECUTION 8 (`contingency = client`); group_rules.py has the rules.

A group that the venue holds is watched: the venue sends, reduces and cancels; what it leaves out of balance, because it
refused a child, is closed from here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tradecore.domain.execution import Execution, find_taken
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_events import GroupClosing
from tradecore.domain.order_group import OrderGroup, check_bracket, check_group
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import OrderRole
from tradecore.errors import InvalidOrder, OrderError, UnknownOrder
from tradecore.execution import group_rules
from tradecore.execution.group_rules import Action, GroupState, Leg, Step
from tradecore.execution.group_split import find_most, rescale_group
from tradecore.execution.splits import rescale_handle, rescale_update
from tradecore.strategy.order_call import check_given

if TYPE_CHECKING:
    from tradecore.engine.participant import BrokerParticipant
    from tradecore.strategy.order_desk import OrderDesk

FINISHED_KEPT: Final = 1_000
"""Orders of finished groups that are known at least: an execution may be told of after the cancel was."""

_HELD: Final = OrderState.INITIALIZED
_UNHEARD: Final = frozenset({OrderState.INITIALIZED, OrderState.SUBMITTED})

Update = partial[Coroutine[Any, Any, None]]
"""A broker's update_order with the terms to change; it is called with the order."""


class HeldGroup:
    """One group in our hands, or (is_ours False) in the venue's. updates: of each order, whether the updates on their
    way are ours, in order. ratios: of the splits that it went through.
    """

    __slots__ = ("broker", "group", "is_ours", "orders", "ratios", "state", "updates")

    def __init__(self, group: OrderGroup, broker: BrokerParticipant, state: GroupState, *, is_ours: bool) -> None:
        self.group, self.broker, self.state, self.is_ours = group, broker, state, is_ours
        self.orders = {order.order_id: order for order in group.orders}
        self.updates: dict[str, deque[bool]] = {order_id: deque() for order_id in self.orders}
        self.ratios: tuple[Decimal, ...] = ()


class GroupDesk:
    """Groups of one strategy. members: held groups by the ids of their orders."""

    def __init__(self, desk: OrderDesk) -> None:
        self.members: dict[str, HeldGroup] = {}
        self._desk = desk
        self._count = 0

    # ---------------------------------------------------------------------------------------------------- commands

    def submit(self, group: OrderGroup, broker_name: str | None) -> OrderGroup:
        """Check every order, number them, and send what may be sent; all or nothing. Raises: see Strategy."""
        check_given("submit_group", group, OrderGroup)
        if group.is_submitted:
            raise OrderError(f"group {group.id} was submitted before; make a new OrderGroup")
        desk = self._desk
        for order in group.orders:
            broker = desk.check_order(order, broker_name)
        check_group(group)  # again, as the orders lie on the grid now
        if group.profit is not None or group.stop is not None:
            check_bracket(group)
        self._count += 1
        group.mark_submitted(f"{desk.name}-g{self._count}", broker.name, desk.make_id, desk.name, desk.now)
        is_ours = getattr(broker, "contingency", "client") == "client"
        increment = desk.instrument(group.instrument).quantity_increment
        self._keep(HeldGroup(group, broker, make_group_state(group, increment), is_ours=is_ours))
        if not is_ours:
            desk.send_group(group, broker)
            return group
        for order in group.orders:
            if group.entry in (None, order):
                desk.send(order, broker)
        return group

    def _keep(self, held: HeldGroup) -> None:
        if len(self.members) >= 2 * FINISHED_KEPT:
            over = [order_id for order_id, its in self.members.items() if its.state.is_over]
            for order_id in over[:FINISHED_KEPT]:
                del self.members[order_id]
        self.members |= dict.fromkeys(held.orders, held)

    def cancel(self, group: OrderGroup) -> None:
        """Cancel whatever of a group is not finished. Raises: UnknownOrder."""
        check_given("cancel_group", group, OrderGroup)
        if not any(self._desk.knows(order) or self.is_held(order) for order in group.orders):
            raise UnknownOrder(
                f"cancel_group: group {group.id or '(not submitted)'} is not open: it was not submitted by this "
                "strategy, or it is finished"
            )
        for order in reversed(group.orders):  # exits first: an entry that ends would only send them new sizes
            if order.is_open:
                self._desk.give_cancel(order)
            elif order.state is _HELD:
                self.cancel_held(order)

    def is_held(self, order: Order) -> bool:
        """Whether an order is a child that was not sent yet."""
        return order.state is _HELD and order.order_id in self.members

    def cancel_held(self, order: Order) -> None:
        """The strategy does not want a child any more that was not sent yet, or was stopped."""
        held = self.members[order.order_id]
        leg = held.state.find(order.order_id)
        self._drop(held, order, "cancelled before it was sent")
        held.state, steps = group_rules.take_report(held.state, leg.order_id, OrderState.CANCELLED, leg.executed)
        self._take(held, steps)

    def note_cancel(self, order: Order) -> None:
        """The strategy's own cancel of an order is on its way."""
        held = self.members.get(order.order_id)
        if held is not None:
            held.state = group_rules.mark_leaving(held.state, order.order_id)

    def note_update(self, order: Order) -> None:
        """The strategy's own update of an order is on its way; its answer is none of ours."""
        held = self.members.get(order.order_id)
        if held is not None:
            held.updates[order.order_id].append(False)

    def wish(self, order: Order, total: Decimal) -> bool:
        """The strategy wants another total. Whether the group sees to it, which it does for all but an entry.

        Raises: InvalidOrder for an exit larger than its entry.
        """
        held = self.members.get(order.order_id)
        if held is None or order.terms.role in (OrderRole.ENTRY, OrderRole.CLOSE):
            return False
        entry = held.group.entry
        if entry is not None:
            most = find_most(held.state, order.order_id, entry.quantity)
            if total > most:
                raise InvalidOrder(
                    f"order {order.order_id} cannot have {total}: its parent {entry.order_id} is of {most}, and "
                    "exits may not be larger"
                )
        if not held.is_ours:  # the venue sees to it; what it may execute is known here all the same
            held.state, _ = group_rules.take_wish(held.state, order.order_id, total)
            return False
        if order.state is _HELD:
            order.change_held(total, None, None)
        held.state, steps = group_rules.take_wish(held.state, order.order_id, total)
        self._take(held, steps)
        return True

    def close(self) -> None:
        """The strategy was stopped: children that were not sent never will be."""
        for order_id, held in list(self.members.items()):
            order = held.orders[order_id]
            if order.state is _HELD:
                self.cancel_held(order)

    # ----------------------------------------------------------------------------------------------------- reports

    def take(self, change: OrderSnapshot, execution: Execution | None) -> None:
        """An order of a held group was reported on; its handle shows it already."""
        held = self.members.get(change.order_id)
        if held is None:
            return
        order, order_id = held.orders[change.order_id], change.order_id
        taken = Decimal(0)
        if execution is not None:
            taken = find_taken(execution, self._desk.instrument(change.instrument))
        held.state, steps = group_rules.take_report(held.state, order_id, order.state, order.filled_quantity, taken)
        self._take(held, steps)
        is_ours, is_answer = False, change.ts_command or not held.ratios  # a split updates without being asked
        if (change.updated and is_answer) or change.update_rejected:
            updates = held.updates[order_id]
            is_ours = updates.popleft() if updates else False
        if change.update_rejected and is_ours:
            held.state, steps = group_rules.take_refusal(held.state, order_id, change.quantity)
            self._take(held, steps)
        if change.cancel_rejected:
            held.state, steps = group_rules.take_cancel_refusal(held.state, order_id)
            self._take(held, steps)

    def take_split(self, broker: str, instrument: Instrument, ratio: Decimal) -> None:
        """A split was reported: its groups go on in new units, whatever of them was submitted before (EXECUTION 9).

        What the venue has, it converts itself, and what was on its way there; updates on their way it refuses.
        """
        for held in list(dict.fromkeys(self.members.values())):
            group = held.group
            if group.broker == broker and group.instrument == instrument.id and not held.state.is_over:
                self._split(held, instrument, ratio)

    def _split(self, held: HeldGroup, instrument: Instrument, ratio: Decimal) -> None:
        for order_id, order in held.orders.items():
            if order.is_open and held.is_ours:
                held.state = group_rules.note_total(held.state, order_id, order.quantity)
            if order.state in _UNHEARD:
                rescale_handle(order, ratio, instrument)
            held.updates[order_id] = deque(
                False for _ in held.updates[order_id]
            )  # whatever the answer, it says nothing
        held.ratios = (*held.ratios, ratio)
        held.state, steps = group_rules.decide(rescale_group(held.state, ratio))
        self._take(held, steps)

    def watch_update(self, order: Order, command: Update, *, is_ours: bool) -> Update:
        """An update to be carried out at the end of the turn, in which a split may still be heard of."""
        held = self.members.get(order.order_id)
        return command if held is None else partial(self._carry_update, held, len(held.ratios), command, is_ours)

    async def _carry_update(self, held: HeldGroup, known: int, command: Update, is_ours: bool, order: Order) -> None:
        words = command.keywords
        if is_ours and len(held.ratios) > known:  # the group has said anew what it needs
            held.updates[order.order_id].popleft()
            return
        for ratio in held.ratios[known:]:
            words = rescale_update(order, words, ratio, self._desk.instrument(order.instrument))
        await command.func(order, **words)

    # ------------------------------------------------------------------------------------------------------- steps

    def _take(self, held: HeldGroup, steps: tuple[Step, ...]) -> None:
        desk, group = self._desk, held.group
        if held.state.problem is not None:
            group.mark_problem(held.state.problem)
        for step in steps:
            if step.action is Action.CLOSE:
                self._close(held, step)
            if not held.is_ours or step.action is Action.CLOSE:
                continue
            order = held.orders[step.order_id]
            if step.action is Action.SEND and not desk.is_open:
                self.cancel_held(order)
            elif step.action is Action.SEND:
                order.change_held(step.quantity, None, None)
                desk.send(order, held.broker)
            elif step.action is Action.RESIZE:
                held.updates[step.order_id].append(True)
                desk.give_update(order, quantity=step.quantity, is_ours=True)
            elif step.action is Action.CANCEL:
                desk.give_cancel(order, step.reason)
            else:
                self._drop(held, order, step.reason)

    def _drop(self, held: HeldGroup, order: Order, reason: str) -> None:
        """End a child that was never sent: the handle at once, the record and callbacks by way of its broker."""
        order.drop_held(reason)
        self._desk.give_unsent(order, held.broker)

    def _close(self, held: HeldGroup, step: Step) -> None:
        """Send the market order that brings a group back into balance."""
        desk, group = self._desk, held.group
        if not desk.is_open:
            group.mark_problem(f"{step.reason}; the strategy was stopped, so {abs(step.quantity)} are left")
            self._publish_closing(held, step, "")
            return
        order = Order.market(group.instrument, step.quantity)
        order.join_group(
            desk.make_id(), desk.name, held.broker.name, desk.now,
            group_id=group.id, contingency=None, role=OrderRole.CLOSE, parent_id=None,
        )  # fmt: skip
        group.add_closing(order)
        held.orders[order.order_id] = order
        held.updates[order.order_id] = deque()
        self.members[order.order_id] = held
        leg = Leg(order.order_id, OrderRole.CLOSE, order.side.sign, order.quantity, OrderState.SUBMITTED)
        held.state = group_rules.add_closing(held.state, leg)
        desk.send(order, held.broker)
        self._publish_closing(held, step, order.order_id)

    def _publish_closing(self, held: HeldGroup, step: Step, order_id: str) -> None:
        desk, group = self._desk, held.group
        desk.bus.publish(
            GroupClosing(
                desk.name, group.broker, group.id, order_id, group.instrument, step.quantity, step.reason, desk.now
            )
        )


def make_group_state(group: OrderGroup, increment: Decimal) -> GroupState:
    """A submitted group as the rules see it: the entry, or all legs without one, is on its way; children are held."""
    legs = []
    for order in group.orders:
        assert order.terms.role is not None
        leg = Leg(order.order_id, order.terms.role, order.side.sign, order.quantity)
        if group.entry in (None, order):
            leg = Leg(
                order.order_id, order.terms.role, order.side.sign, order.quantity,
                OrderState.SUBMITTED, asked=order.quantity,
            )  # fmt: skip
        legs.append(leg)
    return GroupState(tuple(legs), group.link, increment)

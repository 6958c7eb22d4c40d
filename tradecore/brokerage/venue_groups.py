"""VenueGroups: groups of orders that the simulated venue holds itself (`contingency = venue`).

Receives: groups on their arrival; each change of an order of theirs, while it happens.
Gives:    children that work from the entry's execution on, siblings reduced and cancelled, all at that instant.
Never:    invents an order: what a refused child leaves open is closed by whoever submitted the group.
          EXECUTION 8; execution/group_rules.py has the rules.

One execution may cause another (a child that is marketable when it comes to exist), so steps wait in a queue and are
carried out one by one; each looks at what the rules want by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tradecore.domain.execution import Execution, find_taken
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import OrderRole
from tradecore.execution import group_rules
from tradecore.execution.group_rules import Action, GroupState, Leg, Step
from tradecore.execution.group_split import find_most, rescale_group
from tradecore.execution.working_order import WorkingOrder

_SUBMITTED: Final = OrderState.SUBMITTED
_INITIALIZED: Final = OrderState.INITIALIZED


@dataclass(frozen=True, slots=True)
class VenueActs:
    """What a group needs of the broker that holds it; each takes effect at the instant given.

    find_refusal: why an order that arrives now is not accepted, None when it is. accept: judge it, and let it work or
    reject it. accept_child: the same for one that an execution at this price brings into being. resize: a working order
    has this total from now on, and keeps its place. drop: a child that never worked is cancelled. withdraw: a working
    order is taken away.
    """

    find_refusal: Callable[[WorkingOrder, int], str | None]
    accept: Callable[[WorkingOrder, int], None]
    reject: Callable[[WorkingOrder, int, str], None]
    accept_child: Callable[[WorkingOrder, int, Decimal], None]
    resize: Callable[[WorkingOrder, Decimal, int], None]
    drop: Callable[[WorkingOrder, int, str], None]
    withdraw: Callable[[WorkingOrder, int, str], None]


class VenueGroup:
    """One group at the venue. price: of the entry's last execution. queue: steps to take, with their instant."""

    __slots__ = ("is_running", "orders", "price", "queue", "state")

    def __init__(self, orders: Sequence[WorkingOrder], state: GroupState) -> None:
        self.orders = {order.order_id: order for order in orders}
        self.state = state
        self.price = Decimal(0)
        self.queue: deque[tuple[Step, int]] = deque()
        self.is_running = False

    @property
    def first(self) -> WorkingOrder:
        """The entry, or the first leg of a group without one."""
        return next(iter(self.orders.values()))


def make_venue_group(orders: Sequence[WorkingOrder], increment: Decimal) -> VenueGroup:
    """A group on its way to the venue. increment: of quantities."""
    legs, link, has_entry = [], None, orders[0].terms.role is OrderRole.ENTRY
    for order in orders:
        terms = order.terms
        assert terms.role is not None
        is_held = has_entry and order is not orders[0]
        if not has_entry or (is_held and terms.contingency in group_rules.LINKS):
            link = terms.contingency
        state, asked = (_INITIALIZED, None) if is_held else (_SUBMITTED, order.quantity)
        legs.append(Leg(order.order_id, terms.role, order.sign, order.quantity, state, asked=asked))
    group = VenueGroup(orders, GroupState(tuple(legs), link, increment))
    for order in orders:
        order.venue_group = group
    return group


class VenueGroups:
    """Holds groups for a venue."""

    def __init__(self, acts: VenueActs) -> None:
        self._acts = acts

    def arrive(self, group: VenueGroup, ts: int) -> None:
        """A group takes effect: its entry, or all its legs, of which none works if one is refused."""
        acts = self._acts
        if group.state.entry is not None:
            acts.accept(group.first, ts)
            return
        for order in group.orders.values():
            refusal = acts.find_refusal(order, ts)
            if refusal is not None:
                self._refuse(group, order, refusal, ts)
                return
        for order in group.orders.values():
            if not order.is_finished:  # one before it may have executed, and cancelled it
                acts.accept(order, ts)

    def _refuse(self, group: VenueGroup, culprit: WorkingOrder, refusal: str, ts: int) -> None:
        """Refuse a whole group because of one of its orders."""
        group.is_running = True  # what the rules would do about one refused order is not asked
        for order in group.orders.values():
            is_it = order is culprit
            self._acts.reject(
                order, ts, refusal if is_it else f"{culprit.order_id} of its group was refused: {refusal}"
            )
        group.queue.clear()
        group.is_running = False

    def is_held(self, order: WorkingOrder) -> bool:
        """Whether an order is a child that does not work yet."""
        group: VenueGroup = order.venue_group
        return group.state.find(order.order_id).state is _INITIALIZED

    def take(self, order: WorkingOrder, ts: int, execution: Execution | None) -> None:
        """An order changed at this instant."""
        group: VenueGroup = order.venue_group
        if execution is not None and order is group.first:
            group.price = execution.price
        taken = Decimal(0) if execution is None else find_taken(execution, order.ledger.instrument)
        if order.state is _SUBMITTED:
            return
        self._run(
            group, group_rules.take_report(group.state, order.order_id, order.state, order.filled_quantity, taken), ts
        )

    def find_wish_refusal(self, order: WorkingOrder, total: Decimal) -> str | None:
        """Why an order may not have this total, None when it may."""
        group: VenueGroup = order.venue_group
        entry = group.state.entry
        if entry is None or entry.order_id == order.order_id:
            return None
        most = find_most(group.state, order.order_id, group.orders[entry.order_id].quantity)
        if total <= most:
            return None
        return f"cannot raise the quantity to {total}: its parent {entry.order_id} is of {most}"

    def wish(self, order: WorkingOrder, total: Decimal, ts: int) -> None:
        """Its strategy wants another total of an exit; what of it works follows."""
        group: VenueGroup = order.venue_group
        if self.is_held(order):
            order.change(total, None, None)
        self._run(group, group_rules.take_wish(group.state, order.order_id, total), ts)

    def split(self, group: VenueGroup, ratio: Decimal) -> None:
        """A group goes on in new units, and its orders will. ratio: new units for each old one."""
        group.price /= ratio
        group.state = rescale_group(group.state, ratio)

    def settle(self, group: VenueGroup, ts: int) -> None:
        """Do what the rules want of a group whose orders changed without a report."""
        self._run(group, group_rules.decide(group.state), ts)

    def _run(self, group: VenueGroup, decided: tuple[GroupState, tuple[Step, ...]], ts: int) -> None:
        group.state, steps = decided
        group.queue.extend((step, ts) for step in steps if step.action is not Action.CLOSE)
        if group.is_running:
            return
        group.is_running = True
        while group.queue:
            step, at = group.queue.popleft()
            self._take_step(group, step, at)
        group.is_running = False

    def _take_step(self, group: VenueGroup, step: Step, ts: int) -> None:
        order, leg, acts = group.orders[step.order_id], group.state.find(step.order_id), self._acts
        if order.is_finished:
            return
        if step.action is Action.DROP or (step.action is Action.SEND and leg.is_leaving):
            acts.drop(order, ts, step.reason or "its group has left the position")
        elif step.action is Action.SEND:
            assert leg.asked is not None
            order.change(leg.asked, None, None)
            acts.accept_child(order, ts, group.price)
        elif step.action is Action.CANCEL:
            acts.withdraw(order, ts, step.reason)
        elif leg.asked is not None and leg.asked != order.quantity:
            acts.resize(order, leg.asked, ts)

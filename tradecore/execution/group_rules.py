"""Group rules: what has to be done so that the orders of a group keep to each other (OTO, OCO, OUO, bracket).

Receives: a frozen GroupState, and what became known of one of its orders.
Gives:    the next GroupState, and the Steps to take: send, resize, cancel, drop, close.
Never:    keeps time, talks to anybody or counts events: steps follow from totals, so that whatever is told twice does
          nothing.    EXECUTION 8; RELIABILITY C1 to C5.

Both who may hold a group use these rules: a strategy's GroupDesk (`contingency = client`) with what was reported to it,
and the SimulatedBroker (`venue`) with what is so at the venue, where every step takes effect at once.

E is what the entry executed (less commission that was taken from it in units, down to the quantity grid), X what the
exits executed. An exit's *limit* is its share of E; linked exits may still
execute limit - X, each of them, so that together they never exceed E:

    entry 10, executed 6     exits of 10 work at 6 each
    target executes 4        the stop is reduced to 2: E - X = 2
    entry executes 4 more    both grow by 4

The group *ends* when its exits have flattened what the entry executed, when one of them was refused, or was executed
whole while the entry had executed more: what is left of it is cancelled, and what then still is out of balance (both
legs executed while a cancel was on its way, a late execution of the entry) is closed by a market order and flagged.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from enum import Enum
from typing import Final

import msgspec
from msgspec.structs import replace

from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import Contingency, OrderRole

LINKS: Final = frozenset({Contingency.OCO, Contingency.OUO})
"""How exits may depend on each other."""

_ZERO: Final = Decimal(0)
_HELD: Final = OrderState.INITIALIZED
_REFUSED: Final = frozenset({OrderState.REJECTED, OrderState.DENIED})


class Action(Enum):
    """What a Step does."""

    SEND = "SEND"  # a child comes to exist, of `quantity`
    RESIZE = "RESIZE"  # its total is `quantity` from now on
    CANCEL = "CANCEL"
    DROP = "DROP"  # a child that was not sent never will be
    CLOSE = "CLOSE"  # a market order of `quantity`, signed: above 0 buys


class Step(msgspec.Struct, frozen=True, gc=False):
    """One thing to do. order_id: empty for CLOSE."""

    action: Action
    order_id: str = ""
    quantity: Decimal = _ZERO
    reason: str = ""


class Leg(msgspec.Struct, frozen=True, gc=False):
    """What is known of one order of a group.

    sign: +1 buys. wanted: total when the group was made. cap: the total that the strategy set later. state: INITIALIZED
    while it is held. asked: total that the venue was asked for last, None while it is held. refused: a total that the
    venue would not take. is_leaving: a cancel is on its way. taken: units of what it bought that its commission took.
    shift: after a split, what it executed in new units less what its order shows; asked and refused are as orders show.
    """

    order_id: str
    role: OrderRole
    sign: int
    wanted: Decimal
    state: OrderState = _HELD
    executed: Decimal = _ZERO
    asked: Decimal | None = None
    cap: Decimal | None = None
    refused: Decimal | None = None
    is_leaving: bool = False
    taken: Decimal = _ZERO
    shift: Decimal = _ZERO

    @property
    def is_over(self) -> bool:
        """Finished at the venue, or never sent."""
        return self.state.is_finished


class GroupState(msgspec.Struct, frozen=True, gc=False):
    """A group as far as known. link: between the exits. increment: of quantities. first: id of the exit that executed
    first. is_ending: nothing more is sent, what works is cancelled. problem: why it did not go as it was meant.
    """

    legs: tuple[Leg, ...]
    link: Contingency | None
    increment: Decimal
    first: str | None = None
    is_ending: bool = False
    problem: str | None = None

    @property
    def entry(self) -> Leg | None:
        """The parent, None where there is none."""
        return self.legs[0] if self.legs[0].role is OrderRole.ENTRY else None

    @property
    def entered(self) -> Decimal:
        """What of the entry there is to exit, on the grid; 0 without an entry."""
        entry = self.entry
        if entry is None:
            return _ZERO
        if not entry.taken:
            return entry.executed
        return min(self.round_down(entry.executed - entry.taken), entry.executed)

    def round_down(self, quantity: Decimal) -> Decimal:
        """An amount on the quantity grid."""
        return (quantity / self.increment).quantize(Decimal(1), ROUND_DOWN) * self.increment

    @property
    def exits(self) -> tuple[Leg, ...]:
        """Children, or the legs of a group without a parent."""
        return tuple(leg for leg in self.legs if leg.role not in (OrderRole.ENTRY, OrderRole.CLOSE))

    @property
    def closings(self) -> tuple[Leg, ...]:
        """Market orders that closed what was out of balance."""
        return tuple(leg for leg in self.legs if leg.role is OrderRole.CLOSE)

    @property
    def is_over(self) -> bool:
        """Every order is finished."""
        return all(leg.is_over for leg in self.legs)

    def find(self, order_id: str) -> Leg:
        """One of its orders. Raises: KeyError."""
        for leg in self.legs:
            if leg.order_id == order_id:
                return leg
        raise KeyError(order_id)

    def with_leg(self, leg: Leg) -> GroupState:
        """The same with another knowledge of one order."""
        return replace(self, legs=tuple(leg if one.order_id == leg.order_id else one for one in self.legs))


# ------------------------------------------------------------------------------------------------- what becomes known


def take_report(
    group: GroupState, order_id: str, state: OrderState, executed: Decimal, taken: Decimal = _ZERO
) -> tuple[GroupState, tuple[Step, ...]]:
    """An order stands so now. executed: in all; less than is known already is old news. taken: of what is new."""
    leg = group.find(order_id)
    executed = max(executed + leg.shift, leg.executed)
    if state is leg.state and executed == leg.executed:
        return group, ()
    taken = leg.taken + taken if executed > leg.executed and leg.role is OrderRole.ENTRY else leg.taken
    group = group.with_leg(replace(leg, state=state, executed=executed, taken=taken))
    if executed and group.first is None and leg.role not in (OrderRole.ENTRY, OrderRole.CLOSE):
        group = replace(group, first=order_id)
    return decide(group)


def take_refusal(group: GroupState, order_id: str, quantity: Decimal) -> tuple[GroupState, tuple[Step, ...]]:
    """A resize was refused; the order goes on with its total of `quantity`."""
    leg = group.find(order_id)
    if not leg.is_over and leg.asked is not None and leg.asked > quantity:
        group = replace(
            group, problem=group.problem or f"exit {order_id} could not grow from {quantity} to {leg.asked}"
        )
    return decide(group.with_leg(replace(leg, refused=leg.asked, asked=quantity)))


def take_cancel_refusal(group: GroupState, order_id: str) -> tuple[GroupState, tuple[Step, ...]]:
    """A cancel was refused; if the order still is open, it is asked for again once more becomes known of it."""
    return group.with_leg(replace(group.find(order_id), is_leaving=False)), ()


def take_wish(group: GroupState, order_id: str, total: Decimal) -> tuple[GroupState, tuple[Step, ...]]:
    """The strategy wants an exit to have this total from now on."""
    leg = group.find(order_id)
    return decide(group.with_leg(replace(leg, cap=total + leg.shift)))


def mark_leaving(group: GroupState, order_id: str) -> GroupState:
    """The strategy has a cancel on its way."""
    return group.with_leg(replace(group.find(order_id), is_leaving=True))


def note_total(group: GroupState, order_id: str, total: Decimal) -> GroupState:
    """This is an order's total at the venue; what was asked of it since is void."""
    return group.with_leg(replace(group.find(order_id), asked=total, refused=None))


def add_closing(group: GroupState, leg: Leg) -> GroupState:
    """The market order of a CLOSE step was sent."""
    return replace(group, legs=(*group.legs, leg))


# --------------------------------------------------------------------------------------------------------- what to do


def decide(group: GroupState) -> tuple[GroupState, tuple[Step, ...]]:
    """The steps that bring the orders to where they should be, and the state in which these are on their way."""
    reason = find_end(group)
    if reason is not None and not group.is_ending:
        group = replace(group, is_ending=True, problem=group.problem or reason or None)
    steps: list[Step] = []
    for leg in group.legs:
        step = None if leg.role is OrderRole.CLOSE else _find_step(group, leg)
        if step is not None:
            steps.append(step)
    for step in steps:
        group = _note(group, step)
    close = _find_close(group)
    if close is not None:
        steps.append(close)
        group = replace(group, problem=group.problem or close.reason)
    return group, tuple(steps)


def find_end(group: GroupState) -> str | None:
    """Why the group ends: a problem, or "" where it went as it was meant; None while it goes on."""
    entry, exits = group.entry, group.exits
    refused = next((leg for leg in exits if leg.state in _REFUSED), None)
    executed = sum_executed(exits)
    if entry is None:
        if refused is not None and not executed:
            return f"order {refused.order_id} of the group was refused"
        return "" if group.link is Contingency.OUO and executed >= find_limit_most(group) else None
    if entry.is_over and not entry.executed:
        return ""
    if group.link is None:
        return None
    if refused is not None:
        return f"exit {refused.order_id} was refused; what the entry executed is closed"
    if group.entered and executed >= group.entered:
        return ""
    short = next((leg for leg in exits if leg.state is OrderState.FILLED and find_leaves(group, leg)), None)
    if short is not None:
        return f"exit {short.order_id} executed {short.executed} while more of the entry was reported"
    return None


def find_limit(group: GroupState, leg: Leg) -> Decimal:
    """The most that an exit may execute in all, as far as the entry has executed; on the quantity grid."""
    entry, limit = group.entry, leg.wanted
    if entry is not None and leg.wanted == entry.wanted:
        limit = group.entered
    elif entry is not None:
        limit = group.round_down(group.entered * leg.wanted / entry.wanted)
    elif leg.cap is not None:
        return leg.cap
    return limit if leg.cap is None else min(limit, leg.cap)


def find_limit_most(group: GroupState) -> Decimal:
    """The most that the legs of an OUO without a parent may execute together."""
    return max(find_limit(group, leg) for leg in group.exits)


def find_leaves(group: GroupState, leg: Leg) -> Decimal:
    """What an exit may still execute: linked ones share what is left."""
    is_linked = group.link is not None and (group.entry is not None or group.link is Contingency.OUO)
    return max(_ZERO, find_limit(group, leg) - (sum_executed(group.exits) if is_linked else leg.executed))


def sum_executed(legs: tuple[Leg, ...]) -> Decimal:
    """What these executed together."""
    return sum((leg.executed for leg in legs), _ZERO)


def _find_step(group: GroupState, leg: Leg) -> Step | None:
    """What this order needs now."""
    if leg.is_over or leg.is_leaving:
        return None
    is_held = leg.state is _HELD
    out = Action.DROP if is_held else Action.CANCEL
    if group.is_ending:
        return Step(out, leg.order_id, reason=_say_end(group, leg))
    if leg.role is OrderRole.ENTRY:
        return None
    if group.link is Contingency.OCO and group.first not in (None, leg.order_id):
        return Step(out, leg.order_id, reason=_say_siblings(group, leg))
    leaves, entry = find_leaves(group, leg), group.entry
    if not leaves:
        is_last_word = entry is None or entry.is_over
        return Step(out, leg.order_id, reason=_say_siblings(group, leg)) if is_last_word or not is_held else None
    total = leg.executed + leaves - leg.shift
    if is_held:
        return Step(Action.SEND, leg.order_id, total)
    if total == leg.asked:
        return None
    if total == leg.refused:  # what cannot be made smaller must go; what cannot grow stays as it is
        assert leg.asked is not None
        return Step(Action.CANCEL, leg.order_id, reason="it could not be reduced") if total < leg.asked else None
    return Step(Action.RESIZE, leg.order_id, total)


def _say_end(group: GroupState, leg: Leg) -> str:
    entry = group.entry
    if group.problem is not None:
        return f"its group ended: {group.problem}"
    if entry is not None and entry.is_over and not entry.executed:
        return f"its parent {entry.order_id} ended unexecuted"
    return "its exits have left what it had executed" if leg is entry else _say_siblings(group, leg)


def _say_siblings(group: GroupState, leg: Leg) -> str:
    """Why an exit goes: what the others did."""
    done = [one.order_id for one in group.exits if one.executed and one is not leg]
    if not done:
        return "nothing is left for it"
    return f"its {'sibling' if len(done) == 1 else 'siblings'} {' and '.join(done)} executed"


def _note(group: GroupState, step: Step) -> GroupState:
    """The group with a step on its way."""
    leg = group.find(step.order_id)
    if step.action is Action.DROP:
        return group.with_leg(replace(leg, state=OrderState.CANCELLED))
    if step.action is Action.CANCEL:
        return group.with_leg(replace(leg, is_leaving=True))
    state = OrderState.SUBMITTED if step.action is Action.SEND else leg.state
    return group.with_leg(replace(leg, state=state, asked=step.quantity, refused=None))


def _find_close(group: GroupState) -> Step | None:
    """The market order that a group out of balance needs, once nothing of it works any more; one attempt at a time.

    What a closing order could not execute is not tried again: its reason says why, and somebody has to look.
    """
    working = [leg for leg in group.legs if not leg.is_over]
    if working or any(leg.state is not OrderState.FILLED for leg in group.closings):
        return None
    excess = find_excess(group)
    if not excess:
        return None
    is_short = group.entry is not None and excess * group.entry.sign > 0
    what = "its exits executed less than its entry" if is_short else "more executed than it should"
    return Step(Action.CLOSE, quantity=-excess, reason=f"{what}: {abs(excess)} are closed")


def find_excess(group: GroupState) -> Decimal:
    """What the group has left out of balance, signed as the position that it makes: 0 where all is well."""
    closed = sum((leg.executed * leg.sign for leg in group.closings), _ZERO)
    entry, exits = group.entry, group.exits
    if entry is None:
        if group.link is Contingency.OCO:
            return closed + sum((leg.executed * leg.sign for leg in exits if leg.order_id != group.first), _ZERO)
        over = max(_ZERO, sum_executed(exits) - find_limit_most(group))
        return closed + over * exits[0].sign
    if group.link is None and not group.is_ending:
        return _ZERO
    balance = group.entered * entry.sign + sum((leg.executed * leg.sign for leg in exits), _ZERO)
    is_flipped = balance * entry.sign < 0
    return closed + balance if is_flipped or group.is_ending or group.closings else _ZERO

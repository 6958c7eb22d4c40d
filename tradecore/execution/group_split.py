"""Group split: a group of orders across a split, in new units from there on.

Receives: a frozen GroupState, and the ratio: new units for each old one (2 for 2:1).
Gives:    the state in new units; what it asks for, `group_rules.decide` says once its orders are converted too.
Never:    rounds in favour of the group: what it may still exit is never more than what is held; and what an order shows
          as executed stays as it was: `Leg.shift` is the difference.    EXECUTION 8, 9.

What the exits executed is rounded up to the quantity grid, and the entry is given what makes the balance right:

    3:2, entry 10, executed 5, its target 1    the target executed 1 x 3/2 = 1.5, so 2
                                               4 are held, 4 x 3/2 = 6, so the entry executed 2 + 6 = 8
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from typing import Final

from msgspec.structs import replace

from tradecore.domain.order_terms import Contingency, OrderRole
from tradecore.execution.group_rules import (
    GroupState,
    Leg,
    find_leaves,
    find_limit,
    sum_executed,
)

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


def rescale_total(total: Decimal, executed: Decimal, ratio: Decimal, increment: Decimal) -> Decimal:
    """An order's total in new units, of which so much is executed and stays as it is; what is left is rounded down.

    >>> rescale_total(Decimal(10), Decimal(3), Decimal("1.5"), Decimal(1))
    Decimal('13')
    """
    return executed + _lay((total - executed) * ratio, increment)


def rescale_group(group: GroupState, ratio: Decimal) -> GroupState:
    """The same group after a split. Every order of it that is not finished is, or will be, in new units too."""
    if group.is_over:
        return group
    if group.entry is None:
        legs = _rescale_legs(group, ratio)
    elif group.link is None:
        legs = _rescale_children(group, group.entry, ratio)
    else:
        legs = _rescale_linked(group, group.entry, ratio)
    pairs = zip(group.legs, legs, strict=True)
    after = replace(group, legs=tuple(_finish(old, new, ratio, group.increment) for old, new in pairs))
    held_something = group.link is not None and group.entered > sum_executed(group.exits)
    if held_something and after.entered <= sum_executed(after.exits):
        # Its exits have nothing left to protect, and end: what the entry executed later would be without them.
        what = f"a split of {ratio:f} for 1 left nothing of what it held"
        after = replace(after, is_ending=True, problem=after.problem or what)
    return after


def find_most(group: GroupState, order_id: str, entered: Decimal) -> Decimal:
    """The largest total that an exit may have beside an entry of this total, both as their orders show them."""
    entry = group.entry
    return entered if entry is None else entered + entry.shift - group.find(order_id).shift


def _rescale_linked(group: GroupState, entry: Leg, ratio: Decimal) -> list[Leg]:
    """A bracket and its like: what is held decides. Only the proportions of `wanted` count."""
    legs = [replace(leg, executed=_lift(leg.executed * ratio, group.increment)) for leg in group.legs[1:]]
    before = sum((leg.executed * leg.sign for leg in group.legs[1:]), _ZERO)
    balance = _lay((group.entered * entry.sign + before) * ratio, group.increment)
    after = sum((leg.executed * leg.sign for leg in legs), _ZERO)
    moved = replace(entry, executed=(balance - after) * entry.sign, taken=_ZERO)
    done, now = sum_executed(group.exits), sum_executed(tuple(leg for leg in legs if leg.role is not OrderRole.CLOSE))
    return [
        replace(leg, wanted=leg.wanted * ratio, cap=_move_cap(leg, done, now, ratio, group.increment))
        for leg in (moved, *legs)
    ]


def _rescale_children(group: GroupState, entry: Leg, ratio: Decimal) -> list[Leg]:
    """Children that nothing links: each keeps its part of the entry."""
    first = replace(
        entry, wanted=entry.wanted * ratio, executed=_lay(group.entered * ratio, group.increment), taken=_ZERO
    )
    legs = [first]
    for leg in group.legs[1:]:
        moved = replace(leg, wanted=leg.wanted * ratio, cap=None)
        if leg.role is OrderRole.CLOSE:
            legs.append(replace(moved, executed=_lift(leg.executed * ratio, group.increment)))
            continue
        limit = find_limit(replace(group, legs=(first, moved)), moved)
        leaves = _lay(find_leaves(group, replace(leg, cap=None)) * ratio, group.increment)
        moved = replace(moved, executed=max(_ZERO, limit - leaves))
        cap = _move_cap(leg, leg.executed, moved.executed, ratio, group.increment)
        legs.append(replace(moved, cap=cap))
    return legs


def _rescale_legs(group: GroupState, ratio: Decimal) -> list[Leg]:
    """OCO and OUO without a parent: the totals say what may still execute."""
    increment, is_shared = group.increment, group.link is Contingency.OUO
    lifted = {leg.order_id: _lift(leg.executed * ratio, increment) for leg in group.legs}
    shared = sum((lifted[leg.order_id] for leg in group.exits), _ZERO)
    legs = []
    for leg in group.legs:
        done, now = (sum_executed(group.exits), shared) if is_shared else (leg.executed, lifted[leg.order_id])
        wanted = now + _lay((leg.wanted - done) * ratio, increment)
        cap = _move_cap(leg, done, now, ratio, increment)
        legs.append(replace(leg, wanted=wanted, executed=lifted[leg.order_id], cap=cap))
    return legs


def _move_cap(leg: Leg, done: Decimal, now: Decimal, ratio: Decimal, increment: Decimal) -> Decimal | None:
    """The total that the strategy set, of which `done` was executed, and `now` in new units."""
    return None if leg.cap is None else now + _lay((leg.cap - done) * ratio, increment)


def _finish(old: Leg, new: Leg, ratio: Decimal, increment: Decimal) -> Leg:
    """What its order shows: the executions as they were, and a total in new units."""
    shown = old.executed - old.shift
    asked = None if old.asked is None else rescale_total(old.asked, shown, ratio, increment)
    return replace(new, asked=asked, refused=None, shift=new.executed - shown)


def _lay(quantity: Decimal, increment: Decimal) -> Decimal:
    """On the grid, toward 0."""
    return (quantity / increment).quantize(_ONE, ROUND_DOWN) * increment


def _lift(quantity: Decimal, increment: Decimal) -> Decimal:
    """On the grid, away from 0; quantity >= 0."""
    return (quantity / increment).quantize(_ONE, ROUND_CEILING) * increment

"""LinkedLegs: what linked orders of a group may execute together, and the money that they hold back, counted once.

Receives: orders of OCO and OUO groups as they start, execute and end.
Gives:    by how much the larger leg of an order's side changed.
Never:    counts two orders of which one takes the other away.    EXECUTION 7 ("a group's exits reserve the larger leg
          once").
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradecore.domain.order_terms import Contingency
from tradecore.execution.working_order import WorkingOrder

_ZERO: Final = Decimal(0)
_LINKS: Final = frozenset({Contingency.OCO, Contingency.OUO})

LegKey = tuple[str, str, bool]
"""Strategy, group and side."""


def find_leg_key(order: WorkingOrder) -> LegKey | None:
    """What a linked order shares with the orders that it is linked to; None of any other. Ask only of special ones."""
    terms = order.terms
    if terms.group_id is None or terms.contingency not in _LINKS:
        return None
    return order.strategy, terms.group_id, order.is_buy


class LinkedLegs:
    """The legs of one account's groups: quantity and reserved money of each order, by what links them."""

    def __init__(self) -> None:
        self._quantities: dict[LegKey, dict[str, Decimal]] = {}
        self._reserved: dict[LegKey, dict[str, Decimal]] = {}

    def set_quantity(self, key: LegKey, order: WorkingOrder, quantity: Decimal) -> Decimal:
        """An order may still execute this much, 0 when it works no more; the change of the larger leg."""
        return _set(self._quantities, key, order.order_id, quantity)

    def set_reserved(self, key: LegKey, order: WorkingOrder, amount: Decimal) -> Decimal:
        """Money set aside for an order; the change of the dearer leg."""
        return _set(self._reserved, key, order.order_id, amount)

    def find_quantity(self, key: LegKey) -> Decimal:
        """Quantity of the larger leg."""
        return max(self._quantities.get(key, {}).values(), default=_ZERO)

    def find_reserved(self, key: LegKey) -> Decimal:
        """Money of the dearer leg."""
        return max(self._reserved.get(key, {}).values(), default=_ZERO)


def _set(legs: dict[LegKey, dict[str, Decimal]], key: LegKey, order_id: str, amount: Decimal) -> Decimal:
    leg = legs.setdefault(key, {})
    before = max(leg.values(), default=_ZERO)
    if amount:
        leg[order_id] = amount
    else:
        leg.pop(order_id, None)
        if not leg:
            del legs[key]
    return max(leg.values(), default=_ZERO) - before

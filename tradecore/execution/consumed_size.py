"""ConsumedSize: how much of a displayed size our own orders have taken.

Receives: what we take; every later quote of that side until its price leaves.
Gives:    what is still there. When the displayed size falls, the fall is first taken to be ours; a rise is new size;
          a new price clears it. So two orders never execute from the same size.    EXECUTION 4.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradecore.domain.exact import to_exact

_ZERO: Final = Decimal(0)


class ConsumedSize:
    """One side of one instrument. amount: taken from the size displayed at `price`; levels beyond it count on.

    >>> side = ConsumedSize()
    >>> side.take(Decimal(6), 100.0, 10.0)
    >>> side.see(100.0, 8.0)  # two of ours were seen to go
    >>> side.amount
    Decimal('4.0')
    """

    __slots__ = ("amount", "displayed", "price")

    def __init__(self) -> None:
        self.amount = _ZERO
        self.price = 0.0
        self.displayed = 0.0

    def take(self, quantity: Decimal, price: float, displayed: float) -> None:
        """We executed a quantity against the size displayed at this price."""
        self.amount += quantity
        self.price, self.displayed = price, displayed

    def see(self, price: float, displayed: float) -> None:
        """A later quote of this side."""
        if price != self.price:
            self.amount = _ZERO
            return
        if displayed < self.displayed:
            fallen = to_exact(self.displayed) - to_exact(displayed)
            self.amount = self.amount - fallen if self.amount > fallen else _ZERO
        self.displayed = displayed

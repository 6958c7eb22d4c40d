"""ConsumedLevels: how much our own orders have taken of each level of one side of a book.

Receives: what we take, level by level; every later snapshot of that side.
Gives:    what is still there at a level. A level that left the book is forgotten; one that is only deeper than the
          snapshot shows is not.    EXECUTION 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tradecore.domain.depth_snapshot import Level
from tradecore.domain.exact import to_exact
from tradecore.execution.consumed_size import ConsumedSize

_ZERO: Final = Decimal(0)


class ConsumedLevels:
    """One side. sign: +1 for asks, whose prices rise with depth, -1 for bids.

    >>> asks = ConsumedLevels(1)
    >>> asks.take(Decimal(3), 100.0, 5.0)
    >>> asks.left(100.0, 5.0), asks.left(101.0, 5.0)
    (Decimal('2.0'), Decimal('5.0'))
    """

    __slots__ = ("_sign", "_taken")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._taken: dict[float, ConsumedSize] = {}

    def __bool__(self) -> bool:
        """Whether anything is consumed at all."""
        return bool(self._taken)

    def left(self, price: float, displayed: float) -> Decimal:
        """What is there of a level, >= 0."""
        taken = self._taken.get(price)
        left = to_exact(displayed) if taken is None else to_exact(displayed) - taken.amount
        return left if left > 0 else _ZERO

    def take(self, quantity: Decimal, price: float, displayed: float) -> None:
        """We executed a quantity against a level."""
        self._taken.setdefault(price, ConsumedSize()).take(quantity, price, displayed)

    def see(self, levels: Sequence[Level]) -> None:
        """A later snapshot of this side."""
        sizes = dict(levels)
        deepest = levels[-1][0] if levels else None
        for price, taken in list(self._taken.items()):
            displayed = sizes.get(price)
            if displayed is not None:
                taken.see(price, displayed)
            has_left = displayed is None and (deepest is None or (price - deepest) * self._sign < 0)
            if has_left or not taken.amount:
                del self._taken[price]

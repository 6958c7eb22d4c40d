"""Room: how much of one print or bar our orders may have, together.

Receives: its size (0 and flagged where the source gives none) and the participation.
Gives:    the amount that is left; a count of executions that no size capped.    EXECUTION 5, 6.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradecore.execution.exact import to_exact

_ZERO: Final = Decimal(0)


class Room:
    """What is left of one record. A size of 0 leaves nothing; an absent size leaves everything, and is counted.

    >>> room = Room(Decimal("0.1"), 50.0, is_unknown=False)
    >>> room.use(Decimal(2))
    >>> room.left_for(Decimal(9))
    Decimal('3.00')
    """

    __slots__ = ("_left", "is_empty", "uncapped")

    def __init__(self, participation: Decimal, size: float, *, is_unknown: bool) -> None:
        self._left = None if is_unknown else participation * to_exact(size)
        self.is_empty = not is_unknown and size <= 0
        self.uncapped = 0

    def left_for(self, wanted: Decimal) -> Decimal:
        """Amount there is for an order that wants so much; >= 0."""
        return wanted if self._left is None else self._left

    def use(self, quantity: Decimal) -> None:
        """An order executed so much of it."""
        if self._left is None:
            self.uncapped += 1
        else:
            self._left = self._left - quantity if self._left > quantity else _ZERO

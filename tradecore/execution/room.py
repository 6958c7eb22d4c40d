"""Room: how much of one print or bar our orders may have, together.

Receives: its size (0 and flagged where the source gives none) and the participation.
Gives:    the amount that is left; a count of executions that no size capped.    EXECUTION 5, 6.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradecore.domain.exact import to_exact, to_float

_ZERO: Final = Decimal(0)


class Room:
    """What is left of one record. A size of 0 leaves nothing; an absent size leaves everything, and is counted.

    >>> room = Room(Decimal("0.1"), 50.0, is_unknown=False)
    >>> room.use(Decimal(2))
    >>> room.left_for(Decimal(9))
    Decimal('3.00')
    """

    __slots__ = ("_is_unknown", "_participation", "_size", "_used", "is_empty", "uncapped")

    def __init__(self, participation: Decimal, size: float, *, is_unknown: bool) -> None:
        self._participation = participation
        self._size = size
        self._is_unknown = is_unknown
        self._used = _ZERO
        self.is_empty = not is_unknown and size <= 0
        self.uncapped = 0

    def has_plenty(self, wanted: float) -> bool:
        """A quick look in floats: surely enough for one order that is the first to ask. False decides nothing."""
        return not self._used and wanted <= self._size * to_float(self._participation) * 0.999_999

    def left_for(self, wanted: Decimal) -> Decimal:
        """Amount there is for an order that wants so much; >= 0."""
        if self._is_unknown:
            return wanted
        left = self._participation * to_exact(self._size) - self._used
        return left if left > 0 else _ZERO

    def use(self, quantity: Decimal) -> None:
        """An order executed so much of it."""
        self._used += quantity
        if self._is_unknown:
            self.uncapped += 1

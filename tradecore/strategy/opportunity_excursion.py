"""Excursion: how far an opportunity went against us and for us while it was in trade (MAE and MFE).

Receives: prices seen while something is held; the opportunity's position around each execution.
Gives:    `adverse` (MAE, <= 0) and `favourable` (MFE, >= 0): the lowest and highest total profit before commission,
          realised and open part together, exact.
Never:    values a holding at prices from before it was held.    SPEC "Opportunity Management".

Between two executions the profit is a straight line in price, so two floats are kept and turned into money when
somebody asks. Each execution's own price counts as seen, hence adverse <= the result before commission <= favourable.
"""

from __future__ import annotations

from decimal import Decimal
from math import inf
from typing import Final

from tradecore.domain.position import Position

_ZERO: Final = Decimal(0)


class Excursion:
    """Extremes of one opportunity. last: the newest price seen, None before the first."""

    __slots__ = ("_adverse", "_favourable", "_high", "_low", "last")

    def __init__(self) -> None:
        self._adverse = _ZERO
        self._favourable = _ZERO
        self._low, self._high = inf, -inf
        self.last: float | None = None

    def see(self, price: float) -> None:
        """What is held could be left at this price."""
        self.last = price
        if price < self._low:
            self._low = price
        if price > self._high:
            self._high = price

    def see_range(self, low: float, high: float, last: float) -> None:
        """The market passed through these prices while it was held, and stands at `last` now."""
        self._low, self._high = min(self._low, low), max(self._high, high)
        self.last = last

    def change(self, before: Position, after: Position, price: Decimal) -> None:
        """An execution at this price: what was seen so far was seen by `before`."""
        self.settle(before)
        total = compute_total(after, price)
        self._adverse, self._favourable = min(self._adverse, total), max(self._favourable, total)

    def settle(self, position: Position) -> None:
        """What was seen so far was seen by this position; it is about to change."""
        self._adverse, self._favourable = self.compute(position)
        self._low, self._high = inf, -inf

    def split(self, position: Position, ratio: float) -> None:
        """The same for a split: the newest price is in new units, too. ratio: new units for each old one."""
        self.settle(position)
        if self.last is not None:
            self.last /= ratio

    def compute(self, position: Position) -> tuple[Decimal, Decimal]:
        """(adverse, favourable) up to now, money before commission; position: what is held now."""
        if self._low > self._high:
            return self._adverse, self._favourable
        totals = [compute_total(position, Decimal(repr(price))) for price in (self._low, self._high)]
        return min(self._adverse, *totals), max(self._favourable, *totals)


def compute_total(position: Position, price: Decimal) -> Decimal:
    """Profit before commission, realised and open, if what is held is worth `price` per unit.

    >>> held = Position("A.X").after(Decimal(2), Decimal(100), 1)
    >>> compute_total(held, Decimal(103))
    Decimal('6')
    """
    return position.realised + price * position.multiplier * position.quantity - position.cost

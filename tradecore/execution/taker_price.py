"""TakerPrice: what a taker pays beyond the price it was matched at: part of a spread, and slippage.

Receives: the matched price, exact; the side; the order's limit.
Gives:    the price of the execution: worse by spread and slippage, rounded to the grid against the order, never beyond
          its limit. Where nothing is added the matched price stays as it is: market prices need not lie on the grid.
Never:    touches makers.    EXECUTION 5, 7.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class TakerPrice:
    """Prices of takers of one instrument.

    increment: the grid, > 0. ticks: increments given up. fraction: part of the price given up (0.0001 = 1 basis point).
    spread_buy, spread_sell: price units between what the data shows and what that side meets, >= 0.

    >>> TakerPrice(Decimal("0.01"), ticks=Decimal(2)).after(Decimal("100.00"), 1, None)
    Decimal('100.02')
    >>> TakerPrice(Decimal("0.01"), fraction=Decimal("0.00015")).after(Decimal("100.00"), -1, None)
    Decimal('99.98')
    """

    __slots__ = ("_added_buy", "_added_sell", "_fraction", "_slip", "increment", "is_exact", "slack")

    def __init__(
        self,
        increment: Decimal,
        *,
        ticks: Decimal = _ZERO,
        fraction: Decimal = _ZERO,
        spread_buy: Decimal = _ZERO,
        spread_sell: Decimal = _ZERO,
    ) -> None:
        self.increment = increment
        self._slip = ticks * increment
        self._fraction = fraction
        self._added_buy = spread_buy
        self._added_sell = spread_sell
        self.slack = float(increment) * 1e-6  # what adding and subtracting floats may take off a price
        self.is_exact = not (self._slip or fraction or spread_buy or spread_sell)

    def after(self, matched: Decimal, sign: int, limit: Decimal | None) -> Decimal:
        """Price of an execution matched at `matched`, which lies within `limit` when there is one."""
        if self.is_exact:
            return matched
        worse = (self._added_buy if sign > 0 else self._added_sell) + self._slip
        if self._fraction:
            worse += abs(matched) * self._fraction
        if not worse:
            return matched
        rounding = ROUND_CEILING if sign > 0 else ROUND_FLOOR
        price = ((matched + sign * worse) / self.increment).quantize(_ONE, rounding) * self.increment
        if price <= 0 < matched:  # what costs something is never given away
            price = min(matched, self.increment)
        if limit is not None and (price > limit if sign > 0 else price < limit):
            return limit
        return price

    def is_within(self, matched: float, sign: int, limit: float) -> bool:
        """Whether the price with its spread, before slippage, is as good as the limit."""
        met = matched + float(self._added_buy) if sign > 0 else matched - float(self._added_sell)
        return met <= limit + self.slack if sign > 0 else met >= limit - self.slack

    def level_step(self, matched: Decimal) -> Decimal:
        """Distance between the levels of the synthetic depth: the slippage, at least one increment."""
        slip = self._slip + abs(matched) * self._fraction
        steps = (slip / self.increment).quantize(_ONE, ROUND_CEILING)
        return max(steps, _ONE) * self.increment

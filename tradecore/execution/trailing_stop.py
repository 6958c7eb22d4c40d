"""TrailingStop: where the trigger of one trailing stop stands.

Receives: prices of the market in the order in which they came, of the side that the trigger looks at.
Gives:    the stop price, on the grid; `move_f`, the next price that would move it, so that a scan can skip the rest.
Never:    moves the stop back, or decides whether it is triggered: old trigger first, then follow.    EXECUTION 6, 7.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import inf, nextafter
from typing import Final

from tradecore.domain.exact import to_exact
from tradecore.domain.order_terms import Trailing

_ONE: Final = Decimal(1)
_HUNDRED: Final = Decimal(100)


class TrailingStop:
    """One order's. sign: +1 buys (its stop lies above the lowest price seen), -1 sells (below the highest).

    stop_price: None until there is a price to follow. move_f: a price at least this good moves it.

    >>> stop = TrailingStop(Trailing(offset=Decimal(2)), sign=-1)
    >>> for price in (100.0, 99.0, 101.5):
    ...     moved = stop.follow(price, Decimal("0.01"))
    >>> stop.stop_price
    Decimal('99.50')
    """

    __slots__ = ("_trailing", "move_f", "sign", "stop_price")

    def __init__(self, trailing: Trailing, sign: int) -> None:
        self._trailing = trailing
        self.sign = sign
        self.stop_price: Decimal | None = None
        activation = trailing.activation_price
        self.move_f = sign * inf if activation is None else float(activation)

    def follow(self, met: float, increment: Decimal) -> Decimal | None:
        """See a price; the new stop, None where it stays. Off the grid it is rounded against the order."""
        sign = self.sign
        if sign * met > sign * self.move_f:
            return None
        trailing, best = self._trailing, to_exact(met)
        if trailing.offset is not None:
            distance = trailing.offset
        else:
            assert trailing.percent is not None
            distance = abs(best) * trailing.percent / _HUNDRED
        rounding = ROUND_CEILING if sign > 0 else ROUND_FLOOR
        self.stop_price = stop = ((best + sign * distance) / increment).quantize(_ONE, rounding) * increment
        self.move_f = nextafter(met, -sign * inf)
        return stop

    def find_limit(self) -> Decimal | None:
        """Limit price of the order once it is triggered, None for a market order."""
        if self._trailing.limit_offset is None or self.stop_price is None:
            return None
        return self.stop_price + self.sign * self._trailing.limit_offset

    def rescale(self, trailing: Trailing, ratio: Decimal, increment: Decimal) -> None:
        """A split: follow by these terms, from a stop in new units. ratio: new units for each old one."""
        self._trailing = trailing
        self.move_f /= float(ratio)
        if self.stop_price is not None:
            rounding = ROUND_CEILING if self.sign > 0 else ROUND_FLOOR
            self.stop_price = (self.stop_price / ratio / increment).quantize(_ONE, rounding) * increment

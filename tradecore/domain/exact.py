"""Exact: market floats as Decimals and quantities as floats, remembered, because the same few come all the time.

Receives: float prices and sizes; Decimal quantities.
Gives:    Decimal(repr(x)): the number that the float shows, bit for bit what was stored.    DESIGN 4.

Between float and Decimal lies text, both ways: a microsecond, and far more code than a processor keeps at hand between
two orders. So a Decimal that was made here is known again by its identity; even its hash would cost as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Final

ZERO: Final = Decimal(0)
"""What an order has executed that has executed nothing: the very object, which is seen faster than that it is 0."""

KEPT_MOST: Final = 1_024
"""Prices and sizes that are remembered; then it begins anew."""

_CENTS_MOST: Final = 1e12
_CENT: Final = Decimal("0.01")
_TENTH: Final = Decimal("0.1")
_multiply: Final = Context(prec=28).multiply  # whatever the user's own context rounds to
_EXACT: Final[dict[float, Decimal]] = {}
WHOLE_MOST: Final = 1_024
WHOLE: Final = {number: Decimal(number) for number in range(1, WHOLE_MOST + 1)}
"""Decimals of whole numbers, for quantities."""
# By the id of a Decimal that stands beside its float, and therefore lives as long as its entry.
_WHOLE_FLOATS: Final = {id(exact): (exact, float(number)) for number, exact in WHOLE.items()}
_FLOATS: Final = dict(_WHOLE_FLOATS)


def to_exact(price: float) -> Decimal:
    """Decimal of a market price or size, as its shortest repr.

    >>> to_exact(0.1)
    Decimal('0.1')
    """
    exact = _EXACT.get(price)
    if exact is None:
        if len(_EXACT) >= KEPT_MOST:
            _EXACT.clear()
            _FLOATS.clear()
            _FLOATS.update(_WHOLE_FLOATS)
        # One text for what is one key, whichever came first: -0.0 is 0.0, and a whole number its float.
        price = float(price) or 0.0
        exact = _EXACT[price] = _read_exact(price)
        _FLOATS[id(exact)] = (exact, price)
    return exact


def _read_exact(price: float) -> Decimal:
    # Whole cents need no text: the float next to n / 100 has no shorter name, and up to a trillion no other one.
    cents = round(price * 100.0) if -_CENTS_MOST < price < _CENTS_MOST else 0
    if cents / 100.0 != price:
        return Decimal(repr(price))
    return _multiply(cents, _CENT) if cents % 10 else _multiply(cents // 10, _TENTH)


def to_float(exact: Decimal) -> float:
    """Float of a quantity or a price, for comparing only.

    >>> to_float(Decimal("0.10"))
    0.1
    """
    known = _FLOATS.get(id(exact))
    return float(exact) if known is None else known[1]


def to_floats(many: Sequence[Decimal]) -> list[float]:
    """The same of many."""
    known = map(_FLOATS.get, map(id, many))
    return [float(exact) if found is None else found[1] for exact, found in zip(many, known, strict=True)]

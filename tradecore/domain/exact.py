"""Exact: market floats as Decimals and quantities as floats, remembered, because the same few come all the time.

Receives: float prices and sizes; Decimal quantities.
Gives:    Decimal(repr(x)): the number that the float shows, bit for bit what was stored.    DESIGN 4.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache


@lru_cache(maxsize=16_384)
def to_exact(price: float) -> Decimal:
    """Decimal of a market price or size, as its shortest repr.

    >>> to_exact(0.1)
    Decimal('0.1')
    """
    return Decimal(repr(price))


@lru_cache(maxsize=16_384)
def to_float(quantity: Decimal) -> float:
    """Float of a quantity or a price, for comparing only."""
    return float(quantity)

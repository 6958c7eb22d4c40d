"""Exact numbers: what files say, taken without losing a digit.

Receives: texts of numbers.
Gives:    Decimals, and a context in which sums and products that would be rounded raise instead.
Never:    divides without saying so: `divide` keeps forty decimals, far below the money's own step of 1e-12.
"""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Final

DIGITS_MAX: Final = 100
EXPONENT_MAX: Final = 100
"""Of a number in a file. Products of three of them, and sums of those, then have under a thousand digits."""

EXACT: Final = Context(
    prec=1_500, Emax=10**6, Emin=-(10**6), traps=[Inexact, InvalidOperation, DivisionByZero, Overflow]
)

ZERO: Final = Decimal(0)
STEP: Final = Decimal("1e-12")
"""To this the ledgers under test round a released cost and a parted commission (EXECUTION 9)."""

_ROUNDED: Final = Context(prec=1_500)
_FORTY: Final = Decimal("1e-40")


def parse_number(text: object, name: str) -> Decimal:
    """The number that a field holds. Raises: ValueError that says what was met."""
    if not isinstance(text, str):
        raise ValueError(f"{name} is {text!r}; expected a number in quotes")  # noqa: TRY004  (a wrong record, not a bug)
    try:
        number = Decimal(text)
    except DecimalException:
        raise ValueError(f"{name} is {text!r}; expected a number") from None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{name} is {text!r}; expected a finite number")  # noqa: TRY004
    if len(text) > DIGITS_MAX or abs(exponent) > EXPONENT_MAX:
        raise ValueError(f"{name} is {text[:40]}...; expected at most {DIGITS_MAX} digits")
    return number


def divide(value: Decimal, by: Decimal) -> Decimal:
    """The quotient to forty decimals."""
    return _ROUNDED.quantize(_ROUNDED.divide(value, by), _FORTY)


def is_mean(average: Decimal, value: Decimal, quantity: Decimal) -> bool:
    """Whether an average is value / quantity, exact or rounded to the 28 digits that a Decimal has by default."""
    apart = abs(average * quantity - value)
    if not apart:
        return True
    half_unit = Decimal((0, (5,), divide(value, quantity).adjusted() - 28)) if value else ZERO
    return apart <= half_unit * quantity

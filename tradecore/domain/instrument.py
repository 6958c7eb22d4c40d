"""Instrument: what is traded, and the grid its orders lie on.

Receives: increments as Decimal, int or str (config numbers are read as Decimal).
Gives:    exact rounding of what a user types, and typed errors for what is off the grid.
Never:    rounds market prices: those are floats and need not lie on the increment.    Spec: 2.1; DESIGN 4.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

import msgspec

from tradecore.domain.exact import to_exact
from tradecore.errors import InvalidName, InvalidOrder

ONE: Final = Decimal(1)
"""The usual multiplier: where a multiplier is this very object, nothing has to be multiplied."""

_ZERO: Final = Decimal(0)

Number = Decimal | int | str | float
"""What a user may type where money or an amount is meant."""

SESSIONS: Final = ("24x7", "fx")

CHECKED_MOST: Final = 4_096
"""Instrument ids that are remembered as checked."""

_CHECKED: Final[dict[str, str]] = {}


def check_instrument_id(instrument: str) -> str:
    """The id itself, if it reads SYMBOL.VENUE; the venue stands after the last dot. Raises: InvalidName."""
    checked = _CHECKED.get(instrument)
    if checked is not None:
        return checked
    if not isinstance(instrument, str):
        raise refuse_instrument_id(instrument)
    symbol, dot, venue = instrument.rpartition(".")
    if not (dot and symbol and venue) or any(c.isspace() for c in instrument):
        raise InvalidName(
            f"instrument id {instrument!r} cannot be read; expected SYMBOL.VENUE without spaces, for example IBM.NYSE"
        )
    if type(instrument) is str:  # what only reads as one is not handed to others
        if len(_CHECKED) >= CHECKED_MOST:
            _CHECKED.clear()
        _CHECKED[instrument] = instrument
    return instrument


def refuse_instrument_id(met: object) -> InvalidName:
    """The error for what is no text, and so no id."""
    kind = type(met).__name__
    return InvalidName(f"instrument id is the {kind} {met!r:.80}; expected a text SYMBOL.VENUE, for example 'IBM.NYSE'")


def split_instrument_id(instrument: str) -> tuple[str, str]:
    """Symbol and venue of an id, split at the last dot."""
    symbol, _, venue = check_instrument_id(instrument).rpartition(".")
    return symbol, venue


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What is traded.

    id: "SYMBOL.VENUE". price_increment, quantity_increment: > 0, the grid of orders. currency: what it is priced in.
    base_currency: what a unit of it is, where that is a currency (BTC in BTCUSDT), else None. multiplier: currency
    units per price unit and quantity unit (1 for stocks and spot). session: "24x7", "fx" (Sunday 17:00 to Friday
    17:00 New York), or "HH:MM-HH:MM Zone/Name" on weekdays; it ends daily bars and daily marks.
    """

    id: str
    price_increment: Decimal
    quantity_increment: Decimal
    currency: str
    base_currency: str | None = None
    multiplier: Decimal = ONE
    session: str = "24x7"

    def __post_init__(self) -> None:
        """Check what every later computation relies on."""
        check_instrument_id(self.id)
        for name in ("price_increment", "quantity_increment", "multiplier"):
            value = getattr(self, name)
            if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
                raise InvalidName(f"instrument {self.id}: {name} is {value!r}; expected a Decimal above 0")

    @property
    def symbol(self) -> str:
        """The part before the last dot."""
        return self.id.rpartition(".")[0]

    @property
    def venue(self) -> str:
        """The part after the last dot."""
        return self.id.rpartition(".")[2]

    def price(self, value: Number) -> Decimal:
        """Price on the grid: a float is rounded to the nearest increment, anything else must lie on it.

        Raises: InvalidOrder when it is not a finite number, or an exact number off the increment.
        """
        return _on_grid(value, self.price_increment, ROUND_HALF_EVEN, f"price of {self.id}", "price_increment")

    def quantity(self, value: Number) -> Decimal:
        """Amount on the grid: a float is rounded toward zero, anything else must lie on it. The sign is kept.

        Raises: InvalidOrder when it is not a finite number, or an exact number off the increment.
        """
        return _on_grid(value, self.quantity_increment, ROUND_DOWN, f"quantity of {self.id}", "quantity_increment")


def to_decimal(value: Number, what: str) -> Decimal:
    """Exact Decimal of what a user typed; a float is taken at its shortest repr. Raises: InvalidOrder."""
    if type(value) is int:
        return Decimal(value)
    try:
        if isinstance(value, float):
            number = to_exact(float(value)) if value else _ZERO
        elif isinstance(value, Decimal):
            number = value
        elif type(value) is str:
            number = Decimal(value)
        else:
            raise InvalidOrder(f"{what} is {value!r}; expected a Decimal, int, str or float")
    except InvalidOperation as error:
        raise InvalidOrder(f"{what} is {value!r}; expected a number") from error
    if not number.is_finite():
        raise InvalidOrder(f"{what} is {value!r}; expected a finite number")
    return number


def _on_grid(value: Number, increment: Decimal, rounding: str, what: str, name: str) -> Decimal:
    number = to_decimal(value, what)
    try:
        if isinstance(value, float):
            return (number / increment).quantize(Decimal(1), rounding) * increment
        rest = number % increment
    except InvalidOperation as error:
        raise refuse_size(what, value) from error
    if rest:
        raise InvalidOrder(
            f"{what} is {number}, which is off its {name} {increment}; type a multiple of it, "
            "or a float if it may be rounded"
        )
    return number


def refuse_size(what: str, value: Number) -> InvalidOrder:
    """The error for a number of so many increments that they cannot be counted exactly."""
    return InvalidOrder(
        f"{what} is {value!r:.60}: so many increments cannot be counted exactly; expected at most 28 digits from the "
        "first to that of its increment"
    )

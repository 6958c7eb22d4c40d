"""ScalarReader: single values of a configuration: texts, numbers, times, words.

Receives: a raw TOML value and the type it should have.
Gives:    the value in that type, or BAD with a mistake in the log.
Never:    rounds, guesses a time zone, or lets NaN, infinities or numbers without measure through.
          RELIABILITY 13; DESIGN 4, 13.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final, cast

from tradecore.domain.instant import check_ns, to_ns
from tradecore.errors import InvalidTime
from tradecore.runtime.config_limits import DECIMAL_DIGITS_MAX, INT_MAX, NumberRange
from tradecore.runtime.config_mistakes import (
    NO_OFFSET,
    NOT_A_NUMBER,
    OUT_OF_RANGE,
    UNKNOWN_WORD,
    WRONG_TYPE,
    MistakeLog,
)
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.toml_places import KeyPath, format_last_key

_PLAIN_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?\Z")


class Bad:
    """Stands where a value could not be read; the mistake is in the log."""


BAD: Final = Bad()

EXAMPLES: Final = {
    "str": '"text"',
    "int": "7",
    "bool": "true",
    "Decimal": "0.01",
    "float": "2.5",
    "datetime": "2000-03-01T00:00:00Z",
    "table": "{ KEY = VALUE }",
    "list": '["IBM"]',
}
"""How a value of each type is written; mistakes show it."""

ARTICLES: Final = {
    "str": 'a text in quotes ("...")',
    "int": "a whole number",
    "bool": "true or false",
    "Decimal": "a number",
    "float": "a number",
    "datetime": "a date and time with Z or an offset",
    "table": "a table",
    "list": "a list",
}
"""What each type is called in a mistake."""


class ScalarReader:
    """Reads values that are no tables, noting mistakes in the log."""

    def __init__(self, log: MistakeLog) -> None:
        self.log = log
        self._readers: dict[Any, Callable[[Any, KeyPath, NumberRange | None], Any]] = {
            str: self._read_str,
            bool: self._read_bool,
            int: self._read_int,
            Decimal: self._read_decimal,
            float: self._read_float,
            datetime: self._read_datetime,
        }

    def read_scalar(self, raw: Any, wanted: Any, path: KeyPath, number_range: NumberRange | None) -> Any:
        """A value of one of the types above, or BAD; a value of any other wanted type is returned as it is."""
        read = self._readers.get(wanted)
        return raw if read is None else read(raw, path, number_range)

    def read_word(self, raw: Any, words: tuple[str, ...], path: KeyPath) -> Any:
        """One of the words, or BAD."""
        if raw in words and isinstance(raw, str):
            return raw
        listed = ", ".join(f'"{word}"' for word in words)
        nearest = find_nearest(raw, words) if isinstance(raw, str) else None
        self.log.add(
            UNKNOWN_WORD,
            path,
            "not a word that is known here",
            met=describe(raw),
            expected=listed if len(words) == 1 else f"one of {listed}",
            nearest=nearest,
            help_=f'write {format_last_key(path)} = "{nearest or words[0]}"',
        )
        return BAD

    def _read_str(self, raw: Any, path: KeyPath, _range: NumberRange | None) -> Any:
        if not isinstance(raw, str):
            self.add_wrong_type(raw, "str", path)
            return BAD
        if not raw.strip():
            self.log.add(WRONG_TYPE, path, "the text is empty", help_="write a text, or leave the key out")
            return BAD
        return raw

    def _read_bool(self, raw: Any, path: KeyPath, _range: NumberRange | None) -> Any:
        if not isinstance(raw, bool):
            self.add_wrong_type(raw, "bool", path)
            return BAD
        return raw

    def _read_int(self, raw: Any, path: KeyPath, number_range: NumberRange | None) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int):
            self.add_wrong_type(raw, "int", path, example=_unquote(raw))
            return BAD
        return self._check_number(raw, path, number_range)

    def _read_decimal(self, raw: Any, path: KeyPath, number_range: NumberRange | None) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
            self.add_wrong_type(raw, "Decimal", path, example=_unquote(raw))
            return BAD
        checked = self._check_number(raw, path, number_range)
        return checked if checked is BAD else Decimal(checked)

    def _read_float(self, raw: Any, path: KeyPath, number_range: NumberRange | None) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
            self.add_wrong_type(raw, "float", path, example=_unquote(raw))
            return BAD
        checked = self._check_number(raw, path, number_range)
        return checked if checked is BAD else float(checked)

    def _check_number(self, number: float | Decimal, path: KeyPath, number_range: NumberRange | None) -> Any:
        """The number itself if it is finite, of a sensible size and in its range; else BAD."""
        if not is_sensible_number(number):
            self.log.add(
                NOT_A_NUMBER,
                path,
                "not a number that can be computed with",
                met=describe(number),
                expected=f"a finite number of at most {DECIMAL_DIGITS_MAX} places before and after the point",
                help_="write the number in full, for example 100000 or 0.0005",
            )
            return BAD
        if number_range is not None and not number_range.has(number):
            self.log.add(
                OUT_OF_RANGE,
                path,
                "out of range",
                met=describe(number),
                expected=str(number_range),
                help_=f"write {format_last_key(path)} = a number that is {number_range}",
            )
            return BAD
        return number

    def _read_datetime(self, raw: Any, path: KeyPath, _range: NumberRange | None) -> Any:
        """An aware UTC datetime; a TOML offset is an exact instant and is converted, a missing one is never guessed."""
        if isinstance(raw, date | time) and not isinstance(raw, datetime):
            text = f"{raw.isoformat()}T00:00:00Z" if isinstance(raw, date) else "2000-03-01T00:00:00Z"
            self.log.add(
                NO_OFFSET,
                path,
                "a date and time are needed, in UTC or with an offset",
                met=raw.isoformat(),
                help_=f"write {format_last_key(path)} = {text}",
            )
            return BAD
        if not isinstance(raw, datetime):
            self.add_wrong_type(raw, "datetime", path)
            return BAD
        if raw.utcoffset() is None:
            utc = f"{format_last_key(path)} = {raw.isoformat()}Z"
            self.log.add(
                NO_OFFSET,
                path,
                "this time names no time zone, and none is guessed",
                met=raw.isoformat(),
                help_=f"write {utc} if it is UTC, or end it with an offset such as +01:00",
            )
            return BAD
        try:
            moment = raw.astimezone(UTC)
            check_ns(to_ns(moment))
        except (InvalidTime, OverflowError, ValueError) as error:
            self.log.add(OUT_OF_RANGE, path, f"this time cannot be used: {error}", help_="write a year of our time")
            return BAD
        return moment

    def add_wrong_type(self, raw: Any, kind: str, path: KeyPath, example: str | None = None) -> None:
        """Note that a value has not the type it should have. kind: a key of EXAMPLES."""
        self.log.add(
            WRONG_TYPE,
            path,
            "wrong type",
            met=describe(raw),
            expected=ARTICLES[kind],
            help_=f"write {format_last_key(path)} = {example or EXAMPLES[kind]}",
        )


def _unquote(raw: Any) -> str | None:
    """A number that was written as a text, without its quotes."""
    return raw.strip() if isinstance(raw, str) and _PLAIN_NUMBER.match(raw.strip()) else None


def is_sensible_number(number: float | Decimal) -> bool:
    """Whether a number is finite, and of a size that a price, an amount or a count can have."""
    if isinstance(number, int):
        return -INT_MAX <= number <= INT_MAX
    exact = number if isinstance(number, Decimal) else Decimal(repr(number))
    if not exact.is_finite():
        return False
    exponent = cast("int", exact.as_tuple().exponent)
    return exact.adjusted() < DECIMAL_DIGITS_MAX and exponent >= -DECIMAL_DIGITS_MAX


def describe(raw: Any) -> str:
    """A value as TOML would show it, cut to a line."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        text = f'"{raw}"'
    elif isinstance(raw, dict):
        text = f"a table of {', '.join(map(str, raw)) or 'nothing'}"
    elif isinstance(raw, list):
        text = f"a list of {len(raw)}"
    elif isinstance(raw, datetime):
        text = raw.isoformat()
    elif isinstance(raw, int) and abs(raw) > INT_MAX:
        text = f"a number of {len(hex(raw)) * 6 // 5} digits or so"
    else:
        text = str(raw)
    text = text.replace("\n", "\\n")
    return text if len(text) <= 80 else text[:77] + "..."

"""Durations as people write them: "30d", "12h", "90s", "250ms".    DESIGN 13.

Receives: text, a timedelta, or int nanoseconds.
Gives:    int nanoseconds, exact.
Never:    takes a number without a unit for anything but nanoseconds, and those only as an int from code.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from tradecore.domain.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tradecore.errors import InvalidTime

DURATION_MAX_NS: Final = 36_500 * DAY_NS
"""A century: longer than that is a slip of the unit."""

_UNITS: Final = {"w": 7 * DAY_NS, "d": DAY_NS, "h": HOUR_NS, "m": MINUTE_NS, "s": SECOND_NS, "ms": 1_000_000}
_TEXT: Final = re.compile(r"(\d{1,9})\s*(w|d|h|ms|m|s)")


def parse_duration(text: str) -> int:
    """Int nanoseconds >= 0 of "30d", or of several parts as in "1h 30m". Raises: InvalidTime.

    >>> parse_duration("1m 30s")
    90000000000
    """
    parts = _TEXT.findall(text)
    if not parts or _TEXT.sub("", text).strip():
        raise InvalidTime(
            f'{text!r} is no length of time; expected a whole number with w, d, h, m, s or ms, as in "30d" or "1h 30m"'
        )
    total = 0
    for number, unit in parts:
        total += int(number) * _UNITS[unit]
    return check_duration(total, text)


def to_duration_ns(given: str | timedelta | int) -> int:
    """Int nanoseconds >= 0 of a text, a timedelta or int nanoseconds. Raises: InvalidTime."""
    if isinstance(given, str):
        return parse_duration(given)
    if isinstance(given, timedelta):
        return check_duration(given // timedelta(microseconds=1) * 1_000, str(given))
    return check_duration(given, f"{given} ns")


def check_duration(ns: int, shown: str) -> int:
    """The duration, if it can be one. Raises: InvalidTime."""
    if type(ns) is not int or not 0 <= ns <= DURATION_MAX_NS:
        raise InvalidTime(f"{shown} is no length of time that a run can have; expected 0 to 36500d")
    return ns

"""Instants: int nanoseconds since 1970 UTC, and their datetimes.

Receives: aware UTC datetimes, ISO 8601 text.
Gives:    int nanoseconds, exact; datetimes cut to microseconds (a datetime holds no more).
Never:    guesses a time zone: a naive datetime is an error. Never reads a clock.    Spec: 1.1, 3.1.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tradecore.errors import InvalidTime

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

# What a signed 64-bit integer holds, and SQLite with it: 1677-09-21 to 2262-04-11.
MIN_NS = -(2**63)
MAX_NS = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = timedelta(0)
_MICROSECOND = timedelta(microseconds=1)
_ISO_WITH_NS = re.compile(r"^(?P<head>.*[T ]\d\d:\d\d:\d\d)[.,](?P<fraction>\d{1,9})(?P<zone>Z|[+-]\d\d:?\d\d)?$")


def to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 UTC of an aware UTC datetime, exact.

    Raises: InvalidTime when it is no datetime, naive, or its offset is not zero.
    """
    if not isinstance(moment, datetime):
        raise InvalidTime(
            f"{moment!r} is no datetime; expected aware UTC, for example datetime(..., tzinfo=timezone.utc)"
        )
    offset = moment.utcoffset()
    if offset is None:
        raise InvalidTime(
            f"{moment.isoformat()} has no time zone; expected aware UTC, for example datetime(..., tzinfo=timezone.utc)"
        )
    if offset != _ZERO:
        raise InvalidTime(
            f"{moment.isoformat()} is not UTC; expected offset +00:00. Convert it with .astimezone(timezone.utc)"
        )
    return (moment - _EPOCH) // _MICROSECOND * 1_000


def to_datetime(ns: int) -> datetime:
    """Aware UTC datetime of an instant, cut (not rounded) to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1_000)


def check_ns(ns: object, name: str = "time") -> int:
    """The instant itself, if it is an int that 64 bits hold; else InvalidTime."""
    if type(ns) is not int:
        raise InvalidTime(f"{name} is {ns!r}; expected int nanoseconds since 1970 UTC")
    if not MIN_NS <= ns <= MAX_NS:
        raise InvalidTime(f"{name} is {ns}, outside 1677-09-21 to 2262-04-11, the instants that 64 bits hold")
    return ns


def format_ns(ns: int) -> str:
    """ISO 8601 in UTC with as many digits as the instant needs: 2024-01-01T00:00:00Z, ...00.000000001Z."""
    seconds, fraction = divmod(ns, SECOND_NS)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    if not fraction:
        return text + "Z"
    digits = f"{fraction:09d}"
    for keep in (3, 6, 9):
        if not digits[keep:].strip("0"):
            digits = digits[:keep]
            break
    return f"{text}.{digits}Z"


def parse_ns(text: str) -> int:
    """Instant of an ISO 8601 text that carries its zone (Z or an offset), to the nanosecond.

    Raises: InvalidTime when the text is not a date and time, or names no zone.
    """
    stripped = text.strip()
    fraction_ns = 0
    match = _ISO_WITH_NS.match(stripped)
    if match is not None:
        fraction_ns = int(match["fraction"].ljust(9, "0"))
        stripped = match["head"] + (match["zone"] or "")
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError as error:
        raise InvalidTime(f"{text!r} is not an ISO 8601 time such as 2024-01-31T09:30:00Z") from error
    if moment.utcoffset() is None:
        raise InvalidTime(f"{text!r} names no time zone; expected a trailing Z or an offset such as +00:00")
    return to_ns(moment.astimezone(UTC)) + fraction_ns

"""TradingSession: when the market of an instrument opens and closes, in exact instants.

Receives: the session of an Instrument: "24x7", "fx", or "HH:MM-HH:MM Zone/Name".
Gives:    instants of a session's open and close (int nanoseconds), the day that an instant belongs to.
Never:    knows holidays: a session exists on every weekday, whether anybody came or not.    Spec: 2.1; EXECUTION 9.

A session has a day. "24x7": the UTC day, which closes at the next UTC midnight. "fx": closes 17:00 New York of its day
and opened 17:00 the day before, Monday to Friday. Hours: open and close of that day in that zone; where the close is
not after the open ("18:00-17:00"), it opened the evening before.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final, final
from zoneinfo import ZoneInfo

from tradecore.domain.instant import to_datetime, to_ns
from tradecore.errors import InvalidName

_HOURS: Final = re.compile(r"^(\d\d:\d\d)\s*-\s*(\d\d:\d\d)\s+(\S+)$")
_ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
_FX_CLOSE: Final = time(17, 0)
_MIDNIGHT: Final = time(0, 0)


def find_zone(name: str) -> ZoneInfo:
    """Zone of an IANA name such as "America/New_York" or "UTC". Raises: InvalidName."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise InvalidName(
            f'time zone {name!r} is unknown; expected an IANA name such as "UTC", "America/New_York" or "Europe/Prague"'
        ) from error


@final
class TradingSession:
    """Hours of a market. Make it with `parse_session`.

    text: as the instrument says it. zone: where its clock hangs. opens, closes: local wall times of the session's day.
    """

    __slots__ = ("_days_back", "_is_daily", "closes", "opens", "text", "zone")

    def __init__(self, text: str, zone: tzinfo, opens: time, closes: time, *, is_daily: bool) -> None:
        self.text, self.zone, self.opens, self.closes = text, zone, opens, closes
        self._is_daily = is_daily  # Saturday and Sunday too
        self._days_back = 1 if opens >= closes else 0

    def is_session_day(self, day: date) -> bool:
        """True when the market has a session of this day (weekdays; every day for "24x7")."""
        return self._is_daily or day.weekday() < _SATURDAY

    def compute_open_ns(self, day: date) -> int:
        """Instant at which the session of `day` opens, int nanoseconds."""
        if self._is_daily:
            return self._instant(day, _MIDNIGHT)
        return self._instant(day - _ONE_DAY * self._days_back, self.opens)

    def compute_close_ns(self, day: date) -> int:
        """Instant at which the session of `day` closes, int nanoseconds; "24x7" closes at the next UTC midnight."""
        return self._instant(day + _ONE_DAY, _MIDNIGHT) if self._is_daily else self._instant(day, self.closes)

    def compute_next_close_ns(self, after_ns: int) -> int:
        """First close of a session strictly after an instant, int nanoseconds."""
        day = to_datetime(after_ns).astimezone(self.zone).date() - _ONE_DAY
        while not self.is_session_day(day) or self.compute_close_ns(day) <= after_ns:
            day += _ONE_DAY
        return self.compute_close_ns(day)

    def find_day(self, at_ns: int) -> date:
        """Day of the session that an instant belongs to: the first session that closes at or after it."""
        day = to_datetime(at_ns).astimezone(self.zone).date() - _ONE_DAY
        while not self.is_session_day(day) or self.compute_close_ns(day) < at_ns:
            day += _ONE_DAY
        return day

    def _instant(self, day: date, clock: time) -> int:
        return to_ns(datetime.combine(day, clock, self.zone).astimezone(UTC))

    def __repr__(self) -> str:
        return f"TradingSession({self.text!r})"


@lru_cache(maxsize=256)
def parse_session(text: str) -> TradingSession:
    """The session that an Instrument's text describes. Raises: InvalidName."""
    if text == "24x7":
        return TradingSession(text, UTC, _MIDNIGHT, _MIDNIGHT, is_daily=True)
    if text == "fx":
        return TradingSession(text, find_zone("America/New_York"), _FX_CLOSE, _FX_CLOSE, is_daily=False)
    match = _HOURS.match(text)
    if match is None:
        raise InvalidName(
            f'session {text!r} cannot be read; expected "24x7", "fx" or hours with a zone such as '
            '"09:30-16:00 America/New_York"'
        )
    try:
        opens, closes = time.fromisoformat(match[1]), time.fromisoformat(match[2])
    except ValueError as error:
        raise InvalidName(f"session {text!r} has a time that no clock shows; expected 00:00 to 23:59") from error
    return TradingSession(text, find_zone(match[3]), opens, closes, is_daily=False)

"""TradingSession: when the market of an instrument opens and closes, in exact instants.

Receives: the session of an Instrument: "24x7", "fx", "HH:MM-HH:MM Zone/Name", a table of the week such as
          "Mon-Thu 17:00-16:00, Fri 17:00-15:00 America/Chicago", or "calendar:XNYS" (session_calendar.py).
Gives:    instants of a session's open and close (int nanoseconds), the day that an instant belongs to.
Never:    knows holidays, except from a calendar: by its hours a market opens whether anybody comes or not.
          Spec: 2.1; EXECUTION 2, 7, 9.

A session has a day. "24x7": the UTC day, which closes at the next UTC midnight. "fx": closes 17:00 New York of its day
and opened 17:00 the day before, Monday to Friday. Hours: open and close of that day in that zone; where the close is
not after the open ("18:00-17:00"), it opened the evening before. A day may have several stretches (a lunch break); its
session ends with the last.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from tradecore.domain.instant import DAY_NS, to_datetime, to_ns
from tradecore.errors import InvalidName

Span = tuple[int, int]
"""Open and close of one stretch of trading, int nanoseconds."""

_HOURS: Final = re.compile(r"^(\d\d:\d\d)\s*-\s*(\d\d:\d\d)\s+(\S+)$")
_WEEK_ROW: Final = re.compile(r"^([A-Z][a-z]{2})(?:\s*-\s*([A-Z][a-z]{2}))?\s+(\d\d:\d\d)\s*-\s*(\d\d:\d\d)$")
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CALENDAR: Final = "calendar:"
_ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
_FX_CLOSE: Final = time(17, 0)

Clocks = tuple[time, time]
"""Open and close of a stretch as wall clocks show them."""


def find_zone(name: str) -> ZoneInfo:
    """Zone of an IANA name such as "America/New_York" or "UTC". Raises: InvalidName."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise InvalidName(
            f'time zone {name!r} is unknown; expected an IANA name such as "UTC", "America/New_York" or "Europe/Prague"'
        ) from error


class TradingSession(ABC):
    """Hours of a market. Make it with `parse_session`. text: as the instrument says it. zone: where its clock hangs."""

    def __init__(self, text: str, zone: tzinfo) -> None:
        self.text, self.zone = text, zone

    @abstractmethod
    def list_spans(self, day: date) -> tuple[Span, ...]:
        """Stretches of trading of the session of this day, in order; empty where it has none."""

    @abstractmethod
    def compute_open_ns(self, day: date) -> int:
        """Instant at which the session of `day` opens, int nanoseconds."""

    @abstractmethod
    def compute_close_ns(self, day: date) -> int:
        """Instant at which the session of `day` closes, int nanoseconds."""

    def is_session_day(self, day: date) -> bool:
        """True when the market has a session of this day."""
        return bool(self.list_spans(day))

    def compute_next_close_ns(self, after_ns: int) -> int:
        """First close of a session strictly after an instant, int nanoseconds."""
        return self.compute_close_ns(self._find_day(after_ns + 1))

    def find_day(self, at_ns: int) -> date:
        """Day of the session that an instant belongs to: the first session that closes at or after it."""
        return self._find_day(at_ns)

    def _find_day(self, at_ns: int) -> date:
        day = to_datetime(at_ns).astimezone(self.zone).date() - _ONE_DAY
        while not self.is_session_day(day) or self.compute_close_ns(day) < at_ns:
            day += _ONE_DAY
        return day

    def find_span(self, after_ns: int) -> Span:
        """The first stretch of trading that closes strictly after an instant: it is open then, or opens next."""
        day = self._find_day(after_ns + 1)
        return next(span for span in self.list_spans(day) if span[1] > after_ns)

    def _to_instant(self, day: date, clock: time) -> int:
        return to_ns(datetime.combine(day, clock, self.zone).astimezone(UTC))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


class AlwaysOpen(TradingSession):
    """The market that never closes: its days end at UTC midnight."""

    def __init__(self) -> None:
        super().__init__("24x7", UTC)

    def list_spans(self, day: date) -> tuple[Span, ...]:
        """From midnight to midnight."""
        opens_ns = self.compute_open_ns(day)
        return ((opens_ns, opens_ns + DAY_NS),)

    def compute_open_ns(self, day: date) -> int:
        """UTC midnight."""
        return self._to_instant(day, time(0, 0))

    def compute_close_ns(self, day: date) -> int:
        """The next UTC midnight."""
        return self.compute_open_ns(day) + DAY_NS


class WeekHours(TradingSession):
    """The same hours every week. hours: by weekday (0 is Monday), the stretches of its session by wall clock."""

    def __init__(self, text: str, zone: tzinfo, hours: Mapping[int, tuple[Clocks, ...]]) -> None:
        super().__init__(text, zone)
        self._hours = hours
        self._usual = next(iter(hours.values()))

    def list_spans(self, day: date) -> tuple[Span, ...]:
        """The stretches of its weekday; one whose close is not after its open began the evening before."""
        return tuple(self._span(day, *clocks) for clocks in self._hours.get(day.weekday(), ()))

    def is_session_day(self, day: date) -> bool:
        """True when the table has its weekday."""
        return day.weekday() in self._hours

    def compute_open_ns(self, day: date) -> int:
        """The first open of the day; a day without a session has the hours of one that has."""
        return self._span(day, *self._hours.get(day.weekday(), self._usual)[0])[0]

    def compute_close_ns(self, day: date) -> int:
        """The last close of the day; a day without a session has the hours of one that has."""
        return self._to_instant(day, self._hours.get(day.weekday(), self._usual)[-1][1])

    def _span(self, day: date, opens: time, closes: time) -> Span:
        return self._to_instant(day - _ONE_DAY if opens >= closes else day, opens), self._to_instant(day, closes)


@lru_cache(maxsize=256)
def parse_session(text: str) -> TradingSession:
    """The session that an Instrument's text describes. Raises: InvalidName."""
    if text == "24x7":
        return AlwaysOpen()
    weekdays = range(_SATURDAY)
    if text == "fx":
        return WeekHours(text, find_zone("America/New_York"), dict.fromkeys(weekdays, ((_FX_CLOSE, _FX_CLOSE),)))
    if text.startswith(_CALENDAR):
        from tradecore.domain.session_calendar import CalendarSession  # it draws in a library that few need

        return CalendarSession(text, text.removeprefix(_CALENDAR))
    match = _HOURS.match(text)
    if match is not None:
        clocks = _parse_clocks(text, match[1], match[2])
        return WeekHours(text, find_zone(match[3]), dict.fromkeys(weekdays, (clocks,)))
    return _parse_week(text)


def _parse_week(text: str) -> TradingSession:
    rows, _, zone = text.rpartition(" ")
    hours: dict[int, tuple[Clocks, ...]] = {}
    for row in rows.split(","):
        match = _WEEK_ROW.match(row.strip())
        if match is None or match[1] not in _WEEKDAYS or (match[2] or match[1]) not in _WEEKDAYS:
            raise InvalidName(
                f'session {text!r} cannot be read; expected "24x7", "fx", hours with a zone such as '
                '"09:30-16:00 America/New_York", a table of the week such as "Mon-Thu 17:00-16:00, Fri 17:00-15:00 '
                'America/Chicago", or "calendar:XNYS"'
            )
        first, last = _WEEKDAYS.index(match[1]), _WEEKDAYS.index(match[2] or match[1])
        clocks = _parse_clocks(text, match[3], match[4])
        for weekday in range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1)):
            before = hours.get(weekday, ())
            if before and before[-1][1] > clocks[0]:
                raise InvalidName(f"session {text!r}: the hours of {_WEEKDAYS[weekday]} overlap or are not in order")
            hours[weekday] = (*before, clocks)
    return WeekHours(text, find_zone(zone), hours)


def _parse_clocks(text: str, opens: str, closes: str) -> Clocks:
    try:
        return time.fromisoformat(opens), time.fromisoformat(closes)
    except ValueError as error:
        raise InvalidName(f"session {text!r} has a time that no clock shows; expected 00:00 to 23:59") from error

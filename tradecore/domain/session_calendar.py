"""CalendarSession: the sessions of a real exchange, holidays and short days included.

Receives: a calendar's code, such as XNYS for New York stocks.
Gives:    a TradingSession that follows the calendar of the library exchange_calendars (the extra `calendars`).
Never:    is imported unless a session names a calendar: the library is slow to load.    DESIGN 14; EXECUTION 2.

Calendars are loaded year by year: a longer one would depend on the day on which it is made.
"""

from __future__ import annotations

import warnings
from datetime import UTC, date
from functools import lru_cache
from typing import Any

from tradecore.domain.trading_session import Span, TradingSession
from tradecore.errors import InvalidName, InvalidTime


class CalendarSession(TradingSession):
    """Sessions by exchange day. Raises: InvalidName for a code that is unknown, or without the library."""

    def __init__(self, text: str, code: str) -> None:
        library = _load_library(text)
        names = library.get_calendar_names()
        if code not in names:
            raise InvalidName(
                f'session {text!r}: no exchange calendar is called {code!r}; expected a code such as "calendar:XNYS" '
                '(New York) or "calendar:XLON" (London)'
            )
        super().__init__(text, UTC)
        self.code = code

    def list_spans(self, day: date) -> tuple[Span, ...]:
        """Stretches of trading of an exchange day, empty on a holiday. Raises: InvalidTime past the calendar's end."""
        return _load_year(self.code, day.year).get(day, ())

    def compute_open_ns(self, day: date) -> int:
        """Open of an exchange day. Raises: InvalidTime for a day without a session."""
        return self._spans_of(day)[0][0]

    def compute_close_ns(self, day: date) -> int:
        """Close of an exchange day. Raises: InvalidTime for a day without a session."""
        return self._spans_of(day)[-1][1]

    def _spans_of(self, day: date) -> tuple[Span, ...]:
        spans = self.list_spans(day)
        if not spans:
            raise InvalidTime(f"{day} is no session of the exchange calendar {self.code}; expected a trading day")
        return spans


def _load_library(text: str) -> Any:
    try:
        import exchange_calendars
    except ModuleNotFoundError as error:
        raise InvalidName(
            f"session {text!r} needs the library exchange_calendars, which is not installed; "
            'pip install "tradecore[calendars]"'
        ) from error
    return exchange_calendars


@lru_cache(maxsize=512)
def _load_year(code: str, year: int) -> dict[date, tuple[Span, ...]]:
    """Spans by day of one year of a calendar."""
    library = _load_library(code)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own, about the versions of libraries below it
            calendar = library.get_calendar(code, start=f"{year}-01-01", end=f"{year}-12-31")
    except ValueError as error:
        raise InvalidTime(f"the exchange calendar {code} does not reach into {year}: {error}") from error
    return {
        row.Index.date(): _split_at_break(row.open, row.break_start, row.break_end, row.close)
        for row in calendar.schedule.itertuples()
    }


def _split_at_break(opens: Any, break_start: Any, break_end: Any, closes: Any) -> tuple[Span, ...]:
    """Timestamps of the library as nanoseconds; a day without a break has NaT (which differs from itself) there."""
    if break_start != break_start:
        return ((_to_ns(opens), _to_ns(closes)),)
    return (_to_ns(opens), _to_ns(break_start)), (_to_ns(break_end), _to_ns(closes))


def _to_ns(stamp: Any) -> int:
    return int(stamp.as_unit("ns").value)

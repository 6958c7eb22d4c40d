"""Bar intervals: which [start, end) an instant belongs to.

Receives: a time-based BarType; for daily bars, optionally, the session of the instrument.
Gives:    the interval of a tick (start <= t < end) and of an input bar by its end (start < t <= end).
Never:    drifts with daylight saving unless a session says so: multiples of the step count from 1970-01-01T00:00Z,
          days from UTC midnight, weeks from Monday 00:00Z.    DESIGN 5; EXECUTION 6.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import DAY_NS
from tradecore.domain.trading_session import TradingSession
from tradecore.errors import FeedMismatch

Interval = tuple[int, int]
"""Start and end, int nanoseconds; the end belongs to the next interval."""

FindInterval = Callable[[int], Interval]

_MONDAY_NS: Final = 4 * DAY_NS  # 1970-01-05 was a Monday
_ONE_DAY: Final = timedelta(days=1)


def interval_finder(bar_type: BarType, session: TradingSession | None = None) -> FindInterval:
    """The function that finds the interval of an instant t: start <= t < end.

    A session matters to bars of 1d alone: such a day runs from the close of the session before to its own close.
    Raises: FeedMismatch for a bar type that counts ticks.
    """
    step_ns = bar_type.step_ns
    if not step_ns:
        raise FeedMismatch(f"{bar_type} counts ticks and has no intervals of time")
    if session is not None and step_ns == DAY_NS:
        return _session_finder(session)
    anchor = _MONDAY_NS if bar_type.unit == "w" else 0

    def find(t: int) -> Interval:
        start = t - (t - anchor) % step_ns
        return start, start + step_ns

    return find


def _session_finder(session: TradingSession) -> FindInterval:
    def find(t: int) -> Interval:
        end = session.compute_next_close_ns(t)
        day = session.find_day(end) - _ONE_DAY
        while not session.is_session_day(day):
            day -= _ONE_DAY
        return session.compute_close_ns(day), end

    return find

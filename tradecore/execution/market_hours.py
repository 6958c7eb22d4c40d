"""MarketHours: whether the market of one instrument is open, asked again and again with times that mostly rise.

Receives: the session of an instrument; instants; events of a window.
Gives:    open or closed at an instant; the events that fall into trading hours.
Never:    is made for a market that never closes: `make_market_hours` gives None there, so that nobody pays for it.
          EXECUTION 7.

An order that comes at the very close is too late. An event at the close still belongs to the session: closing prints
carry that time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from tradecore.domain.trading_session import Span, TradingSession, parse_session

_TIME_OF: Final = attrgetter("ts_event")


class MarketHours:
    """Hours of one market. left_out: events outside of them, counted for the report."""

    def __init__(self, session: TradingSession) -> None:
        self.left_out = 0
        self._session = session
        self._span: Span = (0, 0)
        self._known_ns = 0  # the span is the first that closes after any instant from here to its close

    def is_open(self, ts: int) -> bool:
        """Whether an order that comes at this instant finds the market open."""
        return self._find_span(ts)[0] <= ts

    def _find_span(self, ts: int) -> Span:
        if not self._known_ns <= ts < self._span[1]:
            self._known_ns, self._span = ts, self._session.find_span(ts)
        return self._span

    def keep_open(self, events: Sequence[Any]) -> Sequence[Any]:
        """The events of trading hours, in order."""
        if not events:
            return events
        opens, closes = self._find_span(events[0].ts_event - 1)
        if opens <= events[0].ts_event and events[-1].ts_event <= closes:
            return events
        times = list(map(_TIME_OF, events))
        kept: list[Any] = []
        at = 0
        while at < len(times):
            opens, closes = self._find_span(times[at] - 1)
            first = bisect_left(times, opens, at)
            at = bisect_right(times, closes, first)
            kept += events[first:at]
        self.left_out += len(events) - len(kept)
        return kept


def make_market_hours(session: str) -> MarketHours | None:
    """Hours of a session, None where the market never closes. Raises: InvalidName."""
    return None if session == "24x7" else MarketHours(parse_session(session))

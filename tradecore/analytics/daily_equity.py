"""Daily equity: what equity was at the close of each day, flat days included.

Receives: a profit curve, the initial capital, the session whose closes end the days, start and end of the run.
Gives:    the initial capital, then equity at each close after the start and up to the end.
Never:    makes a day of the part of a day that is left at the end.
          Spec: Strategy Performance Analysis; EXECUTION 10.

A day is a day of the session ("24x7": every UTC day; else weekdays, holidays included: what annualises is the number of
returns over the years elapsed, so days on which nothing moves hardly change a ratio).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal

from tradecore.domain.instant import DAY_NS
from tradecore.domain.trading_session import parse_session


def list_closes(session: str, start_ns: int, end_ns: int) -> Sequence[int]:
    """Closes of days, ns, strictly after start and up to end.

    >>> len(list_closes("24x7", 0, 3 * 86_400 * 10**9 + 5))
    3
    """
    if session == "24x7":
        return range((start_ns // DAY_NS + 1) * DAY_NS, end_ns + 1, DAY_NS)
    hours, closes = parse_session(session), []
    close_ns = hours.compute_next_close_ns(start_ns)
    while close_ns <= end_ns:
        closes.append(close_ns)
        close_ns = hours.compute_next_close_ns(close_ns)
    return closes


def read_daily_equity(
    curve: tuple[list[int], list[float]], capital: Decimal, session: str, start_ns: int | None, end_ns: int | None
) -> list[float]:
    """Equity in currency: the initial capital, then at each close the last point at or before it."""
    initial = float(capital)
    equity = [initial]
    if start_ns is None or end_ns is None:
        return equity
    times, profits = curve
    reached = 0
    for close_ns in list_closes(session, start_ns, end_ns):
        reached = bisect_right(times, close_ns, reached)
        equity.append(initial + profits[reached - 1] if reached else initial)
    return equity

"""Equity walk: the ledgers of one analyzer put together in time order, to follow the drawdown exactly.

Receives: the spans of each ledger, stretch by stretch of time, each stretch whole over all ledgers.
Gives:    the DrawdownTracker of their sum; one value per instant, after everything of that instant.
Never:    goes back: what comes with an earlier time than what was walked counts from where the walk stands.
          Spec: Strategy Performance Analysis; EXECUTION 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from math import fsum
from operator import itemgetter, ne

from tradecore.analytics.drawdown import DrawdownTracker
from tradecore.analytics.marked_span import Columns, MarkedSpan, PointColumns, lay_out


class EquityWalk:
    """Where the sum of the ledgers' profits stands. The last instant stays open: more of it may come."""

    __slots__ = ("_open_ns", "_open_profit", "_profits", "_tracker")

    def __init__(self, tracker: DrawdownTracker) -> None:
        self._tracker = tracker
        self._profits: list[float] = []
        self._open_ns: int | None = None
        self._open_profit = 0.0

    @property
    def open_ns(self) -> int | None:
        """The instant at which the walk stands, None before the first."""
        return self._open_ns

    def walk(self, parts: Sequence[Sequence[MarkedSpan]]) -> None:
        """The next stretch of time: the spans of each ledger in it, by ledger number (none for a quiet one)."""
        self._profits += [0.0] * (len(parts) - len(self._profits))
        if len(parts) == 1:
            self._walk_alone(parts[0])
        else:
            self._take(*self._merge([lay_out(spans) for spans in parts]))

    def walk_columns(self, points: PointColumns) -> None:
        """The same where one ledger is all there is, and its points are columns."""
        times, profits = points.times, points.held + points.others
        if self._open_ns is not None and times[0] != self._open_ns:
            self._tracker.track(self._open_ns, self._open_profit)
        over = (times[1:] != times[:-1]).nonzero()[0]  # but where a later point of the same instant takes its place
        self._tracker.track_columns(times[over], profits[over])
        self._open_ns, self._open_profit = int(times[-1]), float(profits[-1])
        self._profits = [self._open_profit]

    def add_capital(self, amount: float) -> None:
        """See DrawdownTracker.add_capital."""
        self._tracker.add_capital(amount)

    def to_tracker(self) -> DrawdownTracker:
        """The tracker as if the open instant were over."""
        tracker = self._tracker.clone()
        if self._open_ns is not None:
            tracker.track(self._open_ns, self._open_profit)
        return tracker

    def clone(self) -> EquityWalk:
        """A walk that goes on from here by itself."""
        other = EquityWalk(self._tracker.clone())
        other._profits, other._open_ns, other._open_profit = self._profits[:], self._open_ns, self._open_profit
        return other

    def _walk_alone(self, spans: Sequence[MarkedSpan]) -> None:
        # One ledger: profit moves with the price, so a piece whose highest and lowest price set no mark is passed.
        tracker, open_ns, open_profit = self._tracker, self._open_ns, self._open_profit
        peak, trough = tracker.peak, tracker.trough
        for span in spans:
            times, prices = span.times, span.prices
            places = zip(span.starts, span.stops, strict=True)
            for piece, (start, stop), (low, high) in zip(span.pieces, places, span.list_extremes(), strict=True):
                executed_ns, base, slope, other = piece.ts, piece.base, piece.slope, piece.other
                first = times[start] if executed_ns is None else executed_ns
                if (open_profit >= peak or open_profit < trough) and open_ns is not None and first != open_ns:
                    tracker.track(open_ns, open_profit)
                    peak, trough = tracker.peak, tracker.trough
                if executed_ns is not None:
                    open_ns, open_profit = executed_ns, base + slope * piece.price + other
                    if start == stop:
                        continue
                    if (open_profit >= peak or open_profit < trough) and times[start] != open_ns:
                        tracker.track(open_ns, open_profit)
                        peak, trough = tracker.peak, tracker.trough
                one, two = base + slope * high + other, base + slope * low + other
                open_ns, open_profit = times[stop - 1], base + slope * prices[stop - 1] + other
                if one >= peak or two >= peak or not slope:
                    profits = [base + slope * price + other for price in prices[start:stop]]
                    tracker.track_all(_leave_last(times[start:stop], profits))
                    peak, trough = tracker.peak, tracker.trough
                elif one < trough or two < trough:  # its lowest point alone can count
                    profits = [base + slope * price + other for price in prices[start:stop]]
                    sunk = min(_leave_last(times[start:stop], profits), key=itemgetter(1), default=None)
                    if sunk is not None:
                        tracker.track(*sunk)
                        trough = tracker.trough
        self._open_ns, self._open_profit = open_ns, open_profit
        if spans:
            self._profits[0] = open_profit

    def _merge(self, parts: Sequence[Columns]) -> tuple[list[int], list[float]]:
        points = [
            (ts, ledger, long + short)
            for ledger, (times, longs, shorts) in enumerate(parts)
            for ts, long, short in zip(times, longs, shorts, strict=True)
        ]
        points.sort(key=itemgetter(0))  # stable: the points of one ledger keep their order within an instant
        profits, times, sums = self._profits, [], []
        last = len(points) - 1
        for i, (ts, ledger, profit) in enumerate(points):
            profits[ledger] = profit
            if i == last or points[i + 1][0] != ts:
                times.append(ts)
                sums.append(fsum(profits))  # rounded once, so the order of the ledgers cannot matter
        return times, sums

    def _take(self, times: list[int], profits: list[float]) -> None:
        if not times:
            return
        if self._open_ns is not None:
            if times[0] < self._open_ns:
                times = [max(ts, self._open_ns) for ts in times]
            times, profits = [self._open_ns, *times], [self._open_profit, *profits]
        self._tracker.track_all(_leave_last(times, profits))
        self._open_ns, self._open_profit = times[-1], profits[-1]


def _leave_last(times: Sequence[int], profits: Sequence[float]) -> Iterable[tuple[int, float]]:
    """Points, but the last one, which stays open, and any whose instant a later one has: that takes its place."""
    return compress(zip(times, profits, strict=True), map(ne, times, times[1:]))

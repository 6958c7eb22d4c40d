"""Equity curve: what one ledger brought over time, kept in bounded memory.

Receives: spans of marks and executions (marked_span.py).
Gives:    a step function of two columns, profit made long and profit made short, in ascending time.
Never:    touches marks one by one when they arrive: a span is kept as it came and laid out later, in bulk.
          Spec: Strategy Performance Analysis; EXECUTION 10.

Beyond POINTS_MAX points the curve keeps the last point of each cell of a grid; the width
of a cell grows as needed, a second to a day. Cells end at UTC midnights, and the last point before each session's close
is kept as well, so that daily values stay exact at any width.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import compress
from operator import ne, sub
from typing import Final

import msgspec

from tradecore.analytics.marked_span import Columns, MarkedSpan, Point, PointColumns, lay_out
from tradecore.domain.instant import MAX_NS, MIN_NS, SECOND_NS
from tradecore.domain.trading_session import TradingSession, parse_session

POINTS_MAX: Final = 2**15
"""Points that the curves of one analyzer keep before the grid coarsens: 24 bytes each, 0.8 MB in all."""

WIDTHS: Final = tuple(seconds * SECOND_NS for seconds in (1, 60, 3_600, 21_600, 86_400))
"""Widths of a cell, ns: a second to a day, each a whole number of the one before, so that cells nest."""


class CurveSnapshot(msgspec.Struct, frozen=True):
    """A curve as it stood once: the first `count` entries of arrays that only grow, and the last point."""

    times: array[int]
    longs: array[float]
    shorts: array[float]
    count: int
    last: tuple[int, float, float] | None
    width_ns: int
    session: str


class LedgerCurve:
    """Points of one ledger. The arrays only grow (or are replaced), so a snapshot shares them by length.

    The last point stays outside of the arrays, because a later mark of its instant or cell takes its place.
    """

    __slots__ = ("_close", "_has_columns", "_session", "last", "longs", "shorts", "times", "width_ns")

    def __init__(self, session: TradingSession, width_ns: int = 0) -> None:
        """session: its closes are kept at any width. width_ns: of a cell; 0 keeps every point."""
        self._session = session
        self._close = MIN_NS  # the first close of the session at or after the newest point that asked
        self._has_columns = False  # points came as columns, so numpy is there
        self.width_ns = width_ns
        self.times, self.longs, self.shorts = array("q"), array("d"), array("d")
        self.last: tuple[int, float, float] | None = None

    def __len__(self) -> int:
        return len(self.times) + (self.last is not None)

    def extend(self, spans: Sequence[MarkedSpan]) -> None:
        """Add points that are not earlier than what is there."""
        if not self.width_ns:
            self._append(lay_out(spans))
        elif spans:
            self._append_cells(spans)

    def extend_columns(self, points: PointColumns) -> None:
        """The same with points that are columns."""
        import numpy as np  # who laid them out has it

        self._has_columns = True
        times, last = points.times, self.last
        if last is not None:
            times = np.concatenate(((last[0],), times))
        if not self.width_ns:
            over = times[1:] != times[:-1]
        else:
            ends = -(-times // self.width_ns)
            over = ends[1:] != ends[:-1]
            if self._session.text != "24x7":
                numbers = np.searchsorted(self._list_closes(int(times[0]), int(times[-1])), times)
                over |= numbers[1:] != numbers[:-1]
        if last is not None:
            if over[0]:
                self._keep(last)
            over = over[1:]
        kept = over.nonzero()[0]
        longs, shorts = points.list_sides(kept)
        for column, made in ((self.times, points.times[kept]), (self.longs, longs), (self.shorts, shorts)):
            column.frombytes(made.tobytes())
        (long,), (short,) = points.list_sides([-1])
        self.last = (int(times[-1]), float(long), float(short))

    def _keep(self, point: Point) -> None:
        """The last of its cell is there."""
        self.times.append(point[0])
        self.longs.append(point[1])
        self.shorts.append(point[2])

    def _list_closes(self, first_ns: int, last_ns: int) -> list[int]:
        """Closes of the session from the first instant on, up to the one that is not before the last."""
        closes = [self._session.compute_next_close_ns(first_ns - 1)]
        while closes[-1] < last_ns:
            closes.append(self._session.compute_next_close_ns(closes[-1]))
        return closes

    def coarsen(self, width_ns: int) -> None:
        """Keep the last point of each wider cell. The old arrays stay whole for the snapshots that share them."""
        columns, last = (self.times, self.longs, self.shorts), self.last
        self.last, self.width_ns = None, width_ns
        self.times, self.longs, self.shorts = array("q"), array("d"), array("d")
        if self._has_columns and columns[0]:
            import numpy as np

            times, longs, shorts = map(np.array, columns)
            self.extend_columns(PointColumns(times, longs, shorts, np.ones(len(times), bool)))
        else:
            self._append((columns[0].tolist(), columns[1].tolist(), columns[2].tolist()))
        if last is not None:
            self._append(([last[0]], [last[1]], [last[2]]))

    def list_gaps(self) -> Sequence[int]:
        """The times between points, ns, ascending: a list, or an array of numpy."""
        times = self.times[:]
        if self.last is not None:
            times.append(self.last[0])
        if self._has_columns:
            import numpy as np

            gaps: Sequence[int] = np.sort(np.diff(np.array(times)))  # type: ignore[assignment]
            return gaps
        return sorted(map(sub, times[1:], times))

    def snapshot(self) -> CurveSnapshot:
        """The curve as it stands, without copying its arrays."""
        return CurveSnapshot(
            self.times, self.longs, self.shorts, len(self.times), self.last, self.width_ns, self._session.text
        )

    @classmethod
    def restore(cls, snapshot: CurveSnapshot) -> LedgerCurve:
        """A curve of its own that goes on from a snapshot."""
        curve, count = cls(parse_session(snapshot.session), snapshot.width_ns), snapshot.count
        curve.times, curve.longs, curve.shorts = (
            snapshot.times[:count], snapshot.longs[:count], snapshot.shorts[:count],
        )  # fmt: skip
        curve.last = snapshot.last
        return curve

    def to_columns(self) -> Columns:
        """All points, the last one included."""
        times, longs, shorts = self.times.tolist(), self.longs.tolist(), self.shorts.tolist()
        if self.last is not None:
            times.append(self.last[0])
            longs.append(self.last[1])
            shorts.append(self.last[2])
        return times, longs, shorts

    def _append(self, points: Columns) -> None:
        times, longs, shorts = points
        if not times:
            return
        if self.last is not None:
            times, longs, shorts = [self.last[0], *times], [self.last[1], *longs], [self.last[2], *shorts]
        if self.width_ns:
            ends = self._find_cell_ends(times)
            self.times.extend([times[i] for i in ends])
            self.longs.extend([longs[i] for i in ends])
            self.shorts.extend([shorts[i] for i in ends])
        else:
            over = list(map(ne, times, times[1:]))  # one shorter than the columns: compress leaves the last point out
            self.times.extend(compress(times, over))
            self.longs.extend(compress(longs, over))
            self.shorts.extend(compress(shorts, over))
        self.last = (times[-1], longs[-1], shorts[-1])

    def _append_cells(self, spans: Sequence[MarkedSpan]) -> None:
        # The same, computing a profit only where a point may stay: a cell holds many marks and several executions.
        last = self.last
        until = self._find_cell_end(spans[0].first_ns if last is None else last[0])
        for span in spans:
            for is_new, point, until in span.list_ends(until, self._find_cell_end):  # noqa: B007, B020  (the next span goes on)
                if is_new and last is not None:  # the point that stands is the last of its cell
                    self._keep(last)
                last = point
        self.last = last

    def _find_cell_end(self, ts: int) -> int:
        # A cell is (start, end]: a mark at midnight is the last of the day that ends there. It ends early at a close.
        end = -(-ts // self.width_ns) * self.width_ns
        if self._session.text == "24x7":  # its closes are UTC midnights: cells end there anyway
            return end
        if ts > self._close or self._close == MIN_NS:
            self._close = self._session.compute_next_close_ns(ts - 1)
        return min(end, self._close)

    def _find_cell_ends(self, times: list[int]) -> list[int]:
        # Where the last point of each cell stands, but for the last cell. A cell is (start, end]: a mark at midnight is
        # the last of the day that ends there.
        width, count, start = self.width_ns, len(times), 0
        found: list[int] = []
        follows_session = self._session.text != "24x7"  # the closes of 24x7 are UTC midnights: cells end there anyway
        close = self._session.compute_next_close_ns(times[0] - 1) if follows_session else MAX_NS
        end, size = -(-times[0] // width) * width, 1
        while True:
            until, after = min(end, close), start + size
            # Most cells hold as many points as the one before: look there, before searching.
            if after >= count or not times[after - 1] <= until < times[after]:
                after = bisect_right(times, until, start)
                if after >= count:
                    return found
                size = after - start
            found.append(after - 1)
            start, ts = after, times[after]
            if ts > close:
                close = self._session.compute_next_close_ns(ts - 1)
            if ts > end:
                end += width
                if ts > end:
                    end = -(-ts // width) * width


def fit_curves(curves: Sequence[LedgerCurve]) -> int:
    """Coarsen all curves together until they have at most POINTS_MAX points; the width of their cells, 0 for none.

    The width is the narrowest that suffices, so it does not depend on how the marks were cut into calls. A day is the
    widest: a curve never loses its daily values, whatever that takes.
    """
    width_ns = curves[0].width_ns if curves else 0
    while (count := sum(map(len, curves))) > POINTS_MAX and width_ns < WIDTHS[-1]:
        # A point goes only where the next one is nearer than a cell is wide: what cannot suffice is passed over.
        gaps = [curve.list_gaps() for curve in curves]
        width_ns = next(
            width
            for width in WIDTHS
            if width == WIDTHS[-1]
            or (width > width_ns and count - sum(bisect_left(gap, width) for gap in gaps) <= POINTS_MAX)
        )
        for curve in curves:
            curve.coarsen(width_ns)
    return width_ns

"""MarkedSpan: marks of a stretch of time, divided by the executions that happened in it.

Receives: columns of marks as a broker gave them (references, not copies), executions by their place among them.
Gives:    points of a ledger's profit: for every mark and execution what was made long and what was made short by then.
Never:    touches marks one by one before somebody asks for them.    Spec: Strategy Performance Analysis; EXECUTION 10.

A ledger is long, short or flat at any time, so between two executions the held side's profit is a straight function of
the price (the course), and the other side's stands still.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import sub
from typing import Any, NamedTuple

import msgspec

Columns = tuple[list[int], list[float], list[float]]
"""Times (ns), profit made long, profit made short (money)."""

Point = tuple[int, float, float]
"""One row of Columns."""


class PointColumns(NamedTuple):
    """The same points in arrays of numpy: times (int64), profit of the side that is held or was last, profit of the
    other side (float64), and whether the former is the long one (bool).
    """

    times: Any
    held: Any
    others: Any
    is_long: Any

    def list_sides(self, places: Any) -> tuple[Any, Any]:
        """Profit made long and profit made short at some of the points."""
        import numpy as np

        held, others, is_long = self.held[places], self.others[places], self.is_long[places]
        return np.where(is_long, held, others), np.where(is_long, others, held)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """An execution, and how profit moves with the marks after it while the holding stands still.

    ts, price: of the execution, which is a mark at its own price; ts is None where the holding is older than the span,
    which has marks then. Profit of the side that is held (is_long) is base + slope x price, of the other side `other`;
    slope: signed quantity x multiplier. known_ns: marks before this instant are not of it, though they may come later;
    None: all that come are.
    """

    ts: int | None
    price: float
    base: float
    slope: float
    is_long: bool
    other: float
    known_ns: int | None = None

    def continue_from(self) -> Piece:
        """The same holding at the beginning of a later span."""
        return Piece(None, 0.0, self.base, self.slope, self.is_long, self.other)


class MarkedSpan(msgspec.Struct, frozen=True, gc=False):
    """Marks and executions in order of time. times: ns, ascending. prices: as many. Each is a list, or a memoryview of
    a feed's column. pieces: in order. starts: the place of the first mark of each, 0 for the first piece.

    A time stands twice where an execution happened at a mark; the later point counts.
    """

    times: Sequence[int]
    prices: Sequence[float]
    pieces: list[Piece]
    starts: list[int]

    @property
    def point_count(self) -> int:
        """Marks and executions."""
        return len(self.times) + len(self.pieces) - (self.pieces[0].ts is None)

    @property
    def first_ns(self) -> int:
        """Time of the first point."""
        executed_ns = self.pieces[0].ts
        return self.times[0] if executed_ns is None else executed_ns

    @property
    def last_ns(self) -> int:
        """Time of the last point."""
        executed_ns = self.pieces[-1].ts
        return self.times[-1] if self.starts[-1] < len(self.times) or executed_ns is None else executed_ns

    @property
    def stops(self) -> list[int]:
        """Where the marks of each piece end."""
        return [*self.starts[1:], len(self.times)]

    @property
    def is_columns(self) -> bool:
        """Whether its marks are parts of a feed's columns."""
        return type(self.times) is memoryview and type(self.prices) is memoryview

    @property
    def is_borrowed(self) -> bool:
        """Whether something of its marks is somebody else's, who may change it after the run."""
        return type(self.times) is memoryview or type(self.prices) is memoryview

    def list_extremes(self) -> list[tuple[float, float]]:
        """The lowest and the highest mark of each piece; of no meaning where it has none."""
        prices, starts = self.prices, self.starts
        parts = [prices[start:stop] for start, stop in zip(starts, self.stops, strict=True)]
        return [_find_extremes(part) if part else (0.0, 0.0) for part in parts]

    def copy_marks(self) -> MarkedSpan:
        """The same with marks of its own."""
        return MarkedSpan(list(self.times), list(self.prices), self.pieces, self.starts)

    def split(self, cut_ns: int) -> tuple[MarkedSpan | None, MarkedSpan | None]:
        """The points up to and including an instant, and the rest; None for nothing."""
        if self.last_ns <= cut_ns:
            return self, None
        if self.first_ns > cut_ns:
            return None, self
        cut = bisect_right(self.times, cut_ns)
        count = sum(
            1 for piece, start in zip(self.pieces, self.starts, strict=True)
            if start < cut or (start == cut and (piece.ts or cut_ns) <= cut_ns)
        )  # fmt: skip
        rest, starts = self.pieces[count:], [start - cut for start in self.starts[count:]]
        if cut < len(self.times) and not (starts and starts[0] == 0):
            rest.insert(0, self.pieces[count - 1].continue_from())
            starts.insert(0, 0)
        return (
            MarkedSpan(self.times[:cut], self.prices[:cut], self.pieces[:count], self.starts[:count]),
            MarkedSpan(self.times[cut:], self.prices[cut:], rest, starts),
        )

    def list_ends(self, until: int, find_end: Callable[[int], int]) -> Iterable[tuple[bool, Point, int]]:
        """The last point of each cell that the span has a part in: whether the cell begins here, the point, its end.

        until: end of the cell that is open. find_end: end of the cell that a time lies in.
        """
        times, prices, pieces, starts = self.times, self.prices, self.pieces, self.starts
        count, last = len(times), len(pieces)
        place, number = 0, -1  # marks passed, and the piece whose execution was passed last
        if pieces[0].ts is None:
            number = 0
        while place < count or number + 1 < last:
            is_executed = number + 1 < last and starts[number + 1] == place
            first = pieces[number + 1].ts if is_executed else times[place]
            assert first is not None
            is_new = first > until
            if is_new:
                until = find_end(first)
            place = bisect_right(times, until, place)
            # Executions that stand before the next mark belong to this cell too, as far as it reaches.
            number = max(number, bisect_left(starts, place, max(number, 0)) - 1)
            while number + 1 < last and starts[number + 1] == place and (pieces[number + 1].ts or 0) <= until:
                number += 1
            piece = pieces[number]
            if starts[number] == place and piece.ts is not None:
                ts, price = piece.ts, piece.price
            else:
                ts, price = times[place - 1], prices[place - 1]
            held, other = piece.base + piece.slope * price, piece.other
            yield is_new, (ts, held, other) if piece.is_long else (ts, other, held), until


def place_pieces(pieces: Sequence[Piece], times: Sequence[int]) -> list[int]:
    """Where the marks of each piece begin, once they are there."""
    known = [piece.known_ns for piece in pieces]
    if not known:
        return []
    if type(times) is memoryview and None not in known:
        import numpy as np  # where marks are a column, it is there

        places: list[int] = np.maximum.accumulate(np.asarray(times).searchsorted(known)).tolist()  # type: ignore[arg-type]
        return places
    places, place = [], 0
    for known_ns in known:
        if known_ns is not None:
            place = bisect_left(times, known_ns, place)
        places.append(place)
    return places


def _find_extremes(prices: Sequence[float]) -> tuple[float, float]:
    # One loop takes half the time of min() and max(), which compare any two objects.
    low = high = prices[0]
    for price in prices:
        if price > high:
            high = price
        elif price < low:
            low = price
    return low, high


def lay_out(spans: Iterable[MarkedSpan]) -> Columns:
    """All points of spans, in order."""
    times: list[int] = []
    longs: list[float] = []
    shorts: list[float] = []
    for span in spans:
        for piece, start, stop in zip(span.pieces, span.starts, span.stops, strict=True):
            base, slope = piece.base, piece.slope
            held = [base + slope * mark for mark in span.prices[start:stop]]
            if piece.ts is not None:
                times.append(piece.ts)
                held.insert(0, base + slope * piece.price)
            times += span.times[start:stop]
            still = [piece.other] * len(held)
            longs += held if piece.is_long else still
            shorts += still if piece.is_long else held
    return times, longs, shorts


def lay_out_columns(spans: Sequence[MarkedSpan]) -> PointColumns | None:
    """The same points, of marks that came as columns: thousands at once, the same floats. None where others did."""
    if not spans or not all(span.is_columns for span in spans):
        return None
    import numpy as np  # where marks are columns, it is there

    pieces = [piece for span in spans for piece in span.pieces]
    executed_ns = [piece.ts for piece in pieces]
    is_executed = np.frombuffer(bytes([ts is not None for ts in executed_ns]), bool)
    counts = [count for span in spans for count in map(sub, span.stops, span.starts)]
    sizes = is_executed + np.fromiter(counts, np.int64, len(counts))
    ends = sizes.cumsum()
    places = (ends - sizes)[is_executed]  # an execution is the first point of its piece
    is_mark = np.ones(ends[-1], bool)
    is_mark[places] = False
    times, prices = np.empty(ends[-1], np.int64), np.empty(ends[-1])
    times[is_mark] = np.concatenate([span.times for span in spans])
    prices[is_mark] = np.concatenate([span.prices for span in spans])
    executed = [piece for piece in pieces if piece.ts is not None]
    times[places] = [piece.ts for piece in executed]
    prices[places] = [piece.price for piece in executed]

    def spread(column: Iterable[float]) -> Any:
        return np.fromiter(column, float, len(pieces)).repeat(sizes)

    held = prices
    held *= spread([piece.slope for piece in pieces])
    held += spread([piece.base for piece in pieces])
    is_long = np.frombuffer(bytes([piece.is_long for piece in pieces]), bool).repeat(sizes)
    return PointColumns(times, held, spread([piece.other for piece in pieces]), is_long)

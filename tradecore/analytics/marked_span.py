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

import msgspec

Columns = tuple[list[int], list[float], list[float]]
"""Times (ns), profit made long, profit made short (money)."""

Point = tuple[int, float, float]
"""One row of Columns."""

Course = tuple[float, float, bool, float]
"""How profit moves while the holding stands still: that of the side that is held is base + slope x price, that of the
other side is other: (base, slope, whether the long side is held, other). slope: signed quantity x multiplier."""

Piece = tuple[int, int | None, float, Course]
"""Marks from a place on, after an execution: (place of the first, time (ns) and price of the execution, course). An
execution is a mark at its own price. The time is None where the holding is older than the span; it has marks then."""


class MarkedSpan(msgspec.Struct, frozen=True, gc=False):
    """Marks and executions in order of time. times: ns, ascending. prices: as many. pieces: in order, the first at 0.

    A time stands twice where an execution happened at a mark; the later point counts.
    """

    times: Sequence[int]
    prices: Sequence[float]
    pieces: list[Piece]

    @property
    def point_count(self) -> int:
        """Marks and executions."""
        return len(self.times) + len(self.pieces) - (self.pieces[0][1] is None)

    @property
    def first_ns(self) -> int:
        """Time of the first point."""
        executed_ns = self.pieces[0][1]
        return self.times[0] if executed_ns is None else executed_ns

    @property
    def last_ns(self) -> int:
        """Time of the last point."""
        start, executed_ns, _, _ = self.pieces[-1]
        return self.times[-1] if start < len(self.times) or executed_ns is None else executed_ns

    @property
    def stops(self) -> list[int]:
        """Where the marks of each piece end."""
        return [piece[0] for piece in self.pieces[1:]] + [len(self.times)]

    def split(self, cut_ns: int) -> tuple[MarkedSpan | None, MarkedSpan | None]:
        """The points up to and including an instant, and the rest; None for nothing."""
        if self.last_ns <= cut_ns:
            return self, None
        if self.first_ns > cut_ns:
            return None, self
        cut = bisect_right(self.times, cut_ns)
        count = sum(1 for start, ns, _, _ in self.pieces if start < cut or (start == cut and (ns or cut_ns) <= cut_ns))
        rest = [(start - cut, *others) for start, *others in self.pieces[count:]]
        if cut < len(self.times) and not (rest and rest[0][0] == 0):
            rest.insert(0, (0, None, 0.0, self.pieces[count - 1][3]))
        return (
            MarkedSpan(self.times[:cut], self.prices[:cut], self.pieces[:count]),
            MarkedSpan(self.times[cut:], self.prices[cut:], rest),  # type: ignore[arg-type]
        )

    def list_ends(self, until: int, find_end: Callable[[int], int]) -> Iterable[tuple[bool, Point, int]]:
        """The last point of each cell that the span has a part in: whether the cell begins here, the point, its end.

        until: end of the cell that is open. find_end: end of the cell that a time lies in.
        """
        times, prices, pieces = self.times, self.prices, self.pieces
        starts, count, last = [piece[0] for piece in pieces], len(times), len(pieces)
        place, number = 0, -1  # marks passed, and the piece whose execution was passed last
        if pieces[0][1] is None:
            number = 0
        while place < count or number + 1 < last:
            is_executed = number + 1 < last and starts[number + 1] == place
            first = pieces[number + 1][1] if is_executed else times[place]
            assert first is not None
            is_new = first > until
            if is_new:
                until = find_end(first)
            place = bisect_right(times, until, place)
            # Executions that stand before the next mark belong to this cell too, as far as it reaches.
            number = max(number, bisect_left(starts, place, max(number, 0)) - 1)
            while number + 1 < last and starts[number + 1] == place and (pieces[number + 1][1] or 0) <= until:
                number += 1
            start, executed_ns, price, (base, slope, is_long, other) = pieces[number]
            if start == place and executed_ns is not None:
                ts = executed_ns
            else:
                ts, price = times[place - 1], prices[place - 1]
            held = base + slope * price
            yield is_new, (ts, held, other) if is_long else (ts, other, held), until


def lay_out(spans: Iterable[MarkedSpan]) -> Columns:
    """All points of spans, in order."""
    times: list[int] = []
    longs: list[float] = []
    shorts: list[float] = []
    for span in spans:
        for (start, executed_ns, price, course), stop in zip(span.pieces, span.stops, strict=True):
            base, slope, is_long, other = course
            held = [base + slope * mark for mark in span.prices[start:stop]]
            if executed_ns is not None:
                times.append(executed_ns)
                held.insert(0, base + slope * price)
            times += span.times[start:stop]
            still = [other] * len(held)
            longs += held if is_long else still
            shorts += still if is_long else held
    return times, longs, shorts

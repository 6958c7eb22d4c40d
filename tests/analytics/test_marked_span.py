"""Spans of marks and executions: whatever is computed piece by piece equals what the points give one by one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tradecore.analytics.drawdown import DrawdownTracker
from tradecore.analytics.equity_curve import LedgerCurve
from tradecore.analytics.equity_walk import EquityWalk
from tradecore.analytics.marked_span import MarkedSpan, Piece, lay_out, lay_out_columns, place_pieces
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.trading_session import parse_session

SESSION = parse_session("24x7")
LONG, SHORT = (5.0, 2.0, True, 1.0), (-3.0, -1.0, False, 4.0)


@st.composite
def spans(draw: st.DrawFn) -> list[MarkedSpan]:
    """A few spans in order of time, executions anywhere: at marks, between them, several at once, alone."""
    made: list[MarkedSpan] = []
    now = 0
    for _ in range(draw(st.integers(1, 4))):
        times: list[int] = []
        pieces: list[Piece] = []
        starts: list[int] = []
        for _ in range(draw(st.integers(1, 8))):
            now += draw(st.sampled_from([0, 200, 900, 2_500])) * SECOND_NS // 1_000
            course = draw(st.sampled_from([LONG, SHORT]))
            if draw(st.booleans()) or (made and made[-1].last_ns == now):
                pieces.append(Piece(now, float(draw(st.integers(1, 9))), *course))
                starts.append(len(times))
            else:
                if not pieces:
                    pieces.append(Piece(None, 0.0, *course))
                    starts.append(0)
                times.append(now)
        prices = [float(draw(st.integers(1, 9))) for _ in times]
        made.append(MarkedSpan(times, prices, pieces, starts))
    return made


def last_of_each(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [one for one, other in pairwise(points) if one[0] != other[0]] + points[-1:]


@given(spans(), st.sampled_from([SECOND_NS, 3 * SECOND_NS]))
def test_cells_made_span_by_span_are_the_cells_of_all_points(made: list[MarkedSpan], width_ns: int) -> None:
    early, late = LedgerCurve(SESSION, width_ns), LedgerCurve(SESSION)
    for span in made:
        early.extend([span])
    late.extend(made)
    late.coarsen(width_ns)
    assert early.to_columns() == late.to_columns()


@given(spans())
def test_a_walk_over_pieces_finds_the_drawdown_of_the_points(made: list[MarkedSpan]) -> None:
    walk = EquityWalk(DrawdownTracker(100.0, 0))
    for span in made:
        walk.walk([[span]])
    times, longs, shorts = lay_out(made)
    expected = DrawdownTracker(100.0, 0)
    expected.track_all(last_of_each([(ts, a + b) for ts, a, b in zip(times, longs, shorts, strict=True)]))
    tracker = walk.to_tracker()
    assert (tracker.deepest, tracker.deepest_relative) == (expected.deepest, expected.deepest_relative)
    assert (tracker.peak, tracker.trough) == (expected.peak, expected.trough)


@given(spans(), st.integers(-1, 30))
def test_a_span_cut_anywhere_has_the_same_points(made: list[MarkedSpan], cut_s: int) -> None:
    for span in made:
        parts = [part for part in span.split(cut_s * SECOND_NS) if part is not None]
        assert lay_out(parts) == lay_out([span])
        assert sum(part.point_count for part in parts) == span.point_count
        assert all(part.last_ns <= cut_s * SECOND_NS for part in parts[: len(parts) - 1])
        for part in parts:
            assert (part.first_ns, part.last_ns) == (lay_out([part])[0][0], lay_out([part])[0][-1])


def test_points_of_a_span_are_those_worked_by_hand() -> None:
    """Long 2 at base 5, then short 1 at base -3: 5 + 2 x 3 = 11, 5 + 2 x 4 = 13; executed at 6: -3 - 6 = -9, -3 - 7."""
    span = MarkedSpan([1, 2, 3], [3.0, 4.0, 7.0], [Piece(None, 0.0, *LONG), Piece(2, 6.0, *SHORT)], [0, 2])
    assert lay_out([span]) == ([1, 2, 2, 3], [11.0, 13.0, 4.0, 4.0], [1.0, 1.0, -9.0, -10.0])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=120), st.lists(st.integers(0, 120), max_size=12))
def test_the_extremes_of_all_pieces_are_those_of_each(marks: list[int], places: list[int]) -> None:
    """Executions may stand together, or behind the last mark."""
    prices = [float(mark) for mark in marks]
    starts = [0, *sorted(min(place, len(prices)) for place in places)]
    pieces = [Piece(place, 1.0, *LONG) for place in starts]
    expected = [(min(part), max(part)) if (part := prices[a:b]) else None for a, b in pairwise([*starts, len(prices)])]
    found = MarkedSpan(range(len(prices)), prices, pieces, starts).list_extremes()
    assert [one if other is not None else None for one, other in zip(found, expected, strict=True)] == expected


def to_columns(made: list[MarkedSpan]) -> list[MarkedSpan]:
    """The same spans, as a feed with columns would give them."""
    columns: list[tuple[Any, Any]] = [(np.array(span.times, np.int64), np.array(span.prices, float)) for span in made]
    return [
        MarkedSpan(memoryview(times), memoryview(prices), span.pieces, span.starts)
        for span, (times, prices) in zip(made, columns, strict=True)
    ]


@given(st.sets(st.integers(0, 90), min_size=1), st.lists(st.none() | st.integers(0, 99), max_size=20))
def test_pieces_are_placed_alike_among_columns_and_lists(instants: set[int], known: list[int | None]) -> None:
    """Behind all marks that are before they are known, and never before the piece before."""
    times: Any = np.array(sorted(instants), np.int64)
    pieces = [Piece(1, 1.0, *LONG, known_ns=known_ns) for known_ns in known]
    starts = place_pieces(pieces, times.tolist())
    assert starts == place_pieces(pieces, memoryview(times))
    least = 0
    for known_ns, start in zip(known, starts, strict=True):
        if known_ns is not None:
            least = max(least, sum(ts < known_ns for ts in instants))
        assert start == least


@given(spans())
def test_points_of_columns_are_the_points_of_lists(made: list[MarkedSpan]) -> None:
    points = lay_out_columns(to_columns(made))
    assert points is not None
    longs, shorts = points.list_sides(slice(None))
    assert (points.times.tolist(), longs.tolist(), shorts.tolist()) == lay_out(made)
    assert lay_out_columns([*to_columns(made), MarkedSpan([99], [1.0], [Piece(None, 0.0, *LONG)], [0])]) is None
    assert lay_out_columns([]) is None


@given(spans(), st.sampled_from([0, MINUTE_NS, 3 * MINUTE_NS]), st.sampled_from(["24x7", "00:02-00:05 UTC"]))
def test_cells_of_columns_are_the_cells_of_lists(made: list[MarkedSpan], width_ns: int, session: str) -> None:
    """Whatever stands in the curve before, and in whatever shape it came; closes end cells too, here once a day."""
    expected, found = (LedgerCurve(parse_session(session), width_ns) for _ in range(2))
    for number, short in enumerate(made):
        pieces = [replace(piece, ts=None if piece.ts is None else 60 * piece.ts) for piece in short.pieces]
        span = MarkedSpan([60 * ts for ts in short.times], short.prices, pieces, short.starts)
        expected.extend([span])
        points = lay_out_columns(to_columns([span]))
        if points is None or number % 3 == 1:
            found.extend([span])
        else:
            found.extend_columns(points)
    assert found.to_columns() == expected.to_columns()
    assert list(found.list_gaps()) == list(expected.list_gaps())
    for curve in (expected, found):
        curve.coarsen(6 * MINUTE_NS)
    assert found.to_columns() == expected.to_columns()


@given(spans(), st.floats(-3, 100))
def test_a_walk_over_columns_finds_the_drawdown_of_the_points(made: list[MarkedSpan], capital: float) -> None:
    """An equity of 0 and less included, where a fall is no fraction of anything."""
    expected, found = (EquityWalk(DrawdownTracker(capital, 0)) for _ in range(2))
    for span in made:
        expected.walk([[span]])
        points = lay_out_columns(to_columns([span]))
        assert points is not None
        found.walk_columns(points)
        one, other = expected.to_tracker(), found.to_tracker()
        assert (one.deepest, one.deepest_relative) == (other.deepest, other.deepest_relative)
        assert (one.peak, one.peak_ns, one.trough) == (other.peak, other.peak_ns, other.trough)
    assert found.open_ns == expected.open_ns


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=60), st.integers(0, 60), st.sampled_from([0.0, 5.0, 1000.0]))
def test_a_drawdown_tracked_many_at_once_is_that_of_each(profits: list[int], cut: int, capital: float) -> None:
    """Tops that are equal, falls that are, and falls that go on from the call before."""
    expected, found = DrawdownTracker(capital, 0), DrawdownTracker(capital, 0)
    points = [(number, float(profit)) for number, profit in enumerate(profits, 1)]
    expected.track_all(points)
    for part in (points[:cut], points[cut:]):
        found.track_columns(np.array([ts for ts, _ in part], np.int64), np.array([profit for _, profit in part], float))
    assert (found.deepest, found.deepest_relative) == (expected.deepest, expected.deepest_relative)
    assert (found.peak, found.peak_ns, found.trough) == (expected.peak, expected.peak_ns, expected.trough)

"""Spans of marks and executions: whatever is computed piece by piece equals what the points give one by one."""

from __future__ import annotations

from array import array
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tradecore.analytics.drawdown import DrawdownTracker
from tradecore.analytics.equity_curve import LedgerCurve
from tradecore.analytics.equity_walk import EquityWalk
from tradecore.analytics.marked_span import MarkedSpan, Piece, lay_out
from tradecore.domain.instant import SECOND_NS
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
        for _ in range(draw(st.integers(1, 8))):
            now += draw(st.sampled_from([0, 200, 900, 2_500])) * SECOND_NS // 1_000
            course = draw(st.sampled_from([LONG, SHORT]))
            if draw(st.booleans()) or (times and times[-1] == now) or (made and made[-1].last_ns == now):
                pieces.append(Piece(now, float(draw(st.integers(1, 9))), *course, place=len(times)))
            else:
                if not pieces:
                    pieces.append(Piece(None, 0.0, *course))
                times.append(now)
        prices = [float(draw(st.integers(1, 9))) for _ in times]
        made.append(MarkedSpan(times, prices, pieces))
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
    span = MarkedSpan([1, 2, 3], [3.0, 4.0, 7.0], [Piece(None, 0.0, *LONG), Piece(2, 6.0, *SHORT, place=2)])
    assert lay_out([span]) == ([1, 2, 2, 3], [11.0, 13.0, 4.0, 4.0], [1.0, 1.0, -9.0, -10.0])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=120), st.lists(st.integers(0, 120), max_size=12))
def test_the_extremes_of_all_pieces_are_those_of_each(marks: list[int], places: list[int]) -> None:
    """At once or one by one, of a list or of a column; executions may stand together, or behind the last mark."""
    prices = [float(mark) for mark in marks]
    starts = [0, *sorted(min(place, len(prices)) for place in places)]
    pieces = [Piece(place, 1.0, *LONG, place=place) for place in starts]
    expected = [(min(part), max(part)) if (part := prices[a:b]) else None for a, b in pairwise([*starts, len(prices)])]
    for column in (prices, memoryview(array("d", prices))):
        found = MarkedSpan(range(len(prices)), column, pieces).list_extremes()
        assert [one if other is not None else None for one, other in zip(found, expected, strict=True)] == expected

"""The equity curve in bounded memory: what is kept, what stays exact, what it costs."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import pytest

from tradecore.analytics.daily_equity import list_closes
from tradecore.analytics.drawdown import DrawdownTracker
from tradecore.analytics.equity_curve import POINTS_MAX, WIDTHS, LedgerCurve
from tradecore.analytics.marked_span import MarkedSpan, Piece, lay_out
from tradecore.domain.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, parse_ns
from tradecore.domain.trading_session import parse_session


def make_span(times: list[int], prices: list[float]) -> MarkedSpan:
    return MarkedSpan(times, prices, [Piece(None, 0.0, 0.0, 1.0, True, 0.0)], [0])


def saw(i: int) -> float:
    """A price without an end to its falls: up 7 a step, down 100 every 16, with one deep fall at step 150,000."""
    return 1000.0 + (i * 7) % 113 - (5000.0 if i == 150_000 else 0.0)


def test_widths_of_cells_nest_and_divide_a_day() -> None:
    """So the last mark of a wide cell is the last mark of one of its narrow cells, and days end with cells."""
    assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS))
    assert WIDTHS[-1] == DAY_NS


def test_a_cell_ends_at_its_last_instant_and_keeps_its_last_mark() -> None:
    """(0 s, 10 s] holds 1, 5 and 10 s; 10.000000001 s is the next cell's."""
    curve = LedgerCurve(parse_session("24x7"), 10 * SECOND_NS)
    times = [SECOND_NS, 5 * SECOND_NS, 10 * SECOND_NS, 10 * SECOND_NS + 1, 20 * SECOND_NS]
    curve.extend([make_span(times, [1.0, 2.0, 3.0, 4.0, 5.0])])
    assert curve.to_columns() == ([10 * SECOND_NS, 20 * SECOND_NS], [3.0, 5.0], [0.0, 0.0])


def test_the_last_mark_before_a_close_is_kept_at_any_width() -> None:
    """New York closes at 21:00 UTC in winter, which is no edge of a cell of six hours, nor of a day."""
    curve = LedgerCurve(parse_session("09:30-16:00 America/New_York"), DAY_NS)
    times = [parse_ns(f"2024-01-08T{hour}:00:00Z") for hour in ("20", "21", "22", "23")]
    curve.extend([make_span(times, [1.0, 2.0, 3.0, 4.0])])
    assert curve.to_columns()[1] == [2.0, 4.0]


def test_coarsening_later_or_from_the_start_keeps_the_same_points() -> None:
    """Thinning is composable, so the cut of the marks into calls cannot show."""
    session = parse_session("fx")
    times = [17 * MINUTE_NS * i for i in range(1, 600)]
    whole = make_span(times, [saw(i) for i in range(1, 600)])
    late, early = LedgerCurve(session), LedgerCurve(session, HOUR_NS)
    late.extend([whole])
    late.coarsen(HOUR_NS)
    rest = whole
    for count in (1, 100, 7, 200):
        part, left = rest.split(rest.times[count - 1])
        assert part is not None
        assert left is not None
        early.extend([part])
        rest = left
    early.extend([rest])
    assert late.to_columns() == early.to_columns()
    assert len(early) < 250


def test_an_execution_at_a_mark_takes_its_place() -> None:
    """One value per instant, the later one."""
    curve = LedgerCurve(parse_session("24x7"))
    curve.extend(
        [make_span([1, 2], [1.0, 2.0]), MarkedSpan((2,), (9.0,), [Piece(None, 0.0, 0.5, 0.0, False, 2.0)], [0])]
    )
    assert curve.to_columns() == ([1, 2], [1.0, 2.0], [0.0, 0.5])


def test_spans_lay_the_held_side_over_the_price_and_let_the_other_stand() -> None:
    """Short 2 from 10 with 3 made long before: at 9 it is 2."""
    span = MarkedSpan([5, 6], [9.0, 11.0], [Piece(None, 0.0, 20.0, -2.0, False, 3.0)], [0])
    assert lay_out([span]) == ([5, 6], [3.0, 3.0], [2.0, -2.0])


def test_memory_does_not_grow_with_marks_and_the_drawdown_stays_exact(make_analyzer: Any, make_ledger: Any) -> None:
    """300,000 minutes held: the grid coarsens, says so, keeps every midnight, and the deep fall is still seen."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(1, 1000, 0)
    tracker = DrawdownTracker(1000.0, 0)
    peaks = []
    tracemalloc.start()
    for start in range(1, 300_001, 1_000):
        times = [i * MINUTE_NS for i in range(start, start + 1_000)]
        prices = [saw(i) for i in range(start, start + 1_000)]
        ledger.mark(times, prices)
        tracker.track_all((ts, price - 1000.0) for ts, price in zip(times, prices, strict=True))
        if start % 100_000 == 99_001:
            peaks.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.reset_peak()
    tracemalloc.stop()
    s = analyzer.statistics()
    assert s.equity_grid_ns == 3_600 * SECOND_NS  # 300,000 minutes are 5,000 hours; the next narrower cell is a minute
    assert len(s.equity_curve) <= POINTS_MAX
    assert s.drawdown == tracker.deepest
    assert s.max_drawdown > 4900
    assert peaks[-1] < 6_000_000
    assert peaks[-1] - peaks[0] < 24 * POINTS_MAX  # the curve's own points, which are bounded
    midnights = list_closes("24x7", 0, 300_000 * MINUTE_NS)
    by_time = dict(s.equity_curve)
    assert all(by_time[ts] == saw(ts // MINUTE_NS) for ts in midnights)


def test_ledgers_share_one_width(make_analyzer: Any, make_ledger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points are counted over all ledgers, and a ledger that comes late takes the width there is."""
    monkeypatch.setattr("tradecore.analytics.equity_curve.POINTS_MAX", 50)
    monkeypatch.setattr("tradecore.analytics.performance_analyzer.PENDING_MAX", 16)
    analyzer = make_analyzer()
    first, second = make_ledger(analyzer), make_ledger(analyzer, instrument="B.X")
    first.execute(1, 1, 0)
    first.mark([i * MINUTE_NS for i in range(1, 200)], [1.0 + i for i in range(1, 200)])
    second.execute(1, 1, 200 * MINUTE_NS)
    second.mark([i * MINUTE_NS for i in range(201, 400)], [1.0] * 199)
    s = analyzer.statistics()
    assert s.equity_grid_ns == 3_600 * SECOND_NS
    assert len(s.equity_curve) <= 50
    assert s.split_by("instrument")["B.X"].equity_grid_ns == 3_600 * SECOND_NS
    assert s.net_profit == 199

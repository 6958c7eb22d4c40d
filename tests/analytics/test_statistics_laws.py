"""Laws of the statistics, over random streams of executions and marks.

Prices and commissions are eighths, so that every float on the way is exact and equal means equal.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, permutations
from math import isclose
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradecore.analytics import equity_curve, performance_analyzer
from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.analytics.performance_statistics import PerformanceStatistics
from tradecore.domain.execution import BrokerSource
from tradecore.domain.instant import DAY_NS, HOUR_NS

Step = tuple[int, int, int, int]
"""Instrument number, time, signed quantity (0: a mark), price in eighths."""

CAPITAL = 1000
NAMES = ("A.X", "B.X", "C.X")

pytestmark = pytest.mark.filterwarnings("error")
relaxed = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def streams(draw: st.DrawFn, size: int = 16) -> list[Step]:
    """Steps in order of time; a few at one instant; a mark stands before an execution of its instant."""
    steps: list[Step] = []
    now = 0
    for _ in range(draw(st.integers(0, size))):
        now += draw(st.sampled_from([0, 1, HOUR_NS, 7 * HOUR_NS, DAY_NS]))
        instrument = draw(st.integers(0, len(NAMES) - 1))
        quantity = draw(st.sampled_from([0, 0, 0, 1, -1, 2, -2, -4, 3]))
        steps.append((instrument, now, quantity, draw(st.integers(8, 160))))
    # within an instant the marks of an instrument come first, and one of them stands for all
    steps.sort(key=lambda step: (step[1], step[2] != 0))
    seen: set[tuple[int, int]] = set()
    kept = []
    for step in steps:
        if step[2] == 0 and (step[0], step[1]) in seen:
            continue
        seen.add((step[0], step[1]))
        kept.append(step)
    return kept


def is_near(one: Any, other: Any) -> bool:
    """Equal, floats to twelve digits: a third of a cost is no eighth, and a record cut in two adds it up otherwise.

    Of falls that are equal but for the last digit either may be the deepest: their times are not compared.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        keys = {"money", "fraction"} if "trough" in one else one.keys()
        return one.keys() == other.keys() and all(is_near(one[key], other[key]) for key in keys)
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
    return bool(one == other)


class Books:
    """Plays steps into analyzers: one ledger per instrument, marks only while something is held."""

    def __init__(self, make_ledger: Callable[..., Any], analyzers: dict[int, list[PerformanceAnalyzer]]) -> None:
        self.ledgers = {
            number: make_ledger(*kept, instrument=NAMES[number]) for number, kept in analyzers.items() if kept
        }
        self.analyzers = analyzers

    def play(self, step: Step) -> None:
        number, now, quantity, eighths = step
        if quantity:
            commission = Decimal(abs(quantity)) / 8
            self.ledgers[number].execute(quantity, Decimal(eighths) / 8, now, commission=commission)
        elif not self.ledgers[number].position.is_flat:
            self.ledgers[number].mark([now], [eighths / 8])
        for kept in self.analyzers.values():
            for analyzer in kept:
                analyzer.settle(now)


def one_for_all(analyzer: PerformanceAnalyzer) -> dict[int, list[PerformanceAnalyzer]]:
    return {number: [analyzer] for number in range(len(NAMES))}


def without_strategies(statistics: PerformanceStatistics) -> dict[str, Any]:
    facts = statistics.to_dict()
    del facts["by_strategy"]
    return facts


def recompute(steps: list[Step]) -> dict[str, Any]:
    """The numbers from scratch, in fractions, with no thought of speed."""
    cash = dict.fromkeys(range(len(NAMES)), Fraction(0))
    held = dict.fromkeys(range(len(NAMES)), 0)
    price = dict.fromkeys(range(len(NAMES)), Fraction(0))
    trade = dict.fromkeys(range(len(NAMES)), Fraction(0))
    closed: list[Fraction] = []
    equity: dict[int, Fraction] = {}
    for number, now, quantity, eighths in steps:
        at = Fraction(eighths, 8)
        before = held[number]
        if not quantity and not before:
            continue
        price[number] = at
        parts = [quantity]
        if before * quantity < 0 and abs(quantity) > abs(before):
            parts = [-before, quantity + before]  # a flip is a close and an open
        for part in parts:
            flow = -part * at - Fraction(abs(part), 8)
            cash[number] += flow
            trade[number] += flow
            held[number] += part
            if part and not held[number]:
                closed.append(trade[number])
                trade[number] = Fraction(0)
        equity[now] = sum((cash[n] + held[n] * price[n] for n in cash), Fraction(CAPITAL))
    peak, fall = Fraction(CAPITAL), Fraction(0)
    for now in sorted(equity):
        peak = max(peak, equity[now])
        fall = max(fall, peak - equity[now])
    start = (0, Fraction(CAPITAL))
    days = [
        max(((now, value) for now, value in equity.items() if now <= close), default=start)
        for close in range(DAY_NS, (steps[-1][1] if steps else 0) + 1, DAY_NS)
    ]
    return {
        "equity": [(now, float(equity[now])) for now in sorted(equity)],
        "profit": sum((cash[n] + held[n] * price[n] for n in cash), Fraction(0)),
        "trades": sorted(closed),
        "fall": float(fall),
        "days": [float(value) for _, value in days],
    }


@relaxed
@given(steps=streams())
def test_incremental_equals_recomputed_from_scratch_at_every_cut(
    steps: list[Step], make_analyzer: Any, make_ledger: Any
) -> None:
    """Asking on the way, or never, gives the same; and it is what a plain recomputation gives."""
    asked = make_analyzer()
    books = Books(make_ledger, one_for_all(asked))
    for cut, step in enumerate(steps, 1):
        books.play(step)
        now = asked.statistics()
        truth = recompute(steps[:cut])
        assert now.equity_curve == truth["equity"]
        assert Fraction(now.net_profit) == truth["profit"]
        assert Fraction(now.gross_profit) == sum(trade for trade in truth["trades"] if trade > 0)
        assert Fraction(now.gross_loss) == sum(trade for trade in truth["trades"] if trade < 0)
        assert now.trades == len(truth["trades"])
        assert now.max_drawdown == truth["fall"]
    never_asked = make_analyzer()
    books = Books(make_ledger, one_for_all(never_asked))
    for step in steps:
        books.play(step)
    assert never_asked.statistics() == asked.statistics()


@relaxed
@given(steps=streams())
def test_statistics_of_a_plus_b_equal_those_of_a_and_b_combined_at_every_cut(
    steps: list[Step], make_analyzer: Any, make_ledger: Any
) -> None:
    """Two strategies on other instruments, and one analyzer that saw all of it."""
    one, two, all_of_it = make_analyzer("one"), make_analyzer("two"), make_analyzer("all")
    books = Books(make_ledger, {0: [one, all_of_it], 1: [two, all_of_it], 2: [two, all_of_it]})
    for step in steps:
        books.play(step)
        assert without_strategies(one.statistics() + two.statistics()) == without_strategies(all_of_it.statistics())


@relaxed
@given(steps=streams())
def test_the_order_of_adding_does_not_matter(steps: list[Step], make_analyzer: Any, make_ledger: Any) -> None:
    """Commutative and associative, to the last bit."""
    parts = [make_analyzer(name) for name in ("one", "two", "three")]
    books = Books(make_ledger, {number: [part] for number, part in enumerate(parts)})
    for step in steps:
        books.play(step)
    a, b, c = (part.statistics() for part in parts)
    sums = [(one + two) + three for one, two, three in permutations((a, b, c))] + [a + (b + c)]
    assert all(total.to_dict() == sums[0].to_dict() for total in sums)


@relaxed
@given(steps=streams())
def test_long_and_short_add_up_to_all(steps: list[Step], make_analyzer: Any, make_ledger: Any) -> None:
    """The filters by direction part the profit, the trades and the curve."""
    analyzer = make_analyzer()
    books = Books(make_ledger, one_for_all(analyzer))
    for step in steps:
        books.play(step)
    s = analyzer.statistics()
    longs, shorts = s.filter(direction="long"), s.filter(direction="short")
    for name in ("net_profit", "realised_profit", "open_profit", "commission", "turnover", "gross_profit", "trades"):
        assert getattr(longs, name) + getattr(shorts, name) == getattr(s, name)
    assert (longs + shorts).equity_curve == s.equity_curve
    assert (longs + shorts).net_profit == s.net_profit
    assert (longs + shorts).initial_capital == s.initial_capital


@relaxed
@given(steps=streams(), cut=st.integers(0, 16))
def test_a_record_cut_in_two_adds_up_to_the_whole(
    steps: list[Step], cut: int, make_analyzer: Any, make_ledger: Any
) -> None:
    """A resumed run: what is held is carried over the cut, and the trade across it is one trade."""
    cut = min(cut, len(steps))
    whole, first, second = make_analyzer(), make_analyzer(), make_analyzer()
    books = Books(make_ledger, {number: [whole, first] for number in range(len(NAMES))})
    last: dict[int, int] = {}
    for step in steps[:cut]:
        books.play(step)
        last[step[0]] = step[3]
    now = steps[cut - 1][1] if cut else 0
    for number, ledger in books.ledgers.items():
        if not ledger.position.is_flat:
            second.carry("sim", BrokerSource.SIMULATED, ledger.position, now, last[number] / 8)
            # The carried value is a mark of its own, and a fall begins at the last mark at its peak: both must have it.
            whole.record_marks(ledger.position.instrument, [now], [last[number] / 8])
        ledger.analyzers = [whole, second]
    for analyzer in (whole, first, second):
        analyzer.settle(now)
    books.analyzers = {number: [whole, second] for number in range(len(NAMES))}
    for step in steps[cut:]:
        books.play(step)
    total, expected = (first.statistics() + second.statistics()).to_dict(), whole.statistics().to_dict()
    assert is_near(total, expected), (total, expected)


@relaxed
@given(steps=streams(32), asked=st.sets(st.integers(0, 31), max_size=4))
def test_how_marks_are_cut_into_calls_and_asked_for_changes_nothing(
    steps: list[Step], asked: set[int], make_analyzer: Any, make_ledger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One mark a call, or all since the last execution, in small memory or large: the same numbers, exact drawdown."""
    with monkeypatch.context() as patch:
        patch.setattr(equity_curve, "POINTS_MAX", 6)
        patch.setattr(performance_analyzer, "PENDING_MAX", 4)
        single = make_analyzer()
        books = Books(make_ledger, one_for_all(single))
        kept = []
        for number, step in enumerate(steps):
            books.play(step)
            if number in asked:
                kept.append((single.statistics(), single.statistics().to_dict()))
        assert all(value.to_dict() == then for value, then in kept)  # a value of its own, whatever came later
        # Instruments may arrive out of order within what is pending; a window of the engine is far below it.
        patch.setattr(performance_analyzer, "PENDING_MAX", 100)
        bulk = make_analyzer()
        play_in_bulk(steps, bulk, make_ledger)
        one, other = single.statistics(), bulk.statistics()
        assert one.to_dict() == other.to_dict()
        truth = recompute(steps)
        assert one.max_drawdown == truth["fall"]
        assert Fraction(one.net_profit) == truth["profit"]
        # the grid keeps the last mark of each day
        returns = one.daily_returns
        equity = [float(CAPITAL), *truth["days"]]
        expected = [b / a - 1 for a, b in pairwise(equity)]
        assert returns is None or returns == expected


def play_in_bulk(steps: list[Step], analyzer: PerformanceAnalyzer, make_ledger: Callable[..., Any]) -> None:
    """Marks wait until their own instrument executes, or to the end; so instruments arrive out of order."""
    books = Books(make_ledger, one_for_all(analyzer))
    waiting: dict[int, list[Step]] = {number: [] for number in range(len(NAMES))}

    def hand_over(number: int) -> None:
        if waiting[number]:
            books.ledgers[number].mark([step[1] for step in waiting[number]], [step[3] / 8 for step in waiting[number]])
            waiting[number].clear()

    for step in steps:
        number, _, quantity, _ = step
        if quantity:
            hand_over(number)
            books.play(step)
        elif not books.ledgers[number].position.is_flat:
            waiting[number].append(step)
    for number in waiting:
        hand_over(number)
    analyzer.settle(steps[-1][1] if steps else 0)

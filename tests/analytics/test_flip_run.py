"""Flips are taken in together as they are one by one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, Inexact, localcontext
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradecore.analytics import performance_analyzer
from tradecore.analytics.ledger_record import LedgerRecord
from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.analytics.performance_statistics import add_statistics
from tradecore.domain.execution import BrokerSource, Execution, Liquidity
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position
from tradecore.errors import StatisticsError

Recorded = tuple[Execution, Position, Position, int | None]


class Step(NamedTuple):
    """What happens next, of whichever kind: held is what an execution leads to, None for a mark."""

    wait_ns: int
    held: Decimal | None
    price: Decimal
    known_after_ns: int | None = 1
    commission: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    liquidity: Liquidity = Liquidity.TAKER
    income: Decimal | None = None
    asks: bool = False


def tell(*analyzers: PerformanceAnalyzer) -> tuple[Any, Any]:
    """All that can be read of what they recorded, together."""
    statistics = add_statistics([one.statistics() for one in analyzers])
    return statistics.to_dict(), statistics.equity_curve


def play(steps: list[Step], analyzer: PerformanceAnalyzer) -> list[Any]:
    """Record the steps; the numbers whenever they are asked for, and at the end."""
    return [*record(steps, analyzer), tell(analyzer)]


def record(steps: list[Step], analyzer: PerformanceAnalyzer) -> list[Any]:
    """Record the steps as a ledger does; the numbers whenever they are asked for."""
    position, now, marked_ns, told = Position("A.X"), 0, -1, []
    for number, step in enumerate(steps):
        now += step.wait_ns
        if step.income is not None and not position.is_flat:
            marked_ns = max(now, marked_ns) + 2  # executions may follow that happened in the bar that ends then
            position = position.after_income(step.income, marked_ns)
            analyzer.record_adjustment(
                "sim", BrokerSource.SIMULATED, "A.X", position, marked_ns, step.income, float(step.price)
            )
        if step.held is None:
            if not position.is_flat and now > marked_ns:
                marked_ns = now
                analyzer.record_marks("A.X", [now], [float(step.price)], "sim")
        elif amount := step.held - position.quantity:
            execution = Execution(
                f"s-{number}.1", f"s-{number}", "s", "sim", BrokerSource.SIMULATED, "A.X",
                OrderSide.BUY if amount > 0 else OrderSide.SELL, abs(amount), step.price, step.commission, "USD",
                step.liquidity, "bar", now, step.slippage,
            )  # fmt: skip
            after = position.after(amount, step.price, now, step.commission)
            known_ns = None if step.known_after_ns is None else now + step.known_after_ns
            analyzer.record_execution(execution, position, after, known_ns)
            position = after
        if step.asks:
            told.append(tell(analyzer))
    return told


def take_one_by_one(steps: list[Step], make_analyzer: Callable[..., PerformanceAnalyzer]) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(performance_analyzer, "RUN_LEAST", 1_000)
        return play(steps, make_analyzer())


def amounts(text: str) -> list[Decimal]:
    return [Decimal(word) for word in text.split()]


usual = st.builds(
    lambda wait_ns, held, price: Step(wait_ns, held, price),
    wait_ns=st.integers(0, 3),
    held=st.sampled_from(amounts("-1 1 -2 2 0.5 -0.5")),
    price=st.integers(1, 20_000).map(lambda cents: Decimal(cents) / 100),
)
unusual = st.builds(
    Step,
    wait_ns=st.integers(0, 3),
    held=st.none() | st.sampled_from(amounts("-1 1 0 3 -3")),
    price=st.integers(1, 20_000).map(lambda cents: Decimal(cents) / 100),
    known_after_ns=st.sampled_from([1, 0, 2]),
    commission=st.sampled_from(amounts("0 0 0.25 -0.125")),
    slippage=st.sampled_from(amounts("0 0 0.01")),
    liquidity=st.sampled_from([Liquidity.TAKER, Liquidity.TAKER, Liquidity.MAKER]),
    income=st.none() | st.sampled_from(amounts("1.5 -0.75")),
    asks=st.booleans(),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.lists(usual, max_size=14) | st.lists(unusual, max_size=2), max_size=8),
    waiting=st.sampled_from([3, 8, 128]),
)
def test_executions_taken_in_together_give_the_numbers_of_one_by_one(
    parts: list[list[Step]], waiting: int, make_analyzer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of flips among anything else: the same to the last digit and the last zero of every amount."""
    steps = [step for part in parts for step in part]
    with monkeypatch.context() as patch:
        patch.setattr(performance_analyzer, "RUN_LEAST", 2)
        patch.setattr(performance_analyzer, "WAITING_MAX", waiting)
        together = play(steps, make_analyzer())
    assert repr(together) == repr(take_one_by_one(steps, make_analyzer))


def flips(count: int) -> list[Step]:
    return [Step(5, Decimal(1 - 2 * (i % 2)), Decimal(100 + i)) for i in range(count)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the runs that were offered, below 0 of those that were left to be taken one by one."""
    sizes: list[int] = []
    add_flips = LedgerRecord.add_flips

    def count(record: LedgerRecord, run: list[Recorded]) -> int:
        taken = add_flips(record, run)
        sizes.append(taken or -len(run))
        return taken

    monkeypatch.setattr(LedgerRecord, "add_flips", count)
    return sizes


def test_flips_behind_the_opening_are_taken_in_together(make_analyzer: Any, counted: list[int]) -> None:
    """Worked by hand: +1@100, flips to -1@101 (+1), +1@102 (-1), -1@103 (+1), +1@104 (-1), then marked at 106.

    Long made 1 + 1 and is 2 ahead of 104; short made -1 - 1.
    """
    steps = flips(5)
    steps.insert(1, Step(1, None, Decimal(100)))
    analyzer = make_analyzer()
    play([*steps, Step(5, None, Decimal(106))], analyzer)
    assert counted == [4]
    long, short = (analyzer.statistics().filter(direction) for direction in ("long", "short"))
    assert (long.net_profit, short.net_profit) == (Decimal(4), Decimal(-2))
    assert (long.trades, short.trades) == (2, 2)
    assert long.turnover + short.turnover == 100 + 2 * (101 + 102 + 103 + 104)


@pytest.mark.parametrize(
    "change",
    [
        {"commission": Decimal("0.01")}, {"slippage": Decimal("0.01")}, {"liquidity": Liquidity.MAKER},
        {"held": Decimal(0)}, {"held": Decimal(-3)}, {"known_after_ns": None}, {"income": Decimal(1)},
    ],
)  # fmt: skip
def test_a_run_with_anything_else_in_it_is_taken_in_one_by_one(
    change: dict[str, Any], make_analyzer: Any, counted: list[int]
) -> None:
    steps = flips(12)
    steps[8] = steps[8]._replace(**change)
    steps.insert(1, Step(1, None, Decimal(100)))
    told = play(steps, make_analyzer())
    assert counted
    assert all(size < 0 for size in counted if "income" not in change)
    assert repr(told) == repr(take_one_by_one(steps, make_analyzer))


def test_ledgers_whose_executions_take_turns_stay_apart(make_analyzer: Any, make_ledger: Any) -> None:
    told = []
    for least in (2, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(performance_analyzer, "RUN_LEAST", least)
            patch.setattr(performance_analyzer, "WAITING_MAX", 2)
            analyzer = make_analyzer()
            ledgers = [make_ledger(analyzer, instrument=name) for name in ("A.X", "B.X")]
            for number in range(24):
                signed = (2 if number > 1 else 1) * (1 - 2 * ((number + 1) // 2 % 2))
                ledgers[number % 2].execute(signed, 100 + number, number, known_ns=number + 1)
            told.append(repr(tell(analyzer)))
    assert told[0] == told[1]


def test_a_trade_that_was_carried_into_the_record_ends_as_such(make_analyzer: Any, make_ledger: Any) -> None:
    told = []
    for least in (2, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(performance_analyzer, "RUN_LEAST", least)
            analyzer = make_analyzer()
            earlier = make_analyzer()
            ledger = make_ledger(earlier)
            ledger.execute(1, 90, 0, commission=1)
            ledger.analyzers = [analyzer]
            analyzer.carry("sim", BrokerSource.SIMULATED, ledger.position, 1, 95.0)
            for number in range(8):
                ledger.execute(-2 if number % 2 == 0 else 2, 100 + number, 2 + number, known_ns=3 + number)
            told.append(repr(tell(earlier, analyzer)))
    assert told[0] == told[1]
    assert analyzer.statistics().trades == 8  # the end of what was carried in is one


def test_one_that_is_refused_is_left_out_and_those_after_it_are_taken_in(make_analyzer: Any, make_ledger: Any) -> None:
    """The last one goes back in time; marks stand before and behind it."""
    told = []
    for least in (2, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(performance_analyzer, "RUN_LEAST", least)
            analyzer = make_analyzer()
            ledger = make_ledger(analyzer)
            for number in range(12):
                ts = 20 if number == 11 else 10 * number
                ledger.execute(2 if number % 2 else -2 if number else -1, 100 + number, ts, known_ns=ts + 1)
                if number in (1, 5, 8):
                    ledger.mark([ts + 2, ts + 3], [100.5, 101.5])
            ledger.mark([120, 130], [101.5, 102.5])
            with pytest.raises(StatisticsError, match="came after"):
                analyzer.statistics()
            told.append(repr(tell(analyzer)))
    assert told[0] == told[1]
    assert analyzer.statistics().executions == 11


@pytest.mark.parametrize("digits", [2, 3, 4, 5, 6])
def test_a_run_that_raises_in_the_middle_leaves_the_record_as_it_was(digits: int, make_analyzer: Any) -> None:
    """The user's own context traps what it rounds: prices, turnover, or with six digits what was made on a side that
    had a millionth before.
    """
    steps = flips(12)
    steps.insert(2, Step(1, None, Decimal(101), income=Decimal("0.000001")))
    expected, analyzer = make_analyzer(), make_analyzer()
    for one in (expected, analyzer):
        record(steps, one)
    with localcontext() as context:
        context.prec = digits
        context.traps[Inexact] = True
        with pytest.raises(Inexact):
            analyzer._ledgers[0].add_flips(analyzer._waiting)
    assert repr(tell(analyzer)) == repr(tell(expected))

"""The formulas: their worked examples run, and what has no finite answer is None."""

from __future__ import annotations

import doctest
from decimal import Decimal
from math import sqrt
from types import ModuleType

import pytest

from tradecore.analytics import daily_equity, metrics, statistics_table


@pytest.mark.parametrize("module", [metrics, daily_equity, statistics_table])
def test_the_worked_examples_of_the_docstrings_hold(module: ModuleType) -> None:
    """A formula whose example is wrong is worse than one without."""
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


def test_sharpe_is_mean_over_deviation_times_the_root_of_returns_per_year() -> None:
    """31 returns: 0.01 thirty times and 0.04 once, in 31 days of a year of 365.25."""
    returns = [0.01] * 30 + [0.04]
    # mean = 0.34 / 31; squares: 30 x (0.01 - m)^2 + (0.04 - m)^2, ddof 1 -> / 30
    mean = 0.34 / 31
    deviation = sqrt((30 * (0.01 - mean) ** 2 + (0.04 - mean) ** 2) / 30)
    assert metrics.compute_sharpe(returns, 31 / 365.25) == pytest.approx(mean / deviation * sqrt(365.25), rel=1e-12)


def test_ratios_of_under_thirty_returns_are_none() -> None:
    """29 days say nothing about a year."""
    returns = [0.01, -0.01] * 14 + [0.02]
    assert len(returns) == 29
    assert metrics.compute_sharpe(returns, 0.1) is None
    assert metrics.compute_sortino(returns, 0.1) is None
    assert metrics.compute_volatility(returns, 0.1) is None
    assert metrics.compute_sharpe([*returns, 0.0], 0.1) is not None


def test_ratios_without_anything_to_divide_by_are_none() -> None:
    """No infinities and no NaN in a report."""
    assert metrics.compute_sharpe([0.0] * 40, 0.1) is None  # nothing was risked
    assert metrics.compute_sortino([0.01] * 40, 0.1) is None  # no day lost
    assert metrics.compute_sharpe([0.01, 0.02] * 20, 0.0) is None  # no time elapsed
    assert metrics.compute_volatility([0.01, 0.02] * 20, 0.0) is None
    assert metrics.compute_deviation([0.1]) is None
    assert metrics.compute_mean([]) is None
    assert metrics.compute_profit_factor(Decimal(5), Decimal(0)) is None
    assert metrics.compute_expectancy(Decimal(0), Decimal(0), 0) is None
    assert metrics.compute_calmar(0.1, 0.0) is None
    assert metrics.compute_calmar(None, 0.1) is None
    assert metrics.compute_total_return(Decimal(0), Decimal(5)) is None
    assert metrics.compute_share(1, 0) is None


def test_cagr_is_none_where_growth_per_year_has_no_number() -> None:
    """Ruin has no growth rate, and a profit of a minute compounded for a year is none."""
    assert metrics.compute_cagr(Decimal(100), Decimal(0), 1.0) is None
    assert metrics.compute_cagr(Decimal(100), Decimal(-5), 1.0) is None
    assert metrics.compute_cagr(Decimal(0), Decimal(5), 1.0) is None
    assert metrics.compute_cagr(Decimal(100), Decimal(110), 0.0) is None
    assert metrics.compute_cagr(Decimal(100), Decimal(150), 1e-6) is None  # 1.5 ** 1,000,000


def test_daily_returns_on_an_equity_of_nothing_are_none() -> None:
    """One cannot lose a fraction of nothing; the ruin itself is still a return of -1."""
    assert metrics.compute_daily_returns([100.0, 0.0, 50.0]) is None
    assert metrics.compute_daily_returns([100.0, 0.0]) == [-1.0]

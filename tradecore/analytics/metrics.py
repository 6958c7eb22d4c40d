"""Metrics: every number of the statistics that is a formula, with its units and a worked example.

Receives: plain numbers: money (float or Decimal), daily returns (fractions), times (int nanoseconds).
Gives:    one number each, or None where the formula has no finite answer (never an infinity or a NaN).
Never:    knows executions, curves or accounts; never uses the built-in sum over floats.    Spec: Strategy Performance
          Analysis; EXECUTION 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from math import fsum, isfinite, sqrt
from operator import mul
from typing import Final

from tradecore.domain.instant import DAY_NS

YEAR_NS: Final = DAY_NS * 1461 // 4
"""365.25 days: the length of a year where time elapsed is turned into years."""

RETURNS_MIN: Final = 30
"""Under this many daily returns, ratios of returns say nothing and are None (EXECUTION 10)."""


def compute_years(start_ns: int, end_ns: int) -> float:
    """Years of 365.25 days from start to end, >= 0.

    >>> compute_years(0, 1461 * 86_400 * 10**9)  # 1461 days are four of these years
    4.0
    """
    return max(end_ns - start_ns, 0) / YEAR_NS


def compute_total_return(initial: Decimal, profit: Decimal) -> float | None:
    """Profit over the initial capital, a fraction (0.1 = 10 %). None without capital.

    >>> compute_total_return(Decimal(1000), Decimal("-34.5"))
    -0.0345
    """
    return float(profit / initial) if initial > 0 else None


def compute_cagr(initial: Decimal, final: Decimal, years: float) -> float | None:
    """Compound annual growth rate by time elapsed, a fraction per year: (final / initial) ** (1 / years) - 1.

    None without capital, without time, when the final equity is 0 or less, and where the number is too large to be one
    (a profit of a minute, compounded for a year).

    >>> round(compute_cagr(Decimal(100), Decimal(121), 2.0), 12)  # 1.21 over two years: 10 % a year
    0.1
    """
    if initial <= 0 or final <= 0 or years <= 0:
        return None
    try:
        rate = float(final / initial) ** (1 / years) - 1
    except OverflowError:
        return None
    return rate if isfinite(rate) else None


def compute_daily_returns(equity: Sequence[float]) -> list[float] | None:
    """Returns on the prior day's equity, fractions: e[i] / e[i-1] - 1. The first value is the initial capital.

    None when an equity that must be divided by is 0 or less: there is no return on nothing.

    >>> compute_daily_returns([100.0, 110.0, 110.0, 99.0])
    [0.10000000000000009, 0.0, -0.09999999999999998]
    """
    if any(value <= 0 for value in equity[:-1]):
        return None
    return [after / before - 1 for before, after in pairwise(equity)]


def compute_mean(values: Sequence[float]) -> float | None:
    """Arithmetic mean, correctly rounded sum. None of nothing.

    >>> compute_mean([0.1, 0.2, 0.3])
    0.19999999999999998
    """
    return fsum(values) / len(values) if values else None


def compute_deviation(values: Sequence[float]) -> float | None:
    """Standard deviation with ddof 1, in the unit of the values. None under two values.

    >>> compute_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])  # mean 5, squares 32, over 7
    2.138089935299395
    """
    if len(values) < 2:
        return None
    mean = fsum(values) / len(values)
    apart = [value - mean for value in values]
    return sqrt(fsum(map(mul, apart, apart)) / (len(values) - 1))


def compute_returns_per_year(count: int, years: float) -> float | None:
    """How many returns a year has: returns / years elapsed. It annualises without assuming a calendar.

    >>> compute_returns_per_year(504, 2.0)
    252.0
    """
    return count / years if years > 0 else None


def compute_volatility(returns: Sequence[float], years: float) -> float | None:
    """Deviation of daily returns x sqrt(returns / years): a fraction per year. None under 30 returns.

    >>> compute_volatility([0.01, -0.01] * 126, 1.0)  # deviation 0.01 x sqrt(252 / 251), x sqrt(252)
    0.1590609895806464
    """
    deviation, per_year = compute_deviation(returns), compute_returns_per_year(len(returns), years)
    if len(returns) < RETURNS_MIN or deviation is None or per_year is None:
        return None
    return deviation * sqrt(per_year)


def compute_sharpe(returns: Sequence[float], years: float) -> float | None:
    """Mean over deviation (ddof 1) of daily returns x sqrt(returns / years); risk-free 0; per sqrt(year).

    None under 30 returns, and when the deviation is 0 (nothing was risked, so there is nothing to divide by).

    >>> compute_sharpe([0.02, 0.0] * 18, 36 / 365.25)  # mean 0.01, deviation 0.01 x sqrt(36 / 35), x sqrt(365.25)
    18.844207774981324
    """
    per_year, deviation, mean = compute_returns_per_year(len(returns), years), compute_deviation(returns), None
    if len(returns) >= RETURNS_MIN:
        mean = compute_mean(returns)
    if mean is None or not deviation or per_year is None:
        return None
    return mean / deviation * sqrt(per_year)


def compute_sortino(returns: Sequence[float], years: float) -> float | None:
    """Mean over downside deviation of daily returns x sqrt(returns / years); risk-free 0; per sqrt(year).

    Downside deviation: sqrt(sum of squared returns below 0 / (n - 1)) over all n days. None under 30 returns, and when
    no day lost.

    >>> compute_sortino([0.02, -0.01] * 18, 36 / 365.25)  # mean 0.005, downside sqrt(18 x 0.0001 / 35)
    13.324867103777557
    """
    per_year, count = compute_returns_per_year(len(returns), years), len(returns)
    if count < RETURNS_MIN or per_year is None:
        return None
    downside = sqrt(fsum(value * value for value in returns if value < 0) / (count - 1))
    return fsum(returns) / count / downside * sqrt(per_year) if downside else None


def compute_calmar(cagr: float | None, drawdown: float | None) -> float | None:
    """CAGR over the largest relative drawdown (both fractions). None when there was no drawdown.

    >>> compute_calmar(0.1, 0.25)
    0.4
    """
    return cagr / drawdown if cagr is not None and drawdown else None


def compute_profit_factor(gross_profit: Decimal, gross_loss: Decimal) -> float | None:
    """What winning trades made for each unit that losing trades lost (gross_loss <= 0). None when none lost.

    >>> compute_profit_factor(Decimal(90), Decimal(-60))
    1.5
    """
    return float(gross_profit / -gross_loss) if gross_loss else None


def compute_share(part: float, whole: float) -> float | None:
    """part / whole, a fraction; None of nothing. Win rate: winning trades over trades; exposure: time held over time.

    >>> compute_share(3, 4)
    0.75
    """
    return part / whole if whole > 0 else None


def compute_expectancy(gross_profit: Decimal, gross_loss: Decimal, trades: int) -> float | None:
    """What a closed trade brought on average, in money after commission: (gross profit + gross loss) / trades.

    >>> compute_expectancy(Decimal(90), Decimal(-60), 4)
    7.5
    """
    return float((gross_profit + gross_loss) / trades) if trades else None

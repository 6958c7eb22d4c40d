"""What a run's statistics are over: the time from its first event on, the capital of every account that was used."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.analytics.performance_statistics import PerformanceStatistics
from tradecore.testing.builders import make_bars, make_instrument, make_ns

ID = "TEST.SIM"
DAY = f"{ID} 1d last"


def margin(cash: int) -> tc.SimulatedBrokerSettings:
    return tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(cash)})


class BuysLate(tc.Strategy):
    """Looks at its statistics at once, and on day 20; buys on day 20."""

    def __init__(self, feed: Any) -> None:
        self.feed = feed
        self.seen = 0
        self.early: list[PerformanceStatistics] = []

    def on_start(self) -> None:
        self.early.append(self.statistics)
        self.add_event_feed(self.feed, "bars")

    def on_bar(self, bar: tc.Bar) -> None:
        self.seen += 1
        if self.seen in (1, 20):
            self.early.append(self.statistics)
        if self.seen == 20:
            self.submit_order(tc.Order.market(ID, 10))


@pytest.mark.parametrize("batch_size", [1, 1_024])
async def test_without_a_start_statistics_begin_at_the_first_event_of_the_run(batch_size: int) -> None:
    """Forty days, the first ends on 2 January; bought at the open of day 21, so nineteen days are flat."""
    closes = [100.0 + (n * 7 % 5) for n in range(40)]
    first = make_ns("2024-01-02")
    strategy = BuysLate(tc.feed(make_bars(closes, bar_type=DAY), name="bars"))
    result = await tc.run_backtest(
        strategies=strategy, instruments=[make_instrument(ID)], brokers={"sim": margin(100_000)}, batch_size=batch_size
    )
    assert [early.start_ns for early in strategy.early] == [None, first, first]
    assert strategy.early[2].end_ns == make_ns("2024-01-21")
    assert (result.statistics.start_ns, result.statistics.end_ns) == (first, make_ns("2024-02-10"))
    returns = result.statistics.daily_returns
    assert returns is not None
    assert len(returns) == 39
    assert returns[:19] == [0.0] * 19
    assert result.statistics.sharpe is not None  # of 39 returns; from the first execution on there were only 20


class BuysAtBoth(tc.Strategy):
    """Buys at its own broker on day 2, at the other one on the day that is given."""

    def __init__(self, feed: Any, other_on: int) -> None:
        self.feed, self.other_on, self.seen = feed, other_on, 0

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "bars")

    def on_bar(self, bar: tc.Bar) -> None:
        self.seen += 1
        if self.seen == 2:
            self.submit_order(tc.Order.market(ID, 10))
        if self.seen == self.other_on:
            self.submit_order(tc.Order.market(ID, 5), broker="second")


@pytest.mark.parametrize(
    ("other_on", "accounts"),
    [
        (8, {"first": Decimal(1_000), "second": Decimal(9_000)}),
        (99, {"first": Decimal(1_000)}),  # an account that was never used is nobody's capital
    ],
)
async def test_the_capital_of_every_account_that_executed_counts(other_on: int, accounts: dict[str, Decimal]) -> None:
    """Bought at 101, equity falls by 10 x (102 - 97) = 50 from its peak of initial + 10."""
    closes = [100.0, 101.0, 102.0, 97.0, 98.0, 99.0, 99.0, 99.0, 99.0, 99.0]
    strategy = BuysAtBoth(tc.feed(make_bars(closes, bar_type=DAY), name="bars"), other_on)
    result = await tc.run_backtest(
        strategies=strategy,
        instruments=[make_instrument(ID)],
        brokers={"first": margin(1_000), "second": margin(9_000), "third": margin(5)},
    )
    capital = sum(accounts.values(), Decimal(0))
    assert dict(result.statistics.accounts) == accounts
    assert result.statistics.initial_capital == capital
    assert result.statistics.final_equity == capital - 20  # 10 x (99 - 101); the other one bought at 99
    assert result.statistics.max_drawdown == 50.0
    assert result.statistics.max_drawdown_fraction == pytest.approx(50 / (float(capital) + 10), rel=1e-12)


async def test_two_strategies_that_use_both_accounts_count_each_capital_once() -> None:
    closes = [100.0] * 10

    def make() -> BuysAtBoth:
        return BuysAtBoth(tc.feed(make_bars(closes, bar_type=DAY), name="bars"), 3)

    result = await tc.run_backtest(
        strategies={"a": make(), "b": make()},
        broker_of={"a": "first", "b": "second"},
        instruments=[make_instrument(ID)],
        brokers={"first": margin(1_000), "second": margin(9_000)},
    )
    assert {name: one.initial_capital for name, one in result.strategies.items()} == {"a": 10_000, "b": 9_000}
    assert result.statistics.initial_capital == 10_000

"""PerformanceAnalyzer and PerformanceStatistics, on numbers worked by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tradecore.analytics.performance_statistics import PerformanceStatistics, add_statistics
from tradecore.domain.execution import BrokerSource, Liquidity
from tradecore.domain.instant import DAY_NS, HOUR_NS, format_ns, parse_ns
from tradecore.domain.position import Position
from tradecore.errors import StatisticsError


def test_the_example_of_execution_9_gives_its_realised_profit_and_splits_the_flip(
    make_analyzer: Any, make_ledger: Any
) -> None:
    """+2@100, +2@110, -3@120, -3@90: realised 45, then -15; the last is a close of 1 and an open of 2."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    for ts, (quantity, price) in enumerate(((2, 100), (2, 110), (-3, 120), (-3, 90)), 1):
        ledger.execute(quantity, price, ts, commission=3)
    ledger.mark([10], [80.0])
    s = analyzer.statistics()
    assert s.realised_profit == 30  # 3 x (120 - 105) + 1 x (90 - 105)
    assert s.commission == 12
    assert s.open_profit == 20  # short 2 at 90, market at 80
    assert s.net_profit == 38  # 30 + 20 - 12
    assert s.final_equity == 1038
    assert s.turnover == 200 + 220 + 360 + 270
    longs, shorts = s.filter(direction="long"), s.filter(direction="short")
    assert longs.commission == 10  # 3 + 3 + 3 + a third of the flip's 3
    assert longs.net_profit == 20  # 45 - 15 - 10
    assert shorts.commission == 2
    assert shorts.net_profit == 18  # 20 - 2
    assert (s.trades, s.trades_won, s.trades_lost, s.trades_open) == (1, 1, 0, 1)
    assert s.best_trade == s.worst_trade == 20
    assert (s.executions, s.buys, s.sells) == (4, 2, 2)
    assert (longs.executions, shorts.executions) == (4, 1)  # the flip touched both


def test_cash_follows_from_the_executions_alone(make_analyzer: Any, make_ledger: Any) -> None:
    """Flat: net profit is money in minus money out minus commission, to the last digit."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute("0.3", "100.1", 1, commission="0.0123")  # pays 30.03
    ledger.execute("-0.1", "100.7", 2, commission="0.0041")  # gets 10.07
    ledger.execute("-0.2", "99.9", 3, commission="0.0077")  # gets 19.98
    s = analyzer.statistics()
    assert s.net_profit == Decimal("0.02") - Decimal("0.0241")  # 10.07 + 19.98 - 30.03
    assert s.realised_profit == Decimal("0.02")
    assert s.gross_loss == Decimal("-0.0041")
    assert s.open_profit == 0


def test_multiplier_counts_in_every_number_of_money(make_analyzer: Any, make_ledger: Any) -> None:
    """A future of 50 a point."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.position = Position("A.X", multiplier=Decimal(50))
    ledger.execute(2, 10, 1, slippage="0.25")
    ledger.mark([2], [11.0])
    s = analyzer.statistics()
    assert s.open_profit == 100  # 2 x 50 x 1
    assert s.turnover == 1000
    assert s.slippage == 25  # 2 x 50 x 0.25
    assert s.equity_curve == [(1, 1000.0), (2, 1100.0)]


def test_drawdown_has_the_last_time_at_the_peak_the_bottom_and_the_recovery(
    make_analyzer: Any, make_ledger: Any
) -> None:
    """Long 1 from 100 with 1000: 110, 110, 95, 105, 112, 100: the first fall is 15 of 1010, the second 12 of 1012."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(1, 100, 10)
    ledger.mark([20, 30, 40, 50, 60, 70], [110.0, 110.0, 95.0, 105.0, 112.0, 100.0])
    s = analyzer.statistics()
    assert s.max_drawdown == 15.0
    assert s.max_drawdown_fraction == 15 / 1010
    assert (s.drawdown.start_ns, s.drawdown.trough_ns, s.drawdown.end_ns) == (30, 40, 60)
    assert s.drawdown_relative == s.drawdown


def test_the_deepest_fall_in_money_need_not_be_the_deepest_fraction(make_analyzer: Any, make_ledger: Any) -> None:
    """1000 to 900 is 10 %; 3000 to 2850 is more money and 5 %; the second never came back."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(100, 10, 1)
    ledger.mark([2, 3, 4], [9.0, 30.0, 28.5])
    s = analyzer.statistics()
    assert s.max_drawdown == 150.0
    assert (s.drawdown.start_ns, s.drawdown.trough_ns, s.drawdown.end_ns) == (3, 4, None)
    assert s.max_drawdown_fraction == 0.1
    assert (s.drawdown_relative.start_ns, s.drawdown_relative.end_ns) == (1, 3)


def test_a_loss_from_the_start_is_a_drawdown_from_the_initial_capital(make_analyzer: Any, make_ledger: Any) -> None:
    """Commission of the very first execution is a fall from 1000."""
    analyzer = make_analyzer()
    make_ledger(analyzer).execute(1, 100, 5, commission=4)
    s = analyzer.statistics()
    assert (s.max_drawdown, s.drawdown.start_ns, s.drawdown.trough_ns) == (4.0, 0, 5)


def test_two_instruments_are_valued_once_per_instant(make_analyzer: Any, make_ledger: Any) -> None:
    """A loses 50 while B makes 50 at one instant: that is no fall, whichever mark comes first."""
    analyzer = make_analyzer()
    a, b = make_ledger(analyzer), make_ledger(analyzer, instrument="B.X")
    a.execute(1, 100, 1)
    b.execute(1, 100, 1)
    a.mark([2, 4], [50.0, 120.0])
    b.mark([2, 3], [150.0, 140.0])
    s = analyzer.statistics()
    # time 2: -50 + 50 = 0; time 3: -50 + 40 = -10; time 4: 20 + 40 = 60
    assert s.equity_curve == [(1, 1000.0), (2, 1000.0), (3, 990.0), (4, 1060.0)]
    assert (s.max_drawdown, s.drawdown.start_ns, s.drawdown.end_ns) == (10.0, 2, 4)


def test_an_execution_at_the_instant_of_a_mark_has_the_last_word(make_analyzer: Any, make_ledger: Any) -> None:
    """The mark at 2 says 900, but at 2 it is closed at 95: equity of that instant is 995."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(1, 100, 1)
    ledger.mark([2], [0.0])
    ledger.execute(-1, 95, 2)
    s = analyzer.statistics()
    assert s.equity_curve == [(1, 1000.0), (2, 995.0)]
    assert s.max_drawdown == 5.0


def test_sharpe_reads_equity_once_a_day_flat_days_included(make_analyzer: Any, make_ledger: Any) -> None:
    """32 days: +100 on day 1, -110 on day 2, flat for the rest; two returns of 0.1 and -0.1, thirty of 0."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(1, 100, 0)
    ledger.mark([HOUR_NS, DAY_NS], [500.0, 200.0])  # what happens within the day does not count
    ledger.execute(-1, 90, DAY_NS + HOUR_NS)
    analyzer.settle(32 * DAY_NS + HOUR_NS)  # the hour that is left is not a day
    s = analyzer.statistics()
    assert s.daily_returns is not None
    assert len(s.daily_returns) == 32
    assert s.daily_returns[:2] == pytest.approx([0.1, -0.1])  # 1100 / 1000, 990 / 1100
    assert set(s.daily_returns[2:]) == {0.0}
    assert s.sharpe == pytest.approx(0.0, abs=1e-12)
    # deviation sqrt(0.02 / 31) x sqrt(32 / (32 days and an hour in years))
    years = (32 + 1 / 24) / 365.25
    assert s.volatility == pytest.approx((0.02 / 31) ** 0.5 * (32 / years) ** 0.5)
    assert s.sortino == pytest.approx(0.0, abs=1e-12)


def test_the_days_of_a_session_end_at_its_close_on_weekdays(make_analyzer: Any, make_ledger: Any) -> None:
    """New York closes at 21:00 UTC in winter; Friday 2024-01-05 to Tuesday 2024-01-09 has three closes."""
    start = parse_ns("2024-01-05T00:00:00Z")
    analyzer = make_analyzer(start_ns=start, session="09:30-16:00 America/New_York")
    ledger = make_ledger(analyzer)
    ledger.execute(1, 100, start + HOUR_NS)
    ledger.mark(
        [parse_ns(f"2024-01-{day}:00:00Z") for day in ("05T21", "05T22", "08T21", "09T20")], [150.0, 999.0, 200.0, 80.0]
    )
    analyzer.settle(parse_ns("2024-01-09T21:00:00Z"))
    # 1050 at Friday's close, 1100 at Monday's, 980 at Tuesday's
    assert analyzer.statistics().daily_returns == pytest.approx([0.05, 1100 / 1050 - 1, 980 / 1100 - 1])


def test_counts_rates_and_times_of_trades(make_analyzer: Any, make_ledger: Any) -> None:
    """Three trades: +10 held 2, -4 held 6, 0 held 1 (after commission), 20 units of time in all."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(1, 100, 1, liquidity=Liquidity.MAKER)
    ledger.execute(-1, 110, 3)
    ledger.execute(-2, 50, 4)
    ledger.execute(2, 52, 10)
    ledger.execute(1, 10, 12, commission=1)
    ledger.execute(-1, 12, 13, commission=1)
    analyzer.settle(20)
    s = analyzer.statistics()
    assert (s.trades, s.trades_won, s.trades_lost, s.trades_open) == (3, 1, 1, 0)
    assert (s.gross_profit, s.gross_loss, s.best_trade, s.worst_trade) == (10, -4, 10, -4)
    assert s.profit_factor == 2.5
    assert s.expectancy == 2.0  # (10 - 4 + 0) / 3
    assert s.win_rate == pytest.approx(1 / 3)
    assert s.average_holding_ns == 3  # (2 + 6 + 1) / 3
    assert s.exposure == 0.45  # 9 of 20
    assert (s.makers, s.takers) == (1, 5)
    assert s.total_return == 0.006
    assert s.filter(direction="short").net_profit == -4


def test_time_in_the_market_counts_two_instruments_held_together_once(make_analyzer: Any, make_ledger: Any) -> None:
    """A from 1 to 5, B from 3 to 8, and A again, open, from 9 to the end at 10: 8 of 10."""
    analyzer = make_analyzer()
    a, b = make_ledger(analyzer), make_ledger(analyzer, instrument="B.X")
    a.execute(1, 100, 1)
    b.execute(1, 100, 3)
    a.execute(-1, 100, 5)
    b.execute(-1, 100, 8)
    a.execute(1, 100, 9)
    analyzer.settle(10)
    assert analyzer.statistics().exposure == 0.8


def test_simulated_and_real_ledgers_of_one_instrument_stay_apart(make_analyzer: Any, make_ledger: Any) -> None:
    """The filter by source keeps the whole initial capital and the profit of its own ledgers."""
    analyzer = make_analyzer(sim=1000, exchange=500)
    simulated = make_ledger(analyzer)
    real = make_ledger(analyzer, broker="exchange", source=BrokerSource.REAL)
    simulated.execute(1, 100, 1)
    real.execute(-1, 100, 2)
    simulated.mark([3], [90.0])
    real.mark([3], [90.0])
    s = analyzer.statistics()
    assert s.net_profit == 0
    assert s.filter(source="real").net_profit == 10
    assert s.filter(source="simulated").net_profit == -10
    assert s.filter(source="real", direction="long").net_profit == 0
    assert s.filter(source="real").initial_capital == 1500
    assert s.filter(direction="short").filter(source="real").label == "short real"
    assert s.filter() is s
    analyzer.record_marks("A.X", [4], [1.0])
    with pytest.raises(StatisticsError, match="held at 2 brokers"):
        analyzer.statistics()


def test_an_account_in_two_parts_of_a_sum_counts_once(make_analyzer: Any) -> None:
    """Two strategies on one broker share its money; two brokers do not."""
    one, two = make_analyzer("one").statistics(), make_analyzer("two").statistics()
    other = make_analyzer("three", other=500).statistics()
    assert (one + two).initial_capital == 1000
    assert (one + two + other).accounts == {"other": Decimal(500), "sim": Decimal(1000)}
    with pytest.raises(StatisticsError, match="different names"):
        one + make_analyzer("four", sim=999).statistics()
    assert add_statistics([one]) is one
    with pytest.raises(StatisticsError, match="at least one"):
        add_statistics([])
    with pytest.raises(TypeError):
        one + 1


def test_nothing_done_has_numbers_too(make_analyzer: Any) -> None:
    """A strategy that never traded has a report: zeros where there is a number, None where there is none."""
    analyzer = make_analyzer()
    analyzer.settle(40 * DAY_NS)
    s = analyzer.statistics()
    assert (s.net_profit, s.final_equity, s.trades, s.max_drawdown, s.exposure) == (0, 1000, 0, 0.0, 0.0)
    assert (s.sharpe, s.win_rate, s.profit_factor, s.average_holding_ns, s.calmar) == (None,) * 5
    assert s.total_return == s.cagr == 0.0
    assert analyzer.statistics() == s
    json.dumps(s.to_dict(), allow_nan=False)
    assert make_analyzer(start_ns=None).statistics().to_dict()["start"] is None


def test_the_dictionary_is_json_with_exact_money_and_the_text_names_the_result(
    make_analyzer: Any, make_ledger: Any
) -> None:
    """statistics.json must give the Decimal back; a person reads the text."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute("0.1", "100.5", 1, commission="0.00000001")
    ledger.mark([DAY_NS], [110.25])
    s = analyzer.statistics()
    facts = json.loads(json.dumps(s.to_dict(), allow_nan=False))
    assert facts["net_profit"] == "0.97499999"  # 0.1 x 9.75 - 1e-8
    assert facts["turnover"] == "10.05"
    assert facts["end"] == format_ns(DAY_NS)
    assert list(facts["by_direction"]) == ["long", "short"]
    assert facts["by_source"]["SIMULATED"]["net_profit"] == "0.97499999"
    assert facts["by_instrument"].keys() == {"A.X"}
    assert "net profit" in str(s)
    assert "0.97 USD" in str(s)
    assert s._repr_html_().startswith("<table>")
    assert "net_profit=0.97499999" in repr(s)


def test_statistics_are_a_value(make_analyzer: Any, make_ledger: Any) -> None:
    """Nobody changes them, and what happens later does not either."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(1, 100, 1)
    early = analyzer.statistics()
    ledger.mark([2], [50.0])
    ledger.execute(-1, 40, 3)
    assert (early.net_profit, early.trades_open, early.max_drawdown, early.end_ns) == (0, 1, 0.0, 1)
    assert analyzer.statistics().net_profit == -60
    with pytest.raises(AttributeError, match="is a value"):
        early.currency = "EUR"
    assert early != analyzer.statistics()
    assert hash(early) == hash(early)
    assert early != "text"


def test_commission_in_a_currency_that_nothing_converts_is_refused(make_analyzer: Any, make_ledger: Any) -> None:
    """Adding euros to dollars would be a quiet lie."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    with pytest.raises(StatisticsError, match="paid commission in EUR"):
        ledger.execute(1, 100, 1, commission=1, currency="EUR")
    ledger.execute(1, 100, 1, currency="EUR")  # no commission, nothing to convert
    assert analyzer.statistics().executions == 1


def test_marks_and_executions_out_of_time_are_refused_and_change_nothing(make_analyzer: Any, make_ledger: Any) -> None:
    """A broker that sends the past has a mistake that must be seen."""
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.mark([1], [1.0])
    with pytest.raises(StatisticsError, match="never executed"):
        analyzer.statistics()
    ledger.execute(1, 100, 10)
    before = analyzer.statistics().to_dict()
    ledger.mark([9], [1.0])
    with pytest.raises(StatisticsError, match="ascending"):
        analyzer.statistics()
    ledger.execute(1, 100, 9)
    with pytest.raises(StatisticsError, match="ascending"):
        analyzer.statistics()
    ledger.mark([], [])
    assert analyzer.statistics().to_dict() == before


@pytest.mark.parametrize("capital", [Decimal("NaN"), Decimal(-1), 1000.0])
def test_a_capital_that_is_no_amount_is_refused(make_analyzer: Any, capital: object) -> None:
    """Every ratio would be wrong."""
    from tradecore.analytics.performance_analyzer import PerformanceAnalyzer

    with pytest.raises(StatisticsError, match="initial capital"):
        PerformanceAnalyzer("s", {"sim": capital}, "USD")  # type: ignore[dict-item]


def test_words_that_no_filter_knows_are_refused(make_analyzer: Any) -> None:
    """A misspelt direction must not mean everything."""
    s: PerformanceStatistics = make_analyzer().statistics()
    with pytest.raises(StatisticsError, match="'long', 'short'"):
        s.filter(direction="up")  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="'simulated', 'real'"):
        s.filter(source="paper")  # type: ignore[arg-type]


def test_a_position_carried_into_a_record_cannot_be_carried_twice(make_analyzer: Any) -> None:
    """The second would double it."""
    analyzer = make_analyzer()
    held = Position("A.X").after(Decimal(1), Decimal(100), 1)
    analyzer.carry("sim", BrokerSource.SIMULATED, held, 5, 110.0)
    assert analyzer.statistics().net_profit == 10
    with pytest.raises(StatisticsError, match="has begun"):
        analyzer.carry("sim", BrokerSource.SIMULATED, held, 5, 110.0)


@pytest.mark.parametrize("marks", [4, 40_000])
def test_an_account_that_is_used_late_counts_from_the_start(make_analyzer: Any, make_ledger: Any, marks: int) -> None:
    """Bought 10 at 100 with 1000 USD; at 120, then at 110: 100 of 1200. With 9000 more: 100 of 10200.

    Of 40,000 marks most are folded by then. At 121 the fall is over, at 115.95 the next is half as deep in money.
    """
    analyzer = make_analyzer()
    ledger = make_ledger(analyzer)
    ledger.execute(10, 100, 1)
    prices = [120.0] * (marks // 2) + [110.0] * (marks // 4) + [121.0] + [115.95] * (marks // 4 - 1)
    ledger.mark(list(range(2, marks + 2)), prices)
    assert analyzer.statistics().max_drawdown_fraction == pytest.approx(100 / 1200)
    analyzer.open_account("other", Decimal(9_000))
    analyzer.open_account("other", Decimal(9_000))
    assert analyzer.statistics().initial_capital == 10_000
    assert analyzer.statistics().max_drawdown == 100
    assert analyzer.statistics().max_drawdown_fraction == pytest.approx(100 / 10_200)
    with pytest.raises(StatisticsError, match="account 'other' starts with 9000"):
        analyzer.open_account("other", Decimal(1))


def test_a_run_without_a_start_begins_where_it_is_told_and_one_with_a_start_does_not(
    make_analyzer: Any, make_ledger: Any
) -> None:
    """The first execution is on day 3; somebody asked before, which must not matter."""
    for start_ns, expected in ((None, DAY_NS), (7, 7)):
        analyzer = make_analyzer(start_ns=start_ns)
        assert analyzer.statistics().start_ns == start_ns
        analyzer.begin(DAY_NS)
        analyzer.begin(2 * DAY_NS)
        ledger = make_ledger(analyzer)
        ledger.execute(1, 100, 3 * DAY_NS)
        ledger.mark([4 * DAY_NS], [90.0])
        s = analyzer.statistics()
        assert (s.start_ns, s.end_ns) == (expected, 4 * DAY_NS)
        assert s.drawdown.start_ns in (expected, 3 * DAY_NS)

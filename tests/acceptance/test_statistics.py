"""Statistics through the whole engine: incremental equals recomputed; at any moment equal to a run that ends there."""

from __future__ import annotations

import pickle
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tradecore as tc
from tradecore.analytics import performance_analyzer
from tradecore.brokerage.settings import PerUnitCommission, RateCommission, TickSlippage
from tradecore.examples.sma_cross import SmaCross
from tradecore.journal.run_reading import load_run
from tradecore.storage.bundled.bundled_data import load_bundled
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.testing.builders import make_instrument, make_ns

START, END = make_ns("2000-03-01T00:00"), make_ns("2004-03-01T00:00")
SERIES = ("IBM.NYSE 1d last", "AAPL.NASDAQ 1d last")


class Trade(NamedTuple):
    """Flat to flat: when it began, which way, what came of it after commission."""

    is_long: bool
    profit: Fraction


class Fold:
    """An independent account of executions: signed quantity and money, in fractions; nothing of tradecore's."""

    def __init__(self) -> None:
        self.quantity = self.cash = self.commission = self.turnover = Fraction(0)
        self.trades: list[Trade] = []
        self.open_cash = Fraction(0)  # money that came of the open trade until now

    def add(self, execution: tc.Execution) -> None:
        sign = 1 if execution.side is tc.OrderSide.BUY else -1
        amount, price = Fraction(execution.quantity), Fraction(execution.price)
        paid = Fraction(execution.commission)
        self.commission += paid
        self.turnover += amount * price
        self.cash -= sign * amount * price + paid
        closing = min(amount, abs(self.quantity)) if sign * self.quantity < 0 else Fraction(0)
        if closing == abs(self.quantity) != 0:  # flat, or a flip: commission goes pro rata to both parts
            self.open_cash -= sign * closing * price + paid * closing / amount
            self.trades.append(Trade(self.quantity > 0, self.open_cash))
            self.open_cash = -sign * (amount - closing) * price - paid * (amount - closing) / amount
        else:
            self.open_cash -= sign * amount * price + paid
        self.quantity += sign * amount


@pytest.fixture
async def storage() -> Any:
    async with tc.open_storage("memory:") as store:
        await load_bundled(store, ["IBM", "AAPL"])
        yield store


async def run(
    storage: MarketDataStorage, strategies: dict[str, tc.Strategy], folder: Path | None = None, end: int = END
) -> tc.RunResult:
    broker = tc.SimulatedBrokerSettings(
        account="margin",
        cash={"USD": Decimal(1_000_000)},
        commission=PerUnitCommission(Decimal("0.0035"), Decimal(1)),
        slippage=TickSlippage(Decimal(2)),
    )
    return await tc.run_backtest(
        strategies=strategies, brokers={"sim": broker}, storage=storage, start=START, end=end, runs_dir=folder
    )


def make_crosses() -> dict[str, tc.Strategy]:
    return {series.partition(".")[0]: SmaCross(series, fast=5, slow=20, quantity=Decimal(700)) for series in SERIES}


async def test_statistics_are_those_recomputed_from_the_executions_on_disk(
    storage: MarketDataStorage, tmp_path: Path
) -> None:
    """Prices have cents and commissions fractions of them: exact or not at all."""
    result = await run(storage, make_crosses(), tmp_path)
    assert result.run_folder is not None
    folds = {name: Fold() for name in result.strategies}
    for execution in load_run(result.run_folder, verify=True).iterate_executions():
        folds[execution.strategy].add(execution)
    for series in SERIES:
        name = series.partition(".")[0]
        fold, statistics = folds[name], result.strategies[name]
        kind = next(info.series for info in await storage.list_series() if info.series.name == series)
        closes = [bar.close async for batch in storage.read(kind, START, END) for bar in batch]  # type: ignore[union-attr]
        mark = Fraction(Decimal(repr(closes[-1])))
        assert len(fold.trades) == statistics.trades > 50
        assert fold.cash + fold.quantity * mark == Fraction(statistics.net_profit)
        assert fold.commission == Fraction(statistics.commission)
        assert fold.turnover == Fraction(statistics.turnover)
        won = [trade.profit for trade in fold.trades if trade.profit > 0]
        lost = [trade.profit for trade in fold.trades if trade.profit <= 0]
        assert (len(won), len(lost)) == (statistics.trades_won, statistics.trades - statistics.trades_won)
        # A flip parts its commission pro rata; the statistics round that to their exact decimals.
        assert abs(sum(won, Fraction(0)) - Fraction(statistics.gross_profit)) < Fraction(1, 10**6)
        assert abs(sum(lost, Fraction(0)) - Fraction(statistics.gross_loss)) < Fraction(1, 10**6)
        longs = [trade for trade in fold.trades if trade.is_long]
        assert statistics.filter(direction="long").trades == len(longs)
    assert result.statistics.net_profit == sum((one.net_profit for one in result.strategies.values()), Decimal(0))


class Watched(SmaCross):
    """Notes its own statistics at every hundredth bar."""

    def __init__(self, bar_type: str) -> None:
        super().__init__(bar_type, fast=5, slow=20, quantity=Decimal(700))
        self.count = 0
        self.noted: list[tuple[int, dict[str, Any]]] = []

    def on_bar(self, bar: tc.Bar) -> None:
        super().on_bar(bar)
        self.count += 1
        if self.count % 100 == 0:
            self.noted.append((self.now_ns, self.statistics.to_dict()))


async def test_statistics_inside_a_callback_are_those_of_a_run_that_ends_there(storage: MarketDataStorage) -> None:
    """`self.statistics` never runs ahead and never lags."""
    watched = Watched(SERIES[0])
    await run(storage, {"one": watched})
    assert len(watched.noted) == 10
    assert watched.noted[-1][1]["trades"] > 20
    for now_ns, noted in watched.noted:
        ended = await run(storage, {"one": Watched(SERIES[0])}, end=now_ns)
        assert noted == ended.strategies["one"].to_dict()


class Script(tc.Strategy):
    """The execution rules' own example of cost: +2, +2, -3, -3 at the opens of four bars."""

    def on_start(self) -> None:
        self.subscribe_to_bars("TEST.SIM 1m last", key="bars", history=9)

    def on_bar(self, bar: tc.Bar) -> None:
        amounts = (2, 2, -3, -3)
        count = len(self.events["bars"])
        if count <= len(amounts):
            self.submit_order(tc.Order.market(bar.instrument, amounts[count - 1]))


async def test_positions_cash_commission_and_drawdown_are_those_worked_by_hand(tmp_path: Path) -> None:
    from tradecore.testing.builders import make_bar

    # Bars open at what the order before them gets: 100, 110, 120, 90; each closes where it opened, the last one at 94.
    opens = [100.0, 100.0, 110.0, 120.0, 90.0]
    bars = [make_bar(f"2024-01-01T00:0{n + 1}", price, volume=None) for n, price in enumerate(opens)]
    bars.append(make_bar("2024-01-01T00:06", 94.0, volume=None))
    broker = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(1_000)}, commission=RateCommission(taker=Decimal("0.001"))
    )
    async with tc.open_storage("memory:") as storage:
        await storage.append(bars)
        result = await tc.run_backtest(
            strategies=Script(), brokers={"sim": broker}, storage=storage, instruments=[make_instrument()]
        )
    statistics = result.statistics
    # Realised: 3 of (2@100, 2@110) cost 105 each, sold at 120: +45. Of the last 3, one closes 105 at 90: -15.
    assert statistics.realised_profit == 30
    # 2 sold at 90, marked at 94: -8. Commission: (200 + 220 + 360 + 270) x 0.001 = 1.05.
    assert statistics.open_profit == -8
    assert statistics.commission == Decimal("1.05")
    assert statistics.net_profit == Decimal("20.95")
    assert (statistics.trades, statistics.executions) == (1, 4)
    # Equity at the ends of the bars: 1000; 1000 - 0.2 = 999.8; 999.8 + 2 x 10 - 0.22 = 1019.58; at 120 it is
    # 1019.58 + 4 x 10 - 0.36 = 1059.22; the last one falls to 90: -1 x 30 - 0.27 = 1028.95; then -2 x 4 = 1020.95.
    # The deepest fall is from 1059.22 to 1020.95 = 38.27.
    assert statistics.final_equity == Decimal("1020.95")
    assert statistics.max_drawdown == pytest.approx(38.27)
    assert statistics.max_drawdown_fraction == pytest.approx(38.27 / 1059.22)


class Basket(tc.Strategy):
    """Turns hours and minutes of several stocks round again and again, and writes its own statistics down."""

    def __init__(self, feeds: dict[str, tc.BarColumnsFeed]) -> None:
        self.feeds, self.count = feeds, 0

    def on_start(self) -> None:
        for key, feed in self.feeds.items():
            self.add_event_feed(feed, key)

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        if self.count % 7 == 0 or bar.bar_type.step_ns > 60 * 10**9:
            held = self.position(bar.bar_type.instrument).quantity
            self.submit_order(tc.Order.market(bar.bar_type.instrument, -2 * held or 1))


def make_walks(hours: int) -> dict[str, tc.BarColumnsFeed]:
    """Six stocks on minutes and one on hours, whose executions at an open are known an hour later."""
    feeds = {}
    for number, (step, count) in enumerate([("1m", 60 * hours)] * 6 + [("1h", hours)]):
        draw, step_ns = random.Random(number), 60 * 10**9 * (60 if step == "1h" else 1)
        closes, price = [], 100.0
        for _ in range(count):
            price = round(price + draw.choice((-1, 1)) * (1.0 if step == "1h" else 0.05), 2)
            closes.append(price)
        ends = [START + step_ns * (i + 1) for i in range(count)]
        name, opens = f"S{number}.X {step} last", [price - 3 for price in closes]
        highs, lows = list(map(max, opens, closes)), list(map(min, opens, closes))
        feeds[name] = tc.BarColumnsFeed(name, ends, opens, highs, lows, closes, [1e6] * count)
    return feeds


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1_024])
async def test_the_drawdown_of_many_instruments_does_not_depend_on_batches(
    batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Marks come a window and an instrument at a time; laid out in small parts or all at once at the end, they fall
    into the same order.
    """

    async def measure(batch_size: int, pending: int) -> dict[str, Any]:
        monkeypatch.setattr(performance_analyzer, "PENDING_MAX", pending)
        monkeypatch.setattr(performance_analyzer, "PENDING_OF_LEDGER", 1)
        feeds = make_walks(hours=40)
        result = await tc.run_backtest(
            strategies={"basket": Basket(feeds)},
            instruments=[make_instrument(name.split()[0]) for name in feeds],
            brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})},
            batch_size=batch_size,
        )
        return result.strategies["basket"].to_dict()

    measured = await measure(batch_size, 64)
    assert measured == await measure(1_024, 10**6)
    assert measured["max_drawdown"] > 1


async def test_a_result_stands_when_the_columns_it_was_made_of_are_filled_anew() -> None:
    """Marks on bars are read off the columns where they are; what is kept after the run is the run's own."""
    prices = np.array([round(100 + 10 * ((7 * row) % 13) / 13, 2) for row in range(5_000)])
    ends = np.array([START + 60_000_000_000 * (row + 1) for row in range(5_000)])

    async def run() -> dict[str, tc.PerformanceStatistics]:
        volume = np.full(len(ends), 1e6)
        feed = tc.BarColumnsFeed("S0.X 1m last", ends, prices, prices, prices, prices, volume)
        result = await tc.run_backtest(
            strategies={"basket": Basket({"S0.X 1m last": feed})},
            instruments=[make_instrument("S0.X")],
            brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})},
        )
        return result.strategies

    expected = (await run())["basket"].to_dict()
    assert expected["max_drawdown"] > 1
    kept = (await run())["basket"]
    prices[:] = 1.0
    assert kept.to_dict() == expected


class Keeper(tc.Strategy):
    """Flips every 700 bars, and keeps its statistics at some."""

    def __init__(self, feed: tc.BarColumnsFeed, asked_at: tuple[int, ...] = (1_500, 3_000)) -> None:
        self.feed, self.asked_at, self.count = feed, asked_at, 0
        self.kept: list[tc.PerformanceStatistics] = []

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "bars")

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        if self.count % 700 == 1:
            held = self.position("S0.X").quantity
            self.submit_order(tc.Order.market("S0.X", -2 if held > 0 else 2 if held else 1))
        if self.count in self.asked_at:
            self.kept.append(self.statistics)


@pytest.mark.parametrize("paid_in", ["quote", "received"])
async def test_statistics_kept_in_the_middle_of_a_run_can_be_sent_elsewhere_after_it(paid_in: str) -> None:
    """They share nothing that comes later, and nothing that cannot be pickled; marks that were converted neither."""
    prices = np.array([round(100 + 10 * ((7 * row) % 13) / 13, 2) for row in range(20_000)])
    ends = np.array([START + 60_000_000_000 * (row + 1) for row in range(len(prices))])
    volume = np.full(len(prices), 1e6)
    keeper = Keeper(tc.BarColumnsFeed("S0.X 1m last", ends, prices, prices, prices, prices, volume))
    await tc.run_backtest(
        strategies={"keeper": keeper},
        instruments=[make_instrument("S0.X", base_currency="S0", quantity_increment=Decimal("0.000001"))],
        brokers={
            "sim": tc.SimulatedBrokerSettings(
                account="margin",
                cash={"USD": Decimal(1_000_000)},
                commission=RateCommission(taker=Decimal("0.001"), currency=paid_in),
            )
        },
        batch_size=256,
    )
    first, second = keeper.kept
    sent = pickle.dumps(keeper.kept)
    prices[:], ends[:] = 1.0, START  # the arrays are the user's again
    assert [one.to_dict() for one in pickle.loads(sent)] == [first.to_dict(), second.to_dict()]
    assert first.to_dict() != second.to_dict()


@pytest.mark.parametrize("to_column", [list, np.array])
async def test_of_bars_that_end_at_one_instant_the_last_one_values_what_is_held(to_column: Any) -> None:
    """As bars of ticks may: one value an instant, in columns and in lists, whether somebody asks meanwhile or not."""
    closes = [round(100 + 10 * ((7 * row) % 13) / 13, 2) for row in range(20_000)]
    times = [START + 60_000_000_000 * (row + 1) for row in range(len(closes))]
    closes[9_000], times[9_000] = 1.0, times[9_001]  # as if it had fallen to 1, and stood higher at once
    found = []
    for asked_at in ((), (5_000, 9_500)):
        ends, prices, volume = to_column(times), to_column(closes), to_column([1e6] * len(closes))
        keeper = Keeper(tc.BarColumnsFeed("S0.X 1m last", ends, prices, prices, prices, prices, volume), asked_at)
        await tc.run_backtest(
            strategies={"keeper": keeper},
            instruments=[make_instrument("S0.X")],
            brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})},
        )
        found.append(keeper.statistics.drawdown)
    assert found[0] == found[1]
    assert 1 < found[0].money < 90

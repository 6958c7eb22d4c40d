"""Dividends, splits, funding, interest and borrowing: EXECUTION 9."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.instant import DAY_NS, MINUTE_NS
from tradecore.domain.order import Order
from tradecore.errors import InvalidEvent
from tradecore.indicators import SMA
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_instrument, make_quote_tick

ID = "TEST.SIM"
QUOTES, BARS = f"quote_tick {ID}", f"bar {ID} 1m last"
SECOND = 10**9


def quote(second: float, bid: float, ask: float | None = None, instrument: str = ID) -> tc.QuoteTick:
    ask = bid if ask is None else ask
    return make_quote_tick(round(second * SECOND), bid, ask, bid_size=None, ask_size=None, instrument=instrument)


def adjust(kind: str, second: float, value: str, **more: Any) -> AccountAdjustment:
    ts = round(second * SECOND)
    instrument = "" if kind == "INTEREST" else ID
    made = AccountAdjustment(AdjustmentKind[kind], instrument, ts, ts, Decimal(value), **more)
    made.check()
    return made


async def desk_holding(quantity: int, **settings: Any) -> BrokerDesk:
    """So many held at 100, of a margin account of 10,000 USD."""
    desk = make_broker_desk(QUOTES, **{"cash": {"USD": Decimal(10_000)}, **settings})
    desk.play(quote(1, 100))
    await desk.submit(Order.market(ID, quantity))
    return desk


def cash_of(desk: BrokerDesk) -> Decimal:
    cash: Decimal = desk.broker.get_account().cash["USD"]
    return cash


@pytest.mark.parametrize(("quantity", "received"), [(10, 5), (-10, -5)])
async def test_a_dividend_is_received_by_who_holds_and_paid_by_who_is_short(quantity: int, received: int) -> None:
    """0.50 for each of 10. It is profit: the price falls by as much on the ex-day."""
    desk = await desk_holding(quantity)
    before = cash_of(desk)
    desk.play(adjust("DIVIDEND", 2, "0.5"))
    assert cash_of(desk) == before + received
    (position,) = desk.broker.get_positions()
    assert (position.quantity, position.cost, position.realised) == (quantity, 100 * quantity, received)
    (adjusted,) = desk.adjusted
    assert (adjusted.strategy, adjusted.amount, adjusted.currency) == ("s", Decimal(received), "USD")
    assert (adjusted.before, adjusted.after) == (desk.recorder.positions[-1][1], position)


async def test_who_holds_nothing_is_not_adjusted() -> None:
    desk = await desk_holding(10)
    desk.play(quote(2, 100))
    await desk.submit(Order.market(ID, -10))
    desk.play(adjust("DIVIDEND", 3, "0.5"), adjust("SPLIT", 4, "2"))
    assert desk.adjusted == []
    assert cash_of(desk) == 10_000


async def test_each_strategy_is_adjusted_for_what_it_holds() -> None:
    """One is long 4, the other short 1: 2 received, 0.50 paid."""
    desk = make_broker_desk(QUOTES, strategies=("a", "b"))
    desk.play(quote(1, 100))
    await desk.submit(Order.market(ID, 4), "a")
    await desk.submit(Order.market(ID, -1), "b")
    desk.play(adjust("DIVIDEND", 2, "0.5"))
    assert [(one.strategy, one.amount) for one in desk.adjusted] == [("a", 2), ("b", Decimal("-0.5"))]


async def test_a_split_multiplies_what_is_held_and_what_is_left_of_orders() -> None:
    """2:1. 10 at 100 are 20 at 50. A bid for 7 at 95.01 is one for 14 at 47.50, a stop at 89.99 one at 44.99."""
    desk = await desk_holding(10)
    bid = await desk.submit(Order.limit(ID, 7, "95.01"))
    stop = await desk.submit(Order.stop(ID, -10, "89.99"))
    desk.play(adjust("SPLIT", 2, "2"))
    (position,) = desk.broker.get_positions()
    assert [position.quantity, position.average_price, cash_of(desk)] == [20, 50, 9_000]
    assert [bid.quantity, bid.price] == [14, Decimal("47.50")]
    assert [stop.quantity, stop.stop_price] == [20, Decimal("44.99")]
    desk.play(quote(3, 47.5, 47.5))
    desk.play(quote(4, 44.99, 45))
    assert desk.list_executed(bid) == [("14", "47.50")]
    assert desk.list_executed(stop) == [("20", "44.99")]


async def test_a_split_leaves_what_is_executed_and_converts_the_rest() -> None:
    """4 of 10 executed at 95: 6 are left, 12 after 2:1, so the order is of 16, of which 4 are executed."""
    desk = make_broker_desk(QUOTES)
    desk.play(make_quote_tick(SECOND, 96, 96.01))
    order = await desk.submit(Order.limit(ID, 10, 95))
    desk.play(make_quote_tick(2 * SECOND, 94, 95, ask_size=4))
    desk.play(adjust("SPLIT", 3, "2"))
    assert [order.quantity, order.filled_quantity, order.price] == [16, 4, Decimal("47.50")]
    assert desk.broker.get_positions()[0].quantity == 8


async def test_an_order_of_which_a_reverse_split_leaves_nothing_is_cancelled() -> None:
    """1:10 of an order for 5 is half a unit."""
    desk = make_broker_desk(QUOTES)
    desk.play(quote(1, 100))
    order = await desk.submit(Order.limit(ID, 5, 90))
    desk.play(adjust("SPLIT", 2, "0.1"))
    assert order.state.name == "CANCELLED"
    assert "nothing is left of it" in str(order.reason)


async def test_what_a_split_leaves_off_the_grid_is_paid_out_at_the_mark() -> None:
    """3:2 of 5 is 7.5: 7 are held, half a unit is paid at 90 / 1.5 = 60; cost 500 x 7 / 7.5, the gain is 30 - 33.33."""
    desk = await desk_holding(5)
    desk.play(quote(2, 90))
    desk.play(adjust("SPLIT", 3, "1.5"))
    (position,) = desk.broker.get_positions()
    assert position.quantity == 7
    assert cash_of(desk) == 9_500 + 30
    assert position.cost == 500 - Decimal("33.333333333333")
    assert position.realised == 30 - Decimal("33.333333333333")


async def test_what_stands_after_a_split_is_in_new_units() -> None:
    """No quote has come since: a market order at that instant meets 100 / 2, and equity is what it was."""
    desk = await desk_holding(10)
    desk.play(adjust("SPLIT", 2, "2"))
    order = await desk.submit(Order.market(ID, 1))
    assert desk.list_executed(order) == [("1", "50.0")]


@pytest.mark.parametrize(("quantity", "rate", "received"), [(10, "0.0001", "-0.11"), (-10, "0.0001", "0.11")])
async def test_funding_is_paid_by_longs_to_shorts_at_the_mark(quantity: int, rate: str, received: str) -> None:
    """10 x 110 x 0.0001 = 0.11."""
    desk = await desk_holding(quantity)
    before = cash_of(desk)
    desk.play(quote(2, 110), adjust("FUNDING", 3, rate))
    assert cash_of(desk) - before == Decimal(received)


async def test_interest_is_of_the_balance_and_shared_by_the_strategies_of_the_account() -> None:
    """9,000 x 0.001 = 9, of which each of two gets 4.50; without cash a balance below 0 pays."""
    desk = make_broker_desk(QUOTES, strategies=("a", "b"), cash={"USD": Decimal(10_000)})
    desk.play(quote(1, 100))
    await desk.submit(Order.market(ID, 10), "a")
    desk.play(adjust("INTEREST", 2, "0.001", currency="USD"))
    assert cash_of(desk) == 9_009
    assert [(one.strategy, one.amount, one.before) for one in desk.adjusted] == [
        ("a", Decimal("4.5"), None),
        ("b", Decimal("4.5"), None),
    ]
    owing = await desk_holding(150)
    owing.play(adjust("INTEREST", 2, "0.001", currency="USD"))
    assert cash_of(owing) == -5_000 - 5


async def test_shorts_cost_the_borrow_rate_at_each_midnight() -> None:
    """10 short at 100, then 120: two days of 365 at 36.5 % are 0.1 % of 1,000 and of 1,200."""
    desk = make_broker_desk(QUOTES, cash={"USD": Decimal(10_000)}, borrow_rate=Decimal("0.365"))
    desk.play(quote(1, 100))
    await desk.submit(Order.market(ID, -10))
    day = DAY_NS // SECOND
    desk.play(quote(day + 10, 120), quote(2 * day + 10, 120))
    assert cash_of(desk) == 11_000 - 1 - Decimal("1.2")
    assert [one.adjustment.kind.name for one in desk.adjusted] == ["BORROW", "BORROW"]


async def test_longs_borrow_nothing() -> None:
    desk = make_broker_desk(QUOTES, cash={"USD": Decimal(10_000)}, borrow_rate=Decimal("0.365"))
    desk.play(quote(1, 100))
    await desk.submit(Order.market(ID, 10))
    desk.play(quote(2 * DAY_NS // SECOND, 100))
    assert cash_of(desk) == 9_000


async def test_market_events_of_an_instant_come_before_its_adjustments() -> None:
    """The bar that ends with the split is in old units: a bid at 95 executes in it, as 10, and is 20 then."""
    desk = make_broker_desk(BARS)
    bars = [make_bar(MINUTE_NS, 100), make_bar(2 * MINUTE_NS, 100, low=94)]
    desk.play(bars[0])
    order = await desk.submit(Order.limit(ID, 10, 95))
    desk.play(bars[1], adjust("SPLIT", 120, "2"))
    assert desk.list_executed(order) == [("10", "95")]
    assert desk.broker.get_positions()[0].quantity == 20


async def test_a_report_of_an_adjustment_does_not_overtake_those_before_it() -> None:
    """Reports take 50 ms; the execution of 10 ms before the split is heard first, so the position ends as it is."""
    desk = make_broker_desk(QUOTES, latency=tc.Latency(report=tc.ConstantDelay(ms=50)))
    desk.play(quote(1, 100))
    desk.timeline.advance_to(round(1.99 * SECOND))
    order = await desk.submit(Order.market(ID, 1))
    desk.play(adjust("SPLIT", 2, "2"), until=round(2.01 * SECOND))
    assert (order.state.name, desk.adjusted) == ("SUBMITTED", [])
    desk.play(quote(3, 50))
    assert order.state.name == "FILLED"
    assert desk.adjusted[0].after == desk.broker.get_positions()[0]


@pytest.mark.parametrize(
    ("kind", "value", "more", "said"),
    [
        ("SPLIT", "0", {}, "split of TEST.SIM at .*: value is 0; expected above 0"),
        ("DIVIDEND", "NaN", {}, "expected a finite Decimal"),
        ("INTEREST", "0.1", {}, "give currency"),
        ("FUNDING", "0.1", {"currency": "EUR"}, "only a dividend may be paid in another one"),
    ],
)
def test_what_no_account_could_be_adjusted_by_is_refused(kind: str, value: str, more: Any, said: str) -> None:
    with pytest.raises(InvalidEvent, match=said):
        adjust(kind, 1, value, **more)


async def test_a_dividend_in_a_currency_that_nothing_prices_is_an_error() -> None:
    desk = await desk_holding(10)
    with pytest.raises(InvalidEvent, match="nothing prices EUR in USD"):
        desk.play(adjust("DIVIDEND", 2, "0.5", currency="EUR"))


# ---------------------------------------------------------------------------------------------------- a whole run


class Holder(tc.Strategy):
    """Buys 10 on the first bar and holds; its average follows the closes."""

    def __init__(self, bars: list[tc.Bar], adjustments: list[AccountAdjustment]) -> None:
        self.bars, self.adjustments = bars, adjustments
        self.average = SMA(2)
        self.heard: list[tc.AccountAdjusted] = []
        self.averages: list[float] = []
        self.held: list[Decimal] = []

    def on_start(self) -> None:
        self.add_event_feed(tc.feed(self.bars, name="bars", event_types=["bar"]), "bars")
        self.add_event_feed(tc.feed(self.adjustments, name="a", event_types=["account_adjustment"]), "adjustments")
        self.add_indicator(self.average, "bars")

    def on_bar(self, bar: tc.Bar) -> None:
        if not self.averages:
            self.submit_order(tc.Order.market(ID, 10))
        self.averages.append(self.average.value)
        self.held.append(self.position(ID).quantity)

    def on_account_adjusted(self, adjusted: tc.AccountAdjusted) -> None:
        self.heard.append(adjusted)
        assert self.position(ID) == adjusted.after  # the position already has it


async def run_holder(batch_size: int = 1_024) -> tuple[Holder, tc.RunResult]:
    """Closes 100, 100, 104, then 2:1 and 52, 53; a dividend of 0.5 before the last bar."""
    closes = [(1, 100), (2, 100), (3, 104), (4, 52), (5, 53)]
    bars = [make_bar(minute * MINUTE_NS, close, open=100 if close > 60 else 52) for minute, close in closes]
    adjustments = [adjust("SPLIT", 180.5, "2"), adjust("DIVIDEND", 270, "0.5")]
    strategy = Holder(bars, adjustments)
    result = await tc.run_backtest(
        strategies=strategy,
        instruments=[make_instrument(ID)],
        brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(10_000)})},
        batch_size=batch_size,
    )
    return strategy, result


@pytest.mark.parametrize("batch_size", [1, 1_024])
async def test_equity_is_right_across_a_split_and_a_dividend(batch_size: int) -> None:
    """10 at 100; 104 makes +40, 52 after 2:1 the same, 53 makes 20 x 3 = 60, and 20 x 0.5 = 10 of dividend."""
    strategy, result = await run_holder(batch_size)
    statistics = result.statistics
    curve = dict(statistics.equity_curve)
    assert [curve[minute * MINUTE_NS] for minute in (2, 3, 4, 5)] == [10_000, 10_040, 10_040, 10_070]
    assert [statistics.realised_profit, statistics.open_profit, statistics.final_equity] == [10, 60, 10_070]
    assert statistics.trades_open == 1
    assert [one.adjustment.kind.name for one in strategy.heard] == ["SPLIT", "DIVIDEND"]
    assert strategy.held == [0, 10, 10, 20, 20]


async def test_indicators_go_on_in_new_units() -> None:
    """(100 + 104) / 2 = 102 is 51 after the split; then (52 + 52) / 2 and (52 + 53) / 2."""
    strategy, _ = await run_holder()
    assert strategy.averages[1:] == [100, 102, 52, 52.5]


async def test_two_strategies_that_bring_the_same_adjustments_are_adjusted_once() -> None:
    bars = [make_bar(minute * MINUTE_NS, 100.0) for minute in (1, 2, 3)]
    dividends = [adjust("DIVIDEND", 150, "0.5")]
    strategies = {"a": Holder(bars, dividends), "b": Holder(bars, dividends)}
    account = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(10_000)})
    await tc.run_backtest(strategies=strategies, instruments=[make_instrument(ID)], brokers={"sim": account})
    assert [[one.amount for one in strategy.heard] for strategy in strategies.values()] == [[5], [5]]


def test_the_factories_take_datetimes_and_check() -> None:
    at = datetime(2024, 1, 2, tzinfo=UTC)
    assert AccountAdjustment.split(ID, at, 2).value == 2
    assert AccountAdjustment.dividend(ID, at, 0.5, "EUR").currency == "EUR"
    assert AccountAdjustment.funding(ID, at, "-0.0001").value == Decimal("-0.0001")
    assert AccountAdjustment.interest("USD", at, "0.001", broker="sim").broker == "sim"
    with pytest.raises(InvalidEvent):
        AccountAdjustment.split(ID, at, -2)


@pytest.mark.parametrize(("price", "after"), [("close", 51.0), ("volume", 204.0)])
def test_an_average_of_sizes_is_multiplied(price: str, after: float) -> None:
    average = SMA(2, price=price)
    for value in (100.0, 104.0):
        average.update_price(value)
    average.adjust(2.0)
    assert average.value == after

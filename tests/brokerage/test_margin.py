"""Maintenance margin and what a breach brings about: EXECUTION 9."""

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.brokerage.settings import RateCommission, TickSlippage
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order
from tradecore.domain.order_group import OrderGroup
from tradecore.errors import ConfigError, MarginBroken
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_instrument, make_quote_tick

ID, OTHER = "TEST.SIM", "OTHER.SIM"
BARS, QUOTES = f"bar {ID} 1m last", f"quote_tick {ID}"
SECOND = 10**9


def bar(minute: int, close: float, instrument: str = ID, **more: Any) -> Any:
    return make_bar(minute * MINUTE_NS, close, bar_type=f"{instrument} 1m last", **more)


async def desk_of(quantity: int, cash: int = 1_000, **settings: Any) -> BrokerDesk:
    """So many executed at the open of minute 2, at 100. Initial margin 0.5, maintenance 0.25."""
    words: dict[str, Any] = {"cash": {"USD": Decimal(cash)}, "maintenance_margin": Decimal("0.25"), **settings}
    desk = make_broker_desk(BARS, **words)
    desk.play(bar(1, 100))
    await desk.submit(Order.market(ID, quantity))
    desk.play(bar(2, 100))
    return desk


def list_executed(desk: BrokerDesk) -> list[tuple[str, str, int]]:
    return [(str(e.signed_quantity), str(e.price), e.ts_event // MINUTE_NS) for e in desk.executions]


@pytest.mark.parametrize(("low", "is_broken"), [(66.67, False), (66.66, True)])
async def test_a_long_is_closed_at_the_close_of_the_bar_whose_low_breaks_the_margin(
    low: float, is_broken: bool
) -> None:
    """20 at 100 with 1,000: cash is -1,000. Equity 20 p - 1,000 is below 0.25 x 20 p where p < 66.666...

    The bar closes at 80: the account takes that, and 600 are left.
    """
    desk = await desk_of(20)
    desk.play(bar(3, 80, open=100, low=low), bar(4, 80))
    executed = [("20", "100.0", 1), *([("-20", "80.0", 3)] if is_broken else [])]
    assert list_executed(desk) == executed
    assert desk.broker.get_account().cash["USD"] == (600 if is_broken else -1_000)


@pytest.mark.parametrize(("high", "is_broken"), [(120.0, False), (120.01, True)])
async def test_a_short_is_closed_at_the_close_of_the_bar_whose_high_breaks_the_margin(
    high: float, is_broken: bool
) -> None:
    """20 short at 100 with 1,000: cash is 3,000. Equity 3,000 - 20 p is below 0.25 x 20 p where p > 120."""
    desk = await desk_of(-20)
    desk.play(bar(3, 110, open=100, high=high), bar(4, 110))
    assert [one[:2] for one in list_executed(desk)][1:] == ([("20", "110.0")] if is_broken else [])


async def test_a_breach_cancels_what_works_and_says_what_it_did() -> None:
    desk = await desk_of(20)
    resting = await desk.submit(Order.limit(ID, -20, 150))
    desk.play(bar(3, 80, open=100, low=60))
    assert resting.state.name == "CANCELLED"
    assert resting.reason == (
        "margin broken: equity 200.0 USD is below the 300.000 USD that maintenance_margin 0.25 needs"
    )
    kinds = [(kind, ts // MINUTE_NS) for kind, ts, _ in desk.recorder.notes]
    assert kinds == [("margin_broken", 3), ("margin_cancelled", 3), ("margin_closing", 3)]
    facts = [facts for _, _, facts in desk.recorder.notes]
    assert facts[0] == {
        "broker": "sim",
        "currency": "USD",
        "equity": Decimal(200),
        "required": Decimal(300),
        "on_breach": "close",
    }
    assert facts[2]["order_id"] == "s-sim-margin-1"
    assert facts[2]["quantity"] == -20
    assert [r.report.order.state.name for r in desk.received if r.report.order.order_id == "s-sim-margin-1"] == [
        "ACCEPTED",
        "FILLED",
    ]


async def test_the_closing_order_is_a_taker_and_pays_for_it() -> None:
    """A tick of slippage below 80, and 0.1 % of 20 x 79.99."""
    desk = await desk_of(
        20, commission=RateCommission(taker=Decimal("0.001")), slippage=TickSlippage(ticks=Decimal(1)), cash=1010
    )
    desk.play(bar(3, 80, open=100, low=60))
    execution = desk.executions[-1]
    assert (str(execution.price), execution.liquidity.name) == ("79.99", "TAKER")
    assert execution.commission == Decimal("1.59980")


async def test_what_the_bar_has_no_room_for_goes_on_at_the_following_opens() -> None:
    """A tenth of 100 is 10 of 20 at the close; the other 10 at the open of the next bar, and nothing twice."""
    desk = await desk_of(20)
    desk.play(bar(3, 80, open=100, low=60, volume=100), bar(4, 81, open=79), bar(5, 81))
    assert list_executed(desk)[1:] == [("-10", "80.0", 3), ("-10", "79.0", 3)]
    assert desk.broker.get_positions() == []
    assert [kind for kind, _, _ in desk.recorder.notes] == ["margin_broken", "margin_closing"]


async def test_a_position_of_this_very_bar_meets_the_rest_of_it() -> None:
    """Bought at the open of minute 2, whose low breaks the margin: closed at its close."""
    desk = make_broker_desk(BARS, cash={"USD": Decimal(1_000)}, maintenance_margin=Decimal("0.25"))
    desk.play(bar(1, 100))
    await desk.submit(Order.market(ID, 20))
    desk.play(bar(2, 90, open=100, low=66))
    assert [one[:2] for one in list_executed(desk)] == [("20", "100.0"), ("-20", "90.0")]


async def test_a_stop_that_left_before_the_low_saves_the_account() -> None:
    desk = await desk_of(20)
    await desk.submit(Order.stop(ID, -20, 90))
    desk.play(bar(3, 80, open=100, low=60))
    assert [one[:2] for one in list_executed(desk)][1:] == [("-20", "90")]
    assert desk.recorder.notes == []


async def test_who_owes_nothing_and_is_short_of_nothing_is_never_closed() -> None:
    """10 for 1,000 of 1,000: whatever the price, what is held covers itself."""
    desk = await desk_of(10)
    desk.play(bar(3, 1, open=100, low=0.01))
    assert desk.broker.get_positions()[0].quantity == 10
    assert not desk.broker._book.is_watched


@pytest.mark.parametrize("window", [1, 2, None])
async def test_bars_that_end_together_are_tested_with_all_their_extremes_whatever_the_window(
    window: int | None,
) -> None:
    """10 of each at 100 with 1,000. Lows of 66 alone would leave 1,660 - 1,000 = 660 > 0.25 x 1,660; both 320 < 330."""
    instruments = [make_instrument(ID), make_instrument(OTHER)]
    desk = make_broker_desk(
        BARS,
        f"bar {OTHER} 1m last",
        instruments=instruments,
        cash={"USD": Decimal(1_000)},
        maintenance_margin=Decimal("0.25"),
    )
    desk.play(bar(1, 100), bar(1, 100, OTHER))
    for name in (ID, OTHER):
        await desk.submit(Order.market(name, 10))
    desk.play(bar(2, 100), bar(2, 100, OTHER), window=window)
    desk.play(
        bar(3, 90, open=100, low=66),
        bar(3, 95, OTHER),
        bar(4, 90, low=66),
        bar(4, 90, OTHER, open=95, low=66),
        window=window,
    )
    closed = [
        (e.instrument, str(e.signed_quantity), str(e.price), e.ts_event // MINUTE_NS) for e in desk.executions[2:]
    ]
    assert closed == [(OTHER, "-10", "90.0", 4), (ID, "-10", "90.0", 4)]


async def test_on_quotes_the_standing_price_is_tested_and_the_book_taken() -> None:
    """20 at 100 with 1,000, broken below 66.67: a bid of 66 takes the account out at 66."""
    desk = make_broker_desk(QUOTES, cash={"USD": Decimal(1_000)}, maintenance_margin=Decimal("0.25"))
    desk.play(make_quote_tick(SECOND, 100, 100, bid_size=None, ask_size=None))
    await desk.submit(Order.market(ID, 20))
    for second, bid in ((2, 67), (3, 66), (4, 70)):
        desk.play(make_quote_tick(second * SECOND, bid, bid, bid_size=None, ask_size=None))
    assert [(str(e.signed_quantity), str(e.price), e.ts_event // SECOND) for e in desk.executions[1:]] == [
        ("-20", "66.0", 3)
    ]


async def test_the_rate_of_another_currency_can_break_the_margin() -> None:
    """20 at 100 GBP with 1,250 USD: 2,000 GBP owed. At 100 GBP equity is 1,250 at any rate.

    A fall to 60 makes -800 GBP, at 1.25 -1,000 USD: 250 < 0.25 x 1,500.
    """
    instruments = [make_instrument(ID, currency="GBP"), make_instrument("GBPUSD.FX", base_currency="GBP")]
    desk = make_broker_desk(
        QUOTES,
        "quote_tick GBPUSD.FX",
        instruments=instruments,
        cash={"USD": Decimal(1_250)},
        maintenance_margin=Decimal("0.25"),
    )

    def quote(second: int, price: float, instrument: str) -> Any:
        return make_quote_tick(second * SECOND, price, price, bid_size=None, ask_size=None, instrument=instrument)

    desk.play(quote(1, 1.25, "GBPUSD.FX"), quote(2, 100, ID))
    await desk.submit(Order.market(ID, 20))
    desk.play(quote(3, 0.80, "GBPUSD.FX"), quote(4, 100, ID), quote(5, 1.25, "GBPUSD.FX"))
    assert len(desk.executions) == 1
    desk.play(quote(6, 60, ID))
    assert [str(e.price) for e in desk.executions[1:]] == ["60.0"]
    assert desk.broker.get_account().cash == {"USD": 1_250, "GBP": -800}


async def test_halt_cancels_and_ends_the_run() -> None:
    desk = await desk_of(20, on_breach="halt")
    resting = await desk.submit(Order.limit(ID, -20, 150))
    with pytest.raises(MarginBroken, match=r"account 'sim', margin broken: equity 200.0 USD") as caught:
        desk.play(bar(3, 80, open=100, low=60))
    assert (caught.value.broker, caught.value.exit_code) == ("sim", 6)
    assert desk.broker.get_positions()[0].quantity == 20
    assert [snapshot.state.name for snapshot, _ in desk.recorder.orders if snapshot.order_id == resting.order_id] == [
        "ACCEPTED",
        "CANCELLED",
    ]


async def test_an_instrument_that_nobody_lends_can_be_sold_but_not_short() -> None:
    desk = make_broker_desk(BARS, no_short=(ID,))
    desk.play(bar(1, 100))
    refused = await desk.submit(Order.market(ID, -1))
    assert "the broker lends none of it (no_short)" in str(refused.reason)
    await desk.submit(Order.market(ID, 2))
    desk.play(bar(2, 100))
    sold = await desk.submit(Order.market(ID, -2))
    desk.play(bar(3, 100))
    assert sold.state.name == "FILLED"


class Exits(tc.Strategy):
    """Holds 10, then submits a target and a stop of 10 each, linked, and a third order."""

    def __init__(self, contingency: str) -> None:
        self.contingency, self.seen = contingency, 0
        self.group = OrderGroup.oco([Order.limit(ID, -10, 120), Order.stop(ID, -10, 80)])
        self.third = Order.limit(ID, -1, 130)
        self.states: list[str] = []

    def on_start(self) -> None:
        bars = [bar(minute, 100) for minute in (1, 2, 3, 4)] + [bar(5, 79, open=100, low=79), bar(6, 79)]
        self.add_event_feed(tc.feed(bars, name="bars"), "bars")

    def on_bar(self, event: tc.Bar) -> None:
        self.seen += 1
        if self.seen == 1:
            self.submit_order(Order.market(ID, 10))
        elif self.seen == 2:
            self.submit_group(self.group)
        elif self.seen == 3:
            self.states = [order.state.name for order in self.group.orders]
            self.submit_order(self.third)


@pytest.mark.parametrize("contingency", ["client", "venue"])
async def test_the_exits_of_a_group_reserve_the_larger_leg_once(contingency: Any) -> None:
    """A cash account holds 10: a target and a stop for 10 each are one exit, a third order is a short."""
    strategy = Exits(contingency)
    account = tc.SimulatedBrokerSettings(account="cash", cash={"USD": Decimal(1_000)}, contingency=contingency)
    await tc.run_backtest(strategies=strategy, instruments=[make_instrument(ID)], brokers={"sim": account})
    assert strategy.states == ["ACCEPTED", "ACCEPTED"]
    assert "holds 10, of which 10 are being sold; a cash account refuses shorts" in str(strategy.third.reason)
    assert [order.state.name for order in strategy.group.orders] == ["CANCELLED", "FILLED"]


def test_margins_that_contradict_each_other_are_mistakes() -> None:
    with pytest.raises(ConfigError, match=r"maintenance_margin is 0.6; expected above 0 and at most initial_margin"):
        make_broker_desk(BARS, maintenance_margin=Decimal("0.6"))
    with pytest.raises(ConfigError, match="borrow_rate is -1"):
        make_broker_desk(BARS, borrow_rate=Decimal(-1))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"maintenance_margin": Decimal("0.2")}, "maintenance_margin is set, and a cash account"),
        ({"on_breach": "halt"}, "on_breach is set, and a cash account"),
        ({"borrow_rate": Decimal("0.03")}, "borrow_rate is set, and a cash account"),
    ],
)
def test_a_cash_account_has_no_margin_to_break(words: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_broker_desk(BARS, account="cash", **words)


@pytest.mark.parametrize("window", [1, 2, 3])
async def test_a_crossed_quote_values_nothing_whatever_the_window(window: int) -> None:
    """1 bought at 100.02 with 1,000, then worth 110; at the crossed quote after that, equity still is 1,009.98."""
    desk = make_broker_desk("quote_tick TEST.SIM", cash={"USD": Decimal(1_000)})
    quotes = [
        make_quote_tick(minute * MINUTE_NS, bid, ask)
        for minute, (bid, ask) in enumerate(((100.0, 100.02), (110.0, 110.02), (150.0, 140.0)), 1)
    ]
    for start in range(0, len(quotes), window):
        part = quotes[start : start + window]
        desk.broker.load("quote_tick", "TEST.SIM", part)
        for quote in part:
            desk.advance(quote.ts_event)
            await desk.submit(Order.market("TEST.SIM", 1 if quote is quotes[0] else 1_000))
        desk.broker.end_window(part[-1].ts_event + 1)
    desk.finish()
    reasons = [order.reason for order, _ in desk.recorder.orders if order.reason is not None]
    assert len(reasons) == 2
    assert all("equity is 1009.98 USD, of which 55.0" in reason for reason in reasons), reasons

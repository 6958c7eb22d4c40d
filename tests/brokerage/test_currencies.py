"""Several currencies: conversion through instruments that are fed, commission in any of them. EXECUTION 9, 10."""

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.brokerage.settings import FixedCommission, RateCommission
from tradecore.domain.order import Order
from tradecore.domain.quote_tick import QuoteTick
from tradecore.errors import ConfigError, InvalidOrder
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_instrument, make_quote_tick

ID, FX = "TEST.SIM", "GBPUSD.FX"
SECOND = 10**9
MINUTE = 60 * SECOND
GBP_STOCK = make_instrument(ID, currency="GBP")
CABLE = make_instrument(FX, price_increment="0.0001", base_currency="GBP")


def quote(second: float, bid: float, ask: float | None = None, instrument: str = ID) -> QuoteTick:
    ask = bid if ask is None else ask
    return make_quote_tick(round(second * SECOND), bid, ask, bid_size=None, ask_size=None, instrument=instrument)


def gbp_desk(**settings: Any) -> BrokerDesk:
    words: dict[str, Any] = {"cash": {"USD": Decimal(10_000)}, **settings}
    return make_broker_desk(f"quote_tick {ID}", f"quote_tick {FX}", instruments=[GBP_STOCK, CABLE], **words)


# ------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("instruments", "quotes", "margin"),
    [
        # direct: 100 GBP at the bid 1.25; inverse: one over the ask 0.8 of USDGBP; over EUR: 1.10 EUR at 1.20 USD
        ([make_instrument(FX, price_increment="0.0001", base_currency="GBP")], [(FX, 1.25, 1.26)], "625.00"),
        (
            [make_instrument("USDGBP.FX", price_increment="0.0001", currency="GBP", base_currency="USD")],
            [("USDGBP.FX", 0.79, 0.8)],
            "625.0",
        ),
        (
            [
                make_instrument("GBPEUR.FX", price_increment="0.0001", currency="EUR", base_currency="GBP"),
                make_instrument("EURUSD.FX", price_increment="0.0001", base_currency="EUR"),
            ],
            [("GBPEUR.FX", 1.10, 1.11), ("EURUSD.FX", 1.20, 1.21)],
            "660.0",
        ),
    ],
)
async def test_money_converts_directly_inversely_and_over_one_currency(
    instruments: list[Any], quotes: list[tuple[str, float, float]], margin: str
) -> None:
    """Half of 10 x 100 GBP: 500 GBP of margin at 1.25, at 1 / 0.8 and at 1.10 x 1.20 USD."""
    sources = [f"quote_tick {one.id}" for one in instruments]
    desk = make_broker_desk(
        f"quote_tick {ID}", *sources, instruments=[GBP_STOCK, *instruments], cash={"USD": Decimal(600)}
    )
    desk.play(*[quote(1, bid, ask, name) for name, bid, ask in quotes], quote(2, 100))
    refused = await desk.submit(Order.market(ID, 10))
    assert refused.state.name == "REJECTED"
    assert f"needs {margin}" in str(refused.reason)
    assert "USD of margin" in str(refused.reason)
    assert "equity is 600 USD" in str(refused.reason)


async def test_two_currencies_between_are_no_path() -> None:
    """GBP to EUR to CHF to USD: what three quotes multiply to is nobody's price."""
    chain = [("GBPEUR", "GBP", "EUR"), ("EURCHF", "EUR", "CHF"), ("CHFUSD", "CHF", "USD")]
    instruments = [make_instrument(f"{name}.FX", currency=to, base_currency=base) for name, base, to in chain]
    sources = [f"quote_tick {one.id}" for one in instruments]
    with pytest.raises(ConfigError, match=r"converts GBP into USD.*base_currency is GBP and whose currency is USD"):
        make_broker_desk(f"quote_tick {ID}", *sources, instruments=[GBP_STOCK, *instruments])


async def test_an_order_is_refused_while_nothing_prices_its_currency() -> None:
    """The path is there, its first quote is not: at no rate is no price."""
    desk = gbp_desk()
    desk.play(quote(1, 100))
    early = await desk.submit(Order.market(ID, 1))
    desk.play(quote(2, 1.25, instrument=FX))
    later = await desk.submit(Order.market(ID, 1))
    assert (early.state.name, later.state.name) == ("REJECTED", "FILLED")
    assert "GBP cannot be converted into USD yet" in str(early.reason)


async def test_equity_counts_what_other_instruments_are_worth_now_whatever_the_window() -> None:
    """Long 40 at 100 with 10,000 USD at 1.25; at a rate of 1.00 and a price of 10 equity is 10,000 - 4,000 + 400."""
    for window in (1, None):
        desk = gbp_desk()
        desk.play(quote(1, 1.25, instrument=FX), quote(2, 100), window=window)
        await desk.submit(Order.market(ID, 40))
        desk.play(quote(3, 1.0, instrument=FX), quote(4, 10), window=window)
        # 6,400 USD carry 1,280 at 10 GBP (half of 12,800), less the 40 that are held
        assert (await desk.submit(Order.market(ID, 1241))).state.name == "REJECTED"
        assert (await desk.submit(Order.market(ID, 1240))).state.name == "FILLED"


# -------------------------------------------------------------------------------------------------------- commission


def coin_desk(currency: str, account: str = "cash", **more: Any) -> BrokerDesk:
    coin = make_instrument("BTCUSD.SIM", quantity_increment="0.0001", base_currency="BTC")
    commission = RateCommission(maker=Decimal("0.001"), taker=Decimal("0.001"), currency=currency)
    words: dict[str, Any] = {"account": account, "cash": {"USD": Decimal(1_000)}, "commission": commission, **more}
    return make_broker_desk("quote_tick BTCUSD.SIM", instruments=[coin], **words)


async def test_commission_in_base_is_taken_from_what_was_bought() -> None:
    """2 bought at 100 pay 0.002: 1.998 are held, 200 are paid; equity at 100 is 999.8, a fifth of a dollar less."""
    desk = coin_desk("base")
    desk.play(quote(1, 100, instrument="BTCUSD.SIM"))
    await desk.submit(Order.market("BTCUSD.SIM", 2))
    (execution,), (position,) = desk.executions, desk.broker.get_positions()
    assert (execution.commission, execution.commission_currency) == (Decimal("0.002"), "BTC")
    assert (execution.rate, execution.commission_rate) == (Decimal(1), Decimal(100))
    assert (position.quantity, position.cost, position.commission) == (
        Decimal("1.998"),
        Decimal("199.8"),
        Decimal("0.2"),
    )
    assert desk.broker.get_account().cash == {"USD": 800}


async def test_commission_in_base_of_a_sale_needs_the_units_as_well() -> None:
    """1.998 held: selling 1.996 takes 0.001996 more, 1.997996 in all; selling all 1.998 would be short."""
    desk = coin_desk("base")
    desk.play(quote(1, 100, instrument="BTCUSD.SIM"))
    await desk.submit(Order.market("BTCUSD.SIM", 2))
    refused = await desk.submit(Order.market("BTCUSD.SIM", Decimal("-1.998")))
    assert "selling 1.999998 BTCUSD.SIM would be short" in str(refused.reason)
    sold = await desk.submit(Order.market("BTCUSD.SIM", Decimal("-1.996")))
    assert sold.state.name == "FILLED"
    assert desk.broker.get_positions()[0].quantity == Decimal("0.000004")
    assert desk.broker.get_account().cash["USD"] == 800 + Decimal("199.6")


async def test_commission_in_what_is_received_takes_units_when_buying_and_money_when_selling() -> None:
    """2 bought: 0.002 less; 1.998 sold at 110: 219.78 less 0.21978, and nothing is left."""
    desk = coin_desk("received")
    desk.play(quote(1, 100, instrument="BTCUSD.SIM"))
    await desk.submit(Order.market("BTCUSD.SIM", 2))
    desk.play(quote(2, 110, instrument="BTCUSD.SIM"))
    await desk.submit(Order.market("BTCUSD.SIM", Decimal("-1.998")))
    assert [e.commission_currency for e in desk.executions] == ["BTC", "USD"]
    assert desk.broker.get_positions() == []
    after = desk.recorder.positions[-1][1]
    cash = desk.broker.get_account().cash["USD"]
    assert cash == 800 + Decimal("219.78") - Decimal("0.21978")
    assert not after.cost
    assert after.realised - after.commission == cash - 1_000  # realised equals cash


async def test_commission_in_a_third_currency_is_paid_from_its_cash() -> None:
    """0.1 % of 200 USD is 0.2 USD, at 400 USD a coin 0.0005 of it; without any of it the buy is refused."""
    commission = RateCommission(taker=Decimal("0.001"), currency="BNB")
    instruments = [make_instrument(), make_instrument("BNBUSD.SIM", base_currency="BNB")]
    sources = ("quote_tick TEST.SIM", "quote_tick BNBUSD.SIM")
    for cash, state in (({"USD": Decimal(1_000), "BNB": Decimal(1)}, "FILLED"), ({"USD": Decimal(1_000)}, "REJECTED")):
        desk = make_broker_desk(*sources, instruments=instruments, account="cash", cash=cash, commission=commission)
        desk.play(quote(1, 400, instrument="BNBUSD.SIM"), quote(2, 100))
        order = await desk.submit(Order.market(ID, 2))
        assert order.state.name == state
        if state == "FILLED":
            assert desk.broker.get_account().cash == {"USD": 800, "BNB": 1 - Decimal("0.0005")}
            assert desk.executions[0].commission_rate == 400
            assert desk.broker.get_positions()[0].commission == Decimal("0.2")
        else:
            assert "needs 0.000500000000 BNB of commission; the account has 0 BNB" in str(order.reason)


async def test_commission_that_cannot_be_is_an_error_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r'TEST.SIM: commission in "base".*no base_currency'):
        make_broker_desk(f"quote_tick {ID}", commission=RateCommission(taker=Decimal("0.001"), currency="base"))
    with pytest.raises(ConfigError, match="converts BNB into USD"):
        make_broker_desk(f"quote_tick {ID}", commission=FixedCommission(amount=Decimal(1), currency="BNB"))


# -------------------------------------------------------------------------------------------------------- statistics


class BuysAndSells(tc.Strategy):
    """Buys 10 at the second quote of the stock, sells them at the fourth."""

    def __init__(self, quotes: list[QuoteTick], after: int | None = 4) -> None:
        self.quotes, self.after, self.seen = quotes, after, 0
        self.refused: InvalidOrder | None = None
        self.cash: list[dict[str, Decimal]] = []

    def on_start(self) -> None:
        self.add_event_feed(tc.feed(self.quotes, name="quotes", event_types=["quote_tick"]), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        if tick.instrument != ID:
            return
        self.seen += 1
        if self.seen in (2, self.after):
            self.submit_order(tc.Order.market(ID, 10 if self.seen == 2 else -10))
        self.cash.append(self.account().cash)


def story(last: int) -> list[QuoteTick]:
    """The pound at 1.25, from 2:30 1.30, from 4:30 1.40; stock at 100, from 1:40 110, from 3:20 120, at 4:50 130."""
    rates = [(1, 1.25), (150, 1.30), (270, 1.40)]
    prices = [(2, 100), (3, 100), (100, 110), (200, 120), (290, 130)]
    told = [quote(s, r, instrument=FX) for s, r in rates] + [quote(s, p) for s, p in prices]
    return sorted((one for one in told if one.ts_event <= last * SECOND), key=lambda one: one.ts_event)


async def run_story(strategy: BuysAndSells, batch_size: int = 1_024) -> Any:
    account = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(10_000)}, commission=RateCommission(taker=Decimal("0.001"))
    )
    return await tc.run_backtest(
        strategies=strategy, instruments=[GBP_STOCK, CABLE], brokers={"sim": account}, batch_size=batch_size
    )


async def test_profit_in_another_currency_is_converted_when_it_is_made() -> None:
    """10 from 100 to 120 GBP: 200 GBP at 1.30 are 260 USD; commission 1 GBP at 1.25 and 1.2 GBP at 1.30."""
    strategy = BuysAndSells(story(240))
    statistics = (await run_story(strategy)).statistics
    assert statistics.currency == "USD"
    assert statistics.realised_profit == 260
    assert statistics.commission == Decimal("1.25") + Decimal("1.56")
    assert statistics.net_profit == Decimal("257.19")
    assert statistics.turnover == 1_250 + 1_560
    assert statistics.trades_won == 1
    assert strategy.cash[-1] == {"USD": Decimal(10_000), "GBP": Decimal("-1001.000")}  # as reported at its last quote


@pytest.mark.parametrize("batch_size", [1, 1_024])
async def test_what_is_held_is_valued_at_the_rate_of_its_mark(batch_size: int) -> None:
    """Bought at 0:03. Minute 1: 100 at 1.25; 2: 110 at 1.25; 3: 110 at 1.30; 4: 120 at 1.30; the end: 130 at 1.40.

    Open profit 0, 125, 130, 260, 420 USD; always less 1.25 of commission.
    """
    statistics = (await run_story(BuysAndSells(story(300), after=None), batch_size)).statistics
    curve = dict(statistics.equity_curve)
    expected = {60: 0, 120: 125, 180: 130, 240: 260, 290: 420}
    met = {second: curve[second * SECOND] - 10_000 + 1.25 for second in expected}
    assert met == pytest.approx(expected, abs=1e-9)
    assert float(statistics.open_profit) == pytest.approx(420, abs=1e-9)
    assert float(statistics.final_equity) == pytest.approx(10_418.75, abs=1e-9)


async def test_equity_of_the_record_is_equity_of_the_account() -> None:
    """Cash 10,000 USD and -1,001 GBP, 10 held at 130 GBP, the pound at 1.40: 10,000 + 299 x 1.40 = 10,418.60.

    The record has the commission at the rate at which it was paid: 0.15 USD apart.
    """
    statistics = (await run_story(BuysAndSells(story(300), after=None))).statistics
    account = 10_000 + Decimal("1.40") * (10 * 130 - 1_001)
    assert float(statistics.final_equity - account) == pytest.approx(-1.25 + 1.40, abs=1e-9)


async def test_without_a_path_the_order_is_refused_at_the_call_and_says_what_to_add() -> None:
    """Nothing between GBP and USD is read: a cash account starts, and the order names the instrument it lacks."""
    desk = make_broker_desk(f"quote_tick {ID}", instruments=[make_instrument(ID), CABLE], account="cash")
    desk.instruments["OTHER.SIM"] = make_instrument("OTHER.SIM", currency="GBP")
    desk.broker.choose_sources([], desk.instruments)
    with pytest.raises(InvalidOrder, match="base_currency is GBP and whose currency is USD"):
        desk.broker.check_order(Order.market("OTHER.SIM", 1))

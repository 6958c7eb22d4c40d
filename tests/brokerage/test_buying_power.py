"""Money is refused, not invented: EXECUTION 7 and 9."""

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import RateCommission
from tradecore.domain.order import Order
from tradecore.domain.quote_tick import QuoteTick
from tradecore.errors import ConfigError
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_instrument, make_quote_tick

ID = "TEST.SIM"
QUOTES = f"quote_tick {ID}"


def quote(second: int, bid: float, ask: float, instrument: str = ID) -> QuoteTick:
    return make_quote_tick(second * 10**9, bid, ask, bid_size=None, ask_size=None, instrument=instrument)


def desk_at_100(account: str, cash: int, **settings: Any) -> BrokerDesk:
    desk = make_broker_desk(QUOTES, account=account, cash={"USD": Decimal(cash)}, **settings)
    desk.play(quote(1, 100, 100))
    return desk


async def test_a_cash_account_buys_what_its_cash_pays_commission_included() -> None:
    """9 x 100 = 900; with 1 % 909; 10 would need 1010 of 1000."""
    desk = desk_at_100("cash", 1_000, commission=RateCommission(taker=Decimal("0.01")))
    refused = await desk.submit(Order.market(ID, 10))
    assert refused.state.name == "REJECTED"
    assert refused.reason == (
        "buying 10 TEST.SIM at 100.0 needs 1010.000 USD with commission; the account has 1000 USD, of which 0 are set "
        "aside for other orders"
    )
    taken = await desk.submit(Order.market(ID, 9))
    assert taken.state.name == "FILLED"
    assert desk.broker.get_account().cash["USD"] == 91


async def test_a_cash_account_sets_money_aside_for_working_orders() -> None:
    """6 x 90 = 540 are set aside, so 5 x 95 = 475 are too much; after the cancel they are not."""
    desk = desk_at_100("cash", 1_000)
    first = await desk.submit(Order.limit(ID, 6, "90"))
    assert (await desk.submit(Order.limit(ID, 5, "95"))).state.name == "REJECTED"
    assert (await desk.submit(Order.limit(ID, 4, "95"))).state.name == "ACCEPTED"
    await desk.cancel(first)
    assert (await desk.submit(Order.limit(ID, 5, "95"))).state.name == "ACCEPTED"


async def test_a_cash_account_refuses_shorts_with_a_reason() -> None:
    desk = desk_at_100("cash", 1_000)
    await desk.submit(Order.market(ID, 3))
    working = await desk.submit(Order.limit(ID, -2, "110"))
    refused = await desk.submit(Order.market(ID, -2))
    assert working.state.name == "ACCEPTED"
    assert refused.state.name == "REJECTED"
    assert "holds 3, of which 2 are being sold; a cash account refuses shorts" in str(refused.reason)
    assert (await desk.submit(Order.market(ID, -1))).state.name == "FILLED"


async def test_one_strategy_cannot_sell_what_another_holds_in_a_cash_account() -> None:
    desk = make_broker_desk(QUOTES, account="cash", strategies=("a", "b"))
    desk.play(quote(1, 100, 100))
    await desk.submit(Order.market(ID, 3), "a")
    assert (await desk.submit(Order.market(ID, -1), "b")).state.name == "REJECTED"


async def test_an_order_taken_before_any_price_is_looked_at_when_it_executes() -> None:
    """On an empty market nobody can tell; at 100 the cash does not pay for 20."""
    desk = make_broker_desk(QUOTES, account="cash", cash={"USD": Decimal(1_000)})
    order = await desk.submit(Order.market(ID, 20))
    assert order.state.name == "ACCEPTED"
    desk.play(quote(1, 100, 100))
    assert f"{order.state.name} {order.filled_quantity}" == "CANCELLED 0"
    assert "needs 2000" in str(order.reason)
    assert desk.broker.get_account().cash["USD"] == 1_000


@pytest.mark.parametrize(("quantity", "state"), [(20, "FILLED"), (21, "REJECTED"), (-20, "FILLED"), (-21, "REJECTED")])
async def test_a_margin_account_needs_its_fraction_of_the_position(quantity: int, state: str) -> None:
    """Half of 20 x 100 is all of the 1000 there is, long or short."""
    desk = desk_at_100("margin", 1_000)
    assert (await desk.submit(Order.market(ID, quantity))).state.name == state


@pytest.mark.parametrize(
    ("quantity", "price", "stop_price", "state"),
    [
        (-20, "0.01", None, "FILLED"),  # at the market: 20 x 100 x 0.5 = 1000 is all there is
        (-21, "0.01", None, "REJECTED"),
        (-21, "0.01", "99", "REJECTED"),  # triggered below 99 it would sell at what is there
        (-16, "120", None, "ACCEPTED"),  # at 120 the same: 16 x 120 x 0.5 = 960, and 17 would need 1020
        (-17, "120", None, "REJECTED"),
        (-17, None, "120", "REJECTED"),  # touched at 120
    ],
)
async def test_a_sale_needs_margin_for_what_it_may_bring_and_not_for_its_limit(
    quantity: int, price: str | None, stop_price: str | None, state: str
) -> None:
    """A sale far below the market executes at the market; margin for its limit alone would allow any short."""
    desk = desk_at_100("margin", 1_000)
    if price is None:
        order = Order.market_if_touched(ID, quantity, str(stop_price))
    elif stop_price is None:
        order = Order.limit(ID, quantity, price)
    else:
        order = Order.stop_limit(ID, quantity, stop_price, price)
    assert (await desk.submit(order)).state.name == state


@pytest.mark.parametrize(("quantity", "state"), [(-21, "CANCELLED"), (-20, "FILLED")])
async def test_a_sale_before_the_first_price_needs_margin_for_what_it_brings_then(quantity: int, state: str) -> None:
    """Sold at the first bid of 100 and not at its limit of 1: 21 x 100 x 0.5 are 1,050 of 1,000; 20 are 1,000."""
    desk = make_broker_desk(QUOTES, account="margin", cash={"USD": Decimal(1_000)})
    order = await desk.submit(Order.limit(ID, quantity, "1"))
    assert order.state.name == "ACCEPTED"
    desk.play(quote(1, 100, 100))
    assert order.state.name == state
    assert [str(execution.price) for execution in desk.executions] == ["100.0"] * (state == "FILLED")
    assert ("needs 1050" in str(order.reason)) is (state == "CANCELLED")


async def test_an_update_needs_margin_for_what_the_sale_may_bring() -> None:
    """1 at 101 may become 20, which need 1000 at the market; 21 at 0.01 may not."""
    desk = desk_at_100("margin", 1_000)
    order = await desk.submit(Order.limit(ID, -1, "101"))
    await desk.update(order, quantity=Decimal(21), price=Decimal("0.01"))
    assert f"{order.state.name} {order.quantity}" == "ACCEPTED 1"
    assert "needs 1050" in str(order.reason)
    await desk.update(order, quantity=Decimal(20), price=Decimal("0.01"))
    assert f"{order.state.name} {order.filled_quantity}" == "FILLED 20"


async def test_a_bid_below_zero_frees_no_money() -> None:
    """It would be paid 5 x 1000 if it executed; until then the cash is the 1000 there are: 10 x 100, not 11."""
    desk = desk_at_100("cash", 1_000)
    assert (await desk.submit(Order.limit(ID, 1_000, -5))).state.name == "ACCEPTED"
    assert (await desk.submit(Order.market(ID, 11))).state.name == "REJECTED"
    assert (await desk.submit(Order.market(ID, 10))).state.name == "FILLED"


async def test_working_orders_use_margin_and_reductions_always_pass() -> None:
    """Long 10 uses 500, a bid for 10 more at 90 another 450 of 1000; a flip by -20 is no wider than what may come."""
    desk = desk_at_100("margin", 1_000)
    await desk.submit(Order.market(ID, 10))
    assert (await desk.submit(Order.limit(ID, 10, "90"))).state.name == "ACCEPTED"
    refused = await desk.submit(Order.limit(ID, 2, "90"))
    assert "of margin" in str(refused.reason)
    assert (await desk.submit(Order.market(ID, -20))).state.name == "FILLED"


async def test_equity_moves_with_the_market() -> None:
    """Long 10 from 100 with 1000: at 60 equity is 600, of which 300 are used; 10 more need 300, 11 need 330."""
    desk = desk_at_100("margin", 1_000)
    await desk.submit(Order.market(ID, 10))
    desk.play(quote(2, 60, 60))
    assert (await desk.submit(Order.market(ID, 11))).state.name == "REJECTED"
    assert (await desk.submit(Order.market(ID, 10))).state.name == "FILLED"


async def test_money_of_another_currency_converts_through_an_instrument_that_is_fed() -> None:
    """A GBP instrument in a USD account: half of 10 x 100 GBP at 1.25 are 625 USD."""
    instruments = [
        make_instrument(currency="GBP"),
        make_instrument("GBPUSD.FX", price_increment="0.0001", base_currency="GBP"),
    ]
    desk = make_broker_desk(QUOTES, "quote_tick GBPUSD.FX", instruments=instruments, cash={"USD": Decimal(625)})
    desk.play(quote(1, 1.25, 1.25, "GBPUSD.FX"), quote(2, 100, 100))
    assert (await desk.submit(Order.market(ID, 11))).state.name == "REJECTED"
    assert (await desk.submit(Order.market(ID, 10))).state.name == "FILLED"
    assert desk.broker.get_account().cash == {"USD": 625, "GBP": -1_000}


async def test_no_path_between_currencies_is_an_error_at_the_start() -> None:
    with pytest.raises(ConfigError, match="converts GBP into USD"):
        make_broker_desk(QUOTES, instruments=[make_instrument(currency="GBP")])


async def test_settings_that_contradict_themselves_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        make_broker_desk(
            QUOTES,
            cash={"USD": Decimal(-1)},
            participation=Decimal(2),
            open_grace=Decimal(1),
            initial_margin=Decimal(0),
        )
    assert len(caught.value.mistakes) == 4

"""Commission that is taken in units of what is traded: exits, and what an opportunity counts as its own. EXECUTION 8.

2 coins bought with 0.1 % "received" are 1.998: that is what there is to exit. Exits of 2 would be short by 0.002.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.testing.builders import make_instrument, make_ns, make_quote_tick

COIN = "BTCUSD.SIM"
T0 = make_ns("2024-01-01T10:00")
both = pytest.mark.parametrize("contingency", ["client", "venue"])


class Trader(tc.Strategy):
    """One opportunity at the first quote; closed by hand at quote number `closes`."""

    def __init__(self, bids: list[float], closes: int, entry: tc.Order, **exits: Any) -> None:
        self.quotes = [
            make_quote_tick(T0 + n * SECOND_NS, bid, round(bid + 0.01, 2), bid_size=100, ask_size=100, instrument=COIN)
            for n, bid in enumerate(bids)
        ]
        self.closes, self.count = closes, 0
        self.trade = tc.Opportunity(entry, **exits)

    def on_start(self) -> None:
        self.add_event_feed(tc.feed(self.quotes, name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.count += 1
        if self.count == 1:
            self.submit_opportunity(self.trade)
        elif self.count == self.closes:
            self.trade.close()


async def run(trader: Trader, currency: str, **settings: Any) -> Any:
    commission = tc.RateCommission(maker=Decimal("0.001"), taker=Decimal("0.001"), currency=currency)
    words: dict[str, Any] = {"account": "cash", "cash": {"USD": Decimal(1_000)}, "commission": commission, **settings}
    coin = make_instrument(COIN, quantity_increment="0.0001", base_currency="BTC")
    brokers = {"sim": tc.SimulatedBrokerSettings(**words)}
    return await tc.run_backtest(strategies=trader, instruments=[coin], brokers=brokers)


def with_exits(quantity: int) -> dict[str, tc.Order]:
    sign = 1 if quantity > 0 else -1
    return {
        "profit": tc.Order.limit(COIN, -quantity, 100 + 10 * sign),
        "stop": tc.Order.stop(COIN, -quantity, 100 - 10 * sign),
    }


@both
async def test_exits_are_of_what_the_entry_left_after_its_commission(contingency: str) -> None:
    """2 at 100.01 cost 200.02 and 0.002 coins; 1.998 at 110 bring 219.78 less 0.21978: 19.54022."""
    trader = Trader([100, 101, 111, 111], 0, tc.Order.market(COIN, 2), **with_exits(2))
    result = await run(trader, "received", contingency=contingency)
    trade = trader.trade
    assert (trade.state, trade.end, trade.problem) == (tc.OpportunityState.FINISHED, tc.OpportunityEnd.PROFIT, None)
    assert [order.filled_quantity for order in trade.orders] == [2, Decimal("1.998"), 0]
    assert trade.held == trader.position(COIN).quantity == 0
    assert trade.profit == result.statistics.net_profit == Decimal("19.54022")


@both
async def test_a_stop_leaves_it_the_same_way(contingency: str) -> None:
    trader = Trader([100, 101, 89, 89], 0, tc.Order.market(COIN, 2), **with_exits(2))
    await run(trader, "received", contingency=contingency)
    assert trader.trade.end is tc.OpportunityEnd.STOP
    assert trader.position(COIN).quantity == 0


async def test_closing_sends_what_is_held_and_leaves_less_than_an_increment() -> None:
    """0.0015 less 0.0000015 is 0.0014985: 0.0014 can be sold, and 0.0000985 stay, as they would in a real account."""
    trader = Trader([100, 101, 101], 2, tc.Order.market(COIN, Decimal("0.0015")))
    await run(trader, "received")
    trade = trader.trade
    assert (trade.end, trade.problem) == (tc.OpportunityEnd.CLOSED, None)
    assert trade.orders[-1].filled_quantity == Decimal("0.0014")
    assert trade.held == trader.position(COIN).quantity == Decimal("0.0000985")


async def test_a_short_one_buys_back_what_the_commission_of_its_exit_took() -> None:
    """2 bought at 90 bring 1.998; the 0.002 that are missing are bought too, less 0.000002, under an increment."""
    trader = Trader([100, 99, 89, 89], 0, tc.Order.market(COIN, -2), **with_exits(-2))
    await run(trader, "received", account="margin")
    trade = trader.trade
    assert (trade.end, trade.problem) == (tc.OpportunityEnd.PROFIT, None)
    assert [order.filled_quantity for order in trade.orders] == [2, 2, 0, Decimal("0.002")]
    assert trade.held == trader.position(COIN).quantity == Decimal("-0.000002")


async def test_a_cash_account_that_takes_it_from_sales_too_says_what_is_missing() -> None:
    """Paid in "base", 1.998 sold take 0.001998 more, which are not there. It is told, and nothing is lost of it."""
    trader = Trader([100, 101, 111, 111], 0, tc.Order.market(COIN, 2), **with_exits(2))
    await run(trader, "base")
    assert trader.trade.problem is not None
    assert "selling 1.9999980 BTCUSD.SIM would be short" in str(trader.trade.orders[1].reason)
    assert trader.trade.held == trader.position(COIN).quantity == Decimal("1.998")

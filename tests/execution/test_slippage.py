"""Slippage down a synthetic depth: EXECUTION 4, 7. The other models are in test_quote_lane.py and test_bar_lane.py."""

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import DepthSlippage
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order, TimeInForce
from tradecore.errors import ConfigError
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick

ID = "TEST.SIM"


def model(size: str = "4", ticks: str = "2", jitter: str = "0") -> DepthSlippage:
    return DepthSlippage(Decimal(size), Decimal(ticks), Decimal(jitter))


def barred(slippage: DepthSlippage, **settings: Any) -> BrokerDesk:
    desk = make_broker_desk(f"bar {ID} 1m last", slippage=slippage, **settings)
    desk.play(make_bar(MINUTE_NS, 100))
    return desk


@pytest.mark.parametrize(("side", "prices"), [(1, ["100.00", "100.02", "100.04"]), (-1, ["100.00", "99.98", "99.96"])])
async def test_on_a_bar_a_taker_walks_down_made_up_levels(side: int, prices: list[str]) -> None:
    """4 a level, two ticks apart: 10 are 4 + 4 + 2."""
    desk = barred(model())
    order = await desk.submit(Order.market(ID, 10 * side))
    desk.play(make_bar(2 * MINUTE_NS, 100))
    assert desk.list_executed(order) == list(zip(["4", "4", "2"], prices, strict=True))
    assert [str(e.slippage) for e in desk.executions] == ["0.00", "0.02", "0.04"]


async def test_two_orders_at_one_price_of_one_bar_share_the_levels() -> None:
    desk = barred(model())
    first, second = await desk.submit(Order.market(ID, 6)), await desk.submit(Order.market(ID, 4))
    desk.play(make_bar(2 * MINUTE_NS, 100))
    assert desk.list_executed(first) == [("4", "100.00"), ("2", "100.02")]
    assert desk.list_executed(second) == [("2", "100.02"), ("2", "100.04")]


async def test_a_limit_ends_the_walk_and_the_rest_rests() -> None:
    """10 are displayed at 100.02 and 4 made up at 100.04; the next level, 100.06, is past the limit."""
    desk = make_broker_desk(f"quote_tick {ID}", slippage=model())
    desk.play(make_quote_tick(SECOND_NS, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 20, "100.05"))
    assert desk.list_executed(order) == [("10", "100.02"), ("4", "100.04")]
    assert order.state.name == "PARTIALLY_FILLED"


async def test_what_eleven_levels_do_not_give_waits_for_the_next_bar() -> None:
    """11 x 4 of 50; the other 6 begin again at the next open."""
    desk = barred(model())
    order = await desk.submit(Order.market(ID, 50))
    desk.play(make_bar(2 * MINUTE_NS, 100))
    assert order.filled_quantity == 44
    desk.play(make_bar(3 * MINUTE_NS, 101))
    assert desk.list_executed(order)[11:] == [("4", "101.00"), ("2", "101.02")]


async def test_a_fok_order_counts_what_the_levels_hold() -> None:
    desk = barred(model())
    order = await desk.submit(Order.market(ID, 50, time_in_force=TimeInForce.FOK))
    desk.play(make_bar(2 * MINUTE_NS, 100))
    assert (order.state.name, order.filled_quantity) == ("CANCELLED", Decimal(0))


async def test_on_quotes_the_touch_is_real_and_what_lies_below_is_made_up() -> None:
    """10 are displayed at 100.02, then 4 at 100.04, then 4 at 100.06; consumption goes on through them."""
    desk = make_broker_desk(f"quote_tick {ID}", slippage=model())
    desk.play(make_quote_tick(SECOND_NS, 99.98, 100.02))
    first, second = await desk.submit(Order.market(ID, 12)), await desk.submit(Order.market(ID, 4))
    assert desk.list_executed(first) == [("10", "100.02"), ("2", "100.04")]
    assert desk.list_executed(second) == [("2", "100.04"), ("2", "100.06")]


async def test_on_trades_it_begins_at_the_print() -> None:
    desk = make_broker_desk(f"trade_tick {ID}", slippage=model(), spread={ID: Decimal("0.04")})
    desk.play(make_trade_tick(SECOND_NS, 100, 100))
    order = await desk.submit(Order.market(ID, 6))
    desk.play(make_trade_tick(2 * SECOND_NS, 100, 100))
    assert desk.list_executed(order) == [("4", "100.02"), ("2", "100.04")]  # half the spread on top of each


async def test_sizes_vary_with_the_seed_and_with_nothing_else() -> None:
    """Between 2 and 6 for 4 with a jitter of a half; the same seed gives the same levels again."""

    async def tell(seed: int) -> list[str]:
        desk = make_broker_desk(f"bar {ID} 1m last", slippage=model(jitter="0.5"), seed=seed)
        desk.play(make_bar(MINUTE_NS, 100))
        order = await desk.submit(Order.market(ID, 30))
        desk.play(make_bar(2 * MINUTE_NS, 100))
        return [quantity for quantity, _ in desk.list_executed(order)]

    first = await tell(1)
    assert first == await tell(1)
    assert first != await tell(2)
    assert {int(quantity) for quantity in first[:-1]} <= {2, 3, 4, 5}
    assert len(set(first)) > 1


@pytest.mark.parametrize(
    ("slippage", "said"),
    [
        (model(size="0"), "level_size of slippage is 0; expected above 0"),
        (model(ticks="-1"), "level_ticks of slippage is -1; expected above 0"),
        (model(jitter="1"), "jitter of slippage is 1; expected 0 <= jitter < 1"),
    ],
)
def test_a_depth_that_cannot_be_is_refused(slippage: DepthSlippage, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_broker_desk(f"bar {ID} 1m last", slippage=slippage)

"""Orders against trades alone: EXECUTION 5."""

from decimal import Decimal

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.order import Order, TimeInForce
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.testing.broker_desk import make_broker_desk as make_desk
from tradecore.testing.builders import make_trade_tick

ID = "TEST.SIM"
SOURCE = f"trade_tick {ID}"
SECOND = 1_000_000_000


def trade(second: int, price: float, size: float | None = 100, aggressor: Aggressor = Aggressor.UNKNOWN) -> TradeTick:
    return make_trade_tick(second * SECOND, price, size, aggressor=aggressor)


@pytest.mark.parametrize(("side", "price"), [(1, "100.07"), (-1, "100.03")])
async def test_a_taker_gets_the_next_print_and_half_the_spread(side: int, price: str) -> None:
    """A print that has happened is a record: the one at second 1 is gone. 0.04 / 2 on 100.05."""
    desk = make_desk(SOURCE, spread={ID: Decimal("0.04")})
    desk.play(trade(1, 100))
    order = await desk.submit(Order.market(ID, side))
    assert order.filled_quantity == 0
    desk.play(trade(2, 100.05))
    assert desk.list_executed(order) == [("1", price)]
    assert str(desk.executions[0].slippage) == "0.02"


@pytest.mark.parametrize(
    ("order", "executed"),
    [
        (Order.limit(ID, -1, "90"), [("1", "100.0")]),  # the first print, not its limit
        (Order.limit(ID, 1, "99"), [("1", "99")]),  # it rests, and is printed through at 98
        (Order.limit(ID, -1, "100"), []),  # a print at its very price is not through it
    ],
)
async def test_a_limit_before_the_first_print_comes_to_the_market_with_it(
    order: Order, executed: list[tuple[str, str]]
) -> None:
    desk = make_desk(SOURCE)
    await desk.submit(order)
    desk.play(trade(1, 100), trade(2, 98), trade(3, 100))
    assert desk.list_executed(order) == executed


async def test_half_a_spread_off_the_grid_rounds_against_the_order() -> None:
    """100.05 and half of 0.03 are 100.065: a buy pays 100.07, a sale gets 100.03."""
    desk = make_desk(SOURCE, spread={ID: Decimal("0.03")})
    buy, sell = await desk.submit(Order.market(ID, 1)), await desk.submit(Order.market(ID, -1))
    desk.play(trade(1, 100.05))
    assert desk.list_executed(buy) == [("1", "100.07")]
    assert desk.list_executed(sell) == [("1", "100.03")]


async def test_a_print_before_the_due_time_executes_nothing() -> None:
    """Due at second 3: the print of second 3 comes first in that instant, so the one of second 4 executes."""
    desk = make_desk(SOURCE, latency=Latency(submit=ConstantDelay(ms=2_000)))
    desk.play(trade(1, 100))
    order = await desk.submit(Order.market(ID, 1))
    desk.play(trade(2, 101), trade(3, 102), trade(4, 103))
    assert desk.list_executed(order) == [("1", "103.0")]


async def test_participation_shares_a_print_among_all_our_orders() -> None:
    """A tenth of 100: 6 and 4, then the other 3."""
    desk = make_desk(SOURCE)
    first, second = await desk.submit(Order.market(ID, 6)), await desk.submit(Order.market(ID, 7))
    desk.play(trade(1, 100), trade(2, 101))
    assert desk.list_executed(first) == [("6", "100.0")]
    assert desk.list_executed(second) == [("4", "100.0"), ("3", "101.0")]


@pytest.mark.parametrize(("side", "price", "at", "past"), [(1, "99.50", 99.50, 99.49), (-1, "100.50", 100.50, 100.51)])
@pytest.mark.parametrize("aggressor", list(Aggressor))
async def test_a_resting_limit_needs_a_print_through_it_whoever_was_the_aggressor(
    side: int, price: str, at: float, past: float, aggressor: Aggressor
) -> None:
    """At its price we cannot know the queue."""
    desk = make_desk(SOURCE)
    desk.play(trade(1, 100))
    order = await desk.submit(Order.limit(ID, side, price))
    desk.play(trade(2, at, aggressor=aggressor))
    assert order.filled_quantity == 0
    desk.play(trade(3, past, aggressor=aggressor))
    assert desk.list_executed(order) == [("1", price)]


async def test_a_limit_marketable_on_arrival_takes_the_next_print_else_rests() -> None:
    desk = make_desk(SOURCE)
    desk.play(trade(1, 100))
    taken = await desk.submit(Order.limit(ID, 1, "100.50"))
    desk.play(trade(2, 100.2))
    assert desk.list_executed(taken) == [("1", "100.2")]
    away = await desk.submit(Order.limit(ID, 1, "100.50"))
    desk.play(trade(3, 101))
    assert away.filled_quantity == 0
    desk.play(trade(4, 100))
    assert desk.list_executed(away) == [("1", "100.50")]
    assert [e.liquidity.name for e in desk.executions] == ["TAKER", "MAKER"]


@pytest.mark.parametrize(("side", "stop", "reached"), [(1, "101", 101.0), (-1, "99", 99.0)])
async def test_a_stop_triggers_on_a_print_and_takes_the_one_after(side: int, stop: str, reached: float) -> None:
    desk = make_desk(SOURCE)
    desk.play(trade(1, 100))
    order = await desk.submit(Order.stop(ID, side, stop))
    desk.play(trade(2, reached))
    assert f"{order.state.name} {order.filled_quantity}" == "TRIGGERED 0"
    desk.play(trade(3, 100.25))
    assert desk.list_executed(order) == [("1", "100.25")]


async def test_a_stop_limit_triggered_past_its_limit_rests() -> None:
    desk = make_desk(SOURCE)
    desk.play(trade(1, 100))
    order = await desk.submit(Order.stop_limit(ID, 1, "101", "101.50"))
    desk.play(trade(2, 102), trade(3, 101.5))
    assert f"{order.state.name} {order.filled_quantity}" == "TRIGGERED 0"
    desk.play(trade(4, 101.4))
    assert desk.list_executed(order) == [("1", "101.50")]


@pytest.mark.parametrize(("tif", "executed"), [(TimeInForce.IOC, 10), (TimeInForce.FOK, 0)])
async def test_immediate_orders_have_one_print(tif: TimeInForce, executed: int) -> None:
    desk = make_desk(SOURCE)
    order = await desk.submit(Order.market(ID, 15, time_in_force=tif))
    desk.play(trade(1, 100), trade(2, 100))
    assert f"{order.filled_quantity} {order.state.name}" == f"{executed} CANCELLED"


async def test_a_print_of_size_zero_gives_nothing_and_an_absent_size_everything() -> None:
    desk = make_desk(SOURCE)
    order = await desk.submit(Order.market(ID, 500))
    desk.play(trade(1, 100, size=0))
    assert order.filled_quantity == 0
    desk.play(trade(2, 101, size=None))
    assert desk.list_executed(order) == [("500", "101.0")]
    assert desk.broker.match_counts == {ID: {"uncapped_executions": 1}}

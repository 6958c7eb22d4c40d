"""Orders against depth: what is consumed, level by level. EXECUTION 4."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import TickSlippage
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_depth, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
Levels = Sequence[tuple[float, float]]
ASKS: Levels = ((100.0, 2), (101.0, 5), (102.0, 5))
BIDS: Levels = ((99.0, 2), (98.0, 5))


def book(second: float, asks: Levels = ASKS, bids: Levels = BIDS) -> Any:
    return make_depth(int(second * SECOND_NS), bids, asks)


def shown(**settings: Any) -> BrokerDesk:
    desk = make_broker_desk(f"depth {ID}", **settings)
    desk.play(book(1))
    return desk


async def test_depth_is_chosen_before_quotes_and_trades() -> None:
    desk = make_broker_desk(f"trade_tick {ID}", f"quote_tick {ID}", f"depth {ID}")
    assert desk.broker.match_sources == {ID: f"depth {ID}"}
    desk.play(make_quote_tick(SECOND_NS, 90, 91), make_trade_tick(SECOND_NS, 80, 100), book(1))
    order = await desk.submit(Order.market(ID, 1))
    assert desk.list_executed(order) == [("1", "100.0")]
    assert desk.executions[0].matched_on == "depth"


async def test_two_orders_never_execute_from_the_same_level() -> None:
    """2 + 1 for the first; of the second level 4 are left, and then the third."""
    desk = shown()
    first, second = await desk.submit(Order.market(ID, 3)), await desk.submit(Order.market(ID, 6))
    assert desk.list_executed(first) == [("2", "100.0"), ("1", "101.0")]
    assert desk.list_executed(second) == [("4", "101.0"), ("2", "102.0")]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        # After 3 were taken (2 at 100, 1 at 101), a market order for 9 meets:
        ([ASKS], [("4", "101.0"), ("5", "102.0")]),  # the same book: nothing at 100, 4 at 101
        ([((101.0, 5), (102.0, 5))], [("4", "101.0"), ("5", "102.0")]),  # the level of 100 is gone
        ([((101.0, 4), (102.0, 5))], [("4", "101.0"), ("5", "102.0")]),  # the fall by 1 was ours
        ([((100.0, 6), (101.0, 5))], [("4", "100.0"), ("4", "101.0")]),  # 4 new at 100, 1 of 101 still ours
        ([((101.0, 5),), ASKS], [("2", "100.0"), ("4", "101.0"), ("3", "102.0")]),  # 100 left and came back: new
        ([((100.0, 2),), ASKS], [("4", "101.0"), ("5", "102.0")]),  # 101 was too deep to be shown: still ours
    ],
)
async def test_consumed_size_follows_each_level(later: Sequence[Levels], expected: list[tuple[str, str]]) -> None:
    desk = shown()
    await desk.submit(Order.market(ID, 3))
    for second, asks in enumerate(later, 2):
        desk.play(book(second, asks))
    assert desk.list_executed(await desk.submit(Order.market(ID, 9))) == expected


async def test_what_the_book_does_not_show_waits_for_the_next() -> None:
    """12 are shown: a market order for 20 gets the others when they come."""
    desk = shown()
    order = await desk.submit(Order.market(ID, 20))
    assert order.filled_quantity == 12
    desk.play(book(2, ((103.0, 9),)))
    assert desk.list_executed(order)[-1] == ("8", "103.0")
    assert order.state.name == "FILLED"


async def test_a_resting_limit_consumes_every_level_that_reached_it() -> None:
    """Asks of 1 and 2 stand at 98 or better; a taker finds only what they left."""
    desk = shown()
    order = await desk.submit(Order.limit(ID, 9, "98"))
    desk.play(book(2, ((97.5, 1), (98.0, 2), (98.5, 4)), ((97.0, 1),)))
    assert desk.list_executed(order) == [("3", "98")]
    taker = await desk.submit(Order.market(ID, 1, reduce_only=False))
    assert desk.list_executed(taker) == [("1", "98.5")]


async def test_an_empty_side_offers_and_triggers_nothing() -> None:
    desk = shown()
    stop = await desk.submit(Order.stop(ID, -1, "98.50"))
    desk.play(book(2, ASKS, ()))
    sale = await desk.submit(Order.market(ID, -1))
    assert [order.state.name for order in (stop, sale)] == ["ACCEPTED", "ACCEPTED"]
    desk.play(book(3, ASKS, ((98.0, 1),)))
    assert {*desk.list_executed(stop), *desk.list_executed(sale)} == {("1", "98.0")}
    assert [e.order_id for e in desk.executions] == [sale.order_id]  # who waited as a taker came first
    assert stop.state.name == "TRIGGERED"


async def test_a_crossed_book_executes_nothing() -> None:
    desk = shown()
    limit = await desk.submit(Order.limit(ID, 1, "98"))
    desk.play(book(2, ((97.0, 5),), ((103.0, 5),)))
    market = await desk.submit(Order.market(ID, 1))
    assert [order.filled_quantity for order in (limit, market)] == [0, 0]


async def test_slippage_counts_from_the_best_level() -> None:
    """One tick on top of each level: 100.01, 101.01."""
    desk = shown(slippage=TickSlippage(ticks=Decimal(1)))
    order = await desk.submit(Order.market(ID, 3))
    assert desk.list_executed(order) == [("2", "100.01"), ("1", "101.01")]
    assert [str(e.slippage) for e in desk.executions] == ["0.01", "1.01"]


async def test_what_is_held_is_valued_at_the_side_that_would_close_it() -> None:
    desk = shown()
    await desk.submit(Order.market(ID, 2))
    desk.play(book(30, bids=((98.5, 9),)), until=MINUTE_NS)
    desk.finish()
    assert desk.recorder.marks == [(ID, MINUTE_NS, 98.5)]

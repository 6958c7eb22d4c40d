"""Resting limits behind a queue: EXECUTION 5, match_on = "trade_queue"."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.trade_tick import Aggressor
from tradecore.errors import ConfigError
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_depth, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
BUYER, SELLER, UNKNOWN = Aggressor.BUYER, Aggressor.SELLER, Aggressor.UNKNOWN


def quote(second: float, bid: float, ask: float, bid_size: float | None = 50, ask_size: float | None = 50) -> Any:
    return make_quote_tick(int(second * SECOND_NS), bid, ask, bid_size=bid_size, ask_size=ask_size)


def trade(second: float, price: float, size: float | None, aggressor: Aggressor = UNKNOWN) -> Any:
    return make_trade_tick(int(second * SECOND_NS), price, size, aggressor=aggressor)


def queued(*before: Any, participation: str = "1") -> BrokerDesk:
    """A market of 99 / 101 with 50 on each side, last print 100; all of a print may be ours, unless told."""
    desk = make_broker_desk(
        f"trade_tick {ID}", f"quote_tick {ID}", match_on={ID: "trade_queue"}, participation=Decimal(participation)
    )
    desk.play(*(before or (quote(1, 99, 101), trade(1, 100, 10))))
    return desk


Story = Sequence[Any]


@pytest.mark.parametrize(
    ("story", "executed"),
    [
        ([trade(2, 99, 50)], 0),  # all of it was for those before us
        ([trade(2, 99, 53)], 3),
        ([trade(2, 99, 30), trade(3, 99, 24)], 4),  # 50 - 30 = 20 before us, then 4 of 24
        ([trade(2, 99, 30), quote(3, 99, 101, 5), trade(4, 99, 10)], 0),  # what others cancel does not move us up
        ([trade(2, 99, 30), quote(3, 99, 101, 90), trade(4, 99, 20)], 0),  # who comes later stands behind us
        ([trade(2, 99, 30), quote(3, 99, 101, 90), trade(4, 99, 26)], 6),
        ([trade(2, 99, 53, BUYER)], 0),  # bought at 99: it met an ask, not us
        ([trade(2, 99, 53, SELLER)], 3),
        ([trade(2, 98.99, 2, BUYER)], 2),  # through our price, whoever was the aggressor
        ([quote(2, 98.5, 101), trade(3, 99, 2)], 2),  # nobody displays 99 any more but us
        ([trade(2, 99, 49), trade(3, 99, None)], 0),  # absent size: it may all have been before us
        ([trade(2, 99, 50), trade(3, 99, None)], 9),
    ],
)
async def test_a_print_at_its_price_executes_a_bid_after_the_queue(story: Story, executed: int) -> None:
    """50 are displayed at 99 when a bid for 9 joins them."""
    desk = queued()
    order = await desk.submit(Order.limit(ID, 9, "99"))
    desk.play(*story)
    assert order.filled_quantity == executed


@pytest.mark.parametrize(
    ("story", "executed"),
    [
        ([trade(2, 101, 53, BUYER)], 3),
        ([trade(2, 101, 53, SELLER)], 0),
        ([trade(2, 101.01, 2, SELLER)], 2),
        ([quote(2, 99, 101.5), trade(3, 101, 2)], 2),
    ],
)
async def test_an_offer_mirrors_it(story: Story, executed: int) -> None:
    desk = queued()
    order = await desk.submit(Order.limit(ID, -9, "101"))
    desk.play(*story)
    assert order.filled_quantity == executed


async def test_a_price_better_than_the_touch_has_nobody_before_it() -> None:
    desk = queued()
    order = await desk.submit(Order.limit(ID, 3, "99.50"))
    desk.play(trade(2, 99.5, 3))
    assert order.filled_quantity == 3


async def test_a_price_behind_the_touch_joins_the_queue_when_it_becomes_the_touch() -> None:
    """A print at 98 before that cannot be placed; then 20 are displayed there."""
    desk = queued()
    order = await desk.submit(Order.limit(ID, 3, "98"))
    desk.play(trade(2, 98, 40))
    assert order.filled_quantity == 0
    desk.play(quote(3, 98, 101, 20), trade(4, 98, 22))
    assert order.filled_quantity == 2


async def test_two_orders_share_what_comes_after_the_queue() -> None:
    """A print of 58 leaves 8: 5 for the first, 3 for the second."""
    desk = queued()
    first, second = await desk.submit(Order.limit(ID, 5, "99")), await desk.submit(Order.limit(ID, 5, "99"))
    desk.play(trade(2, 99, 58))
    assert [order.filled_quantity for order in (first, second)] == [5, 3]


async def test_participation_caps_what_the_queue_leaves() -> None:
    """A tenth of 90 is 9, the queue leaves 40: 9 of 20."""
    desk = queued(participation="0.1")
    order = await desk.submit(Order.limit(ID, 20, "99"))
    desk.play(trade(2, 99, 90))
    assert order.filled_quantity == 9


async def test_an_update_of_the_price_goes_to_the_end_of_the_queue_a_smaller_quantity_keeps_its_place() -> None:
    desk = queued()
    order = await desk.submit(Order.limit(ID, 9, "99"))
    desk.play(trade(2, 99, 45))
    await desk.update(order, quantity=Decimal(8))
    desk.play(trade(3, 99, 6))  # 5 were before us
    assert order.filled_quantity == 1
    await desk.update(order, price=Decimal(98))
    await desk.update(order, price=Decimal(99))
    desk.play(trade(4, 99, 50))  # behind the 50 that were displayed last
    assert order.filled_quantity == 1


async def test_a_limit_takes_only_what_reaches_the_far_side_of_the_book() -> None:
    """The last print was at 99, the ask is 101: a bid of 99 rests, one of 101 takes the next print."""
    desk = queued(quote(1, 99, 101), trade(1, 99, 10))
    resting, taking = await desk.submit(Order.limit(ID, 1, "99")), await desk.submit(Order.limit(ID, 1, "101"))
    desk.play(trade(2, 100, 10))
    assert resting.filled_quantity == 0
    assert desk.list_executed(taking) == [("1", "100.0")]


async def test_depth_says_what_stands_before_us_as_quotes_do() -> None:
    desk = make_broker_desk(f"trade_tick {ID}", f"depth {ID}", match_on={ID: "trade_queue"}, participation=Decimal(1))
    assert desk.broker.match_sources == {ID: f"trade_queue {ID} with the queue from depth"}
    desk.play(make_depth(SECOND_NS, [(99, 4), (98, 9)], [(101, 4)]), trade(1, 100, 10))
    order = await desk.submit(Order.limit(ID, 3, "99"))
    desk.play(trade(2, 99, 6))
    assert order.filled_quantity == 2


async def test_quotes_beside_trades_change_nothing_unless_the_queue_is_asked_for() -> None:
    """Subscribing to more data never changes an execution: match_on = "trade" keeps needing a print through."""
    desk = make_broker_desk(f"trade_tick {ID}", f"quote_tick {ID}", match_on={ID: "trade"}, participation=Decimal(1))
    desk.play(quote(1, 99, 101), trade(1, 100, 10))
    order = await desk.submit(Order.limit(ID, 3, "99"))
    desk.play(trade(2, 99, 500))
    assert order.filled_quantity == 0


async def test_a_queue_without_a_book_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="needs trades, and depth or quotes beside them"):
        make_broker_desk(f"trade_tick {ID}", match_on={ID: "trade_queue"})


@pytest.mark.parametrize("window", [1, 2, 3])
async def test_windows_change_nothing(window: int) -> None:
    story = [trade(2, 99, 30), quote(3, 98, 101), quote(4, 99, 101, 7), trade(5, 99, 2), trade(6, 98.5, 1)]
    executed = []
    for size in (None, window):
        desk = queued()
        order = await desk.submit(Order.limit(ID, 9, "99"))
        desk.play(*story, window=size)
        executed.append([(str(e.quantity), e.ts_event) for e in desk.executions])
        assert order.order_id == "s-1"
    assert executed[0] == executed[1] == [("2", 5 * SECOND_NS), ("1", 6 * SECOND_NS)]

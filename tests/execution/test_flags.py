"""post_only and reduce_only, and markets that are closed or not there yet: EXECUTION 3, 7."""

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS, parse_ns
from tradecore.domain.order import Order, TimeInForce
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_depth, make_instrument, make_quote_tick, make_trade_tick

ID = "TEST.SIM"


def quote(second: int, bid: float, ask: float, size: float = 10) -> Any:
    return make_quote_tick(second * SECOND_NS, bid, ask, bid_size=size, ask_size=size)


def quoted(**settings: Any) -> BrokerDesk:
    desk = make_broker_desk(f"quote_tick {ID}", **settings)
    desk.play(quote(1, 99.98, 100.02))
    return desk


def fate(order: Order) -> str:
    return f"{order.state.name} {order.filled_quantity}"


# ---------------------------------------------------------------------------------------------------------- post_only


@pytest.mark.parametrize(
    ("quantity", "price", "state"),
    [
        (1, "100.01", "ACCEPTED"),
        (1, "100.02", "REJECTED"),  # equality crosses
        (1, "100.03", "REJECTED"),
        (-1, "99.99", "ACCEPTED"),
        (-1, "99.98", "REJECTED"),
        (-1, "99.97", "REJECTED"),
    ],
)
@pytest.mark.parametrize("kind", ["quote_tick", "depth"])
async def test_post_only_is_judged_on_arrival_and_equality_crosses(
    kind: str, quantity: int, price: str, state: str
) -> None:
    desk = make_broker_desk(f"{kind} {ID}")
    book = make_depth(SECOND_NS, [(99.98, 5)], [(100.02, 5)])
    desk.play(quote(1, 99.98, 100.02) if kind == "quote_tick" else book)
    order = await desk.submit(Order.limit(ID, quantity, price, post_only=True))
    assert order.state.name == state
    assert ("post_only and would take" in str(order.reason)) == (state == "REJECTED")


async def test_post_only_is_judged_at_the_venue_not_where_it_was_given() -> None:
    """Given under an ask of 100.02, it arrives a second later at an ask of 99.95."""
    desk = quoted(latency=Latency(submit=ConstantDelay(ms=1_500)))
    order = await desk.submit(Order.limit(ID, 1, "100.00", post_only=True))
    desk.play(quote(2, 99.93, 99.95), until=3 * SECOND_NS)
    assert fate(order) == "REJECTED 0"


async def test_on_bars_post_only_rests_even_where_the_next_open_is_past_it() -> None:
    """The close of 100 lets it rest at 99.50; the open of 99 executes it at its price, as a maker."""
    desk = make_broker_desk(f"bar {ID} 1m last")
    desk.play(make_bar(MINUTE_NS, 100))
    crossing = await desk.submit(Order.limit(ID, 1, "100", post_only=True))
    resting = await desk.submit(Order.limit(ID, 1, "99.50", post_only=True))
    desk.play(make_bar(2 * MINUTE_NS, 99))
    assert crossing.state.name == "REJECTED"
    assert desk.list_executed(resting) == [("1", "99.50")]
    assert desk.executions[0].liquidity.name == "MAKER"


async def test_an_update_into_the_market_is_refused_where_the_order_is_post_only_else_it_takes() -> None:
    desk = quoted()
    careful = await desk.submit(Order.limit(ID, 1, "99.90", post_only=True))
    plain = await desk.submit(Order.limit(ID, 1, "99.90"))
    for order in (careful, plain):
        await desk.update(order, price=Decimal("100.02"))
    assert (fate(careful), careful.price) == ("ACCEPTED 0", Decimal("99.90"))
    assert "would take" in str(careful.reason)
    assert desk.list_executed(plain) == [("1", "100.02")]


# -------------------------------------------------------------------------------------------------------- reduce_only


@pytest.mark.parametrize("held", [0, -5])
async def test_a_reduce_only_order_that_would_open_is_rejected(held: int) -> None:
    desk = quoted()
    if held:
        await desk.submit(Order.market(ID, held))
    order = await desk.submit(Order.market(ID, -1, reduce_only=True))
    assert order.state.name == "REJECTED"
    assert order.reason == "it is reduce_only, and s holds no TEST.SIM that it would close"


async def test_it_is_clipped_to_the_position_and_cancelled_when_that_is_flat() -> None:
    """5 are held: of 8 only 5 are sold, and the other 3 end with the position."""
    desk = quoted()
    await desk.submit(Order.market(ID, 5))
    order = await desk.submit(Order.market(ID, -8, reduce_only=True))
    assert fate(order) == "CANCELLED 5"
    assert order.reason == "it is reduce_only, and there is nothing left to close"
    assert desk.broker.get_positions() == []


async def test_two_reduce_only_orders_never_flip_the_position_within_one_event() -> None:
    """Both are reached by one quote: 5 of 5 for the better price, nothing for the other."""
    desk = quoted()
    await desk.submit(Order.market(ID, 5))
    better = await desk.submit(Order.limit(ID, -5, "100.10", reduce_only=True))
    worse = await desk.submit(Order.limit(ID, -5, "100.20", reduce_only=True))
    desk.play(quote(2, 100.30, 100.40, size=50))
    assert (fate(better), fate(worse)) == ("FILLED 5", "CANCELLED 0")


async def test_it_follows_the_position_down_and_up_again() -> None:
    """Held 5, then 2, then 6: the order for 6 may sell 5, then 2, then all of its 6."""
    desk = quoted()
    await desk.submit(Order.market(ID, 5))
    order = await desk.submit(Order.limit(ID, -6, "100.10", reduce_only=True))
    await desk.submit(Order.market(ID, -3))
    await desk.submit(Order.market(ID, 4))
    desk.play(quote(2, 100.10, 100.20))
    assert fate(order) == "FILLED 6"


async def test_one_strategy_does_not_reduce_what_another_holds() -> None:
    desk = make_broker_desk(f"quote_tick {ID}", strategies=("s", "t"))
    desk.play(quote(1, 99.98, 100.02))
    await desk.submit(Order.market(ID, 5), "s")
    order = await desk.submit(Order.market(ID, -5, reduce_only=True), "t")
    assert order.state.name == "REJECTED"


async def test_on_bars_two_reduce_only_orders_share_the_position_inside_one_bar() -> None:
    """Stop and target are both reached; the stop comes first and the target ends with the position."""
    desk = make_broker_desk(f"bar {ID} 1m last")
    desk.play(make_bar(MINUTE_NS, 100))
    await desk.submit(Order.market(ID, 5))
    desk.play(make_bar(2 * MINUTE_NS, 100))
    stop = await desk.submit(Order.stop(ID, -5, "98", reduce_only=True))
    target = await desk.submit(Order.limit(ID, -5, "102", reduce_only=True))
    desk.play(make_bar(3 * MINUTE_NS, 100, high=103, low=97))
    assert (fate(stop), fate(target)) == ("FILLED 5", "CANCELLED 0")


async def test_money_that_was_set_aside_for_a_clipped_buy_comes_back() -> None:
    """A short of 5 is closed by a buy of 9 for 5; what works for the account afterwards is nothing."""
    desk = quoted()
    await desk.submit(Order.market(ID, -5))
    order = await desk.submit(Order.limit(ID, 9, "99", reduce_only=True))
    await desk.submit(Order.market(ID, 3))
    desk.play(quote(2, 98.5, 98.9))
    assert fate(order) == "CANCELLED 2"
    (ledger,) = desk.broker._book.ledgers.values()
    assert (ledger.open_buys, ledger.open_sells, ledger.position.quantity) == (0, 0, 0)


# ------------------------------------------------------------------------------------------------------ closed markets

STOCKS = "09:30-16:00 America/New_York"  # 14:30 to 21:00 UTC in winter
OPEN, CLOSE = parse_ns("2024-01-16T14:30:00Z"), parse_ns("2024-01-15T21:00:00Z")


def closed(kind: str, **settings: Any) -> BrokerDesk:
    """A desk at 22:00 UTC on Monday, an hour after the close, with a market that last showed about 100."""
    desk = make_broker_desk(f"{kind} {ID}", instruments=[make_instrument(session=STOCKS)], **settings)
    last = make_quote_tick(CLOSE, 99.98, 100.02) if kind == "quote_tick" else make_trade_tick(CLOSE, 100, 100)
    desk.play(last, until=CLOSE + 3_600 * SECOND_NS)
    return desk


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.market(ID, 1), [("1", "101.02")]),
        (Order.limit(ID, 1, "105"), [("1", "101.02")]),  # it takes effect at the open, and takes the book
        (Order.limit(ID, 1, "100.50"), []),
        (Order.limit(ID, 1, "100.50", time_in_force=TimeInForce.IOC), []),
        (Order.stop(ID, 1, "101"), [("1", "101.02")]),
        (Order.market_if_touched(ID, 1, "99"), []),
    ],
)
async def test_an_order_that_comes_to_a_closed_market_is_held_for_the_next_session(
    order: Order, expected: list[tuple[str, str]]
) -> None:
    """What stood at the close is no offer any more, and a quote before the open is none yet."""
    desk = closed("quote_tick")
    await desk.submit(order)
    desk.play(make_quote_tick(OPEN - MINUTE_NS, 99.98, 100.02))
    assert fate(order) == "ACCEPTED 0"
    desk.play(make_quote_tick(OPEN, 100.98, 101.02))
    assert desk.list_executed(order) == expected
    assert order.is_finished == (bool(expected) or order.time_in_force is TimeInForce.IOC)
    assert desk.broker.match_counts[ID]["events_while_closed"] == 1


async def test_on_trades_a_held_market_order_gets_the_first_print_of_the_session() -> None:
    desk = closed("trade_tick")
    order = await desk.submit(Order.market(ID, 1))
    desk.play(make_trade_tick(OPEN - SECOND_NS, 99, 100), make_trade_tick(OPEN + SECOND_NS, 103, 100))
    assert desk.list_executed(order) == [("1", "103.0")]


async def test_a_held_post_only_order_rests_at_its_price() -> None:
    desk = closed("quote_tick")
    order = await desk.submit(Order.limit(ID, 1, "102", post_only=True))
    desk.play(make_quote_tick(OPEN, 100.98, 101.02), make_quote_tick(OPEN + 1, 100.98, 101.02))
    assert [(e.liquidity.name, str(e.price)) for e in desk.executions] == [("MAKER", "102")]
    assert order.is_finished


async def test_a_resting_order_does_not_execute_outside_the_session() -> None:
    desk = make_broker_desk(f"quote_tick {ID}", instruments=[make_instrument(session=STOCKS)])
    desk.play(make_quote_tick(CLOSE - SECOND_NS, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(make_quote_tick(CLOSE + 1, 98, 98.5))
    assert fate(order) == "ACCEPTED 0"
    desk.play(make_quote_tick(OPEN, 98, 98.5))
    assert fate(order) == "FILLED 1"


@pytest.mark.parametrize("kind", ["quote_tick", "trade_tick"])
async def test_no_market_reject_refuses_orders_for_a_closed_market(kind: str) -> None:
    desk = closed(kind, no_market="reject")
    order = await desk.submit(Order.market(ID, 1))
    assert order.state.name == "REJECTED"
    assert order.reason == (
        f"the market of {ID} is closed: its session is '09:30-16:00 America/New_York' (no_market = reject)"
    )


async def test_a_print_at_the_very_close_belongs_to_the_session_and_an_order_then_is_too_late() -> None:
    desk = make_broker_desk(f"trade_tick {ID}", instruments=[make_instrument(session=STOCKS)])
    desk.advance(CLOSE - 2 * SECOND_NS)
    early = await desk.submit(Order.market(ID, 1))
    desk.play(make_trade_tick(CLOSE, 100, 100))
    late = await desk.submit(Order.market(ID, 1))
    assert desk.list_executed(early) == [("1", "100.0")]
    desk.play(make_trade_tick(CLOSE + SECOND_NS, 101, 100), make_trade_tick(OPEN, 102, 100))
    assert desk.list_executed(late) == [("1", "102.0")]

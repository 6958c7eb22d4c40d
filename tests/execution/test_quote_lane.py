"""Orders against quotes: EXECUTION 4 and 7."""

from decimal import Decimal

import pytest

from tradecore.brokerage.settings import BasisPointSlippage, TickSlippage
from tradecore.domain.execution import Liquidity
from tradecore.domain.order import Order, TimeInForce
from tradecore.domain.quote_tick import QuoteTick
from tradecore.testing.broker_desk import make_broker_desk as make_desk
from tradecore.testing.builders import make_quote_tick

ID = "TEST.SIM"
SOURCE = f"quote_tick {ID}"


def quote(second: int, bid: float, ask: float, bid_size: float | None = 10, ask_size: float | None = 10) -> QuoteTick:
    return make_quote_tick(second * 1_000_000_000, bid, ask, bid_size=bid_size, ask_size=ask_size)


@pytest.mark.parametrize(("quantity", "price"), [(3, "100.02"), (-3, "99.98")])
async def test_a_market_order_takes_the_touch_that_stands(quantity: int, price: str) -> None:
    """At zero latency that is the quote which caused the decision."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.market(ID, quantity))
    assert desk.list_executed(order) == [("3", price)]
    assert desk.list_states(order) == ["ACCEPTED", "FILLED"]
    assert desk.executions[0].liquidity is Liquidity.TAKER
    assert desk.executions[0].matched_on == "quote"


async def test_more_than_is_displayed_goes_down_a_synthetic_depth() -> None:
    """10 at the ask, then as much one increment worse at each level: 10 @ 100.02, 10 @ 100.03, 5 @ 100.04."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.market(ID, 25))
    assert desk.list_executed(order) == [("10", "100.02"), ("10", "100.03"), ("5", "100.04")]
    assert [str(e.slippage) for e in desk.executions] == ["0.00", "0.01", "0.02"]


async def test_what_the_synthetic_depth_cannot_give_waits_for_new_size() -> None:
    """The touch and ten levels of 1 give 11 of 20; the same quote again has nothing new; a rise by 4 gives more."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02, ask_size=1))
    order = await desk.submit(Order.market(ID, 20))
    assert order.filled_quantity == 11
    desk.play(quote(2, 99.98, 100.02, ask_size=1))
    assert order.filled_quantity == 11
    # 5 displayed, 11 consumed: two levels (10) are gone, of the third 1; 4 are left there, at 100.04, then 5 at 100.05
    desk.play(quote(3, 99.98, 100.02, ask_size=5))
    assert desk.list_executed(order)[-2:] == [("4", "100.04"), ("5", "100.05")]
    assert order.is_finished


async def test_two_orders_never_execute_from_the_same_size() -> None:
    """10 displayed: 6 for the first, 4 for the second, whose other 2 are one level down."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    first = await desk.submit(Order.market(ID, 6))
    second = await desk.submit(Order.market(ID, 6))
    assert desk.list_executed(first) == [("6", "100.02")]
    assert desk.list_executed(second) == [("4", "100.02"), ("2", "100.03")]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ([(10,)], [("2", "100.02"), ("1", "100.03")]),  # the same: 8 of 10 stay consumed
        ([(7,)], [("2", "100.02"), ("1", "100.03")]),  # fell by 3: those were ours, 8 - 3 = 5 of 7 consumed
        ([(13,)], [("3", "100.02")]),  # rose by 3: 13 - 8 = 5 are free
        ([(1,), (4,)], [("3", "100.02")]),  # fell by 9: nothing of ours is left in it; 4 are free
        ([(10, 100.03), (10,)], [("3", "100.02")]),  # the price left and came back: all new
    ],
)
async def test_consumed_size_follows_the_quotes(
    later: list[tuple[float, ...]], expected: list[tuple[str, str]]
) -> None:
    """A fall is first taken to be ours, a rise is new size, a new price clears."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    await desk.submit(Order.market(ID, 8))
    for second, (size, *price) in enumerate(later, 2):
        desk.play(quote(second, 99.98, price[0] if price else 100.02, ask_size=size))
    assert desk.list_executed(await desk.submit(Order.market(ID, 3))) == expected


async def test_an_absent_size_caps_nothing_and_is_counted() -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02, bid_size=None, ask_size=None))
    order = await desk.submit(Order.market(ID, 5_000))
    assert desk.list_executed(order) == [("5000", "100.02")]
    assert desk.broker.match_counts == {ID: {"uncapped_executions": 1}}


async def test_a_size_of_zero_offers_nothing() -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02, ask_size=0))
    order = await desk.submit(Order.market(ID, 1))
    assert order.filled_quantity == 0
    desk.play(quote(2, 99.98, 100.05))
    assert desk.list_executed(order) == [("1", "100.05")]


async def test_a_crossed_quote_executes_and_triggers_nothing() -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    limit = await desk.submit(Order.limit(ID, 1, "99.90"))
    stop = await desk.submit(Order.stop(ID, 1, "100.50"))
    desk.play(quote(2, 101.00, 99.80))
    market = await desk.submit(Order.market(ID, 1))
    assert [order.state.name for order in (limit, stop, market)] == ["ACCEPTED"] * 3
    desk.play(quote(3, 99.98, 100.03))
    assert desk.list_executed(market) == [("1", "100.03")]


@pytest.mark.parametrize(("side", "price", "through"), [(1, "99.90", (99.80, 99.85)), (-1, "100.10", (100.20, 100.25))])
async def test_a_resting_limit_executes_at_its_limit_and_never_better(
    side: int, price: str, through: tuple[float, float]
) -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 4 * side, price))
    desk.play(quote(2, 99.95, 100.05))
    assert order.state.name == "ACCEPTED"
    desk.play(quote(3, *through))
    assert desk.list_executed(order) == [("4", price)]
    assert desk.executions[0].liquidity is Liquidity.MAKER


async def test_a_resting_limit_is_capped_by_what_is_displayed() -> None:
    """3 of 5 at the first quote; the same quote again has nothing new; 4 at a new price give the other 2."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 5, "99.95"))
    desk.play(quote(2, 99.90, 99.94, ask_size=3), quote(3, 99.90, 99.94, ask_size=3))
    assert f"{order.filled_quantity} {order.state.name}" == "3 PARTIALLY_FILLED"
    desk.play(quote(4, 99.89, 99.93, ask_size=4))
    assert desk.list_executed(order) == [("3", "99.95"), ("2", "99.95")]


async def test_the_better_limit_then_the_earlier_one_executes_first() -> None:
    """4 displayed: 2 for 99.96, then 2 of 3 for the earlier at 99.95, nothing for the later."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    early = await desk.submit(Order.limit(ID, 3, "99.95"))
    late = await desk.submit(Order.limit(ID, 3, "99.95"))
    better = await desk.submit(Order.limit(ID, 2, "99.96"))
    desk.play(quote(2, 99.90, 99.94, ask_size=4))
    assert [order.filled_quantity for order in (better, early, late)] == [2, 2, 0]


@pytest.mark.parametrize("sign", [1, -1])
async def test_what_a_quote_triggers_comes_before_limits(sign: int) -> None:
    """4 are shown at 99 (a sale: at 101), which triggers what was given later; it has its 3 first, the limit gets 1."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 97, 103))
    resting = await desk.submit(Order.limit(ID, 3 * sign, 100))
    triggered = await desk.submit(Order.market_if_touched(ID, 3 * sign, 100 + sign))
    desk.play(quote(2, 90, 99, ask_size=4) if sign > 0 else quote(2, 101, 110, bid_size=4))
    assert [order.filled_quantity for order in (triggered, resting)] == [3, 1]


async def test_a_limit_marketable_on_arrival_takes_the_book_up_to_its_limit() -> None:
    """10 @ 100.02 and 10 @ 100.03 are within 100.03; the rest rests there and then is a maker."""
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 25, "100.03"))
    assert desk.list_executed(order) == [("10", "100.02"), ("10", "100.03")]
    desk.play(quote(2, 99.98, 100.01, ask_size=50))
    assert desk.list_executed(order)[-1] == ("5", "100.03")
    assert [e.liquidity.name for e in desk.executions] == ["TAKER", "TAKER", "MAKER"]


@pytest.mark.parametrize(
    ("side", "stop", "reached", "price"),
    [(1, "100.10", (100.06, 100.12), "100.12"), (-1, "99.90", (99.88, 99.94), "99.88")],
)
async def test_a_stop_triggers_on_the_opposite_quote_and_takes_it(
    side: int, stop: str, reached: tuple[float, float], price: str
) -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.stop(ID, 2 * side, stop))
    desk.play(quote(2, 99.95, 100.05))
    assert order.state.name == "ACCEPTED"
    desk.play(quote(3, *reached))
    assert desk.list_executed(order) == [("2", price)]
    assert desk.list_states(order) == ["ACCEPTED", "TRIGGERED", "FILLED"]


async def test_a_stop_limit_rests_when_the_market_jumped_past_its_limit() -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.stop_limit(ID, 2, "100.10", "100.12"))
    desk.play(quote(2, 100.16, 100.20))
    assert f"{order.state.name} {order.filled_quantity}" == "TRIGGERED 0"
    desk.play(quote(3, 100.08, 100.11))
    assert desk.list_executed(order) == [("2", "100.12")]


async def test_a_stop_limit_within_its_limit_takes_the_quote() -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.stop_limit(ID, -2, "99.90", "99.80"))
    desk.play(quote(2, 99.86, 99.95))
    assert desk.list_executed(order) == [("2", "99.86")]


async def test_stop_through_decides_on_a_stop_that_comes_too_late() -> None:
    trigger, reject = make_desk(SOURCE), make_desk(SOURCE, stop_through="reject")
    for desk in (trigger, reject):
        desk.play(quote(1, 99.98, 100.02))
    done = await trigger.submit(Order.stop(ID, 1, "100.00"))
    assert trigger.list_executed(done) == [("1", "100.02")]
    refused = await reject.submit(Order.stop(ID, 1, "100.00"))
    assert refused.state.name == "REJECTED"
    assert refused.reason is not None
    assert "already through" in refused.reason


async def test_no_market_decides_on_an_order_before_the_first_quote() -> None:
    hold, reject = make_desk(SOURCE), make_desk(SOURCE, no_market="reject")
    held = await hold.submit(Order.market(ID, 1))
    assert held.state.name == "ACCEPTED"
    hold.play(quote(1, 99.98, 100.02))
    assert hold.list_executed(held) == [("1", "100.02")]
    refused = await reject.submit(Order.market(ID, 1))
    assert (refused.state.name, "no market" in str(refused.reason)) == ("REJECTED", True)


@pytest.mark.parametrize(
    ("order", "executed", "liquidity"),
    [
        (Order.limit(ID, -1, "90"), [("1", "99.98")], ["TAKER"]),  # it would not give away 10
        (Order.limit(ID, 1, "110"), [("1", "100.02")], ["TAKER"]),
        (Order.limit(ID, 1, "99.50"), [("1", "99.50")], ["MAKER"]),  # not marketable: it rests until 99.45
        (Order.limit(ID, -15, "99.98"), [("10", "99.98"), ("5", "99.98")], ["TAKER", "MAKER"]),
        (Order.limit(ID, -1, "90", post_only=True), [("1", "90")], ["MAKER"]),
    ],
)
async def test_a_limit_before_the_first_quote_comes_to_the_market_with_it(
    order: Order, executed: list[tuple[str, str]], liquidity: list[str]
) -> None:
    """Held as in a closed market: what is marketable then takes, the rest rests."""
    desk = make_desk(SOURCE)
    await desk.submit(order)
    desk.play(quote(1, 99.98, 100.02), quote(2, 99.40, 99.45), quote(3, 99.99, 100.03))
    assert desk.list_executed(order) == executed
    assert [execution.liquidity.name for execution in desk.executions] == liquidity


@pytest.mark.parametrize(
    ("tif", "quantity", "price", "executed"),
    [
        (TimeInForce.IOC, 25, "100.03", "20"),  # two levels within the limit, the rest is cancelled
        (TimeInForce.FOK, 25, "100.03", "0"),
        (TimeInForce.FOK, 20, "100.03", "20"),
        (TimeInForce.IOC, 5, "100.01", "0"),
    ],
)
async def test_immediate_orders_take_what_is_there_and_end(
    tif: TimeInForce, quantity: int, price: str, executed: str
) -> None:
    desk = make_desk(SOURCE)
    desk.play(quote(1, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, quantity, price, time_in_force=tif))
    assert order.is_finished
    assert order.filled_quantity == Decimal(executed)
    assert order.state.name == ("FILLED" if Decimal(executed) == quantity else "CANCELLED")


async def test_an_order_that_would_cross_our_own_cancels_it_or_is_rejected() -> None:
    """Our own bid at 100.01 would be met first by our sale at the bid 99.98."""
    cancel, reject = make_desk(SOURCE), make_desk(SOURCE, self_trade="reject")
    for desk in (cancel, reject):
        desk.play(quote(1, 99.98, 100.02))
        await desk.submit(Order.limit(ID, 1, "100.01"))
        await desk.submit(Order.market(ID, -1))
    bid, sale = cancel.handles.values()
    assert (bid.state.name, sale.state.name) == ("CANCELLED", "FILLED")
    assert "self_trade" in str(bid.reason)
    bid, sale = reject.handles.values()
    assert (bid.state.name, sale.state.name) == ("ACCEPTED", "REJECTED")


async def test_slippage_hits_takers_and_never_goes_beyond_a_limit() -> None:
    """Two ticks: 100.02 becomes 100.04, but a limit of 100.03 caps it; makers give nothing up."""
    desk = make_desk(SOURCE, slippage=TickSlippage(ticks=Decimal(2)))
    desk.play(quote(1, 99.98, 100.02))
    market = await desk.submit(Order.market(ID, 1))
    limit = await desk.submit(Order.limit(ID, 1, "100.03"))
    maker = await desk.submit(Order.limit(ID, 1, "99.99"))
    desk.play(quote(2, 99.90, 99.95))
    assert [desk.list_executed(o)[0][1] for o in (market, limit, maker)] == ["100.04", "100.03", "99.99"]
    assert [str(e.slippage) for e in desk.executions] == ["0.02", "0.01", "0"]


async def test_off_grid_slippage_rounds_against_the_order() -> None:
    """1.5 basis points of 100.02 are 0.015003: a buy pays 100.04, a sale at 99.98 gets 99.96."""
    desk = make_desk(SOURCE, slippage=BasisPointSlippage(basis_points=Decimal("1.5")))
    desk.play(quote(1, 99.98, 100.02))
    buy, sell = await desk.submit(Order.market(ID, 1)), await desk.submit(Order.market(ID, -1))
    assert desk.list_executed(buy) == [("1", "100.04")]
    assert desk.list_executed(sell) == [("1", "99.96")]

"""Orders against bars: EXECUTION 6. Minute bars; minute n ends at n minutes and begins at n - 1."""

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency, TickSlippage
from tradecore.domain.bar import Bar
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order, TimeInForce
from tradecore.errors import ConfigError
from tradecore.testing.broker_desk import BrokerDesk
from tradecore.testing.broker_desk import make_broker_desk as make_desk
from tradecore.testing.builders import make_bar

ID = "TEST.SIM"
SOURCE = f"bar {ID} 1m last"
BUY, SELL = 1, -1


def bar(
    minute: float, open_: float, high: float, low: float, close: float, volume: float | None = 1_000, side: str = "last"
) -> Bar:
    at = int(minute * MINUTE_NS)
    return make_bar(at, close, open=open_, high=high, low=low, volume=volume, bar_type=f"{ID} 1m {side}")


def flat(minute: float, price: float = 100.0) -> Bar:
    return bar(minute, price, price, price, price)


def started(**settings: Any) -> BrokerDesk:
    """A desk on which minute 1 has closed at 100."""
    desk = make_desk(SOURCE, **settings)
    desk.play(flat(1))
    return desk


@pytest.mark.parametrize("side", [BUY, SELL])
async def test_a_market_order_executes_at_the_next_open_stamped_with_its_start(side: int) -> None:
    """Minute 2 begins at the end of minute 1, and is known at its own end."""
    desk = started()
    order = await desk.submit(Order.market(ID, side))
    assert order.state.name == "ACCEPTED"
    desk.play(bar(2, 100.3, 101, 99, 100.5))
    assert desk.list_executed(order) == [("1", "100.3")]
    assert desk.executions[0].ts_event == MINUTE_NS
    assert desk.received[-1].at == 2 * MINUTE_NS
    assert desk.executions[0].matched_on == "bar"


async def test_a_bar_after_a_hole_begins_one_step_before_its_end() -> None:
    """No bars for minutes 2 to 9: the next begins at 9 minutes, not at 1."""
    desk = started()
    await desk.submit(Order.market(ID, 1))
    desk.play(flat(10, 105))
    assert desk.executions[0].ts_event == 9 * MINUTE_NS


@pytest.mark.parametrize(
    ("seconds", "price", "stamp"),
    [
        (3, "101", 63),  # open_grace: 5 % of a minute are 3 s; the open, stamped when it was due
        (4, "103", 120),  # too late for the open: this bar's close
    ],
)
async def test_a_taker_due_inside_a_bar_gets_its_open_within_grace_else_its_close(
    seconds: float, price: str, stamp: int
) -> None:
    desk = started(latency=Latency(submit=ConstantDelay(ms=seconds * 1_000)))
    order = await desk.submit(Order.market(ID, 1))
    desk.play(bar(2, 101, 104, 99, 103))
    assert desk.list_executed(order) == [("1", f"{price}.0")]
    assert desk.executions[0].ts_event == stamp * SECOND_NS


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
@pytest.mark.parametrize(("seconds", "price", "stamp"), [(3, "101.0", 63), (4, "102.0", 120)])
async def test_an_immediate_order_due_inside_a_bar_past_the_grace_has_its_attempt_at_the_next_open(
    time_in_force: TimeInForce, seconds: float, price: str, stamp: int
) -> None:
    """Minute 2 opens at 101 and closes at 103, minute 3 opens at 102: IOC and FOK never take a close."""
    desk = started(latency=Latency(submit=ConstantDelay(ms=seconds * 1_000)))
    order = await desk.submit(Order.market(ID, 1, time_in_force=time_in_force))
    desk.play(bar(2, 101, 104, 99, 103), bar(3, 102, 104, 98, 100))
    assert desk.list_executed(order) == [("1", price)]
    assert desk.executions[0].ts_event == stamp * SECOND_NS


async def test_a_resting_order_due_inside_a_bar_waits_for_the_next() -> None:
    desk = started(latency=Latency(submit=ConstantDelay(ms=10_000)))
    limit, stop = await desk.submit(Order.limit(ID, 1, "99")), await desk.submit(Order.stop(ID, 1, "103"))
    desk.play(bar(2, 101, 104, 98, 102))
    assert (limit.state.name, stop.state.name) == ("ACCEPTED", "ACCEPTED")
    desk.play(bar(3, 102, 104, 98, 102))
    assert desk.list_executed(stop) == [("1", "103")]
    assert desk.list_executed(limit) == [("1", "99")]


@pytest.mark.parametrize(
    ("side", "price", "second", "expected"),
    [
        # first eligible bar: marketable at the open takes it; else the price must trade through by one increment
        (BUY, "100.50", (100.2, 101, 99, 100), "100.2"),
        (BUY, "100.20", (100.2, 101, 100.2, 100.5), "100.2"),
        (BUY, "99.50", (100.2, 101, 99.49, 100), "99.50"),
        (BUY, "99.50", (100.2, 101, 99.50, 100), None),
        (SELL, "99.50", (99.8, 101, 99, 100), "99.8"),
        (SELL, "100.50", (99.8, 100.51, 99, 100), "100.50"),
        (SELL, "100.50", (99.8, 100.50, 99, 100), None),
    ],
)
async def test_a_limit_in_its_first_bar(
    side: int, price: str, second: tuple[float, float, float, float], expected: str | None
) -> None:
    desk = started()
    order = await desk.submit(Order.limit(ID, side, price))
    desk.play(bar(2, *second))
    assert desk.list_executed(order) == ([] if expected is None else [("1", expected)])


@pytest.mark.parametrize(("side", "price", "gap"), [(BUY, "99.00", 98.0), (SELL, "101.00", 102.0)])
async def test_a_limit_that_rested_executes_at_its_price_when_the_open_gaps_past_it(
    side: int, price: str, gap: float
) -> None:
    """Price improvement is the venue's gift; the simulator must not assume it."""
    desk = started()
    order = await desk.submit(Order.limit(ID, side, price))
    desk.play(flat(2), flat(3, gap))
    assert desk.list_executed(order) == [("1", price)]
    assert (desk.executions[0].liquidity.name, desk.executions[0].ts_event) == ("MAKER", 2 * MINUTE_NS)


async def test_bar_touch_lets_a_limit_execute_at_the_touch() -> None:
    desk = started(bar_touch="touch")
    order = await desk.submit(Order.limit(ID, 1, "99.50"))
    desk.play(bar(2, 100, 101, 99.50, 100))
    assert desk.list_executed(order) == [("1", "99.50")]


@pytest.mark.parametrize(
    ("side", "stop", "second", "expected"),
    [
        (BUY, "101.00", (100.2, 101.0, 99, 100), "101.00"),  # touched: a stop needs no trade through
        (BUY, "101.00", (102.5, 103, 102, 102), "102.5"),  # gap: the open
        (BUY, "101.00", (100.2, 100.99, 99, 100), None),
        (SELL, "99.00", (100.2, 101, 99.0, 100), "99.00"),
        (SELL, "99.00", (97.5, 98, 97, 97), "97.5"),
        (SELL, "99.00", (100.2, 101, 99.01, 100), None),
    ],
)
async def test_a_stop_executes_when_touched_and_at_the_open_beyond_a_gap(
    side: int, stop: str, second: tuple[float, float, float, float], expected: str | None
) -> None:
    desk = started()
    order = await desk.submit(Order.stop(ID, side, stop))
    desk.play(bar(2, *second))
    assert desk.list_executed(order) == ([] if expected is None else [("1", expected)])


@pytest.mark.parametrize(
    ("path", "side", "stop", "limit", "second", "expected"),
    [
        # triggered inside the bar and within the limit: the stop price
        ("worst", BUY, "101", "101.50", (100, 102, 99, 100), "101"),
        ("ohlc", BUY, "101", "101.50", (100, 102, 99, 100), "101"),
        # a limit on the near side of the stop must be reached after the trigger: worst trusts the close alone
        ("worst", BUY, "101", "100.50", (100, 102, 99, 100.6), None),
        ("worst", BUY, "101", "100.50", (100, 102, 99, 100.2), "100.50"),
        ("ohlc", BUY, "101", "100.50", (100, 102, 99, 100.6), "100.50"),  # high before low
        ("ohlc", SELL, "99", "99.50", (100, 102, 98, 99.2), None),  # low, then the close below 99.50
        ("ohlc", SELL, "99", "99.50", (100, 102, 98, 99.8), "99.50"),
        # triggered by a gap beyond the limit: the whole bar is after it
        ("worst", BUY, "101", "101.50", (103, 104, 101.2, 103), "101.50"),
        ("worst", SELL, "99", "98.50", (97, 98.8, 96, 97), "98.50"),
        ("worst", SELL, "99", "98.50", (98.7, 99, 98, 98.2), "98.7"),
    ],
)
async def test_a_triggered_stop_limit_goes_on_along_the_rest_of_the_path(
    path: str, side: int, stop: str, limit: str, second: tuple[float, float, float, float], expected: str | None
) -> None:
    desk = started(bar_path=path)
    order = await desk.submit(Order.stop_limit(ID, side, stop, limit))
    desk.play(bar(2, *second))
    assert order.state.name == ("TRIGGERED" if expected is None else "FILLED")
    assert desk.list_executed(order) == ([] if expected is None else [("1", expected)])


async def test_under_worst_a_stop_comes_before_a_limit() -> None:
    """Both are touched; which was first is not known, so the order is the one that hurts."""
    desk = started()
    target, stop = await desk.submit(Order.limit(ID, -1, "102")), await desk.submit(Order.stop(ID, -1, "98"))
    desk.play(bar(2, 100, 103, 97, 101))
    assert [e.order_id for e in desk.executions] == [stop.order_id, target.order_id]


async def test_under_ohlc_the_path_decides() -> None:
    """Open 100, high 103 (the target), low 97 (the stop)."""
    desk = started(bar_path="ohlc")
    stop, target = await desk.submit(Order.stop(ID, -1, "98")), await desk.submit(Order.limit(ID, -1, "102"))
    desk.play(bar(2, 100, 103, 97, 101))
    assert [e.order_id for e in desk.executions] == [target.order_id, stop.order_id]


async def test_participation_caps_a_bar_and_the_market_remainder_goes_on_at_following_opens() -> None:
    """A tenth of 100 is 10, over all orders: 6 + 4, then 2 and 8 of 9, then the last one."""
    desk = started()
    first, second = await desk.submit(Order.market(ID, 6)), await desk.submit(Order.market(ID, 15))
    for minute, price in ((2, 101), (3, 102), (4, 103)):
        desk.play(bar(minute, price, price, price, price, volume=100))
    assert desk.list_executed(first) == [("6", "101.0")]
    assert desk.list_executed(second) == [("4", "101.0"), ("10", "102.0"), ("1", "103.0")]


async def test_a_limit_remainder_rests() -> None:
    desk = started()
    order = await desk.submit(Order.limit(ID, 15, "99"))
    desk.play(flat(2), bar(3, 100, 100, 98, 100, volume=100), flat(4), bar(5, 100, 100, 98, 100, volume=100))
    assert desk.list_executed(order) == [("10", "99"), ("5", "99")]


async def test_a_volume_of_zero_executes_nothing_and_an_absent_one_caps_nothing() -> None:
    desk = started()
    order = await desk.submit(Order.market(ID, 5_000))
    desk.play(bar(2, 101, 101, 101, 101, volume=0))
    assert order.filled_quantity == 0
    desk.play(bar(3, 102, 102, 102, 102, volume=None))
    assert desk.list_executed(order) == [("5000", "102.0")]
    assert desk.broker.match_counts[ID] == {"uncapped_executions": 1}


@pytest.mark.parametrize(("tif", "executed"), [(TimeInForce.IOC, 10), (TimeInForce.FOK, 0)])
async def test_immediate_orders_have_the_first_open_and_the_capped_volume(tif: TimeInForce, executed: int) -> None:
    desk = started()
    order = await desk.submit(Order.market(ID, 15, time_in_force=tif))
    desk.play(bar(2, 101, 101, 101, 101, volume=100), flat(3))
    assert f"{order.filled_quantity} {order.state.name}" == f"{executed} CANCELLED"


async def test_same_close_takes_the_close_that_the_order_was_decided_on() -> None:
    desk = make_desk(SOURCE, bar_fill="same_close")
    desk.play(bar(1, 100, 101, 99, 100.5, volume=100))
    market, limit = await desk.submit(Order.market(ID, 8)), await desk.submit(Order.limit(ID, 5, "100.60"))
    assert desk.list_executed(market) == [("8", "100.5")]
    assert desk.list_executed(limit) == [("2", "100.5")]  # what is left of a tenth of 100
    assert [e.ts_event for e in desk.executions] == [MINUTE_NS, MINUTE_NS]


async def test_same_close_with_latency_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"same_close, but latency.report is not 0"):
        make_desk(SOURCE, bar_fill="same_close", latency=Latency(report=ConstantDelay(ms=1)))


async def test_bid_and_ask_bars_match_as_a_pair_buys_on_ask_sells_on_bid() -> None:
    desk = make_desk(f"bar {ID} 1m bid", f"bar {ID} 1m ask", f"bar {ID} 1m mid")
    assert desk.broker.match_sources == {ID: f"bar_bid_ask {ID} 1m bid + {ID} 1m ask"}
    buy, sell = await desk.submit(Order.market(ID, 2)), await desk.submit(Order.market(ID, -1))
    desk.play(bar(1, 99, 99, 99, 99, side="bid"), bar(1, 101, 101, 101, 101, side="ask"))
    assert desk.list_executed(buy) == [("2", "101.0")]
    assert desk.list_executed(sell) == [("1", "99.0")]
    assert {e.matched_on for e in desk.executions} == {"bar_bid_ask"}
    desk.finish()
    assert desk.recorder.marks == [(ID, MINUTE_NS, 99.0)]  # long at the bid


async def test_half_and_crossed_pairs_are_counted_and_not_matched() -> None:
    desk = make_desk(f"bar {ID} 1m bid", f"bar {ID} 1m ask")
    order = await desk.submit(Order.market(ID, 1))
    desk.play(bar(1, 99, 99, 99, 99, side="bid"))
    desk.play(bar(2, 102, 102, 102, 102, side="bid"), bar(2, 101, 101, 101, 101, side="ask"))
    assert order.filled_quantity == 0
    desk.play(bar(3, 99, 99, 99, 99, side="bid"), bar(3, 100, 100, 100, 100, side="ask"))
    assert desk.list_executed(order) == [("1", "100.0")]
    assert desk.broker.match_counts[ID] == {"uncapped_executions": 0, "half_pairs": 1, "crossed_pairs": 1}


@pytest.mark.parametrize(("side", "buy", "sell"), [("bid", "100.2", "100.0"), ("ask", "100.0", "99.8")])
async def test_one_side_alone_makes_the_other_with_its_spread(side: str, buy: str, sell: str) -> None:
    desk = make_desk(f"bar {ID} 1m {side}", spread={ID: Decimal("0.2")})
    orders = [await desk.submit(Order.market(ID, 1)), await desk.submit(Order.market(ID, -1))]
    desk.play(bar(1, 100, 100, 100, 100, side=side))
    assert [Decimal(desk.list_executed(order)[0][1]) for order in orders] == [Decimal(buy), Decimal(sell)]


async def test_one_side_alone_without_a_spread_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="need a spread"):
        make_desk(f"bar {ID} 1m bid")


async def test_slippage_on_a_stop_is_counted_from_the_price_it_was_matched_at() -> None:
    desk = started(slippage=TickSlippage(ticks=Decimal(3)))
    stop, gapped = await desk.submit(Order.stop(ID, 1, "101")), await desk.submit(Order.stop(ID, -1, "99"))
    desk.play(bar(2, 100, 102, 100, 101), flat(3, 98))
    assert desk.list_executed(stop) == [("1", "101.03")]
    assert desk.list_executed(gapped) == [("1", "97.97")]
    assert [str(e.slippage) for e in desk.executions] == ["0.03", "0.03"]


async def test_bars_of_ticks_begin_where_the_one_before_ended() -> None:
    desk = make_desk(f"bar {ID} 100t last")
    desk.play(make_bar(10, 100, bar_type=f"{ID} 100t last"))
    await desk.submit(Order.market(ID, 1))
    desk.play(make_bar(50, 102, open=101, bar_type=f"{ID} 100t last"))
    assert [(str(e.price), e.ts_event) for e in desk.executions] == [("101.0", 10)]


async def test_a_cancel_inside_a_bar_does_not_undo_its_open() -> None:
    """Cancelled at 1:30, but the bar had opened at 1:00: waiting to see the minute would be a free option."""
    desk = started()
    order = await desk.submit(Order.market(ID, 1))
    desk.advance(int(1.5 * MINUTE_NS))
    await desk.cancel(order)
    assert order.state.name == "ACCEPTED"
    desk.play(flat(2, 101))
    assert (order.state.name, order.pending_cancel) == ("FILLED", False)
    assert desk.list_executed(order) == [("1", "101.0")]


async def test_a_cancel_inside_a_bar_takes_the_rest_of_the_bar_away() -> None:
    """The limit would have been reached inside minute 2; whether before 1:30 nobody knows, so it was not."""
    desk = started()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.advance(int(1.5 * MINUTE_NS))
    await desk.cancel(order)
    desk.play(bar(2, 100, 101, 97, 100))
    assert f"{order.state.name} {order.filled_quantity}" == "CANCELLED 0"
    report = desk.received[-1]
    assert (report.at, report.report.order.ts_event) == (2 * MINUTE_NS, int(1.5 * MINUTE_NS))


async def test_a_cancel_takes_effect_one_step_later_when_no_bar_comes() -> None:
    """A bar that began before 1:30 would have ended before 2:30."""
    desk = started()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.advance(int(1.5 * MINUTE_NS))
    await desk.cancel(order)
    desk.advance(int(2.5 * MINUTE_NS) - 1)
    assert order.state.name == "ACCEPTED"
    desk.advance(int(2.5 * MINUTE_NS))
    assert order.state.name == "CANCELLED"


async def test_a_cancel_at_the_end_of_a_bar_is_immediate() -> None:
    desk = started()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(flat(2))
    await desk.cancel(order)
    assert order.state.name == "CANCELLED"


async def test_what_waits_for_a_bar_takes_effect_when_the_run_ends() -> None:
    desk = started()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.advance(int(1.5 * MINUTE_NS))
    await desk.cancel(order)
    desk.finish()
    assert order.state.name == "CANCELLED"

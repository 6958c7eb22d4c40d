"""When orders end by themselves: EXECUTION 2. Minute n of bars ends at n minutes and begins at n - 1."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS, parse_ns
from tradecore.domain.order import Order, TimeInForce
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_depth, make_instrument, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GTD, DAY = TimeInForce.GTD, TimeInForce.DAY


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def bar(minute: float, first: float, high: float, low: float, last: float) -> Any:
    return make_bar(int(minute * MINUTE_NS), last, open=first, high=high, low=low, bar_type=f"{ID} 1m last")


def flat(minute: float, price: float = 100.0) -> Any:
    return bar(minute, price, price, price, price)


def barred(**settings: Any) -> BrokerDesk:
    desk = make_broker_desk(f"bar {ID} 1m last", **settings)
    desk.play(flat(1))
    return desk


def fate(order: Order) -> str:
    return f"{order.state.name} {order.filled_quantity}"


# -------------------------------------------------------------------------------------------------------------- ticks


@pytest.mark.parametrize(
    ("kind", "first", "second", "third"),
    [
        ("quote_tick", *[make_quote_tick(n * SECOND_NS, bid, bid + 0.02) for n, bid in ((1, 100), (4, 98), (5, 98))]),
        ("trade_tick", *[make_trade_tick(n * SECOND_NS, price, 100) for n, price in ((1, 100), (4, 98), (5, 98))]),
        (
            "depth",
            *[make_depth(n * SECOND_NS, [(p - 1, 9)], [(p, 9)]) for n, p in ((1, 100.0), (4, 98.0), (5, 98.0))],
        ),
    ],
)
@pytest.mark.parametrize(("ends", "expected"), [(3, "EXPIRED 0"), (4, "EXPIRED 0"), (4.5, "FILLED 1")])
async def test_a_tick_at_or_after_the_expiry_never_executes(
    kind: str, first: Any, second: Any, third: Any, ends: float, expected: str
) -> None:
    """The market goes through the limit of 99 at second 4."""
    desk = make_broker_desk(f"{kind} {ID}")
    desk.play(first)
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=GTD, expire_time=at(ends)))
    desk.play(second, third)
    assert fate(order) == expected
    assert desk.received[-1].report.order.ts_event == (4 if "FILLED" in expected else ends) * SECOND_NS


async def test_what_executed_before_the_end_stays_executed() -> None:
    desk = make_broker_desk(f"quote_tick {ID}")
    desk.play(make_quote_tick(SECOND_NS // 2, 99, 99.5))
    order = await desk.submit(Order.limit(ID, 5, "99", time_in_force=GTD, expire_time=at(3)))
    desk.play(make_quote_tick(SECOND_NS, 98, 98.5, ask_size=2), until=3 * SECOND_NS)
    assert fate(order) == "EXPIRED 2"
    assert order.reason == "its time in force (GTD) ended"


async def test_an_order_that_arrives_after_its_time_expires_at_once() -> None:
    """Given at 0, due at 2 seconds, its time ends at 1."""
    desk = make_broker_desk(f"quote_tick {ID}", latency=Latency(submit=ConstantDelay(ms=2_000)))
    order = await desk.submit(Order.market(ID, 1, time_in_force=GTD, expire_time=at(1)))
    desk.play(make_quote_tick(3 * SECOND_NS))
    assert fate(order) == "EXPIRED 0"


async def test_at_one_instant_the_expiry_comes_before_commands() -> None:
    """The cancel of second 3 finds it expired; a report says so and the order keeps its end."""
    desk = make_broker_desk(f"quote_tick {ID}", latency=Latency(cancel=ConstantDelay(ms=1_000)))
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=GTD, expire_time=at(3)))
    desk.advance(2 * SECOND_NS)
    await desk.cancel(order)
    desk.advance(4 * SECOND_NS)
    assert desk.list_states(order) == ["ACCEPTED", "EXPIRED", "EXPIRED"]
    assert desk.received[-1].report.order.cancel_rejected


async def test_an_update_does_not_prolong_an_order() -> None:
    desk = make_broker_desk(f"quote_tick {ID}")
    desk.play(make_quote_tick(SECOND_NS))
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=GTD, expire_time=at(3)))
    await desk.update(order, price=order.price)
    desk.advance(3 * SECOND_NS)
    assert fate(order) == "EXPIRED 0"


# --------------------------------------------------------------------------------------------------------------- bars


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (120, "FILLED 1"),  # a bar counts for an order whose expiry is at or after its end
        (119.999, "EXPIRED 0"),  # inside the bar: the open alone, and that was not past the limit
        (60.001, "EXPIRED 0"),
    ],
)
async def test_a_limit_that_expires_inside_a_bar_has_its_open_alone(ends: float, expected: str) -> None:
    desk = barred()
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=GTD, expire_time=at(ends)))
    desk.play(bar(2, 100, 100, 98, 100))
    assert fate(order) == expected


async def test_a_market_order_that_expires_inside_a_bar_still_gets_its_open() -> None:
    """The open was at 1:00, its end at 1:30."""
    desk = barred()
    order = await desk.submit(Order.market(ID, 1, time_in_force=GTD, expire_time=at(90)))
    desk.advance(100 * SECOND_NS)
    assert fate(order) == "ACCEPTED 0"  # nobody knows yet whether the minute has opened
    desk.play(bar(2, 101, 102, 98, 100))
    assert desk.list_executed(order) == [("1", "101.0")]


async def test_an_order_that_expires_where_no_bar_comes_is_told_one_step_later_with_its_own_time() -> None:
    """A bar that began before 1:30 would have ended before 2:30."""
    desk = barred()
    order = await desk.submit(Order.market(ID, 1, time_in_force=GTD, expire_time=at(90)))
    desk.advance(149 * SECOND_NS)
    assert fate(order) == "ACCEPTED 0"
    desk.advance(150 * SECOND_NS)
    assert fate(order) == "EXPIRED 0"
    assert desk.received[-1].report.order.ts_event == 90 * SECOND_NS
    desk.play(flat(10))
    assert fate(order) == "EXPIRED 0"


@pytest.mark.parametrize(
    ("path", "held", "expected"),
    [
        ("worst", True, "FILLED 1"),  # it protects: nobody knows whether 98 came before its end, so it did
        ("worst", False, "EXPIRED 0"),  # it would open: nobody knows, so it did not
        ("ohlc", True, "EXPIRED 0"),
    ],
)
async def test_a_protective_stop_that_expires_inside_a_bar_keeps_the_range_under_worst(
    path: str, held: bool, expected: str
) -> None:
    desk = barred(bar_path=path)
    if held:
        await desk.submit(Order.market(ID, 1))
    desk.play(flat(2))
    order = await desk.submit(Order.stop(ID, -1, "99", time_in_force=GTD, expire_time=at(150)))
    desk.play(bar(3, 100, 100, 98, 100))
    assert fate(order) == expected
    if order.is_finished and order.filled_quantity:
        assert desk.executions[-1].ts_event == 150 * SECOND_NS - 1  # just before it ended
        assert desk.list_executed(order) == [("1", "99")]


# ---------------------------------------------------------------------------------------------------------------- DAY

STOCKS = "09:30-16:00 America/New_York"  # 14:30 to 21:00 UTC in winter


@pytest.mark.parametrize(
    ("session", "given", "ends"),
    [
        ("24x7", "2024-01-15T10:00:00Z", "2024-01-16T00:00:00Z"),
        ("24x7", "2024-01-16T00:00:00Z", "2024-01-17T00:00:00Z"),  # strictly after
        ("fx", "2024-01-12T21:59:59Z", "2024-01-12T22:00:00Z"),  # Friday 17:00 New York
        ("fx", "2024-01-12T22:00:00Z", "2024-01-15T22:00:00Z"),  # the weekend is no session
        (STOCKS, "2024-01-15T15:00:00Z", "2024-01-15T21:00:00Z"),
        (STOCKS, "2024-01-15T21:00:00Z", "2024-01-16T21:00:00Z"),
        (STOCKS, "2024-01-12T23:00:00Z", "2024-01-15T21:00:00Z"),  # Friday evening: Monday's session
        (STOCKS, "2024-07-15T15:00:00Z", "2024-07-15T20:00:00Z"),  # summer time
        ("Mon-Thu 17:00-16:00, Fri 17:00-15:00 America/Chicago", "2024-01-12T12:00:00Z", "2024-01-12T21:00:00Z"),
        ("Mon-Fri 09:00-11:30, Mon-Fri 12:30-15:00 Asia/Tokyo", "2024-01-15T01:00:00Z", "2024-01-15T06:00:00Z"),
    ],
)
async def test_day_ends_at_the_first_session_end_strictly_after_its_effective_time(
    session: str, given: str, ends: str
) -> None:
    desk = make_broker_desk(f"trade_tick {ID}", instruments=[make_instrument(session=session)])
    desk.advance(parse_ns(given))
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=DAY))
    desk.advance(parse_ns(ends) - 1)
    assert fate(order) == "ACCEPTED 0"
    desk.advance(parse_ns(ends))
    assert fate(order) == "EXPIRED 0"
    assert order.reason == "its time in force (DAY) ended"


async def test_a_day_order_counts_from_when_it_takes_effect_not_from_when_it_was_given() -> None:
    """Given one second before midnight, due one second after it: it has the whole next day."""
    desk = make_broker_desk(f"trade_tick {ID}", latency=Latency(submit=ConstantDelay(ms=2_000)))
    desk.advance(86_399 * SECOND_NS)
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=DAY))
    desk.advance(2 * 86_400 * SECOND_NS - 1)
    assert fate(order) == "ACCEPTED 0"
    desk.advance(2 * 86_400 * SECOND_NS)
    assert fate(order) == "EXPIRED 0"


async def test_a_day_order_on_daily_bars_has_the_whole_next_bar() -> None:
    """Given at Monday's close, it lives until Tuesday's, and that bar counts."""
    name = f"{ID} 1d last"
    desk = make_broker_desk(f"bar {name}", instruments=[make_instrument(session=STOCKS)])
    closes = [f"2024-01-{day}T21:00:00Z" for day in (15, 16, 17)]
    desk.play(make_bar(closes[0], 100, bar_type=name))
    reached, missed = [await desk.submit(Order.limit(ID, 1, price, time_in_force=DAY)) for price in ("99", "97")]
    desk.play(make_bar(closes[1], 100, low=98, bar_type=name), make_bar(closes[2], 100, low=96, bar_type=name))
    assert (fate(reached), fate(missed)) == ("FILLED 1", "EXPIRED 0")
    assert desk.received[-1].at == parse_ns(closes[1])


# -------------------------------------------------------------------------------------------------------- IOC and FOK


@pytest.mark.parametrize(
    ("tif", "later", "expected"),
    [
        (TimeInForce.IOC, (101, 102, 98, 100), "CANCELLED 0"),  # the open of 101 is past the limit of 99.50
        (TimeInForce.IOC, (99.4, 102, 98, 100), "FILLED 3"),
        (TimeInForce.FOK, (99.4, 102, 98, 100), "FILLED 3"),
        (TimeInForce.FOK, (101, 102, 98, 100), "CANCELLED 0"),
    ],
)
async def test_immediate_limits_on_bars_have_the_first_open(
    tif: TimeInForce, later: tuple[float, float, float, float], expected: str
) -> None:
    desk = barred()
    order = await desk.submit(Order.limit(ID, 3, "99.50", time_in_force=tif))
    desk.play(bar(2, *later), flat(3, 98))
    assert fate(order) == expected


@pytest.mark.parametrize(("tif", "expected"), [(TimeInForce.IOC, "CANCELLED 7"), (TimeInForce.FOK, "CANCELLED 0")])
async def test_immediate_orders_on_depth_take_the_levels_within_their_limit(tif: TimeInForce, expected: str) -> None:
    """2 at 100 and 5 at 101 are within 101; 9 more at 102 are not."""
    desk = make_broker_desk(f"depth {ID}")
    desk.play(make_depth(SECOND_NS, [(99, 5)], [(100, 2), (101, 5), (102, 9)]))
    order = await desk.submit(Order.limit(ID, 8, "101", time_in_force=tif))
    assert fate(order) == expected


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
async def test_an_immediate_stop_has_its_attempt_when_it_is_triggered(tif: TimeInForce) -> None:
    """The ask of 101 shows 4, and ten levels as much below it: 60 is more than 44."""
    desk = make_broker_desk(f"quote_tick {ID}")
    desk.play(make_quote_tick(SECOND_NS, 99, 100))
    order = await desk.submit(Order.stop(ID, 60, "101", time_in_force=tif))
    assert fate(order) == "ACCEPTED 0"
    desk.play(make_quote_tick(2 * SECOND_NS, 100, 101, ask_size=4))
    assert fate(order) == ("CANCELLED 44" if tif is TimeInForce.IOC else "CANCELLED 0")

"""Trailing stops: how they follow, when they begin, what they become. EXECUTION 6, 7."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.order_terms import Trailing
from tradecore.execution.trailing_stop import TrailingStop
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
CENT = Decimal("0.01")


def quote(second: int, bid: float, ask: float) -> Any:
    return make_quote_tick(second * SECOND_NS, bid, ask)


def bar(minute: int, first: float, high: float, low: float, last: float) -> Any:
    at = minute * MINUTE_NS
    return make_bar(at, last, open=first, high=high, low=low, bar_type=f"{ID} 1m last")


def quoted(bid: float = 100.0, ask: float = 100.02) -> BrokerDesk:
    desk = make_broker_desk(f"quote_tick {ID}")
    desk.play(quote(1, bid, ask))
    return desk


def stop_of(desk: BrokerDesk) -> Decimal | None:
    (snapshot,) = desk.broker.get_orders()
    stop: Decimal | None = snapshot.stop_price
    return stop


@pytest.mark.parametrize(
    ("quantity", "percent", "stop"),
    [
        (-1, "1.5", "98.50"),  # 1.5 % below a bid of 100
        (1, "1.5", "101.53"),  # 1.5 % above an ask of 100.02 is 101.5203: rounded against the order, up
        (-1, "0.333", "99.66"),  # 99.667: down
    ],
)
async def test_a_percentage_is_taken_of_the_price_and_rounded_against_the_order(
    quantity: int, percent: str, stop: str
) -> None:
    desk = quoted()
    await desk.submit(Order.trailing_stop(ID, quantity, percent=percent))
    assert stop_of(desk) == Decimal(stop)


async def test_the_offset_widens_with_the_price_where_it_is_a_percentage() -> None:
    """1 % of 100 is 1, of 110 it is 1.10: the stop goes from 99 to 108.90."""
    desk = quoted()
    await desk.submit(Order.trailing_stop(ID, -1, percent=1))
    assert stop_of(desk) == 99
    desk.play(quote(2, 110, 110.02))
    assert stop_of(desk) == Decimal("108.90")


async def test_it_never_goes_back() -> None:
    desk = quoted()
    await desk.submit(Order.trailing_stop(ID, -1, offset=2))
    for second, bid in enumerate((101, 100.5, 99.5, 100.9), 2):
        desk.play(quote(second, bid, bid + 0.02))
    assert stop_of(desk) == 99  # below the best bid of 101


@pytest.mark.parametrize(
    ("quantity", "activation", "before", "at", "stop"),
    [
        (-1, "101", (100.9, 100.92), (101.2, 101.22), "100.70"),  # 0.50 below the bid that activated it
        (1, "99", (99.1, 99.12), (98.88, 98.9), "99.40"),
    ],
)
async def test_it_sleeps_until_the_market_reaches_its_activation_price(
    quantity: int, activation: str, before: tuple[float, float], at: tuple[float, float], stop: str
) -> None:
    """Before, nothing sets it off, however far the market goes against it."""
    desk = quoted()
    order = await desk.submit(Order.trailing_stop(ID, quantity, offset="0.50", activation_price=activation))
    away = (50.0, 50.02) if quantity < 0 else (150.0, 150.02)
    desk.play(quote(2, *away), quote(3, *before))
    assert (order.state.name, stop_of(desk)) == ("ACCEPTED", None)
    desk.play(quote(4, *at))
    assert stop_of(desk) == Decimal(stop)


async def test_without_a_market_it_begins_with_the_first_price() -> None:
    desk = make_broker_desk(f"quote_tick {ID}")
    await desk.submit(Order.trailing_stop(ID, -1, offset=1))
    assert stop_of(desk) is None
    desk.play(quote(1, 100, 100.02))
    assert stop_of(desk) == 99


async def test_a_limit_offset_makes_a_limit_order_of_it() -> None:
    """Stop 99, limit 98.80: the bid of 98.50 sets it off but is beyond the limit; 98.85 executes it at 98.80."""
    desk = quoted()
    order = await desk.submit(Order.trailing_stop(ID, -1, offset=1, limit_offset="0.20"))
    desk.play(quote(2, 98.50, 98.52))
    assert (order.state.name, order.stop_price, order.price) == ("TRIGGERED", Decimal(99), Decimal("98.80"))
    desk.play(quote(3, 98.85, 98.87))
    assert desk.list_executed(order) == [("1", "98.80")]


async def test_the_handle_shows_the_stop_once_it_was_triggered() -> None:
    """Where it moves to is the venue's to know; a report for each quote would tell nobody anything."""
    desk = quoted()
    order = await desk.submit(Order.trailing_stop(ID, -1, offset=1))
    desk.play(quote(2, 101, 101.02))
    shown = [order.stop_price]
    desk.play(quote(3, 99.9, 99.92))
    assert [*shown, order.stop_price] == [None, Decimal(100)]
    assert desk.list_states(order) == ["ACCEPTED", "TRIGGERED", "FILLED"]


async def test_on_a_known_path_it_moves_before_it_is_tested() -> None:
    """Under ohlc the high of 102 comes first: a sale's stop goes from 99 to 101, and the low of 100 reaches it.
    Under worst the old trigger of 99 is not touched, and the close of 101.5 is above the new one.
    """
    for path, expected in (("ohlc", [("1", "101.00")]), ("worst", [])):
        desk = make_broker_desk(f"bar {ID} 1m last", bar_path=path)
        desk.play(bar(1, 100, 100, 100, 100))
        order = await desk.submit(Order.trailing_stop(ID, -1, offset=1))
        desk.play(bar(2, 100, 102, 100, 101.5))
        assert desk.list_executed(order) == expected


async def test_a_bar_that_it_does_not_work_in_does_not_move_it() -> None:
    """Submitted at the end of minute 1 on its close of 100; a gap bar of volume 0 shows no market."""
    desk = make_broker_desk(f"bar {ID} 1m last")
    desk.play(bar(1, 100, 109, 100, 100))
    await desk.submit(Order.trailing_stop(ID, -1, offset=1))
    desk.play(make_bar(2 * MINUTE_NS, 105, high=106, volume=0, bar_type=f"{ID} 1m last"))
    assert stop_of(desk) == 99


@given(
    sign=st.sampled_from([1, -1]),
    offset=st.decimals("0.01", "5", places=2),
    prices=st.lists(st.integers(9_000, 11_000).map(lambda cents: cents / 100), min_size=1, max_size=30),
)
def test_the_stop_is_the_best_price_less_the_offset_whatever_came_between(
    sign: int, offset: Decimal, prices: list[float]
) -> None:
    stop = TrailingStop(Trailing(offset=offset), sign)
    for price in prices:
        stop.follow(price, CENT)
    best = min(prices) if sign > 0 else max(prices)
    assert stop.stop_price == Decimal(repr(best)) + sign * offset


@given(prices=st.lists(st.integers(9_500, 10_500), min_size=2, max_size=25), cut=st.integers(1, 24))
async def test_windows_change_nothing(prices: list[int], cut: int) -> None:
    """Scanning ahead skips prices that do not move it; where a window ends must not matter."""
    prints = [make_trade_tick(n * SECOND_NS, cents / 100, 100) for n, cents in enumerate(prices, 1)]

    async def tell(window: int | None) -> list[tuple[str, str]]:
        desk = make_broker_desk(f"trade_tick {ID}")
        order = await desk.submit(Order.trailing_stop(ID, -1, offset="0.75", activation_price="100.50"))
        desk.play(*prints, window=window)
        return desk.list_executed(order)

    assert await tell(cut) == await tell(None)

"""Every order type on every kind of market, buy and sell: what executes, worked by hand. EXECUTION 4 to 7.

Each row is a story: a market that is known, an order for 3 given then, what comes after, and the executions as
(quantity, price). A sale's row mirrors the buy's at 100: what is 0.02 above becomes 0.02 below.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order
from tradecore.testing.broker_desk import make_broker_desk
from tradecore.testing.builders import make_bar, make_depth, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
BUY, SELL = 3, -3
Executed = list[tuple[str, str]]


def market(quantity: int) -> Order:
    return Order.market(ID, quantity)


def limit(price: str) -> Callable[[int], Order]:
    return lambda quantity: Order.limit(ID, quantity, price)


def stop(price: str) -> Callable[[int], Order]:
    return lambda quantity: Order.stop(ID, quantity, price)


def stop_limit(stop_price: str, price: str) -> Callable[[int], Order]:
    return lambda quantity: Order.stop_limit(ID, quantity, stop_price, price)


def touched(price: str) -> Callable[[int], Order]:
    return lambda quantity: Order.market_if_touched(ID, quantity, price)


def trailing(**terms: Any) -> Callable[[int], Order]:
    return lambda quantity: Order.trailing_stop(ID, quantity, **terms)


async def play(source: str, make: Callable[[int], Order], quantity: int, *events: Any) -> Executed:
    """Executions of an order that is given after the first event."""
    desk = make_broker_desk(source)
    desk.play(events[0])
    order = await desk.submit(make(quantity))
    if events[1:]:
        desk.play(*events[1:])
    return desk.list_executed(order)


# ------------------------------------------------------------------------------------------------------------- quotes

# 99.98 / 100.02 stands, 10 on each side; then these.
QUOTES: list[tuple[Callable[[int], Order], int, Sequence[tuple[float, float]], Executed]] = [
    (market, BUY, [], [("3", "100.02")]),
    (market, SELL, [], [("3", "99.98")]),
    (limit("100.05"), BUY, [], [("3", "100.02")]),  # marketable: the book, not its limit
    (limit("99.95"), SELL, [], [("3", "99.98")]),
    (limit("99.90"), BUY, [(99.88, 99.91), (99.85, 99.89)], [("3", "99.90")]),  # resting: its limit, never better
    (limit("100.10"), SELL, [(100.09, 100.12), (100.11, 100.15)], [("3", "100.10")]),
    (stop("100.10"), BUY, [(100.05, 100.09), (100.08, 100.12)], [("3", "100.12")]),  # the ask triggers, and is taken
    (stop("99.90"), SELL, [(99.91, 99.95), (99.88, 99.92)], [("3", "99.88")]),
    # Triggered at an ask of 100.12, above the limit of 100.11: it rests until the ask comes back to it.
    (stop_limit("100.10", "100.11"), BUY, [(100.08, 100.12)], []),
    (stop_limit("100.10", "100.11"), BUY, [(100.08, 100.12), (100.06, 100.10)], [("3", "100.11")]),
    (stop_limit("99.90", "99.89"), SELL, [(99.88, 99.92)], []),
    (stop_limit("99.90", "99.89"), SELL, [(99.88, 99.92), (99.90, 99.94)], [("3", "99.89")]),
    (touched("99.90"), BUY, [(99.87, 99.91), (99.84, 99.88)], [("3", "99.88")]),  # a taker at what the touch is
    (touched("100.10"), SELL, [(100.09, 100.13), (100.12, 100.16)], [("3", "100.12")]),
    # Asks 100.02, 99.92: the stop falls from 100.12 to 100.02; 100.01 is below it, 100.04 is not.
    (trailing(offset="0.10"), BUY, [(99.88, 99.92), (99.97, 100.01)], []),
    (trailing(offset="0.10"), BUY, [(99.88, 99.92), (99.97, 100.01), (100.00, 100.04)], [("3", "100.04")]),
    (trailing(offset="0.10"), SELL, [(100.08, 100.12), (99.99, 100.03)], []),
    (trailing(offset="0.10"), SELL, [(100.08, 100.12), (99.99, 100.03), (99.96, 100.00)], [("3", "99.96")]),
]


@pytest.mark.parametrize(("make", "quantity", "later", "expected"), QUOTES)
async def test_on_quotes(
    make: Callable[[int], Order], quantity: int, later: Sequence[tuple[float, float]], expected: Executed
) -> None:
    quotes = [make_quote_tick(n * SECOND_NS, *prices) for n, prices in enumerate([(99.98, 100.02), *later], 1)]
    assert await play(f"quote_tick {ID}", make, quantity, *quotes) == expected


# ------------------------------------------------------------------------------------------------------------- trades

# The last print was 100; then these, of 100 each: a tenth of it, 10, is there for us.
TRADES: list[tuple[Callable[[int], Order], int, Sequence[float], Executed]] = [
    (market, BUY, [100.05], [("3", "100.05")]),  # a print is a record: the next one
    (market, SELL, [99.95], [("3", "99.95")]),
    (limit("100.10"), BUY, [100.05], [("3", "100.05")]),  # marketable against the last print: takes the next
    (limit("99.90"), SELL, [99.95], [("3", "99.95")]),
    (limit("99.90"), BUY, [99.90, 99.89], [("3", "99.90")]),  # a print at it is not enough without a queue
    (limit("99.90"), BUY, [99.90], []),
    (limit("100.10"), SELL, [100.10, 100.11], [("3", "100.10")]),
    (limit("100.10"), SELL, [100.10], []),
    (stop("100.10"), BUY, [100.10, 100.20], [("3", "100.2")]),  # triggered by a print, executed at the next
    (stop("99.90"), SELL, [99.90, 99.80], [("3", "99.8")]),
    (stop_limit("100.10", "100.15"), BUY, [100.20, 100.15], []),  # past its limit: it rests, and needs a print through
    (stop_limit("100.10", "100.15"), BUY, [100.20, 100.14], [("3", "100.15")]),
    (stop_limit("99.90", "99.85"), SELL, [99.80, 99.85], []),
    (stop_limit("99.90", "99.85"), SELL, [99.80, 99.86], [("3", "99.85")]),
    (touched("99.90"), BUY, [99.91, 99.90, 99.95], [("3", "99.95")]),
    (touched("100.10"), SELL, [100.09, 100.10, 100.05], [("3", "100.05")]),
    # 99.80 moves the stop from 100.10 to 99.90; 99.89 does not reach it, 99.92 does, 99.95 executes.
    (trailing(offset="0.10"), BUY, [99.80, 99.89, 99.92], []),
    (trailing(offset="0.10"), BUY, [99.80, 99.89, 99.92, 99.95], [("3", "99.95")]),
    (trailing(offset="0.10"), SELL, [100.20, 100.11, 100.08], []),
    (trailing(offset="0.10"), SELL, [100.20, 100.11, 100.08, 100.05], [("3", "100.05")]),
]


@pytest.mark.parametrize(("make", "quantity", "later", "expected"), TRADES)
async def test_on_trades(
    make: Callable[[int], Order], quantity: int, later: Sequence[float], expected: Executed
) -> None:
    prints = [make_trade_tick(n * SECOND_NS, price, 100) for n, price in enumerate([100, *later], 1)]
    assert await play(f"trade_tick {ID}", make, quantity, *prints) == expected


# --------------------------------------------------------------------------------------------------------------- bars

Four = tuple[float, float, float, float]

# Minute 1 closed at 100; then these, of 1,000 each, as open, high, low, close.
BARS_WITH_GAP: list[tuple[Callable[[int], Order], int, Sequence[Four], Executed]] = [
    (market, BUY, [(101, 102, 100.5, 101)], [("3", "101.0")]),
    (market, SELL, [(99, 99.5, 98, 99)], [("3", "99.0")]),
    (limit("101.50"), BUY, [(101, 102, 100.5, 101)], [("3", "101.0")]),  # its first bar, marketable: the open
    (limit("98.50"), SELL, [(99, 99.5, 98, 99)], [("3", "99.0")]),
    (limit("99.00"), BUY, [(100, 100, 100, 100), (98, 98, 98, 98)], [("3", "99.00")]),  # rested: its price
    (limit("101.00"), SELL, [(100, 100, 100, 100), (102, 102, 102, 102)], [("3", "101.00")]),
    (stop("101.00"), BUY, [(102.5, 103, 102, 102)], [("3", "102.5")]),
    (stop("99.00"), SELL, [(97.5, 98, 97, 98)], [("3", "97.5")]),
    (stop_limit("101", "101.50"), BUY, [(103, 104, 101.2, 103)], [("3", "101.50")]),  # the whole bar is after the gap
    (stop_limit("101", "101.50"), BUY, [(103, 104, 101.5, 103)], []),
    (stop_limit("99", "98.50"), SELL, [(97, 98.8, 96, 97)], [("3", "98.50")]),
    (stop_limit("99", "98.50"), SELL, [(97, 98.5, 96, 97)], []),
    (touched("99.00"), BUY, [(98.4, 99, 98, 98.6)], [("3", "98.4")]),  # a taker: it takes what the open is
    (touched("101.00"), SELL, [(101.6, 102, 101, 101.4)], [("3", "101.6")]),
    (trailing(offset=1), BUY, [(102, 103, 101.5, 102)], [("3", "102.0")]),  # its stop stood at 101
    (trailing(offset=1), SELL, [(98, 98.5, 97, 98)], [("3", "98.0")]),
]

BARS_WITHOUT_GAP: list[tuple[Callable[[int], Order], int, Sequence[Four], Executed]] = [
    (market, BUY, [(100, 101, 99, 100.5)], [("3", "100.0")]),
    (market, SELL, [(100, 101, 99, 100.5)], [("3", "100.0")]),
    (limit("99.00"), BUY, [(100, 101, 98.99, 100)], [("3", "99.00")]),  # through it by one increment
    (limit("99.00"), BUY, [(100, 101, 99.00, 100)], []),
    (limit("101.00"), SELL, [(100, 101.01, 99, 100)], [("3", "101.00")]),
    (limit("101.00"), SELL, [(100, 101.00, 99, 100)], []),
    (stop("101.00"), BUY, [(100, 101, 99, 100)], [("3", "101.00")]),
    (stop("101.00"), BUY, [(100, 100.99, 99, 100)], []),
    (stop("99.00"), SELL, [(100, 101, 99, 100)], [("3", "99.00")]),
    (stop("99.00"), SELL, [(100, 101, 99.01, 100)], []),
    (stop_limit("101", "101.50"), BUY, [(100, 102, 99, 100)], [("3", "101")]),
    (stop_limit("101", "100.50"), BUY, [(100, 102, 99, 100.6)], []),  # only the close is surely after the trigger
    (stop_limit("101", "100.50"), BUY, [(100, 102, 99, 100.2)], [("3", "100.50")]),
    (stop_limit("99", "98.50"), SELL, [(100, 101, 98, 100)], [("3", "99")]),
    (stop_limit("99", "99.50"), SELL, [(100, 101, 98, 99.4)], []),
    (stop_limit("99", "99.50"), SELL, [(100, 101, 98, 99.8)], [("3", "99.50")]),
    (touched("99.00"), BUY, [(100, 100.5, 99, 100)], [("3", "99.00")]),  # a trigger needs no trade through it
    (touched("99.00"), BUY, [(100, 100.5, 99.01, 100)], []),
    (touched("101.00"), SELL, [(100, 101, 99.5, 100)], [("3", "101.00")]),
    (touched("101.00"), SELL, [(100, 100.99, 99.5, 100)], []),
    # The stop stands at 101. A high of 100.5 does not touch it, the low of 98 moves it to 99, above the close of 98.5;
    # the next bar's high of 99.2 reaches it.
    (trailing(offset=1), BUY, [(100, 100.5, 98, 98.5)], []),
    (trailing(offset=1), BUY, [(100, 100.5, 98, 98.5), (98.5, 99.2, 98.2, 99)], [("3", "99.00")]),
    (trailing(offset=1), BUY, [(100, 100.5, 98, 99.5)], [("3", "99.00")]),  # moved to 99, then the close is beyond it
    (trailing(offset=1), BUY, [(100, 101, 98, 98.5)], [("3", "101.00")]),  # the old trigger comes first
    (trailing(offset=1), SELL, [(100, 102, 99.5, 101.5)], []),
    (trailing(offset=1), SELL, [(100, 102, 99.5, 101.5), (101.5, 101.8, 100.8, 101)], [("3", "101.00")]),
    (trailing(offset=1), SELL, [(100, 102, 99.5, 100.5)], [("3", "101.00")]),
    (trailing(offset=1), SELL, [(100, 102, 99, 101.5)], [("3", "99.00")]),
]


@pytest.mark.parametrize(("make", "quantity", "later", "expected"), [*BARS_WITH_GAP, *BARS_WITHOUT_GAP])
async def test_on_bars(make: Callable[[int], Order], quantity: int, later: Sequence[Four], expected: Executed) -> None:
    bars = [
        make_bar(minute * MINUTE_NS, last, open=first, high=high, low=low, bar_type=f"{ID} 1m last")
        for minute, (first, high, low, last) in enumerate([(100, 100, 100, 100), *later], 1)
    ]
    assert await play(f"bar {ID} 1m last", make, quantity, *bars) == expected


# -------------------------------------------------------------------------------------------------------------- depth

Book = tuple[Sequence[tuple[float, float]], Sequence[tuple[float, float]]]

# Bids 2 at 99.98, 5 at 99.97; asks 2 at 100.02, 5 at 100.03; then these.
STANDING: Book = (((99.98, 2), (99.97, 5)), ((100.02, 2), (100.03, 5)))
BOOKS: list[tuple[Callable[[int], Order], int, Sequence[Book], Executed]] = [
    (market, BUY, [], [("2", "100.02"), ("1", "100.03")]),
    (market, SELL, [], [("2", "99.98"), ("1", "99.97")]),
    (limit("100.02"), BUY, [], [("2", "100.02")]),  # the third rests
    (limit("99.98"), SELL, [], [("2", "99.98")]),
    # Of the asks, 1 and 1 stand at 99.90 or better.
    (limit("99.90"), BUY, [(((99.80, 9),), ((99.89, 1), (99.90, 1), (99.91, 9)))], [("2", "99.90")]),
    (limit("100.10"), SELL, [(((100.11, 1), (100.10, 1), (100.09, 9)), ((100.20, 9),))], [("2", "100.10")]),
    (stop("100.10"), BUY, [(((100.00, 9),), ((100.12, 2), (100.14, 5)))], [("2", "100.12"), ("1", "100.14")]),
    (stop("99.90"), SELL, [(((99.88, 2), (99.86, 5)), ((100.00, 9),))], [("2", "99.88"), ("1", "99.86")]),
    (stop_limit("100.10", "100.12"), BUY, [(((100.00, 9),), ((100.12, 2), (100.14, 5)))], [("2", "100.12")]),
    (stop_limit("99.90", "99.88"), SELL, [(((99.88, 2), (99.86, 5)), ((100.00, 9),))], [("2", "99.88")]),
    (touched("99.90"), BUY, [(((99.80, 9),), ((99.88, 2), (99.89, 5)))], [("2", "99.88"), ("1", "99.89")]),
    (touched("100.10"), SELL, [(((100.12, 2), (100.11, 5)), ((100.20, 9),))], [("2", "100.12"), ("1", "100.11")]),
    # The best ask falls to 99.92: the stop stands at 100.02 then; 100.03 is beyond it.
    (
        trailing(offset="0.10"),
        BUY,
        [(((99.80, 9),), ((99.92, 9),)), (((99.80, 9),), ((100.03, 2), (100.05, 9)))],
        [("2", "100.03"), ("1", "100.05")],
    ),
    (
        trailing(offset="0.10"),
        SELL,
        [(((100.08, 9),), ((100.20, 9),)), (((99.97, 2), (99.95, 9)), ((100.20, 9),))],
        [("2", "99.97"), ("1", "99.95")],
    ),
]


@pytest.mark.parametrize(("make", "quantity", "later", "expected"), BOOKS)
async def test_on_depth(make: Callable[[int], Order], quantity: int, later: Sequence[Book], expected: Executed) -> None:
    books = [make_depth(n * SECOND_NS, *sides) for n, sides in enumerate([STANDING, *later], 1)]
    assert await play(f"depth {ID}", make, quantity, *books) == expected

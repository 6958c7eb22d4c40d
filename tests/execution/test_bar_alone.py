"""The short way of a lone market order on a bar gives what the whole passage gives."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.brokerage.settings import TickSlippage
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order, OrderType, TimeInForce
from tradecore.execution.bar_lane import BarLane
from tradecore.execution.lane import Lane
from tradecore.testing.broker_desk import make_broker_desk
from tradecore.testing.builders import make_bar

START = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z

prices = st.integers(90, 110).map(lambda ticks: ticks / 10)
bars = st.lists(st.tuples(prices, prices, st.integers(0, 60)), min_size=2, max_size=12)


# (signed quantity, limit price or None, time in force) of what comes after each bar: most bars meet one order or none.
wishes = st.tuples(
    st.integers(-8, 8).filter(bool),
    st.none() | st.none() | prices,
    st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
)
turns = st.lists(st.lists(wishes, max_size=2), min_size=1, max_size=8)


@given(bars=bars, turns=turns, slippage=st.integers(0, 2), cancels=st.sets(st.integers(1, 8)))
async def test_alone_or_not_a_market_order_executes_alike(
    bars: list[tuple[float, float, int]], turns: list[list[Any]], slippage: int, cancels: set[int]
) -> None:
    """Same executions, positions, order records and marks, in the same order, whether or not the short way is open."""
    short = await play(bars, turns, slippage, cancels)
    assert short == await play(bars, turns, slippage, cancels, whole=True)


async def play(
    bars: list[tuple[float, float, int]],
    turns: list[list[Any]],
    slippage: int,
    cancels: set[int],
    *,
    whole: bool = False,
) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        if whole:
            patch.setattr(BarLane, "_match_alone", lambda self: False)
            for name in ("arrive", "rescan"):
                patch.setattr(BarLane, name, getattr(Lane, name))
        desk = make_broker_desk("bar TEST.SIM 1m last", slippage=TickSlippage(ticks=Decimal(slippage)))
        for minute, (opened, closed, volume) in enumerate(bars, 1):
            at, high, low = START + minute * MINUTE_NS, max(opened, closed), min(opened, closed)
            desk.play(make_bar(at, closed, open=opened, high=high, low=low, volume=float(volume)))
            if minute in cancels:
                for order in [order for order in desk.handles.values() if order.is_open]:
                    await desk.cancel(order)
            for quantity, price, time_in_force in turns[minute - 1] if minute <= len(turns) else ():
                kind = OrderType.MARKET if price is None else OrderType.LIMIT
                await desk.submit(Order("TEST.SIM", quantity, kind, price=price, time_in_force=time_in_force))
        desk.finish()
        told = desk.recorder
        return [told.executions, told.positions, told.orders, told.marks, desk.received]

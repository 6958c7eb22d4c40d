"""The short way of a lone market order on a bar gives what the whole passage gives."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.brokerage.settings import TickSlippage
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order
from tradecore.execution.bar_lane import BarLane
from tradecore.testing.broker_desk import make_broker_desk
from tradecore.testing.builders import make_bar

START = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z

prices = st.integers(90, 110).map(lambda ticks: ticks / 10)
bars = st.lists(st.tuples(prices, prices, st.integers(0, 60)), min_size=2, max_size=12)


@given(bars=bars, quantities=st.lists(st.integers(-8, 8), min_size=1, max_size=8), slippage=st.integers(0, 2))
async def test_alone_or_not_a_market_order_executes_alike(
    bars: list[tuple[float, float, int]], quantities: list[int], slippage: int
) -> None:
    """Same executions, at the same price, time and size, whether or not the short way is open."""
    assert await play(bars, quantities, slippage) == await play(bars, quantities, slippage, whole=True)


async def play(
    bars: list[tuple[float, float, int]], quantities: list[int], slippage: int, *, whole: bool = False
) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        if whole:
            patch.setattr(BarLane, "_take_alone", lambda self, order, at: False)
        desk = make_broker_desk("bar TEST.SIM 1m last", slippage=TickSlippage(ticks=Decimal(slippage)))
        for minute, (opened, closed, volume) in enumerate(bars, 1):
            at, high, low = START + minute * MINUTE_NS, max(opened, closed), min(opened, closed)
            desk.play(make_bar(at, closed, open=opened, high=high, low=low, volume=float(volume)))
            if minute <= len(quantities) and quantities[minute - 1]:
                await desk.submit(Order.market("TEST.SIM", quantities[minute - 1]))
        return desk.executions

"""Executions that surely leave the margin covered are let pass: nothing of what happens may show it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.brokerage.margin_watch import MarginWatch
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order
from tradecore.testing.broker_desk import make_broker_desk
from tradecore.testing.builders import make_bar, make_instrument

bars = st.integers(-40, 60).flatmap(  # the lowest price there can be: mostly above 0, sometimes not
    lambda least: st.lists(
        st.tuples(*[st.integers(max(least, 1) if least > -20 else least, 160).map(float)] * 3), min_size=3, max_size=20
    )
)
quantities = st.lists(st.integers(-9, 9), min_size=1, max_size=20)


@given(
    bars=bars,
    quantities=quantities,
    cash=st.integers(200, 4_000) | st.integers(4_000, 40_000),
    window=st.integers(1, 8),
)
async def test_a_margin_that_is_looked_at_less_often_breaks_at_the_same_instants(
    bars: list[tuple[float, float, float]], quantities: list[int], cash: int, window: int
) -> None:
    """Same orders, executions and notes as with a look after every execution."""
    assert await play(bars, quantities, cash, window) == await play(bars, quantities, cash, window, always=True)


async def play(
    bars: list[tuple[float, float, float]], quantities: list[int], cash: int, window: int, *, always: bool = False
) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        if always:
            patch.setattr(MarginWatch, "_allow", lambda self, held, excess: None)
        desk = make_broker_desk(
            "bar TEST.SIM 1m last",
            cash={"USD": Decimal(cash)},
            maintenance_margin=Decimal("0.25"),
            bar_fill="same_close",
        )
        made = [
            make_bar(
                minute * MINUTE_NS, closed, open=opened, high=max(opened, closed, far), low=min(opened, closed, far)
            )
            for minute, (opened, closed, far) in enumerate(bars, 1)
        ]
        pending = list(quantities)
        for start in range(0, len(made), window):
            part = made[start : start + window]
            desk.broker.load("bar", "TEST.SIM 1m last", part)
            for event in part:
                desk.advance(event.ts_event)
                if pending and (quantity := pending.pop(0)):
                    await desk.submit(Order.market("TEST.SIM", quantity))
            desk.broker.end_window(part[-1].ts_event + 1)
            desk.advance(part[-1].ts_event)
        desk.finish()
        told = desk.recorder
        return [told.executions, told.positions, told.orders, told.marks, told.notes]


@pytest.mark.parametrize(("high", "looks"), [(190.0, 1), (210.0, 2)])
async def test_windows_are_passed_over_while_prices_stay_below_twice_what_is_covered(high: float, looks: int) -> None:
    """Short 1 at 100 with 10,000 in cash; twice the first window's highest are 200."""
    looked = []
    refresh = MarginWatch.refresh

    def count(self: MarginWatch, after: int) -> None:
        looked.append(after)
        refresh(self, after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MarginWatch, "refresh", count)
        desk = make_broker_desk("bar TEST.SIM 1m last", cash={"USD": Decimal(10_000)}, bar_fill="same_close")
        for minute in range(1, 7):
            bar = make_bar(minute * MINUTE_NS, 100.0, open=100.0, high=high if minute == 4 else 100.0, low=100.0)
            desk.broker.load("bar", "TEST.SIM 1m last", [bar])
            desk.advance(bar.ts_event)
            if minute == 1:
                await desk.submit(Order.market("TEST.SIM", -1))
            desk.broker.end_window(bar.ts_event + 1)
    assert len(looked) == looks


async def test_a_long_of_less_than_nothing_covers_nothing() -> None:
    """Long 100 A at 5, then -50; short 30 B at 100, then 195: 10,000 - 5,500 - 2,850 is less than a quarter of 10,850.

    A has no events of its own when B rises.
    """
    names = ("A.SIM", "B.SIM")
    desk = make_broker_desk(
        *(f"bar {name} 1m last" for name in names),
        instruments=[make_instrument(name) for name in names],
        cash={"USD": Decimal(10_000)},
        maintenance_margin=Decimal("0.25"),
        bar_fill="same_close",
    )
    for minute, prices in enumerate(((5.0, 100.0), (-50.0, 100.0), (None, 195.0), (None, 195.0)), 1):
        for name, price in zip(names, prices, strict=True):
            if price is not None:
                series = f"{name} 1m last"
                bar = make_bar(minute * MINUTE_NS, price, open=price, high=price, low=price, bar_type=series)
                desk.broker.load("bar", series, [bar])
        desk.advance(minute * MINUTE_NS)
        if minute == 1:
            await desk.submit(Order.market("A.SIM", 100))
            await desk.submit(Order.market("B.SIM", -30))
        desk.broker.end_window(minute * MINUTE_NS + 1)
    desk.finish()
    assert ("margin_broken", 3 * MINUTE_NS) in [(kind, ts) for kind, ts, _ in desk.recorder.notes]

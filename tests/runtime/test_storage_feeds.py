"""Series that a store does not have: the message names only what can be made of what it has."""

from __future__ import annotations

from decimal import Decimal

import pytest

import tradecore as tc
from tradecore.errors import StrategyError
from tradecore.testing.builders import make_bars, make_instrument


class Wants(tc.Strategy):
    def __init__(self, bar_type: str) -> None:
        self.bar_type = bar_type

    def on_start(self) -> None:
        self.subscribe_to_bars(self.bar_type)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("TEST.SIM 15m last", 'source="TEST.SIM 5m last"'),  # three of five minutes
        ("TEST.SIM 1m last", None),  # smaller than what is there
        ("TEST.SIM 7m last", None),  # no whole number of them
        ("TEST.SIM 15m bid", None),  # another price
    ],
)
async def test_only_bars_that_add_up_are_offered_as_a_source(wanted: str, hint: str | None) -> None:
    brokers = {"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1)})}
    async with tc.open_storage("memory:") as storage:
        await storage.append(make_bars([1.0, 2.0], bar_type="TEST.SIM 5m last"))
        with pytest.raises(Exception, match=f"has no bar {wanted}") as caught:
            await tc.run_backtest(
                strategies=Wants(wanted), storage=storage, brokers=brokers, instruments=[make_instrument()]
            )
    text = str(caught.value.__cause__ if isinstance(caught.value, StrategyError) else caught.value)
    assert ("can be made from smaller ones" in text) is (hint is not None)
    assert hint is None or hint in text

"""A run made in code: what does not fit together is said before anything is opened."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.errors import ConfigError

BROKERS = {"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1)})}


class Idle(tc.Strategy):
    """Does nothing."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"strategies": Idle}, r"strategy Idle is a class; make an object of it: Idle\(\.\.\.\)"),
        ({"strategies": {"mine": Idle}}, "strategy Idle is a class"),
        ({"strategies": [3]}, "strategy 'int' is a int; expected an object of a tc.Strategy subclass"),
        ({"strategies": []}, "no strategies; give at least one"),
        (
            {"strategies": Idle(), "brokers": {"sim": {"type": "simulated"}}},
            r"broker 'sim' is a dict; expected tc.SimulatedBrokerSettings\(\.\.\.\)",
        ),
        ({"strategies": Idle(), "broker_of": {"Idle": "sin"}}, "broker 'sin'; the brokers are sim"),
        ({"strategies": Idle(), "broker_of": {"Idel": "sim"}}, "strategy 'Idel'; the strategies are Idle"),
        ({"strategies": Idle(), "start": 5, "end": 5}, "is not before end"),
        ({"strategies": Idle(), "batch_size": 0}, "batch_size is 0"),
    ],
)
async def test_what_cannot_be_run_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await tc.run_backtest(**{"brokers": BROKERS, **given})


async def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        await tc.run_backtest(strategies=[], brokers=BROKERS, batch_size=0, order_by="time", on_error="ignore")
    assert len(caught.value.mistakes) == 4

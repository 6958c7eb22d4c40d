"""Builders for the tests of the journal: an order and its execution."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradecore.domain.execution import BrokerSource, Execution, Liquidity
from tradecore.domain.order import Order, OrderSide, OrderSnapshot


@pytest.fixture
def order() -> OrderSnapshot:
    """A limit order to buy 1.5 at 10.50, submitted at 5."""
    order = Order.limit("A.X", Decimal("1.5"), Decimal("10.50"))
    order.mark_submitted("s-1", "s", "sim", 5)
    return order.snapshot()


@pytest.fixture
def execution() -> Execution:
    """It executed at 10.25, at 7."""
    return Execution(
        "s-1-1", "s-1", "s", "sim", BrokerSource.SIMULATED, "A.X", OrderSide.BUY, Decimal("1.5"), Decimal("10.25"),
        Decimal("0.010"), "USD", Liquidity.TAKER, "bar", 7,
    )  # fmt: skip

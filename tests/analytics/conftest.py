"""Builders for the tests of the analytics: an analyzer, and a ledger that books what it executes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.domain.execution import BrokerSource, Execution, Liquidity
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position


class BookedLedger:
    """A ledger of one instrument that records into analyzers, as a broker does."""

    def __init__(self, *analyzers: PerformanceAnalyzer, instrument: str, broker: str, source: BrokerSource) -> None:
        self.analyzers = list(analyzers)
        self.broker, self.source = broker, source
        self.position = Position(instrument)
        self.count = 0

    def execute(
        self,
        quantity: Decimal | str | int,
        price: Decimal | str | int,
        ts: int,
        *,
        commission: Decimal | str | int = 0,
        currency: str = "USD",
        liquidity: Liquidity = Liquidity.TAKER,
        slippage: Decimal | str | int = 0,
        known_ns: int | None = None,
    ) -> None:
        """Book a signed quantity at a price, and record it. known_ns: as record_execution takes it."""
        self.count += 1
        amount, cost = Decimal(quantity), Decimal(commission)
        execution = Execution(
            f"order-{self.count}-1", f"order-{self.count}", self.analyzers[0].strategy, self.broker, self.source,
            self.position.instrument, OrderSide.BUY if amount > 0 else OrderSide.SELL, abs(amount), Decimal(price),
            cost, currency, liquidity, "bar", ts, Decimal(slippage),
        )  # fmt: skip
        after = self.position.after(amount, Decimal(price), ts, cost)
        for analyzer in self.analyzers:
            analyzer.record_execution(execution, self.position, after, known_ns)
        self.position = after

    def mark(self, times: Sequence[int], prices: Sequence[float]) -> None:
        """Value what is held."""
        for analyzer in self.analyzers:
            analyzer.record_marks(self.position.instrument, times, prices, broker=self.broker)


@pytest.fixture
def make_analyzer() -> Callable[..., PerformanceAnalyzer]:
    """An analyzer of strategy "s" with 1000 USD at broker "sim", from time 0."""

    def make(
        strategy: str = "s", *, start_ns: int | None = 0, session: str = "24x7", **accounts: int
    ) -> PerformanceAnalyzer:
        capital = {name: Decimal(amount) for name, amount in (accounts or {"sim": 1000}).items()}
        return PerformanceAnalyzer(strategy, capital, "USD", start_ns=start_ns, session=session)

    return make


@pytest.fixture
def make_ledger() -> Callable[..., BookedLedger]:
    """A ledger of "A.X" at broker "sim" that records into the analyzers given."""

    def make(
        *analyzers: PerformanceAnalyzer,
        instrument: str = "A.X",
        broker: str = "sim",
        source: BrokerSource = BrokerSource.SIMULATED,
    ) -> BookedLedger:
        return BookedLedger(*analyzers, instrument=instrument, broker=broker, source=source)

    return make

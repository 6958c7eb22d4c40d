"""RunBook: what a run keeps: analyzers per strategy, the run folder, digests, notes.

Receives: executions, order changes and marks from brokers, as they happen at the venue; the way the run ended.
Gives:    recorders for brokers, analyzers for strategies, and in the end a RunResult.
Never:    awaits: so what was done is kept whole, however the run ended.    DESIGN 11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.analytics.performance_statistics import PerformanceStatistics
from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import OrderSnapshot
from tradecore.domain.position import Position
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import StatisticsError
from tradecore.runtime.run_plan import RunPlan
from tradecore.runtime.run_result import RunResult
from tradecore.strategy.strategy_host import StrategyHost

BASE_CURRENCY = "USD"
"""Of statistics where no account says otherwise: a run without a simulated broker."""


class RunBook:
    """Everything that a run leaves."""

    def __init__(self, plan: RunPlan, engine: TradingEngine, instruments: Mapping[str, Instrument]) -> None:
        self.notes: list[str] = []
        self.trace: Any = None
        self._plan = plan
        self._engine = engine
        self._instruments = instruments
        self._analyzers: dict[str, PerformanceAnalyzer] = {}
        self._brokers = {n: b for n, b in plan.brokers.items() if isinstance(b, SimulatedBrokerSettings)}
        self.hosts: list[StrategyHost] = []
        self.executions = 0

    def open_strategy(self, name: str) -> PerformanceAnalyzer:
        """The analyzer of a strategy, with the money of the account that its orders go to."""
        broker = next(planned.broker for planned in self._plan.strategies if planned.name == name)
        settings = self._brokers.get(broker or "")
        currency = next(iter(settings.cash), BASE_CURRENCY) if settings is not None else BASE_CURRENCY
        accounts = {broker: settings.cash.get(currency, Decimal(0))} if broker and settings is not None else {}
        sessions = {instrument.session for instrument in self._instruments.values()}
        analyzer = PerformanceAnalyzer(
            name,
            accounts,
            currency,
            start_ns=self._plan.start_ns,
            session=sessions.pop() if len(sessions) == 1 else "24x7",
        )
        self._analyzers[name] = analyzer
        return analyzer

    def recorder(self, strategy: str, broker: str) -> _Recorder:
        """Who keeps what one broker does for one strategy."""
        return _Recorder(self, self._analyzers[strategy], broker, self._instruments)

    def close(
        self, status: str, error: BaseException | None, brokers: Sequence[Any], used: Mapping[Any, Any]
    ) -> RunResult:
        """Write what is left and give the result."""
        statistics: dict[str, PerformanceStatistics] = {}
        for name, analyzer in self._analyzers.items():
            analyzer.settle(self._engine.timeline.now)
            statistics[name] = analyzer.statistics()
        total = add_up(statistics)
        match_sources = {
            f"{broker.name} {instrument}": source
            for broker in brokers
            for instrument, source in sorted(getattr(broker, "match_sources", {}).items())
        }
        return RunResult(
            run_id=self._plan.name,
            run_folder=None,
            status=status,
            statistics=total,
            strategies=statistics,
            counts={
                "events": self._engine.events_delivered,
                "orders": sum(host.order_count for host in self.hosts),
                "executions": self.executions,
            },
            digests={},
            match_sources=match_sources,
            notes=self.notes,
        )


class _Recorder:
    """The Recorder of one strategy at one broker."""

    def __init__(
        self, book: RunBook, analyzer: PerformanceAnalyzer, broker: str, instruments: Mapping[str, Instrument]
    ) -> None:
        self._book = book
        self._analyzer = analyzer
        self._broker = broker
        self._instruments = instruments

    def record_execution(self, execution: Execution, before: Position, after: Position) -> None:
        """Into the analyzer and the file."""
        currency = self._instruments[execution.instrument].currency
        if currency != self._analyzer.currency:
            raise StatisticsError(
                f"{execution.instrument} is priced in {currency} and the account of {execution.strategy!r} is in "
                f"{self._analyzer.currency}; statistics do not convert between currencies in this version"
            )
        self._book.executions += 1
        self._analyzer.record_execution(execution, before, after)

    def record_order(self, order: OrderSnapshot, ts_event: int) -> None:
        """Into the file."""

    def record_marks(self, instrument: str, times: Sequence[int], prices: Sequence[float]) -> None:
        """Into the analyzer."""
        self._analyzer.record_marks(instrument, times, prices, self._broker)


def add_up(statistics: Mapping[str, PerformanceStatistics]) -> PerformanceStatistics:
    """All strategies together."""
    total: PerformanceStatistics | None = None
    for name in sorted(statistics):
        total = statistics[name] if total is None else total + statistics[name]
    assert total is not None, "a run has at least one strategy"
    return total

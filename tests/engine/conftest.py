"""A run without a store: strategies over feeds of their own, with or without a broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.domain.instrument import Instrument
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.engine.engine_settings import EngineSettings
from tradecore.engine.event_queue import EventQueue
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.timeline import Timeline
from tradecore.engine.trading_engine import TradingEngine
from tradecore.strategy.feed_desk import FeedDesk
from tradecore.strategy.reported_money import ReportedMoney
from tradecore.strategy.strategy import Strategy
from tradecore.strategy.strategy_host import StrategyHost

RunEngine = Callable[..., Awaitable[TradingEngine]]


class NoStoredFeeds:
    """A feed source for runs whose strategies bring their own feeds."""

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        raise AssertionError(f"nothing is stored in this test: {kind} {name} from {source} after {after_ns}")


@pytest.fixture
def run_engine() -> RunEngine:
    """Run strategies to the end; the engine is returned for its counts and time."""

    async def run(
        strategies: Sequence[Strategy],
        *,
        brokers: Sequence[Any] = (),
        instruments: Sequence[Instrument] = (),
        batch_size: int = 1_024,
        start_ns: int | None = None,
        end_ns: int | None = None,
        delays: DelaySimulator | None = None,
        order_by: str = "delivery",
        on_error: str = "halt",
        bus: MessageBus | None = None,
        timeline: Timeline | None = None,
    ) -> TradingEngine:
        known = {instrument.id: instrument for instrument in instruments}
        engine = TradingEngine(
            queue=EventQueue(batch_size=batch_size, start_ns=start_ns, end_ns=end_ns, delays=delays, order_by=order_by),
            brokers=brokers,
            timeline=timeline or Timeline(),
            bus=bus or MessageBus(),
            instruments=known,
            settings=EngineSettings(on_error=on_error, start_ns=start_ns, end_ns=end_ns),
        )
        desk, money = FeedDesk(engine, NoStoredFeeds()), ReportedMoney(known)
        by_name = {broker.name: broker for broker in brokers}
        for number, strategy in enumerate(strategies):
            name = getattr(strategy, "label", f"s{number}")
            host = StrategyHost(
                strategy,
                name,
                engine=engine,
                desk=desk,
                brokers=by_name,
                default_broker=next(iter(by_name), None),
                money=money,
                analyzer=PerformanceAnalyzer(name, {}, "USD"),
            )
            for broker in brokers:
                broker.attach(name, NullRecorder())
            engine.add_strategy(host)
        await engine.run()
        return engine

    return run


class NullRecorder:
    """Keeps nothing."""

    def record_execution(self, execution: Any, before: Any, after: Any, known_ns: int) -> None:
        """Not kept."""

    def record_order(self, order: Any) -> None:
        """Not kept."""

    def record_marks(self, instrument: str, times: Sequence[int], prices: Sequence[float]) -> None:
        """Not kept."""

    def record_adjustment(self, adjusted: Any, profit: Any, price: float) -> None:
        """Not kept."""

    def record_note(self, kind: str, ts_event: int, facts: Any) -> None:
        """Not kept."""

"""RunAssembly: a run's parts, wired: engine, brokers, strategies, run folder, store.

Receives: a RunPlan, and what opens feeds for it.
Gives:    an engine that can run, and in the end a RunResult, however the run ended.
Never:    runs anything: run_backtest.py and run_live.py do.    DESIGN 6, 13.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.instrument import Instrument
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.engine.engine_settings import EngineSettings
from tradecore.engine.event_queue import EventQueue
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.participant import BrokerParticipant, Progress
from tradecore.engine.timeline import Timeline
from tradecore.engine.trading_engine import TradingEngine
from tradecore.journal.run_folder import Status
from tradecore.runtime.adjustment_settings import make_adjustments_feed
from tradecore.runtime.run_book import RunBook
from tradecore.runtime.run_plan import RunPlan
from tradecore.runtime.run_result import RunResult
from tradecore.storage.market_data_storage import MarketDataStorage, Series, SeriesInfo
from tradecore.strategy.feed_desk import FeedDesk, FeedSource
from tradecore.strategy.reported_money import ReportedMoney
from tradecore.strategy.strategy_host import StrategyHost

TellProgress = Callable[[Progress], None]


class ReplayFeeds(FeedSource, Protocol):
    """A feed source that says what it read. used: the stored series, for the run's fingerprint."""

    used: dict[Series, SeriesInfo]


class RunAssembly:
    """One run's parts. delays: of imported history, None where nothing is delayed. adjustments: the plan's, with the
    feed that brings them, once strategies are there; None without any.
    """

    def __init__(
        self, plan: RunPlan, instruments: dict[str, Instrument], progress: TellProgress | None, bus: MessageBus
    ) -> None:
        self.plan = plan
        timeline = Timeline()
        delays = DelaySimulator(plan.delays, plan.seed)
        self.delays = delays if delays.is_active else None
        self.brokers = [self._make_broker(name, broker, timeline) for name, broker in plan.brokers.items()]
        queue = EventQueue(
            batch_size=plan.batch_size,
            start_ns=plan.start_ns,
            end_ns=plan.end_ns,
            order_by=plan.order_by,
            delays=self.delays,
        )
        self.engine = TradingEngine(
            queue=queue,
            brokers=self.brokers,
            timeline=timeline,
            bus=bus,
            instruments=instruments,
            settings=EngineSettings(on_error=plan.on_error, start_ns=plan.start_ns, end_ns=plan.end_ns),
            progress=progress,
        )
        self.book = RunBook(plan, self.engine, instruments)
        self.adjustments: tuple[Any, Sequence[AccountAdjustment]] | None = None
        self._instruments = instruments

    def _make_broker(self, name: str, broker: Any, timeline: Timeline) -> BrokerParticipant:
        if isinstance(broker, SimulatedBrokerSettings):
            return SimulatedBroker(name, broker, seed=self.plan.seed, timeline=timeline)
        participant: BrokerParticipant = broker
        return participant

    async def add_strategies(self, feeds: FeedSource) -> None:
        """Take the strategies on, and what adjusts their accounts. Raises: EngineStateError for one that has run."""
        desk, money = FeedDesk(self.engine, feeds), ReportedMoney(self._instruments)
        by_name = {broker.name: broker for broker in self.brokers}
        for name, broker in self.plan.brokers.items():
            if isinstance(broker, SimulatedBrokerSettings):
                money.open(name, broker.account, broker.cash)
        for planned in self.plan.strategies:
            analyzer = self.book.open_strategy(planned.name, planned.broker)
            host = StrategyHost(
                planned.strategy,
                planned.name,
                engine=self.engine,
                desk=desk,
                brokers=by_name,
                default_broker=planned.broker,
                money=money,
                analyzer=analyzer,
                trace=self.book.folder if self.plan.trace else None,
            )
            self.book.hosts.append(host)
            for broker in self.brokers:
                broker.attach(planned.name, self.book.recorder(planned.name, broker.name))
            self.engine.add_strategy(host)
        if self.plan.adjustments:
            self.adjustments = (make_adjustments_feed(self.plan.adjustments), self.plan.adjustments)
            await self.engine.attach(self.adjustments[0])

    def finish(self, status: Status, error: BaseException | None, used: Mapping[Series, SeriesInfo]) -> RunResult:
        """Close the book. used: the stored series that were read. Nothing here awaits: it is whole or not at all."""
        return self.book.close(status, error, self.brokers, used)


@asynccontextmanager
async def open_plan_storage(plan: RunPlan) -> AsyncIterator[MarketDataStorage | None]:
    """The plan's store: opened and closed here if it is a URL, lent by the caller if it is an object.

    None for a recording, which is read in its place.
    """
    if plan.recording is not None or not isinstance(plan.storage, str):
        yield None if plan.recording is not None else plan.storage
        return
    from tradecore.storage.open_storage import open_storage

    async with open_storage(plan.storage, relative_to=plan.folder) as storage:
        yield storage


async def list_plan_instruments(
    plan: RunPlan, storage: MarketDataStorage | None, recorded: Sequence[Instrument] = ()
) -> dict[str, Instrument]:
    """What the store, or the recording, knows, then what the plan defines: the plan is the later word."""
    stored = recorded if storage is None else await storage.list_instruments()
    return {instrument.id: instrument for instrument in (*stored, *plan.instruments)}

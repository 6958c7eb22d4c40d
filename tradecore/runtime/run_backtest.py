"""run_backtest: assemble a run and carry it out; phase B and nothing else.

Receives: a configuration (a path, or a RunConfig), or objects.
Gives:    a RunResult; a run folder, if one is wanted.
Never:    starts an event loop, installs a signal handler, or keeps a global: several runs may share one loop, and
          cancelling one closes everything it had opened. `run_backtest_sync` is for scripts.
          Spec: 6.1; DESIGN 6, 13.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.delay_law import DelayLaw
from tradecore.domain.instrument import Instrument
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.engine.event_queue import EventQueue
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.participant import BrokerParticipant, Progress
from tradecore.engine.timeline import Timeline
from tradecore.engine.trading_engine import EngineSettings, TradingEngine
from tradecore.errors import DataMissing, RunningLoopError, TradecoreError
from tradecore.journal.run_folder import Status
from tradecore.runtime.adjustment_settings import make_adjustments_feed
from tradecore.runtime.run_book import RunBook
from tradecore.runtime.run_config import RunConfig
from tradecore.runtime.run_plan import Broker, RunPlan, plan_from_config, plan_from_objects
from tradecore.runtime.run_result import RunResult
from tradecore.runtime.storage_feeds import StorageFeeds
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.strategy.feed_desk import FeedDesk
from tradecore.strategy.reported_money import ReportedMoney
from tradecore.strategy.strategy import Strategy
from tradecore.strategy.strategy_host import StrategyHost

if TYPE_CHECKING:
    from tradecore.runtime.recorded_feeds import RecordedFeeds
    from tradecore.runtime.recorded_session import RecordedSession

TellProgress = Callable[[Progress], None]


async def run_backtest(
    config: str | Path | RunConfig | None = None,
    *,
    overrides: Sequence[str] = (),
    strategies: Strategy | Sequence[Strategy] | Mapping[str, Strategy] = (),
    brokers: Mapping[str, Broker] | None = None,
    broker_of: Mapping[str, str] | None = None,
    instruments: Sequence[Instrument] = (),
    storage: MarketDataStorage | str | None = None,
    recording: str | Path | None = None,
    start: datetime | int | None = None,
    end: datetime | int | None = None,
    seed: int = 0,
    name: str = "backtest",
    batch_size: int = 1_024,
    order_by: str = "delivery",
    on_error: str = "halt",
    delays: Mapping[str, DelayLaw] | None = None,
    adjustments: Sequence[AccountAdjustment] = (),
    trace: bool = False,
    runs_dir: str | Path | None = None,
    progress: TellProgress | None = None,
    scope: anyio.CancelScope | None = None,
    bus: MessageBus | None = None,
) -> RunResult:
    """Run a backtest and give its result.

    Either `config` (a TOML file or a RunConfig; `overrides` such as "run.seed=8" apply), or objects: strategies (one,
    several, or by name), brokers by name (settings of a SimulatedBroker, or a broker of your own; a strategy uses the
    first unless broker_of says otherwise), a storage (connected, or a URL) unless the strategies bring their feeds.
    adjustments: dividends, splits, funding and interest, which every account is to book.
    recording: a folder of `tradecore data record`, read by arrival instead of a storage.
    start, end: aware UTC or int nanoseconds, both included. runs_dir: folder of run folders; without it a run from a
    configuration writes where that says, and a run from objects keeps no files. progress: called once per window.
    scope: cancel it to end the run; what was done is kept, labelled, and returned with status "interrupted". Cancelling
    the task instead raises CancelledError, after the same closing. bus: your own, with observers of what is published
    (OrderUpdated, Execution, PositionChanged, PhaseChanged ...); they are told after the strategies.

    Raises: ConfigError, DataMissing, StorageError, FeedError, StrategyError (a strategy raised, under "halt").
    """
    if config is not None:
        given = [word for word, value in (("strategies", strategies), ("brokers", brokers)) if value]
        if given:
            raise TypeError(f"run_backtest takes a config or {' and '.join(given)}, not both")
        plan = plan_from_config(_read(config, overrides), runs_dir=runs_dir, storage=storage)
    else:
        plan = plan_from_objects(
            name=name,
            strategies=strategies,
            brokers=brokers or {},
            broker_of=broker_of,
            instruments=instruments,
            storage=storage,
            recording=None if recording is None else Path(recording),
            start=start,
            end=end,
            seed=seed,
            batch_size=batch_size,
            order_by=order_by,
            on_error=on_error,
            delays=delays or {},
            adjustments=adjustments,
            trace=trace,
            runs_folder=None if runs_dir is None else Path(runs_dir),
        )
    return await _run(plan, progress, scope or anyio.CancelScope(), bus or MessageBus())


def run_backtest_sync(config: str | Path | RunConfig | None = None, **options: Any) -> RunResult:
    """`run_backtest` for scripts without an event loop. Raises: RunningLoopError inside one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run_backtest(config, **options))
    raise RunningLoopError("tradecore.run_backtest_sync", "tradecore.run_backtest")


def _read(config: str | Path | RunConfig, overrides: Sequence[str]) -> RunConfig:
    from tradecore.runtime.config import check_config, load_config

    return check_config(config, overrides) if isinstance(config, RunConfig) else load_config(config, overrides)


async def _run(plan: RunPlan, progress: TellProgress | None, scope: anyio.CancelScope, bus: MessageBus) -> RunResult:
    session = None if plan.recording is None else _load_session(plan.recording)
    async with _open_storage(plan) as storage:
        instruments = await _list_instruments(plan, storage, session)
        filled = await _load_bundled(plan, storage, instruments)
        run = _Assembly(plan, storage, instruments, progress, bus, session)
        if plan.bundled and storage is not None:
            run.book.notes.append(f"bundled daily bars: {_bundled_note()}")
            run.book.remarks += filled
        try:
            run.add_strategies()
            if plan.adjustments:
                await run.engine.attach(make_adjustments_feed(plan.adjustments))
            with scope:
                await run.engine.run()
        except anyio.get_cancelled_exc_class() as cancelled:
            run.finish("interrupted", cancelled)
            raise
        except Exception as error:
            kept = run.finish("failed", error)
            if isinstance(error, TradecoreError):
                error.run_folder = kept.run_folder
            raise
        stopped = scope.cancelled_caught or run.engine.was_stopped
        return run.finish("interrupted" if stopped else "complete")


class _Assembly:
    """One run's parts, wired."""

    def __init__(
        self,
        plan: RunPlan,
        storage: MarketDataStorage | None,
        instruments: dict[str, Instrument],
        progress: TellProgress | None,
        bus: MessageBus,
        session: RecordedSession | None = None,
    ) -> None:
        self.plan = plan
        timeline = Timeline()
        delays = DelaySimulator(plan.delays, plan.seed)
        active = delays if delays.is_active else None
        self.brokers = [self._make_broker(name, broker, timeline) for name, broker in plan.brokers.items()]
        queue = EventQueue(
            batch_size=plan.batch_size,
            start_ns=plan.start_ns,
            end_ns=plan.end_ns,
            order_by=plan.order_by,
            delays=active,
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
        self.feeds: StorageFeeds | RecordedFeeds | _NoStorage = _NoStorage()
        if session is not None:
            from tradecore.runtime.recorded_feeds import RecordedFeeds

            self.feeds = RecordedFeeds(session, instruments)
        elif storage is not None:
            self.feeds = StorageFeeds(
                storage,
                instruments,
                start_ns=plan.start_ns,
                end_ns=plan.end_ns,
                batch_size=plan.batch_size,
                delays=active,
            )
        self._instruments = instruments
        self.book = RunBook(plan, self.engine, instruments)

    def _make_broker(self, name: str, broker: Any, timeline: Timeline) -> BrokerParticipant:
        if isinstance(broker, SimulatedBrokerSettings):
            return SimulatedBroker(name, broker, seed=self.plan.seed, timeline=timeline)
        participant: BrokerParticipant = broker
        return participant

    def add_strategies(self) -> None:
        """Take the strategies on. Raises: EngineStateError for one that belongs to a run already."""
        desk, money = FeedDesk(self.engine, self.feeds), ReportedMoney(self._instruments)
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

    def finish(self, status: Status, error: BaseException | None = None) -> RunResult:
        """Close the book. Nothing here awaits, so a cancelled run is kept whole as well."""
        return self.book.close(status, error, self.brokers, getattr(self.feeds, "used", {}))


class _NoStorage:
    """The feed source of a run without a store: its strategies bring their own feeds."""

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        """Nothing can be opened."""
        raise DataMissing(
            f"this run has no storage, so {kind} {name!r} cannot be read; pass storage= to run_backtest, "
            "or add a feed of your own with add_event_feed"
        )


@asynccontextmanager
async def _open_storage(plan: RunPlan) -> AsyncIterator[MarketDataStorage | None]:
    """The plan's store: opened and closed here if it is a URL, lent by the caller if it is an object."""
    if plan.recording is not None or not isinstance(plan.storage, str):
        yield None if plan.recording is not None else plan.storage
        return
    from tradecore.storage.open_storage import open_storage

    async with open_storage(plan.storage, relative_to=plan.folder) as storage:
        yield storage


async def _list_instruments(
    plan: RunPlan, storage: MarketDataStorage | None, session: RecordedSession | None
) -> dict[str, Instrument]:
    """What the recording or the store knows, then what the plan defines: the plan is the later word."""
    known: Sequence[Instrument] = () if session is None else session.instruments
    stored = known if storage is None else await storage.list_instruments()
    return {instrument.id: instrument for instrument in (*stored, *plan.instruments)}


def _load_session(folder: Path) -> RecordedSession:
    from tradecore.runtime.recorded_session import load_session

    return load_session(folder)


async def _load_bundled(
    plan: RunPlan, storage: MarketDataStorage | None, instruments: dict[str, Instrument]
) -> list[str]:
    """Fill the store with the bundled series it lacks; the remarks say which."""
    if not plan.bundled or storage is None:
        return []
    from tradecore.storage.bundled.bundled_data import bundled_instrument, load_bundled

    stored = {info.series.instrument for info in await storage.list_series()}
    lacking = [symbol for symbol in plan.bundled if bundled_instrument(symbol).id not in stored]
    loaded = await load_bundled(storage, lacking)
    for instrument in await storage.list_instruments():
        instruments.setdefault(instrument.id, instrument)
    return [f"{entry.rows:,} bars of {entry.series.name} were put into {storage.url}" for entry in loaded]


def _bundled_note() -> str:
    from tradecore.storage.bundled.bundled_data import BUNDLED_NOTE

    return BUNDLED_NOTE

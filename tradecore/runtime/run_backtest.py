"""run_backtest: assemble a run and carry it out; phase B and nothing else.

Receives: a configuration (a path, or a RunConfig), or objects.
Gives:    a RunResult; a run folder, if one is wanted.
Never:    starts an event loop, installs a signal handler, or keeps a global: several runs may share one loop, and
          cancelling one closes everything it had opened. `run_backtest_sync` is for scripts.
          Spec: 6.1; DESIGN 6, 13.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.delay_law import DelayLaw
from tradecore.domain.instrument import Instrument
from tradecore.engine.message_bus import MessageBus
from tradecore.errors import ConfigError, DataMissing, RunningLoopError, TradecoreError
from tradecore.runtime.run_assembly import (
    ReplayFeeds,
    RunAssembly,
    TellProgress,
    list_plan_instruments,
    open_plan_storage,
)
from tradecore.runtime.run_config import RunConfig
from tradecore.runtime.run_log import LogLevel
from tradecore.runtime.run_plan import Broker, RunPlan, plan_from_config, plan_from_objects
from tradecore.runtime.run_result import RunResult
from tradecore.runtime.storage_feeds import StorageFeeds
from tradecore.storage.market_data_storage import MarketDataStorage, Series, SeriesInfo
from tradecore.strategy.strategy import Strategy

if TYPE_CHECKING:
    from tradecore.runtime.recorded_session import RecordedSession


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
    batch_size: int = 4_096,
    order_by: str = "delivery",
    on_error: str = "halt",
    delays: Mapping[str, DelayLaw] | None = None,
    adjustments: Sequence[AccountAdjustment] = (),
    trace: bool = False,
    runs_dir: str | Path | None = None,
    log_level: LogLevel | None = None,
    logger: Any = None,
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
    configuration writes where that says, and a run from objects keeps no files. log_level: what run.log there has
    ("debug", "info", "warning", "error", "off"). logger: a structlog or `logging` logger of your own that hears the
    log as well. progress: called once per window.
    scope: cancel it to end the run; what was done is kept, labelled, and returned with status "interrupted". Cancelling
    the task instead raises CancelledError, after the same closing. bus: your own, with observers of what is published
    (OrderUpdated, Execution, PositionChanged, PhaseChanged ...); they are told after the strategies.

    Raises: ConfigError, DataMissing, StorageError, FeedError, StrategyError (a strategy raised, under "halt").
    """
    if config is not None:
        given = [word for word, value in (("strategies", strategies), ("brokers", brokers)) if value]
        if given:
            raise TypeError(f"run_backtest takes a config or {' and '.join(given)}, not both")
        plan = plan_from_config(
            _read(config, overrides), runs_dir=runs_dir, storage=storage, log_level=log_level, logger=logger
        )
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
            log_level=log_level,
            logger=logger,
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

    read = check_config(config, overrides) if isinstance(config, RunConfig) else load_config(config, overrides)
    if read.run.mode != "backtest":
        raise ConfigError(read.source or "the configuration", [f'[run] mode is "{read.run.mode}"; use run_live'])
    return read


async def _run(plan: RunPlan, progress: TellProgress | None, scope: anyio.CancelScope, bus: MessageBus) -> RunResult:
    session = None if plan.recording is None else _load_session(plan.recording)
    async with open_plan_storage(plan) as storage:
        instruments = await list_plan_instruments(plan, storage, () if session is None else session.instruments)
        filled = await _load_bundled(plan, storage, instruments)
        run = RunAssembly(plan, instruments, progress, bus)
        feeds = _open_feeds(run, storage, instruments, session)
        if session is not None and session.history_path is not None:
            run.book.notes.append(
                f"the recorded run first replayed {session.facts.get('history', 0):,} rows of history, which this one "
                "leaves out; tradecore verify RUN --parity repeats all of it"
            )
        if plan.bundled and storage is not None:
            run.book.notes.append(f"bundled daily bars: {_bundled_note()}")
            run.book.remarks += filled
        try:
            await run.add_strategies(feeds)
            with scope:
                await run.engine.run()
        except anyio.get_cancelled_exc_class() as cancelled:
            run.finish("interrupted", cancelled, feeds.used)
            raise
        except Exception as error:
            kept = run.finish("failed", error, feeds.used)
            if isinstance(error, TradecoreError):
                error.run_folder = kept.run_folder
            raise
        stopped = scope.cancelled_caught or run.engine.was_stopped
        return run.finish("interrupted" if stopped else "complete", None, feeds.used)


def _open_feeds(
    run: RunAssembly,
    storage: MarketDataStorage | None,
    instruments: dict[str, Instrument],
    session: RecordedSession | None,
) -> ReplayFeeds:
    """Where subscribed series come from: a recording, a store, or nowhere."""
    plan = run.plan
    if session is not None:
        from tradecore.runtime.recorded_feeds import RecordedFeeds

        return RecordedFeeds(session, instruments)
    if storage is None:
        return _NoStorage()
    return StorageFeeds(
        storage,
        instruments,
        start_ns=plan.start_ns,
        end_ns=plan.end_ns,
        batch_size=plan.batch_size,
        delays=run.delays,
    )


class _NoStorage:
    """The feed source of a run without a store: its strategies bring their own feeds."""

    def __init__(self) -> None:
        self.used: dict[Series, SeriesInfo] = {}

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        """Nothing can be opened."""
        raise DataMissing(
            f"this run has no storage, so {kind} {name!r} cannot be read; pass storage= to run_backtest, "
            "or add a feed of your own with add_event_feed"
        )


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

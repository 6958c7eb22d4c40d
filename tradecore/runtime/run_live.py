"""run_live: assemble a run and carry it through phases A to D.

Receives: a configuration (a path, or a RunConfig), or objects.
Gives:    a RunResult, with the HandoverReport; a run folder, if one is wanted.
Never:    starts an event loop, installs a signal handler, or keeps a global: cancel `scope`, and the run stops cleanly
          with everything kept.    Spec: 6.2; DESIGN 6, 10, 13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.clock import Clock
from tradecore.domain.delay_law import DelayLaw
from tradecore.domain.duration import to_duration_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.phase import PhaseChanged
from tradecore.engine.message_bus import MessageBus
from tradecore.errors import ConfigError, RunFolderError, TradecoreError
from tradecore.feeds.live_buffer import ArrivalRecorder, LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.spill_file import SpillFile
from tradecore.runtime.handover_report import HANDOVER_FILE
from tradecore.runtime.live_feeds import LiveFeeds
from tradecore.runtime.live_log import LoggedSpillFile, connect_log
from tradecore.runtime.live_plan import LivePlan, check_venues, live_plan_from_config
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.live_settings import HandoverSettings, RecordingSettings, VenueSettings
from tradecore.runtime.live_venues import OpenedVenues, open_venues
from tradecore.runtime.recording import Recording
from tradecore.runtime.run_assembly import RunAssembly, TellProgress, list_plan_instruments, open_plan_storage
from tradecore.runtime.run_config import RunConfig
from tradecore.runtime.run_log import LogLevel
from tradecore.runtime.run_plan import Broker, plan_from_config, plan_from_objects
from tradecore.runtime.run_recording import RECORDING_FOLDER, RunRecording
from tradecore.runtime.run_result import RunResult
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.strategy.strategy import Strategy
from tradecore.venues.market_data_venue import MarketDataVenue

Watch = Callable[[LiveRun], None]


async def run_live(
    config: str | Path | RunConfig | None = None,
    *,
    overrides: Sequence[str] = (),
    strategies: Strategy | Sequence[Strategy] | Mapping[str, Strategy] = (),
    venues: Mapping[str, MarketDataVenue | VenueSettings] | None = None,
    brokers: Mapping[str, Broker] | None = None,
    broker_of: Mapping[str, str] | None = None,
    instruments: Sequence[Instrument] = (),
    storage: MarketDataStorage | str | None = None,
    warmup: str | timedelta | int = 0,
    start: datetime | int | None = None,
    end: datetime | int | None = None,
    duration: str | timedelta | int | None = None,
    handover: HandoverSettings | None = None,
    seed: int = 0,
    name: str = "live",
    on_error: str = "halt",
    delays: Mapping[str, DelayLaw] | None = None,
    adjustments: Sequence[AccountAdjustment] = (),
    trace: bool = False,
    runs_dir: str | Path | None = None,
    log_level: LogLevel | None = None,
    logger: Any = None,
    progress: TellProgress | None = None,
    watch: Watch | None = None,
    scope: anyio.CancelScope | None = None,
    bus: MessageBus | None = None,
    clock: Clock | None = None,
    recorder: ArrivalRecorder | None = None,
    recording: RecordingSettings | None = None,
    spill: SpillFile | None = None,
) -> RunResult:
    """Run live until `end`, after `duration`, or until `scope` is cancelled, and give the result.

    Either `config` (a TOML file or a RunConfig of mode "live"), or objects, as for run_backtest; and besides:
    venues: by the suffix of their instruments' ids, {"BINANCE": BinanceVenue(...)}, or tables by name. warmup: how far
    back from now history is replayed ("30d", a timedelta, int nanoseconds), or start. handover: what may be lacking.
    adjustments, log_level, logger: as for run_backtest; adjustments that history does not reach come by the clock.
    watch: called with the LiveRun before it starts; its gate, phases and feed states can be looked at at any time.
    clock: the run's, the machine's by default. recorder: hears every arrival. recording: write all that is received
    into the run folder, so that the run can be repeated. spill: where a full buffer goes.

    Raises: ConfigError, VenueError in all its kinds, FeedError (StreamBroken, StreamConflict, SpillFailed,
    CatchUpTooSlow), StorageError, StrategyError.
    """
    if config is not None:
        given = [word for word, value in (("strategies", strategies), ("venues", venues)) if value]
        if given:
            raise TypeError(f"run_live takes a config or {' and '.join(given)}, not both")
        checked = _check_config(config, overrides)
        planned = plan_from_config(checked, runs_dir=runs_dir, storage=storage, log_level=log_level, logger=logger)
        live = live_plan_from_config(checked, planned)
    else:
        check_venues(venues or {})
        plan = plan_from_objects(
            name=name, strategies=strategies, brokers=brokers or {}, broker_of=broker_of, instruments=instruments,
            storage=storage, start=start, end=None, seed=seed, batch_size=1_024, order_by="delivery",
            on_error=on_error, delays=delays or {}, adjustments=adjustments, trace=trace,
            runs_folder=None if runs_dir is None else Path(runs_dir), log_level=log_level, logger=logger,
        )  # fmt: skip
        plan.description["run"]["mode"] = "live"
        live = LivePlan(
            plan=plan,
            venues=dict(venues or {}),
            warmup_ns=to_duration_ns(warmup),
            end_ns=_to_end_ns(end),
            duration_ns=None if duration is None else to_duration_ns(duration),
            handover=handover or HandoverSettings(),
            recording=recording,
        )
    session = _Session(live, progress, watch, scope or anyio.CancelScope(), bus or MessageBus(), recorder, spill)
    async with (
        open_plan_storage(live.plan) as opened_storage,
        open_venues(
            live.venues, seed=live.plan.seed, clock_word=live.clock_word, clock=clock, scope=session.scope
        ) as opened,
    ):
        return await session.run(opened_storage, opened)


def _check_config(config: str | Path | RunConfig, overrides: Sequence[str]) -> RunConfig:
    from tradecore.runtime.config import check_config, load_config

    checked = check_config(config, overrides) if isinstance(config, RunConfig) else load_config(config, overrides)
    if checked.run.mode != "live":
        raise ConfigError(checked.source or "the configuration", ['[run] mode is "backtest"; use run_backtest'])
    return checked


def _to_end_ns(end: datetime | int | None) -> int | None:
    from tradecore.domain.instant import check_ns, to_ns

    if end is None:
        return None
    return check_ns(end, "end") if isinstance(end, int) else to_ns(end)


class _Session:
    """One call of run_live."""

    def __init__(
        self,
        live: LivePlan,
        progress: TellProgress | None,
        watch: Watch | None,
        scope: anyio.CancelScope,
        bus: MessageBus,
        recorder: ArrivalRecorder | None,
        spill: SpillFile | None,
    ) -> None:
        self._live = live
        self._progress = progress
        self._watch = watch
        self.scope = scope
        self._bus = bus
        self._recorder = recorder
        self._spill = spill

    async def run(self, storage: MarketDataStorage | None, opened: OpenedVenues) -> RunResult:
        plan, stop_ns = self._live.resolve(opened.clock.wall_ns())
        instruments = await list_plan_instruments(plan, storage)
        assembly = RunAssembly(plan, instruments, self._progress, self._bus)
        recording = self._open_recording(assembly, opened.clock)
        run = self._make_run(assembly, storage, opened, stop_ns, recording)
        try:
            await assembly.add_strategies(run.feeds)
            run.adjustments = assembly.adjustments
            if self._watch is not None:
                self._watch(run)
            await assembly.engine.run(run.go)
        except anyio.get_cancelled_exc_class() as cancelled:
            self._finish(assembly, run, "interrupted", cancelled)
            raise
        except Exception as error:
            self._keep_failed(assembly, run, error)
            raise
        stopped = run.scope.cancelled_caught or assembly.engine.was_stopped
        return self._finish(assembly, run, "interrupted" if stopped else "complete", None)

    def _open_recording(self, assembly: RunAssembly, clock: Clock) -> Recording | None:
        """The recording in the run folder, if one is wanted. Raises: ConfigError, RecordingFailed."""
        settings, folder = self._live.recording, assembly.book.folder.path
        if settings is None:
            return None
        if folder is None:
            raise ConfigError(
                "run_live", ["a recording goes into the run folder, and this run has none; give runs_dir"]
            )
        if self._recorder is not None:
            raise ConfigError("run_live", ["recorder and recording both hear the arrivals; give one of them"])
        return Recording(folder / RECORDING_FOLDER, clock, keeps_frames=settings.frames, on_full=settings.on_full)

    def _make_run(
        self,
        assembly: RunAssembly,
        storage: MarketDataStorage | None,
        opened: OpenedVenues,
        stop_ns: int,
        recording: Recording | None,
    ) -> LiveRun:
        settings, clock, log = self._live.handover, opened.clock, assembly.book.log
        buffer = LiveBuffer(
            clock,
            capacity=settings.buffer_events,
            spill=self._spill if log is None else LoggedSpillFile(self._spill, log),
            on_full=settings.on_full,
            recorder=self._recorder if recording is None else recording,
        )
        verdicts: list[LiveRun] = []
        intake = LiveIntake(lambda stream, verdict: verdicts[0].note_verdict(stream, verdict))
        start_ns = assembly.plan.start_ns
        assert start_ns is not None, "the plan was resolved"
        run = LiveRun(
            assembly.engine, opened.venues, buffer, intake, clock, settings, start_ns=start_ns, stop_ns=stop_ns
        )
        verdicts.append(run)
        run.scope = self.scope
        run.give_feeds(
            LiveFeeds(
                run.streams,
                run.stage,
                buffer,
                storage,
                assembly.engine.instruments,
                start_ns=start_ns,
                batch_size=assembly.plan.batch_size,
                delays=assembly.delays,
                settings=settings,
            )
        )
        if recording is not None:
            run.recording = RunRecording(run, recording, self._live.config)
        assembly.engine.order_gate = run.gate
        run.keep_report = partial(_keep_report, assembly, run)
        self._bus.subscribe(PhaseChanged, partial(_note_phase, assembly))
        if log is not None:
            connect_log(log, run)
        return run

    def _keep_failed(self, assembly: RunAssembly, run: LiveRun, error: Exception) -> None:
        """Close the book of a run that failed. What cannot be kept, on a full disk say, does not hide why it failed."""
        try:
            self._finish(assembly, run, "failed", error)
        except RunFolderError as second:
            if str(second) != str(error):
                error.add_note(str(second))
        if isinstance(error, TradecoreError):
            error.run_folder = assembly.book.folder.path

    def _finish(self, assembly: RunAssembly, run: LiveRun, status: Any, error: BaseException | None) -> RunResult:
        """Close the book; what the handover came to is kept however the run ended."""
        assembly.book.notes += run.notes
        for venue in {id(venue): venue for venue in run.venues.values()}.values():
            assembly.book.notes += getattr(venue, "list_notes", list)()  # not every venue has frames
        try:
            run.keep_report()
        finally:
            result = assembly.finish(status, error, run.feeds.used)
        return msgspec.structs.replace(result, handover=run.make_report())


def _keep_report(assembly: RunAssembly, run: LiveRun) -> None:
    assembly.book.folder.write_report(HANDOVER_FILE, run.make_report().to_dict())


def _note_phase(assembly: RunAssembly, change: PhaseChanged) -> None:
    assembly.book.record_event("phase_began", change.ts_event, {"phase": change.phase.value}, flush=True)

"""seam_run: one fault schedule through the whole engine, phases A to D on virtual time, and the laws that must hold.

Receives: a seed.
Gives:    SeamRun: what a strategy heard, what the venue's truth is, what the run declares; `check_seam`.
Never:    shares code with joins and phases that it judges: the laws have their own look at ids (stream_laws.py).
          RELIABILITY P1-P4, 7.2; issue 4 ("1,000 seeded fault schedules").
"""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import anyio

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instant import SECOND_NS, to_ns
from tradecore.domain.order import Order
from tradecore.domain.phase import Phase, PhaseChanged
from tradecore.domain.stream import Stream
from tradecore.feeds import live_buffer
from tradecore.runtime.live_settings import HandoverSettings, RecordingSettings
from tradecore.runtime.run_live import run_live
from tradecore.runtime.run_result import RunResult
from tradecore.storage.open_storage import open_storage
from tradecore.strategy.strategy import Strategy
from tradecore.testing.seam_schedule import (
    BARS,
    INSTRUMENT,
    STREAMS,
    TRADES,
    FaultyMarket,
    FaultyVenue,
    SeamSchedule,
    WatchedSpill,
    draw_schedule,
)
from tradecore.testing.stream_laws import StreamLawBroken, check_identity_stream, check_state_stream
from tradecore.testing.virtual_run import run_virtual, running_clock

WARMUP_S: Final = 60
BROKERS: Final = {"sim": SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)})}
TIMER_S: Final = 7
"""Prime beside the market's steps, so that timers fall between events as well as on them."""


class Listener(Strategy):
    """Hears everything, as slowly as the schedule says; trades a unit to and fro, so that brokers have work.

    heard: (phase, kind, event, now) of each event; states: what it was told of feeds.
    """

    def __init__(self, schedule: SeamSchedule, venue: FaultyVenue) -> None:
        self.heard: list[tuple[Phase, str, Any, int]] = []
        self.phases: list[Phase] = []
        self.states: list[FeedStateChanged] = []
        self.executed = 0
        self._venue = venue
        self._stall_s = schedule.stall_s
        self._pauses = {Phase.B_REPLAY: schedule.replay_s, Phase.C_CATCH_UP: schedule.catch_up_s}

    def on_start(self) -> None:
        """Subscribe to all, and to bars that the run makes."""
        self.subscribe_to_trades(INSTRUMENT, key="trades")
        self.subscribe_to_quotes(INSTRUMENT, key="quotes")
        self.subscribe_to_bars(BARS.name, key="bars")
        self.subscribe_to_bars(f"{INSTRUMENT} 10s last", key="made bars", source="trades")
        self.add_repeating_timer("timer", TIMER_S * SECOND_NS)

    def on_phase_changed(self, change: PhaseChanged) -> None:
        """Let the venue know: its faults are meant for phases."""
        self.phases.append(change.phase)
        self._venue.phase = change.phase

    def on_feed_state(self, change: FeedStateChanged) -> None:
        """Note it."""
        self.states.append(change)

    async def on_event(self, event: Any) -> None:
        """Note it, and take the time that this phase's callbacks take."""
        phase = self.phases[-1]
        self.heard.append((phase, event.event_type, event, to_ns(self.get_current_time())))
        if event.event_type == "trade_tick" and int(event.trade_id) % 25 == 0:
            self.submit_order(Order.market(INSTRUMENT, 1 if int(event.trade_id) % 50 else -1))
        pause = self._pauses.get(phase, 0.0)
        if phase is Phase.D_LIVE and len(self.heard) % 40 == 0:
            pause = self._stall_s
        if pause:
            await anyio.sleep(pause)

    def on_execution(self, _execution: Any) -> None:
        """Count it."""
        self.executed += 1


class SeamRun:
    """A run that is over. met: faults by phase in which they took effect. result: of run_live."""

    def __init__(self, schedule: SeamSchedule, start_ns: int) -> None:
        self.schedule = schedule
        clock = running_clock()
        self.start_ns = start_ns
        self.venue = FaultyVenue(clock, schedule)
        self.market = FaultyMarket(self.venue, clock, schedule)
        self.listener = Listener(schedule, self.venue)
        self.result: RunResult | None = None

    @property
    def met(self) -> Counter[tuple[str, Phase]]:
        """What went wrong in which phase."""
        return self.venue.met

    def events(self, stream: Stream) -> list[Any]:
        """What the strategy heard of a stream, in order."""
        name = stream.bar_type or stream.name
        return [event for _, kind, event, _ in self.listener.heard if kind == stream.kind and event.series == name]

    def digest(self) -> str:
        """SHA-256 of everything that was heard, and of the run's own orders and executions."""
        assert self.result is not None
        total = hashlib.sha256()
        for phase, kind, event, now in self.listener.heard:
            total.update(f"{phase.value} {kind} {now} {event!r}\n".encode())
        for state in self.listener.states:
            total.update(repr(state).encode())
        total.update(self.result.digests["run"].encode())
        return total.hexdigest()


def make_handover(schedule: SeamSchedule) -> HandoverSettings:
    """What a run may lack: everything that its schedule may take."""
    return HandoverSettings(
        on_broken="degrade", on_conflict="warn", settle_s=0.0, overlap_s=1.0, buffer_events=schedule.capacity,
        on_full="degrade", ask_first_s=0.5, ask_times=8,
    )  # fmt: skip


def run_schedule(seed: int, runs_dir: Path | None = None) -> SeamRun:
    """The schedule of a seed, from its past to its peace. runs_dir: also record and trace it. Raises what it raises."""
    schedule = draw_schedule(seed)
    with patch.object(live_buffer, "BLOCK_ARRIVALS", schedule.block):
        return run_virtual(partial(_run, schedule, runs_dir), seed=seed)


async def _run(schedule: SeamSchedule, runs_dir: Path | None) -> SeamRun:
    clock = running_clock()
    run = SeamRun(schedule, clock.wall_ns() - WARMUP_S * SECOND_NS)
    run.market.make_past()
    scope = anyio.CancelScope()
    async with open_storage("memory:") as storage, anyio.create_task_group() as tasks:
        stored = [event for event in run.venue.truth[TRADES] if event.ts_event >= run.start_ns][: schedule.stored]
        if stored:
            await storage.append(stored)

        async def play() -> None:
            await run.market.run()
            scope.cancel()

        tasks.start_soon(play)
        run.result = await run_live(
            strategies=run.listener, venues={"SIM": run.venue}, brokers=BROKERS, storage=storage,
            warmup=WARMUP_S * SECOND_NS, handover=make_handover(schedule), seed=schedule.seed, scope=scope, clock=clock,
            spill=WatchedSpill(run.venue, 2 if "full_disk" in schedule.faults else None),
            runs_dir=runs_dir, trace=runs_dir is not None, recording=None if runs_dir is None else RecordingSettings(),
        )  # fmt: skip
        tasks.cancel_scope.cancel()
    return run


# ------------------------------------------------------------------------------------------------------------- laws


def check_seam(run: SeamRun) -> None:
    """All laws of a run. Raises: StreamLawBroken, saying which law, which stream and which event."""
    if run.listener.phases != list(Phase):
        raise StreamLawBroken(f"phases came as {[phase.value for phase in run.listener.phases]}")
    _check_streams(run)
    _check_order(run)
    _check_timers(run)
    _check_states(run)
    if not run.listener.executed:
        raise StreamLawBroken("orders were submitted, and none was executed")


def _check_streams(run: SeamRun) -> None:
    """Truth minus declared holes, none twice; what happened in peace was heard."""
    assert run.result is not None
    assert run.result.handover is not None
    reports = {report.stream: report for report in run.result.handover.streams}
    for stream in STREAMS:
        report, seen = reports[str(stream)], run.events(stream)
        truth = [event for event in run.venue.truth[stream] if event.ts_event >= run.start_ns]
        if stream.has_identity:
            check_identity_stream(truth, seen, report, partial(run.venue.identity, stream))
            if report.open_holes:
                raise StreamLawBroken(f"{stream}: still open after all that peace: {report.open_holes}")
        else:
            check_state_stream(truth, seen, report)
        if not seen or seen[-1].ts_event != truth[-1].ts_event:
            raise StreamLawBroken(f"{stream}: the market ended in peace, and its last event was not heard")


def _check_order(run: SeamRun) -> None:
    """`now` never goes back; live events come in the one order of arrival, each at its own instant."""
    before = 0
    for _, _, event, now in run.listener.heard:
        if now < before:
            raise StreamLawBroken(f"now went back from {before} to {now} with {event!r}")
        before = now
    live = [
        event
        for phase, kind, event, _ in run.listener.heard
        if phase in (Phase.C_CATCH_UP, Phase.D_LIVE) and kind in ("trade_tick", "quote_tick")
    ]
    for first, second in pairwise(live):
        if second.ts_received <= first.ts_received:
            raise StreamLawBroken(f"{second!r} is heard behind {first!r}, which was received later")


def _check_timers(run: SeamRun) -> None:
    """Each moment of a timer is told, or is among the `missed` of a later one; made bars end one after another."""
    told = [(event.ts_event, event.missed) for _, kind, event, _ in run.listener.heard if kind == "time_event"]
    for (before, _), (after, missed) in pairwise(told):
        if after - before != (missed + 1) * TIMER_S * SECOND_NS:
            raise StreamLawBroken(f"timer of {after}, {missed} missed, comes after that of {before}")
    ends = [bar.ts_event for bar in run.events(Stream("bar", f"{INSTRUMENT} 10s last"))]
    if ends != sorted(set(ends)):
        raise StreamLawBroken("a bar that the run made was heard twice, or after a later one")


def _check_states(run: SeamRun) -> None:
    """RECOVERED comes after a GAP alone; what ends without a hole has said so."""
    told: dict[Stream, FeedState] = {}
    for change in run.listener.states:
        if change.state not in (FeedState.GAP, FeedState.RECOVERED):
            continue
        if change.state is FeedState.RECOVERED and told.get(change.stream) is not FeedState.GAP:
            raise StreamLawBroken(f"{change.stream} says RECOVERED, and no GAP before it")
        told[change.stream] = change.state
    for stream in (TRADES, BARS):
        if told.get(stream) is FeedState.GAP:
            raise StreamLawBroken(f"{stream} ends with nothing missing that could be had, and its GAP was never closed")

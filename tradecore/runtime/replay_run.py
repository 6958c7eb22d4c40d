"""replay_run: a recorded live run once more, from its recording alone: the same phases, the same arrivals, no venue.

Receives: the recording of a live run; the plan of that run, with strategies that are new.
Gives:    a RunResult, with a run folder beside which the live run's can be laid (parity.py).
Never:    connects, asks, waits or reads a clock: what the clock did is in the recording's marks. What the embedding
          program did from outside is not; a run of which that is known is refused.    DESIGN 10; issue 4, item 5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from tradecore.domain.instant import MAX_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.timeline import SystemClock
from tradecore.errors import RecordingUnreadable, TradecoreError
from tradecore.feeds.arrival_log import ArrivalLogReader
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.identity_join import IdentityJoin
from tradecore.feeds.join import StreamJoin
from tradecore.feeds.live import LiveOwnFeed
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.own_join import OwnJoin
from tradecore.feeds.series_key import SeriesKey
from tradecore.runtime.live_feeds import LiveFeeds
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.live_streams import LiveStreams
from tradecore.runtime.phase_b_replay import replay
from tradecore.runtime.recorded_session import RecordedSession, identify_event
from tradecore.runtime.recording import Mark
from tradecore.runtime.run_assembly import RunAssembly
from tradecore.runtime.run_plan import RunPlan
from tradecore.runtime.run_result import RunResult
from tradecore.storage.market_data_storage import EVENT_CLASSES
from tradecore.venues.market_data_venue import HistoryKind, HistoryOffer, MarketEvent, VenueSink


async def replay_run(session: RecordedSession, plan: RunPlan, handover: HandoverSettings) -> RunResult:
    """Run the plan over a recorded live run; its strategies hear what those of the live run heard.

    Raises: RecordingUnreadable for a recording that is no live run's, or lacks what a replay needs; what a run raises.
    """
    facts, marks = session.facts, session.load_marks()
    _check(session, marks)
    plan = msgspec.structs.replace(plan, start_ns=facts["start_ns"], end_ns=None, storage=None)
    instruments = {one.id: one for one in (*session.instruments, *plan.instruments)}
    assembly = RunAssembly(plan, instruments, None, MessageBus())
    run = _make_run(assembly, session, handover, facts["start_ns"])
    try:
        await assembly.add_strategies(run.feeds)
        run.adjustments = assembly.adjustments
        await assembly.engine.run(_Replay(run, session, marks, facts["replay_end_ns"]).go)
    except Exception as error:
        kept = assembly.finish("failed", error, {})
        if isinstance(error, TradecoreError):
            error.run_folder = kept.run_folder
        raise
    return assembly.finish("complete", None, {})


def _check(session: RecordedSession, marks: Sequence[Mark]) -> None:
    folder = session.folder
    if "start_ns" not in session.facts or not marks:
        raise RecordingUnreadable(f"{folder} is no recording of a live run; a backtest can read it: [data] recording")
    outside = next((mark for mark in marks if mark.what == "outside"), None)
    if outside is not None:
        raise RecordingUnreadable(
            f"{folder}: commands came from outside of the strategies (after arrival {outside.at}), and nobody can know "
            "them again; runs that are to be compared must trade by their strategies alone"
        )


def _make_run(assembly: RunAssembly, session: RecordedSession, settings: HandoverSettings, start_ns: int) -> LiveRun:
    engine, clock = assembly.engine, SystemClock()
    buffer = RecordedBuffer(session)
    intake = LiveIntake()
    venue = RecordedVenue(session)
    venues: Any = {one.stream.instrument.rpartition(".")[2]: venue for one in session.streams}
    run = LiveRun(engine, venues, buffer, intake, clock, settings, start_ns=start_ns)
    run.streams = _RecordedStreams(venues, buffer, intake, settings.join_policy, engine.instruments)
    feeds = _RecordedPasts(
        run.streams,
        run.stage,
        buffer,
        None,
        engine.instruments,
        start_ns=start_ns,
        batch_size=assembly.plan.batch_size,
        delays=assembly.delays,
        settings=settings,
    )
    feeds.session = session
    run.give_feeds(feeds)
    engine.order_gate = run.gate
    return run


class _Replay:
    """The phases, as the marks tell them."""

    def __init__(self, run: LiveRun, session: RecordedSession, marks: Sequence[Mark], replay_end_ns: int) -> None:
        self._run = run
        self._marks = marks
        self._replay_end_ns = replay_end_ns
        assert isinstance(run.buffer, RecordedBuffer)
        self._buffer = run.buffer

    async def go(self) -> None:
        """All of it, between the engine's start and end."""
        run = self._run
        async with anyio.create_task_group() as tasks:
            await run.begin_phase(Phase.A_SUBSCRIBE)
            await run.streams.subscribe_planned(tasks)
            run.engine.declare_sources()
            run.replay_end_ns = self._replay_end_ns
            run.engine.queue.end_at(self._replay_end_ns)
            run.feeds.begin_replay(self._replay_end_ns)
            await self._go_on()
            tasks.cancel_scope.cancel()
        run.end_phase()
        self._buffer.discard()

    async def _go_on(self) -> None:
        run = self._run
        for mark in self._marks:
            await self._drain(mark.at)
            if run.engine.is_ending:
                return
            if mark.what == "phase" and mark.detail == Phase.B_REPLAY.value:
                await replay(run)
            elif mark.what == "phase" and mark.detail != Phase.A_SUBSCRIBE.value:
                await run.begin_phase(Phase(mark.detail))
            elif mark.what == "time":
                await run.stage.pass_time(mark.ts)
            elif mark.what == "give_up":
                kind, _, name = mark.detail.partition(" ")
                run.intake.give_up(Stream(kind, name))
            elif mark.what == "end":
                return
        await self._drain(None)  # it was killed: there may be more than its marks tell of

    async def _drain(self, ordinal: int | None) -> None:
        """Deliver up to this many arrivals; all that there are, without one."""
        self._buffer.allowed = ordinal
        while not self._run.engine.is_ending and await self._run.stage.drain():
            pass


class RecordedBuffer(LiveBuffer):
    """What a LiveBuffer gave, from its recording. allowed: how many arrivals may be read by now; None: all."""

    def __init__(self, session: RecordedSession) -> None:
        super().__init__(SystemClock())
        self.allowed: int | None = 0
        self._reader = ArrivalLogReader(session.log_path)
        self._waiting: list[Any] = []

    def take(self, limit: int, until_ns: int = MAX_NS) -> list[Any]:
        """The next arrivals, as many as are allowed; [] where there are none."""
        del until_ns  # what came after the end was not read, so the marks do not allow it
        if self.allowed is not None:
            limit = min(limit, self.allowed - self._read)
        if limit <= 0:
            return []
        if not self._waiting:
            block = self._reader.read_block()
            if block is None:
                return []
            self._waiting = block.arrivals
        batch, self._waiting = self._waiting[:limit], self._waiting[limit:]
        self._read += len(batch)
        self.received = self._read
        return batch

    def discard(self) -> None:
        """Close the log."""
        self._waiting = []
        self._reader.close()
        super().discard()


class _RecordedStreams(LiveStreams):
    """Streams that need not be subscribed: they came."""

    async def subscribe_planned(self, tasks: TaskGroup) -> None:
        """Let all that is planned in."""
        self._tasks = tasks
        for stream in sorted(self.joins):
            await self._subscribe(stream)

    async def add_own(self, feed: LiveOwnFeed) -> OwnJoin:
        """A user's live feed is not started: what it gave was recorded."""
        self._own[feed.name] = feed
        join = self.own_joins[feed.name] = OwnJoin(feed.name)
        self._intake.add_own(feed.name, join)
        return join

    async def _subscribe(self, stream: Stream) -> None:
        self._intake.add(stream, self.joins[stream])


class _RecordedPasts(LiveFeeds):
    """Feeds whose past is what phase B of the live run replayed."""

    session: RecordedSession

    def _splice(self, stream: Stream, start_ns: int) -> EventFeed:
        del start_ns
        return RecordedPast(self.session, stream, self._streams.joins[stream])


class RecordedPast(BaseFeed):
    """What phase B of the live run had of a stream, through the join that live events go through afterwards."""

    is_trusted = True

    def __init__(self, session: RecordedSession, stream: Stream, join: StreamJoin) -> None:
        super().__init__(f"recorded past of {stream}", [stream.kind])
        self.series_key = SeriesKey.of(stream.kind, stream.name)
        self._key = (EVENT_CLASSES[stream.kind], stream.bar_type or stream.name)
        self._join = join
        self._path = session.history_path
        self._reader: ArrivalLogReader | None = None

    async def next_batch(self, limit: int) -> list[Any]:
        """Some events, in order; [] at the end. Raises: RecordingUnreadable."""
        del limit  # a block is as many as a batch
        if self._path is None or self._finished:
            return self._end()
        if self._reader is None:
            self._reader = ArrivalLogReader(self._path)
        while (block := self._reader.read_block()) is not None:
            rows = [row for row in block.arrivals if (type(row), row.series) == self._key]
            if rows:
                self._join.take_stored(rows)
                return rows
        return self._end()

    async def close(self) -> None:
        """Close the log; idempotent."""
        await super().close()
        if self._reader is not None:
            self._reader.close()

    def _end(self) -> list[Any]:
        if not self._finished and isinstance(self._join, IdentityJoin):
            self._join.end_replay()
        self._finished = True
        return []


class RecordedVenue:
    """A MarketDataVenue that only says what streams are: there is nobody to connect to."""

    def __init__(self, session: RecordedSession) -> None:
        self.name = str(session.facts.get("venue", "recorded"))
        self._session = session

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Nothing comes from here."""
        del sink
        task_status.started()
        await anyio.sleep_forever()

    async def subscribe(self, stream: Stream) -> None:
        """It came."""

    async def unsubscribe(self, stream: Stream) -> None:
        """It ended with the recording."""

    async def load_instruments(self, ids: Iterable[str]) -> dict[str, Instrument]:
        """As they were recorded."""
        known = {one.id: one for one in self._session.instruments}
        return {one: known[one] for one in ids if one in known}

    async def server_time(self) -> int:
        """Of the beginning: nothing is asked for that is later."""
        return int(self._session.facts["start_ns"])

    def history_kind(self, stream: Stream) -> HistoryOffer:
        """As it was: bars that were not recorded, where trades were, were made of them."""
        found = next((one for one in self._session.streams if one.stream == stream), None)
        if found is None:
            is_made = stream.kind == "bar" and any(
                one.stream == Stream("trade_tick", stream.instrument) for one in self._session.streams
            )
            return HistoryOffer(HistoryKind.FROM_TRADES if is_made else HistoryKind.NONE)
        if not found.has_history:
            return HistoryOffer(HistoryKind.NONE)
        return HistoryOffer(HistoryKind.BY_TIME if stream.kind == "bar" else HistoryKind.BY_ID)

    async def read_history(
        self, stream: Stream, *, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[Sequence[MarketEvent]]:
        """Nothing more than was recorded."""
        del stream, start, end, from_id
        for page in list[Sequence[MarketEvent]]():
            yield page

    def identity(self, stream: Stream, event: MarketEvent) -> int | None:
        """The trade's id, the end of a bar."""
        return identify_event(stream, event)

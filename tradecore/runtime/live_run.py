"""LiveRun: one live run under way: what its four phases share.

Receives: the parts, wired; how the phases of a run went on.
Gives:    the stage that the engine runs (`go`): A, B, C, D in one task group; the order gate; the HandoverReport.
Never:    starts a loop or installs a signal handler: cancel `scope` to end it, and what was done is kept.
          Spec: 6.2; DESIGN 1, 6, 10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import checkpoint_if_cancelled

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.phase import Phase
from tradecore.domain.stream import Stream
from tradecore.engine.live_stage import LiveStage
from tradecore.engine.participant import NEVER
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import VenueError
from tradecore.feeds.history_questions import HistoryQuestions
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.proof import Verdict
from tradecore.runtime.handover_report import HandoverReport, PhaseSpan
from tradecore.runtime.live_feeds import LiveFeeds
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.live_streams import LiveStreams
from tradecore.runtime.order_gate import OrderGate
from tradecore.runtime.phase_a_subscribe import subscribe
from tradecore.runtime.phase_b_replay import replay
from tradecore.runtime.phase_c_drain import drain
from tradecore.runtime.phase_d_live import trade_live
from tradecore.venues.market_data_venue import MarketDataVenue

if TYPE_CHECKING:
    from tradecore.runtime.run_recording import RunRecording


class LiveRun:
    """All parts of a live run. start_ns: where history begins; stop_ns: where the run ends, NEVER without.

    feed_states: the last state of each stream, in words, as it was told. notes: what a reader of the result must know.
    adjustments: of the configuration, with the feed that brings them; None without any.
    """

    def __init__(
        self,
        engine: TradingEngine,
        venues: Mapping[str, MarketDataVenue],
        buffer: LiveBuffer,
        intake: LiveIntake,
        clock: Clock,
        settings: HandoverSettings,
        *,
        start_ns: int,
        stop_ns: int = NEVER,
    ) -> None:
        self.engine = engine
        self.venues = venues
        self.buffer = buffer
        self.intake = intake
        self.clock = clock
        self.settings = settings
        self.start_ns, self.stop_ns = start_ns, stop_ns
        self.gate = OrderGate(self.measure_lag, lag_limit_ns=settings.lag_limit_ns)
        self.stage = LiveStage(engine, buffer, intake, clock, self._hear_state)
        self.streams = LiveStreams(venues, buffer, intake, settings.join_policy, engine.instruments)
        self.feed_states: dict[Stream, FeedState] = {}
        self.notes: list[str] = []
        self.scope = anyio.CancelScope()
        self.keep_report: Callable[[], None] = lambda: None  # writes handover.json, where files are kept
        self.replay_end_ns: int | None = None
        self.questions: HistoryQuestions | None = None
        self.recording: RunRecording | None = None
        self.adjustments: tuple[Any, Sequence[AccountAdjustment]] | None = None
        self._feeds: LiveFeeds | None = None
        self._spans: list[PhaseSpan] = []
        self._began_ns = 0  # of the present phase, by the machine's clock

    @property
    def feeds(self) -> LiveFeeds:
        """The feed source; it is given after the rest, because it needs the rest."""
        assert self._feeds is not None, "the assembly gives it before the run"
        return self._feeds

    def give_feeds(self, feeds: LiveFeeds) -> None:
        """Complete the run."""
        self._feeds = feeds

    def go_on_adjusting(self, after_ns: int) -> None:
        """History has ended: adjustments that are later than this instant come by the clock."""
        if self.adjustments is not None:
            feed, adjustments = self.adjustments
            later = [one for one in adjustments if one.ts_received > after_ns]
            self.stage.add_adjustments(feed, sorted(later, key=attrgetter("ts_received")))

    # ------------------------------------------------------------------------------------------------------ the stage

    async def go(self) -> None:
        """All phases, between the engine's start and end. Raises what any part raises, by itself."""
        try:
            with self.scope:
                await checkpoint_if_cancelled()  # before a venue hears of us
                async with anyio.create_task_group() as tasks:
                    if self.recording is not None:
                        await tasks.start(self.recording.run)
                    for phase in (partial(subscribe, self, tasks), partial(replay, self), partial(drain, self)):
                        await phase()
                        if self.engine.is_ending:
                            break
                    else:
                        if self.is_over:
                            self.notes.append("the run's end came before it was live")
                        else:
                            await trade_live(self)
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            first = find_first(group)
            raise first from first.__cause__  # not from None, which would forget what a strategy raised
        finally:
            self.engine.open_to_outside(None)
            self.end_phase()
            if self.recording is not None:
                self.recording.end()
            self.buffer.discard()

    async def begin_phase(self, phase: Phase) -> None:
        """A phase begins: the gate, the report and everybody else hear of it."""
        self.end_phase()
        self._began_ns = self.clock.monotonic_ns()
        self._spans.append(PhaseSpan(phase, self.engine.timeline.now, None))
        self.gate.note_phase(phase)
        if self.recording is not None:
            self.recording.note_phase(phase)
        if phase is Phase.D_LIVE:
            self.keep_report()  # before anybody hears of the phase: who does may look for it, or kill us
        await self.engine.change_phase(phase)

    def end_phase(self) -> None:
        """The present phase is over, if there is one."""
        if self._spans and self._spans[-1].duration_ns is None:
            last = self._spans[-1]
            self._spans[-1] = PhaseSpan(last.phase, last.began_ns, self.clock.monotonic_ns() - self._began_ns)

    def note_phase(self, phase: Phase) -> None:
        """The engine began a phase by itself (B): the same, without telling it."""
        self.end_phase()
        self._began_ns = self.clock.monotonic_ns()
        self._spans.append(PhaseSpan(phase, self.engine.timeline.now, None))
        self.gate.note_phase(phase)
        if self.recording is not None:
            self.recording.note_phase(phase)

    # -------------------------------------------------------------------------------------------------------- venues

    async def keep_connected(
        self, venue: MarketDataVenue, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Run a venue as long as the run lasts. One that is lost for good ends the run, unless on_broken is "degrade".

        Raises: VenueError: always before it was connected, later under "halt".
        """
        watched = _StartedOnce(task_status)
        try:
            await venue.run(self.buffer, task_status=watched)
        except VenueError as error:
            if not watched.has_started or self.settings.on_broken == "halt":
                raise
            # Every stream of it was told ENDED, so no real order rests on them.
            self.notes.append(f"{venue.name} was lost while the run went on: {error}")

    def ask_history(self, tasks: TaskGroup) -> None:
        """From now on, holes are asked about."""
        self.questions = HistoryQuestions(
            self.intake,
            self.buffer,
            self.streams.venue_of,
            start_ns=self.start_ns,
            patience=self.settings.patience,
        )
        self.questions.starts = self.feeds.late_starts
        tasks.start_soon(self.questions.run)

    # ------------------------------------------------------------------------------------------------ what it knows

    @property
    def is_settled(self) -> bool:
        """Whether each stream is proved, silent, excused, or its holes declared: nothing more is to be asked."""
        return not self.intake.questions

    @property
    def is_over(self) -> bool:
        """Whether a strategy, somebody outside or the run's own end ends it."""
        return self.engine.is_ending or (self.stop_ns != NEVER and self.clock.wall_ns() >= self.stop_ns)

    def look_for_questions(self) -> None:
        """Let what joins want to know be asked; a cheap call after each batch."""
        if self.questions is not None:
            self.questions.look()

    def measure_lag(self) -> int:
        """How long the oldest arrival has waited, nanoseconds."""
        return self.buffer.lag_ns

    def note_verdict(self, stream: Stream, verdict: Verdict) -> None:
        """The intake says what is known of a stream."""
        self.gate.note_verdict(stream, verdict)

    def _hear_state(self, change: FeedStateChanged) -> None:
        self.feed_states[change.stream] = change.state
        self.gate.note_state(change)

    def make_report(self) -> HandoverReport:
        """The handover as it stands."""
        joins = [*self.streams.joins.values(), *self.streams.own_joins.values()]
        return HandoverReport.of(
            phases=self._spans,
            replay_end_ns=self.replay_end_ns,
            streams=[join.make_report() for join in joins],
            buffer=self.buffer,
            questions=self.questions,
        )


class _StartedOnce(TaskStatus[None]):
    """Passes `started` on and remembers it."""

    def __init__(self, inner: TaskStatus[None]) -> None:
        self.has_started = False
        self._inner = inner

    def started(self, value: None = None) -> None:
        """The venue is connected."""
        self.has_started = True
        self._inner.started(value)


def find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first, out of the groups around it; what went wrong beside it is noted on it."""
    found: list[BaseException] = []

    def walk(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                walk(inner)
        else:
            found.append(error)

    walk(group)
    for other in found[1:]:
        found[0].add_note(f"at the same time: {type(other).__name__}: {other}")
    return found[0]

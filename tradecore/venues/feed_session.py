"""FeedSession: a venue's market data over connections that are watched, made again, and replaced without a hole.

Receives: streams to subscribe to, frames.
Gives:    events to the sink, each once, and the state of each stream between them.
Never:    subscribes without an acknowledgement, connects again without end in a storm, or ends in silence.
          DESIGN 10; RELIABILITY 2 #1-#9, 7.4.

A planned replacement (before the venue's 24 h are over, or when it says farewell) overlaps: the successor is connected
and subscribed, and holds back what it hears, while the old connection goes on delivering. When the old one has been
read to its end, the successor's frames are let through, and the tracks drop by number what was delivered before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.domain.stream import Stream
from tradecore.errors import (
    SubscriptionRefused,
    SubscriptionTimeout,
    VenueError,
    VenueNotRunning,
)
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import Answer, FeedDialect, Request, StreamTrack
from tradecore.venues.feed_link import FeedLink, LinkLost
from tradecore.venues.frame_intake import FrameIntake, Resync
from tradecore.venues.frame_quarantine import FrameQuarantine
from tradecore.venues.handshake import FIRST_WAIT_MAX_S, HandshakeFailed, open_socket, wait_for_budget
from tradecore.venues.market_data_venue import VenueSink
from tradecore.venues.reconnect_schedule import ConnectBudget, ReconnectSchedule
from tradecore.venues.silence_watch import LoadNewest, SilenceWatch


class FeedSession:
    """One subscription socket of a venue, for as long as `run` runs.

    quarantine: frames that could not be read. reconnects: connections made after the first, planned ones included.
    failure: why there is no connection now, "" while there is one, or before the first attempt ended.
    """

    def __init__(
        self,
        name: str,
        dialect: FeedDialect,
        settings: ConnectionSettings,
        *,
        clock: Clock,
        seed: int,
        budget: ConnectBudget,
        resync: Resync,
        load_newest: LoadNewest,
        on_notice: Callable[[Any], None],
    ) -> None:
        self._name = name
        self._dialect = dialect
        self._settings = settings
        self._clock = clock
        self._budget = budget
        self._schedule = ReconnectSchedule(settings, name, seed)
        self._tracks: dict[Stream, StreamTrack] = {}
        self.quarantine = FrameQuarantine(settings.rejects_per_minute_max)
        self._intake = FrameIntake(
            dialect, self._tracks, self.quarantine, clock, resync=resync, on_notice=on_notice, tell=self._tell
        )
        self._silence = SilenceWatch(
            settings, clock, self._tracks, load_newest=load_newest, on_silent=self._note_dead_stream
        )
        self._trouble = ""
        self._changing = anyio.Lock()
        self._link: FeedLink | None = None
        self._link_changed = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._sink: VenueSink | None = None
        self.reconnects = 0
        self.failure = ""

    def list_notes(self) -> list[str]:
        """What a reader of a run's result must know: why there is no connection now, what could not be read."""
        notes = [f"{self._name} is not connected: {self.failure}"] if self.failure else []
        if self.quarantine.rejected:
            last = self.quarantine.frames[-1]
            notes.append(
                f"{self._name}: {self.quarantine.rejected:,} frames could not be read and were left out; the last one, "
                f"of {last.size:,} bytes: {last.reason[:200]}"
            )
        return notes

    # ------------------------------------------------------------------------------------------------ connections

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Keep connected until cancelled; before it raises, every stream was told ENDED.

        Raises: VenueUnreachable, VenueUntrusted, VenueRefused.
        """
        self._sink = sink
        failure: VenueError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._intake.begin(sink, tasks)
                try:
                    link = await self._connect(attempts_max=self._settings.first_attempts_max)
                    task_status.started()
                    while True:
                        self._adopt(link)
                        link = await self._follow(link)
                        self.reconnects += 1
                except VenueError as error:
                    failure = error
                tasks.cancel_scope.cancel()
        finally:
            self._tasks, self._link = None, None
        if failure is not None:
            self._tell_all(FeedState.ENDED, str(failure))
            raise failure

    async def _follow(self, link: FeedLink) -> FeedLink:
        """The connection that comes after this one, when this one ends or is due to be replaced."""
        with anyio.move_on_after(self._settings.planned_reconnect_s):
            await link.leaving.wait()
        successor = None if link.lost.is_set() else await self._overlap(link)
        if successor is not None:
            return successor
        self._link, self.failure = None, link.reason
        self._schedule.note_uptime(self._clock.monotonic_ns() - link.opened_ns)
        if link.is_oversized:
            size = self._settings.frame_bytes_max + 1
            self.quarantine.add(b"", link.reason, self._clock.monotonic_ns(), size)
        for track in self._tracks.values():
            track.begin_connection()
            track.news.clear()
        self._silence.begin(forgives=True)
        self._tell_all(FeedState.RECONNECTING, link.reason)
        # Also before the first attempt: a venue that accepts and closes at once would be asked without pause.
        await anyio.sleep(self._schedule.next_delay_s())
        return await self._connect()

    async def _overlap(self, link: FeedLink) -> FeedLink | None:
        """A successor that has all streams, once the old connection is read to its end; None when it is lost first."""
        while True:
            successor = await self._make_successor(link)
            if successor is None:
                return None
            async with self._changing:  # nobody subscribes on the old connection from here on
                with suppress(LinkLost):  # its own end says so, below
                    await self._subscribe_all(successor, [s for s in self._tracks if s not in successor.acknowledged])
                if not successor.lost.is_set():
                    await link.close()
                    return None if successor.lost.is_set() else successor

    async def _make_successor(self, link: FeedLink) -> FeedLink | None:
        """A connection that has listened beside this one for a while; None when this one is lost before it is there."""
        successor: FeedLink | None = None
        async with anyio.create_task_group() as tasks:

            async def stop_when_lost() -> None:
                await link.lost.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(stop_when_lost)
            try:
                successor = await self._connect(is_held=True)
                with anyio.move_on_after(self._settings.overlap_s):
                    await successor.lost.wait()
                    await anyio.sleep(self._schedule.next_delay_s())
            except VenueError as error:
                self.tell_connected(f"no successor for this connection: {error}")
                await anyio.sleep_forever()  # the old connection goes on until it is lost
            tasks.cancel_scope.cancel()
        return successor

    def _adopt(self, link: FeedLink) -> None:
        """Let its frames through, those first that it held back."""
        held, link.held = link.held, None
        self._link, self.failure = link, ""
        for frame in held or ():
            self._intake.take(link, frame)
        self._link_changed.set()
        self._link_changed = anyio.Event()

    async def _connect(self, *, attempts_max: int | None = None, is_held: bool = False) -> FeedLink:
        """A connection with every stream acknowledged; without attempts_max it is tried until stopped.

        Raises: VenueRefused, VenueUnreachable, VenueUntrusted.
        """
        url, attempts = self._dialect.url, 0
        while True:
            await wait_for_budget(self._budget, self._clock)
            attempts += 1
            retry_after_s = 0.0
            try:
                return await self._open(is_held=is_held)
            except HandshakeFailed as failed:
                is_first = attempts_max is not None
                is_long = is_first and failed.retry_after_s > FIRST_WAIT_MAX_S
                if failed.is_final or attempts == attempts_max or is_long:
                    raise failed.translate(url, attempts) from failed
                reason, retry_after_s = failed.reason, failed.retry_after_s
            except LinkLost as lost:
                reason = str(lost)
            if not is_held:
                self.failure = f"attempt {attempts} failed: {reason}"
                self._tell_all(FeedState.RECONNECTING, self.failure)
            await anyio.sleep(self._schedule.next_delay_s(retry_after_s))

    async def _open(self, *, is_held: bool) -> FeedLink:
        """One attempt. Raises: HandshakeFailed, LinkLost."""
        tasks = self._need_tasks("run")
        socket = await open_socket(self._dialect.url, self._settings)
        link = FeedLink(
            socket,
            self._dialect,
            self._settings,
            self._clock,
            on_frame=self._intake.take,
            on_life=self._judge_life,
            is_held=is_held,
        )
        tasks.start_soon(link.run)
        try:
            await self._subscribe_all(link, list(self._tracks))
        except BaseException:
            with anyio.move_on_after(2 * self._settings.close_timeout_s + 1, shield=True):
                await link.close()
            raise
        return link

    async def _subscribe_all(self, link: FeedLink, streams: list[Stream]) -> None:
        """Every stream acknowledged on this connection; one that is refused now has ENDED. Raises: LinkLost."""
        for request in self._dialect.encode_subscribe(streams):
            answer = None
            with anyio.move_on_after(self._settings.ack_timeout_s):
                answer = await link.ask(request)
            if answer is None:
                raise LinkLost(f"{len(request.streams)} subscriptions were not acknowledged")
            for stream in request.streams:
                if answer.error is None:
                    link.acknowledged.add(stream)
                    if not self._silence.is_dead(stream):
                        self._tell(stream, FeedState.CONNECTED, "subscribed again")
                elif self._tracks.pop(stream, None) is not None:
                    self._tell(stream, FeedState.ENDED, f"refused when connecting again: {answer.error}")

    # ---------------------------------------------------------------------------------------------- subscriptions

    async def subscribe(self, stream: Stream) -> None:
        """Returns when acknowledged. Raises: SubscriptionRefused, SubscriptionTimeout, VenueNotRunning."""
        self._need_tasks("subscribe")
        async with self._changing:
            if stream in self._tracks:
                return
            if len(self._tracks) >= self._dialect.streams_max:
                raise SubscriptionRefused(
                    self._name, stream, f"a connection takes {self._dialect.streams_max} streams; use a second venue"
                )
            # In place before the request: the first events may come before the acknowledgement.
            self._tracks[stream] = self._dialect.make_track(stream)
            try:
                with anyio.fail_after(self._settings.ack_timeout_s):
                    error = await self._ask_until_answered(stream)
            except TimeoutError:
                self._tracks.pop(stream, None)
                raise SubscriptionTimeout(self._name, stream, self._settings.ack_timeout_s) from None
            except BaseException:
                self._tracks.pop(stream, None)
                raise
            if error is not None:
                self._tracks.pop(stream, None)
                raise SubscriptionRefused(self._name, stream, error)
        link = self._link
        self._tell(stream, FeedState.CONNECTED, "subscribed")
        if link is not None and link.is_stale:
            self._tell(stream, FeedState.STALE, link.stale_reason)

    async def unsubscribe(self, stream: Stream) -> None:
        """Returns when acknowledged, or when there is no connection to tell it on."""
        self._need_tasks("unsubscribe")
        async with self._changing:
            if self._tracks.pop(stream, None) is None or self._link is None:
                return
            self._link.acknowledged.discard(stream)
            with anyio.move_on_after(self._settings.ack_timeout_s):
                try:
                    await self._link.ask(self._dialect.encode_unsubscribe(stream))
                except LinkLost:
                    return

    async def resubscribe(self, stream: Stream) -> None:
        """End a stream and begin it again on the same connection; some venues then send a whole book."""
        async with self._changing:
            link = self._link
            if link is None or stream not in link.acknowledged:
                return
            answer: Answer | None = None
            with anyio.move_on_after(self._settings.ack_timeout_s), suppress(LinkLost):
                await link.ask(self._dialect.encode_unsubscribe(stream))
                for request in self._dialect.encode_subscribe([stream]):
                    answer = await link.ask(request)
            if answer is None:
                link.leaving.set()  # whether it is subscribed now, nobody knows: a successor will be
            elif answer.error is not None and self._tracks.pop(stream, None) is not None:
                self._tell(stream, FeedState.ENDED, f"refused when subscribing anew: {answer.error}")

    async def ask(self, make_request: Callable[[], Request]) -> Answer | None:
        """The answer to any other question on this socket; None when none came in time or the connection ended."""
        self._need_tasks("ask")
        with anyio.move_on_after(self._settings.request_timeout_s):
            link = await self._wait_for_link()
            try:
                return await link.ask(make_request())
            except LinkLost:
                return None
        return None

    async def _ask_until_answered(self, stream: Stream) -> str | None:
        """The venue's refusal, None when it agreed. A lost connection is no answer: its successor subscribes too."""
        while True:
            link = await self._wait_for_link()
            if stream in link.acknowledged:
                return None
            if stream not in self._tracks:
                return "refused when connecting again"
            try:
                (request,) = self._dialect.encode_subscribe([stream])
                answer = await link.ask(request)
            except LinkLost:
                continue
            if answer.error is None:
                link.acknowledged.add(stream)
            return answer.error

    async def _wait_for_link(self) -> FeedLink:
        while self._link is None or self._link.lost.is_set():
            await self._link_changed.wait()
        return self._link

    def _need_tasks(self, call: str) -> TaskGroup:
        if self._tasks is None:
            raise VenueNotRunning(self._name, call)
        return self._tasks

    # ------------------------------------------------------------------------------------------------------ states

    def note_trouble(self, reason: str) -> None:
        """The venue says of itself that its data is not to be relied on, until it says "" again."""
        self._trouble = reason
        if self._link is not None:
            self._judge_life(self._link, 0.0)

    def tell_connected(self, reason: str) -> None:
        """Say to every stream that lives what the venue says of itself."""
        for stream in self._tracks:
            if not self._silence.is_dead(stream):
                self._tell(stream, FeedState.CONNECTED, reason)

    def _judge_life(self, link: FeedLink, silent_s: float) -> None:
        """STALE, or no longer, by what the connection's watch, the venue and the quarantine say."""
        if link is not self._link:
            return
        reason = self._trouble
        if silent_s > self._settings.frame_deadline_s:
            reason = f"nothing heard for {silent_s:.1f} s"
        elif self.quarantine.is_flooded(self._clock.monotonic_ns()):
            last = self.quarantine.frames[-1].reason
            reason = (
                f"more than {self._settings.rejects_per_minute_max} frames of a minute could not be read; {last[:200]}"
            )
        was_stale, link.stale_reason = link.is_stale, reason
        if reason and not was_stale:
            self._tell_all(FeedState.STALE, reason)
        elif was_stale and not reason:
            self._silence.begin(forgives=False)
            self.tell_connected("alive again")
        elif not reason and self._silence.look():
            self._need_tasks("ask").start_soon(self._silence.ask)

    def _note_dead_stream(self, stream: Stream, silent_s: float, found: int) -> bool:
        """One stream of many is dead: subscribe to it anew, then replace the connection, by turns."""
        link, track = self._link, self._tracks[stream]
        if link is None or link.is_stale or link.leaving.is_set():
            return False  # all of them are told about, or replaced
        if not track.news:
            reason = f"{stream} has said nothing for {silent_s:.0f} s, although {self._name} has newer; asked for anew"
            self._tell(stream, FeedState.STALE, reason)
            track.news.append((FeedState.CONNECTED, "heard again"))
            if stream.kind == "quote_tick":  # trades, bars and books show by their numbers what is missing
                track.news.append((FeedState.GAP, "quotes were not sent while it was silent"))
                track.news.append((FeedState.RECOVERED, "the best prices are known again"))
        if found % 2:
            self._need_tasks("resubscribe").start_soon(self.resubscribe, stream)
        else:
            link.leaving.set()
        return True

    def _tell_all(self, state: FeedState, reason: str) -> None:
        for stream in self._tracks:
            self._tell(stream, state, reason)

    def _tell(self, stream: Stream, state: FeedState, reason: str) -> None:
        assert self._sink is not None
        self._sink.put_state(stream, state, reason)

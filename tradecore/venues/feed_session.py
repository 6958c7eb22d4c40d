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

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import NO_VENUE_TIME
from tradecore.domain.feed_state import FeedState
from tradecore.domain.stream import Stream
from tradecore.errors import (
    FeedDataError,
    SubscriptionRefused,
    SubscriptionTimeout,
    VenueError,
    VenueNotRunning,
    VenueRefused,
    VenueUnreachable,
)
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import Answer, Farewell, FeedDialect, Notice, Request, Stamp, StreamTrack
from tradecore.venues.feed_link import FeedLink, LinkLost
from tradecore.venues.frame_quarantine import FrameQuarantine
from tradecore.venues.handshake import HandshakeFailed, open_socket, wait_for_budget
from tradecore.venues.market_data_venue import MarketEvent, VenueSink
from tradecore.venues.reconnect_schedule import ConnectBudget, ReconnectSchedule

Resync = Callable[[Stream, Any, Stamp], Awaitable[DepthSnapshot | None]]
"""Gets a book a new beginning; the snapshot to deliver, if it is in sequence at once."""

RESYNC_INTERVAL_S = 2.0  # between two tries to get a book its beginning; one try weighs 50 of Binance's 6,000 a minute


class FeedSession:
    """One subscription socket of a venue, for as long as `run` runs.

    quarantine: frames that could not be read. reconnects: connections made after the first, planned ones included.
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
        on_notice: Callable[[Any], None],
    ) -> None:
        self._name = name
        self._dialect = dialect
        self._settings = settings
        self._clock = clock
        self._budget = budget
        self._schedule = ReconnectSchedule(settings, name, seed)
        self._resync = resync
        self._on_notice = on_notice
        self._tracks: dict[Stream, StreamTrack] = {}
        self._resyncing: set[Stream] = set()
        self._changing = anyio.Lock()
        self._link: FeedLink | None = None
        self._link_changed = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._sink: VenueSink | None = None
        self.quarantine = FrameQuarantine(settings.rejects_per_minute_max)
        self.reconnects = 0

    # ------------------------------------------------------------------------------------------------ connections

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Keep connected until cancelled. Raises: VenueUnreachable, VenueRefused; every stream was told ENDED then."""
        self._sink = sink
        failure: VenueError | None = None
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
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
        self._link = None
        self._schedule.note_uptime(self._clock.monotonic_ns() - link.opened_ns)
        if link.is_oversized:
            size = self._settings.frame_bytes_max + 1
            self.quarantine.add(b"", link.reason, self._clock.monotonic_ns(), size)
        for track in self._tracks.values():
            track.begin_connection()
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
                self._tell_all(FeedState.CONNECTED, f"no successor for this connection: {error}")
                await anyio.sleep_forever()  # the old connection goes on until it is lost
            tasks.cancel_scope.cancel()
        return successor

    def _adopt(self, link: FeedLink) -> None:
        """Let its frames through, those first that it held back."""
        held, link.held = link.held, None
        self._link = link
        for frame in held or ():
            self._take_frame(link, frame)
        self._link_changed.set()
        self._link_changed = anyio.Event()

    async def _connect(self, *, attempts_max: int | None = None, is_held: bool = False) -> FeedLink:
        """A connection with every stream acknowledged; without attempts_max it is tried until stopped.

        Raises: VenueRefused, VenueUnreachable.
        """
        url, attempts = self._dialect.url, 0
        while True:
            await wait_for_budget(self._budget, self._clock)
            attempts += 1
            retry_after_s = 0.0
            try:
                return await self._open(is_held=is_held)
            except HandshakeFailed as failed:
                if failed.is_final and failed.status:
                    raise VenueRefused(url, failed.status, failed.reason) from failed
                if failed.is_final or attempts == attempts_max:
                    raise VenueUnreachable(url, attempts, failed.reason) from failed
                reason, retry_after_s = failed.reason, failed.retry_after_s
            except LinkLost as lost:
                reason = str(lost)
            if not is_held:
                self._tell_all(FeedState.RECONNECTING, f"attempt {attempts} failed: {reason}")
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
            on_frame=self._take_frame,
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
        self._tell(stream, FeedState.CONNECTED, "subscribed")

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
        """End a stream and begin it again on the same connection, for a venue that then sends a whole book."""
        async with self._changing:
            link = self._link
            if link is None or stream not in link.acknowledged:
                return
            with anyio.move_on_after(self._settings.ack_timeout_s):
                try:
                    await link.ask(self._dialect.encode_unsubscribe(stream))
                    for request in self._dialect.encode_subscribe([stream]):
                        await link.ask(request)
                except LinkLost:
                    return

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

    # ------------------------------------------------------------------------------------------------------ frames

    def _take_frame(self, link: FeedLink, frame: bytes) -> None:
        """One frame, from the socket to the sink."""
        sink = self._sink
        assert sink is not None, "frames come while run runs"
        try:
            if link.held is not None:
                self._hold(link, frame)
                return
            sink.put_frame(frame)
            decoded = self._dialect.decode(frame, sink.stamp)
        except FeedDataError as error:
            self.quarantine.add(frame, str(error), self._clock.monotonic_ns())
            return
        if type(decoded) is list:
            is_overtaken = False
            for stream, item, number in decoded:
                track = self._tracks.get(stream)
                if track is None:
                    continue  # unsubscribed a moment ago
                event = track.take(item, number)
                if track.news or track.needs_resync:
                    is_overtaken = self._note(stream, track) or is_overtaken
                if event is not None:
                    sink.put(stream, _stamp_again(event, sink) if is_overtaken else event)
        elif decoded is not None:
            self._take_message(link, decoded)

    def _take_message(self, link: FeedLink, message: object) -> None:
        if isinstance(message, Answer):
            link.take_answer(message)
        elif isinstance(message, Farewell):
            link.leaving.set()
        else:
            assert isinstance(message, Notice)
            self._on_notice(message.value)

    def _hold(self, link: FeedLink, frame: bytes) -> None:
        """Answers at once, all else when this connection is promoted: it is decoded, and stamped, only then."""
        assert link.held is not None
        decoded = self._dialect.decode(frame, _no_stamp)
        if isinstance(decoded, (Answer, Farewell)):
            self._take_message(link, decoded)
        elif decoded is not None:
            link.held.append(frame)

    def _note(self, stream: Stream, track: StreamTrack) -> bool:
        """Tell what a track found out; True when that took stamps, which later events must not lie before."""
        has_news = self._tell_news(stream, track)
        if track.needs_resync and stream not in self._resyncing:
            self._resyncing.add(stream)
            self._need_tasks("resync").start_soon(self._resync_until_done, stream, track)
        return has_news

    def _tell_news(self, stream: Stream, track: StreamTrack) -> bool:
        has_news = bool(track.news)
        for state, reason in track.news:
            self._tell(stream, state, reason)
        track.news.clear()
        return has_news

    async def _resync_until_done(self, stream: Stream, track: StreamTrack) -> None:
        """Ask for a book's new beginning until it is in sequence, or nobody wants it any more."""
        assert self._sink is not None
        try:
            while self._tracks.get(stream) is track and track.needs_resync:
                try:
                    snapshot = await self._resync(stream, track, self._sink.stamp)
                except VenueError as error:
                    self._tell(stream, FeedState.STALE, f"the book gets no beginning: {error}")
                    snapshot = None
                has_news = self._tell_news(stream, track)
                if snapshot is not None:
                    self._sink.put(stream, _stamp_again(snapshot, self._sink) if has_news else snapshot)
                if track.needs_resync:
                    await anyio.sleep(RESYNC_INTERVAL_S)
        finally:
            self._resyncing.discard(stream)

    # ------------------------------------------------------------------------------------------------------ states

    def _judge_life(self, link: FeedLink, silent_s: float) -> None:
        """STALE, or no longer, by what the connection's watch and the quarantine say."""
        if link is not self._link:
            return
        reason = ""
        if silent_s > self._settings.frame_deadline_s:
            reason = f"nothing heard for {silent_s:.1f} s"
        elif self.quarantine.is_flooded(self._clock.monotonic_ns()):
            reason = f"more than {self._settings.rejects_per_minute_max} frames of a minute could not be read"
        if bool(reason) != link.is_stale:
            link.is_stale = bool(reason)
            self._tell_all(FeedState.STALE if reason else FeedState.CONNECTED, reason or "alive again")

    def _tell_all(self, state: FeedState, reason: str) -> None:
        for stream in self._tracks:
            self._tell(stream, state, reason)

    def _tell(self, stream: Stream, state: FeedState, reason: str) -> None:
        assert self._sink is not None
        self._sink.put_state(stream, state, reason)


def _stamp_again(event: MarketEvent, sink: VenueSink) -> MarketEvent:
    """The event, received after the states that were told before it."""
    now = sink.stamp()
    if event.flags & NO_VENUE_TIME:
        return msgspec.structs.replace(event, ts_event=now, ts_received=now)
    return msgspec.structs.replace(event, ts_received=now)


def _no_stamp() -> int:
    """The receive time of a frame that is only looked at."""
    return 0

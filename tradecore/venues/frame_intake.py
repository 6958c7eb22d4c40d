"""FrameIntake: one frame's way from the socket to the sink.

Receives: frames of a session's connections, in order of arrival.
Gives:    their events to the sink, each once, with the states that a track found out before them; answers to who asked;
          books a new beginning where they need one; unreadable frames to the quarantine.
Never:    waits while it takes a frame, or lets a malformed one out as an error.    RELIABILITY 2 #6-#9.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup

from tradecore.domain.clock import Clock
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import NO_VENUE_TIME
from tradecore.domain.feed_state import FeedState
from tradecore.domain.stream import Stream
from tradecore.errors import FeedDataError, VenueError
from tradecore.venues.feed_dialect import Answer, Farewell, FeedDialect, Notice, Stamp, StreamTrack
from tradecore.venues.feed_link import FeedLink
from tradecore.venues.frame_quarantine import FrameQuarantine
from tradecore.venues.market_data_venue import MarketEvent, VenueSink

Resync = Callable[[Stream, Any, Stamp], Awaitable[DepthSnapshot | None]]
"""Gets a book a new beginning; the snapshot to deliver, if it is in sequence at once."""

TellState = Callable[[Stream, FeedState, str], None]

RESYNC_INTERVAL_S = 2.0  # between two tries to get a book its beginning; one try weighs 50 of Binance's 6,000 a minute


class FrameIntake:
    """tracks: of the streams that are wanted; its session adds and removes them. tell: says a state of a stream."""

    def __init__(
        self,
        dialect: FeedDialect,
        tracks: dict[Stream, StreamTrack],
        quarantine: FrameQuarantine,
        clock: Clock,
        *,
        resync: Resync,
        on_notice: Callable[[Any], None],
        tell: TellState,
    ) -> None:
        self._dialect = dialect
        self._tracks = tracks
        self._quarantine = quarantine
        self._clock = clock
        self._resync = resync
        self._on_notice = on_notice
        self._tell = tell
        self._resyncing: set[Stream] = set()
        self._tasks: TaskGroup | None = None
        self._sink: VenueSink | None = None

    def begin(self, sink: VenueSink, tasks: TaskGroup) -> None:
        """Give what comes from now on to this sink; ask for books within this group."""
        self._sink, self._tasks = sink, tasks
        self._resyncing.clear()

    def take(self, link: FeedLink, frame: bytes) -> None:
        """One frame, from the socket to the sink."""
        sink = self._sink
        assert sink is not None, "frames come while a session runs"
        try:
            if link.held is not None:
                self._hold(link, frame)
                return
            sink.put_frame(frame)
            decoded = self._dialect.decode(frame, sink.stamp)
        except FeedDataError as error:
            self._quarantine.add(frame, str(error), self._clock.monotonic_ns())
            return
        if type(decoded) is list:
            is_overtaken = False
            for stream, item, number in decoded:
                track = self._tracks.get(stream)
                if track is None:
                    continue  # unsubscribed a moment ago
                track.heard += 1
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
            assert self._tasks is not None, "frames come while a session runs"
            self._resyncing.add(stream)
            self._tasks.start_soon(self._resync_until_done, stream, track)
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
        told = ""
        try:
            while self._tracks.get(stream) is track and track.needs_resync:
                snapshot, failure = None, ""
                try:
                    snapshot = await self._resync(stream, track, self._sink.stamp)
                except VenueError as error:
                    failure = f"the book gets no beginning: {error}"
                is_overtaken = failure != told
                if is_overtaken:
                    told = failure
                    state = FeedState.STALE if failure else FeedState.CONNECTED
                    self._tell(stream, state, failure or "the book can be asked for again")
                is_overtaken = self._tell_news(stream, track) or is_overtaken
                if snapshot is not None:
                    self._sink.put(stream, _stamp_again(snapshot, self._sink) if is_overtaken else snapshot)
                if track.needs_resync:
                    await anyio.sleep(RESYNC_INTERVAL_S)
        finally:
            self._resyncing.discard(stream)


def _stamp_again(event: MarketEvent, sink: VenueSink) -> MarketEvent:
    """The event, received after the states that were told before it."""
    now = sink.stamp()
    if event.flags & NO_VENUE_TIME:
        return msgspec.structs.replace(event, ts_event=now, ts_received=now)
    return msgspec.structs.replace(event, ts_received=now)


def _no_stamp() -> int:
    """The receive time of a frame that is only looked at."""
    return 0

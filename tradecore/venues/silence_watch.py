"""SilenceWatch: which stream says nothing although its market moves; one topic of many may die while the rest lives.

Receives: how much each stream has said, looked at about once a second; what the venue calls the newest of a stream.
Gives:    the streams that are dead for sure, each within a deadline of its own.
Never:    takes a quiet market for a dead feed: silence alone is only a reason to ask.    RELIABILITY 2 #3.

A stream that was silent for three tenths of its deadline is asked about: what is the newest that the venue itself has
of it (the number of a trade, the best prices, the state of the book, the last bar)? After as long it is asked about
again. An answer that differs means that something happened of which the stream did not tell: it is dead. The same
answer means that nothing happened: the next question comes after twice the time, up to eight times, unless another
stream of the same instrument was heard meanwhile. Without an answer nothing is known, and nothing is said.

One stream is asked about at a time, those first that usually say most: questions are few at venues that bear few, and
with a hundred quiet streams each of those waits for its turn.

The deadline is twenty of the stream's usual pauses, within the bounds of its kind; that of bars is their step, and a
little more. It counts from when the stream was last heard; where the questions have grown rare, from the next one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Final

import anyio

from tradecore.domain.clock import Clock
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import VenueError
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import StreamTrack

SHARE: Final = 0.3  # of the deadline between two questions: twice that, the looks and the grace fit into 10 s
PAUSES: Final = 20.0  # where events come by chance, one pause in 5e8 is that long
LEARNING_S: Final = 60.0  # how far back the usual pause reaches
GRACE_S: Final = 2.0  # a frame may be on its way while the venue answers a question
ASK_INTERVAL_S: Final = 2.0  # between two questions; Kraken bears one a second, and a backfill asks too
SLOWER_MAX: Final = 8

LoadNewest = Callable[[Stream], Awaitable[Hashable]]
"""What tells the newest that the venue has of a stream from all that was before. Raises: VenueError."""

OnSilent = Callable[[Stream, float, int], bool]
"""Called with a dead stream, how long it has been silent (s), and how often it was found dead since it was heard; False
when that is not told, because more than this one stream is in trouble."""


class _Watched:
    """One stream: how much it had said when it was looked at last, and what is known of its silence."""

    __slots__ = ("due_ns", "found", "heard", "heard_ns", "learned_s", "newest", "others", "per_s", "slower", "track")

    def __init__(self, track: StreamTrack, now_ns: int) -> None:
        self.track = track
        self.heard = track.heard
        self.heard_ns = now_ns
        self.per_s = 0.0
        self.learned_s = 0.0
        self.newest: Hashable = None  # the last answer since it was heard
        self.others = 0  # heard of the same instrument at the last question
        self.slower = 1
        self.found = 0
        self.due_ns = 0

    def hear(self, now_ns: int) -> None:
        """It has said something since the last look."""
        elapsed_s = (now_ns - self.heard_ns) / SECOND_NS
        heard = self.track.heard
        if elapsed_s > 0:
            self.learned_s = min(LEARNING_S, self.learned_s + elapsed_s)
            weight = min(1.0, elapsed_s / self.learned_s)
            self.per_s += ((heard - self.heard) / elapsed_s - self.per_s) * weight
        self.heard, self.heard_ns = heard, now_ns
        self.newest, self.slower, self.found = None, 1, 0


class SilenceWatch:
    """tracks: of the streams that are watched; their session adds and removes them."""

    def __init__(
        self,
        settings: ConnectionSettings,
        clock: Clock,
        tracks: Mapping[Stream, StreamTrack],
        *,
        load_newest: LoadNewest,
        on_silent: OnSilent,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._tracks = tracks
        self._load_newest = load_newest
        self._on_silent = on_silent
        self._watched: dict[Stream, _Watched] = {}
        self._is_asking = False

    def begin(self, *, forgives: bool) -> None:
        """All of the connection was silent: each silence counts from now. forgives: what was dead gets a new chance."""
        now_ns = self._clock.monotonic_ns()
        for stream, watched in self._watched.items():
            if forgives or not self.is_dead(stream):
                watched.hear(now_ns)
                self._plan_first(stream, watched)

    def is_dead(self, stream: Stream) -> bool:
        """Whether it was found dead, and has not been heard since."""
        watched = self._watched.get(stream)
        return watched is not None and watched.found > 0 and watched.heard == watched.track.heard

    def look(self) -> bool:
        """Note what has been heard since the last look; True when there is something to `ask`, and nobody does."""
        now_ns = self._clock.monotonic_ns()
        for stream, track in self._tracks.items():
            watched = self._watched.get(stream)
            if watched is None or watched.track is not track:
                watched = self._watched[stream] = _Watched(track, now_ns)
            elif watched.heard != track.heard:
                watched.hear(now_ns)
            else:
                continue
            self._plan_first(stream, watched)
        if len(self._watched) > len(self._tracks):
            self._watched = {stream: self._watched[stream] for stream in self._tracks}
        return not self._is_asking and self._find_due() is not None

    async def ask(self) -> None:
        """Ask about every stream that is due, one after the other."""
        self._is_asking = True
        try:
            while (stream := self._find_due()) is not None:
                await self._ask_about(stream, self._watched[stream])
                await anyio.sleep(ASK_INTERVAL_S)
        finally:
            self._is_asking = False

    # --------------------------------------------------------------------------------------------------- one stream

    async def _ask_about(self, stream: Stream, watched: _Watched) -> None:
        since_ns, others = watched.heard_ns, self._count_others(stream)
        try:
            newest = await self._load_newest(stream)
        except VenueError:
            newest = None  # nothing is known; it is asked again
        if self._is_moot(stream, watched, since_ns):
            return
        if newest is not None:
            is_first, is_same = watched.newest is None, watched.newest == newest
            watched.newest = newest
            if is_same:
                is_alone = others == watched.others
                watched.slower = min(SLOWER_MAX, 2 * watched.slower) if is_alone else 1
            elif not is_first:
                await anyio.sleep(GRACE_S)
                if self._is_moot(stream, watched, since_ns):
                    return
                self._find_dead(stream, watched)
        watched.others = others
        watched.due_ns = self._clock.monotonic_ns() + watched.slower * self._pause_ns(stream, watched)

    def _find_dead(self, stream: Stream, watched: _Watched) -> None:
        silent_ns = self._clock.monotonic_ns() - watched.heard_ns
        if self._on_silent(stream, silent_ns / SECOND_NS, watched.found + 1):
            watched.slower = min(SLOWER_MAX, 2**watched.found)
            watched.found += 1

    def _is_moot(self, stream: Stream, watched: _Watched, since_ns: int) -> bool:
        """Whether a question about a silence is one no more: it ended, began anew, or the stream is not wanted now."""
        track = watched.track
        return self._tracks.get(stream) is not track or watched.heard != track.heard or watched.heard_ns != since_ns

    def _find_due(self) -> Stream | None:
        """The stream whose question is due, busy ones first: they must not wait for a round of all the quiet ones."""
        now_ns = self._clock.monotonic_ns()
        due = [
            (watched.slower * self._pause_ns(stream, watched), watched.due_ns, stream)
            for stream, watched in self._watched.items()
            if watched.due_ns <= now_ns
        ]
        return min(due)[2] if due else None

    def _plan_first(self, stream: Stream, watched: _Watched) -> None:
        """The first question of a silence that begins now."""
        bar_type = stream.bar_type
        first_ns = self._pause_ns(stream, watched) if bar_type is None else bar_type.step_ns // 2
        watched.due_ns = watched.heard_ns + first_ns

    def _pause_ns(self, stream: Stream, watched: _Watched) -> int:
        """Between two questions: a share of the deadline; for bars, so that one ends between them."""
        settings, bar_type = self._settings, stream.bar_type
        if bar_type is not None:
            return bar_type.step_ns // 2 + round(settings.silence_bars_s * SHARE * SECOND_NS)
        deadline_s = {
            "trade_tick": settings.silence_trades_s,
            "quote_tick": settings.silence_quotes_s,
            "depth": settings.silence_depth_s,
        }[stream.kind]
        if watched.per_s > 0:
            deadline_s = min(deadline_s, max(settings.silence_min_s, PAUSES / watched.per_s))
        return round(deadline_s * SHARE * SECOND_NS)

    def _count_others(self, stream: Stream) -> int:
        """How much has been heard of the same instrument by its other streams."""
        instrument = stream.instrument
        tracks = self._tracks.items()
        return sum([track.heard for other, track in tracks if other != stream and other.instrument == instrument], 0)

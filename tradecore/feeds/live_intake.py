"""LiveIntake: from arrivals to deliveries: each through the join of its stream, in the one order of arrival.

Receives: batches of the LiveBuffer: events, states, answers of history to what a join asks.
Gives:    what is to be delivered, states in their places; which streams have a question for history; verdicts as they
          change, for who asks before an order.
Never:    reorders: what history brings late is put where it is received. Never waits.    DESIGN 4, 10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError
from tradecore.feeds.identity_join import IdentityJoin, Question
from tradecore.feeds.join import StreamJoin
from tradecore.feeds.live_buffer import HistoryAnswer, OwnArrival
from tradecore.feeds.own_join import OwnJoin
from tradecore.feeds.proof import Verdict
from tradecore.storage.market_data_storage import EVENT_CLASSES

TellVerdict = Callable[[Stream, Verdict], None]

RUN_MIN: Final = 8
"""Arrivals from which on it pays to look whether they are one plain run."""

_series_of = attrgetter("series")


class _Track:
    """A stream, its join, and what was last said about it."""

    __slots__ = ("is_in_gap", "join", "stream")

    def __init__(self, stream: Stream, join: StreamJoin) -> None:
        self.stream = stream
        self.join = join
        self.is_in_gap = False  # GAP was told, and not RECOVERED


class LiveIntake:
    """on_verdict: called when the verdict on a stream changes. unknown: arrivals of streams that nobody added.

    on_give_up: called when a hole of a stream is declared; what an answer still brings of it is not delivered any more.
    """

    def __init__(self, on_verdict: TellVerdict | None = None) -> None:
        self.unknown = 0
        self.on_give_up: Callable[[Stream], None] | None = None
        self.on_verdict = on_verdict
        self._tracks: dict[Stream, _Track] = {}
        self._by_class: dict[type, dict[Any, _Track]] = {cls: {} for cls in EVENT_CLASSES.values()}
        self._own: dict[str, OwnJoin] = {}

    def add(self, stream: Stream, join: StreamJoin) -> None:
        """Let a stream's events pass, through this join. Raises: FeedError for one that is there."""
        if stream in self._tracks:
            raise FeedError(f"{stream} is taken in already; one stream has one join")
        track = self._tracks[stream] = _Track(stream, join)
        self._by_class[EVENT_CLASSES[stream.kind]][stream.bar_type or stream.name] = track
        self._tell(track)

    def add_own(self, feed: str, join: OwnJoin) -> None:
        """Let the events of a user's own live feed pass."""
        self._own[feed] = join

    def remove(self, stream: Stream) -> None:
        """What still comes of a stream is left out, and counted as unknown."""
        del self._tracks[stream]
        del self._by_class[EVENT_CLASSES[stream.kind]][stream.bar_type or stream.name]

    @property
    def joins(self) -> dict[Stream, StreamJoin]:
        """The join of every stream."""
        return {stream: track.join for stream, track in self._tracks.items()}

    @property
    def questions(self) -> dict[Stream, Question]:
        """What is to be asked of history now, by stream."""
        found = {}
        for stream, track in self._tracks.items():
            join = track.join
            if isinstance(join, IdentityJoin) and (question := join.question) is not None:
                found[stream] = question
        return found

    def admit(self, arrivals: Sequence[Any]) -> list[Any]:
        """What of a batch is to be delivered, in order: events, own arrivals, FeedStateChanged."""
        plain: set[StreamJoin] = set()
        if len(arrivals) >= RUN_MIN and self._take_runs(arrivals, plain):
            return list(arrivals)
        given: list[Any] = []
        by_class = self._by_class
        for arrival in arrivals:
            tracks = by_class.get(type(arrival))
            if tracks is None:
                self._admit_other(arrival, given)
                continue
            track = tracks.get(arrival.series)
            if track is None:
                self.unknown += 1
                continue
            join = track.join
            if join in plain or join.take_live(arrival):
                given.append(arrival)
            if join.has_news:
                self._note_news(track, arrival.ts_received, given)
        return given

    def _take_runs(self, arrivals: Sequence[Any], plain: set[StreamJoin]) -> bool:
        """Take in, stream by stream, what is nothing but the next events, as a backlog mostly is.

        plain: joins that took all of theirs. True when that was the whole batch.
        """
        classes = set(map(type, arrivals))
        if not classes <= self._by_class.keys():
            return False  # what stands between events decides about those behind it
        is_whole = True
        for key, run in _part(arrivals, is_mixed=len(classes) > 1).items():
            track = self._by_class[key[0]].get(key[1])
            if track is None or track.join.has_news or not track.join.take_run(run):
                is_whole = False
            else:
                plain.add(track.join)
        return is_whole

    def give_up(self, stream: Stream) -> None:
        """Declare the oldest hole that history does not close. Raises: StreamBroken under "halt"."""
        track = self._tracks[stream]
        if isinstance(track.join, IdentityJoin):
            if self.on_give_up is not None:
                self.on_give_up(stream)
            track.join.give_up(oldest_only=True)
            track.is_in_gap = not track.join.is_whole
            self._tell(track)

    def _admit_other(self, arrival: Any, given: list[Any]) -> None:
        if type(arrival) is OwnArrival:
            join = self._own.get(arrival.feed)
            if join is None:
                self.unknown += 1
            elif join.take_live(arrival.event):
                given.append(arrival)
            return
        track = self._tracks.get(arrival.stream)
        if type(arrival) is HistoryAnswer:
            self._admit_answer(arrival, track, given)
            return
        assert type(arrival) is FeedStateChanged, f"the buffer holds no {type(arrival).__name__}"
        if track is not None:
            if _is_interruption(arrival):
                track.join.note_interruption()
                self._tell(track)
            if arrival.state is FeedState.GAP:
                # The next event shows whether it is a hole here too: history may have closed it already.
                track.is_in_gap = track.join.has_news = True
            elif arrival.state is FeedState.RECOVERED:
                if arrival.stream.has_identity:
                    return  # the venue knows its own holes; whether all are closed, the join does
                track.is_in_gap = False
        given.append(arrival)

    def _admit_answer(self, answer: HistoryAnswer, track: _Track | None, given: list[Any]) -> None:
        """What the answer brings comes late, where it was received; RECOVERED once nothing is missing."""
        if track is None or not isinstance(track.join, IdentityJoin):
            self.unknown += 1
            return
        brought = track.join.take_answer(
            answer.rows, answer.question, as_of_ns=answer.as_of_ns, page_from=answer.page_from
        )
        received = min((row.ts_received for row in answer.rows), default=answer.ts_received)
        for event in brought:  # in order of id: a FLAT bar among them, or a row of a page that was not, has its place
            received = max(received, event.ts_received)
            given.append(
                event if event.ts_received == received else msgspec.structs.replace(event, ts_received=received)
            )
        if track.join.has_news:
            self._note_news(track, answer.ts_received, given)

    def _note_news(self, track: _Track, ts: int, given: list[Any]) -> None:
        """The venue tells most holes and recoveries itself; this tells those that only the join can see."""
        verdict = self._tell(track)
        if track.join.is_whole is track.is_in_gap:
            track.is_in_gap = not track.is_in_gap
            if track.is_in_gap:
                change = FeedStateChanged(track.stream, FeedState.GAP, ts, verdict.reason)
            else:
                change = FeedStateChanged(
                    track.stream, FeedState.RECOVERED, ts, "nothing more is missing since the GAP"
                )
            given.append(change)

    def _tell(self, track: _Track) -> Verdict:
        track.join.has_news = False
        verdict = track.join.verdict
        if self.on_verdict is not None:
            self.on_verdict(track.stream, verdict)
        return verdict


def _part(arrivals: Sequence[Any], *, is_mixed: bool) -> dict[tuple[type, Any], Sequence[Any]]:
    """Arrivals by class and series, each part in order."""
    series = list(map(_series_of, arrivals))
    if not is_mixed and len(set(series)) == 1:
        return {(type(arrivals[0]), series[0]): arrivals}
    parts: dict[tuple[type, Any], list[Any]] = {}
    for key, arrival in zip(zip(map(type, arrivals), series, strict=True), arrivals, strict=True):
        part = parts.get(key)
        if part is None:
            parts[key] = [arrival]
        else:
            part.append(arrival)
    return dict(parts)


def _is_interruption(change: FeedStateChanged) -> bool:
    """Whether what comes next on this stream need not follow what came before.

    A GAP in a book or among quotes does that; trades and bars show by their ids themselves what is missing.
    """
    if change.state is FeedState.GAP:
        return not change.stream.has_identity
    return change.state is FeedState.RECONNECTING

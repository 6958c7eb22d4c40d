"""RecordedSession: what a Recording left, read back: as feeds for a backtest, and into a store.

Receives: the folder of a recording, whole or cut.
Gives:    feeds whose events are in order of arrival, each stream through the same join that live events pass; the
          events for a MarketDataStorage.
Never:    asks a venue anything: what history answered was recorded where it was received. Never keeps more than a block
          of each feed in memory.    DESIGN 4, 10; issue 4, item 5.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.domain.instant import parse_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.errors import DataMissing, RecordingUnreadable, StorageConflict
from tradecore.feeds.arrival_log import ArrivalLogReader, read_arrivals
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.identity_join import IdentityJoin
from tradecore.feeds.join import StreamJoin
from tradecore.feeds.live_buffer import HistoryAnswer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.proof import SETTLE_NS, JoinPolicy
from tradecore.feeds.series_key import SeriesKey
from tradecore.feeds.state_join import StateJoin
from tradecore.runtime.recording import (
    ARRIVALS_FILE,
    FORMAT,
    HISTORY_FILE,
    MARKS_FILE,
    RECORDING_FILE,
    Mark,
    RecordedStream,
)
from tradecore.storage.market_data_storage import EVENT_CLASSES, MarketDataStorage, MarketEvent, Series, SeriesInfo

_MARKET_CLASSES: Final = frozenset(EVENT_CLASSES.values())


class RecordedSession(msgspec.Struct, frozen=True):
    """A recording. status: "complete", "cut" (a write failed), or "incomplete" (it was killed, or still goes on).

    facts: recording.json as it is.
    """

    folder: Path
    status: str
    streams: tuple[RecordedStream, ...]
    facts: dict[str, Any]

    @property
    def log_path(self) -> Path:
        """Its arrivals."""
        return self.folder / ARRIVALS_FILE

    @property
    def history_path(self) -> Path | None:
        """What phase B of a live run replayed; None where nothing was."""
        path = self.folder / HISTORY_FILE
        return path if path.exists() else None

    def load_marks(self) -> list[Mark]:
        """What a live run did by its clock, in order; [] of a recording without a run. Raises: RecordingUnreadable."""
        path = self.folder / MARKS_FILE
        if not path.exists():
            return []
        try:
            return msgspec.json.Decoder(Mark).decode_lines(path.read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise RecordingUnreadable(f"{path}: cannot be read: {error}") from error

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The venue's own definitions, as they were then. Raises: RecordingUnreadable."""
        try:
            return msgspec.convert(self.facts.get("instruments", []), tuple[Instrument, ...], strict=False)
        except msgspec.ValidationError as error:
            raise RecordingUnreadable(f"{self.folder}: its instruments cannot be read: {error}") from error

    @property
    def first_ns(self) -> int | None:
        """Receive time of the first arrival that recording.json knows of, int nanoseconds."""
        first: str | None = self.facts.get("first")
        return None if first is None else parse_ns(first)

    @property
    def last_ns(self) -> int | None:
        """Up to when something is known of it: its run's end, else its last arrival; int nanoseconds."""
        marks = self.load_marks()
        last: str | None = self.facts.get("last")
        known = [mark.ts for mark in marks[-1:]] + ([] if last is None else [parse_ns(last)])
        return max(known, default=None)

    @property
    def complete_from_ns(self) -> int | None:
        """From when on no event is lacking in it: the start of its run, if that had no history of its own to replay."""
        start_ns: int | None = self.facts.get("start_ns")
        return start_ns if start_ns is not None and self.history_path is None else self.first_ns

    @property
    def _policy(self) -> JoinPolicy:
        """A replay shows what there was; whether it may be traded on was for the live run to say."""
        return JoinPolicy(
            on_broken="allow",
            on_conflict="warn",
            empty=self.facts.get("empty", "skip"),
            settle_ns=int(self.facts.get("settle_ns", SETTLE_NS)),
        )

    def list_given_up(self, stream: Stream) -> list[int]:
        """After how many arrivals the live run declared a hole of this stream, one by one."""
        return [mark.at for mark in self.load_marks() if mark.what == "give_up" and mark.detail == str(stream)]

    def make_join(self, stream: Stream) -> StreamJoin:
        """A join such as the live stream had. Raises: DataMissing."""
        found = next((one for one in self.streams if stream in (one.stream, one.source)), None)
        if found is None:
            listed = ", ".join(str(one.stream) for one in self.streams) or "nothing"
            raise DataMissing(f"{self.folder} recorded {listed}; not {stream}")
        if not stream.has_identity:
            return StateJoin(str(stream))
        step = found.step if stream == found.stream else 1
        identify = partial(identify_event, stream)
        return IdentityJoin(str(stream), identify, step=step, policy=self._policy, has_history=found.has_history)

    def open_feed(self, stream: Stream) -> RecordedFeed:
        """A feed of one recorded stream. Raises: DataMissing."""
        return RecordedFeed(self, stream, self.make_join(stream), given_up=self.list_given_up(stream))

    def describe_series(self) -> dict[Series, SeriesInfo]:
        """Of each recorded series of events the rows that arrived, with first and last event time; one pass.

        Raises: RecordingUnreadable.
        """
        counts: Counter[Series] = Counter()
        spans: dict[Series, tuple[int, int]] = {}
        for block in read_arrivals(self.log_path):
            for event in list_events(block.arrivals):
                series = Series.of(event)
                counts[series] += 1
                first, last = spans.get(series, (event.ts_event, event.ts_event))
                spans[series] = min(first, event.ts_event), max(last, event.ts_event)
        return {series: SeriesInfo(series, counts[series], *span) for series, span in sorted(spans.items())}


def load_session(folder: Path) -> RecordedSession:
    """A recording from its folder. Raises: RecordingUnreadable, naming what is missing or was changed."""
    path = folder / RECORDING_FILE
    try:
        facts = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordingUnreadable(
            f"{path}: cannot be read ({error.strerror}); expected the folder of a recording"
        ) from error
    except ValueError as error:
        raise RecordingUnreadable(f"{path}: is not JSON ({error}); it was changed after the recording") from error
    if not isinstance(facts, dict) or not isinstance(facts.get("format"), int) or facts["format"] > FORMAT:
        raise RecordingUnreadable(f"{path}: expected a recording of format {FORMAT}; upgrade tradecore if it is newer")
    try:
        streams = tuple(_read_stream(one) for one in facts.get("streams", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingUnreadable(f"{path}: its streams cannot be read ({error!r})") from error
    return RecordedSession(folder, str(facts.get("status")), streams, facts)


class RecordedFeed(BaseFeed):
    """One stream of a session in order of arrival, each event once, as a live strategy had it.

    What history brought for a hole stands where it was received. `join` has the counts, and what is missing. given_up:
    after how many arrivals the live run declared a hole, in order: what came of it later was left out.
    """

    by_arrival = True
    is_trusted = True

    def __init__(
        self, session: RecordedSession, stream: Stream, join: StreamJoin, *, given_up: Sequence[int] = ()
    ) -> None:
        super().__init__(f"recorded {stream}", [stream.kind])
        self.stream = stream
        self.series_key = SeriesKey.of(stream.kind, stream.name)
        self.join = join
        self._path = session.log_path
        self._reader: ArrivalLogReader | None = None
        self._intake = LiveIntake()
        self._intake.add(stream, join)
        self._given_up = list(given_up)
        self._held: list[Any] = []

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end. Raises: RecordingUnreadable."""
        while not self._held and not self._finished:
            self._read_on()
        batch, self._held = self._held[:limit], self._held[limit:]
        return batch

    async def close(self) -> None:
        """Close the file; idempotent."""
        await super().close()
        self._held = []
        if self._reader is not None:
            self._reader.close()

    def _read_on(self) -> None:
        if self._reader is None:
            self._reader = ArrivalLogReader(self._path)
        block = self._reader.read_block()
        if block is None:
            self._finished = True
            self._reader.close()
            return
        given: list[Any] = []
        begin = 0
        while self._given_up and self._given_up[0] < block.first + len(block.arrivals):
            end = self._given_up.pop(0) + 1 - block.first  # arrivals are numbered from 1
            given += self._intake.admit(block.arrivals[begin:end])
            self._intake.give_up(self.stream)
            begin = end
        given += self._intake.admit(block.arrivals[begin:] if begin else block.arrivals)
        self._held = [event for event in given if type(event) in _MARKET_CLASSES]


class StoreFollower:
    """Carries the events of a log into a store, while the log grows or afterwards.

    added, known: events that the store took, and had. conflicts: events that it has with other values; those stay in
    the log alone.
    """

    def __init__(self, log: Path, storage: MarketDataStorage) -> None:
        """Raises: RecordingUnreadable."""
        self.added = 0
        self.known = 0
        self.conflicts = 0
        self._reader = ArrivalLogReader(log)
        self._storage = storage

    async def follow(self) -> None:
        """Append all that is whole in the log by now. Raises: RecordingUnreadable, StorageError."""
        while (block := self._reader.read_block()) is not None:
            if events := list_events(block.arrivals):
                await self._append(events)

    def close(self) -> None:
        """Close the log; idempotent."""
        self._reader.close()

    async def _append(self, events: Sequence[MarketEvent]) -> None:
        """As one unit; where that conflicts, one by one, so that only what conflicts is left out."""
        try:
            done = await self._storage.append(events)
        except StorageConflict:
            if len(events) == 1:
                self.conflicts += 1
                return
            for event in events:
                await self._append([event])
            return
        self.added += done.added
        self.known += done.known


def list_events(arrivals: Sequence[Any]) -> list[MarketEvent]:
    """The market events among arrivals, those in answers of history included."""
    events: list[MarketEvent] = []
    for arrival in arrivals:
        if type(arrival) in _MARKET_CLASSES:
            events.append(arrival)
        elif type(arrival) is HistoryAnswer:
            events += arrival.rows
    return events


def identify_event(stream: Stream, event: Any) -> int | None:
    """What tells an event from all others of its stream: the trade's id, the end of a bar; None for a state."""
    if stream.kind == "trade_tick":
        return None if event.trade_id is None else int(event.trade_id)
    return event.ts_event if stream.kind == "bar" else None


def _read_stream(described: dict[str, Any]) -> RecordedStream:
    kind, _, name = str(described["source"]).partition(" ")
    stream = Stream(described["kind"], described["name"])
    return RecordedStream(stream, Stream(kind, name), int(described["step"]), bool(described["has_history"]))

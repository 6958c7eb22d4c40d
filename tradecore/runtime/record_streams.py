"""record_streams: what `tradecore data record` does: live streams of a venue into a recording, and on into a store.

Receives: a venue, streams, a Recording, perhaps a store.
Gives:    the recording, closed, with the state of each stream; the store with all events and their receive times.
Never:    keeps events in memory: they are written as they come, and the store is filled from what was written.
          Holes are asked about as in a live run, and the answers recorded.    DESIGN 10; issue 4, item 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import msgspec

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.errors import TradecoreError
from tradecore.feeds.history_questions import HistoryQuestions
from tradecore.feeds.join import make_join
from tradecore.feeds.live import LiveFeed
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.proof import JoinPolicy, JoinReport
from tradecore.runtime.handover_report import BufferReport
from tradecore.runtime.recorded_session import StoreFollower
from tradecore.runtime.recording import RecordedStream, Recording
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.venues.market_data_venue import MarketDataVenue

BATCH_ARRIVALS = 4_096
"""Arrivals taken out of the buffer at once."""

CLOSING_S = 10.0
"""Seconds that the rest may take on its way into the store."""

_POLICY = JoinPolicy(on_conflict="warn")

TellRecorded = Callable[[int, int], None]
"""Arrivals so far, and the receive time of the newest one (int nanoseconds)."""


class RecordReport(msgspec.Struct, frozen=True):
    """What was recorded. added, known, conflicts: events that the store took, had, and has with other values.

    notes: what a reader must know of the venue's connection.
    """

    folder: str
    arrivals: int
    streams: tuple[JoinReport, ...]
    buffer: BufferReport
    added: int = 0
    known: int = 0
    conflicts: int = 0
    notes: tuple[str, ...] = ()


async def record_streams(
    venue: MarketDataVenue,
    streams: Sequence[Stream],
    recording: Recording,
    clock: Clock,
    *,
    storage: MarketDataStorage | None = None,
    scope: anyio.CancelScope | None = None,
    progress: TellRecorded | None = None,
) -> RecordReport:
    """Record until scope is cancelled; what was recorded by then is whole, and in the store.

    Raises: VenueError, RecordingFailed, StorageError; what was recorded before is kept in every case.
    """
    recorder = _Recorder(venue, streams, recording, clock, storage)
    try:
        with scope or anyio.CancelScope():
            await recorder.run(progress)
    except BaseExceptionGroup as group:
        raise _first_of(group) from group
    finally:
        await recorder.close()
    return recorder.make_report()


class _Recorder:
    """The parts of one recording."""

    def __init__(
        self,
        venue: MarketDataVenue,
        streams: Sequence[Stream],
        recording: Recording,
        clock: Clock,
        storage: MarketDataStorage | None,
    ) -> None:
        self._venue = venue
        self._streams = list(dict.fromkeys(streams))
        self._recording = recording
        self._storage = storage
        self._follower = None if storage is None else StoreFollower(recording.log_path, storage)
        self._buffer = LiveBuffer(clock, recorder=recording)
        self._intake = LiveIntake()
        self._feeds = {feed.source: feed for feed in (LiveFeed(venue, stream) for stream in self._streams)}

    async def run(self, progress: TellRecorded | None) -> None:
        """Subscribe to all, then take what comes until cancelled."""
        buffer, intake, recording = self._buffer, self._intake, self._recording
        async with anyio.create_task_group() as tasks:
            await tasks.start(recording.run, None if self._follower is None else self._follower.follow)
            await tasks.start(self._venue.run, buffer)
            await self._describe()
            for source in self._feeds:
                intake.add(source, make_join(source, self._venue, _POLICY))
            venues = dict.fromkeys(self._feeds, self._venue)
            questions = HistoryQuestions(intake, buffer, venues, start_ns=await self._venue.server_time())
            await tasks.start(questions.run)
            for feed in self._feeds.values():
                await tasks.start(feed.pump, buffer)
            while batch := await buffer.next_batch(BATCH_ARRIVALS):
                intake.admit(batch)
                questions.look()
                if progress is not None:
                    newest = batch[-1]
                    progress(buffer.received, newest.ts if type(newest) is FeedStateChanged else newest.ts_received)

    async def close(self) -> None:
        """Write the rest, and carry it into the store. Raises: RecordingFailed, StorageError."""
        self._buffer.discard()
        self._recording.close({"state": [_describe(report) for report in self._make_joins()]})
        if self._follower is not None:
            with anyio.move_on_after(CLOSING_S, shield=True):
                await self._follower.follow()
            self._follower.close()

    def make_report(self) -> RecordReport:
        """What was recorded."""
        follower = self._follower
        counts = (0, 0, 0) if follower is None else (follower.added, follower.known, follower.conflicts)
        return RecordReport(
            str(self._recording.folder),
            self._recording.arrivals,
            self._make_joins(),
            BufferReport.of(self._buffer),
            *counts,
            notes=tuple(getattr(self._venue, "list_notes", list)()),  # not every venue has frames
        )

    async def _describe(self) -> None:
        ids = sorted({stream.instrument for stream in self._streams})
        instruments = list((await self._venue.load_instruments(ids)).values())
        if self._storage is not None:
            await self._storage.add_instruments(instruments)
        described = [RecordedStream.of(stream, self._venue) for stream in self._streams]
        facts = {"venue": self._venue.name, "instruments": msgspec.to_builtins(instruments, enc_hook=str)}
        self._recording.describe(described, facts)

    def _make_joins(self) -> tuple[JoinReport, ...]:
        return tuple(join.make_report() for _, join in sorted(self._intake.joins.items()))


def _describe(report: JoinReport) -> dict[str, Any]:
    """The state of a stream, for recording.json."""
    return {
        "stream": report.stream,
        "state": report.verdict.proof.value,
        "reason": report.verdict.reason,
        "events": report.counts.delivered,
        "holes": len(report.open_holes) + len(report.declared),
    }


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error that says something by itself: tasks of one group end together, and for one reason."""
    own, rest = group.split(TradecoreError)
    found: BaseException = own if own is not None else rest if rest is not None else group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found

"""Recording: live events as they came, written down in the one order of arrival, with the raw frames beside them.

Receives: every arrival of a LiveBuffer (it is its ArrivalRecorder), every raw frame, from `data record` or a live run.
Gives:    a folder: recording.json (what, from when, how it ended), arrivals.log (events with receive time, ingest
          number and raw stamp; states; answers of history), frames-YYYYMMDD.jsonl.gz; of a live run also history.log
          (what phase B replayed) and marks.jsonl (what the run did by its clock, and when).
Never:    holds up or ends what it listens to: a write that fails is kept as `failure`, and `run` says so. Never keeps
          more than a block in memory; what was written before a failure stays, whole.    DESIGN 4, 10; issue 4, item 5.

What is written may lag by a second behind what came: that much a killed process loses.
"""

from __future__ import annotations

from asyncio import Event as Signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.instant import format_ns
from tradecore.domain.stream import Stream
from tradecore.errors import RecordingFailed, RunFolderError
from tradecore.feeds.arrival_log import ArrivalLog
from tradecore.feeds.live import LiveFeed
from tradecore.feeds.live_buffer import arrived_ns
from tradecore.feeds.spill_codec import SPILLABLE
from tradecore.journal.frame_log import FrameLog
from tradecore.journal.jsonl_writer import JsonlWriter
from tradecore.journal.plain_json import to_json_text
from tradecore.venues.market_data_venue import HistoryKind, MarketDataVenue

FORMAT: Final = 1
"""Version of the folder's layout, in recording.json."""

RECORDING_FILE: Final = "recording.json"
ARRIVALS_FILE: Final = "arrivals.log"
HISTORY_FILE: Final = "history.log"
MARKS_FILE: Final = "marks.jsonl"

FLUSH_S: Final = 1.0
"""Seconds that an arrival may wait to be written."""

OnFull = Literal["halt", "degrade"]
RecordingStatus = Literal["incomplete", "complete", "cut"]


class RecordedStream(msgspec.Struct, frozen=True):
    """What a replay must know of a stream. source: the stream that was subscribed for it, itself unless its bars are
    made of trades. step: distance of two neighbouring ids. has_history: whether its venue could be asked for its past.
    """

    stream: Stream
    source: Stream
    step: int
    has_history: bool

    @classmethod
    def of(cls, stream: Stream, venue: MarketDataVenue) -> RecordedStream:
        """As a venue offers it."""
        source, bar_type = LiveFeed(venue, stream).source, stream.bar_type
        step = 1 if bar_type is None or source != stream else max(bar_type.step_ns, 1)
        return cls(stream, source, step, venue.history_kind(source).kind is not HistoryKind.NONE)


class Mark(msgspec.Struct, frozen=True):
    """What a live run did that no arrival says. at: arrivals that it had taken by then. ts: its time, int nanoseconds.

    what: "phase" (detail: which) begins; "time" has passed up to ts; "give_up" of a hole (detail: the stream);
    "outside": commands of the embedding program were carried out; "end".
    """

    at: int
    what: Literal["phase", "time", "give_up", "outside", "end"]
    ts: int
    detail: str = ""


class Recording:
    """A new recording in a folder that does not exist yet. Raises: RecordingFailed when it cannot be made.

    keeps_frames: also the raw frames. on_full: what `run` does once something could not be written: "halt" raises,
    "degrade" goes on without recording. arrivals: taken so far. failure: what ended the recording early.
    """

    def __init__(self, folder: Path, clock: Clock, *, keeps_frames: bool = True, on_full: OnFull = "halt") -> None:
        self.folder = folder
        self.arrivals = 0
        self.counts: Counter[str] = Counter()
        self.failure: RecordingFailed | None = None
        self._clock = clock
        self._on_full = on_full
        self._facts: dict[str, Any] = {}
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._is_closed = False
        self._has_news = Signal()
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise RecordingFailed(folder, 0, error) from error
        self._log = ArrivalLog(folder / ARRIVALS_FILE)
        self._history: ArrivalLog | None = None
        self._history_rows = 0
        self._marks: JsonlWriter | None = None
        self._frames = FrameLog(folder) if keeps_frames else None
        self._write_facts("incomplete")

    @property
    def log_path(self) -> Path:
        """The file of its arrivals."""
        return self._log.path

    def describe(self, streams: Iterable[RecordedStream], facts: Mapping[str, Any]) -> None:
        """Say what is recorded; before the first arrival, and again when there is more. Raises: RecordingFailed."""
        self._facts = {"streams": [_describe_stream(one) for one in streams], **facts}
        self._write_facts("incomplete")

    # ------------------------------------------------------------------------------------------------ ArrivalRecorder

    def note_frame(self, frame: str | bytes) -> None:
        """A raw frame, before its events."""
        if self._frames is None or self._is_over:
            return
        try:
            self._frames.append(self._clock.wall_ns(), frame)
        except RecordingFailed as failure:
            self._fail(failure)
        self._has_news.set()

    def note_arrival(self, number: int, raw_ns: int, arrival: Any) -> None:
        """An arrival, its ingest number, and what the clock said when it was stamped."""
        if self._is_over:
            return
        self._last_ns = arrived_ns(arrival)
        if self._first_ns is None:
            self._first_ns = self._last_ns
        self.arrivals += 1
        self.counts[_name(arrival)] += 1
        try:
            self._log.append(number, raw_ns, arrival)
        except RecordingFailed as failure:
            self._fail(failure)
        self._has_news.set()

    # ----------------------------------------------------------------------------------------------------- of a run

    def note_history(self, rows: Sequence[Any]) -> None:
        """Rows of one stream that phase B is about to replay, in order."""
        if self._is_over:
            return
        try:
            if self._history is None:
                self._history = ArrivalLog(self.folder / HISTORY_FILE)
            for row in rows:
                self._history_rows += 1
                self._history.append(self._history_rows, row.ts_received, row)
        except RecordingFailed as failure:
            self._fail(failure)
        self._has_news.set()

    def note_mark(self, mark: Mark) -> None:
        """Something that the run did by its clock."""
        if self._is_over:
            return
        try:
            if self._marks is None:
                self._marks = JsonlWriter(self.folder / MARKS_FILE)
            self._marks.write(mark)
        except RunFolderError as error:
            self._fail(self._translate(error))
        self._has_news.set()

    # --------------------------------------------------------------------------------------------------- while it runs

    async def run(
        self,
        after_flush: Callable[[], Awaitable[None]] | None = None,
        *,
        task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
    ) -> None:
        """See that nothing waits for long, until cancelled. after_flush: for who reads along; awaited each time.

        Raises: RecordingFailed under "halt".
        """
        task_status.started()
        while self.failure is None:
            await self._has_news.wait()
            await anyio.sleep(FLUSH_S)
            self._has_news.clear()
            self.flush()
            if after_flush is not None:
                await after_flush()
        if self._on_full == "halt":
            raise self.failure

    def flush(self) -> None:
        """Write what waits; a failure is kept as `failure`."""
        try:
            self._log.flush()
            for file in (self._history, self._frames, self._marks):
                if file is not None:
                    file.flush()
        except RecordingFailed as failure:
            self._fail(failure)
        except RunFolderError as error:
            self._fail(self._translate(error))

    def close(self, facts: Mapping[str, Any] | None = None) -> None:
        """Write what waits, and recording.json; idempotent. facts: what is known only now.

        Raises: RecordingFailed, once all is written that can be, when something could not and nobody was told yet.
        """
        if self._is_closed:
            return
        was_told = self.failure is not None
        self.flush()
        self._is_closed = True
        for file in (self._log, self._history, self._frames, self._marks):
            try:
                if file is not None:
                    file.close()
            except RecordingFailed as failure:  # one that could not be written must not keep the others open
                self._fail(failure)
            except RunFolderError as error:
                self._fail(self._translate(error))
        self._facts |= facts or {}
        self._write_facts("complete" if self.failure is None else "cut")
        if self.failure is not None and not was_told:
            raise self.failure

    @property
    def _is_over(self) -> bool:
        return self._is_closed or self.failure is not None

    def _fail(self, failure: RecordingFailed) -> None:
        if self.failure is None:
            self.failure = failure
            self._has_news.set()

    def _translate(self, error: RunFolderError) -> RecordingFailed:
        cause = error.__cause__
        assert isinstance(cause, OSError), "a writer of lines fails for this reason only"
        kept = 0 if self._marks is None else self._marks.written_count
        return RecordingFailed(self.folder / MARKS_FILE, kept, cause)

    def _write_facts(self, status: RecordingStatus) -> None:
        """Written beside and moved over: whoever reads meets the old file or the new one."""
        facts = {
            "format": FORMAT, "status": status, **self._facts,
            "arrivals": self._log.written, "history": self._history_rows,
            "frames": 0 if self._frames is None else self._frames.frames,
            "first": None if self._first_ns is None else format_ns(self._first_ns),
            "last": None if self._last_ns is None else format_ns(self._last_ns),
            "counts": dict(sorted(self.counts.items())),
            "failure": None if self.failure is None else str(self.failure),
        }  # fmt: skip
        path, beside = self.folder / RECORDING_FILE, self.folder / f".{RECORDING_FILE}.part"
        try:
            beside.write_text(to_json_text(facts, indent=2) + "\n")
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            self._fail(RecordingFailed(path, self._log.written, error))


def _describe_stream(one: RecordedStream) -> dict[str, Any]:
    return {
        "kind": one.stream.kind, "name": one.stream.name, "source": f"{one.source}", "step": one.step,
        "has_history": one.has_history,
    }  # fmt: skip


def _name(arrival: Any) -> str:
    """What it is counted under: the kind of a market event, else its class."""
    if type(arrival) in SPILLABLE:
        return getattr(arrival, "event_type", "feed_state")
    return "own" if hasattr(arrival, "feed") else "history_answer"

"""LiveBuffer: the one point where live data enters, and the queue behind it.

Receives: events and states of all venues (it is their VenueSink), events of users' own live feeds.
Gives:    receive times that strictly increase; all arrivals in their one order, in batches; lag and depth.
Never:    drops in silence: what memory cannot hold goes to a file; what the file cannot hold either is a GAP in its
          place among the arrivals, counted stream by stream. Never polls: an idle buffer costs nothing.
          DESIGN 4, 5, 6, 10; RELIABILITY 2 (rows 14, 17, 40, 41).

    arrivals ──► head ──────────────────────────────► next_batch        as long as memory has room
    arrivals ──► tail ──► file ──► head ────────────► next_batch        from then on until all of it is drained
"""

from __future__ import annotations

from asyncio import Event as Signal
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instant import MAX_NS, format_ns
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, SpillFailed
from tradecore.feeds.identity_join import Question
from tradecore.feeds.spill_codec import SPILLABLE, decode_block, encode_block
from tradecore.feeds.spill_file import DiskSpillFile, SpillFile

DEFAULT_CAPACITY: Final = 10_000
"""Arrivals kept in memory (RELIABILITY 7.4)."""

BLOCK_ARRIVALS: Final = 1_024
"""Arrivals written to the file at once."""

OnFull = Literal["halt", "degrade"]


class OwnArrival(msgspec.Struct, frozen=True):
    """An event of a user's own live feed: ts_received as stamped here, raw times of the event untouched."""

    ts_received: int
    ts_event: int
    event: Any
    feed: str


class HistoryAnswer(msgspec.Struct, frozen=True):
    """A page of history that answers a join's question. It is received like anything else, so it has its place.

    rows: stamped one by one, before ts_received. as_of_ns: the venue's time when it was asked. page_from: last id of
    the page before, None of the first.
    """

    ts_received: int
    stream: Stream
    question: Question
    rows: tuple[Any, ...]
    as_of_ns: int
    page_from: int | None = None


class ArrivalRecorder(Protocol):
    """Hears every arrival as it comes in: what `tradecore data record` writes down."""

    def note_frame(self, frame: str | bytes) -> None:
        """A raw frame, before its events."""
        ...

    def note_arrival(self, number: int, raw_ns: int, arrival: Any) -> None:
        """An arrival, its ingest number (from 1), and what the clock said when it was stamped."""
        ...


class Loss(msgspec.Struct):
    """Events of one stream that were not taken: how many, and the receive times of the first and last."""

    count: int
    first_ns: int
    last_ns: int


class _Block(msgspec.Struct, frozen=True):
    """Where a block of arrivals lies in the file. first, first_ns: ordinal and receive time of its first arrival."""

    first: int
    first_ns: int
    count: int
    place: int
    length: int

    @property
    def end(self) -> int:
        """Ordinal behind its last arrival."""
        return self.first + self.count


class LiveBuffer:
    """capacity: arrivals in memory. spill: the file behind it. on_full: what happens when that is full too: "halt"
    raises SpillFailed once everything before is read, "degrade" goes on behind a GAP in every stream that lost events.
    after_ns: stamps will be later than this instant (int nanoseconds): the last one of the run so far.

    received: arrivals so far, states included; the ordinal of an arrival counts from 0. lost: events not taken, by
    stream. clock_steps: how often the clock went back. lag_max_ns, depth_max: highest met by a reader.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        capacity: int = DEFAULT_CAPACITY,
        spill: SpillFile | None = None,
        on_full: OnFull = "halt",
        recorder: ArrivalRecorder | None = None,
        after_ns: int = 0,
    ) -> None:
        if capacity < 1:
            raise FeedError(f"the live buffer's capacity is {capacity}; expected at least 1 arrival")
        self.capacity = capacity
        self.received = 0
        self.clock_steps = 0
        self.lag_max_ns = 0
        self.depth_max = 0
        self.lost: dict[Stream, Loss] = {}
        self.first_events: dict[Stream, Any] = {}
        self._wall_ns: Callable[[], int] = clock.wall_ns
        self._spill: SpillFile = spill if spill is not None else DiskSpillFile()
        self._on_full = on_full
        self._recorder = recorder
        self._last_ns = after_ns
        self._raw_ns = after_ns
        self._head: list[Any] = []  # read next
        self._blocks: list[_Block] = []  # in the file, read after head
        self._kept: dict[int, Any] = {}  # what of these blocks only memory can hold, by ordinal
        self._tail: list[Any] = []  # newest, read after the file
        self._read = 0  # ordinal of the next arrival to be read
        self._is_spilling = False
        self._losing: dict[Stream, Loss] | None = None  # since the file is full
        self._write_error: OSError | None = None
        self._has_failed = False  # under "halt", once all before the loss is in the head
        self._watched: dict[Stream, Signal] = {}
        self._is_awaited = False
        self._is_woken = False
        self._is_closed = False
        self._has_arrivals = Signal()
        self._has_room = Signal()

    # ------------------------------------------------------------------------------------------------ the ingest point

    def stamp(self) -> int:
        """Receive time of the next event: max(last stamp + 1 ns, clock)."""
        now = self._wall_ns()
        last = self._last_ns
        if now <= last:
            self.clock_steps += now < self._raw_ns
            self._raw_ns = now
            now = last + 1
        else:
            self._raw_ns = now
        self._last_ns = now
        return now

    def hold_above(self, ts: int) -> None:
        """The run has reached this instant: stamps are later from now on, whatever the clock says."""
        self._last_ns = max(self._last_ns, ts)

    def put(self, stream: Stream, event: Any) -> None:
        """Take an event whose `ts_received` came from `stamp()`."""
        if self._losing is not None:
            self._lose(self._losing, stream, event.ts_received)
            return
        self.received += 1
        if self._is_spilling:
            self._push_to_tail(event)
        else:
            head = self._head
            head.append(event)
            if len(head) >= self.capacity:
                self._is_spilling = True
        if self._watched and stream in self._watched:
            self.first_events[stream] = event
            self._watched.pop(stream).set()
        if self._recorder is not None:
            self._recorder.note_arrival(self.received, self._raw_ns, event)
        if self._is_awaited:
            self._has_arrivals.set()

    def put_state(self, stream: Stream, state: FeedState, reason: str) -> None:
        """Take a change of a stream's state, in its place among the events. It is never refused: states are few."""
        self._put_any(FeedStateChanged(stream, state, self.stamp(), reason))

    def put_frame(self, frame: str | bytes) -> None:
        """Hand a raw frame to the recorder, if there is one."""
        if self._recorder is not None:
            self._recorder.note_frame(frame)

    async def put_own(self, feed: str, ts_event: int, event: Any) -> None:
        """Take an event of a user's own live feed; waits while the buffer is full. A cancelled call has put nothing."""
        while self.depth >= self.capacity and not self._is_closed:
            self._has_room.clear()
            await self._has_room.wait()
        self._put_any(OwnArrival(self.stamp(), ts_event, event, feed))

    def put_answer(
        self, stream: Stream, question: Question, rows: Sequence[Any], *, as_of_ns: int, page_from: int | None = None
    ) -> None:
        """Take a page of history that answers a question; it stays in memory, whatever lies in the file."""
        received = tuple(msgspec.structs.replace(row, ts_received=self.stamp()) for row in rows)
        self._put_any(HistoryAnswer(self.stamp(), stream, question, received, as_of_ns, page_from))

    def watch(self, stream: Stream) -> Signal:
        """A signal that is set with the stream's first event from now on, which `first_events` then has."""
        self.first_events.pop(stream, None)
        return self._watched.setdefault(stream, Signal())

    # --------------------------------------------------------------------------------------------------------- reading

    @property
    def depth(self) -> int:
        """Arrivals that wait to be read."""
        return self.received - self._read

    @property
    def next_ordinal(self) -> int:
        """Ordinal of the next arrival to be read."""
        return self._read

    @property
    def spilled(self) -> int:
        """Of these, the ones that lie in the file."""
        return self._blocks[-1].end - self._blocks[0].first if self._blocks else 0

    @property
    def lag_ns(self) -> int:
        """How long the oldest arrival has waited, nanoseconds >= 0; 0 when none waits."""
        if self._head:
            oldest = arrived_ns(self._head[0])
        elif self._blocks:
            oldest = self._blocks[0].first_ns
        elif self._tail:
            oldest = arrived_ns(self._tail[0])
        else:
            return 0
        return max(0, self._wall_ns() - oldest)

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit arrivals in order; [] once closed and drained. Cancelled, it has consumed nothing.

        Raises: SpillFailed under "halt", after everything that came before the loss.
        """
        while not (batch := self.take(limit)):
            if self._has_failed:
                raise self._make_failure()
            if self._is_closed:
                break
            self._has_arrivals.clear()
            self._is_awaited = True
            try:
                await self._has_arrivals.wait()
            finally:
                self._is_awaited = False
        return batch

    def take(self, limit: int, until_ns: int = MAX_NS) -> list[Any]:
        """What `next_batch` gives, without waiting: [] when nothing waits that arrived by until_ns."""
        if not self._head and self._is_spilling:
            self._refill_head()
        head = self._head
        if not head:
            return []
        if arrived_ns(head[min(limit, len(head)) - 1]) > until_ns:
            limit = bisect_right(head, until_ns, key=arrived_ns)
            if not limit:
                return []
        self.lag_max_ns = max(self.lag_max_ns, self.lag_ns)
        self.depth_max = max(self.depth_max, self.depth)
        if len(head) <= limit:
            batch, self._head = head, []
        else:
            batch = head[:limit]
            del head[:limit]
        self._read += len(batch)
        self._has_room.set()
        return batch

    async def wait(self) -> None:
        """Return once something waits to be read, nothing more will come, or somebody called `wake`.

        For who has other things to do than to read. Raises: SpillFailed, as `next_batch` does.
        """
        if not self._head and self._has_failed:
            raise self._make_failure()
        if not (self.depth or self._is_closed or self._is_woken):
            self._has_arrivals.clear()
            self._is_awaited = True
            try:
                await self._has_arrivals.wait()
            finally:
                self._is_awaited = False
        self._is_woken = False

    def wake(self) -> None:
        """Let whoever waits in `wait` return, now or the next time."""
        self._is_woken = True
        self._has_arrivals.set()

    def peek(self, ordinal: int, limit: int) -> list[Any]:
        """At most limit arrivals from this ordinal on, which stay where they are; [] past the newest one.

        For who must see a stream's cache before its turn comes. Raises: FeedError for one that was read already.
        """
        if ordinal < self._read:
            raise FeedError(f"arrival {ordinal} has been read already; the oldest that waits is {self._read}")
        at = ordinal - self._read
        if at < len(self._head):
            return self._head[at : at + limit]
        place = bisect_right(self._blocks, ordinal, key=lambda block: block.first) - 1
        if place >= 0 and ordinal < self._blocks[place].end:
            block = self._blocks[place]
            return self._load(block)[ordinal - block.first :][:limit]
        at = ordinal - (self.received - len(self._tail))
        return self._tail[at : at + limit]

    def close(self) -> None:
        """The venues are done: what waits can still be read, and the file goes with the last of it."""
        self._is_closed = True
        self._has_arrivals.set()
        self._has_room.set()
        if not self._blocks:
            self._spill.close()

    def discard(self) -> None:
        """Close, and let what waits go too: the run is over."""
        self._head, self._tail, self._blocks = [], [], []
        self._kept.clear()
        self._is_spilling = False
        self._read = self.received
        self.close()

    # ----------------------------------------------------------------------------------------------- beyond the memory

    def _put_any(self, arrival: Any) -> None:
        self.received += 1
        if self._losing is not None:
            self._tail.append(arrival)
        elif self._is_spilling:
            self._push_to_tail(arrival)
        else:
            self._head.append(arrival)
            self._is_spilling = len(self._head) >= self.capacity
        if self._recorder is not None:
            self._recorder.note_arrival(self.received, self._raw_ns, arrival)
        if self._is_awaited:
            self._has_arrivals.set()

    def _push_to_tail(self, arrival: Any) -> None:
        tail = self._tail
        tail.append(arrival)
        if len(tail) < BLOCK_ARRIVALS:
            return
        first, first_ns = self.received - len(tail), arrived_ns(tail[0])
        kept = {first + at: own for at, own in enumerate(tail) if type(own) not in SPILLABLE}
        block = encode_block([one for one in tail if type(one) in SPILLABLE] if kept else tail)
        try:
            place = self._spill.append(block)
        except OSError as error:
            # The tail stays in memory, and is the last that is taken until there is room again.
            self._losing, self._write_error = {}, error
            return
        self._kept |= kept
        self._blocks.append(_Block(first, first_ns, len(tail), place, len(block)))
        self._tail = []

    def _refill_head(self) -> None:
        """Move what lies in the file, then the tail, to the empty head, as far as memory allows."""
        room = max(self.capacity, BLOCK_ARRIVALS)
        while self._blocks and len(self._head) + self._blocks[0].count <= room:
            self._head += self._load(self._blocks[0])
            block = self._blocks.pop(0)
            for ordinal in [ordinal for ordinal in self._kept if ordinal < block.end]:
                del self._kept[ordinal]
        if self._blocks:
            return
        self._head += self._tail
        self._tail = []
        self._is_spilling = False
        self._spill.clear()
        if self._losing is not None and not self._has_failed:
            self._end_loss(self._losing)
        if self._is_closed:
            self._spill.close()

    def _load(self, block: _Block) -> list[Any]:
        """The arrivals of a block. Raises: FeedError when the file does not give back what was written."""
        kept = self._kept
        kept_here = [at for at in range(block.first, block.end) if at in kept] if kept else []
        try:
            arrivals = decode_block(self._spill.read(block.place, block.length))
            if len(arrivals) + len(kept_here) != block.count:
                raise OSError(f"{len(arrivals)} arrivals where {block.count - len(kept_here)} were written")
        except (OSError, msgspec.MsgspecError) as error:
            raise FeedError(
                f"{block.count} live events cannot be read back from {self._spill.name}: {error}. They are lost to "
                "this run; start again, and give the buffer more memory ([handover] buffer_events)"
            ) from error
        for at in kept_here:  # in order, so that each insertion is at its final place
            arrivals.insert(at - block.first, kept[at])
        return arrivals

    def _lose(self, losing: dict[Stream, Loss], stream: Stream, ts: int) -> None:
        for losses in (losing, self.lost):
            loss = losses.get(stream)
            if loss is None:
                losses[stream] = Loss(1, ts, ts)
            else:
                loss.count += 1
                loss.last_ns = ts
        if self._is_awaited:
            self._has_arrivals.set()

    def _end_loss(self, losing: dict[Stream, Loss]) -> None:
        """All that was taken is at hand: say behind it what was not, and go on, or fail once that is read."""
        self._losing = None
        for stream, loss in losing.items():
            self.put_state(stream, FeedState.GAP, _describe(loss))
        if self._on_full == "halt":
            self._has_failed = True
            self._losing = {}  # what comes now can only be counted

    def _make_failure(self) -> SpillFailed:
        assert self._write_error is not None, "what could not be written has an error"
        listed = [f"{stream}: {_describe(loss)}" for stream, loss in self.lost.items()]
        failure = SpillFailed(self._spill.name, listed, self._write_error)
        failure.__cause__ = self._write_error
        return failure


def arrived_ns(arrival: Any) -> int:
    """Receive time of any arrival, int nanoseconds."""
    ts: int = arrival.ts if type(arrival) is FeedStateChanged else arrival.ts_received
    return ts


def _describe(loss: Loss) -> str:
    return (
        f"{loss.count} events received from {format_ns(loss.first_ns)} to {format_ns(loss.last_ns)} were not taken: "
        "the buffer's memory and file were full"
    )

"""BlockReader: batches of events out of larger blocks that a store loads one at a time.

Receives: a function that loads the block at a position (an instant, and how many of its events were given).
Gives:    batches of at most the wanted size, in order.
Never:    holds anything open in the store between two blocks: a reader left early leaves nothing behind, events
          appended behind its block while it is open are seen, and a step that is cancelled, or raises, has consumed
          nothing.    Spec: 2.1; DESIGN 5, 7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from tradecore.errors import StorageError


class Block(Protocol):
    """Events in order, which may be built when they are asked for. rows: how many."""

    rows: int

    def time_at(self, row: int) -> int:
        """ts_event of one of them."""
        ...

    def build(self, start: int, stop: int) -> list[Any]:
        """The events [start, stop); a stop behind the last one means the end."""
        ...


class EventBlock:
    """A block of events that are there."""

    __slots__ = ("_events", "rows")

    def __init__(self, events: list[Any]) -> None:
        self._events = events
        self.rows = len(events)

    def time_at(self, row: int) -> int:
        """See Block."""
        ts: int = self._events[row].ts_event
        return ts

    def build(self, start: int, stop: int) -> list[Any]:
        """See Block."""
        return self._events[start:stop]


NO_EVENTS: Final[Block] = EventBlock([])

LoadBlock = Callable[[int, int], Awaitable[Block]]
"""(instant, events of this instant to skip) -> the next events from there on, NO_EVENTS when there are no more."""


class BlockReader:
    """An async iterator over batches of events. For one consumer at a time.

    next_ns: ts_event of the event after the newest batch, None where that is not loaded yet.
    """

    def __init__(self, load: LoadBlock, start_ns: int, batch_size: int) -> None:
        if batch_size < 1:
            raise StorageError(f"batch_size is {batch_size}; expected at least 1")
        self._load: LoadBlock | None = load
        self._batch_size = batch_size
        self._instant, self._skip = start_ns, 0
        self._block: Block = NO_EVENTS
        self._given = 0
        self.next_ns: int | None = None

    def __aiter__(self) -> BlockReader:
        return self

    async def __anext__(self) -> list[Any]:
        """The next batch. Raises: StopAsyncIteration at the end and after `aclose`."""
        given = self._given
        if given >= self._block.rows:
            if self._load is None:
                raise StopAsyncIteration
            block = await self._load(self._instant, self._skip)
            if not block.rows:
                await self.aclose()
                raise StopAsyncIteration
            self._take(block)
            given = 0
        stop = given + self._batch_size
        batch = self._block.build(given, stop)  # may raise: then nothing was given
        self.next_ns = self._block.time_at(stop) if stop < self._block.rows else None
        self._given = stop
        return batch

    async def aclose(self) -> None:
        """End it; idempotent."""
        self._load, self._block = None, NO_EVENTS

    def _take(self, block: Block) -> None:
        rows = block.rows
        last_ns = block.time_at(rows - 1)
        count = 1
        while count < rows and block.time_at(rows - 1 - count) == last_ns:
            count += 1
        self._skip = count + (self._skip if count == rows and last_ns == self._instant else 0)
        self._instant = last_ns
        self._block = block
        self._given = 0

"""BlockReader: batches of events out of larger blocks that a store loads one at a time.

Receives: a function that loads the block at a position (an instant, and how many of its events were given).
Gives:    batches of at most the wanted size, in order.
Never:    holds anything open in the store between two blocks: a reader left early leaves nothing behind, events
          appended behind its block while it is open are seen, and a step that is cancelled has consumed nothing.
          Spec: 2.1; DESIGN 5, 7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, overload

from tradecore.errors import StorageError


class Block(Protocol):
    """Events in order; its slices are batches. A list is one."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int, /) -> Any: ...
    @overload
    def __getitem__(self, at: slice, /) -> list[Any]: ...


LoadBlock = Callable[[int, int], Awaitable[Block]]
"""(instant, events of this instant to skip) -> the next events from there on, an empty block when there are no more."""


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
        self._block: Block = []
        self._given = 0
        self.next_ns: int | None = None

    def __aiter__(self) -> BlockReader:
        return self

    async def __anext__(self) -> list[Any]:
        """The next batch. Raises: StopAsyncIteration at the end and after `aclose`."""
        given = self._given
        if given >= len(self._block):
            if self._load is None:
                raise StopAsyncIteration
            block = await self._load(self._instant, self._skip)
            if not len(block):
                await self.aclose()
                raise StopAsyncIteration
            self._take(block)
            given = 0
        stop = self._given = given + self._batch_size
        self.next_ns = self._block[stop].ts_event if stop < len(self._block) else None
        return self._block[given:stop]

    async def aclose(self) -> None:
        """End it; idempotent."""
        self._load, self._block = None, []

    def _take(self, block: Block) -> None:
        last_ns = block[-1].ts_event
        count = 1
        while count < len(block) and block[-count - 1].ts_event == last_ns:
            count += 1
        self._skip = count + (self._skip if count == len(block) and last_ns == self._instant else 0)
        self._instant = last_ns
        self._block = block

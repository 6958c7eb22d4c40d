"""BlockReader: batches of events out of larger blocks that a store loads one at a time.

Receives: a function that loads the block at a position (an instant, and how many of its events were given).
Gives:    batches of at most the wanted size, in order.
Never:    holds anything open in the store between two blocks: a reader left early leaves nothing behind, events
          appended behind its position while it is open are seen, and a step that is cancelled has consumed nothing.
          Spec: 2.1; DESIGN 5, 7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tradecore.errors import StorageError

LoadBlock = Callable[[int, int], Awaitable[list[Any]]]
"""(instant, events of this instant to skip) -> the next events from there on; [] when there are no more."""


class BlockReader:
    """An async iterator over batches of events. For one consumer at a time."""

    def __init__(self, load: LoadBlock, start_ns: int, batch_size: int) -> None:
        if batch_size < 1:
            raise StorageError(f"batch_size is {batch_size}; expected at least 1")
        self._load: LoadBlock | None = load
        self._batch_size = batch_size
        self._instant, self._skip = start_ns, 0
        self._block: list[Any] = []
        self._given = 0

    def __aiter__(self) -> BlockReader:
        return self

    async def __anext__(self) -> list[Any]:
        """The next batch. Raises: StopAsyncIteration at the end and after `aclose`."""
        given = self._given
        if given >= len(self._block):
            if self._load is None:
                raise StopAsyncIteration
            block = await self._load(self._instant, self._skip)
            if not block:
                await self.aclose()
                raise StopAsyncIteration
            self._take(block)
            given = 0
        self._given = given + self._batch_size
        return self._block[given : self._given]

    async def aclose(self) -> None:
        """End it; idempotent."""
        self._load, self._block = None, []

    def _take(self, block: list[Any]) -> None:
        last_ns = block[-1].ts_event
        count = 1
        while count < len(block) and block[-count - 1].ts_event == last_ns:
            count += 1
        self._skip = count + (self._skip if count == len(block) and last_ns == self._instant else 0)
        self._instant = last_ns
        self._block = block

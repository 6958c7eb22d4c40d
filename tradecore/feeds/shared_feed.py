"""SharedFeed: one reading of a stream's past, for all who want it: its subscribers, and the bars that are made of it.

Receives: a feed that is made when somebody first reads; readers, opened before that.
Gives:    each reader all of its events, in order, at the reader's own pace.
Never:    reads a venue's history twice, or joins a stream twice.    DESIGN 5, 10.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.series_key import SeriesKey


class SharedFeed:
    """make: called once, at the first read: by then it is known up to when history is replayed."""

    def __init__(self, make: Callable[[], EventFeed]) -> None:
        self._make = make
        self._feed: EventFeed | None = None
        self._readers: list[FeedReader] = []
        self._is_over = False

    def open_reader(self, kind: str, name: str) -> FeedReader:
        """A reader of what comes from now on; kind, name: of the series."""
        reader = FeedReader(self, kind, name)
        self._readers.append(reader)
        return reader

    async def read_more(self, limit: int) -> bool:
        """Fetch a batch for every reader; False at the end. Raises what the feed raises; nothing is lost then."""
        if self._is_over:
            return False
        if self._feed is None:
            self._feed = self._make()
        batch = await self._feed.next_batch(limit)
        if not batch:
            self._is_over = True
            await self._feed.close()
            return False
        for reader in self._readers:
            reader.batches.append(batch)
        return True

    async def leave(self, reader: FeedReader) -> None:
        """A reader has closed; with the last one the feed is closed too."""
        if reader in self._readers:
            self._readers.remove(reader)
        if not self._readers and self._feed is not None:
            self._is_over = True
            await self._feed.close()


class FeedReader(BaseFeed):
    """One reader of a SharedFeed. batches: read for it, not handed out yet."""

    is_trusted = True

    def __init__(self, shared: SharedFeed, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name}", [kind])
        self.series_key = SeriesKey.of(kind, name)
        self.batches: deque[list[Any]] = deque()
        self._shared = shared

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end. Cancelled, it has consumed nothing."""
        while not self.batches:
            if self._finished or not await self._shared.read_more(limit):
                self._finished = True
                return []
        batch = self.batches.popleft()
        if len(batch) > limit:
            self.batches.appendleft(batch[limit:])
            batch = batch[:limit]
        return batch

    async def close(self) -> None:
        """Read no more; idempotent."""
        await super().close()
        self.batches.clear()
        await self._shared.leave(self)

"""NotedFeed: a feed that somebody listens to as it is read: what a recording keeps of phase B.    DESIGN 10."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tradecore.feeds.event_feed import BaseFeed

NoteHistory = Callable[[Sequence[Any]], None]
"""Hears rows of one stream, in order, before they are delivered."""


class NotedFeed(BaseFeed):
    """The events of a feed, told to `note` as they are handed out."""

    is_trusted = True

    def __init__(self, feed: Any, note: NoteHistory) -> None:
        super().__init__(feed.name, feed.get_event_types())
        self.series_key = feed.series_key
        self._feed = feed
        self._note = note

    async def next_batch(self, limit: int) -> list[Any]:
        """The feed's own. Raises what it raises."""
        batch: list[Any] = await self._feed.next_batch(limit)
        if batch:
            self._note(batch)
        return batch

    async def close(self) -> None:
        """Close the feed."""
        await super().close()
        await self._feed.close()

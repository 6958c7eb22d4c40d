"""OwnPastFeed: the historical half of a user's own feed in a live run.

Receives: the feed, the join that its live half goes through too, the instant at which history ends.
Gives:    its events up to that instant; what is later comes from the live half.
Never:    changes an event, or reads on behind the end.    DESIGN 5, 10.
"""

from __future__ import annotations

from typing import Any

from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.made_bars_feed import ReplayEnd
from tradecore.feeds.own_event import stamp_own_event
from tradecore.feeds.own_join import OwnJoin


class OwnPastFeed(BaseFeed):
    """Its order is checked where it is merged, unless the feed vouches for it."""

    def __init__(self, feed: EventFeed, join: OwnJoin, replay: ReplayEnd) -> None:
        super().__init__(feed.name, feed.get_event_types())
        self.is_trusted = bool(getattr(feed, "is_trusted", False))
        self.made_by_run = bool(getattr(feed, "made_by_run", False))
        self.series_key = getattr(feed, "series_key", None)
        self._feed = feed
        self._join = join
        self._replay = replay

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end of history."""
        if self._finished:
            return []
        batch = await self._feed.next_batch(limit)
        end_ns = self._replay.replay_end_ns
        taken = [event for event in batch if stamp_own_event(event)[0] <= end_ns]
        self._finished = len(taken) < len(batch) or not batch
        return self._join.take_stored(taken)

    async def close(self) -> None:
        """Close the feed."""
        await super().close()
        await self._feed.close()

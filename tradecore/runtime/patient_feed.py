"""PatientFeed: phase B asks a venue's history again when it answers with an error, and knows when to stop.

Receives: a SplicedFeed; how often and after how long it is asked again; what to do when that was not enough.
Gives:    its events; under "halt" the venue's last error, else the rest of the stream without the backfill.
Never:    waits longer than its patience says, or hides that history was not to be had: the join declares the hole.
          DESIGN 10; RELIABILITY 2 (rows 5, 38).
"""

from __future__ import annotations

from typing import Any

import anyio

from tradecore.errors import HistoryNotOffered, VenueError, VenueNotRunning, VenueRateLimited
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.history_questions import Patience
from tradecore.feeds.proof import OnBroken
from tradecore.feeds.spliced_feed import SplicedFeed


class PatientFeed(BaseFeed):
    """feed: nothing is lost when it raises. patience: of one page. on_broken: see HandoverSettings."""

    is_trusted = True

    def __init__(self, feed: SplicedFeed, patience: Patience, *, on_broken: OnBroken) -> None:
        super().__init__(feed.name, feed.get_event_types())
        self.series_key = feed.series_key
        self.failed = 0
        self._feed = feed
        self._patience = patience
        self._on_broken = on_broken

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end. Raises: VenueError under "halt", once patience has ended."""
        times = 0
        while True:
            try:
                return await self._feed.next_batch(limit)
            except (HistoryNotOffered, VenueNotRunning):
                raise
            except VenueError as error:
                self.failed += 1
                if times >= self._patience.times_max:
                    if self._on_broken == "halt":
                        raise
                    self._feed.give_up_backfill()
                    continue
                wait_s = self._patience.first_s * 2**times
                if isinstance(error, VenueRateLimited):
                    wait_s = max(wait_s, error.retry_after_s)
                times += 1
            await anyio.sleep(wait_s)

    async def close(self) -> None:
        """Close the feed."""
        await super().close()
        await self._feed.close()

"""MadeBarsFeed: the bars that a live run makes itself, as long as it replays history.

Receives: a reader of the parts' past; the LiveBars that go on with the live parts afterwards.
Gives:    the same bars, at the same instants, as a BarAggregationFeed gives in a backtest.
Never:    closes what is still open at the end of history: that bar goes on in phase C.    DESIGN 5, 10; EXECUTION 6.
"""

from __future__ import annotations

from typing import Any, Protocol

from tradecore.domain.bar import Bar
from tradecore.feeds.bar_aggregation_feed import SOURCE_BATCH, Delays
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.live_bars import LiveBars
from tradecore.feeds.series_key import SeriesKey


class ReplayEnd(Protocol):
    """Who knows up to when history is replayed."""

    @property
    def replay_end_ns(self) -> int:
        """The instant, included; known before the first read."""
        ...


class MadeBarsFeed(BaseFeed):
    """maker: one for all phases. source_name: of the parts' series, under which the run's delays draw for it."""

    made_by_run = True
    is_trusted = True
    read_ahead = 1  # what is read for a bar waits in memory for who else reads the parts

    def __init__(
        self, parts: EventFeed, maker: LiveBars, replay: ReplayEnd, *, source_name: str, delays: Delays | None = None
    ) -> None:
        super().__init__(f"bar {maker.bar_type} from {parts.name}", ["bar"])
        self.maker = maker
        self.series_key = SeriesKey.of("bar", maker.bar_type.name)
        self._parts = parts
        self._replay = replay
        self._source_name = source_name
        self._delays = delays
        self._made: list[Bar] = []

    async def next_batch(self, limit: int) -> list[Any]:
        """At least one bar; [] at the end of history. Raises: FeedMismatch, what the parts raise."""
        while not self._made:
            if self._finished:
                return []
            parts = await self._parts.next_batch(SOURCE_BATCH)
            if not parts:
                self._finished = True
                self._made = self.maker.pass_time(self._replay.replay_end_ns)
                continue
            if self._delays is not None:
                parts = self._delays.apply(self._source_name, parts)
            take = self.maker.take
            self._made = [bar for part in parts for bar in take(part)]
        batch, self._made = self._made[:limit], self._made[limit:]
        return batch

    async def close(self) -> None:
        """Close the reader too."""
        await super().close()
        self._made = []
        await self._parts.close()

"""SilentFeed: the historical half of what has none: a lane for a stream that begins live.    DESIGN 5, 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.series_key import SeriesKey


class SilentFeed(BaseFeed):
    """Over before it began. kind, name: of the series; without a name its events are of any series."""

    is_trusted = True

    def __init__(self, name: str, event_types: Sequence[str], *, made_by_run: bool = False, series: str = "") -> None:
        super().__init__(name, list(event_types))
        self.made_by_run = made_by_run
        self.series_key = SeriesKey.of(event_types[0], series) if series else None

    async def next_batch(self, limit: int) -> list[Any]:
        """Nothing, at once."""
        del limit
        self._finished = True
        return []

"""FeedDesk: one lane per series, however many strategies subscribe to it.

Receives: subscriptions to series, and feeds of the users' own.
Gives:    lanes, opened once through a feed source (storage in replay, venues live).
Never:    knows where series come from: the runtime hands it a FeedSource.    Spec: 6.1 (subscriptions decide feeds).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from tradecore.engine.trading_engine import TradingEngine
from tradecore.feeds.merge import Lane


class FeedSource(Protocol):
    """Where the feeds of subscribed series come from."""

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        """An EventFeed of a series. after_ns: a run under way wants only what is later; None at its start.

        Raises: DataMissing when the series is not there.
        """
        ...

    # `open_own(feed, live)`: where a source has it, it gives what is read in place of a user's own feed, and takes its
    # live half on.


class FeedDesk:
    """Keeps track of which feed has which lane."""

    def __init__(self, engine: TradingEngine, source: FeedSource) -> None:
        self._engine = engine
        self._source = source
        self._series: dict[tuple[str, str, str | None], Lane] = {}
        self._feeds: dict[int, tuple[Any, list[Lane]]] = {}

    async def open_series(self, kind: str, name: str, source: str | None) -> list[Lane]:
        """The lane of a series, opened on first use."""
        identity = (kind, name, source)
        lane = self._series.get(identity)
        if lane is None:
            after_ns = self._engine.timeline.now if self._engine.phase is not None else None
            feed = await self._source.open_feed(kind, name, source, after_ns)
            lane = self._series[identity] = await self._engine.attach(feed)
        return [lane]

    def opener(self, feed: Any, live: Any = None) -> Callable[[], Awaitable[list[Lane]]]:
        """A call that gives the lanes of a feed of the user's own, opened on first use. live: its live half."""
        return partial(self._open, feed, live)

    async def _open(self, feed: Any, live: Any) -> list[Lane]:
        known = self._feeds.get(id(feed))
        if known is not None:
            return known[1]
        open_own = getattr(self._source, "open_own", None)
        # A MixedFeed hands its parts to the queue rather than merging them itself.
        parts = getattr(feed, "parts", None) if live is None else None
        lanes = []
        for part in parts or [feed]:
            is_timer = getattr(part, "is_timer", False)
            taken = part if open_own is None or is_timer else await open_own(part, live)
            lanes.append(await self._engine.attach(taken))
        self._feeds[id(feed)] = (feed, lanes)  # the feed is kept, so that its id stays its own
        return lanes

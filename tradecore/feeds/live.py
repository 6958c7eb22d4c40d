"""Live feeds: streams of a venue, and users' own live sources, on their way into the one LiveBuffer.

Receives: a venue and a stream, or any EventFeed whose events happen now.
Gives:    `pump(buffer)`: started once the venue has acknowledged, then everything goes into the buffer until cancelled;
          read by itself (`open_live_feed`), an EventFeed of that one stream.
Never:    stamps, orders or drops: the buffer is the one ingest point. Never reconnects: the venue does.
          Spec: 2.3; DESIGN 5, 10.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.bar_type import BarType
from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.own_event import check_event, stamp_own_event
from tradecore.feeds.series_key import SeriesKey
from tradecore.venues.market_data_venue import HistoryKind, MarketDataVenue

PUMP_BATCH: Final = 256
"""Events asked of a user's own live feed per await."""

UNSUBSCRIBE_S: Final = 2.0
"""Seconds that saying good-bye to a stream may take."""


class PumpedFeed(Protocol):
    """What can be pumped into a LiveBuffer."""

    name: str
    is_live: bool

    async def pump(self, buffer: LiveBuffer, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Put what comes into the buffer until cancelled; `started` once it can come."""
        ...


class LiveFeed(BaseFeed):
    """One stream of one venue. Use the class of its kind, below.

    source: the stream that is subscribed: the same one, or the trades of which bars are made where the venue's own bars
    cannot be proved (HistoryKind.FROM_TRADES; feeds/live_bars.py makes them).
    """

    is_live = True
    is_trusted = True

    def __init__(self, venue: MarketDataVenue, stream: Stream, *, name: str | None = None) -> None:
        super().__init__(name or f"live {stream}", [stream.kind])
        self.venue = venue
        self.stream = stream
        self.series_key = SeriesKey.of(stream.kind, stream.name)
        self.made_by_run = venue.history_kind(stream).kind is HistoryKind.FROM_TRADES
        self.source = Stream("trade_tick", stream.instrument) if self.made_by_run else stream
        self.state: FeedStateChanged | None = None
        self._buffer: LiveBuffer | None = None

    async def pump(self, buffer: LiveBuffer, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Subscribe, say started once the venue has acknowledged, and stay subscribed until cancelled.

        buffer: the sink that the venue runs with. Raises: UnknownSymbol, SubscriptionRefused, SubscriptionTimeout.
        """
        del buffer  # the venue writes it
        await self.venue.subscribe(self.source)
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.move_on_after(UNSUBSCRIBE_S, shield=True):
                await self.venue.unsubscribe(self.source)

    async def next_batch(self, limit: int) -> list[Any]:
        """Events of this stream alone; `state` follows what the venue says of it. Raises: FeedError if not opened."""
        if self._finished:
            return []
        if self._buffer is None:
            raise FeedError(
                f"feed {self.name!r} is read by an engine through its live buffer; to read it by itself, open it with "
                "open_live_feed"
            )
        while arrivals := await self._buffer.next_batch(limit):
            batch = [arrival for arrival in arrivals if type(arrival) is not FeedStateChanged]
            for arrival in arrivals:
                if type(arrival) is FeedStateChanged:
                    self.state = arrival
            if batch:
                return batch
        self._finished = True
        return []

    async def close(self) -> None:
        """Nothing more is given; idempotent."""
        await super().close()
        if self._buffer is not None:
            self._buffer.discard()

    def read_from(self, buffer: LiveBuffer) -> None:
        """Read from a buffer that has this stream alone."""
        self._buffer = buffer


class LiveBarFeed(LiveFeed):
    """Closed bars of a bar type."""

    def __init__(self, venue: MarketDataVenue, bar_type: BarType | str, *, name: str | None = None) -> None:
        self.bar_type = BarType.parse(bar_type)
        super().__init__(venue, Stream("bar", self.bar_type.name), name=name)


class LiveTradeFeed(LiveFeed):
    """Trades of an instrument."""

    def __init__(self, venue: MarketDataVenue, instrument: str, *, name: str | None = None) -> None:
        super().__init__(venue, Stream("trade_tick", instrument), name=name)


class LiveQuoteFeed(LiveFeed):
    """Best bid and ask of an instrument."""

    def __init__(self, venue: MarketDataVenue, instrument: str, *, name: str | None = None) -> None:
        super().__init__(venue, Stream("quote_tick", instrument), name=name)


class LiveDepthFeed(LiveFeed):
    """Depth snapshots of an instrument."""

    def __init__(self, venue: MarketDataVenue, instrument: str, *, name: str | None = None) -> None:
        super().__init__(venue, Stream("depth", instrument), name=name)


class LiveOwnFeed(BaseFeed):
    """A user's own live half: any EventFeed whose events happen now.

    Each event is checked as it enters, and stamped by the buffer; while the buffer is full, the feed is not asked for
    more. Raises, from `pump`: what the feed raises; InvalidEvent, InvalidTime for what is no event.
    """

    is_live = True

    def __init__(self, feed: EventFeed, *, name: str | None = None) -> None:
        super().__init__(name or feed.name, feed.get_event_types())
        if not feed.is_live:
            raise FeedError(
                f"feed {feed.name!r} is given as a live half, but says of itself that it is history (is_live is "
                "False); make it with is_live=True"
            )
        self.feed = feed
        self.has_ended = False

    async def pump(self, buffer: LiveBuffer, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Put the feed's events into the buffer until it ends (`has_ended`) or this is cancelled; then close it."""
        task_status.started()
        try:
            while events := await self.feed.next_batch(PUMP_BATCH):
                for event in events:
                    check_event(event)
                    await buffer.put_own(self.name, stamp_own_event(event)[0], event)
            self.has_ended = True
        finally:
            with anyio.move_on_after(UNSUBSCRIBE_S, shield=True):
                await self.feed.close()

    async def next_batch(self, limit: int) -> list[Any]:
        """The feed's own events, not stamped."""
        return await self.feed.next_batch(limit)

    async def close(self) -> None:
        """Close the feed."""
        await super().close()
        await self.feed.close()


Opened = TypeVar("Opened", bound=LiveFeed)


@asynccontextmanager
async def open_live_feed(feed: Opened, clock: Clock, *, buffer: LiveBuffer | None = None) -> AsyncIterator[Opened]:
    """A live feed, connected and subscribed, to be read by itself: outside of an engine.

    It runs the feed's venue, which nobody else may be running. Raises: VenueError (unreachable, refused, unknown).
    """
    own = buffer if buffer is not None else LiveBuffer(clock)
    async with anyio.create_task_group() as tasks:
        try:
            await tasks.start(feed.venue.run, own)
            await tasks.start(feed.pump, own)
            feed.read_from(own)
            yield feed
        finally:
            await feed.close()
            tasks.cancel_scope.cancel()

"""SplicedFeed: what is known of one stream's past: the store, the venue's backfill, the cache where that ends early.

Receives: a historical feed over the store, a venue's history, the LiveBuffer's cache; an instant to end at.
Gives:    the stream as phase B replays it: each event once, in order, up to that instant; backfilled pages, for the
          store.
Never:    takes anything out of the buffer: what it gave from the cache, the same join leaves out in phase C.
          DESIGN 10.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, Final

import anyio
import msgspec

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.history_questions import open_answer
from tradecore.feeds.identity_join import IdentityJoin, Question
from tradecore.feeds.join import StreamJoin
from tradecore.feeds.live_buffer import BLOCK_ARRIVALS, LiveBuffer
from tradecore.feeds.series_key import SeriesKey
from tradecore.storage.market_data_storage import EVENT_CLASSES
from tradecore.venues.market_data_venue import MarketDataVenue

STORE_BATCH: Final = 1_024
"""Rows asked of the store per await."""

Keep = Callable[[Sequence[Any]], Awaitable[None]]
"""Takes a page of backfill for the store."""


class _Stage(Enum):
    """Where the rows come from."""

    STORE = "store"
    BACKFILL = "backfill"
    CACHE = "cache"
    OVER = "over"


class SplicedFeed(BaseFeed):
    """One stream from start_ns to end_ns, both included, int nanoseconds of event time.

    stored: a historical feed of the same stretch, None without a store. venue: asked for what the store lacks, None
    where there is no history to ask for. buffer: whose cache goes on where the venue's history ends early. keep: see
    Keep. Where history leaves a hole it is asked once more, in place; what then still lacks is in the join's verdict.
    Cancelled, it has consumed nothing: an answer that was cut off is asked for again, and known rows are known.
    """

    is_trusted = True

    def __init__(
        self,
        stream: Stream,
        join: StreamJoin,
        *,
        start_ns: int,
        end_ns: int,
        stored: EventFeed | None = None,
        venue: MarketDataVenue | None = None,
        buffer: LiveBuffer | None = None,
        keep: Keep | None = None,
    ) -> None:
        super().__init__(str(stream), [stream.kind])
        if venue is not None and not isinstance(join, IdentityJoin):
            raise FeedError(f"{stream} has no ids, so a venue's history cannot be joined to it")
        self.stream = stream
        self.series_key = SeriesKey.of(stream.kind, stream.name)
        self.start_ns, self.end_ns = start_ns, end_ns
        self.join = join
        self._stored = stored
        self._venue = venue
        self._buffer = buffer
        self._keep = keep
        self._stage = _Stage.STORE
        self._pages: AsyncIterator[Sequence[Any]] | None = None
        self._as_of_ns = 0  # the venue's time when it was asked
        self._awaited_ns = 0  # for which settling it was waited
        self._newest: Any = None  # newest row so far
        self._asked: Question | None = None  # history's answer to this one left it open
        self._cached = 0  # ordinal in the buffer up to which its cache was looked at
        self._taken: list[Any] = []  # through the join, and perhaps behind a hole that is to be asked about
        self._held: list[Any] = []  # ready to be handed out

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end. Raises: what store and venue raise; StreamConflict, FeedMismatch."""
        while not self._held and (self._taken or self._stage is not _Stage.OVER) and not self._finished:
            if not self._taken:
                await self._take_more()
            if self._taken:
                await self._close_hole()
                self._held, self._taken = self._taken, []
        batch, self._held = self._held[:limit], self._held[limit:]
        self._finished = self._finished or not batch
        return batch

    def give_up_backfill(self) -> None:
        """The venue's history cannot be had: go on with the cache. What lacks then is in the join's verdict."""
        self._venue = None  # nor is it asked about holes: that goes on in phase C
        if self._stage is _Stage.BACKFILL:
            self._stage = _Stage.CACHE

    async def close(self) -> None:
        """Close the store's feed and the venue's answer; idempotent."""
        await super().close()
        self._held, self._taken = [], []
        await self._drop_pages()
        if self._stored is not None:
            await self._stored.close()

    async def _take_more(self) -> None:
        """The next rows of the stage at hand, or the next stage."""
        if self._stage is _Stage.STORE:
            rows = await self._stored.next_batch(STORE_BATCH) if self._stored is not None else []
            self._note(self.join.take_stored(rows))
            if not rows:
                self._stage = _Stage.BACKFILL if self._venue is not None else _Stage.CACHE
        elif self._stage is _Stage.BACKFILL:
            await self._take_page()
        else:
            self._take_cached()

    def _note(self, given: list[Any]) -> None:
        self._taken = given
        if given:
            self._newest = given[-1]

    # --------------------------------------------------------------------------------------------------- the venue

    async def _take_page(self) -> None:
        venue, join = self._venue, self.join
        assert venue is not None
        assert isinstance(join, IdentityJoin)
        try:
            if self._pages is None:
                self._pages = await self._ask_from_newest(venue, join)
            page = await anext(self._pages, None)
            if page is not None and self._keep is not None:
                await self._keep(page)
        except BaseException:
            await self._drop_pages()
            raise
        if page is not None:
            self._note(join.take_backfill(page))
            return
        self._pages = None
        if join.settles_ns in (None, self._awaited_ns):
            self._stage = _Stage.CACHE
        else:  # a bar has ended just now: it is asked for again, once, when the venue stands by it
            assert join.settles_ns is not None
            self._awaited_ns = join.settles_ns
            await anyio.sleep(max(join.settles_ns - self._as_of_ns, 0) / SECOND_NS)

    async def _ask_from_newest(self, venue: MarketDataVenue, join: IdentityJoin) -> AsyncIterator[Sequence[Any]]:
        """All history from the newest row on, that row included, so that both sides of the seam show it."""
        newest, stream = self._newest, self.stream
        known = None if newest is None else venue.identity(stream, newest)
        self._as_of_ns = await venue.server_time()
        join.begin_backfill(asked_from=known, as_of_ns=self._as_of_ns)
        start_ns = self.start_ns if newest is None else newest.ts_event
        from_id = None if stream.kind == "bar" else known
        return venue.read_history(stream, start=start_ns, end=self.end_ns, from_id=from_id)

    async def _drop_pages(self) -> None:
        pages, self._pages = self._pages, None
        close = getattr(pages, "aclose", None)
        if close is not None:
            await close()

    async def _close_hole(self) -> None:
        """What was just taken lies behind a hole: ask for what is missing, and put it before."""
        venue, join = self._venue, self.join
        if venue is None or not isinstance(join, IdentityJoin) or (question := join.question) is None:
            return
        if question == self._asked:
            return  # history did not know; what it may know later is asked for in phase D
        as_of_ns = await venue.server_time()
        pages = open_answer(venue, self.stream, question, self.start_ns)
        page_from: int | None = None
        try:
            async for rows in pages:
                more = join.take_answer(rows, question, as_of_ns=as_of_ns, page_from=page_from)
                self._taken = join.put_in_order(self._taken + more)
                page_from = venue.identity(self.stream, rows[-1])
        finally:
            close = getattr(pages, "aclose", None)
            if close is not None:
                await close()
        self._asked = join.question

    # --------------------------------------------------------------------------------------------------- the cache

    def _take_cached(self) -> None:
        """The next of the stream's cached events up to the end; late ones are left to phase C."""
        join, buffer = self.join, self._buffer
        if buffer is None or not isinstance(join, IdentityJoin):
            self._stage = _Stage.OVER
            return
        self._cached = max(self._cached, buffer.next_ordinal)
        arrivals = buffer.peek(self._cached, BLOCK_ARRIVALS)
        self._cached += len(arrivals)
        key = (EVENT_CLASSES[self.stream.kind], self.stream.bar_type or self.stream.name)
        given = []
        for event in arrivals:
            if (type(event), getattr(event, "series", None)) != key:
                continue
            if event.ts_event > self.end_ns:
                self._stage = _Stage.OVER
                break
            if event.ts_event < (self.start_ns if self._newest is None else self._newest.ts_event):
                continue  # before the run, or late: phase C delivers or counts it
            if join.take_live(event):
                # It stands for the row that history does not have yet, and is received as that would be: by its own
                # stamp it would come behind rows of later events that an answer has brought.
                given.append(msgspec.structs.replace(event, ts_received=event.ts_event))
                self._newest = event
        if not arrivals:
            self._stage = _Stage.OVER
        if self._stage is _Stage.OVER:
            join.end_replay()
        self._taken = given

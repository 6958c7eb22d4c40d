"""Historical feeds: stored series, read in batches.

Receives: a MarketDataStorage, a series, a stretch of time (both ends included).
Gives:    the stored events in order of event time; `last_ts`, the last time it has handed out, and `next_ns`, the time
          of the event after it where that is known, so that the batch is known to be whole; `is_coincident`, whether
          the store says of the newest batch that each event was received when it happened.
Never:    opens a reader before the first event is asked for; never checks order again: the store vouches for it
          (`is_trusted`).    Spec: 2.2; DESIGN 5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import isasyncgen
from typing import Any, ClassVar

from tradecore.domain.bar_type import BarType
from tradecore.domain.event_batch import EventBatch
from tradecore.domain.instant import MAX_NS, MIN_NS, check_ns, format_ns
from tradecore.domain.instrument import check_instrument_id
from tradecore.errors import FeedError
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.series_key import SeriesKey
from tradecore.storage.market_data_storage import DEFAULT_BATCH, MarketDataStorage, MarketEvent, Series


class HistoricalFeed(BaseFeed):
    """Events of one stored series with start_ns <= ts_event <= end_ns. Use the class of the kind, below.

    batch_size: events that the store reads at once. The storage must be connected, and stay so until `close`.
    Raises, at the first event: SeriesNotFound.
    """

    is_trusted = True

    def __init__(
        self,
        storage: MarketDataStorage,
        series: Series,
        *,
        start_ns: int = MIN_NS,
        end_ns: int = MAX_NS,
        batch_size: int = DEFAULT_BATCH,
        name: str | None = None,
    ) -> None:
        super().__init__(name or str(series), [series.kind])
        self.series = series
        self.series_key = SeriesKey.of(series.kind, series.name)
        self.start_ns = check_ns(start_ns, f"start of feed {self.name!r}")
        self.end_ns = check_ns(end_ns, f"end of feed {self.name!r}")
        if self.end_ns < self.start_ns:
            raise FeedError(f"feed {self.name!r} ends at {format_ns(end_ns)}, before its start {format_ns(start_ns)}")
        if batch_size < 1:
            raise FeedError(f"feed {self.name!r}: batch_size is {batch_size}; expected at least 1")
        self.last_ts: int | None = None
        self.next_ns: int | None = None
        self.is_coincident = False
        self._storage = storage
        self._batch_size = batch_size
        self._reader: AsyncIterator[list[MarketEvent]] | None = None
        self._held: list[MarketEvent] = []  # read, not handed out
        self._taken = 0  # how many of held are handed out
        # Where the reader stands: its newest event time, and how many events of that instant it has given.
        self._read_ts: int | None = None
        self._read_at_ts = 0
        self._skip = 0

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end of the stretch. Cancelled, it has consumed nothing."""
        if self._taken == len(self._held) and not await self._read_more():
            return []
        held, taken = self._held, self._taken
        if not taken and len(held) <= limit:
            batch, self._held = held, []
        else:
            batch = held[taken : taken + limit]
            self._taken = taken + len(batch)
        if self._taken < len(self._held):
            self.next_ns = held[self._taken].ts_event
        else:
            self.next_ns = getattr(self._reader, "next_ns", None)
        self.last_ts = batch[-1].ts_event
        return batch

    async def close(self) -> None:
        """Close the reader; idempotent."""
        await super().close()
        self._held, self._taken = [], 0
        await self._close_reader()

    async def _read_more(self) -> bool:
        """Read one batch of the store. False when there is none."""
        self._held, self._taken = [], 0
        while not self._finished:
            if self._reader is None:
                self._open_reader()
            assert self._reader is not None
            try:
                batch = await anext(self._reader, None)
            except BaseException:
                # An async generator that is cancelled, or raises, is over, and asking it again would look like the end
                # of the series: the next call reads on from where this one stood.
                if isasyncgen(self._reader):
                    self._reader = None
                raise
            if batch is None:
                self._finished = True
                self._reader = None
                break
            if self._skip:
                skipped = min(self._skip, len(batch))
                self._skip -= skipped
                batch = batch[skipped:]
            if batch:
                self._note_position(batch)
                self._held = batch
                self.is_coincident = type(batch) is EventBatch and batch.is_coincident
                return True
        return False

    def _open_reader(self) -> None:
        start = self.start_ns if self._read_ts is None else self._read_ts
        # Reading on inside an instant: what of it was read before comes again, in the same order.
        self._skip = self._read_at_ts
        self._reader = self._storage.read(self.series, start, self.end_ns, batch_size=self._batch_size)

    def _note_position(self, batch: list[MarketEvent]) -> None:
        last = batch[-1].ts_event
        count = 0
        for event in reversed(batch):
            if event.ts_event != last:
                break
            count += 1
        if last == self._read_ts and count == len(batch):
            count += self._read_at_ts
        self._read_ts, self._read_at_ts = last, count

    async def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        close = getattr(reader, "aclose", None)
        if close is not None:
            await close()


class _OfInstrument(HistoricalFeed):
    """A feed of ticks, whose series is named by the instrument alone."""

    kind: ClassVar[str]

    def __init__(
        self,
        storage: MarketDataStorage,
        instrument: str,
        *,
        start_ns: int = MIN_NS,
        end_ns: int = MAX_NS,
        batch_size: int = DEFAULT_BATCH,
        name: str | None = None,
    ) -> None:
        series = Series(self.kind, check_instrument_id(instrument))
        super().__init__(storage, series, start_ns=start_ns, end_ns=end_ns, batch_size=batch_size, name=name)


class HistoricalTradeFeed(_OfInstrument):
    """Stored trades of an instrument."""

    kind = "trade_tick"


class HistoricalQuoteFeed(_OfInstrument):
    """Stored quotes of an instrument."""

    kind = "quote_tick"


class HistoricalDepthFeed(_OfInstrument):
    """Stored depth snapshots of an instrument."""

    kind = "depth"


class HistoricalBarFeed(HistoricalFeed):
    """Stored bars of a bar type."""

    def __init__(
        self,
        storage: MarketDataStorage,
        bar_type: BarType | str,
        *,
        start_ns: int = MIN_NS,
        end_ns: int = MAX_NS,
        batch_size: int = DEFAULT_BATCH,
        name: str | None = None,
    ) -> None:
        self.bar_type = BarType.parse(bar_type)
        series = Series("bar", self.bar_type.name)
        super().__init__(storage, series, start_ns=start_ns, end_ns=end_ns, batch_size=batch_size, name=name)

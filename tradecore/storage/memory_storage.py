"""MemoryStorage: market events kept as columns in memory; for tests, benchmarks and embedding programs.

Receives: checked events (append), or whole columns that are trusted (load_columns).
Gives:    batches built from columns, as the other stores do.
Never:    keeps event objects (a column of float64 takes 8 bytes a row, an event 200); never touches a file or a thread.
          Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.instrument import Instrument
from tradecore.errors import SeriesNotFound, StorageError
from tradecore.storage.append_check import sort_into_series
from tradecore.storage.append_identity import find_new
from tradecore.storage.block_reader import NO_EVENTS, Block, BlockReader, EventBlock
from tradecore.storage.covered_span import check_span, join_spans
from tradecore.storage.event_columns import LAYOUTS, Row, events_of
from tradecore.storage.market_data_storage import (
    DEFAULT_BATCH,
    Appended,
    MarketEvent,
    Series,
    SeriesInfo,
    Span,
    VerifyReport,
)
from tradecore.storage.memory_series import MemorySeries
from tradecore.storage.series_verification import verify_series

# Events built at a time; between two blocks the event loop gets its turn, since nothing else here ever waits.
BLOCK_ROWS: Final = 8_192


class MemoryStorage:
    """A MarketDataStorage without a file; what it holds stays when it is disconnected, and goes with the object."""

    def __init__(self, url: str = "memory:") -> None:
        self.url = url
        self._is_connected = False
        self._instruments: dict[str, Instrument] = {}
        self._series: dict[Series, MemorySeries] = {}
        self._spans: dict[Series, list[Span]] = {}

    async def connect(self) -> None:
        """Open; nothing can go wrong."""
        self._is_connected = True

    async def disconnect(self) -> None:
        """Close; idempotent."""
        self._is_connected = False

    async def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Add or replace instruments by id."""
        self._check_open()
        self._instruments.update({instrument.id: instrument for instrument in instruments})

    async def list_instruments(self) -> list[Instrument]:
        """All instruments, by id."""
        self._check_open()
        return [self._instruments[name] for name in sorted(self._instruments)]

    async def append(self, events: Sequence[MarketEvent]) -> Appended:
        """Add events as one unit. Raises: InvalidEvent, StorageConflict; nothing is added then."""
        self._check_open()
        planned: list[tuple[Series, list[Row], Span]] = []
        for series, group in sort_into_series(events).items():
            layout = LAYOUTS[series.kind]
            held = self._series.get(series, MemorySeries(layout))
            fresh = [row for part, _ in find_new(series, layout, group, held) for row in part]
            planned.append((series, fresh, Span(group[0].ts_event, group[-1].ts_event)))
        for series, fresh, span in planned:  # nothing below can fail, and nothing awaits: it is all or nothing
            self._series.setdefault(series, MemorySeries(LAYOUTS[series.kind])).insert(fresh)
            self._spans[series] = join_spans(series, [*self._spans.get(series, ()), span])
        added = sum(len(fresh) for _, fresh, _ in planned)
        return Appended(added, len(events) - added)

    def load_columns(self, series: Series, **columns: Any) -> None:
        """Take whole columns of a new series as they are: for data that is trusted, such as a benchmark's own.

        Named as the fields of the event: ts_event, ts_received (as ts_event when left out), open, bid_price ...; flags,
        sequence, aggressor and trade_id may be left out. Values: lists, arrays, or any buffer of int64 and float64.
        Lengths, order of time and finiteness are checked once, nothing else; identity is not looked at.
        Raises: InvalidEvent; StorageError when the series is there or a column is missing.
        """
        self._check_open()
        if series in self._series:
            raise StorageError(f"{series} is in the store already; columns are loaded into a new series only")
        loaded = MemorySeries.of_columns(series, LAYOUTS[series.kind], columns)
        self._series[series] = loaded
        if loaded.rows:
            self._spans[series] = [Span(loaded.first_ns, loaded.last_ns)]

    def read(
        self, series: Series, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = DEFAULT_BATCH
    ) -> AsyncIterator[list[MarketEvent]]:
        """Batches in order of (ts_event, appended)."""
        rows = max(BLOCK_ROWS, batch_size)

        async def load(instant: int, skip: int) -> Block:
            await asyncio.sleep(0)
            self._check_open()
            held = self._find(series)
            if held is None:
                return NO_EVENTS
            return EventBlock(events_of(held.layout, series.key, held.slice(instant, skip, end_ns, rows)))

        return BlockReader(load, start_ns, batch_size)

    async def list_series(self) -> list[SeriesInfo]:
        """What it holds, ordered by kind and name."""
        self._check_open()
        held = [(series, self._series[series]) for series in sorted(self._series)]
        return [SeriesInfo(series, one.rows, one.first_ns, one.last_ns) for series, one in held if one.rows]

    async def covered_spans(self, series: Series) -> list[Span]:
        """Stretches that were loaded. Raises: SeriesNotFound."""
        self._check_open()
        self._find(series)
        return list(self._spans.get(series, ()))

    async def add_span(self, series: Series, span: Span) -> None:
        """Note that a stretch is covered."""
        self._check_open()
        check_span(series, span)
        self._spans[series] = join_spans(series, [*self._spans.get(series, ()), span])

    async def verify(self, series: Series) -> VerifyReport:
        """Read the whole series and say what is wrong with it. Raises: SeriesNotFound."""
        return await verify_series(self, series)

    def _check_open(self) -> None:
        if not self._is_connected:
            raise StorageError(f"{self.url} is not connected; call connect(), or use `async with open_storage(...)`")

    def _find(self, series: Series) -> MemorySeries | None:
        """The series; None when only its spans are known. Raises: SeriesNotFound."""
        held = self._series.get(series)
        if held is None and series not in self._spans:
            raise SeriesNotFound(self.url, series, self._series)
        return held

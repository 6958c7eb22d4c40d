"""ParquetStorage: market events in a folder of Parquet files, one folder per series.

Receives: checked market events, instruments.
Gives:    batches decoded from row groups in columns; files that other programs can read.
Never:    changes a listed file: an append writes new ones, and one rename makes them count.    Spec: 2.1; DESIGN 7.

    store.json                      format and version
    instruments.json                what was defined
    bar/IBM.NYSE 1d last/           a series: manifest.json and the part files that it lists
    commit.json                     only in the middle of an append of several series: their new manifests
    store.lock                      held while a process appends

All file work of a store is done by one thread of its own, one call after the other: a caller that is cancelled stops
waiting, and the call ends as it would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import anyio

from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.instrument import Instrument
from tradecore.errors import StorageError
from tradecore.storage.append_check import sort_into_series
from tradecore.storage.block_reader import Block, BlockReader
from tradecore.storage.covered_span import check_span
from tradecore.storage.market_data_storage import (
    DEFAULT_BATCH,
    Appended,
    MarketEvent,
    Series,
    SeriesInfo,
    Span,
    VerifyReport,
)
from tradecore.storage.parquet_folder import ParquetFolder
from tradecore.storage.parquet_series import ParquetSeries
from tradecore.storage.series_verification import verify_series

Returned = TypeVar("Returned")

_STALE_TRIES: Final = 3
# How long closing waits for what is under way, a large append at most; what is not finished then ends by itself.
CLOSING_S_MAX: Final = 60.0


class ParquetStorage:
    """A MarketDataStorage in a folder. lock_timeout_s: how long an append waits for another process's append."""

    def __init__(self, path: Path, url: str | None = None, *, lock_timeout_s: float = 5.0) -> None:
        self.path = Path(path)
        self.url = url or f"parquet:{path}"
        self._folder = ParquetFolder(self.path, self.url, lock_timeout_s)
        self._executor: ThreadPoolExecutor | None = None

    async def connect(self) -> None:
        """Open, creating the folder. Raises: StorageUnavailable, StorageSchemaNewer, StorageError."""
        if self._executor is not None:
            return
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parquet-storage")
        try:
            await self._run(self._folder.open)
        except BaseException:
            self._executor.shutdown(wait=False)
            self._executor = None
            raise

    async def disconnect(self) -> None:
        """Close, after what has been begun has ended; idempotent."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        try:
            with anyio.move_on_after(CLOSING_S_MAX, shield=True):
                await asyncio.get_running_loop().run_in_executor(executor, self._folder.close)
        finally:
            executor.shutdown(wait=False)

    async def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Add or replace instruments by id."""
        given = list(instruments)
        await self._run(lambda: self._folder.add_instruments(given))

    async def list_instruments(self) -> list[Instrument]:
        """All instruments, by id."""
        return await self._run(self._folder.load_instruments)

    async def append(self, events: Sequence[MarketEvent]) -> Appended:
        """Add events as one unit. Raises: InvalidEvent, StorageConflict, StorageError; nothing is added then."""
        given = list(events)

        def append() -> Appended:
            added = self._folder.append(sort_into_series(given))
            return Appended(added, len(given) - added)

        return await self._run(append)

    def read(
        self, series: Series, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = DEFAULT_BATCH
    ) -> AsyncIterator[list[MarketEvent]]:
        """Batches in order of (ts_event, appended)."""
        held: ParquetSeries | None = None

        def load_on_thread(instant: int, skip: int) -> Block:
            nonlocal held
            for attempt in range(_STALE_TRIES):
                manifest = self._folder.find_manifest(series)
                if held is None or held.manifest is not manifest:
                    held = ParquetSeries(self._folder.series_path(series), manifest)
                try:
                    return held.load_block(instant, skip, end_ns)
                except FileNotFoundError:
                    # Another process has rewritten the part since the manifest was read.
                    held = None
                    if attempt == _STALE_TRIES - 1:
                        raise
            raise AssertionError("the last try returns or raises")

        async def load(instant: int, skip: int) -> Block:
            return await self._run(lambda: load_on_thread(instant, skip))

        return BlockReader(load, start_ns, batch_size)

    async def list_series(self) -> list[SeriesInfo]:
        """What it holds, ordered by kind and name."""
        return await self._run(self._folder.list_series)

    async def covered_spans(self, series: Series) -> list[Span]:
        """Stretches that were loaded. Raises: SeriesNotFound."""
        return await self._run(lambda: list(self._folder.find_manifest(series).spans))

    async def add_span(self, series: Series, span: Span) -> None:
        """Note that a stretch is covered."""
        check_span(series, span)
        await self._run(lambda: self._folder.add_span(series, span))

    async def verify(self, series: Series) -> VerifyReport:
        """Read the whole series and say what is wrong with it. Raises: SeriesNotFound."""
        return await verify_series(self, series)

    async def _run(self, function: Callable[[], Returned]) -> Returned:
        if self._executor is None:
            raise StorageError(f"{self.url} is not connected; call connect(), or use `async with open_storage(...)`")
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: self._folder.translated(function)
        )

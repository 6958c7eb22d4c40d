"""SqliteStorage: market events in one SQLite file; the default store.

Receives: checked market events, instruments.
Gives:    batches read in blocks on the connection's own thread.
Never:    holds a cursor or a transaction open between two calls: readers and appends take turns, a reader left early
          leaves nothing behind.    Spec: 2.1; DESIGN 7.

One connection, one thread: each method is one function on it, so a unit is whole or not at all whatever is cancelled.
There is no reading ahead while a block is consumed: SQLite gives up Python's lock at every row, so that a thread that
reads while the engine computes advances a row at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio

from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.instrument import Instrument
from tradecore.errors import SeriesNotFound, StorageError
from tradecore.storage.append_check import sort_into_series
from tradecore.storage.block_reader import Block, BlockReader, EventBlock
from tradecore.storage.covered_span import check_span, join_spans
from tradecore.storage.market_data_storage import (
    DEFAULT_BATCH,
    Appended,
    MarketEvent,
    Series,
    SeriesInfo,
    Span,
    VerifyReport,
)
from tradecore.storage.series_verification import verify_series
from tradecore.storage.sqlite_connection import SqliteConnection
from tradecore.storage.sqlite_series import SqliteSeries, find_owner, make_owner

Returned = TypeVar("Returned")

# A hop to the thread and back takes 0.1 ms; with this many rows that is a hundredth of reading them.
BLOCK_ROWS: Final = 4_096
# How long closing waits for what is under way, a large append at most; what is not finished then ends by itself.
CLOSING_S_MAX: Final = 60.0

_INSTRUMENT_COLUMNS: Final = "name, price_increment, quantity_increment, currency, base_currency, multiplier, session"


class SqliteStorage:
    """A MarketDataStorage in one file. busy_timeout_s: how long to wait while another process writes."""

    def __init__(self, path: Path, url: str | None = None, *, busy_timeout_s: float = 5.0) -> None:
        self.path = Path(path)
        self.url = url or f"sqlite:{path}"
        self._busy_timeout_s = busy_timeout_s
        self._connection: SqliteConnection | None = None

    async def connect(self) -> None:
        """Open, creating it and its folder. Raises: StorageUnavailable, StorageSchemaNewer, StorageError."""
        if self._connection is not None:
            return
        connection = SqliteConnection(self.path, self.url, self._busy_timeout_s)
        try:
            await connection
        except BaseException:  # refused or cancelled: the thread is on its way out
            with anyio.move_on_after(CLOSING_S_MAX, shield=True):
                await connection.wait_stopped()
            raise
        self._connection = connection

    async def disconnect(self) -> None:
        """Close, after what has been begun has ended; idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.move_on_after(CLOSING_S_MAX, shield=True):
                await connection.close()

    async def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Add or replace instruments by id."""
        rows = [
            (
                one.id, str(one.price_increment), str(one.quantity_increment), one.currency, one.base_currency,
                str(one.multiplier), one.session,
            )
            for one in instruments
        ]  # fmt: skip
        await self._run(_in_transaction(lambda connection: _add_instruments(connection, rows)))

    async def list_instruments(self) -> list[Instrument]:
        """All instruments that were defined, by id."""
        return await self._run(_load_instruments)

    async def append(self, events: Sequence[MarketEvent]) -> Appended:
        """Add events as one transaction. Raises: InvalidEvent, StorageConflict, StorageError; nothing is added then."""
        given = list(events)
        return await self._run(_in_transaction(lambda connection: _append(connection, given)))

    def read(
        self, series: Series, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = DEFAULT_BATCH
    ) -> AsyncIterator[list[MarketEvent]]:
        """Batches in order of (ts_event, appended)."""
        rows = max(BLOCK_ROWS, batch_size)

        async def load(instant: int, skip: int) -> Block:
            def load_on_thread(connection: sqlite3.Connection) -> list[Any]:
                owner_id = self._find_owner(connection, series)
                return SqliteSeries(connection, series, owner_id).load_block(instant, skip, end_ns, rows)

            return EventBlock(await self._run(load_on_thread))

        return BlockReader(load, start_ns, batch_size)

    async def list_series(self) -> list[SeriesInfo]:
        """What it holds, ordered by kind and name."""
        return await self._run(_load_series)

    async def covered_spans(self, series: Series) -> list[Span]:
        """Stretches that were loaded. Raises: SeriesNotFound."""

        def load(connection: sqlite3.Connection) -> list[Span]:
            return _load_spans(connection, series, self._find_owner(connection, series))

        return await self._run(load)

    async def add_span(self, series: Series, span: Span) -> None:
        """Note that a stretch is covered."""
        check_span(series, span)

        def add(connection: sqlite3.Connection) -> None:
            _note_span(connection, series, make_owner(connection, series), span)

        await self._run(_in_transaction(add))

    async def verify(self, series: Series) -> VerifyReport:
        """Read the whole series and say what is wrong with it. Raises: SeriesNotFound."""
        return await verify_series(self, series)

    async def _run(self, function: Callable[[sqlite3.Connection], Returned]) -> Returned:
        if self._connection is None:
            raise StorageError(f"{self.url} is not connected; call connect(), or use `async with open_storage(...)`")
        return await self._connection.run(function)

    def _find_owner(self, connection: sqlite3.Connection, series: Series) -> int:
        """Row that owns the series; it has at least a span then. Raises: SeriesNotFound."""
        owner_id = find_owner(connection, series)
        if owner_id is not None:
            known = connection.execute(
                "SELECT 1 FROM covered_spans WHERE kind = ? AND owner_id = ? LIMIT 1", (series.kind, owner_id)
            ).fetchone()
            if known:
                return owner_id
        raise SeriesNotFound(self.url, series, [info.series for info in _load_series(connection)])


def _in_transaction(function: Callable[[sqlite3.Connection], Returned]) -> Callable[[sqlite3.Connection], Returned]:
    """The function as one transaction: committed when it returns, undone when it raises."""

    def run(connection: sqlite3.Connection) -> Returned:
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = function(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have ended it already
                connection.execute("ROLLBACK")
            raise
        return result

    return run


def _append(connection: sqlite3.Connection, events: Sequence[MarketEvent]) -> Appended:
    added = 0
    for series, group in sort_into_series(events).items():
        owner_id = make_owner(connection, series)
        fresh = SqliteSeries(connection, series, owner_id).append(group)
        span = Span(group[0].ts_event, group[-1].ts_event)
        _note_span(connection, series, owner_id, span)
        if fresh:
            connection.execute(
                "INSERT INTO series_counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " rows = rows + excluded.rows, first_ns = min(first_ns, excluded.first_ns),"
                " last_ns = max(last_ns, excluded.last_ns)",
                (series.kind, owner_id, fresh, span.start_ns, span.end_ns),
            )
        added += fresh
    return Appended(added, len(events) - added)


def _note_span(connection: sqlite3.Connection, series: Series, owner_id: int, span: Span) -> None:
    spans = join_spans(series, [*_load_spans(connection, series, owner_id), span])
    connection.execute("DELETE FROM covered_spans WHERE kind = ? AND owner_id = ?", (series.kind, owner_id))
    connection.executemany(
        "INSERT INTO covered_spans VALUES (?, ?, ?, ?)",
        [(series.kind, owner_id, one.start_ns, one.end_ns) for one in spans],
    )


def _load_spans(connection: sqlite3.Connection, series: Series, owner_id: int) -> list[Span]:
    found = connection.execute(
        "SELECT start_ns, end_ns FROM covered_spans WHERE kind = ? AND owner_id = ? ORDER BY start_ns",
        (series.kind, owner_id),
    )
    return [Span(start_ns, end_ns) for start_ns, end_ns in found]


def _load_series(connection: sqlite3.Connection) -> list[SeriesInfo]:
    found = connection.execute(
        "SELECT kind, coalesce(bar_types.name, instruments.name) AS name, rows, first_ns, last_ns FROM series_counts"
        " LEFT JOIN bar_types ON kind = 'bar' AND bar_types.id = owner_id"
        " LEFT JOIN instruments ON kind <> 'bar' AND instruments.id = owner_id ORDER BY 1, 2"
    )
    return [SeriesInfo(Series(kind, name), rows, first_ns, last_ns) for kind, name, rows, first_ns, last_ns in found]


def _add_instruments(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    connection.executemany(
        f"INSERT INTO instruments ({_INSTRUMENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  (constant words)
        " ON CONFLICT (name) DO UPDATE SET price_increment = excluded.price_increment,"
        " quantity_increment = excluded.quantity_increment, currency = excluded.currency,"
        " base_currency = excluded.base_currency, multiplier = excluded.multiplier, session = excluded.session",
        rows,
    )


def _load_instruments(connection: sqlite3.Connection) -> list[Instrument]:
    found = connection.execute(
        f"SELECT {_INSTRUMENT_COLUMNS} FROM instruments WHERE price_increment IS NOT NULL ORDER BY name"  # noqa: S608
    )
    return [
        Instrument(
            id=name, price_increment=Decimal(price), quantity_increment=Decimal(quantity), currency=currency,
            base_currency=base, multiplier=Decimal(multiplier), session=session,
        )
        for name, price, quantity, currency, base, multiplier, session in found
    ]  # fmt: skip

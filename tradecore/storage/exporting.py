"""export_series: a series of a store as a CSV, CSV.gz or Parquet file that imports again bit for bit.

Receives: a MarketDataStorage, a series, a stretch of time, a path.
Gives:    one row per event: times in ISO 8601 UTC to the nanosecond (Parquet: timestamps), floats by repr, bars stamped
          at their end. The column of a bar's time is called bar_end, so that the file itself says what its stamp is.
Never:    leaves a half-written file: it is written beside its place and moved there when complete.    Spec: 2.1.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import msgspec
from anyio import to_thread

from tradecore.domain.event import FLAG_NAMES, flag_names
from tradecore.domain.instant import MAX_NS, MIN_NS, format_ns
from tradecore.domain.trade_tick import Aggressor
from tradecore.errors import ExportDataError
from tradecore.storage.importing.parquet_layout import SERIES_METADATA, load_pyarrow
from tradecore.storage.importing.row_decoding import ESCAPED_FIRST
from tradecore.storage.market_data_storage import MarketDataStorage, MarketEvent, Series

_BATCH_ROWS: Final = 8_192
_KNOWN_FLAGS: Final = sum(FLAG_NAMES)

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "bar": ("bar_end", "open", "high", "low", "close", "volume", "received", "flags"),
    "trade_tick": ("ts_event", "price", "size", "aggressor", "trade_id", "received", "flags"),
    "quote_tick": ("ts_event", "bid_price", "bid_size", "ask_price", "ask_size", "sequence", "received", "flags"),
    "depth": ("ts_event", "bids", "asks", "sequence", "received", "flags"),
}
_TIMES: Final = ("bar_end", "ts_event", "received")
_FIELDS: Final = {"bar_end": "ts_event", "received": "ts_received"}

OnExportProgress = Callable[[int, int], Any]
"""Called with rows written and event time reached (int nanoseconds)."""


class ExportReport(msgspec.Struct, frozen=True):
    """What was exported: rows, first and last event time (int nanoseconds; None when there were no rows)."""

    path: str
    series: Series
    rows: int
    first_ns: int | None
    last_ns: int | None


class _RowWriter(Protocol):
    def write(self, events: Sequence[MarketEvent]) -> None: ...

    def close(self) -> None: ...


async def export_series(
    storage: MarketDataStorage,
    series: Series,
    path: Path | str,
    *,
    start_ns: int = MIN_NS,
    end_ns: int = MAX_NS,
    overwrite: bool = False,
    progress: OnExportProgress | None = None,
) -> ExportReport:
    """Write the events of a series with start_ns <= ts_event <= end_ns; the path's ending chooses the format.

    Raises: ExportDataError for another ending, a file that is there (unless overwrite), a disk that is full;
    SeriesNotFound.
    """
    target = Path(path)
    make_writer = _choose_writer(target)
    _prepare_place(target, overwrite=overwrite)
    part = target.with_name(f".{target.name}.part")
    rows, first_ns, last_ns = 0, None, None
    try:
        with ExitStack() as cleaning:
            cleaning.callback(part.unlink, missing_ok=True)
            writer = make_writer(part, series)
            cleaning.callback(writer.close)
            reading = storage.read(series, start_ns, end_ns, batch_size=_BATCH_ROWS)
            async with aclosing(reading) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    await to_thread.run_sync(writer.write, batch)
                    rows += len(batch)
                    first_ns = batch[0].ts_event if first_ns is None else first_ns
                    last_ns = batch[-1].ts_event
                    if progress is not None:
                        progress(rows, last_ns)
            writer.close()
            os.replace(part, target)  # noqa: PTH105  (Path.replace, but the name says what it does)
    except OSError as error:
        raise ExportDataError(f"{target} cannot be written: {error}; nothing of it was left") from error
    return ExportReport(str(target), series, rows, first_ns, last_ns)


def _prepare_place(target: Path, *, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise ExportDataError(f"{target} exists; choose another name, or overwrite it: overwrite = true (--overwrite)")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportDataError(f"the folder of {target} cannot be made: {error}") from error


def _choose_writer(target: Path) -> Callable[[Path, Series], _RowWriter]:
    name = target.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        is_packed = name.endswith(".gz")
        return lambda part, series: _CsvWriter(part, series, is_packed=is_packed)
    if name.endswith((".parquet", ".pq")):
        return _ParquetWriter
    raise ExportDataError(f"{target} has an ending that names no format; expected .csv, .csv.gz or .parquet")


class _CsvWriter:
    def __init__(self, part: Path, series: Series, *, is_packed: bool) -> None:
        self._closing = ExitStack()
        raw: IO[bytes] = self._closing.enter_context(part.open("wb"))
        if is_packed:
            # No file name and no time within: the same series gives the same bytes.
            packed = gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0)
            raw = cast("IO[bytes]", self._closing.enter_context(packed))
        self._text = self._closing.enter_context(io.TextIOWrapper(raw, "utf-8", newline=""))
        self._columns = _COLUMNS[series.kind]
        # Lines end as RFC 4180 has it: csv quotes what holds a character of the line's end, and an id may hold either.
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        self._writer.writerow(self._columns)

    def write(self, events: Sequence[MarketEvent]) -> None:
        columns = [_CSV_CELLS.get(name, list)(values) for name, values in _to_columns(self._columns, events)]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._closing.close()


class _ParquetWriter:
    def __init__(self, part: Path, series: Series) -> None:
        self._pa = pa = load_pyarrow()
        self._columns = _COLUMNS[series.kind]
        types = {
            **dict.fromkeys(_TIMES, pa.timestamp("ns", tz="UTC")),
            **dict.fromkeys(("sequence", "flags"), pa.int64()),
            **dict.fromkeys(("aggressor", "trade_id", "bids", "asks"), pa.string()),
        }
        fields = [pa.field(name, types.get(name, pa.float64())) for name in self._columns]
        self._schema = pa.schema(fields, metadata={SERIES_METADATA: str(series).encode()})
        self._writer = pa.parquet.ParquetWriter(part, self._schema)

    def write(self, events: Sequence[MarketEvent]) -> None:
        pa = self._pa
        columns = [
            pa.array(_PARQUET_CELLS.get(name, list)(values), type=self._schema.field(name).type)
            for name, values in _to_columns(self._columns, events)
        ]
        self._writer.write_table(pa.table(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _to_columns(names: Sequence[str], events: Sequence[MarketEvent]) -> list[tuple[str, list[Any]]]:
    return [(name, [getattr(event, _FIELDS.get(name, name)) for event in events]) for name in names]


def _format_times(values: Sequence[int]) -> list[str]:
    return [format_ns(value) for value in values]


def _format_flags(values: Sequence[int]) -> list[str]:
    """Names joined by |; a number where a bit has no name."""
    return ["|".join(flag_names(value)) if not value & ~_KNOWN_FLAGS else str(value) for value in values]


def _format_aggressors(values: Sequence[Aggressor]) -> list[str]:
    words = {Aggressor.UNKNOWN: "", Aggressor.BUYER: "buy", Aggressor.SELLER: "sell"}
    return [words[value] for value in values]


def _escape_ids(values: Sequence[str | None]) -> list[str]:
    """Ids that a spreadsheet would run, and the empty one, stand behind an apostrophe; none is empty."""
    return [
        "" if value is None else "'" + value if not value or value[0] in ESCAPED_FIRST else value for value in values
    ]


def _format_levels(values: Sequence[tuple[tuple[float, float], ...]]) -> list[str]:
    return [";".join(f"{price!r}:{size!r}" for price, size in levels) for levels in values]


_CSV_CELLS: Final[dict[str, Callable[[Sequence[Any]], list[Any]]]] = {
    **dict.fromkeys(_TIMES, _format_times),
    "flags": _format_flags,
    "aggressor": _format_aggressors,
    "trade_id": _escape_ids,
    "bids": _format_levels,
    "asks": _format_levels,
}
_PARQUET_CELLS: Final[dict[str, Callable[[Sequence[Any]], list[Any]]]] = {
    name: make for name, make in _CSV_CELLS.items() if name not in _TIMES and name != "flags"
}

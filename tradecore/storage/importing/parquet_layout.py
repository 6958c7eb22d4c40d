"""Layout "parquet": columns of a Parquet file, with the same mapping as text.

Receives: a path; needs pyarrow, the extra `parquet`.
Gives:    events in the order of the file, each with its row number counted from 1.
Never:    reads more than a batch of rows at a time.    Spec: 2.1.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.domain.instant import format_ns
from tradecore.domain.instrument import Instrument
from tradecore.errors import ImportDataError, InvalidEvent, StorageUnavailable
from tradecore.storage.importing.csv_layout import SAMPLE_ROWS
from tradecore.storage.importing.import_settings import EPOCH_UNITS, ImportSettings
from tradecore.storage.importing.read_tally import NumberedEvent, ReadTally
from tradecore.storage.importing.table_setup import TableSetup

_BATCH_ROWS: Final = 16_384
SERIES_METADATA: Final = b"tradecore.series"
"""Key of a file's metadata under which our export notes "bar IBM.NYSE 1d last"."""


def load_pyarrow() -> Any:
    """The modules pyarrow and pyarrow.parquet. Raises: StorageUnavailable where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise StorageUnavailable('Parquet needs pyarrow; type: pip install "tradecore[parquet]"') from error
    return pa


class ParquetReader:
    """One Parquet file as a table. See FileReader for what its attributes mean."""

    layout = "parquet"
    row_word = "row"

    def __init__(self, path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> None:
        self.path = str(path)
        self.order_key: tuple[str, ...] = (path.name, str(path))
        self._path = path
        self._pa = load_pyarrow()
        self._rows_read = 0
        with self._open() as file:
            self._rows = file.metadata.num_rows
            self._names: list[str] = list(file.schema_arrow.names)
            metadata = file.schema_arrow.metadata or {}
            batch = next(file.iter_batches(batch_size=SAMPLE_ROWS), None)
            data = list(self._to_rows(batch, range(len(self._names)))) if batch is not None else []
        settings = _with_carried_series(settings, metadata.get(SERIES_METADATA))
        self.sample = tuple(tuple(str(cell) for cell in row) for row in data)
        self._setup = TableSetup(self._names, data, settings, instruments)
        self.kind = self._setup.kind
        self.series_text = str(self._setup.series) if self._setup.series else None
        self.columns, self.unused = self._setup.columns, self._setup.unused
        self.time_text = self._setup.describe_time()
        self.notes = tuple(self._setup.notes)
        self.missing = tuple(self._setup.missing) if data else ("has no rows; there is nothing to import",)

    @property
    def fraction_read(self) -> float:
        """Share of the rows that the present pass has taken."""
        return self._rows_read / self._rows if self._rows else 1.0

    def read(self, tally: ReadTally) -> Generator[NumberedEvent, None, None]:
        """Events in the order of the file; what cannot be taken goes to the tally with its row."""
        decode = self._setup.make_decoder()
        places = sorted(self._setup.mapping.positions.values())
        names = [self._names[place] for place in places]
        self._rows_read = 0
        with self._open() as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                for row in self._to_rows(batch.select(names), places):
                    self._rows_read += 1
                    tally.rows += 1
                    try:
                        event = decode(row)
                    except InvalidEvent as fault:
                        tally.add_problem(self._rows_read, str(fault))
                    else:
                        yield self._rows_read, event

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            with self._pa.parquet.ParquetFile(self._path) as file:
                yield file
        except FileNotFoundError as error:
            raise ImportDataError(self.path, ["does not exist; check the path"]) from error
        except (OSError, self._pa.ArrowException) as error:
            raise ImportDataError(self.path, [f"is damaged or not a Parquet file ({error})"]) from error

    def _to_rows(self, batch: Any, places: Sequence[int]) -> Iterator[list[Any]]:
        """Rows as wide as the file; columns that are not read are None."""
        columns = [self._to_cells(column) for column in batch.columns]
        width = len(self._names)
        for cells in zip(*columns, strict=True):
            row: list[Any] = [None] * width
            for place, cell in zip(places, cells, strict=True):
                row[place] = cell
            yield row

    def _to_cells(self, column: Any) -> list[Any]:
        """Python values: floats as they are, times as ISO text to the nanosecond, with Z where a zone is known."""
        pa, kind = self._pa, column.type
        if pa.types.is_timestamp(kind):
            unit_ns = EPOCH_UNITS[kind.unit]
            zone = "" if kind.tz is None else "Z"
            instants = column.cast(pa.int64()).to_pylist()
            return [None if at is None else format_ns(at * unit_ns).removesuffix("Z") + zone for at in instants]
        if pa.types.is_date(kind):
            return [None if day is None else day.isoformat() for day in column.to_pylist()]
        values: list[Any] = column.to_pylist()
        return values


def _with_carried_series(settings: ImportSettings, carried: bytes | None) -> ImportSettings:
    """The settings, with the series that the file's metadata names where the user named none."""
    if carried is None or settings.bar_type is not None or settings.instrument is not None or settings.kind is not None:
        return settings
    kind, _, name = carried.decode().partition(" ")
    target = {"bar_type": name} if kind == "bar" else {"instrument": name}
    return msgspec.structs.replace(settings, kind=kind, **target)

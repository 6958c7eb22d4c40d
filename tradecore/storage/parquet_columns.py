"""Parquet columns: rows in stored form as Arrow tables, and row groups of a Parquet file as columns.

Receives: rows in stored form; an open Parquet file.
Gives:    Arrow tables to write; of one row group, the columns of any stretch as Python values.
Never:    knows folders or manifests.    Spec: 2.1; DESIGN 7, 12.

Times are int64 nanoseconds, prices float64; the levels of a book are a list of float64, price and size in turn.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from tradecore.storage.event_columns import Column, Constant, EventLayout, Row
from tradecore.storage.parquet_library import np, pa, parquet

ROW_GROUP_ROWS: Final = 65_536
_LEVELS: Final = ("bids", "asks")
_NARROW: Final = ("aggressor", "flags", "sequence")  # few different values: kept as a dictionary
_VIEWS: Final[dict[Any, tuple[Any, int]]] = {
    pa.int64(): ("q", 8),
    pa.float64(): ("d", 8),
    pa.int8(): ("b", 1),
}  # format, bytes of a value


def arrow_schema(layout: EventLayout) -> Any:
    """The Arrow schema of a kind of events."""
    types = []
    for field in layout.fields:
        if field == "aggressor":
            types.append(pa.int8())
        elif field in layout.ints:
            types.append(pa.int64())
        elif field in layout.floats:
            types.append(pa.float64())
        else:
            types.append(pa.list_(pa.float64()) if field in _LEVELS else pa.string())
    return pa.schema(
        [pa.field(name, of, nullable=name == "trade_id") for name, of in zip(layout.fields, types, strict=True)]
    )


def table_of(layout: EventLayout, rows: Sequence[Row]) -> Any:
    """Rows in stored form as an Arrow table."""
    schema = arrow_schema(layout)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [
        _levels_array(column) if field.name in _LEVELS else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_part(table: Any, file: Any) -> None:
    """Write a table as the content of one part file."""
    parquet.write_table(
        table,
        file,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in table.column_names if name in _NARROW],
    )


def _levels_array(column: Sequence[bytes]) -> Any:
    offsets = [0]
    for packed in column:
        offsets.append(offsets[-1] + len(packed) // 8)
    values = pa.Array.from_buffers(pa.float64(), offsets[-1], [None, pa.py_buffer(_swapped(b"".join(column)))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _swapped(packed: bytes) -> bytes:
    """Little-endian float64 in the machine's order and back."""
    if sys.byteorder == "little":
        return packed
    flat = array("d", packed)
    flat.byteswap()
    return flat.tobytes()


class RowGroup:
    """One row group, decoded; its columns are turned into Python values a stretch at a time.

    A column in which all rows are equal is known from the file's statistics and not decoded row by row; received times
    that equal the event times share their values.
    """

    def __init__(self, layout: EventLayout, file: Any, at: int) -> None:
        self._layout = layout
        statistics = file.metadata.row_group(at)
        self.rows = int(statistics.num_rows)
        table = file.read_row_group(at, use_threads=False)
        self._views: list[Any] = []
        for position, field in enumerate(layout.fields):
            constant = _constant(layout, field, statistics.column(position))
            self._views.append(_view(table.column(position)) if constant is None else constant)
        self._is_received_at_once = table.column(0).equals(table.column(1))
        self._arrays: dict[str, Any] = {}
        if np is not None:
            self._arrays = {
                field: np.asarray(view)
                for field, view in zip(layout.fields, self._views, strict=True)
                if isinstance(view, memoryview) and (field == "ts_event" or field in layout.floats)
            }

    def first_at(self, instant: int) -> int:
        """Index of the first row at or after an instant."""
        return bisect_left(self._views[0], instant)

    def end_of(self, instant: int) -> int:
        """Index behind the last row at or before an instant."""
        return bisect_right(self._views[0], instant)

    def columns(self, start: int, stop: int) -> list[Column]:
        """Columns of a stretch, in stored form."""
        columns: list[Column] = []
        for position, view in enumerate(self._views):
            if isinstance(view, Constant):
                columns.append(view)
            elif position == 1 and self._is_received_at_once:
                columns.append(columns[0])
            elif isinstance(view, memoryview):
                columns.append(view[start:stop].tolist())
            elif self._layout.fields[position] in _LEVELS:
                columns.append(_packed_levels(view, start, stop))
            else:
                columns.append(view.slice(start, stop - start).to_pylist())
        return columns

    def time_at(self, row: int) -> int:
        """Event time of a row."""
        return int(self._views[0][row])

    def copy_arrays(self, start: int, stop: int) -> dict[str, Any]:
        """Event times and prices of a stretch as arrays of numpy, by field; none where numpy is not installed.

        Copies, because who keeps a part of one would keep the whole row group.
        """
        return {field: whole[start:stop].copy() for field, whole in self._arrays.items()}

    def rows_between(self, start: int, stop: int) -> list[Row]:
        """Rows of a stretch, in stored form."""
        columns = [
            [column.value] * (stop - start) if isinstance(column, Constant) else column
            for column in self.columns(start, stop)
        ]
        return list(zip(*columns, strict=True))


def _constant(layout: EventLayout, field: str, chunk: Any) -> Constant | None:
    """The one value of a column chunk, if its statistics say that there is only one; of fields with a default only."""
    statistics = chunk.statistics
    if field not in layout.defaults or statistics is None or not statistics.has_null_count:
        return None
    if statistics.null_count == chunk.num_values and field == "trade_id":
        return Constant(None)
    if field in layout.ints and statistics.null_count == 0 and statistics.has_min_max:
        low, high = statistics.min, statistics.max
        return Constant(low) if low == high else None
    return None


def _view(column: Any) -> Any:
    """Memory of a numeric column, else its array."""
    whole = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    if whole.type not in _VIEWS or whole.null_count:
        return whole
    view_format, width = _VIEWS[whole.type]
    held = memoryview(whole.buffers()[1]).cast("B")
    return held[whole.offset * width : (whole.offset + len(whole)) * width].cast(view_format)


def _packed_levels(lists: Any, start: int, stop: int) -> list[bytes]:
    offsets = lists.offsets[start : stop + 1].to_pylist()
    held = memoryview(lists.values.buffers()[1] or b"").cast("B")
    base = lists.values.offset
    return [_swapped(bytes(held[(base + low) * 8 : (base + high) * 8])) for low, high in pairwise(offsets)]

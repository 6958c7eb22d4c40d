"""MemorySeries: one series as columns in memory.

Receives: rows in stored form that are known to be new; or whole trusted columns.
Gives:    slices of the columns from a position on; rows by time and by venue id.
Never:    checks identity (append_identity.py does).    Spec: 2.1.

A column in which every row has the same value (flags, mostly) is kept as that one value, and received times that equal
the event times are not kept at all: reading is then faster, and a series of quotes takes 40 bytes a row.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import islice, pairwise
from math import isfinite
from operator import gt
from typing import Any, Union

from tradecore.domain.instant import format_ns
from tradecore.errors import InvalidEvent, StorageError
from tradecore.storage.append_identity import has_id
from tradecore.storage.event_columns import Column, Constant, EventLayout, Row
from tradecore.storage.market_data_storage import Series

Values = Union["array[Any]", list[Any]]


class MemorySeries:
    """Columns of one series in order of (ts_event, appended)."""

    def __init__(self, layout: EventLayout) -> None:
        self.layout = layout
        self._columns: list[Values | Constant] = [self._empty(field) for field in layout.fields]
        self._ids: dict[Any, int] | None = {}  # venue id -> ts_event; None: not built yet

    @classmethod
    def of_columns(cls, series: Series, layout: EventLayout, given: dict[str, Any]) -> MemorySeries:
        """A series of trusted columns. Raises: StorageError, InvalidEvent."""
        unknown = sorted(set(given) - set(layout.fields))
        missing = [
            field
            for field in layout.fields
            if field not in given and field not in layout.defaults and field != "ts_received"
        ]
        if unknown or missing:
            raise StorageError(
                f"{series}: columns missing: {missing or 'none'}, unknown: {unknown or 'none'}; "
                f"expected {', '.join(layout.fields)}"
            )
        made = cls(layout)
        made._ids = None if layout.id_field in given else {}
        columns: list[Values | Constant] = []
        for field in layout.fields:
            if field in given:
                columns.append(made._as_values(series, field, given[field]))
            elif field == "ts_received":
                columns.append(columns[0])
            else:
                columns.append(Constant(layout.defaults[field]))
        made._columns = columns
        made._check_loaded(series)
        return made

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._times)

    @property
    def first_ns(self) -> int:
        """First event time; there must be a row."""
        return int(self._times[0])

    @property
    def last_ns(self) -> int:
        """Last event time; there must be a row."""
        return int(self._times[-1])

    def slice(self, instant: int, skip: int, end_ns: int, rows: int) -> list[Column]:
        """Columns of at most `rows` rows from an instant on, leaving out its first `skip` rows, up to end_ns."""
        times = self._times
        start = bisect_left(times, instant) + skip
        stop = min(start + rows, bisect_right(times, end_ns))
        return self._between(start, max(start, stop))

    def insert(self, rows: list[Row]) -> None:
        """Put new rows, in order of event time, behind the rows of the same instant."""
        if not rows:
            return
        if self._ids is not None and self.layout.id_field is not None:
            at = self.layout.position(self.layout.id_field)
            self._ids.update((row[at], row[0]) for row in rows if has_id(row[at]))
        if not self.rows or rows[0][0] >= self._times[-1]:
            self._extend(rows)
            return
        start = bisect_right(self._times, rows[0][0])
        tail = self._rows_between(start, self.rows)
        self._truncate(start)
        self._extend(sorted(tail + rows, key=lambda row: row[0]))  # stable: what was there stays before

    def load_between(self, first_ns: int, last_ns: int, limit: int | None) -> list[Row] | None:
        """Rows of a stretch of time; None when there are more than `limit`."""
        start, stop = bisect_left(self._times, first_ns), bisect_right(self._times, last_ns)
        return None if limit is not None and stop - start > limit else self._rows_between(start, stop)

    def load_by_id(self, ids: list[Any]) -> dict[Any, Row]:
        """Rows that carry one of these venue ids."""
        assert self.layout.id_field is not None, "only kinds with an id are asked by id"
        at = self.layout.position(self.layout.id_field)
        if self._ids is None:
            everything = self._rows_between(0, self.rows)
            self._ids = {row[at]: row[0] for row in everything if has_id(row[at])}
        found = {}
        for wanted in ids:
            instant = self._ids.get(wanted)
            if instant is not None:
                same_instant = self.load_between(instant, instant, None) or []
                found[wanted] = next(row for row in same_instant if row[at] == wanted)
        return found

    # ----------------------------------------------------------------------------------------------- columns

    @property
    def _times(self) -> Values:
        times = self._columns[0]
        assert not isinstance(times, Constant), "event times are always kept as a column"
        return times

    def _empty(self, field: str) -> Values:
        if field in self.layout.ints:
            return array("q")
        return array("d") if field in self.layout.floats else []

    def _between(self, start: int, stop: int) -> list[Column]:
        times = self._columns[0]
        parts: list[Column] = []
        for column in self._columns:
            if isinstance(column, Constant):
                parts.append(column)
            elif column is times and parts:
                parts.append(parts[0])  # the very same int objects serve both times
            else:
                part = column[start:stop]
                parts.append(part.tolist() if isinstance(part, array) else part)
        return parts

    def _rows_between(self, start: int, stop: int) -> list[Row]:
        count = stop - start
        columns = [
            [column.value] * count if isinstance(column, Constant) else column for column in self._between(start, stop)
        ]
        return list(zip(*columns, strict=True))

    def _truncate(self, length: int) -> None:
        for column in {id(column): column for column in self._columns}.values():
            if not isinstance(column, Constant):
                del column[length:]

    def _extend(self, rows: list[Row]) -> None:
        count, columns = self.rows, [list(column) for column in zip(*rows, strict=True)]
        if not count:
            for at in range(len(columns)):
                self._columns[at] = self._compact(at, columns)
            return
        for at, new in enumerate(columns):
            held = self._columns[at]
            if isinstance(held, Constant):
                if all(value == held.value for value in new):
                    continue
                held = self._filled(at, held, count)
                self._columns[at] = held
            elif at and held is self._columns[0]:
                if new == columns[0]:
                    continue
                held = self._times[:count]
                self._columns[at] = held
            held.extend(new)

    def _filled(self, at: int, constant: Constant, count: int) -> Values:
        filled = self._empty(self.layout.fields[at])
        filled.extend([constant.value] * count)
        return filled

    def _compact(self, at: int, columns: list[list[Any]]) -> Values | Constant:
        field, new = self.layout.fields[at], columns[at]
        if field == "ts_received" and new == columns[0]:
            return self._columns[0]
        if field in self.layout.defaults and all(value == new[0] for value in new):
            return Constant(new[0])
        values = self._empty(field)
        values.extend(new)
        return values

    # ------------------------------------------------------------------------------------------ trusted columns

    def _as_values(self, series: Series, field: str, given: Any) -> Values | Constant:
        if isinstance(given, Constant):
            return given
        if field not in self.layout.ints and field not in self.layout.floats:
            return list(given)
        typecode = "q" if field in self.layout.ints else "d"
        values: array[Any] = array(typecode)
        try:
            buffer = memoryview(given)
        except TypeError:
            buffer = None
        try:
            if (
                buffer is not None
                and buffer.itemsize == 8
                and buffer.format in (typecode, "l" if typecode == "q" else "d")
            ):
                values.frombytes(buffer.tobytes())
            else:
                values.extend(given)
        except (TypeError, OverflowError) as error:
            expected = "int64" if typecode == "q" else "float64"
            raise InvalidEvent(
                f"{series}: column {field} cannot be kept; expected {expected} values: {error}"
            ) from error
        return values

    def _check_loaded(self, series: Series) -> None:
        rows = self.rows
        for field, column in zip(self.layout.fields, self._columns, strict=True):
            if isinstance(column, Constant):
                continue
            if len(column) != rows:
                raise StorageError(f"{series}: column {field} has {len(column)} rows; expected {rows} as in ts_event")
            if field in self.layout.floats and not all(map(isfinite, column)):
                at = next(at for at, value in enumerate(column) if not isfinite(value))
                raise InvalidEvent(f"{series}: {field} is {column[at]!r} at row {at}; expected a finite float")
        times = self._times
        if any(map(gt, times, islice(times, 1, None))):
            at = next(at for at, (one, two) in enumerate(pairwise(times), 1) if one > two)
            raise InvalidEvent(
                f"{series}: ts_event goes back at row {at}: {format_ns(times[at])} after {format_ns(times[at - 1])}"
            )

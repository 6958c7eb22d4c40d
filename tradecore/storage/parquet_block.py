"""ParquetBlock: the rows of a decoded row group as events, which are built when they are taken.

Receives: a row group; the stretch of it that is wanted.
Gives:    a sequence whose slices are batches of events with their times. An event lives as long as its batch is in use
          and its memory serves the next one: that is a third faster than to build the events of a block beforehand.
Never:    touches a file: all columns it needs are in memory.    Spec: 2.1; DESIGN 7, 12.
"""

from __future__ import annotations

from typing import Any, overload

from tradecore.domain.event_batch import EventBatch
from tradecore.storage.event_columns import EventLayout, events_of
from tradecore.storage.parquet_columns import RowGroup


class ParquetBlock:
    """Events of the rows [start, stop) of a row group. key: the BarType or instrument id, one object for all."""

    def __init__(self, layout: EventLayout, key: Any, group: RowGroup, start: int, stop: int) -> None:
        self._layout = layout
        self._key = key
        self._group = group
        self._start, self._stop = start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        """One event; of a slice without a step, a batch."""
        if not isinstance(at, slice):
            row = range(self._start, self._stop)[at]
            return events_of(self._layout, self._key, self._group.columns(row, row + 1))[0]
        rows = range(self._start, self._stop)[at]
        assert rows.step == 1, "a batch is a stretch of rows"
        columns = self._group.columns(rows.start, rows.stop)
        times = columns[0]
        assert isinstance(times, list), "event times are always kept as a column"
        events = events_of(self._layout, self._key, columns)
        arrays = self._group.arrays(rows.start, rows.stop)
        return EventBatch(events, times, arrays, is_coincident=columns[1] is times)

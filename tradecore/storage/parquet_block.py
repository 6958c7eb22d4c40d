"""ParquetBlock: the rows of a decoded row group as events, which are built when they are taken.

Receives: a row group; the stretch of it that is wanted.
Gives:    batches of events with their times and columns. An event lives as long as its batch is in use, and its memory
          serves the next one: that is a third faster than to build the events of a block beforehand.
Never:    touches a file: all columns it needs are in memory.    Spec: 2.1; DESIGN 7, 12.
"""

from __future__ import annotations

from typing import Any, Final

from tradecore.domain.event_batch import EventBatch
from tradecore.domain.instant import format_ns
from tradecore.errors import StorageUnavailable
from tradecore.storage.event_columns import EventLayout, events_of
from tradecore.storage.parquet_columns import RowGroup

BUILT_LEAST: Final = 256
"""Events that are built together; shorter batches are cut from them, because every column has its price to begin."""


class ParquetBlock:
    """Events of the rows [start, stop) of a row group. key: the BarType or instrument id, one object for all."""

    def __init__(self, layout: EventLayout, key: Any, group: RowGroup, start: int, stop: int) -> None:
        self._layout = layout
        self._key = key
        self._group = group
        self._start = start
        self.rows = stop - start
        self._built: list[Any] = []  # where batches are short, those from `_first` on
        self._first = 0

    def time_at(self, row: int) -> int:
        """See Block."""
        return self._group.time_at(self._start + row)

    def build(self, start: int, stop: int) -> list[Any]:
        """See Block. Who asks for BUILT_LEAST events or more gets an EventBatch. Raises: StorageUnavailable."""
        is_short, stop = stop - start < BUILT_LEAST, min(stop, self.rows)
        if not is_short:
            return self._make(start, stop)
        if not self._first <= start < stop <= self._first + len(self._built):
            self._built = self._make(start, min(start + BUILT_LEAST, self.rows))
            self._first = start
        return self._built[start - self._first : stop - self._first]

    def _make(self, start: int, stop: int) -> EventBatch:
        first, end = self._start + start, self._start + stop
        columns = self._group.columns(first, end)
        times = columns[0]
        assert isinstance(times, list), "event times are always kept as a column"
        try:
            events = events_of(self._layout, self._key, columns)
        except (IndexError, ValueError) as error:
            raise StorageUnavailable(
                f"{self._layout.kind} {self._key}: a row from {format_ns(times[0])} to {format_ns(times[-1])} is no "
                f"{self._layout.event_class.__name__} ({error}); put a backup of the store's folder in its place, or "
                "delete that series and import it again"
            ) from error
        return EventBatch(events, times, self._group.copy_arrays(first, end), is_coincident=columns[1] is times)

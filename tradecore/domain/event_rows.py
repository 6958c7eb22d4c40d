"""EventRows: events of one feed that are still columns.

Receives: a source that has the columns, and which of its rows they are.
Gives:    what a list of these events would: its length, its times, one event or all of them, made when somebody looks.
Never:    makes an event twice: those that were delivered are the ones that it shows.    DESIGN 5, 12.

Of many feeds the events of a window are made in the order in which they are delivered (feeds/row_merge.py), which a
processor's cache rewards; the broker of a feed whose instrument nobody trades looks at the last one alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Protocol, overload

from tradecore.domain.event_batch import EventBatch


class RowSource(Protocol):
    """A feed of columns. event_class: of its events. head: their first field, which all have in common. times: of all
    its rows, ascending, an array of numpy (int64 nanoseconds), received when they happen. columns: the other fields,
    arrays of numpy. layout: equal for sources whose rows may be made together.
    """

    event_class: type
    head: Any
    times: Any
    columns: dict[str, Any]
    layout: tuple[object, ...]

    def make_events(self, heads: Iterable[Any], times: list[int], columns: Mapping[str, list[Any]]) -> list[Any]:
        """Events of these fields; columns: by name, those of `columns`."""
        ...


class EventRows(Sequence[Any]):
    """The rows [first, stop) of a source."""

    __slots__ = ("_events", "_merged", "_places", "first", "source", "stop")

    def __init__(self, source: RowSource, first: int, stop: int) -> None:
        self.source, self.first, self.stop = source, first, stop
        self._events: EventBatch | None = None
        self._merged: Sequence[Any] = ()
        self._places: Any = None

    @property
    def times(self) -> Any:
        """ts_event of each, as an array of numpy."""
        return self.source.times[self.first : self.stop]

    @property
    def last_ns(self) -> int:
        """ts_event of the last one."""
        return int(self.source.times[self.stop - 1])

    @property
    def first_ns(self) -> int:
        """ts_event of the first one."""
        return int(self.source.times[self.first])

    def find_column(self, name: str) -> Any | None:
        """A field of all events as an array of numpy; None where there is no column of it."""
        if name == "ts_event":
            return self.times
        column = self.source.columns.get(name)
        return None if column is None else column[self.first : self.stop]

    def split(self, ts: int) -> tuple[EventRows, EventRows]:
        """Those before an instant, and the others."""
        cut = bisect_left(self.source.times, ts, self.first, self.stop)
        return EventRows(self.source, self.first, cut), EventRows(self.source, cut, self.stop)

    def continue_from(self, before: EventRows) -> EventRows:
        """Both; these follow on those."""
        return EventRows(self.source, before.first, self.stop)

    def show_merged(self, merged: Sequence[Any], places: Any) -> None:
        """These events were made, with others. places: theirs among all of them, an array of numpy."""
        self._merged, self._places = merged, places

    def build(self) -> EventBatch:
        """All events, beside their columns; made once."""
        if self._events is None:
            source, times = self.source, self.times.tolist()
            columns = {name: column[self.first : self.stop] for name, column in source.columns.items()}
            if self._places is None:
                fields = {name: column.tolist() for name, column in columns.items()}
                events: Iterable[Any] = source.make_events(repeat(source.head), times, fields)
            elif len(self) == 1:
                events = [self._merged[self._places[0]]]
            else:
                events = itemgetter(*self._places.tolist())(self._merged)
            self._events = EventBatch(events, times, {"ts_event": self.times, **columns})
        return self._events

    def __len__(self) -> int:
        return self.stop - self.first

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        # Who only passes looks at the last one, or at the first.
        if self._places is not None and self._events is None and type(at) is int and at in (0, -1, len(self) - 1):
            return self._merged[self._places[at]]
        return self.build()[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.build())

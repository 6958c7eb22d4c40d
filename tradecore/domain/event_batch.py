"""EventBatch: events in a list, beside the columns that they were made of.

Receives: events of one feed in order; their times as a list, their fields, ts_event too, as arrays of that length.
Gives:    a list like any other; a column to who needs one field of all events, without touching each of them.
Never:    is cut: a part of it is a plain list, and its reader looks at the events, or keeps the columns that it needs
          beside it.    DESIGN 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class EventBatch(list[Any]):
    """Events, their ts_event (int nanoseconds), and columns by field name: arrays of numpy (times int64, the rest
    float64), or array.array; those that the source has to give, which may be none. Nothing of it is changed later.

    is_coincident: it is known that each event was received when it happened.
    """

    __slots__ = ("columns", "is_coincident", "times")

    def __init__(
        self,
        events: Iterable[Any],
        times: list[int],
        columns: Mapping[str, Any],
        *,
        is_coincident: bool = False,
    ) -> None:
        super().__init__(events)
        self.times = times
        self.columns = columns
        self.is_coincident = is_coincident


def find_column(events: Sequence[Any], name: str) -> Any | None:
    """A field of all events; None where the events have to be looked at."""
    if type(events) is EventBatch:
        return events.columns.get(name)
    find = getattr(events, "find_column", None)  # of EventRows
    return None if find is None else find(name)

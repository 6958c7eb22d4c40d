"""Row merge: the events of many feeds of columns, made in the order in which they are delivered.

Receives: rows of feeds whose events have the same fields, in the order in which they rank at one instant.
Gives:    all of their events by time, of one instant by rank; to each feed's rows the ones that are theirs.
Never:    reads a time off an event: the columns are put in order before there is any.    DESIGN 4, 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradecore.domain.event_rows import EventRows


def merge_rows(parts: Sequence[Sequence[Any]]) -> list[Any] | None:
    """The events of all parts in order; None where they cannot be made together."""
    rows: list[EventRows] = []
    for part in parts:
        if type(part) is not EventRows or part.source.layout != parts[0].source.layout:  # type: ignore[attr-defined]
            return None
        rows.append(part)
    import numpy as np  # where times are a column, it is there

    source = rows[0].source
    times = np.concatenate([one.times for one in rows])
    order = times.argsort(kind="stable")
    columns = {
        name: np.concatenate([one.source.columns[name][one.first : one.stop] for one in rows])[order].tolist()
        for name in source.columns
    }
    lengths = [len(one) for one in rows]
    heads = [one.source.head for one in rows]
    owners: list[int] = np.repeat(np.arange(len(rows)), lengths)[order].tolist()
    events = source.make_events(map(heads.__getitem__, owners), times[order].tolist(), columns)
    places = np.empty(len(events), np.int64)
    places[order] = np.arange(len(events))
    start = 0
    for one, length in zip(rows, lengths, strict=True):
        one.show_merged(events, places[start : start + length])
        start += length
    return events

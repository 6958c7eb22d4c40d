"""Order check: does a batch of a feed that nobody vouches for go back in time?

Receives: a batch, the event time of the row before it, the number of its first row.
Gives:    the rows before the first step back, and the error that names it; so all earlier rows are delivered first.
Never:    sorts: a source that is out of order is told so.    DESIGN 4 (last point).
"""

from __future__ import annotations

from typing import Any

from tradecore.domain.instant import format_ns
from tradecore.errors import FeedOutOfOrder


def check_order(
    feed_name: str, first_row: int, last_ts: int | None, batch: list[Any]
) -> tuple[list[Any], FeedOutOfOrder | None]:
    """The rows that may be delivered, and the error to raise once they are, or None.

    first_row: number of batch[0] within the feed, counted from 1. last_ts: event time of the row before it, None when
    there is none. In order, the very same list comes back.
    """
    times = [event.ts_event for event in batch]
    # Sorting an ordered list is one pass of comparisons in C, several times faster than a Python loop.
    if (last_ts is None or not times or times[0] >= last_ts) and times == sorted(times):
        return batch, None
    previous = last_ts if last_ts is not None else times[0]
    for index, ts_event in enumerate(times):
        if ts_event < previous:
            shown = (format_ns(previous), format_ns(ts_event))
            return batch[:index], FeedOutOfOrder(feed_name, first_row + index, previous, ts_event, shown=shown)
        previous = ts_event
    raise AssertionError("a batch is out of order only if some row comes before the one ahead of it")

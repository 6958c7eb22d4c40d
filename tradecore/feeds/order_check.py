"""Order check: does a batch of a feed that nobody vouches for go back in time?

Receives: a batch, the event time of the row before it, the number of its first row.
Gives:    the rows before the first step back, and the error that names it; so all earlier rows are delivered first.
Never:    sorts: a source that is out of order is told so.    DESIGN 4 (last point).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from tradecore.domain.instant import format_ns
from tradecore.errors import FeedOutOfOrder


def check_order(
    feed_name: str,
    first_row: int,
    last_ts: int | None,
    batch: list[Any],
    time_of: Callable[[Any], int] = attrgetter("ts_event"),
) -> tuple[list[Any], FeedOutOfOrder | None]:
    """The rows that may be delivered, and the error to raise once they are, or None.

    first_row: number of batch[0] within the feed, counted from 1. last_ts: time of the row before it, None when there
    is none. time_of: what must be in order; event time, unless the feed goes by arrival. In order, the very same list
    comes back.
    """
    times = list(map(time_of, batch))
    # Sorting an ordered list is one pass of comparisons in C, several times faster than a Python loop.
    if (last_ts is None or not times or times[0] >= last_ts) and times == sorted(times):
        return batch, None
    previous = last_ts if last_ts is not None else times[0]
    for index, ts in enumerate(times):
        if ts < previous:
            shown = (format_ns(previous), format_ns(ts))
            return batch[:index], FeedOutOfOrder(feed_name, first_row + index, previous, ts, shown=shown)
        previous = ts
    raise AssertionError("a batch is out of order only if some row comes before the one ahead of it")

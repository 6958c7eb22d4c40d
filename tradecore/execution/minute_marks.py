"""Minute marks: what stood at each whole UTC minute, found by bisection.    EXECUTION 10.

Receives: times of ticks in order, what stood before them, a stretch of time.
Gives:    the times of its whole minutes; the tick that stood at each.
Never:    visits every tick.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from tradecore.domain.instant import MINUTE_NS


def walk_minutes(times: Sequence[int], before: Any, after: int, until: int) -> Iterator[tuple[int, int]]:
    """(minute, place) for every whole minute with after < minute <= until.

    place: of the last event that happened by then, -1 for `before` (which is not None, or the minute is left out).
    """
    place = 0
    for minute in range((after // MINUTE_NS + 1) * MINUTE_NS, until + 1, MINUTE_NS):
        place = bisect_right(times, minute, place)
        if place or before is not None:
            yield minute, place - 1

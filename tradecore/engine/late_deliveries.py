"""LateDeliveries: what feeds deliver that were added in the middle of a window.

Receives: a lane and its deliveries before the window's mark, or a timer that was given new moments.
Gives:    `heap`, whose first entry is the next one; all of an instant, with what its place in it depends on.
Never:    holds more than one event of a lane: the next one is asked for when it is taken.    DESIGN 4, 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any

from tradecore.engine.subscription import Subscriptions
from tradecore.feeds.merge import Lane, Rank

Keyed = tuple[int, Rank, int, Any]
"""Event time, rank, a number that ends all ties, the event."""


class LateDeliveries:
    """heap: entries in order of (received time, event time, rank); who only asks when the next is due looks at it."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self.heap: list[tuple[Any, ...]] = []
        self._subscriptions = subscriptions
        self._count = 0

    def push(self, lane: Lane, deliveries: Iterator[Any]) -> None:
        """Take the first of these in; the others follow it."""
        event = next(deliveries, None)
        if event is None:
            return
        self._count += 1
        rank = self._subscriptions.rank_of(event, lane)
        heappush(self.heap, (event.ts_received, event.ts_event, rank, self._count, event, deliveries, lane))

    def take(self, ts: int) -> list[Keyed]:
        """All that are due at this instant."""
        taken: list[Keyed] = []
        while self.heap and self.heap[0][0] == ts:
            _, ts_event, rank, number, event, deliveries, lane = heappop(self.heap)
            taken.append((ts_event, rank, number, event))
            self.push(lane, deliveries)
        return taken

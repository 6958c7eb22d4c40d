"""PushFeed: events from the program that embeds the engine.

Receives: events, one at a time, by `await feed.push(event)` in the engine's own loop.
Gives:    the same events, in the order they were pushed.
Never:    grows without bound and never drops silently: at capacity `push` waits or raises, as its policy says.
          Spec: 1.3; DESIGN 5.
"""

from __future__ import annotations

from asyncio import Event as Signal
from collections import deque
from enum import Enum
from typing import Any

from tradecore.errors import FeedError, FeedFinished, FeedOverflow
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.own_event import check_event

DEFAULT_CAPACITY = 1_024


class Overflow(Enum):
    """What `push` does when the feed is full. WAIT: until there is room. FAIL: raises FeedOverflow."""

    WAIT = "WAIT"
    FAIL = "FAIL"


class PushFeed(BaseFeed):
    """Events pushed by another task of the same loop.

    capacity: events that may wait to be read. is_live: True when they happen now; a quiet live feed holds nothing
    back. False (the default) for history: the merge then waits for each next event until `finish()`.

    The pushing side ends with `finish()`: what waits is still read. The reading side ends with `close()`: what waits is
    gone, counted in `discarded`, and pushes raise FeedFinished. A cancelled push has pushed nothing.
    """

    def __init__(
        self,
        name: str,
        event_types: list[str] | None = None,
        *,
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = Overflow.WAIT,
        is_live: bool = False,
    ) -> None:
        super().__init__(name, event_types)
        if capacity < 1:
            raise FeedError(f"feed {name!r}: capacity is {capacity}; expected at least 1")
        self.is_live = is_live
        self.capacity = capacity
        self.overflow = overflow
        self.discarded = 0
        self._events: deque[Any] = deque()
        self._ends = False  # finish() was called
        self._has_events = Signal()
        self._has_room = Signal()

    async def push(self, event: Any) -> None:
        """Hand over one event.

        Raises: InvalidEvent, InvalidTime when it cannot be one; FeedFinished after finish or close; FeedOverflow when
        full under FAIL. Nothing is taken then.
        """
        check_event(event)
        self._check_open()
        while len(self._events) >= self.capacity:
            if self.overflow is Overflow.FAIL:
                raise FeedOverflow(self.name, self.capacity)
            self._has_room.clear()
            await self._has_room.wait()
            self._check_open()
        self._events.append(event)
        self._has_events.set()

    def finish(self) -> None:
        """No further event comes; those that wait are still read. Idempotent."""
        self._ends = True
        self._has_events.set()
        self._has_room.set()

    async def next_batch(self, limit: int) -> list[Any]:
        """Whatever waits, at most limit; waits for the first. [] after finish or close."""
        events = self._events
        while not events:
            if self._ends or self._finished:
                self._finished = True
                return []
            self._has_events.clear()
            await self._has_events.wait()
        batch = [events.popleft() for _ in range(min(limit, len(events)))]
        self._has_room.set()
        return batch

    async def close(self) -> None:
        """The reader stops: wake whoever waits; what was not read is counted as discarded."""
        await super().close()
        self.discarded += len(self._events)
        self._events.clear()
        self.finish()

    def _check_open(self) -> None:
        if self._ends or self._finished:
            raise FeedFinished(
                f"feed {self.name!r} has been closed and takes no more events; make a new PushFeed to go on"
            )

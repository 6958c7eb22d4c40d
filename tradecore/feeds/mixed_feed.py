"""MixedFeed: several feeds under one name.

Receives: feeds of any kinds, historical, live, timers.
Gives:    its parts, for the queue, which merges them with everything else; used by itself, their events in the one
          total order, by the same merge kernel.
Never:    merges for the queue: an order made here would be made twice.    Spec: 2.3; DESIGN 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradecore.errors import FeedError
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.merge import Envelope, Lane, merge_window, rank_of, received_time
from tradecore.feeds.order_check import check_order
from tradecore.feeds.own_event import stamp_own_event

PART_BATCH = 1_024
"""Events asked of a part per await, when the feed is used by itself."""


class MixedFeed(BaseFeed):
    """Hands `parts` to the queue; `next` and `next_batch` merge them for who reads it directly.

    Read directly it takes historical parts and timers; a live part would hold back the others whenever it is quiet,
    so that raises FeedError. It ends with the last event that is no timer's, as a run does.
    """

    def __init__(self, name: str, parts: Sequence[EventFeed]) -> None:
        if not parts:
            raise FeedError(f"MixedFeed {name!r} has no parts; give it at least one feed")
        types = dict.fromkeys(kind for part in parts for kind in part.get_event_types())
        super().__init__(name, list(types))
        self.parts = tuple(parts)
        self.is_live = any(part.is_live for part in parts)
        lanes = [Lane(part, number, None, None) for number, part in enumerate(parts, 1)]
        self._timers = [lane for lane in lanes if getattr(lane.feed, "is_timer", False)]
        self._lanes = [lane for lane in lanes if lane not in self._timers]
        self._merged: list[Any] = []
        self._taken = 0
        self._last_received: int | None = None

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events in the total order of DESIGN 4. Raises: FeedError for live parts, FeedOutOfOrder."""
        if self.is_live:
            raise FeedError(
                f"MixedFeed {self.name!r} has live parts and cannot be read by itself; add it to an engine, "
                "which merges its parts"
            )
        while self._taken == len(self._merged):
            if self._finished:
                return []
            self._merged, self._taken = await self._merge_next(), 0
        batch = self._merged[self._taken : self._taken + limit]
        self._taken += len(batch)
        return batch

    async def close(self) -> None:
        """Close every part."""
        await super().close()
        self._merged, self._taken = [], 0
        for part in self.parts:
            await part.close()

    async def _merge_next(self) -> list[Any]:
        """The next window, perhaps empty; finishes the feed when there is none."""
        if not self._lanes:
            return await self._only_timers()
        for lane in self._lanes:
            if not lane.finished and not lane.remaining:
                await self._refill(lane)
        marks = [_horizon(lane) for lane in self._lanes if not lane.finished and lane.last_ts is not None]
        if marks:
            mark = min(marks)
            window = self._merge_before(mark)
            if not window:
                for lane in self._lanes:  # nothing is complete before the mark: whoever sets it must give more
                    if not lane.finished and lane.last_ts is not None and _horizon(lane) == mark:
                        await self._refill(lane)
            return window
        self._finished = True
        times = [
            max(map(received_time, [*lane.held[lane.taken :], *lane.carried])) for lane in self._lanes if _has(lane)
        ]
        times += [self._last_received] if self._last_received is not None else []
        return self._merge_before(max(times) + 1) if times else []

    def _merge_before(self, mark: int) -> list[Any]:
        for lane in self._timers:
            while events := lane.feed.take_before(mark, PART_BATCH):
                lane.accept(_wrap(events, lane), coincident=True)
        merged = merge_window([*self._lanes, *self._timers], mark).deliveries
        if merged:
            self._last_received = merged[-1].ts_received
        return [envelope.event for envelope in merged]

    async def _only_timers(self) -> list[Any]:
        """Timers alone, the earliest first, one at a time: some of them may never end."""
        due = [(lane.feed.next_ts, lane.number, lane) for lane in self._timers if lane.feed.next_ts is not None]
        if not due:
            self._finished = True
            return []
        _, _, lane = min(due)
        events: list[Any] = await lane.feed.next_batch(1)
        return events

    async def _refill(self, lane: Lane) -> None:
        if lane.error is not None:
            raise lane.error
        events = await lane.feed.next_batch(PART_BATCH)
        if not events:
            lane.finished = True
            return
        first_row = lane.rows + 1
        lane.rows += len(events)
        wrapped = _wrap(events, lane)
        if not lane.is_trusted:
            wrapped, lane.error = check_order(lane.feed.name, first_row, lane.last_ts, wrapped)
        if wrapped:
            lane.accept(wrapped, coincident=False)


def _horizon(lane: Lane) -> int:
    """Instant before which the part is complete; rows before one that went back in time are all delivered."""
    assert lane.last_ts is not None
    return lane.last_ts + 1 if lane.error is not None else lane.last_ts


def _has(lane: Lane) -> bool:
    return bool(lane.remaining or lane.carried)


def _wrap(events: list[Any], lane: Lane) -> list[Any]:
    wrapped = []
    for event in events:
        ts_event, ts_received = stamp_own_event(event)
        wrapped.append(Envelope(ts_received, ts_event, event, rank_of(event, lane.feed.name, lane.number), lane))
    return wrapped

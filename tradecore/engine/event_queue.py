"""EventQueue: fetches from feeds and gives windows in one total order.

Receives: feeds, historical first; timers; the delays between a venue saying something and us hearing it.
Gives:    `next_window()`: deliveries strictly before a mark, complete and in order; None when all is over.
Never:    decides the order itself (feeds/merge.py does), never touches brokers or strategies.
          Spec: 3.1; DESIGN 4, 5.

The mark is the smallest last event time of the unfinished historical feeds, or time of the next row where a feed knows
it: before it, nothing can be missing.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from tradecore.domain.event import RANK_TIME
from tradecore.domain.event_rows import EventRows
from tradecore.domain.instant import MAX_NS
from tradecore.feeds.merge import (
    Envelope,
    Lane,
    Rank,
    Window,
    merge_window,
    rank_of,
    received_time,
)
from tradecore.feeds.order_check import check_order
from tradecore.feeds.own_event import stamp_own_event

WINDOW_MOST: Final = 32_768
"""Events that the windows of many feeds hold together: 8 MB, and an event loop waits until they are delivered. More are
no faster, fewer are slower: each feed's part of a window has its price.
"""

LEAST_BATCH: Final = 64
"""Events asked of a feed per await, however many feeds there are: each await has its price."""


ROWS_LEAST: Final = 8
"""Feeds from which on those that have columns give rows, whose events are made as they are delivered, all together."""

ROWS_BATCH_LEAST: Final = 64
"""Events asked of a feed from which on it gives rows: fewer are sooner made one by one."""


class Delays(Protocol):
    """What the queue needs of the DelaySimulator."""

    def apply(self, series_name: str, events: list[Any]) -> list[Any]:
        """The same list if nothing is delayed, else events received later."""
        ...

    def fork(self) -> Delays:
        """The same for another reader, from its beginning."""
        ...


class EventQueue:
    """Merges any number of feeds, added before or during the run.

    batch_size: events asked of a feed per await; less where feeds are many (WINDOW_MOST). start_ns, end_ns: events
    outside are never delivered. order_by: "delivery" (received time first) or "event" (the spec's literal order;
    refused together with delays elsewhere). first_ns: event time of the first event that is no timer's, None before.
    """

    def __init__(
        self,
        *,
        batch_size: int = 1_024,
        start_ns: int | None = None,
        end_ns: int | None = None,
        order_by: str = "delivery",
        delays: Delays | None = None,
    ) -> None:
        self._batch_size = self._limit = batch_size
        self._start_ns = start_ns
        self._end_ns = end_ns
        self._by_event = order_by == "event"
        self._delays = delays
        self._lanes: list[Lane] = []
        self._timers: list[Lane] = []
        self._known_series: set[Any] = set()
        self._takes_rows = False
        self._numbers = 0
        self._delays_of: dict[int, Delays] = {}  # by lane: two feeds of one series do not hold each other up
        self._last_delivery: int | None = None
        self._last_mark: int | None = None
        self.first_ns: int | None = None

    @property
    def lanes(self) -> list[Lane]:
        """All lanes that are not exhausted, timers last."""
        return [*self._lanes, *self._timers]

    # ------------------------------------------------------------------------------------------------------ feeds

    def add(self, feed: Any, *, after_ns: int | None = None) -> Lane:
        """A lane for a feed; the parts of a MixedFeed are added one by one by the caller.

        after_ns: a feed added while running gives only what happens later than this instant.
        """
        self._numbers += 1
        is_timer = bool(getattr(feed, "is_timer", False))
        series = feed.name if is_timer else getattr(feed, "series_key", None)
        identity = (is_timer, series)
        # Two feeds of one series, or a strategy that names its timer as another's: their events need envelopes, since
        # class and series no longer say which feed they came from.
        if self._by_event or series is None or identity in self._known_series:
            rank: Rank | None = None
        elif is_timer:
            rank = (RANK_TIME, 0, feed.name, self._numbers)
        else:
            rank = (series.kind_rank, series.step_ns, series.name, self._numbers)
        if rank is not None:
            self._known_series.add(identity)
        lane = Lane(feed, self._numbers, None if rank is None else series, rank)
        first_ns = self._start_ns if after_ns is None else after_ns + 1
        if first_ns is not None and is_timer:
            feed.skip_before(first_ns)
        elif first_ns is not None:
            lane.drop_until = first_ns
        (self._timers if is_timer else self._lanes).append(lane)
        self.set_batch_size(self._batch_size)
        return lane

    async def attach(self, feed: Any, now: int, mark: int) -> tuple[Lane, Sequence[Any], Iterator[Any]]:
        """Add a feed in the middle of a window: its lane, what brokers load, and its deliveries before the mark."""
        lane = self.add(feed, after_ns=now)
        if lane in self._timers:
            return lane, [], self._timer_events(lane, mark)
        while not lane.finished and (lane.last_ts is None or lane.last_ts < mark):
            await self._refill(lane)
        window = merge_window([lane], mark)
        loaded = window.loads[0][1] if window.loads else ()
        return lane, loaded, iter(window.deliveries)

    def renew_timer(self, lane: Lane, mark: int) -> Iterator[Any]:
        """Events before the mark of a timer that was given new moments while the window is delivered."""
        if not lane.remaining:
            return self._timer_events(lane, mark)
        # It was asked for a longer window than this one became: what it gave for later stays behind what comes now.
        held = lane.held[lane.taken :]
        earlier = self._wrap(lane.feed.take_before(held[-1].ts_event, sys.maxsize), lane)
        lane.held, lane.taken = sorted([*held, *earlier], key=lane.time_of), 0
        return iter(lane.take(mark)[0])

    def _timer_events(self, lane: Lane, mark: int) -> Iterator[Any]:
        """Timer events before the mark, made one by one: a short period in a long window must not fill memory."""
        while events := lane.feed.take_before(mark, 1):
            yield self._wrap(events, lane)[0]

    # ------------------------------------------------------------------------------------------------------- live

    def end_at(self, end_ns: int) -> None:
        """History ends at this instant, which was not known when its feeds were added."""
        self._end_ns = end_ns

    def set_batch_size(self, batch_size: int) -> None:
        """Events asked of a feed per await, from now on; it changes no result."""
        self._batch_size = batch_size
        share = WINDOW_MOST // max(len(self._lanes), 1)
        self._limit = min(batch_size, max(share, LEAST_BATCH))
        is_worth_it = self._limit >= ROWS_BATCH_LEAST and len(self._lanes) >= ROWS_LEAST
        self._takes_rows = is_worth_it and self._delays is None

    @property
    def next_own_ns(self) -> int:
        """When something comes that no live feed brings: a timer, history that a delay held back; MAX_NS for never."""
        due = MAX_NS
        for lane in self._timers:
            next_ts = lane.feed.next_ts
            if next_ts is not None and next_ts < due:
                due = next_ts
        for lane in self._lanes:
            if lane.carried and lane.carried[0].ts_received < due:
                due = lane.carried[0].ts_received
        return due

    def take_own(self, mark: int) -> list[Any]:
        """Such events before the mark, in order."""
        taken: list[Any] = []
        while self.next_own_ns < mark:
            taken += merge_window(self.lanes, self._cap_by_timers(mark)).deliveries
        return taken

    def miss_timers(self, until_ns: int) -> None:
        """Nobody was awake for it: of each repeating timer only the last moment up to this instant is still told."""
        for lane in self._timers:
            miss = getattr(lane.feed, "miss_until", None)
            if miss is not None:
                miss(until_ns)

    # ---------------------------------------------------------------------------------------------------- windows

    async def next_window(self) -> Window | None:
        """The next stretch of deliveries; None when every feed has finished and every timer has ended."""
        while True:
            for lane in self._lanes:
                if not lane.finished and lane.remaining < (lane.read_ahead or self._limit):
                    await self._refill(lane)
            if self.first_ns is None:
                self._begin()
            mark = self._mark()
            if mark is None:
                return self._last_window()
            mark = self._cap_by_timers(mark)
            window = merge_window(self.lanes, mark)
            self._last_mark = mark
            if window.deliveries or window.loads:
                self._note(window)
                return window
            # Nothing is complete yet before the mark: whoever sets it must give more.
            for lane in self._lanes:
                if not lane.finished and self._horizon(lane) == mark:
                    await self._refill(lane)

    def _begin(self) -> None:
        """A run without a start begins with its first event, and so do timers that were given no start of their own."""
        firsts = (lane.first_ns for lane in self._lanes if lane.remaining)
        self.first_ns = min(firsts, default=None)
        if self.first_ns is not None:
            for lane in self._timers:
                if getattr(lane.feed, "waits_for_data", False):
                    lane.feed.begin_after(self.first_ns)

    def _mark(self) -> int | None:
        """Instant before which all is complete, or None when no historical feed can hold anything back."""
        marks = [self._horizon(lane) for lane in self._lanes if not lane.finished]
        return min(marks) if marks else None

    def _horizon(self, lane: Lane) -> int:
        if lane.last_ts is None:
            return self._last_mark if self._last_mark is not None else -MAX_NS
        if lane.next_ns is not None:
            return lane.next_ns if self._end_ns is None else min(lane.next_ns, self._end_ns + 1)
        # All rows before the one that went back in time are delivered before the error is raised.
        return lane.last_ts + 1 if lane.error is not None else lane.last_ts

    def _last_window(self) -> Window | None:
        """What is left when all historical feeds have finished: to `end`, else to the last event that is no timer's."""
        for lane in self._lanes:
            if lane.is_coincident and lane.last_ts is not None:
                self._last_delivery = max(lane.last_ts, -MAX_NS if self._last_delivery is None else self._last_delivery)
        self._lanes = [lane for lane in self._lanes if not lane.is_exhausted]
        if self._end_ns is not None:
            mark = self._end_ns + 1
        else:
            times = [self._last_delivery] if self._last_delivery is not None else []
            times += [lane.find_end_ns() for lane in self._lanes if lane.remaining]
            times += [lane.carried[-1].ts_received for lane in self._lanes if lane.carried]
            if not times:
                return None
            mark = max(times) + 1
        capped = self._cap_by_timers(mark)
        window = merge_window(self.lanes, capped, is_last=capped == mark)
        if self._last_mark == mark and not window.deliveries and not window.loads:
            return None
        self._last_mark = capped
        self._note(window)
        return window

    def _note(self, window: Window) -> None:
        for lane, events in window.loads:
            if lane.is_coincident:  # `_last_window` reads it off the lane; timers do not count
                continue
            last = max(map(received_time, events))
            if self._last_delivery is None or last > self._last_delivery:
                self._last_delivery = last

    # ----------------------------------------------------------------------------------------------------- fetching

    def _cap_by_timers(self, mark: int) -> int:
        """Let each timer make its events before the mark; a fast timer in a long quiet stretch lowers the mark."""
        limit = max(self._batch_size, 1_024)
        for lane in self._timers:
            ahead = lane.held[-1].ts_event if lane.remaining else None
            if ahead is not None and ahead >= mark:
                continue
            events = lane.feed.take_before(mark, limit)
            if events:
                lane.accept(self._wrap(events, lane), coincident=True)
                if len(events) == limit:
                    mark = min(mark, events[-1].ts_event + 1)
        return mark

    async def _refill(self, lane: Lane) -> None:
        """Fetch one batch into a lane; a finished feed is closed. Raises what the feed raised, or FeedOutOfOrder."""
        if lane.error is not None:
            raise lane.error
        feed = lane.feed
        if lane.gives_rows and self._takes_rows and (not lane.remaining or type(lane.held) is EventRows):
            await self._refill_rows(lane)
            return
        events = await feed.next_batch(self._limit)
        if not events:
            lane.finished = True
            await feed.close()
            return
        first_row = lane.rows + 1
        lane.rows += len(events)
        if lane.rank is None:
            events = self._wrap(events, lane)
        coincident = bool(getattr(feed, "is_coincident", False))
        if lane.is_trusted:
            # Only of event times, and where all that the feed has read is here.
            is_all = not lane.by_arrival and getattr(feed, "last_ts", None) == events[-1].ts_event
            lane.next_ns = getattr(feed, "next_ns", None) if is_all else None
        else:
            events, lane.error = check_order(feed.name, first_row, lane.last_ts, events, lane.time_of)
            if not events:
                return
        end_ns = self._end_ns
        if end_ns is not None and lane.time_of(events[-1]) > end_ns:
            events = events[: bisect_right(events, end_ns, key=lane.time_of)]
            lane.finished, lane.error = True, None
            await feed.close()
            if not events:
                return
        # Bars made by the run wait for their delayed parts already; they are not delayed a second time.
        # What is live or recorded came with the delay that it had.
        if self._delays is not None and not (lane.by_arrival or getattr(feed, "made_by_run", False)):
            delayed = self._delay(lane, events)
            coincident = coincident and delayed is events
            events = delayed
        lane.accept(events, coincident=coincident)

    async def _refill_rows(self, lane: Lane) -> None:
        """The same of a feed that has columns: no event of it is made before it is delivered."""
        feed = lane.feed
        rows: EventRows = feed.next_rows(self._limit)
        is_over = not rows
        if rows:
            lane.rows += len(rows)
            lane.next_ns = feed.next_ns
            if self._end_ns is not None and rows.last_ns > self._end_ns:
                rows, is_over = rows.split(self._end_ns + 1)[0], True
            lane.accept_rows(rows)
        if is_over:
            lane.finished = True
            await feed.close()

    def _delay(self, lane: Lane, events: list[Any]) -> list[Any]:
        assert self._delays is not None
        name = lane.rank[2] if lane.rank is not None else lane.feed.name
        delays = self._delays_of.get(lane.number)
        if delays is None:
            delays = self._delays_of[lane.number] = self._delays.fork()
        return delays.apply(name, events)

    def _wrap(self, events: list[Any], lane: Lane) -> list[Any]:
        """Envelopes for a lane whose events cannot be routed by class and series; others are returned as they are."""
        if lane.rank is not None:
            return events
        wrapped = []
        for event in events:
            ts_event, ts_received = stamp_own_event(event)
            rank = rank_of(event, lane.feed.name, lane.number)
            wrapped.append(Envelope(ts_event if self._by_event else ts_received, ts_event, event, rank, lane))
        return wrapped

    async def close(self) -> None:
        """Close every feed; idempotent."""
        for lane in self.lanes:
            await lane.feed.close()

"""Tracks: what a stream remembers to deliver each event once and to notice what is missing.

Receives: events with the venue's numbers: trade ids, ends of bars, update numbers.
Gives:    each event once; GAP when numbers are skipped, RECOVERED when the missing ones come late after all.
Never:    drops by time alone, or takes a number that comes late for one that was seen.    RELIABILITY 2 #6-#8.
"""

from __future__ import annotations

from typing import Any, Final

from tradecore.domain.feed_state import FeedState
from tradecore.venues.market_data_venue import MarketEvent

HOLES_MAX: Final = 64  # a stream with more holes at once is not a stream; the oldest stay declared and are forgotten


class IdentityTrack:
    """Of trades (step 1) and bars (step in ns): numbers are adjacent, each is delivered once.

    A number below the last is late when it lies in a hole, else a duplicate; unless it happened later than everything
    before: then the venue has begun to count anew, which nothing can bridge.
    """

    __slots__ = ("_holes", "_last_ts", "_step", "duplicates", "heard", "last", "late", "needs_resync", "news")

    def __init__(self, step: int = 1) -> None:
        self._step = step
        self._holes: list[tuple[int, int]] = []
        self._last_ts = 0
        self.last = 0
        self.news: list[tuple[FeedState, str]] = []
        self.needs_resync = False
        self.heard = 0
        self.duplicates = 0
        self.late = 0

    def take(self, item: Any, number: int) -> MarketEvent | None:
        """The event, unless its number was delivered before."""
        last = self.last
        if number == last + self._step or not last:
            self.last = number
            self._last_ts = item.ts_event
            return item  # type: ignore[no-any-return]
        if number > last:
            self._note_hole(last + self._step, number - self._step)
        elif not self._take_late(number):
            if item.ts_event <= self._last_ts:
                self.duplicates += 1
                return None
            self._holes.clear()
            self.news.append((FeedState.GAP, f"the venue counts anew: {number} follows {last}"))
        else:
            return item  # type: ignore[no-any-return]
        self.last = number
        self._last_ts = max(self._last_ts, item.ts_event)
        return item  # type: ignore[no-any-return]

    def begin_connection(self) -> None:
        """What the lost connection did not deliver will not come late; the hole itself shows with the next number."""
        self._holes.clear()

    def _note_hole(self, first: int, last: int) -> None:
        self._holes = [*self._holes[1 - HOLES_MAX :], (first, last)]
        count = (last - first) // self._step + 1
        self.news.append((FeedState.GAP, f"{count} missing: {first}" + (f" to {last}" if count > 1 else "")))

    def _take_late(self, number: int) -> bool:
        """Whether the number lies in a hole, which is then smaller."""
        step = self._step
        for index, (first, last) in enumerate(self._holes):
            if first <= number <= last and not (number - first) % step:
                around = [(first, number - step), (number + step, last)]
                self._holes[index : index + 1] = [hole for hole in around if hole[0] <= hole[1]]
                self.late += 1
                if not self._holes:
                    self.news.append((FeedState.RECOVERED, f"what was missing came late, up to {number}"))
                return True
        return False


class StateTrack:
    """Of quotes: an older state after a newer one is of no use; a new connection may count anew.

    Without numbers (0) the venue's time tells which state is the older one; one of the very same time is delivered,
    unless it repeats the last.
    """

    __slots__ = ("_last_ts", "_state", "duplicates", "heard", "last", "late", "needs_resync", "news")

    def __init__(self) -> None:
        self.last = 0
        self._last_ts = 0
        self._state: tuple[Any, ...] = ()
        self.news: list[tuple[FeedState, str]] = []
        self.needs_resync = False
        self.heard = 0
        self.duplicates = 0
        self.late = 0

    def take(self, item: Any, number: int) -> MarketEvent | None:
        """The event, unless a newer one was delivered."""
        if number:
            if number <= self.last:
                self.duplicates += 1
                return None
            self.last = number
            return item  # type: ignore[no-any-return]
        state = (item.ts_event, item.bid_price, item.bid_size, item.ask_price, item.ask_size)
        if state == self._state:
            self.duplicates += 1
            return None
        if item.ts_event < self._last_ts:
            self.late += 1
            return None
        self._state, self._last_ts = state, item.ts_event
        return item  # type: ignore[no-any-return]

    def begin_connection(self) -> None:
        """Numbers and times of a new connection are not compared with those of the lost one."""
        self.last = self._last_ts = 0

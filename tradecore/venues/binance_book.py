"""BinanceBook: the track of a depth stream, in sequence by update numbers.

Receives: changes U..u of the book, and a whole book as of an update number.
Gives:    a DepthSnapshot of the best levels after each change that follows on the one before.
Never:    applies a change across a gap: it declares the GAP, waits for a whole book, and says RECOVERED.
          VENUES 4.1 (how to manage a local order book correctly); RELIABILITY 2 #7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED, NO_VENUE_TIME
from tradecore.domain.feed_state import FeedState
from tradecore.venues.book_side import BookSide
from tradecore.venues.feed_dialect import BookChange, Stamp

CHANGES_WAITING_MAX: Final = (
    1_000  # 100 s of changes at 100 ms: if no whole book came by then, older ones are of no use
)
LEVELS_KEPT_MAX: Final = 10_000  # of a side; far beyond any snapshot that is asked for


class BinanceBook:
    """One book. It needs a whole book (`needs_resync`) at first, after a gap, and after a lost connection."""

    def __init__(self, instrument: str, levels: int) -> None:
        self._instrument = instrument
        self._levels = levels
        self._bids: BookSide[float] = BookSide(-1)
        self._asks: BookSide[float] = BookSide(1)
        self._waiting: deque[BookChange] = deque(maxlen=CHANGES_WAITING_MAX)
        self._last = 0
        self._has_gap = False
        self.news: list[tuple[FeedState, str]] = []
        self.needs_resync = True
        self.heard = 0
        self.duplicates = 0
        self.late = 0

    def take(self, change: BookChange, number: int) -> DepthSnapshot | None:
        """The book after a change that follows on the last one; None for one seen before or while out of sequence."""
        if self.needs_resync:
            self._waiting.append(change)
            return None
        if number <= self._last:
            self.duplicates += 1
            return None
        if change.first > self._last + 1:
            self._break(f"updates {self._last + 1} to {change.first - 1} are missing")
            self._waiting.append(change)
            return None
        self._apply(change)
        return self._snapshot(change.ts_event, change.ts_received, change.flags)

    def begin_connection(self) -> None:
        """The lost connection's sequence cannot be followed; RECOVERED is said when the new one's can."""
        self._waiting.clear()
        self.needs_resync = self._has_gap = True

    def begin(
        self,
        last: int,
        bids: Iterable[tuple[float, float]],
        asks: Iterable[tuple[float, float]],
        stamp: Stamp,
        *,
        ts_event: int | None = None,
        flags: int = 0,
    ) -> DepthSnapshot | None:
        """Begin with a whole book as of update `last`, then what waited. ts_event: its time, where it carries one.

        None, and still in need of one, when it is older than the first change that waits: a later one is needed.
        """
        waiting = [change for change in self._waiting if change.last > last]
        if waiting and waiting[0].first > last + 1:
            return None
        self._bids.clear()
        self._asks.clear()
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for price, size in levels:
                if size:
                    side.put(price, size)
        self._last = last
        self._waiting.clear()
        self.needs_resync = False
        for change in waiting:
            if change.first > self._last + 1:
                self._break(f"updates {self._last + 1} to {change.first - 1} are missing")
                return None
            self._apply(change)
        if self._has_gap:
            self._has_gap = False
            self.news.append((FeedState.RECOVERED, f"the book is in sequence again at update {self._last}"))
        now = stamp()
        if waiting:
            return self._snapshot(waiting[-1].ts_event, now, flags)
        if ts_event is not None:
            return self._snapshot(ts_event, now, flags)
        return self._snapshot(now, now, flags | NO_VENUE_TIME)

    def _break(self, reason: str) -> None:
        self.needs_resync = self._has_gap = True
        self.news.append((FeedState.GAP, reason))

    def _apply(self, change: BookChange) -> None:
        for side, levels in ((self._bids, change.bids), (self._asks, change.asks)):
            for price, size in levels:
                if size:
                    side.put(price, size)
                else:
                    side.remove(price)
            if len(side) > LEVELS_KEPT_MAX:
                side.cut(LEVELS_KEPT_MAX)
        self._last = change.last

    def _snapshot(self, ts_event: int, ts_received: int, flags: int) -> DepthSnapshot:
        bids, asks = tuple(self._bids.best(self._levels)), tuple(self._asks.best(self._levels))
        if bids and asks and bids[0][0] > asks[0][0]:
            flags |= CROSSED
        return DepthSnapshot(self._instrument, ts_event, ts_received, bids, asks, self._last, flags)

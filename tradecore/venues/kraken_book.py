"""KrakenBook: the track of a book channel, which has no numbers: a checksum of the best levels proves it.

Receives: a whole book, then changes, each with the CRC32 that the venue computed after it.
Gives:    a DepthSnapshot after each change whose checksum agrees, of the ten levels that it covers: a change lost
          further down would not show.
Never:    goes on with a book whose checksum differs: it declares the GAP and asks for a whole one.
          VENUES 4.2 (guides/websockets/book-checksum-v2).
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED
from tradecore.domain.feed_state import FeedState
from tradecore.venues.book_side import BookSide
from tradecore.venues.feed_dialect import BookChange

CHECKED_LEVELS: Final = 10

Level = tuple[float, str]
"""What a level of a side holds: its size, and what it adds to the checksum's text."""


class KrakenBook:
    """One book of at most `depth` levels a side (as subscribed), delivered with its best `levels`, ten at most."""

    def __init__(self, instrument: str, levels: int, depth: int) -> None:
        self._instrument = instrument
        self._levels = min(levels, CHECKED_LEVELS)
        self._depth = depth
        self._bids: BookSide[Level] = BookSide(-1)
        self._asks: BookSide[Level] = BookSide(1)
        self._is_begun = False
        self._has_gap = False
        self._last_ts = 0
        self.news: list[tuple[FeedState, str]] = []
        self.needs_resync = False
        self.heard = 0
        self.duplicates = 0
        self.late = 0

    def take(self, change: BookChange, _number: int) -> DepthSnapshot | None:
        """The book after the change; None while it waits for a whole one."""
        if change.is_whole:
            self._bids.clear()
            self._asks.clear()
            self._is_begun = True
        elif not self._is_begun:
            self.needs_resync = True
            return None
        for side, levels in ((self._bids, change.bids), (self._asks, change.asks)):
            for price, size, text in levels:
                if size:
                    side.put(price, (size, text))
                else:
                    side.remove(price)
            side.cut(self._depth)
        checksum = self.compute_checksum()
        if change.checksum is not None and checksum != change.checksum:
            self._break(f"checksum {checksum}, the venue has {change.checksum}")
            return None
        self.needs_resync = False
        if self._has_gap:
            self._has_gap = False
            self.news.append((FeedState.RECOVERED, "a whole book came, and its checksum agrees"))
        if change.ts_event < self._last_ts:
            self.late += 1  # a successor tells again what the old connection has told: followed, not delivered
            return None
        self._last_ts = change.ts_event
        return self._snapshot(change)

    def begin_connection(self) -> None:
        """A new connection sends a whole book of its own accord."""
        self._is_begun = False
        self._has_gap = True
        self._last_ts = 0

    def compute_checksum(self) -> int:
        """CRC32 of the ten best asks, lowest first, then the ten best bids, highest first."""
        best = self._asks.best(CHECKED_LEVELS) + self._bids.best(CHECKED_LEVELS)
        return crc32("".join([level[1] for _, level in best]).encode())

    def _break(self, reason: str) -> None:
        self._is_begun = False
        self.needs_resync = self._has_gap = True
        self.news.append((FeedState.GAP, reason))

    def _snapshot(self, change: BookChange) -> DepthSnapshot:
        bids = tuple([(price, level[0]) for price, level in self._bids.best(self._levels)])
        asks = tuple([(price, level[0]) for price, level in self._asks.best(self._levels)])
        flags = change.flags
        if bids and asks and bids[0][0] > asks[0][0]:
            flags |= CROSSED
        return DepthSnapshot(self._instrument, change.ts_event, change.ts_received, bids, asks, 0, flags)


def checksum_text(price: str, size: str) -> str:
    """What a level adds to the checksum's text: both numbers without the point and without leading zeros.

    >>> checksum_text("45285.2", "0.00100000")
    '452852100000'
    """
    return price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")

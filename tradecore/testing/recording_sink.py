"""RecordingSink: a VenueSink that remembers everything, for tests of venues.

Receives: a clock; what a venue puts.
Gives:    the entries in order, by stream where asked; a wait without sleeping.
Never:    checks: the venue contract does.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.venues.market_data_venue import MarketEvent


class RecordingSink:
    """entries: events and FeedStateChanged in the order of arrival. frames: raw, as they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._changed = anyio.Event()
        self.entries: list[tuple[Stream, MarketEvent | FeedStateChanged]] = []
        self.frames: list[str | bytes] = []

    def stamp(self) -> int:
        """max(last + 1 ns, clock)."""
        self._last = max(self._last + 1, self._clock.wall_ns())
        return self._last

    def put(self, stream: Stream, event: MarketEvent) -> None:
        """Remember an event."""
        self._remember(stream, event)

    def put_state(self, stream: Stream, state: FeedState, reason: str) -> None:
        """Remember a state."""
        self._remember(stream, FeedStateChanged(stream, state, self.stamp(), reason))

    def put_frame(self, frame: str | bytes) -> None:
        """Remember a frame."""
        self.frames.append(frame)

    def events(self, stream: Stream) -> list[MarketEvent]:
        """The events of a stream, in order of arrival."""
        return [item for of, item in self.entries if of == stream and not isinstance(item, FeedStateChanged)]

    def changes(self, stream: Stream) -> list[FeedStateChanged]:
        """The changes of state of a stream, in order."""
        return [item for of, item in self.entries if of == stream and isinstance(item, FeedStateChanged)]

    def states(self, stream: Stream) -> list[FeedState]:
        """The states of a stream, in order."""
        return [change.state for change in self.changes(stream)]

    async def wait_for(self, is_enough: Callable[[], bool]) -> None:
        """Returns when the condition holds after something was put; bound it with a timeout of your own."""
        while not is_enough():
            await self._changed.wait()

    def _remember(self, stream: Stream, item: MarketEvent | FeedStateChanged) -> None:
        self.entries.append((stream, item))
        self._changed.set()
        self._changed = anyio.Event()

"""Pace: how many events may be delivered between two real checkpoints while live input is open.

Receives: how many events the last stretch had, and how long it took.
Gives:    a limit that keeps a stretch near two milliseconds, however slow the callbacks are.
Never:    changes what is delivered or in which order: batch sizes change no result (DESIGN 5), only who waits.
          DESIGN 6.
"""

from __future__ import annotations

from typing import Final

from tradecore.domain.clock import Clock

STRETCH_NS: Final = 2_000_000
"""Between two checkpoints: at 1,000 messages a second it keeps the ingest delay at 0.4 ms for 6 % of speed."""

EVENTS_MAX: Final = 1_024


class Pace:
    """limit: events of the next stretch, 1 to 1,024. Call `begin`, then `end` with the number that was delivered."""

    def __init__(self, clock: Clock, *, stretch_ns: int = STRETCH_NS) -> None:
        self.limit = EVENTS_MAX
        self._monotonic_ns = clock.monotonic_ns
        self._stretch_ns = stretch_ns
        self._began_ns = 0

    def begin(self) -> None:
        """A stretch begins."""
        self._began_ns = self._monotonic_ns()

    def end(self, events: int) -> None:
        """It is over: the next one may have as many events as two milliseconds hold, at most twice as many as now."""
        took_ns = self._monotonic_ns() - self._began_ns
        if took_ns > self._stretch_ns:
            self.limit = max(events * self._stretch_ns // took_ns, 1)
        elif events >= self.limit and 2 * took_ns < self._stretch_ns:
            self.limit = min(2 * self.limit, EVENTS_MAX)

"""Timeline: what time it is, for everybody.

Receives: the instant of each turn, from the engine.
Gives:    `now`, the same for all callbacks of a turn, in every phase; it never goes back. `SystemClock` for what needs
          a wall clock: waking an idle live engine, progress on a terminal, durations.
Never:    lets a decision depend on the wall clock. This file and venues/ are the only ones that read one.
          Spec: 3.1; DESIGN 4.
"""

from __future__ import annotations

import time


class Timeline:
    """The engine's time in int nanoseconds since 1970 UTC. The engine alone writes it."""

    __slots__ = ("now",)

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def advance_to(self, ts: int) -> None:
        """Move to an instant that is not earlier than now."""
        assert ts >= self.now, f"time cannot go back from {self.now} to {ts}"
        self.now = ts


class SystemClock:
    """The machine's clocks, as the Clock protocol wants them."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC by the wall clock; may step either way."""
        return time.time_ns()  # noqa: TID251  (the one place that may)

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back."""
        return time.monotonic_ns()

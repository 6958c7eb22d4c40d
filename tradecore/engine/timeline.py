"""Timeline: what time it is, for everybody.

Receives: the instant of each turn, from the engine.
Gives:    `now`, the same for all callbacks of a turn, in every phase; it never goes back. `SystemClock` for what needs
          a wall clock: waking an idle live engine, progress on a terminal, durations. `ScaledClock` for a market that
          is played faster than it was.
Never:    lets a decision depend on the wall clock. This file and venues/ are the only ones that read one.
          Spec: 3.1; DESIGN 4.
"""

from __future__ import annotations

import time
from typing import Final

from tradecore.domain.clock import Clock
from tradecore.domain.instant import SECOND_NS

WAIT_S_MAX: Final = 60.0
"""An idle engine looks at the clock at least this often: clocks are set, and machines sleep."""


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

    rate: Final = 1.0

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC by the wall clock; may step either way."""
        return time.time_ns()  # noqa: TID251  (the one place that may)

    def monotonic_ns(self) -> int:
        """Nanoseconds of a clock that never goes back."""
        return time.monotonic_ns()


class ScaledClock:
    """Somebody else's time, which may run faster than ours: `clock = "venue"`.

    now_ns: that time at this very moment, int nanoseconds since 1970 UTC. rate: its seconds in one of ours, > 0.
    """

    def __init__(self, now_ns: int, rate: float, clock: Clock | None = None) -> None:
        self.rate = rate
        self._clock = clock or SystemClock()
        self._epoch_ns = now_ns
        self._began_ns = self._clock.monotonic_ns()

    def wall_ns(self) -> int:
        """That time, nanoseconds since 1970 UTC."""
        return self._epoch_ns + int((self._clock.monotonic_ns() - self._began_ns) * self.rate)

    def monotonic_ns(self) -> int:
        """Our own: durations are of this machine."""
        return self._clock.monotonic_ns()


def compute_wait_s(clock: Clock, until_ns: int) -> float:
    """Seconds of our own until a clock shows an instant, 0.0 to WAIT_S_MAX."""
    left_s = max(until_ns - clock.wall_ns(), 0) / SECOND_NS / float(getattr(clock, "rate", 1.0))
    return min(left_s, WAIT_S_MAX)

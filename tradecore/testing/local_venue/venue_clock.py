"""VenueClock: the local venue's own time, which may run faster than ours.

Receives: the instant at which it starts, a rate, a clock that never goes back (the event loop's, unless given).
Gives:    the venue's time, and how long to wait for an instant of it.
Never:    reads a wall clock: under virtual time it is virtual, and a recorded day plays at any speed.
          Spec: issue 4, item 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from tradecore.domain.instant import SECOND_NS

MonotonicNs = Callable[[], int]


def read_loop_ns() -> int:
    """Nanoseconds of the running loop's clock: virtual under a virtual loop."""
    return int(asyncio.get_running_loop().time() * SECOND_NS)


class VenueClock:
    """Venue time: `epoch_ns` when it is started, then `rate` seconds for each second of `monotonic_ns`.

    epoch_ns: int nanoseconds since 1970 UTC. rate: > 0; 20.0 plays a day in 72 minutes.
    """

    def __init__(self, epoch_ns: int, rate: float = 1.0, monotonic_ns: MonotonicNs = read_loop_ns) -> None:
        assert rate > 0, "checked where the setting enters"
        self.epoch_ns: Final = epoch_ns
        self.rate: Final = float(rate)
        self._monotonic_ns = monotonic_ns
        self._started_ns: int | None = None

    def start(self) -> None:
        """Begin to run; until then it stands at its epoch."""
        if self._started_ns is None:
            self._started_ns = self._monotonic_ns()

    def now_ns(self) -> int:
        """The venue's time in nanoseconds since 1970 UTC."""
        if self._started_ns is None:
            return self.epoch_ns
        return self.epoch_ns + int((self._monotonic_ns() - self._started_ns) * self.rate)

    def seconds_until(self, at_ns: int) -> float:
        """Seconds of our own time until the venue's time reaches an instant; 0.0 when it has."""
        return max(at_ns - self.now_ns(), 0) / SECOND_NS / self.rate

    def own_seconds(self, venue_seconds: float) -> float:
        """How long a stretch of the venue's time lasts for us, in seconds."""
        return venue_seconds / self.rate

"""Clock: where the time comes from when nothing else says it.

The engine never reads a clock for what it decides (DESIGN 4): `now` is the instant of the turn. A clock only
says when an idle live engine wakes, and stamps arrivals. It is a parameter, so that tests can hold it still.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Source of wall time and of a time that never steps back."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC by the wall clock; may step either way."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some fixed point; never goes back. For durations and deadlines only."""
        ...

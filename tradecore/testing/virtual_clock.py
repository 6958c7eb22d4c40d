"""VirtualClock: the wall clock and the monotonic clock of a run on virtual time.

Receives: the loop's own time (int nanoseconds since its start) and the instant at which the run starts.
Gives:    the Clock protocol of domain/clock.py, advancing with the loop to the nanosecond; steps of the wall clock on
          demand, as a time server or a resumed machine makes them. A second clock with an offset is a venue's clock.
Never:    reads the machine's clocks.    Spec: DESIGN 4; RELIABILITY 2 row 14.
"""

from __future__ import annotations

from typing import Protocol

from tradecore.domain.instant import format_ns


class ElapsedTime(Protocol):
    """What a virtual clock follows: the virtual loop."""

    @property
    def elapsed_ns(self) -> int:
        """Nanoseconds of virtual time since the run began."""
        ...


class VirtualClock:
    """Wall time and monotonic time that only the virtual loop moves.

    start_ns: the wall clock's instant when the run began, nanoseconds since 1970 UTC.
    """

    __slots__ = ("_elapsed", "_offset_ns", "start_ns")

    def __init__(self, elapsed: ElapsedTime, start_ns: int, *, offset_ns: int = 0) -> None:
        self._elapsed, self.start_ns, self._offset_ns = elapsed, start_ns, offset_ns

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC; steps either way by `step_wall`."""
        return self.start_ns + self._offset_ns + self._elapsed.elapsed_ns

    def monotonic_ns(self) -> int:
        """Nanoseconds since the run began; never steps."""
        return self._elapsed.elapsed_ns

    def step_wall(self, step_ns: int) -> None:
        """Move the wall clock by so many nanoseconds, either way, at once; deadlines do not notice."""
        self._offset_ns += step_ns

    def with_offset(self, offset_ns: int) -> VirtualClock:
        """Another clock of the same run that is so far ahead of this one (behind, if negative)."""
        return VirtualClock(self._elapsed, self.start_ns, offset_ns=self._offset_ns + offset_ns)

    def __repr__(self) -> str:
        return f"<VirtualClock {format_ns(self.wall_ns())}>"

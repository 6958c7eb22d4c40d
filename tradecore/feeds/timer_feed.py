"""Timer feeds: moments that a strategy asked for, made when the merge comes near them.

Receives: a start, a period; the mark up to which time is being merged.
Gives:    RepeatingEvent at start + k * period, exactly (no drift); OneTimeEvent at its moment.
Never:    reads a clock and never waits: time is the merge's (in phases B and C every tick comes at its own instant).
          Spec: 1.2, 3.1; DESIGN 5.
"""

from __future__ import annotations

from itertools import repeat
from typing import Any

from tradecore.domain.instant import MAX_NS, check_ns, format_ns
from tradecore.domain.time_event import OneTimeEvent, RepeatingEvent
from tradecore.errors import InvalidTime
from tradecore.feeds.event_feed import BaseFeed


class TimerFeed(BaseFeed):
    """What both timers share. The queue calls `take_before`; `next_batch` serves who uses a timer by itself."""

    is_timer = True
    is_trusted = True
    is_coincident = True

    def __init__(self, name: str) -> None:
        super().__init__(name, ["time_event"])

    @property
    def next_ts(self) -> int | None:
        """The next moment, int nanoseconds; None when there is none."""
        raise NotImplementedError

    def take_before(self, mark_ns: int, limit: int) -> list[Any]:
        """At most limit events with ts_event strictly before the mark, in order, each handed out once."""
        raise NotImplementedError

    def skip_before(self, ts: int) -> None:
        """Leave out the moments before this instant: a timer that is added late starts at `now`."""
        raise NotImplementedError

    async def next_batch(self, limit: int) -> list[Any]:
        """The next moments, without waiting for them; a timer without an end never finishes."""
        return self.take_before(MAX_NS + 1, limit)

    def cancel(self) -> None:
        """No further moment comes."""
        self._finished = True

    async def close(self) -> None:
        """The same as `cancel`."""
        self.cancel()


class OneTimeTimerFeed(TimerFeed):
    """One OneTimeEvent at `at_ns`, int nanoseconds since 1970 UTC. Raises: InvalidTime."""

    def __init__(self, name: str, at_ns: int) -> None:
        super().__init__(name)
        self.at_ns = check_ns(at_ns, f"time of timer {name!r}")

    @property
    def next_ts(self) -> int | None:
        """Its moment, until it has been handed out."""
        return None if self._finished else self.at_ns

    def take_before(self, mark_ns: int, limit: int) -> list[Any]:
        """Its event, once, if its moment lies before the mark."""
        if self._finished or self.at_ns >= mark_ns or limit < 1:
            return []
        self._finished = True
        return [OneTimeEvent(self.name, self.at_ns, self.at_ns)]

    def skip_before(self, ts: int) -> None:
        """Finished without an event if its moment lies before this instant."""
        if self.at_ns < ts:
            self._finished = True


class RepeatingTimerFeed(TimerFeed):
    """RepeatingEvents at start_ns + k * period_ns, k = 0, 1, 2 ..., up to and including end_ns.

    Times in int nanoseconds; period_ns > 0. Raises: InvalidTime.
    """

    def __init__(self, name: str, start_ns: int, period_ns: int, end_ns: int | None = None) -> None:
        super().__init__(name)
        self.start_ns = check_ns(start_ns, f"start of timer {name!r}")
        self.end_ns = MAX_NS if end_ns is None else check_ns(end_ns, f"end of timer {name!r}")
        if type(period_ns) is not int or period_ns < 1:
            raise InvalidTime(f"period of timer {name!r} is {period_ns!r}; expected int nanoseconds above 0")
        if self.end_ns < self.start_ns:
            raise InvalidTime(
                f"timer {name!r} ends at {format_ns(self.end_ns)}, before it starts at {format_ns(self.start_ns)}"
            )
        self.period_ns = period_ns
        self.waits_for_data = False  # whether the queue shall call `begin_after` with the run's first event
        self._count = 0  # k of the next moment
        self._missed = 0  # moments before it that were passed over
        self._last_count = (self.end_ns - self.start_ns) // period_ns

    @property
    def next_ts(self) -> int | None:
        """start + k * period of the next k."""
        if self._finished or self._count > self._last_count:
            return None
        return self.start_ns + self._count * self.period_ns

    def take_before(self, mark_ns: int, limit: int) -> list[Any]:
        """The next moments strictly before the mark, at most limit of them."""
        if self._finished:
            return []
        first = self._count
        # k * period < mark - start, so the first k that is too late is the quotient rounded up.
        stop = min(-((self.start_ns - mark_ns) // self.period_ns), self._last_count + 1, first + limit)
        if stop <= first:
            return []
        self._count = stop
        if stop > self._last_count:
            self._finished = True
        start, period = self.start_ns, self.period_ns
        times = range(start + first * period, start + stop * period, period)
        events = list(map(RepeatingEvent, repeat(self.name), times, times, range(first, stop)))
        if self._missed:
            events[0] = RepeatingEvent(self.name, times[0], times[0], first, self._missed)
            self._missed = 0
        return events

    def miss_until(self, ts: int) -> None:
        """Pass over all moments up to this instant but the last; the next event says how many."""
        last = min((ts - self.start_ns) // self.period_ns, self._last_count)
        if not self._finished and last > self._count:
            self._missed += last - self._count
            self._count = last

    def begin_after(self, ts: int) -> None:
        """Start over at the first whole multiple of the period since 1970 UTC that lies after this instant."""
        self.start_ns = (ts // self.period_ns + 1) * self.period_ns
        self._count = 0
        self._last_count = (self.end_ns - self.start_ns) // self.period_ns
        if self._last_count < 0:
            self._finished = True

    def skip_before(self, ts: int) -> None:
        """The first moment will be the first one at or after this instant; k counts on from the start."""
        self._count = max(self._count, -((self.start_ns - ts) // self.period_ns))
        if self._count > self._last_count:
            self._finished = True

"""AlarmFeed: a timer whose moments are set one by one while the run goes on.

Receives: moments, in any order.
Gives:    a OneTimeEvent, named after the feed, at each of them.
Never:    knows what a moment was for: who set it finds that out when it comes.    Spec: 1.2; DESIGN 5.

One feed serves any number of alarms; a timer feed for each would leave a lane in the queue for each that ever was.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from tradecore.domain.instant import check_ns
from tradecore.domain.time_event import OneTimeEvent
from tradecore.feeds.timer_feed import TimerFeed


class AlarmFeed(TimerFeed):
    """Moments of one owner. After `set` the engine must be told (`TradingEngine.renew_timer`)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._times: list[int] = []

    def set(self, at_ns: int) -> None:
        """One event at this moment, int nanoseconds since 1970 UTC. Raises: InvalidTime."""
        heappush(self._times, check_ns(at_ns, f"time of alarm {self.name!r}"))

    @property
    def next_ts(self) -> int | None:
        """The earliest moment that was not handed out."""
        return self._times[0] if self._times and not self._finished else None

    def take_before(self, mark_ns: int, limit: int) -> list[Any]:
        """Events before the mark, in order, each handed out once."""
        events: list[Any] = []
        while len(events) < limit and self.next_ts is not None and self._times[0] < mark_ns:
            at_ns = heappop(self._times)
            events.append(OneTimeEvent(self.name, at_ns, at_ns))
        return events

    def skip_before(self, ts: int) -> None:
        """Leave out moments before this instant."""
        while self._times and self._times[0] < ts:
            heappop(self._times)

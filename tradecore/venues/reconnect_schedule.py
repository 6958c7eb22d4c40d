"""When to connect again: the back-off of one connection, and the budget of a host.

Receives: how long the last connection lived, what time it is (monotonic), a key for chance.
Gives:    seconds to wait.
Never:    waits itself, reads a clock or a random source; a connection that is closed at once does not start anew.
          RELIABILITY 2 #4, 7.4.
"""

from __future__ import annotations

from collections import deque

from tradecore.domain.delay_law import draw_key
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.venues.connection_settings import ConnectionSettings


class ReconnectSchedule:
    """Full jitter: uniform between 0 and a bound that doubles with each attempt, until one lived long enough."""

    def __init__(self, settings: ConnectionSettings, name: str, seed: int) -> None:
        self._settings = settings
        self._key = (seed, name)
        self._draws = 0
        self.attempt = 0

    def note_uptime(self, uptime_ns: int) -> None:
        """A connection ended after this long."""
        if uptime_ns >= self._settings.uptime_min_s * SECOND_NS:
            self.attempt = 0

    def next_delay_s(self, at_least_s: float = 0.0) -> float:
        """Seconds until the next attempt, at least what the venue asked for."""
        settings = self._settings
        # Beyond 2**30 the bound has long been reached; a larger power would only overflow.
        bound = min(settings.reconnect_max_s, settings.reconnect_min_s * 2.0 ** min(self.attempt, 30))
        self.attempt += 1
        self._draws += 1
        chance = draw_key(*self._key, "reconnect", self._draws) / 2**64
        return at_least_s + float(bound * chance)


class WeightBudget:
    """Questions weigh, and a venue takes so much weight a minute: how long to wait before the next.

    limit: of a minute; what the venue itself says it has counted replaces our own count.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._minute = 0
        self._used = 0

    def take(self, weight: int, now_ns: int) -> float:
        """Claim weight: 0.0 when it is granted and counted, else the seconds until the next minute."""
        minute, into_ns = divmod(now_ns, MINUTE_NS)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        if self._used and self._used + weight > self.limit:
            return (MINUTE_NS - into_ns) / SECOND_NS
        self._used += weight
        return 0.0

    def note_used(self, used: int) -> None:
        """The venue has counted this much in its present minute, other programs of this address included."""
        self._used = max(self._used, used)


class ConnectBudget:
    """At most so many connections to one host in any window. Adapters to one host share one."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._window_ns = round(settings.connects_window_s * SECOND_NS)
        self._made: deque[int] = deque(maxlen=settings.connects_max)

    def take(self, now_ns: int) -> float:
        """Claim a connection: 0.0 when it may be made now and is counted, else the seconds to wait and ask again."""
        made = self._made
        if len(made) == made.maxlen and now_ns - made[0] < self._window_ns:
            return (made[0] + self._window_ns - now_ns) / SECOND_NS
        made.append(now_ns)
        return 0.0

"""RequestBudget: how much a client may ask before the venue refuses, and bans.

Receives: the weight of each request, at an instant of the venue's time.
Gives:    the weight used in the present window, or the status (429, then 418) and how long to stay away.
Never:    forgets a client that goes on after a 429.    Source: VENUES 4.1, 4.2.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradecore.domain.instant import MINUTE_NS, SECOND_NS

TOO_MANY: Final = 429
BANNED: Final = 418
_BAN_FIRST_NS: Final = 2 * MINUTE_NS
_REFUSALS_MAX: Final = 10  # requests after a 429 before the ban


class Spent(msgspec.Struct, frozen=True):
    """What came of a request. status: 200, 429 or 418. used: weight of this window. retry_at_ns: 0 when accepted."""

    status: int
    used: int
    retry_at_ns: int = 0


class RequestBudget:
    """Binance's budget: weights in windows of one minute, a ban for who does not heed."""

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self._window = -1
        self._used = self._refused = self._bans = 0
        self._banned_until_ns = 0

    def spend(self, weight: int, now_ns: int) -> Spent:
        """Take a request into account."""
        window = now_ns // MINUTE_NS
        if window != self._window:
            self._window, self._used, self._refused = window, 0, 0
        if now_ns < self._banned_until_ns:
            return Spent(BANNED, self._used, self._banned_until_ns)
        if self._used + weight <= self.limit:
            self._used += weight
            return Spent(200, self._used)
        self._refused += 1
        if self._refused > _REFUSALS_MAX:
            self._bans += 1
            self._banned_until_ns = now_ns + _BAN_FIRST_NS * self._bans
            return Spent(BANNED, self._used, self._banned_until_ns)
        return Spent(TOO_MANY, self._used, (window + 1) * MINUTE_NS)


class CallCounter:
    """Kraken's budget: a counter that each call raises by one and that falls steadily."""

    def __init__(self, calls_max: int, per_second: float) -> None:
        self._max, self._fall_ns = calls_max, per_second / SECOND_NS
        self._count, self._at_ns = 0.0, 0

    def spend(self, now_ns: int) -> bool:
        """True when the call is within the budget."""
        self._count = max(self._count - (now_ns - self._at_ns) * self._fall_ns, 0.0)
        self._at_ns = now_ns
        if self._count + 1 > self._max:
            return False
        self._count += 1
        return True

"""BarSeries: the bars of one interval, made of the venue's own trades.

Receives: trades in the order in which they were published.
Gives:    one bar for each interval since the first trade, flat ones where nothing traded, as the real venues do.
Never:    knows whether an interval is over: who asks says what time it is.    VENUES 4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tradecore.domain.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, to_datetime, to_ns
from tradecore.testing.local_venue.venue_event import VenueTrade

_UNIT_NS: Final = {"s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}
_MONDAY_NS: Final = 4 * DAY_NS  # 1970-01-05 was a Monday
_DECEMBER: Final = 12

INTERVALS: Final = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"
)  # fmt: skip

FindStart = Callable[[int], tuple[int, int]]


class VenueBar:
    """One interval [open_ns, end_ns) in whole increments. first_id is -1 while nothing traded in it."""

    __slots__ = (
        "close", "count", "end_ns", "first_id", "high", "last_id", "low", "open", "open_ns", "taker_value",
        "taker_volume", "value", "volume",
    )  # fmt: skip

    def __init__(self, open_ns: int, end_ns: int, price: int) -> None:
        self.open_ns, self.end_ns = open_ns, end_ns
        self.open = self.high = self.low = self.close = price
        self.volume = self.value = self.taker_volume = self.taker_value = self.count = 0
        self.first_id = self.last_id = -1

    def add(self, trade: VenueTrade) -> None:
        """Take a trade of this interval in."""
        price, size = trade.price, trade.size
        if not self.count:
            self.open = self.high = self.low = price
            self.first_id = trade.trade_id
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.volume += size
        self.value += price * size
        if not trade.buyer_is_maker:
            self.taker_volume += size
            self.taker_value += price * size
        self.count += 1
        self.last_id = trade.trade_id


class BarSeries:
    """Bars of one interval, oldest first, without holes."""

    def __init__(self, interval: str) -> None:
        self._find = make_interval_finder(interval)
        self._bars: list[VenueBar] = []

    def add(self, trade: VenueTrade) -> None:
        """Take the next trade in."""
        self.extend_to(trade.event_ns, trade.price)
        place = -1
        while self._bars[place].open_ns > trade.event_ns and -place < len(self._bars):
            place -= 1  # a recorded trade may carry a time before that of the one before it
        self._bars[place].add(trade)

    def extend_to(self, now_ns: int, price: int) -> None:
        """Add flat bars up to the interval of an instant. price: of the first bar, when there is none yet."""
        if not self._bars:
            self._bars.append(VenueBar(*self._find(now_ns), price))
        while (last := self._bars[-1]).end_ns <= now_ns:
            self._bars.append(VenueBar(*self._find(last.end_ns), last.close))

    def list_until(self, now_ns: int) -> list[VenueBar]:
        """All bars up to the one of an instant, which is still open; none before the first trade. Not to be changed."""
        if self._bars:
            self.extend_to(now_ns, 0)
        return self._bars


def make_interval_finder(interval: str) -> FindStart:
    """The function that gives start and end (int nanoseconds) of an instant's interval, in the words of Binance."""
    if interval == "1M":
        return _find_month
    step_ns = int(interval[:-1]) * _UNIT_NS[interval[-1]]
    anchor = _MONDAY_NS if interval[-1] == "w" else 0

    def find(at_ns: int) -> tuple[int, int]:
        start = at_ns - (at_ns - anchor) % step_ns
        return start, start + step_ns

    return find


def _find_month(at_ns: int) -> tuple[int, int]:
    moment = to_datetime(at_ns)
    turn = moment.month == _DECEMBER
    after = datetime(moment.year + turn, 1 if turn else moment.month + 1, 1, tzinfo=UTC)
    return to_ns(datetime(moment.year, moment.month, 1, tzinfo=UTC)), to_ns(after)

"""TradeTape: all trades of one pair, and what the venue derives from them: bars, aggregated trades.

Receives: trades with rising ids.
Gives:    stretches of them by id or by time; bars of any interval; runs of one taker as one aggregated trade.
Never:    forgets: the history that a real venue serves is all of it.    VENUES 4.1, 4.5.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from tradecore.testing.local_venue.bar_series import BarSeries, VenueBar
from tradecore.testing.local_venue.venue_event import VenueTrade

_ID = attrgetter("trade_id")
_TIME = attrgetter("event_ns")


class AggregatedTrade(msgspec.Struct, frozen=True, gc=False):
    """Trades of one instant, price and side, next to each other, as one. aggregate_id counts from 1."""

    aggregate_id: int
    event_ns: int
    price: int
    size: int
    first_id: int
    last_id: int
    buyer_is_maker: bool


class TradeTape:
    """The trades of one pair, oldest first."""

    def __init__(self) -> None:
        self.trades: list[VenueTrade] = []
        self._series: dict[str, BarSeries] = {}
        self._aggregated: list[AggregatedTrade] = []
        self._aggregated_until = 0

    def add(self, trade: VenueTrade) -> None:
        """Take the next trade in."""
        self.trades.append(trade)
        for series in self._series.values():
            series.add(trade)

    def count_until(self, now_ns: int) -> int:
        """How many trades, from the first, had happened at an instant."""
        return bisect_right(self.trades, now_ns, key=_TIME)

    def from_id(self, first_id: int, limit: int, until: int) -> list[VenueTrade]:
        """At most `limit` trades with ids from the given one on, of the first `until` trades."""
        place = bisect_left(self.trades, first_id, key=_ID)
        return self.trades[place : min(place + limit, until)]

    def after(self, at_ns: int, limit: int, until: int) -> list[VenueTrade]:
        """At most `limit` trades later than an instant, of the first `until` trades."""
        place = bisect_right(self.trades, at_ns, key=_TIME)
        return self.trades[place : min(place + limit, until)]

    def newest(self, limit: int, until: int) -> list[VenueTrade]:
        """The last `limit` of the first `until` trades, oldest first."""
        return self.trades[max(until - limit, 0) : until]

    def bars(self, interval: str, now_ns: int) -> list[VenueBar]:
        """All bars of an interval (a word of INTERVALS) up to the open one. Not to be changed."""
        series = self._series.get(interval)
        if series is None:
            series = self._series[interval] = BarSeries(interval)
            for trade in self.trades:
                series.add(trade)
        return series.list_until(now_ns)

    def aggregated(self) -> Sequence[AggregatedTrade]:
        """All aggregated trades, oldest first."""
        made = self._aggregated
        for trade in self.trades[self._aggregated_until :]:
            last = made[-1] if made else None
            if last is not None and _is_same_run(last, trade):
                made[-1] = msgspec.structs.replace(last, size=last.size + trade.size, last_id=trade.trade_id)
            else:
                ids = (trade.trade_id, trade.trade_id)
                made.append(AggregatedTrade(
                    len(made) + 1, trade.event_ns, trade.price, trade.size, *ids, trade.buyer_is_maker
                ))  # fmt: skip
        self._aggregated_until = len(self.trades)
        return made


def _is_same_run(last: AggregatedTrade, trade: VenueTrade) -> bool:
    return (
        last.event_ns == trade.event_ns
        and last.price == trade.price
        and last.buyer_is_maker == trade.buyer_is_maker
        and last.last_id + 1 == trade.trade_id
    )

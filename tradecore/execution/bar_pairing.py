"""BarPairing: bid and ask bars of one instrument, joined by equal ends.

Receives: the two series, window by window, in any order.
Gives:    lists of bid bars and ask bars of equal length and equal ends; counts of what had no partner or was crossed.
Never:    passes on a half or crossed pair: neither says what could be bought and sold at.    EXECUTION 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from tradecore.domain.bar import Bar
from tradecore.domain.instant import MAX_NS, MIN_NS


class BarPairing:
    """Joins the series `bid_name` and `ask_name`. half_pairs, crossed_pairs: counted so far."""

    def __init__(self, bid_name: str, ask_name: str) -> None:
        self.bid_name, self.ask_name = bid_name, ask_name
        self.half_pairs = 0
        self.crossed_pairs = 0
        self._bids: list[Bar] = []
        self._asks: list[Bar] = []
        self._crossed: list[int] = []  # ends of this window's crossed pairs
        self._bid_end = self._ask_end = MIN_NS  # of the newest bar of each

    def add(self, name: str, bars: Sequence[Bar]) -> tuple[list[Bar], list[Bar]]:
        """Take bars of one series in; the new pairs, in order."""
        if name == self.bid_name:
            self._bids.extend(bars)
            self._bid_end = bars[-1].ts_event
        else:
            self._asks.extend(bars)
            self._ask_end = bars[-1].ts_event
        if not self._bids or not self._asks:
            return [], []
        asks_by_end = {bar.ts_event: bar for bar in self._asks}
        pairs = [(bid, ask) for bid in self._bids if (ask := asks_by_end.get(bid.ts_event)) is not None]
        paired = {bid.ts_event for bid, _ in pairs}
        self._bids = [bar for bar in self._bids if bar.ts_event not in paired]
        self._asks = [bar for bar in self._asks if bar.ts_event not in paired]
        sound = [
            (bid, ask)
            for bid, ask in pairs
            if bid.open <= ask.open and bid.close <= ask.close and bid.high <= ask.high and bid.low <= ask.low
        ]
        if len(sound) < len(pairs):
            kept = {bid.ts_event for bid, _ in sound}
            self._crossed += [bid.ts_event for bid, _ in pairs if bid.ts_event not in kept]
        return [bid for bid, _ in sound], [ask for _, ask in sound]

    def end_window(self, until: int = MAX_NS, *, may_follow: bool = False) -> None:
        """No partner comes any more for what is left. until: the run ended at this instant, the rest never happened.

        may_follow: bars arrive one by one, so one that is newer than the whole other series still has to wait.
        """
        bids_until, asks_until = (self._ask_end, self._bid_end) if may_follow else (until, until)
        waiting_bids = [bar for bar in self._bids if bar.ts_event > bids_until]
        waiting_asks = [bar for bar in self._asks if bar.ts_event > asks_until]
        self.half_pairs += len(self._bids) + len(self._asks) - len(waiting_bids) - len(waiting_asks)
        self.crossed_pairs += len([end for end in self._crossed if end <= until])
        self._bids, self._asks, self._crossed = waiting_bids, waiting_asks, []

"""SeriesKey: what a feed of one series tells the merge about all its events at once.

Receives: a Series of storage, or kind and name.
Gives:    the rank of the kind, the bar step and the name: the merge then asks no event for them.
Never:    describes a feed of several series or of a user's own events: such a feed has no `series_key`.    DESIGN 4.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradecore.domain.bar_type import BarType
from tradecore.domain.event import RANK_BAR, RANK_DEPTH, RANK_QUOTE, RANK_TRADE
from tradecore.errors import InvalidName

KIND_RANKS: Final = {"depth": RANK_DEPTH, "quote_tick": RANK_QUOTE, "trade_tick": RANK_TRADE, "bar": RANK_BAR}


class SeriesKey(msgspec.Struct, frozen=True):
    """kind: event type. name: bar type's name, else instrument id. step_ns: of bars, 0 for ticks and tick bars."""

    kind: str
    name: str
    kind_rank: int
    step_ns: int

    @classmethod
    def of(cls, kind: str, name: str) -> SeriesKey:
        """The key of a series. Raises: InvalidName for a kind that is no market event, or a bar type that is none."""
        rank = KIND_RANKS.get(kind)
        if rank is None:
            raise InvalidName(f"series kind {kind!r} is unknown; expected one of {', '.join(sorted(KIND_RANKS))}")
        if kind == "bar":
            bar_type = BarType.parse(name)
            return cls(kind, bar_type.name, rank, bar_type.step_ns)
        return cls(kind, name, rank, 0)

"""DepthSnapshot: several levels of a book at one moment.    Spec: 5.2; DESIGN 4."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from tradecore.domain.event import CROSSED
from tradecore.domain.instrument import check_instrument_id
from tradecore.domain.market_event import TimedEvent, alias_series, check_times, fault, stamp

Level = tuple[float, float]
"""Price and size."""


class DepthSnapshot(TimedEvent, frozen=True, gc=False):
    """Levels of a book, best first: bids with falling prices, asks with rising prices.

    Each level is (price, size), float64, size > 0. sequence: the venue's update number, 0 where it has none.
    """

    event_type: ClassVar[str] = "depth"

    instrument: str
    ts_event: int
    ts_received: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence: int = 0
    flags: int = 0

    @classmethod
    def make(
        cls,
        instrument: str,
        dt_event: datetime,
        bids: Iterable[Level],
        asks: Iterable[Level],
        *,
        sequence: int = 0,
        dt_received: datetime | None = None,
        flags: int = 0,
    ) -> DepthSnapshot:
        """A checked snapshot; the flag CROSSED is set where it applies. Raises: InvalidEvent, InvalidTime."""
        ts_event, ts_received = stamp(dt_event, dt_received)
        bid_levels = tuple((float(price), float(size)) for price, size in bids)
        ask_levels = tuple((float(price), float(size)) for price, size in asks)
        if bid_levels and ask_levels and bid_levels[0][0] > ask_levels[0][0]:
            flags |= CROSSED
        depth = cls(instrument, ts_event, ts_received, bid_levels, ask_levels, sequence, flags)
        depth.check()
        return depth

    def check(self) -> None:
        """Raises InvalidEvent for NaN, infinities, sizes not above 0, levels out of order, an unflagged cross."""
        check_instrument_id(self.instrument)
        check_times(self)
        for name, levels, sign in (("bids", self.bids, -1), ("asks", self.asks, 1)):
            for price, size in levels:
                if not (isfinite(price) and isfinite(size)) or size <= 0:
                    raise fault(
                        self, f"{name} has the level ({price!r}, {size!r}); expected a finite price, size above 0"
                    )
            if any(sign * (b[0] - a[0]) <= 0 for a, b in pairwise(levels)):
                raise fault(self, f"{name} are not in order of price, best first")
        crossed = bool(self.bids and self.asks and self.bids[0][0] > self.asks[0][0])
        if crossed and not self.flags & CROSSED:
            raise fault(self, "best bid is above best ask without the flag CROSSED; DepthSnapshot.make sets it")

    if TYPE_CHECKING:

        @property
        def series(self) -> str:
            """The instrument id: key of this event's series."""


alias_series(DepthSnapshot, "instrument")

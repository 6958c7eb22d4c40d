"""TradeTick: one trade between others, as the venue printed it.    Spec: 1.2; DESIGN 4."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from tradecore.domain.event import SIZE_UNKNOWN
from tradecore.domain.instrument import check_instrument_id
from tradecore.domain.market_event import TimedEvent, alias_series, check_finite, check_size, check_times, stamp


class Aggressor(Enum):
    """Side that took: its order met one that was resting."""

    UNKNOWN = 0
    BUYER = 1
    SELLER = 2


class TradeTick(TimedEvent, frozen=True, gc=False):
    """One trade of the market.

    price: per unit, float64. size: amount, >= 0 (0.0 with SIZE_UNKNOWN where absent). trade_id: the venue's, or None.
    The constructor takes nanoseconds and checks nothing; `TradeTick.make` takes datetimes and checks.
    """

    event_type: ClassVar[str] = "trade_tick"

    instrument: str
    ts_event: int
    ts_received: int
    price: float
    size: float
    aggressor: Aggressor = Aggressor.UNKNOWN
    trade_id: str | None = None
    flags: int = 0

    @classmethod
    def make(
        cls,
        instrument: str,
        dt_event: datetime,
        price: float,
        size: float | None = None,
        *,
        aggressor: Aggressor = Aggressor.UNKNOWN,
        trade_id: str | None = None,
        dt_received: datetime | None = None,
        flags: int = 0,
    ) -> TradeTick:
        """A checked trade. size None means the source gives none. Raises: InvalidEvent, InvalidTime, InvalidName."""
        ts_event, ts_received = stamp(dt_event, dt_received)
        if size is None:
            size, flags = 0.0, flags | SIZE_UNKNOWN
        tick = cls(instrument, ts_event, ts_received, float(price), float(size), aggressor, trade_id, flags)
        tick.check()
        return tick

    def check(self) -> None:
        """Raises InvalidEvent for NaN, infinities, a negative size, a bad id or time."""
        check_instrument_id(self.instrument)
        check_times(self)
        check_finite(self, "price")
        check_size(self, "size")

    if TYPE_CHECKING:

        @property
        def series(self) -> str:
            """The instrument id: key of this event's series."""


alias_series(TradeTick, "instrument")

"""QuoteTick: best bid and best ask of a venue at one moment.    Spec: 1.2; DESIGN 4."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.instrument import check_instrument_id
from tradecore.domain.market_event import TimedEvent, alias_series, check_finite, check_size, check_times, fault, stamp


class QuoteTick(TimedEvent, frozen=True, gc=False):
    """Best bid and best ask.

    Prices per unit, float64; sizes >= 0 (0.0 with SIZE_UNKNOWN where absent). sequence: the venue's update number, 0
    where it has none. A crossed quote (bid above ask) carries the flag CROSSED: it is kept and delivered, and never
    used to execute. The constructor takes nanoseconds and checks nothing; `QuoteTick.make` checks and sets the flags.
    """

    event_type: ClassVar[str] = "quote_tick"

    instrument: str
    ts_event: int
    ts_received: int
    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float
    sequence: int = 0
    flags: int = 0

    @classmethod
    def make(
        cls,
        instrument: str,
        dt_event: datetime,
        bid_price: float,
        ask_price: float,
        bid_size: float | None = None,
        ask_size: float | None = None,
        *,
        sequence: int = 0,
        dt_received: datetime | None = None,
        flags: int = 0,
    ) -> QuoteTick:
        """A checked quote. Without both sizes the flag SIZE_UNKNOWN is set. Raises: InvalidEvent, InvalidTime."""
        ts_event, ts_received = stamp(dt_event, dt_received)
        if bid_size is None or ask_size is None:
            bid_size, ask_size, flags = 0.0, 0.0, flags | SIZE_UNKNOWN
        if bid_price > ask_price:
            flags |= CROSSED
        quote = cls(
            instrument, ts_event, ts_received, float(bid_price), float(bid_size), float(ask_price), float(ask_size),
            sequence, flags,
        )  # fmt: skip
        quote.check()
        return quote

    def check(self) -> None:
        """Raises InvalidEvent for NaN, infinities, negative sizes, or a crossed quote that is not flagged."""
        check_instrument_id(self.instrument)
        check_times(self)
        check_finite(self, "bid_price", "ask_price")
        check_size(self, "bid_size", "ask_size")
        if self.bid_price > self.ask_price and not self.flags & CROSSED:
            raise fault(
                self,
                f"bid {self.bid_price!r} above ask {self.ask_price!r} without the flag CROSSED; QuoteTick.make sets it",
            )

    @property
    def mid_price(self) -> float:
        """Half way between bid and ask."""
        return (self.bid_price + self.ask_price) / 2

    if TYPE_CHECKING:

        @property
        def series(self) -> str:
            """The instrument id: key of this event's series."""


alias_series(QuoteTick, "instrument")

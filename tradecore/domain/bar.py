"""Bar: open, high, low, close and volume of one stretch of time or one number of ticks.    Spec: 1.2; DESIGN 4."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from tradecore.domain.bar_type import BarType
from tradecore.domain.event import SIZE_UNKNOWN
from tradecore.domain.market_event import TimedEvent, alias_series, check_finite, check_size, check_times, fault, stamp


class Bar(TimedEvent, frozen=True, gc=False):
    """One bar. `ts_event` is its end; it covers [start, end).

    open, high, low, close: price per unit, float64. volume: amount traded, >= 0; 0.0 with the flag SIZE_UNKNOWN where
    the source gives none. The constructor takes nanoseconds and checks nothing; `Bar.make` takes datetimes and checks.
    """

    event_type: ClassVar[str] = "bar"

    bar_type: BarType
    ts_event: int
    ts_received: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    flags: int = 0

    @classmethod
    def make(
        cls,
        bar_type: BarType | str,
        dt_event: datetime,
        open: float,  # noqa: A002  (the field's own word)
        high: float,
        low: float,
        close: float,
        volume: float | None = None,
        *,
        dt_received: datetime | None = None,
        flags: int = 0,
    ) -> Bar:
        """A checked bar. volume None means the source gives none. Raises: InvalidEvent, InvalidTime, InvalidName."""
        ts_event, ts_received = stamp(dt_event, dt_received)
        if volume is None:
            volume, flags = 0.0, flags | SIZE_UNKNOWN
        bar = cls(
            BarType.parse(bar_type), ts_event, ts_received, float(open), float(high), float(low), float(close),
            float(volume), flags,
        )  # fmt: skip
        bar.check()
        return bar

    def check(self) -> None:
        """Raises InvalidEvent for NaN, infinities, high below low, open or close outside them, negative volume."""
        check_times(self)
        check_finite(self, "open", "high", "low", "close")
        check_size(self, "volume")
        if self.high < self.low:
            raise fault(self, f"high {self.high!r} is below low {self.low!r}")
        if not self.low <= self.open <= self.high or not self.low <= self.close <= self.high:
            raise fault(
                self,
                f"open {self.open!r} and close {self.close!r} must lie within low {self.low!r} and high {self.high!r}",
            )

    @property
    def instrument(self) -> str:
        """Instrument id of the bar type."""
        return self.bar_type.instrument

    if TYPE_CHECKING:

        @property
        def series(self) -> BarType:
            """The bar type: key of this event's series."""


alias_series(Bar, "bar_type")

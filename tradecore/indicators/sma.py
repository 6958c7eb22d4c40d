"""SMA: simple moving average, the mean of the last `period` prices.

Receives: bars, trades or quotes (see event_price.py), or bare numbers through `update_price`.
Gives:    their mean, in constant time per event.
Never:    drifts: the running sum is made anew from the window every `period` updates (exactly rounded, math.fsum), so
          its error is that of at most `period` additions, whatever the length of the run.    Spec: 4; DESIGN 13.
"""

from __future__ import annotations

from math import fsum, nan
from typing import Any

from tradecore.domain.bar import Bar
from tradecore.indicators.event_price import SIZES, price_reader


class SMA:
    """Mean of the last `period` prices. period >= 1. price: see `price_reader`.

    >>> sma = SMA(2)
    >>> for price in (1.0, 2.0, 4.0):
    ...     sma.update_price(price)
    >>> sma.value
    3.0
    """

    __slots__ = ("_is_of_close", "_next", "_read", "_sum", "_window", "is_ready", "period", "price", "value")

    def __init__(self, period: int, price: str = "close") -> None:
        if type(period) is not int or period < 1:
            raise ValueError(f"SMA period is {period!r}; expected a whole number of at least 1")
        self.period = period
        self.price = price
        self._read = price_reader(price)
        self._is_of_close = price == "close"
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.value = nan
        self.is_ready = False
        self._sum = 0.0
        self._window: list[float] = []  # a ring once it is full
        self._next = 0  # place of the oldest price, the next to go

    def update(self, event: Any, /) -> None:
        """Take an event's price in. Raises: InvalidEvent when the event has no such price."""
        # Bars' closes are what nearly every SMA is made of; they are spared the general way.
        self.update_price(event.close if self._is_of_close and type(event) is Bar else self._read(event))

    def update_price(self, price: float) -> None:
        """Take a price in: finite, price units."""
        window = self._window
        if self.is_ready:
            place = self._next
            total = self._sum + (price - window[place])
            window[place] = price
            place += 1
            if place == self.period:
                place = 0
                total = fsum(window)
            self._next = place
        else:
            window.append(price)
            if len(window) < self.period:
                return
            self.is_ready = True
            total = fsum(window)
        self._sum = total
        self.value = total / self.period

    def adjust(self, ratio: float) -> None:
        """A split: go on as if all that was seen had been in new units. ratio: new units for each old one."""
        factor = ratio if self.price in SIZES else 1.0 / ratio
        self._window = [price * factor for price in self._window]
        if self.is_ready:
            self._sum = fsum(self._window)
            self.value = self._sum / self.period

    def __repr__(self) -> str:
        state = f"{self.value!r}" if self.is_ready else f"{len(self._window)} of {self.period} seen"
        return f"SMA({self.period}, price={self.price!r}): {state}"

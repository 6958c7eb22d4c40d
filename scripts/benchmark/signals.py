"""The arithmetic of the strategies, the same object for the bare loop and for the engine."""

from __future__ import annotations

from collections import deque


class SmaSignal:
    """SMA(10) against SMA(30) as rolling sums: +1 above, -1 below, 0 while not warm or equal."""

    def __init__(self) -> None:
        self.short: deque[float] = deque(maxlen=10)
        self.long: deque[float] = deque(maxlen=30)
        self.short_sum = self.long_sum = 0.0

    def update(self, x: float) -> int:
        short, long = self.short, self.long
        if len(long) == 30:
            self.short_sum += x - short[0]
            self.long_sum += x - long[0]
            short.append(x)
            long.append(x)
        else:
            if len(short) == 10:
                self.short_sum -= short[0]
            short.append(x)
            long.append(x)
            self.short_sum += x
            self.long_sum += x
            if len(long) < 30:
                return 0
        difference = 3.0 * self.short_sum - self.long_sum  # 30 x (sma10 - sma30): a whole number of cents
        return 1 if difference > 1e-4 else -1 if difference < -1e-4 else 0


class EmaSignal:
    """EMA(20) against EMA(50) from the first value on; 0 for the first 50 values."""

    def __init__(self) -> None:
        self.count = 0
        self.short = self.long = 0.0

    def update(self, x: float) -> int:
        if self.count:
            self.short += (x - self.short) * (2 / 21)
            self.long += (x - self.long) * (2 / 51)
        else:
            self.short = self.long = x
        self.count += 1
        if self.count <= 50:
            return 0
        return 1 if self.short > self.long else -1

"""Drawdown: how far equity fell from a peak, kept while points of the curve go by.

Receives: profit over the initial capital at ascending instants (float money, int nanoseconds).
Gives:    the deepest fall in money and the deepest as a fraction of the peak's equity, each with its times.
Never:    keeps points: each is seen once and forgotten.    Spec: Strategy Performance Analysis; EXECUTION 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import msgspec


class Drawdown(msgspec.Struct, frozen=True, gc=False):
    """One fall. money: peak minus trough, >= 0, in currency. fraction: of the equity at the peak, None where that was
    0 or less. start_ns: last instant at the peak; trough_ns: first instant at the bottom; end_ns: first instant back at
    the peak, None when equity never came back. No fall at all: money 0, no times.
    """

    money: float = 0.0
    fraction: float | None = 0.0
    start_ns: int | None = None
    trough_ns: int | None = None
    end_ns: int | None = None


NO_DRAWDOWN = Drawdown()


class DrawdownTracker:
    """The deepest falls of a curve so far. The curve starts at the initial capital: profit 0."""

    __slots__ = ("_deepest", "_deepest_relative", "_initial", "peak", "peak_ns", "trough", "trough_ns")

    def __init__(self, initial: float, start_ns: int) -> None:
        """initial: capital in currency, for the fraction. start_ns: when the run started."""
        self._initial = initial
        self._deepest = NO_DRAWDOWN
        self._deepest_relative = NO_DRAWDOWN
        self.peak, self.peak_ns = 0.0, start_ns
        self.trough, self.trough_ns = 0.0, start_ns

    def track(self, ts: int, profit: float) -> None:
        """One point of the curve."""
        if profit >= self.peak:
            if self.trough < self.peak:
                self._close(ts)
            self.peak = self.trough = profit
            self.peak_ns = ts
        elif profit < self.trough:
            self.trough, self.trough_ns = profit, ts

    def track_all(self, points: Iterable[tuple[int, float]]) -> None:
        """Points of the curve, in order; the same as `track` for each, in one loop with local names."""
        peak, peak_ns, trough, trough_ns = self.peak, self.peak_ns, self.trough, self.trough_ns
        for ts, profit in points:
            if profit >= peak:
                if trough < peak:
                    self.peak, self.peak_ns, self.trough, self.trough_ns = peak, peak_ns, trough, trough_ns
                    self._close(ts)
                peak = trough = profit
                peak_ns = ts
            elif profit < trough:
                trough, trough_ns = profit, ts
        self.peak, self.peak_ns, self.trough, self.trough_ns = peak, peak_ns, trough, trough_ns

    def track_columns(self, times: Any, profits: Any) -> None:
        """The same for arrays of numpy: only points that decide something are looked at one by one."""
        import numpy as np

        if not len(times):
            return
        highest = np.maximum(np.maximum.accumulate(profits), self.peak)  # up to and including each
        tops = np.concatenate(([profits[0] >= self.peak], profits[1:] >= highest[:-1])).nonzero()[0]
        first = int(tops[0]) if len(tops) else len(profits)
        if first:  # the fall that was open goes on
            self._track_lowest(times, profits, 0, first)
        if not len(tops):
            return
        # A fall runs from a top to the next, which ends it. The first ends what was open, the last stays open.
        peaks = profits[tops]
        counts = self._may_deepen(peaks, peaks - np.minimum.reduceat(profits, tops))
        counts[0] = counts[-1] = True
        ends = np.append(tops[1:], len(profits))
        for top, end in zip(tops[counts].tolist(), ends[counts].tolist(), strict=True):
            self.track(int(times[top]), float(profits[top]))
            self._track_lowest(times, profits, top, end)
            if end < len(profits):
                self.track(int(times[end]), float(profits[end]))

    def _track_lowest(self, times: Any, profits: Any, start: int, stop: int) -> None:
        low = start + int(profits[start:stop].argmin())
        self.track(int(times[low]), float(profits[low]))

    def _may_deepen(self, peaks: Any, falls: Any) -> Any:
        """Which of many falls could be the deepest so far, in money or as a fraction; more than are, for rounding."""
        fraction = (self._deepest_relative.fraction or 0.0) * (1 - 1e-9)
        return (falls > self._deepest.money) | (falls > fraction * (self._initial + peaks))

    @property
    def deepest(self) -> Drawdown:
        """The largest fall in money; of equals the first."""
        now = self._current(None)
        return now if now.money > self._deepest.money else self._deepest

    @property
    def deepest_relative(self) -> Drawdown:
        """The largest fall as a fraction of the equity at its peak; of equals the first.

        A fall from an equity of 0 or less has no fraction and is not among them.
        """
        return _deeper_relative(self._deepest_relative, self._current(None))

    def add_capital(self, amount: float) -> None:
        """The initial capital was more by this: falls are fractions of more equity.

        Of the falls that are over, the deepest in money and the deepest as a fraction are known; the deeper of the two
        stands for all of them.
        """
        self._initial += amount
        self._deepest = _with_capital(self._deepest, amount)
        self._deepest_relative = _deeper_relative(_with_capital(self._deepest_relative, amount), self._deepest)

    def clone(self) -> DrawdownTracker:
        """A tracker that goes on from here by itself."""
        return copy(self)

    def _close(self, end_ns: int) -> None:
        ended = self._current(end_ns)
        if ended.money > self._deepest.money:
            self._deepest = ended
        self._deepest_relative = _deeper_relative(self._deepest_relative, ended)

    def _current(self, end_ns: int | None) -> Drawdown:
        if self.trough >= self.peak:
            return NO_DRAWDOWN
        money, equity = self.peak - self.trough, self._initial + self.peak
        fraction = money / equity if equity > 0 else None
        return Drawdown(money, fraction, self.peak_ns, self.trough_ns, end_ns)


def _deeper_relative(one: Drawdown, other: Drawdown) -> Drawdown:
    return other if (other.fraction or 0.0) > (one.fraction or 0.0) else one


def _with_capital(fall: Drawdown, amount: float) -> Drawdown:
    """The same fall of an equity that was higher by an amount."""
    if not fall.fraction:
        return fall
    return msgspec.structs.replace(fall, fraction=fall.money / (fall.money / fall.fraction + amount))

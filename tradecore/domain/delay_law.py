"""DelayLaw: how long something takes, drawn so that the same key always gives the same delay.

Receives: an integer key made of (seed, series, event time, ordinal) or (seed, order id, leg).
Gives:    a delay in nanoseconds, >= 0, a whole number of microseconds.
Never:    keeps state or reads a random source: a draw depends on its key and on nothing else, so neither the order
          of calls nor the order of feeds can change it.    Spec: 3.2; DESIGN 4; EXECUTION 11.
"""

from __future__ import annotations

from hashlib import blake2b
from math import exp
from statistics import NormalDist
from typing import Final

import msgspec

_NORMAL: Final = NormalDist()
_MICROSECOND: Final = 1_000


def draw_key(*parts: object) -> int:
    """A 64-bit key of these parts: the same on every machine, Python version and hash seed."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _uniform(key: int) -> float:
    """Strictly inside (0, 1), from the upper 53 bits."""
    return ((key >> 11) + 0.5) / 9_007_199_254_740_992.0  # 2**53


def _whole_microseconds(ms: float) -> int:
    return max(0, round(ms * 1_000)) * _MICROSECOND


class ConstantDelay(msgspec.Struct, frozen=True, tag="constant", forbid_unknown_fields=True):
    """Always the same. ms: milliseconds, >= 0."""

    ms: float = 0.0

    @property
    def is_zero(self) -> bool:
        """Whether it never delays; then nothing is drawn at all."""
        return _whole_microseconds(self.ms) == 0

    def draw_ns(self, key: int) -> int:
        """Delay in nanoseconds."""
        return _whole_microseconds(self.ms)


class NormalDelay(msgspec.Struct, frozen=True, tag="normal", forbid_unknown_fields=True):
    """Normal, cut at both ends: a draw outside [min_ms, max_ms] is replaced by the law's own quantile inside them.

    mean_ms, sd_ms: of the uncut law, milliseconds. max_ms None: no upper end.
    """

    mean_ms: float
    sd_ms: float
    min_ms: float = 0.0
    max_ms: float | None = None

    @property
    def is_zero(self) -> bool:
        """Whether it never delays."""
        return False

    def draw_ns(self, key: int) -> int:
        """Delay in nanoseconds, by the inverse of the cut distribution at the key's uniform number."""
        if self.sd_ms <= 0:
            ms = self.mean_ms
        else:
            low = _NORMAL.cdf((self.min_ms - self.mean_ms) / self.sd_ms)
            high = 1.0 if self.max_ms is None else _NORMAL.cdf((self.max_ms - self.mean_ms) / self.sd_ms)
            point = low + (high - low) * _uniform(key)
            point = min(max(point, 1e-15), 1.0 - 1e-15)
            ms = self.mean_ms + self.sd_ms * _NORMAL.inv_cdf(point)
        ms = max(ms, self.min_ms)
        return _whole_microseconds(ms if self.max_ms is None else min(ms, self.max_ms))


class LognormalDelay(msgspec.Struct, frozen=True, tag="lognormal", forbid_unknown_fields=True):
    """Lognormal: median_ms * exp(sigma * z), cut at max_ms. What networks look like: short mostly, long sometimes."""

    median_ms: float
    sigma: float
    max_ms: float | None = None

    @property
    def is_zero(self) -> bool:
        """Whether it never delays."""
        return False

    def draw_ns(self, key: int) -> int:
        """Delay in nanoseconds, by the inverse distribution at the key's uniform number."""
        ms = self.median_ms * exp(self.sigma * _NORMAL.inv_cdf(_uniform(key)))
        return _whole_microseconds(ms if self.max_ms is None else min(ms, self.max_ms))


DelayLaw = ConstantDelay | NormalDelay | LognormalDelay

"""SyntheticDepth: what a book might hold below the prices that the data shows: the slippage model "depth".

Receives: the distance of its levels, the amount that one offers on average, how much that varies, a seed.
Gives:    levels, best first, with what our own orders have left of them; the same for the same seed, whatever is asked
          before.
Never:    goes deeper than ten levels: more would invent a market that nobody showed.    EXECUTION 4, 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Final

from tradecore.domain.delay_law import draw_key

SYNTHETIC_LEVELS: Final = 10
"""Levels beyond the first. What even these cannot give waits for the next event."""

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_KEYS: Final = 2**64


class SyntheticDepth:
    """Levels of one instrument. step: price units between levels, > 0. size: amount of a level on average, > 0.

    jitter: sizes lie evenly between size x (1 - jitter) and size x (1 + jitter), 0 <= jitter < 1. increment: the grid
    of quantities. key: names seed and instrument.
    """

    __slots__ = ("_gone", "_increment", "_jitter", "_key", "_size", "step")

    def __init__(self, *, step: Decimal, size: Decimal, jitter: Decimal, increment: Decimal, key: str) -> None:
        self.step = step
        self._size, self._jitter, self._increment, self._key = size, jitter, increment, key
        self._gone: dict[int, tuple[int, Decimal, Decimal]] = {}  # by side: instant, first price, amount we took

    def find_size(self, moment: object, level: int) -> Decimal:
        """Amount that a level offers; moment: names the book that it belongs to."""
        if not self._jitter:
            return self._size
        draw = Decimal(draw_key(self._key, moment, level)) / _KEYS  # 0 <= draw < 1
        size = self._size * (1 + self._jitter * (2 * draw - 1))
        return (size / self._increment).quantize(_ONE, ROUND_DOWN) * self._increment

    def list_levels(self, first: Decimal, sign: int, ts: int) -> Iterator[tuple[Decimal, Decimal]]:
        """Levels from the price that a record was matched at, less what our orders took of that record."""
        at, price, gone = self._gone.get(sign, (ts, first, _ZERO))
        if (at, price) != (ts, first):
            gone = _ZERO
        for level in range(SYNTHETIC_LEVELS + 1):
            here = first + level * sign * self.step
            if here <= 0 < first:
                return
            size = self.find_size((ts, first), level)
            yield here, size - gone if gone < size else _ZERO
            gone = gone - size if gone > size else _ZERO

    def take(self, first: Decimal, sign: int, ts: int, quantity: Decimal) -> None:
        """Our orders took so much of a record's levels."""
        at, price, gone = self._gone.get(sign, (ts, first, _ZERO))
        self._gone[sign] = (ts, first, quantity if (at, price) != (ts, first) else gone + quantity)

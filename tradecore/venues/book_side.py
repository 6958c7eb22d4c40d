"""BookSide: one side of a book, kept in order of price while it changes.

Receives: changes of levels: a price, and what stands there, or nothing.
Gives:    the best levels, best first.
Never:    sorts as a whole: a level finds its place by bisection.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Generic, TypeVar

V = TypeVar("V")


class BookSide(Generic[V]):
    """Levels by price. sign: -1 for bids (highest first), 1 for asks. What a level holds is the book's own."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[float] = []
        self._levels: dict[float, V] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, price: float, level: V) -> None:
        """Replace what stands at this price."""
        key = self._sign * price
        if key not in self._levels:
            insort(self._keys, key)
        self._levels[key] = level

    def remove(self, price: float) -> None:
        """Nothing stands at this price any more; it may never have been known."""
        key = self._sign * price
        if self._levels.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def cut(self, levels_max: int) -> None:
        """Forget all but the best levels."""
        for key in self._keys[levels_max:]:
            del self._levels[key]
        del self._keys[levels_max:]

    def clear(self) -> None:
        """Forget all."""
        self._keys.clear()
        self._levels.clear()

    def best(self, levels: int) -> list[tuple[float, V]]:
        """At most so many levels as (price, what it holds), best first."""
        sign, held = self._sign, self._levels
        return [(sign * key, held[key]) for key in self._keys[:levels]]

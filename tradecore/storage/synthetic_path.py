"""DayPath: a made-up way of a price through one day that has the day's own open, high, low and close.

Receives: the range of a day, a number of points, a seed.
Gives:    prices on the instrument's increment, first the open, last the close, within low and high, both touched.
Never:    keeps the points: a day of a million takes the memory of one. Draws with `random()` only: its sequence is
          the same on every Python and does not depend on the hash seed.    Spec: issue 2, item 4.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from math import sqrt
from typing import final

import msgspec

# Uniform draws summed into one step: close to a bell, and made of additions only, which every platform rounds alike.
_DRAWS = 3


class DayRange(msgspec.Struct, frozen=True):
    """A day to live within: prices per unit with low <= open, close <= high; volume >= 0."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float


@final
class PriceGrid:
    """Prices that are whole multiples of an increment, exactly rounded."""

    __slots__ = ("_denominator", "_numerator", "increment")

    def __init__(self, price_increment: Decimal) -> None:
        self._numerator, self._denominator = price_increment.as_integer_ratio()
        self.increment = float(price_increment)

    def ticks(self, price: float) -> int:
        """The nearest whole number of increments."""
        return round(price * self._denominator / self._numerator)

    def price(self, ticks: int) -> float:
        """The float nearest to so many increments."""
        return ticks * self._numerator / self._denominator


def make_random(*parts: object) -> random.Random:
    """A generator whose sequence depends on the text of the parts and on nothing else."""
    return random.Random(":".join(str(part) for part in parts))  # noqa: S311  (made-up prices, not secrets)


def draw_step(draw: random.Random) -> float:
    """A number around 0 with deviation 0.5, between -1.5 and 1.5."""
    total = 0.0
    for _ in range(_DRAWS):
        total += draw.random()
    return total - _DRAWS / 2


def walk_day(day_range: DayRange, points: int, grid: PriceGrid, draw: random.Random) -> Iterator[float]:
    """Prices of `points` >= 4 moments of the day, in order.

    Between open, the two extremes (in drawn order) and close it goes as a bridge: toward the next of them, in steps as
    wide as the day's range lets a random walk be.
    """
    low, high = day_range.low, day_range.high
    step = 1.6 * (high - low) / sqrt(points)
    price = day_range.open
    yield price
    reached = 0
    for place, target in _draw_anchors(day_range, points, draw):
        while reached < place - 1:
            reached += 1
            price += (target - price) / (place - reached + 1) + step * draw_step(draw)
            price = min(max(price, low), high)
            yield min(max(grid.price(grid.ticks(price)), low), high)
        reached, price = place, target
        yield target


def _draw_anchors(day_range: DayRange, points: int, draw: random.Random) -> list[tuple[int, float]]:
    """Places (index of the point) of the extremes and the close."""
    first = 1 + int(draw.random() * (points - 3))
    second = first + 1 + int(draw.random() * (points - 2 - first))
    extremes = [day_range.high, day_range.low]
    if draw.random() < 0.5:
        extremes.reverse()
    return [(first, extremes[0]), (second, extremes[1]), (points - 1, day_range.close)]


def share_volume(volume: int, parts: int, draw: random.Random) -> Iterator[int]:
    """A day's volume cut into `parts` whole shares that add up to it, each at least 1 where there is enough."""
    least = 1 if volume >= parts else 0
    spare = volume - least * parts
    given = 0
    for place in range(parts):
        until = spare if place == parts - 1 else int(spare * ((place + draw.random()) / parts))
        yield least + until - given
        given = until

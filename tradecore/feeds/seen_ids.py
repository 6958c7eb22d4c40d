"""SeenIds: which ids of a stream have been met: one stretch from first to last, with holes.

Receives: ids (a trade's number, a bar's end) one by one, in any order.
Gives:    for each the place it falls on; the holes that are open.
Never:    grows with the stream: it keeps two ends and the holes.    DESIGN 10.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import Enum
from operator import attrgetter

import msgspec

from tradecore.feeds.proof import Hole


class Place(Enum):
    """Where an id falls."""

    FIRST = "FIRST"  # nothing was met before
    NEXT = "NEXT"  # right after the last one
    AHEAD = "AHEAD"  # beyond the next one: it leaves a hole
    IN_HOLE = "IN_HOLE"  # missing until now
    KNOWN = "KNOWN"
    BEFORE = "BEFORE"  # lower than the first one


class MissingIds(msgspec.Struct, frozen=True):
    """Ids from first to last, both included, that were not met; event times of what was met around them."""

    first: int
    last: int
    after_ns: int | None
    before_ns: int

    def count(self, step: int) -> int:
        """How many ids that is."""
        return (self.last - self.first) // step + 1

    def as_hole(self) -> Hole:
        """The same in the words of a report."""
        return Hole(self.first, self.last, self.after_ns, self.before_ns)


class SeenIds:
    """step: distance of two adjacent ids, >= 1 (1 for trades, the bar's step in ns for bars).

    first, last: lowest and highest id met, None before any; first_ns: event time of the lowest. holes: open ones, in
    order of id.
    """

    __slots__ = ("first", "first_ns", "holes", "last", "step")

    def __init__(self, step: int = 1) -> None:
        self.step = step
        self.first: int | None = None
        self.first_ns = 0
        self.last: int | None = None
        self.holes: list[MissingIds] = []

    def find_place(self, number: int) -> Place:
        """Where an id falls; nothing changes."""
        if self.last is None or self.first is None:
            return Place.FIRST
        if number > self.last:
            return Place.NEXT if number == self.last + self.step else Place.AHEAD
        if number < self.first:
            return Place.BEFORE
        return Place.KNOWN if self._find_hole(number) is None else Place.IN_HOLE

    def is_on_grid(self, number: int) -> bool:
        """Whether an id lies a whole number of steps from the others."""
        return self.first is None or (number - self.first) % self.step == 0

    def add(self, number: int, ts_event: int, last_ns: int | None) -> None:
        """Note an id as met. ts_event: of its event. last_ns: event time of the highest id so far (None before any)."""
        step, last = self.step, self.last
        if last is None or self.first is None:
            self.first = self.last = number
            self.first_ns = ts_event
        elif number > last:
            if number > last + step:
                self.holes.append(MissingIds(last + step, number - step, last_ns, ts_event))
            self.last = number
        elif number < self.first:
            if number + step < self.first:
                self.holes.insert(0, MissingIds(number + step, self.first - step, ts_event, self.first_ns))
            self.first, self.first_ns = number, ts_event
        else:
            self._cut_hole(number, number, ts_event)

    def close_holes(self, first: int | None, last: int) -> list[MissingIds]:
        """Take the ids from first (None: all lower ones) to last out of the holes; the parts that were taken."""
        taken = []
        for hole in list(self.holes):
            low = hole.first if first is None else max(hole.first, first)
            high = min(hole.last, last)
            if low <= high:
                taken.append(MissingIds(low, high, hole.after_ns, hole.before_ns))
                self._cut_hole(low, high, None)
        return taken

    def _find_hole(self, number: int) -> int | None:
        """Index of the hole that an id lies in."""
        at = bisect_right(self.holes, number, key=attrgetter("first")) - 1
        return at if at >= 0 and number <= self.holes[at].last else None

    def _cut_hole(self, low: int, high: int, ts_event: int | None) -> None:
        """Replace the hole around low..high by what is left of it on either side."""
        at = self._find_hole(low)
        if at is None:
            return
        hole, step = self.holes[at], self.step
        rest = []
        if hole.first < low:
            rest.append(MissingIds(hole.first, low - step, hole.after_ns, ts_event or hole.before_ns))
        if high < hole.last:
            rest.append(MissingIds(high + step, hole.last, ts_event or hole.after_ns, hole.before_ns))
        self.holes[at : at + 1] = rest

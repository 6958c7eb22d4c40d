"""RecentEvents: the newest events of a stream by id, to compare with what comes a second time.

Receives: events with their ids.
Gives:    the event of an id, while it is among the newest; whether another one says the same; FLAT bars after it.
Never:    grows: it is a ring.    DESIGN 10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.event import FLAT
from tradecore.feeds.seen_ids import MissingIds

RECENT: Final = 1_024
"""Events kept per stream: more than any seam overlaps or a venue sends again."""


class RecentEvents:
    """identify: id of an event. step: distance of adjacent ids. ring: the event of an id is at id // step % RECENT."""

    __slots__ = ("_identify", "_step", "ring")

    def __init__(self, identify: Callable[[Any], int | None], step: int) -> None:
        self._identify = identify
        self._step = step
        self.ring: list[Any] = [None] * RECENT

    def add(self, number: int, event: Any) -> None:
        """Keep an event, in the place of one that is RECENT ids older."""
        self.ring[number // self._step % RECENT] = event

    def add_run(self, last: int, events: Sequence[Any]) -> None:
        """Keep events of adjacent ids, the last of which has this one: all at once, as a backlog mostly comes."""
        kept = events[-RECENT:]
        begin = (last // self._step + 1 - len(kept)) % RECENT
        room = RECENT - begin  # before it goes on at the ring's beginning
        self.ring[begin : begin + len(kept)] = kept[:room]
        self.ring[: max(len(kept) - room, 0)] = kept[room:]

    def find(self, number: int) -> Any:
        """The event of an id, or None if it is not among the newest."""
        event = self.ring[number // self._step % RECENT]
        return event if event is not None and self._identify(event) == number else None

    def find_other(self, number: int, again: Any) -> Any:
        """The event of that id if its values differ from those of `again`, else None."""
        first = self.find(number)
        return None if first is None or _values(first) == _values(again) else first

    def make_flats(self, hole: MissingIds) -> list[Bar]:
        """A FLAT bar for each interval of a hole, of the close before it; none where that is not known."""
        flats = []
        for end in range(hole.first, hole.last + 1, self._step):
            before = self.find(end - self._step)
            if type(before) is not Bar:
                break
            close = before.close
            flat = Bar(before.bar_type, end, end, close, close, close, close, 0.0, FLAT)
            self.add(end, flat)
            flats.append(flat)
        return flats


def _values(event: Any) -> tuple[Any, ...]:
    """What must be equal for two events of one id: not times, which another call of a venue may tell less exactly."""
    if type(event) is Bar:
        return event.open, event.high, event.low, event.close, event.volume
    return event.price, event.size

"""Event: what everything that enters the engine from outside must look like.

Receives: nothing; these are definitions.
Gives:    the Event protocol, the flags of market events, the rank of each kind within one instant.
Never:    dispatches: the engine uses `type(event)` and integer keys, because isinstance on a Protocol takes
          microseconds.    Spec: 1.1; DESIGN 4.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable

# Flags of market events, combined with |. Plain ints: an IntFlag would cost more than the event.
NO_VENUE_TIME: Final = 1  # the venue sent no event time; ts_event is the receive time
CROSSED: Final = 2  # bid above ask; delivered, never used to execute
IMPORTED: Final = 4  # came from a file rather than from a venue
SIZE_UNKNOWN: Final = 8  # no size was given; sizes are 0.0 and mean "absent", never "none available"
FLAT: Final = 16  # a bar made for an interval in which nothing happened: it repeats the last close

FLAG_NAMES: Final = {
    NO_VENUE_TIME: "NO_VENUE_TIME",
    CROSSED: "CROSSED",
    IMPORTED: "IMPORTED",
    SIZE_UNKNOWN: "SIZE_UNKNOWN",
    FLAT: "FLAT",
}

# Order of kinds within one instant: a timer at 10:00 sees the bar that closed at 10:00, a bar the quotes before it.
RANK_DEPTH: Final = 0
RANK_QUOTE: Final = 1
RANK_TRADE: Final = 2
RANK_BAR: Final = 3
RANK_OWN: Final = 4
RANK_TIME: Final = 5


@runtime_checkable
class Event(Protocol):
    """What the engine needs of any event, the user's own included.

    Our own events also carry `ts_event` and `ts_received` in int nanoseconds. A user's class with only the members
    below works: the feed adapter takes its nanoseconds once, and refuses naive and non-UTC datetimes.
    """

    @property
    def dt_received(self) -> datetime:
        """When the event entered our system, network delay included; aware UTC."""
        ...

    @property
    def dt_event(self) -> datetime:
        """When the event happened (a bar's end, a tick's time), whenever it arrived; aware UTC."""
        ...

    @property
    def event_type(self) -> str:
        """One of "bar", "trade_tick", "quote_tick", "depth", "time_event", or the user's own word."""
        ...

    def __lt__(self, other: Any, /) -> bool:
        """Earlier event time first; with equal event times, earlier received time first."""
        ...


def flag_names(flags: int) -> list[str]:
    """Names of the flags that are set, for reports and exports."""
    return [name for bit, name in FLAG_NAMES.items() if flags & bit]

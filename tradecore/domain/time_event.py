"""OneTimeEvent and RepeatingEvent: moments that a strategy asked for.    Spec: 1.2, 3.1; DESIGN 5."""

from __future__ import annotations

from typing import ClassVar

from tradecore.domain.market_event import TimedEvent, alias_series


class OneTimeEvent(TimedEvent, frozen=True, gc=False):
    """A moment that comes once. name: what the strategy called the timer."""

    event_type: ClassVar[str] = "time_event"

    name: str
    ts_event: int
    ts_received: int


class RepeatingEvent(TimedEvent, frozen=True, gc=False):
    """The k-th moment of a timer: start + k * period, without drift.

    missed: how many earlier moments were passed over; always 0 in replay, where every tick comes at its own instant.
    """

    event_type: ClassVar[str] = "time_event"

    name: str
    ts_event: int
    ts_received: int
    count: int
    missed: int = 0


# The timer's name is the key of its series: the engine routes timers as it routes market events.
alias_series(OneTimeEvent, "name")
alias_series(RepeatingEvent, "name")

TimeEvent = OneTimeEvent | RepeatingEvent

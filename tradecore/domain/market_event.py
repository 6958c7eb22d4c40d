"""What the market events share: checks at the edge, and the key that names their series.

Market prices and sizes are float64, times int nanoseconds. The plain constructors check nothing (a check would cost
more than the event); whatever enters from outside goes through `make()` or `check()` once, at its edge: the factory
that takes datetimes, a store's append, an import, a venue's codec, a user's own feed.    Spec: 1.2; DESIGN 4.
"""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Any, Protocol

import msgspec

from tradecore.domain.instant import check_ns, format_ns, to_datetime, to_ns
from tradecore.errors import InvalidEvent


class _HasTimes(Protocol):
    @property
    def ts_event(self) -> int: ...

    @property
    def ts_received(self) -> int: ...


class TimedEvent(msgspec.Struct, frozen=True, gc=False):
    """Base of our own events: the datetimes of both instants, and the order of the spec. It has no fields."""

    @property
    def dt_event(self: _HasTimes) -> datetime:
        """When it happened (a bar's end, a tick's time), aware UTC, cut to microseconds."""
        return to_datetime(self.ts_event)

    @property
    def dt_received(self: _HasTimes) -> datetime:
        """When it entered our system, aware UTC, cut to microseconds."""
        return to_datetime(self.ts_received)

    def __lt__(self: _HasTimes, other: Any) -> bool:
        """By event time, then by received time, in nanoseconds."""
        if self.ts_event != other.ts_event:
            return bool(self.ts_event < other.ts_event)
        return bool(self.ts_received < other.ts_received)


def alias_series(event_class: type, field: str) -> None:
    """Let `event.series` read the slot of `field`, as fast as the field itself.

    `series` is the key by which storage and engine name the series of an event: a BarType for bars, the instrument id
    for ticks. It is the very same slot, so it costs no memory and no property call.
    """
    type.__setattr__(event_class, "series", event_class.__dict__[field])


def stamp(dt_event: datetime, dt_received: datetime | None) -> tuple[int, int]:
    """Nanoseconds of both times; without a received time the event time stands for it. Raises: InvalidTime."""
    ts_event = to_ns(dt_event)
    return ts_event, ts_event if dt_received is None else to_ns(dt_received)


def check_times(event: Any) -> None:
    """Both times are int nanoseconds within 64 bits. Raises: InvalidTime."""
    check_ns(event.ts_event, "ts_event")
    check_ns(event.ts_received, "ts_received")


def check_finite(event: Any, *names: str) -> None:
    """Each named field is a finite float. Raises: InvalidEvent naming field, value, series and time."""
    for name in names:
        value = getattr(event, name)
        if type(value) is not float or not isfinite(value):
            raise fault(event, f"{name} is {value!r}; expected a finite float")


def check_size(event: Any, *names: str) -> None:
    """Each named field is a finite float of at least 0. Raises: InvalidEvent."""
    check_finite(event, *names)
    for name in names:
        value = getattr(event, name)
        if value < 0:
            raise fault(event, f"{name} is {value!r}; expected at least 0")


def fault(event: Any, what: str) -> InvalidEvent:
    """The error for a value that no market can have, with kind, series and time of the event."""
    return InvalidEvent(f"{event.event_type} of {event.series} at {format_ns(event.ts_event)}: {what}")

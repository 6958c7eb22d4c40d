"""Own events: what a user's class must show to go through a feed, and its nanoseconds, taken once.

Receives: any object that looks like an Event: `dt_received`, `dt_event`, `event_type`, `__lt__`.
Gives:    (ts_event, ts_received) in int nanoseconds; a copy that was received later, for the DelaySimulator.
Never:    changes the user's object, and never guesses a time zone: naive and non-UTC datetimes are refused.
          Spec: 1.1; DESIGN 4.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import msgspec

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instant import check_ns, to_datetime, to_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.time_event import OneTimeEvent, RepeatingEvent
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import InvalidEvent, InvalidTime

_MARKET_EVENTS = frozenset({Bar, TradeTick, QuoteTick, DepthSnapshot})
_CHECKED_EVENTS = _MARKET_EVENTS | {AccountAdjustment}
_OUR_EVENTS = _CHECKED_EVENTS | {OneTimeEvent, RepeatingEvent}


def stamp_own_event(event: Any) -> tuple[int, int]:
    """Event time and received time in int nanoseconds.

    A class that has int `ts_event` and `ts_received` already (all of ours do) is taken at its word; any other is
    stamped from its datetimes. Raises: InvalidEvent when it is no Event; InvalidTime for naive or non-UTC datetimes.
    """
    if type(event) in _OUR_EVENTS:
        return event.ts_event, event.ts_received
    ts_event = getattr(event, "ts_event", None)
    ts_received = getattr(event, "ts_received", None)
    if type(ts_event) is int and type(ts_received) is int:
        return check_ns(ts_event, "ts_event"), check_ns(ts_received, "ts_received")
    return _stamp(event, "dt_event"), _stamp(event, "dt_received")


def check_event(event: Any) -> None:
    """Check what enters from outside, once, at the edge.

    Our market events and adjustments run their own `check()`; all else must look like an Event and carry UTC times.
    Raises: InvalidEvent, InvalidTime, InvalidName.
    """
    if type(event) in _CHECKED_EVENTS:
        event.check()
        return
    event_type = getattr(event, "event_type", None)
    if type(event_type) is not str or not event_type:
        raise InvalidEvent(
            f"{type(event).__name__} object has event_type {event_type!r}; expected a non-empty str. "
            "An event needs dt_received, dt_event, event_type and __lt__"
        )
    stamp_own_event(event)


def received_at(event: Any, ts_received: int) -> Any:
    """The same own event, received at another time, where its class lets a copy be made; else the event itself.

    Structs and dataclasses that hold `ts_received` or `dt_received` as a field are copied. Of another class the object
    stays as it is; then only the engine's time and the order of delivery show the delay.
    """
    names = _field_names(event)
    changes: dict[str, Any] = {}
    if "ts_received" in names:
        changes["ts_received"] = ts_received
    if "dt_received" in names:
        changes["dt_received"] = to_datetime(ts_received)
    if not changes:
        return event
    if isinstance(event, msgspec.Struct):
        return msgspec.structs.replace(event, **changes)
    return dataclasses.replace(event, **changes)


def _field_names(event: Any) -> tuple[str, ...]:
    if isinstance(event, msgspec.Struct):
        return event.__struct_fields__
    if dataclasses.is_dataclass(event):
        return tuple(field.name for field in dataclasses.fields(event) if field.init)
    return ()


def _stamp(event: Any, name: str) -> int:
    moment = getattr(event, name, None)
    if moment is None:
        raise InvalidEvent(
            f"{type(event).__name__} object has no {name}; an event needs dt_received, dt_event, event_type and __lt__"
        )
    if not isinstance(moment, datetime):
        raise InvalidTime(f"{name} of {type(event).__name__} is {moment!r}; expected an aware UTC datetime")
    try:
        return to_ns(moment)
    except InvalidTime as error:
        raise InvalidTime(f"{name} of {type(event).__name__}: {error}") from error

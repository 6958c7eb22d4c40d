"""Event text: a market event as one line that a person reads."""

from __future__ import annotations

from typing import Any

from tradecore.domain.event import flag_names
from tradecore.domain.instant import format_ns


def format_event(event: Any) -> str:
    """Its time, received time where that is another, then its other values by name."""
    left_out = ("bar_type", "instrument", "ts_event", "ts_received", "flags")
    values = {name: getattr(event, name) for name in event.__struct_fields__ if name not in left_out}
    late = "" if event.ts_received == event.ts_event else f" received {format_ns(event.ts_received)}"
    shown = " ".join(f"{name}={getattr(value, 'name', value)}" for name, value in values.items())
    flags = " ".join(flag_names(event.flags)) if event.flags else ""
    return f"{format_ns(event.ts_event)}{late} {shown}{f' [{flags}]' if flags else ''}"

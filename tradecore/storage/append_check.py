"""What an append looks at first: every event is checked, and sorted into its series.

Receives: market events of any kinds and series, in any order.
Gives:    the events of each series in order of event time (equal times keep their order), every one checked; or the
          error of the first bad one.
Never:    lets a value pass that `event.check()` would refuse, nor one that a store could not keep.
          Spec: 1.2, 2.1; DESIGN 4, 7.

Checking a million events one by one takes seconds; whole columns are checked first, and only where a column has a
fault are the events asked one by one, for the error's sake.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from operator import attrgetter, gt, le
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED
from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.instrument import check_instrument_id
from tradecore.domain.market_event import fault
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidEvent
from tradecore.storage.event_columns import LAYOUTS, EventLayout, columns_of
from tradecore.storage.market_data_storage import MarketEvent, Series

CHECK_ROWS: Final = 16_384  # columns of this many events are in memory at a time

_KINDS: Final[dict[type, str]] = {
    Bar: "bar",
    TradeTick: "trade_tick",
    QuoteTick: "quote_tick",
    DepthSnapshot: "depth",
}
_INT_ONLY: Final = {int}
_FLOAT_ONLY: Final = {float}
_by_time = attrgetter("ts_event")


def sort_into_series(events: Sequence[MarketEvent]) -> dict[Series, list[MarketEvent]]:
    """The checked events of each series, in order of event time, equal times as given.

    Raises: InvalidEvent, InvalidTime, InvalidName for the first event (in the order given) that no store may keep.
    """
    grouped: dict[tuple[type, Any], list[MarketEvent]] = {}
    for event in events:
        event_class = type(event)
        if event_class not in _KINDS:
            raise InvalidEvent(
                f"{event_class.__name__} cannot be stored; expected {', '.join(known.__name__ for known in _KINDS)}"
            )
        owner = (event_class, event.series)
        if owner in grouped:
            grouped[owner].append(event)
        else:
            grouped[owner] = [event]
    if not all(_is_clean(_KINDS[event_class], group) for (event_class, _), group in grouped.items()):
        for event in events:
            check_event(event)
    result = {}
    for (event_class, key), group in grouped.items():
        group.sort(key=_by_time)
        result[Series(_KINDS[event_class], str(key))] = group
    return result


def check_event(event: MarketEvent) -> None:
    """One event: `event.check()`, and that its other fields are what a store can keep. Raises: InvalidEvent."""
    event.check()
    for name in ("flags", "sequence"):
        value = getattr(event, name, 0)
        if type(value) is not int or not MIN_NS <= value <= MAX_NS:
            raise fault(event, f"{name} is {value!r}; expected an int of 64 bits")
    if isinstance(event, TradeTick):
        if not isinstance(event.aggressor, Aggressor):
            raise fault(event, f"aggressor is {event.aggressor!r}; expected an Aggressor")
        if event.trade_id is not None and not _is_text(event.trade_id):
            raise fault(event, f"trade_id is {event.trade_id!r}; expected text, or None where the venue gives none")


def _is_text(value: Any) -> bool:
    if type(value) is not str:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which no store keeps
        return False
    return True


def _is_clean(kind: str, events: Sequence[MarketEvent]) -> bool:
    """Whether whole columns show that every event would pass; False sends the caller to the single events."""
    if kind == "depth":  # levels are checked one by one anyway
        return False
    layout = LAYOUTS[kind]
    if kind != "bar":
        check_instrument_id(events[0].instrument)
    if kind == "trade_tick" and not all(type(event.aggressor) is Aggressor for event in events):  # type: ignore[union-attr]
        return False
    return all(
        _columns_are_clean(layout, events[start : start + CHECK_ROWS]) for start in range(0, len(events), CHECK_ROWS)
    )


def _columns_are_clean(layout: EventLayout, events: Sequence[MarketEvent]) -> bool:
    column = dict(zip(layout.fields, columns_of(layout, events), strict=True))
    for name in layout.ints:
        values = column[name]
        if set(map(type, values)) != _INT_ONLY or min(values) < MIN_NS or max(values) > MAX_NS:
            return False
    for name in layout.floats:
        values = column[name]
        if set(map(type, values)) != _FLOAT_ONLY or not all(map(isfinite, values)):
            return False
    if any(min(column[name]) < 0 for name in layout.sizes):
        return False
    if layout.kind == "bar":
        low, high = column["low"], column["high"]
        within = (column["open"], column["close"])
        return all(map(le, low, high)) and all(
            all(map(le, low, inner)) and all(map(le, inner, high)) for inner in within
        )
    if layout.kind == "quote_tick":
        crossed = map(gt, column["bid_price"], column["ask_price"])
        return all(flags & CROSSED for flags, is_crossed in zip(column["flags"], crossed, strict=True) if is_crossed)
    return all(value is None or _is_text(value) for value in column["trade_id"])

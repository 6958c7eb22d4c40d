"""Event columns: market events taken apart into columns of plain values, and put together again.

Receives: events of one series; or columns that a store has read.
Gives:    columns and rows in stored form (int, float, str, None, bytes), in the order of the event's own constructor;
          events built from columns in one `map`, which is what makes reading fast.
Never:    rounds: a float goes in and comes out with the same bits.    Spec: 2.1; DESIGN 7, 12.

Stored form differs from the event in two places only: an aggressor is its int, and the levels of a book are bytes
(little-endian float64, price and size in turn).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat, starmap
from operator import attrgetter
from typing import Any, Final

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot, Level
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.storage.market_data_storage import MarketEvent

Row = tuple[Any, ...]
"""Values of one event in stored form, in the order of `EventLayout.fields`; the first is ts_event."""

_AGGRESSORS: Final = tuple(sorted(Aggressor, key=attrgetter("value")))


class Constant(msgspec.Struct, frozen=True):
    """A column in which every row has the same value."""

    value: Any


Column = Sequence[Any] | Constant


class EventLayout(msgspec.Struct, frozen=True):
    """How events of one kind lie in columns.

    fields: constructor parameters after the key (bar type or instrument). ints, floats, sizes: which of them are int,
    are float, must not be negative. id_field: the venue's id, None where the kind has none. defaults: of trailing
    fields, which need not be handed to the constructor.
    """

    kind: str
    event_class: type
    fields: tuple[str, ...]
    ints: tuple[str, ...]
    floats: tuple[str, ...]
    sizes: tuple[str, ...]
    id_field: str | None
    defaults: dict[str, Any]

    def position(self, field: str) -> int:
        """Index of a field in a row."""
        return self.fields.index(field)


LAYOUTS: Final[dict[str, EventLayout]] = {
    "bar": EventLayout(
        "bar", Bar,
        ("ts_event", "ts_received", "open", "high", "low", "close", "volume", "flags"),
        ints=("ts_event", "ts_received", "flags"), floats=("open", "high", "low", "close", "volume"),
        sizes=("volume",), id_field=None, defaults={"flags": 0},
    ),
    "trade_tick": EventLayout(
        "trade_tick", TradeTick,
        ("ts_event", "ts_received", "price", "size", "aggressor", "trade_id", "flags"),
        ints=("ts_event", "ts_received", "aggressor", "flags"), floats=("price", "size"), sizes=("size",),
        id_field="trade_id", defaults={"aggressor": 0, "trade_id": None, "flags": 0},
    ),
    "quote_tick": EventLayout(
        "quote_tick", QuoteTick,
        ("ts_event", "ts_received", "bid_price", "bid_size", "ask_price", "ask_size", "sequence", "flags"),
        ints=("ts_event", "ts_received", "sequence", "flags"),
        floats=("bid_price", "bid_size", "ask_price", "ask_size"), sizes=("bid_size", "ask_size"),
        id_field="sequence", defaults={"sequence": 0, "flags": 0},
    ),
    "depth": EventLayout(
        "depth", DepthSnapshot,
        ("ts_event", "ts_received", "bids", "asks", "sequence", "flags"),
        ints=("ts_event", "ts_received", "sequence", "flags"), floats=(), sizes=(), id_field="sequence",
        defaults={"sequence": 0, "flags": 0},
    ),
}  # fmt: skip

_AGGRESSOR_AT: Final = LAYOUTS["trade_tick"].position("aggressor")
_LEVELS_AT: Final = (LAYOUTS["depth"].position("bids"), LAYOUTS["depth"].position("asks"))


def columns_of(layout: EventLayout, events: Sequence[MarketEvent]) -> list[list[Any]]:
    """The columns of events of one kind, in stored form."""
    columns = [list(map(attrgetter(field), events)) for field in layout.fields]
    if layout.kind == "trade_tick":
        columns[_AGGRESSOR_AT] = [aggressor.value for aggressor in columns[_AGGRESSOR_AT]]
    elif layout.kind == "depth":
        for at in _LEVELS_AT:
            columns[at] = list(map(pack_levels, columns[at]))
    return columns


def events_of(layout: EventLayout, key: Any, columns: Sequence[Column]) -> list[Any]:
    """Events of one series from columns in stored form. key: the BarType or instrument id, one object for all.

    Trailing columns that hold nothing but the default are left to the constructor, which is faster.
    """
    ready: list[Any] = list(columns)
    if layout.kind == "trade_tick":
        ready[_AGGRESSOR_AT] = _to_aggressors(ready[_AGGRESSOR_AT])
    elif layout.kind == "depth":
        for at in _LEVELS_AT:
            ready[at] = list(map(unpack_levels, ready[at]))
    while isinstance(columns[len(ready) - 1], Constant):
        field = layout.fields[len(ready) - 1]
        if field not in layout.defaults or columns[len(ready) - 1].value != layout.defaults[field]:  # type: ignore[union-attr]
            break
        ready.pop()
    iterables = [repeat(column.value) if isinstance(column, Constant) else column for column in ready]
    return list(map(layout.event_class, repeat(key), *iterables))


def events_of_rows(layout: EventLayout, key: Any, rows: Sequence[Row]) -> Iterable[Any]:
    """Events of one series from rows in stored form; faster than turning rows into columns first."""
    if layout.kind == "trade_tick":
        return [
            TradeTick(key, ts_event, ts_received, price, size, _AGGRESSORS[aggressor], trade_id, flags)
            for ts_event, ts_received, price, size, aggressor, trade_id, flags in rows
        ]
    if layout.kind == "depth":
        return [
            DepthSnapshot(key, ts_event, ts_received, unpack_levels(bids), unpack_levels(asks), sequence, flags)
            for ts_event, ts_received, bids, asks, sequence, flags in rows
        ]
    return starmap(partial(layout.event_class, key), rows)  # the stored form is the event's own


def event_of(layout: EventLayout, key: Any, row: Row) -> Any:
    """The event of one row in stored form."""
    return events_of(layout, key, [(value,) for value in row])[0]


def rows_of(layout: EventLayout, events: Sequence[MarketEvent]) -> list[Row]:
    """The rows of events of one kind, in stored form."""
    return list(zip(*columns_of(layout, events), strict=True))


def _to_aggressors(column: Column) -> Column:
    if isinstance(column, Constant):
        return Constant(_AGGRESSORS[column.value])
    return list(map(_AGGRESSORS.__getitem__, column))


def pack_levels(levels: Iterable[Level]) -> bytes:
    """Levels of a book as little-endian float64, price and size in turn.

    >>> len(pack_levels([(100.0, 1.0), (99.5, 2.0)]))
    32
    """
    flat = array("d", [value for level in levels for value in level])
    if sys.byteorder == "big":
        flat.byteswap()
    return flat.tobytes()


def unpack_levels(packed: bytes) -> tuple[Level, ...]:
    """Inverse of `pack_levels`.

    >>> unpack_levels(pack_levels([(100.0, 1.0), (99.5, 2.0)]))
    ((100.0, 1.0), (99.5, 2.0))
    """
    flat = array("d", packed)
    if sys.byteorder == "big":
        flat.byteswap()
    return tuple(zip(flat[::2], flat[1::2], strict=True))

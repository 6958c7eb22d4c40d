"""Append identity: which of the events that are given are new, and which were there before.

Receives: rows of one series in order of event time, and a store that can be asked for what it has.
Gives:    the new rows, part by part; StorageConflict where an identity is there with other values.
Never:    drops one of several equal events: real ticks do repeat exactly.    Spec: 2.1; DESIGN 7.

The identity of a bar is its end; of a tick that carries the venue's id or sequence, that; of any other tick its content
and the how-manieth of its equals it is. The last one rests on whole instants being given in one call: when an import
cuts a very large instant in two calls, equal ticks on both sides of the cut count as one.

"Other values" are those that the venue sent. When we received the event, and whether it came from a file, is ours: the
same venue trade recorded live and fetched again from the venue's history is one trade, and the first one stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn, Protocol

from tradecore.domain.event import IMPORTED, NO_VENUE_TIME
from tradecore.domain.instant import format_ns
from tradecore.errors import StorageConflict
from tradecore.storage.event_columns import EventLayout, Row, event_of, rows_of
from tradecore.storage.market_data_storage import MarketEvent, Series

WINDOW_ROWS: Final = 16_384  # rows looked at together; an instant is never cut
_OURS: Final = IMPORTED | NO_VENUE_TIME  # flags that say how an event reached us


class HeldRows(Protocol):
    """What the identity check asks a store about one series."""

    def load_between(self, first_ns: int, last_ns: int, limit: int | None) -> list[Row] | None:
        """Rows with first_ns <= ts_event <= last_ns; None when there are more than `limit`."""
        ...

    def load_by_id(self, ids: list[Any]) -> dict[Any, Row]:
        """Rows that carry one of these venue ids, by id."""
        ...


def find_new(
    series: Series, layout: EventLayout, events: Sequence[MarketEvent], store: HeldRows
) -> Iterator[tuple[list[Row], list[Row]]]:
    """Pairs (rows to add, rows that the store has in that stretch of time), in order of event time.

    events: of one series, in order of event time. Raises: StorageConflict naming both values.
    """
    seen: dict[Any, Row] = {}  # ids given earlier in this very call
    for window in _windows(events):
        pending = [rows_of(layout, window)]
        while pending:
            rows = pending.pop()
            first_ns, last_ns = rows[0][0], rows[-1][0]
            # A few events spread over years must not load the years: halve the stretch until what is there is small.
            limit = None if first_ns == last_ns else 4 * len(rows) + 1_024
            held = store.load_between(first_ns, last_ns, limit)
            if held is None:
                cut = _instant_cut(rows)
                pending += [rows[cut:], rows[:cut]]
            else:
                yield _choose(series, layout, rows, held, store, seen), held


def _windows(events: Sequence[MarketEvent]) -> Iterator[Sequence[MarketEvent]]:
    start = 0
    while start < len(events):
        end = min(start + WINDOW_ROWS, len(events))
        while end < len(events) and events[end].ts_event == events[end - 1].ts_event:
            end += 1
        yield events[start:end]
        start = end


def _instant_cut(rows: list[Row]) -> int:
    """An index near the middle at which a new instant begins; rows hold at least two instants."""
    middle = len(rows) // 2
    cut = middle
    while cut > 0 and rows[cut - 1][0] == rows[middle][0]:
        cut -= 1
    if cut > 0:
        return cut
    cut = middle
    while rows[cut][0] == rows[middle][0]:
        cut += 1
    return cut


def _choose(
    series: Series, layout: EventLayout, rows: list[Row], held: list[Row], store: HeldRows, seen: dict[Any, Row]
) -> list[Row]:
    if layout.kind == "bar":
        by_end = {row[0]: row for row in held}
        return [row for row in rows if _is_first(series, layout, row, by_end.setdefault(row[0], row))]
    assert layout.id_field is not None, f"ticks of kind {layout.kind} have an id field"
    at = layout.position(layout.id_field)
    ids = [row[at] for row in rows if has_id(row[at])]
    if ids:
        seen.update(store.load_by_id([one for one in dict.fromkeys(ids) if one not in seen]))
    if not held and not ids:
        return rows
    known = Counter(row for row in held if not has_id(row[at]))
    fresh = []
    for row in rows:
        if has_id(row[at]):
            if _is_first(series, layout, row, seen.setdefault(row[at], row)):
                fresh.append(row)
        elif known.get(row, 0):
            known[row] -= 1
        else:
            fresh.append(row)
    return fresh


def has_id(value: Any) -> bool:
    """Whether an id field holds an id: a text, or a sequence above 0."""
    return value > 0 if isinstance(value, int) else value is not None


def _is_first(series: Series, layout: EventLayout, row: Row, first: Row) -> bool:
    """True when the row itself is the first of its identity; False when an equal one is. Raises: StorageConflict."""
    if first is row:
        return True
    if _venue_values(layout, first) != _venue_values(layout, row):
        _raise_conflict(series, layout, first, row)
    return False


def _venue_values(layout: EventLayout, row: Row) -> Row:
    received = layout.position("ts_received")
    return (*row[:received], *row[received + 1 : -1], row[-1] & ~_OURS)


def _raise_conflict(series: Series, layout: EventLayout, held: Row, given: Row) -> NoReturn:
    if layout.id_field is None:
        identity = f"bar that ends {format_ns(given[0])}"
    else:
        identity = f"{layout.id_field} {given[layout.position(layout.id_field)]!r}"
    key = series.key
    raise StorageConflict(
        f"{series}: {identity} is there as {event_of(layout, key, held)!r} and was given as "
        f"{event_of(layout, key, given)!r}; nothing was appended. Take the wrong one out of the input, "
        "or import into a new store."
    )

"""SqliteSeries: one series in a database: its SQL, and the append of one series inside a transaction.

Receives: a sqlite3.Connection, on the thread it belongs to; events in order of time that were checked.
Gives:    rows of a stretch, blocks of events, rows appended.
Never:    begins or ends a transaction (sqlite_storage.py does).    Spec: 2.1; DESIGN 7, 12.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from math import copysign
from typing import Any, Final

from tradecore.domain.bar_type import BarType
from tradecore.storage.append_identity import find_new
from tradecore.storage.event_columns import LAYOUTS, EventLayout, Row, events_of_rows
from tradecore.storage.market_data_storage import MarketEvent, Series

TABLES: Final = {"bar": "bars", "trade_tick": "trade_ticks", "quote_tick": "quote_ticks", "depth": "depth"}
# The words of the partial indexes: SQLite uses one only where a query has its very condition.
_HAS_ID: Final = {"sequence": "sequence > 0", "trade_id": "trade_id IS NOT NULL"}
_IDS_PER_QUERY: Final = 500
_ZEROS: Final = " FROM negative_zeros WHERE kind = ? AND owner_id = ? AND ts_event BETWEEN ? AND ?"
# Rows in memory at a time while a block becomes events; more of them only age in the garbage collector.
FETCH_ROWS: Final = 256


class SqliteSeries:
    """One series of the database. owner_id: row of its bar type or instrument."""

    def __init__(self, connection: sqlite3.Connection, series: Series, owner_id: int) -> None:
        self._connection = connection
        self._series = series
        self._owner_id = owner_id
        self._had_ids: bool | None = None
        self._layout: EventLayout = LAYOUTS[series.kind]
        self._has_ordinal = series.kind != "bar"
        self._table = table = TABLES[series.kind]
        fields = self._layout.fields
        self._owner = owner = "instrument_id" if self._has_ordinal else "bar_type_id"
        order = "ts_event, ordinal" if self._has_ordinal else "ts_event"
        columns = (owner, *fields, "ordinal") if self._has_ordinal else (owner, *fields)
        # Table and column names are constants of this program; every value is bound.
        self._select = f"SELECT {', '.join(fields)} FROM {table} WHERE {owner} = ?"  # noqa: S608
        self._stretch = f" AND ts_event BETWEEN ? AND ? ORDER BY {order} LIMIT ? OFFSET ?"
        self._insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608

    def load_block(self, instant: int, skip: int, end_ns: int, rows: int) -> list[Any]:
        """At most `rows` events from an instant on, leaving out its first `skip`, up to end_ns."""
        key = self._series.key
        if self._has_zeros(instant, end_ns):
            return list(events_of_rows(self._layout, key, self._load(instant, end_ns, rows, skip)))
        events: list[Any] = []
        found = self._connection.execute(self._select + self._stretch, (self._owner_id, instant, end_ns, rows, skip))
        while part := found.fetchmany(FETCH_ROWS):
            events.extend(events_of_rows(self._layout, key, part))
        return events

    def load_between(self, first_ns: int, last_ns: int, limit: int | None) -> list[Row] | None:
        """Rows of a stretch of time; None when there are more than `limit`."""
        found = self._load(first_ns, last_ns, -1 if limit is None else limit + 1, 0)
        return None if limit is not None and len(found) > limit else found

    def load_by_id(self, ids: list[Any]) -> dict[Any, Row]:
        """Rows that carry one of these venue ids."""
        field = self._layout.id_field
        assert field is not None, "only kinds with an id are asked by id"
        at = self._layout.position(field)
        found: dict[Any, Row] = {}
        if not self._holds_ids(field):
            return found
        for start in range(0, len(ids), _IDS_PER_QUERY):
            part = ids[start : start + _IDS_PER_QUERY]
            # Not `IN (...)`: next to the condition of the partial index, SQLite would walk the whole index for it.
            query = (
                f"WITH wanted (id) AS (VALUES {', '.join(['(?)'] * len(part))})"  # noqa: S608  (constant words)
                f" SELECT {', '.join(self._layout.fields)} FROM wanted CROSS JOIN {self._table}"
                f" WHERE {self._owner} = ? AND {_HAS_ID[field]} AND {field} = wanted.id"
            )
            found.update((row[at], row) for row in self._connection.execute(query, (*part, self._owner_id)))
        return found

    def _holds_ids(self, field: str) -> bool:
        """Whether the series had any venue id when this was first asked; a first import need not look for its ids."""
        if self._had_ids is None:
            query = (
                f"SELECT 1 FROM {self._table} INDEXED BY {self._table}_by_{field}"  # noqa: S608  (constant words)
                f" WHERE {self._owner} = ? AND {_HAS_ID[field]} LIMIT 1"
            )
            found = self._connection.execute(query, (self._owner_id,)).fetchone()
            self._had_ids = found is not None
        return self._had_ids

    def append(self, events: Sequence[MarketEvent]) -> int:
        """Add what is new; how many that was. Raises: StorageConflict."""
        added = 0
        for fresh, held in find_new(self._series, self._layout, events, self):
            if fresh:
                self._add(fresh, held)
                added += len(fresh)
        return added

    def _load(self, first_ns: int, last_ns: int, limit: int, skip: int) -> list[Row]:
        found: list[Row] = self._connection.execute(
            self._select + self._stretch, (self._owner_id, first_ns, last_ns, limit, skip)
        ).fetchall()
        if found and self._has_zeros(found[0][0], found[-1][0]):
            masks = self._connection.execute(
                f"SELECT ts_event, ordinal, mask{_ZEROS}",
                (self._series.kind, self._owner_id, found[0][0], found[-1][0]),
            )
            self._restore_zeros(found, first_ns, skip, {(one[0], one[1]): one[2] for one in masks})
        return found

    def _has_zeros(self, first_ns: int, last_ns: int) -> bool:
        held = self._connection.execute(
            f"SELECT 1{_ZEROS} LIMIT 1", (self._series.kind, self._owner_id, first_ns, last_ns)
        ).fetchone()
        return held is not None

    def _add(self, fresh: list[Row], held: list[Row]) -> None:
        if self._has_ordinal:
            next_ordinal = Counter(row[0] for row in held)
            ordinals = []
            for row in fresh:
                ordinals.append(next_ordinal[row[0]])
                next_ordinal[row[0]] += 1
        else:
            ordinals = [0] * len(fresh)
        owner_id = self._owner_id
        if self._has_ordinal:
            numbered = zip(fresh, ordinals, strict=True)
            self._connection.executemany(self._insert, [(owner_id, *row, ordinal) for row, ordinal in numbered])
        else:
            self._connection.executemany(self._insert, [(owner_id, *row) for row in fresh])
        self._note_zeros(fresh, ordinals)

    # ------------------------------------------------------------------------------------------ negative zeros

    def _note_zeros(self, rows: list[Row], ordinals: list[int]) -> None:
        columns = list(zip(*rows, strict=True))
        if not any(0.0 in columns[self._layout.position(field)] for field in self._layout.floats):
            return
        notes = [
            (self._series.kind, self._owner_id, row[0], ordinal, mask)
            for row, ordinal in zip(rows, ordinals, strict=True)
            if (mask := self._zero_mask(row))
        ]
        self._connection.executemany("INSERT INTO negative_zeros VALUES (?, ?, ?, ?, ?)", notes)

    def _zero_mask(self, row: Row) -> int:
        """Bit i is set where the i-th float of the row is -0.0."""
        mask = 0
        for bit, field in enumerate(self._layout.floats):
            value = row[self._layout.position(field)]
            if value == 0.0 and copysign(1.0, value) < 0:
                mask |= 1 << bit
        return mask

    def _restore_zeros(self, rows: list[Row], first_ns: int, skip: int, masks: dict[tuple[int, int], int]) -> None:
        """Give the zeros of rows, read from `first_ns` on without the first `skip` of that instant, their sign."""
        ordinal, instant = skip, first_ns
        for at, row in enumerate(rows):
            if row[0] != instant:
                ordinal, instant = 0, row[0]
            mask = masks.get((instant, ordinal))
            if mask:
                values = list(row)
                for bit, field in enumerate(self._layout.floats):
                    if mask >> bit & 1:
                        values[self._layout.position(field)] = -0.0
                rows[at] = tuple(values)
            ordinal += 1


def find_owner(connection: sqlite3.Connection, series: Series) -> int | None:
    """Row of the bar type or instrument of a series, if there is one."""
    table = "bar_types" if series.kind == "bar" else "instruments"
    found = connection.execute(f"SELECT id FROM {table} WHERE name = ?", (series.name,)).fetchone()  # noqa: S608
    return None if found is None else int(found[0])


def make_owner(connection: sqlite3.Connection, series: Series) -> int:
    """Row of the bar type or instrument of a series, made where it is missing (an instrument then is undefined)."""
    found = find_owner(connection, series)
    if found is not None:
        return found
    if series.kind != "bar":
        connection.execute("INSERT INTO instruments (name) VALUES (?)", (series.name,))
    else:
        bar_type = BarType.parse(series.name)
        instrument_id = make_owner(connection, Series("quote_tick", bar_type.instrument))
        connection.execute(
            "INSERT INTO bar_types (instrument_id, name, step, price) VALUES (?, ?, ?, ?)",
            (instrument_id, bar_type.name, f"{bar_type.count}{bar_type.unit}", bar_type.price),
        )
    made = find_owner(connection, series)
    assert made is not None, f"the row of {series} was inserted just now"
    return made

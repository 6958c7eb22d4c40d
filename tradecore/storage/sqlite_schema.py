"""The schema of SqliteStorage, as ordered migrations.

Receives: an open connection to a database of any age, or to an empty file.
Gives:    the same database at the newest schema, what it held unchanged; or an error and no change at all.
Never:    touches a database of another program, or one that a newer tradecore wrote.    Spec: 2.1; DESIGN 7.

`PRAGMA user_version` is the schema's version: the number of migrations that were applied. A migration, once released,
is never edited; a change of the schema is a further one at the end. Each runs in one transaction with the step of the
version, so that a crash leaves the version before or the version after.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from tradecore.errors import StorageSchemaNewer, StorageUnavailable

APPLICATION_ID: Final = 0x74636D64  # "tcmd": tells our databases from those of other programs

# Market prices are REAL, which keeps the bits of a float64, except the sign of zero: SQLite stores -0.0 as 0.
# negative_zeros notes the rare rows that have one (bit i of mask: i-th REAL column of the table).
# A tick's ordinal counts the ticks of one instant in the order they came; the clustered key makes reading a stretch
# in (ts_event, ordinal) one walk of one tree.
_V1_TABLES: Final = (
    """CREATE TABLE instruments (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        price_increment TEXT, quantity_increment TEXT, currency TEXT, base_currency TEXT, multiplier TEXT, session TEXT
    ) STRICT""",
    """CREATE TABLE bar_types (
        id INTEGER PRIMARY KEY,
        instrument_id INTEGER NOT NULL REFERENCES instruments (id),
        name TEXT NOT NULL UNIQUE,
        step TEXT NOT NULL, price TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE bars (
        bar_type_id INTEGER NOT NULL REFERENCES bar_types (id),
        ts_event INTEGER NOT NULL, ts_received INTEGER NOT NULL,
        open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL, volume REAL NOT NULL,
        flags INTEGER NOT NULL,
        PRIMARY KEY (bar_type_id, ts_event)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE trade_ticks (
        instrument_id INTEGER NOT NULL REFERENCES instruments (id),
        ts_event INTEGER NOT NULL, ordinal INTEGER NOT NULL, ts_received INTEGER NOT NULL,
        price REAL NOT NULL, size REAL NOT NULL, aggressor INTEGER NOT NULL, trade_id TEXT, flags INTEGER NOT NULL,
        PRIMARY KEY (instrument_id, ts_event, ordinal)
    ) STRICT, WITHOUT ROWID""",
    """CREATE UNIQUE INDEX trade_ticks_by_trade_id ON trade_ticks (instrument_id, trade_id)
        WHERE trade_id IS NOT NULL""",
    """CREATE TABLE quote_ticks (
        instrument_id INTEGER NOT NULL REFERENCES instruments (id),
        ts_event INTEGER NOT NULL, ordinal INTEGER NOT NULL, ts_received INTEGER NOT NULL,
        bid_price REAL NOT NULL, bid_size REAL NOT NULL, ask_price REAL NOT NULL, ask_size REAL NOT NULL,
        sequence INTEGER NOT NULL, flags INTEGER NOT NULL,
        PRIMARY KEY (instrument_id, ts_event, ordinal)
    ) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX quote_ticks_by_sequence ON quote_ticks (instrument_id, sequence) WHERE sequence > 0",
    """CREATE TABLE depth (
        instrument_id INTEGER NOT NULL REFERENCES instruments (id),
        ts_event INTEGER NOT NULL, ordinal INTEGER NOT NULL, ts_received INTEGER NOT NULL,
        bids BLOB NOT NULL, asks BLOB NOT NULL, sequence INTEGER NOT NULL, flags INTEGER NOT NULL,
        PRIMARY KEY (instrument_id, ts_event, ordinal)
    ) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX depth_by_sequence ON depth (instrument_id, sequence) WHERE sequence > 0",
    """CREATE TABLE negative_zeros (
        kind TEXT NOT NULL, owner_id INTEGER NOT NULL, ts_event INTEGER NOT NULL, ordinal INTEGER NOT NULL,
        mask INTEGER NOT NULL,
        PRIMARY KEY (kind, owner_id, ts_event, ordinal)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE covered_spans (
        kind TEXT NOT NULL, owner_id INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
        PRIMARY KEY (kind, owner_id, start_ns)
    ) STRICT, WITHOUT ROWID""",
)

# Counting the rows of a series walks all of them; since version 2 every append keeps the count.
_V2_ROW_COUNTS: Final = (
    """CREATE TABLE series_counts (
        kind TEXT NOT NULL, owner_id INTEGER NOT NULL,
        rows INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
        PRIMARY KEY (kind, owner_id)
    ) STRICT, WITHOUT ROWID""",
    """INSERT INTO series_counts
        SELECT 'bar', bar_type_id, count(*), min(ts_event), max(ts_event) FROM bars GROUP BY bar_type_id""",
    """INSERT INTO series_counts
        SELECT 'trade_tick', instrument_id, count(*), min(ts_event), max(ts_event)
        FROM trade_ticks GROUP BY instrument_id""",
    """INSERT INTO series_counts
        SELECT 'quote_tick', instrument_id, count(*), min(ts_event), max(ts_event)
        FROM quote_ticks GROUP BY instrument_id""",
    """INSERT INTO series_counts
        SELECT 'depth', instrument_id, count(*), min(ts_event), max(ts_event) FROM depth GROUP BY instrument_id""",
)

MIGRATIONS: Final[tuple[Sequence[str], ...]] = (_V1_TABLES, _V2_ROW_COUNTS)


def migrate(connection: sqlite3.Connection, url: str, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring a database to the newest schema. The connection is in autocommit mode (isolation_level None).

    Raises: StorageSchemaNewer, StorageUnavailable (another program's database), sqlite3.Error.
    """
    if check_version(connection, url, migrations) == len(migrations):
        return
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again inside the transaction: another process may have migrated in the meantime.
            version = check_version(connection, url, migrations)
            if version == len(migrations):
                connection.execute("ROLLBACK")
                return
            for statement in migrations[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def check_version(connection: sqlite3.Connection, url: str, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> int:
    """The schema's version, 0 for an empty database. Raises: StorageSchemaNewer, StorageUnavailable."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != APPLICATION_ID and (tables or version or application_id):
        raise StorageUnavailable(
            f"{url} is an SQLite database of another program; expected one that tradecore made, or a new file name"
        )
    if version > len(migrations):
        raise StorageSchemaNewer(url, version, len(migrations))
    return int(version)

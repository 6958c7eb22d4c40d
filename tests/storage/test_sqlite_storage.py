"""What only the SQLite store has: its file, its schema, and what the disk and other processes do to them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tradecore.errors import StorageError, StorageSchemaNewer, StorageUnavailable
from tradecore.storage.market_data_storage import Appended, MarketEvent, SeriesInfo
from tradecore.storage.open_storage import open_storage
from tradecore.storage.sqlite_schema import MIGRATIONS, migrate
from tradecore.storage.sqlite_storage import SqliteStorage
from tradecore.testing.storage_contract import (
    BARS,
    QUOTES,
    START,
    TRADES,
    make_minute_bar,
    make_quote,
    make_trade,
    read_all,
)


async def fill(path: Path, events: list[MarketEvent]) -> None:
    storage = SqliteStorage(path)
    await storage.connect()
    await storage.append(events)
    await storage.disconnect()


async def test_the_tables_are_those_of_the_spec(tmp_path: Path) -> None:
    """SPEC 2.1: bars refer to bar types, bar types and ticks to instruments; readable with any SQLite tool."""
    await fill(tmp_path / "m.db", [make_minute_bar(1), make_trade(1), make_quote(1)])
    with closing(sqlite3.connect(tmp_path / "m.db")) as raw:
        joined = raw.execute(
            "SELECT instruments.name, bar_types.step, bar_types.price, bars.close FROM bars"
            " JOIN bar_types ON bar_types.id = bar_type_id JOIN instruments ON instruments.id = instrument_id"
        ).fetchall()
        assert joined == [("A.X", "1m", "last", 1.0)]
        for table, target in (("bar_types", "instruments"), ("bars", "bar_types"), ("trade_ticks", "instruments"),
                              ("quote_ticks", "instruments"), ("depth", "instruments")):  # fmt: skip
            assert [row[2] for row in raw.execute(f"PRAGMA foreign_key_list({table})")] == [target]
        tables = raw.execute("PRAGMA table_list").fetchall()
        assert all(strict for _, name, kind, _, _, strict in tables if kind == "table" and "sqlite_" not in name)


async def test_reading_a_stretch_is_one_walk_of_the_clustered_key(tmp_path: Path) -> None:
    """A sort or a second look-up per row would make every read slower than the file."""
    await fill(tmp_path / "m.db", [make_quote(1)])
    with closing(sqlite3.connect(tmp_path / "m.db")) as raw:
        plan = raw.execute(
            "EXPLAIN QUERY PLAN SELECT bid_price FROM quote_ticks WHERE instrument_id = 1"
            " AND ts_event BETWEEN 1 AND 2 ORDER BY ts_event, ordinal LIMIT 5 OFFSET 0"
        ).fetchall()
    assert [step[3] for step in plan] == [
        "SEARCH quote_ticks USING PRIMARY KEY (instrument_id=? AND ts_event>? AND ts_event<?)"
    ]


# ------------------------------------------------------------------------------------------------------- migrations


async def test_a_store_of_schema_1_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    """Version 2 keeps row counts; a store written by version 1 must get the right ones."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        migrate(raw, "old", MIGRATIONS[:1])
        raw.execute("INSERT INTO instruments (id, name) VALUES (7, 'A.X')")
        raw.execute("INSERT INTO bar_types VALUES (3, 7, 'A.X 1m last', '1m', 'last')")
        raw.execute("INSERT INTO covered_spans VALUES ('quote_tick', 7, ?, ?)", (START, START + 1))
        raw.execute("INSERT INTO covered_spans VALUES ('bar', 3, 5, 5)")
        raw.executemany(
            "INSERT INTO quote_ticks VALUES (7, ?, ?, ?, 1.0, 2.0, 1.5, 3.0, 0, 0)",
            [(START, 0, START), (START, 1, START), (START + 1, 0, START + 1)],
        )
        raw.execute("INSERT INTO bars VALUES (3, 5, 5, 1.0, 1.0, 1.0, 1.0, 0.0, 0)")
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    storage = SqliteStorage(path)
    await storage.connect()
    assert await storage.list_series() == [SeriesInfo(BARS, 1, 5, 5), SeriesInfo(QUOTES, 3, START, START + 1)]
    assert await storage.append([make_quote(0), make_quote(0), make_quote(1), make_quote(2)]) == Appended(1, 3)
    assert len(await read_all(storage, QUOTES)) == 4
    await storage.disconnect()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as raw:
        migrate(raw, "m", MIGRATIONS)
        further = (*MIGRATIONS, ("CREATE TABLE notes (text TEXT) STRICT", "INSERT INTO nowhere VALUES (1)"))
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(raw, "m", further)
        assert raw.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert raw.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'notes'").fetchone() == (0,)


async def test_a_store_of_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    await fill(path, [make_quote(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageSchemaNewer, match=rf"version 99.*up to version {len(MIGRATIONS)}"):
        await SqliteStorage(path).connect()


# ---------------------------------------------------------------------------------------------- damaged and foreign


async def test_a_file_that_is_no_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.write_text("time,open,high,low,close\n" * 100)
    with pytest.raises(StorageUnavailable, match=r"m\.db is damaged or not an SQLite database.*backup"):
        await SqliteStorage(path).connect()
    assert path.read_text().startswith("time,open")


async def test_another_programs_database_is_not_written_into(tmp_path: Path) -> None:
    path = tmp_path / "contacts.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE contacts (name TEXT)")
    with pytest.raises(StorageUnavailable, match="database of another program"):
        await SqliteStorage(path).connect()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT name FROM sqlite_schema").fetchall() == [("contacts",)]
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)


async def test_a_damaged_page_is_reported_when_it_is_read(tmp_path: Path) -> None:
    """Opening reads only the first pages; the damage is met later and must not look like the end of the data."""
    path = tmp_path / "m.db"
    await fill(path, [make_quote(at) for at in range(20_000)])
    content = bytearray(path.read_bytes())
    content[200_000:600_000] = b"\xff" * 400_000
    path.write_bytes(content)
    storage = SqliteStorage(path)
    await storage.connect()
    with pytest.raises(StorageUnavailable, match=r"m\.db is damaged"):
        await read_all(storage, QUOTES)
    await storage.disconnect()


async def test_a_cut_off_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    await fill(path, [make_quote(at) for at in range(20_000)])
    path.write_bytes(path.read_bytes()[:300_000])

    async def open_and_read() -> None:
        async with open_storage(f"sqlite:{path}") as storage:
            await read_all(storage, QUOTES)

    with pytest.raises(StorageUnavailable, match=r"m\.db is damaged"):
        await open_and_read()


async def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await SqliteStorage(tmp_path).connect()
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match=r"the folder .* cannot be made"):
        await SqliteStorage(tmp_path / "file" / "m.db").connect()


# ---------------------------------------------------------------------------------------------- others, full disks


async def test_an_append_while_another_process_writes_says_so_and_changes_nothing(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "m.db", busy_timeout_s=0.01)
    await storage.connect()
    await storage.append([make_quote(1)])
    with closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="being written by another process"):
            await storage.append([make_quote(2)])
        assert await read_all(storage, QUOTES) == [make_quote(1)]  # reading goes on
        other.execute("ROLLBACK")
    assert await storage.append([make_quote(2)]) == Appended(1, 0)
    await storage.disconnect()


async def test_a_full_disk_leaves_nothing_half_appended(tmp_path: Path) -> None:
    """max_page_count stands for the disk: SQLite answers both with SQLITE_FULL."""
    storage = SqliteStorage(tmp_path / "m.db")
    await storage.connect()
    await storage.append([make_quote(1)])
    connection = storage._connection
    assert connection is not None
    await connection.run(lambda raw: raw.execute("PRAGMA max_page_count = 60"))
    with pytest.raises(StorageError, match=r"disk is full.*nothing was changed"):
        await storage.append([make_trade(1), *(make_quote(at) for at in range(20_000))])
    assert await read_all(storage, QUOTES) == [make_quote(1)]
    assert [info.series for info in await storage.list_series()] == [QUOTES]
    await connection.run(lambda raw: raw.execute("PRAGMA max_page_count = 100000"))
    assert await storage.append([make_trade(1), *(make_quote(at) for at in range(20_000))]) == Appended(20_000, 1)
    await storage.disconnect()


def run_apart(code: str, *arguments: object) -> str:
    """Run code in a process of its own, whose limits and user can be set."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a POSIX thing")
def test_a_write_that_the_system_refuses_leaves_what_was_there(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the system itself refuse to grow the file, in the middle of a transaction."""
    said = run_apart(
        """
        import asyncio, resource, sys
        from pathlib import Path
        from tradecore.errors import StorageError
        from tradecore.storage.sqlite_storage import SqliteStorage
        from tradecore.testing.storage_contract import QUOTES, make_quote, read_all

        async def main():
            storage = SqliteStorage(Path(sys.argv[1]))
            await storage.connect()
            await storage.append([make_quote(at) for at in range(100)])
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
            try:
                await storage.append([make_quote(at) for at in range(50_000)])
            except StorageError as error:
                print(type(error).__name__, error)
            print(len(await read_all(storage, QUOTES)))
            await storage.disconnect()

        asyncio.run(main())
        """,
        tmp_path / "m.db",
    )
    assert "StorageError" in said
    assert "nothing was changed" in said
    assert said.splitlines()[-1] == "100"
    with closing(sqlite3.connect(tmp_path / "m.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("SELECT count(*) FROM quote_ticks").fetchone() == (100,)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of a folder are a POSIX thing")
def test_a_store_that_may_only_be_read_can_be_read() -> None:
    """Data is often mounted read-only; a database in WAL mode does not open there without being told."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        asyncio.run(fill(folder / "m.db", [make_quote(1)]))
        (folder / "m.db").chmod(0o444)
        folder.chmod(0o555)
        Path(name).chmod(0o755)
        said = run_apart(
            """
            import asyncio, os, sys
            from pathlib import Path
            from tradecore.errors import StorageError
            from tradecore.storage.sqlite_storage import SqliteStorage
            from tradecore.testing.storage_contract import QUOTES, make_quote, read_all

            async def main():
                storage = SqliteStorage(Path(sys.argv[1]))
                await storage.connect()
                print(len(await read_all(storage, QUOTES)))
                try:
                    await storage.append([make_quote(2)])
                except StorageError as error:
                    print(error)
                await storage.disconnect()

            if os.geteuid() == 0:  # permissions do not bind the superuser
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            asyncio.run(main())
            """,
            folder / "m.db",
        )
        folder.chmod(0o755)
    rows, refusal = said.splitlines()
    assert rows == "1"
    assert "is read-only" in refusal


# -------------------------------------------------------------------------------------------------- planted mistakes


async def test_verify_finds_ids_that_another_program_doubled(tmp_path: Path) -> None:
    """An append cannot make them; a hand in the file can."""
    path = tmp_path / "m.db"
    await fill(path, [make_trade(at, trade_id=f"t{at}") for at in range(600)])
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP INDEX trade_ticks_by_trade_id")
        raw.execute("UPDATE trade_ticks SET trade_id = 't0' WHERE trade_id IN ('t7', 't599')")
        raw.execute("UPDATE trade_ticks SET size = -1.0 WHERE trade_id = 't8'")
        raw.commit()
    storage = SqliteStorage(path)
    await storage.connect()
    report = await storage.verify(TRADES)
    assert (report.rows, report.duplicates, report.is_sound) == (600, 2, False)
    assert len(report.invalid) == 1
    assert "row 9: trade_tick of A.X" in report.invalid[0]
    assert "size is -1.0" in report.invalid[0]
    await storage.disconnect()


async def test_cancelling_connect_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    """Warnings are errors here: a connection that nobody closed would fail this test when it is collected."""
    before = set(threading.enumerate())
    for delay in (0.0, 0.0005, 0.002):
        storage = SqliteStorage(tmp_path / "m.db")
        with anyio.move_on_after(delay):
            await storage.connect()
        await storage.disconnect()
        for thread in set(threading.enumerate()) - before:  # told to end; it may need a moment for its last statement
            thread.join(5.0)
            assert not thread.is_alive()
    await fill(tmp_path / "m.db", [make_quote(1)])
    storage = SqliteStorage(tmp_path / "m.db")
    await storage.connect()
    assert [info.rows for info in await storage.list_series()] == [1]
    await storage.disconnect()

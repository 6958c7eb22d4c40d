"""What only the Parquet store has: its files, how appends change them, and what crashes and other processes leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

import msgspec
import pyarrow as pa
from pyarrow import parquet

from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event_batch import EventBatch
from tradecore.errors import StorageError, StorageSchemaNewer, StorageUnavailable
from tradecore.storage import parquet_folder, parquet_manifest
from tradecore.storage.market_data_storage import Appended, MarketDataStorage, Series, Span
from tradecore.storage.parquet_block import BUILT_LEAST
from tradecore.storage.parquet_columns import ROW_GROUP_ROWS
from tradecore.storage.parquet_folder import ParquetFolder
from tradecore.storage.parquet_manifest import Manifest, id_order, load_manifest, series_folder
from tradecore.storage.parquet_storage import ParquetStorage
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


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[MarketDataStorage]:
    storage = ParquetStorage(path, **options)
    await storage.connect()
    try:
        yield storage
    finally:
        await storage.disconnect()


def manifest_of(path: Path, series: Series = QUOTES) -> Manifest:
    return load_manifest(path / series_folder(series) / "manifest.json")


def names_in(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


def files_of(path: Path, series: Series = QUOTES) -> list[str]:
    return sorted(one.name for one in (path / series_folder(series)).glob("*.parquet"))


async def test_the_files_are_plain_parquet_that_other_programs_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        await storage.append([make_quote(1, 2.5), make_quote(0, 1.5)])
        await storage.append([DepthSnapshot("A.X", START, START, ((1.0, 2.0), (0.5, 3.0)), ())])
    (file,) = (tmp_path / "quote_tick" / "A.X").glob("*.parquet")
    assert parquet.read_table(file).select(["ts_event", "bid_price"]).to_pydict() == {
        "ts_event": [START, START + 1],
        "bid_price": [1.5, 2.5],
    }
    (file,) = (tmp_path / "depth" / "A.X").glob("*.parquet")
    assert parquet.read_table(file).to_pylist()[0]["bids"] == [1.0, 2.0, 0.5, 3.0]


async def test_many_small_appends_leave_few_files(tmp_path: Path) -> None:
    """A recorder appends every second: without joining, reading would open thousands of files."""
    async with opened(tmp_path) as storage:
        for number in range(100):
            await storage.append([make_quote(number * 5 + at) for at in range(5)])
        assert await read_all(storage, QUOTES) == [make_quote(at) for at in range(500)]
    manifest = manifest_of(tmp_path)
    # Each part is more than twice the one behind it, or was when it came: 500 rows need at most nine.
    assert len(manifest.parts) <= 9
    assert files_of(tmp_path) == sorted(part.file for part in manifest.parts)


async def test_an_append_behind_or_between_parts_leaves_them_as_they_are(tmp_path: Path, monkeypatch: Any) -> None:
    """What is large and not overlapped is not rewritten; only what is overlapped is."""
    monkeypatch.setattr("tradecore.storage.parquet_series.ROW_GROUP_ROWS", 10)  # "small" is below ten rows here
    monkeypatch.setattr("tradecore.storage.parquet_series.PART_ROWS", 40)
    async with opened(tmp_path) as storage:
        first = [make_quote(at) for at in range(0, 100, 2)]  # 50 rows: two parts of 25
        await storage.append(first)
        assert [part.rows for part in manifest_of(tmp_path).parts] == [25, 25]
        before = files_of(tmp_path)
        far = [make_quote(at) for at in range(1_000, 1_020)]
        between = [make_quote(at) for at in range(500, 520)]
        await storage.append(far)
        await storage.append(between)
        assert set(before) <= set(files_of(tmp_path))
        overlapping = [make_quote(at) for at in (3, 5, 48, 48)]
        await storage.append(overlapping)
        assert set(before) & set(files_of(tmp_path)) == {before[1]}  # 3, 5 and 48 lie in the first part (0 ... 48)
        everything = sorted([*first, *far, *between, *overlapping[:3]], key=lambda quote: quote.ts_event)
        # 48 was there once and given twice: one more was added.
        assert await read_all(storage, QUOTES, batch_size=7) == everything
        assert (await storage.list_series())[0].rows == 50 + 20 + 20 + 3


async def test_an_instant_on_the_edge_of_two_parts_keeps_its_order(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tradecore.storage.parquet_series.ROW_GROUP_ROWS", 1)
    monkeypatch.setattr("tradecore.storage.parquet_series.PART_ROWS", 3)
    events = [make_quote(5, float(number)) for number in range(8)]  # one instant over three parts
    async with opened(tmp_path) as storage:
        await storage.append(events)
        await storage.append([*events, make_quote(5, 100.0), make_quote(4), make_quote(6)])
        assert await read_all(storage, QUOTES, batch_size=2) == [
            make_quote(4), *events, make_quote(5, 100.0), make_quote(6)
        ]  # fmt: skip


async def test_venue_ids_are_found_in_any_part(tmp_path: Path, monkeypatch: Any) -> None:
    """Ids are looked for by number even as texts: "10" comes after "9"."""
    monkeypatch.setattr("tradecore.storage.parquet_series.ROW_GROUP_ROWS", 4)
    trades = [make_trade(at, trade_id=str(at)) for at in range(8, 24)]
    async with opened(tmp_path) as storage:
        for start in range(0, 16, 4):
            await storage.append(trades[start : start + 4])
        assert await storage.append(trades) == Appended(0, 16)
        with pytest.raises(StorageError, match="trade_id '9' is there as"):
            await storage.append([make_trade(1_000, trade_id="9")])
    assert sorted(["10", "9", "abc", "100"], key=id_order) == ["9", "10", "100", "abc"]


# ----------------------------------------------------------------------------------------------- crashes and others


async def test_an_append_that_fails_in_its_second_series_leaves_no_file_behind(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        await storage.append([make_minute_bar(1)])
        with pytest.raises(StorageError):
            await storage.append([make_quote(1), make_minute_bar(1, 9.0)])
        assert files_of(tmp_path) == []
        assert [info.series for info in await storage.list_series()] == [BARS]


async def test_a_crash_after_the_commit_was_written_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """commit.json is the moment from which an append of several series counts."""
    real = parquet_manifest.replace_file
    crashed = []

    def crash_at_the_second_manifest(path: Path, content: bytes) -> None:
        if path.name == "manifest.json" and path.parent.parent.name == "trade_tick":
            crashed.append(path)
            raise OSError(5, "the machine went down")
        real(path, content)

    async with opened(tmp_path) as storage:
        monkeypatch.setattr(parquet_folder, "replace_file", crash_at_the_second_manifest)
        with pytest.raises(StorageError, match="the machine went down"):
            await storage.append([make_quote(1), make_trade(1)])
        monkeypatch.setattr(parquet_folder, "replace_file", real)
    assert len(crashed) == 1
    async with opened(tmp_path) as storage:
        assert await read_all(storage, QUOTES) == [make_quote(1)]
        assert await read_all(storage, TRADES) == [make_trade(1)]
        assert await storage.append([make_quote(1), make_trade(1)]) == Appended(0, 2)
    assert not (tmp_path / "commit.json").exists()


async def test_a_crash_before_the_commit_leaves_files_that_nobody_reads(tmp_path: Path, monkeypatch: Any) -> None:
    async with opened(tmp_path) as storage:
        await storage.append([make_quote(1)])

        def refuse(path: Path, content: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(parquet_folder, "replace_file", refuse)
        attempts: list[list[Any]] = [[make_quote(2)], [make_quote(2), make_trade(2)]]
        for events in attempts:
            with pytest.raises(StorageError, match=r"disk is full.*nothing was changed"):
                await storage.append(events)
        monkeypatch.undo()
        assert await read_all(storage, QUOTES) == [make_quote(1)]
        assert await storage.append([make_quote(2), make_trade(2)]) == Appended(2, 0)
    assert files_of(tmp_path) == sorted(part.file for part in manifest_of(tmp_path).parts)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a POSIX thing")
def test_a_write_that_the_system_refuses_leaves_what_was_there(tmp_path: Path) -> None:
    code = """
import asyncio, resource, sys
from pathlib import Path
from tradecore.errors import StorageError
from tradecore.storage.parquet_storage import ParquetStorage
from tradecore.testing.storage_contract import QUOTES, make_quote, read_all

async def main():
    storage = ParquetStorage(Path(sys.argv[1]))
    await storage.connect()
    await storage.append([make_quote(at) for at in range(100)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        await storage.append([make_quote(at, at * 0.37) for at in range(50_000)])
    except StorageError as error:
        print(error)
    print(len(await read_all(storage, QUOTES)))
    await storage.disconnect()

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "disk is full" in done.stdout
    assert done.stdout.splitlines()[-1] == "100"
    assert len(files_of(tmp_path)) == 1


async def test_a_reader_goes_on_when_another_process_rewrites_its_part(tmp_path: Path) -> None:
    """The part it stands in is gone; the manifest that replaced it says where the rest is, behind its row group."""
    events = [make_quote(at) for at in range(ROW_GROUP_ROWS + 2_000)]
    late = ROW_GROUP_ROWS + 1_000
    async with opened(tmp_path) as storage, opened(tmp_path) as other:
        await storage.append(events)
        reader = storage.read(QUOTES, batch_size=9_000)
        seen = [*await anext(reader)]
        await other.append([make_quote(late, 7.0), make_quote(0, 7.0)])
        seen += [event for batch in [one async for one in reader] for event in batch]
        assert seen == [*events[: late + 1], make_quote(late, 7.0), *events[late + 1 :]]


async def test_a_batch_comes_with_the_columns_that_its_events_were_made_of(tmp_path: Path) -> None:
    events = [make_quote(at, at * 0.25) for at in range(2 * BUILT_LEAST)]
    async with opened(tmp_path) as storage:
        await storage.append(events)
        batches = [batch async for batch in storage.read(QUOTES, START + 1, batch_size=BUILT_LEAST)]
    assert [event for batch in batches for event in batch] == events[1:]
    for batch in batches:
        assert type(batch) is EventBatch
        assert batch.is_coincident
        assert batch.times == [event.ts_event for event in batch]
        for field in ("ts_event", "bid_price", "bid_size", "ask_price", "ask_size"):
            assert batch.columns[field].tolist() == [getattr(event, field) for event in batch], field


async def test_a_batch_that_cannot_be_built_is_not_passed_over(tmp_path: Path) -> None:
    """An aggressor that there is not, written by somebody else: who asks again meets it again."""
    async with opened(tmp_path) as storage:
        await storage.append([make_trade(at) for at in range(6)])
        path = tmp_path / series_folder(TRADES) / files_of(tmp_path, TRADES)[0]
        table = parquet.read_table(path)
        codes = pa.array([1, 1, 1, 7, 1, 1], pa.int8())
        parquet.write_table(table.set_column(4, table.schema.field("aggressor"), codes), path)
        reader = storage.read(TRADES, batch_size=BUILT_LEAST)
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match=r"trade_tick A.X: a row from .* is no TradeTick"):
                await anext(reader)


async def test_two_processes_do_not_append_at_once(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    async with opened(tmp_path) as storage:
        await storage.append([make_quote(1)])
        lock = ParquetFolder(tmp_path, "other", 1.0)._lock
        async with opened(tmp_path, lock_timeout_s=0.05) as waiting:
            with lock, pytest.raises(StorageError, match="being written by another process"):
                await waiting.append([make_quote(2)])
            assert await waiting.append([make_quote(2)]) == Appended(1, 0)
        assert await read_all(storage, QUOTES) == [make_quote(1), make_quote(2)]


# ----------------------------------------------------------------------------------------------- versions, damage


async def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"format": "tradecore-parquet", "version": 7}')
    with pytest.raises(StorageSchemaNewer, match=r"version 7.*up to version 1"):
        await ParquetStorage(tmp_path).connect()


async def test_a_further_migration_runs_once_and_keeps_the_rows(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        await storage.append([make_quote(1)])
    runs = []

    def add_a_file(path: Path) -> None:
        runs.append(path)
        (path / "notes.json").write_text("{}")

    migrations = (*parquet_folder.MIGRATIONS, add_a_file)
    for _ in range(2):
        ParquetFolder(tmp_path, "store", 1.0).open(migrations)
    assert runs == [tmp_path]
    assert json.loads((tmp_path / "store.json").read_text())["version"] == 2
    assert manifest_of(tmp_path).rows == 1


async def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(StorageUnavailable, match=r"holds 'holiday\.jpg' and no store\.json"):
        await ParquetStorage(tmp_path).connect()
    assert names_in(tmp_path) == ["holiday.jpg"]
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        await ParquetStorage(tmp_path / "file" / "store").connect()


async def test_damaged_files_are_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        await storage.append([make_quote(1)])
        folder = tmp_path / "quote_tick" / "A.X"
        (part,) = folder.glob("*.parquet")
        part.write_bytes(b"not parquet at all")
        with pytest.raises(StorageUnavailable, match=r"A\.X.*parquet is damaged"):
            await read_all(storage, QUOTES)
        part.unlink()
        with pytest.raises(StorageError, match=part.name):
            await read_all(storage, QUOTES)
        (folder / "manifest.json").write_text("{")
        with pytest.raises(StorageUnavailable, match=r"manifest\.json is damaged"):
            await read_all(storage, QUOTES)


async def test_a_manifest_of_another_series_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """On a file system that knows no upper and lower case, a.X and A.X are one folder."""
    async with opened(tmp_path) as storage:
        await storage.append([make_quote(1, instrument="a.X")])
        (tmp_path / "quote_tick" / "a.X").rename(tmp_path / "quote_tick" / "A.X")
        with pytest.raises(StorageUnavailable, match=r"belongs to quote_tick a\.X"):
            await storage.append([make_quote(1)])


async def test_verify_finds_what_another_program_wrote(tmp_path: Path) -> None:
    async with opened(tmp_path) as storage:
        await storage.append([make_minute_bar(minute) for minute in (1, 2, 3)])
        folder = tmp_path / series_folder(BARS)
        (part,) = folder.glob("*.parquet")
        table = parquet.read_table(part)
        parquet.write_table(table.take([0, 1, 1, 2]), part)  # the second bar twice
        manifest = manifest_of(tmp_path, BARS)
        changed = msgspec.structs.replace(
            manifest,
            parts=(msgspec.structs.replace(manifest.parts[0], rows=4),),
            spans=(Span(manifest.spans[0].start_ns, manifest.spans[0].end_ns),),
        )
        (folder / "manifest.json").write_bytes(msgspec.json.encode(changed))
        report = await storage.verify(BARS)
        assert (report.rows, report.duplicates, report.is_sound) == (4, 1, False)


def test_without_pyarrow_the_error_names_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from tradecore.errors import StorageUnavailable\n"
        "from tradecore.storage.open_storage import make_storage\n"
        "try:\n    make_storage('parquet:x')\nexcept StorageUnavailable as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert 'pip install "tradecore[parquet]"' in done.stdout

"""Bad files: every fault with its line, and the store as it was before."""

import gzip
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anyio import CancelScope

from tradecore.errors import ImportDataError, ImportIncomplete, StorageError
from tradecore.storage.importing import import_data as pipeline
from tradecore.storage.importing.import_data import import_data
from tradecore.storage.importing.import_report import ImportProgress
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.market_data_storage import Appended, MarketEvent
from tradecore.storage.memory_storage import MemoryStorage

WriteFile = Callable[..., Path]
ReadSeries = Callable[..., Awaitable[list[Any]]]

BAR = "X.Y 1m last"
HEADER = "timestamp,open,high,low,close,volume"
BARS = ImportSettings(bar_type=BAR, stamp="end")
QUOTES = ImportSettings(instrument="X.Y")
GOOD = [f"2024-01-01T00:{minute:02d}:00Z,10,11,9,10.5,1" for minute in range(60)]


def bar_row(minute: int, values: str = "10,11,9,10.5,1") -> str:
    return f"2024-01-01T00:{minute:02d}:00Z,{values}"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (bar_row(1, "10,9,11,10,1"), ["line 3", "high 9.0", "low 11.0"]),
        (bar_row(1, "10,11,9,12,1"), ["line 3", "close 12.0"]),
        (bar_row(1, "nan,11,9,10,1"), ["line 3", "open", "nan", "finite"]),
        (bar_row(1, "10,inf,9,10,1"), ["line 3", "high", "inf"]),
        (bar_row(1, "10,11,9,10,-1"), ["line 3", "volume", "-1.0", "at least 0"]),
        (bar_row(1, "10,11,9,ten,1"), ["line 3", "close", "'ten'", "number"]),
        (bar_row(1, "10,11,9,1_0,1"), ["line 3", "'1_0'"]),
        (bar_row(1, "10,11,9,,1"), ["line 3", "close", "''"]),
        (bar_row(1, "10,11,9,10"), ["line 3", "5 columns", "expected 6"]),
        (bar_row(1, "10,11,9,10,1,1"), ["line 3", "7 columns"]),
        ("2024-01-01T00:01:00,10,11,9,10,1", ["line 3", "mixes zones"]),
        ("2024-01-01T00:01:00+01:00,10,11,9,10,1", ["line 3", "mixes zones"]),
        ("2024-13-01T00:01:00Z,10,11,9,10,1", ["line 3", "2024-13-01"]),
        ("2023-12-31T23:59:00Z,10,11,9,10,1", ["line 3", "comes after", "line 2", "--sort"]),
        (bar_row(0), ["line 3", "repeats line 2", "--drop-duplicates"]),
        (bar_row(0, "10,11,9,10,1"), ["line 3", "conflicts with line 2", "close is 10.5 and 10.0"]),
        ('"2024-01-01T00:01:00Z,10,11,9,10,1', ["cannot be read as text"]),
    ],
)
async def test_a_bad_row_is_named_with_its_line_and_nothing_is_stored(
    storage: MemoryStorage, write_file: WriteFile, row: str, words: list[str]
) -> None:
    with pytest.raises(ImportDataError) as caught:
        await import_data(storage, write_file("bars.csv", HEADER, bar_row(0), row), BARS)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.total == 1
    assert await storage.list_series() == []


async def test_at_most_twenty_problems_are_shown_and_all_are_counted(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    rows = [row.replace(",9,", ",99,") for row in GOOD]  # low above high in all sixty
    with pytest.raises(ImportDataError, match="60 problems") as caught:
        await import_data(storage, write_file("bars.csv", HEADER, *rows), BARS)
    assert (len(caught.value.problems), caught.value.total) == (20, 60)
    assert "and 40 more" in str(caught.value)
    assert caught.value.problems[0].startswith("line 2:")
    assert caught.value.problems[-1].startswith("line 21:")


@pytest.mark.parametrize("line", [0, 30, 59])
async def test_one_bad_row_anywhere_leaves_the_store_as_it_was(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries, line: int
) -> None:
    await import_data(storage, write_file("good.csv", HEADER, *GOOD[:10]), BARS)
    before = await read_series("bar", BAR)
    rows = list(GOOD)
    rows[line] = rows[line].replace("10.5", "oops")
    with pytest.raises(ImportDataError, match=f"line {line + 2}:"):
        await import_data(storage, write_file("bad.csv", HEADER, *rows), BARS)
    assert await read_series("bar", BAR) == before


async def test_a_conflict_with_the_store_is_found_before_anything_is_stored(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks as small as one row: an append per chunk would have stored what comes before the conflict."""
    monkeypatch.setattr(pipeline, "CHUNK_ROWS", 1)
    monkeypatch.setattr(pipeline, "ONE_APPEND_ROWS", 1)
    await import_data(storage, write_file("good.csv", HEADER, GOOD[30]), BARS)
    rows = [*GOOD[:30], GOOD[30].replace("10.5", "10.25"), *GOOD[31:]]
    with pytest.raises(ImportDataError) as caught:
        await import_data(storage, write_file("other.csv", HEADER, *rows), BARS)
    assert "line 32: the store has bar X.Y 1m last with other values" in str(caught.value)
    assert "close is 10.5 and 10.25" in str(caught.value)
    assert len(await read_series("bar", BAR)) == 1


async def test_unsorted_rows_are_stored_when_sorting_was_asked_for(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("bars.csv", HEADER, *reversed(GOOD))
    await import_data(storage, path, msgspec.structs.replace(BARS, sort=True))
    times = [bar.ts_event for bar in await read_series("bar", BAR)]
    assert len(times) == 60
    assert times == sorted(times)


async def test_repeated_bars_are_left_out_and_counted_when_that_was_asked_for(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    path = write_file("bars.csv", HEADER, GOOD[0], GOOD[0], GOOD[0], GOOD[1])
    report = await import_data(storage, path, msgspec.structs.replace(BARS, drop_duplicates=True))
    assert (report.rows, report.added, report.left_out) == (4, 2, {"repeats another row identically": 2})


async def test_conflicting_bars_are_refused_whatever_was_asked_for(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    path = write_file("bars.csv", HEADER, GOOD[0], GOOD[0].replace("10.5", "10"))
    with pytest.raises(ImportDataError, match="conflicts with line 2"):
        await import_data(storage, path, msgspec.structs.replace(BARS, drop_duplicates=True, sort=True))


async def test_a_negative_size_of_a_quote_is_refused(storage: MemoryStorage, write_file: WriteFile) -> None:
    path = write_file("q.csv", "time,bid,bid_size,ask,ask_size", "2024-01-01T00:00:00Z,1,-5,2,5")
    with pytest.raises(ImportDataError, match=r"bid_size is -5\.0"):
        await import_data(storage, path, QUOTES)


async def test_whole_instants_reach_the_store_together(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal ticks of one instant in two appends would count as known the second time."""
    monkeypatch.setattr(pipeline, "CHUNK_ROWS", 2)
    monkeypatch.setattr(pipeline, "ONE_APPEND_ROWS", 1)
    rows = ["2024-01-01T00:00:00Z,1,2"] * 7 + ["2024-01-01T00:00:01Z,1,2"] * 3
    report = await import_data(storage, write_file("q.csv", "time,bid,ask", *rows), QUOTES)
    assert (report.added, report.known) == (10, 0)
    assert len(await read_series("quote_tick", "X.Y")) == 10


class FailingStorage(MemoryStorage):
    """A store whose disk is full after some appends."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.appends_left = appends

    async def append(self, events: Sequence[MarketEvent]) -> Appended:
        if not self.appends_left:
            raise StorageError("the disk is full")
        self.appends_left -= 1
        return await super().append(events)


async def test_a_store_that_fails_in_the_middle_says_what_it_has_and_a_repeat_completes_it(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "CHUNK_ROWS", 10)
    monkeypatch.setattr(pipeline, "ONE_APPEND_ROWS", 10)
    storage = FailingStorage(appends=2)
    await storage.connect()
    path = write_file("bars.csv", HEADER, *GOOD)
    with pytest.raises(ImportIncomplete, match="after 20 of 60 events: the disk is full") as caught:
        await import_data(storage, path, BARS)
    assert (caught.value.stored, caught.value.total) == (20, 60)
    storage.appends_left = 100
    again = await import_data(storage, path, BARS)
    assert (again.added, again.known) == (40, 20)


async def test_a_small_file_is_one_append_and_so_all_or_nothing(write_file: WriteFile) -> None:
    storage = FailingStorage(appends=0)
    await storage.connect()
    with pytest.raises(StorageError, match="the disk is full"):
        await import_data(storage, write_file("bars.csv", HEADER, *GOOD), BARS)
    assert await storage.list_series() == []


async def test_a_file_that_changes_between_checking_and_storing_is_refused(
    storage: MemoryStorage, write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "ONE_APPEND_ROWS", 10)
    path = write_file("bars.csv", HEADER, *GOOD)

    def append_a_row(_: object) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(bar_row(0) + "\n")

    with pytest.raises(ImportDataError, match="changed while"):
        await import_data(storage, path, BARS, progress=append_a_row)
    assert await storage.list_series() == []


async def test_one_bad_file_of_a_folder_keeps_all_of_it_out(storage: MemoryStorage, write_file: WriteFile) -> None:
    good = write_file("year/a.csv", HEADER, *GOOD[:5])
    write_file("year/b.csv", HEADER, *GOOD[5:9], "2024-01-01T00:09:00Z,bad,11,9,10,1")
    with pytest.raises(ImportDataError, match=r"b\.csv: line 6:"):
        await import_data(storage, good.parent, BARS)
    assert await storage.list_series() == []


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("empty.csv", b"", "empty"),
        ("header.csv", b"timestamp,open,high,low,close\n", "no rows"),
        ("latin.csv", "timestamp,open,high,low,close\n\xe9,1,1,1,1\n".encode("latin-1"), "UTF-8"),
        ("cut.csv.gz", gzip.compress("\n".join([HEADER, *GOOD]).encode())[:-20], "damaged"),
        ("plain.csv.gz", b"timestamp,open\n", "damaged"),
        ("plain.zip", b"timestamp,open\n", "damaged"),
        ("nothing.xls", b"x", "--layout"),
    ],
)
async def test_files_that_are_not_what_their_name_says_are_refused(
    storage: MemoryStorage, tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportDataError, match=word) as caught:
        await import_data(storage, tmp_path / name, BARS)
    assert name in str(caught.value)
    assert await storage.list_series() == []


async def test_a_path_that_is_not_there_is_an_import_error(storage: MemoryStorage, tmp_path: Path) -> None:
    with pytest.raises(ImportDataError, match="does not exist"):
        await import_data(storage, tmp_path / "nowhere.csv", BARS)


@pytest.mark.parametrize(("stage", "stored"), [("checking", 0), ("storing", 20)])
async def test_a_cancelled_import_leaves_whole_chunks_and_a_repeat_completes_it(
    storage: MemoryStorage,
    write_file: WriteFile,
    read_series: ReadSeries,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    stored: int,
) -> None:
    monkeypatch.setattr(pipeline, "CHUNK_ROWS", 10)
    monkeypatch.setattr(pipeline, "ONE_APPEND_ROWS", 10)
    path = write_file("bars.csv", HEADER, *GOOD)
    with CancelScope() as scope:

        def cancel_at_twenty(at: ImportProgress) -> None:
            if at.stage == stage and at.rows >= 20:
                scope.cancel()

        await import_data(storage, path, BARS, progress=cancel_at_twenty)
    assert scope.cancelled_caught
    assert [info.rows for info in await storage.list_series()] == ([stored] if stored else [])
    again = await import_data(storage, path, BARS)
    assert (again.added, again.known) == (60 - stored, stored)
    assert len(await read_series("bar", BAR)) == 60

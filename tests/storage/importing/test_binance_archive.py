"""The Binance public archive: names, units of time, resting buyers, folders, digests."""

import hashlib
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.event import IMPORTED
from tradecore.domain.instant import format_ns
from tradecore.domain.trade_tick import Aggressor
from tradecore.errors import ImportDataError
from tradecore.storage.importing.import_data import import_data, plan_import
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.memory_storage import MemoryStorage

WriteFile = Callable[..., Path]
ReadSeries = Callable[..., Awaitable[list[Any]]]

BAR = "BTCUSDT.BINANCE 1m last"
START_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z
START_US = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z
NAMES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def kline(open_time: int, close_time: int, close: str = "42475.23") -> str:
    return (
        f"{open_time},42283.58,42554.57,42261.02,{close},1271.68108,{close_time},53957248.97,47134,682.57,28957416.82,0"
    )


def put_in_zip(path: Path) -> Path:
    """The file in a zip of the same name, as the archive has it; the plain file is gone."""
    target = path.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(path, path.name)
    path.unlink()
    return target


async def test_klines_in_milliseconds_end_one_step_after_their_open_time(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file(
        "BTCUSDT-1m-2024-01.csv",
        kline(START_MS, START_MS + 59_999),
        kline(START_MS + 60_000, START_MS + 119_999),
    )
    report = await import_data(storage, put_in_zip(path))
    first, second = await read_series("bar", BAR)
    assert (format_ns(first.ts_event), format_ns(second.ts_event)) == ("2024-01-01T00:01:00Z", "2024-01-01T00:02:00Z")
    assert (first.open, first.high, first.low, first.close) == (42283.58, 42554.57, 42261.02, 42475.23)
    assert (first.volume, first.flags) == (1271.68108, IMPORTED)
    assert (report.layout, report.rows, report.added) == ("binance", 2, 2)


async def test_klines_of_2025_are_in_microseconds(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("BTCUSDT-1m-2025-01-01.csv", NAMES, kline(START_US, START_US + 59_999_999))
    report = await import_data(storage, path)
    (bar,) = await read_series("bar", BAR)
    assert format_ns(bar.ts_event) == "2025-01-01T00:01:00Z"
    assert report.rows == 1  # the header, which some files have, is no row


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (kline(START_MS + 60_000, START_MS + 359_999), "another interval"),
        (kline(START_US, START_US + 59_999_999), "expected a number in ms"),
        (kline(START_MS, START_MS + 59_999), "repeats line 1"),
        (kline(START_MS, START_MS + 59_999, close="42475.24"), "conflicts with line 1"),
        (kline(START_MS + 60_000, START_MS + 119_999, close="x"), "close is 'x'"),
        ("1,2,3", "3 columns"),
    ],
)
async def test_klines_that_do_not_fit_are_named(
    storage: MemoryStorage, write_file: WriteFile, row: str, word: str
) -> None:
    path = write_file("BTCUSDT-1m-2024-01.csv", kline(START_MS, START_MS + 59_999), row)
    with pytest.raises(ImportDataError, match=f"line 2: .*{word}"):
        await import_data(storage, path)
    assert await storage.list_series() == []


async def test_trades_carry_ids_and_the_side_that_took(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file(
        "BTCUSDT-trades-2025-01-02.csv",
        f"4359140582,94591.78,0.0003,28.37,{START_US},True,True",
        f"4359140583,94591.79,0.0005,47.29,{START_US},False,True",
    )
    await import_data(storage, path)
    first, second = await read_series("trade_tick", "BTCUSDT.BINANCE")
    assert (first.trade_id, first.price, first.size) == ("4359140582", 94591.78, 0.0003)
    # The buyer of the first was resting (isBuyerMaker), so that the seller took.
    assert (first.aggressor, second.aggressor) == (Aggressor.SELLER, Aggressor.BUYER)


async def test_aggregated_trades_have_ids_of_their_own(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("BTCUSDT-aggTrades-2024-01-01.csv", f"77,42283.58,0.01,101,103,{START_MS},false,true")
    report = await import_data(storage, path)
    (trade,) = await read_series("trade_tick", "BTCUSDT.BINANCE")
    assert (trade.trade_id, trade.aggressor) == ("a77", Aggressor.BUYER)
    assert "volume twice" in report.notes[0]


async def test_ids_that_do_not_rise_are_a_fault_of_the_file(storage: MemoryStorage, write_file: WriteFile) -> None:
    rows = [f"{number},1,1,1,{START_MS + place},true,true" for place, number in enumerate((5, 6, 6))]
    with pytest.raises(ImportDataError, match=r"line 3: .*above 6"):
        await import_data(storage, write_file("X-trades-2024-01-01.csv", *rows))


async def test_a_folder_tree_is_imported_in_order_of_series_and_date(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    day_ms = 86_400_000
    for symbol in ("ETHUSDT", "BTCUSDT"):
        for day in (2, 1):
            at = START_MS + (day - 1) * day_ms
            write_file(f"spot/{symbol}/1m/{symbol}-1m-2024-01-0{day}.csv", kline(at, at + 59_999))
    folder = write_file("spot/notes.md", "not data").parent
    plan = plan_import(folder)
    assert [Path(file.path).name for file in plan.files] == [
        "BTCUSDT-1m-2024-01-01.csv",
        "BTCUSDT-1m-2024-01-02.csv",
        "ETHUSDT-1m-2024-01-01.csv",
        "ETHUSDT-1m-2024-01-02.csv",
    ]
    report = await import_data(storage, folder)
    assert (report.files, report.added) == (4, 4)
    assert [info.rows for info in await storage.list_series()] == [2, 2]
    assert (await import_data(storage, folder)).added == 0


async def test_a_file_whose_digest_is_wrong_is_refused(storage: MemoryStorage, write_file: WriteFile) -> None:
    path = write_file("BTCUSDT-1m-2024-01.csv", kline(START_MS, START_MS + 59_999))
    digest = path.with_name(path.name + ".CHECKSUM")
    digest.write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(ImportDataError, match="SHA-256"):
        await import_data(storage, path)
    digest.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    assert (await import_data(storage, path)).added == 1


@pytest.mark.parametrize(
    ("name", "settings", "word"),
    [
        ("markPriceKlines/BTCUSDT-1m-2024-01.csv", ImportSettings(), "markPriceKlines"),
        ("BTCUSDT-1mo-2024-01.csv", ImportSettings(), "months"),
        ("BTCUSDT-1m-2024-01.csv", ImportSettings(stamp="end"), "stamp"),
        ("BTCUSDT-1m-2024-01.csv", ImportSettings(timezone="Asia/Tokyo"), "timezone"),
        ("BTCUSDT-1m-2024-01.csv", ImportSettings(columns={"open": 2}), "columns"),
        ("BTCUSDT-1m-2024-01.csv", ImportSettings(kind="quote_tick"), "kind"),
        ("BTCUSDT-1m-2024-01.csv", ImportSettings(bar_type="BTC.X 5m last"), "bar_type"),
    ],
)
async def test_what_contradicts_the_archive_is_refused(
    storage: MemoryStorage, write_file: WriteFile, name: str, settings: ImportSettings, word: str
) -> None:
    with pytest.raises(ImportDataError, match=word):
        await import_data(storage, write_file(name, kline(START_MS, START_MS + 59_999)), settings)
    assert await storage.list_series() == []


async def test_the_target_may_be_named_by_the_user(storage: MemoryStorage, write_file: WriteFile) -> None:
    path = write_file("BTCUSDT-1m-2024-01.csv", kline(START_MS, START_MS + 59_999))
    await import_data(storage, path, ImportSettings(bar_type="BTC.LAB 1m last"))
    await import_data(storage, path, ImportSettings(venue="BINANCEUS"))
    names = [info.series.name for info in await storage.list_series()]
    assert names == ["BTC.LAB 1m last", "BTCUSDT.BINANCEUS 1m last"]

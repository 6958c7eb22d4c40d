"""Real files: every one of the shared data but the frames, with the row counts of its README."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.instant import format_ns
from tradecore.storage.importing.day_tick_layout import LEFT_NEVER_SEEN
from tradecore.storage.importing.import_data import import_data
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.memory_storage import MemoryStorage

pytestmark = pytest.mark.real_data
ReadSeries = Callable[..., Awaitable[list[Any]]]


@pytest.mark.parametrize(
    ("file", "settings", "rows", "first"),
    [
        # The README does not know whether GBPUSD is stamped at start or end; tests take the start.
        (
            "bars/gbpusd_1m_bid_2012-02.csv.gz",
            ImportSettings(bar_type="GBPUSD.FX 1m bid", stamp="start"),
            30_117,
            "2012-02-01T00:01:00Z",
        ),
        (
            "bars/gbpusd_1m_ask_2012-02.csv.gz",
            ImportSettings(bar_type="GBPUSD.FX 1m ask", stamp="start"),
            30_117,
            "2012-02-01T00:01:00Z",
        ),
        (
            "bars/btcperp_1m_2022-01.csv.gz",
            ImportSettings(bar_type="BTCPERP.VENUE 1m last", timezone="UTC", stamp="end"),
            45_031,
            "2021-12-31T23:01:00Z",
        ),
        (
            "bars/bitstamp_btcusd_1m_2020-01-01.csv",
            ImportSettings(bar_type="BTCUSD.BITSTAMP 1m last", timezone="UTC", stamp="start"),
            1_440,
            "2020-01-01T00:01:00Z",
        ),
        (
            "ticks/aig_20131007_trade.zip",
            ImportSettings(timezone="America/New_York"),
            25_351,
            "2013-10-07T08:00:00.688Z",  # 14,400,688 ms after midnight, UTC-4
        ),
        ("ticks/eurusd_20140505_quote.zip", ImportSettings(timezone="UTC"), 25_177, "2014-05-05T00:00:23.668Z"),
        ("ticks/eurusd_20140506_quote.zip", ImportSettings(timezone="UTC"), 44_864, "2014-05-06T00:00:00.158Z"),
    ],
)
async def test_a_file_gives_the_rows_that_its_readme_counts_and_nothing_the_second_time(
    storage: MemoryStorage, shared_data: Path, file: str, settings: ImportSettings, rows: int, first: str
) -> None:
    report = await import_data(storage, shared_data / file, settings)
    assert (report.rows, report.added, report.known, report.left_out) == (rows, rows, 0, {})
    (info,) = await storage.list_series()
    assert (info.rows, format_ns(info.first_ns)) == (rows, first)
    again = await import_data(storage, shared_data / file, settings)
    assert (again.added, again.known) == (0, rows)


async def test_gbpusd_opens_with_ask_below_bid_in_347_minutes(
    storage: MemoryStorage, shared_data: Path, read_series: ReadSeries
) -> None:
    for side in ("bid", "ask"):
        settings = ImportSettings(bar_type=f"GBPUSD.FX 1m {side}", stamp="start")
        await import_data(storage, shared_data / f"bars/gbpusd_1m_{side}_2012-02.csv.gz", settings)
    bids = {bar.ts_event: bar.open for bar in await read_series("bar", "GBPUSD.FX 1m bid")}
    asks = {bar.ts_event: bar.open for bar in await read_series("bar", "GBPUSD.FX 1m ask")}
    assert len([at for at in bids if at in asks and asks[at] < bids[at]]) == 347


async def test_both_days_of_eurusd_make_one_series_without_sizes(
    storage: MemoryStorage, shared_data: Path, read_series: ReadSeries
) -> None:
    for day in ("05", "06"):
        path = shared_data / f"ticks/eurusd_201405{day}_quote.zip"
        await import_data(storage, path, ImportSettings(timezone="UTC"))
    quotes = await read_series("quote_tick", "EURUSD.FX")
    assert len(quotes) == 25_177 + 44_864
    assert all(quote.flags & SIZE_UNKNOWN for quote in quotes)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_million_aig_quotes_come_in_by_exchange_less_the_47_that_are_not_quotable(
    storage: MemoryStorage, shared_data: Path
) -> None:
    settings = ImportSettings(timezone="America/New_York")
    report = await import_data(storage, shared_data / "ticks/aig_20131007_quote.zip", settings)
    assert (report.rows, report.added) == (1_079_935, 1_079_935 - 47)
    assert report.left_out == {LEFT_NEVER_SEEN: 47}
    assert len(report.series) == 11
    assert sum(info.rows for info in await storage.list_series()) == 1_079_888
    crossed = 0
    for entry in report.series:
        async for batch in storage.read(entry.series):
            crossed += len([quote for quote in batch if quote.flags & CROSSED])
    assert crossed == 18_006
    again = await import_data(storage, shared_data / "ticks/aig_20131007_quote.zip", settings)
    assert (again.added, again.known) == (0, 1_079_888)

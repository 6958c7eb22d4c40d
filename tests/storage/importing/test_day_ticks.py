"""Ticks of a day: sides carried by exchange, conditions, zones, and what is left out and counted."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.event import CROSSED, IMPORTED, SIZE_UNKNOWN
from tradecore.domain.instant import format_ns
from tradecore.errors import ImportDataError
from tradecore.storage.importing.day_tick_layout import LEFT_IRREGULAR, LEFT_NEVER_SEEN, LEFT_SUSPICIOUS
from tradecore.storage.importing.import_data import import_data, plan_import
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.memory_storage import MemoryStorage

WriteFile = Callable[..., Path]
ReadSeries = Callable[..., Awaitable[list[Any]]]

NEW_YORK = ImportSettings(timezone="America/New_York")
QUOTES = (
    "34200000,491800,300,0,0,Q,1,0",  # bid of Q: its ask was never seen
    "34200001,0,0,492000,500,P,1,0",  # ask of P: its bid was never seen, and Q's is not P's
    "34200002,0,0,492100,200,Q,1,0",  # Q is complete: 49.18 for 300, 49.21 for 200
    "34200002,491900,100,0,0,Q,1,0",  # the bid moves, the ask is carried
    "34200003,492300,100,0,0,Q,1,0",  # bid 49.23 above ask 49.21: crossed
    "34200003,492300,100,0,0,Q,1,0",  # the same row again
)


async def test_each_row_moves_one_side_of_one_exchange_and_the_other_side_is_carried(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    report = await import_data(storage, write_file("aig_20131007_quote.csv", *QUOTES), NEW_YORK)
    quotes = await read_series("quote_tick", "AIG.Q")
    assert [(q.bid_price, q.bid_size, q.ask_price, q.ask_size) for q in quotes] == [
        (49.18, 300.0, 49.21, 200.0),
        (49.19, 100.0, 49.21, 200.0),
        (49.23, 100.0, 49.21, 200.0),
        (49.23, 100.0, 49.21, 200.0),
    ]
    assert [q.flags for q in quotes] == [IMPORTED, IMPORTED, IMPORTED | CROSSED, IMPORTED | CROSSED]
    assert format_ns(quotes[0].ts_event) == "2013-10-07T13:30:00.002Z"  # 34,200,002 ms after midnight, UTC-4
    assert [info.series.name for info in await storage.list_series()] == ["AIG.Q"]
    assert (report.rows, report.added, report.left_out) == (6, 4, {LEFT_NEVER_SEEN: 2})
    assert any("2 quotes have the bid above the ask" in note for note in report.notes)


async def test_repeated_rows_are_kept_once_for_each_row_however_often_they_are_imported(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    path = write_file("aig_20131007_quote.csv", *QUOTES)
    await import_data(storage, path, NEW_YORK)
    again = await import_data(storage, path, NEW_YORK)
    assert (again.added, again.known) == (0, 4)


TRADES = (
    "34200000,491800,300,P,20000020,0",  # a sweep: a trade like others
    "34200001,491700,100,Q,100200,0",  # bits 20 and 9: average price, derivatively priced
    "34200002,491600,100,N,1,1",  # suspicious
    "34200002,491600,100,N,1,1",
)


async def test_trades_of_all_exchanges_make_one_series_unless_asked_otherwise(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("aig_20131007_trade.csv", *TRADES)
    report = await import_data(storage, path, NEW_YORK)
    trades = await read_series("trade_tick", "AIG.US")
    assert [(t.price, t.size) for t in trades] == [(49.18, 300.0), (49.17, 100.0), (49.16, 100.0), (49.16, 100.0)]
    assert (report.added, report.left_out) == (4, {})
    assert any(note.startswith("1 trades whose condition") for note in report.notes)
    assert any(note.startswith("2 rows that the source marks suspicious") for note in report.notes)
    await import_data(storage, path, ImportSettings(timezone="America/New_York", by_exchange=True))
    names = [info.series.name for info in await storage.list_series()]
    assert names == ["AIG.N", "AIG.P", "AIG.Q", "AIG.US"]


async def test_irregular_and_suspicious_trades_are_left_out_and_counted_when_asked(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    settings = ImportSettings(timezone="America/New_York", conditions="regular", suspicious="drop")
    report = await import_data(storage, write_file("aig_20131007_trade.csv", *TRADES), settings)
    assert (report.rows, report.added) == (4, 1)
    assert report.left_out == {LEFT_IRREGULAR: 1, LEFT_SUSPICIOUS: 2}


async def test_currency_quotes_have_decimal_prices_and_no_sizes(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("20140505_eurusd_tick_quote.csv", "23668,1.38710,1.38726")
    await import_data(storage, path, ImportSettings(timezone="UTC"))
    (quote,) = await read_series("quote_tick", "EURUSD.FX")
    assert (quote.bid_price, quote.ask_price, quote.flags) == (1.3871, 1.38726, IMPORTED | SIZE_UNKNOWN)
    assert format_ns(quote.ts_event) == "2014-05-05T00:00:23.668Z"


def test_the_place_of_midnight_is_asked_for(write_file: WriteFile) -> None:
    plan = plan_import(write_file("aig_20131007_trade.csv", *TRADES))
    assert not plan.is_ready
    assert "--timezone" in plan.files[0].missing[0]


@pytest.mark.parametrize(
    ("name", "row", "word"),
    [
        ("aig_20131007_quote.csv", "1,0,0,0,0,Q,1,0", "neither bid nor ask"),
        ("aig_20131007_quote.csv", "1,-5,10,0,0,Q,1,0", "at least 0"),
        ("aig_20131007_quote.csv", "1,49.18,10,0,0,Q,1,0", "no number"),
        ("aig_20131007_quote.csv", f"1,{10**400},10,0,0,Q,1,0", "no number"),
        ("aig_20131007_quote.csv", "1,491800,10,0,0,,1,0", "SYMBOL.VENUE"),
        ("aig_20131007_quote.csv", "86400001,491800,10,0,0,Q,1,0", "outside the day"),
        ("aig_20131007_quote.csv", "1,491800,1_0,0,0,Q,1,0", "no number"),
        ("aig_20131007_trade.csv", "1,491800,-3,Q,1,0", "size is -3.0"),
        ("aig_20131007_trade.csv", "1,491800,3,Q,1,7", "suspicious is '7'"),
        ("aig_20131007_trade.csv", "1,491800,3,Q,0", "5 columns"),
        ("aig_20131007_trade.csv", "0,491800,3,Q,1,0", "comes after"),
    ],
)
async def test_rows_that_cannot_be_taken_are_named(
    storage: MemoryStorage, write_file: WriteFile, name: str, row: str, word: str
) -> None:
    good = {"quote": "1,491800,10,0,0,Q,1,0", "trade": "1,491800,3,Q,1,0"}[name[13:18]]
    with pytest.raises(ImportDataError, match=f"line 2: .*{word}"):
        await import_data(storage, write_file(name, good, row), NEW_YORK)
    assert await storage.list_series() == []


async def test_a_day_on_which_the_clocks_change_is_refused(storage: MemoryStorage, write_file: WriteFile) -> None:
    """Milliseconds since midnight then have two meanings, an hour apart."""
    with pytest.raises(ImportDataError, match="clocks change"):
        await import_data(storage, write_file("aig_20131103_trade.csv", TRADES[0]), NEW_YORK)

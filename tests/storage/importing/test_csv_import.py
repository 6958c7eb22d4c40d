"""CSV into a store: bars, quotes and trades as they stand in small files written by hand."""

import gzip
import zipfile
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tradecore.domain.event import CROSSED, IMPORTED, SIZE_UNKNOWN
from tradecore.domain.instant import format_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.trade_tick import Aggressor
from tradecore.errors import ImportDataError, ImportSettingsError
from tradecore.storage.importing.import_data import import_data, plan_import
from tradecore.storage.importing.import_report import ImportProgress
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.market_data_storage import Span
from tradecore.storage.memory_storage import MemoryStorage

WriteFile = Callable[..., Path]
ReadSeries = Callable[..., Awaitable[list[Any]]]

BAR = "BTCUSD.BITSTAMP 1m last"
HEADER = "datetime,open,high,low,close,volume"
ROWS = (
    "2020-01-01 00:00:00,7160.69,7160.69,7159.64,7159.64,5.5",
    "2020-01-01 00:01:00,7161.51,7161.51,7155.09,7161.2,3.7",
)
BARS = ImportSettings(bar_type=BAR, timezone="UTC", stamp="start")


async def test_a_bar_stamped_at_its_start_ends_one_step_later(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    report = await import_data(storage, write_file("bars.csv", HEADER, *ROWS), BARS)
    first, second = await read_series("bar", BAR)
    assert format_ns(first.ts_event) == "2020-01-01T00:01:00Z"
    assert (first.open, first.high, first.low, first.close, first.volume) == (7160.69, 7160.69, 7159.64, 7159.64, 5.5)
    assert first.flags == IMPORTED
    assert format_ns(second.ts_event) == "2020-01-01T00:02:00Z"
    assert (report.rows, report.added, report.known, report.left_out) == (2, 2, 0, {})
    assert (report.first_ns, report.last_ns) == (first.ts_event, second.ts_event)


async def test_a_bar_stamped_at_its_end_keeps_its_time(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("bars.csv", HEADER, *ROWS)
    await import_data(storage, path, ImportSettings(bar_type=BAR, timezone="UTC", stamp="end"))
    assert [format_ns(bar.ts_event) for bar in await read_series("bar", BAR)] == [
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:01:00Z",
    ]


async def test_a_second_import_adds_nothing(storage: MemoryStorage, write_file: WriteFile) -> None:
    path = write_file("bars.csv", HEADER, *ROWS)
    await import_data(storage, path, BARS)
    again = await import_data(storage, path, BARS)
    assert (again.rows, again.added, again.known) == (2, 0, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (ImportSettings(bar_type=BAR, stamp="start"), ["name no time zone", 'timezone = "UTC"', "--timezone"]),
        (ImportSettings(bar_type=BAR, timezone="UTC"), ["start or its end", "--stamp"]),
        (ImportSettings(timezone="UTC", stamp="start"), ["which bars", "--bar-type"]),
    ],
)
async def test_what_the_data_does_not_say_is_asked_for_and_never_guessed(
    storage: MemoryStorage, write_file: WriteFile, settings: ImportSettings, words: list[str]
) -> None:
    with pytest.raises(ImportDataError) as caught:
        await import_data(storage, write_file("bars.csv", HEADER, *ROWS), settings)
    assert all(word in str(caught.value) for word in words)
    assert caught.value.total == 1
    assert await storage.list_series() == []


async def test_all_that_is_missing_is_asked_for_at_once(storage: MemoryStorage, write_file: WriteFile) -> None:
    with pytest.raises(ImportDataError) as caught:
        await import_data(storage, write_file("bars.csv", HEADER, *ROWS))
    assert caught.value.total == 3  # bar type, zone, stamp


def test_a_plan_shows_the_mapping_and_the_first_rows_as_they_would_be_stored(write_file: WriteFile) -> None:
    plan = plan_import(write_file("bars.csv", HEADER, *ROWS), BARS)
    (file,) = plan.files
    assert plan.is_ready
    assert [(use.role, use.name, use.position) for use in file.columns][:2] == [
        ("time", "datetime", 1),
        ("open", "open", 2),
    ]
    assert file.time == "ISO 8601, in UTC, marking the start of each bar"
    assert [format_ns(bar.ts_event) for bar in file.events] == ["2020-01-01T00:01:00Z", "2020-01-01T00:02:00Z"]
    assert file.sample[0] == tuple(ROWS[0].split(","))


def test_a_plan_without_what_is_missing_still_shows_the_rows(write_file: WriteFile) -> None:
    plan = plan_import(write_file("bars.csv", HEADER, *ROWS))
    assert not plan.is_ready
    assert plan.files[0].events == ()
    assert len(plan.files[0].missing) == 3
    assert plan.files[0].sample[1] == tuple(ROWS[1].split(","))


async def test_zone_and_stamp_may_stand_in_the_data(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("bars.csv", "bar_end,open,high,low,close", "2020-01-01T00:01:00Z,1,2,0.5,1.5")
    await import_data(storage, path, ImportSettings(bar_type=BAR))
    (bar,) = await read_series("bar", BAR)
    assert format_ns(bar.ts_event) == "2020-01-01T00:01:00Z"
    assert (bar.volume, bar.flags) == (0.0, IMPORTED | SIZE_UNKNOWN)


async def test_days_end_at_the_close_of_the_defined_instrument(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file(
        "ibm.csv", "Date,Open,High,Low,Close,Volume", "2024-01-12,1,2,0.5,1.5,10", "2024-07-12,1,2,0.5,1.5,10"
    )
    instrument = Instrument(
        id="IBM.NYSE",
        price_increment=Decimal("0.01"),
        quantity_increment=Decimal(1),
        currency="USD",
        session="09:30-16:00 America/New_York",
    )
    report = await import_data(storage, path, ImportSettings(bar_type="IBM.NYSE 1d"), instruments=[instrument])
    ends = [format_ns(bar.ts_event) for bar in await read_series("bar", "IBM.NYSE 1d last")]
    assert ends == ["2024-01-12T21:00:00Z", "2024-07-12T20:00:00Z"]  # 16:00 in winter and in summer time
    assert await storage.list_instruments() == [instrument]
    assert report.added == 2


async def test_days_of_an_unknown_instrument_need_a_session(storage: MemoryStorage, write_file: WriteFile) -> None:
    path = write_file("x.csv", "date,open,high,low,close", "2024-01-12,1,2,0.5,1.5")
    with pytest.raises(ImportDataError, match="--session"):
        await import_data(storage, path, ImportSettings(bar_type="X.Y 1d"))
    with pytest.raises(ImportDataError, match="needs full times"):
        await import_data(storage, path, ImportSettings(bar_type="X.Y 1h", session="24x7"))
    report = await import_data(storage, path, ImportSettings(bar_type="X.Y 1d", session="24x7"))
    assert format_ns(report.last_ns or 0) == "2024-01-13T00:00:00Z"


async def test_quotes_without_sizes_and_crossed_ones_are_flagged(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("q.csv", "time,bid,ask", "2024-01-01T00:00:00Z,1.1,1.2", "2024-01-01T00:00:01Z,1.3,1.2")
    await import_data(storage, path, ImportSettings(instrument="EURUSD.FX"))
    plain, crossed = await read_series("quote_tick", "EURUSD.FX")
    assert (plain.bid_price, plain.ask_price, plain.flags) == (1.1, 1.2, IMPORTED | SIZE_UNKNOWN)
    assert crossed.flags == IMPORTED | SIZE_UNKNOWN | CROSSED


async def test_trades_carry_side_and_id_and_repeats_without_id_are_kept(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file(
        "t.csv", "timestamp,price,amount,side,id", *["1704067200000,10.5,2,sell,"] * 3, "1704067200001,10,1,Buy,77"
    )
    await import_data(storage, path, ImportSettings(instrument="BTC.X"))
    trades = await read_series("trade_tick", "BTC.X")
    assert [trade.aggressor for trade in trades] == [Aggressor.SELLER] * 3 + [Aggressor.BUYER]
    assert [trade.trade_id for trade in trades] == [None] * 3 + ["77"]
    again = await import_data(storage, path, ImportSettings(instrument="BTC.X"))
    assert (again.added, again.known) == (0, 4)


async def test_a_resting_buyer_means_that_the_seller_took(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("t.csv", "time,price,qty,isBuyerMaker", "1704067200000,1,1,true", "1704067200001,1,1,False")
    await import_data(storage, path, ImportSettings(instrument="BTC.X"))
    sides = [trade.aggressor for trade in await read_series("trade_tick", "BTC.X")]
    assert sides == [Aggressor.SELLER, Aggressor.BUYER]


async def test_semicolons_and_decimal_commas_are_told_not_guessed(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("eu.csv", "Datum;open;high;low;close", "01.02.2024 10:00;1,5;2,5;1,25;2")
    settings = ImportSettings(
        bar_type=BAR, timezone="Europe/Prague", stamp="end", columns={"time": "Datum"}, time_form="%d.%m.%Y %H:%M"
    )
    with pytest.raises(ImportDataError, match="decimal"):
        await import_data(storage, path, settings)
    await import_data(storage, path, msgspec.structs.replace(settings, decimal=","))
    (bar,) = await read_series("bar", BAR)
    assert (bar.open, bar.high, bar.low, bar.close) == (1.5, 2.5, 1.25, 2.0)
    assert format_ns(bar.ts_event) == "2024-02-01T09:00:00Z"  # Prague is UTC+1 in February


async def test_a_file_without_header_and_with_split_date_and_time_is_read(
    storage: MemoryStorage, write_file: WriteFile, read_series: ReadSeries
) -> None:
    path = write_file("mt.csv", "2024.01.02,09:30,1,2,0.5,1.5,10", "2024.01.02,09:31,1,2,0.5,1.5,11")
    await import_data(storage, path, BARS)
    assert [format_ns(bar.ts_event) for bar in await read_series("bar", BAR)] == [
        "2024-01-02T09:31:00Z",
        "2024-01-02T09:32:00Z",
    ]


async def test_gzipped_and_zipped_files_give_what_the_plain_one_gives(
    storage: MemoryStorage, write_file: WriteFile, tmp_path: Path
) -> None:
    plain = write_file("bars.csv", HEADER, *ROWS)
    packed, zipped = tmp_path / "bars.csv.gz", tmp_path / "bars.csv.zip"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(plain, "inner.csv")
    added = [(await import_data(storage, path, BARS)).added for path in (plain, packed, zipped)]
    assert added == [2, 0, 0]


async def test_what_lies_between_first_and_last_row_is_covered(storage: MemoryStorage, write_file: WriteFile) -> None:
    report = await import_data(storage, write_file("bars.csv", HEADER, *ROWS), BARS)
    (entry,) = report.series
    assert await storage.covered_spans(entry.series) == [Span(entry.first_ns, entry.last_ns)]


async def test_the_report_suggests_increments_from_the_digits_met(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    (entry,) = (await import_data(storage, write_file("bars.csv", HEADER, *ROWS), BARS)).series
    # 7160.69 has two decimals, 5.5 and 3.7 have one.
    assert (entry.price_increment, entry.quantity_increment) == (Decimal("0.01"), Decimal("0.1"))


async def test_progress_goes_from_checking_to_storing(storage: MemoryStorage, write_file: WriteFile) -> None:
    seen: list[ImportProgress] = []
    await import_data(storage, write_file("bars.csv", HEADER, *ROWS), BARS, progress=seen.append)
    assert [(at.stage, at.rows) for at in seen] == [("checking", 2), ("storing", 2)]
    assert seen[-1].fraction == 1.0


def test_settings_that_cannot_be_meant_are_named_together() -> None:
    settings = ImportSettings(stamp="middle", layout="xls", timezone="Mars/Base", time_form="soon", kind="bars")
    with pytest.raises(ImportSettingsError) as caught:
        settings.check()
    assert len(caught.value.mistakes) == 5


async def test_shorter_bars_than_the_bar_type_says_are_refused(storage: MemoryStorage, write_file: WriteFile) -> None:
    """Minutes imported as five-minute bars would overlap, and a broker would match orders against the wrong bars."""
    path = write_file("bars.csv", HEADER, *ROWS)
    settings = ImportSettings(bar_type="BTCUSD.BITSTAMP 5m last", timezone="UTC", stamp="start")
    with pytest.raises(ImportDataError, match="rows are 60 s apart, the bar type says 300 s"):
        await import_data(storage, path, settings)
    assert await storage.list_series() == []


async def test_a_few_bars_may_lie_closer_than_their_step(storage: MemoryStorage, write_file: WriteFile) -> None:
    """A day of shorter hours: daily bars at 21:00, 18:00 and 21:00 UTC are 21 and 27 hours apart."""
    rows = [f"2020-01-0{day} {hour}:00:00,1,1,1,1,1" for day, hour in ((1, 21), (2, 18), (3, 21), (4, 21))]
    settings = ImportSettings(bar_type="IBM.NYSE 1d last", timezone="UTC", stamp="end")
    report = await import_data(storage, write_file("bars.csv", HEADER, *rows), settings)
    assert report.added == 4


async def test_a_file_that_is_no_table_is_named_without_repeating_it(
    storage: MemoryStorage, write_file: WriteFile
) -> None:
    """Its first line may be a page long."""
    path = write_file("frames.csv", ",".join(f"word{number}" for number in range(500)), "1,2,3")
    with pytest.raises(ImportDataError, match="nothing says what the rows are") as caught:
        await import_data(storage, path, ImportSettings())
    assert len(str(caught.value)) < 600

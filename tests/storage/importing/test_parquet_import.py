"""Parquet: the same mapping as text, from typed columns."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.instant import format_ns
from tradecore.errors import ImportDataError
from tradecore.storage.importing.import_data import import_data, plan_import
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.memory_storage import MemoryStorage

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
ReadSeries = Callable[..., Awaitable[list[Any]]]

BAR = "X.Y 1m last"
PRICES = {"open": [1.0, 1.5], "high": [2.0, 2.0], "low": [0.5, 1.0], "close": [1.5, 1.25]}


def write_parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


async def test_aware_timestamps_carry_their_zone_to_the_nanosecond(
    storage: MemoryStorage, tmp_path: Path, read_series: ReadSeries
) -> None:
    times = pa.array([1_704_067_260_000_000_001, 1_704_067_320_000_000_000], pa.timestamp("ns", "UTC"))
    path = write_parquet(tmp_path / "bars.parquet", timestamp=times, **PRICES)
    await import_data(storage, path, ImportSettings(bar_type=BAR, stamp="end"))
    first, second = await read_series("bar", BAR)
    assert format_ns(first.ts_event) == "2024-01-01T00:01:00.000000001Z"
    assert (second.open, second.high, second.low, second.close) == (1.5, 2.0, 1.0, 1.25)


async def test_naive_timestamps_need_a_zone(storage: MemoryStorage, tmp_path: Path, read_series: ReadSeries) -> None:
    times = [datetime(2024, 7, 1, 9, 30), datetime(2024, 7, 1, 9, 31)]
    path = write_parquet(tmp_path / "bars.parquet", datetime=times, **PRICES)
    with pytest.raises(ImportDataError, match="--timezone"):
        await import_data(storage, path, ImportSettings(bar_type=BAR, stamp="end"))
    await import_data(storage, path, ImportSettings(bar_type=BAR, stamp="end", timezone="America/New_York"))
    assert format_ns((await read_series("bar", BAR))[0].ts_event) == "2024-07-01T13:30:00Z"


async def test_dates_end_at_the_close_and_decimals_are_read(
    storage: MemoryStorage, tmp_path: Path, read_series: ReadSeries
) -> None:
    prices: dict[str, Any] = {name: [Decimal(str(value)) for value in values] for name, values in PRICES.items()}
    path = write_parquet(tmp_path / "d.parquet", date=[date(2024, 1, 2), date(2024, 1, 3)], **prices)
    await import_data(storage, path, ImportSettings(bar_type="X.Y 1d", session="24x7"))
    bars = await read_series("bar", "X.Y 1d last")
    assert [format_ns(bar.ts_event) for bar in bars] == ["2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z"]
    assert bars[1].close == 1.25


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"open": [1.0, None]}, "row 2: open is 'None'"),
        ({"high": [2.0, float("nan")]}, "row 2: .*nan"),
        ({"low": [0.5, 9.0]}, "row 2: .*below low 9.0"),
    ],
)
async def test_bad_rows_are_named_by_their_number(
    storage: MemoryStorage, tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    path = write_parquet(tmp_path / "b.parquet", time=[1_704_067_260_000, 1_704_067_320_000], **PRICES | change)
    with pytest.raises(ImportDataError, match=word):
        await import_data(storage, path, ImportSettings(bar_type=BAR, stamp="end"))
    assert await storage.list_series() == []


async def test_a_file_that_is_no_parquet_is_refused(storage: MemoryStorage, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(ImportDataError, match="not a Parquet file"):
        await import_data(storage, tmp_path / "x.parquet", ImportSettings(bar_type=BAR))


def test_a_plan_shows_columns_of_parquet_too(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "b.parquet", time=[1_704_067_260_000, 1_704_067_320_000], extra=[1, 2], **PRICES)
    (file,) = plan_import(path, ImportSettings(bar_type=BAR, stamp="start")).files
    assert (file.layout, file.unused, len(file.events)) == ("parquet", ("extra",), 2)
    assert file.time == "numbers in ms since 1970 UTC, marking the start of each bar"

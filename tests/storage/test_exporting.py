"""Export: files that say what they are, and give the same series back bit for bit."""

import gzip
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED, IMPORTED, SIZE_UNKNOWN
from tradecore.domain.instant import parse_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import ExportDataError, SeriesNotFound
from tradecore.storage.exporting import export_series
from tradecore.storage.importing.import_data import import_data
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.market_data_storage import MarketEvent, Series
from tradecore.storage.memory_storage import MemoryStorage

ENDINGS = ("csv", "csv.gz", "parquet")
BAR_TYPE = BarType("X.Y", "1m")

prices = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
instants = st.integers(parse_ns("1700-01-01T00:00:00Z"), parse_ns("2261-01-01T00:00:00Z"))
flags = st.sampled_from([0, IMPORTED, SIZE_UNKNOWN, IMPORTED | SIZE_UNKNOWN, 64, 2**40 | IMPORTED])
ids = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6))


@st.composite
def bars(draw: st.DrawFn) -> list[MarketEvent]:
    result: list[MarketEvent] = []
    # Whole minutes: bars that lie nearer than their step are refused at import.
    minutes = st.integers(-140_000_000, 150_000_000)
    for minute in sorted(draw(st.lists(minutes, min_size=1, max_size=5, unique=True))):
        end = minute * 60 * 10**9
        low, opens, closes, high = sorted(draw(st.tuples(prices, prices, prices, prices)))
        received = draw(instants)
        result.append(Bar(BAR_TYPE, end, received, opens, high, low, closes, draw(sizes), draw(flags)))
    return result


@st.composite
def trades(draw: st.DrawFn) -> list[MarketEvent]:
    result: list[MarketEvent] = []
    drawn_ids = draw(st.lists(ids, min_size=5, max_size=5, unique=True))
    for at, trade_id in zip(sorted(draw(st.lists(instants, min_size=1, max_size=5))), drawn_ids, strict=False):
        side = draw(st.sampled_from(Aggressor))
        result.append(TradeTick("X.Y", at, draw(instants), draw(prices), draw(sizes), side, trade_id, draw(flags)))
    return result


@st.composite
def quotes(draw: st.DrawFn) -> list[MarketEvent]:
    result: list[MarketEvent] = []
    for sequence, at in enumerate(sorted(draw(st.lists(instants, min_size=1, max_size=5)))):
        bid, ask = draw(prices), draw(prices)
        bits = draw(flags) | (CROSSED if bid > ask else 0)
        result.append(QuoteTick("X.Y", at, draw(instants), bid, draw(sizes), ask, draw(sizes), sequence, bits))
    return result


@st.composite
def depths(draw: st.DrawFn) -> list[MarketEvent]:
    result: list[MarketEvent] = []
    above = st.floats(min_value=0.001, max_value=1e9)
    for sequence, at in enumerate(sorted(draw(st.lists(instants, min_size=1, max_size=3)))):
        levels = sorted(draw(st.lists(above, min_size=4, max_size=4, unique=True)))
        bids = tuple((price, draw(above)) for price in reversed(levels[:2]))
        asks = tuple((price, draw(above)) for price in levels[2:])
        result.append(DepthSnapshot("X.Y", at, at, bids, asks[: draw(st.integers(0, 2))], sequence, draw(flags)))
    return result


def bits_of(events: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Fields with floats as their 64 bits, so that -0.0 and 0.0 differ."""
    return [
        tuple(
            struct.pack(">d", value) if isinstance(value, float) else value
            for value in (getattr(event, name) for name in event.__struct_fields__)
        )
        for event in events
    ]


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def make_store(events: Sequence[MarketEvent] = ()) -> MemoryStorage:
    store = MemoryStorage()
    await store.connect()
    if events:
        await store.append(events)
    return store


async def read_all(store: MemoryStorage, series: Series) -> list[MarketEvent]:
    return [event async for batch in store.read(series) for event in batch]


def target_of(series: Series) -> ImportSettings:
    return ImportSettings(bar_type=series.name) if series.kind == "bar" else ImportSettings(instrument=series.name)


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(events=[TradeTick("X.Y", 0, 0, 1.0, 1.0, Aggressor.BUYER, "\r", 0)])
@given(events=st.one_of(bars(), trades(), quotes(), depths()))
async def test_an_exported_series_imports_bit_for_bit(ending: str, events: list[MarketEvent]) -> None:
    """The file says its zone and its stamp itself: nothing but the series is told to the import."""
    source, copy = await make_store(events), await make_store()
    series = Series.of(events[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"series.{ending}"
        report = await export_series(source, series, path)
        await import_data(copy, path, target_of(series))
    stored = await read_all(source, series)
    assert bits_of(await read_all(copy, series)) == bits_of(stored)
    assert (report.rows, report.first_ns, report.last_ns) == (len(events), stored[0].ts_event, stored[-1].ts_event)


def make_bars(count: int) -> list[MarketEvent]:
    start = parse_ns("2024-01-01T00:00:00Z")
    return [
        Bar(BAR_TYPE, start + n * 60 * 10**9, start + n * 60 * 10**9, 1.0, 2.0, 0.5, 1.5, 3.0) for n in range(count)
    ]


async def test_a_csv_is_end_stamped_in_utc_with_floats_by_repr(tmp_path: Path) -> None:
    at = parse_ns("2024-01-01T00:01:00.000000001Z")
    store = await make_store([Bar(BAR_TYPE, at, at + 1, 0.1 + 0.2, 2.0, 1e-9, 1e-7, 3.0, IMPORTED)])
    await export_series(store, Series("bar", BAR_TYPE.name), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == (
        "bar_end,open,high,low,close,volume,received,flags\n"
        "2024-01-01T00:01:00.000000001Z,0.30000000000000004,2.0,1e-09,1e-07,3.0,2024-01-01T00:01:00.000000002Z,IMPORTED\n"
    )


async def test_a_series_that_the_store_lacks_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(SeriesNotFound):
        await export_series(await make_store(), Series("bar", "A.B 1m last"), tmp_path / "none.csv")
    assert list_names(tmp_path) == []


async def test_a_stretch_of_time_is_exported_with_both_ends(tmp_path: Path) -> None:
    events = make_bars(10)
    store = await make_store(events)
    series = Series.of(events[0])
    report = await export_series(
        store, series, tmp_path / "x.csv", start_ns=events[2].ts_event, end_ns=events[5].ts_event
    )
    assert (report.rows, report.first_ns, report.last_ns) == (4, events[2].ts_event, events[5].ts_event)


async def test_a_parquet_file_names_its_own_series(tmp_path: Path) -> None:
    events = make_bars(3)
    await export_series(await make_store(events), Series.of(events[0]), tmp_path / "x.parquet")
    copy = await make_store()
    report = await import_data(copy, tmp_path / "x.parquet")
    assert (report.added, report.series[0].series) == (3, Series.of(events[0]))


async def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    events = make_bars(3)
    store, path = await make_store(events), tmp_path / "x.csv"
    path.write_text("mine")
    with pytest.raises(ExportDataError, match="--overwrite"):
        await export_series(store, Series.of(events[0]), path)
    assert path.read_text() == "mine"
    await export_series(store, Series.of(events[0]), path, overwrite=True)
    assert len(path.read_text().splitlines()) == 4


async def test_the_same_series_gives_the_same_packed_bytes(tmp_path: Path) -> None:
    events = make_bars(3)
    store = await make_store(events)
    for name in ("a.csv.gz", "b.csv.gz"):
        await export_series(store, Series.of(events[0]), tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b"bar_end,open,")


async def test_an_ending_without_a_format_is_refused(tmp_path: Path) -> None:
    events = make_bars(1)
    with pytest.raises(ExportDataError, match=r"expected \.csv"):
        await export_series(await make_store(events), Series.of(events[0]), tmp_path / "x.xlsx")


async def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    events = make_bars(3)

    def fail(rows: int, at_ns: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ExportDataError, match="No space left"):
        await export_series(await make_store(events), Series.of(events[0]), tmp_path / "x.csv", progress=fail)
    assert list_names(tmp_path) == []

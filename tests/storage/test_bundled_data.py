"""Bundled data: there, sound, and honest about what it is."""

from datetime import date
from itertools import pairwise

import msgspec
import pytest

from tradecore.domain.bar import Bar
from tradecore.domain.event import IMPORTED
from tradecore.domain.instant import format_ns
from tradecore.domain.trading_session import parse_session
from tradecore.errors import InvalidName
from tradecore.storage.bundled.bundled_data import bundled_instrument, bundled_symbols, load_bundled, load_bundled_bars
from tradecore.storage.market_data_storage import Series
from tradecore.storage.memory_storage import MemoryStorage

IBM = Series("bar", "IBM.NYSE 1d last")


async def make_store() -> MemoryStorage:
    store = MemoryStorage()
    await store.connect()
    return store


async def test_ibm_comes_with_thirteen_years_of_days_that_end_at_the_close() -> None:
    store = await make_store()
    (loaded,) = await load_bundled(store, ["IBM"])
    assert (loaded.series, loaded.rows, loaded.added) == (IBM, 3_270, 3_270)
    assert format_ns(loaded.first_ns) == "2000-03-01T21:00:00Z"  # 16:00 New York in winter
    assert format_ns(loaded.last_ns) == "2013-03-01T21:00:00Z"
    assert loaded.note == "price return, not adjusted for splits or dividends"
    (instrument,) = await store.list_instruments()
    assert (instrument.id, instrument.session) == ("IBM.NYSE", "09:30-16:00 America/New_York")


async def test_loading_again_adds_nothing_and_keeps_the_users_definition() -> None:
    store = await make_store()
    own = msgspec.structs.replace(bundled_instrument("IBM"), currency="EUR")
    await store.add_instruments([own])
    await load_bundled(store, ["IBM"])
    (again,) = await load_bundled(store, ["IBM"])
    assert (again.rows, again.added) == (3_270, 0)
    assert await store.list_instruments() == [own]


@pytest.mark.parametrize(("symbol", "rows"), [("AAPL", 3_270), ("FB", 196), ("GOOG", 2_148), ("MSFT", 3_270)])
def test_every_bundled_bar_is_sound_imported_and_of_one_weekday(symbol: str, rows: int) -> None:
    bars = [bar for bar in load_bundled_bars(symbol) if isinstance(bar, Bar)]
    session = parse_session(bundled_instrument(symbol).session)
    days = [session.find_day(bar.ts_event) for bar in bars]
    assert len(bars) == rows
    assert all(earlier < later for earlier, later in pairwise(days))
    assert all(day.weekday() < 5 for day in days)
    assert {bar.flags for bar in bars} == {IMPORTED}
    assert days[-1] == date(2013, 3, 1)
    for bar in bars:
        bar.check()  # raises for a bar that no market can have


def test_ibm_was_not_split_in_these_years_and_apple_was() -> None:
    """Unadjusted prices jump at a split; the README of the data says which symbols are free of them."""

    def smallest_change(symbol: str) -> float:
        closes = [bar.close for bar in load_bundled_bars(symbol) if isinstance(bar, Bar)]
        return min(later / earlier for earlier, later in pairwise(closes))

    assert smallest_change("IBM") > 0.8
    assert smallest_change("AAPL") < 0.55


async def test_an_unknown_symbol_is_refused_before_anything_is_stored() -> None:
    store = await make_store()
    with pytest.raises(InvalidName, match="AAPL, FB, GOOG, IBM, MSFT"):
        await load_bundled(store, ["IBM", "TSLA"])
    assert await store.list_series() == []
    assert bundled_symbols() == ("AAPL", "FB", "GOOG", "IBM", "MSFT")

"""Bundled data: real daily bars of a few stocks, for first runs and examples.

Receives: symbols such as "IBM", a MarketDataStorage.
Gives:    the bars in the store under "IBM.NYSE 1d last", ended at 16:00 New York, and its Instrument.
Never:    adjusts for splits or dividends: what comes out is a price return, and says so.    Spec: issue 2, item 4.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import IMPORTED
from tradecore.domain.instrument import Instrument
from tradecore.domain.trading_session import parse_session
from tradecore.errors import InvalidName
from tradecore.storage.market_data_storage import MarketDataStorage, MarketEvent, Series

BUNDLED_NOTE: Final = "price return, not adjusted for splits or dividends"

_VALUES: Final = ("open", "high", "low", "close", "volume")
_FILE: Final = "stocks_daily.csv.gz"
_SESSION: Final = "09:30-16:00 America/New_York"
_VENUES: Final = {"AAPL": "NASDAQ", "FB": "NASDAQ", "GOOG": "NASDAQ", "IBM": "NYSE", "MSFT": "NASDAQ"}


class BundledSeries(msgspec.Struct, frozen=True):
    """What was loaded of one symbol: bars in the file, bars that were new in the store, first and last end.

    note: what a reader of results made from it must know.
    """

    symbol: str
    series: Series
    rows: int
    added: int
    first_ns: int
    last_ns: int
    note: str


def bundled_symbols() -> tuple[str, ...]:
    """Symbols that come with tradecore, in alphabetical order."""
    return tuple(_VENUES)


def bundled_instrument(symbol: str) -> Instrument:
    """Definition of a bundled symbol. Raises: InvalidName for a symbol that is not bundled."""
    if symbol not in _VENUES:
        raise InvalidName(f"no data of {symbol!r} is bundled; bundled: {', '.join(_VENUES)}")
    return Instrument(
        id=f"{symbol}.{_VENUES[symbol]}",
        price_increment=Decimal("0.01"),
        quantity_increment=Decimal(1),
        currency="USD",
        session=_SESSION,
    )


def load_bundled_bars(symbol: str) -> list[MarketEvent]:
    """All daily bars of a bundled symbol in order of time, flagged IMPORTED. Raises: InvalidName."""
    session = parse_session(_SESSION)
    bar_type = BarType(bundled_instrument(symbol).id, "1d")
    bars: list[MarketEvent] = []
    for row in _read_rows():
        if row["symbol"] == symbol:
            end_ns = session.compute_close_ns(date.fromisoformat(row["date"]))
            opens, high, low, close, volume = (float(row[name]) for name in _VALUES)
            bar = Bar(bar_type, end_ns, end_ns, opens, high, low, close, volume, IMPORTED)
            bar.check()
            bars.append(bar)
    return bars


async def load_bundled(storage: MarketDataStorage, symbols: Iterable[str]) -> list[BundledSeries]:
    """Put bundled symbols into a store; bars that it has already are left as they are.

    An instrument that the store defines keeps its definition. Raises: InvalidName before anything is stored;
    StorageConflict when the store has other values for one of the days.
    """
    wanted = {symbol: bundled_instrument(symbol) for symbol in symbols}
    defined = {instrument.id for instrument in await storage.list_instruments()}
    loaded = []
    for symbol, instrument in wanted.items():
        bars = load_bundled_bars(symbol)
        if instrument.id not in defined:
            await storage.add_instruments([instrument])
        appended = await storage.append(bars)
        series = Series.of(bars[0])
        first_ns, last_ns = bars[0].ts_event, bars[-1].ts_event
        loaded.append(BundledSeries(symbol, series, len(bars), appended.added, first_ns, last_ns, BUNDLED_NOTE))
    return loaded


def _read_rows() -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(_load_text()))


@cache
def _load_text() -> str:
    """The file's text: 600 kB, kept because each symbol is found by reading all of it."""
    packed = files("tradecore.storage.bundled").joinpath(_FILE).read_bytes()
    return gzip.decompress(packed).decode("ascii")

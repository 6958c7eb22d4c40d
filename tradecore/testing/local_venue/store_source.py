"""StoreSource: stored series of one or more instruments, played as a market.

Receives: any MarketDataStorage, the instruments to play, from when to when.
Gives:    stored trades, best prices and depth as they are; bars as four prints each, from which the same bars come out.
Never:    plays what it cannot show exactly: a price or size off the instrument's increment is an error.
          Spec: issue 4, item 2; DESIGN 7.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import FLAT, SIZE_UNKNOWN
from tradecore.domain.instant import MAX_NS, MIN_NS, format_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import LocalVenueError
from tradecore.storage.market_data_storage import MarketDataStorage, MarketEvent, Series
from tradecore.testing.local_venue.venue_action import Level, PrintTrade, SetLevels, ShowQuote, VenueAction
from tradecore.testing.local_venue.venue_instrument import NumberGrid, VenueInstrument, split_symbol

_BATCH: Final = 1_024
_TOLERANCE: Final = Decimal("1e-9")
_RANKS: Final = {"depth": 0, "quote_tick": 1, "trade_tick": 2, "bar": 3}


class StoreSource:
    """Stored series as a market; made by `open_store_source`. See MarketSource for its attributes."""

    def __init__(
        self, storage: MarketDataStorage, listed: dict[str, tuple[Instrument, list[Series]]], span: tuple[int, int],
        start_ns: int,
    ) -> None:  # fmt: skip
        self._storage, self._span, self.start_ns = storage, span, start_ns
        self._listings = {name: _Listing(instrument, series) for name, (instrument, series) in listed.items()}
        self.instruments = tuple(listing.pair for listing in self._listings.values())
        self.recorded_quotes = frozenset(each.pair.symbol for each in self._listings.values() if each.has_quotes)
        self.settle_ns = 0

    async def batches(self) -> AsyncIterator[list[VenueAction]]:
        """All of it in order of time: at one instant depth, quotes, trades, bars."""
        readers = [
            _SeriesReader(self._storage.read(series, *self._span), listing, _RANKS[series.kind])
            for listing in self._listings.values()
            for series in listing.series
        ]
        try:
            for reader in readers:
                await reader.read_on()
            batch: list[VenueAction] = []
            while left := [reader for reader in readers if reader.actions]:
                chosen = min(left, key=_order_of)
                batch.append(chosen.actions.pop())
                if not chosen.actions:
                    await chosen.read_on()
                if len(batch) >= _BATCH:
                    yield batch
                    batch = []
            if batch:
                yield batch
        finally:
            for reader in readers:
                await reader.close()


async def open_store_source(
    storage: MarketDataStorage, instruments: Sequence[str] = (), *, start_ns: int = MIN_NS, end_ns: int = MAX_NS,
    history_ns: int = 0,
) -> StoreSource:  # fmt: skip
    """The market of a connected store. instruments: ids to play, all when empty. history_ns: how much is history.

    Bars are played only of instruments without trades, and of the finest step. Raises: LocalVenueError when there is
    nothing to play, or an instrument is not defined in the store.
    """
    infos = {info.series: info for info in await storage.list_series()}
    defined = {instrument.id: instrument for instrument in await storage.list_instruments()}
    names = list(instruments) or sorted({series.instrument for series in infos})
    listed: dict[str, tuple[Instrument, list[Series]]] = {}
    for name in names:
        if name not in defined:
            raise LocalVenueError(
                f"{storage.url} does not define instrument {name!r}; it has {', '.join(sorted(defined)) or 'none'}. "
                "Its increments are needed: add it to the store, as `tradecore data import --config` does"
            )
        listed[name] = defined[name], _choose_series([series for series in infos if series.instrument == name])
    chosen = [series for _, found in listed.values() for series in found]
    if not chosen:
        raise LocalVenueError(f"{storage.url} has no series of {', '.join(names) or 'any instrument'} to play")
    first_ns = max(min(infos[series].first_ns for series in chosen), start_ns)
    return StoreSource(storage, listed, (start_ns, end_ns), first_ns + history_ns)


def _choose_series(found: list[Series]) -> list[Series]:
    kinds = {series.kind for series in found}
    ticks = [series for series in found if series.kind != "bar"]
    bars = [series for series in found if series.kind == "bar" and series.name.endswith(" last")]
    if "trade_tick" in kinds or not bars:
        return ticks
    return [*ticks, min(bars, key=lambda series: getattr(series.key, "step_ns", 0) or MAX_NS)]


class _Listing:
    """One instrument, and how its events become actions."""

    def __init__(self, instrument: Instrument, series: list[Series]) -> None:
        base, quote = split_symbol(instrument.symbol)
        if instrument.base_currency is not None:
            base, quote = instrument.base_currency, instrument.currency
        self.pair = VenueInstrument(base, quote, instrument.price_increment, instrument.quantity_increment)
        self.series = series
        self.has_quotes = any(each.kind == "quote_tick" for each in series)
        self._has_depth = any(each.kind == "depth" for each in series)
        self._shown: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def make_actions(self, event: MarketEvent) -> list[VenueAction]:
        """What an event is for the market. Raises: LocalVenueError."""
        if isinstance(event, TradeTick):
            return [self._print(event)]
        if isinstance(event, QuoteTick):
            return self._show(event)
        if isinstance(event, DepthSnapshot):
            bids = {self._price(event, price): self._size(event, size) for price, size in event.bids}
            asks = {self._price(event, price): self._size(event, size) for price, size in event.asks}
            return [self._set_levels(event, bids, asks)]
        return self._print_bar(event)

    def _print(self, trade: TradeTick) -> PrintTrade:
        has_id = trade.trade_id is not None and trade.trade_id.isdecimal()
        return PrintTrade(
            self.pair.symbol, trade.ts_event, trade.ts_event, self._price(trade, trade.price),
            self._size(trade, trade.size), trade.aggressor is Aggressor.SELLER,
            int(trade.trade_id) if has_id and trade.trade_id else None,
        )  # fmt: skip

    def _show(self, quote: QuoteTick) -> list[VenueAction]:
        bid = self._price(quote, quote.bid_price), self._size(quote, quote.bid_size)
        ask = self._price(quote, quote.ask_price), self._size(quote, quote.ask_size)
        at_ns = quote.ts_event
        actions: list[VenueAction] = [ShowQuote(self.pair.symbol, at_ns, at_ns, *bid, *ask, quote.sequence or None)]
        if not self._has_depth:  # the book is at least what the best prices say
            actions.append(self._set_levels(quote, dict([bid]), dict([ask])))
        return actions

    def _set_levels(self, event: Any, bids: dict[int, int], asks: dict[int, int]) -> SetLevels:
        before, self._shown = self._shown, (bids, asks)
        changed = _list_changes(before[0], bids), _list_changes(before[1], asks)
        return SetLevels(self.pair.symbol, event.ts_event, event.ts_event, event.sequence, *changed)

    def _print_bar(self, bar: Bar) -> list[VenueAction]:
        """Four prints: open, the extremes in the order in which a price can have met them, close.

        The volume is shared among them in whole increments, at least one each, so that the sum is the bar's unless
        that has less than four. A flat bar is no trade: the venue makes it again by itself.
        """
        if bar.flags & FLAT:
            return []
        prices = [self._price(bar, price) for price in (bar.open, bar.low, bar.high, bar.close)]
        if bar.close < bar.open:
            prices[1], prices[2] = prices[2], prices[1]
        total, begin_ns = self._size(bar, bar.volume), bar.ts_event - bar.bar_type.step_ns
        shares = [max(total // 4 + (place < total % 4), 1) for place in range(4)]
        times = [begin_ns + place * bar.bar_type.step_ns // 4 for place in range(4)]
        falls = [now < before for before, now in pairwise([prices[0], *prices])]
        return [
            PrintTrade(self.pair.symbol, at_ns, at_ns, price, share, fell)
            for at_ns, price, share, fell in zip(times, prices, shares, falls, strict=True)
        ]

    def _price(self, event: MarketEvent, price: float) -> int:
        return _count(self.pair.prices, price, f"price of {event.series} at {format_ns(event.ts_event)}")

    def _size(self, event: MarketEvent, size: float) -> int:
        if event.flags & SIZE_UNKNOWN:
            return 1  # something traded or stood there; how much, nobody wrote down
        return _count(self.pair.sizes, size, f"size of {event.series} at {format_ns(event.ts_event)}")


class _SeriesReader:
    """One series being read; `actions` holds what is next, the first one last."""

    def __init__(self, batches: AsyncIterator[list[MarketEvent]], listing: _Listing, rank: int) -> None:
        self.actions: list[VenueAction] = []
        self.rank = rank
        self._batches, self._listing = batches, listing

    async def read_on(self) -> None:
        while not self.actions:
            batch = await anext(self._batches, None)
            if batch is None:
                return
            self.actions = [action for event in batch for action in self._listing.make_actions(event)][::-1]

    async def close(self) -> None:
        close = getattr(self._batches, "aclose", None)
        if close is not None:
            await close()


def _order_of(reader: _SeriesReader) -> tuple[int, int]:
    return reader.actions[-1].at_ns, reader.rank


def _list_changes(before: dict[int, int], now: dict[int, int]) -> tuple[Level, ...]:
    gone = [(price, 0) for price in before if price not in now]
    return (*gone, *[(price, size) for price, size in now.items() if before.get(price) != size])


def _count(grid: NumberGrid, number: float, what: str) -> int:
    count = grid.count(number)
    if abs(count * grid.increment - Decimal(repr(number))) > _TOLERANCE:
        raise LocalVenueError(f"{what} is {number!r}, off its increment {grid.increment}; correct the instrument")
    return count

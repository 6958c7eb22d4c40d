"""Binance's answers about the past, and about itself: what to ask, and what the answer means.

Receives: streams, times, the JSON of results of the WebSocket API.
Gives:    pages of trades and of closed bars in order, instruments, whole books.
Never:    gives the bar that is still open, or a row that the venue sent twice.    VENUES 4.1; DESIGN 10.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.instant import MIN_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedDataError, InvalidEvent, InvalidName, UnknownSymbol, VenueRequestFailed
from tradecore.venues.binance_api import BinanceApi
from tradecore.venues.binance_codec import name_interval
from tradecore.venues.frame_fields import (
    Price,
    Size,
    UnixTime,
    decode_frame,
    lenient,
    unix_to_ns,
)
from tradecore.venues.frame_fields import (
    Sequence as UpdateNumber,
)

PAGE_ROWS: Final = 1_000
BOOK_LEVELS: Final = 1_000  # of a side; weighs 50, against 250 for the 5,000 that are offered
WEIGHTS: Final = {
    "time": 1,
    "exchangeInfo": 20,
    "klines": 2,
    "trades.historical": 25,
    "trades.aggregate": 4,
    "depth": 50,
}
BEST_BOOK_WEIGHT: Final = 5  # of a book of at most 100 levels
NO_SUCH_SYMBOL: Final = -1121
_MICROSECOND_NS: Final = 1_000


class _Time(msgspec.Struct):
    serverTime: UnixTime  # noqa: N815  (the venue's names)


class _Filter(msgspec.Struct):
    filterType: str  # noqa: N815
    tickSize: str = ""  # noqa: N815
    stepSize: str = ""  # noqa: N815


class _Symbol(msgspec.Struct):
    symbol: str
    baseAsset: str  # noqa: N815
    quoteAsset: str  # noqa: N815
    filters: list[_Filter]


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


class _Trade(msgspec.Struct):
    id: UpdateNumber
    price: Price
    qty: Size
    time: UnixTime
    isBuyerMaker: bool  # noqa: N815


class _AggregateTrade(msgspec.Struct):
    f: UpdateNumber  # first trade id
    l: UpdateNumber  # noqa: E741  (last trade id; the venue's name)


class _Depth(msgspec.Struct):
    lastUpdateId: UpdateNumber  # noqa: N815
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]


# Open time, open, high, low, close, volume, close time; five more that a bar has no place for.
_Kline = tuple[UnixTime, Price, Price, Price, Price, Size, UnixTime, Any, Any, Any, Any, Any]

_TIME: Final = lenient(_Time)
_EXCHANGE_INFO: Final = lenient(_ExchangeInfo)
_TRADES: Final = lenient(Annotated[list[_Trade], msgspec.Meta(max_length=PAGE_ROWS)])
_AGGREGATES: Final = lenient(list[_AggregateTrade])
_KLINES: Final = lenient(Annotated[list[_Kline], msgspec.Meta(max_length=PAGE_ROWS)])
_DEPTH: Final = lenient(_Depth)


class BinanceQuestions:
    """The questions that a market data venue answers, asked over one BinanceApi."""

    def __init__(self, venue: str, api: BinanceApi) -> None:
        self._venue = venue
        self._api = api

    async def load_time(self) -> int:
        """The venue's clock, ns."""
        return unix_to_ns((await self._ask(_TIME, "time", {})).serverTime)

    async def load_instrument(self, instrument: str) -> Instrument:
        """The venue's definition. Raises: UnknownSymbol."""
        symbol = instrument.rpartition(".")[0].upper()
        try:
            answer = await self._ask(_EXCHANGE_INFO, "exchangeInfo", {"symbols": [symbol]})
        except VenueRequestFailed as error:
            if f"(code {NO_SUCH_SYMBOL})" not in error.reason:
                raise
            raise UnknownSymbol(self._venue, instrument, error.reason) from error
        for said in answer.symbols:
            if said.symbol == symbol:
                return self._make_instrument(instrument, said)
        raise UnknownSymbol(self._venue, instrument, f"it does not list {symbol}")

    async def load_book(self, symbol: str) -> tuple[int, Sequence[tuple[float, float]], Sequence[tuple[float, float]]]:
        """A whole book: its update number, bids, asks."""
        said = await self._ask(_DEPTH, "depth", {"symbol": symbol, "limit": BOOK_LEVELS})
        return said.lastUpdateId, said.bids, said.asks

    async def load_newest(self, stream: Stream) -> Hashable:
        """What changes whenever the stream should say something: the last trade, the open bar, the best, the book."""
        symbol, bar_type = stream.symbol.upper(), stream.bar_type
        if bar_type is not None:
            interval = name_interval(self._venue, stream, bar_type)
            rows = await self._ask(_KLINES, "klines", {"symbol": symbol, "interval": interval, "limit": 1})
            return rows[-1][0] if rows else 0
        if stream.kind == "trade_tick":
            trades = await self._ask(_AGGREGATES, "trades.aggregate", {"symbol": symbol, "limit": 1})
            return trades[-1].l if trades else 0
        book = await self._ask(_DEPTH, "depth", {"symbol": symbol, "limit": 1}, weight=BEST_BOOK_WEIGHT)
        return (*book.bids[:1], *book.asks[:1]) if stream.kind == "quote_tick" else book.lastUpdateId

    async def read_trades(
        self, stream: Stream, start: int, end: int, from_id: int | None
    ) -> AsyncIterator[list[TradeTick]]:
        """Pages of trades by id, from the first one at or after `start` or from `from_id`."""
        symbol, name = stream.symbol.upper(), stream.name
        number = await self._find_first_id(symbol, start) if from_id is None else from_id
        while number is not None:
            params = {"symbol": symbol, "fromId": number, "limit": PAGE_ROWS}
            rows = await self._ask(_TRADES, "trades.historical", params)
            page = [_make_trade(name, row) for row in rows if row.id >= number]
            page.sort(key=_trade_number)
            wanted = (
                [tick for tick in page if start <= tick.ts_event <= end]
                if from_id is None
                else [tick for tick in page if tick.ts_event <= end]
            )
            if wanted:
                yield wanted
            if len(rows) < PAGE_ROWS or not page or page[-1].ts_event > end:
                return
            number = _trade_number(page[-1]) + 1

    async def read_bars(self, stream: Stream, start: int, end: int) -> AsyncIterator[list[Bar]]:
        """Pages of bars that end within [start, end] and are closed by the venue's clock."""
        bar_type = stream.bar_type
        assert bar_type is not None, "asked for bars of a stream of bars only"
        interval, step_ns = name_interval(self._venue, stream, bar_type), bar_type.step_ns
        opening = max(start, MIN_NS + step_ns) - step_ns
        while opening + step_ns <= end:
            # Asked before the rows: what was closed then is closed in them.
            now = await self.load_time()
            params = {
                "symbol": stream.symbol.upper(),
                "interval": interval,
                "startTime": max(0, -(-opening // _MICROSECOND_NS)),
                "endTime": max(0, (end - step_ns) // _MICROSECOND_NS),
                "limit": PAGE_ROWS,
            }
            rows = await self._ask(_KLINES, "klines", params)
            ends = [unix_to_ns(row[0]) + step_ns for row in rows]
            page = [
                Bar(bar_type, ts, ts, row[1], row[2], row[3], row[4], row[5])
                for ts, row in zip(ends, rows, strict=True)
                if max(start, opening + step_ns) <= ts <= min(end, now)
            ]
            self._check(page)
            if page:
                yield page
            if len(rows) < PAGE_ROWS or ends[-1] > now:
                return
            opening = ends[-1]

    async def _find_first_id(self, symbol: str, start: int) -> int | None:
        """The id of the first trade at or after `start`, None when there is none yet."""
        params = {"symbol": symbol, "startTime": max(0, -(-start // _MICROSECOND_NS)), "limit": 1}
        rows = await self._ask(_AGGREGATES, "trades.aggregate", params)
        return rows[0].f if rows else None

    async def _ask(
        self, decoder: msgspec.json.Decoder[Any], method: str, params: dict[str, Any], *, weight: int | None = None
    ) -> Any:
        answer = await self._api.ask(method, params, weight=weight or WEIGHTS[method])
        try:
            return decode_frame(decoder, answer)
        except FeedDataError as error:
            raise VenueRequestFailed(self._venue, method, 200, f"the answer cannot be read: {error}") from error

    def _make_instrument(self, instrument: str, said: _Symbol) -> Instrument:
        price = next((rule.tickSize for rule in said.filters if rule.filterType == "PRICE_FILTER"), "")
        quantity = next((rule.stepSize for rule in said.filters if rule.filterType == "LOT_SIZE"), "")
        try:
            return Instrument(
                id=instrument,
                price_increment=Decimal(price).normalize(),
                quantity_increment=Decimal(quantity).normalize(),
                currency=said.quoteAsset,
                base_currency=said.baseAsset,
            )
        except (InvalidOperation, InvalidName) as error:
            raise VenueRequestFailed(
                self._venue, "exchangeInfo", 200, f"{instrument} has the increments {price!r} and {quantity!r}"
            ) from error

    def _check(self, bars: list[Bar]) -> None:
        try:
            for bar in bars:
                bar.check()
        except InvalidEvent as error:
            raise VenueRequestFailed(self._venue, "klines", 200, str(error)) from error


def _make_trade(name: str, row: _Trade) -> TradeTick:
    ts = unix_to_ns(row.time)
    aggressor = Aggressor.SELLER if row.isBuyerMaker else Aggressor.BUYER
    return TradeTick(name, ts, ts, row.price, row.qty, aggressor, str(row.id))


def _trade_number(tick: TradeTick) -> int:
    assert tick.trade_id is not None, "made above"
    return int(tick.trade_id)

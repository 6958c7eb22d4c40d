"""BinanceQueries: what Binance Spot answers about its markets, to its REST and its WebSocket API alike.

Receives: the name of a question and its parameters, as texts or JSON values.
Gives:    results in the venue's own shapes, and its refusals by code; the weight of each.
Never:    has a past that the real venue does not have: there is none of quotes and books.    Source: VENUES 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tradecore.domain.instant import DAY_NS, SECOND_NS
from tradecore.testing.local_venue.bar_series import INTERVALS, VenueBar
from tradecore.testing.local_venue.binance_text import MICROSECOND, MILLISECOND, depth_text
from tradecore.testing.local_venue.trade_tape import AggregatedTrade
from tradecore.testing.local_venue.venue_event import VenueTrade
from tradecore.testing.local_venue.venue_instrument import VenueInstrument
from tradecore.testing.local_venue.venue_market import PairMarket
from tradecore.testing.local_venue.venue_play import VenuePlay

WEIGHT_LIMIT: Final = 6_000
_ROWS_MAX: Final = 1_000
_ROWS: Final = 500
_DEPTH_MAX: Final = 5_000
_NUMBER: Final = re.compile("[0-9]{1,20}")
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (_DEPTH_MAX, 250))

HISTORY: Final = frozenset(("klines", "trades.historical", "trades.aggregate", "trades.recent"))

Params = Mapping[str, Any]


class BinanceRefusal(Exception):
    """An answer that says no. status: of HTTP; code: the venue's own, below 0."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class BinanceQueries:
    """All questions, by the names of the WebSocket API."""

    def __init__(self, play: VenuePlay) -> None:
        self._play = play
        self._answers: dict[str, tuple[Callable[[Params, int], Any], int]] = {
            "ping": (lambda _params, _unit: {}, 1),
            "time": (lambda _params, unit: {"serverTime": play.server_ns("binance") // unit}, 1),
            "exchangeInfo": (self._exchange_info, 20),
            "depth": (self._depth, 5),
            "trades.recent": (self._recent, 25),
            "trades.historical": (self._historical, 25),
            "trades.aggregate": (self._aggregate, 4),
            "klines": (self._klines, 2),
            "ticker.24hr": (self._day_ticker, 2),
            "ticker.price": (self._price_ticker, 2),
            "ticker.book": (self._book_ticker, 2),
            "avgPrice": (self._average, 2),
        }

    def __contains__(self, name: object) -> bool:
        return name in self._answers

    def weigh(self, name: str, params: Params) -> int:
        """Weight of a question."""
        if name == "depth":
            number = int(str(params.get("limit", 100))) if _is_number(params.get("limit", 100)) else 100
            return next((weight for depth, weight in _DEPTH_WEIGHTS if number <= depth), _DEPTH_WEIGHTS[-1][1])
        if name.startswith("ticker.") and "symbol" not in params:
            return 80 if name == "ticker.24hr" else 4
        return self._answers[name][1]

    def ask(self, name: str, params: Params, *, unit: int = MILLISECOND) -> Any:
        """The result in JSON's types. Raises: BinanceRefusal."""
        return self._answers[name][0](params, unit)

    # ------------------------------------------------------------------------------------------------ the questions

    def _exchange_info(self, params: Params, unit: int) -> Any:
        pairs = self._play.market.pairs
        if "symbol" in params:
            chosen = [self._pair(params)]
        elif "symbols" in params:
            chosen = [self._pair({"symbol": name}) for name in _read_symbols(params["symbols"])]
        else:
            chosen = list(pairs.values())
        return {
            "timezone": "UTC",
            "serverTime": self._play.server_ns("binance") // unit,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_LIMIT},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50},
                {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 160_000},
            ],
            "exchangeFilters": [],
            "symbols": [_describe(pair.instrument) for pair in chosen],
        }

    def _depth(self, params: Params, unit: int) -> Any:
        del unit
        pair, core = self._pair(params), self._pair(params).core
        limit = _read_int(params, "limit", 100, most=_DEPTH_MAX)
        text = depth_text(pair.instrument, pair.last_change_id, core.bids.levels(limit), core.asks.levels(limit))
        return msgspec.Raw(text.encode())

    def _recent(self, params: Params, unit: int) -> Any:
        pair = self._pair(params)
        limit = _read_int(params, "limit", _ROWS, most=_ROWS_MAX)
        trades = pair.tape.newest(limit, self._visible(pair))
        return [_trade_row(pair.instrument, trade, unit) for trade in trades]

    def _historical(self, params: Params, unit: int) -> Any:
        pair = self._pair(params)
        limit, until = _read_int(params, "limit", _ROWS, most=_ROWS_MAX), self._visible(pair)
        first_id = _read_int(params, "fromId", -1)
        trades = pair.tape.newest(limit, until) if first_id < 0 else pair.tape.from_id(first_id, limit, until)
        return [_trade_row(pair.instrument, trade, unit) for trade in trades]

    def _aggregate(self, params: Params, unit: int) -> Any:
        pair = self._pair(params)
        limit, until_ns = _read_int(params, "limit", _ROWS, most=_ROWS_MAX), self._visible_ns()
        rows = [row for row in pair.tape.aggregated() if row.event_ns <= until_ns]
        if "fromId" in params:
            first_id = _read_int(params, "fromId", 0)
            rows = [row for row in rows if row.aggregate_id >= first_id][:limit]
        elif "startTime" in params or "endTime" in params:
            start, end = _read_span(params)
            rows = [row for row in rows if start <= row.event_ns < end][:limit]
        else:
            rows = rows[-limit:]
        return [_aggregate_row(pair.instrument, row, unit) for row in rows]

    def _klines(self, params: Params, unit: int) -> Any:
        pair = self._pair(params)
        interval = params.get("interval")
        if interval not in INTERVALS:
            raise BinanceRefusal(-1120, "Invalid interval.")
        limit = _read_int(params, "limit", _ROWS, most=_ROWS_MAX)
        now_ns, until_ns = self._play.now_ns(), self._visible_ns()
        bars = pair.tape.bars(interval, now_ns)
        if until_ns < now_ns:  # late history: a bar is there once it was over so long ago
            bars = [bar for bar in bars if bar.end_ns <= until_ns]
        if "startTime" in params or "endTime" in params:
            start, end = _read_span(params)
            bars = [bar for bar in bars if start <= bar.open_ns < end]
        chosen = bars[:limit] if "startTime" in params else bars[-limit:]
        return [_bar_row(pair.instrument, bar, unit) for bar in chosen]

    def _day_ticker(self, params: Params, unit: int) -> Any:
        return self._each(params, lambda pair: self._describe_day(pair, unit))

    def _price_ticker(self, params: Params, unit: int) -> Any:
        del unit
        return self._each(params, lambda pair: {"symbol": pair.instrument.symbol, "price": _last_price(pair)})

    def _book_ticker(self, params: Params, unit: int) -> Any:
        del unit
        return self._each(params, _describe_best)

    def _average(self, params: Params, unit: int) -> Any:
        pair, now_ns = self._pair(params), self._play.now_ns()
        prices, until = pair.instrument.prices, pair.tape.count_until(now_ns)
        trades = pair.tape.after(now_ns - 300 * SECOND_NS, until, until)
        lots = sum([trade.size for trade in trades], 0)
        mean = sum([trade.price * trade.size for trade in trades], 0) // lots if lots else 0
        price = prices.text(mean) if lots else _last_price(pair)
        return {"mins": 5, "price": price, "closeTime": now_ns // unit}

    # ----------------------------------------------------------------------------------------------------- the rest

    def _pair(self, params: Params) -> PairMarket:
        symbol = params.get("symbol")
        if not isinstance(symbol, str):
            raise BinanceRefusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        pair = self._play.get_pair(symbol)
        if pair is None:
            raise BinanceRefusal(-1121, "Invalid symbol.")
        return pair

    def _each(self, params: Params, describe: Callable[[PairMarket], Any]) -> Any:
        if "symbol" in params:
            return describe(self._pair(params))
        return [describe(pair) for pair in self._play.market.pairs.values()]

    def _visible_ns(self) -> int:
        return self._play.now_ns() - int(self._play.faults.read_seconds("late_history", "binance") * SECOND_NS)

    def _visible(self, pair: PairMarket) -> int:
        return pair.tape.count_until(self._visible_ns())

    def _describe_day(self, pair: PairMarket, unit: int) -> Any:
        instrument, now_ns = pair.instrument, self._play.now_ns()
        price, size = instrument.prices.text, instrument.sizes.text
        bars = [bar for bar in pair.tape.bars("1m", now_ns) if bar.end_ns > now_ns - DAY_NS]
        traded = [bar for bar in bars if bar.count]
        volume, value = sum([bar.volume for bar in bars], 0), sum([bar.value for bar in bars], 0)
        opened = traded[0].open if traded else 0
        closed = traded[-1].close if traded else 0
        change = closed - opened
        return {
            "symbol": instrument.symbol,
            "priceChange": ("-" if change < 0 else "") + price(abs(change)),
            "priceChangePercent": f"{change * 100 / opened if opened else 0:.3f}",
            "weightedAvgPrice": price(value // volume if volume else closed),
            "prevClosePrice": price(opened),
            "lastPrice": price(closed),
            "lastQty": size(pair.tape.trades[-1].size if pair.tape.trades else 0),
            **{name: text for name, text in _describe_best(pair).items() if name != "symbol"},
            "openPrice": price(opened),
            "highPrice": price(max([bar.high for bar in traded], default=0)),
            "lowPrice": price(min([bar.low for bar in traded], default=0)),
            "volume": size(volume),
            "quoteVolume": instrument.prices.product_text(instrument.sizes, value),
            "openTime": (now_ns - DAY_NS) // unit,
            "closeTime": now_ns // unit,
            "firstId": traded[0].first_id if traded else -1,
            "lastId": traded[-1].last_id if traded else -1,
            "count": sum([bar.count for bar in bars], 0),
        }


def _describe(pair: VenueInstrument) -> Any:
    """One entry of exchangeInfo."""
    price, size = pair.prices.text, pair.sizes.text
    return {
        "symbol": pair.symbol,
        "status": "TRADING",
        "baseAsset": pair.base,
        "baseAssetPrecision": 8,
        "quoteAsset": pair.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
                       "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": False,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": price(1), "maxPrice": price(10**12), "tickSize": price(1)},
            {"filterType": "LOT_SIZE", "minQty": size(1), "maxQty": size(10**14), "stepSize": size(1)},
            {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True, "maxNotional": "9000000",
             "applyMaxToMarket": False, "avgPriceMins": 5},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }  # fmt: skip


def _describe_best(pair: PairMarket) -> dict[str, str]:
    quote, price, size = pair.quote, pair.instrument.prices.text, pair.instrument.sizes.text
    bid = (quote.bid_price, quote.bid_size) if quote else (0, 0)
    ask = (quote.ask_price, quote.ask_size) if quote else (0, 0)
    return {
        "symbol": pair.instrument.symbol,
        "bidPrice": price(bid[0]), "bidQty": size(bid[1]), "askPrice": price(ask[0]), "askQty": size(ask[1]),
    }  # fmt: skip


def _last_price(pair: PairMarket) -> str:
    return pair.instrument.prices.text(pair.tape.trades[-1].price if pair.tape.trades else 0)


def _trade_row(pair: VenueInstrument, trade: VenueTrade, unit: int) -> Any:
    return {
        "id": trade.trade_id,
        "price": pair.prices.text(trade.price),
        "qty": pair.sizes.text(trade.size),
        "quoteQty": pair.prices.product_text(pair.sizes, trade.price * trade.size),
        "time": trade.event_ns // unit,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def _aggregate_row(pair: VenueInstrument, row: AggregatedTrade, unit: int) -> Any:
    return {
        "a": row.aggregate_id,
        "p": pair.prices.text(row.price),
        "q": pair.sizes.text(row.size),
        "f": row.first_id,
        "l": row.last_id,
        "T": row.event_ns // unit,
        "m": row.buyer_is_maker,
        "M": True,
    }


def _bar_row(pair: VenueInstrument, bar: VenueBar, unit: int) -> Any:
    price, size, value = pair.prices.text, pair.sizes.text, pair.prices.product_text
    return [
        bar.open_ns // unit, price(bar.open), price(bar.high), price(bar.low), price(bar.close), size(bar.volume),
        bar.end_ns // unit - 1, value(pair.sizes, bar.value), bar.count, size(bar.taker_volume),
        value(pair.sizes, bar.taker_value), "0",
    ]  # fmt: skip


def _read_int(params: Params, name: str, default: int, *, most: int | None = None) -> int:
    value = params.get(name)
    if value is None:
        return default
    if not _is_number(value):
        raise BinanceRefusal(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        )
    number = int(value)
    if most is not None and number < 1:
        raise BinanceRefusal(-1130, f"Data sent for parameter '{name}' is not valid.")
    return number if most is None else min(number, most)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and bool(_NUMBER.fullmatch(str(value)))


def _read_symbols(names: Any) -> list[Any]:
    """Symbols of a JSON array, or of its text."""
    if isinstance(names, str):
        try:
            names = msgspec.json.decode(names)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BinanceRefusal(-1100, "Illegal characters found in parameter 'symbols'.") from error
    if not isinstance(names, list):
        raise BinanceRefusal(-1100, "Illegal characters found in parameter 'symbols'.")
    return names


def _read_span(params: Params) -> tuple[int, int]:
    """Start and end in nanoseconds, the end excluded. Thirteen digits are ms, sixteen us, as at the venue."""
    start, end = _read_int(params, "startTime", 0), _read_int(params, "endTime", 0)
    start_ns = start * _unit_of(start)
    return start_ns, (end + 1) * _unit_of(end) if end else 1 << 63


def _unit_of(time: int) -> int:
    return MICROSECOND if time >= 10**15 else MILLISECOND

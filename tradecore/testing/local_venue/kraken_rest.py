"""Kraken's REST: what it answers about its markets to anyone.

Receives: requests to /0/public/<name>, parameters in the query or in a body.
Gives:    {"error": [], "result": ...} in the venue's own shapes.
Never:    has more than the newest 720 bars of an interval, or gives more than 1,000 trades in a call; a page of trades
          never ends within an instant, so that the next one misses nothing.    Source: VENUES 4.2, 4.5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from tradecore.domain.instant import SECOND_NS, to_datetime
from tradecore.testing.local_venue.bar_series import VenueBar
from tradecore.testing.local_venue.http_message import HttpAnswer, HttpRequest
from tradecore.testing.local_venue.kraken_channels import INTERVAL_WORDS, summarize_day
from tradecore.testing.local_venue.request_budget import CallCounter
from tradecore.testing.local_venue.venue_event import VenueTrade
from tradecore.testing.local_venue.venue_instrument import VenueInstrument, kraken_asset
from tradecore.testing.local_venue.venue_market import PairMarket
from tradecore.testing.local_venue.venue_play import VenuePlay

BARS_MAX: Final = 720
TRADES_MAX: Final = 1_000
_DEPTH: Final = 100
_DEPTH_MAX: Final = 500
_PUBLIC: Final = "/0/public/"
_CALLS_MAX: Final = 60  # public calls are limited by address; the venue publishes no numbers for them
_CALLS_PER_SECOND: Final = 2.0
_NUMBER: Final = re.compile("[0-9]{1,20}")
_SINCE_MAX: Final = 10**20
_HISTORY: Final = frozenset(("Trades", "OHLC"))

Params = dict[str, Any]


class KrakenRefusal(Exception):
    """An answer that says no, in the venue's words."""


class KrakenRest:
    """All public questions."""

    def __init__(self, play: VenuePlay) -> None:
        self._play = play
        self._counter = CallCounter(_CALLS_MAX, _CALLS_PER_SECOND)
        self._answers: dict[str, Callable[[Params], Any]] = {
            "Time": self._time,
            "SystemStatus": self._status,
            "Assets": self._assets,
            "AssetPairs": self._pairs,
            "Ticker": self._ticker,
            "OHLC": self._bars,
            "Depth": self._depth,
            "Trades": self._trades,
        }

    def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """The answer to a request; None when the path is not Kraken's."""
        if not request.path.startswith("/0/"):
            return None
        name = request.path.removeprefix(_PUBLIC)
        ask = self._answers.get(name)
        if ask is None:
            return HttpAnswer.of_json({"error": ["EGeneral:Unknown method"]}, 404)
        if not self._counter.spend(self._play.now_ns()):
            return HttpAnswer.of_json({"error": ["EGeneral:Too many requests"]}, 429)
        try:
            result = ask(request.read_params())
        except KrakenRefusal as refusal:
            return HttpAnswer.of_json({"error": [str(refusal)]})
        slow = self._play.faults.read_seconds("slow_history", "kraken") if name in _HISTORY else 0.0
        return HttpAnswer.of_json({"error": [], "result": result}, delay_s=slow)

    # ------------------------------------------------------------------------------------------------ the questions

    def _time(self, _params: Params) -> Any:
        now_ns = self._play.server_ns("kraken")
        return {
            "unixtime": now_ns // SECOND_NS,
            "rfc1123": to_datetime(now_ns).strftime("%a, %d %b %y %H:%M:%S +0000"),
        }

    def _status(self, _params: Params) -> Any:
        now = to_datetime(self._play.server_ns("kraken")).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"status": "online", "timestamp": now}

    def _assets(self, params: Params) -> Any:
        pairs = self._play.market.pairs.values()
        currencies = dict.fromkeys(c for pair in pairs for c in (pair.instrument.base, pair.instrument.quote))
        listed = {
            kraken_asset(currency)[0]: {
                "aclass": "currency", "altname": kraken_asset(currency)[1], "decimals": 10, "display_decimals": 5,
                "status": "enabled",
            }
            for currency in currencies
        }  # fmt: skip
        wanted = params.get("asset")
        if not wanted:
            return listed
        names = str(wanted).split(",")
        chosen = {key: asset for key, asset in listed.items() if key in names or asset["altname"] in names}
        if len(chosen) < len(names):
            raise KrakenRefusal("EQuery:Unknown asset")
        return chosen

    def _pairs(self, params: Params) -> Any:
        chosen = self._choose(params) if params.get("pair") else list(self._play.market.pairs.values())
        return {pair.instrument.kraken_pair: _describe(pair.instrument) for pair in chosen}

    def _ticker(self, params: Params) -> Any:
        chosen = self._choose(params) if params.get("pair") else list(self._play.market.pairs.values())
        return {pair.instrument.kraken_pair: self._describe_day(pair) for pair in chosen}

    def _bars(self, params: Params) -> Any:
        pair = self._one(params)
        minutes, since = _read_int(params, "interval", 1), _read_int(params, "since", 0)
        if minutes not in INTERVAL_WORDS:
            raise KrakenRefusal("EGeneral:Invalid arguments:interval")
        now_ns, until_ns = self._play.now_ns(), self._visible_ns()
        bars = pair.tape.bars(INTERVAL_WORDS[minutes], now_ns)[-BARS_MAX:]
        if until_ns < now_ns:
            bars = [bar for bar in bars if bar.end_ns <= until_ns]
        # The last one is not committed yet; `last` names the one before it.
        last = (bars[-2] if len(bars) > 1 else bars[-1]).open_ns // SECOND_NS if bars else since
        rows = [_bar_row(pair.instrument, bar) for bar in bars if bar.open_ns // SECOND_NS > since]
        return {pair.instrument.kraken_pair: rows, "last": last}

    def _depth(self, params: Params) -> Any:
        pair = self._one(params)
        count = min(max(_read_int(params, "count", _DEPTH), 1), _DEPTH_MAX)
        price, size = pair.instrument.prices.text, pair.instrument.sizes.text
        at = self._play.now_ns() // SECOND_NS
        return {
            pair.instrument.kraken_pair: {
                name: [[price(level), size(amount), at] for level, amount in side.levels(count)]
                for name, side in (("asks", pair.core.asks), ("bids", pair.core.bids))
            }
        }

    def _trades(self, params: Params) -> Any:
        pair = self._one(params)
        count = min(max(_read_int(params, "count", TRADES_MAX), 1), TRADES_MAX)
        until = pair.tape.count_until(self._visible_ns())
        since = params.get("since")
        if since in (None, ""):
            trades = pair.tape.newest(count, until)
            since_ns = 0
        else:
            since_ns = _read_since(str(since))
            trades = _whole_instants(pair.tape.after(since_ns, count + 1, until), count)
        last = trades[-1].event_ns if trades else since_ns
        return {pair.instrument.kraken_pair: [_trade_row(pair.instrument, t) for t in trades], "last": str(last)}

    # ----------------------------------------------------------------------------------------------------- the rest

    def _choose(self, params: Params) -> list[PairMarket]:
        chosen = []
        for name in str(params.get("pair", "")).split(","):
            found = [pair for pair in self._play.market.pairs.values() if name in _names_of(pair.instrument)]
            if not found:
                raise KrakenRefusal("EQuery:Unknown asset pair")
            chosen += found
        return chosen

    def _one(self, params: Params) -> PairMarket:
        if not params.get("pair"):
            raise KrakenRefusal("EGeneral:Invalid arguments")
        return self._choose(params)[0]

    def _visible_ns(self) -> int:
        return self._play.now_ns() - int(self._play.faults.read_seconds("late_history", "kraken") * SECOND_NS)

    def _describe_day(self, pair: PairMarket) -> Any:
        price, size, quote = pair.instrument.prices.text, pair.instrument.sizes.text, pair.quote
        last, opened, high, low, volume, value = summarize_day(pair, self._play.now_ns())
        mean = price(value // volume if volume else last)
        best = (quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size) if quote else (0, 0, 0, 0)
        count = len(pair.tape.trades)
        newest = pair.tape.trades[-1].size if count else 0
        return {
            "a": [price(best[2]), "1", size(best[3])],
            "b": [price(best[0]), "1", size(best[1])],
            "c": [price(last), size(newest)],
            "v": [size(volume), size(volume)],
            "p": [mean, mean],
            "t": [count, count],
            "l": [price(low), price(low)],
            "h": [price(high), price(high)],
            "o": price(opened),
        }


def _names_of(pair: VenueInstrument) -> tuple[str, ...]:
    old = f"{kraken_asset(pair.base)[1]}/{kraken_asset(pair.quote)[1]}"
    return pair.kraken_pair, pair.kraken_altname, pair.kraken_symbol, old, pair.symbol


def _describe(pair: VenueInstrument) -> Any:
    base, quote = kraken_asset(pair.base), kraken_asset(pair.quote)
    return {
        "altname": pair.kraken_altname,
        "wsname": f"{base[1]}/{quote[1]}",
        "aclass_base": "currency",
        "base": base[0],
        "aclass_quote": "currency",
        "quote": quote[0],
        "lot": "unit",
        "cost_decimals": pair.prices.digits + pair.sizes.digits,
        "pair_decimals": pair.prices.digits,
        "lot_decimals": pair.sizes.digits,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": pair.sizes.text(1),
        "costmin": "0.5",
        "tick_size": pair.prices.text(1),
        "status": "online",
    }


def _bar_row(pair: VenueInstrument, bar: VenueBar) -> Any:
    price, size = pair.prices.text, pair.sizes.text
    mean = price(bar.value // bar.volume) if bar.volume else price(0)
    return [
        bar.open_ns // SECOND_NS, price(bar.open), price(bar.high), price(bar.low), price(bar.close), mean,
        size(bar.volume), bar.count,
    ]  # fmt: skip


def _trade_row(pair: VenueInstrument, trade: VenueTrade) -> Any:
    seconds, rest = divmod(trade.event_ns, SECOND_NS)
    return [
        pair.prices.text(trade.price), pair.sizes.text(trade.size), msgspec.Raw(f"{seconds}.{rest:09d}".encode()),
        "s" if trade.buyer_is_maker else "b", "m", "", trade.trade_id,
    ]  # fmt: skip


def _whole_instants(trades: list[VenueTrade], count: int) -> list[VenueTrade]:
    """At most `count` trades of those given, cut where an instant ends; an instant larger than that is cut."""
    if len(trades) <= count:
        return trades
    cut = count
    while cut and trades[cut - 1].event_ns == trades[count].event_ns:
        cut -= 1
    return trades[: cut or count]


def _read_int(params: Params, name: str, default: int) -> int:
    value = params.get(name)
    if value in (None, ""):
        return default
    if not _NUMBER.fullmatch(str(value)):
        raise KrakenRefusal(f"EGeneral:Invalid arguments:{name}")
    return int(value)


def _read_since(text: str) -> int:
    """Nanoseconds of `since`: nineteen digits are nanoseconds, ten are seconds, with or without a fraction."""
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise KrakenRefusal("EGeneral:Invalid arguments:since") from error
    if not number.is_finite() or not 0 <= number < _SINCE_MAX:
        raise KrakenRefusal("EGeneral:Invalid arguments:since")
    return int(number if number >= 10**14 else number * SECOND_NS)

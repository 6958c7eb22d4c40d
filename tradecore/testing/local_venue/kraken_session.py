"""KrakenSession: one connection to Kraken's websocket v2.

Receives: the client's requests.
Gives:    the status at the start, one acknowledgement for each symbol, snapshots and updates, a heartbeat each second
          of silence once something is subscribed, pongs.
Never:    says anything after a refusal but the refusal. Takes no orders: the next issue adds them here.
          Source: VENUES 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tradecore.domain.instant import SECOND_NS
from tradecore.testing.local_venue.kraken_channels import BOOK_DEPTHS, INTERVAL_WORDS, KrakenChannels, KrakenTopic
from tradecore.testing.local_venue.kraken_text import time_text
from tradecore.testing.local_venue.venue_connection import VenueConnection
from tradecore.testing.local_venue.venue_instrument import VenueInstrument
from tradecore.testing.local_venue.venue_play import VenuePlay

_HEARTBEAT_NS: Final = SECOND_NS
_CONNECTION_IDS: Final = 13_834_000_000_000_000_000  # of the size of the venue's own
_HEARTBEAT: Final = '{"channel":"heartbeat"}'
_CHANNELS: Final = ("trade", "ticker", "ohlc", "book", "instrument")


class KrakenSession:
    """One reader of channels. See VenueSession and ChannelReader for what its methods mean."""

    def __init__(self, play: VenuePlay, channels: KrakenChannels, connection: VenueConnection) -> None:
        self._play, self._channels, self._connection = play, channels, connection
        self._topics: dict[KrakenTopic, None] = {}
        self._has_instruments = False
        self._is_open = True
        self._said_ns = 0

    def on_open(self) -> None:
        """Greet with the status of the system."""
        self._say({
            "channel": "status",
            "type": "update",
            "data": [{
                "api_version": "v2", "connection_id": _CONNECTION_IDS + self._connection.number, "system": "online",
                "version": "2.0.10",
            }],
        })  # fmt: skip

    def on_closed(self) -> None:
        """Forget all topics."""
        self._is_open = False
        for topic in self._topics:
            self._channels.remove(topic, self)
        self._topics.clear()

    def deliver(self, topic: str, text: str) -> None:
        """Send a frame of a channel."""
        self._send(text, topic)

    def on_text(self, text: str) -> None:
        """Answer a request."""
        time_in = self._play.server_ns("kraken")
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            self._say({"error": "Malformed request", "success": False, **self._times(time_in)})
            return
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            self._say({"error": "Malformed request", "success": False, **self._times(time_in)})
            return
        method, params = request["method"], request.get("params", {})
        told = {"req_id": request["req_id"]} if "req_id" in request else {}
        if method == "ping":
            self._say({"method": "pong", **told, **self._times(time_in)})
        elif method not in ("subscribe", "unsubscribe") or not isinstance(params, dict):
            error = f"Method {method} not supported"
            self._say({"error": error, "method": method, "success": False, **told, **self._times(time_in)})
        elif params.get("channel") == "instrument":
            self._answer_instrument(method, params, told, time_in)
        else:
            self._answer_symbols(method, params, told, time_in)

    # ------------------------------------------------------------------------------------------------- subscribing

    def _answer_symbols(self, method: str, params: dict[str, Any], told: dict[str, Any], time_in: int) -> None:
        symbols = params.get("symbol")
        if not isinstance(symbols, list) or not symbols:
            symbols = [""]
        for symbol in symbols:
            topic, error = self._read_topic(params, symbol)
            if topic is not None and error is None:
                error = self._apply(method, topic)
            if topic is None or error is not None:
                named = {"symbol": symbol} if isinstance(symbol, str) and symbol else {}
                self._say({
                    "error": error, "method": method, **told, "success": False, **named, **self._times(time_in),
                })  # fmt: skip
                continue
            shows = bool(params.get("snapshot", True))
            result = {"channel": topic.channel, "symbol": symbol, **_describe(topic)}
            if method == "subscribe":
                result["snapshot"] = shows
            self._say({"method": method, **told, "result": result, "success": True, **self._times(time_in)})
            if method == "subscribe":
                if shows and (text := self._channels.make_snapshot(topic)) is not None:
                    self._connection.send(text, str(topic))
                self._beat_while_silent()

    def _read_topic(self, params: dict[str, Any], symbol: Any) -> tuple[KrakenTopic | None, str | None]:
        channel = params.get("channel")
        if channel not in _CHANNELS:
            return None, f"Channel {channel} not supported" if channel else "Channel field is required"
        pairs = {pair.instrument.kraken_symbol: name for name, pair in self._play.market.pairs.items()}
        if not isinstance(symbol, str) or symbol not in pairs:
            return None, f"Currency pair not supported {symbol}"
        name = pairs[symbol]
        if channel == "book":
            depth = params.get("depth", BOOK_DEPTHS[0])
            if not isinstance(depth, int) or depth not in BOOK_DEPTHS:
                return None, f"Subscription depth not supported {depth}"
            return KrakenTopic(channel, name, depth), None
        if channel == "ohlc":
            minutes = params.get("interval", 1)
            if not isinstance(minutes, int) or minutes not in INTERVAL_WORDS:
                return None, f"Subscription ohlc interval not supported {minutes}"
            return KrakenTopic(channel, name, minutes), None
        if channel == "ticker":
            trigger = params.get("event_trigger", "trades")
            if trigger not in ("bbo", "trades"):
                return None, f"Event trigger not supported {trigger}"
            return KrakenTopic(channel, name, trigger), None
        return KrakenTopic(channel, name), None

    def _apply(self, method: str, topic: KrakenTopic) -> str | None:
        """Carry a subscription out; what is wrong with it, if something is."""
        if method == "subscribe":
            if topic in self._topics:
                return "Already subscribed"
            self._topics[topic] = None
            self._channels.add(topic, self)
            return None
        if topic not in self._topics:
            return "Subscription Not Found"
        del self._topics[topic]
        self._channels.remove(topic, self)
        return None

    def _answer_instrument(self, method: str, params: dict[str, Any], told: dict[str, Any], time_in: int) -> None:
        shows = bool(params.get("snapshot", True))
        self._has_instruments = method == "subscribe"
        result = {"channel": "instrument", "snapshot": shows}
        self._say({"method": method, **told, "result": result, "success": True, **self._times(time_in)})
        if shows and self._has_instruments:
            listed = describe_instruments([pair.instrument for pair in self._play.market.pairs.values()])
            self._say({"channel": "instrument", "type": "snapshot", "data": listed}, "instrument")
        self._beat_while_silent()

    # --------------------------------------------------------------------------------------------------- heartbeat

    def _beat_while_silent(self) -> None:
        """Start the heartbeat with the first subscription; it ends with the connection."""
        if len(self._topics) + self._has_instruments > 1 or not self._is_open:
            return
        self._play.schedule(self._play.now_ns() + _HEARTBEAT_NS, self._beat)

    def _beat(self) -> None:
        if not self._is_open or not (self._topics or self._has_instruments):
            return
        now_ns = self._play.now_ns()
        if now_ns - self._said_ns >= _HEARTBEAT_NS:
            self._said_ns = now_ns
            self._connection.send(_HEARTBEAT, "heartbeat")
        self._play.schedule(self._said_ns + _HEARTBEAT_NS, self._beat)

    def _say(self, content: Any, topic: str = "") -> None:
        self._send(msgspec.json.encode(content).decode(), topic)

    def _send(self, text: str, topic: str) -> None:
        """What a fault keeps back was not said: the heartbeat goes on while topics are mute."""
        before = self._connection.sent
        self._connection.send(text, topic)
        if self._connection.sent > before:
            self._said_ns = self._play.now_ns()

    def _times(self, time_in: int) -> dict[str, str]:
        return {"time_in": time_text(time_in), "time_out": time_text(self._play.server_ns("kraken"))}


def _describe(topic: KrakenTopic) -> dict[str, Any]:
    name = {"book": "depth", "ohlc": "interval", "ticker": "event_trigger"}.get(topic.channel)
    return {} if name is None else {name: topic.argument}


def describe_instruments(pairs: list[VenueInstrument]) -> Any:
    """The data of the instrument channel: an object, not an array."""
    currencies = dict.fromkeys(_list_currencies(pairs))
    return {
        "assets": [
            {"id": currency, "status": "enabled", "precision": 10, "precision_display": 5, "borrowable": False,
             "collateral_value": 0.0, "margin_rate": 0.0}
            for currency in currencies
        ],
        "pairs": [
            {
                "symbol": pair.kraken_symbol,
                "base": pair.base,
                "quote": pair.quote,
                "status": "online",
                "qty_precision": pair.sizes.digits,
                "qty_increment": msgspec.Raw(str(pair.sizes.text(1)).encode()),
                "qty_min": msgspec.Raw(pair.sizes.text(1).encode()),
                "price_precision": pair.prices.digits,
                "price_increment": msgspec.Raw(pair.prices.text(1).encode()),
                "tick_size": msgspec.Raw(pair.prices.text(1).encode()),
                "cost_precision": pair.prices.digits + pair.sizes.digits,
                "cost_min": msgspec.Raw(b"0.5"),
                "marginable": False,
                "has_index": False,
            }
            for pair in pairs
        ],
    }  # fmt: skip


def _list_currencies(pairs: list[VenueInstrument]) -> Iterator[str]:
    for pair in pairs:
        yield pair.base
        yield pair.quote

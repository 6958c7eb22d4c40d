"""KrakenCodec: the frames of Kraken's WebSocket v2, and what to send. No socket, no loop, no clock.

Receives: frames by channel, answers by request number; streams to ask for.
Gives:    trades, best bids and asks, changes of books, the list of pairs, the venue's time and status; requests.
Never:    makes bars: the venue marks none as closed, and what its history answers differs from what it sent, so the
          runtime makes them of its trades (DESIGN 10).    VENUES 4.2 (spot-websocket-v2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import count
from typing import Annotated, Any, Final

import msgspec

from tradecore.domain.event import CROSSED, NO_VENUE_TIME
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedDataError, SubscriptionRefused
from tradecore.venues.feed_dialect import Answer, Arrival, BookChange, Decoded, Notice, Request, Stamp, StreamTrack
from tradecore.venues.frame_fields import NUMBER_MAX, Price, Size, decode_frame, read_time
from tradecore.venues.frame_fields import Sequence as TradeNumber
from tradecore.venues.kraken_book import KrakenBook, checksum_text
from tradecore.venues.stream_track import IdentityTrack, StateTrack

STREAM_URL: Final = "wss://ws.kraken.com/v2"
STREAMS_PER_CONNECTION: Final = 250  # the venue names no number; as many pairs as one connection reads at ease
SEND_INTERVAL_S: Final = 0.05
DEPTHS: Final = (10, 25, 100, 500, 1_000)
CHANNELS: Final = {"trade_tick": "trade", "quote_tick": "ticker", "depth": "book"}
FROM_TRADES: Final = "its bars are made of its trades: subscribe to the trades and aggregate them"

DECIMALS_MAX: Final = 30  # more than any pair has; numbers of a thousand digits are an attack or a fault
Decimals = Annotated[int, msgspec.Meta(ge=0, le=DECIMALS_MAX)]


class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: str
    price: Price
    qty: Size
    trade_id: TradeNumber
    timestamp: str


class _Ticker(msgspec.Struct, gc=False):
    symbol: str
    bid: Price
    bid_qty: Size
    ask: Price
    ask_qty: Size
    timestamp: str | None = None  # frames of older versions carry none


class _Level(msgspec.Struct, gc=False):
    price: Decimal
    qty: Decimal


class _Book(msgspec.Struct, gc=False):
    symbol: str
    checksum: int
    bids: list[_Level] = []
    asks: list[_Level] = []
    timestamp: str | None = None


class Pair(msgspec.Struct, frozen=True):
    """The venue's definition of a pair, by its own names."""

    symbol: str
    base: str
    quote: str
    price_increment: Decimal
    qty_increment: Decimal
    price_precision: Decimals
    qty_precision: Decimals


class _Pairs(msgspec.Struct):
    pairs: list[Pair] = []


class SystemStatus(msgspec.Struct, frozen=True):
    """What the venue says of itself: online, cancel_only, post_only, maintenance, or a word that is new."""

    system: str


class _StatusFrame(msgspec.Struct):
    data: list[SystemStatus]


class _TradeFrame(msgspec.Struct, gc=False):
    data: list[_Trade]
    type: str = "update"


class _TickerFrame(msgspec.Struct, gc=False):
    data: list[_Ticker]


class _BookFrame(msgspec.Struct, gc=False):
    data: list[_Book]
    type: str = "update"


class _PairsFrame(msgspec.Struct):
    data: _Pairs


class _Message(msgspec.Struct):
    """An answer, or a frame of a channel whose keys stand in another order."""

    channel: str | None = None
    method: str | None = None
    success: bool = True
    error: str | None = None
    Error: str | None = None
    req_id: int | None = None
    time_out: str | None = None


_TRADES: Final = msgspec.json.Decoder(_TradeFrame)
_TICKERS: Final = msgspec.json.Decoder(_TickerFrame)
_BOOKS: Final = msgspec.json.Decoder(_BookFrame)
_PAIRS: Final = msgspec.json.Decoder(_PairsFrame)
_STATUS: Final = msgspec.json.Decoder(_StatusFrame)
_MESSAGE: Final = msgspec.json.Decoder(_Message)
_CHANNEL: Final = b'{"channel":"'
_SIDES: Final = {"buy": Aggressor.BUYER, "sell": Aggressor.SELLER}


class KrakenCodec:
    """The FeedDialect of Kraken v2. depth_levels: of the snapshots made of a book.

    precisions: decimals of price and quantity by symbol, as the checksum needs them; without, numbers as they came.
    """

    has_heartbeat = True
    send_interval_s = SEND_INTERVAL_S
    streams_max = STREAMS_PER_CONNECTION

    def __init__(self, venue: str, url: str = STREAM_URL, *, depth_levels: int = 20) -> None:
        self._venue = venue
        self.url = url
        self._depth_levels = depth_levels
        self._depth = next((depth for depth in DEPTHS if depth >= depth_levels), DEPTHS[-1])
        self._numbers = count(1)
        self._streams: dict[tuple[str, str], Stream] = {}
        self.precisions: dict[str, tuple[int, int]] = {}
        self._readers: dict[str, Callable[[bytes, Stamp], Decoded]] = {
            "trade": self._read_trades,
            "ticker": self._read_tickers,
            "book": self._read_books,
            "instrument": _read_pairs,
            "heartbeat": _read_nothing,
            "status": _read_status,
        }

    def encode_subscribe(self, streams: Sequence[Stream]) -> list[Request]:
        """One request a stream: the venue answers by symbol."""
        return [self._encode("subscribe", stream) for stream in streams]

    def encode_unsubscribe(self, stream: Stream) -> Request:
        """The request that ends one stream."""
        return self._encode("unsubscribe", stream)

    def encode_instruments(self) -> Request:
        """The request for all pairs; they come as a Notice."""
        return self._make_request({"method": "subscribe", "params": {"channel": "instrument", "snapshot": True}}, ())

    def encode_ping(self) -> Request:
        """The request whose Answer carries the venue's time, ns."""
        return self._make_request({"method": "ping"}, ())

    def make_track(self, stream: Stream) -> StreamTrack:
        """A fresh track. Raises: SubscriptionRefused for bars."""
        self._name_channel(stream)
        if stream.kind == "depth":
            return KrakenBook(stream.name, self._depth_levels, self._depth)
        return StateTrack() if stream.kind == "quote_tick" else IdentityTrack()

    def decode(self, frame: bytes, stamp: Stamp) -> Decoded:
        """What a frame says. Raises: FeedDataError."""
        if frame.startswith(_CHANNEL):
            channel = frame[12 : frame.find(b'"', 12)].decode("ascii", "replace")
        else:
            message = decode_frame(_MESSAGE, frame)
            if message.channel is None:
                return _read_answer(message)
            channel = message.channel
        reader = self._readers.get(channel)
        if reader is None:
            raise FeedDataError(f"channel {channel[:40]!r} is unknown")
        return reader(frame, stamp)

    def _read_trades(self, frame: bytes, stamp: Stamp) -> list[Arrival]:
        arrivals: list[Arrival] = []
        for said in decode_frame(_TRADES, frame).data:
            stream = self._streams.get(("trade", said.symbol))
            if stream is not None:
                side = _SIDES.get(said.side)
                if side is None:
                    raise FeedDataError(f"side {said.side[:40]!r}; expected buy or sell")
                number, ts = said.trade_id, read_time(said.timestamp)
                tick = TradeTick(stream.name, ts, stamp(), said.price, said.qty, side, str(number))
                arrivals.append((stream, tick, number))
        return arrivals

    def _read_tickers(self, frame: bytes, stamp: Stamp) -> list[Arrival]:
        arrivals: list[Arrival] = []
        for said in decode_frame(_TICKERS, frame).data:
            stream = self._streams.get(("ticker", said.symbol))
            if stream is not None:
                now = stamp()
                ts, flags = _read_time(said.timestamp, now)
                if said.bid > said.ask:
                    flags |= CROSSED
                quote = QuoteTick(stream.name, ts, now, said.bid, said.bid_qty, said.ask, said.ask_qty, 0, flags)
                arrivals.append((stream, quote, 0))
        return arrivals

    def _read_books(self, frame: bytes, stamp: Stamp) -> list[Arrival]:
        decoded = decode_frame(_BOOKS, frame)
        is_whole = decoded.type == "snapshot"
        arrivals: list[Arrival] = []
        for said in decoded.data:
            stream = self._streams.get(("book", said.symbol))
            if stream is not None:
                now = stamp()
                ts, flags = _read_time(said.timestamp, now)
                precision = self.precisions.get(said.symbol)
                bids, asks = _read_levels(said.bids, precision), _read_levels(said.asks, precision)
                change = BookChange(
                    stream.name, ts, now, bids, asks, checksum=said.checksum, is_whole=is_whole, flags=flags
                )
                arrivals.append((stream, change, 0))
        return arrivals

    def _name_channel(self, stream: Stream) -> str:
        if stream.kind == "bar":
            raise SubscriptionRefused(self._venue, stream, FROM_TRADES)
        return CHANNELS[stream.kind]

    def _encode(self, method: str, stream: Stream) -> Request:
        channel = self._name_channel(stream)
        self._streams[channel, stream.symbol] = stream
        params: dict[str, Any] = {"channel": channel, "symbol": [stream.symbol]}
        if channel == "book":
            params["depth"] = self._depth
        if method == "subscribe":
            # Said always: the venue's default differs between versions of its documents. Old trades are history's.
            params["snapshot"] = channel != "trade"
        if channel == "ticker":
            params["event_trigger"] = "bbo"
        return self._make_request({"method": method, "params": params}, (stream,))

    def _make_request(self, body: dict[str, Any], streams: tuple[Stream, ...]) -> Request:
        number = next(self._numbers)
        return Request(number, msgspec.json.encode({**body, "req_id": number}).decode(), streams)


def _read_time(time: str | None, now: int) -> tuple[int, int]:
    """Event time and flags of what was received `now`; frames of older versions carry no time."""
    return (now, NO_VENUE_TIME) if time is None else (read_time(time), 0)


def _read_levels(levels: Iterable[_Level], precision: tuple[int, int] | None) -> list[tuple[float, float, str]]:
    """Price, size, and text for the checksum, of each level."""
    read = []
    for level in levels:
        for number in (level.price, level.qty):
            if not number.is_finite() or number.adjusted() < -DECIMALS_MAX:
                raise FeedDataError(f"level {str(level.price)[:40]} with {str(level.qty)[:40]}")
        price, size = float(level.price), float(level.qty)
        if not (0 < price < NUMBER_MAX and 0 <= size < NUMBER_MAX):
            raise FeedDataError(f"level {level.price} with {level.qty}; expected a price above 0, a size not below 0")
        if precision is None:
            text = checksum_text(f"{level.price:f}", f"{level.qty:f}")
        else:
            text = checksum_text(f"{level.price:.{precision[0]}f}", f"{level.qty:.{precision[1]}f}")
        read.append((price, size, text))
    return read


def _read_pairs(frame: bytes, _stamp: Stamp) -> Notice:
    return Notice(decode_frame(_PAIRS, frame).data.pairs)


def _read_status(frame: bytes, _stamp: Stamp) -> Notice | None:
    said = decode_frame(_STATUS, frame).data
    return Notice(said[-1]) if said else None


def _read_nothing(_frame: bytes, _stamp: Stamp) -> None:
    """A sign of life."""


def _read_answer(message: _Message) -> Answer:
    if message.Error is not None:
        return Answer(message.req_id or 0, error=message.Error)
    if message.method is None:
        raise FeedDataError("neither an event of a channel nor an answer")
    error = None if message.success and message.error is None else message.error or "refused without a reason"
    value = None if message.time_out is None else read_time(message.time_out)
    return Answer(message.req_id or 0, error=error, value=value)

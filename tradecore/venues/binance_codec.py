"""BinanceCodec: the frames of Binance Spot's stream socket, and what to send. No socket, no loop, no clock.

Receives: combined frames {"stream":..,"data":..}, answers; streams to ask for.
Gives:    trades, best bids and asks, closed bars, changes of books; subscription requests.
Never:    takes a kline that is still open for a bar, or invents a time: bookTicker carries none, so its quotes are
          flagged NO_VENUE_TIME and happen when they are received.    VENUES 4.1 (web-socket-streams, 2026-07-21).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import CROSSED, NO_VENUE_TIME
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedDataError, InvalidEvent, SubscriptionRefused
from tradecore.venues.binance_book import BinanceBook
from tradecore.venues.feed_dialect import Answer, Arrival, BookChange, Decoded, Farewell, Request, Stamp, StreamTrack
from tradecore.venues.frame_fields import UNREADABLE, Price, Size, UnixTime, lenient, unix_to_ns, unreadable
from tradecore.venues.frame_fields import Sequence as UpdateNumber
from tradecore.venues.stream_track import IdentityTrack, StateTrack

STREAM_URL: Final = "wss://stream.binance.com:9443"
STREAMS_PER_CONNECTION: Final = 1_024
STREAMS_PER_REQUEST: Final = 200  # keeps a request far below what the venue reads at once
# Five inbound messages a second are allowed, pings and pongs counted; a little less leaves room for those.
SEND_INTERVAL_S: Final = 0.25
INTERVALS: Final = frozenset(
    ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")
)


class _Trade(msgspec.Struct, gc=False):
    t: UpdateNumber
    p: Price
    q: Size
    T: UnixTime
    m: bool  # the buyer was the maker: the seller took


class _BookTicker(msgspec.Struct, gc=False):
    u: UpdateNumber
    b: Size  # 0 where a side is empty
    B: Size
    a: Size
    A: Size


class _Kline(msgspec.Struct, gc=False):
    t: UnixTime
    o: Price
    h: Price
    l: Price  # noqa: E741  (the venue's name)
    c: Price
    v: Size
    x: bool


class _KlineEvent(msgspec.Struct, gc=False):
    k: _Kline


class _DepthUpdate(msgspec.Struct, gc=False):
    E: UnixTime
    U: UpdateNumber
    u: UpdateNumber
    b: list[tuple[Price, Size]]
    a: list[tuple[Price, Size]]


class _TradeFrame(msgspec.Struct, gc=False):
    data: _Trade


class _BookTickerFrame(msgspec.Struct, gc=False):
    data: _BookTicker


class _KlineFrame(msgspec.Struct, gc=False):
    data: _KlineEvent


class _DepthFrame(msgspec.Struct, gc=False):
    data: _DepthUpdate


class _Refusal(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Message(msgspec.Struct):
    """Everything that is not a market event of a known stream."""

    stream: str | None = None
    id: int | None = None
    error: _Refusal | None = None
    code: int | None = None
    msg: str = ""
    e: str | None = None


_TRADE: Final = lenient(_TradeFrame)
_BOOK_TICKER: Final = lenient(_BookTickerFrame)
_KLINE: Final = lenient(_KlineFrame)
_DEPTH: Final = lenient(_DepthFrame)
_MESSAGE: Final = lenient(_Message)

_BUYER: Final = Aggressor.BUYER  # looking a member up costs a tenth of the whole decoding
_SELLER: Final = Aggressor.SELLER
_COMBINED: Final = b'{"stream":"'
_SHUTDOWN: Final = "serverShutdown"

_Route = tuple[Callable[[Stream, str, bytes, Stamp], "list[Arrival] | None"], Stream, str]


class BinanceCodec:
    """The FeedDialect of Binance Spot. depth_levels: of the snapshots made of a book."""

    has_heartbeat = False
    send_interval_s = SEND_INTERVAL_S
    streams_max = STREAMS_PER_CONNECTION

    def __init__(self, venue: str, url: str = STREAM_URL, *, depth_levels: int = 20) -> None:
        self._venue = venue
        self.url = url.rstrip("/") + "/stream?timeUnit=MICROSECOND"
        self._depth_levels = depth_levels
        self._numbers = count(1)
        # By the name as it stands in a frame: one look-up leads to the one decoder for the whole of it.
        self._routes: dict[bytes, _Route] = {}

    def name_stream(self, stream: Stream) -> str:
        """The venue's name of a stream. Raises: SubscriptionRefused."""
        symbol, bar_type = stream.symbol.lower(), stream.bar_type
        if bar_type is not None:
            return f"{symbol}@kline_{name_interval(self._venue, stream, bar_type)}"
        return symbol + {"trade_tick": "@trade", "quote_tick": "@bookTicker", "depth": "@depth@100ms"}[stream.kind]

    def encode_subscribe(self, streams: Sequence[Stream]) -> list[Request]:
        """As few requests as the venue's limits allow."""
        for stream in streams:
            self._routes[self.name_stream(stream).encode()] = (_BUILDERS[stream.kind], stream, stream.name)
        parts = (streams[at : at + STREAMS_PER_REQUEST] for at in range(0, len(streams), STREAMS_PER_REQUEST))
        return [self._encode("SUBSCRIBE", part) for part in parts]

    def encode_unsubscribe(self, stream: Stream) -> Request:
        """The request that ends one stream."""
        return self._encode("UNSUBSCRIBE", [stream])

    def make_track(self, stream: Stream) -> StreamTrack:
        """A fresh track. Raises: SubscriptionRefused for bars that the venue does not make."""
        self.name_stream(stream)
        if stream.kind == "depth":
            return BinanceBook(stream.name, self._depth_levels)
        if stream.kind == "quote_tick":
            return StateTrack()
        return IdentityTrack(1 if stream.bar_type is None else stream.bar_type.step_ns)

    def decode(self, frame: bytes, stamp: Stamp) -> Decoded:
        """What a frame says. Raises: FeedDataError."""
        try:
            if frame.startswith(_COMBINED):
                route = self._routes.get(frame[11 : frame.find(b'"', 11)])
                if route is not None:
                    return route[0](route[1], route[2], frame, stamp)
            return self._decode_message(frame, stamp)
        except UNREADABLE as error:
            raise unreadable(error) from error

    def _decode_message(self, frame: bytes, stamp: Stamp) -> Decoded:
        """An answer, a farewell, or a combined frame whose keys stand in another order."""
        message = _MESSAGE.decode(frame)
        if message.stream is not None:
            return self._decode_odd(message.stream, frame, stamp)
        if message.e == _SHUTDOWN:
            return Farewell("the venue restarts")
        if message.error is not None or message.code is not None:
            refusal = message.error or _Refusal(message.code or 0, message.msg)
            return Answer(message.id or 0, error=f"{refusal.msg or 'refused'} (code {refusal.code})")
        if message.id is None:
            raise FeedDataError("neither an event of a stream nor an answer")
        return Answer(message.id)

    def _decode_odd(self, name: str, frame: bytes, stamp: Stamp) -> Decoded:
        """A combined frame written in another order of keys, or of a stream that nobody wants."""
        if name.endswith(_SHUTDOWN):
            return Farewell("the venue restarts")
        route = self._routes.get(name.encode())
        return None if route is None else route[0](route[1], route[2], frame, stamp)

    def _encode(self, method: str, streams: Sequence[Stream]) -> Request:
        number = next(self._numbers)
        body = {"method": method, "params": [self.name_stream(stream) for stream in streams], "id": number}
        return Request(number, msgspec.json.encode(body).decode(), tuple(streams))


def name_interval(venue: str, stream: Stream, bar_type: BarType) -> str:
    """The venue's word for the step of these bars. Raises: SubscriptionRefused."""
    interval = f"{bar_type.count}{bar_type.unit}"
    if bar_type.price != "last" or interval not in INTERVALS:
        raise SubscriptionRefused(
            venue, stream, f"it makes bars of last prices of {', '.join(sorted(INTERVALS))}; aggregate these from ticks"
        )
    return interval


def _build_trade(stream: Stream, name: str, frame: bytes, stamp: Stamp) -> list[Arrival]:
    said = _TRADE.decode(frame).data
    number = said.t
    aggressor = _SELLER if said.m else _BUYER
    return [(stream, TradeTick(name, unix_to_ns(said.T), stamp(), said.p, said.q, aggressor, str(number)), number)]


def _build_quote(stream: Stream, name: str, frame: bytes, stamp: Stamp) -> list[Arrival]:
    said = _BOOK_TICKER.decode(frame).data
    if not (said.b and said.a):
        raise FeedDataError(f"a side of the book is empty: bid {said.b!r}, ask {said.a!r}")
    now = stamp()
    flags = NO_VENUE_TIME | CROSSED if said.b > said.a else NO_VENUE_TIME
    return [(stream, QuoteTick(name, now, now, said.b, said.B, said.a, said.A, said.u, flags), said.u)]


def _build_bar(stream: Stream, name: str, frame: bytes, stamp: Stamp) -> list[Arrival] | None:
    said = _KLINE.decode(frame).data.k
    if not said.x:
        return None
    bar_type = BarType.parse(name)
    end = unix_to_ns(said.t) + bar_type.step_ns
    bar = Bar(bar_type, end, stamp(), said.o, said.h, said.l, said.c, said.v)
    try:
        bar.check()
    except InvalidEvent as error:
        raise FeedDataError(str(error)) from error
    return [(stream, bar, end)]


def _build_change(stream: Stream, name: str, frame: bytes, stamp: Stamp) -> list[Arrival]:
    said = _DEPTH.decode(frame).data
    return [(stream, BookChange(name, unix_to_ns(said.E), stamp(), said.b, said.a, said.U, said.u), said.u)]


_BUILDERS: Final[dict[str, Any]] = {
    "trade_tick": _build_trade,
    "quote_tick": _build_quote,
    "bar": _build_bar,
    "depth": _build_change,
}

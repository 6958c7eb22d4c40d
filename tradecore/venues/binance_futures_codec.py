"""Recorded frames of Binance USD-M futures: bookTicker, trade, depth, and whole books. No file, no loop, no clock.

Receives: lines "receive time in ns, space, frame", as recorders write them.
Gives:    trades, quotes with the venue's own times (futures send them, spot does not), changes of a book, whole books.
Never:    corrects a recorder's clock: the importer does, and says so.    VENUES 4.1; EXECUTION 11.

A change names the update before it (`pu`): it begins at `pu + 1`, and BinanceBook follows it as it follows spot.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradecore.domain.event import CROSSED, IMPORTED
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedDataError
from tradecore.venues.feed_dialect import BookChange
from tradecore.venues.frame_fields import Price, Size, UnixTime, decode_frame, lenient, unix_to_ns
from tradecore.venues.frame_fields import Sequence as UpdateNumber

TRADE: Final = "trade"
QUOTE: Final = "bookTicker"
CHANGE: Final = "depthUpdate"
WHOLE: Final = "snapshot"
KINDS: Final = {TRADE: "trade_tick", QUOTE: "quote_tick", CHANGE: "depth", WHOLE: "depth"}
MARKET: Final = "MARKET"  # a trade of the book; others (insurance fund, auto-deleveraging) have no price of it

Levels = list[tuple[Price, Size]]


class RecordedFrame(msgspec.Struct, gc=False):
    """A line: when it was received by the recorder's clock (ns), and the frame."""

    received_ns: int
    frame: str


class FrameHead(msgspec.Struct, frozen=True):
    """What a frame is: kind (one of KINDS), symbol ("" for a whole book), when the venue sent it, ns."""

    kind: str
    symbol: str
    sent_ns: int


class WholeBook(msgspec.Struct, gc=False):
    """A book as of an update."""

    ts_event: int
    last: int
    bids: Levels
    asks: Levels


class _Head(msgspec.Struct, gc=False):
    e: str
    s: str
    E: UnixTime


class _HeadFrame(msgspec.Struct, gc=False):
    data: _Head | None = None
    lastUpdateId: UpdateNumber | None = None  # noqa: N815  (the venue's names)
    E: UnixTime | None = None


class _Trade(msgspec.Struct, gc=False):
    t: UpdateNumber
    p: Size
    q: Size
    T: UnixTime
    m: bool
    X: str = MARKET


class _Quote(msgspec.Struct, gc=False):
    u: UpdateNumber
    b: Price
    B: Size
    a: Price
    A: Size
    T: UnixTime


class _Change(msgspec.Struct, gc=False):
    u: UpdateNumber
    pu: UpdateNumber
    b: Levels
    a: Levels
    T: UnixTime


class _Whole(msgspec.Struct, gc=False):
    lastUpdateId: UpdateNumber  # noqa: N815
    T: UnixTime
    bids: Levels
    asks: Levels


class _TradeFrame(msgspec.Struct, gc=False):
    data: _Trade


class _QuoteFrame(msgspec.Struct, gc=False):
    data: _Quote


class _ChangeFrame(msgspec.Struct, gc=False):
    data: _Change


_HEAD: Final = lenient(_HeadFrame)
_TRADE: Final = lenient(_TradeFrame)
_QUOTE: Final = lenient(_QuoteFrame)
_CHANGE: Final = lenient(_ChangeFrame)
_WHOLE: Final = lenient(_Whole)


def split_line(line: str) -> RecordedFrame:
    """The two parts of a line. Raises: FeedDataError."""
    time, space, frame = line.partition(" ")
    if not space or not (time.isascii() and time.isdigit()) or len(time) > 19:
        raise FeedDataError("expected a receive time in nanoseconds, a space, and a frame")
    return RecordedFrame(int(time), frame)


def read_head(frame: str) -> FrameHead:
    """What a frame is. Raises: FeedDataError for one that is none of the four."""
    said = decode_frame(_HEAD, frame.encode())
    if said.data is not None and said.data.e in KINDS:
        return FrameHead(said.data.e, said.data.s, unix_to_ns(said.data.E))
    if said.lastUpdateId is not None and said.E is not None:
        return FrameHead(WHOLE, "", unix_to_ns(said.E))
    raise FeedDataError(f"neither a {TRADE}, a {QUOTE}, a {CHANGE} nor a whole book")


def decode_trade(frame: str, instrument: str, ts_received: int) -> TradeTick | None:
    """The trade; None for one that was not made in the book. Raises: FeedDataError."""
    said = decode_frame(_TRADE, frame.encode()).data
    if said.X != MARKET:
        return None
    if not said.p:
        raise FeedDataError("p is 0; expected a price above 0")
    side = Aggressor.SELLER if said.m else Aggressor.BUYER
    return TradeTick(instrument, unix_to_ns(said.T), ts_received, said.p, said.q, side, str(said.t), IMPORTED)


def decode_quote(frame: str, instrument: str, ts_received: int) -> QuoteTick:
    """The best bid and ask. Raises: FeedDataError."""
    said = decode_frame(_QUOTE, frame.encode()).data
    flags = IMPORTED | CROSSED if said.b > said.a else IMPORTED
    return QuoteTick(instrument, unix_to_ns(said.T), ts_received, said.b, said.B, said.a, said.A, said.u, flags)


def decode_change(frame: str, instrument: str, ts_received: int) -> BookChange:
    """The change of the book. Raises: FeedDataError."""
    said = decode_frame(_CHANGE, frame.encode()).data
    return BookChange(instrument, unix_to_ns(said.T), ts_received, said.b, said.a, said.pu + 1, said.u, flags=IMPORTED)


def decode_whole(frame: str) -> WholeBook:
    """The whole book. Raises: FeedDataError."""
    said = decode_frame(_WHOLE, frame.encode())
    return WholeBook(unix_to_ns(said.T), said.lastUpdateId, said.bids, said.asks)

"""FeedDialect: what a session must know of a venue's language, and the values they exchange. No socket, no loop.

Receives: frames, streams to ask for.
Gives:    what a frame says (events, a change of a book, an answer, a farewell, a notice), what to send.
Never:    waits, keeps time, or lets a malformed frame raise anything but FeedDataError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from tradecore.domain.feed_state import FeedState
from tradecore.domain.stream import Stream
from tradecore.venues.market_data_venue import MarketEvent

Stamp = Callable[[], int]
"""Gives the receive time of the next event (VenueSink.stamp)."""


class BookChange(msgspec.Struct, gc=False):
    """A change of a book, or the whole of it. Levels are the codec's own: its book reads them.

    first, last: the venue's update numbers, 0 where it has none. checksum: of the book after the change, else None.
    """

    instrument: str
    ts_event: int
    ts_received: int
    bids: Sequence[Any]
    asks: Sequence[Any]
    first: int = 0
    last: int = 0
    checksum: int | None = None
    is_whole: bool = False
    flags: int = 0


class Request(msgspec.Struct, frozen=True):
    """What to send, the number its answer will carry, and the streams it is about."""

    number: int
    frame: str
    streams: tuple[Stream, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """The venue's answer to a request. error: its words, None when it agreed. value: what else it said."""

    number: int
    error: str | None = None
    value: Any = None


class Farewell(msgspec.Struct, frozen=True):
    """The venue says that it will close this connection soon."""

    reason: str


class Notice(msgspec.Struct, frozen=True):
    """Something for the adapter itself (instruments, the system's status)."""

    value: Any


Arrival = tuple[Stream, MarketEvent | BookChange, int]
"""A stream, what came on it, and its number: trade id, update number, end of a bar; 0 where it has none."""

Decoded = list[Arrival] | Answer | Farewell | Notice | None
"""What a frame says; None for a heartbeat, or for a stream that nobody wants any more."""


class StreamTrack(Protocol):
    """What one stream must remember to deliver each event once, and to notice what is missing.

    news: states to tell before the event that `take` returned; the session empties it. needs_resync: a book that
    cannot go on without a whole one. heard: how much came on the stream, counted by the session, whatever became of
    it. duplicates, late: counts.
    """

    news: list[tuple[FeedState, str]]
    needs_resync: bool
    heard: int
    duplicates: int
    late: int

    def take(self, item: Any, number: int) -> MarketEvent | None:
        """The event to deliver, None for a duplicate or an unfinished book."""
        ...

    def begin_connection(self) -> None:
        """A new connection stands where the old one was lost."""
        ...


class FeedDialect(Protocol):
    """The language of one venue's market data socket.

    url: with path. has_heartbeat: the venue says something at least every few seconds, so silence is a fault; else
    the session pings. send_interval_s: least time between two of our frames. streams_max: of one connection.
    """

    url: str
    has_heartbeat: bool
    send_interval_s: float
    streams_max: int

    def encode_subscribe(self, streams: Sequence[Stream]) -> list[Request]:
        """Requests that subscribe to these, each answered once."""
        ...

    def encode_unsubscribe(self, stream: Stream) -> Request:
        """The request that ends one stream."""
        ...

    def decode(self, frame: bytes, stamp: Stamp) -> Decoded:
        """What a frame says. Raises: FeedDataError."""
        ...

    def make_track(self, stream: Stream) -> StreamTrack:
        """A fresh track for a stream. Raises: SubscriptionRefused for a stream that the venue does not have."""
        ...

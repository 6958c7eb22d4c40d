"""FeedState: how a live stream is, told in band: between the events that came before and after.    DESIGN 10.

Receives: what a venue's connection and the join find out about a stream.
Gives:    the states, and the message that reaches `on_feed_state` in its place among the events.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tradecore.domain.stream import Stream


class FeedState(Enum):
    """State of one live stream.

    CONNECTED: the venue acknowledged it and the connection is alive; also said when STALE or RECONNECTING is over.
    STALE: the connection says nothing any more, or mostly garbage; what is known may be old.
    RECONNECTING: the connection is lost and being made again; nothing of this time will come by itself.
    GAP: events are known to be missing (an id was skipped, a book is out of sequence).
    RECOVERED: the hole of a GAP is closed: the book is in sequence again, or the missing events were got.
    ENDED: the stream will not come back in this run; the reason says why.
    """

    CONNECTED = "connected"
    STALE = "stale"
    RECONNECTING = "reconnecting"
    GAP = "gap"
    RECOVERED = "recovered"
    ENDED = "ended"


class FeedStateChanged(msgspec.Struct, frozen=True, gc=False):
    """A stream changed its state. ts: when that was noticed, in the order of arrival. reason: for a person."""

    stream: Stream
    state: FeedState
    ts: int
    reason: str

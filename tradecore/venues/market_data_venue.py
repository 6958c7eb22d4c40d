"""MarketDataVenue: the contract of every venue that gives market data, and of who takes it.

Receives: streams to subscribe to; questions about instruments, time and history.
Gives:    every event once, stamped on arrival, to one sink; the state of each stream in its place among them; history
          through the venue's own calls.
Never:    drops an event without a word, delivers a bar that is still open, or ends in silence.    DESIGN 4, 10.

Every adapter passes the one suite in tradecore/testing/market_data_venue_contract.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from enum import Enum
from typing import Protocol

import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import TradeTick

MarketEvent = Bar | TradeTick | QuoteTick | DepthSnapshot


class HistoryKind(Enum):
    """What past of a stream a venue can give.

    NONE: nothing (quotes, depth). BY_ID: pages that begin at an id or at a time. BY_TIME: pages that begin at a time.
    FROM_TRADES: this stream is not the venue's own; it is made of the instrument's trade stream, in every phase.
    """

    NONE = "none"
    BY_ID = "by_id"
    BY_TIME = "by_time"
    FROM_TRADES = "from_trades"


class HistoryOffer(msgspec.Struct, frozen=True):
    """The history of a stream. rows_max: how far back from now it reaches, in rows; None when to the beginning.

    page_rows: rows of one call, from which the time of a backfill is estimated.
    """

    kind: HistoryKind
    page_rows: int = 0
    rows_max: int | None = None


class VenueSink(Protocol):
    """The one ingest point of live data. Plain calls: none of them waits."""

    def stamp(self) -> int:
        """Receive time of the next event: max(last stamp + 1 ns, clock), so strictly increasing over the run."""
        ...

    def put(self, stream: Stream, event: MarketEvent) -> None:
        """Take an event whose `ts_received` came from `stamp()`; in order of stamps."""
        ...

    def put_state(self, stream: Stream, state: FeedState, reason: str) -> None:
        """Take a change of a stream's state, in its place among the events."""
        ...

    def put_frame(self, frame: str | bytes) -> None:
        """Take a raw frame for recording, before its events; costs nothing when nobody records."""
        ...


class MarketDataVenue(Protocol):
    """A venue's market data. `run` owns all connections; every other call needs it running (else VenueNotRunning).

    Order: the events of one stream come in the venue's order, none twice; after a lost connection the first new event
    may leave a hole, which is for the join to see and to ask for. Errors of calls are VenueErrors.
    """

    name: str

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Connect, say `started`, and keep connected until cancelled.

        Raises: VenueUnreachable, VenueUntrusted, VenueRefused when it cannot or must not connect (again); every stream
        has been told ENDED then.
        """
        ...

    async def subscribe(self, stream: Stream) -> None:
        """Returns when the venue has acknowledged; its events and states go to the sink. Idempotent.

        Raises: UnknownSymbol, SubscriptionRefused, SubscriptionTimeout. The stream is not subscribed then.
        """
        ...

    async def unsubscribe(self, stream: Stream) -> None:
        """Returns when the venue has acknowledged, or has no connection to tell it on. Idempotent."""
        ...

    async def load_instruments(self, ids: Iterable[str]) -> dict[str, Instrument]:
        """The venue's own definition of these instruments, by id. Raises: UnknownSymbol."""
        ...

    async def server_time(self) -> int:
        """The venue's clock, int nanoseconds since 1970 UTC, as it was when the answer left."""
        ...

    def history_kind(self, stream: Stream) -> HistoryOffer:
        """What history this stream has here."""
        ...

    def read_history(
        self, stream: Stream, *, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[Sequence[MarketEvent]]:
        """Pages of events with start <= ts_event <= end in order, `ts_received` = `ts_event`; [] is never given.

        from_id: nothing below this identity. A venue of BY_ID begins there, whatever `start` says; one of BY_TIME
        begins at `start`. A bar that is still open is never among them. Close it with `aclose()` when it is left early.
        Raises: HistoryNotOffered, VenueRequestFailed.
        """
        ...

    def identity(self, stream: Stream, event: MarketEvent) -> int | None:
        """What tells this event from every other of its stream, adjacent numbers for adjacent events of trades.

        The trade id; the end of a bar, adjacent at one step; None for quotes and depth, which are a state.
        """
        ...

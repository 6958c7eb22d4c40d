"""ObjectVenue: a MarketDataVenue without a wire: an object that says what a test tells it to, when it tells it to.

Receives: events, published one by one; faults: lost, twice, late, a lost connection, a history that lags.
Gives:    to its sink what would have come over the wire; history as far as it has got; `truth`, for whoever judges.
Never:    opens a socket, or repairs what a fault broke: joins are to notice by themselves.
          RELIABILITY 7.2; STYLE 23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.errors import HistoryNotOffered, UnknownSymbol, VenueNotRunning, VenueRequestFailed
from tradecore.testing.builders import make_instrument
from tradecore.venues.market_data_venue import HistoryKind, HistoryOffer, VenueSink


class ObjectVenue:
    """streams: what it has. page_rows: rows per page of history. history_lag: newest events that history lacks, yet.

    truth: all that was published, by stream. subscribed: by acknowledged calls. requests: questions of history so far.
    failures: how many of the next questions are answered with an error.
    """

    def __init__(self, clock: Clock, streams: Iterable[Stream], *, name: str = "object", page_rows: int = 100) -> None:
        self.name = name
        self.truth: dict[Stream, list[Any]] = {stream: [] for stream in streams}
        self.subscribed: set[Stream] = set()
        self.is_connected = True
        self.history_lag = 0
        self.failures = 0
        self.requests: list[tuple[Stream, int, int, int | None]] = []
        self._clock = clock
        self._page_rows = page_rows
        self._sink: VenueSink | None = None

    # ------------------------------------------------------------------------------------------------- what a test does

    def publish(self, stream: Stream, event: Any, *, lost: bool = False, copies: int = 1) -> None:
        """Something happens at the venue. lost: it does not arrive. copies: how often it does."""
        self.truth[stream].append(event)
        if not lost:
            self.send(stream, event, copies=copies)

    def send(self, stream: Stream, event: Any, *, copies: int = 1) -> None:
        """Let an event arrive, if it is subscribed and connected; perhaps one that was published long ago."""
        if self._sink is None or stream not in self.subscribed or not self.is_connected:
            return
        for _ in range(copies):
            self._sink.put(stream, msgspec.structs.replace(event, ts_received=self._sink.stamp()))

    def disconnect(self, reason: str = "closed by the test") -> None:
        """Nothing arrives any more, and every stream is told."""
        self.is_connected = False
        self.tell(FeedState.RECONNECTING, reason)

    def reconnect(self) -> None:
        """The connection is back; what was published meanwhile will not come by itself."""
        self.is_connected = True
        self.tell(FeedState.CONNECTED, "subscribed again")

    def tell(self, state: FeedState, reason: str = "") -> None:
        """Say a state of every subscribed stream."""
        for stream in sorted(self.subscribed):
            if self._sink is not None:
                self._sink.put_state(stream, state, reason)

    # ------------------------------------------------------------------------------------------------ MarketDataVenue

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Connected until cancelled."""
        self._sink = sink
        task_status.started()
        try:
            await anyio.sleep_forever()
        finally:
            self._sink = None

    async def subscribe(self, stream: Stream) -> None:
        """Acknowledged one turn of the loop later. Raises: UnknownSymbol."""
        if stream not in self.truth:
            raise UnknownSymbol(self.name, str(stream), "the script has no such stream")
        await self._need_sink("subscribe")
        if stream not in self.subscribed:
            self.subscribed.add(stream)
            (await self._need_sink("subscribe")).put_state(stream, FeedState.CONNECTED, "subscribed")

    async def unsubscribe(self, stream: Stream) -> None:
        """Nothing of it arrives any more."""
        self.subscribed.discard(stream)

    async def load_instruments(self, ids: Iterable[str]) -> dict[str, Instrument]:
        """Instruments as builders make them."""
        known = {stream.instrument for stream in self.truth}
        wanted = list(ids)
        for one in wanted:
            if one not in known:
                raise UnknownSymbol(self.name, one, "the script has no such instrument")
        return {one: make_instrument(one) for one in wanted}

    async def server_time(self) -> int:
        """The clock it was given."""
        return self._clock.wall_ns()

    def history_kind(self, stream: Stream) -> HistoryOffer:
        """Trades by id, bars by time, nothing of quotes and depth: as real venues."""
        kinds = {"trade_tick": HistoryKind.BY_ID, "bar": HistoryKind.BY_TIME}
        return HistoryOffer(kinds.get(stream.kind, HistoryKind.NONE), self._page_rows)

    async def read_history(
        self, stream: Stream, *, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[Sequence[Any]]:
        """Pages of what history has by now. Raises: HistoryNotOffered, VenueRequestFailed (`failures`)."""
        if not stream.has_identity:
            raise HistoryNotOffered(f"{self.name} keeps no history of {stream}: it is a state")
        self.requests.append((stream, start, end, from_id))
        await anyio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise VenueRequestFailed(self.name, "history", 503, "the test says no")
        truth = self.truth[stream]
        published = truth[: len(truth) - self.history_lag] if self.history_lag else truth
        rows = [
            msgspec.structs.replace(event, ts_received=event.ts_event)
            for event in published
            if event.ts_event <= end and self._begins(stream, event, start, from_id)
        ]
        for first in range(0, len(rows), self._page_rows):
            await anyio.lowlevel.checkpoint()
            yield rows[first : first + self._page_rows]

    def identity(self, stream: Stream, event: Any) -> int | None:
        """The trade id, the end of a bar."""
        if stream.kind == "trade_tick":
            return None if event.trade_id is None else int(event.trade_id)
        return event.ts_event if stream.kind == "bar" else None

    def _begins(self, stream: Stream, event: Any, start: int, from_id: int | None) -> bool:
        if from_id is None:
            return bool(event.ts_event >= start)
        number = self.identity(stream, event)
        return number is not None and number >= from_id

    async def _need_sink(self, call: str) -> VenueSink:
        await anyio.lowlevel.checkpoint()
        if self._sink is None:
            raise VenueNotRunning(self.name, call)
        return self._sink

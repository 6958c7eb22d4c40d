"""ScriptedVenue: a venue that does exactly what a test tells it, over real WebSockets; base of one skin per dialect.

Receives: knobs (no acknowledgements, refusals, closing at once), trades and quotes to publish, raw frames.
Gives:    connections with what they subscribed to, requests as they came, the times of connects, the truth.
Never:    decides anything itself: faults by chance are the local venue's.    RELIABILITY 7.2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tradecore.domain.clock import Clock
from tradecore.domain.stream import Stream
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.market_data_venue import MarketDataVenue


class PublishedTrade(msgspec.Struct, frozen=True):
    """A trade of the truth. ts_event: ns, whole microseconds. is_sell: the seller took."""

    number: int
    ts_event: int
    price: float
    size: float
    is_sell: bool


class ScriptedVenue:
    """One venue with one instrument. host: where it listens, a virtual name or a loopback address; any free port.

    acknowledges: answers subscriptions. refusal: status and headers of every handshake. closes_at_once: accepts, then
    closes. clock_offset_ns: how far its clock is ahead. connects_ns: monotonic times of stream connections tried.
    """

    instrument: ClassVar[str]

    def __init__(self, clock: Clock, host: str = "venue.test") -> None:
        self.clock = clock
        self.host = host
        self.port = 0
        self.acknowledges = True
        self.closes_at_once = False
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.clock_offset_ns = 0
        self.connects_ns: list[int] = []
        self.requests: list[dict[str, Any]] = []
        self.trades: list[PublishedTrade] = []
        self.subscriptions: dict[ServerConnection, set[str]] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ScriptedVenue]:
        """Listen for as long as the context lasts."""
        async with serve(
            self._serve, self.host, 0, process_request=self._admit, compression=None, close_timeout=1
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            async with self.open_rest():
                yield self

    # -------------------------------------------------------------------------------------------- what a skin gives

    def make_venue(self, settings: ConnectionSettings) -> MarketDataVenue:
        """The adapter under test, pointed at this venue."""
        raise NotImplementedError

    def is_stream_path(self, path: str) -> bool:
        """Whether a connection to this path is for market data."""
        raise NotImplementedError

    async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
        """Answer a request of a client."""
        raise NotImplementedError

    def encode_trade(self, trade: PublishedTrade) -> tuple[str, str]:
        """The subscription it belongs to, and the frame."""
        raise NotImplementedError

    def encode_quote(self, number: int, bid: float, ask: float) -> tuple[str, str]:
        """The subscription it belongs to, and the frame."""
        raise NotImplementedError

    @asynccontextmanager
    async def open_rest(self) -> AsyncIterator[None]:
        """Another interface for as long as the context lasts, where the venue has one."""
        yield

    # ----------------------------------------------------------------------------------------- what a test tells it

    def stream(self, kind: str) -> Stream:
        """A stream of its instrument."""
        return Stream(kind, self.instrument)

    async def publish_trade(self, number: int, *, to: ServerConnection | None = None, is_said: bool = True) -> None:
        """A trade of the truth; is_said=False: it happens, and no frame tells of it. to: one connection only."""
        trade = PublishedTrade(
            number,
            (self.clock.wall_ns() + self.clock_offset_ns) // 1_000 * 1_000,
            100.0 + number % 7 / 4,
            0.5 + number % 3,
            bool(number % 2),
        )
        known = next((other for other in self.trades if other.number == number), None)
        if known is None:
            self.trades.append(trade)
        if is_said:
            await self._send(*self.encode_trade(known or trade), to=to)

    async def publish_quote(self, number: int, bid: float, ask: float) -> None:
        """A best bid and ask."""
        await self._send(*self.encode_quote(number, bid, ask), to=None)

    async def send_raw(self, frame: str | bytes) -> None:
        """Any frame, to every market data connection."""
        for socket in list(self.subscriptions):
            await self._tell(socket, frame)

    def drop(self) -> None:
        """Break every market data connection."""
        for socket in list(self.subscriptions):
            socket.transport.abort()

    # ------------------------------------------------------------------------------------------------------- serving

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.is_stream_path(request.path):
            self.connects_ns.append(self.clock.monotonic_ns())
            if self.refusal is not None:
                status, headers = self.refusal
                return Response(status, "Refused", Headers(headers), b"told to refuse")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None, "it was admitted"
        is_stream = self.is_stream_path(socket.request.path)
        if is_stream and self.closes_at_once:
            return
        if is_stream:
            self.subscriptions[socket] = set()
        try:
            async for frame in socket:
                request = msgspec.json.decode(frame)
                self.requests.append(request)
                await self.answer(socket, request)
        except ConnectionClosed:
            return
        finally:
            self.subscriptions.pop(socket, None)

    async def _send(self, subscription: str, frame: str, *, to: ServerConnection | None) -> None:
        for socket, wanted in list(self.subscriptions.items()):
            if subscription in wanted and to in (None, socket):
                await self._tell(socket, frame)

    async def _tell(self, socket: ServerConnection, frame: str | bytes) -> None:
        try:
            await socket.send(frame)
        except ConnectionClosed:
            self.subscriptions.pop(socket, None)

    def now_ns(self) -> int:
        """The venue's own clock, ns."""
        return self.clock.wall_ns() + self.clock_offset_ns

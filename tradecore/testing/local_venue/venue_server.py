"""open_venue_server: a local venue at an address, over an unmodified `websockets` server, on whatever loop runs.

Receives: a LocalVenue that is being played; a host and a port.
Gives:    one port for both dialects, websockets and plain HTTP; the URLs to give to clients.
Never:    needs threads: under a virtual loop with an in-memory network it is the second skin.    Issue 4, item 2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tradecore.errors import LocalVenuePortTaken
from tradecore.testing.local_venue.http_exchange import HttpExchange
from tradecore.testing.local_venue.local_venue import LocalVenue
from tradecore.testing.local_venue.venue_connection import GONE, VenueConnection
from tradecore.testing.local_venue.venue_socket import VenueSocket

_PING_S: Final = 20.0  # Binance sends a ping frame so often (VENUES 4.1) ...
_PONG_S: Final = 60.0  # ... and waits so long for the pong
_LEAST_S: Final = 1.0  # of our own time: at high speeds a busy client must still get its turn
_CLOSE_S: Final = 2.0


class VenueServer:
    """A venue that listens. host, port: where; `urls`: what to give to clients."""

    def __init__(self, venue: LocalVenue, host: str, port: int) -> None:
        self.venue, self.host, self.port = venue, host, port

    @property
    def urls(self) -> dict[str, str]:
        """Addresses by use: binance_stream, binance_api, binance_rest, kraken, kraken_rest, control."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{host}:{self.port}"
        listed = {"control": f"http://{place}/tradecore"}
        if "binance" in self.venue.play.settings.dialects:
            listed["binance_stream"] = f"ws://{place}"
            listed["binance_api"] = f"ws://{place}/ws-api/v3"
            listed["binance_rest"] = f"http://{place}"
        if "kraken" in self.venue.play.settings.dialects:
            listed["kraken"] = f"ws://{place}/v2"
            listed["kraken_rest"] = f"http://{place}"
        return listed


class _Reception:
    """Receives the clients of one server."""

    def __init__(self, venue: LocalVenue) -> None:
        self._venue = venue
        self.exchanges: set[HttpExchange] = set()
        self.sockets: set[VenueSocket] = set()

    def make_socket(self, *args: Any, **settings: Any) -> VenueSocket:
        return VenueSocket(
            *args, venue=self._venue, on_http=self.exchanges.add, on_http_lost=self.exchanges.discard, **settings
        )

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake where nothing is served, or where a fault says so."""
        dialect = self._venue.find_dialect(request.path)
        if dialect is None:
            return socket.respond(404, f"no websocket is served at {request.path}\n")
        refusal = self._venue.refuse(dialect)
        if refusal is None:
            return None
        response = socket.respond(refusal.status, refusal.body.decode())
        for name, value in refusal.headers:
            if name == "Retry-After":
                response.headers[name] = value
        return response

    async def serve(self, socket: ServerConnection) -> None:
        """One websocket from its handshake to its end."""
        assert isinstance(socket, VenueSocket)
        assert socket.request is not None, "a handshake has a request"
        target, play = socket.request.path, self._venue.play
        if play.faults.find("accept_then_close", self._venue.find_dialect(target) or "", play.now_ns()):
            await socket.close(1001, "going away")
            return
        connection = self._venue.open_connection(target)
        socket.bind(connection)
        self.sockets.add(socket)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_write, socket, connection)
                await _read(socket, connection)
                tasks.cancel_scope.cancel()
        finally:
            self.sockets.discard(socket)
            play.release(connection)

    def end_all(self) -> None:
        """End what would not end by itself: plain HTTP, and connections that a fault holds open."""
        for exchange in list(self.exchanges):
            exchange.abort()
        for socket in list(self.sockets):
            if socket.gate is not None and socket.is_held:
                socket.gate.force()


async def _read(socket: VenueSocket, connection: VenueConnection) -> None:
    try:
        async for message in socket:
            connection.on_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))
    except ConnectionClosed:
        return  # however it ended: the client is gone


async def _write(socket: VenueSocket, connection: VenueConnection) -> None:
    try:
        while frames := await connection.next_frames():
            for frame in frames:
                await socket.send(frame)
        assert connection.closing is not None, "no frames and no end cannot be"
        code, reason = connection.closing
        if code == GONE:
            socket.transport.abort()
        else:
            await socket.close(code, reason)
    except ConnectionClosed:
        return  # the reader sees it too, and ends the connection


@asynccontextmanager
async def open_venue_server(venue: LocalVenue, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[VenueServer]:
    """A venue that listens at host and port (0: any free one) until the end of the block.

    Raises: LocalVenuePortTaken.
    """
    reception, clock = _Reception(venue), venue.clock
    make_socket = cast("type[ServerConnection]", reception.make_socket)  # a factory does as well as the class
    listening = serve(
        reception.serve, host, port, process_request=reception.admit, create_connection=make_socket,
        compression=None, ping_interval=max(clock.own_seconds(_PING_S), _LEAST_S),
        ping_timeout=max(clock.own_seconds(_PONG_S), _LEAST_S), close_timeout=_CLOSE_S, server_header="local-venue",
    )  # fmt: skip
    try:
        server = await listening
    except OSError as error:
        raise LocalVenuePortTaken(host, port, error.strerror or str(error)) from error
    try:
        taken = next(iter(server.sockets)).getsockname()[1]
        yield VenueServer(venue, host, taken)
    finally:
        with anyio.CancelScope(shield=True):
            reception.end_all()
            server.close()
            await server.wait_closed()

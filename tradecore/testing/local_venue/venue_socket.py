"""VenueSocket: what answers at the venue's port: the first bytes say whether it is a websocket or plain HTTP.

Receives: bytes of one client.
Gives:    an unmodified websockets connection, or an HttpExchange; between the former and its transport a gate at which
          a stalled or half-open connection keeps or loses its bytes, pings and pongs included.
Never:    parses HTTP itself beyond finding the end of the head.    RELIABILITY 2, rows 2 and 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection
from websockets.server import ServerProtocol

from tradecore.testing.local_venue.http_exchange import HttpExchange
from tradecore.testing.local_venue.local_venue import LocalVenue
from tradecore.testing.local_venue.venue_connection import VenueConnection

_HEAD_END: Final = b"\r\n\r\n"
_HEAD_MAX: Final = 1 << 16
_NO_HTTP: Final = b"\x16\x03\x00 this is no answer to a handshake\r\n\r\n"


class GatedTransport:
    """A transport that a fault may close off: a stall keeps what is written, a half-open connection loses it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport: Final = transport
        self._connection: VenueConnection | None = None
        self._kept = bytearray()
        self._abort_wanted = False

    def bind(self, connection: VenueConnection) -> None:
        """From now on the connection's faults rule."""
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Write, keep or lose."""
        if self._connection is not None and self._connection.is_half_open:
            return
        if self._connection is not None and self._connection.is_stalled:
            self._kept += data
            return
        self._transport.write(data)

    def write_eof(self) -> None:
        """As the transport's; nothing of it is seen while half-open."""
        if not self._is_silent:
            self._transport.write_eof()

    def close(self) -> None:
        """As the transport's; while half-open it is put off until the end."""
        self.abort() if self._is_silent else self._transport.close()

    def abort(self) -> None:
        """As the transport's; while half-open it is put off until the end."""
        if self._is_silent:
            self._abort_wanted = True
        else:
            self._transport.abort()

    def open_again(self) -> None:
        """A stall or a half-open state is over: what was kept goes out, what was put off happens."""
        if self._kept and not self._transport.is_closing():
            self._transport.write(bytes(self._kept))
            self._kept.clear()
        if self._abort_wanted:
            self._transport.abort()

    def force(self) -> None:
        """End it whatever a fault says."""
        self._transport.abort()

    @property
    def _is_silent(self) -> bool:
        return self._connection is not None and self._connection.is_half_open

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class VenueSocket(ServerConnection):
    """One client. See asyncio.Protocol for its methods."""

    def __init__(
        self, protocol: ServerProtocol, server: Server, *, venue: LocalVenue, on_http: Callable[[HttpExchange], Any],
        on_http_lost: Callable[[HttpExchange], Any], **settings: Any,
    ) -> None:  # fmt: skip
        super().__init__(protocol, server, **settings)
        self._venue, self._on_http, self._on_http_lost = venue, on_http, on_http_lost
        self._raw: asyncio.Transport | None = None
        self._head = bytearray()
        self._kept = bytearray()
        self._venue_connection: VenueConnection | None = None
        self.gate: GatedTransport | None = None

    def bind(self, connection: VenueConnection) -> None:
        """From now on the connection's faults rule."""
        assert self.gate is not None, "a handshake has passed the gate"
        self._venue_connection = connection
        self.gate.bind(connection)
        connection.on_changed = self._on_changed

    @property
    def is_held(self) -> bool:
        """True while a fault keeps it from ending."""
        connection = self._venue_connection
        return connection is not None and (connection.is_stalled or connection.is_half_open)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes."""
        self._raw = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes in, or find out who should."""
        connection = self._venue_connection
        if connection is not None and connection.is_half_open:
            return
        if connection is not None and connection.is_stalled:
            self._kept += data
        elif self.gate is not None:
            super().data_received(data)
        else:
            self._head += data
            if _HEAD_END in self._head or len(self._head) > _HEAD_MAX:
                self._choose()

    def eof_received(self) -> None:
        """Nothing more comes."""
        if self.gate is not None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        if self.gate is not None:
            super().connection_lost(exc)

    def _choose(self) -> None:
        assert self._raw is not None
        head = bytes(self._head)
        first_line, _, fields = head.partition(b"\r\n")
        if b"\r\nupgrade: websocket" not in b"\r\n" + fields.lower():
            exchange = HttpExchange(self._venue, self._on_http_lost)
            self._on_http(exchange)
            self._raw.set_protocol(exchange)
            exchange.connection_made(self._raw)
            exchange.data_received(head)
            return
        target = [*first_line.split(b" "), b""][1].decode("ascii", "replace")
        dialect = self._venue.find_dialect(target) or ""
        if dialect and self._venue.play.faults.find("malformed_handshake", dialect, self._venue.play.now_ns()):
            self._raw.write(_NO_HTTP)
            self._raw.close()
            return
        self.gate = GatedTransport(self._raw)
        super().connection_made(cast("asyncio.BaseTransport", self.gate))
        super().data_received(head)

    def _on_changed(self) -> None:
        if self.is_held or self.gate is None:
            return
        self.gate.open_again()
        kept, self._kept = bytes(self._kept), bytearray()
        if kept:
            super().data_received(kept)

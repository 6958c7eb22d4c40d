"""VirtualServer: who listens at a port of the virtual network.

Receives: knocks from links, a protocol factory.
Gives:    asyncio's server interface: serving, closing, waiting until the last connection is gone (as since 3.12).
Never:    owns a socket: `sockets` are names that say where it listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tradecore.testing.virtual_link import VirtualLink
from tradecore.testing.virtual_transport import Address, VirtualSocket, VirtualTransport

if TYPE_CHECKING:
    from tradecore.testing.virtual_loop import VirtualLoop


class VirtualServer(asyncio.AbstractServer):
    """Listens at one or more addresses until it is closed."""

    def __init__(
        self,
        loop: VirtualLoop,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        addresses: tuple[Address, ...],
        *,
        is_secure: bool,
    ) -> None:
        self.addresses, self.is_secure = addresses, is_secure
        self._loop, self._protocol_factory = loop, protocol_factory
        self._transports: dict[int, VirtualTransport] = {}
        self._is_serving = self._is_closed = False
        self._waiters: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None

    @property
    def sockets(self) -> tuple[VirtualSocket, ...]:
        """Where it listens; empty once closed."""
        return () if self._is_closed else tuple(VirtualSocket(address) for address in self.addresses)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it belongs to."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it takes connections."""
        return self._is_serving

    async def start_serving(self) -> None:
        """Take connections from now on."""
        if self._is_closed:
            raise RuntimeError("this server is closed")
        self._is_serving = True

    async def serve_forever(self) -> None:
        """Take connections until cancelled, then close."""
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()

    def close(self) -> None:
        """Take no more connections; those that are open stay open."""
        if self._is_closed:
            return
        self._is_serving, self._is_closed = False, True
        self._loop.network.stop_listening(self)
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake_if_done()

    def close_clients(self) -> None:
        """Close every open connection, after what was written."""
        for transport in tuple(self._transports.values()):
            transport.close()

    def abort_clients(self) -> None:
        """Close every open connection at once."""
        for transport in tuple(self._transports.values()):
            transport.abort()

    async def wait_closed(self) -> None:
        """Return once it is closed and its last connection is lost."""
        if self._is_closed and not self._transports:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def accept(self, link: VirtualLink) -> None:
        """A client knocked: make the protocol of this end and answer; a factory that raises refuses the client."""

        def lost() -> None:
            self._transports.pop(link.number, None)
            self._wake_if_done()

        try:
            protocol = self._protocol_factory()
            link.down.send("open")  # before the protocol is told, which may write at once
            transport, _ = link.open_end("server", protocol, lost)
        except Exception as error:
            link.down.send("reset")
            message = f"the server's protocol raised while {link!r} was accepted"
            self._loop.call_exception_handler({"message": message, "exception": error})
            return
        self._transports[link.number] = transport

    def _wake_if_done(self) -> None:
        if self._is_closed and not self._transports:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

"""VirtualLink: one connection of the virtual network, and the faults that can befall it.

Receives: two addresses and a law; faults, called by a test at once or by `loop.call_at(time, link.abort)`.
Gives:    two wires, `up` (client to server) and `down`, and the two transports at their ends.
Never:    breaks the stream: bytes arrive in order or not at all, as TCP promises; lost messages are a venue's fault,
          not a link's.    Spec: RELIABILITY 2 rows 1, 2, 30; 4.3.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from tradecore.testing.virtual_transport import Address, VirtualTransport
from tradecore.testing.virtual_wire import LinkLaw, ParcelKind, Wire

if TYPE_CHECKING:
    from tradecore.testing.virtual_loop import VirtualLoop

Direction = Literal["up", "down", "both"]
Made = tuple[VirtualTransport, asyncio.BaseProtocol]


class VirtualLink:
    """A connection between a client's and a server's address, numbered from 1 in the order of connecting."""

    def __init__(
        self, loop: VirtualLoop, number: int, client: Address, server: Address, *, host: str, seed: int, law: LinkLaw
    ) -> None:
        self.number, self.client, self.server, self.host = number, client, server, host
        self.up = Wire(loop, number, "up", seed, law)
        self.down = Wire(loop, number, "down", seed, law)
        self.up.on_cut = self.down.on_cut = self.abort
        self._loop = loop
        self._ends: dict[str, VirtualTransport] = {}
        self._made: asyncio.Future[Made] = loop.create_future()
        self._is_connecting = True

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return (
            f"<VirtualLink {self.number}: {self.client[0]}:{self.client[1]} to {self.host}:{self.server[1]}, {state}>"
        )

    @property
    def is_open(self) -> bool:
        """Whether at least one end still takes it for a connection."""
        return self._is_connecting or bool(self._ends)

    # ---------------------------------------------------------------------------------------------------- faults

    def abort(self) -> None:
        """Reset both ends now, as a firewall in between does; what travels is lost."""
        self._note("abort")
        self.up.clear()
        self.down.clear()
        if not self._made.done():
            self._made.set_exception(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
        self._is_connecting = False
        for end in tuple(self._ends.values()):
            end.reset()
        self._settle()

    def stall(self, direction: Direction = "both") -> None:
        """Let nothing arrive any more, silently: half-open. Neither end is told; writers feel it when buffers fill."""
        self._note("stall", direction)
        for wire in self._wires(direction):
            wire.hold("stall")

    def resume(self, direction: Direction = "both") -> None:
        """End a stall: what waited arrives now, in order, as TCP's repetitions would bring it."""
        self._note("resume", direction)
        for wire in self._wires(direction):
            wire.release("stall")

    def cut_after(self, count: int, direction: Direction = "both") -> None:
        """Abort once so many more bytes have arrived (either way, if both): in the middle of a frame, say."""
        self._note(f"cut after {count}", direction)
        for wire in self._wires(direction):
            wire.cut_after(count)

    def set_law(self, law: LinkLaw, direction: Direction = "both") -> None:
        """Carry by another law from now on; what travels keeps its time, and order holds."""
        self._note("law", direction)
        for wire in self._wires(direction):
            wire.law = law

    def hold(self, reason: str) -> None:
        """Let nothing arrive either way for this reason (a partition) until it is released."""
        for wire in self._wires("both"):
            wire.hold(reason)

    def release(self, reason: str) -> None:
        """End one reason."""
        for wire in self._wires("both"):
            wire.release(reason)

    def _wires(self, direction: Direction) -> tuple[Wire, ...]:
        if direction == "both":
            return self.up, self.down
        if direction == "up":
            return (self.up,)
        if direction == "down":
            return (self.down,)
        raise ValueError(f"direction is {direction!r}; expected 'up' (from the client), 'down' or 'both'")

    def _note(self, fault: str, direction: Direction = "both") -> None:
        self._loop.network.trace.record(self._loop.elapsed_ns, self.number, direction, fault)

    # ----------------------------------------------------------------------------------------------- the handshake

    async def connect(self, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> Made:
        """The client's part: knock, wait for the answer, make the protocol.

        Raises: ConnectionRefusedError, ConnectionResetError. Cancelled, it tells the server by a reset.
        """
        self.down.deliver = lambda kind, _: self._on_answer(kind, protocol_factory)
        if not self._made.done():  # a watcher may have aborted the link already
            self.up.send("syn")
        try:
            return await self._made
        except asyncio.CancelledError:
            self._is_connecting = False
            if not self._made.cancelled():
                self._made.exception()  # came too late to be heard; asyncio would report it as forgotten
            end = self._ends.get("client")
            if end is None:
                self.up.send("reset")
            else:
                end.abort()
            self._settle()
            raise

    def _on_answer(self, kind: ParcelKind, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> None:
        self._is_connecting = False
        if self._made.done():
            return  # the client gave up; its reset is on its way
        if kind == "reset":
            where = f"{self.host}:{self.server[1]}"
            self._made.set_exception(ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {where}"))
            self._settle()
            return
        try:
            self._made.set_result(self.open_end("client", protocol_factory()))
        except Exception as error:  # the factory's or connection_made's: the caller of create_connection hears it
            self._made.set_exception(error)
            self.up.send("reset")
            self._settle()

    def open_end(
        self,
        side: Literal["client", "server"],
        protocol: asyncio.BaseProtocol,
        on_lost: Callable[[], None] | None = None,
    ) -> Made:
        """Make the transport of one side and tell its protocol."""
        incoming, outgoing = (self.down, self.up) if side == "client" else (self.up, self.down)
        own, peer = (self.client, self.server) if side == "client" else (self.server, self.client)

        def lost(_transport: VirtualTransport) -> None:
            self._ends.pop(side, None)
            self._settle()
            if on_lost is not None:
                on_lost()

        transport = VirtualTransport(self._loop, protocol, incoming, outgoing, own=own, peer=peer, on_lost=lost)
        self._ends[side] = transport
        try:
            protocol.connection_made(transport)
        except Exception:
            del self._ends[side]
            raise
        return transport, protocol

    def _settle(self) -> None:
        if not self.is_open:
            self._loop.network.forget(self)

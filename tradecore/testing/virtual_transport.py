"""VirtualTransport: one end of a virtual link, as asyncio's protocols know transports.

Receives: what a protocol writes; parcels from the incoming wire.
Gives:    the semantics of asyncio's socket transports: water marks that pause and resume the writer, pause_reading,
          half-closing by write_eof, close (after what was written is out) and abort (at once).
Never:    calls a protocol from inside a protocol's own call, except pause_writing and resume_writing, as asyncio does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from tradecore.testing.virtual_wire import ParcelKind, Wire

if TYPE_CHECKING:
    from tradecore.testing.virtual_loop import VirtualLoop

Address = tuple[str, int]

_log = logging.getLogger(__name__)
_HIGH_WATER = 65_536  # asyncio's own default
_WARN_AFTER = 5  # writes to a lost connection, as asyncio's socket transports


class VirtualSocket:
    """What libraries ask of a socket behind a transport: names and options; it carries nothing itself."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, own: Address, peer: Address | None = None) -> None:
        self._own, self._peer = own, peer

    def getsockname(self) -> Address:
        """The address of this end."""
        return self._own

    def getpeername(self) -> Address:
        """The address of the other end."""
        if self._peer is None:
            raise OSError("a listening socket has no peer")
        return self._peer

    def fileno(self) -> int:
        """-1: there is no descriptor."""
        return -1

    def setsockopt(self, *_options: Any) -> None:
        """Nothing: no option changes how a virtual link carries bytes."""

    def getsockopt(self, *_options: Any) -> int:
        """0, as of an option that was never set."""
        return 0


class VirtualTransport(asyncio.Transport):
    """One end. incoming, outgoing: the wires from and to the peer; on_lost: called once, after connection_lost."""

    def __init__(
        self,
        loop: VirtualLoop,
        protocol: asyncio.BaseProtocol,
        incoming: Wire,
        outgoing: Wire,
        *,
        own: Address,
        peer: Address,
        on_lost: Callable[[VirtualTransport], None],
    ) -> None:
        super().__init__({"sockname": own, "peername": peer, "socket": VirtualSocket(own, peer)})
        self._loop, self._protocol = loop, protocol
        self._incoming, self._outgoing, self._on_lost = incoming, outgoing, on_lost
        self._inbox: deque[tuple[ParcelKind, bytes]] = deque()
        self._buffer: deque[memoryview] = deque()
        self._buffered = 0
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        self._is_reading_paused = self._is_writer_paused = False
        self._is_closing = self._is_lost = False
        self._is_eof_written = self._is_eof_sent = self._is_reset_told = False
        self._has_unread = False
        self._writes_lost = 0
        incoming.deliver, outgoing.on_room = self._arrive, self._push

    def __repr__(self) -> str:
        state = "lost" if self._is_lost else "closing" if self._is_closing else "open"
        own, peer = self._extra["sockname"], self._extra["peername"]  # type: ignore[attr-defined]
        return f"<VirtualTransport {own[0]}:{own[1]} to {peer[0]}:{peer[1]}, {state}, {self._buffered} bytes to send>"

    # --------------------------------------------------------------------------------------------------- both ways

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is told what arrives."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell this one from now on."""
        self._protocol = protocol

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._is_closing

    def close(self) -> None:
        """Send what was written, then close; nothing more is read."""
        if self._is_closing:
            return
        self._is_closing = True
        if not self._buffer:
            self._lose(None)

    def abort(self) -> None:
        """Close at once; what was written and is not on the wire is lost."""
        self._lose(None)

    def reset(self) -> None:
        """The connection is reset from outside: ConnectionResetError for the protocol; the peer is not told."""
        self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), is_peer_told=False)

    def _lose(self, error: Exception | None, *, is_peer_told: bool = True) -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        # As a kernel does: closing with unread bytes, or for a fault of ours, resets; else the stream just ends.
        if is_peer_told and (self._inbox or self._has_unread or error is not None):
            self._outgoing.send("reset")
        elif is_peer_told and not self._is_eof_sent:
            self._outgoing.send("eof")
        self._buffer.clear()
        self._inbox.clear()
        self._buffered = 0
        self._loop.call_soon(self._report_lost, error)

    def _report_lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._on_lost(self)

    def _fail(self, error: Exception, where: str) -> None:
        message = f"protocol.{where}() raised; the connection is closed"
        self._loop.call_exception_handler(
            {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
        )
        self._lose(error)

    # ----------------------------------------------------------------------------------------------------- reading

    def is_reading(self) -> bool:
        """Whether the protocol is told what arrives."""
        return not self._is_reading_paused and not self._is_closing

    def pause_reading(self) -> None:
        """Keep what arrives; when the window is full the peer has to wait."""
        self._is_reading_paused = True

    def resume_reading(self) -> None:
        """Tell the protocol what was kept, and what comes."""
        if self._is_reading_paused:
            self._is_reading_paused = False
            self._loop.call_soon(self._take_kept)

    def _arrive(self, kind: ParcelKind, content: bytes) -> None:
        if self._is_lost:
            # Nobody reads here any more: the answer of a kernel to bytes for a closed socket.
            if kind == "data" and not self._is_reset_told:
                self._is_reset_told = True
                self._outgoing.send("reset")
        elif kind == "reset" and (self._buffer or self._is_closing):
            self.reset()  # who waits to write hears of it although nobody reads
        elif self._is_reading_paused or self._inbox:
            self._inbox.append((kind, content))
        else:
            self._take(kind, content)

    def _take_kept(self) -> None:
        while self._inbox and not self._is_reading_paused and not self._is_closing:
            self._take(*self._inbox.popleft())

    def _take(self, kind: ParcelKind, content: bytes) -> None:
        if kind == "reset":
            self.reset()
        elif self._is_closing:
            self._has_unread = self._has_unread or kind == "data"
        elif kind == "eof":
            self._take_eof()
        else:
            self._take_bytes(content)

    def _take_bytes(self, content: bytes) -> None:
        try:
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                _feed_buffer(self._protocol, content)
            else:
                cast("asyncio.Protocol", self._protocol).data_received(content)
        except Exception as error:
            self._fail(error, "data_received")
            return
        self._incoming.taken(len(content))

    def _take_eof(self) -> None:
        try:
            is_kept_open = cast("asyncio.Protocol", self._protocol).eof_received()
        except Exception as error:
            self._fail(error, "eof_received")
            return
        if not is_kept_open:
            self.close()

    # ----------------------------------------------------------------------------------------------------- writing

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send, as far as the window allows; the rest waits here, and above the high mark the protocol is paused."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data is of type {type(data).__name__}; expected bytes, bytearray or memoryview")
        if self._is_eof_written:
            raise RuntimeError("cannot write after write_eof()")
        if not data:
            return
        if any(kind == "reset" for kind, _ in self._inbox):
            self.reset()
        if self._is_closing:
            self._writes_lost += 1
            if self._writes_lost >= _WARN_AFTER:
                _log.warning("%r: written to a connection that is lost", self)
            return
        self._buffer.append(memoryview(bytes(data)))
        self._buffered += len(data)
        self._push()
        self._pause_writer_if_full()

    def write_eof(self) -> None:
        """No more will be written; the peer hears of it after what was. Reading goes on."""
        if self._is_closing or self._is_eof_written:
            return
        self._is_eof_written = True
        self._push()

    def can_write_eof(self) -> bool:
        """Yes: links can be half-closed, like TCP."""
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Water marks in bytes: above high the writer is paused, at low or below resumed."""
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._high, self._low = high, low
        self._pause_writer_if_full()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water mark, in bytes."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Bytes that wait here for the window."""
        return self._buffered

    def _push(self) -> None:
        """Send what the window allows; then whatever waited for the buffer to be empty."""
        if self._is_lost:
            return
        while self._buffer and (room := self._outgoing.room):
            head = self._buffer.popleft()
            if len(head) > room:
                self._buffer.appendleft(head[room:])
                head = head[:room]
            self._buffered -= len(head)
            self._outgoing.send("data", head.tobytes())
        if self._is_writer_paused and self._buffered <= self._low:
            self._is_writer_paused = False
            self._call_writer("resume_writing")
        if self._buffer or self._is_lost:
            return
        if self._is_eof_written and not self._is_eof_sent:
            self._is_eof_sent = True
            self._outgoing.send("eof")
        if self._is_closing:
            self._lose(None)

    def _pause_writer_if_full(self) -> None:
        if self._buffered > self._high and not self._is_writer_paused:
            self._is_writer_paused = True
            self._call_writer("pause_writing")

    def _call_writer(self, name: str) -> None:
        try:
            getattr(self._protocol, name)()
        except Exception as error:  # asyncio reports it and goes on: the protocol's books are its own
            self._loop.call_exception_handler(
                {
                    "message": f"protocol.{name}() raised",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )


def _feed_buffer(protocol: asyncio.BufferedProtocol, content: bytes) -> None:
    """Hand bytes to a protocol that owns its buffer, in as many rounds as the buffer needs."""
    while content:
        buffer = memoryview(protocol.get_buffer(len(content)))
        count = min(len(buffer), len(content))
        if not count:
            raise RuntimeError("get_buffer() returned an empty buffer")
        buffer[:count] = content[:count]
        protocol.buffer_updated(count)
        content = content[count:]

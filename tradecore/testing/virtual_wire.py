"""Wire: one direction of a link, with its law, in order of sending.

Receives: parcels from the sending end: bytes, the end of the stream, a reset, the two halves of the handshake.
Gives:    the same parcels to the receiving end, later by the link's law; bytes perhaps in smaller pieces.
Never:    reorders, loses or repeats: it carries a stream, as TCP does. Held, it keeps what travels
          until it is released.    Spec: RELIABILITY 2 row 2, 4.3.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tradecore.domain.delay_law import ConstantDelay, DelayLaw, draw_key
from tradecore.domain.instant import SECOND_NS

if TYPE_CHECKING:
    from tradecore.testing.virtual_loop import VirtualLoop

ParcelKind = Literal["syn", "open", "data", "eof", "reset"]
WireDirection = Literal["up", "down"]  # up: from the client, who connects, to the server, who listens


_NEAR: DelayLaw = ConstantDelay(ms=1.0)


@dataclass(frozen=True, slots=True)
class LinkLaw:
    """How a link carries bytes.

    latency: of each piece, one way; a piece never overtakes an earlier one. segment_bytes_max: writes are cut at drawn
    places into pieces of at most so many bytes, each with a latency of its own; None: a write stays whole.
    window_bytes: how much may be under way or unread before the sender has to buffer, as a socket's buffers allow.
    """

    latency: DelayLaw = _NEAR
    segment_bytes_max: int | None = None
    window_bytes: int = 262_144


class Wire:
    """One direction of one link. `deliver` is called with each parcel; `on_room` whenever bytes were taken."""

    def __init__(self, loop: VirtualLoop, link: int, direction: WireDirection, seed: int, law: LinkLaw) -> None:
        self.law = law
        self.bytes_sent = 0
        self.deliver: Callable[[ParcelKind, bytes], None] = _discard
        self.on_room: Callable[[], None] | None = None
        self.on_cut: Callable[[], None] | None = None
        self._loop, self._link, self._direction, self._seed = loop, link, direction, seed
        self._travelling: deque[tuple[int, ParcelKind, bytes]] = deque()
        self._in_flight = 0
        self._latest_ns = 0
        self._draws = 0
        self._holds: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._cut_after: int | None = None

    @property
    def room(self) -> int:
        """How many bytes may be sent now."""
        return max(0, self.law.window_bytes - self._in_flight)

    @property
    def is_held(self) -> bool:
        """Whether nothing arrives at present."""
        return bool(self._holds)

    def send(self, kind: ParcelKind, content: bytes = b"") -> None:
        """Put a parcel on its way."""
        if kind != "data":
            self._put(kind, b"")
            return
        self._in_flight += len(content)
        self.bytes_sent += len(content)
        longest = self.law.segment_bytes_max
        if longest is None:
            self._put(kind, content)
            return
        while content:
            length = 1 + self._draw() % longest
            self._put(kind, content[:length])
            content = content[length:]

    def taken(self, count: int) -> None:
        """The receiver has read so many bytes: there is room for as many."""
        self._in_flight -= count
        if self.on_room is not None:
            self.on_room()

    def hold(self, reason: str) -> None:
        """Let nothing arrive until this reason is released; what is sent meanwhile waits on the wire."""
        self._holds.add(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def release(self, reason: str) -> None:
        """End one reason; with the last of them all that waited arrives, in order."""
        self._holds.discard(reason)
        self._arm()

    def cut_after(self, count: int) -> None:
        """After so many more bytes have arrived, call `on_cut`: the stream ends in the middle of a frame."""
        self._cut_after = count

    def clear(self) -> None:
        """Forget what travels."""
        self._travelling.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _draw(self) -> int:
        self._draws += 1
        return draw_key(self._seed, "wire", self._link, self._direction, self._draws)

    def _put(self, kind: ParcelKind, content: bytes) -> None:
        latency = self.law.latency
        # A constant needs no draw, which costs more than all the rest.
        delay_ns = latency.draw_ns(0 if type(latency) is ConstantDelay else self._draw())
        self._latest_ns = max(self._latest_ns, self._loop.elapsed_ns + delay_ns)
        self._travelling.append((self._latest_ns, kind, content))
        self._arm()

    def _arm(self) -> None:
        if self._timer is None and self._travelling and not self._holds:
            self._timer = self._loop.call_at(self._travelling[0][0] / SECOND_NS, self._arrive)

    def _arrive(self) -> None:
        self._timer = None
        now_ns = self._loop.elapsed_ns
        # What the receiver does may hold or clear this very wire.
        while self._travelling and self._travelling[0][0] <= now_ns and not self._holds:
            _, kind, content = self._travelling.popleft()
            if self._cut_after is not None and kind == "data":
                content, self._cut_after = content[: self._cut_after], max(0, self._cut_after - len(content))
            if content or kind != "data":
                self._loop.network.trace.record(now_ns, self._link, self._direction, kind, content)
                self.deliver(kind, content)
            if self._cut_after == 0 and self.on_cut is not None:
                self._cut_after = None
                self.on_cut()
        self._arm()


def _discard(_kind: ParcelKind, _content: bytes) -> None:
    """Where parcels go before anybody is at the end of the wire."""

"""VenueConnection: one client's websocket, from the venue's side of whatever carries it.

Receives: texts of the client; frames of its session.
Gives:    frames to be carried to the client, faults applied; the end of the connection.
Never:    waits: a client that reads too slowly is cut off, as the real venues do.    RELIABILITY 2, row 17.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from tradecore.testing.local_venue.fault_plan import FaultPlan, FrameTrack

SLOW_CONSUMER: Final = 1008
GONE: Final = 1006


class VenueSession(Protocol):
    """The dialect's side of a connection: plain calls, no socket, no loop."""

    def on_open(self) -> None:
        """The connection stands; greet, where the venue greets."""
        ...

    def on_text(self, text: str) -> None:
        """The client said something."""
        ...

    def on_closed(self) -> None:
        """The connection is gone; forget its subscriptions."""
        ...


class VenueConnection:
    """One connection. `closing`: code and reason once it is to end; code 1006 means without a closing handshake."""

    def __init__(self, number: int, dialect: str, path: str, faults: FaultPlan, *, outbox_frames: int) -> None:
        self.number: Final = number
        self.dialect: Final = dialect
        self.path: Final = path
        self.session: VenueSession | None = None
        self.closing: tuple[int, str] | None = None
        self.is_stalled = False
        self.is_half_open = False
        self.sent = 0
        self.on_changed: Callable[[], None] | None = None  # the socket's: a stall or a half-open state begins or ends
        self._faults = faults
        self._capacity = outbox_frames
        self._outbox: deque[str] = deque()
        self._waiting: deque[str] = deque()  # of the client, while stalled
        self._ready = asyncio.Event()
        self._tracks: dict[str, FrameTrack] = {}

    # ------------------------------------------------------------------------------------------- for the session

    def send(self, text: str, topic: str = "") -> None:
        """Queue a frame. topic: of market data, which faults may alter; answers to requests have none."""
        if self.closing is not None or self.is_half_open:
            return
        if not topic or not self._faults.alters_frames:
            self._put(text)
            return
        track = self._tracks.get(topic)
        if track is None:
            track = self._tracks[topic] = FrameTrack()
        for frame in self._faults.pass_frame(self.dialect, self.number, topic, track, text, self._put):
            self._put(frame)

    def close(self, code: int, reason: str = "") -> None:
        """End it with a closing handshake, after what is queued."""
        if self.closing is None:
            self.closing = (code, reason)
            self._ready.set()

    def abort(self) -> None:
        """End it without a word; what is queued is lost."""
        self.closing = (GONE, "")
        self._outbox.clear()
        self._ready.set()

    def _put(self, frame: str) -> None:
        if self.closing is not None:
            return
        self._outbox.append(frame)
        self.sent += 1
        self._ready.set()
        if len(self._outbox) > self._capacity:
            self._faults.note("slow_consumer")
            self._outbox.clear()
            self.close(SLOW_CONSUMER, "too slow")

    # --------------------------------------------------------------------------------------- for what carries it

    def on_text(self, text: str) -> None:
        """The client's text has arrived."""
        assert self.session is not None, "a connection has a session before it reads"
        if self.is_half_open or self.closing is not None:
            return
        if self.is_stalled:
            self._waiting.append(text)
        elif self._faults.find("deaf", self.dialect) is None:
            self.session.on_text(text)

    async def next_frames(self) -> list[str]:
        """All frames that wait, at least one; an empty list when the connection is to end. Cancelled, it took none."""
        while True:
            if frames := self.take_waiting():
                return frames
            if self.closing is not None and not self.is_stalled and not self.is_half_open:
                return []
            self._ready.clear()
            await self._ready.wait()

    def take_waiting(self) -> list[str]:
        """All frames that may go out now; an empty list when there are none."""
        if self.is_stalled or self.is_half_open:
            return []
        frames = list(self._outbox)
        self._outbox.clear()
        return frames

    # ------------------------------------------------------------------------------------------------ for faults

    def stall(self) -> None:
        """Keep everything back until `resume`."""
        self.is_stalled = True
        self._changed()

    def half_open(self) -> None:
        """Let everything vanish, for good or until `resume`."""
        self.is_half_open = True
        self._outbox.clear()
        self._changed()

    def resume(self) -> None:
        """End a stall or a half-open state."""
        self.is_stalled = self.is_half_open = False
        self._changed()
        while self._waiting:
            self.on_text(self._waiting.popleft())

    def _changed(self) -> None:
        self._ready.set()
        if self.on_changed is not None:
            self.on_changed()

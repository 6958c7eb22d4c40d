"""FeedLink: one WebSocket of a session, from its handshake to its end.

Receives: a connected socket; requests to send.
Gives:    each frame, as it comes, to one plain function; answers to who asked; whether it lives, is stale, is lost.
Never:    connects again, raises when the connection breaks (it is `lost`, with a reason), or trusts TCP to notice a
          dead peer: without a sign of life it says STALE, then gives up.    RELIABILITY 2 #2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from tradecore.domain.clock import Clock
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import Answer, Request

if TYPE_CHECKING:
    import asyncio

    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

OVERSIZED: Final = 1009  # close code that we send when a frame is larger than frame_bytes_max


class LinkLost(Exception):
    """The connection ended before an answer came."""


class Manners(Protocol):
    """What a venue expects of a connection: pauses between frames, and whether its own silence is a fault."""

    has_heartbeat: bool
    send_interval_s: float


class _Waiting:
    """Someone who waits for the answer to a request."""

    __slots__ = ("answer", "is_over")

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.is_over = anyio.Event()


class FeedLink:
    """One connection. held: frames kept until it is promoted, None when they go straight through.

    acknowledged: streams that this connection was asked for and agreed to. stale_reason: why all of them are STALE, ""
    when they are not. lost: set when it is over, with `reason`.
    leaving: set when it is lost, or when the venue said that it will close it.
    """

    def __init__(
        self,
        socket: ClientConnection,
        manners: Manners,
        settings: ConnectionSettings,
        clock: Clock,
        *,
        on_frame: Callable[[FeedLink, bytes], None],
        on_life: Callable[[FeedLink, float], None],
        is_held: bool,
    ) -> None:
        self._socket = socket
        self._manners = manners
        self._settings = settings
        self._clock = clock
        self._on_frame = on_frame
        self._on_life = on_life
        self.held: list[bytes] | None = [] if is_held else None
        self.acknowledged: set[Stream] = set()
        self.opened_ns = self._heard_ns = clock.monotonic_ns()
        self.stale_reason = ""
        self.is_oversized = False
        self.reason = ""
        self.lost = anyio.Event()
        self.leaving = anyio.Event()
        self._waiting: dict[int, _Waiting] = {}
        self._sending = anyio.Lock()
        self._sent_ns = self.opened_ns - round(manners.send_interval_s * SECOND_NS)
        self._is_pinging = False

    @property
    def is_stale(self) -> bool:
        """Whether its streams were told to be STALE."""
        return bool(self.stale_reason)

    async def run(self) -> None:
        """Read until the connection ends; close it when cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch)
                await self._read()
                tasks.cancel_scope.cancel()
        finally:
            self._lose("stopped")
            # The library's own farewell is bounded by close_timeout_s for each of its two steps.
            with anyio.move_on_after(2 * self._settings.close_timeout_s + 1, shield=True):
                await self._socket.close()

    async def ask(self, request: Request) -> Answer:
        """The answer to a request; the caller bounds the wait. Raises: LinkLost."""
        waiting = self._waiting[request.number] = _Waiting()
        try:
            await self._send(request.frame)
            await waiting.is_over.wait()
        finally:
            self._waiting.pop(request.number, None)
        if waiting.answer is None:
            raise LinkLost(self.reason)
        return waiting.answer

    def take_answer(self, answer: Answer) -> None:
        """Hand an answer to who waits for it; one that nobody waits for any more came too late."""
        # A refusal without a number (0) can only be about what was asked first.
        number = answer.number or next(iter(self._waiting), 0)
        waiting = self._waiting.get(number)
        if waiting is not None:
            waiting.answer = answer
            waiting.is_over.set()

    async def close(self) -> None:
        """Say farewell, and return when all that came before has been read."""
        await self._socket.close()
        await self.lost.wait()

    async def _send(self, frame: str) -> None:
        from websockets.exceptions import ConnectionClosed

        async with self._sending:
            due_ns = self._sent_ns + round(self._manners.send_interval_s * SECOND_NS)
            await anyio.sleep(max(0.0, (due_ns - self._clock.monotonic_ns()) / SECOND_NS))
            self._sent_ns = self._clock.monotonic_ns()
            if self.lost.is_set():
                raise LinkLost(self.reason)
            try:
                await self._socket.send(frame)
            except ConnectionClosed as error:
                raise LinkLost(_describe_close(error)) from error

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        receive, read_clock, on_frame = self._socket.recv, self._clock.monotonic_ns, self._on_frame
        try:
            while True:
                frame = await receive(decode=False)
                self._heard_ns = read_clock()
                on_frame(self, frame)
        except ConnectionClosed as error:
            self.is_oversized = error.sent is not None and error.sent.code == OVERSIZED
            limit = f"a frame was larger than frame_bytes_max, {self._settings.frame_bytes_max} bytes"
            self._lose(limit if self.is_oversized else _describe_close(error))

    async def _watch(self) -> None:
        """Compare the last sign of life with the deadlines; ping where silence alone says nothing."""
        settings = self._settings
        while True:
            await anyio.sleep(settings.frame_deadline_s / 5)
            silent_s = (self._clock.monotonic_ns() - self._heard_ns) / SECOND_NS
            if silent_s > settings.lost_after_s:
                self._lose(f"nothing heard for {silent_s:.1f} s")
                self._socket.transport.abort()
                return
            self._on_life(self, silent_s)
            must_ping = not (self._manners.has_heartbeat and self.acknowledged)
            if must_ping and silent_s > settings.frame_deadline_s / 2 and not self._is_pinging:
                await self._ping()

    async def _ping(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            pong = await self._socket.ping()
        except ConnectionClosed:
            return  # the reader hears of it too, and says why
        self._is_pinging = True
        pong.add_done_callback(self._hear_pong)  # type: ignore[attr-defined]

    def _hear_pong(self, pong: asyncio.Future[float]) -> None:
        self._is_pinging = False
        if not pong.cancelled() and pong.exception() is None:
            self._heard_ns = self._clock.monotonic_ns()

    def _lose(self, reason: str) -> None:
        """It is over; the first reason counts."""
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()
            self.leaving.set()
            for waiting in self._waiting.values():
                waiting.is_over.set()


def _describe_close(error: ConnectionClosed) -> str:
    """What ended a connection, for a person: the venue's code and words, else that it broke."""
    if error.rcvd is not None:
        said = f": {error.rcvd.reason}" if error.rcvd.reason else ""
        return f"closed by the venue with code {error.rcvd.code}{said}"
    if error.sent is not None:
        return f"closed by us with code {error.sent.code}: {error.sent.reason or 'no reason'}"
    return "the connection broke without a farewell"

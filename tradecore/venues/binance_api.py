"""BinanceApi: questions over Binance's WebSocket API: time, instruments, history, whole books.

Receives: a method and its parameters.
Gives:    the undecoded result; it connects when first asked, and again when the connection was lost.
Never:    asks more than the venue's weight of a minute allows, or repeats what is not a pure question.    VENUES 4.1.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from tradecore.domain.clock import Clock
from tradecore.errors import FeedDataError, VenueNotRunning, VenueRateLimited, VenueRequestFailed
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import Answer, Request
from tradecore.venues.feed_link import FeedLink, LinkLost
from tradecore.venues.frame_fields import decode_frame, lenient
from tradecore.venues.handshake import HandshakeFailed, open_socket, wait_for_budget
from tradecore.venues.reconnect_schedule import ConnectBudget, ReconnectSchedule, WeightBudget

API_URL: Final = "wss://ws-api.binance.com:443/ws-api/v3"
WEIGHT_PER_MINUTE: Final = 6_000  # REQUEST_WEIGHT of exchangeInfo; a fifth of it is left to other programs
TRIES_MAX: Final = 3  # of one question, over lost connections and a refusal for too many questions
RETRY_AFTER_MAX_S: Final = 130.0  # a first ban lasts two minutes; a longer one is for the user to know of
TOO_MANY = (429, 418)


class _RateLimit(msgspec.Struct):
    rateLimitType: str = ""  # noqa: N815  (the venue's names)
    interval: str = ""
    count: int = 0


class _ErrorData(msgspec.Struct):
    serverTime: int = 0  # noqa: N815
    retryAfter: int = 0  # noqa: N815


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""
    data: _ErrorData | None = None


class _Reply(msgspec.Struct):
    id: int | None = None
    status: int = 0
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None
    rateLimits: list[_RateLimit] = []  # noqa: N815


_REPLY: Final = lenient(_Reply)


class BinanceApi:
    """The API socket of a venue, for as long as `run` runs."""

    has_heartbeat = False
    send_interval_s = 0.0

    def __init__(
        self,
        venue: str,
        settings: ConnectionSettings,
        *,
        url: str = API_URL,
        clock: Clock,
        seed: int,
        budget: ConnectBudget,
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._budget = budget
        self._schedule = ReconnectSchedule(settings, f"{venue} api", seed)
        self._weights = WeightBudget(WEIGHT_PER_MINUTE * 4 // 5)
        self._numbers = count(1)
        self._connecting = anyio.Lock()
        self._link: FeedLink | None = None
        self._failure = ""  # why the last attempt to connect failed, while there is no connection
        self._tasks: TaskGroup | None = None
        self.url = url.rstrip("/") + "?timeUnit=MICROSECOND"

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Own the connection until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._tasks = self._link = None

    async def ask(self, method: str, params: dict[str, Any], *, weight: int) -> bytes:
        """The JSON of the result.

        Raises: VenueRequestFailed, VenueRateLimited, VenueUnreachable, VenueUntrusted, VenueRefused, VenueNotRunning.
        """
        reason = ""
        for _ in range(TRIES_MAX):
            await self._wait_for_weight(weight)
            reply: _Reply | None = None
            with anyio.move_on_after(self._settings.request_timeout_s):
                link = await self._connect(method)
                try:
                    reply = (await link.ask(self._encode(method, params))).value
                except LinkLost as lost:
                    reason = f"the connection was lost: {lost}"
                    continue
            if reply is None:
                reason = self._failure or f"no answer within {self._settings.request_timeout_s:g} s"
                continue
            if reply.status == 200 and reply.error is None:
                return bytes(reply.result)
            refusal = self._translate(method, reply)
            if not isinstance(refusal, VenueRateLimited) or refusal.retry_after_s > RETRY_AFTER_MAX_S:
                raise refusal
            reason = refusal.reason
            await anyio.sleep(refusal.retry_after_s)
        raise VenueRequestFailed(self._venue, method, 0, f"{reason}; asked {TRIES_MAX} times")

    async def _connect(self, method: str) -> FeedLink:
        """The living connection, made if need be. Raises: VenueUnreachable, VenueRefused, VenueNotRunning."""
        async with self._connecting:
            if self._tasks is None:
                raise VenueNotRunning(self._venue, method)
            if self._link is not None and not self._link.lost.is_set():
                return self._link
            attempts_max = self._settings.first_attempts_max
            for attempt in range(1, attempts_max + 1):
                await wait_for_budget(self._budget, self._clock)
                try:
                    socket = await open_socket(self.url, self._settings)
                    break
                except HandshakeFailed as failed:
                    if failed.is_final or attempt == attempts_max:
                        raise failed.translate(self.url, attempt) from failed
                    self._failure = f"no connection: {failed.reason}"
                    await anyio.sleep(self._schedule.next_delay_s(failed.retry_after_s))
            self._schedule.attempt, self._failure = 0, ""
            self._link = FeedLink(
                socket, self, self._settings, self._clock, on_frame=self._take_frame, on_life=_no_concern, is_held=False
            )
            self._tasks.start_soon(self._link.run)
            return self._link

    def _take_frame(self, link: FeedLink, frame: bytes) -> None:
        try:
            reply = decode_frame(_REPLY, frame)
        except FeedDataError:
            return  # who asked hears that no answer came
        for limit in reply.rateLimits:
            if limit.rateLimitType == "REQUEST_WEIGHT" and limit.interval == "MINUTE":
                self._weights.note_used(limit.count)
        link.take_answer(Answer(reply.id or 0, value=reply))

    async def _wait_for_weight(self, weight: int) -> None:
        wait_s = self._weights.take(weight, self._clock.wall_ns())
        while wait_s:
            await anyio.sleep(wait_s)
            wait_s = self._weights.take(weight, self._clock.wall_ns())

    def _translate(self, method: str, reply: _Reply) -> VenueRequestFailed:
        error = reply.error or _Error(msg="no explanation")
        reason = f"{error.msg} (code {error.code})"
        if reply.status not in TOO_MANY:
            return VenueRequestFailed(self._venue, method, reply.status, reason)
        wait_ms = 60_000
        if error.data is not None and error.data.retryAfter:
            wait_ms = max(0, error.data.retryAfter - (error.data.serverTime or self._clock.wall_ns() // 1_000_000))
        return VenueRateLimited(self._venue, method, reply.status, reason, wait_ms / 1_000)

    def _encode(self, method: str, params: dict[str, Any]) -> Request:
        number = next(self._numbers)
        body: dict[str, Any] = {"id": number, "method": method}
        if params:
            body["params"] = params
        return Request(number, msgspec.json.encode(body).decode())


def _no_concern(_link: FeedLink, _silent_s: float) -> None:
    """No stream hangs on this connection; a question that gets no answer is asked again."""

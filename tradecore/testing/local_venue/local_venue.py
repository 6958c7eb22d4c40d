"""LocalVenue: Binance Spot and Kraken v2 on this machine, over one market, as one object.

Receives: a market source and settings; what clients say, over whatever carries it.
Gives:    connections and answers in both protocols; faults on demand; `truth()` for oracles.
Never:    opens a socket or starts a task of its own.    Spec: issue 4, item 2; RELIABILITY 7.2; VENUES 4.4.

One core, three skins: `connect()` and `request()` here, in the same loop; `open_venue_server` over sockets, on any
asyncio loop, a virtual one included; the process `tradecore venue`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs

import anyio

from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue.binance_requests import BinanceApiSession, BinanceRequests
from tradecore.testing.local_venue.binance_stream_session import BinanceStreamSession
from tradecore.testing.local_venue.binance_streams import BinanceStreams
from tradecore.testing.local_venue.control_desk import ControlDesk
from tradecore.testing.local_venue.fault import Fault, make_fault, parse_fault
from tradecore.testing.local_venue.http_message import HttpAnswer, HttpRequest, split_target
from tradecore.testing.local_venue.kraken_channels import KrakenChannels
from tradecore.testing.local_venue.kraken_rest import KrakenRest
from tradecore.testing.local_venue.kraken_session import KrakenSession
from tradecore.testing.local_venue.market_source import MarketSource
from tradecore.testing.local_venue.venue_clock import MonotonicNs, VenueClock, read_loop_ns
from tradecore.testing.local_venue.venue_connection import VenueConnection, VenueSession
from tradecore.testing.local_venue.venue_market import VenueMarket, VenueTruth
from tradecore.testing.local_venue.venue_play import VenuePlay, VenueSettings

_BINANCE_STREAMS: Final = ("/ws", "/stream")
_BINANCE_API: Final = "/ws-api/v3"
_KRAKEN: Final = "/v2"


class LocalVenue:
    """A venue in this process. `open_local_venue` plays it; without that, drive `play` by hand."""

    def __init__(
        self, source: MarketSource, settings: VenueSettings | None = None, monotonic_ns: MonotonicNs = read_loop_ns
    ) -> None:
        self.play: Final = VenuePlay(source, settings, monotonic_ns)
        self._streams = BinanceStreams(self.play)
        self._requests = BinanceRequests(self.play)
        self._channels = KrakenChannels(self.play)
        self._kraken_rest = KrakenRest(self.play)
        self._control = ControlDesk(self.play)

    @property
    def clock(self) -> VenueClock:
        """The venue's clock, for `clock = "venue"`."""
        return self.play.clock

    @property
    def market(self) -> VenueMarket:
        """The market: books, tapes, ledger."""
        return self.play.market

    @property
    def fault_counts(self) -> dict[str, int]:
        """How often each kind of fault was injected."""
        return dict(self.play.faults.counts)

    def truth(self) -> VenueTruth:
        """All that was published, for oracles only."""
        return self.play.market.truth()

    def add_fault(self, fault: Fault | str | dict[str, Any]) -> None:
        """Plan a fault, `at` counted from now: "drop", "mute for=5 topic=btcusdt@trade". Raises: LocalVenueError."""
        if isinstance(fault, str):
            fault = parse_fault(fault)
        self.play.add_fault(make_fault(fault) if isinstance(fault, dict) else fault)

    def heal(self, kind: str | None = None) -> None:
        """End all faults, or those of a kind."""
        self.play.heal(kind)

    # ------------------------------------------------------------------------------------- what clients come for

    def find_dialect(self, target: str) -> str | None:
        """Which protocol is spoken at a path; None when none is."""
        path, _ = split_target(target)
        if path == _KRAKEN:
            found = "kraken"
        elif path in _BINANCE_STREAMS or path.startswith("/ws/") or path == _BINANCE_API:
            found = "binance"
        else:
            return None
        return found if found in self.play.settings.dialects else None

    def open_connection(self, target: str) -> VenueConnection:
        """A connection with its session, greeted. Raises: LocalVenueError when nothing is spoken at this path."""
        dialect = self.find_dialect(target)
        if dialect is None:
            raise LocalVenueError(
                f"no websocket is served at {target!r}; expected /ws, /stream?streams=..., /ws-api/v3 or /v2"
            )
        connection = self.play.admit(dialect, target)
        connection.session = self._make_session(target, connection)
        connection.session.on_open()
        return connection

    def _make_session(self, target: str, connection: VenueConnection) -> VenueSession:
        path, text = split_target(target)
        query = parse_qs(text)
        in_microseconds = query.get("timeUnit", [""])[0].upper() == "MICROSECOND"
        if path == _KRAKEN:
            return KrakenSession(self.play, self._channels, connection)
        if path == _BINANCE_API:
            shows_limits = query.get("returnRateLimits", ["true"])[0].lower() != "false"
            return BinanceApiSession(
                self._requests, connection, in_microseconds=in_microseconds, shows_limits=shows_limits
            )
        is_combined = path == "/stream"
        named = query.get("streams", [""])[0] if is_combined else path.removeprefix("/ws").lstrip("/")
        return BinanceStreamSession(
            self.play, self._streams, connection, wanted=[name for name in named.split("/") if name],
            is_combined=is_combined, in_microseconds=in_microseconds,
        )  # fmt: skip

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """The answer to plain HTTP."""
        for answer in self._answer_by(request):
            if answer is not None:
                return answer
        return HttpAnswer.of_json({"error": f"nothing is served at {request.path}"}, 404)

    def _answer_by(self, request: HttpRequest) -> Iterator[HttpAnswer | None]:
        yield self._control.answer(request)
        dialect = "kraken" if request.path.startswith("/0/") else "binance"
        refusal = self.refuse(dialect)
        if refusal is not None:
            yield refusal
        if "binance" in self.play.settings.dialects:
            yield self._requests.answer_rest(request)
        if "kraken" in self.play.settings.dialects:
            yield self._kraken_rest.answer(request)

    def refuse(self, dialect: str) -> HttpAnswer | None:
        """The refusal that a fault has for whoever comes now; None when there is none."""
        fault = self.play.faults.find("refuse", dialect, self.play.now_ns())
        if fault is None:
            return None
        headers = () if fault.retry_after is None else (("Retry-After", str(fault.retry_after)),)
        status = fault.code or 429
        return HttpAnswer.of_json({"code": -1003, "msg": f"refused with {status}"}, status, headers=headers)

    # ------------------------------------------------------------------------------------- the skin without sockets

    def connect(self, target: str) -> InLoopConnection:
        """A connection without a socket: "/stream?streams=btcusdt@trade", "/v2". Raises: LocalVenueError."""
        return InLoopConnection(self, self.open_connection(target))

    def request(self, method: str, target: str, body: bytes = b"", content_type: str = "") -> HttpAnswer:
        """The answer to a request without a socket, at once: delays are left to the caller."""
        return self.answer(HttpRequest(method, target, content_type, body))


class InLoopConnection:
    """A client's end of a connection that no socket carries."""

    def __init__(self, venue: LocalVenue, connection: VenueConnection) -> None:
        self._venue, self._connection = venue, connection
        self._frames: list[str] = []

    def send(self, text: str) -> None:
        """Say something to the venue."""
        self._connection.on_text(text)

    async def recv(self) -> str | None:
        """The next frame; None once the connection has ended. Cancelled, it took none."""
        if not self._frames:
            self._frames = (await self._connection.next_frames())[::-1]
            if not self._frames:
                self.close()
                return None
        return self._frames.pop()

    def recv_waiting(self) -> list[str]:
        """All frames that wait, without waiting for more."""
        frames, self._frames = self._frames[::-1], []
        return frames + self._connection.take_waiting()

    @property
    def closing(self) -> tuple[int, str] | None:
        """Code and reason once the venue has ended it; code 1006 is an end without a word."""
        return self._connection.closing

    def close(self) -> None:
        """End it; idempotent."""
        self._venue.play.release(self._connection)


@asynccontextmanager
async def open_local_venue(
    source: MarketSource, settings: VenueSettings | None = None, *, monotonic_ns: MonotonicNs = read_loop_ns
) -> AsyncIterator[LocalVenue]:
    """A venue that is being played, until the end of the block. Raises: LocalVenueError."""
    venue = LocalVenue(source, settings, monotonic_ns)
    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(venue.play.run)
            try:
                yield venue
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from group.exceptions[0].__cause__  # what failed in a test should read as itself

"""VenuePlay: a market being played: its clock, its timers, its connections and what is to go wrong.

Receives: a market source, settings; time, by `run` or by `play_until`.
Gives:    what the dialects build on: instants in order, each at its time of the venue's clock.
Never:    reads a wall clock, starts a task of its own or opens a socket.    Spec: issue 4, item 2; RELIABILITY 7.2.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import anyio
import msgspec
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from tradecore.domain.instant import DAY_NS, SECOND_NS
from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue.fault import INSTANT_KINDS, SILENT_KINDS, Fault
from tradecore.testing.local_venue.fault_plan import FaultPlan, PlannedFault
from tradecore.testing.local_venue.market_source import MarketSource
from tradecore.testing.local_venue.venue_action import VenueAction
from tradecore.testing.local_venue.venue_clock import MonotonicNs, VenueClock, read_loop_ns
from tradecore.testing.local_venue.venue_connection import VenueConnection
from tradecore.testing.local_venue.venue_market import PairMarket, VenueMarket

DIALECTS: Final = ("binance", "kraken")

_STEP_ACTIONS: Final = 256  # applied between two turns of the loop, some 2 ms
_LOOKAHEAD: Final = 2_048
_NAP_S: Final = 0.0005  # the least that is slept: waking for each of two events 10 us apart costs more than it gives
_NOTICE_S: Final = 10.0

Timer = Callable[[], None]


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a local venue behaves. All durations are of the venue's own time.

    speed: venue seconds in one of ours. dialects: which protocols it speaks. seed: of its faults. session_ns: how long
    a Binance connection may live. lead_ns: how long the clock runs before the source begins; then clients can be there
    for its first event. outbox_frames: how many frames may wait for a client before it is cut off. faults: planned from
    the start. at_end: "idle" goes on without a market when a recording is over, "stop" ends. keeps_truth: of all that
    is published; without it a venue that runs for days keeps its trades alone.
    """

    speed: float = 1.0
    dialects: tuple[str, ...] = DIALECTS
    seed: int = 0
    session_ns: int = DAY_NS
    lead_ns: int = 0
    outbox_frames: int = 100_000
    faults: tuple[Fault, ...] = ()
    at_end: str = "idle"
    keeps_truth: bool = True

    def check(self) -> None:
        """Raises: LocalVenueError."""
        if not 0 < self.speed < float("inf"):
            raise LocalVenueError(f"speed is {self.speed}; expected a number above 0, for example 20")
        if not self.dialects or set(self.dialects) - set(DIALECTS):
            raise LocalVenueError(f"venues are {self.dialects}; expected some of {', '.join(DIALECTS)}")
        if self.lead_ns < 0 or self.session_ns <= 0 or self.outbox_frames < 1:
            raise LocalVenueError(
                f"lead is {self.lead_ns} ns, a session lasts {self.session_ns} ns and {self.outbox_frames} frames may "
                "wait; expected at least 0, above 0 and at least 1"
            )
        if self.at_end not in ("idle", "stop"):
            raise LocalVenueError(f"at_end is {self.at_end!r}; expected 'idle' or 'stop'")


class VenuePlay:
    """One market being played. Driven by `run`, or by hand: `await prepare()`, then `await play_until(ns)`."""

    def __init__(
        self, source: MarketSource, settings: VenueSettings | None = None, monotonic_ns: MonotonicNs = read_loop_ns
    ) -> None:
        self.settings: Final = settings or VenueSettings()
        self.settings.check()
        self.source: Final = source
        self.start_ns: Final = source.start_ns - self.settings.lead_ns
        self.clock: Final = VenueClock(self.start_ns, self.settings.speed, monotonic_ns)
        self.market: Final = VenueMarket(
            source.instruments, source.recorded_quotes, keeps_truth=self.settings.keeps_truth
        )
        self.faults: Final = FaultPlan(self.settings.seed, self.now_ns, self.schedule)
        self.connections: Final[dict[int, VenueConnection]] = {}
        self.opened = 0
        self.is_over = False  # the source has nothing more
        self._actions: deque[VenueAction] = deque()
        self._timers: list[tuple[int, int, Timer]] = []
        self._timer_number = 0
        self._instant: int | None = None  # while a timer or an action happens
        self._reached = self.start_ns
        self._woken = asyncio.Event()
        self._batches: AsyncIterator[list[VenueAction]] | None = None
        for fault in self.settings.faults:
            self.add_fault(fault)

    def now_ns(self) -> int:
        """The venue's time: of what is happening now, else of its clock."""
        return max(self._reached, self.clock.now_ns()) if self._instant is None else self._instant

    def server_ns(self, dialect: str) -> int:
        """What the venue says its time is: a fault may set it off."""
        return self.now_ns() + int(self.faults.read_seconds("clock_offset", dialect) * SECOND_NS)

    def get_pair(self, symbol: str) -> PairMarket | None:
        """The pair of a symbol ("BTCUSDT"), None when it is not listed."""
        return self.market.pairs.get(symbol)

    # --------------------------------------------------------------------------------------------------- time

    def schedule(self, at_ns: int, timer: Timer) -> None:
        """Call a function at an instant of the venue's time, before what the market does then."""
        self._timer_number += 1
        heapq.heappush(self._timers, (at_ns, self._timer_number, timer))
        self._woken.set()

    def next_instant(self) -> int | None:
        """When something happens next; None when nothing is planned."""
        at = [self._timers[0][0]] if self._timers else []
        at += [self._actions[0].at_ns] if self._actions else []
        return min(at) if at else None

    def advance(self, now_ns: int, limit: int = _STEP_ACTIONS) -> bool:
        """Let all happen that is due, at most `limit` things; True when more may be due."""
        for _ in range(limit):
            if not self._actions and not self.is_over:
                return True  # what comes next is not known yet: `run` or `prepare` reads on
            at_ns = self.next_instant()
            if at_ns is None or at_ns > now_ns:
                self._reached = max(self._reached, now_ns)
                return False
            self._reached = self._instant = max(self._reached, at_ns)
            try:
                if self._timers and self._timers[0][0] == at_ns:
                    heapq.heappop(self._timers)[2]()
                else:
                    self.market.apply(self._actions.popleft())
            finally:
                self._instant = None
        return True

    async def prepare(self) -> None:
        """Take in what is history already at the start; then listeners are told of what is published. Idempotent."""
        if self._batches is not None:
            return
        await self._read_on()
        while self._actions and self._actions[0].at_ns <= self.start_ns:
            self.market.apply(self._actions.popleft())
            if not self._actions:
                await checkpoint()  # a long history takes seconds; others must get their turn
                await self._read_on()
        self.market.go_live()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Play until cancelled, or to the end of the source where the settings say so."""
        try:
            await self.prepare()
            self.clock.start()
            task_status.started()
            while not (self.is_over and not self._actions and self.settings.at_end == "stop"):
                if len(self._actions) < _LOOKAHEAD:
                    await self._read_on()
                if self.advance(self.clock.now_ns()):
                    await checkpoint()
                else:
                    await self._wait()
        finally:
            await self.close()

    async def play_until(self, now_ns: int) -> None:
        """Let all happen up to an instant, at once; for who drives the venue by hand."""
        while self.advance(now_ns):
            await self._read_on()

    async def close(self) -> None:
        """Close the source; idempotent."""
        batches, self._batches = self._batches, None
        self.is_over = True
        if isinstance(batches, AsyncGenerator):
            with anyio.CancelScope(shield=True):
                await batches.aclose()

    async def _wait(self) -> None:
        at_ns = self.next_instant()
        self._woken.clear()
        if at_ns is None:
            await self._woken.wait()
            return
        with anyio.move_on_after(max(self.clock.seconds_until(at_ns), _NAP_S)):
            await self._woken.wait()

    async def _read_on(self) -> None:
        if self._batches is None:
            self._batches = self.source.batches()
        while len(self._actions) < _LOOKAHEAD and not self.is_over:
            batch = await anext(self._batches, None)
            if batch is None:
                self.is_over = True
            else:
                self._actions.extend(batch)

    # -------------------------------------------------------------------------------------------- connections

    def admit(self, dialect: str, path: str) -> VenueConnection:
        """A new connection, without a session yet."""
        self.opened += 1
        connection = VenueConnection(self.opened, dialect, path, self.faults, outbox_frames=self.settings.outbox_frames)
        self.connections[connection.number] = connection
        for fault in self.faults.list_active():
            if fault.kind in SILENT_KINDS and fnmatchcase(dialect, fault.dialect):
                self._silence(connection, fault.kind)
        return connection

    def release(self, connection: VenueConnection) -> None:
        """The connection is gone."""
        if self.connections.pop(connection.number, None) is not None and connection.session is not None:
            connection.session.on_closed()

    # ------------------------------------------------------------------------------------------------- faults

    def add_fault(self, fault: Fault) -> None:
        """Plan a fault; its `at_s` counts from now. Raises: LocalVenueError."""
        planned = self.faults.add(fault)
        if fault.kind in INSTANT_KINDS:
            self.schedule(planned.start_ns, lambda: self._strike(planned))
        elif fault.kind in SILENT_KINDS:
            self.schedule(planned.start_ns, lambda: self._begin_silence(planned))

    def heal(self, kind: str | None = None) -> None:
        """End all faults, or those of a kind."""
        for planned in self.faults.heal(kind):
            if planned.fault.kind in SILENT_KINDS:
                self._end_silence(planned)

    def _strike(self, planned: PlannedFault) -> None:
        """Carry out a fault of an instant on every connection that it names."""
        fault = planned.fault
        if planned.is_healed:
            return
        for connection in self._named(fault):
            self.faults.note(fault.kind)
            if fault.kind == "drop":
                connection.abort()
            elif fault.kind == "close":
                connection.close(fault.code or 1001, "going away")
            else:
                self.end_session(connection, _NOTICE_S if fault.seconds is None else fault.seconds)
        if fault.every_s is not None:
            self.schedule(self.now_ns() + int(fault.every_s * SECOND_NS), lambda: self._strike(planned))

    def end_session(self, connection: VenueConnection, notice_s: float) -> None:
        """Give notice where the dialect knows one, and close the connection after so many seconds."""
        notify = getattr(connection.session, "on_session_ending", None)
        if notify is not None:
            notify()
        self.schedule(self.now_ns() + int(notice_s * SECOND_NS), lambda: connection.close(1001, "session over"))

    def _begin_silence(self, planned: PlannedFault) -> None:
        fault = planned.fault
        if planned.is_healed:
            return
        for connection in self._named(fault):
            self._silence(connection, fault.kind)
        if fault.for_s is not None:
            self.schedule(self.now_ns() + int(fault.for_s * SECOND_NS), lambda: self._end_silence(planned))
        if fault.every_s is not None:
            self.schedule(self.now_ns() + int(fault.every_s * SECOND_NS), lambda: self._begin_silence(planned))

    def _silence(self, connection: VenueConnection, kind: str) -> None:
        self.faults.note(kind)
        if kind == "stall":
            connection.stall()
        else:
            connection.half_open()

    def _end_silence(self, planned: PlannedFault) -> None:
        for connection in self._named(planned.fault):
            connection.resume()

    def _named(self, fault: Fault) -> Sequence[VenueConnection]:
        return [each for each in list(self.connections.values()) if fnmatchcase(each.dialect, fault.dialect)]

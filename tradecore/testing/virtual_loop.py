"""VirtualLoop: an asyncio loop whose clock jumps to the next timer.

Receives: coroutines, as any asyncio loop does; unchanged asyncio, anyio and websockets run on it.
Gives:    time that passes only between callbacks and costs nothing; timers of one instant in the order in which they
          were set; VirtualDeadlock, VirtualLivelock and VirtualTimeOver where a real loop would hang.
Never:    sleeps, opens a file descriptor or starts a thread (virtual_refusals.py), nor lets an address decide an order.
          Spec: DESIGN 4; RELIABILITY 4.2.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from dataclasses import dataclass
from heapq import heappush
from math import inf, ulp
from types import SimpleNamespace
from typing import Any, TypeVarTuple

from tradecore.domain.instant import HOUR_NS, SECOND_NS, format_ns, parse_ns
from tradecore.errors import VirtualDeadlock, VirtualLivelock, VirtualTimeOver, VirtualTimeRefused
from tradecore.testing.virtual_clock import VirtualClock
from tradecore.testing.virtual_network import VirtualNetwork
from tradecore.testing.virtual_refusals import THREADS_INSTEAD, RefusingLoop
from tradecore.testing.virtual_wire import LinkLaw
from tradecore.testing.waiting_tasks import describe_tasks

Args = TypeVarTuple("Args")

VIRTUAL_START_NS = parse_ns("2024-01-01T00:00:00Z")
_DURATION_S_MAX = 9_007_199  # 2**53 ns: beyond, a float of seconds no longer tells nanoseconds apart


@dataclass(frozen=True, slots=True)
class VirtualLimits:
    """When a run on virtual time has gone wrong.

    rounds_per_instant: turns of the loop without time moving; each runs everything that is ready (a tenth of a
    microsecond to milliseconds of real time each). duration_s: virtual seconds, a week unless told, 104 days at most.
    """

    rounds_per_instant: int = 100_000
    duration_s: float = 604_800.0

    def __post_init__(self) -> None:
        if not 0 < self.duration_s <= _DURATION_S_MAX or self.rounds_per_instant < 1:
            raise ValueError(f"{self}: expected 0 < duration_s <= {_DURATION_S_MAX} and rounds_per_instant >= 1")


class VirtualTask(asyncio.Task[Any]):
    """A task that hashes by its number: groups keep tasks in sets and cancel them in the set's order.

    Hashed by address, as usual, that order would differ from one process to the next.
    """

    def __init__(self, coroutine: Any, *, number: int, **options: Any) -> None:
        self.number = number  # before the base class, which puts the task into a set
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self.number


class VirtualTimer(asyncio.TimerHandle):
    """A timer in whole nanoseconds; among equals the one that was set first is first."""

    __slots__ = ("due_ns", "number")

    _scheduled: bool

    def __init__(self, due_ns: int, number: int, callback: Any, args: Any, loop: Any, context: Context | None) -> None:
        super().__init__(due_ns / SECOND_NS, callback, args, loop, context)
        self.due_ns, self.number = due_ns, number
        self._scheduled = True  # the base loop counts what is cancelled while in its heap

    def __lt__(self, other: Any) -> bool:
        return (self.due_ns, self.number) < (other.due_ns, other.number)


class VirtualLoop(RefusingLoop):
    """A loop on virtual time, with a network of its own (`network`) and a clock (`clock`).

    seed: all that the network draws comes from it. start_ns: the wall clock's instant at the beginning. The loop's
    own `time()` begins at 0.0; sums of it are exact to the nanosecond for 48 days.
    """

    # What BaseEventLoop keeps and its stubs do not tell.
    _scheduled: list[VirtualTimer]
    _thread_id: int | None

    def __init__(
        self,
        *,
        seed: int,
        start_ns: int = VIRTUAL_START_NS,
        law: LinkLaw | None = None,
        limits: VirtualLimits | None = None,
    ) -> None:
        super().__init__()
        self.seed, self.limits = seed, limits or VirtualLimits()
        self.elapsed_ns = 0
        self._asked_s = 0.0
        self.clock = VirtualClock(self, start_ns)
        self.network = VirtualNetwork(self, seed=seed, law=law or LinkLaw())
        self._end_ns = round(self.limits.duration_s * SECOND_NS)
        self._rounds = 0
        self._timers_set = 0
        self._tasks_made = 0
        # These names are the hooks by which BaseEventLoop asks its subclass to wait.
        self._selector = SimpleNamespace(select=self._jump)
        self._clock_resolution = ulp(0.0)
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]

    # ------------------------------------------------------------------------------------------------------ time

    def time(self) -> float:
        """Seconds of virtual time since the run began."""
        return max(self.elapsed_ns / SECOND_NS, self._asked_s)

    def spend(self, duration_s: float) -> None:
        """Let time pass within the running callback, as a long computation does; timers then come late."""
        self._move_to(self.elapsed_ns + round(duration_s * SECOND_NS))

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at this time of the loop, in seconds, rounded to the nanosecond. Infinity: a timer that never fires."""
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        number = self._timers_set = self._timers_set + 1
        if when == inf:
            # Outside the heap: waiting for ever must not look like a timer, or no deadlock would be seen.
            return asyncio.TimerHandle(when, callback, args, self, context)
        timer = VirtualTimer(round(when * SECOND_NS), number, callback, args, self, context)
        if timer.due_ns == self.elapsed_ns and when > self._asked_s:
            # A time that rounds down to this very nanosecond: `time() >= when` must hold once it is due, or who waits
            # for that (anyio's deadlines) sets the timer again for ever.
            self._asked_s = when
        heappush(self._scheduled, timer)
        return timer

    def _jump(self, timeout: float | None) -> Iterable[Any]:
        """What a selector would do: wait until the next timer is due. None: there is none, and nothing is ready."""
        if timeout is None:
            raise VirtualDeadlock(self._instant(), describe_tasks(self.list_tasks()))
        if timeout > 0:
            self._move_to(self._scheduled[0].due_ns)
        self._rounds += 1
        if self._rounds > self.limits.rounds_per_instant:
            self._rounds = 0  # so that what is cancelled now can still close
            raise VirtualLivelock(self._instant(), self.limits.rounds_per_instant, describe_tasks(self.list_tasks()))
        return ()

    def _move_to(self, ns: int) -> None:
        if ns > self._end_ns:
            self._end_ns = ns + HOUR_NS  # so that what is cancelled now can still close its connections
            at = format_ns(self.clock.wall_ns() + ns - self.elapsed_ns)
            raise VirtualTimeOver(at, self.limits.duration_s, describe_tasks(self.list_tasks()))
        self.elapsed_ns = ns
        self._rounds = 0
        # Timers due before time() + resolution fire: with the smallest step of a float that is time() exactly.
        self._clock_resolution = ulp(ns / SECOND_NS)

    def _instant(self) -> str:
        return f"{format_ns(self.clock.wall_ns())} ({self.time():g} s into the run)"

    def _process_events(self, event_list: Iterable[Any]) -> None:
        """Nothing: a virtual selector has no events; the network's deliveries are timers."""

    # ----------------------------------------------------------------------------------------------------- tasks

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **named: Any) -> Any:
        self._tasks_made += 1
        if named.get("name") is None:
            # The names of asyncio count over the whole process; these repeat with the run.
            named["name"] = f"task-{self._tasks_made}"
        return VirtualTask(coroutine, number=self._tasks_made, loop=loop, **named)

    def list_tasks(self) -> list[VirtualTask]:
        """The tasks that are not done, in the order in which they were made."""
        tasks = [task for task in asyncio.all_tasks(self) if isinstance(task, VirtualTask)]
        return sorted(tasks, key=lambda task: task.number)

    def call_soon_threadsafe(
        self, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.Handle:
        """From the loop's own thread the same as call_soon; from any other refused."""
        if self.is_running() and threading.get_ident() != self._thread_id:
            raise VirtualTimeRefused("loop.call_soon_threadsafe() from another thread", THREADS_INSTEAD)
        return self.call_soon(callback, *args, context=context)

    # --------------------------------------------------------------------------------------------------- network

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Addresses by the virtual network's names."""
        return self.network.look_up(host, port)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """The name of a virtual address."""
        return self.network.name_of(sockaddr[0]), str(sockaddr[1])

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **options: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect over the virtual network; `options` as for asyncio, of which ssl and local_addr have a meaning here.

        Raises: ConnectionRefusedError, socket.gaierror, ssl.SSLError as a real loop does; VirtualTimeRefused for sock=.
        """
        return await self.network.connect(protocol_factory, host, port, **options)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: Any = None, port: Any = None, **options: Any
    ) -> asyncio.AbstractServer:
        """Listen on the virtual network; `options` as for asyncio, of which ssl and start_serving have a meaning here.

        Raises: OSError (EADDRINUSE) when the port is taken; VirtualTimeRefused for sock=.
        """
        return await self.network.listen(protocol_factory, host, port, **options)

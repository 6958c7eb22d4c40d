"""run_virtual: run a coroutine function on virtual time, from one integer.

Receives: a coroutine function without parameters, a seed, the instant at which the wall clock starts.
Gives:    its result; an error carries a note with the seed, the virtual instant and the digest of the network's trace.
Never:    runs inside another loop, and leaves nothing of the process changed.    Spec: issue 4, build 6.

    async def main() -> str:
        async with serve(echo, "venue.test", 9443), connect("ws://venue.test:9443", proxy=None) as connection:
            await connection.send("hello")
            return await connection.recv()

    assert run_virtual(main, seed=7) == "hello"
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from tradecore.domain.instant import check_ns, format_ns, to_ns
from tradecore.errors import EngineStateError, RunningLoopError
from tradecore.testing.virtual_clock import VirtualClock
from tradecore.testing.virtual_loop import VIRTUAL_START_NS, VirtualLimits, VirtualLoop
from tradecore.testing.virtual_network import VirtualNetwork
from tradecore.testing.virtual_process import virtual_process
from tradecore.testing.virtual_wire import LinkLaw

Result = TypeVar("Result")


def run_virtual(
    main: Callable[[], Coroutine[Any, Any, Result]],
    *,
    seed: int,
    start: int | datetime = VIRTUAL_START_NS,
    law: LinkLaw | None = None,
    limits: VirtualLimits | None = None,
) -> Result:
    """Run `main()` to its end on a virtual loop and give its result.

    seed: all randomness of the run. start: the wall clock's first instant, aware UTC or int nanoseconds since 1970.
    law: how links carry bytes unless told otherwise (1 ms each way). limits: when a run has gone wrong.
    Raises: whatever `main` raises; VirtualDeadlock, VirtualLivelock, VirtualTimeOver; VirtualTimeRefused where the
    code asks for real time; RunningLoopError inside a running loop.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001  (the public question raises where the answer is no)
        raise RunningLoopError("run_virtual", "main")
    start_ns = to_ns(start) if isinstance(start, datetime) else check_ns(start, "start")
    loop = VirtualLoop(seed=seed, start_ns=start_ns, law=law, limits=limits)
    try:
        with virtual_process(loop, seed), asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(main())
    except BaseException as error:
        trace = loop.network.trace
        error.add_note(
            f"virtual time: seed {seed}, at {format_ns(loop.clock.wall_ns())}, {trace.count} parcels carried, "
            f"trace {trace.digest()[:16]}; repeat it with the same seed"
        )
        raise


def running_virtual_loop() -> VirtualLoop:
    """The virtual loop that runs now. Raises: EngineStateError outside of one."""
    loop = asyncio._get_running_loop()  # noqa: SLF001  (as above)
    if not isinstance(loop, VirtualLoop):
        raise EngineStateError(
            f"no virtual loop is running (met {type(loop).__name__}); call this inside run_virtual() or a test marked "
            "virtual_time"
        )
    return loop


def running_network() -> VirtualNetwork:
    """The network of the virtual loop that runs now."""
    return running_virtual_loop().network


def running_clock() -> VirtualClock:
    """The clock of the virtual loop that runs now."""
    return running_virtual_loop().clock

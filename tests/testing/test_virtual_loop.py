"""Virtual time: jumps, the order of timers, what a real loop would hang on, what is refused."""

import asyncio
import functools
import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.instant import HOUR_NS, parse_ns
from tradecore.errors import (
    RunningLoopError,
    VirtualDeadlock,
    VirtualLivelock,
    VirtualTimeOver,
    VirtualTimeRefused,
)
from tradecore.testing.virtual_loop import VIRTUAL_START_NS, VirtualLimits, VirtualLoop
from tradecore.testing.virtual_refusals import REFUSED
from tradecore.testing.virtual_run import run_virtual, running_clock, running_virtual_loop


@pytest.mark.virtual_time
async def test_sleeping_moves_the_time_by_exactly_so_much() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(3_600)
    assert loop.time() == 3_600.0
    await anyio.sleep(0.25)
    assert loop.time() == 3_600.25


@pytest.mark.virtual_time(limits=VirtualLimits(duration_s=9e6))
async def test_time_is_exact_to_the_nanosecond_after_48_days() -> None:
    """Below 2**22 s neighbouring floats are 0.47 ns apart: a sum is off by less than half a nanosecond."""
    await asyncio.sleep(48 * 86_400)
    await asyncio.sleep(1e-9)
    assert running_virtual_loop().elapsed_ns == 48 * 86_400_000_000_000 + 1


def test_limits_that_no_run_can_keep_are_refused() -> None:
    with pytest.raises(ValueError, match="duration_s"):
        VirtualLimits(duration_s=1e9)


@pytest.mark.virtual_time(start=parse_ns("2016-02-29T23:59:59Z"))
async def test_the_clock_starts_where_it_is_told_and_advances_with_the_loop() -> None:
    clock: Clock = running_clock()
    await asyncio.sleep(1.5)
    assert clock.wall_ns() == parse_ns("2016-03-01T00:00:00.5Z")
    assert clock.monotonic_ns() == 1_500_000_000


@pytest.mark.virtual_time
async def test_a_step_of_the_wall_clock_leaves_deadlines_alone() -> None:
    """RELIABILITY 2 row 14: deadlines are monotonic."""
    clock = running_clock()
    ahead = clock.with_offset(1_270_000_000)
    with anyio.move_on_after(10) as scope:
        await asyncio.sleep(4)
        clock.step_wall(-HOUR_NS)
        await asyncio.sleep(4)
        clock.step_wall(3 * HOUR_NS)
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic_ns() == 10_000_000_000
    assert clock.wall_ns() == VIRTUAL_START_NS + 2 * HOUR_NS + 10_000_000_000
    assert ahead.wall_ns() == VIRTUAL_START_NS + 11_270_000_000


@pytest.mark.virtual_time
async def test_timers_of_one_instant_fire_in_the_order_in_which_they_were_set() -> None:
    """A plain heap returns equal times in any order; with 50 of them that would show."""
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    for number in range(50):
        # Every other one reaches the same instant by another sum of floats.
        when = 0.3 if number % 2 else 0.1 + 0.2
        loop.call_at(when, seen.append, number)
    loop.call_at(0.299999999, seen.append, -1)
    await asyncio.sleep(1)
    assert seen == [-1, *range(50)]


@pytest.mark.virtual_time
async def test_a_cancelled_timer_neither_fires_nor_moves_the_time() -> None:
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(hour, pytest.fail, "a cancelled timer fired") for hour in range(1, 300)]
    for timer in timers:
        timer.cancel()
    await asyncio.sleep(0.5)
    assert loop.time() == 0.5


@pytest.mark.virtual_time
async def test_time_spent_in_a_callback_makes_timers_late_but_keeps_their_order() -> None:
    loop = running_virtual_loop()
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, loop.time()))

    for name, when in (("second", 2.0), ("first", 1.0), ("later", 9.0)):
        loop.call_at(when, note, name)
    loop.spend(5.0)
    await asyncio.sleep(5)
    assert seen == [("first", 5.0), ("second", 5.0), ("later", 9.0)]


async def _consume(queue: asyncio.Queue[int]) -> int:
    return await queue.get()


async def _deadlock() -> None:
    await asyncio.sleep(5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_consume, asyncio.Queue(), name="consumer")
        tasks.start_soon(anyio.sleep_forever, name="idler")


def test_a_deadlock_names_each_task_and_where_it_waits() -> None:
    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(_deadlock, seed=1)
    text = str(caught.value)
    assert text.startswith("deadlock at 2024-01-01T00:00:05Z (5 s into the run)")
    consumer = next(line for line in caught.value.waiting if line.startswith("'consumer'"))
    line_of_get = _consume.__code__.co_firstlineno + 1
    assert f"waits at testing/test_virtual_loop.py:{line_of_get} in _consume" in consumer
    assert "inside asyncio/queues.py" in consumer
    assert any(line.startswith("'idler'") for line in caught.value.waiting)
    assert any("in _deadlock" in line for line in caught.value.waiting)


def test_an_error_carries_the_seed_that_repeats_it() -> None:
    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(_deadlock, seed=12_345)
    (note,) = caught.value.__notes__
    assert "seed 12345" in note
    assert "2024-01-01T00:00:05Z" in note


def test_a_timer_at_infinity_does_not_hide_a_deadlock() -> None:
    with pytest.raises(VirtualDeadlock):
        run_virtual(lambda: asyncio.sleep(math.inf), seed=1)


def test_a_busy_loop_at_one_instant_is_a_livelock() -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110  (the mistake that is to be found)
            await asyncio.sleep(0)

    with pytest.raises(VirtualLivelock, match=r"after 1000 rounds(.|\n)*in .*spin"):
        run_virtual(spin, seed=1, limits=VirtualLimits(rounds_per_instant=1_000))


def test_many_rounds_are_no_livelock_while_time_moves() -> None:
    async def tick() -> float:
        for _ in range(5_000):
            await asyncio.sleep(1e-6)
        return asyncio.get_running_loop().time()

    assert run_virtual(tick, seed=1, limits=VirtualLimits(rounds_per_instant=10)) == pytest.approx(0.005)


def test_a_wait_that_never_ends_beside_timers_that_never_end_runs_out_of_time() -> None:
    """A keepalive hides a deadlock: something is always scheduled."""
    closed: list[float] = []

    async def wait_beside_a_metronome() -> None:
        async def tick() -> None:
            try:
                while True:  # noqa: ASYNC110  (as a keepalive does)
                    await asyncio.sleep(20)
            finally:
                with anyio.CancelScope(shield=True):
                    await asyncio.sleep(1)  # closing may still take its time
                closed.append(asyncio.get_running_loop().time())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            await asyncio.Event().wait()

    with pytest.raises(VirtualTimeOver, match="past the 3600 s"):
        run_virtual(wait_beside_a_metronome, seed=1, limits=VirtualLimits(duration_s=3_600))
    assert closed == [3_601.0]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.virtual_time
async def test_what_lives_in_real_time_is_refused(name: str) -> None:
    with pytest.raises(VirtualTimeRefused) as caught:
        getattr(asyncio.get_running_loop(), name)()
    assert caught.value.what == f"loop.{name}()"
    assert caught.value.instead in str(caught.value)


def _connect_a_real_socket() -> None:
    with socket.socket() as real:
        real.connect(("127.0.0.1", 9))


async def _start_a_thread() -> None:
    threading.Thread(target=print, name="worker").start()


async def _open_a_real_socket() -> None:
    _connect_a_real_socket()


async def _sleep_in_real_time() -> None:
    time.sleep(0.001)  # noqa: ASYNC251  (the mistake that is to be found)


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda: asyncio.to_thread(print), "run_in_executor"),
        (lambda: anyio.to_thread.run_sync(print), "thread 'AnyIO worker thread'"),
        (lambda: asyncio.create_subprocess_exec(sys.executable, "-V"), "subprocess_exec"),
        (_start_a_thread, "thread 'worker'"),
        (_open_a_real_socket, "a real socket"),
        (_sleep_in_real_time, r"time\.sleep"),
    ],
)
@pytest.mark.virtual_time
async def test_a_library_that_asks_for_real_time_is_refused_at_once(ask: Callable[[], Any], what: str) -> None:
    with pytest.raises(VirtualTimeRefused, match=what):
        await ask()


def test_another_thread_cannot_call_into_a_running_virtual_loop() -> None:
    loop = VirtualLoop(seed=1)
    refused: list[BaseException] = []

    def call() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except VirtualTimeRefused as error:
            refused.append(error)

    async def main() -> None:
        thread = threading.Thread(target=call)  # allowed here: the loop runs bare, without virtual_process
        thread.start()
        thread.join()

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert len(refused) == 1


def test_the_loop_alone_serves_anyio_run() -> None:
    """Who needs no seeded libraries can use the loop as a factory."""

    async def main() -> float:
        with anyio.fail_after(100):
            await anyio.sleep(99)
        return anyio.current_time()

    factory = functools.partial(VirtualLoop, seed=3)
    assert anyio.run(main, backend_options={"loop_factory": factory}) == 99.0


@pytest.mark.virtual_time
async def test_anyio_s_timeouts_and_groups_follow_virtual_time() -> None:
    order: list[str] = []

    async def serve(*, task_status: TaskStatus[None]) -> None:
        await anyio.sleep(2)
        task_status.started()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            order.append(f"cancelled at {anyio.current_time():g}")
            raise

    async with anyio.create_task_group() as tasks:
        await tasks.start(serve)
        order.append(f"ready at {anyio.current_time():g}")
        with anyio.move_on_after(3) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        tasks.cancel_scope.cancel()
    assert order == ["ready at 2", "cancelled at 5"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.Event().wait()
    assert anyio.current_time() == 6.0


def test_run_virtual_gives_the_result_and_passes_errors_on() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise LookupError("as it was")

    assert run_virtual(answer, seed=1) == 42
    with pytest.raises(LookupError, match="as it was"):
        run_virtual(fail, seed=1)


async def test_run_virtual_inside_a_loop_is_an_error() -> None:
    with pytest.raises(RunningLoopError, match="run_virtual"):
        run_virtual(lambda: asyncio.sleep(0), seed=1)

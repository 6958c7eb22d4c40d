"""LiveBuffer for who does not only read: waiting, being woken, stamps above an instant: DESIGN 4, 6."""

from typing import Any

import anyio
import pytest

from tradecore.domain.stream import Stream
from tradecore.errors import SpillFailed
from tradecore.feeds.live_buffer import BLOCK_ARRIVALS, LiveBuffer
from tradecore.testing.builders import make_trade_tick
from tradecore.testing.virtual_run import running_clock

TRADES = Stream("trade_tick", "TEST.SIM")

pytestmark = pytest.mark.virtual_time(seed=2)


def put(buffer: LiveBuffer) -> Any:
    event = make_trade_tick(1, 100.0, received=buffer.stamp())
    buffer.put(TRADES, event)
    return event


async def test_it_waits_until_something_arrives_and_takes_nothing() -> None:
    buffer = LiveBuffer(running_clock())
    began = running_clock().monotonic_ns()

    async def arrive() -> None:
        await anyio.sleep(3)
        put(buffer)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(arrive)
        await buffer.wait()
    assert running_clock().monotonic_ns() - began == 3_000_000_000
    assert buffer.depth == 1
    await buffer.wait()  # what waits already is not waited for
    assert buffer.depth == 1


async def test_a_call_to_wake_is_heard_once_now_or_the_next_time() -> None:
    buffer = LiveBuffer(running_clock())
    buffer.wake()
    await buffer.wait()
    with anyio.move_on_after(5) as slept:
        await buffer.wait()
    assert slept.cancelled_caught
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(buffer.wait)
        await anyio.sleep(1)
        buffer.wake()


async def test_a_closed_buffer_is_not_waited_for() -> None:
    buffer = LiveBuffer(running_clock())
    buffer.close()
    await buffer.wait()
    assert buffer.take(1) == []


async def test_what_could_not_be_taken_is_raised_behind_all_that_was() -> None:
    class NoDisk:
        name = "no disk"

        def append(self, block: bytes) -> int:
            raise OSError(28, "No space left on device")

        def read(self, place: int, length: int) -> bytes:
            raise AssertionError("nothing was written")

        def clear(self) -> None: ...

        def close(self) -> None: ...

    buffer = LiveBuffer(running_clock(), capacity=1, spill=NoDisk(), on_full="halt")
    for _ in range(2 * BLOCK_ARRIVALS):
        put(buffer)
    taken = 0
    while batch := buffer.take(100):
        taken += len(batch)
    assert taken == 1 + BLOCK_ARRIVALS + 1  # in memory, the block that could not be written, and the GAP behind it
    with pytest.raises(SpillFailed, match="No space left on device"):
        await buffer.wait()


async def test_stamps_stay_above_an_instant_that_the_run_has_reached() -> None:
    clock = running_clock()
    buffer = LiveBuffer(clock)
    ahead = clock.wall_ns() + 5_000
    buffer.hold_above(ahead)
    assert [put(buffer).ts_received for _ in range(2)] == [ahead + 1, ahead + 2]
    await anyio.sleep(1)
    buffer.hold_above(ahead)  # it never goes back
    assert put(buffer).ts_received == clock.wall_ns()

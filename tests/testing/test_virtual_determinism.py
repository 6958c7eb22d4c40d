"""One integer repeats a run: the bytes on the wire, their times, and the order in which things are cancelled."""

import asyncio
import os
import random
import secrets
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tradecore.domain.delay_law import LognormalDelay
from tradecore.testing.virtual_run import run_virtual, running_network
from tradecore.testing.virtual_wire import LinkLaw

REPOSITORY = Path(__file__).parents[2]
LAW = LinkLaw(LognormalDelay(median_ms=20, sigma=1.0), segment_bytes_max=64)


async def _talk(name: str, ends: list[str]) -> None:
    try:
        async with connect("ws://venue.test:9443", proxy=None) as connection:
            for number in range(100):
                await connection.send(f"{name} {number}")
                await connection.recv()
                await asyncio.sleep(random.random())
    except (ConnectionClosed, OSError):
        ends.append(name)
        raise
    except asyncio.CancelledError:
        ends.append(f"{name} cancelled")
        raise


async def _echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def faulty_session() -> str:
    """Twelve clients; one link is aborted, one stalled; the first error cancels all the others. The trace's digest."""
    network, loop = running_network(), asyncio.get_running_loop()
    ends: list[str] = []
    async with serve(_echo, "venue.test", 9443):
        loop.call_at(9, lambda: network.links[4].stall("down"))
        loop.call_at(10, lambda: network.links[3].abort())
        with suppress(BaseExceptionGroup):
            async with anyio.create_task_group() as tasks:
                for number in range(12):
                    tasks.start_soon(_talk, f"client {number}", ends)
    await asyncio.sleep(100)
    return f"{network.trace.count} {network.trace.digest()} {ends}"


def run_session(seed: int) -> str:
    return run_virtual(faulty_session, seed=seed, law=LAW)


def test_the_same_seed_gives_the_same_bytes_at_the_same_times() -> None:
    first = run_session(5)
    assert run_session(5) == first
    assert first.count("cancelled") == 11


def test_another_seed_gives_others() -> None:
    assert run_session(5) != run_session(6)


def test_hash_seeds_and_addresses_change_nothing() -> None:
    """In processes of their own: hash seeds differ, and so does where every object lies."""
    code = (
        "import importlib.util as u, sys\n"
        f"spec = u.spec_from_file_location('session', {str(Path(__file__))!r})\n"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "ballast = [object() for _ in range(int(sys.argv[1]))]\n"
        "print(module.run_session(5))"
    )
    told = []
    for hash_seed, ballast in (("0", "0"), ("1", "12345"), ("random", "777777")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", code, ballast]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        told.append(ran.stdout.strip())
    assert told == [run_session(5)] * 3


def test_one_link_s_traffic_does_not_move_another_s_times() -> None:
    """Draws are keyed by link, direction and number, never by call order: faults can be taken away one by one."""

    async def first_link_alone(*, with_others: bool) -> list[float]:
        loop = asyncio.get_running_loop()
        times: list[float] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line)
            writer.close()

        async with await asyncio.start_server(answer, "venue.test", 80):
            reader, writer = await asyncio.open_connection("venue.test", 80)
            others = [await asyncio.open_connection("venue.test", 80) for _ in range(3 if with_others else 0)]
            await asyncio.sleep(10 - loop.time())
            for number in range(20):
                for _, other in others:
                    other.write(b"noise\n" * 50)
                writer.write(b"%d\n" % number)
                await reader.readline()
                times.append(loop.time() - 10)
                await asyncio.sleep(0.5)
            for _, each in [(reader, writer), *others]:
                each.close()
        return times

    alone = run_virtual(partial(first_link_alone, with_others=False), seed=3, law=LAW)
    assert run_virtual(partial(first_link_alone, with_others=True), seed=3, law=LAW) == alone


def test_what_libraries_draw_comes_from_the_seed() -> None:
    async def draw() -> list[object]:
        return [
            random.random(),
            secrets.token_bytes(4),
            secrets.token_hex(8),
            secrets.randbelow(10**9),
            os.urandom(5),
            uuid.uuid4(),
            time.time(),  # noqa: TID251  (as websockets does for its Date header)
            time.time_ns(),  # noqa: TID251
            time.monotonic(),
        ]

    first = run_virtual(draw, seed=8)
    assert run_virtual(draw, seed=8) == first
    assert run_virtual(draw, seed=9)[:6] != first[:6]
    assert first[6:] == [1_704_067_200.0, 1_704_067_200_000_000_000, 0.0]


def test_the_process_is_as_before_when_a_run_ends() -> None:
    """Even when it ends badly."""
    names = [(time, "time"), (time, "monotonic_ns"), (os, "urandom"), (threading.Thread, "start")]
    before = [getattr(owner, name) for owner, name in names]
    random.seed(77)
    expected = random.Random(77).random()

    async def fail() -> None:
        random.random()
        raise LookupError

    with pytest.raises(LookupError):
        run_virtual(fail, seed=1)
    assert [getattr(owner, name) for owner, name in names] == before
    assert random.random() == expected
    assert os.urandom(8) != os.urandom(8)


def test_the_trace_tells_what_was_carried() -> None:
    async def one_line() -> list[str]:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(hang_up, "venue.test", 80):
            reader, writer = await asyncio.open_connection("venue.test", 80)
            writer.write(b"12345")
            running_network().links[0].stall("up")
            await reader.read()
            writer.close()
        return running_network().trace.list_recent(4)

    assert run_virtual(one_line, seed=1) == [
        "0.001000000 s  link 1  up    syn     0 bytes",
        "0.002000000 s  link 1  down  open    0 bytes",
        "0.002000000 s  link 1  down  eof     0 bytes",
        "0.002000000 s  link 1  up    stall   0 bytes",
    ]

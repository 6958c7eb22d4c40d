"""The unmodified websockets library on the virtual network: long quiet days, and every way to lose a connection."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import process_time

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from tradecore.testing.virtual_link import VirtualLink
from tradecore.testing.virtual_run import running_network

pytestmark = pytest.mark.virtual_time(seed=11)

URL = "ws://venue.test:9443"
OPEN_S = 0.004  # TCP's two ways and the handshake's two, 1 ms each


async def _echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass  # a fault of the test's


@asynccontextmanager
async def _connected(*, ping_interval_s: float | None = None) -> AsyncIterator[tuple[ClientConnection, VirtualLink]]:
    """A client whose pings are on, a server whose pings are off unless told."""
    async with (
        serve(_echo, "venue.test", 9443, ping_interval=ping_interval_s),
        connect(URL, proxy=None, compression=None) as connection,
    ):
        yield connection, running_network().links[-1]


async def test_a_day_of_pings_both_ways_takes_less_than_two_seconds() -> None:
    """24 h, a ping every 20 s from either end: 8,640 pings and as many pongs. Of the processor: others load it too."""
    started = process_time()
    async with _connected(ping_interval_s=20) as (connection, _):
        for hour in range(24):
            await connection.send(f"hour {hour}")
            assert await connection.recv() == f"hour {hour}"
            await asyncio.sleep(3_600)
        assert asyncio.get_running_loop().time() > 86_400
    assert running_network().trace.count > 17_000
    assert process_time() - started < 2.0
    await asyncio.sleep(1)
    assert running_network().links == ()


async def test_a_half_open_connection_is_found_by_the_ping_that_nobody_answers() -> None:
    """Pings 20 s after opening and 20 s after each pong was due: at 20.004, 40.004 (the latency is deducted), 60.004.

    Stalled at 50 s, the third finds no answer within 20 s; then 10 s for a close frame that does not come either.
    """
    loop = asyncio.get_running_loop()
    async with _connected() as (connection, link):
        assert loop.time() == pytest.approx(OPEN_S, abs=1e-9)
        loop.call_at(50, link.stall)
        with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
            await connection.recv()
        assert loop.time() == pytest.approx(60 + OPEN_S + 20 + 10, abs=1e-6)


async def test_without_pings_a_half_open_connection_is_never_found() -> None:
    """Why liveness must not be left to TCP (RELIABILITY 2 row 2)."""
    async with serve(_echo, "venue.test", 9443), connect(URL, proxy=None, ping_interval=None) as connection:
        running_network().links[0].stall()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(86_400):
                await connection.recv()
        await connection.close()


async def test_a_short_stall_is_survived() -> None:
    loop = asyncio.get_running_loop()
    async with _connected() as (connection, link):
        link.stall()
        await connection.send("held")
        loop.call_at(15, link.resume)
        assert await connection.recv() == "held"
        assert loop.time() == pytest.approx(15.001, abs=1e-9)  # it reaches the server at 15 s, the answer is 1 ms later


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_one_silent_direction_is_as_bad_as_both(direction: str) -> None:
    async with _connected() as (connection, link):
        link.stall("up" if direction == "up" else "down")
        with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
            await connection.recv()


async def test_an_aborted_link_is_a_closed_connection_on_both_sides() -> None:
    """No close frame: ConnectionClosedError, the cause a reset."""
    server_heard: list[BaseException] = []
    loop = asyncio.get_running_loop()

    async def note_the_end(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as error:
            server_heard.append(error)

    async with serve(note_the_end, "venue.test", 9443), connect(URL, proxy=None) as connection:
        loop.call_at(3, running_network().links[0].abort)
        with pytest.raises(ConnectionClosedError) as caught:
            await connection.recv()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert loop.time() == 3.0
        await asyncio.sleep(0.1)
    assert isinstance(server_heard[0], ConnectionClosedError)


async def test_a_server_that_drops_its_end_closes_the_client_s() -> None:
    async def drop(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    async with serve(drop, "venue.test", 9443), connect(URL, proxy=None) as connection:
        await connection.send("drop me")
        with pytest.raises(ConnectionClosedError, match="no close frame received or sent"):
            await connection.recv()


async def test_a_frame_cut_in_the_middle_is_never_delivered() -> None:
    async with _connected() as (connection, link):
        link.cut_after(500, "down")
        await connection.send("x" * 100)
        assert len(await connection.recv()) == 100
        await connection.send("y" * 1_000)
        with pytest.raises(ConnectionClosedError):
            await connection.recv()


async def test_nobody_listening_refuses_the_handshake() -> None:
    running_network().add_host("venue.test")
    with pytest.raises(ConnectionRefusedError):
        await connect(URL, proxy=None)


async def test_a_handshake_without_answer_ends_by_the_open_timeout() -> None:
    loop = asyncio.get_running_loop()
    async with serve(_echo, "venue.test", 9443):
        running_network().partition("venue.test")
        with pytest.raises(TimeoutError):
            await connect(URL, proxy=None, open_timeout=7)
        assert loop.time() == 7.0


async def test_an_answer_of_http_reaches_the_client() -> None:
    """429 and its like are the venue's words, and pass through the network as they are."""
    async with serve(
        _echo, "venue.test", 9443, process_request=lambda connection, _: connection.respond(429, "slow down\n")
    ):
        with pytest.raises(InvalidStatus) as caught:
            await connect(URL, proxy=None)
        assert caught.value.response.status_code == 429


async def test_the_reconnecting_iterator_comes_back_after_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """The library's own back-off runs on virtual time: half an hour of outage costs nothing."""
    caplog.set_level(logging.CRITICAL, "websockets")
    loop, network = asyncio.get_running_loop(), running_network()
    greeted: list[float] = []
    async with serve(_echo, "venue.test", 9443):
        async for connection in connect(URL, proxy=None):
            try:
                await connection.send("hello")
                assert await connection.recv() == "hello"
                greeted.append(loop.time())
                if len(greeted) == 2:
                    break
                network.refuse("venue.test")
                loop.call_at(1_800, network.heal, "venue.test")
                network.links[0].abort()
                await connection.recv()
            except ConnectionClosed:
                continue
    assert greeted[0] < 1
    assert 1_800 < greeted[1] < 1_800 + 2 * 90  # its longest pause is 90 s


async def test_a_slow_reader_stops_the_writer_of_the_other_side() -> None:
    """Backpressure reaches through frames, streams and the window: 200 messages of 10 kB do not all leave."""
    sent: list[int] = []

    async def pour(connection: ServerConnection) -> None:
        for number in range(200):
            await connection.send(b"z" * 10_000)
            sent.append(number)

    async with (
        serve(pour, "venue.test", 9443),
        connect(URL, proxy=None, ping_interval=None, compression=None, max_queue=4) as connection,
    ):
        await asyncio.sleep(15)
        # 262,144 bytes of window, 32,768 of the writer's mark, some 16 frames in the reader's queues.
        assert 25 < len(sent) < 60
        for _ in range(200):
            assert len(await connection.recv()) == 10_000
        assert len(sent) == 200

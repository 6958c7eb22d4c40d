"""The venue over real loopback sockets: one port for websockets and HTTP, refusals, silence, a clean end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
)

from tradecore.errors import LocalVenuePortTaken
from tradecore.testing.local_venue import open_venue_server

OpenVenue = Callable[..., Any]

pytestmark = pytest.mark.loopback


async def talk_http(server: Any, request: bytes) -> bytes:
    """The whole answer to a request that asks for the connection to be closed after it."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def open_socket(url: str, **settings: Any) -> Any:
    return connect(url, proxy=None, **settings)


async def see_fault(server: Any) -> None:
    """Return once the first fault has been carried out; the test's own limit of time ends it otherwise."""
    while not server.venue.fault_counts:  # noqa: ASYNC110  (the venue has no event for its faults)
        await asyncio.sleep(0)


async def read_json(socket: ClientConnection, count: int = 1) -> list[Any]:
    return [json.loads(await socket.recv()) for _ in range(count)]


async def test_websockets_and_http_share_one_port(local_venue: OpenVenue) -> None:
    async with (
        local_venue(speed=20) as server,
        open_socket(server.urls["binance_stream"] + "/ws/btcusdt@bookTicker") as socket,
    ):
        (quote,) = await read_json(socket)
        assert quote["s"] == "BTCUSDT"
        answer = await talk_http(server, b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\n{}")


async def test_a_post_with_a_body_is_answered_and_the_connection_kept_for_the_next(local_venue: OpenVenue) -> None:
    """websockets' own server refuses a POST; real clients send them."""
    body = b"pair=XBTUSD&count=1"
    first = (
        b"POST /0/public/Depth HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    second = b"GET /0/public/SystemStatus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with local_venue() as server:
        answer = await talk_http(server, first + body + second)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b'"XXBTZUSD"' in answer
    assert b'"online"' in answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
        (b"GET /api/v3/ping HTTP/1.1\r\nContent-Length: minus\r\nHost: x\r\n\r\n", b"400"),
        (b"\x16\x03\x01 hello\r\n\r\n", b"400"),
        (b"POST /0/public/Time HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, b"413"),
    ],
)
async def test_what_is_no_request_is_refused(local_venue: OpenVenue, request_bytes: bytes, status: bytes) -> None:
    async with local_venue() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(request_bytes)
        assert (await reader.readline()).split()[1] == status
        writer.close()


async def test_an_answer_may_be_slow_without_holding_up_others(local_venue: OpenVenue) -> None:
    async with local_venue(speed=100) as server:
        server.venue.add_fault("slow_history seconds=20")
        slow = b"GET /0/public/Trades?pair=XBTUSD&count=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        began = server.venue.clock.now_ns()
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(talk_http(server, slow))
            quick = await talk_http(server, b"GET /0/public/Time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert quick.startswith(b"HTTP/1.1 200")
            assert not waiting.done()
        assert waiting.result().startswith(b"HTTP/1.1 200")
        assert server.venue.clock.now_ns() - began >= 20 * 10**9


@pytest.mark.parametrize(("code", "retry_after"), [(429, 7), (418, 120), (401, None), (403, None), (503, None)])
async def test_handshakes_are_refused_with_status_and_time_to_wait(
    local_venue: OpenVenue, code: int, retry_after: int | None
) -> None:
    wait = "" if retry_after is None else f" retry_after={retry_after}"
    async with local_venue() as server:
        server.venue.add_fault(f"refuse code={code} count=1{wait}")
        with pytest.raises(InvalidStatus) as caught:
            async with open_socket(server.urls["kraken"]):
                pass
        assert caught.value.response.status_code == code
        assert caught.value.response.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
        async with open_socket(server.urls["kraken"]) as socket:
            assert (await read_json(socket))[0]["channel"] == "status"


async def test_a_path_that_speaks_nothing_is_not_found(local_venue: OpenVenue) -> None:
    async with local_venue(dialects=("kraken",)) as server:
        assert "binance_stream" not in server.urls
        with pytest.raises(InvalidStatus) as caught:
            async with open_socket(f"ws://{server.host}:{server.port}/ws"):
                pass
        assert caught.value.response.status_code == 404


async def test_a_handshake_may_be_answered_with_no_http(local_venue: OpenVenue) -> None:
    async with local_venue() as server:
        server.venue.add_fault("malformed_handshake")
        with pytest.raises((InvalidMessage, InvalidHandshake)):
            async with open_socket(server.urls["kraken"]):
                pass
        assert server.venue.fault_counts == {"malformed_handshake": 1}


async def test_a_connection_may_be_accepted_and_closed_at_once(local_venue: OpenVenue) -> None:
    async with local_venue() as server:
        server.venue.add_fault("accept_then_close")
        async with open_socket(server.urls["kraken"]) as socket:
            with pytest.raises(ConnectionClosedOK):
                await socket.recv()


async def test_a_drop_is_a_reset_and_a_close_is_a_close(local_venue: OpenVenue) -> None:
    async with local_venue() as server:
        async with open_socket(server.urls["kraken"]) as dropped:
            await dropped.recv()
            server.venue.add_fault("drop")
            with pytest.raises(ConnectionClosedError) as caught:
                await dropped.recv()
            assert caught.value.rcvd is None, "no closing handshake"
        async with open_socket(server.urls["kraken"]) as closed:
            await closed.recv()
            server.venue.add_fault("close code=1012")
            with pytest.raises(ConnectionClosedError, match="1012"):
                await closed.recv()


async def test_a_half_open_connection_answers_no_ping_and_ends_when_healed(local_venue: OpenVenue) -> None:
    async with (
        local_venue() as server,
        open_socket(server.urls["kraken"], ping_interval=None, close_timeout=0.05) as socket,
    ):
        await socket.recv()
        await (await socket.ping())
        server.venue.add_fault("half_open")
        await see_fault(server)
        pong = await socket.ping()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.shield(pong)
        server.venue.heal()
        await socket.send('{"method":"ping","req_id":3}')
        assert (await read_json(socket))[0]["req_id"] == 3
        assert not pong.done(), "what was lost is lost"


async def test_a_stalled_connection_answers_its_pings_late(local_venue: OpenVenue) -> None:
    async with local_venue(speed=10) as server, open_socket(server.urls["kraken"], ping_interval=None) as socket:
        await socket.recv()
        server.venue.add_fault("stall for=3")
        await see_fault(server)
        began = server.venue.clock.now_ns()
        await (await socket.ping())
        assert server.venue.clock.now_ns() - began > 2 * 10**9


async def test_the_server_ends_while_connections_are_held_open(local_venue: OpenVenue) -> None:
    """Half-open and stalled connections, and idle HTTP, must not keep a test from ending."""
    async with local_venue() as server:
        half_open = await open_socket(server.urls["kraken"], ping_interval=None, close_timeout=0.05)
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        server.venue.add_fault("half_open")
        await see_fault(server)
    writer.close()
    await half_open.close()


async def test_a_taken_port_is_named(local_venue: OpenVenue) -> None:
    async with local_venue() as server:
        with pytest.raises(LocalVenuePortTaken, match=rf"127.0.0.1:{server.port}.*Choose another port") as caught:
            async with open_venue_server(server.venue, port=server.port):
                pass
        assert caught.value.exit_code == 5

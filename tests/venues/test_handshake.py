"""One attempt to connect: every way in which it fails is named, and told apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tradecore.testing.virtual_run import running_clock, running_network
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.handshake import HandshakeFailed, open_socket
from tradecore.venues.http_request import HttpFailed, load_http

SETTINGS = ConnectionSettings(open_timeout_s=4)
ACCEPTS = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
on_virtual_time = pytest.mark.virtual_time(seed=2)


@asynccontextmanager
async def open_server(answer: str | None) -> AsyncIterator[int]:
    """A host that answers whatever it is asked with these words; None: never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer.encode())
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "venue.test", 0) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def fail(url: str) -> HandshakeFailed:
    with pytest.raises(HandshakeFailed) as caught:
        await open_socket(url, SETTINGS)
    return caught.value


@on_virtual_time
@pytest.mark.parametrize(
    ("head", "status", "is_final", "retry_after_s", "said"),
    [
        ("HTTP/1.1 401 Unauthorized\r\n", 401, True, 0, "no explanation"),
        ("HTTP/1.1 403 Forbidden\r\n", 403, True, 0, "HTTP 403"),
        ("HTTP/1.1 404 Not Found\r\n", 404, True, 0, "HTTP 404"),
        ("HTTP/1.1 451 Unavailable For Legal Reasons\r\n", 451, True, 0, "HTTP 451"),
        ("HTTP/1.1 429 Slow Down\r\nRetry-After: 90\r\n", 429, False, 90, "asked to wait 90 s"),
        ("HTTP/1.1 429 Slow Down\r\n", 429, False, 60, "asked to wait 60 s"),
        ("HTTP/1.1 418 Banned\r\nRetry-After: soon\r\n", 418, False, 120, "asked to wait 120 s"),
        ("HTTP/1.1 500 Oops\r\n", 500, False, 0, "HTTP 500"),
        ("HTTP/1.1 503 Away\r\n", 503, False, 0, "HTTP 503"),
    ],
)
async def test_a_status_says_whether_to_come_again(
    head: str, status: int, is_final: bool, retry_after_s: float, said: str
) -> None:
    async with open_server(f"{head}Content-Length: 0\r\n\r\n") as port:
        failed = await fail(f"ws://venue.test:{port}/stream")
    assert (failed.status, failed.is_final, failed.retry_after_s) == (status, is_final, retry_after_s)
    assert said in failed.reason


@on_virtual_time
async def test_the_venues_own_words_are_told() -> None:
    body = "your address is\n not welcome"
    async with open_server(f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\n\r\n{body}") as port:
        failed = await fail(f"ws://venue.test:{port}/")
    assert "your address is not welcome" in failed.reason


@on_virtual_time
@pytest.mark.parametrize("answer", ["garbage\r\n\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ACCEPTS])
async def test_an_answer_that_is_no_handshake_may_be_tried_again(answer: str) -> None:
    async with open_server(answer) as port:
        failed = await fail(f"ws://venue.test:{port}/")
    assert not failed.is_final
    assert failed.reason


@on_virtual_time
async def test_silence_ends_at_its_deadline() -> None:
    async with open_server(None) as port:
        before = running_clock().monotonic_ns()
        failed = await fail(f"ws://venue.test:{port}/")
        assert running_clock().monotonic_ns() - before == pytest.approx(4e9, abs=1e8)
    assert failed.reason == "no answer within 4 s"
    assert not failed.is_final


@on_virtual_time
async def test_a_host_that_does_not_answer_does_not_exist_or_refuses_is_named() -> None:
    async with open_server("") as port:
        network = running_network()
        network.refuse("venue.test", port)
        assert "venue.test refuses the connection" in (await fail(f"ws://venue.test:{port}/")).reason
        network.heal("venue.test")
        assert "nowhere.test cannot be resolved" in (await fail(f"ws://nowhere.test:{port}/")).reason
        tls = await fail(f"wss://venue.test:{port}/")
        assert "TLS with venue.test failed" in tls.reason
        network.partition("venue.test")
        assert (await fail(f"ws://venue.test:{port}/")).reason == "no answer within 4 s"
    bad = await fail("http://venue.test/")
    assert bad.is_final
    assert "begins with wss:// or ws://" in bad.reason


@on_virtual_time
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("garbage\r\n\r\n", "malformed answer"),
        ("", "malformed answer|ended before"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "malformed answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + "x" * 500, "larger than 100"),
        (None, "no answer within 3 s"),
    ],
)
async def test_an_http_answer_that_is_none_is_named(answer: str | None, said: str) -> None:
    async with open_server(answer) as port:
        with pytest.raises(HttpFailed, match=said):
            await load_http(f"http://venue.test:{port}/0/public/Time", timeout_s=3, bytes_max=100)


@on_virtual_time
async def test_an_http_answer_is_whole() -> None:
    chunked = "HTTP/1.1 200 OK\r\nRetry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    async with open_server(chunked) as port:
        answer = await load_http(f"http://venue.test:{port}/", timeout_s=3, bytes_max=100)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (200, "5", b"abcde")


@on_virtual_time
async def test_what_http_cannot_reach_is_named() -> None:
    with pytest.raises(HttpFailed, match=r"nowhere\.test cannot be resolved"):
        await load_http("http://nowhere.test/", timeout_s=3, bytes_max=100)
    with pytest.raises(HttpFailed, match="no http or https url"):
        await load_http("ftp://venue.test/", timeout_s=3, bytes_max=100)

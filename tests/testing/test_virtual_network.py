"""The network in memory: names, ports, streams, and the faults a test can order."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from tradecore.domain.delay_law import ConstantDelay
from tradecore.errors import VirtualTimeRefused
from tradecore.testing.virtual_link import VirtualLink
from tradecore.testing.virtual_run import running_network
from tradecore.testing.virtual_wire import LinkLaw

pytestmark = pytest.mark.virtual_time(seed=7)


async def _answer_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One upper-case line for each line, until the client has no more."""
    try:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
    except ConnectionError:
        pass  # a fault of the test's; the end of this connection
    finally:
        writer.close()


@asynccontextmanager
async def _serve_lines(host: str | None = "venue.test", port: int = 80) -> AsyncIterator[asyncio.AbstractServer]:
    async with await asyncio.start_server(_answer_lines, host, port) as server:
        yield server


async def test_streams_carry_lines_both_ways_each_a_millisecond_late() -> None:
    """Handshake 1 + 1 ms, question 1 ms, answer 1 ms: the default law."""
    loop = asyncio.get_running_loop()
    async with _serve_lines():
        reader, writer = await asyncio.open_connection("venue.test", 80)
        assert loop.time() == pytest.approx(0.002, abs=1e-12)
        writer.write(b"hello\n")
        assert await reader.readline() == b"HELLO\n"
        assert loop.time() == pytest.approx(0.004, abs=1e-12)
        writer.close()
        await writer.wait_closed()
    assert running_network().links == ()


async def test_both_ends_know_both_addresses() -> None:
    seen: list[tuple[object, object]] = []

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((writer.get_extra_info("sockname"), writer.get_extra_info("peername")))
        writer.close()

    async with await asyncio.start_server(note, "venue.test", 0) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection("venue.test", address[1], local_addr=("10.9.9.9", 0))
        assert await reader.read() == b""
        own = writer.get_extra_info("sockname")
        assert own[0] == "10.9.9.9"
        assert writer.get_extra_info("peername") == address == ("10.0.0.1", address[1])
        assert writer.get_extra_info("socket").getsockname() == own
        assert seen == [(address, own)]
        writer.close()


async def test_nobody_listening_refuses() -> None:
    running_network().add_host("venue.test")
    with pytest.raises(ConnectionRefusedError, match=r"nobody listens at venue\.test:81"):
        await asyncio.open_connection("venue.test", 81)
    assert running_network().links == ()


async def test_an_unknown_name_is_not_found() -> None:
    running_network().add_host("venue.test")
    with pytest.raises(socket.gaierror, match=r"no host of the virtual network is named 'vneue\.test'.*venue\.test"):
        await asyncio.open_connection("vneue.test", 80)


async def test_a_port_is_listened_at_once_and_free_again_after_closing() -> None:
    async with _serve_lines("venue.test", 80):
        with pytest.raises(OSError, match="already in use") as caught:
            await asyncio.start_server(_answer_lines, "venue.test", 80)
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match="already in use"):
            await asyncio.start_server(_answer_lines, None, 80)  # all addresses, hence also that one
        async with _serve_lines("other.test", 80):
            pass
    async with _serve_lines("venue.test", 80):
        pass


async def test_a_server_at_all_addresses_hears_every_host() -> None:
    running_network().add_host("venue.test")
    async with _serve_lines(None, 80):
        for host in ("127.0.0.1", "localhost", "venue.test"):
            reader, writer = await asyncio.open_connection(host, 80)
            writer.write(b"here\n")
            assert await reader.readline() == b"HERE\n"
            writer.close()
            await writer.wait_closed()


async def test_a_half_closed_stream_still_answers() -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        everything = await reader.read()
        await asyncio.sleep(10)
        writer.write(str(len(everything)).encode())
        writer.close()

    async with await asyncio.start_server(count, "venue.test", 80):
        reader, writer = await asyncio.open_connection("venue.test", 80)
        writer.write(b"x" * 12_345)
        writer.write_eof()
        assert await reader.read() == b"12345"
        writer.close()


async def test_a_closed_server_waits_for_its_connections() -> None:
    """As asyncio since 3.12, on every version."""
    loop = asyncio.get_running_loop()
    async with _serve_lines() as server:
        _, writer = await asyncio.open_connection("venue.test", 80)
        loop.call_at(50, writer.close)
        server.close()
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("venue.test", 80)
        await server.wait_closed()
    # The client closes at 50 s; the server hears of it 1 ms later, closes too, and its handler ends.
    assert loop.time() == pytest.approx(50.001, abs=1e-9)


async def test_tls_is_a_word_that_both_ends_must_say() -> None:
    """Nothing is encrypted; but who forgets it meets the error of a real network."""
    async with await asyncio.start_server(
        _answer_lines, "venue.test", 443, ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ):
        reader, writer = await asyncio.open_connection("venue.test", 443, ssl=True)
        writer.write(b"hello\n")
        assert await reader.readline() == b"HELLO\n"
        writer.close()
        with pytest.raises(ssl.SSLError, match="the client speaks plain, the server expects TLS"):
            await asyncio.open_connection("venue.test", 443)


async def test_a_ready_made_socket_is_refused() -> None:
    with socket.socket() as real:
        with pytest.raises(VirtualTimeRefused, match="sock="):
            await asyncio.open_connection(sock=real)
        with pytest.raises(VirtualTimeRefused, match="sock="):
            await asyncio.start_server(_answer_lines, sock=real)


async def test_anyio_s_client_streams_work() -> None:
    async with _serve_lines(), await anyio.connect_tcp("venue.test", 80) as stream:
        await stream.send(b"hello\n")
        assert await stream.receive() == b"HELLO\n"


# ------------------------------------------------------------------------------------------------------------ faults


async def test_an_aborted_link_resets_both_ends_at_once() -> None:
    loop = asyncio.get_running_loop()
    async with _serve_lines():
        reader, _ = await asyncio.open_connection("venue.test", 80)
        (link,) = running_network().links
        loop.call_at(12.5, link.abort)
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        assert loop.time() == 12.5
        await asyncio.sleep(0)
        assert not link.is_open


async def test_a_stalled_direction_is_silent_and_brings_everything_when_resumed() -> None:
    """What TCP repeats arrives in order; the other direction is not touched."""
    loop = asyncio.get_running_loop()
    async with _serve_lines():
        reader, writer = await asyncio.open_connection("venue.test", 80)
        (link,) = running_network().links_to("venue.test", 80)
        link.stall("down")
        writer.write(b"a\nb\n")
        await asyncio.sleep(5)
        assert link.up.bytes_sent == link.down.bytes_sent == 4  # the server has answered; nobody hears it
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await reader.readline()
        link.resume()
        assert [await reader.readline(), await reader.readline()] == [b"A\n", b"B\n"]
        assert loop.time() == pytest.approx(105.002, abs=1e-9)
        writer.close()


async def test_a_direction_that_does_not_exist_is_named() -> None:
    async with _serve_lines():
        _, writer = await asyncio.open_connection("venue.test", 80)
        (link,) = running_network().links
        with pytest.raises(ValueError, match="'sideways'"):
            link.stall("sideways")  # type: ignore[arg-type]
        writer.close()


async def test_a_link_can_break_after_so_many_bytes() -> None:
    async with _serve_lines():
        reader, writer = await asyncio.open_connection("venue.test", 80)
        (link,) = running_network().links
        link.cut_after(9, "down")
        writer.write(b"first\nsecond\nthird\n")
        assert await reader.readline() == b"FIRST\n"
        with pytest.raises(ConnectionResetError):
            await reader.readline()  # "SEC", then the reset


async def test_a_refusing_host_keeps_its_open_links() -> None:
    network = running_network()
    async with _serve_lines():
        reader, writer = await asyncio.open_connection("venue.test", 80)
        network.refuse("venue.test", 80)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("venue.test", 80)
        writer.write(b"still\n")
        assert await reader.readline() == b"STILL\n"
        network.heal("venue.test")
        _, second = await asyncio.open_connection("venue.test", 80)
        writer.close()
        second.close()


async def test_a_look_up_can_fail() -> None:
    network = running_network()
    async with _serve_lines():
        network.fail_look_up("venue.test")
        with pytest.raises(socket.gaierror, match="fails, as the test has told it to"):
            await asyncio.open_connection("venue.test", 80)
        network.heal("venue.test")
        _, writer = await asyncio.open_connection("venue.test", 80)
        writer.close()


async def test_a_partition_silences_open_links_and_lets_connecting_hang() -> None:
    loop, network = asyncio.get_running_loop(), running_network()
    async with _serve_lines(), _serve_lines("other.test"):
        reader, writer = await asyncio.open_connection("venue.test", 80)
        network.partition("venue.test")
        writer.write(b"lost for now\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.open_connection("venue.test", 80)
        other_reader, other = await asyncio.open_connection("other.test", 80)  # another host is not concerned
        other.write(b"here\n")
        assert await other_reader.readline() == b"HERE\n"
        healed_at = loop.time()
        network.heal("venue.test")
        assert await reader.readline() == b"LOST FOR NOW\n"
        assert loop.time() == pytest.approx(healed_at + 0.001, abs=1e-9)  # the question waited at the door
        writer.close()
        other.close()
    assert network.links == ()


async def test_a_watcher_can_strike_the_handshake() -> None:
    network = running_network()

    def strike_the_second(link: VirtualLink) -> None:
        if link.number == 2:
            link.abort()

    network.watch(strike_the_second)
    async with _serve_lines():
        _, first = await asyncio.open_connection("venue.test", 80)
        with pytest.raises(ConnectionResetError):
            await asyncio.open_connection("venue.test", 80)
        _, third = await asyncio.open_connection("venue.test", 80)
        first.close()
        third.close()


async def test_a_host_has_a_law_of_its_own() -> None:
    loop, network = asyncio.get_running_loop(), running_network()
    network.add_host("far.test", law=LinkLaw(latency=ConstantDelay(ms=150)))
    async with _serve_lines("far.test"):
        reader, writer = await asyncio.open_connection("far.test", 80)
        assert loop.time() == pytest.approx(0.3, abs=1e-12)
        (link,) = network.links
        link.set_law(LinkLaw(latency=ConstantDelay(ms=1_000)), "up")
        writer.write(b"slow\n")
        await reader.readline()
        assert loop.time() == pytest.approx(0.3 + 1.0 + 0.15, abs=1e-12)
        writer.close()


async def test_a_connect_that_gives_up_leaves_nothing_behind() -> None:
    """The server has accepted already when the client cancels; the client's reset tells it."""
    network = running_network()
    lost = asyncio.Event()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(ConnectionResetError):
            await reader.read()
        lost.set()
        writer.close()

    async with await asyncio.start_server(wait_for_the_end, "venue.test", 80):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.0015):  # knocked at 1 ms, answered at 2 ms
                await asyncio.open_connection("venue.test", 80)
        await lost.wait()
    assert network.links == ()

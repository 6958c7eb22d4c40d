"""One end of a virtual link: asyncio's contract of transports, on whose details libraries rely."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.domain.delay_law import LognormalDelay
from tradecore.testing.virtual_run import run_virtual, running_network, running_virtual_loop
from tradecore.testing.virtual_server import VirtualServer
from tradecore.testing.virtual_transport import VirtualTransport
from tradecore.testing.virtual_wire import LinkLaw


class Recorder(asyncio.Protocol):
    """Notes what it is told, and when."""

    def __init__(self, *, keeps_open_at_eof: bool = False) -> None:
        self.heard: list[tuple[float, str]] = []
        self.content = bytearray()
        self.error: Exception | None = None
        self.ended = asyncio.Event()
        self._keeps_open_at_eof = keeps_open_at_eof

    def _note(self, what: str) -> None:
        self.heard.append((round(asyncio.get_running_loop().time(), 9), what))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.content += data
        self._note(f"{len(data)} bytes")

    def eof_received(self) -> bool:
        self._note("eof")
        return self._keeps_open_at_eof

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.ended.set()
        self._note("lost" if exc is None else type(exc).__name__)

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def names(self) -> list[str]:
        return [what for _, what in self.heard]


Ends = tuple[Recorder, VirtualTransport, Recorder, VirtualTransport]


async def _connect(**recorder_options: Any) -> Ends:
    loop = asyncio.get_running_loop()
    server_side = Recorder(**recorder_options)
    server = await loop.create_server(lambda: server_side, "venue.test", 80)
    client, client_side = await loop.create_connection(Recorder, "venue.test", 80)
    server.close()
    assert isinstance(client, VirtualTransport)
    assert isinstance(server_side.transport, VirtualTransport)
    return client_side, client, server_side, server_side.transport


@pytest.mark.virtual_time
async def test_a_full_window_pauses_the_writer_until_the_reader_reads() -> None:
    """Window 262,144 bytes; of 400,000 written 137,856 wait, above the high mark of 65,536."""
    writer, client, _, server = await _connect()
    server.pause_reading()
    client.write(b"x" * 400_000)
    assert writer.names() == ["made", "pause"]
    assert client.get_write_buffer_size() == 400_000 - 262_144
    await asyncio.sleep(60)
    assert writer.names() == ["made", "pause"]
    server.resume_reading()
    await asyncio.sleep(1)
    assert writer.names() == ["made", "pause", "resume"]
    assert client.get_write_buffer_size() == 0


@pytest.mark.virtual_time
async def test_drain_of_a_stream_really_waits_for_the_reader() -> None:
    """The same seen from asyncio.streams: the producer runs at the consumer's speed, not ahead of it."""
    loop = asyncio.get_running_loop()
    chunk = b"y" * 100_000

    async def read_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(20):
            await reader.readexactly(len(chunk))
            await asyncio.sleep(1)
        writer.close()

    async with await asyncio.start_server(read_slowly, "venue.test", 80):
        _, writer = await asyncio.open_connection("venue.test", 80)
        for _ in range(20):
            writer.write(chunk)
            await writer.drain()
        # The window (262 kB), the high mark of the writer (66 kB) and twice the reader's limit (131 kB) hold less
        # than 6 chunks: when the 20th is written at least 14 were read, a second each.
        assert loop.time() > 13
        writer.close()


@pytest.mark.virtual_time
async def test_a_stalled_link_pauses_the_writer_too() -> None:
    """A half-open peer is first felt by full buffers."""
    writer, client, _, _ = await _connect()
    (link,) = running_network().links
    link.stall("up")
    client.write(b"x" * 400_000)
    await asyncio.sleep(60)
    assert writer.names() == ["made", "pause"]


@pytest.mark.virtual_time
async def test_water_marks_are_those_that_were_set() -> None:
    writer, client, _, server = await _connect()
    server.pause_reading()
    client.write(b"x" * 262_144)
    client.set_write_buffer_limits(high=100, low=10)
    assert client.get_write_buffer_limits() == (10, 100)
    client.write(b"x" * 100)
    assert writer.names() == ["made"]
    client.write(b"x")
    assert writer.names() == ["made", "pause"]
    client.set_write_buffer_limits(low=7)
    assert client.get_write_buffer_limits() == (7, 28)
    with pytest.raises(ValueError, match="must be >= low"):
        client.set_write_buffer_limits(high=1, low=2)


@pytest.mark.virtual_time
async def test_close_sends_what_was_written_first() -> None:
    """Even more than the window takes."""
    writer, client, reader, _ = await _connect()
    client.write(b"x" * 1_000_000)
    client.close()
    assert client.is_closing()
    client.write(b"too late")
    await asyncio.sleep(1)
    assert len(reader.content) == 1_000_000
    assert reader.names()[-2:] == ["eof", "lost"]
    assert writer.names()[-1] == "lost"


@pytest.mark.virtual_time
async def test_abort_drops_what_the_window_did_not_take() -> None:
    writer, client, reader, _ = await _connect()
    client.write(b"x" * 1_000_000)
    client.abort()
    await asyncio.sleep(1)
    assert len(reader.content) == 262_144
    assert reader.names()[-1] == "lost"
    assert writer.names()[-1] == "lost"


@pytest.mark.virtual_time
async def test_closing_with_unread_bytes_resets_the_peer() -> None:
    """As a kernel does: the peer must learn that not all was read."""
    writer, client, _, server = await _connect()
    server.pause_reading()
    client.write(b"never read")
    await asyncio.sleep(1)
    server.close()
    await asyncio.sleep(1)
    assert writer.names()[-1] == "ConnectionResetError"


@pytest.mark.virtual_time
async def test_unread_bytes_reset_even_after_the_own_end_of_stream() -> None:
    _, client, server_side, server = await _connect(keeps_open_at_eof=True)
    client.write_eof()
    client.pause_reading()
    await asyncio.sleep(1)
    server.write(b"never read")
    await asyncio.sleep(1)
    client.abort()
    await asyncio.sleep(1)
    assert server_side.names() == ["made", "eof", "ConnectionResetError"]
    assert running_network().links == ()


@pytest.mark.virtual_time
async def test_writing_to_a_peer_that_is_gone_resets() -> None:
    """Half-closed is not closed: only the answer to its bytes tells the client that nobody reads them."""
    loop = running_virtual_loop()
    server = await loop.create_server(Recorder, "venue.test", 80)
    writer = Recorder(keeps_open_at_eof=True)
    client, _ = await loop.create_connection(lambda: writer, "venue.test", 80)
    assert isinstance(server, VirtualServer)
    server.close_clients()
    await asyncio.sleep(1)
    assert writer.names() == ["made", "eof"]
    client.write(b"anybody there?")
    await asyncio.sleep(1)
    assert writer.heard[-1] == (1.004, "ConnectionResetError")  # connected at 2 ms; 1 ms there, 1 ms back


@pytest.mark.virtual_time
async def test_a_peer_that_keeps_open_at_eof_can_go_on_writing() -> None:
    client_side, client, server_side, server = await _connect(keeps_open_at_eof=True)
    client.write(b"question")
    client.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        client.write(b"more")
    await asyncio.sleep(1)
    assert server_side.names() == ["made", "8 bytes", "eof"]
    server.write(b"answer")
    await asyncio.sleep(1)
    assert bytes(client_side.content) == b"answer"
    server.close()
    await asyncio.sleep(1)
    assert server_side.names()[-1] == client_side.names()[-1] == "lost"


@pytest.mark.virtual_time
async def test_a_paused_reader_hears_nothing_until_it_resumes() -> None:
    _, client, reader, server = await _connect()
    server.pause_reading()
    assert not server.is_reading()
    client.write(b"abc")
    client.close()
    await asyncio.sleep(10)
    assert reader.names() == ["made"]
    server.resume_reading()
    await asyncio.sleep(0)
    assert reader.names() == ["made", "3 bytes", "eof"]


@pytest.mark.virtual_time
async def test_a_waiting_writer_hears_of_a_reset_although_it_does_not_read() -> None:
    """Else drain() would wait for ever for a peer that is gone."""
    writer, client, _, server = await _connect()
    client.pause_reading()
    server.pause_reading()
    client.write(b"x" * 400_000)
    await asyncio.sleep(1)
    server.abort()  # with unread bytes: a reset
    await asyncio.sleep(1)
    assert writer.names() == ["made", "pause", "ConnectionResetError"]


@pytest.mark.virtual_time
async def test_a_protocol_that_raises_loses_its_connection_and_the_loop_is_told() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    client_side, client, server_side, _ = await _connect()

    def fail(_content: bytes) -> None:
        raise LookupError("a bug")

    server_side.data_received = fail  # type: ignore[method-assign, assignment]
    client.write(b"abc")
    await asyncio.sleep(1)
    assert isinstance(server_side.error, LookupError)
    assert client_side.names()[-1] == "ConnectionResetError"
    assert [context["message"] for context in reported] == ["protocol.data_received() raised; the connection is closed"]


@pytest.mark.virtual_time
async def test_a_protocol_with_its_own_buffer_is_filled_in_rounds() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer, self.content = bytearray(4), bytearray()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.content += self.buffer[:nbytes]

    loop, buffered = asyncio.get_running_loop(), Buffered()
    await loop.create_server(lambda: buffered, "venue.test", 80)
    client, _ = await loop.create_connection(Recorder, "venue.test", 80)
    client.write(b"0123456789")
    await asyncio.sleep(1)
    assert bytes(buffered.content) == b"0123456789"
    client.close()
    await asyncio.sleep(1)


@pytest.mark.virtual_time
async def test_only_bytes_can_be_written() -> None:
    _, client, reader, _ = await _connect()
    with pytest.raises(TypeError, match="type str; expected bytes"):
        client.write("text")  # type: ignore[arg-type]
    changing = bytearray(b"abc")
    client.write(changing)
    changing[0] = ord("z")  # what was written is what counts
    client.writelines([b"def", memoryview(b"ghi")])
    await asyncio.sleep(1)
    assert bytes(reader.content) == b"abcdefghi"


@given(
    seed=st.integers(0, 2**32),
    writes=st.lists(st.binary(min_size=1, max_size=2_000), max_size=30),
    pauses_ms=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    segment_bytes_max=st.sampled_from([None, 1, 7, 512]),
    window_bytes=st.sampled_from([1, 100, 65_536]),
)
@settings(max_examples=60, deadline=None)
def test_bytes_arrive_whole_and_in_order_by_any_law(
    seed: int, writes: list[bytes], pauses_ms: list[int], segment_bytes_max: int | None, window_bytes: int
) -> None:
    """Latency is drawn for each piece, yet no piece overtakes another: the promise of TCP."""

    async def main() -> None:
        _, client, reader, _ = await _connect()
        for number, content in enumerate(writes):
            client.write(content)
            await asyncio.sleep(pauses_ms[number % len(pauses_ms)] / 1_000)
        client.close()
        await reader.ended.wait()
        assert bytes(reader.content) == b"".join(writes)
        assert reader.heard == sorted(reader.heard, key=lambda heard: heard[0])

    law = LinkLaw(LognormalDelay(median_ms=20, sigma=1.5), segment_bytes_max, window_bytes)
    run_virtual(main, seed=seed, law=law)

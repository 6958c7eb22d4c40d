"""TLS over real sockets, with certificates made here: who cannot prove to be the venue is not asked anything."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from tradecore.engine.timeline import SystemClock
from tradecore.errors import VenueUnreachable, VenueUntrusted
from tradecore.testing.recording_sink import RecordingSink
from tradecore.venues.binance_venue import BinanceVenue
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.handshake import HandshakeFailed, open_socket
from tradecore.venues.kraken_venue import KrakenVenue

pytestmark = pytest.mark.loopback

SETTINGS = ConnectionSettings(open_timeout_s=5, reconnect_min_s=0.01, reconnect_max_s=0.02, first_attempts_max=2)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts our authority, in the way that the advice to the user names."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


@asynccontextmanager
async def open_server(certificate: trustme.LeafCert) -> AsyncIterator[tuple[int, list[str]]]:
    """A host that speaks TLS; its port, and the paths it was asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    asked: list[str] = []

    async def answer(socket: ServerConnection) -> None:
        assert socket.request is not None
        asked.append(socket.request.path)
        await socket.wait_closed()

    async with serve(answer, "localhost", 0, ssl=context, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1], asked


def make_kraken(port: int) -> KrakenVenue:
    base = f"localhost:{port}"
    return KrakenVenue(
        clock=SystemClock(), seed=1, stream_url=f"wss://{base}/v2", rest_url=f"https://{base}", settings=SETTINGS
    )


async def run_until_refused(venue: Any) -> VenueUntrusted:
    with anyio.fail_after(10), pytest.raises(VenueUntrusted) as caught:
        await venue.run(RecordingSink(SystemClock()))
    return caught.value


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_a_trusted_authority_is_accepted(authority: trustme.CA) -> None:
    """The other tests fail for their own reason, not because nothing would be accepted."""
    async with open_server(authority.issue_cert("localhost")) as (port, asked):
        socket = await open_socket(f"wss://localhost:{port}/v2", SETTINGS)
        await socket.close()
    assert asked == ["/v2"]


@pytest.mark.usefixtures("trusted")
async def test_an_expired_certificate_names_the_host_and_the_clock(authority: trustme.CA) -> None:
    expired = authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    async with open_server(expired) as (port, asked):
        error = await run_until_refused(make_kraken(port))
    assert f"wss://localhost:{port}/v2 cannot be trusted" in str(error)
    assert "the TLS certificate of localhost is not trusted: certificate has expired" in str(error)
    assert "Check this machine's clock" in str(error)
    assert asked == []


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_host_says_what_may_answer_in_its_place(authority: trustme.CA) -> None:
    async with open_server(authority.issue_cert("stream.elsewhere.test")) as (port, asked):
        error = await run_until_refused(make_kraken(port))
    assert "not valid for 'localhost'" in str(error)
    assert "Check the host in the url" in str(error)
    assert asked == []


async def test_a_certificate_of_an_unknown_authority_says_how_to_name_ones_own() -> None:
    """At once: a certificate does not get better by asking again."""
    async with open_server(trustme.CA().issue_cert("localhost")) as (port, asked):
        error = await run_until_refused(make_kraken(port))
    assert "unable to get local issuer certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error)
    assert (error.attempts, asked) == (1, [])


async def test_questions_are_not_asked_of_whom_is_not_trusted_either() -> None:
    """Kraken's over HTTP, Binance's over a socket of its own."""
    async with open_server(trustme.CA().issue_cert("localhost")) as (port, asked):
        kraken = make_kraken(port)
        with pytest.raises(VenueUntrusted, match="https://localhost"):
            await kraken._rest._ask("Trades", {"pair": "BTC/USD"})
        binance = BinanceVenue(
            clock=SystemClock(), seed=1, api_url=f"wss://localhost:{port}/ws-api/v3", settings=SETTINGS
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(binance._api.run)
            with pytest.raises(VenueUntrusted, match="ws-api"):
                await binance.server_time()
            tasks.cancel_scope.cancel()
    assert asked == []


async def test_a_server_that_speaks_no_tls_is_named_as_such() -> None:
    async def serve_plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve_plainly, "localhost", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(VenueUnreachable, match=r"TLS with localhost failed: .*may want ws://"):
            await make_kraken(port).run(RecordingSink(SystemClock()))


async def test_a_server_that_wants_tls_is_not_spoken_to_without() -> None:
    async with open_server(trustme.CA().issue_cert("localhost")) as (port, asked):
        with pytest.raises(HandshakeFailed) as caught:
            await open_socket(f"ws://localhost:{port}/v2", SETTINGS)
    assert "wss://" in caught.value.reason
    assert asked == []

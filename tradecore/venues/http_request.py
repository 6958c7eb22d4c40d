"""load_http: one GET of a venue's REST interface, on a connection of its own.

Receives: a url, limits.
Gives:    status, headers and body.
Never:    follows redirects, keeps connections, or lets a library's exception out: HttpFailed says what happened.
          Plain asyncio streams: it runs on any loop that has connections, an in-memory one included.    DESIGN 14.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import anyio
import msgspec

from tradecore.venues.network_failure import advise_on_trust, describe_failure

CHUNK_BYTES: Final = 2**16


class HttpFailed(Exception):
    """No answer could be had; says why. advice: what to do about a certificate that is not trusted, else ""."""

    def __init__(self, reason: str, *, advice: str = "") -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


class HttpAnswer(msgspec.Struct, frozen=True):
    """status: HTTP. headers: names in lower case. body: whole."""

    status: int
    headers: dict[str, str]
    body: bytes


async def load_http(url: str, *, timeout_s: float, bytes_max: int) -> HttpAnswer:
    """The answer to GET url. Raises: HttpFailed."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HttpFailed(f"{url} is no http or https url")
    try:
        with anyio.fail_after(timeout_s):
            secure = ssl.create_default_context() if parts.scheme == "https" else None
            port = parts.port or (443 if secure else 80)
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure)
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                return await _exchange(reader, writer, parts.netloc, target, bytes_max)
            finally:
                writer.close()
                with anyio.move_on_after(1, shield=True), suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError as error:
        raise HttpFailed(f"no answer within {timeout_s:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise HttpFailed(describe_failure(error, parts.hostname), advice=advise_on_trust(error)) from error
    except OSError as error:
        raise HttpFailed(describe_failure(error, parts.hostname)) from error


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, target: str, bytes_max: int
) -> HttpAnswer:
    import h11

    connection = h11.Connection(our_role=h11.CLIENT)
    request = h11.Request(
        method="GET",
        target=target,
        headers=[("Host", host), ("Accept", "application/json"), ("User-Agent", "tradecore"), ("Connection", "close")],
    )
    writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    await writer.drain()
    status, headers, body = 0, {}, bytearray()
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > bytes_max:
                    raise HttpFailed(f"the answer is larger than {bytes_max} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return HttpAnswer(status, headers, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                raise HttpFailed("the connection ended before the answer")
    except h11.RemoteProtocolError as error:
        raise HttpFailed(f"malformed answer: {error}") from error

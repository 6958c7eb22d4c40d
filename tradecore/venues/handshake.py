"""Handshake: one attempt to open a WebSocket, and what its failure means.

Receives: a url, settings.
Gives:    a connected socket, or a HandshakeFailed that says why, whether trying again can help, and how soon.
Never:    tries again (feed_session.py does), takes a proxy from the environment, or lets a library's exception out.
          RELIABILITY 2 #5.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio

from tradecore.domain.clock import Clock
from tradecore.errors import VenueError, VenueRefused, VenueUnreachable, VenueUntrusted
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.network_failure import advise_on_trust, describe_failure
from tradecore.venues.reconnect_schedule import ConnectBudget

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

# What a venue means by them: who you are, or that you may not, does not change by asking again.
FINAL_STATUSES: Final = frozenset({400, 401, 403, 404, 410, 426, 451})
# Asked to slow down (429) or shut out for not doing so (418). Without a Retry-After, what Binance's first ban lasts.
WAIT_STATUSES: Final = {429: 60.0, 418: 120.0}
RETRY_AFTER_MAX_S: Final = 3 * 86_400.0  # the longest ban a venue documents
FIRST_WAIT_MAX_S: Final = (
    130.0  # at the start a person waits: a first ban lasts two minutes, of a longer one he is told
)


class HandshakeFailed(Exception):
    """One attempt failed. status: HTTP, 0 without an answer. is_final: trying again cannot help.

    advice: what to do about a certificate that is not trusted, else "".
    """

    def __init__(
        self, reason: str, *, status: int = 0, is_final: bool = False, retry_after_s: float = 0.0, advice: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason, self.status, self.is_final, self.retry_after_s = reason, status, is_final, retry_after_s
        self.advice = advice

    def translate(self, url: str, attempts: int) -> VenueError:
        """The error for who asked for the connection, after so many attempts."""
        if self.advice:
            return VenueUntrusted(url, self.reason, self.advice)
        if self.is_final and self.status:
            return VenueRefused(url, self.status, self.reason)
        return VenueUnreachable(url, attempts, self.reason)


async def open_socket(url: str, settings: ConnectionSettings) -> ClientConnection:
    """A connected socket; who asked for it closes it. Raises: HandshakeFailed."""
    # Loaded with the first connection: a strategy author's import does not need the web.
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

    try:
        return await connect(
            url,
            proxy=None,
            compression=None,  # deflate costs 14-30 % of the intake (ECOSYSTEM)
            open_timeout=settings.open_timeout_s,
            close_timeout=settings.close_timeout_s,
            ping_interval=None,  # feed_link.py pings: it must tell STALE from lost
            max_size=settings.frame_bytes_max,
            max_queue=settings.frames_queued_max,
        )
    except InvalidStatus as error:
        response = error.response
        raise _classify(response.status_code, response.headers, response.body or b"") from error
    except InvalidURI as error:
        raise HandshakeFailed(f"expected a url that begins with wss:// or ws://; {error}", is_final=True) from error
    except WebSocketException as error:
        hint = "check the path of the url, and wss:// (with TLS) against ws:// (without)"
        raise HandshakeFailed(f"malformed handshake: {error}; {hint}") from error
    except TimeoutError as error:
        raise HandshakeFailed(f"no answer within {settings.open_timeout_s:g} s") from error
    except ssl.SSLCertVerificationError as error:
        advice = advise_on_trust(error)
        raise HandshakeFailed(describe_failure(error, _name_host(url)), is_final=True, advice=advice) from error
    except OSError as error:
        raise HandshakeFailed(describe_failure(error, _name_host(url))) from error


async def wait_for_budget(budget: ConnectBudget, clock: Clock) -> None:
    """Returns when one more connection to the host may be made; it is counted."""
    wait_s = budget.take(clock.monotonic_ns())
    while wait_s:
        await anyio.sleep(wait_s)
        wait_s = budget.take(clock.monotonic_ns())


def _classify(status: int, headers: Mapping[str, str], body: bytes | bytearray) -> HandshakeFailed:
    said = " ".join(body[:200].decode("utf-8", "replace").split()) or "no explanation"
    retry_after_s = 0.0
    if status in WAIT_STATUSES:
        retry_after_s = read_retry_after(headers.get("Retry-After"), WAIT_STATUSES[status])
        said = f"{said}; asked to wait {retry_after_s:g} s"
    return HandshakeFailed(
        f"HTTP {status}: {said}", status=status, is_final=status in FINAL_STATUSES, retry_after_s=retry_after_s
    )


def read_retry_after(header: str | None, default_s: float) -> float:
    """Seconds of a Retry-After header; the default where it is absent or a date, which would need the venue's clock."""
    text = (header or "").strip()
    return min(float(text), RETRY_AFTER_MAX_S) if text.isascii() and text.isdigit() else default_s


def _name_host(url: str) -> str:
    return urlsplit(url).hostname or url

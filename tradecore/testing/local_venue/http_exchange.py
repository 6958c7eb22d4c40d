"""HttpExchange: plain HTTP on the port that also takes websockets.

Receives: bytes of one client, requests with bodies included.
Gives:    the venue's answers, in order, each no sooner than its delay.
Never:    awaits: what is asked is answered from memory, at once or by a timer of the venue.    Issue 4, item 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import h11

from tradecore.domain.instant import SECOND_NS
from tradecore.testing.local_venue.http_message import HttpAnswer, HttpRequest
from tradecore.testing.local_venue.local_venue import LocalVenue

_BODY_MAX = 1 << 20


class HttpExchange(asyncio.Protocol):
    """One client's requests, one after the other. on_lost: called once it is gone."""

    def __init__(self, venue: LocalVenue, on_lost: Callable[[HttpExchange], Any]) -> None:
        self._venue, self._on_lost = venue, on_lost
        self._wire = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._is_answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes in and answer what is complete."""
        try:
            self._wire.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def eof_received(self) -> bool:
        """The client has said all it wants to say; an answer may still be on its way."""
        return self._is_answering

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        del exc
        self._transport = None
        self._on_lost(self)

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def _read(self) -> None:
        while not self._is_answering:
            event = self._wire.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                self._go_on_sending()
                return
            if isinstance(event, h11.Request):
                self._request = event
                self._body.clear()
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > _BODY_MAX:
                    self._refuse(413, "the body is too large")
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._ask()
            else:
                self._close()
                return

    def _go_on_sending(self) -> None:
        """Tell a client that asks before it sends a large body to send it."""
        if self._wire.they_are_waiting_for_100_continue and self._transport is not None:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self._transport.write(self._wire.send(go_on) or b"")

    def _ask(self) -> None:
        assert self._request is not None, "h11 gives the end of a message after its head"
        kind = dict(self._request.headers.raw_items()).get(b"Content-Type", b"")
        kind = kind or dict(self._request.headers).get(b"content-type", b"")
        request = HttpRequest(
            self._request.method.decode(), self._request.target.decode("ascii", "replace"), kind.decode("latin-1"),
            bytes(self._body),
        )  # fmt: skip
        answer = self._venue.answer(request)
        self._is_answering = True
        if answer.delay_s:
            play = self._venue.play
            play.schedule(play.now_ns() + int(answer.delay_s * SECOND_NS), lambda: self._finish(answer))
        else:
            self._send(answer)

    def _finish(self, answer: HttpAnswer) -> None:
        """Send a delayed answer and go on with what has come meanwhile."""
        if self._transport is not None:
            self._send(answer)
            self._read()

    def _send(self, answer: HttpAnswer) -> None:
        assert self._transport is not None
        headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "keep-alive")]
        is_head = self._request is not None and self._request.method == b"HEAD"
        parts = [h11.Response(status_code=answer.status, headers=headers)]
        written = b"".join(self._wire.send(part) or b"" for part in parts)
        if not is_head:
            written += self._wire.send(h11.Data(data=answer.body)) or b""
        written += self._wire.send(h11.EndOfMessage()) or b""
        self._transport.write(written)
        self._is_answering = False
        if self._wire.our_state is h11.MUST_CLOSE:
            self._close()
        elif self._wire.our_state is h11.DONE and self._wire.their_state is h11.DONE:
            self._wire.start_next_cycle()

    def _refuse(self, status: int, reason: str) -> None:
        if self._transport is not None and self._wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = reason.encode()
            headers = [("Content-Length", str(len(body))), ("Connection", "close")]
            for part in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self._transport.write(self._wire.send(part) or b"")
        self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

"""HttpRequest and HttpAnswer: what the venue's plain HTTP takes and gives, without any socket.

Receives: method, target and body as they came.
Gives:    parameters from the query string and from bodies, forms and JSON alike.    Issue 4, item 2.
Never:    reads a header that matters to the transport: http_exchange.py does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec


class HttpRequest(msgspec.Struct, frozen=True):
    """One request. target: path and query as sent."""

    method: str
    target: str
    content_type: str = ""
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path alone."""
        return split_target(self.target)[0]

    def read_params(self) -> dict[str, Any]:
        """Parameters of query and body; the body's win. A body that cannot be read gives none."""
        params: dict[str, Any] = dict(parse_qsl(split_target(self.target)[1], keep_blank_values=True))
        if self.body and "json" in self.content_type:
            try:
                sent = msgspec.json.decode(self.body)
            except (msgspec.DecodeError, RecursionError):
                return params
            return {**params, **sent} if isinstance(sent, dict) else params
        return params | dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


class HttpAnswer(msgspec.Struct, frozen=True):
    """One answer. delay_s: seconds of the venue's time until it is sent."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0

    @classmethod
    def of_json(
        cls, content: Any, status: int = 200, *, headers: tuple[tuple[str, str], ...] = (), delay_s: float = 0.0
    ) -> HttpAnswer:
        """An answer that carries JSON."""
        kind = ("Content-Type", "application/json;charset=UTF-8")
        return cls(status, msgspec.json.encode(content), (kind, *headers), delay_s)


def split_target(target: str) -> tuple[str, str]:
    """Path and query of a request's target. Not urlsplit: that raises for what any client may send."""
    path, _, query = target.partition("?")
    return path, query

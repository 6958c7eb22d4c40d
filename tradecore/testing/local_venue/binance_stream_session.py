"""BinanceStreamSession: one connection to the stream socket of Binance Spot.

Receives: the path (/ws, /ws/<streams>, /stream?streams=), the client's requests.
Gives:    acknowledgements, frames of its streams (raw or combined), the notice before the session ends.
Never:    lets a client say more than five things a second, or read more than 1,024 streams.    Source: VENUES 4.1.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from tradecore.domain.instant import SECOND_NS
from tradecore.testing.local_venue.binance_streams import BinanceStreams
from tradecore.testing.local_venue.binance_text import MICROSECOND, MILLISECOND
from tradecore.testing.local_venue.venue_connection import VenueConnection
from tradecore.testing.local_venue.venue_play import VenuePlay

MESSAGES_PER_SECOND: Final = 5
STREAMS_MAX: Final = 1_024
_ID_LENGTH_MAX: Final = 36
_POLICY_VIOLATION: Final = 1008
_NOTICE_NS: Final = 600 * SECOND_NS


class BinanceStreamSession:
    """One reader of streams. See VenueSession and StreamReader for what its methods mean."""

    def __init__(
        self, play: VenuePlay, streams: BinanceStreams, connection: VenueConnection, *, wanted: list[str],
        is_combined: bool, in_microseconds: bool,
    ) -> None:  # fmt: skip
        self.unit = MICROSECOND if in_microseconds else MILLISECOND
        self._play, self._streams, self._connection = play, streams, connection
        self._wanted: dict[str, None] = dict.fromkeys(wanted)
        self._is_combined = is_combined
        self._heard: deque[int] = deque(maxlen=MESSAGES_PER_SECOND)

    def on_open(self) -> None:
        """Begin the streams that the path names; the session's end is planned."""
        for stream in self._wanted:
            self._streams.add(stream, self)
        life_ns = self._play.settings.session_ns
        notice_ns = min(_NOTICE_NS, life_ns // 2)
        self._play.schedule(
            self._play.now_ns() + life_ns - notice_ns,
            lambda: self._play.end_session(self._connection, notice_ns / SECOND_NS),
        )

    def on_closed(self) -> None:
        """Forget all streams."""
        for stream in self._wanted:
            self._streams.remove(stream, self)
        self._wanted.clear()

    def on_session_ending(self) -> None:
        """Tell the client to connect anew."""
        notice = f'{{"e":"serverShutdown","E":{self._play.server_ns("binance") // self.unit}}}'
        self._connection.send(f'{{"stream":"!serverShutdown","data":{notice}}}' if self._is_combined else notice)

    def deliver(self, stream: str, text: str) -> None:
        """Send a frame of a stream."""
        self._connection.send(f'{{"stream":"{stream}","data":{text}}}' if self._is_combined else text, stream)

    def on_text(self, text: str) -> None:
        """Answer a request."""
        now_ns = self._play.now_ns()
        if len(self._heard) == MESSAGES_PER_SECOND and now_ns - self._heard[0] < SECOND_NS:
            self._connection.close(_POLICY_VIOLATION, "Too many requests")
            return
        self._heard.append(now_ns)
        self._connection.send(self._answer(text))

    def _answer(self, text: str) -> str:
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return _refuse(3, "Invalid JSON: expected value")
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _refuse(2, "Invalid request: missing field `method`")
        request_id = request.get("id")
        if not _is_id(request_id):
            return _refuse(2, "Invalid request: request ID must be an unsigned integer or a string of 36 at most")
        refusal, result = self._carry_out(request["method"], request.get("params"))
        if refusal is not None:
            return _refuse(2, f"Invalid request: {refusal}", request_id)
        return msgspec.json.encode({"result": result, "id": request_id}).decode()

    def _carry_out(self, method: str, params: Any) -> tuple[str | None, Any]:
        """What is wrong with the request, or its result."""
        if method == "LIST_SUBSCRIPTIONS":
            return None, list(self._wanted)
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
                return "params must be an array of strings", None
            return self._subscribe(params) if method == "SUBSCRIBE" else self._unsubscribe(params)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._set_property(method, params)
        return f"unknown variant `{method}`", None

    def _subscribe(self, names: list[str]) -> tuple[str | None, None]:
        if len(self._wanted | dict.fromkeys(names)) > STREAMS_MAX:
            return f"too many streams, at most {STREAMS_MAX}", None
        for name in names:
            if name not in self._wanted:
                self._wanted[name] = None
                self._streams.add(name, self)
        return None, None

    def _unsubscribe(self, names: list[str]) -> tuple[str | None, None]:
        for name in names:
            if name in self._wanted:
                del self._wanted[name]
                self._streams.remove(name, self)
        return None, None

    def _set_property(self, method: str, params: Any) -> tuple[str | None, Any]:
        is_setting = method == "SET_PROPERTY"
        if not isinstance(params, list) or len(params) != 1 + is_setting or params[0] != "combined":
            return "property name must be `combined`", None
        if not is_setting:
            return None, self._is_combined
        if not isinstance(params[1], bool):
            return "property value must be a boolean", None
        self._is_combined = params[1]
        return None, None


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _ID_LENGTH_MAX
    return value is None or (type(value) is int and value >= 0)


def _refuse(code: int, message: str, request_id: Any = None) -> str:
    return msgspec.json.encode({"error": {"code": code, "msg": message}, "id": request_id}).decode()

"""Binance Spot's request side: its WebSocket API (/ws-api/v3) and its REST (/api/v3), over the same questions.

Receives: requests in either form.
Gives:    answers in either form, weighed against the one budget of the client's address, with 429, 418, Retry-After.
Never:    takes orders: the next issue adds them here, on the matching core that is there.    Source: VENUES 4.1.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tradecore.domain.instant import SECOND_NS
from tradecore.testing.local_venue.binance_queries import HISTORY, WEIGHT_LIMIT, BinanceQueries, BinanceRefusal
from tradecore.testing.local_venue.binance_text import MICROSECOND, MILLISECOND
from tradecore.testing.local_venue.http_message import HttpAnswer, HttpRequest
from tradecore.testing.local_venue.request_budget import BANNED, RequestBudget, Spent
from tradecore.testing.local_venue.venue_connection import VenueConnection
from tradecore.testing.local_venue.venue_play import VenuePlay

_ACCEPTED: Final = 200
_CONNECT_WEIGHT: Final = 2
_TOO_MUCH: Final = -1003
_UNKNOWN_METHOD: Final = -1099

_REST: Final = {
    "/api/v3/ping": "ping",
    "/api/v3/time": "time",
    "/api/v3/exchangeInfo": "exchangeInfo",
    "/api/v3/depth": "depth",
    "/api/v3/trades": "trades.recent",
    "/api/v3/historicalTrades": "trades.historical",
    "/api/v3/aggTrades": "trades.aggregate",
    "/api/v3/klines": "klines",
    "/api/v3/ticker/24hr": "ticker.24hr",
    "/api/v3/ticker/price": "ticker.price",
    "/api/v3/ticker/bookTicker": "ticker.book",
    "/api/v3/avgPrice": "avgPrice",
}


class BinanceRequests:
    """All that Binance's request side shares: the questions and the budget."""

    def __init__(self, play: VenuePlay) -> None:
        self.play: Final = play
        self.queries: Final = BinanceQueries(play)
        self.budget: Final = RequestBudget(WEIGHT_LIMIT)

    def answer_rest(self, request: HttpRequest) -> HttpAnswer | None:
        """The answer to a REST request; None when the path is not Binance's."""
        if not request.path.startswith("/api/"):
            return None
        name = _REST.get(request.path)
        if name is None:
            return HttpAnswer.of_json(_error(_UNKNOWN_METHOD, f"Path {request.path} is not served."), 404)
        if request.method != "GET":
            return HttpAnswer.of_json(_error(_UNKNOWN_METHOD, f"Method {request.method} is not served here."), 405)
        params = request.read_params()
        now_ns = self.play.now_ns()
        spent = self.budget.spend(self.queries.weigh(name, params), now_ns)
        used = ("X-MBX-USED-WEIGHT-1M", str(spent.used))
        if spent.status != _ACCEPTED:
            wait = ("Retry-After", str(-((now_ns - spent.retry_at_ns) // SECOND_NS)))
            return HttpAnswer.of_json(_error(_TOO_MUCH, _budget_text(spent)), spent.status, headers=(used, wait))
        try:
            result = self.queries.ask(name, params)
        except BinanceRefusal as refusal:
            return HttpAnswer.of_json(_error(refusal.code, refusal.message), refusal.status, headers=(used,))
        return HttpAnswer.of_json(result, headers=(used,), delay_s=self.read_delay(name))

    def read_delay(self, name: str) -> float:
        """Seconds of the venue's time that an answer takes: faults may slow history."""
        return self.play.faults.read_seconds("slow_history", "binance") if name in HISTORY else 0.0


class BinanceApiSession:
    """One connection to the WebSocket API. See VenueSession for what its methods mean."""

    def __init__(
        self, requests: BinanceRequests, connection: VenueConnection, *, in_microseconds: bool, shows_limits: bool
    ) -> None:
        self._requests, self._connection = requests, connection
        self._unit = MICROSECOND if in_microseconds else MILLISECOND
        self._shows_limits = shows_limits

    def on_open(self) -> None:
        """Connecting costs weight, too; the session's end is planned."""
        play = self._requests.play
        self._requests.budget.spend(_CONNECT_WEIGHT, play.now_ns())
        life_ns = play.settings.session_ns
        notice_ns = min(600 * SECOND_NS, life_ns // 2)
        play.schedule(
            play.now_ns() + life_ns - notice_ns, lambda: play.end_session(self._connection, notice_ns / SECOND_NS)
        )

    def on_closed(self) -> None:
        """Nothing is kept for it."""

    def on_session_ending(self) -> None:
        """Tell the client to connect anew."""
        now = self._requests.play.server_ns("binance") // self._unit
        self._connection.send(f'{{"event":{{"e":"serverShutdown","E":{now}}}}}')

    def on_text(self, text: str) -> None:
        """Answer a request, at once or as late as a fault says."""
        name, answer = self._answer(text)
        encoded = msgspec.json.encode(answer).decode()
        delay_s = self._requests.read_delay(name)
        if delay_s:
            play = self._requests.play
            play.schedule(play.now_ns() + int(delay_s * SECOND_NS), lambda: self._connection.send(encoded))
        else:
            self._connection.send(encoded)

    def _answer(self, text: str) -> tuple[str, Any]:
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return "", self._refuse(None, 400, _error(-1000, "JSON parsing error."))
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return "", self._refuse(None, 400, _error(-1000, "Invalid request: missing field `method`."))
        name, request_id, params = request["method"], request.get("id"), request.get("params", {})
        if name not in self._requests.queries or not isinstance(params, dict):
            return "", self._refuse(request_id, 400, _error(_UNKNOWN_METHOD, f"Method {name} is not served here."))
        now_ns = self._requests.play.now_ns()
        spent = self._requests.budget.spend(self._requests.queries.weigh(name, params), now_ns)
        if spent.status != _ACCEPTED:
            error = _error(_TOO_MUCH, _budget_text(spent))
            error["data"] = {"serverTime": now_ns // MILLISECOND, "retryAfter": spent.retry_at_ns // MILLISECOND}
            return "", self._refuse(request_id, spent.status, error)
        try:
            result = self._requests.queries.ask(name, params, unit=self._unit)
        except BinanceRefusal as refusal:
            return name, self._refuse(request_id, refusal.status, _error(refusal.code, refusal.message))
        return name, {"id": request_id, "status": _ACCEPTED, "result": result, **self._limits(spent.used)}

    def _refuse(self, request_id: Any, status: int, error: dict[str, Any]) -> Any:
        return {"id": request_id, "status": status, "error": error, **self._limits(None)}

    def _limits(self, used: int | None) -> dict[str, Any]:
        if not self._shows_limits or used is None:
            return {}
        window = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        return {"rateLimits": [{**window, "limit": WEIGHT_LIMIT, "count": used}]}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "msg": message}


def _budget_text(spent: Spent) -> str:
    until = spent.retry_at_ns // MILLISECOND
    if spent.status == BANNED:
        return f"Way too much request weight used; IP banned until {until}."
    return f"Too much request weight used; current limit is {WEIGHT_LIMIT} request weight per 1 MINUTE."

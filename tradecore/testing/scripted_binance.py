"""ScriptedBinance: the Binance Spot skin of the ScriptedVenue: streams, and the questions of the WebSocket API.

Written from VENUES 4.1, not from the adapter: both sharing an error would hide it.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import msgspec
from websockets.asyncio.server import ServerConnection

from tradecore.testing.scripted_venue import PublishedTrade, ScriptedVenue
from tradecore.venues.binance_venue import BinanceVenue
from tradecore.venues.connection_settings import ConnectionSettings

MINUTE_US = 60_000_000
MAX_US = 2**53


class ScriptedBinance(ScriptedVenue):
    """BTCUSDT. book: what `depth` answers (lastUpdateId, bids, asks as text). errors: method to status and error."""

    instrument: ClassVar[str] = "BTCUSDT.BINANCE"

    def __init__(self, clock: Any, host: str = "venue.test") -> None:
        super().__init__(clock, host)
        self.book: tuple[int, list[list[str]], list[list[str]]] = (0, [], [])
        self.errors: dict[str, list[tuple[int, dict[str, Any]]]] = {}

    def make_venue(self, settings: ConnectionSettings) -> BinanceVenue:
        """The adapter, pointed here."""
        url = f"ws://{self.host}:{self.port}"
        return BinanceVenue(clock=self.clock, seed=7, stream_url=url, api_url=f"{url}/ws-api/v3", settings=settings)

    def is_stream_path(self, path: str) -> bool:
        """/stream and /ws are for market data, /ws-api for questions."""
        return not path.startswith("/ws-api")

    async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
        """A subscription, or a question."""
        wanted = self.subscriptions.get(socket)
        if wanted is None:
            await socket.send(msgspec.json.encode(self._reply(request)).decode())
            return
        if request["method"] == "SUBSCRIBE":
            wanted.update(request["params"])
        elif request["method"] == "UNSUBSCRIBE":
            wanted.difference_update(request["params"])
        if self.acknowledges:
            await socket.send(f'{{"result":null,"id":{request["id"]}}}')

    def encode_trade(self, trade: PublishedTrade) -> tuple[str, str]:
        """A combined frame."""
        ts = trade.ts_event // 1_000
        data = (
            f'{{"e":"trade","E":{ts},"s":"BTCUSDT","t":{trade.number},"p":"{trade.price:.8f}","q":"{trade.size:.8f}",'
            f'"T":{ts},"m":{str(trade.is_sell).lower()},"M":true}}'
        )
        return "btcusdt@trade", f'{{"stream":"btcusdt@trade","data":{data}}}'

    def encode_quote(self, number: int, bid: float, ask: float) -> tuple[str, str]:
        """A combined frame, without any time."""
        data = f'{{"u":{number},"s":"BTCUSDT","b":"{bid}","B":"1.5","a":"{ask}","A":"2.5"}}'
        return "btcusdt@bookTicker", f'{{"stream":"btcusdt@bookTicker","data":{data}}}'

    async def publish_change(self, first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> None:
        """A change of the book."""
        change = {
            "e": "depthUpdate", "E": self.now_ns() // 1_000, "s": "BTCUSDT",
            "U": first, "u": last, "b": bids, "a": asks,
        }  # fmt: skip
        frame = msgspec.json.encode({"stream": "btcusdt@depth@100ms", "data": change}).decode()
        await self._send("btcusdt@depth@100ms", frame, to=None)

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        method, params = request["method"], request.get("params", {})
        queued = self.errors.get(method)
        if queued:
            status, error = queued.pop(0)
            return {"id": request["id"], "status": status, "error": error}
        symbol = params.get("symbol") or next(iter(params.get("symbols", ["BTCUSDT"])))
        if symbol != "BTCUSDT":
            return {"id": request["id"], "status": 400, "error": {"code": -1121, "msg": "Invalid symbol."}}
        result = {
            "time": self._time,
            "exchangeInfo": self._info,
            "trades.historical": self._historical,
            "trades.aggregate": self._aggregate,
            "klines": self._klines,
            "depth": self._depth,
        }[method](params)
        limits = [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000, "count": 1}
        ]
        return {"id": request["id"], "status": 200, "result": result, "rateLimits": limits}

    def _time(self, _params: dict[str, Any]) -> Any:
        return {"serverTime": self.now_ns() // 1_000}

    def _info(self, _params: dict[str, Any]) -> Any:
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001000"},
        ]
        symbol = {
            "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters,
        }  # fmt: skip
        return {"timezone": "UTC", "serverTime": self.now_ns() // 1_000, "symbols": [symbol]}

    def _historical(self, params: dict[str, Any]) -> Any:
        rows = [trade for trade in self.trades if trade.number >= params["fromId"]][: params["limit"]]
        return [
            {
                "id": trade.number, "price": f"{trade.price:.8f}", "qty": f"{trade.size:.8f}", "quoteQty": "0",
                "time": trade.ts_event // 1_000, "isBuyerMaker": trade.is_sell, "isBestMatch": True,
            }
            for trade in rows
        ]  # fmt: skip

    def _aggregate(self, params: dict[str, Any]) -> Any:
        if "startTime" in params:
            rows = [trade for trade in self.trades if trade.ts_event // 1_000 >= params["startTime"]][: params["limit"]]
        else:
            rows = self.trades[-params["limit"] :]
        return [
            {"a": 1, "p": "1", "q": "1", "f": row.number, "l": row.number, "T": row.ts_event // 1_000} for row in rows
        ]

    def _klines(self, params: dict[str, Any]) -> Any:
        """A bar of every minute from the truth's first trade to now, the open one included, empty ones flat."""
        assert params["interval"] == "1m", "this venue makes minutes"
        if not self.trades:
            return []
        first = self.trades[0].ts_event // 1_000 // MINUTE_US * MINUTE_US
        last = min(params.get("endTime", MAX_US), self.now_ns() // 1_000) // MINUTE_US * MINUTE_US
        start = params.get("startTime", last - (params["limit"] - 1) * MINUTE_US)
        first = max(first, -(-start // MINUTE_US) * MINUTE_US)
        by_minute: dict[int, list[PublishedTrade]] = {}
        for trade in self.trades:
            by_minute.setdefault(trade.ts_event // 1_000 // MINUTE_US * MINUTE_US, []).append(trade)
        rows: list[list[Any]] = []
        close = next((part[-1].price for at, part in reversed(by_minute.items()) if at < first), 0.0)
        for opening in range(first, last + 1, MINUTE_US)[: params["limit"]]:
            rows.append(_make_kline(opening, by_minute.get(opening, []), close))
            close = float(rows[-1][4])
        return rows

    def _depth(self, _params: dict[str, Any]) -> Any:
        last, bids, asks = self.book
        return {"lastUpdateId": last, "bids": bids, "asks": asks}


def _make_kline(opening: int, trades: list[PublishedTrade], close_before: float) -> list[Any]:
    """The twelve elements of a kline; an empty one repeats the close before it."""
    prices = [trade.price for trade in trades] or [close_before]
    volume = math.fsum(trade.size for trade in trades)
    o, h, low, c = (f"{price:.8f}" for price in (prices[0], max(prices), min(prices), prices[-1]))
    return [opening, o, h, low, c, f"{volume:.8f}", opening + MINUTE_US - 1, "0", len(trades), "0", "0", "0"]

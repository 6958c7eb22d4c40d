"""ScriptedKraken: the Kraken v2 skin of the ScriptedVenue: channels, heartbeats, and Trades over REST.

Written from VENUES 4.2, not from the adapter: both sharing an error would hide it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec
from websockets.asyncio.server import ServerConnection

from tradecore.domain.instant import format_ns
from tradecore.testing.scripted_venue import PublishedTrade, ScriptedVenue
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.kraken_venue import KrakenVenue

HEARTBEAT = '{"channel":"heartbeat"}'


class ScriptedKraken(ScriptedVenue):
    """BTC/USD. beats: it sends heartbeats. http_answers: raw answers to give first, before it serves trades."""

    instrument: ClassVar[str] = "BTC/USD.KRAKEN"

    def __init__(self, clock: Any, host: str = "venue.test") -> None:
        super().__init__(clock, host)
        self.beats = True
        self.rest_port = 0
        self.http_targets: list[str] = []
        self.http_answers: list[bytes] = []
        self.whole_book: dict[str, Any] | None = None

    def make_venue(self, settings: ConnectionSettings) -> KrakenVenue:
        """The adapter, pointed here."""
        return KrakenVenue(
            clock=self.clock,
            seed=7,
            stream_url=f"ws://{self.host}:{self.port}/v2",
            rest_url=f"http://{self.host}:{self.rest_port}",
            settings=settings,
        )

    def is_stream_path(self, path: str) -> bool:
        """The one path is for market data."""
        return path == "/v2"

    async def answer(self, socket: ServerConnection, request: dict[str, Any]) -> None:
        """A subscription, answered by symbol, or a ping."""
        method, number = request["method"], request["req_id"]
        times = {"time_in": self._now(), "time_out": self._now()}
        if method == "ping":
            await self._answer(socket, {"method": "pong", "req_id": number, **times})
            return
        channel = request["params"]["channel"]
        if channel == "instrument":
            await self._answer(
                socket, {"method": method, "result": {"channel": channel}, "success": True, "req_id": number}
            )
            await self._answer(socket, {"channel": "instrument", "type": "snapshot", "data": _INSTRUMENTS})
            return
        if not self.acknowledges:
            return
        for symbol in request["params"]["symbol"]:
            wanted = self.subscriptions[socket]
            (wanted.add if method == "subscribe" else wanted.discard)(channel)
            result = {"channel": channel, "symbol": symbol}
            await self._answer(socket, {"method": method, "result": result, "success": True, "req_id": number, **times})
        if channel == "book" and method == "subscribe" and self.whole_book is not None:
            await self._answer(socket, {"channel": "book", "type": "snapshot", "data": [self.whole_book]})

    def encode_trade(self, trade: PublishedTrade) -> tuple[str, str]:
        """A frame of one trade, numbers as JSON numbers."""
        said = (
            f'{{"symbol":"BTC/USD","side":"{"sell" if trade.is_sell else "buy"}","price":{trade.price},'
            f'"qty":{trade.size:.8f},"ord_type":"limit","trade_id":{trade.number},"timestamp":"{format_ns(trade.ts_event)}"}}'
        )
        return "trade", f'{{"channel":"trade","type":"update","data":[{said}]}}'

    def encode_quote(self, number: int, bid: float, ask: float) -> tuple[str, str]:
        """A frame of the ticker; the number makes its time."""
        ts = format_ns(self.now_ns() // 1_000 * 1_000 + number * 1_000)
        said = (
            f'{{"symbol":"BTC/USD","bid":{bid},"bid_qty":1.5,"ask":{ask},"ask_qty":2.5,"last":100.0,"volume":1.0,'
            f'"vwap":100.0,"low":99.0,"high":101.0,"change":0.0,"change_pct":0.0,"timestamp":"{ts}"}}'
        )
        return "ticker", f'{{"channel":"ticker","type":"update","data":[{said}]}}'

    async def publish_book(self, kind: str, book: dict[str, Any]) -> None:
        """A whole book ("snapshot") or a change of it ("update")."""
        frame = msgspec.json.encode({"channel": "book", "type": kind, "data": [book]}).decode()
        await self._send("book", frame, to=None)

    # --------------------------------------------------------------------------------------------------------- REST

    @asynccontextmanager
    async def open_rest(self) -> AsyncIterator[None]:
        """Serve REST and send heartbeats for as long as the context lasts."""
        server = await asyncio.start_server(self._serve_http, self.host, 0)
        self.rest_port = next(iter(server.sockets)).getsockname()[1]
        async with server, anyio.create_task_group() as tasks:
            tasks.start_soon(self._beat)
            yield
            tasks.cancel_scope.cancel()

    async def _beat(self) -> None:
        while True:
            await anyio.sleep(1)
            if self.beats:
                for socket, wanted in list(self.subscriptions.items()):
                    if wanted:
                        await self._tell(socket, HEARTBEAT)

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = head.split(" ")[1]
        self.http_targets.append(target)
        if self.http_answers:
            writer.write(self.http_answers.pop(0))
        else:
            asked = urlsplit(target)
            answer = self._depth if asked.path == "/0/public/Depth" else self._trades
            body = msgspec.json.encode(answer(parse_qs(asked.query)))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _trades(self, query: dict[str, list[str]]) -> dict[str, Any]:
        limit = int(query["count"][0])
        if "since" in query:
            since = int(query["since"][0])
            rows = [trade for trade in self.trades if trade.ts_event > since][:limit]
        else:
            since, rows = 0, self.trades[-limit:]
        said = [
            [
                f"{row.price:.5f}",
                f"{row.size:.8f}",
                _Seconds(row.ts_event),
                "s" if row.is_sell else "b",
                "l",
                "",
                row.number,
            ]
            for row in rows
        ]
        last = rows[-1].ts_event if rows else since
        return {"error": [], "result": {"XXBTZUSD": [_to_json(row) for row in said], "last": str(last)}}

    def _depth(self, query: dict[str, list[str]]) -> dict[str, Any]:
        book, at = self.whole_book or {"bids": [], "asks": []}, self.now_ns() // 10**9
        sides = {
            side: [[str(level["price"]), str(level["qty"]), at] for level in book[side]] for side in ("bids", "asks")
        }
        return {"error": [], "result": {"XXBTZUSD": sides}}

    async def _answer(self, socket: ServerConnection, answer: dict[str, Any]) -> None:
        await self._tell(socket, msgspec.json.encode(answer).decode())

    def _now(self) -> str:
        return format_ns(self.now_ns() // 1_000 * 1_000)


class _Seconds(int):
    """Nanoseconds that REST writes as seconds with a fraction."""


def _to_json(row: list[Any]) -> list[Any]:
    """The row with its time written exactly: a float would lose the last microseconds' digits."""
    return [
        msgspec.Raw(b"%d.%07d" % (item // 10**9, item % 10**9 // 100)) if isinstance(item, _Seconds) else item
        for item in row
    ]


_INSTRUMENTS = {
    "assets": [{"id": "BTC", "status": "enabled", "precision": 10}],
    "pairs": [
        {
            "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "status": "online", "qty_precision": 8,
            "qty_increment": 1e-08, "price_precision": 1, "price_increment": 0.1, "qty_min": 0.0001, "cost_min": 0.5,
            "cost_precision": 5, "marginable": True,
        }
    ],
}  # fmt: skip

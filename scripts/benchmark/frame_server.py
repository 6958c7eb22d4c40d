"""python -m benchmark.frame_server: a venue that does nothing but send frames of trades, as fast as they are taken.

It says its port on a line of its own. A stream connection (/stream) gets its subscriptions acknowledged; a request on
/ws-api/v3 is answered as far as a live run asks before it goes live: no history, one instrument, the time. GET of a
websocket at /go?count=N&rate=R then sends N trades to all stream connections: R a second, or without pause for R = 0.
Frames are made, and framed, before the first one is sent: what is measured is who takes them.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve

from tradecore.engine.timeline import SystemClock

CHUNK_FRAMES = 300


class FrameServer:
    """next_id: of the trade that is sent next."""

    def __init__(self) -> None:
        self.streams: set[ServerConnection] = set()
        self.next_id = 1

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        path = urlsplit(socket.request.path)
        if path.path == "/go":
            asked = parse_qs(path.query)
            await self.send(int(asked["count"][0]), float(asked["rate"][0]))
        elif path.path == "/stream":
            await self.serve_stream(socket)
        else:
            async for message in socket:
                await socket.send(json.dumps(answer(json.loads(message))))

    async def serve_stream(self, socket: ServerConnection) -> None:
        self.streams.add(socket)
        try:
            async for message in socket:
                await socket.send(json.dumps({"result": None, "id": json.loads(message)["id"]}))
        finally:
            self.streams.discard(socket)

    async def send(self, count: int, rate: float) -> None:
        # Later than any history that a run would ask for: what is measured is live.
        begin_ms = SystemClock().wall_ns() // 1_000_000 + 60_000
        frames = [frame_of(number, begin_ms) for number in range(self.next_id, self.next_id + count)]
        self.next_id += count
        for socket in list(self.streams):
            if rate:
                await send_at(socket, frames, rate)
            else:
                await send_all(socket, frames)


async def send_all(socket: ServerConnection, frames: list[bytes]) -> None:
    """Straight into the transport: one call of the library for each frame would take longer than who takes them."""
    for place in range(0, len(frames), CHUNK_FRAMES):  # whole ones: the library may write a pong in between
        socket.transport.write(b"".join(frames[place : place + CHUNK_FRAMES]))
        await socket.drain()


async def send_at(socket: ServerConnection, frames: list[bytes], rate: float) -> None:
    """One by one, each at its time."""
    began = time.perf_counter()
    for number, frame in enumerate(frames):
        wait = began + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        socket.transport.write(frame)


def frame_of(number: int, begin_ms: int) -> bytes:
    """A trade, in the venue's words, as one unmasked text frame of a websocket."""
    ms = begin_ms + number
    data = {
        "e": "trade", "E": ms, "s": "BTCUSDT", "t": number, "p": f"{42_000 + number % 1_000 / 100:.2f}",
        "q": "0.00100000", "T": ms, "m": number % 2 == 0, "M": True,
    }  # fmt: skip
    payload = json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":")).encode()
    assert 126 <= len(payload) < 65_536, "a frame of two bytes of length"
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """What a run asks before it goes live."""
    results: dict[str, Any] = {
        "time": {"serverTime": SystemClock().wall_ns() // 1_000},
        "exchangeInfo": {"symbols": [{
            "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                        {"filterType": "LOT_SIZE", "stepSize": "0.00001"}],
        }]},
    }  # fmt: skip
    return {"id": asked["id"], "status": 200, "result": results.get(asked["method"], []), "rateLimits": []}


async def main() -> None:
    server = FrameServer()
    async with serve(server.handle, "127.0.0.1", 0, compression=None, ping_interval=None) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())

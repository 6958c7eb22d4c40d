"""The second skin: an unmodified websockets client and server in memory, on virtual time, at any speed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tradecore.domain.instant import HOUR_NS, MINUTE_NS, SECOND_NS, parse_ns
from tradecore.testing.local_venue import SyntheticSource, VenueSettings, open_local_venue, open_venue_server
from tradecore.testing.virtual_run import run_virtual

START_NS = parse_ns("2024-01-02T10:00:00Z")
HOST, PORT = "venue.test", 9443


def play(talk: Callable[[Any], Any], *, seed: int = 1, steps: float = 1.0, **settings: Any) -> Any:
    """What `talk(server)` gives, on virtual time."""

    async def main() -> Any:
        source = SyntheticSource(START_NS, seed=seed, steps_per_second=steps, history_ns=MINUTE_NS)
        async with (
            open_local_venue(source, VenueSettings(seed=seed, **settings)) as venue,
            open_venue_server(venue, HOST, PORT) as server,
        ):
            return await talk(server)

    return run_virtual(main, seed=seed, start=START_NS)


async def read_for(server: Any, target: str, seconds: float) -> list[tuple[float, str]]:
    """(our own seconds, frame) of so many of our own seconds."""
    loop, frames = asyncio.get_running_loop(), []
    async with connect(f"ws://{HOST}:{PORT}{target}", proxy=None) as socket:
        began = loop.time()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    text = await socket.recv()
                    assert isinstance(text, str)
                    frames.append((loop.time() - began, text))
        except TimeoutError:
            return frames


@pytest.mark.parametrize("speed", [1.0, 20.0, 0.5])
def test_everything_that_depends_on_time_scales_with_the_speed(speed: float) -> None:
    """One bar frame each 2 s of the venue's time: so many of our own seconds are 60 s of it."""
    frames = play(lambda server: read_for(server, "/ws/btcusdt@kline_1m", 60 / speed), speed=speed)
    times = [json.loads(text)["E"] for _, text in frames if not json.loads(text)["k"]["x"]]
    assert len(times) in (29, 30)
    assert {after - before for before, after in pairwise(times)} == {2_000}
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(frames)]
    assert max(gaps) == pytest.approx(2 / speed, abs=0.01)


def test_the_same_seed_gives_the_same_frames_at_the_same_instants() -> None:
    runs = [
        play(lambda server: read_for(server, "/stream?streams=btcusdt@trade/ethusdt@depth@100ms", 30), seed=seed,
             speed=3.0, steps=10.0)
        for seed in (5, 5, 6)
    ]  # fmt: skip
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) > 100


def test_a_connection_lives_for_24_hours_and_says_when_it_ends() -> None:
    """A day at 60x is 24 minutes of virtual time and a few seconds of ours; pings keep it alive until then."""

    async def talk(server: Any) -> tuple[list[Any], float]:
        loop = asyncio.get_running_loop()
        began, notices = loop.time(), []
        async with connect(f"{server.urls['binance_stream']}/ws", proxy=None) as socket:
            try:
                while True:
                    notices.append(json.loads(await socket.recv()))
            except ConnectionClosed:
                return notices, loop.time() - began

    notices, lived_s = play(talk, speed=60.0, steps=0.01)
    assert [notice["e"] for notice in notices] == ["serverShutdown"]
    assert lived_s == pytest.approx(24 * 60, abs=0.1)


def test_a_client_that_sends_no_pong_is_closed_after_a_minute() -> None:
    """VENUES 4.1: a ping each 20 s, a pong within 60 s, all of the venue's time."""

    async def talk(server: Any) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await asyncio.open_connection(HOST, PORT)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.read()  # the handshake's answer, pings, the close: all that comes until the end
        while await reader.read():
            pass
        writer.close()
        return loop.time() - began

    assert play(talk, speed=2.0) == pytest.approx((20 + 60) / 2, abs=3)


def test_history_and_stream_join_whenever_a_client_comes() -> None:
    """Subscribe, then ask for history from before the first trade seen: no id lost, none twice but the overlap."""

    async def talk(server: Any) -> None:
        for _ in range(5):
            async with connect(f"{server.urls['binance_stream']}/ws/btcusdt@trade", proxy=None) as socket:
                first = json.loads(await socket.recv())["t"]
            async with connect(server.urls["binance_api"], proxy=None) as api:
                params = {"symbol": "BTCUSDT", "fromId": first - 5, "limit": 6}
                await api.send(json.dumps({"id": 1, "method": "trades.historical", "params": params}))
                answer = json.loads(await api.recv())
            assert [row["id"] for row in answer["result"]] == list(range(first - 5, first + 1))
            await asyncio.sleep(7)

    play(talk, steps=5.0)


def test_an_idle_venue_wakes_for_nothing() -> None:
    """A recording that is over leaves no timers behind: a virtual day passes at once."""

    async def main() -> int:
        source = SyntheticSource(START_NS, seed=1, steps_per_second=0.001, history_ns=0)
        async with open_local_venue(source, VenueSettings(speed=HOUR_NS / SECOND_NS)) as venue:
            await asyncio.sleep(24)
            return venue.clock.now_ns() - START_NS

    assert run_virtual(main, seed=1, start=START_NS) >= 24 * HOUR_NS

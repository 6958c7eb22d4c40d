"""Live intake: frames of a loopback socket to a callback, in phases A to D, next to a bare loop in the same process.

The frames come from a process of its own (frame_server.py), which is faster than either. The bare loop is what one
would write without an engine: `websockets`, one msgspec decoder for the whole frame, a method that counts.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio
import msgspec
from websockets.asyncio.client import connect

import tradecore as tc
from tradecore.domain.phase import Phase, PhaseChanged
from tradecore.engine.timeline import SystemClock
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.run_live import run_live
from tradecore.venues.binance_venue import BinanceVenue

ID = "BTCUSDT.BINANCE"
FRAMES = 100_000
CACHED = 300_000
RATE = 1_000
RATED_S = 5
IDLE_S = 5.0


class _Trade(msgspec.Struct, gc=False):
    t: int
    p: str
    q: str
    T: int
    m: bool


class _Frame(msgspec.Struct, gc=False):
    data: _Trade


class Intake(NamedTuple):
    """CPU and wall seconds between the first and the last callback; how late each was (ns), where it was asked for."""

    cpu_s: float
    wall_s: float
    delays_ns: list[int]


class Server:
    """The process that sends."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmark.frame_server"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    async def send(self, count: int, rate: int) -> None:
        """Let it send, and return when it has."""
        async with connect(f"ws://127.0.0.1:{self.port}/go?count={count}&rate={rate}", proxy=None) as socket:
            await socket.wait_closed()


class Meter:
    """Counts callbacks, and notes when the first and the last came."""

    def __init__(self, count: int) -> None:
        self.count, self.met = count, 0
        self.delays_ns: list[int] = []
        self._cpu = self._wall = 0.0
        self.result: Intake | None = None

    def meet(self) -> bool:
        """Another callback; True with the last."""
        self.met += 1
        if self.met == 1:
            self._cpu, self._wall = time.process_time(), time.perf_counter()
        elif self.met == self.count:
            took = time.process_time() - self._cpu, time.perf_counter() - self._wall
            self.result = Intake(*took, self.delays_ns)
            return True
        return False


# ------------------------------------------------------------------------------------------------------- the bare loop


class BareStrategy:
    """What the callback of the bare loop does: as much as the other one's."""

    def __init__(self, meter: Meter) -> None:
        self.meter, self.last = meter, 0.0

    def on_trade(self, trade: _Trade) -> bool:
        self.last = float(trade.p)
        return self.meter.meet()


async def run_bare(server: Server, count: int, rate: int) -> Intake:
    meter = Meter(count)
    on_trade, delays_ns = BareStrategy(meter).on_trade, meter.delays_ns
    decode, now = msgspec.json.Decoder(_Frame).decode, SystemClock().wall_ns
    async with connect(f"ws://127.0.0.1:{server.port}/stream", proxy=None, compression=None) as socket:
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}))
        await socket.recv()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.send, count, rate)
            receive = socket.recv
            if rate:
                while True:
                    frame = await receive(decode=False)
                    received = now()
                    is_last = on_trade(decode(frame).data)
                    delays_ns.append(now() - received)
                    if is_last:
                        break
            else:
                while not on_trade(decode(await receive(decode=False)).data):
                    pass
    assert meter.result is not None
    return meter.result


# ---------------------------------------------------------------------------------------------------------- the engine


class LiveStrategy(tc.Strategy):
    """on_live: awaited when D begins. on_replay: awaited in B, before anything."""

    def __init__(self, meter: Meter, begin: dict[Phase, Callable[[], Any]]) -> None:
        self.meter, self.begin, self.last = meter, begin, 0.0
        self.phase_cpu: dict[Phase, float] = {}

    def on_start(self) -> None:
        self.subscribe_to_trades(ID)

    async def on_phase_changed(self, change: PhaseChanged) -> None:
        self.phase_cpu[change.phase] = time.process_time()
        if change.phase in self.begin:
            await self.begin[change.phase]()

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.last = tick.price
        if self.meter.meet():
            self.stop_run()


class TimedStrategy(LiveStrategy):
    """Also notes how long after its frame each callback came."""

    received: FrameTimes

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        super().on_trade_tick(tick)
        self.meter.delays_ns.append(self.received.clock.wall_ns() - self.received.times[tick.trade_id])


class CountingStrategy(LiveStrategy):
    """Does what the strategy of W3 does."""

    count = 0

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1
        self.last = tick.price


class FrameTimes:
    """When each frame came: before it was decoded, as in the bare loop."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.times: dict[Any, int] = {}
        self._last = 0

    def note_frame(self, frame: str | bytes) -> None:
        del frame
        self._last = self.clock.wall_ns()

    def note_arrival(self, number: int, raw_ns: int, arrival: Any) -> None:
        del number, raw_ns
        self.times[getattr(arrival, "trade_id", None)] = self._last


async def run_engine(
    server: Server, strategy: LiveStrategy, *, recorder: Any = None, watch: Any = None, duration: Any = None
) -> None:
    clock = SystemClock()
    url = f"ws://127.0.0.1:{server.port}"
    venue = BinanceVenue(clock=clock, seed=1, stream_url=url, api_url=f"{url}/ws-api/v3")
    await run_live(
        strategies=strategy, venues={"BINANCE": venue}, clock=clock, recorder=recorder, watch=watch, duration=duration,
        handover=HandoverSettings(buffer_events=1_000_000, overlap_s=0.0, on_broken="allow", ask_times=0),
    )  # fmt: skip


async def run_throughput(server: Server, count: int) -> Intake:
    meter = Meter(count)
    async with anyio.create_task_group() as tasks:

        async def begin() -> None:
            tasks.start_soon(server.send, count, 0)

        await run_engine(server, LiveStrategy(meter, {Phase.D_LIVE: begin}))
    assert meter.result is not None
    return meter.result


async def run_rated(server: Server, count: int, rate: int) -> Intake:
    meter = Meter(count)
    async with anyio.create_task_group() as tasks:

        async def begin() -> None:
            tasks.start_soon(server.send, count, rate)

        strategy = TimedStrategy(meter, {Phase.D_LIVE: begin})
        strategy.received = FrameTimes()
        await run_engine(server, strategy, recorder=strategy.received)
    assert meter.result is not None
    return meter.result


async def run_catch_up(server: Server, count: int) -> float:
    """CPU seconds of phase C over so many cached events."""
    runs: list[LiveRun] = []

    async def fill() -> None:
        """Phase B does not go on before all is in the cache."""
        await server.send(count, 0)
        while runs[0].buffer.received < count:  # noqa: ASYNC110  (the buffer tells its reader alone)
            await anyio.sleep(0.01)

    strategy = CountingStrategy(Meter(count), {Phase.B_REPLAY: fill})
    async with anyio.create_task_group() as tasks:

        async def on_live() -> None:
            runs[0].scope.cancel()

        strategy.begin[Phase.D_LIVE] = on_live
        await run_engine(server, strategy, watch=runs.append)
        tasks.cancel_scope.cancel()
    assert strategy.count == count, f"{strategy.count} of {count} were delivered"
    return strategy.phase_cpu[Phase.D_LIVE] - strategy.phase_cpu[Phase.C_CATCH_UP]


async def run_idle(server: Server, seconds: float) -> float:
    """Share of a core that a live run uses while nothing comes."""
    runs: list[LiveRun] = []
    used: list[float] = []

    async def measure() -> None:
        async def wait() -> None:
            await anyio.sleep(1)
            cpu, wall = time.process_time(), time.perf_counter()
            await anyio.sleep(seconds)
            used.append((time.process_time() - cpu) / (time.perf_counter() - wall))
            runs[0].scope.cancel()

        tasks.start_soon(wait)

    async with anyio.create_task_group() as tasks:
        await run_engine(server, LiveStrategy(Meter(1), {Phase.D_LIVE: measure}), watch=runs.append)
    return used[0]


def percentile(values: list[int], share: float) -> float:
    """In microseconds."""
    return round(sorted(values)[int(share * (len(values) - 1))] / 1_000, 1)


def measure_intake(rounds: int) -> dict[str, Any]:
    """All figures of live intake; the best of the rounds, bare and engine in turn."""
    server = Server()
    try:
        bare, engine = [], []
        for _ in range(rounds):
            bare.append(asyncio.run(run_bare(server, FRAMES, 0)))
            engine.append(asyncio.run(run_throughput(server, FRAMES)))
        bare_cpu, engine_cpu = min(one.cpu_s for one in bare), min(one.cpu_s for one in engine)
        bare_wall, engine_wall = min(one.wall_s for one in bare), min(one.wall_s for one in engine)
        slow_bare = asyncio.run(run_bare(server, RATE * RATED_S, RATE)).delays_ns
        slow_engine = asyncio.run(run_rated(server, RATE * RATED_S, RATE)).delays_ns
        catch_up = min(asyncio.run(run_catch_up(server, CACHED)) for _ in range(rounds))
        return {
            "messages_per_cpu_s": round(FRAMES / engine_cpu),
            "bare_messages_per_cpu_s": round(FRAMES / bare_cpu),
            "share": round(bare_cpu / engine_cpu, 3),
            "messages_per_s": round(FRAMES / engine_wall),
            "bare_messages_per_s": round(FRAMES / bare_wall),
            "share_of_messages_per_s": round(bare_wall / engine_wall, 3),
            "p50_us": percentile(slow_engine, 0.5),
            "p99_us": percentile(slow_engine, 0.99),
            "bare_p50_us": percentile(slow_bare, 0.5),
            "bare_p99_us": percentile(slow_bare, 0.99),
            "catch_up_events_per_cpu_s": round(CACHED / catch_up),
            "idle_share_of_core": round(asyncio.run(run_idle(server, IDLE_S)), 5),
        }
    finally:
        server.end()

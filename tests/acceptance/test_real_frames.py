"""The 94,000 real frames, served by a venue process over a real socket at 20 times their speed, through A to D.

The recorder's clock was 1.27 s behind the venue's: the venue plays each frame as much later, so that nothing is
published before it happened. The run lives by the venue's clock.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

import tradecore as tc
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.gate_reason import Reason, Refusal
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.phase import Phase, PhaseChanged
from tradecore.domain.stream import Stream
from tradecore.engine.timeline import ScaledClock
from tradecore.feeds.proof import Proof
from tradecore.runtime.frame_log_layout import open_log_readers
from tradecore.runtime.live_run import LiveRun
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.run_live import run_live
from tradecore.runtime.run_result import RunResult
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.read_tally import ReadTally
from tradecore.storage.market_data_storage import MarketDataStorage
from tradecore.storage.open_storage import open_storage
from tradecore.testing.local_venue import FrameSource
from tradecore.testing.local_venue.venue_action import PrintTrade, ShowQuote
from tradecore.testing.venue_fixtures import VenueProcess, venue_process
from tradecore.venues.binance_venue import BinanceVenue
from tradecore.venues.connection_settings import ConnectionSettings

__all__ = ["venue_process"]

pytestmark = [pytest.mark.real_data, pytest.mark.loopback, pytest.mark.slow, pytest.mark.timeout(400)]

RECORDING = "frames/binance_usdm_btcusdt_20240808.jsonl.gz"
ID = "BTCUSDT.BINANCE"
TRADES, QUOTES = Stream("trade_tick", ID), Stream("quote_tick", ID)
SPEED = 20
HISTORY_S = 100
STORED_S = 60

StartVenue = Callable[..., VenueProcess]


@pytest.fixture(scope="module")
def recording() -> Path:
    folder = os.environ.get("TRADECORE_DATA")
    if folder is None:
        pytest.skip("TRADECORE_DATA is not set; it names the folder of real market data")
    return Path(folder) / RECORDING


@pytest.fixture(scope="module")
def source(recording: Path) -> FrameSource:
    """What the venue plays, as it plays it: for its instants, ids and update numbers."""
    return FrameSource(recording)


async def fill_store(storage: MarketDataStorage, recording: Path, until_ns: int) -> None:
    """What an import of the log would have had until an instant of the venue's time."""
    readers = open_log_readers(recording, ImportSettings(layout="binance-frames", venue="BINANCE"), {})
    for reader in readers:
        if reader.kind in ("trade_tick", "quote_tick"):
            events = [event for _, event in reader.read(ReadTally()) if event.ts_event < until_ns]
            await storage.append(events)


class Witness(tc.Strategy):
    """Hears trades and quotes; slow in B, so that live events come meanwhile. gates: what the gate said, when."""

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        self.trades: list[tc.TradeTick] = []
        self.quotes: list[tuple[Phase, tc.QuoteTick]] = []
        self.phases: list[Phase] = []
        self.states: list[FeedStateChanged] = []
        self.live = anyio.Event()

    def on_start(self) -> None:
        self.subscribe_to_trades(ID, key="trades")
        self.subscribe_to_quotes(ID, key="quotes")

    def on_phase_changed(self, change: PhaseChanged) -> None:
        self.phases.append(change.phase)
        if change.phase is Phase.D_LIVE:
            self.live.set()

    def on_feed_state(self, change: FeedStateChanged) -> None:
        self.states.append(change)

    async def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.trades.append(tick)
        if self.phases[-1] is Phase.B_REPLAY and len(self.trades) % 100 == 0:
            await anyio.sleep(0.04)
        if tick.trade_id == str(self.last_id):
            self.stop_run()

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.quotes.append((self.phases[-1], tick))


class Scene:
    """A venue process, and a run against it."""

    def __init__(self, process: VenueProcess, last_id: int, rate: float) -> None:
        clock = process.read_control("clock")
        self.clock = ScaledClock(clock["now_ns"], rate)
        settings = ConnectionSettings(frame_deadline_s=0.5, lost_after_s=1.5, reconnect_min_s=0.5, reconnect_max_s=2.0)
        self.venue = BinanceVenue(
            clock=self.clock, seed=1, settings=settings,
            stream_url=process.urls["binance_stream"], api_url=process.urls["binance_api"],
        )  # fmt: skip
        self.witness = Witness(last_id)
        self.run: LiveRun | None = None

    async def go(self, storage: MarketDataStorage, start_ns: int) -> RunResult:
        def watch(run: LiveRun) -> None:
            self.run = run

        return await run_live(
            strategies=self.witness, venues={"BINANCE": self.venue}, storage=storage, start=start_ns,
            clock=self.clock, watch=watch, handover=HandoverSettings(lag_limit_s=60.0),
        )  # fmt: skip


def trade_ids(path: Path) -> list[int]:
    with gzip.open(path, "rt") as lines:
        frames = (json.loads(line.partition(" ")[2]).get("data", {}) for line in lines)
        return [frame["t"] for frame in frames if frame.get("e") == "trade"]


async def test_every_trade_comes_once_in_order_proved_while_history_is_still_replayed(
    venue_process: StartVenue, recording: Path, source: FrameSource
) -> None:
    """60 s are stored, 100 s are history when the run begins, and the other 245 s happen in some 12 of ours."""
    ids, begin_ns = trade_ids(recording), source.actions[0].at_ns
    assert source.shift_ns == pytest.approx(1.27 * SECOND_NS, abs=0.01 * SECOND_NS)
    cut_ns = begin_ns + STORED_S * SECOND_NS
    async with open_storage("memory:") as storage:
        await fill_store(storage, recording, cut_ns)
        process = venue_process("--market", f"frames:{recording}", "--speed", str(SPEED), "--history", str(HISTORY_S),
                                "--venue", "binance")  # fmt: skip
        scene = Scene(process, ids[-1], SPEED)
        result = await scene.go(storage, begin_ns - 10 * SECOND_NS)
    witness, handover = scene.witness, result.handover
    assert handover is not None
    reports = {report.stream: report for report in handover.streams}

    assert [int(tick.trade_id or 0) for tick in witness.trades] == ids, "every trade id once, and in order"
    trades = reports[str(TRADES)]
    assert trades.verdict.proof is Proof.PROVED
    assert trades.counts.stored > 1_000
    assert trades.counts.backfilled > 1_000
    assert trades.counts.live > 5_000
    assert (trades.open_holes, trades.declared, trades.counts.conflicts) == ((), (), 0)
    assert witness.phases == list(Phase)
    assert handover.buffer.depth_max > 5_000, "live events came while history was still replayed"

    check_quotes(witness, reports[str(QUOTES)], source, cut_ns)


def check_quotes(witness: Witness, report: Any, source: FrameSource, cut_ns: int) -> None:
    """The recorded part, one hole, and from the first live value on everything that the venue showed."""
    shown = [action for action in source.actions if type(action) is ShowQuote]
    recorded = [action for action in shown if action.event_ns < cut_ns]
    old = [quote for phase, quote in witness.quotes if phase is Phase.B_REPLAY]
    new = [quote for phase, quote in witness.quotes if phase is not Phase.B_REPLAY]
    assert [quote.sequence for quote in old] == [action.update_id for action in recorded]
    (hole,) = report.declared
    assert hole.after_ns == old[-1].ts_event == recorded[-1].event_ns
    assert hole.before_ns == new[0].ts_event
    assert report.verdict.proof is Proof.EXCUSED
    numbers = [action.update_id for action in shown]
    first = numbers.index(new[0].sequence)
    assert [quote.sequence for quote in new] == numbers[first : first + len(new)]
    assert len(recorded) < first, "there is a hole"
    # The run began 100 s into the recording; a second that it takes to connect is 20 of the market's.
    assert 0 < shown[first].at_ns - source.actions[0].at_ns - HISTORY_S * SECOND_NS < 80 * SECOND_NS
    assert len(numbers) - (first + len(new)) < 500, "those after the last trade were not waited for"
    assert all(before.ts_received < after.ts_received for before, after in pairwise(new))


async def test_a_venue_that_is_gone_for_ten_seconds_leaves_a_hole_that_is_filled_and_the_gate_says_why(
    venue_process: StartVenue, recording: Path, source: FrameSource
) -> None:
    """At 5 times their speed: the process is killed in D, and another one comes back at the same port, 50 s later."""
    rate, ids, begin_ns = 5, trade_ids(recording), source.actions[0].at_ns
    trades = [action for action in source.actions if type(action) is PrintTrade]
    options = ("--market", f"frames:{recording}", "--speed", str(rate), "--venue", "binance")
    process = venue_process(*options, "--history", "60")
    last = next(action.trade_id for action in trades if action.at_ns > begin_ns + 180 * SECOND_NS)
    assert last is not None
    scene = Scene(process, last, rate)
    gates: list[Reason | None] = []

    async def interrupt() -> None:
        await scene.witness.live.wait()
        await anyio.sleep(3)
        assert scene.run is not None
        gates.append(scene.run.gate(TRADES))
        process.end()
        await anyio.sleep(5)
        gates.append(scene.run.gate(TRADES))
        await anyio.sleep(5)
        gates.append(scene.run.gate(QUOTES))
        elapsed_s = (scene.clock.wall_ns() - begin_ns) / SECOND_NS + rate  # a process takes a second to come up
        await anyio.to_thread.run_sync(
            lambda: venue_process(*options, "--history", f"{elapsed_s:.0f}", "--listen", process_address(process))
        )
        while (reason := scene.run.gate(TRADES)) is not None and scene.witness.trades[-1].trade_id != str(last):
            gates.append(reason)
            await anyio.sleep(0.2)
        gates.append(reason)

    async with open_storage("memory:") as storage, anyio.create_task_group() as tasks:
        tasks.start_soon(interrupt)
        result = await scene.go(storage, begin_ns - 10 * SECOND_NS)
    witness = scene.witness
    heard = [int(tick.trade_id or 0) for tick in witness.trades]
    assert sorted(heard) == ids[: ids.index(last) + 1], "none is lost, none comes twice"
    assert result.handover is not None
    reports = {report.stream: report for report in result.handover.streams}
    assert reports[str(TRADES)].verdict.proof is Proof.PROVED
    assert reports[str(TRADES)].counts.requeried > 500, "history filled the hole"
    assert [hole.after_ns is None for hole in reports[str(QUOTES)].declared][-1:] == [False], "and quotes declare it"

    assert gates[0] is None, "before, orders were let pass"
    for gate in gates[1:3]:
        assert gate is not None
        assert gate.refusal is Refusal.NOT_FRESH
        assert "reconnecting" in gate.text
    assert {gate.refusal for gate in gates[3:-1] if gate is not None} <= {Refusal.NOT_FRESH, Refusal.UNPROVEN}
    assert gates[-1] is None, "and afterwards again"
    told = [change.state for change in witness.states if change.stream == TRADES]
    assert told[0] is FeedState.CONNECTED
    assert FeedState.RECONNECTING in told
    assert told[-1] is FeedState.RECOVERED


def process_address(process: VenueProcess) -> str:
    return f"127.0.0.1:{process.ready['port']}"

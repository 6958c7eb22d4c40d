"""Ctrl-C and SIGTERM in each phase of a live run, as real processes: a clean stop, everything written, 130 or 143."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from select import select
from typing import Any

import pytest

import tradecore as package
from tradecore.feeds.arrival_log import ArrivalLogReader
from tradecore.runtime.recorded_session import load_session

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

WAIT_S = 40

CONFIG = """
[run]
name = "stopped"
mode = "live"
warmup = "30s"
clock = "venue"
trace = true

[storage]
url = "sqlite:market.db"

[[strategies]]
path = "slow:Slow"
params = { phase = "PHASE" }

[brokers.paper]
type = "simulated"
account = "margin"
cash = { USDT = 100000 }

[venues.binance]
type = "binance"
local = { market = "synthetic", speed = 5, rate = 20, history = "5m", seed = 7, faults = [FAULTS] }

[handover]
lag_limit_s = 60

[recording]
"""

STRATEGY = """
import anyio
import tradecore as tc


class Slow(tc.Strategy):
    def __init__(self, phase: str) -> None:
        self.slow_phase, self.phase, self.count = phase, "", 0

    def on_start(self) -> None:
        self.subscribe_to_trades("BTCUSDT.BINANCE", key="trades")
        self.add_repeating_timer("timer", 5_000_000_000)

    def on_phase_changed(self, change: tc.PhaseChanged) -> None:
        self.phase = change.phase.value

    async def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1
        if self.count % 5 == 0:
            self.submit_order(tc.Order.market(tick.instrument, "0.01" if self.count % 10 else "-0.01"))
        if self.phase in "BC" and self.slow_phase in "BC":
            await anyio.sleep(0.05 if self.phase == self.slow_phase else 0.005)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts a live run that stays in a phase; what is left is killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(phase: str) -> subprocess.Popen[str]:
        (tmp_path / "slow.py").write_text(STRATEGY)
        # In A nobody answers, so the run stays there; in B and C the strategy takes its time.
        faults = '"deaf"' if phase == "A" else ""
        (tmp_path / "live.toml").write_text(CONFIG.replace("PHASE", phase).replace("FAULTS", faults))
        environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [sys.executable, "-m", "tradecore", "run", "live.toml", "--json"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_phase(folder: Path, phase: str) -> Path:
    """The run folder, once its events say that a phase has begun, and a little later."""
    for _ in range(WAIT_S * 20):
        for events in folder.glob("runs/*/events.jsonl"):
            if f'"phase": "{phase}"' in events.read_text():
                select([], [], [], 0.7)  # in the middle of it
                return events.parent
        select([], [], [], 0.05)
    pytest.fail(f"phase {phase} did not begin within {WAIT_S} s")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
@pytest.mark.parametrize("phase", ["A", "B", "C", "D"])
def test_a_signal_stops_cleanly_in_every_phase(
    start: Any, tmp_path: Path, phase: str, number: signal.Signals, code: int
) -> None:
    process = start(phase)
    folder = wait_for_phase(tmp_path, phase)
    process.send_signal(number)
    out, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, errors
    assert json.loads(out)["status"] == "interrupted"

    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "interrupted"
    for name, described in facts["files"].items():
        assert described["is_whole"], name
        assert (folder / name).stat().st_size == described["bytes"], name
    handover = json.loads((folder / "handover.json").read_text())
    assert [span["phase"] for span in handover["phases"]] == ["A", "B", "C", "D"][: "ABCD".index(phase) + 1]
    assert facts["counts"]["orders"] > 0 or phase == "A"

    session = load_session(folder / "recording")
    assert session.status == "complete"
    with ArrivalLogReader(session.log_path) as log:
        arrivals = 0
        while (block := log.read_block()) is not None:
            arrivals += len(block.arrivals)
        assert log.rest_bytes == 0, "no half block"
    assert arrivals == session.facts["arrivals"]
    assert [mark.what for mark in session.load_marks()][-1] == "end"
    check(tmp_path, folder)
    if phase != "A":
        check(tmp_path, folder, "--parity")


def check(where: Path, folder: Path, *options: str) -> None:
    """What there is keeps the laws; with --parity, it comes out the same as far as it went."""
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-m", "tradecore", "verify", str(folder), "--quiet", *options]
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""A recorded live run repeated from its recording: the same callbacks, orders and executions; and if not, why not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from tradecore.cli.main import cli
from tradecore.domain.order import Order
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import RecordingUnreadable
from tradecore.feeds.arrival_log import ArrivalLog, read_arrivals
from tradecore.runtime.check_parity import check_parity
from tradecore.runtime.parity import Parity
from tradecore.runtime.recording import Mark
from tradecore.testing.seam_run import BROKERS, Listener, SeamRun, make_handover, run_schedule
from tradecore.testing.seam_schedule import CELLS
from tradecore.testing.virtual_run import run_virtual


def check(run: SeamRun, listener: Listener | None = None) -> Parity:
    """Parity of a run, on virtual time: the listener takes its time in a replay too."""
    assert run.result is not None
    assert run.result.run_folder is not None
    new = listener or Listener(run.schedule, run.venue)
    repeat = partial(
        check_parity,
        run.result.run_folder,
        strategies={"Listener": new},
        brokers=BROKERS,
        handover=make_handover(run.schedule),
        seed=run.schedule.seed,
    )
    return run_virtual(repeat, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, len(CELLS), 12))
def test_a_recorded_run_is_repeated_to_the_callback_whatever_went_wrong(first: int, tmp_path: Path) -> None:
    """Each fault in each phase: disconnects, holes, answers of history, a file behind the memory, a full disk."""
    for seed in range(first, first + 12):
        run = run_schedule(seed, tmp_path / str(seed))
        parity = check(run)
        assert parity.differences == (), f"seed {seed}"
        heard = len(run.listener.heard)
        assert parity.same["callbacks"] >= heard > 500
        assert parity.same["executions"] == run.listener.executed > 5


class Different(Listener):
    """Trades another trade than the listener whose run it repeats."""

    async def on_event(self, event: Any) -> None:
        if type(event) is TradeTick and event.trade_id == "290":
            self.submit_order(Order.market("TEST.SIM", 3))
        await super().on_event(event)


def test_a_strategy_that_does_something_else_is_found_at_its_first_step(tmp_path: Path) -> None:
    run = run_schedule(4, tmp_path)
    parity = check(run, Different(run.schedule, run.venue))
    assert not parity.is_same
    orders = next(one for one in parity.differences if one.file == "orders.jsonl")
    assert '"quantity": "3"' in orders.replay
    assert '"quantity": "3"' not in orders.live
    callbacks = next(one for one in parity.differences if one.file == "callbacks.jsonl")
    assert callbacks.replay.startswith("Listener.on_execution at"), "the first thing that the live run did not hear"
    assert not callbacks.live.startswith("Listener.on_execution at")


def change_trade(recording: Path, trade_id: str) -> None:
    """Write the log anew with another price of one trade, as nobody should."""
    blocks = list(read_arrivals(recording / "arrivals.log"))
    (recording / "arrivals.log").unlink()
    log = ArrivalLog(recording / "arrivals.log")
    for block in blocks:
        for number, (raw_ns, arrival) in enumerate(zip(block.raw_ns, block.arrivals, strict=True), block.first):
            if type(arrival) is TradeTick and arrival.trade_id == trade_id:
                arrival = msgspec.structs.replace(arrival, price=arrival.price + 0.25)
            log.append(number, raw_ns, arrival)
    log.close()


def test_the_first_difference_says_which_callback_both_events_and_both_instants(tmp_path: Path) -> None:
    run = run_schedule(8, tmp_path)
    assert run.result is not None
    assert run.result.run_folder is not None
    live = next(event for event in run.listener.heard if event[1] == "trade_tick" and event[0].value == "D")[2]
    change_trade(run.result.run_folder / "recording", live.trade_id)
    parity = check(run)
    first = parity.differences[0]
    assert first.file == "callbacks.jsonl"
    assert first.live.startswith("Listener.on_event at 2024-01-01T")
    assert f'"price": {live.price}' in first.live
    assert f'"price": {live.price + 0.25}' in first.replay
    assert first.line > parity.same["callbacks"] > 100


def test_a_run_that_was_commanded_from_outside_cannot_be_repeated(tmp_path: Path) -> None:
    run = run_schedule(0, tmp_path)
    assert run.result is not None
    assert run.result.run_folder is not None
    marks = run.result.run_folder / "recording" / "marks.jsonl"
    lines = marks.read_bytes().splitlines()
    outside = msgspec.json.encode(Mark(700, "outside", 1))
    marks.write_bytes(b"\n".join([*lines[:-1], outside, lines[-1]]) + b"\n")
    with pytest.raises(RecordingUnreadable, match="commands came from outside of the strategies"):
        check(run)


# ------------------------------------------------------------------------------------------------ from a configuration

CONFIG = """
[run]
name = "recorded"
mode = "live"
warmup = "20m"
duration = "2m"
clock = "venue"
trace = true

[storage]
url = "memory:"

[[strategies]]
path = "small:Small"
params = { quantity = 0.01 }

[brokers.paper]
type = "simulated"
account = "margin"
cash = { USDT = 100000 }
latency = { submit = { type = "constant", ms = 50 }, report = { type = "constant", ms = 50 } }

[venues.binance]
type = "binance"
local = { market = "synthetic", speed = 60, history = "30m", seed = 7 }

[handover]
lag_limit_s = 60

[recording]
"""

STRATEGY = """
from decimal import Decimal

import tradecore as tc


class Small(tc.Strategy):
    def __init__(self, quantity: Decimal) -> None:
        self.quantity, self.count = quantity, 0

    def on_start(self) -> None:
        self.subscribe_to_trades("BTCUSDT.BINANCE")
        self.subscribe_to_quotes("BTCUSDT.BINANCE", key="quotes")
        self.subscribe_to_bars("BTCUSDT.BINANCE 1m last", key="bars")
        self.add_repeating_timer("timer", 5_000_000_000)

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1
        if self.count % 50 == 0:
            side = 1 if self.count % 100 else -1
            self.submit_order(tc.Order.market(tick.instrument, side * self.quantity))
"""


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A live run over loopback that was recorded; calls `tradecore verify` on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text(STRATEGY)
    (tmp_path / "live.toml").write_text(CONFIG)
    done = CliRunner().invoke(cli, ["run", "live.toml", "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    folder = json.loads(done.stdout)["run_folder"]

    def verify(*options: str) -> Result:
        return CliRunner().invoke(cli, ["verify", folder, "--parity", *options])

    return verify


@pytest.mark.loopback
@pytest.mark.slow
def test_verify_parity_repeats_a_run_of_a_configuration(recorded: Callable[..., Result], tmp_path: Path) -> None:
    result = recorded("--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["is_same"]) == (0, True), result.output
    assert answer["same"]["callbacks"] > 500
    assert answer["same"]["executions"] > 1
    (run,) = (tmp_path / "runs").iterdir()
    recording = json.loads((run / "recording" / "recording.json").read_text())
    assert (recording["status"], recording["frames"] > 500) == ("complete", True)

    lines = (run / "executions.jsonl").read_text().splitlines()
    changed = json.loads(lines[1])
    changed["quantity"] = "0.02"
    (run / "executions.jsonl").write_text("\n".join([lines[0], json.dumps(changed), *lines[2:]]) + "\n")
    differs = recorded()
    assert differs.exit_code == 7
    assert "differs: executions.jsonl, line 2" in differs.stderr
    assert "callbacks: " in differs.stdout


def test_a_run_that_was_not_recorded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    result = CliRunner().invoke(cli, ["verify", "run", "--parity"])
    assert result.exit_code == 4
    assert "only a live run that was recorded can be repeated" in result.stderr


def test_a_run_made_in_code_asks_for_its_strategies(tmp_path: Path) -> None:
    run = run_schedule(0, tmp_path)
    assert run.result is not None
    assert run.result.run_folder is not None
    with pytest.raises(RecordingUnreadable, match=r"was made in code.*check_parity\(folder, strategies="):
        asyncio.run(check_parity(run.result.run_folder))

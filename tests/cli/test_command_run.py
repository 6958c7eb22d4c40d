"""`tradecore run`: results, failures, interruptions, and what each of them prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Tradecore = Callable[..., Result]
ReadJson = Callable[[Result], dict[str, Any]]
WriteConfig = Callable[..., Path]

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.toml"

STRATEGY = """\
import os
import signal

import tradecore as tc


class Mine(tc.Strategy):
    def __init__(self, bar_type):
        self.bar_type, self.seen = bar_type, 0

    def on_start(self):
        self.subscribe_to_bars(self.bar_type, key="bars")

    def on_bar(self, bar):
        self.seen += 1
        if self.seen == 3:
            self.submit_order(tc.Order.market(bar.instrument, 10))
        if self.seen == 100:
            self.at_100()

    def at_100(self):
        {at_100}
"""


RunProcess = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_process(environment: dict[str, str]) -> RunProcess:
    """`tradecore run` in a process of its own: signals are for a whole process."""

    def run(config: Path, *args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tradecore", "run", str(config), *args]
        folder = config.parent
        return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=50, env=environment)

    return run


# ---------------------------------------------------------------------------------------------------------- results


def test_a_run_prints_statistics_digest_and_the_run_folder(
    tradecore: Tradecore, write_config: WriteConfig, tmp_path: Path
) -> None:
    result = tradecore("run", write_config())
    assert result.exit_code == 0, result.output
    for word in ("complete", "net profit", "return", "drawdown", "Sharpe", "trades", "commission", "price return"):
        assert word in result.stdout
    assert "digest: executions" in result.stdout
    folder = Path(result.stdout.rpartition("run folder: ")[2].strip())
    assert folder.parts[0] == "runs"  # in the current folder, as nothing else was said
    assert json.loads((tmp_path / folder / "run.json").read_text())["status"] == "complete"
    assert result.stderr == ""  # no progress in a pipe


def test_json_is_one_object_with_everything_a_machine_wants(
    tradecore: Tradecore, write_config: WriteConfig, read_json: ReadJson, tmp_path: Path
) -> None:
    value = read_json(tradecore("run", write_config(), "--json", "--runs-dir", tmp_path / "out"))
    assert value["status"] == "complete"
    assert value["exit_code"] == 0
    assert set(value["strategies"]) == {"SmaCross"}
    assert value["statistics"]["executions"] == value["counts"]["executions"] > 0
    assert Path(value["run_folder"]).parent == tmp_path / "out"
    assert len(value["digests"]["executions"]) == 64


def test_overrides_and_options_of_their_own_reach_the_run(
    tradecore: Tradecore, write_config: WriteConfig, read_json: ReadJson
) -> None:
    config = write_config()
    plain = read_json(tradecore("run", config, "--json"))
    faster = read_json(tradecore("run", config, "--json", "--set", "strategies[0].params.fast=5"))
    assert plain["digests"]["executions"] != faster["digests"]["executions"]
    shorter = read_json(tradecore("run", config, "--json", "--from", "2000-06-01", "--to", "2000-09-01T00:00:00Z"))
    assert shorter["statistics"]["start"] == "2000-06-01T00:00:00Z"
    facts = json.loads((Path(shorter["run_folder"]) / "run.json").read_text())
    assert facts["config"]["run"]["end"] == "2000-09-01T00:00:00Z"
    assert read_json(tradecore("run", config, "--json", "--seed", "9"))["status"] == "complete"


def test_the_quickstart_runs_and_is_labelled_a_price_return(tradecore: Tradecore, tmp_path: Path) -> None:
    result = tradecore("run", QUICKSTART, "--runs-dir", tmp_path / "runs", "--set", "storage.url=memory:")
    assert result.exit_code == 0, result.output
    assert "3,26" in result.stdout or "3,27" in result.stdout  # bars of thirteen years
    assert "price return, not adjusted" in result.stdout


# --------------------------------------------------------------------------------------------------------- failures


def test_log_level_brings_the_log_to_stderr_and_makes_it_no_other_run(
    run_process: RunProcess, write_config: WriteConfig
) -> None:
    """stdout stays what a machine reads, and the run keeps its id."""
    config = write_config(STRATEGY.format(at_100='raise ValueError("no more")'))
    told, silent = run_process(config, "--json", "--log-level", "warning"), run_process(config, "--json")
    [line] = [line for line in told.stderr.splitlines() if "strategy_raised" in line]
    assert "[error" in line
    assert "error='no more'" in line
    assert "phase_began" not in told.stderr
    assert "strategy_raised" not in silent.stderr
    folders = sorted(path.name for path in (config.parent / "runs").iterdir())
    assert folders[1] == f"{folders[0]}-2"
    assert "phase_began" in (config.parent / "runs" / folders[0] / "run.log").read_text()


def test_every_mistake_of_a_configuration_is_shown_and_nothing_is_run(
    tradecore: Tradecore, write_config: WriteConfig, read_json: ReadJson, tmp_path: Path
) -> None:
    config = write_config()
    config.write_text(config.read_text().replace("account", "acount").replace("batch_size = 32", "batch_size = 0"))
    result = tradecore("run", config)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert f"error[TC-CFG-013] {config}:5:1 run.batch_size" in result.stderr
    assert 'acount: unknown key (did you mean "account"?)' in result.stderr
    assert f"2 mistakes; nothing was run\nnext: correct the above, then `tradecore check {config}`" in result.stderr
    assert not (tmp_path / "runs").exists()
    value = read_json(tradecore("run", config, "--json"))
    assert value["exit_code"] == 3
    assert [(m["code"], m["line"], m["nearest"]) for m in value["error"]["mistakes"]] == [
        ("TC-CFG-013", 5, None),
        ("TC-CFG-012", 25, "account"),
    ]


def test_a_mistake_in_an_override_names_the_override(tradecore: Tradecore, write_config: WriteConfig) -> None:
    result = tradecore("run", write_config(), "--set", "run.sead=3")
    assert result.exit_code == 3
    assert '--set run.sead=3 run.sead: unknown key (did you mean "seed"?)' in result.stderr


def test_data_that_is_not_there_is_exit_4_and_says_how_to_get_it(
    tradecore: Tradecore, write_config: WriteConfig
) -> None:
    result = tradecore("run", write_config(), "--set", "data.bundled=[]")
    assert result.exit_code == 4
    assert "IBM.NYSE 1d last" in result.stderr
    assert "tradecore data import" in result.stderr


def test_a_strategy_that_raises_is_exit_1_and_the_traceback_ends_at_its_line(
    tradecore: Tradecore, write_config: WriteConfig, read_json: ReadJson
) -> None:
    config = write_config(STRATEGY.format(at_100="return 1 / 0"))
    line = 1 + STRATEGY[: STRATEGY.index("{at_100}")].count("\n")
    result = tradecore("run", config)
    assert result.exit_code == 1
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert f'strategy.py", line {line}, in at_100' in result.stderr
    assert "delivery.py" not in result.stderr  # the engine's own frames are no help to who wrote the strategy
    assert result.stderr.splitlines()[-2].startswith("next: correct")
    folder = Path(result.stderr.splitlines()[-1].removeprefix("partial results: "))
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert f"strategy.py:{line}" in result.stderr
    assert "delivery.py" in tradecore("run", config, "--debug").stderr
    value = read_json(tradecore("run", config, "--json"))
    assert value["error"]["type"] == "StrategyError"
    assert value["exit_code"] == 1
    assert (Path(value["run_folder"]) / "executions.jsonl").stat().st_size > 0  # what was done until then


def test_a_strategy_that_stops_the_run_on_purpose_is_exit_0_and_named(
    tradecore: Tradecore, write_config: WriteConfig, read_json: ReadJson
) -> None:
    """What it did until then is complete; an interruption comes from outside."""
    config = write_config(STRATEGY.format(at_100="self.stop_run()"))
    result = tradecore("run", config)
    assert result.exit_code == 0, result.output
    assert ": complete" in result.stdout
    assert "note: stopped by Mine at 2000-" in result.stdout
    value = read_json(tradecore("run", config, "--json"))
    assert (value["status"], value["exit_code"], value["counts"]["events"]) == ("complete", 0, 100)


def test_a_strategy_that_cannot_be_made_is_shown_the_same_way(tradecore: Tradecore, write_config: WriteConfig) -> None:
    code = STRATEGY.format(at_100="pass").replace("self.bar_type, self.seen = bar_type, 0", "raise KeyError('x')")
    result = tradecore("run", write_config(code))
    assert result.exit_code == 1
    assert "raised in __init__" in result.stderr
    assert "KeyError: 'x'" in result.stderr


# ---------------------------------------------------------------------------------------------------- interruptions


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_the_run_cleanly_and_keeps_what_was_done(
    run_process: RunProcess, write_config: WriteConfig, name: str, code: int, tmp_path: Path
) -> None:
    config = write_config(STRATEGY.format(at_100=f"os.kill(os.getpid(), signal.{name})"))
    done = run_process(config)
    assert done.returncode == code, done.stderr
    assert f"interrupted by {name}" in done.stderr
    assert "PARTIAL" in done.stdout
    folder = tmp_path / done.stdout.rpartition("run folder: ")[2].strip()
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "interrupted"
    executions = (folder / "executions.jsonl").read_text().splitlines()
    assert len(executions) == 1  # the order of the third bar, executed at the open of the fourth
    assert facts["counts"]["events"] < 252  # a year has that many bars: it did not run to its end


def test_an_interrupted_run_says_so_to_a_machine(run_process: RunProcess, write_config: WriteConfig) -> None:
    config = write_config(STRATEGY.format(at_100="os.kill(os.getpid(), signal.SIGINT)"))
    value = json.loads(run_process(config, "--json").stdout)
    assert (value["status"], value["exit_code"]) == ("interrupted", 130)


def test_a_second_signal_leaves_at_once(run_process: RunProcess, write_config: WriteConfig) -> None:
    twice = "os.kill(os.getpid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)"
    done = run_process(write_config(STRATEGY.format(at_100=twice)))
    assert done.returncode == 130
    assert done.stdout == ""  # no result: nobody waited for one


def test_a_strategy_that_never_returns_can_still_be_left_with_two_signals(
    run_process: RunProcess, write_config: WriteConfig
) -> None:
    """The loop sees nothing while a callback spins; the second signal must not depend on it."""
    spin = "os.kill(os.getpid(), signal.SIGTERM)\n        while True: os.kill(os.getpid(), signal.SIGTERM)"
    assert run_process(write_config(STRATEGY.format(at_100=spin))).returncode == 143

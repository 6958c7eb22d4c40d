"""Bad input and bad luck, end to end through the command line: a clear error, the right exit code, nothing lost.

What needs no whole run is tested where it is refused: times, NaN, high below low and feeds that go back in tests/feeds
and tests/engine, rows of files in tests/storage/importing, configuration keys in tests/runtime.
"""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tradecore.journal.run_reading import load_run

RunTradecore = Callable[..., CompletedProcess[str]]

CONFIG = """\
[run]
name = "bad"
start = 2000-03-01T00:00:00Z
end = 2013-03-01T00:00:00Z

[data]
bundled = ["IBM"]

[storage]
url = "sqlite:market.db"

[[instruments]]
id = "IBM.NYSE"
price_increment = 0.01
quantity_increment = 1
currency = "USD"

[[strategies]]
path = "mine:Mine"

[brokers.sim]
type = "simulated"
account = "margin"
cash = { USD = 100000 }
"""

STRATEGY = """\
import asyncio

import tradecore as tc


class Mine(tc.Strategy):
    def on_start(self):
        self.count = 0
        self.subscribe_to_bars("IBM.NYSE 1d last")

    {define} on_bar(self, bar):
        self.count += 1
        {act}
"""
FLIP = (
    "held = self.position(bar.instrument).quantity; self.submit_order(tc.Order.market(bar.instrument, -2 * held or 1))"
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes config.toml and mine.py, whose strategy does `act` at every bar."""

    def write_both(act: str, *, define: str = "def", config: str = CONFIG) -> Path:
        (tmp_path / "mine.py").write_text(STRATEGY.format(act=act, define=define))
        path = tmp_path / "config.toml"
        path.write_text(config)
        return path

    return write_both


def only_run(tmp_path: Path) -> Any:
    (folder,) = (tmp_path / "runs").iterdir()
    return load_run(folder)


# ------------------------------------------------------------------------------------------------------- interruption


def test_ctrl_c_in_the_middle_keeps_and_labels_what_was_done(
    write: Callable[..., Path], tmp_path: Path, environment: dict[str, str]
) -> None:
    """The hundredth bar waits for good; only the signal from outside ends that."""
    wait = ["if self.count == 100:", "    print('ready', flush=True)", "    await asyncio.Event().wait()"]
    config = write("\n        ".join([FLIP, *wait]), define="async def")
    command = [sys.executable, "-m", "tradecore", "run", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=40)
    assert process.returncode == 130, stderr
    assert "interrupted by SIGINT" in stderr
    assert "PARTIAL" in stdout
    run = only_run(tmp_path)
    assert (run.status, run.problems) == ("interrupted", [])
    # An order at each of bars 1 to 99 executed at the open of the next one.
    assert len(list(run.iterate_executions())) == 99
    assert run.statistics is not None
    assert run.statistics["all"]["executions"] == 99


# ---------------------------------------------------------------------------------------------------------- full disk


def test_a_disk_that_is_full_while_results_are_written_ends_the_run_and_names_the_file(
    write: Callable[..., Path], run_tradecore: RunTradecore, tmp_path: Path
) -> None:
    """The limit on file size is what a full disk looks like; 6,500 lines of orders would be over two megabytes."""
    config = write(FLIP, config=CONFIG.replace("sqlite:market.db", "memory:"))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    done = run_tradecore("run", config, preexec_fn=limit)
    assert done.returncode == 1
    run = only_run(tmp_path)
    assert str(run.path.relative_to(tmp_path) / "orders.jsonl") in done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert run.status == "failed"
    assert "orders.jsonl" in run.facts["error"]
    assert [problem for problem in run.problems if "orders.jsonl" in problem]  # it says that this file is not whole
    kept = list(run.iterate_orders())  # and what is there are whole lines
    assert len(kept) >= 1_000


# ------------------------------------------------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            "self.submit_order(tc.Order.market('MSFT.NASDAQ', 1))",
            ["UnknownInstrument", "'MSFT.NASDAQ' is not defined; defined: IBM.NYSE", "[[instruments]]"],
        ),
        (
            "self.submit_order(tc.Order.limit(bar.instrument, 1, '99.995'))",
            ["InvalidOrder", "99.995, which is off its price_increment 0.01", "a float if it may be rounded"],
        ),
        ("self.submit_order(tc.Order.market(bar.instrument, '0.5'))", ["InvalidOrder", "off its quantity_increment 1"]),
        ("self.submit_order(tc.Order.market(bar.instrument, float('nan')))", ["InvalidOrder", "finite"]),
    ],
)
def test_an_order_that_no_venue_could_take_ends_at_the_line_that_gave_it(
    write: Callable[..., Path], run_tradecore: RunTradecore, act: str, words: list[str]
) -> None:
    done = run_tradecore("run", write(act))
    assert done.returncode == 1
    for word in [*words, 'mine.py", line 13, in on_bar']:
        assert word in done.stderr, done.stderr


# ----------------------------------------------------------------------------------------------------------- strategy


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere:Mine", ["nowhere"]),
        ("mine:Mime", ["Mime", "Mine"]),
        ("mine", ["package.module:Class"]),
        ("json:JSONDecoder", ["JSONDecoder", "Strategy"]),
    ],
)
def test_a_strategy_path_that_does_not_import_is_a_mistake_of_the_configuration(
    write: Callable[..., Path], run_tradecore: RunTradecore, tmp_path: Path, path: str, words: list[str]
) -> None:
    config = write("pass", config=CONFIG.replace("mine:Mine", path))
    done = run_tradecore("run", config)
    assert done.returncode == 3
    line = CONFIG[: CONFIG.index("path =")].count("\n") + 1
    for word in [*words, f"config.toml:{line}:"]:
        assert word in done.stderr, done.stderr
    assert not (tmp_path / "runs").exists()


# -------------------------------------------------------------------------------------------------------------- store


@pytest.fixture
def filled(write: Callable[..., Path], run_tradecore: RunTradecore, tmp_path: Path) -> Path:
    """The database that a first run has filled; what that run left is removed."""
    done = run_tradecore("run", write("pass"), "--quiet", "--runs-dir", tmp_path / "first")
    assert done.returncode == 0, done.stderr
    return tmp_path / "market.db"


def test_a_store_of_a_newer_tradecore_is_refused_and_left_alone(
    filled: Path, run_tradecore: RunTradecore, tmp_path: Path
) -> None:
    with sqlite3.connect(filled) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = filled.read_bytes()
    done = run_tradecore("run", "config.toml")
    assert done.returncode == 4
    assert "has schema version 99" in done.stderr
    assert "Upgrade tradecore" in done.stderr
    assert filled.read_bytes() == before
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_no_database_is_named(
    write: Callable[..., Path], run_tradecore: RunTradecore, tmp_path: Path
) -> None:
    write("pass")
    (tmp_path / "market.db").write_bytes(b"this was a database once " * 1_000)
    done = run_tradecore("run", "config.toml")
    assert done.returncode == 4
    assert "market.db" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "market.db").read_bytes().startswith(b"this was a database once")


def test_damage_in_the_middle_of_the_data_ends_the_run_when_it_is_read(
    filled: Path, run_tradecore: RunTradecore, tmp_path: Path
) -> None:
    """A run over half of what is stored, as if it were all, would be a lie."""
    size = filled.stat().st_size
    with filled.open("r+b") as file:
        file.seek(size // 2 // 4_096 * 4_096)
        file.write(b"\xff" * (size // 4 // 4_096 * 4_096))
    done = run_tradecore("run", "config.toml")
    assert done.returncode == 4, done.stdout
    assert "market.db" in done.stderr
    assert "Traceback" not in done.stderr
    runs = list((tmp_path / "runs").iterdir()) if (tmp_path / "runs").exists() else []
    assert {json.loads((folder / "run.json").read_text())["status"] for folder in runs} <= {"failed"}

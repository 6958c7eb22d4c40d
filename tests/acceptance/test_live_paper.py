"""configs/live_paper.toml as a user runs it: real processes, real sockets on loopback, signals: issue 4.

The market goes 20 times as fast as we do: a second of ours is 20 s of the run.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "configs" / "live_paper.toml"
WAIT_S = 40
SMALL = ("venues.binance.local.rate=0.5", "venues.binance.local.history=10m", "run.warmup=5m")
"""A market that is made up in no time."""
UNREACHABLE = (
    "venues.binance={ type = 'binance', stream_url = 'ws://127.0.0.1:9', api_url = 'ws://127.0.0.1:9', "
    "connection = { first_attempts_max = 2, reconnect_min_s = 0.05 } }"
)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_live(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts `tradecore run configs/live_paper.toml`, with settings; what is left is killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*settings: str) -> subprocess.Popen[str]:
        options = [part for setting in settings for part in ("--set", setting)]
        command = [
            sys.executable,
            "-m",
            "tradecore",
            "run",
            str(CONFIG),
            "--json",
            "--runs-dir",
            str(tmp_path / "runs"),
        ]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*command, *options], env=environment, cwd=tmp_path, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_phase(folder: Path, phase: str) -> Path:
    """The run folder, once its events say that a phase has begun."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        for events in folder.glob("runs/*/events.jsonl"):
            if f'"phase": "{phase}"' in events.read_text():
                return events.parent
        time.sleep(0.05)
    pytest.fail(f"phase {phase} did not begin within {WAIT_S} s")


def find_venues(started_in: Path) -> set[int]:
    """Process ids of local venues that a run started for itself; they work in the run's own folder."""
    listed = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            works_in = (folder / "cwd").readlink()
        except OSError:
            continue
        if works_in == started_in and b"venue" in command and b"--with-parent" in command:
            listed.add(int(folder.name))
    return listed


def test_one_command_goes_from_a_to_d_and_says_how(start_live: Start, tmp_path: Path) -> None:
    """A minute and a half of the market is 5 s of ours."""
    process = start_live("run.duration=90s")
    out, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    result = json.loads(out)
    assert result["status"] == "complete"
    handover = result["handover"]
    assert [span["phase"] for span in handover["phases"]] == ["A", "B", "C", "D"]
    [stream] = handover["streams"]
    assert stream["state"] == "PROVED"
    assert stream["counts"]["backfilled"] in (89, 90, 91)
    assert stream["counts"]["live"] >= 1
    kept = json.loads((Path(result["run_folder"]) / "handover.json").read_text())
    assert kept["streams"] == handover["streams"]
    assert kept["is_proved"] is True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_phase_d_stops_cleanly_and_takes_the_venue_along(
    start_live: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start_live(*SMALL)
    folder = wait_for_phase(tmp_path, "D")
    assert len(find_venues(tmp_path)) == 1
    process.send_signal(number)
    out, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, errors
    assert json.loads(out)["status"] == "interrupted"
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert json.loads((folder / "handover.json").read_text())["phases"][-1]["phase"] == "D"
    assert find_venues(tmp_path) == set()


def test_ctrl_c_does_not_wait_for_a_local_venue_that_is_still_starting(start_live: Start, tmp_path: Path) -> None:
    """A day of its market takes it many seconds to make up."""
    process = start_live("venues.binance.local.history=1d", "venues.binance.local.rate=10")
    until = time.monotonic() + WAIT_S
    while not find_venues(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    out, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, errors
    assert time.monotonic() - asked < 5
    assert json.loads(out)["status"] == "interrupted"
    assert find_venues(tmp_path) == set()


def test_frames_that_cannot_be_read_are_told_with_the_result(start_live: Start, tmp_path: Path) -> None:
    faults = "venues.binance.local.faults=['garbage p=0.2', 'partial p=0.1 topic=btcusdt@trade']"
    process = start_live(*SMALL, "run.duration=90s", faults)
    out, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert any("frames could not be read and were left out" in note for note in json.loads(out)["notes"]), out


def test_a_run_that_is_killed_leaves_no_venue_behind(start_live: Start, tmp_path: Path) -> None:
    """Nothing of the run can clean up any more: the venue sees its stdin end."""
    process = start_live(*SMALL)
    folder = wait_for_phase(tmp_path, "D")
    assert len(find_venues(tmp_path)) == 1
    process.kill()
    process.wait(timeout=WAIT_S)
    until = time.monotonic() + WAIT_S
    while find_venues(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert find_venues(tmp_path) == set()
    assert json.loads((folder / "run.json").read_text())["status"] == "incomplete"
    assert json.loads((folder / "handover.json").read_text())["phases"][-1]["phase"] == "D"


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ([UNREACHABLE, "run.clock=system"], 5, "ws://127.0.0.1:9"),
        (["strategies[0].params.bar_type=NOSUCH.BINANCE 1m last"], 5, "NOSUCH"),
        (["strategies[0].params.bar_type=BTC/USD.KRAKEN 1m last"], 3, "[venues.kraken]"),
        (["venues.binance.local.market=frames:nowhere.gz"], 5, "nowhere.gz"),
        (["run.warmup=3650d"], 5, "tradecore data import"),
    ],
)  # fmt: skip
def test_bad_input_is_named_with_what_to_do(start_live: Start, settings: list[str], code: int, says: str) -> None:
    """Unreachable, unknown symbol, a venue that is not configured, a market that is not there, too much history."""
    process = start_live(*SMALL[:2], *settings)
    out, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, errors
    assert says in errors
    assert "next:" in errors
    described = json.loads(out)
    assert described["exit_code"] == code


def test_an_idle_live_run_sleeps(start_live: Start, tmp_path: Path) -> None:
    """Subscribed to minutes, at a market's own speed: there is hardly anything to do for three seconds."""
    process = start_live(*SMALL, "venues.binance.local.speed=1")
    wait_for_phase(tmp_path, "D")
    time.sleep(1)
    before, began = read_cpu_s(process.pid), time.monotonic()
    time.sleep(3)
    share = (read_cpu_s(process.pid) - before) / (time.monotonic() - began)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_S)
    assert share <= 0.01, f"{share:.2%} of a core"


def read_cpu_s(pid: int) -> float:
    """Seconds of processor that a process has used: utime and stime, in hundredths."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100

"""`tradecore data record` against the local venue, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import tradecore as package
from tradecore.testing.venue_fixtures import VenueProcess, venue_process

__all__ = ["venue_process"]

Tradecore = Callable[..., Result]
StartVenue = Callable[..., VenueProcess]


def addresses(venue: VenueProcess, name: str) -> list[str]:
    keys = {"binance": ("binance_stream", "binance_api"), "kraken": ("kraken", "kraken_rest")}[name]
    return ["--stream-url", venue.urls[keys[0]], "--history-url", venue.urls[keys[1]]]


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("name", "instrument"), [("binance", "BTCUSDT.BINANCE"), ("kraken", "BTC/USD.KRAKEN")]
)  # fmt: skip
def test_streams_are_recorded_with_their_frames_and_fill_a_store(
    venue_process: StartVenue, tradecore: Tradecore, tmp_path: Path, name: str, instrument: str
) -> None:
    venue = venue_process("--history", "5", "--rate", "50")
    done = tradecore(
        "data", "record", "--trades", instrument, "--quotes", instrument, "--depth", instrument,
        "--for", "2.5", "--storage", "sqlite:market.db", *addresses(venue, name), "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    states = {one["stream"]: one["verdict"]["proof"] for one in report["streams"]}
    assert states == {
        f"trade_tick {instrument}": "PROVED", f"quote_tick {instrument}": "EXCUSED", f"depth {instrument}": "EXCUSED",
    }  # fmt: skip
    facts = json.loads((Path(report["folder"]) / "recording.json").read_text())
    assert facts["status"] == "complete"
    assert facts["arrivals"] == report["arrivals"] > 50
    assert facts["frames"] > 50
    events = sum(count for kind, count in facts["counts"].items() if kind in ("trade_tick", "quote_tick", "depth"))
    events += sum(one["counts"]["requeried"] for one in report["streams"])  # those before the first live one
    assert (report["added"], report["conflicts"]) == (events, 0), "what history answered again is known, not added"
    assert instrument in tradecore("data", "list", "--storage", "sqlite:market.db").output


@pytest.mark.loopback
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_all_that_was_recorded(
    venue_process: StartVenue, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    venue = venue_process("--history", "5", "--rate", "50")
    command = [sys.executable, "-m", "tradecore", "data", "record", "--trades", "BTCUSDT.BINANCE",
               *addresses(venue, "binance"), "--json"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) as process:
        wait_for_log(tmp_path)
        process.send_signal(number)
        said, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    report = json.loads(said)
    assert report["arrivals"] > 0
    assert json.loads((tmp_path / report["folder"] / "recording.json").read_text())["status"] == "complete"


def wait_for_log(folder: Path) -> None:
    """Until a block has been written; the file shows it, so nothing needs to be slept away."""
    import select

    for _ in range(200):
        logs = list(folder.glob("recordings/*/arrivals.log"))
        if logs and logs[0].stat().st_size > 100:
            return
        select.select([], [], [], 0.05)
    pytest.fail("nothing was recorded within 10 s")


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ([], 2, "name at least one of --trades"),
        (["--trades", "BTCUSDT"], 3, "expected SYMBOL.VENUE"),
        (["--trades", "IBM.NYSE"], 2, "'NYSE' is no venue that can be recorded"),
        (["--trades", "BTCUSDT.BINANCE", "--quotes", "BTC/USD.KRAKEN"], 2, "record them apart"),
        (["--bars", "BTCUSDT.BINANCE one"], 3, "BTCUSDT.BINANCE one"),
        (["--trades", "BTCUSDT.BINANCE", "--for", "0"], 2, "0"),
        (["--trades", "BTCUSDT.BINANCE", "--stream-url", "http://x"], 2, "begins with wss:// or ws://"),
        (["--trades", "BTC/USD.KRAKEN", "--history-url", "wss://x"], 2, "begins with https:// or http://"),
    ],
)
def test_what_cannot_be_recorded_is_named_before_anything_is_made(
    tradecore: Tradecore, tmp_path: Path, options: list[str], code: int, says: str
) -> None:
    result = tradecore("data", "record", *options)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.loopback
def test_a_venue_that_does_not_answer_ends_with_code_5(tradecore: Tradecore) -> None:
    """Port 9 of this machine has nobody who listens."""
    result = tradecore("data", "record", "--trades", "BTCUSDT.BINANCE", "--stream-url", "ws://127.0.0.1:9",
                       "--history-url", "ws://127.0.0.1:9", "--json")  # fmt: skip
    assert result.exit_code == 5, result.output
    assert "VenueUnreachable" in result.stdout


@pytest.mark.loopback
def test_a_time_too_short_to_connect_in_is_no_recording(tradecore: Tradecore) -> None:
    """It would look like a quiet market."""
    result = tradecore(
        "data", "record", "--trades", "BTC/USD.KRAKEN", "--stream-url", "ws://127.0.0.1:9/v2", "--for", "0.1"
    )
    assert result.exit_code == 5, result.output
    assert "KRAKEN could not be subscribed to within 0.1 s" in result.stderr
    assert "127.0.0.1 refuses the connection" in result.stderr
    assert "--for" in result.stderr


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("fault", "options", "says"),
    [
        ("refuse code=451", [], "refused the connection: HTTP 451"),
        ("refuse code=429 retry_after=3600", [], "asked to wait 3600 s"),
        ("duplicate p=0.1", ["--quotes", "NOPE.BINANCE"], "Invalid symbol"),
        ("duplicate p=0.1", ["--bars", "BTCUSDT.BINANCE 7m last"], "aggregate these from ticks"),
    ],
)
def test_what_a_venue_refuses_is_told_in_its_words(
    venue_process: StartVenue, tradecore: Tradecore, fault: str, options: list[str], says: str
) -> None:
    """Soon, too: who asked to be left alone for an hour is not waited for in silence."""
    venue = venue_process("--history", "5", "--fault", fault)
    result = tradecore("data", "record", "--trades", "BTCUSDT.BINANCE", *options, *addresses(venue, "binance"))
    assert result.exit_code == 5, result.output
    assert says in result.stderr

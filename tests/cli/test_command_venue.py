"""`tradecore venue` as a process: ready line, faults, signals, mistakes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tradecore.testing.venue_fixtures import VenueProcess, venue_process

__all__ = ["venue_process"]

Tradecore = Callable[..., Result]
StartVenue = Callable[..., VenueProcess]

QUICK = ("--history", "30", "--start", "2024-01-02T10:00:00Z")


@pytest.mark.loopback
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_when_it_is_ready_and_ends_cleanly(
    venue_process: StartVenue, number: signal.Signals, code: int
) -> None:
    process = venue_process(*QUICK, "--speed", "20")
    assert process.ready["pairs"][0] == {"binance": "BTCUSDT", "kraken": "BTC/USDT"}
    assert set(process.urls) >= {"binance_stream", "binance_api", "binance_rest", "kraken", "kraken_rest", "control"}
    clock = process.read_control("clock")
    assert (clock["rate"], clock["epoch_ns"]) == (20.0, process.ready["epoch_ns"])
    assert process.read_json(process.urls["binance_rest"] + "/api/v3/ping") == {}
    assert process.stop(number) == (code, {
        "status": "stopped", "connections": 0, "published": pytest.approx(5_000, abs=5_000), "faults": {},
    })  # fmt: skip


@pytest.mark.loopback
def test_faults_are_planned_from_the_command_line_and_from_outside(venue_process: StartVenue) -> None:
    process = venue_process(*QUICK, "--venue", "kraken", "--fault", "late_history seconds=5")
    assert "binance_rest" not in process.urls
    process.read_json(process.urls["kraken_rest"] + "/0/public/Trades?pair=XBTUSD")
    faults = process.read_control("faults", method="POST", body={"kind": "mute", "for": 60})
    assert [fault["kind"] for fault in faults["active"]] == ["late_history", "mute"]
    assert faults["counts"] == {"late_history": 1}


@pytest.mark.loopback
def test_a_stored_market_is_played(venue_process: StartVenue, tradecore: Tradecore, tmp_path: Path) -> None:
    made = tradecore("data", "generate", "trades", "--symbol", "ABC", "--days", "1", "--per-day", "50",
                     "--storage", f"sqlite:{tmp_path / 'market.db'}")  # fmt: skip
    assert made.exit_code == 0, made.output
    process = venue_process("--market", f"store:sqlite:{tmp_path / 'market.db'}", "--history", "100000")
    assert process.ready["pairs"] == [{"binance": "ABCUSD", "kraken": "ABC/USD"}]
    trades = process.read_json(process.urls["binance_rest"] + "/api/v3/historicalTrades?symbol=ABCUSD&fromId=0")
    assert [row["id"] for row in trades] == list(range(1, 51))


@pytest.mark.loopback
def test_a_taken_port_ends_with_code_5(venue_process: StartVenue, tradecore: Tradecore) -> None:
    port = venue_process(*QUICK).ready["port"]
    result = tradecore("venue", *QUICK, "--listen", f"127.0.0.1:{port}", "--json")
    assert result.exit_code == 5
    assert json.loads(result.stdout)["error"]["type"] == "LocalVenuePortTaken"
    assert "Choose another port" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--listen", "0.0.0.0:0"], 2, "not on loopback"),
        (["--listen", "example.com:80"], 2, "not on loopback"),
        (["--listen", "127.0.0.1"], 2, "expected HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], 2, "expected HOST:PORT"),
        (["--market", "nonsense"], 2, "expected synthetic, frames:FILE or store:URL"),
        (["--market", "frames:missing.gz"], 5, "missing.gz cannot be read"),
        (["--market", "store:sqlite:missing.db"], 4, "there is no store at missing.db"),
        (["--market", "store:nonsense"], 4, "cannot be read"),
        (["--fault", "dance"], 2, "fault 'dance' is unknown"),
        (["--speed", "0"], 2, "speed is 0.0; expected a number above 0"),
        (["--rate", "0"], 2, "not in the range x>0"),
        (["--rate", "nan"], 2, "nan is no number that can be computed with"),
        (["--history", "inf"], 2, "inf is no number that can be computed with"),
        (["--lead", "nan"], 2, "nan is no number that can be computed with"),
    ],
)
def test_what_cannot_be_meant_is_named_before_anything_listens(
    tradecore: Tradecore, options: list[str], code: int, says: str
) -> None:
    result: Any = tradecore("venue", *options)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert not Path("missing.db").exists()

"""`tradecore data import` of a log of recorded frames."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Tradecore = Callable[..., Result]
MS = 1_723_161_256_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two trades and a best bid and ask, received by a clock that is 1.25 s behind the venue's."""
    frames = [
        {"e": "trade", "E": MS, "T": MS, "s": "BTCUSDT", "t": 1, "p": "100.5", "q": "2", "X": "MARKET", "m": False},
        {"e": "bookTicker", "E": MS, "T": MS, "s": "BTCUSDT", "u": 5, "b": "100", "B": "1", "a": "101", "A": "2"},
        {
            "e": "trade",
            "E": MS + 9,
            "T": MS + 9,
            "s": "BTCUSDT",
            "t": 2,
            "p": "101",
            "q": "3",
            "X": "MARKET",
            "m": True,
        },
    ]
    path = tmp_path / "session.jsonl"
    lines = [
        f"{(MS - 1_250 + place * 10) * 1_000_000} {json.dumps({'stream': 'x', 'data': frame})}\n"
        for place, frame in enumerate(frames)
    ]
    path.write_text("".join(lines))
    return path


def test_a_log_is_known_by_its_name_and_its_report_says_what_was_corrected(tradecore: Tradecore, log: Path) -> None:
    result = tradecore("data", "import", log)
    assert result.exit_code == 0, result.output
    assert "1 file, 3 rows: 3 added" in result.stdout
    assert "trade_tick BTCUSDT.BINANCE: 2 rows" in result.stdout
    assert "received 1.250 s before it was sent. 1250000000 ns were added to every receive time" in result.stdout
    assert "0 added, 3 known before" in tradecore("data", "import", log).stdout


def test_a_dry_run_shows_both_kinds_and_stores_nothing(tradecore: Tradecore, log: Path, tmp_path: Path) -> None:
    result = tradecore(
        "data", "import", log, "--layout", "binance-frames", "--instrument", "BTC-PERP.BINANCE", "--dry-run"
    )
    assert result.exit_code == 0, result.output
    assert "series  quote_tick BTC-PERP.BINANCE" in result.stdout
    assert "series  trade_tick BTC-PERP.BINANCE" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["session.jsonl"]


def test_a_damaged_line_is_named_and_nothing_is_stored(tradecore: Tradecore, log: Path) -> None:
    log.write_text(log.read_text() + "12 {broken\n")
    result = tradecore("data", "import", log)
    assert result.exit_code == 4
    assert "line 4" in result.stderr

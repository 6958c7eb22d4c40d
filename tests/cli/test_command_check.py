"""`tradecore check`: what can be known to be wrong before a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Tradecore = Callable[..., Result]


def test_a_right_configuration_says_what_data_there_is_and_what_to_type_next(
    tradecore: Tradecore, write_config: Callable[..., Path]
) -> None:
    config = write_config()
    result = tradecore("check", config)
    assert result.exit_code == 0, result.output
    assert f"{config}: no mistakes" in result.stdout
    assert "covered  IBM.NYSE 1d last (SmaCross): 3,270 rows" in result.stdout
    assert f"next: tradecore run {config}" in result.stderr


def test_nothing_is_made_by_looking(tradecore: Tradecore, write_config: Callable[..., Path], tmp_path: Path) -> None:
    config = write_config()
    assert tradecore("check", config, "--set", "storage.url=sqlite:data/market.db").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_strategy_is_imported_but_not_made(tradecore: Tradecore, write_config: Callable[..., Path]) -> None:
    code = "import tradecore as tc\nclass Mine(tc.Strategy):\n    def __init__(self, bar_type): raise RuntimeError\n"
    assert tradecore("check", write_config(code)).exit_code == 0
    result = tradecore("check", write_config(code), "--set", "strategies[0].path=stratgy:Mine")
    assert result.exit_code == 3
    assert 'there is no module stratgy (did you mean "strategy"?)' in result.stderr


def test_data_that_is_missing_is_exit_4_and_names_the_import(
    tradecore: Tradecore, write_config: Callable[..., Path], read_json: Callable[[Result], dict[str, Any]]
) -> None:
    config = write_config()
    minutes = 'strategies[0].params.bar_type="IBM.NYSE 1m last"'
    result = tradecore("check", config, "--set", minutes)
    assert result.exit_code == 4
    assert "missing  IBM.NYSE 1m last (SmaCross); the store has nothing of it" in result.stdout
    assert f"next: tradecore data import FILE --config {config}" in result.stderr
    value = read_json(tradecore("check", config, "--set", minutes, "--json"))
    assert (value["status"], value["exit_code"]) == ("data_missing", 4)
    assert value["data"][0]["verdict"] == "missing"
    assert value["config"]["run"]["batch_size"] == 32


def test_a_run_that_begins_before_its_data_is_told(tradecore: Tradecore, write_config: Callable[..., Path]) -> None:
    """The bundled bars begin on 2000-03-01; a weekend later would be nothing to speak of."""
    config = write_config()
    result = tradecore("check", config, "--from", "1999-01-01")
    assert result.exit_code == 0
    assert "partly   IBM.NYSE 1d last (SmaCross): 3,270 rows; bar IBM.NYSE 1d last begins 2000-03-01" in result.stdout
    result = tradecore("check", config, "--from", "2014-01-01", "--to", "2015-01-01")
    assert result.exit_code == 4
    assert "the store has it from 2000-03-01T21:00:00Z to 2013-03-01T21:00:00Z only" in result.stdout
    assert "covered" in tradecore("check", config, "--from", "2000-02-28").stdout


def test_a_live_run_lacks_nothing_that_its_venue_can_be_asked_for(tradecore: Tradecore) -> None:
    config = Path(__file__).parents[2] / "configs" / "live_paper.toml"
    result = tradecore("check", config)
    assert result.exit_code == 0, result.output
    assert "asked of the venue when the run begins" in result.stdout
    elsewhere = tradecore("check", config, "--set", 'strategies[0].params.bar_type="BTCUSDT.KRAKN 1m last"')
    assert elsewhere.exit_code == 4
    assert "nowhere  BTCUSDT.KRAKN 1m last (SmaCross); it trades at KRAKN, and the venues" in elsewhere.stdout
    assert "next: correct the instrument, or add a venue beside [venues.binance]" in elsewhere.stderr

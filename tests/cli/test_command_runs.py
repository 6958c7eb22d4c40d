"""`tradecore runs`: what runs left, shown and removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tradecore.cli.main import cli

Tradecore = Callable[..., Result]
ReadJson = Callable[[Result], dict[str, Any]]


@pytest.fixture
def names(tradecore: Tradecore, write_config: Callable[..., Path], read_json: ReadJson) -> list[str]:
    """Names of two runs of one configuration, in the folder `runs`."""
    config = write_config()
    return [Path(read_json(tradecore("run", config, "--json"))["run_folder"]).name for _ in range(2)]


def test_list_shows_what_each_run_came_to(tradecore: Tradecore, names: list[str], read_json: ReadJson) -> None:
    result = tradecore("runs", "list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["run", "status", "trades", "net", "profit", "return", "max", "drawdown"]
    assert [line.split()[:2] for line in lines[1:]] == [[name, "complete"] for name in names]
    listed = read_json(tradecore("runs", "list", "--json"))["runs"]
    assert listed[0]["trades"] == listed[1]["trades"] > 0
    assert listed[0]["net_profit"] == listed[1]["net_profit"]


def test_show_prints_statistics_and_digests(tradecore: Tradecore, names: list[str], read_json: ReadJson) -> None:
    result = tradecore("runs", "show", names[0])
    assert result.exit_code == 0
    assert f"run {names[0]}: complete" in result.stdout
    assert "net_profit" in result.stdout
    assert "digest: executions" in result.stdout
    value = read_json(tradecore("runs", "show", names[0], "--json", "--verify"))
    assert value["problems"] == []
    assert value["run"]["config"]["run"]["name"] == "small"


def test_show_takes_the_beginning_of_a_name_that_is_the_only_one(tradecore: Tradecore, names: list[str]) -> None:
    """The second run has the name of the first and "-2" behind it."""
    assert names[1] == f"{names[0]}-2"
    assert f"run {names[0]}: " in tradecore("runs", "show", names[0]).stdout
    several = tradecore("runs", "show", "small")
    assert several.exit_code == 2
    assert f"it begins several: {names[0]}, {names[1]}" in several.stderr
    tradecore("runs", "rm", names[1], "--yes")
    assert f"run {names[0]}: " in tradecore("runs", "show", "small").stdout
    assert tradecore("runs", "rm", "small", "--yes").exit_code == 2  # what is removed is named whole


def test_a_run_that_was_changed_is_told_apart(tradecore: Tradecore, names: list[str]) -> None:
    executions = Path("runs") / names[0] / "executions.jsonl"
    executions.write_bytes(executions.read_bytes().replace(b"SIMULATED", b"SIMULATEE"))
    assert tradecore("runs", "show", names[0]).exit_code == 0  # same length: only --verify reads it all
    result = tradecore("runs", "show", names[0], "--verify")
    assert result.exit_code == 7
    assert "was changed after the run" in result.stderr


def test_rm_asks_and_removes_only_what_it_was_told(tradecore: Tradecore, names: list[str]) -> None:
    refused = CliRunner().invoke(cli, ["runs", "rm", names[0]], input="n\n")
    assert refused.exit_code == 130
    assert (Path("runs") / names[0]).is_dir()
    assert tradecore("runs", "rm", names[0], "--yes").exit_code == 0
    assert [path.name for path in Path("runs").iterdir()] == [names[1]]


def test_rm_removes_nothing_when_one_name_is_wrong(tradecore: Tradecore, names: list[str]) -> None:
    result = tradecore("runs", "rm", names[0], names[1] + "x", "--yes")
    assert result.exit_code == 2
    assert f'did you mean "{names[1]}"?' in result.stderr
    assert len(list(Path("runs").iterdir())) == 2


def test_rm_leaves_folders_alone_that_no_run_made(tradecore: Tradecore, tmp_path: Path) -> None:
    (tmp_path / "runs" / "precious").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("precious", "../elsewhere", "."):
        result = tradecore("runs", "rm", name, "--yes")
        assert result.exit_code == 2
        assert "no run" in result.stderr
    assert (tmp_path / "runs" / "precious").is_dir()
    assert (tmp_path / "elsewhere").is_dir()


def test_a_run_that_cannot_be_read_is_listed_as_such(tradecore: Tradecore, names: list[str]) -> None:
    (Path("runs") / names[0] / "run.json").write_text("{")
    assert f"{names[0]}  unreadable" in tradecore("runs", "list").stdout.replace("  " * 2, "  ")
    result = tradecore("runs", "show", names[0])
    assert result.exit_code == 1
    assert "is not JSON" in result.stderr


def test_an_empty_folder_says_what_to_type(tradecore: Tradecore) -> None:
    result = tradecore("runs", "list")
    assert result.exit_code == 0
    assert "there are no runs in runs\nnext: tradecore run CONFIG" in result.stderr
    assert json.loads(tradecore("runs", "list", "--json").stdout) == {"runs_dir": "runs", "runs": []}

"""`tradecore verify`: the report, the exit codes, and what is shown of a damaged run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Tradecore = Callable[..., Result]
ReadJson = Callable[[Result], dict[str, Any]]


@pytest.fixture
def folder(tradecore: Tradecore, write_config: Callable[..., Path], read_json: ReadJson) -> Path:
    """A run of SmaCross on the bundled data, in the folder `runs`."""
    return Path(read_json(tradecore("run", write_config(), "--json"))["run_folder"])


def test_a_sound_run_shows_each_law_with_its_count(tradecore: Tradecore, folder: Path) -> None:
    result = tradecore("verify", folder)
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == f"run {folder.name}: complete"
    assert lines[2].split() == ["law", "checked", "broken"]
    (cash,) = [line for line in lines if line.startswith("B2 ")]
    assert cash.split()[:3] == ["B2", "1", "-"]
    # Market orders alone: no limit was met, and the report does not call that kept.
    assert any(line.startswith("not met in this run: S2: ") for line in lines)
    assert any(line.startswith("not told by a run's files: sharpe") for line in lines)
    assert lines[-1].endswith(" laws: all kept")


def test_a_name_or_its_beginning_will_do(tradecore: Tradecore, folder: Path) -> None:
    assert tradecore("verify", folder.name).exit_code == 0
    assert tradecore("verify", "small").exit_code == 0
    assert tradecore("verify", folder.name, "--runs-dir", folder.parent).exit_code == 0


def test_a_damaged_run_ends_with_7_and_names_file_line_and_law(
    tradecore: Tradecore, folder: Path, read_json: ReadJson
) -> None:
    path = folder / "executions.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    record = json.loads(lines[1])
    lines[1] = lines[1].replace(f'"price":"{record["price"]}"', '"price":"1.00"')
    path.write_text("".join(lines))
    result = tradecore("verify", folder)
    assert result.exit_code == 7
    assert f"broken: {path}: F2: SHA-256 is " in result.stderr
    assert (
        f"broken: {folder / 'orders.jsonl'}:4: O5: order {record['order_id']} has an average price of" in result.stderr
    )
    assert result.stderr.splitlines()[-1].startswith("next: ")
    assert "BROKEN" in result.stdout.splitlines()[-1]
    value = read_json(tradecore("verify", folder, "--json"))
    assert (value["exit_code"], value["is_sound"]) == (7, False)
    assert {"law": "O5", "file": "orders.jsonl", "line": 4}.items() <= value["findings"][0].items()


def test_what_is_no_run_is_told_apart(tradecore: Tradecore, folder: Path, tmp_path: Path) -> None:
    """2 where the name means nothing, 4 where the folder is none of a run's."""
    missing = tradecore("verify", f"{folder.name}x")
    assert missing.exit_code == 2
    assert f'did you mean "{folder.name}"?' in missing.stderr
    (tmp_path / "empty").mkdir()
    empty = tradecore("verify", tmp_path / "empty")
    assert empty.exit_code == 4
    assert "holds none of a run's files" in empty.stderr
    assert "next: `tradecore runs list`" in empty.stderr


def test_a_partial_run_is_labelled(tradecore: Tradecore, folder: Path) -> None:
    facts = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**facts, "status": "interrupted"}))
    result = tradecore("verify", folder)
    assert result.exit_code == 0
    assert "this run is PARTIAL: it is verified as far as it goes" in result.stdout

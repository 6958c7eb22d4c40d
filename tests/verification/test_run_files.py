"""Folders that are none, and files that are missing, cut, endless or of a newer layout: named, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradecore.errors import NotARunFolder
from tradecore.verification.law_book import SHOWN_MAX
from tradecore.verification.run_files import LINE_BYTES_MAX
from tradecore.verification.run_verification import verify_run

Copy = Any


def test_a_folder_without_a_runs_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing of a run")
    with pytest.raises(NotARunFolder, match="holds none of a run's files; expected run"):
        verify_run(tmp_path)
    with pytest.raises(NotARunFolder, match="is no folder"):
        verify_run(tmp_path / "nowhere")


def test_a_newer_layout_is_refused(copy_of: Callable[[str], Copy]) -> None:
    copy = copy_of("bars")
    copy.edit_json("run.json", "format", value=2)
    with pytest.raises(NotARunFolder, match="has format 2; this verification reads up to 1"):
        copy.verify()


@pytest.mark.parametrize("name", ["run.json", "statistics.json", "orders.jsonl", "executions.jsonl"])
def test_a_missing_file_is_named(copy_of: Callable[[str], Copy], name: str) -> None:
    copy = copy_of("bars")
    (copy.path / name).unlink()
    assert ("F1", name, "is missing") in [(f.law, f.file, f.message) for f in copy.verify().findings]


@pytest.mark.parametrize("name", ["run.json", "statistics.json"])
@pytest.mark.parametrize("content", [b"", b'{"format": 1,', b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'])
def test_a_broken_json_file_is_named_and_the_rest_verified(
    copy_of: Callable[[str], Copy], name: str, content: bytes
) -> None:
    copy = copy_of("bars")
    (copy.path / name).write_bytes(content)
    verification = copy.verify()
    assert ("F3", name) in [(finding.law, finding.file) for finding in verification.findings]
    assert {row.law: row.checked for row in verification.rows}["O1"] == len(copy.lines("orders"))


def test_a_line_without_end_is_read_in_pieces(copy_of: Callable[[str], Copy]) -> None:
    copy = copy_of("bars")
    lines = copy.lines("orders")
    copy.write("orders", [*lines, "x" * (2 * LINE_BYTES_MAX)])
    found = [finding for finding in copy.verify().findings if finding.law == "F3"]
    assert [(finding.place, "is too long" in finding.message) for finding in found] == [
        (f"orders.jsonl:{len(lines) + 1}", True), (f"orders.jsonl:{len(lines) + 2}", True),
    ]  # fmt: skip


def test_a_file_that_a_full_disk_cut_is_verified_as_far_as_it_goes(copy_of: Callable[[str], Copy]) -> None:
    """run.json says so: not whole, status failed. What is there must hold; what is not there is not asked for."""
    copy = copy_of("bars")
    copy.edit_json("run.json", "status", value="failed")
    copy.edit_json("run.json", "files", "callbacks.jsonl", value={"is_whole": False})
    copy.write("callbacks", copy.lines("callbacks")[:100])
    verification = copy.verify()
    assert [finding.law for finding in verification.findings if finding.law != "F2"] == []
    assert ("F1", "callbacks.jsonl could not be written to its end, as run.json says", 1) in verification.left_out


def test_values_of_run_json_that_mean_nothing_are_named(copy_of: Callable[[str], Copy]) -> None:
    copy = copy_of("bars")
    brokers = json.loads((copy.path / "run.json").read_text())["config"]["brokers"]
    brokers["sim"]["latency"] = {"submit": {"type": "sometimes"}}
    copy.edit_json("run.json", "config", "brokers", value=brokers)
    copy.edit_json("run.json", "ended_at", value="yesterday")
    messages = [finding.message for finding in copy.verify().findings if finding.file == "run.json"]
    assert "config.brokers.sim cannot be read: delay law 'sometimes' is unknown" in messages
    assert any(message.startswith("ended_at cannot be read: 'yesterday' is no time") for message in messages)


def test_what_breaks_at_every_line_is_shown_once_a_screen_and_counted(copy_of: Callable[[str], Copy]) -> None:
    copy = copy_of("bars")
    copy.edit_json("run.json", "match_sources", value={"sim TEST.SIM": "depth TEST.SIM"})
    verification = copy.verify()
    row = next(row for row in verification.rows if row.law == "E3")
    assert row.broken == row.checked == len(copy.lines("executions"))
    assert len([finding for finding in verification.findings if finding.law == "E3"]) == SHOWN_MAX


def test_progress_is_told_while_files_are_read(copy_of: Callable[[str], Copy]) -> None:
    copy = copy_of("quotes, delayed, two brokers")
    told: list[tuple[int, int, int]] = []
    verify_run(copy.path, tell_read=lambda *numbers: told.append(numbers))
    assert told
    assert all(done <= total for _, done, total in told)
    assert told == sorted(told)

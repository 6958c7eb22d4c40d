"""Runs that nobody changed keep every law, of whatever kind they are; and the laws are met, not passed over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tradecore.verification.law_book import LAWS
from tradecore.verification.run_verification import verify_run

GROUPS = {"C1", "C2", "C3", "C4", "C5"}


def test_runs_with_groups_meet_their_laws(run_of: Callable[[str], Path]) -> None:
    """Brackets whose entry executes in parts, exits of both kinds; with latency both may execute, and it is told."""
    for kind in ("quotes, groups", "bars, groups"):
        verification = verify_run(run_of(kind))
        assert verification.findings == ()
        checked = {row.law: row.checked for row in verification.rows}
        assert min(checked[law] for law in ("C1", "C2", "C3")) > 10
        assert {law for law, _, _ in verification.left_out} <= {"C1", "C2"}


@pytest.mark.parametrize("number", range(6))
def test_a_run_of_any_kind_keeps_every_law(run_of: Callable[[str], Path], kinds: list[str], number: int) -> None:
    verification = verify_run(run_of(kinds[number]))
    assert verification.findings == ()
    assert verification.is_sound
    assert verification.left_out == ()
    met = {row.law for row in verification.rows if row.checked}
    assert set(LAWS) - met - {"O3", *GROUPS} <= {"F4"}, "a law that nothing has checked is not kept"


def test_verification_reads_the_same_without_a_trace(run_of: Callable[[str], Path], tmp_path: Path) -> None:
    """No callbacks.jsonl: its laws are not met, and nothing else changes."""
    folder = Path(shutil.copytree(run_of("bars"), tmp_path / "run"))
    (folder / "callbacks.jsonl").unlink()
    facts = json.loads((folder / "run.json").read_text())
    del facts["files"]["callbacks.jsonl"], facts["digests"]["callbacks"]
    (folder / "run.json").write_text(json.dumps(facts))
    verification = verify_run(folder)
    # The digest of the run covered the callbacks: without them it is another, and that is what is found.
    assert [(finding.law, finding.file) for finding in verification.findings] == [("F2", "run.json")]
    assert {row.law: row.checked for row in verification.rows}["R1"] == 0


def test_a_run_that_was_killed_is_verified_as_far_as_it_goes(copy_of: Callable[[str], Any]) -> None:
    """run.json is what a run writes at its start; the last line was being written."""
    copy = copy_of("quotes, cash")
    start = {"format": 1, "run_id": "killed", "status": "incomplete"}
    (copy.path / "run.json").write_text(json.dumps(start))
    (copy.path / "statistics.json").unlink()
    orders = copy.lines("orders")
    shown = sum(float(line["filled_quantity"]) > 0 for line in map(json.loads, orders[:200]))
    assert shown > 50
    copy.write("orders", [*orders[:200], orders[200][:50]])
    known = {json.loads(line)["order_id"] for line in orders[:200]}
    rises, kept = {}, []
    for line in map(json.loads, orders[:200]):
        rises[line["order_id"]] = float(line["filled_quantity"])
    for text in copy.lines("executions"):
        record = json.loads(text)
        if record["order_id"] in known and rises[record["order_id"]] > 0:
            rises[record["order_id"]] -= float(record["quantity"])
            kept.append(text)
    copy.write("executions", kept)
    (copy.path / "callbacks.jsonl").unlink()
    verification = copy.verify()
    assert verification.findings == ()
    assert verification.status == "incomplete"
    checked = {row.law: row.checked for row in verification.rows}
    assert checked["O1"] == 200
    assert checked["O5"] > 50
    assert not checked["B2"]
    reasons = [reason for _, reason, _ in verification.left_out]
    assert "orders.jsonl ends in the middle of a line: the run was ended there" in reasons
    assert "the run never came to its end" in reasons


def test_the_order_of_findings_and_the_report_are_plain_json(copy_of: Callable[[str], Any]) -> None:
    copy = copy_of("bars")
    copy.edit_json("run.json", "counts", "executions", value=1)
    described = json.loads(json.dumps(copy.verify().to_dict()))
    assert described["is_sound"] is False
    assert described["findings"][0]["law"] == "F4"
    assert {law["law"] for law in described["laws"]} == set(LAWS)
    assert described["lines"]["orders.jsonl"] == len(copy.lines("orders"))

"""Fingerprints: equal for equal content, whatever the machine or the order of keys."""

from __future__ import annotations

import doctest
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tradecore.journal import digest, fingerprint
from tradecore.journal.fingerprint import compute_code_fingerprints, compute_fingerprint, compute_run_id


def test_the_worked_examples_hold() -> None:
    assert doctest.testmod(fingerprint).failed == 0
    assert doctest.testmod(digest).failed == 0


def test_the_order_of_keys_does_not_count_and_content_does() -> None:
    """The known answer pins the form: a change of it would make all older runs look different."""
    one = {"b": Decimal("1.50"), "a": [1, 2.5, None], "c": {"y": True, "x": "é"}}
    two = {"c": {"x": "é", "y": True}, "a": [1, 2.5, None], "b": Decimal("1.50")}
    assert compute_fingerprint(one) == compute_fingerprint(two)
    assert compute_fingerprint(one) != compute_fingerprint({**one, "b": Decimal("1.5")})
    # printf '{"a": 1}' | sha256sum
    assert compute_fingerprint({"a": 1}) == "f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310"


def test_a_module_counts_by_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name and its content, not its place; builtins have no source."""
    (tmp_path / "one_strategy.py").write_text("x = 1\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "other_strategy.py").write_text("x = 1\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "deeper"), *sys.path])
    found = compute_code_fingerprints(["one_strategy", "other_strategy", "sys"])
    assert list(found) == ["tradecore", "one_strategy", "other_strategy", "sys"]
    assert found["sys"] is None
    assert found["tradecore"] is not None
    assert found["one_strategy"] != found["other_strategy"]  # the file's name is part of it


def test_a_run_id_is_safe_letters_and_the_start_of_the_fingerprint() -> None:
    assert compute_run_id("../ü!", "abcdef0123") == "run-abcdef01"

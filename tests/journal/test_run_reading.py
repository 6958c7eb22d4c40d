"""Run reading: what is missing, cut or changed is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderSnapshot
from tradecore.errors import RunFolderError
from tradecore.journal.run_folder import open_run_folder
from tradecore.journal.run_reading import load_run


@pytest.fixture
def path(tmp_path: Path, order: OrderSnapshot, execution: Execution) -> Path:
    folder = open_run_folder(tmp_path, "run")
    for ts in range(5):
        folder.record_order(replace(order, ts_event=ts))
        folder.record_execution(execution)
    folder.finish("complete", facts={"seed": 1}, statistics={"trades": 0})
    return tmp_path / "run"


def test_what_was_written_is_read_back_equal(path: Path, order: OrderSnapshot, execution: Execution) -> None:
    """Decimals, enums and all."""
    run = load_run(path, verify=True)
    assert run.problems == []
    assert run.statistics == {"trades": 0}
    assert list(run.iterate_executions()) == [execution] * 5
    first = next(run.iterate_orders())
    assert (first.ts_event, first.order_id, first.price, first.side) == (0, order.order_id, order.price, order.side)


def test_missing_files_are_named(path: Path) -> None:
    """One sentence each."""
    (path / "orders.jsonl").unlink()
    (path / "statistics.json").unlink()
    problems = load_run(path).problems
    assert [problem.split(": ")[0].rsplit("/", 1)[1] for problem in problems] == ["orders.jsonl", "statistics.json"]
    with pytest.raises(RunFolderError, match=r"orders\.jsonl: cannot be read"):
        list(load_run(path).iterate_orders())


def test_a_cut_file_is_named_and_read_up_to_the_cut(path: Path) -> None:
    """The error carries the line."""
    file = path / "executions.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    run = load_run(path)
    assert "It was cut or changed" in run.problems[0]
    reading = run.iterate_executions()
    assert [next(reading).ts_event for _ in range(4)] == [7] * 4
    with pytest.raises(RunFolderError, match=r"executions\.jsonl:5: is not a record of Execution"):
        next(reading)


def test_a_changed_file_of_the_same_length_is_found_when_asked_to_verify(path: Path) -> None:
    """One digit of one price."""
    file = path / "executions.jsonl"
    file.write_bytes(file.read_bytes().replace(b"10.25", b"10.26", 1))
    assert load_run(path).problems == []
    assert "was changed after the run" in load_run(path, verify=True).problems[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not JSON"), ("[]", "holds list"), ('{"format": 99}', "reads up to 1"), ("{}", "has format None")],
)
def test_a_run_json_that_cannot_be_understood_is_refused(path: Path, content: str, message: str) -> None:
    """Guessing at another format would show wrong results."""
    (path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match=message):
        load_run(path)

"""RunFolder: what a run leaves, when all is well and when it is not."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderSnapshot
from tradecore.errors import RunFolderError
from tradecore.journal.digest import combine_digests
from tradecore.journal.run_folder import RunFolder, open_run_folder
from tradecore.journal.run_reading import list_runs, load_run

FACTS = {"config": {"quantity": Decimal("1.50")}, "seed": 7, "match_sources": {"A.X": "bar"}}


def fill(folder: RunFolder, order: OrderSnapshot, execution: Execution, count: int = 1) -> None:
    for ts in range(count):
        folder.record_order(replace(order, ts_event=ts))
        folder.record_execution(execution)
        folder.flush_full()


def test_a_line_holds_every_field_with_enums_by_name_and_exact_decimals(
    tmp_path: Path, order: OrderSnapshot, execution: Execution
) -> None:
    """Whoever reads it needs no code of ours."""
    folder = open_run_folder(tmp_path, "run")
    fill(folder, order, execution)
    folder.finish("complete", facts=FACTS)
    assert json.loads((tmp_path / "run/executions.jsonl").read_text()) == {
        "execution_id": "s-1-1", "order_id": "s-1", "strategy": "s", "broker": "sim", "source": "SIMULATED",
        "instrument": "A.X", "side": "BUY", "quantity": "1.5", "price": "10.25", "commission": "0.010",
        "commission_currency": "USD", "liquidity": "TAKER", "matched_on": "bar", "ts_event": 7, "slippage": "0",
    }  # fmt: skip
    assert json.loads((tmp_path / "run/orders.jsonl").read_text()) == {
        "ts_event": 0, "order_id": "s-1", "strategy": "s", "broker": "sim", "instrument": "A.X", "side": "BUY",
        "order_type": "LIMIT", "quantity": "1.5", "price": "10.50", "stop_price": None, "time_in_force": "GTC",
        "state": "SUBMITTED", "filled_quantity": "0", "average_price": None, "reason": None, "ts_decided": 5,
    }  # fmt: skip


def test_run_json_says_status_facts_counts_digests_and_files(
    tmp_path: Path, order: OrderSnapshot, execution: Execution
) -> None:
    """Versions stand apart: they are in no digest."""
    folder = open_run_folder(tmp_path, "run")
    fill(folder, order, execution, 3)
    folder.record_event("quotes_crossed", 9, {"count": 2})
    facts = {**FACTS, "counts": {"events": 1_000}}
    folder.finish("complete", facts=facts, statistics={"sharpe": 0.1}, environment={"python": "3.x"})
    facts = json.loads((tmp_path / "run/run.json").read_text())
    assert (facts["status"], facts["error"], facts["seed"]) == ("complete", None, 7)
    assert facts["config"] == {"quantity": "1.50"}
    assert facts["counts"] == {"events": 1_000}  # the caller's own; lines stand with their file
    assert [described["lines"] for described in facts["files"].values()] == [3, 3, 1]
    written = {name: (tmp_path / f"run/{name}.jsonl").read_bytes() for name in ("orders", "executions")}
    digests = {name: sha256(block).hexdigest() for name, block in written.items()}
    assert facts["digests"] == {**digests, "run": combine_digests(digests)}
    assert facts["files"]["orders.jsonl"]["bytes"] == len(written["orders"])
    assert facts["environment"] == {"python": "3.x"}
    assert json.loads((tmp_path / "run/statistics.json").read_text()) == {"sharpe": 0.1}
    assert json.loads((tmp_path / "run/events.jsonl").read_text()) == {
        "ts_event": 9, "kind": "quotes_crossed", "count": 2,
    }  # fmt: skip


def test_a_run_without_a_folder_has_the_same_digests_and_counts(
    tmp_path: Path, order: OrderSnapshot, execution: Execution
) -> None:
    """An embedding program that keeps nothing can still compare runs."""
    kept, unkept = open_run_folder(tmp_path, "run"), open_run_folder(None, "run")
    for folder in (kept, unkept):
        fill(folder, order, execution, 2_345)  # more than two blocks of a thousand
    assert kept.digests == unkept.digests
    assert kept.counts == unkept.counts == {"orders": 2345, "executions": 2345, "events": 0}
    unkept.finish("complete", facts=FACTS)
    assert unkept.path is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    kept.finish("complete", facts=FACTS)


def test_digests_see_orders_and_executions_and_not_events_of_note(order: OrderSnapshot, execution: Execution) -> None:
    """Events of note are words for people; they may improve without changing what a run did."""
    one, two = open_run_folder(None, "run"), open_run_folder(None, "run")
    fill(one, order, execution)
    fill(two, order, execution)
    two.record_event("note", 1)
    assert one.digests == two.digests
    two.record_order(replace(order, ts_event=2))
    assert one.digests["run"] != two.digests["run"]
    assert one.digests["executions"] == two.digests["executions"]


def test_a_trace_records_callbacks_and_is_part_of_the_digest(tmp_path: Path) -> None:
    """Also of events that only the user knows."""

    class Tweet:
        pass

    folder, plain = open_run_folder(tmp_path, "run", trace=True), open_run_folder(None, "run")
    bar = Bar(BarType("A.X", "1m"), 60, 60, 1.0, 2.0, 0.5, 1.5, 10.0)
    folder.record_callback("s", "on_bar", 60, bar)
    folder.record_callback("s", "on_event", 61, Tweet())
    plain.record_callback("s", "on_bar", 60, bar)
    assert folder.is_traced
    assert "callbacks" in folder.digests
    assert "callbacks" not in plain.digests
    folder.finish("complete", facts=FACTS)
    first, second = map(json.loads, (tmp_path / "run/callbacks.jsonl").read_text().splitlines())
    assert (first["callback"], first["subject"]["bar_type"], first["subject"]["close"]) == (
        "on_bar",
        "A.X 1m last",
        1.5,
    )
    assert second["subject"]["type"].endswith("Tweet")


def test_an_id_that_is_taken_gets_the_next_free_number(tmp_path: Path) -> None:
    """Another run is never overwritten."""
    names = []
    for _ in range(3):
        folder = open_run_folder(tmp_path, "sma-1")
        names.append(folder.run_id)
        folder.finish("complete", facts=FACTS)
    assert names == ["sma-1", "sma-1-2", "sma-1-3"]


@pytest.mark.parametrize("run_id", ["", "../up", "a/b", ".hidden", "a b", "x" * 121])
def test_an_id_that_cannot_name_a_folder_is_refused(tmp_path: Path, run_id: str) -> None:
    """A name from a configuration must not leave the folder of runs."""
    with pytest.raises(RunFolderError, match="cannot name a folder"):
        open_run_folder(tmp_path, run_id)


def test_a_failed_run_says_why_and_a_second_finish_does_nothing(
    tmp_path: Path, order: OrderSnapshot, execution: Execution
) -> None:
    """The first word about how it ended stands."""
    folder = open_run_folder(tmp_path, "run")
    fill(folder, order, execution)
    folder.finish("failed", facts=FACTS, error="StrategyError: division by zero")
    folder.finish("complete", facts=FACTS)
    run = load_run(tmp_path / "run", verify=True)
    assert (run.status, run.facts["error"]) == ("failed", "StrategyError: division by zero")
    assert len(list(run.iterate_orders())) == 1


def test_lines_wait_for_the_end_of_their_window(tmp_path: Path, order: OrderSnapshot, execution: Execution) -> None:
    """A few may wait longer; digests and counts know of all of them at once."""
    folder = open_run_folder(tmp_path, "run")
    for count, written in ((100, 100), (10, 100), (60, 170)):
        for _ in range(count):
            folder.record_order(order)
        folder.flush_full()
        assert len((tmp_path / "run/orders.jsonl").read_text().splitlines()) == written
    folder.record_execution(execution)
    folder.flush_full()
    assert folder.counts == {"orders": 170, "executions": 1, "events": 0}
    digests = folder.digests
    folder.finish("complete", facts=FACTS)
    assert load_run(tmp_path / "run", verify=True).facts["digests"] == digests


def test_a_killed_run_is_incomplete_and_keeps_what_was_written(
    tmp_path: Path, order: OrderSnapshot, execution: Execution
) -> None:
    """run.json is there from the start, so nobody takes half a run for a whole one."""
    folder = open_run_folder(tmp_path, "run")
    fill(folder, order, execution, 1_500)
    run = load_run(tmp_path / "run")
    assert run.status == "incomplete"
    assert len(list(run.iterate_orders())) == 1_472  # the 23 blocks of 64 that were full
    assert "never came to its end" in run.problems[0]
    folder.finish("interrupted", facts=FACTS)
    assert load_run(tmp_path / "run").status == "interrupted"


def test_a_folder_that_cannot_be_made_names_its_path(tmp_path: Path) -> None:
    """A file stands where the folder should be: the same for every user, root included."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunFolderError, match=r"runs.*cannot be written.*runs_dir"):
        open_run_folder(tmp_path / "runs", "run")
    with pytest.raises(RunFolderError, match=r"runs.*cannot be written"):
        open_run_folder(tmp_path / "runs" / "deeper", "run")


def test_a_result_that_json_cannot_say_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    """NaN in a report is a mistake of ours; the folder stays labelled incomplete."""
    folder = open_run_folder(tmp_path, "run")
    with pytest.raises(RunFolderError, match="finite"):
        folder.finish("complete", facts={"x": float("nan")})
    assert load_run(tmp_path / "run").status == "incomplete"
    with pytest.raises(RunFolderError, match="has no form in JSON"):
        open_run_folder(tmp_path, "run").finish("complete", facts={"x": object()})


def test_a_results_folder_that_vanished_is_an_error_that_names_it(
    tmp_path: Path, order: OrderSnapshot, execution: Execution
) -> None:
    """Somebody removed it while the run went on."""
    folder = open_run_folder(tmp_path, "run")
    fill(folder, order, execution)
    for entry in (tmp_path / "run").iterdir():
        entry.unlink()
    (tmp_path / "run").rmdir()
    with pytest.raises(RunFolderError, match=r"run\.json"):
        folder.finish("complete", facts=FACTS)


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    from tradecore.domain.order import Order
    from tradecore.errors import RunFolderError
    from tradecore.journal.run_folder import open_run_folder

    order = Order.limit("A.X", 1, 10)
    order.mark_submitted("s-1", "s", "sim", 5)
    folder = open_run_folder(Path(sys.argv[1]), "run")
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        for ts in range(5_000):
            folder.record_order(order.snapshot(ts))
            folder.flush_full()
    except RunFolderError as error:
        print(ts, error)
        folder.finish("failed", facts={"seed": 7}, error=str(error))
    else:
        sys.exit("the limit was not met")
"""


def test_a_full_disk_keeps_whole_lines_and_labels_the_run(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; it is set in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "orders.jsonl: cannot be written" in done.stdout
    assert "labelled incomplete" in done.stdout
    run = load_run(tmp_path / "run")
    assert run.status == "failed"
    assert "orders.jsonl" in run.facts["error"]
    assert run.facts["files"]["orders.jsonl"] == {"is_whole": False}
    assert any("orders.jsonl" in problem and "to its end" in problem for problem in run.problems)
    orders = list(run.iterate_orders())  # every line that is there can be read
    assert [record.ts_event for record in orders] == list(range(len(orders)))
    assert 1_000 < len(orders) < 2_000
    assert 390_000 < (tmp_path / "run/orders.jsonl").stat().st_size <= 400_000


def test_runs_are_listed_by_name_and_one_that_cannot_be_read_is_among_them(tmp_path: Path) -> None:
    """`tradecore runs` shows what is there, broken or not."""
    for name in ("b", "a"):
        open_run_folder(tmp_path, name).finish("complete", facts=FACTS, statistics={})
    (tmp_path / "c").mkdir()
    (tmp_path / "note.txt").write_text("")
    assert [(run.run_id, run.status) for run in list_runs(tmp_path)] == [
        ("a", "complete"), ("b", "complete"), ("c", "unreadable"),
    ]  # fmt: skip
    assert "run.json: is missing" in list_runs(tmp_path)[2].problems[0]
    assert list_runs(tmp_path / "nowhere") == []

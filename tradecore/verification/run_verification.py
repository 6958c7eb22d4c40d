"""verify_run: all laws on one run folder, in one pass over its files.

Receives: a run folder.
Gives:    a Verification: a row for each law, findings, what was left out and what no folder can show.
Never:    changes a file; stops at the first finding; needs memory for more than open orders and the times of trades.
          Spec: RELIABILITY 3; DESIGN 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import localcontext
from pathlib import Path
from typing import Any

from tradecore.verification.callback_laws import CallbackLaws
from tradecore.verification.exact_number import EXACT
from tradecore.verification.execution_laws import ExecutionLaws
from tradecore.verification.execution_stream import ExecutionStream
from tradecore.verification.group_laws import GroupLaws
from tradecore.verification.law_book import LAWS, UNTOLD, Finding, LawBook
from tradecore.verification.money_laws import MoneyLaws
from tradecore.verification.order_laws import OrderLaws
from tradecore.verification.record_forms import OrderLine
from tradecore.verification.run_files import (
    CALLBACKS_FILE,
    EVENTS_FILE,
    EXECUTIONS_FILE,
    ORDERS_FILE,
    RUN_FILE,
    RunFiles,
    TellRead,
)
from tradecore.verification.run_terms import RunTerms, read_terms
from tradecore.verification.statistics_laws import StatisticsLaws


@dataclass(frozen=True, slots=True)
class LawRow:
    """One law: its name and sentence, how often it was checked, how often it was broken."""

    law: str
    sentence: str
    checked: int
    broken: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it. status: of the run, as run.json says. findings: at most a screen of each law.

    check_count, broken_count: over all laws. left_out: (law, reason, how often). lines: read, by file.
    """

    path: Path
    run_id: str
    status: str
    rows: tuple[LawRow, ...]
    check_count: int
    broken_count: int
    findings: tuple[Finding, ...]
    left_out: tuple[tuple[str, str, int], ...]
    lines: dict[str, int]

    @property
    def is_sound(self) -> bool:
        """No law is broken."""
        return not self.broken_count

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return {
            "run_id": self.run_id,
            "run_folder": str(self.path),
            "status": self.status,
            "is_sound": self.is_sound,
            "laws": [
                {"law": row.law, "sentence": row.sentence, "checked": row.checked, "broken": row.broken}
                for row in self.rows
            ],
            "findings": [finding._asdict() for finding in self.findings],
            "left_out": [{"law": law, "reason": reason, "count": count} for law, reason, count in self.left_out],
            "not_told_by_files": [{"what": what, "why": why} for what, why in UNTOLD],
            "lines": self.lines,
        }


def verify_run(path: Path, *, tell_read: TellRead | None = None) -> Verification:
    """Check all laws on a run folder. Raises: NotARunFolder."""
    book = LawBook()
    with localcontext(EXACT):
        files = RunFiles(path, book, tell_read)
        terms = read_terms(files.facts, book)
        _check_records(files, terms, book)
        files.finish()
    return Verification(
        path=path,
        run_id=str(files.facts.get("run_id", path.name)),
        status=files.status,
        rows=tuple(LawRow(law, text, book.checked[law], book.broken[law]) for law, text in LAWS.items()),
        check_count=book.checked.total(),
        broken_count=book.broken.total(),
        findings=tuple(book.findings),
        left_out=tuple((law, reason, count) for (law, reason), count in sorted(book.left_out.items())),
        lines=files.lines,
    )


def _check_records(files: RunFiles, terms: RunTerms, book: LawBook) -> None:
    """Events, orders with their executions, callbacks, then what is said of all of them."""
    money, groups = MoneyLaws(terms, book), GroupLaws(terms, book)
    for number, record in files.read_records(EVENTS_FILE):
        if record.get("kind") == "account_adjustment":
            money.take_adjustment(number, record)
        elif record.get("kind") == "groups_split":
            groups.take_split(number, record)
    executions = ExecutionStream(files.read_records(EXECUTIONS_FILE), book, money.take)
    orders = OrderLaws(terms, book, executions, ExecutionLaws(terms, book), groups)
    for number, record in files.read_records(ORDERS_FILE):
        try:
            line = OrderLine(number, record)
        except (ValueError, KeyError) as error:
            problem = f"has no {error}" if isinstance(error, KeyError) else str(error)
            book.report("F3", ORDERS_FILE, number, f"is no order: {problem}")
            continue
        orders.take(line)
    counts = files.facts.get("counts")
    counts = counts if isinstance(counts, dict) else {}
    orders.finish(counts.get("orders"), is_complete=files.status == "complete")
    if "executions" in counts:
        book.checked["F4"] += 1
        met = files.lines.get(EXECUTIONS_FILE, 0)
        if met != counts["executions"]:
            book.report(
                "F4", RUN_FILE, None, f"counts.executions is {counts['executions']}; {EXECUTIONS_FILE} has {met}"
            )
    if (files.path / CALLBACKS_FILE).is_file():
        callbacks = CallbackLaws(files.read_records(EXECUTIONS_FILE, is_counted=False), terms, book)
        for number, record in files.read_records(CALLBACKS_FILE):
            callbacks.take(number, record)
    money.finish(files.facts.get("accounts"), is_incomplete=files.is_incomplete)
    statistics = files.read_statistics()
    if statistics:
        StatisticsLaws(money.ledgers, terms, book).check(statistics)

"""Callback laws: what a traced run says its strategies heard, and when (T3, S1, R1).

Receives: records of callbacks.jsonl; executions.jsonl once more, beside them.
Gives:    findings.
Never:    asks for a trace: without one these laws were not met.    RELIABILITY 3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from tradecore.verification.law_book import LawBook
from tradecore.verification.run_files import CALLBACKS_FILE, EXECUTIONS_FILE
from tradecore.verification.run_terms import RunTerms

Records = Iterator[tuple[int, dict[str, Any]]]


class CallbackLaws:
    """Checks callbacks one by one. executions: the records of executions.jsonl from its beginning."""

    def __init__(self, executions: Records, terms: RunTerms, book: LawBook) -> None:
        self._executions, self._terms, self._book = executions, terms, book
        self._waiting: dict[tuple[str, str], deque[tuple[int, dict[str, Any]]]] = {}
        self._last_ns: int | None = None

    def take(self, number: int, record: dict[str, Any]) -> None:
        """One callback more."""
        ts, subject = record.get("ts"), record.get("subject")
        if type(ts) is not int or not isinstance(record.get("callback"), str):
            self._book.report("F3", CALLBACKS_FILE, number, "is no callback: ts or callback is missing")
            return
        self._book.checked["T3"] += 1
        if self._last_ns is not None and ts < self._last_ns:
            self._break("T3", number, f"is of {ts}, after one of {self._last_ns}")
        self._last_ns = ts
        if not isinstance(subject, dict):
            return
        received = subject.get("ts_received")
        if type(received) is int:
            self._book.checked["S1"] += 1
            if received > ts:
                self._break("S1", number, f"at {ts} tells of what was received at {received}: it shows the future")
        if record["callback"] == "on_execution":
            self._check_execution(number, ts, subject)
        elif record["callback"] == "on_order_updated":
            order = subject.get("order")
            if isinstance(order, dict) and not _is_held_by_us(order):
                self._check_latency(number, ts, order)

    def _check_execution(self, number: int, ts: int, subject: dict[str, Any]) -> None:
        self._check_latency(number, ts, subject)
        self._book.checked["R1"] += 1
        told = self._next_of((str(subject.get("strategy")), str(subject.get("broker"))))
        if told is None:
            self._break("R1", number, f"tells of {subject.get('execution_id')}; {EXECUTIONS_FILE} has no further one")
        elif told[1] != subject:
            expected = f"{told[1].get('execution_id')} ({EXECUTIONS_FILE}:{told[0]})"
            self._break("R1", number, f"tells of {subject.get('execution_id')}; the next one made was {expected}")

    def _check_latency(self, number: int, ts: int, report: dict[str, Any]) -> None:
        broker, happened = self._terms.brokers.get(str(report.get("broker"))), report.get("ts_event")
        if broker is None or type(happened) is not int:
            return
        self._book.checked["S1"] += 1
        least = broker.least_ns["report"]
        if ts < happened + least:
            self._break(
                "S1", number, f"was heard {ts - happened} ns after it happened; latency.report is at least {least} ns"
            )

    def _next_of(self, key: tuple[str, str]) -> tuple[int, dict[str, Any]] | None:
        waiting = self._waiting.get(key)
        if waiting:
            return waiting.popleft()
        for number, record in self._executions:
            met = (str(record.get("strategy")), str(record.get("broker")))
            if met == key:
                return number, record
            self._waiting.setdefault(met, deque()).append((number, record))
        return None

    def _break(self, law: str, number: int, message: str) -> None:
        self._book.report(law, CALLBACKS_FILE, number, f"the callback {message}")


def _is_held_by_us(order: dict[str, Any]) -> bool:
    """A child that was never sent ends here, not at the venue, so nothing has to travel."""
    terms = order.get("terms")
    is_child = isinstance(terms, dict) and terms.get("parent_id") is not None
    return is_child and order.get("state") in ("INITIALIZED", "CANCELLED") and order.get("filled_quantity") == "0"

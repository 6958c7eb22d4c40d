"""Execution laws: one execution against the order it belongs to (S1, S2, I1, E3, E7).

Receives: an execution, and its order as it stood before it.
Gives:    findings.
Never:    looks at market prices: the folder has none.    EXECUTION 3 to 7.
"""

from __future__ import annotations

from typing import Final

from tradecore.verification.law_book import LawBook
from tradecore.verification.record_forms import ExecutionLine, OrderLine
from tradecore.verification.run_files import EXECUTIONS_FILE, ORDERS_FILE
from tradecore.verification.run_terms import RunTerms
from tradecore.verification.working_order import WorkingOrder

_BARS: Final = frozenset({"bar", "bar_bid_ask"})
_IMMEDIATE: Final = frozenset({"IOC", "FOK"})


class ExecutionLaws:
    """Checks executions one by one."""

    def __init__(self, terms: RunTerms, book: LawBook) -> None:
        self._terms, self._book = terms, book

    def take(self, order: WorkingOrder, execution: ExecutionLine) -> None:
        """One execution more of an order."""
        self._check_time(order, execution)
        self._check_price(order.last, execution)
        self._check_source(order, execution)
        self._check_rules(order, execution)
        terms = self._terms.instruments.get(execution.instrument)
        if terms is not None:
            self._book.checked["I1"] += 1
            if execution.quantity % terms.quantity_increment:
                self._break(
                    "I1", execution, f"is of {execution.quantity}, off the increment {terms.quantity_increment}"
                )
        if order.begun_ns is None:
            order.begun_ns = execution.ts_event

    def finish_order(self, order: WorkingOrder, line: OrderLine) -> None:
        """An order has come to its end."""
        if line.time_in_force == "FOK":
            self._book.checked["E7"] += 1
            if line.filled not in (0, line.quantity):
                message = f"order {line.order_id} is FOK and ended with {line.filled} of {line.quantity} executed"
                self._book.report("E7", ORDERS_FILE, line.number, message)
        if line.state == "EXPIRED" and line.expire_ns is not None:
            self._book.checked["E7"] += 1
            if line.ts_event < line.expire_ns:
                message = f"order {line.order_id} expired at {line.ts_event}, before its expire_time {line.expire_ns}"
                self._book.report("E7", ORDERS_FILE, line.number, message)

    def _check_time(self, order: WorkingOrder, execution: ExecutionLine) -> None:
        if not order.is_simulated:
            return
        self._book.checked["S1"] += 1
        is_own = order.first.role == "MARGIN"  # the broker's: nobody submitted it
        least = 0 if is_own else self._terms.brokers[order.first.broker].least_ns["submit"]
        if execution.ts_event < order.first.ts_decided + least:
            waited = execution.ts_event - order.first.ts_decided
            self._break(
                "S1", execution, f"came {waited} ns after its submission; latency.submit is at least {least} ns"
            )
        elif execution.ts_event < order.first.ts_event:
            since = f"{ORDERS_FILE}:{order.first.number}"
            self._break(
                "S1",
                execution,
                f"is of {execution.ts_event}, before its order took effect at {order.first.ts_event} ({since})",
            )

    def _check_price(self, order: OrderLine, execution: ExecutionLine) -> None:
        limit = order.price
        if limit is None:
            return
        self._book.checked["S2"] += 1
        is_worse = execution.price > limit if execution.is_buy else execution.price < limit
        if is_worse:
            self._break("S2", execution, f"at {execution.price} is worse than its limit {limit}")
        elif execution.is_maker and execution.source == "SIMULATED" and execution.price != limit:
            self._break("S2", execution, f"at {execution.price} is of a resting order, whose limit is {limit}")

    def _check_source(self, order: WorkingOrder, execution: ExecutionLine) -> None:
        if not order.is_simulated:
            return
        word = self._terms.match_words.get((execution.broker, execution.instrument))
        if not self._terms.match_words:
            self._book.leave_out("E3", "run.json names no match sources")
            return
        self._book.checked["E3"] += 1
        if execution.matched_on != word or execution.source != "SIMULATED":
            met = f"{execution.source} {execution.matched_on}"
            self._break("E3", execution, f"was matched on {met}; run.json names {word or 'nothing'} for it")

    def _check_rules(self, order: WorkingOrder, execution: ExecutionLine) -> None:
        book, last = self._book, order.last
        book.checked["E7"] += 1
        if execution.is_maker and last.price is None:
            self._break("E7", execution, f"is MAKER; a {last.order_type} order has no price to rest at")
        if last.is_post_only and not execution.is_maker:
            self._break("E7", execution, "is TAKER; its order is post_only")
        if last.time_in_force in _IMMEDIATE and order.begun_ns not in (None, execution.ts_event):
            self._break("E7", execution, f"comes later than {order.begun_ns}; {last.time_in_force} has one attempt")
        if last.is_reduce_only:
            held = execution.held_before
            if not held or (held > 0) == execution.is_buy or execution.quantity > abs(held):
                self._break("E7", execution, f"is of a reduce_only order; {held} was held before it")
        if last.expire_ns is not None:
            is_late = execution.ts_event > last.expire_ns
            if is_late or (execution.ts_event == last.expire_ns and execution.matched_on not in _BARS):
                self._break("E7", execution, f"is of {execution.ts_event}; its order expired at {last.expire_ns}")

    def _break(self, law: str, execution: ExecutionLine, message: str) -> None:
        self._book.report(law, EXECUTIONS_FILE, execution.number, f"execution {execution.execution_id} {message}")

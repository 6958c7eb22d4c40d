"""Order laws: each order's life, line by line (O1 to O7, T3, S1, S6, I1, F4).

Receives: lines of orders.jsonl in order; the executions that they ask for.
Gives:    findings; every execution, with the order as it stood before it, to the execution laws.
Never:    keeps an order that is finished, but for the last FINISHED_KEPT of them: answers to late commands come soon.

The table of states is written here again, from RELIABILITY 3 and DESIGN 8, on purpose.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from tradecore.verification.exact_number import ZERO, is_mean
from tradecore.verification.execution_laws import ExecutionLaws
from tradecore.verification.execution_stream import ExecutionStream
from tradecore.verification.group_laws import GroupLaws
from tradecore.verification.law_book import LawBook
from tradecore.verification.record_forms import FINISHED, ExecutionLine, OrderLine
from tradecore.verification.run_files import EXECUTIONS_FILE, ORDERS_FILE, RUN_FILE
from tradecore.verification.run_terms import RunTerms
from tradecore.verification.working_order import WorkingOrder

FINISHED_KEPT: Final = 20_000

_ENDS: Final = frozenset({"FILLED", "CANCELLED", "EXPIRED"})
_WORKS: Final = frozenset({"REJECTED", "ACCEPTED", "TRIGGERED", "PARTIALLY_FILLED"}) | _ENDS
_MOVES: Final[dict[str, frozenset[str]]] = {
    "INITIALIZED": frozenset({"DENIED", "SUBMITTED"}),
    "DENIED": frozenset(),
    "SUBMITTED": _WORKS | {"ABANDONED"},
    "REJECTED": frozenset(),
    "ACCEPTED": _WORKS - {"ACCEPTED"},
    "TRIGGERED": _WORKS - {"ACCEPTED", "TRIGGERED"},
    "PARTIALLY_FILLED": _ENDS | {"PARTIALLY_FILLED", "TRIGGERED"},
    "FILLED": frozenset(),
    "CANCELLED": frozenset({"CANCELLED", "FILLED"}),
    "EXPIRED": frozenset({"EXPIRED", "FILLED"}),
    "ABANDONED": _WORKS - {"TRIGGERED"},
}
_FIRST: Final = frozenset({"ACCEPTED", "REJECTED", "DENIED", "EXPIRED", "CANCELLED"})
"""What a simulated venue says first: it never executes what it has not accepted."""
_UNEXECUTED: Final = frozenset({"INITIALIZED", "DENIED", "SUBMITTED", "REJECTED", "ACCEPTED"})


class OrderLaws:
    """Checks orders.jsonl. order_count: orders met. grouped: whether any of them belongs to a group."""

    def __init__(
        self, terms: RunTerms, book: LawBook, executions: ExecutionStream, laws: ExecutionLaws, groups: GroupLaws
    ) -> None:
        self.order_count = 0
        self._terms, self._book = terms, book
        self._executions, self._laws, self._groups = executions, laws, groups
        self._open: dict[str, WorkingOrder] = {}
        self._finished: OrderedDict[str, WorkingOrder] = OrderedDict()
        self._last_effective: dict[str, tuple[int, str]] = {}
        self._last_number: dict[tuple[str, str], int] = {}
        self._hole: tuple[int, str] | None = None
        self._last_execution_line = 0

    def take(self, line: OrderLine) -> None:
        """One line more."""
        order = self._open.get(line.order_id) or self._finished.get(line.order_id)
        if order is None:
            if line.is_answer:
                self._book.leave_out("O7", f"answers to commands for orders that ended over {FINISHED_KEPT} orders ago")
                return
            order = self._open[line.order_id] = WorkingOrder(line, is_simulated=line.broker in self._terms.brokers)
            self.order_count += 1
            self._begin(order, line)
        else:
            self._go_on(order, line)
        self._check_amounts(order, line)
        self._check_command(order, line)
        self._check_grid(line)
        self._groups.take_line(order, line)
        self._execute(order, line)
        order.last = line
        if line.state in FINISHED and line.order_id in self._open:
            self._laws.finish_order(order, line)
            self._finished[line.order_id] = self._open.pop(line.order_id)
            if len(self._finished) > FINISHED_KEPT:
                self._finished.popitem(last=False)

    def finish(self, counted: object, *, is_complete: bool) -> None:
        """After the last line. counted: orders in run.json's counts."""
        book = self._book
        for execution in self._executions.take_rest():
            book.checked["O6"] += 1
            self._break_execution(
                "O6", execution, f"is shown by no line of order {execution.order_id} in {ORDERS_FILE}"
            )
        if self._hole is not None and not self._groups.has_groups:
            book.report("F4", ORDERS_FILE, self._hole[0], self._hole[1])
        if isinstance(counted, int):
            book.checked["F4"] += 1
            if self.order_count > counted:
                book.report("F4", RUN_FILE, None, f"counts.orders is {counted}; {ORDERS_FILE} has {self.order_count}")
        self._groups.finish(self._terms.ended_ns if is_complete else None)

    # ------------------------------------------------------------------------------------------------ one more line

    def _begin(self, order: WorkingOrder, line: OrderLine) -> None:
        """The first line of an order."""
        book, terms = self._book, self._terms
        book.checked["O1"] += 1
        may_be_first = _FIRST if order.is_simulated else _MOVES["SUBMITTED"] | {"SUBMITTED", "DENIED"}
        if line.parent_id is not None:
            may_be_first |= {"SUBMITTED"}  # changed while the venue held it for its parent
        if line.state not in may_be_first:
            self._break("O1", line, f"begins as {line.state}; expected {', '.join(sorted(may_be_first))} first")
        if line.state == "CANCELLED" and line.parent_id is None and order.is_simulated:
            self._break("O1", line, "is CANCELLED before it was accepted: a cancel overtook its submit")
        book.checked["T3"] += 1
        if terms.start_ns is not None and line.ts_decided < terms.start_ns:
            self._break("T3", line, f"was decided at {line.ts_decided}, before the run's start {terms.start_ns}")
        if terms.broker_names and line.broker not in terms.broker_names:
            self._break("F3", line, f"is at broker {line.broker!r}, which run.json does not have")
        if not order.is_simulated:
            book.leave_out("S1", f"run.json has no latency of broker {line.broker}")
            return
        is_unsent = line.state == "DENIED" or (line.state == "CANCELLED" and line.parent_id is not None)
        if line.role == "MARGIN":  # the broker's own: nobody submitted it
            return
        least = 0 if is_unsent else terms.brokers[line.broker].least_ns["submit"]
        book.checked["S1"] += 1
        if line.ts_event < line.ts_decided + least:
            waited = line.ts_event - line.ts_decided
            self._break(
                "S1", line, f"took effect {waited} ns after its submission; latency.submit is at least {least} ns"
            )
        if line.state != "DENIED" and line.parent_id is None:
            self._check_sequence(line)

    def _check_sequence(self, line: OrderLine) -> None:
        """Commands of a broker never overtake each other, and ids count up as orders are submitted."""
        book = self._book
        book.checked["S6"] += 1
        before = self._last_effective.get(line.broker)
        if before is not None and line.ts_event < before[0]:
            self._break("S6", line, f"took effect at {line.ts_event}, after {before[1]} did at {before[0]}")
        else:
            self._last_effective[line.broker] = (line.ts_event, line.order_id)
        prefix, _, counter = line.order_id.rpartition("-")
        if not (prefix == line.strategy and counter.isdigit()):
            self._break("O7", line, f"should be named {line.strategy}-NUMBER")
            return
        number, key = int(counter), (line.strategy, line.broker)
        last = self._last_number.get(key, 0)
        if number <= last:
            self._break("S6", line, f"takes effect after {line.strategy}-{last}, which was submitted later")
            return
        self._last_number[key] = number
        if len(self._terms.broker_names) == 1 and self._hole is None:
            book.checked["F4"] += 1
            if number != last + 1:
                missing = f"{line.strategy}-{last + 1}"
                self._hole = (
                    line.number,
                    f"order {line.order_id} comes after number {last}: {missing} is missing",
                )

    def _go_on(self, order: WorkingOrder, line: OrderLine) -> None:
        """A further line of an order."""
        book, last = self._book, order.last
        book.checked["O1"] += 1
        if (line.state != last.state or line.filled > last.filled) and line.state not in _MOVES[last.state]:
            self._break("O1", line, f"is {last.state} (line {last.number}) and cannot become {line.state}")
        book.checked["O7"] += 1
        if line.intent != last.intent:
            self._break("O7", line, f"is another order than at line {last.number}: what never changes was changed")
        if line.terms != last.terms and not self._may_change(last, line):
            self._break("O7", line, f"has other terms than at line {last.number}, and no update took effect")
        book.checked["T3"] += 1
        if line.ts_event < last.ts_event:
            self._break("T3", line, f"is of {line.ts_event}, after {last.ts_event} at line {last.number}")
        if last.state in ("CANCELLED", "EXPIRED") and line.filled > last.filled:
            book.checked["O3"] += 1
            if order.is_simulated:
                self._break("O3", line, f"executed after it was {last.state}; a simulated venue has no late executions")

    def _may_change(self, last: OrderLine, line: OrderLine) -> bool:
        """By an update, by its group, or because its stop trails the market."""
        if line.order_type == "TRAILING_STOP" and not line.is_updated and last.state not in FINISHED:
            self._book.checked["E7"] += 1
            before, now = last.stop_price, line.stop_price
            if before is not None and (now is None or (now > before if line.is_buy else now < before)):
                self._break("E7", line, f"has its trailing stop at {now}, behind {before} at line {last.number}")
            return line.quantity == last.quantity
        return (line.is_updated or line.group_id is not None) and last.state not in FINISHED

    def _check_amounts(self, order: WorkingOrder, line: OrderLine) -> None:
        book = self._book
        book.checked["O4"] += 1
        if not 0 <= line.filled <= line.quantity:
            self._break("O4", line, f"has {line.filled} executed of {line.quantity}")
        elif line.filled < order.last.filled:
            self._break(
                "O4", line, f"has {line.filled} executed, after {order.last.filled} at line {order.last.number}"
            )
        elif (
            (line.state == "FILLED" and line.filled != line.quantity)
            or (line.state == "PARTIALLY_FILLED" and not 0 < line.filled < line.quantity)
            or (line.state in _UNEXECUTED and line.filled)
        ):
            self._break("O4", line, f"is {line.state} with {line.filled} executed of {line.quantity}")
        if line.state in ("REJECTED", "DENIED"):
            book.checked["O6"] += 1
            if not line.reason:
                self._break("O6", line, f"is {line.state} without a reason")
        ended = self._terms.ended_ns
        if ended is not None:
            book.checked["T3"] += 1
            if line.ts_event > ended:
                self._break("T3", line, f"is of {line.ts_event}, after the run's end {ended}")

    def _check_command(self, order: WorkingOrder, line: OrderLine) -> None:
        """A cancel or update took effect, or was refused: not before it was decided and had come here."""
        terms = self._terms.brokers.get(line.broker)
        if terms is None or not order.is_simulated:
            return
        word = "update" if line.is_update else "cancel"
        if not line.ts_command:
            is_cancelled = line.state == "CANCELLED" and order.last.state not in FINISHED
            if line.is_answer or (is_cancelled and line.reason is None):
                self._break("S1", line, f"answers a {word}, and does not say when that was decided (ts_command)")
            return
        least = terms.least_ns[word]
        self._book.checked["S1"] += 1
        if line.ts_event < line.ts_command + least:
            waited = line.ts_event - line.ts_command
            self._break("S1", line, f"answers a {word} {waited} ns after it was given; it takes {least} ns at least")
        if line.ts_command < line.ts_decided:
            self._break("S1", line, f"answers a {word} of {line.ts_command}; the order was submitted later")

    def _check_grid(self, line: OrderLine) -> None:
        terms = self._terms.instruments.get(line.instrument)
        if terms is None:
            self._book.leave_out("I1", f"run.json has no increments of {line.instrument}")
            return
        self._book.checked["I1"] += 1
        if line.quantity % terms.quantity_increment:
            self._break("I1", line, f"has quantity {line.quantity}, off the increment {terms.quantity_increment}")
        for name, price in (("price", line.price), ("stop_price", line.stop_price)):
            if price is not None and price % terms.price_increment:
                self._break("I1", line, f"has {name} {price}, off the increment {terms.price_increment}")

    # --------------------------------------------------------------------------------------------------- executions

    def _execute(self, order: WorkingOrder, line: OrderLine) -> None:
        """Take the executions that a line shows, and compare the sums."""
        rise = line.filled - order.executed
        if rise > 0:
            self._book.checked["O5"] += 1
            total, place = ZERO, EXECUTIONS_FILE
            while total < rise and (execution := self._executions.next_of(line.order_id)) is not None:
                total += execution.quantity
                place = f"{EXECUTIONS_FILE}:{execution.number}"
                self._match(order, line, execution)
                if order.is_simulated:
                    break  # one line for each execution
            if total != rise:
                self._break("O5", line, f"shows {rise} more executed; {place} has {total}")
                order.is_exact = False
            order.executed = line.filled
        if line.average is not None and order.is_exact and line.filled:
            self._book.checked["O5"] += 1
            if not is_mean(line.average, order.value, line.filled):
                mean = order.value / line.filled if not order.value % line.filled else f"{order.value} / {line.filled}"
                self._break("O5", line, f"has an average price of {line.average}; its executions make {mean}")

    def _match(self, order: WorkingOrder, line: OrderLine, execution: ExecutionLine) -> None:
        order.value += execution.quantity * execution.price
        order.executions += 1
        book = self._book
        book.checked["O6"] += 1
        book.checked["O7"] += 1
        same = (execution.strategy, execution.broker, execution.instrument, execution.is_buy)
        if same != (line.strategy, line.broker, line.instrument, line.is_buy):
            self._break_execution(
                "O6",
                execution,
                f"is not of the strategy, broker, instrument or side of its order ({ORDERS_FILE}:{line.number})",
            )
        if order.is_simulated:
            expected = f"{line.order_id}.{order.executions}"
            if execution.execution_id != expected:
                self._break_execution("O7", execution, f"should be {expected}: one is missing, or comes twice")
            if execution.ts_event != line.ts_event:
                self._break_execution(
                    "T3",
                    execution,
                    f"is of {execution.ts_event}; {ORDERS_FILE}:{line.number} shows it at {line.ts_event}",
                )
            if execution.number < self._last_execution_line:
                self._break_execution(
                    "T3", execution, f"stands before line {self._last_execution_line}, which the orders show earlier"
                )
        self._last_execution_line = max(execution.number, self._last_execution_line)
        self._laws.take(order, execution)
        self._groups.take_execution(order, line, execution)

    def _break(self, law: str, line: OrderLine, message: str) -> None:
        self._book.report(law, ORDERS_FILE, line.number, f"order {line.order_id} {message}")

    def _break_execution(self, law: str, execution: ExecutionLine, message: str) -> None:
        self._book.report(law, EXECUTIONS_FILE, execution.number, f"execution {execution.execution_id} {message}")

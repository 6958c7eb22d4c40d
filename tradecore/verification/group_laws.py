"""Group laws: OTO, OCO, OUO and brackets (C1 to C5).

Receives: splits that groups went through; order lines and executions in the order of the files.
Gives:    findings; excesses that the way of a cancel allows are counted, not blamed.
Never:    keeps a group longer than the last GROUPS_KEPT of them.    RELIABILITY 3; EXECUTION 8.

Under `contingency = "client"` a sibling is cancelled, or reduced, once the execution was reported and the command has
reached the venue: until then both may execute. Under "venue" nothing may.

Across a split amounts are compared in new units: what was executed before it is multiplied, unrounded, so that whatever
rounding took away is allowed, and nothing that it added.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tradecore.verification.exact_number import ZERO, parse_number
from tradecore.verification.law_book import LawBook
from tradecore.verification.record_forms import FINISHED, ExecutionLine, OrderLine
from tradecore.verification.run_files import EVENTS_FILE, EXECUTIONS_FILE, ORDERS_FILE
from tradecore.verification.run_terms import RunTerms
from tradecore.verification.working_order import WorkingOrder

GROUPS_KEPT: Final = 20_000

_UNBORN: Final = FINISHED | {"SUBMITTED"}
"""States of a child that may never have worked: SUBMITTED, while the venue holds it for its parent."""
_EXITS: Final = frozenset({"OCO", "OUO"})


_Split = tuple[int, tuple[str, str, str], Decimal]
"""Lines of orders.jsonl before it; strategy, broker and instrument; new units for each old one."""


@dataclass(slots=True)
class _Leg:
    """One order of a group: the newest line, what it executed, when it first and last did.

    largest, executed: in units of now; shift: the latter less what its lines show as executed.
    """

    line: OrderLine
    largest: Decimal
    executed: Decimal = ZERO
    shift: Decimal = ZERO
    begun_ns: int | None = None
    latest_ns: int | None = None


@dataclass(slots=True)
class _Group:
    legs: dict[str, _Leg] = field(default_factory=dict)


class GroupLaws:
    """Checks contingency groups. has_groups: whether any order belonged to one."""

    def __init__(self, terms: RunTerms, book: LawBook) -> None:
        self.has_groups = False
        self._terms, self._book = terms, book
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._splits: deque[_Split] = deque()

    def take_split(self, number: int, record: dict[str, Any]) -> None:
        """A line of events.jsonl of the kind groups_split."""
        try:
            place = (str(record["strategy"]), str(record["broker"]), str(record["instrument"]))
            ratio, lines = parse_number(record["value"], "value"), record["order_lines"]
            if type(lines) is not int or ratio <= 0:
                raise ValueError(f"value is {ratio}, order_lines is {lines!r}; expected above 0, and a whole number")
        except (KeyError, ValueError) as error:
            self._book.report("F3", EVENTS_FILE, number, f"is no split of groups: {error}")
            return
        self._splits.append((lines, place, ratio))

    def take_line(self, order: WorkingOrder, line: OrderLine) -> None:
        """One line more of an order."""
        while self._splits and self._splits[0][0] < line.number:
            self._split(*self._splits.popleft()[1:])
        if line.group_id is None:
            return
        self.has_groups = True
        group = self._groups.get(line.group_id)
        if group is None:
            group = self._groups[line.group_id] = _Group()
            if len(self._groups) > GROUPS_KEPT:
                self._groups.popitem(last=False)
        leg = group.legs.get(line.order_id)
        if leg is None:
            leg = group.legs[line.order_id] = _Leg(line, line.quantity)
        leg.line = line
        leg.largest = max(leg.largest, line.quantity + leg.shift)
        if line.parent_id is not None and line.state not in _UNBORN and line.role != "CLOSE":
            self._check_child(group, line)

    def take_execution(self, order: WorkingOrder, line: OrderLine, execution: ExecutionLine) -> None:
        """One execution more of an order that may belong to a group."""
        group = None if line.group_id is None else self._groups.get(line.group_id)
        if group is None:
            return
        leg = group.legs[line.order_id]
        leg.executed += execution.quantity
        if leg.begun_ns is None:
            leg.begun_ns = execution.ts_event
        leg.latest_ns = execution.ts_event
        if line.role == "CLOSE":
            return  # it sets right what the exits did
        if line.contingency == "OCO":
            self._check_one_only(group, leg, execution)
        if line.contingency in _EXITS:
            self._check_exits(group, leg, execution)

    def finish(self, ended_ns: int | None) -> None:
        """At the run's end: whoever was to be cancelled is. ended_ns: None for a run cut short."""
        if ended_ns is None:
            return
        for group in self._groups.values():
            for leg in group.legs.values():
                done = [other for other in _siblings(group, leg) if other.begun_ns is not None]
                if leg.line.contingency != "OCO" or leg.line.state in FINISHED or leg.begun_ns is not None or not done:
                    continue
                self._book.checked["C1"] += 1
                allowed = self._find_answer_ns(leg.line)
                first = min(done, key=lambda other: other.begun_ns or 0)
                if allowed is not None and (first.begun_ns or 0) + allowed < ended_ns:
                    message = f"order {leg.line.order_id} still works; {first.line.order_id} of its group has executed"
                    self._book.report("C1", ORDERS_FILE, leg.line.number, message)

    def _split(self, place: tuple[str, str, str], ratio: Decimal) -> None:
        for group in self._groups.values():
            for leg in group.legs.values():
                if (leg.line.strategy, leg.line.broker, leg.line.instrument) == place:
                    moved = leg.executed * (ratio - 1)
                    leg.executed, leg.shift, leg.largest = leg.executed + moved, leg.shift + moved, leg.largest * ratio

    def _check_child(self, group: _Group, line: OrderLine) -> None:
        parent = group.legs.get(line.parent_id or "")
        done = ZERO if parent is None else parent.executed
        law = "C3"
        amount = line.quantity + group.legs[line.order_id].shift
        if parent is not None and parent.line.state in FINISHED and done < parent.line.quantity + parent.shift:
            law = "C4" if done else "C5"
        self._book.checked[law] += 1
        if not done:
            message = f"order {line.order_id} is at the venue; its parent {line.parent_id} has executed nothing"
            self._book.report(law, ORDERS_FILE, line.number, message)
        elif amount > done and not self._is_least(parent, line):
            message = f"order {line.order_id} is of {amount:f}; its parent {line.parent_id} executed {done:f}"
            self._book.report(law, ORDERS_FILE, line.number, message)
        elif parent is not None and parent.begun_ns is not None and line.ts_event < parent.begun_ns:
            message = f"order {line.order_id} is of {line.ts_event}; its parent first executed at {parent.begun_ns}"
            self._book.report(law, ORDERS_FILE, line.number, message)

    def _is_least(self, parent: _Leg | None, line: OrderLine) -> bool:
        """Whether a child has the one increment left that a split leaves at least, until its group takes it away."""
        terms = self._terms.instruments.get(line.instrument)
        was_split = parent is not None and parent.shift
        return bool(was_split) and terms is not None and line.quantity - line.filled == terms.quantity_increment

    def _check_one_only(self, group: _Group, leg: _Leg, execution: ExecutionLine) -> None:
        self._book.checked["C1"] += 1
        begun = [(other.begun_ns, other) for other in _siblings(group, leg) if other.begun_ns is not None]
        if not begun:
            return
        first_ns, first = min(begun, key=lambda one: one[0])
        message = f"executes although {first.line.order_id} of its OCO group executed at {first_ns}"
        self._blame("C1", leg, execution, first_ns, message)

    def _check_exits(self, group: _Group, leg: _Leg, execution: ExecutionLine) -> None:
        siblings = _siblings(group, leg)
        parent = group.legs.get(leg.line.parent_id or "")
        exits = [leg, *siblings]
        most = parent.executed if parent is not None else max(one.largest for one in exits)
        executed = ZERO
        for one in exits:
            executed += one.executed
        self._book.checked["C2"] += 1
        if executed > most:
            since = max((one.latest_ns for one in siblings if one.latest_ns is not None), default=execution.ts_event)
            message = (
                f"makes {executed:f} executed by the exits of group {leg.line.group_id}; there were {most:f} to exit"
            )
            self._blame("C2", leg, execution, since, message)

    def _blame(self, law: str, leg: _Leg, execution: ExecutionLine, since_ns: int, message: str) -> None:
        """Broken, unless the command that should have prevented it could still be on its way."""
        allowed = self._find_answer_ns(leg.line)
        if not self._is_held_there(leg.line) and (allowed is None or execution.ts_event <= since_ns + allowed):
            self._book.leave_out(law, "an exit executed more while the command to its sibling was on its way (client)")
            return
        self._book.report(law, EXECUTIONS_FILE, execution.number, f"execution {execution.execution_id} {message}")

    def _is_held_there(self, line: OrderLine) -> bool:
        terms = self._terms.brokers.get(line.broker)
        return terms is not None and terms.holds_groups

    def _find_answer_ns(self, line: OrderLine) -> int | None:
        """How long after an execution its siblings may work on; None without an end.

        On bars an execution is known when its bar is, which is up to a step after it happened, and what is to be
        cancelled inside a bar may be in that bar until it is known as well.
        """
        terms = self._terms.brokers.get(line.broker)
        answer = None if terms is None else terms.find_answer_ns()
        if terms is None or terms.holds_groups or answer is None:
            return 0 if terms is not None and terms.holds_groups else None
        place = (line.broker, line.instrument)
        if not self._terms.match_words.get(place, "").startswith("bar"):
            return answer
        step = self._terms.bar_steps_ns.get(place, 0)
        return answer + 2 * step if step else None


def _siblings(group: _Group, leg: _Leg) -> list[_Leg]:
    """The other exits of the same parent."""
    return [
        other
        for other in group.legs.values()
        if other is not leg
        and other.line.parent_id == leg.line.parent_id
        and other.line.contingency in _EXITS
        and other.line.role != "CLOSE"
    ]

"""ExecutionStream: the executions of a run, asked for order by order.

Receives: the records of executions.jsonl; whoever wants each of them first (the money laws).
Gives:    the next execution of an order; in the end those that no order asked for.
Never:    reads further ahead than AHEAD_MAX lines to find one: where a line is missing, the rest still matches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from tradecore.verification.law_book import LawBook
from tradecore.verification.record_forms import ExecutionLine
from tradecore.verification.run_files import EXECUTIONS_FILE

AHEAD_MAX: Final = 2_000
"""Lines read ahead of the order that is looked for. In a run's own files none is: both are written together."""


class ExecutionStream:
    """Executions by order. take_first: sees each execution once, in the order of the file."""

    def __init__(
        self, records: Iterator[tuple[int, dict[str, Any]]], book: LawBook, take_first: Callable[[ExecutionLine], None]
    ) -> None:
        self._records, self._book, self._take_first = records, book, take_first
        self._ahead: dict[str, deque[ExecutionLine]] = {}
        self._ahead_count = 0

    def next_of(self, order_id: str) -> ExecutionLine | None:
        """The next execution of an order; None where none comes within reach."""
        waiting = self._ahead.get(order_id)
        if waiting:
            self._ahead_count -= 1
            found = waiting.popleft()
            if not waiting:
                del self._ahead[order_id]
            return found
        while self._ahead_count < AHEAD_MAX:
            execution = self._read()
            if execution is None:
                return None
            if execution.order_id == order_id:
                return execution
            self._ahead.setdefault(execution.order_id, deque()).append(execution)
            self._ahead_count += 1
        return None

    def take_rest(self) -> Iterator[ExecutionLine]:
        """Executions that no order asked for, in the order of the file."""
        waiting = [execution for group in self._ahead.values() for execution in group]
        self._ahead, self._ahead_count = {}, 0
        yield from sorted(waiting, key=lambda execution: execution.number)
        while (execution := self._read()) is not None:
            yield execution

    def _read(self) -> ExecutionLine | None:
        for number, record in self._records:
            try:
                execution = ExecutionLine(number, record)
            except (ValueError, KeyError) as error:
                problem = f"has no {error}" if isinstance(error, KeyError) else str(error)
                self._book.report("F3", EXECUTIONS_FILE, number, f"is no execution: {problem}")
                continue
            self._take_first(execution)
            return execution
        return None

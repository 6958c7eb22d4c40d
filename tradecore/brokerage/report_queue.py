"""ReportQueue: what a broker has to tell, until the strategies may hear of it.

Receives: reports with due times.
Gives:    those that are due, by due time; within a strategy always in the order in which they were made.
Never:    lets a later report of a strategy overtake an earlier one.    EXECUTION 1.
"""

from __future__ import annotations

from heapq import heappop, heappush

from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderReport
from tradecore.domain.position import Position
from tradecore.engine.participant import NEVER, BrokerReport


class ReportQueue:
    """Reports on their way. due_ns: when the next one is due, NEVER without.

    is_delayed: whether reports take time. If none does, due times cannot fall, and there is nothing to sort.
    """

    __slots__ = ("_heap", "_is_delayed", "_last_due", "_number", "_ready", "due_ns")

    def __init__(self, *, is_delayed: bool) -> None:
        self.due_ns = NEVER
        self._is_delayed = is_delayed
        self._ready: list[BrokerReport] = []  # without delay: in order
        self._heap: list[tuple[int, int, BrokerReport]] = []
        self._last_due: dict[str, int] = {}
        self._number = 0

    def put(
        self,
        due_ns: int,
        strategy: str,
        report: OrderReport,
        execution: Execution | None = None,
        after: Position | None = None,
    ) -> None:
        """Queue a report."""
        if not self._is_delayed:
            if not self._ready:
                self.due_ns = due_ns
            self._ready.append(BrokerReport(due_ns, strategy, report, execution, after))
            return
        last = self._last_due.get(strategy)
        if last is not None and last > due_ns:
            due_ns = last
        self._last_due[strategy] = due_ns
        message = BrokerReport(due_ns, strategy, report, execution, after)
        self._number += 1
        heappush(self._heap, (due_ns, self._number, message))
        self.due_ns = self._heap[0][0]

    def take(self, ts: int) -> list[BrokerReport]:
        """Reports due by this instant, each handed out once."""
        if self.due_ns > ts:
            return []
        if not self._is_delayed:
            taken, self._ready = self._ready, []
            self.due_ns = NEVER
            return taken
        taken = []
        heap = self._heap
        while heap and heap[0][0] <= ts:
            taken.append(heappop(heap)[2])
        self.due_ns = heap[0][0] if heap else NEVER
        return taken

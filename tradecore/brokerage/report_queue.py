"""ReportQueue: what a broker has to tell, until the strategies may hear of it.

Receives: reports with due times, of a broker whose reports take time.
Gives:    those that are due, by due time; within a strategy always in the order in which they were made.
Never:    lets a later report of a strategy overtake an earlier one.    EXECUTION 1.
"""

from __future__ import annotations

from heapq import heappop, heappush

from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderSnapshot
from tradecore.domain.position import Position
from tradecore.engine.participant import NEVER, AdjustmentReport, BrokerReport


class ReportQueue:
    """Reports on their way. due_ns: when the next one is due, NEVER without."""

    __slots__ = ("_heap", "_last_due", "_number", "due_ns")

    def __init__(self) -> None:
        self.due_ns = NEVER
        self._heap: list[tuple[int, int, BrokerReport | AdjustmentReport]] = []
        self._last_due: dict[str, int] = {}
        self._number = 0

    def put(self, due_ns: int, order: OrderSnapshot, execution: Execution | None, after: Position | None) -> None:
        """Queue a report."""
        strategy = order.strategy
        due_ns = self._last_due[strategy] = max(due_ns, self._last_due.get(strategy, due_ns))
        self._number += 1
        heappush(self._heap, (due_ns, self._number, BrokerReport(due_ns, strategy, order, execution, after)))
        self.due_ns = self._heap[0][0]

    def put_adjusted(self, due_ns: int, adjusted: AccountAdjusted) -> int:
        """Queue the report of an adjustment, behind what its strategy is still to hear of before; when it is due."""
        strategy = adjusted.strategy
        due_ns = self._last_due[strategy] = max(due_ns, self._last_due.get(strategy, due_ns))
        self._number += 1
        heappush(self._heap, (due_ns, self._number, AdjustmentReport(due_ns, strategy, adjusted)))
        self.due_ns = self._heap[0][0]
        return due_ns

    def take(self, ts: int) -> list[BrokerReport | AdjustmentReport]:
        """Reports due by this instant, each handed out once."""
        taken = []
        heap = self._heap
        while heap and heap[0][0] <= ts:
            taken.append(heappop(heap)[2])
        self.due_ns = heap[0][0] if heap else NEVER
        return taken

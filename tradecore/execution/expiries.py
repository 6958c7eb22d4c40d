"""Expiries: when working orders end by themselves.

Receives: orders of GTD and DAY when they first take effect.
Gives:    `due_ns`, and the orders whose time has come, by time, then by number.
Never:    decides what an order may still do at its last instant (ExecutionEngine, BarPassage).    EXECUTION 2.
"""

from __future__ import annotations

from heapq import heappop, heappush

import msgspec

from tradecore.domain.instant import MAX_NS
from tradecore.execution.working_order import WorkingOrder


class Expiry(msgspec.Struct, frozen=True):
    """The end of an order, as a command that a lane can keep until a bar is known."""

    order: WorkingOrder


class Expiries:
    """Orders that end. due_ns: when the next one does, NEVER (the last instant there is) without."""

    def __init__(self) -> None:
        self.due_ns = MAX_NS
        self._heap: list[tuple[int, int, WorkingOrder]] = []
        self._known: set[str] = set()

    def add(self, order: WorkingOrder) -> None:
        """Note an order; once more changes nothing (an update lets it take effect again)."""
        if order.order_id not in self._known:
            self._known.add(order.order_id)
            heappush(self._heap, (order.expires_ns, order.number, order))
            self.due_ns = self._heap[0][0]

    def take(self, ts: int) -> list[WorkingOrder]:
        """Orders that end by this instant and have not ended otherwise, each handed out once."""
        ending = []
        while self._heap and self._heap[0][0] <= ts:
            order = heappop(self._heap)[2]
            self._known.discard(order.order_id)
            if not order.is_finished:
                ending.append(order)
        self.due_ns = self._heap[0][0] if self._heap else MAX_NS
        return ending

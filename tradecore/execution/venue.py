"""Venue: whom a lane tells what happens to its orders. The ExecutionEngine is one.

Receives: executions, triggers and withdrawals that a lane has found; commands that had to wait for a bar.
Gives:    how much a reduce_only order may execute.    Spec: 5.2; EXECUTION 2, 3.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

from tradecore.domain.execution import Liquidity
from tradecore.execution.working_order import WorkingOrder


class Venue(Protocol):
    """What a lane tells of its orders. The ExecutionEngine is one."""

    def execute(
        self, order: WorkingOrder, quantity: Decimal, price: Decimal, ts_event: int, liquidity: Liquidity,
        slippage: Decimal,
    ) -> bool:  # fmt: skip
        """An order executes; False when it was refused instead (no money), and is withdrawn."""
        ...

    def trigger(self, order: WorkingOrder, ts_event: int) -> None:
        """A stop's condition was met."""
        ...

    def withdraw(self, order: WorkingOrder, ts_event: int, reason: str) -> None:
        """The venue takes an order away."""
        ...

    def run_postponed(self, command: Any, ts_event: int) -> None:
        """A command that had to wait for a bar takes effect; ts_event: its own instant."""
        ...

    def find_reducible(self, order: WorkingOrder) -> Decimal:
        """How much of what its strategy holds an order of this side would close, >= 0."""
        ...

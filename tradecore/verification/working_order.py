"""WorkingOrder: what is remembered of an order while its lines go by.    RELIABILITY 3."""

from __future__ import annotations

from tradecore.verification.exact_number import ZERO
from tradecore.verification.record_forms import OrderLine


class WorkingOrder:
    """One order. first, last: its first line, and the one before the line that is looked at. executed, value: sums of
    its executions. is_exact: these are known to the last digit. begun_ns: time of its first execution.
    """

    __slots__ = (
        "begun_ns", "executed", "executions", "first", "is_exact", "is_simulated", "last", "value",
    )  # fmt: skip

    def __init__(self, line: OrderLine, *, is_simulated: bool) -> None:
        self.first = self.last = line
        self.is_simulated = is_simulated
        self.executed = self.value = ZERO
        self.executions = 0
        self.is_exact = True
        self.begun_ns: int | None = None

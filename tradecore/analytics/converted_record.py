"""ConvertedRecord: a ledger's record whose executions are money of another currency than the statistics.

Receives: executions that carry their rates; marks that its broker has converted (quantity x mark - cost x the rate of
          the last execution is the open profit in the statistics' currency).
Gives:    what LedgerRecord gives, in the statistics' currency.
Never:    converts again what was realised: that was worth what it was worth when it was made.    EXECUTION 9, 10.

What is realised and paid is converted at the rate of its execution, what is held at the rate of its mark; the curve has
no step at an execution, because both are the same then. Example: 10 bought at 100 GBP, sold at 110 GBP with the pound
at 1.30 USD are 130 USD, whatever the pound was worth before: the 1,000 GBP that were paid are the 1,000 GBP that came
back.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from tradecore.analytics.flip_run import Recorded
from tradecore.analytics.ledger_record import LedgerRecord
from tradecore.domain.execution import Execution
from tradecore.domain.position import Position

_ONE: Final = Decimal(1)


class ConvertedRecord(LedgerRecord):
    """The running record of one ledger, converted."""

    __slots__ = ("_rate",)  # of the last execution: what the cost of what is held was taken over at

    def add_execution(
        self, execution: Execution, before: Position, after: Position, known_ns: int | None = None
    ) -> None:
        """See LedgerRecord.add_execution; the positions are those of the ledger, in the instrument's currency."""
        rate = _ONE if execution.rate is None else execution.rate
        commission = execution.commission * (rate if execution.commission_rate is None else execution.commission_rate)
        earlier, self._rate = self._position, rate
        super().add_execution(
            replace(execution, price=execution.price * rate, slippage=execution.slippage * rate, commission=commission),
            earlier,
            replace(
                after,
                cost=after.cost * rate,
                realised=earlier.realised + (after.realised - before.realised) * rate,
                commission=earlier.commission + commission,
            ),
            known_ns,
        )

    def add_flips(self, run: Sequence[Recorded]) -> int:
        """Each has a rate of its own: one by one."""
        return 0

    def add_adjustment(self, ts: int, after: Position, profit: Decimal, price: float) -> None:
        """See LedgerRecord.add_adjustment: profit and price are converted, the position's cost is not."""
        earlier, cost = self._position, after.cost * self._rate
        realised = earlier.realised + profit
        super().add_adjustment(ts, replace(after, cost=cost, realised=realised), profit, price)

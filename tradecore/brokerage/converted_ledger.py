"""ConvertedLedger: a ledger whose money is not the account's, or whose commission is not its own.

Receives: executions that carry their rates.
Gives:    what Ledger gives, with marks that value in the account's currency.
Never:    leaves marks to be read later: each is converted with what was held and what it had cost.    EXECUTION 9, 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tradecore.brokerage.conversion import Conversion
from tradecore.brokerage.ledger import Ledger
from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument
from tradecore.domain.position import Position
from tradecore.engine.participant import Recorder
from tradecore.execution.lane import Lane

_ONE: Final = Decimal(1)


class _ConvertedMarks:
    """The recorder of a ledger, with its marks in the account's currency."""

    def __init__(self, ledger: ConvertedLedger, recorder: Recorder) -> None:
        self._ledger, self._record_marks = ledger, recorder.record_marks
        self.record_execution = recorder.record_execution
        self.record_order = recorder.record_order
        self.record_note = recorder.record_note
        self._record_adjustment = recorder.record_adjustment

    def record_marks(self, instrument: str, times: Sequence[int], prices: Sequence[float]) -> None:
        """See Recorder.record_marks."""
        ledger = self._ledger
        self._record_marks(
            instrument, times, ledger.conversion.convert_marks(ledger.position, ledger.rate, times, prices)
        )

    def record_adjustment(self, adjusted: AccountAdjusted, profit: Decimal, price: float) -> None:
        """See Recorder.record_adjustment."""
        ledger = self._ledger
        (mark,) = ledger.conversion.convert_marks(ledger.position, ledger.rate, [adjusted.adjustment.ts_event], [price])
        self._record_adjustment(adjusted, profit, mark)


class ConvertedLedger(Ledger):
    """One ledger with a conversion. rate: of the last execution, at which the strategy's record took the cost over."""

    __slots__ = ("conversion", "rate")

    def __init__(
        self, strategy: str, instrument: Instrument, lane: Lane, recorder: Recorder, conversion: Conversion
    ) -> None:
        super().__init__(strategy, instrument, lane, recorder)
        self.conversion: Conversion = conversion
        self.rate = _ONE
        self.recorder = _ConvertedMarks(self, recorder)

    def apply(self, execution: Execution, instant: int) -> Position:
        """See Ledger.apply."""
        self.record_marks(instant - 1, self.position.quantity)
        self.marked_ns = max(self.marked_ns, instant - 1)
        before = self.position
        self.position = after = self.conversion.fold(before, execution)
        assert execution.rate is not None
        self.rate = execution.rate
        self.recorder.record_execution(execution, before, after, instant)
        return after

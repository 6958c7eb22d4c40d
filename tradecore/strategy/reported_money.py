"""ReportedMoney: what each account holds, as far as strategies have been told.

Receives: executions and adjustments when they are delivered to a strategy.
Gives:    Account values: initial cash plus everything reported; an account is the sum of its strategies.
Never:    asks a broker: its books run ahead of the reports.    DESIGN 9; EXECUTION 1, 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tradecore.domain.account import Account
from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.instrument import ONE, Instrument
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position

_SIDE_BUY: Final = OrderSide.BUY
_ZERO = Decimal(0)

WAITING_MOST = 128
"""Length of `waiting` at which it is to be folded: executions are kept in memory meanwhile."""


class ReportedMoney:
    """Cash by broker and currency. waiting: an execution that was reported and the position after it, in turn;
    whoever takes reports appends both, and calls `fold` when they are as many as may wait.
    """

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._types: dict[str, str] = {}
        self._cash: dict[str, dict[str, Decimal]] = {}
        self._positions: dict[tuple[str, str, str], Position] = {}
        # Flat: a tuple each would be one more object for the collector. Always this very list.
        self.waiting: list[Any] = []

    def open(self, broker: str, account_type: str, cash: Mapping[str, Decimal]) -> None:
        """An account with its initial money."""
        self._types[broker] = account_type
        self._cash[broker] = dict(cash)

    def take_adjustment(self, adjusted: AccountAdjusted) -> None:
        """An adjustment was reported."""
        self.fold()
        cash = self._cash.setdefault(adjusted.broker, {})
        cash[adjusted.currency] = cash.get(adjusted.currency, _ZERO) + adjusted.amount
        if adjusted.after is not None:
            self._positions[adjusted.broker, adjusted.strategy, adjusted.after.instrument] = adjusted.after

    def fold(self) -> None:
        """Value out or in, commission out. Few strategies ask for their account, so it waits until one does."""
        waiting = self.waiting.copy()
        self.waiting.clear()
        for execution, after in zip(waiting[::2], waiting[1::2], strict=True):
            broker, name = execution.broker, execution.instrument
            self._positions[broker, execution.strategy, name] = after
            cash, instrument = self._cash.setdefault(broker, {}), self._instruments[name]
            value = execution.quantity * execution.price
            if after.multiplier is not ONE:
                value *= after.multiplier
            currency = instrument.currency
            held = cash.get(currency, _ZERO)
            cash[currency] = held - value if execution.side is _SIDE_BUY else held + value
            paid_in = execution.commission_currency
            if execution.commission and paid_in != instrument.base_currency:  # that is taken from what is traded
                cash[paid_in] = cash.get(paid_in, _ZERO) - execution.commission

    def get_currency(self, broker: str) -> str | None:
        """The account's own currency, the first of its cash; None of a broker that was not opened here."""
        return next(iter(self._cash.get(broker, ())), None)

    def account(self, broker: str) -> Account:
        """The account as reported, to all strategies together."""
        self.fold()
        held = sorted(self._positions.items())
        positions = {key[1:]: one for key, one in held if key[0] == broker and not one.is_flat}
        return Account(broker, self._types.get(broker, "cash"), dict(self._cash.get(broker, {})), positions)

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
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import ONE, Instrument
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position

_SIDE_BUY: Final = OrderSide.BUY
_ZERO = Decimal(0)

FOLD_AT = 64
"""Executions that wait at most: they are kept in memory meanwhile."""


class ReportedMoney:
    """Cash by broker and currency."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._types: dict[str, str] = {}
        self._cash: dict[str, dict[str, Decimal]] = {}
        self._positions: dict[tuple[str, str, str], Position] = {}
        # Flat, an execution and the position after it in turn: a tuple each would be one more object for the collector.
        self._reported: list[Any] = []

    def open(self, broker: str, account_type: str, cash: Mapping[str, Decimal]) -> None:
        """An account with its initial money."""
        self._types[broker] = account_type
        self._cash[broker] = dict(cash)

    def take(self, execution: Execution, after: Position) -> None:
        """An execution was reported; the strategy's position is this now."""
        reported = self._reported
        reported += execution, after
        if len(reported) >= 2 * FOLD_AT:
            self._fold()

    def take_adjustment(self, adjusted: AccountAdjusted) -> None:
        """An adjustment was reported."""
        self._fold()
        cash = self._cash.setdefault(adjusted.broker, {})
        cash[adjusted.currency] = cash.get(adjusted.currency, _ZERO) + adjusted.amount
        if adjusted.after is not None:
            self._positions[adjusted.broker, adjusted.strategy, adjusted.after.instrument] = adjusted.after

    def _fold(self) -> None:
        """Value out or in, commission out. Few strategies ask for their account, so it waits until one does."""
        reported, self._reported = self._reported, []
        for execution, after in zip(reported[::2], reported[1::2], strict=True):
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
        self._fold()
        held = sorted(self._positions.items())
        positions = {key[1:]: one for key, one in held if key[0] == broker and not one.is_flat}
        return Account(broker, self._types.get(broker, "cash"), dict(self._cash.get(broker, {})), positions)

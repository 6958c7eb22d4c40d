"""ReportedMoney: what each account holds, as far as strategies have been told.

Receives: executions when they are delivered to a strategy.
Gives:    Account values: initial cash plus everything reported; an account is the sum of its strategies.
Never:    asks a broker: its books run ahead of the reports.    DESIGN 9; EXECUTION 1, 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tradecore.domain.account import Account
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument

_ZERO = Decimal(0)


class ReportedMoney:
    """Cash by broker and currency."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._kinds: dict[str, str] = {}
        self._cash: dict[str, dict[str, Decimal]] = {}

    def open(self, broker: str, kind: str, cash: Mapping[str, Decimal]) -> None:
        """An account with its initial money."""
        self._kinds[broker] = kind
        self._cash[broker] = dict(cash)

    def take(self, execution: Execution, multiplier: Decimal) -> None:
        """An execution was reported: value out or in, commission out."""
        cash = self._cash.setdefault(execution.broker, {})
        currency = self._instruments[execution.instrument].currency
        value = execution.signed_quantity * execution.price * multiplier
        cash[currency] = cash.get(currency, _ZERO) - value
        if execution.commission:
            paid_in = execution.commission_currency
            cash[paid_in] = cash.get(paid_in, _ZERO) - execution.commission

    def account(self, broker: str) -> Account:
        """The account as reported."""
        return Account(broker, self._kinds.get(broker, "cash"), dict(self._cash.get(broker, {})))

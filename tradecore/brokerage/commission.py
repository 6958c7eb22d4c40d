"""Commission: what a venue keeps of an execution, exact, in the instrument's currency.    EXECUTION 9.

Receives: the commission table of a broker's settings.
Gives:    a function of order, quantity, price and liquidity; below 0 is a rebate.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradecore.brokerage.settings import Commission, PerUnitCommission, RateCommission
from tradecore.domain.execution import Liquidity
from tradecore.domain.instrument import Instrument
from tradecore.execution.execution_engine import Charge
from tradecore.execution.working_order import WorkingOrder

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER

_ZERO: Final = Decimal(0)


def make_charge(commission: Commission, instrument: Instrument) -> Charge:
    """The commission of one instrument, as the ExecutionEngine wants it.

    rate: price x quantity x multiplier x rate. per_unit: quantity x amount, at least the minimum. fixed: the amount.
    """
    if isinstance(commission, RateCommission):
        if not (commission.maker or commission.taker):
            return _charge_nothing
        return _make_rate_charge(commission.maker, commission.taker, instrument.multiplier)
    if isinstance(commission, PerUnitCommission):
        return _make_unit_charge(commission.amount, commission.minimum)
    return _make_fixed_charge(commission.amount)


def _charge_nothing(order: WorkingOrder, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
    return _ZERO


def _make_rate_charge(maker: Decimal, taker: Decimal, multiplier: Decimal) -> Charge:
    maker_rate, taker_rate = maker * multiplier, taker * multiplier

    def charge(order: WorkingOrder, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
        return abs(price) * quantity * (taker_rate if liquidity is _LIQUIDITY_TAKER else maker_rate)

    return charge


def _make_unit_charge(amount: Decimal, minimum: Decimal) -> Charge:
    def charge(order: WorkingOrder, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
        return max(quantity * amount, minimum)

    return charge


def _make_fixed_charge(amount: Decimal) -> Charge:
    def charge(order: WorkingOrder, quantity: Decimal, price: Decimal, liquidity: Liquidity) -> Decimal:
        return amount

    return charge

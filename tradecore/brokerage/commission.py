"""Commission: what a venue keeps of an execution, exact, in the currency that its table names.    EXECUTION 9.

Receives: the commission table of a broker's settings.
Gives:    a function of quantity, price, liquidity and side; below 0 is a rebate.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Final

from tradecore.brokerage.conversion import find_commission_currency
from tradecore.brokerage.settings import Commission, PerUnitCommission, RateCommission
from tradecore.domain.execution import Liquidity
from tradecore.domain.instrument import Instrument
from tradecore.execution.execution_engine import Charge

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER

_ZERO: Final = Decimal(0)
_STEP: Final = Decimal("1e-12")


def make_charge(
    commission: Commission, instrument: Instrument, compute_cross: Callable[[str], Decimal] | None = None
) -> Charge:
    """The commission of one instrument, as the ExecutionEngine wants it, in the currency that it is paid in.

    rate: price x quantity x multiplier x rate, of units quantity x rate. per_unit: quantity x amount, at least the
    minimum. fixed: the amount. compute_cross: units of a currency for one of the instrument's, now; needed for a rate
    that is paid in another currency.
    """
    buy, sell = (find_commission_currency(commission.currency, instrument, is_buy=is_buy) for is_buy in (True, False))
    if buy == sell:
        return _make_charge(commission, instrument, buy, compute_cross)
    of_buy, of_sell = (_make_charge(commission, instrument, paid_in, compute_cross) for paid_in in (buy, sell))

    def charge(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        return (of_buy if is_buy else of_sell)(quantity, price, liquidity, is_buy)

    return charge


def _make_charge(
    commission: Commission, instrument: Instrument, paid_in: str, compute_cross: Callable[[str], Decimal] | None
) -> Charge:
    if isinstance(commission, PerUnitCommission):
        return _make_unit_charge(commission.amount, commission.minimum)
    if not isinstance(commission, RateCommission):
        return _make_fixed_charge(commission.amount)
    if not (commission.maker or commission.taker):
        return _charge_nothing
    if paid_in == instrument.base_currency:
        return _make_part_charge(commission.maker, commission.taker)
    charge = _make_rate_charge(commission.maker, commission.taker, instrument.multiplier)
    if paid_in == instrument.currency:
        return charge
    assert compute_cross is not None, "an account that pays commission in another currency has paths"
    return _make_cross_charge(charge, partial(compute_cross, paid_in))


def _charge_nothing(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
    return _ZERO


def _make_rate_charge(maker: Decimal, taker: Decimal, multiplier: Decimal) -> Charge:
    maker_rate, taker_rate = maker * multiplier, taker * multiplier

    def charge(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        return abs(price) * quantity * (taker_rate if liquidity is _LIQUIDITY_TAKER else maker_rate)

    return charge


def _make_part_charge(maker: Decimal, taker: Decimal) -> Charge:
    """Units of what is traded."""

    def charge(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        return quantity * (taker if liquidity is _LIQUIDITY_TAKER else maker)

    return charge


def _make_cross_charge(in_quote: Charge, compute_cross: Callable[[], Decimal]) -> Charge:
    """To twelve decimals, so that sums of cash stay exact."""

    def charge(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        return (in_quote(quantity, price, liquidity, is_buy) * compute_cross()).quantize(_STEP, ROUND_HALF_EVEN)

    return charge


def _make_unit_charge(amount: Decimal, minimum: Decimal) -> Charge:
    def charge(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        return max(quantity * amount, minimum)

    return charge


def _make_fixed_charge(amount: Decimal) -> Charge:
    def charge(quantity: Decimal, price: Decimal, liquidity: Liquidity, is_buy: bool) -> Decimal:
        return amount

    return charge

"""AccountBook: the money of one broker, and whether it pays for an order.

Receives: executions and the coming and going of working orders; prices from the lanes, when it has to judge.
Gives:    cash by currency, exact; a reason that a person understands when an order is refused.
Never:    invents money: cash changes by executions alone, by price x quantity x multiplier and the commission.
          EXECUTION 7, 9.

A cash account pays a buy in the instrument's own currency, and sets the money aside while the order works; it sells
what the strategy holds and no more. A margin account needs `initial_margin` of the value of the widest position that
its working orders may lead to, in its base currency (the first of `cash`), and lets whatever reduces a position pass.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tradecore.brokerage.ledger import Ledger
from tradecore.domain.execution import Execution, Liquidity
from tradecore.domain.position import Position
from tradecore.execution.exact import to_exact
from tradecore.execution.execution_engine import Charge
from tradecore.execution.working_order import WorkingOrder

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER

_ZERO: Final = Decimal(0)

Convert = Callable[[str], Decimal | None]
"""Rate from a currency to the account's base currency, None before its first price."""


class AccountBook:
    """One account. cash: by currency. reserved: set aside for working buys of a cash account, by currency."""

    def __init__(self, *, is_cash: bool, cash: dict[str, Decimal], initial_margin: Decimal, convert: Convert) -> None:
        self.is_cash = is_cash
        self.cash = dict(cash)
        self.currency = next(iter(cash))
        self.ledgers: dict[tuple[str, str], Ledger] = {}
        self.reserved: dict[str, Decimal] = {}
        self._initial_margin = initial_margin
        self._convert = convert

    # ----------------------------------------------------------------------------------------------------- judging

    def find_refusal(self, order: WorkingOrder, ledger: Ledger, charge: Charge) -> str | None:
        """Why an order that arrives now cannot be paid; None when it can, or when no price can tell yet.

        In the latter case, and for every buy of a cash account, it asks to be looked at again when it executes.
        """
        if self.is_cash and not order.is_buy:
            return self._find_short(order, ledger)
        widening = _ZERO if self.is_cash else ledger.compute_widening(order)
        if not (self.is_cash or widening):
            return None
        price = self._estimate_price(order, ledger)
        order.is_unchecked = self.is_cash or price is None
        if price is None:
            return None
        if self.is_cash:
            return self._find_unpaid(order, ledger, charge, order.remaining, price)
        return self._find_margin_missing(order, ledger, widening, price)

    def find_execution_refusal(
        self, order: WorkingOrder, ledger: Ledger, charge: Charge, quantity: Decimal, price: Decimal
    ) -> str | None:
        """Why an execution at this price cannot be paid. Only what was not known at acceptance is looked at."""
        if self.is_cash:
            return self._find_unpaid(order, ledger, charge, quantity, price)
        order.is_unchecked = False
        self.release(order, ledger)
        refusal = self._find_margin_missing(order, ledger, ledger.compute_widening(order), price)
        self.reserve(order, ledger, charge)
        return refusal

    def _find_short(self, order: WorkingOrder, ledger: Ledger) -> str | None:
        free = ledger.position.quantity - ledger.open_sells
        if order.remaining <= free:
            return None
        return (
            f"selling {order.remaining} {order.instrument} would be short: {order.strategy} holds "
            f"{ledger.position.quantity}, of which {ledger.open_sells} are being sold; a cash account refuses shorts "
            '(account = "margin" allows them)'
        )

    def _find_unpaid(
        self, order: WorkingOrder, ledger: Ledger, charge: Charge, quantity: Decimal, price: Decimal
    ) -> str | None:
        instrument = ledger.instrument
        currency = instrument.currency
        needed = quantity * price * instrument.multiplier + charge(order, quantity, price, _LIQUIDITY_TAKER)
        held = self.cash.get(currency, _ZERO)
        reserved = self.reserved.get(currency, _ZERO) - order.reserved
        if needed <= held - reserved:
            return None
        return (
            f"buying {quantity} {order.instrument} at {price} needs {needed} {currency} with commission; "
            f"the account has {held} {currency}, of which {reserved} are set aside for other orders"
        )

    def _find_margin_missing(
        self, order: WorkingOrder, ledger: Ledger, widening: Decimal, price: Decimal
    ) -> str | None:
        if not widening:
            return None
        equity = self.find_equity()
        used = self._find_used()
        rate = self._rate(ledger.instrument.currency)
        needed = widening * abs(price) * ledger.instrument.multiplier * self._initial_margin * rate
        if used + needed <= equity:
            return None
        return (
            f"{order.side.value.lower()}ing {order.remaining} {order.instrument} at {price} needs {needed} "
            f"{self.currency} of margin (initial_margin {self._initial_margin}); equity is {equity} {self.currency}, "
            f"of which {used} are used"
        )

    def find_equity(self) -> Decimal:
        """Cash and holdings at present marks, in the base currency."""
        equity = _ZERO
        for currency, amount in self.cash.items():
            if amount:
                equity += amount * self._rate(currency)
        for ledger in self.ledgers.values():
            if ledger.position.quantity:
                equity += ledger.find_value() * self._rate(ledger.instrument.currency)
        return equity

    def _find_used(self) -> Decimal:
        """Margin of the widest positions that are possible now, in the base currency."""
        used = _ZERO
        for ledger in self.ledgers.values():
            widest = ledger.compute_widest()
            if widest:
                mark = ledger.lane.mark(1)
                price = _ZERO if mark is None else abs(to_exact(mark))
                used += widest * price * ledger.instrument.multiplier * self._rate(ledger.instrument.currency)
        return used * self._initial_margin

    def _rate(self, currency: str) -> Decimal:
        if currency == self.currency:
            return Decimal(1)
        return self._convert(currency) or _ZERO  # money that nothing prices yet is worth nothing yet

    def _estimate_price(self, order: WorkingOrder, ledger: Ledger) -> Decimal | None:
        """The limit, else the stop or the market, whichever is worse, with slippage."""
        if order.price is not None:
            return order.price
        met = ledger.lane.touch(order.sign)
        price = None if met is None else to_exact(met)
        stop = order.stop_price
        if stop is not None and order.waits_for_trigger:
            price = stop if price is None else max(price, stop) if order.is_buy else price
        return None if price is None else ledger.lane.taker_price.after(price, order.sign, None)

    # ----------------------------------------------------------------------------------------------------- booking

    def reserve(self, order: WorkingOrder, ledger: Ledger, charge: Charge) -> None:
        """An order works from now on: what is left of it may execute."""
        if not order.is_buy:
            ledger.open_sells += order.remaining
            return
        ledger.open_buys += order.remaining
        if not order.remaining:
            return
        if self.is_cash and (price := self._estimate_price(order, ledger)) is not None:
            value = order.remaining * price * ledger.instrument.multiplier
            order.reserved = value + charge(order, order.remaining, price, _LIQUIDITY_TAKER)
            currency = ledger.instrument.currency
            self.reserved[currency] = self.reserved.get(currency, _ZERO) + order.reserved

    def release(self, order: WorkingOrder, ledger: Ledger) -> None:
        """An order stops working, with what is left of it."""
        self._release(order, ledger, order.remaining)
        self._set_reserved(order, ledger, _ZERO)

    def apply(self, order: WorkingOrder, ledger: Ledger, execution: Execution, instant: int) -> Position:
        """Book an execution: cash, what the order still holds back, and the ledger; the position after it."""
        quantity, price = execution.quantity, execution.price
        multiplier = ledger.instrument.multiplier
        paid = quantity * price if multiplier == 1 else quantity * price * multiplier
        cash, currency = self.cash, execution.commission_currency
        held = cash.get(currency, _ZERO)
        cash[currency] = (held - paid if order.is_buy else held + paid) - execution.commission
        if order.is_buy:
            ledger.open_buys -= quantity
        else:
            ledger.open_sells -= quantity
        if order.reserved:
            left = order.reserved * order.remaining / (order.remaining + quantity)
            self._set_reserved(order, ledger, left)
        return ledger.apply(execution, instant)

    def _release(self, order: WorkingOrder, ledger: Ledger, quantity: Decimal) -> None:
        if order.is_buy:
            ledger.open_buys -= quantity
        else:
            ledger.open_sells -= quantity

    def _set_reserved(self, order: WorkingOrder, ledger: Ledger, amount: Decimal) -> None:
        if order.reserved != amount:
            self.reserved[ledger.instrument.currency] += amount - order.reserved
            order.reserved = amount

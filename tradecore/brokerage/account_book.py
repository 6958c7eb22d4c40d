"""AccountBook: the money of one broker, and whether it pays for an order.

Receives: executions and the coming and going of working orders; prices from the lanes, when it has to judge.
Gives:    cash by currency, exact; a reason that a person understands when an order is refused.
Never:    invents money: cash changes by executions, by price x quantity x multiplier and the commission, and by
          adjustments; by nothing else.    EXECUTION 7, 9.

A cash account pays a buy in the instrument's own currency, and sets the money aside while the order works; it sells
what the strategy holds and no more. A margin account needs `initial_margin` of the value of the widest position that
its working orders may lead to, in its base currency (the first of `cash`), and lets whatever reduces a position pass.
Of linked orders (OCO, OUO) only one may execute whole, so the larger leg counts, once.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tradecore.brokerage.conversion import Conversion
from tradecore.brokerage.ledger import Ledger
from tradecore.brokerage.linked_legs import LinkedLegs, find_leg_key
from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.exact import to_exact
from tradecore.domain.execution import Execution, Liquidity
from tradecore.domain.instrument import ONE
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position
from tradecore.execution.execution_engine import Charge
from tradecore.execution.working_order import WorkingOrder

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER
_SIDE_BUY: Final = OrderSide.BUY

_ZERO: Final = Decimal(0)

Convert = Callable[[str], Decimal | None]
"""Rate from a currency to the account's base currency, None before its first price."""


class AccountBook:
    """One account. cash: by currency. reserved: set aside for working buys of a cash account, by currency. is_exposed:
    something was sold short or cash owed since the margin was looked at, so that a price could break it; is_watched:
    one could already then, so that any execution counts. has_shorted: something was short at any time. slack: how much
    worse executions may make it before it is exposed, where the margin watch has said so; risks: what a unit of an
    instrument takes of it at most, beside what is paid.
    """

    def __init__(self, settings: SimulatedBrokerSettings, *, convert: Convert, now: Callable[[], int]) -> None:
        """convert: at now. now: the instant at which the broker is, int nanoseconds."""
        self.is_cash = settings.account == "cash"
        self.cash = dict(settings.cash)
        self.currency = next(iter(settings.cash))
        self.ledgers: dict[tuple[str, str], Ledger] = {}
        self.reserved: dict[str, Decimal] = {}
        self.is_exposed = self.is_watched = self.has_shorted = False
        self._initial_margin = settings.initial_margin
        self._no_short = frozenset(settings.no_short)
        self._passes_reducing = not (self.is_cash or self._no_short)
        self._convert = convert
        self._now = now
        self._legs = LinkedLegs()
        self.slack = _ZERO
        self.risks: dict[str, Decimal] = {}

    # ----------------------------------------------------------------------------------------------------- judging

    def admit(self, order: WorkingOrder, ledger: Ledger, charge: Charge) -> str | None:
        """Why an order that arrives now cannot be paid; when it can, it works from now on (`reserve`)."""
        refusal = None
        if order.is_special or not self.is_reducing(ledger, order.remaining, order.is_buy):
            refusal = self.find_refusal(order, ledger, charge)
        if refusal is None:
            self.reserve(order, ledger, charge)
        return refusal

    def is_reducing(self, ledger: Ledger, quantity: Decimal, is_buy: bool) -> bool:
        """Whether so much more on a side widens no position, where that is all that the account asks."""
        if not self._passes_reducing:
            return False
        held = ledger.position.quantity
        if is_buy:
            return held + ledger.open_buys + quantity <= ledger.open_sells - held
        return ledger.open_sells + quantity - held <= held + ledger.open_buys

    def find_refusal(self, order: WorkingOrder, ledger: Ledger, charge: Charge) -> str | None:
        """Why an order that arrives now cannot be paid; None when it can, or when no price can tell yet.

        In the latter case, and for every buy of a cash account, it asks to be looked at again when it executes.
        """
        if not order.is_buy and (self.is_cash or self._no_short):
            refusal = self._find_short(order, ledger, charge)
            if self.is_cash or refusal is not None:
                return refusal
        extra = self._find_extra(order) if order.is_special else order.remaining
        widening = _ZERO if self.is_cash else ledger.compute_widening(order, extra)
        if not (self.is_cash or widening):
            return None
        if ledger.conversion is not None:
            refusal = ledger.conversion.find_refusal(is_buy=order.is_buy, ts=self._now())
            if refusal is not None:
                return refusal
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
        widening = ledger.compute_widening(order, self._find_extra(order))
        refusal = self._find_margin_missing(order, ledger, widening, price)
        self.reserve(order, ledger, charge)
        return refusal

    def _find_short(self, order: WorkingOrder, ledger: Ledger, charge: Charge) -> str | None:
        """Why a sale of more than is held is refused: by a cash account, and where nobody lends the instrument."""
        if not self.is_cash and order.instrument not in self._no_short:
            return None
        needed, conversion = self._find_extra(order), ledger.conversion
        if conversion is not None and conversion.takes_units(conversion.find_commission_currency(is_buy=False)):
            needed += charge(needed, order.price or _ZERO, _LIQUIDITY_TAKER, False)
        held = ledger.position.quantity
        if needed <= held - ledger.open_sells:
            return None
        why = (
            'a cash account refuses shorts (account = "margin" allows them)'
            if self.is_cash
            else "the broker lends none of it (no_short)"
        )
        return (
            f"selling {needed} {order.instrument} would be short: {order.strategy} holds {held}, of which "
            f"{ledger.open_sells} are being sold; {why}"
        )

    def _find_unpaid(
        self, order: WorkingOrder, ledger: Ledger, charge: Charge, quantity: Decimal, price: Decimal
    ) -> str | None:
        currency = ledger.instrument.currency
        needed = self._estimate_paid(order, ledger, charge, quantity, price)
        held, reserved = self.cash.get(currency, _ZERO), self._find_reserved_beside(order, currency)
        if needed > held - reserved:
            return (
                f"buying {quantity} {order.instrument} at {price} needs {needed} {currency} with commission; "
                f"the account has {held} {currency}, of which {reserved} are set aside for other orders"
            )
        conversion = ledger.conversion
        if conversion is None:
            return None
        paid_in = conversion.find_commission_currency(is_buy=order.is_buy)
        if paid_in == currency or conversion.takes_units(paid_in):
            return None
        commission, held = charge(quantity, price, _LIQUIDITY_TAKER, order.is_buy), self.cash.get(paid_in, _ZERO)
        if commission <= held:
            return None
        return (
            f"buying {quantity} {order.instrument} at {price} needs {commission} {paid_in} of commission; "
            f"the account has {held} {paid_in}"
        )

    def _estimate_paid(
        self, order: WorkingOrder, ledger: Ledger, charge: Charge, quantity: Decimal, price: Decimal
    ) -> Decimal:
        """Money in the instrument's currency that a buy takes at most."""
        instrument, conversion = ledger.instrument, ledger.conversion
        value = quantity * price * instrument.multiplier
        if conversion is not None and conversion.find_commission_currency(is_buy=order.is_buy) != instrument.currency:
            return value
        return value + charge(quantity, price, _LIQUIDITY_TAKER, order.is_buy)

    def _find_margin_missing(
        self, order: WorkingOrder, ledger: Ledger, widening: Decimal, price: Decimal
    ) -> str | None:
        if not widening:
            return None
        equity, used = self._measure()
        needed = widening * abs(price) * ledger.instrument.multiplier * self._initial_margin
        if ledger.conversion is not None:
            needed *= self._rate(ledger.instrument.currency)
        if used + needed <= equity:
            return None
        return (
            f"{order.side.value.lower()}ing {order.remaining} {order.instrument} at {price} needs {needed} "
            f"{self.currency} of margin (initial_margin {self._initial_margin}); equity is {equity} {self.currency}, "
            f"of which {used} are used"
        )

    def _measure(self) -> tuple[Decimal, Decimal]:
        """Cash and holdings at present marks; margin of the widest positions that are possible; in base currency."""
        equity = used = _ZERO
        for currency, amount in self.cash.items():
            equity += amount if currency == self.currency else amount * self._rate(currency)
        # The instant to read prices at: lanes that no order has just arrived at may lag behind it.
        ts = self._now() if len(self.ledgers) > 1 else None
        for ledger in self.ledgers.values():
            value, widest = ledger.measure(ts)
            if ledger.conversion is not None:
                rate = self._rate(ledger.instrument.currency)
                value, widest = value * rate, widest * rate
            if value:
                equity += value
            if widest:
                used += widest
        return equity, used * self._initial_margin

    def _rate(self, currency: str) -> Decimal:
        if currency == self.currency:
            return ONE
        return self._convert(currency) or _ZERO  # money that nothing prices yet is worth nothing yet

    def _estimate_price(self, order: WorkingOrder, ledger: Ledger) -> Decimal | None:
        """What it may cost a unit: a buy its limit, else its stop or the market with slippage, whichever is worse.

        A sale may bring more than its limit, and opens a position of that value: the market, if that is higher.
        """
        limit, stop = order.price, order.stop_price
        if limit is not None and order.is_buy:
            return limit
        met = ledger.lane.touch(order.sign)
        price = None if met is None else to_exact(met)
        if limit is not None:
            return None if price is None else max(price, limit)
        if stop is not None and order.waits_for_trigger:
            price = stop if price is None else max(price, stop)
        return None if price is None else ledger.lane.taker_price.after(price, order.sign, None)

    # ----------------------------------------------------------------------------------------------------- booking

    def reserve(self, order: WorkingOrder, ledger: Ledger, charge: Charge) -> None:
        """An order works from now on: what is left of it may execute."""
        left = order.remaining
        if order.is_special and (key := find_leg_key(order)) is not None:
            left = self._legs.set_quantity(key, order, left)
        if not order.is_buy:
            ledger.open_sells += left
            return
        ledger.open_buys += left
        if self.is_cash and order.remaining and (price := self._estimate_price(order, ledger)) is not None:
            paid = self._estimate_paid(order, ledger, charge, order.remaining, price)
            self._set_reserved(order, ledger, max(paid, _ZERO))  # a price below 0 brings money when it executes

    def release(self, order: WorkingOrder, ledger: Ledger) -> None:
        """An order stops working, with what is left of it."""
        left = order.remaining
        if order.is_special and (key := find_leg_key(order)) is not None:
            left = -self._legs.set_quantity(key, order, _ZERO)
        if order.is_buy:
            ledger.open_buys -= left
        else:
            ledger.open_sells -= left
        if order.reserved:
            self._set_reserved(order, ledger, _ZERO)

    def apply(self, order: WorkingOrder, ledger: Ledger, execution: Execution, instant: int) -> Position:
        """Book an execution, and that its order holds less back; the position after it."""
        quantity = execution.quantity
        if order.is_special and (key := find_leg_key(order)) is not None:
            quantity = -self._legs.set_quantity(key, order, order.remaining)
        if order.is_buy:
            ledger.open_buys -= quantity
        else:
            ledger.open_sells -= quantity
        if order.reserved:
            left_part = order.reserved * order.remaining / (order.remaining + execution.quantity)
            self._set_reserved(order, ledger, left_part)
        return self.book(ledger, execution, instant)

    def book(self, ledger: Ledger, execution: Execution, instant: int) -> Position:
        """Book an execution: cash and the ledger; the position after it."""
        quantity, instrument, commission = execution.quantity, ledger.instrument, execution.commission
        paid = quantity * execution.price
        if instrument.multiplier is not ONE:
            paid *= instrument.multiplier
        if ledger.conversion is not None:
            commission = self._pay_commission(ledger.conversion, execution)
        cash, currency = self.cash, instrument.currency
        held = cash.get(currency, _ZERO)
        left = held - paid if execution.side is _SIDE_BUY else held + paid
        if commission:
            left -= commission
        cash[currency] = left
        after = ledger.apply(execution, instant)
        if self.is_watched or left.is_signed() or after.quantity.is_signed():  # a sign costs half a comparison
            risk = self.risks.get(instrument.id)
            if risk is None or left.is_signed():
                self.is_exposed = True
            else:
                self.slack -= paid + quantity * risk
                if commission:
                    self.slack -= commission
                self.is_exposed = self.is_exposed or self.slack < _ZERO
        return after

    def _pay_commission(self, conversion: Conversion, execution: Execution) -> Decimal:
        """What of the commission is paid in the instrument's currency; the rest is paid here, or taken in units."""
        paid_in = execution.commission_currency
        if paid_in == conversion.instrument.currency:
            return execution.commission
        if not conversion.takes_units(paid_in):
            self.pay(paid_in, -execution.commission)
        return _ZERO

    def pay(self, currency: str, amount: Decimal) -> None:
        """Money comes in, or below 0 goes out, for another reason than the value of an execution."""
        left = self.cash[currency] = self.cash.get(currency, _ZERO) + amount
        if self.is_watched or left < 0:
            self.is_exposed = True

    def _set_reserved(self, order: WorkingOrder, ledger: Ledger, amount: Decimal) -> None:
        """Set money aside for a working buy."""
        change = amount - order.reserved
        if order.is_special and (key := find_leg_key(order)) is not None:
            change = self._legs.set_reserved(key, order, amount)
        order.reserved = amount
        currency = ledger.instrument.currency
        self.reserved[currency] = self.reserved.get(currency, _ZERO) + change

    def _find_extra(self, order: WorkingOrder) -> Decimal:
        """How much more its side may execute once an order works that does not work yet."""
        if order.is_special and (key := find_leg_key(order)) is not None:
            return max(order.remaining - self._legs.find_quantity(key), _ZERO)
        return order.remaining

    def _find_reserved_beside(self, order: WorkingOrder, currency: str) -> Decimal:
        """Money set aside for other orders than this one and those that it takes away."""
        own = order.reserved
        if order.is_special and (key := find_leg_key(order)) is not None:
            own = self._legs.find_reserved(key)
        return self.reserved.get(currency, _ZERO) - own

"""Conversion: what an execution means in money of the account, where that is not plain.

Receives: executions of an instrument that is priced in another currency than the account, or whose commission is paid
          in something else; rates at the instant at which they become known.
Gives:    the same executions with their rates; the position after them, where commission takes units away; marks that a
          strategy's record can value in the account's currency.
Never:    is made for an instrument in the account's own currency that pays commission in it: that is the plain way.
          EXECUTION 9, 10.

What was realised and paid is converted at the rate of its execution, what is held at the rate of its mark. Commission
in the base currency is taken from what was traded: the position moves by so much less (bought) or more (sold), and the
units are valued at the execution's own price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from tradecore.brokerage.currency_paths import RATE_CONTEXT
from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position

_SIDE_BUY: Final = OrderSide.BUY
_ONE: Final = Decimal(1)

COMMISSION_WORDS: Final = ("quote", "base", "received")
"""What a commission's currency may be besides a currency."""

FindRate = Callable[[str, int], Decimal | None]
"""Units of the account's currency for one of another, at an instant; None before the first price."""


class Conversion:
    """Of one instrument at one broker. currency: of the account. paid_in: "quote", "base", "received" or a currency."""

    def __init__(self, instrument: Instrument, currency: str, paid_in: str, find_rate: FindRate) -> None:
        self.instrument, self.currency = instrument, currency
        self._paid_in = paid_in
        self._find_rate = find_rate

    def find_commission_currency(self, *, is_buy: bool) -> str:
        """What commission of a buy or a sale is paid in."""
        return find_commission_currency(self._paid_in, self.instrument, is_buy=is_buy)

    def takes_units(self, currency: str) -> bool:
        """Whether commission in this currency is taken from what is traded."""
        return currency == self.instrument.base_currency

    def find_rate(self, currency: str, ts: int) -> Decimal | None:
        """Units of the account's currency for one of this."""
        return _ONE if currency == self.currency else self._find_rate(currency, ts)

    def find_refusal(self, *, is_buy: bool, ts: int) -> str | None:
        """Why an order cannot be accepted yet: a currency that it needs has no price. None when all have."""
        needed = [self.instrument.currency]
        paid_in = self.find_commission_currency(is_buy=is_buy)
        if not self.takes_units(paid_in):
            needed.append(paid_in)
        for currency in needed:
            if self.find_rate(currency, ts) is None:
                return (
                    f"{currency} cannot be converted into {self.currency} yet: no price of the instrument between them "
                    "has come; submit it once one has"
                )
        return None

    def compute_cross(self, currency: str, ts: int) -> Decimal:
        """Units of another currency for one of the instrument's; both are priced, as `find_refusal` saw to."""
        quoted, other = self.find_rate(self.instrument.currency, ts), self.find_rate(currency, ts)
        assert quoted is not None
        assert other is not None
        return RATE_CONTEXT.divide(quoted, other)

    def complete(self, execution: Execution, ts: int) -> Execution:
        """The execution with its commission's currency and both rates, as they stand at the instant it is known."""
        rate = self.find_rate(self.instrument.currency, ts)
        assert rate is not None
        paid_in = self.find_commission_currency(is_buy=execution.side is _SIDE_BUY)
        if self.takes_units(paid_in):
            commission_rate: Decimal | None = RATE_CONTEXT.multiply(execution.price * self.instrument.multiplier, rate)
        else:
            commission_rate = self.find_rate(paid_in, ts)
        return replace(execution, commission_currency=paid_in, rate=rate, commission_rate=commission_rate)

    def fold(self, before: Position, execution: Execution) -> Position:
        """The position after an execution; its commission in the instrument's currency, less units that it took."""
        signed, commission = execution.signed_quantity, execution.commission
        if self.takes_units(execution.commission_currency):
            signed -= commission
            commission *= execution.price * self.instrument.multiplier
        elif execution.commission_currency != self.instrument.currency:
            assert execution.rate is not None
            assert execution.commission_rate is not None
            commission *= RATE_CONTEXT.divide(execution.commission_rate, execution.rate)
        return before.after(signed, execution.price, execution.ts_event, commission)

    def convert_marks(
        self, position: Position, booked: Decimal, times: Sequence[int], prices: Sequence[float]
    ) -> list[float]:
        """Marks at which quantity x mark - cost x booked is the open profit in the account's currency.

        booked: rate at which the record took the cost over: that of the last execution. The cost is owed in the
        instrument's currency, so what is converted at each mark is the profit, price - average, and not the price.
        """
        average = position.average_price
        paid, then = float(average or 0), float(booked)
        marks = []
        for ts, price in zip(times, prices, strict=True):
            rate = self.find_rate(self.instrument.currency, ts)
            now = then if rate is None else float(rate)
            marks.append(price * now - paid * (now - then))
        return marks


def find_commission_currency(paid_in: str, instrument: Instrument, *, is_buy: bool) -> str:
    """The currency that a word of the commission's `currency` means for a buy or a sale of an instrument."""
    if paid_in == "quote" or (paid_in == "received" and not is_buy):
        return instrument.currency
    if paid_in in ("base", "received"):
        assert instrument.base_currency is not None, "refused at the start"
        return instrument.base_currency
    return paid_in


def is_plain(instrument: Instrument, currency: str, paid_in: str) -> bool:
    """Whether an instrument needs no conversion: priced in the account's currency, commission in the same."""
    return instrument.currency == currency and paid_in in ("quote", instrument.currency)


def find_commission_mistake(paid_in: str, instrument: Instrument) -> str | None:
    """Why commission of an instrument cannot be paid so; None when it can."""
    if paid_in not in ("base", "received") or (instrument.base_currency and instrument.multiplier == 1):
        return None
    what = f"multiplier {instrument.multiplier}" if instrument.base_currency else "no base_currency"
    return (
        f'{instrument.id}: commission in "{paid_in}" takes units of what is traded, but the instrument has {what}; '
        'set its base_currency (and multiplier 1), or commission.currency = "quote"'
    )

"""Position: what is held of one instrument, and what it cost, exact.

Receives: executions, one at a time.
Gives:    a new Position, and what each execution realised. Cost is kept and the average derived: a reduction releases
          round(cost * closed / quantity) and keeps the remainder, so that flat means cost 0 and realised equals cash.
Never:    nets across brokers or strategies; one ledger per (broker, strategy, instrument).    Spec: 5.1; EXECUTION 9.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from tradecore.domain.instrument import ONE

_ZERO: Final = Decimal(0)
# Released cost is rounded to this; what rounding takes from one part stays with the rest.
_COST_STEP = Decimal("1e-12")


class Position(msgspec.Struct, frozen=True, gc=False):
    """What is held. quantity is signed; cost is signed with it: money paid for it, without commission (price x quantity
    x multiplier summed). realised: profit of closed parts, and of dividends and the like, before commission.
    commission: paid so far. Money is in the instrument's currency.
    """

    instrument: str
    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    realised: Decimal = _ZERO
    commission: Decimal = _ZERO
    multiplier: Decimal = ONE
    ts_opened: int = 0
    ts_changed: int = 0

    @property
    def is_flat(self) -> bool:
        """Nothing is held."""
        return not self.quantity

    @property
    def average_price(self) -> Decimal | None:
        """Cost per unit, None when flat.

        >>> Position("A.X").after(Decimal(2), Decimal(100), 1).after(Decimal(2), Decimal(110), 2).average_price
        Decimal('105')
        """
        if not self.quantity:
            return None
        return self.cost / (self.quantity * self.multiplier)

    def after(self, quantity: Decimal, price: Decimal, ts_event: int, commission: Decimal = _ZERO) -> Position:
        """The position after an execution of a signed quantity at a price.

        +2@100, +2@110, -3@120, -3@90 gives average 105, then 105 on 1, then -2@90; realised 45, then -15 more:

        >>> p = Position("A.X").after(Decimal(2), Decimal(100), 1).after(Decimal(2), Decimal(110), 2)
        >>> p = p.after(Decimal(-3), Decimal(120), 3)
        >>> p.quantity, p.average_price, p.realised
        (Decimal('1'), Decimal('105'), Decimal('45'))
        >>> p = p.after(Decimal(-3), Decimal(90), 4)
        >>> p.quantity, p.average_price, p.realised
        (Decimal('-2'), Decimal('90'), Decimal('30'))
        """
        held, cost, multiplier = self.quantity, self.cost, self.multiplier
        value = price if multiplier is ONE else price * multiplier
        paid = self.commission + commission if commission else self.commission
        new = held + quantity
        if not held:
            return Position(self.instrument, new, quantity * value, self.realised, paid, multiplier, ts_event, ts_event)
        was_short = held.is_signed()  # a sign costs half a comparison
        if was_short is quantity.is_signed():
            return Position(
                self.instrument, new, cost + quantity * value, self.realised, paid, multiplier, self.ts_opened, ts_event
            )
        if not new or new.is_signed() is not was_short:  # closed whole, and what is left over opens the other way
            return Position(
                self.instrument, new, new * value, self.realised + held * value - cost, paid, multiplier,
                ts_event if new else self.ts_opened, ts_event,
            )  # fmt: skip
        released = cost * -quantity / held
        if released != released.to_integral_value() and released.as_tuple().exponent < -12:  # type: ignore[operator]
            released = released.quantize(_COST_STEP, ROUND_HALF_EVEN)
        return Position(
            self.instrument, new, cost - released, self.realised - quantity * value - released, paid, multiplier,
            self.ts_opened, ts_event,
        )  # fmt: skip

    def after_income(self, amount: Decimal, ts_event: int) -> Position:
        """The position after money that it brought (a dividend), or below 0 cost (funding, borrowing)."""
        return replace(self, realised=self.realised + amount, ts_changed=ts_event)

    def after_split(self, ratio: Decimal, ts_event: int) -> Position:
        """The position after a split: ratio new units for each old one, at the same cost.

        >>> p = Position("A.X").after(Decimal(5), Decimal(90), 1).after_split(Decimal(2), 2)
        >>> p.quantity, p.average_price
        (Decimal('10'), Decimal('45'))
        """
        return replace(self, quantity=self.quantity * ratio, ts_changed=ts_event)

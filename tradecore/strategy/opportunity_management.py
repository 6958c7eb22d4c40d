"""Management of opportunities: the usual calls that move a stop while something is held.

Receives: the opportunity, at the end of each instant that showed it a price.
Gives:    a better stop, or none: a stop is only ever moved toward the market.
Never:    moves while an update is on its way: the next price asks again.    SPEC "Opportunity Management".

Your own is any function of the opportunity, `def` or `async def`:

    def leave_before_noon(trade: tc.Opportunity) -> None:
        if self.get_current_time().hour >= 12:
            trade.close("before noon")

After a split, distances are divided by its ratio, as prices are (`Opportunity.split_ratio`).
Prices are laid on the instrument's grid away from the market, so that rounding never tightens a stop.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from tradecore.domain.instrument import Number, to_decimal
from tradecore.domain.order_state import OrderState
from tradecore.errors import InvalidOpportunity
from tradecore.strategy.opportunity import Opportunity

_ZERO: Final = Decimal(0)
_UNTRIGGERED: Final = frozenset({OrderState.INITIALIZED, OrderState.SUBMITTED, OrderState.ACCEPTED})


class BreakEven:
    """Once the price is `after` better than the average entry, the stop goes to the entry, or `plus` beyond it.

    after > 0 and plus, below after, in price units. A stop that is better already stays.
    """

    needs_stop = True

    def __init__(self, after: Number, plus: Number = 0) -> None:
        """Raises: InvalidOpportunity, InvalidOrder."""
        self.after, self.plus = to_decimal(after, "after"), to_decimal(plus, "plus")
        if self.after <= 0 or self.plus >= self.after:
            raise InvalidOpportunity(
                f"break-even after {after!r} plus {plus!r}; expected after above 0, and plus below after: the "
                "stop must stay behind the market"
            )

    def __call__(self, trade: Opportunity) -> None:
        """Move the stop if it is time."""
        sign, price, entered = trade.side.sign, trade.price, trade.entry_price
        ratio = trade.split_ratio
        if price is not None and entered is not None and sign * (price - entered) >= self.after / ratio:
            tighten_stop(trade, entered + sign * self.plus / ratio)

    def __repr__(self) -> str:
        return f"BreakEven(after={self.after}, plus={self.plus})"


class TrailStop:
    """The stop follows the best prices at a distance: `offset` price units, or `percent` of the price (1.5 = 1.5 %).

    after: only once the price is so much better than the average entry. Unlike a trailing stop order it follows what
    this strategy is shown, under `latency`, and works for every type of stop.
    """

    needs_stop = True

    def __init__(self, offset: Number | None = None, *, percent: Number | None = None, after: Number = 0) -> None:
        """Raises: InvalidOpportunity, InvalidOrder."""
        if (offset is None) == (percent is None):
            raise InvalidOpportunity(f"a stop trails by offset or by percent, got {offset!r} and {percent!r}; give one")
        self.offset = None if offset is None else to_decimal(offset, "offset")
        self.percent = None if percent is None else to_decimal(percent, "percent")
        self.after = to_decimal(after, "after")
        if (self.offset or self.percent or _ZERO) <= 0 or self.after < 0:
            raise InvalidOpportunity(f"{self!r}; expected a distance above 0, and after 0 or more")

    def __call__(self, trade: Opportunity) -> None:
        """Move the stop if the price is far enough from it."""
        sign, price, entered = trade.side.sign, trade.price, trade.entry_price
        ratio = trade.split_ratio
        if price is None or entered is None or sign * (price - entered) < self.after / ratio:
            return
        distance = self.offset / ratio if self.offset is not None else price * (self.percent or _ZERO) / 100
        tighten_stop(trade, price - sign * distance)

    def __repr__(self) -> str:
        distance = f"offset={self.offset}" if self.offset is not None else f"percent={self.percent}"
        return f"TrailStop({distance}, after={self.after})"


def tighten_stop(trade: Opportunity, price: Decimal) -> bool:
    """Move the stop to this price, rounded away from the market, if that is better than where it is.

    Whether it was moved; not while an update or cancel of it is on its way, nor once it is triggered or finished.
    """
    stop = trade.stop_order
    if stop is None or stop.stop_price is None or stop.state not in _UNTRIGGERED:
        return False
    if stop.pending_update or stop.pending_cancel:
        return False
    sign, increment = trade.side.sign, trade.price_increment
    rounding = ROUND_FLOOR if sign > 0 else ROUND_CEILING
    target = (price / increment).to_integral_value(rounding) * increment
    if sign * (target - stop.stop_price) <= 0:
        return False
    trade.move_stop(target)
    return True

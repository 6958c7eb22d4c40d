"""SmaCross: long while the fast average is above the slow one, else short. The strategy of the quickstart."""

from __future__ import annotations

from decimal import Decimal

import tradecore as tc
from tradecore.indicators import SMA


class SmaCross(tc.Strategy):
    """Long while the fast average of closes is above the slow one, else short; always in the market once warm.

    bar_type: such as "IBM.NYSE 1d last". fast, slow: lengths in bars. quantity: held on either side.
    """

    def __init__(self, bar_type: str, fast: int = 10, slow: int = 30, quantity: Decimal = Decimal(1)) -> None:
        self.bar_type, self.quantity = bar_type, quantity
        self.fast, self.slow = SMA(fast), SMA(slow)

    def on_start(self) -> None:
        """Subscribe; the averages are fed before `on_bar`."""
        self.subscribe_to_bars(self.bar_type, key="bars")
        self.add_indicator(self.fast, key="bars")
        self.add_indicator(self.slow, key="bars")

    def on_bar(self, bar: tc.Bar) -> None:
        """Trade the difference between what is wanted and what is held."""
        if not self.slow.is_ready:
            return
        target = self.quantity if self.fast.value > self.slow.value else -self.quantity
        change = target - self.position(bar.instrument).quantity
        if change:
            self.submit_order(tc.Order.market(bar.instrument, change))

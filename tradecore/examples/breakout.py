"""Breakout: an example of opportunities. It buys what breaks out of its range, and lets management do the rest.

Receives: the bars of one series.
Gives:    one opportunity at a time: a stop entry above the range of the last bars, a target, a stop below, and
          management that moves the stop to break-even, then trails it; it is left after `bars_max` bars at the latest.
Never:    looks after exits itself: they follow what the entry executes.    SPEC "Opportunity Management".
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import tradecore as tc


class Breakout(tc.Strategy):
    """Buys `quantity` one increment above the highest high of `bars_range` bars; risks `risk` price units for two.

    Waits for one bar, then asks again with the range of then. results: profit by opportunity id.
    """

    def __init__(
        self,
        bar_type: str,
        bars_range: int = 20,
        bars_max: int = 10,
        risk: Decimal = Decimal(2),
        quantity: Decimal = Decimal(100),
    ) -> None:
        self.bar_type = tc.BarType.parse(bar_type)
        self.bars_range, self.bars_max = bars_range, bars_max
        self.risk, self.quantity = risk, quantity
        self.results: dict[str, Decimal] = {}

    def on_start(self) -> None:
        """The events of a key are the range."""
        self.subscribe_to_bars(self.bar_type, key="bars", history=self.bars_range)

    def on_bar(self, bar: tc.Bar) -> None:
        """Take back what has waited for a bar, and ask anew where nothing is in trade."""
        for waiting in self.opportunities.waiting:
            waiting.close("the range has moved on")
        if self.opportunities.in_trade or len(self.events["bars"]) < self.bars_range:
            return
        name, step = self.bar_type.instrument, self.instrument(self.bar_type.instrument).price_increment
        highest = max(one.high for one in self.events["bars"])
        above = self.instrument(name).price(highest) + step
        if above <= self.instrument(name).price(bar.close):
            return
        self.submit_opportunity(
            tc.Opportunity(
                tc.Order.stop(name, self.quantity, above),
                profit=tc.Order.limit(name, -self.quantity, above + 2 * self.risk),
                stop=tc.Order.stop(name, -self.quantity, above - self.risk),
                manage=[tc.BreakEven(after=self.risk), tc.TrailStop(offset=self.risk, after=self.risk)],
                time_out=timedelta(microseconds=self.bars_max * self.bar_type.step_ns // 1_000),
            )
        )

    def on_opportunity_changed(self, change: tc.OpportunityChanged) -> None:
        """Keep what each one earned."""
        if change.opportunity.state is tc.OpportunityState.FINISHED and change.opportunity.quantity:
            self.results[change.opportunity.opportunity_id] = change.opportunity.profit

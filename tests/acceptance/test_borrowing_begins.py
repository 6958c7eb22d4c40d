"""Borrowing is paid from the first midnight of the run on, whichever series is loaded first."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

import tradecore as tc

HOUR_NS = 3_600 * 10**9


class SellEarly(tc.Strategy):
    """Goes short of EARLY at its first bar."""

    def __init__(self, feeds: list[Any]) -> None:
        self.feeds = feeds

    def on_start(self) -> None:
        for feed in self.feeds:
            self.add_event_feed(feed, feed.bar_type.instrument)

    def on_bar(self, bar: tc.Bar) -> None:
        if bar.bar_type.instrument == "EARLY.X" and self.position("EARLY.X").is_flat:
            self.submit_order(tc.Order.market("EARLY.X", -1))


def make_feed(instrument: str, hours: range) -> tc.BarColumnsFeed:
    prices = [100.0] * len(hours)
    return tc.BarColumnsFeed(
        f"{instrument} 1h last", [hour * HOUR_NS for hour in hours], prices, prices, prices, prices, [1e6] * len(hours)
    )


@pytest.mark.parametrize(("batch_size", "turned"), list(product([1, 1_024], [False, True])))
async def test_the_first_midnight_is_that_after_the_first_event_of_all(batch_size: int, *, turned: bool) -> None:
    """EARLY trades from 20:00 on, LATE from the second day on: two midnights of 100 short at 0.1 % a day."""
    feeds = [make_feed("LATE.X", range(30, 60)), make_feed("EARLY.X", range(20, 60))]
    cent, one = Decimal("0.01"), Decimal(1)
    result = await tc.run_backtest(
        strategies={"s": SellEarly(feeds[::-1] if turned else feeds)},
        instruments=[
            tc.Instrument(id=name, price_increment=cent, quantity_increment=one, currency="USD")
            for name in ("EARLY.X", "LATE.X")
        ],
        brokers={
            "sim": tc.SimulatedBrokerSettings(
                account="margin", cash={"USD": Decimal(1_000)}, borrow_rate=Decimal("0.365")
            )
        },
        batch_size=batch_size,
    )
    assert result.counts["executions"] == 1
    assert result.statistics.net_profit == Decimal("-0.2")

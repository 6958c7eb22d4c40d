"""What is held of an instrument that trades rarely is valued in time, at every batch size."""

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc

SECOND_NS, MINUTE_NS = 10**9, 60 * 10**9


class HoldBoth(tc.Strategy):
    """One of each, bought at its first trade."""

    def __init__(self, feeds: list[Any]) -> None:
        self.feeds, self.met = feeds, set[str]()

    def on_start(self) -> None:
        for feed in self.feeds:
            self.add_event_feed(feed, feed.instrument)

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        if tick.instrument not in self.met:
            self.met.add(tick.instrument)
            self.submit_order(tc.Order.market(tick.instrument, 1))


@pytest.mark.parametrize("batch_size", [1, 16, 1_024])
async def test_a_fall_before_a_long_silence_counts_when_it_happened(
    batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QUIET is bought at 100 and falls to 90 within the first minute; its next trade, at 100 again, is the last of all.
    BUSY is bought at 100, rises to 110 after five hours and falls to 105 an hour later.

    Together: -10 from the first minute, 0 from the fifth hour, -5 from the sixth, +5 in the end: the deepest fall is
    10. Valued when QUIET trades again it would seem to be 15, from +10 to -5.
    """
    monkeypatch.setattr("tradecore.analytics.performance_analyzer.PENDING_MAX", 64)
    minutes = range(12 * 60)
    busy = [100.0 if minute < 300 else 110.0 if minute < 360 else 105.0 for minute in minutes]
    feeds = [
        tc.TradeColumnsFeed(
            "QUIET.X",
            [0, SECOND_NS, 30 * SECOND_NS, len(minutes) * MINUTE_NS],
            [100.0, 100.0, 90.0, 100.0],
            [100.0] * 4,
        ),
        tc.TradeColumnsFeed("BUSY.X", [m * MINUTE_NS + SECOND_NS for m in minutes], busy, [100.0] * len(minutes)),
    ]
    cent, one = Decimal("0.01"), Decimal(1)
    result = await tc.run_backtest(
        strategies={"s": HoldBoth(feeds)},
        instruments=[
            tc.Instrument(id=feed.instrument, price_increment=cent, quantity_increment=one, currency="USD")
            for feed in feeds
        ],
        brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})},
        batch_size=batch_size,
    )
    assert result.counts["executions"] == 2
    drawdown = result.statistics.drawdown
    assert (drawdown.money, drawdown.trough_ns) == (10.0, MINUTE_NS)
    assert result.statistics.net_profit == Decimal(5)

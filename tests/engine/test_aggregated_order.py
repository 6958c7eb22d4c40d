"""Bars made by the run take their place in the one total order, at every batch size, delayed or not."""

from typing import Any

import pytest

from tradecore.domain.delay_law import DelayLaw, LognormalDelay, NormalDelay
from tradecore.domain.time_event import RepeatingEvent
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.engine.event_queue import EventQueue
from tradecore.feeds.bar_aggregation_feed import BarAggregationFeed
from tradecore.feeds.columns_feed import BarColumnsFeed, TradeColumnsFeed
from tradecore.feeds.merge import Envelope
from tradecore.feeds.timer_feed import RepeatingTimerFeed
from tradecore.testing.builders import make_ns

MINUTE = 60 * 10**9
T0 = make_ns("2024-01-01T10:00")
MINUTES = [T0 + (n + 1) * MINUTE for n in range(300)]
CLOSES = [100.0 + n % 13 for n in range(300)]
TRADES = [T0 + n * 7 * 10**9 for n in range(2_000)]
PRICES = [100.0 + n % 11 for n in range(2_000)]


def make_minutes() -> BarColumnsFeed:
    return BarColumnsFeed("TEST.SIM 1m last", MINUTES, CLOSES, CLOSES, CLOSES, CLOSES, start_ns=T0)


def make_trades() -> TradeColumnsFeed:
    return TradeColumnsFeed("OTHER.SIM", TRADES, PRICES, start_ns=T0)


async def deliver(batch_size: int, laws: dict[str, DelayLaw], *, reverse: bool = False) -> list[tuple[int, str, int]]:
    """(received, what, event time) of every delivery: minutes, 5 minutes, trades, their minutes, a timer."""
    delays = DelaySimulator(laws, seed=5)
    queue = EventQueue(batch_size=batch_size, delays=delays)
    feeds: list[Any] = [
        make_minutes(),
        BarAggregationFeed(make_minutes(), "TEST.SIM 5m last", delays=delays.fork()),
        make_trades(),
        BarAggregationFeed(make_trades(), "OTHER.SIM 1m last", delays=delays.fork()),
        RepeatingTimerFeed("every minute", T0, MINUTE),
    ]
    for feed in reversed(feeds) if reverse else feeds:
        queue.add(feed)
    seen: list[tuple[int, str, int]] = []
    while (window := await queue.next_window()) is not None:
        for delivery in window.deliveries:
            event = delivery.event if type(delivery) is Envelope else delivery
            what = event.name if type(event) is RepeatingEvent else f"{event.event_type} {event.series}"
            seen.append((event.ts_received, what, event.ts_event))
    await queue.close()
    return seen


async def test_at_one_instant_the_minute_comes_before_the_five_minutes_that_it_closes() -> None:
    """10:05: the trade of that instant, both minutes, the five minutes, and the timer sees them all."""
    at = T0 + 35 * MINUTE  # 2100 s = 300 x 7 s: a trade falls on it too
    assert [what for ts, what, _ in await deliver(16, {}) if ts == at] == [
        "trade_tick OTHER.SIM",
        "bar OTHER.SIM 1m last",
        "bar TEST.SIM 1m last",
        "bar TEST.SIM 5m last",
        "every minute",
    ]


@pytest.mark.parametrize(
    "laws",
    [
        {},
        {"bar": NormalDelay(mean_ms=900, sd_ms=500)},
        {
            "trade_tick": LognormalDelay(median_ms=400, sigma=1.0, max_ms=90_000),
            "bar": NormalDelay(mean_ms=50, sd_ms=9),
        },
    ],
)
async def test_neither_batch_sizes_nor_the_order_of_feeds_change_what_is_delivered(laws: dict[str, DelayLaw]) -> None:
    whole = await deliver(1_024, laws)
    assert [ts for ts, _, _ in whole] == sorted(ts for ts, _, _ in whole)
    assert sum(1 for _, what, _ in whole if what == "bar TEST.SIM 5m last") == 60
    for batch_size in (1, 16):
        assert await deliver(batch_size, laws) == whole
    assert await deliver(16, laws, reverse=True) == whole


async def test_no_bar_of_delayed_parts_comes_before_they_were_delivered() -> None:
    """A strategy that gets both never learns from the bar what it has not been told."""
    laws: dict[str, DelayLaw] = {"bar": NormalDelay(mean_ms=900, sd_ms=500), "trade_tick": NormalDelay(30, 20)}
    seen = await deliver(16, laws)
    order = {(what, ts_event): place for place, (_, what, ts_event) in enumerate(seen)}
    for (what, end), place in order.items():
        if what == "bar TEST.SIM 5m last":
            assert place > order["bar TEST.SIM 1m last", end]
        if what == "bar OTHER.SIM 1m last":
            parts = [ts for ts in TRADES if end - MINUTE <= ts < end]
            assert all(place > order["trade_tick OTHER.SIM", ts] for ts in parts)

"""Every finite feed of ours keeps the contract that users' feeds are asked to keep."""

from typing import Any

import pytest

from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.feeds.bar_aggregation_feed import BarAggregationFeed
from tradecore.feeds.columns_feed import BarColumnsFeed, QuoteColumnsFeed, TradeColumnsFeed
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.historical_feeds import HistoricalTradeFeed
from tradecore.feeds.iterator_feed import feed
from tradecore.feeds.mixed_feed import MixedFeed
from tradecore.feeds.push_feed import PushFeed
from tradecore.feeds.timer_feed import RepeatingTimerFeed
from tradecore.testing.builders import make_bars, make_trade_tick
from tradecore.testing.feed_contract import FeedContract
from tradecore.testing.scripted_feed import Pause, ScriptedFeed

TICKS: list[Any] = [make_trade_tick(n // 2, 100.0 + n) for n in range(9)]


class SlowStore:
    """The reading half of a store that gives up the loop's turn before each batch."""

    async def read(self, series: object, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = 2) -> Any:
        found = [tick for tick in TICKS if start_ns <= tick.ts_event <= end_ns]
        for first in range(0, len(found), batch_size):
            for _ in range(2):
                await give_up_turn()
            yield found[first : first + batch_size]


async def give_up_turn() -> None:
    await ScriptedFeed([Pause(1)]).next_batch(1)


class TestHistoricalFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        store: Any = SlowStore()
        return HistoricalTradeFeed(store, "TEST.SIM", batch_size=2)


class TestTradeColumnsFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        return TradeColumnsFeed("TEST.SIM", [1, 2, 2, 3], [1.0, 2.0, 3.0, 4.0])


class TestQuoteColumnsFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        return QuoteColumnsFeed("TEST.SIM", [1, 2, 2, 3], [1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 2.0, 5.0])


class TestBarColumnsFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        ones = [1.0, 1.0, 1.0]
        return BarColumnsFeed("TEST.SIM 1m last", [1, 2, 3], ones, ones, ones, ones)


class TestRepeatingTimerFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        return RepeatingTimerFeed("timer", 0, 10, end_ns=100)


class TestIteratorFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        return feed(TICKS, name="mine", event_types=["trade_tick"])


class TestScriptedFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        return ScriptedFeed([TICKS[:3], Pause(2), *TICKS[3:6], Pause(1), TICKS[6:]])


class TestMixedFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        slow = ScriptedFeed([Pause(1), TICKS[:4], Pause(3), TICKS[4:]], name="slow", event_types=["trade_tick"])
        return MixedFeed("both", [slow, RepeatingTimerFeed("timer", 0, 2)])


class TestBarAggregationFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        minutes = make_bars([float(n) for n in range(1, 31)])
        source = ScriptedFeed([minutes[:7], Pause(2), minutes[7:]], trusted=True)
        return BarAggregationFeed(source, "TEST.SIM 5m last")


class TestPushFeed(FeedContract):
    def make_feed(self) -> EventFeed:
        made = PushFeed("mine", ["trade_tick"])
        for tick in TICKS:
            made._events.append(tick)  # as `push` leaves them; pushing is tested in test_push_feed.py
        made.finish()
        return made


class TestBaseFeedOfNext(FeedContract):
    """The least a user can write: `next` alone."""

    def make_feed(self) -> EventFeed:
        class Counting(BaseFeed):
            count = 0

            async def next(self) -> Any:
                if self._finished or self.count == len(TICKS):
                    self._finished = True
                    return None
                self.count += 1
                return TICKS[self.count - 1]

        return Counting("counting", ["trade_tick"])


class BackwardFeed(FeedContract):
    """A feed that goes back in time, to see that the suite has teeth."""

    def make_feed(self) -> EventFeed:
        return feed([TICKS[5], TICKS[1], TICKS[2]], name="backward")


class LosingFeed(FeedContract):
    """A feed that drops its batch when it is cancelled, and forgets that it was closed."""

    def make_feed(self) -> EventFeed:
        class Losing(ScriptedFeed):
            async def next_batch(self, limit: int) -> list[Any]:
                batch = await super().next_batch(limit)
                await give_up_turn()
                return batch

        return Losing([TICKS])


async def test_the_suite_catches_a_feed_that_goes_back_in_time() -> None:
    with pytest.raises(AssertionError, match="comes after"):
        await BackwardFeed().test_events_come_in_order_of_event_time()


async def test_the_suite_catches_a_feed_that_loses_a_cancelled_batch() -> None:
    with pytest.raises(AssertionError, match="after a cancellation"):
        await LosingFeed().test_a_cancelled_read_has_consumed_nothing()

"""SharedFeed and MadeBarsFeed: one reading of the past for all who want it, and the bars that are made of it."""

from typing import Any

import pytest

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.feeds.bar_aggregation_feed import BarAggregationFeed
from tradecore.feeds.live_bars import LiveBars
from tradecore.feeds.made_bars_feed import MadeBarsFeed
from tradecore.feeds.shared_feed import SharedFeed
from tradecore.testing.builders import make_trade_tick
from tradecore.testing.scripted_feed import ScriptedFeed

NAME = "TEST.SIM"
BARS = f"{NAME} 1m last"


def trades(count: int, step_s: int = 7) -> list[Any]:
    return [make_trade_tick(at * step_s * SECOND_NS, 100.0 + at % 5, trade_id=str(at)) for at in range(count)]


class End:
    """Where history ends."""

    replay_end_ns = 10 * MINUTE_NS


async def read_all(feed: Any, limit: int = 3) -> list[Any]:
    read: list[Any] = []
    while batch := await feed.next_batch(limit):
        assert len(batch) <= limit
        read += batch
    return read


async def test_each_reader_gets_all_of_it_and_the_feed_is_read_once() -> None:
    events = trades(10)
    source = ScriptedFeed([events[:4], events[4:]])
    shared = SharedFeed(lambda: source)
    first, second = shared.open_reader("trade_tick", NAME), shared.open_reader("trade_tick", NAME)
    assert source.limits == []  # made at the first read
    assert await read_all(first) == events
    reads = len(source.limits)
    assert await read_all(second) == events
    assert len(source.limits) == reads
    assert source.is_closed


async def test_an_error_of_the_feed_is_raised_and_nothing_is_lost() -> None:
    events = trades(6)
    shared = SharedFeed(lambda: ScriptedFeed([events[:3], OSError("no answer"), events[3:]]))
    first, second = shared.open_reader("trade_tick", NAME), shared.open_reader("trade_tick", NAME)
    assert await first.next_batch(10) == events[:3]
    with pytest.raises(OSError, match="no answer"):
        await first.next_batch(10)
    assert await read_all(first) == events[3:]
    assert await read_all(second) == events


async def test_a_reader_that_closes_holds_nothing_back_and_the_last_one_closes_the_feed() -> None:
    source = ScriptedFeed([trades(6)])
    shared = SharedFeed(lambda: source)
    first, second = shared.open_reader("trade_tick", NAME), shared.open_reader("trade_tick", NAME)
    await first.next_batch(1)
    await first.close()
    assert await first.next_batch(1) == []
    assert not source.is_closed
    await second.close()
    assert source.is_closed


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_made_bars_are_those_of_a_backtest_and_the_open_one_goes_on(limit: int) -> None:
    """80 trades of 7 s end at 553 s: nine minutes are whole then; the tenth is closed by what comes live."""
    events = trades(80)
    backtest = BarAggregationFeed(ScriptedFeed([events]), BARS, start_ns=0, end_ns=9 * MINUTE_NS)
    expected = await read_all(backtest)

    class Ends:
        replay_end_ns = 9 * MINUTE_NS

    maker = LiveBars(BARS, start_ns=0)
    shared = SharedFeed(lambda: ScriptedFeed([events]))
    feed = MadeBarsFeed(shared.open_reader("trade_tick", NAME), maker, Ends(), source_name=NAME)
    assert await read_all(feed, limit) == expected
    assert len(expected) == 9
    [tenth] = maker.take(make_trade_tick(601 * SECOND_NS, 101.0))
    assert (tenth.ts_event, tenth.volume) == (10 * MINUTE_NS, 2.0)  # trades at 546 and 553 s

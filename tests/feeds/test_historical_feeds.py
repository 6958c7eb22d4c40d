"""Historical feeds: what the store has, each event once, whatever batch sizes and cancellations do."""

import asyncio
from typing import Any

import pytest

from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.errors import FeedError, SeriesNotFound
from tradecore.feeds.event_feed import EventFeed
from tradecore.feeds.historical_feeds import (
    HistoricalBarFeed,
    HistoricalDepthFeed,
    HistoricalQuoteFeed,
    HistoricalTradeFeed,
)
from tradecore.storage.market_data_storage import Series
from tradecore.testing.builders import make_bars, make_depth, make_quote_tick, make_trade_tick
from tradecore.testing.scripted_feed import Gate


async def test_each_kind_reads_its_own_series(make_store: Any, read_all: Any) -> None:
    bars, trade, quote, depth = make_bars([1, 2, 3]), make_trade_tick(1), make_quote_tick(2), make_depth(3)
    store = make_store([*bars, trade, quote, depth])
    assert await read_all(HistoricalBarFeed(store, "TEST.SIM 1m last")) == bars
    assert await read_all(HistoricalTradeFeed(store, "TEST.SIM")) == [trade]
    assert await read_all(HistoricalQuoteFeed(store, "TEST.SIM")) == [quote]
    assert await read_all(HistoricalDepthFeed(store, "TEST.SIM")) == [depth]


def test_a_feed_says_what_it_is_before_it_opens_anything(make_store: Any) -> None:
    store = make_store(make_bars([1]))
    feed = HistoricalBarFeed(store, "TEST.SIM 1m last", start_ns=5, end_ns=9)
    assert isinstance(feed, EventFeed)
    assert (feed.name, feed.series, feed.get_event_types()) == (
        "bar TEST.SIM 1m last",
        Series("bar", "TEST.SIM 1m last"),
        ["bar"],
    )
    assert (feed.is_live, feed.is_trusted, feed.start_ns, feed.end_ns, feed.last_ts) == (False, True, 5, 9, None)
    assert (feed.series_key.kind_rank, feed.series_key.step_ns) == (3, 60 * 10**9)
    assert store.reads == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1_024])
@pytest.mark.parametrize("batch_size", [1, 4, 1_024])
async def test_batch_sizes_do_not_change_what_is_read(
    make_store: Any, read_all: Any, limit: int, batch_size: int
) -> None:
    trades = [make_trade_tick(n // 3, price=100.0 + n) for n in range(20)]
    feed = HistoricalTradeFeed(make_store(trades), "TEST.SIM", batch_size=batch_size)
    assert await read_all(feed, limit) == trades
    assert not feed.has_next()
    assert await feed.next_batch(limit) == []


async def test_only_the_stretch_between_start_and_end_is_read_both_included(make_store: Any, read_all: Any) -> None:
    store = make_store([make_trade_tick(n) for n in range(10)])
    feed = HistoricalTradeFeed(store, "TEST.SIM", start_ns=3, end_ns=5)
    assert [e.ts_event for e in await read_all(feed)] == [3, 4, 5]
    assert store.reads == [(3, 5)]


async def test_the_last_processed_time_is_that_of_the_last_event_handed_out(make_store: Any) -> None:
    feed = HistoricalTradeFeed(make_store([make_trade_tick(n) for n in range(10)]), "TEST.SIM")
    await feed.next_batch(4)
    assert feed.last_ts == 3
    await feed.next()
    assert feed.last_ts == 4


async def test_closing_early_closes_the_reader_and_ends_the_feed(make_store: Any) -> None:
    store = make_store([make_trade_tick(n) for n in range(10)])
    feed = HistoricalTradeFeed(store, "TEST.SIM", batch_size=2)
    await feed.next_batch(1)
    await feed.close()
    await feed.close()
    assert store.closed_readers == 1
    assert await feed.next() is None


async def test_a_series_that_is_not_stored_is_an_error_each_time_it_is_asked_for(make_store: Any) -> None:
    """Asked again, the broken reader must not pass for the end of the data."""
    feed = HistoricalTradeFeed(make_store([]), "TEST.SIM")
    for _ in range(2):
        with pytest.raises(SeriesNotFound):
            await feed.next_batch(10)


@pytest.mark.parametrize("waits_at", [1, 2, 3, 4, 5, 6])
async def test_a_cancelled_read_has_consumed_nothing(make_store: Any, read_all: Any, waits_at: int) -> None:
    """Cancelling kills the store's generator in the middle of an instant; the feed reads on where it stood.

    12 trades, 5 of them at instant 1, read 2 at a time, so most cuts fall inside that instant.
    """
    times = [0, 0, 1, 1, 1, 1, 1, 2, 2, 3, 4, 4]
    trades = [make_trade_tick(t, price=100.0 + n) for n, t in enumerate(times)]
    store = make_store(trades)
    gate = store.gates[waits_at] = Gate()
    feed = HistoricalTradeFeed(store, "TEST.SIM", batch_size=2)
    seen: list[Any] = []
    reader = asyncio.Task(_collect(feed, seen))
    await gate.reached()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert seen == trades[: len(seen)]
    assert seen + await read_all(feed, 2) == trades
    await feed.close()


async def test_two_cancellations_inside_one_instant_lose_and_repeat_nothing(make_store: Any, read_all: Any) -> None:
    trades = [make_trade_tick(1, price=100.0 + n) for n in range(9)]
    store = make_store(trades)
    feed = HistoricalTradeFeed(store, "TEST.SIM", batch_size=2)
    seen: list[Any] = []
    for waits_at in (3, 5):  # the 3rd batch; then the 2nd after reading on, while it skips what is known
        gate = store.gates[waits_at] = Gate()
        reader = asyncio.Task(_collect(feed, seen))
        await gate.reached()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert seen + await read_all(feed) == trades


async def test_an_end_before_the_start_is_refused(make_store: Any) -> None:
    with pytest.raises(FeedError, match="before its start"):
        HistoricalTradeFeed(make_store([]), "TEST.SIM", start_ns=2, end_ns=1)
    with pytest.raises(FeedError, match="batch_size is 0"):
        HistoricalTradeFeed(make_store([]), "TEST.SIM", batch_size=0)
    HistoricalTradeFeed(make_store([]), "TEST.SIM", start_ns=MIN_NS, end_ns=MAX_NS)


async def _collect(feed: Any, seen: list[Any]) -> None:
    while batch := await feed.next_batch(2):
        seen += batch

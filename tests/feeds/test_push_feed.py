"""PushFeed: bounded, in order, and cancelled without loss on either side."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from tradecore.errors import FeedError, FeedFinished, FeedOverflow, InvalidEvent, InvalidTime
from tradecore.feeds.push_feed import Overflow, PushFeed
from tradecore.testing.builders import make_trade_tick


async def test_events_come_out_in_the_order_they_were_pushed() -> None:
    feed = PushFeed("mine", ["trade_tick"])
    ticks = [make_trade_tick(n) for n in range(5)]
    for tick in ticks:
        await feed.push(tick)
    feed.finish()
    assert await feed.next_batch(3) == ticks[:3]
    assert await feed.next_batch(3) == ticks[3:]
    assert await feed.next_batch(3) == []
    assert not feed.has_next()


async def test_a_reader_waits_for_the_first_event() -> None:
    feed = PushFeed("mine")
    reader = asyncio.Task(feed.next_batch(10))
    await asyncio.sleep(0)
    assert not reader.done()
    await feed.push(make_trade_tick(1))
    assert len(await reader) == 1


async def test_a_full_feed_makes_the_pusher_wait_until_there_is_room() -> None:
    feed = PushFeed("mine", capacity=2)
    await feed.push(make_trade_tick(1))
    await feed.push(make_trade_tick(2))
    pusher = asyncio.Task(feed.push(make_trade_tick(3)))
    await asyncio.sleep(0)
    assert not pusher.done()
    assert [e.ts_event for e in await feed.next_batch(1)] == [1]
    await pusher
    assert [e.ts_event for e in await feed.next_batch(9)] == [2, 3]


async def test_a_full_feed_under_fail_says_so_and_takes_nothing() -> None:
    feed = PushFeed("mine", capacity=1, overflow=Overflow.FAIL)
    await feed.push(make_trade_tick(1))
    with pytest.raises(FeedOverflow, match="'mine' is full: 1 events"):
        await feed.push(make_trade_tick(2))
    assert [e.ts_event for e in await feed.next_batch(9)] == [1]


async def test_a_cancelled_push_has_pushed_nothing() -> None:
    feed = PushFeed("mine", capacity=1)
    await feed.push(make_trade_tick(1))
    pusher = asyncio.Task(feed.push(make_trade_tick(2)))
    await asyncio.sleep(0)
    pusher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pusher
    feed.finish()
    assert [e.ts_event for e in await feed.next_batch(9)] == [1]
    assert await feed.next_batch(9) == []


async def test_a_cancelled_read_has_consumed_nothing() -> None:
    """Even if the event arrives in the same turn of the loop as the cancellation."""
    feed = PushFeed("mine")
    reader = asyncio.Task(feed.next_batch(9))
    await asyncio.sleep(0)
    await feed.push(make_trade_tick(1))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert [e.ts_event for e in await feed.next_batch(9)] == [1]


async def test_finish_wakes_a_waiting_reader() -> None:
    feed = PushFeed("mine")
    reader = asyncio.Task(feed.next_batch(9))
    await asyncio.sleep(0)
    feed.finish()
    assert await reader == []


async def test_closing_wakes_both_sides_and_counts_what_was_not_read() -> None:
    feed = PushFeed("mine", capacity=1)
    await feed.push(make_trade_tick(1))
    pusher = asyncio.Task(feed.push(make_trade_tick(2)))
    await asyncio.sleep(0)
    await feed.close()
    await feed.close()
    with pytest.raises(FeedFinished):
        await pusher
    assert feed.discarded == 1
    assert await feed.next() is None


async def test_a_push_after_finish_is_refused() -> None:
    feed = PushFeed("mine")
    feed.finish()
    with pytest.raises(FeedFinished, match="'mine' has been closed"):
        await feed.push(make_trade_tick(1))


async def test_what_enters_is_checked_at_the_edge() -> None:
    class News:
        event_type = "news"
        dt_event = dt_received = datetime(2024, 1, 1)

    feed = PushFeed("mine")
    with pytest.raises(InvalidTime, match="dt_event of News"):
        await feed.push(News())
    bad: Any = make_trade_tick(1)
    with pytest.raises(InvalidEvent, match="price is inf"):
        await feed.push(type(bad)(bad.instrument, 1, 1, float("inf"), 1.0))
    feed.finish()
    assert await feed.next() is None


def test_a_feed_without_room_is_refused() -> None:
    with pytest.raises(FeedError, match="capacity is 0"):
        PushFeed("mine", capacity=0)

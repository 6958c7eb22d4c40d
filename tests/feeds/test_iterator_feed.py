"""IteratorFeed: any iterator is a feed; what it yields before an error is delivered before the error."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import pytest

from tradecore.domain.event import Event
from tradecore.errors import FeedError, InvalidEvent, InvalidTime
from tradecore.feeds.event_feed import EventFeed
from tradecore.feeds.iterator_feed import feed
from tradecore.testing.builders import make_trade_tick
from tradecore.testing.scripted_feed import Gate

TICKS = [make_trade_tick(n) for n in range(10)]


async def give(events: list[Any], gate: Gate | None = None, gate_at: int = 0) -> AsyncIterator[Any]:
    for n, event in enumerate(events):
        if gate is not None and n == gate_at:
            await gate.wait()
        if isinstance(event, Exception):
            raise event
        yield event


@pytest.mark.parametrize("limit", [1, 3, 10, 1_024])
async def test_an_async_generator_and_a_list_give_the_same(read_all: Any, limit: int) -> None:
    for source in (give(TICKS), TICKS, iter(TICKS)):
        made = feed(source, name="mine", event_types=["trade_tick"])
        assert isinstance(made, EventFeed)
        assert await read_all(made, limit) == TICKS
        assert not made.has_next()


async def test_a_users_own_class_goes_through_as_the_same_object() -> None:
    class News:
        event_type = "news"

        def __init__(self, moment: datetime) -> None:
            self.dt_event = self.dt_received = moment

        def __lt__(self, other: Any) -> bool:
            return bool(self.dt_event < other.dt_event)

    news = News(datetime.fromisoformat("2024-01-01T00:00:00+00:00"))
    assert isinstance(news, Event)
    assert await feed([news], name="news").next() is news


@pytest.mark.parametrize("make", [give, iter])
async def test_events_before_an_error_are_delivered_before_it(make: Any) -> None:
    bad = type(TICKS[0])("TEST.SIM", 3, 3, float("nan"), 1.0)
    made = feed(make([*TICKS[:2], bad]), name="mine")
    assert await made.next_batch(100) == TICKS[:2]
    for _ in range(2):
        with pytest.raises(InvalidEvent, match=r"feed 'mine', row 3: .*price is nan"):
            await made.next_batch(100)


async def test_an_error_of_the_iterator_itself_comes_after_its_events_and_is_not_its_end() -> None:
    made = feed(give([*TICKS[:2], OSError("the line is dead")]), name="mine")
    assert await made.next_batch(100) == TICKS[:2]
    for _ in range(2):
        with pytest.raises(OSError, match="line is dead"):
            await made.next_batch(100)


async def test_a_naive_time_is_refused_naming_feed_and_row() -> None:
    class News:
        event_type = "news"
        dt_event = dt_received = datetime(2024, 1, 1)

    with pytest.raises(InvalidTime, match="feed 'news', row 1: dt_event of News"):
        await feed([News()], name="news").next()


async def test_a_cancelled_generator_does_not_pass_for_the_end_of_the_data() -> None:
    """Python ends a cancelled generator. The two events before it are kept; then the feed says what happened."""
    gate = Gate()
    made = feed(give(TICKS, gate, 2), name="mine")
    reader = asyncio.Task(made.next_batch(100))
    await gate.reached()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await made.next_batch(100) == TICKS[:2]
    with pytest.raises(FeedError, match="row 3"):
        await made.next_batch(100)


async def test_an_iterator_object_goes_on_after_a_cancelled_read(read_all: Any) -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0
            self.gate = Gate()

        def __aiter__(self) -> "Counter":
            return self

        async def __anext__(self) -> Any:
            if self.count == 5:
                await self.gate.wait()
            if self.count == 10:
                raise StopAsyncIteration
            self.count += 1
            return TICKS[self.count - 1]

    source = Counter()
    made = feed(source, name="mine")
    reader = asyncio.Task(made.next_batch(100))
    await source.gate.reached()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    source.gate.open()
    assert await read_all(made, 3) == TICKS


async def test_a_live_feed_hands_each_event_on_at_once() -> None:
    """The second event may be an hour away."""
    made = feed(give(TICKS, Gate(), 1), name="mine", is_live=True)
    assert await asyncio.wait_for(made.next_batch(100), 5) == TICKS[:1]
    await made.close()


async def test_closing_closes_the_iterator() -> None:
    closed: list[str] = []

    async def async_source() -> AsyncIterator[Any]:
        try:
            for tick in TICKS:
                yield tick
        finally:
            closed.append("async")

    def plain_source() -> Iterator[Any]:
        try:
            yield from TICKS
        finally:
            closed.append("plain")

    for source in (async_source(), plain_source()):
        made = feed(source, name="mine")
        await made.next_batch(2)
        await made.close()
        await made.close()
        assert await made.next() is None
    assert closed == ["async", "plain"]


def test_what_is_no_iterable_is_refused() -> None:
    with pytest.raises(FeedError, match="given a int; expected an iterable"):
        feed(5, name="mine")  # type: ignore[arg-type]

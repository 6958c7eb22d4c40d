"""FeedContract: what every EventFeed promises, as tests that anybody can run on a feed of their own.

Receives: a way to make the feed afresh, from a subclass.
Gives:    tests, for pytest with pytest-asyncio in either mode.
Never:    knows the feed's class: what it asks is what the engine relies on.    Spec: 1.3; DESIGN 5; STYLE 12.

    class TestMyFeed(FeedContract):
        def make_feed(self) -> MyFeed:
            return MyFeed(...)          # the same finite history each time, at least three events
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from tradecore.feeds.event_feed import EventFeed
from tradecore.feeds.own_event import check_event, stamp_own_event


class FeedContract:
    """Subclass it, override `make_feed`, and pytest runs the suite on your feed.

    limits: batch sizes that must all give the same events.
    """

    limits: ClassVar[tuple[int, ...]] = (1, 2, 3, 16, 1_024)

    def make_feed(self) -> EventFeed:
        """A new feed of the same finite history each time: at least three events, in order."""
        raise NotImplementedError(f"{type(self).__name__} must override make_feed")

    async def _read(self, feed: EventFeed, limit: int) -> list[Any]:
        events: list[Any] = []
        while batch := await feed.next_batch(limit):
            assert len(batch) <= limit, f"next_batch({limit}) gave {len(batch)} events"
            events += batch
        return events

    @staticmethod
    def _identity(events: list[Any]) -> list[tuple[type, int, int]]:
        """What may be compared of any class of event."""
        return [(type(event), *stamp_own_event(event)) for event in events]

    @pytest.mark.asyncio
    async def test_it_looks_like_a_feed(self) -> None:
        """Name, liveness and event types are known before anything is read."""
        feed = self.make_feed()
        assert isinstance(feed, EventFeed)
        assert isinstance(feed.name, str)
        assert feed.name
        assert isinstance(feed.is_live, bool)
        assert all(isinstance(kind, str) for kind in feed.get_event_types())
        assert feed.has_next()
        await feed.close()

    @pytest.mark.asyncio
    async def test_every_event_can_enter_an_engine(self) -> None:
        """UTC times, finite numbers, and an event type that the feed has declared, if it declares any."""
        feed = self.make_feed()
        events = await self._read(feed, 1_024)
        assert len(events) >= 3, "make_feed must give at least three events"
        declared = feed.get_event_types()
        for event in events:
            check_event(event)
            assert not declared or event.event_type in declared
        await feed.close()

    @pytest.mark.asyncio
    async def test_events_come_in_order_of_event_time(self) -> None:
        """A historical feed that goes back in time ends a run."""
        feed = self.make_feed()
        events = await self._read(feed, 1_024)
        if not feed.is_live:
            for last, event in pairwise(events):
                last_ns, ns = stamp_own_event(last)[0], stamp_own_event(event)[0]
                assert last_ns <= ns, f"{feed.name}: {event!r} comes after {last!r}"
        await feed.close()

    @pytest.mark.asyncio
    async def test_batch_sizes_do_not_change_the_events(self) -> None:
        """Batches are how events travel, not what they are."""
        read = []
        for limit in self.limits:
            feed = self.make_feed()
            read.append(self._identity(await self._read(feed, limit)))
            await feed.close()
        assert all(events == read[0] for events in read)

    @pytest.mark.asyncio
    async def test_one_at_a_time_gives_the_same_events(self) -> None:
        """`next` and `next_batch` are two views of one stream, and may be mixed."""
        feed, other = self.make_feed(), self.make_feed()
        expected = self._identity(await self._read(other, 1_024))
        await other.close()
        first = await feed.next()
        assert first is not None
        events = [first, *await feed.next_batch(1)]
        while (event := await feed.next()) is not None:
            events.append(event)
        assert self._identity(events) == expected
        await feed.close()

    @pytest.mark.asyncio
    async def test_a_finished_feed_stays_finished(self) -> None:
        """[] and None mean for good."""
        feed = self.make_feed()
        await self._read(feed, 1_024)
        assert not feed.has_next()
        for _ in range(2):
            assert await feed.next_batch(10) == []
            assert await feed.next() is None
        await feed.close()

    @pytest.mark.asyncio
    async def test_closing_ends_it_and_may_be_repeated(self) -> None:
        """Who opens closes, perhaps twice; nothing comes afterwards."""
        for read_first in (False, True):
            feed = self.make_feed()
            if read_first:
                assert len(await feed.next_batch(1)) == 1
            await feed.close()
            await feed.close()
            assert await feed.next() is None
            assert await feed.next_batch(10) == []

    @pytest.mark.asyncio
    async def test_a_cancelled_read_has_consumed_nothing(self) -> None:
        """Cancelled at each point where the feed waits (before its first step, after one turn, two ...), it goes on.

        A feed that never waits cannot be cancelled; then only the cut before the first step is tested.
        """
        other = self.make_feed()
        expected = self._identity(await self._read(other, 2))
        await other.close()
        for turns in range(12):
            feed = self.make_feed()
            events: list[Any] = []
            reader = asyncio.Task(self._read_into(feed, events))
            for _ in range(turns):
                await asyncio.sleep(0)
            reader.cancel()
            try:
                await reader
            except asyncio.CancelledError:
                events += await self._read(feed, 2)
            assert self._identity(events) == expected, f"after a cancellation at turn {turns}"
            await feed.close()

    async def _read_into(self, feed: EventFeed, events: list[Any]) -> None:
        while batch := await feed.next_batch(2):
            events += batch

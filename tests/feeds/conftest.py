"""What the feed tests share: reading a feed to its end, and a store in memory that can be made to wait."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.errors import SeriesNotFound
from tradecore.storage.market_data_storage import DEFAULT_BATCH, MarketEvent, Series
from tradecore.testing.scripted_feed import Gate

ReadAll = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def read_all() -> ReadAll:
    """`await read_all(feed, limit)`: all its events, asserting that no batch is longer than the limit."""

    async def read(feed: Any, limit: int = 1_024) -> list[Any]:
        events: list[Any] = []
        while batch := await feed.next_batch(limit):
            assert len(batch) <= limit
            events += batch
        return events

    return read


class FakeStore:
    """The reading half of a store: series from lists. `gates` makes the n-th batch of all reads wait, once."""

    url = "memory:"

    def __init__(self, events: list[MarketEvent]) -> None:
        self.events = sorted(events, key=lambda event: event.ts_event)
        self.reads: list[tuple[int, int]] = []
        self.closed_readers = 0
        self.gates: dict[int, Gate] = {}
        self.batches = 0

    async def read(
        self, series: Series, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = DEFAULT_BATCH
    ) -> AsyncIterator[list[MarketEvent]]:
        self.reads.append((start_ns, end_ns))
        mine = [event for event in self.events if Series.of(event) == series]
        if not mine:
            raise SeriesNotFound(self.url, str(series))
        found = [event for event in mine if start_ns <= event.ts_event <= end_ns]
        try:
            for first in range(0, len(found), batch_size):
                self.batches += 1
                gate = self.gates.pop(self.batches, None)
                if gate is not None:
                    await gate.wait()
                yield found[first : first + batch_size]
        finally:
            self.closed_readers += 1


@pytest.fixture
def make_store() -> Callable[[list[MarketEvent]], FakeStore]:
    """A FakeStore of these events."""
    return FakeStore

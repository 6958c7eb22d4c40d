"""Windows: what the queue hands to the engine at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tradecore.domain.event_batch import EventBatch
from tradecore.engine.event_queue import EventQueue
from tradecore.feeds.columns_feed import BATCH_LEAST, TradeColumnsFeed
from tradecore.feeds.merge import Lane
from tradecore.feeds.timer_feed import RepeatingTimerFeed
from tradecore.testing.builders import make_trade_tick


@pytest.mark.parametrize("rows", [3 * BATCH_LEAST, 3 * BATCH_LEAST + 1])
async def test_a_window_of_one_feed_that_knows_its_next_row_is_its_batch(rows: int) -> None:
    """Nothing is cut off and joined to the next one; brokers get the very list that is delivered."""
    queue = EventQueue(batch_size=BATCH_LEAST)
    queue.add(TradeColumnsFeed("TEST.SIM", list(range(1, rows + 1)), [1.0] * rows))
    sizes, delivered = [], 0
    while (window := await queue.next_window()) is not None:
        sizes.append(len(window.deliveries))
        delivered += len(window.deliveries)
        assert all(events is window.deliveries for _, events in window.loads)
        if len(sizes) < 3:
            assert type(window.deliveries) is EventBatch
            assert window.mark == delivered + 1
    assert sizes[:2] == [BATCH_LEAST] * 2
    assert delivered == rows


async def test_times_that_stand_in_columns_are_merged_as_columns() -> None:
    """Three feeds, one of them without columns, up to three events at an instant: C's come behind B's and A's."""
    queue = EventQueue(batch_size=400)
    evens, thirds, twelfths = (list(range(0, 1_200, step)) for step in (2, 3, 12))
    queue.add(TradeColumnsFeed("C.SIM", twelfths, [1.0] * len(twelfths)))
    queue.add(TradeColumnsFeed("B.SIM", np.array(thirds), [1.0] * len(thirds)))
    queue.add(TradeColumnsFeed("A.SIM", np.array(evens), [1.0] * len(evens)))
    delivered, in_columns = [], 0
    while (window := await queue.next_window()) is not None:
        delivered += [(event.ts_event, event.instrument) for event in window.deliveries]
        in_columns += type(window.deliveries) is tuple
    assert delivered == sorted(
        [(ts, "A.SIM") for ts in evens] + [(ts, "B.SIM") for ts in thirds] + [(ts, "C.SIM") for ts in twelfths]
    )
    assert in_columns


@pytest.mark.parametrize(("kind", "is_column"), [(np.int64, True), (np.uint64, False), (">i8", False), (float, False)])
def test_only_times_of_one_kind_are_merged_as_columns(kind: Any, is_column: bool) -> None:
    """uint64 beside int64 would be joined as floats, which cannot tell two nanoseconds of today apart."""
    lane = Lane(None, 1, None, None)
    ticks = [make_trade_tick(1_700_000_000_000_000_001, 1.0)]
    lane.accept(
        EventBatch(ticks, [ticks[0].ts_event], {"ts_event": np.array([ticks[0].ts_event], kind)}), coincident=True
    )
    events, times = lane.take(None)
    assert events == ticks
    assert (times is not None) is is_column


async def test_an_instant_is_not_split_where_the_next_row_is_of_it() -> None:
    times = [*range(1, BATCH_LEAST + 1), BATCH_LEAST, BATCH_LEAST + 1]
    queue = EventQueue(batch_size=BATCH_LEAST)
    queue.add(TradeColumnsFeed("TEST.SIM", times, [1.0] * len(times)))
    windows = []
    while (window := await queue.next_window()) is not None:
        windows.append([event.ts_event for event in window.deliveries])
    assert [ts for window_times in windows for ts in window_times] == times
    assert BATCH_LEAST not in windows[0]
    assert not any(before[-1] == after[0] for before, after in pairwise(windows))


@pytest.mark.parametrize("batch_size", [1, 3, 4, 5, 1_024])
async def test_a_run_ends_at_its_end_though_the_next_row_is_known_to_come_later(batch_size: int) -> None:
    """Rows at 1 to 4 and at 50, an end at 20, a timer every 5: it comes until 20 and no further."""
    queue = EventQueue(batch_size=batch_size, end_ns=20)
    queue.add(TradeColumnsFeed("TEST.SIM", [1, 2, 3, 4, 50, 51], [1.0] * 6))
    queue.add(RepeatingTimerFeed("tick", 5, 5, None))
    delivered: list[int] = []
    while (window := await queue.next_window()) is not None:
        assert window.mark <= 21
        delivered += [event.ts_event for event in window.deliveries]
    assert delivered == [1, 2, 3, 4, 5, 10, 15, 20]


class HoldsBack(TradeColumnsFeed):
    """A user's own, that gives the last row of each batch with the next one."""

    held: list[Any] = []

    async def next_batch(self, limit: int) -> list[Any]:
        batch = await super().next_batch(limit)
        given, self.held = [*self.held, *batch[:-1]], batch[-1:]
        return given


async def test_what_a_feed_has_read_and_not_given_is_waited_for() -> None:
    queue = EventQueue(batch_size=4)
    queue.add(HoldsBack("TEST.SIM", list(range(2, 26, 2)), [1.0] * 12))
    queue.add(TradeColumnsFeed("OTHER.SIM", list(range(3, 26, 2)), [1.0] * 12))
    delivered: list[int] = []
    while (window := await queue.next_window()) is not None:
        delivered += [event.ts_event for event in window.deliveries]
    assert delivered == list(range(2, 26))

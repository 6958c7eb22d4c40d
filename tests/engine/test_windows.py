"""Windows: what the queue hands to the engine at once."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tradecore.domain.event_batch import EventBatch
from tradecore.engine.event_queue import EventQueue
from tradecore.feeds.columns_feed import BATCH_LEAST, TradeColumnsFeed


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

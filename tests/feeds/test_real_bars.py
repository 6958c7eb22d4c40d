"""Aggregation over a month of real minutes, against an independent count by interval."""

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from tradecore.feeds.bar_aggregation_feed import BarAggregationFeed
from tradecore.feeds.columns_feed import BarColumnsFeed
from tradecore.testing.builders import make_ns

MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def minutes() -> list[tuple[int, float, float, float, float]]:
    """Start and prices of GBPUSD bid minutes, February 2012."""
    folder = os.environ.get("TRADECORE_DATA")
    if not folder:
        pytest.skip("TRADECORE_DATA is not set; it should name the folder of real market data")
    with gzip.open(Path(folder) / "bars" / "gbpusd_1m_bid_2012-02.csv.gz", "rt", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(make_ns(row[0]), *(float(text) for text in row[1:5])) for row in rows]  # type: ignore[misc]


@pytest.mark.real_data
@pytest.mark.parametrize("limit", [1, 16, 1_024])
async def test_a_month_of_minutes_makes_the_five_minute_bars_counted_by_hand(
    minutes: list[tuple[int, float, float, float, float]], read_all: Any, limit: int
) -> None:
    columns = list(zip(*minutes, strict=True))
    ends = [start + MINUTE for start in columns[0]]
    source = BarColumnsFeed(
        "GBPUSD.FX 1m bid", ends, *columns[1:], start_ns=columns[0][0] - columns[0][0] % (5 * MINUTE)
    )
    bars = await read_all(BarAggregationFeed(source, "GBPUSD.FX 5m bid"), limit)

    groups: dict[int, list[tuple[int, float, float, float, float]]] = {}
    for row in minutes:
        groups.setdefault(row[0] // (5 * MINUTE), []).append(row)
    expected = [
        ((key + 1) * 5 * MINUTE, rows[0][1], max(r[2] for r in rows), min(r[3] for r in rows), rows[-1][4])
        for key, rows in groups.items()
    ]
    # The last interval is cut off by the end of the data unless its last minute is there.
    if (ends[-1] % (5 * MINUTE)) != 0:
        expected.pop()
    assert len(minutes) == 30_117
    assert [(b.ts_event, b.open, b.high, b.low, b.close) for b in bars] == expected
    assert all(b.ts_received == b.ts_event for b in bars)

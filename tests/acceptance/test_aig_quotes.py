"""The million quotes of AIG: eleven series, merged, through a strategy that counts them, from Parquet and from SQLite.

The rate is printed (`-rP` shows it) and kept as a property of the test; no test asserts a time.
"""

from __future__ import annotations

from collections import Counter
from time import perf_counter, process_time
from typing import Any

import pytest

import tradecore as tc
from tradecore.storage.open_storage import open_storage

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(300)]

# 1,079,935 rows, less 47 that have a side never seen on their exchange and so cannot be quoted.
QUOTES = 1_079_888


class Counts(tc.Strategy):
    """Counts quotes by series, and looks whether time ever runs back."""

    def __init__(self, instruments: list[str]) -> None:
        self.instruments = instruments
        self.counts: Counter[str] = Counter()
        self.last, self.steps_back = 0, 0

    def on_start(self) -> None:
        for instrument in self.instruments:
            self.subscribe_to_quotes(instrument)

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.counts[tick.instrument] += 1
        if tick.ts_event < self.last:
            self.steps_back += 1
        self.last = tick.ts_event


@pytest.mark.parametrize("kind", ["parquet", "sqlite"])
async def test_eleven_exchanges_of_aig_come_merged_and_whole(
    aig_stores: dict[str, str], kind: str, record_property: Any
) -> None:
    async with open_storage(aig_stores[kind]) as storage:
        stored = {info.series.name: info.rows for info in await storage.list_series()}
        strategy = Counts(sorted(stored))
        began, began_cpu = perf_counter(), process_time()
        result = await tc.run_backtest(strategies=strategy, storage=storage)
        took, took_cpu = perf_counter() - began, process_time() - began_cpu
    assert len(stored) == 11
    assert dict(strategy.counts) == stored
    assert result.counts["events"] == sum(stored.values()) == QUOTES
    assert strategy.steps_back == 0
    rate = f"{kind}: {QUOTES / took:,.0f} events/s, {QUOTES / took_cpu:,.0f} per CPU second of all threads"
    record_property("rate", rate)
    print(rate)  # noqa: T201  (the figure is what this test is for)

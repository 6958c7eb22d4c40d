"""Marks of bars that came as columns: views where they are many, copies where a view would keep a column for a few."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import tradecore as tc
from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.execution.bar_lane import PART_LEAST

ROWS = 1_024  # of a window; there are two
MINUTE_NS = 60 * 10**9


class HoldFor(tc.Strategy):
    """Buys after bar 10 and sells so many bars later."""

    def __init__(self, feed: Any, bars: int) -> None:
        self.feed, self.bars, self.seen = feed, bars, 0

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "bars")

    def on_bar(self, bar: tc.Bar) -> None:
        self.seen += 1
        if self.seen in (10, 10 + self.bars):
            self.submit_order(tc.Order.market("A.X", 1 if self.seen == 10 else -1))


@pytest.mark.parametrize(
    ("held", "kind"), [(3, list), (ROWS // PART_LEAST - 1, list), (ROWS // PART_LEAST + 1, memoryview)]
)
async def test_few_marks_keep_no_column(held: int, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prices = 100 + np.arange(2 * ROWS) * 0.25
    feed = tc.BarColumnsFeed("A.X 1m last", np.arange(1, 2 * ROWS + 1) * MINUTE_NS, prices, prices, prices, prices)
    told: list[tuple[Any, Any]] = []
    record = PerformanceAnalyzer.record_marks

    def note(analyzer: Any, instrument: str, times: Any, marks: Any, broker: str | None = None) -> None:
        told.append((times, marks))
        record(analyzer, instrument, times, marks, broker)

    monkeypatch.setattr(PerformanceAnalyzer, "record_marks", note)
    result = await tc.run_backtest(
        strategies={"s": HoldFor(feed, held)},
        instruments=[
            tc.Instrument(id="A.X", price_increment=Decimal("0.01"), quantity_increment=Decimal(1), currency="USD")
        ],
        brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})},
        batch_size=ROWS,
    )
    assert result.counts["executions"] == 2
    ((times, marks),) = told
    assert type(times) is type(marks) is kind
    assert [*times] == [(10 + bar) * MINUTE_NS for bar in range(1, held + 1)]
    assert [*marks] == [100 + 0.25 * (9 + bar) for bar in range(1, held + 1)]

"""Many feeds of columns, whose events are made together as they are delivered: nothing that anybody could see changes.

Random strategies over instruments that some trade and some only watch, run twice: as they are, and with the events of
each feed made by itself. What strategies heard, what was recorded, statistics and books are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tradecore as tc
from tradecore.brokerage.settings import RateCommission
from tradecore.domain import event_rows
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.engine import event_queue
from tradecore.testing.builders import make_instrument

T0 = 1_704_067_200 * SECOND_NS  # 2024-01-01T00:00:00Z

Act = tuple[str, int, int]
"""What to do at an event, of which instrument, how much."""


def make_feed(kind: str, place: int, seed: int, rows: int) -> Any:
    """A random walk in columns, some rows of one instant with those of other feeds."""
    rng = np.random.default_rng([seed, place])
    times = T0 + SECOND_NS * np.cumsum(rng.integers(1 if kind == "bar" else 0, 40, rows)).astype(np.int64)
    close = 100.0 + np.cumsum(rng.integers(-2, 3, rows)) / 4
    sizes = rng.integers(1, 50, rows).astype(float)
    if kind == "bar":
        opened = close - rng.integers(-1, 2, rows) / 4
        top, bottom = np.maximum(opened, close) + 0.25, np.minimum(opened, close) - 0.25
        return tc.BarColumnsFeed(f"I{place}.SIM 1s last", times, opened, top, bottom, close, 10 * sizes)
    if kind == "trade":
        return tc.TradeColumnsFeed(f"I{place}.SIM", times, close, sizes, rng.integers(0, 3, rows))
    return tc.QuoteColumnsFeed(f"I{place}.SIM", times, close - 0.25, close + 0.25, sizes, sizes)


class Scripted(tc.Strategy):
    """Does at each event what its script says, and writes down all that it hears."""

    def __init__(self, feeds: list[Any], late: Any, script: list[Act], every: int) -> None:
        self.feeds, self.late, self.script, self.every = feeds, late, iter(script), every
        self.given: list[tc.Order] = []
        self.heard: list[Any] = []

    def on_start(self) -> None:
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, f"feed {number}", history=1 + number % 3)

    def on_event(self, event: Any) -> None:
        self.heard.append((self.now_ns, event))
        if len(self.heard) % self.every == 0:
            self.act(*next(self.script, ("rest", 0, 0)))

    def act(self, word: str, place: int, quantity: int) -> None:
        name = f"I{place % len(self.feeds)}.SIM"
        if word == "market" and quantity:
            self.given.append(self.submit_order(tc.Order.market(name, quantity)))
        elif word == "flip" and (held := self.position(name).quantity):
            self.given.append(self.submit_order(tc.Order.market(name, -2 * held)))
        elif word == "limit" and quantity:
            self.given.append(self.submit_order(tc.Order.limit(name, quantity, 100 + quantity % 3)))
        elif word == "stop" and quantity:
            self.given.append(self.submit_order(tc.Order.stop(name, quantity, 100 + quantity)))
        elif word == "cancel":
            self.cancel_all_orders()
        elif word == "look":
            self.heard.append((self.statistics.to_dict(), self.account().cash, len(self.orders())))
        elif word == "late" and self.late is not None:
            self.add_event_feed(self.late, "late")
            self.add_repeating_timer("clock", 7 * MINUTE_NS // 3)
            self.late = None

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        self.heard.append(update)

    def on_execution(self, execution: tc.Execution) -> None:
        self.heard.append((execution, self.position(execution.instrument), self.account().cash))


@dataclass
class Case:
    """Feeds, what is done with them, and the account that it is done with."""

    kind: str
    seed: int
    rows: list[int]
    script: list[Act]
    every: int = 7
    batch_size: int = 1_024
    words: dict[str, Any] = field(default_factory=dict)

    async def run(self, least: int) -> list[Any]:
        """Everything that there is to be seen. least: feeds from which on events are made together."""
        feeds = [make_feed(self.kind, place, self.seed, rows) for place, rows in enumerate(self.rows)]
        late = make_feed(self.kind, len(feeds), self.seed, 60)
        strategy = Scripted(feeds, late, self.script, self.every)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(event_queue, "ROWS_LEAST", least)
            patch.setattr(event_queue, "ROWS_BATCH_LEAST", 1)
            words: dict[str, Any] = {"account": "margin", "cash": {"USD": Decimal(9_000)}, **self.words}
            result = await tc.run_backtest(
                strategies={"a": strategy},
                instruments=[make_instrument(f"I{place}.SIM") for place in range(len(feeds) + 1)],
                brokers={"sim": tc.SimulatedBrokerSettings(**words)},
                batch_size=self.batch_size,
            )
        statistics = [one.to_dict() for one in result.strategies.values()]
        return [strategy.heard, result.digests, result.counts, result.notes, statistics]


acts = st.tuples(
    st.sampled_from(("market", "market", "flip", "limit", "stop", "cancel", "look", "late", "rest")),
    st.integers(0, 7),
    st.integers(-8, 8),
)
cases = st.builds(
    Case,
    kind=st.sampled_from(("bar", "trade", "quote")),
    seed=st.integers(0, 999),
    rows=st.lists(st.integers(0, 60) | st.just(60), min_size=2, max_size=5),
    script=st.lists(acts, max_size=30),
    every=st.sampled_from((1, 7, 11)),
    batch_size=st.sampled_from((1, 5, 16, 1_024)),
    words=st.sampled_from(
        (
            {},
            {"account": "cash"},
            {"borrow_rate": Decimal("0.1"), "commission": RateCommission(taker=Decimal("0.0007"))},
        )
    ),
)


@settings(deadline=None)
@given(case=cases)
async def test_events_made_together_change_nothing(case: Case) -> None:
    together, apart = await case.run(1), await case.run(99)
    for met, expected in zip(together, apart, strict=True):
        assert met == expected


@pytest.mark.parametrize("kind", ["bar", "trade", "quote"])
async def test_a_long_run_of_many_feeds_is_the_same(kind: str) -> None:
    """Twelve feeds, windows that take many rows of each, orders all along; and this is what makes them together."""
    script = [(("market", "flip", "limit", "look", "cancel")[n % 5], n % 13, n % 9 - 4) for n in range(400)]
    case = Case(kind, 7, [600] * 12, script, every=17, batch_size=100)
    shown = 0

    def count(*_: Any) -> None:
        nonlocal shown
        shown += 1
        show(*_)

    show = event_rows.EventRows.show_merged
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_rows.EventRows, "show_merged", count)
        together = await case.run(8)
        assert shown > 60
        shown = 0
        apart = await case.run(99)
        assert not shown
    assert together == apart
    assert together[2]["executions"] > 100

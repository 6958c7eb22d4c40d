"""Stretches: a window is delivered in parts, between which the event loop has its turn. They change no result."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.engine.trading_engine import STRETCH
from tradecore.feeds.columns_feed import BarColumnsFeed, TradeColumnsFeed
from tradecore.testing.builders import make_instrument, make_ns

T0 = make_ns("2024-01-01")
MARGIN = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)})
SIZES = (1, 1_000, STRETCH, 3 * STRETCH + 7, 100_000)


class Counts(tc.Strategy):
    def __init__(self, feed: Any) -> None:
        self.feed, self.count = feed, 0

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "feed")

    def on_trade_tick(self, tick: tc.TradeTick) -> None:
        self.count += 1


class Flips(Counts):
    """From one side to the other around the ends of stretches, and stops at a bar, if it is told to."""

    def __init__(self, feed: Any, stops_at: int = 0) -> None:
        super().__init__(feed)
        self.stops_at, self.held = stops_at, 0

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        if self.count == self.stops_at:
            self.stop_run()
        if self.count < 3 or self.count % STRETCH in (STRETCH - 2, STRETCH - 1, 0, 1, 7):
            wanted = -1 if self.held > 0 else 1
            self.submit_order(tc.Order.market("TEST.SIM", wanted - self.held))
            self.held = wanted


def make_bar_feed(count: int) -> BarColumnsFeed:
    times = [T0 + (n + 1) * 60 * SECOND_NS for n in range(count)]
    closes = [100.0 + n * 7 % 50 / 10 for n in range(count)]
    opens = [100.0, *closes[:-1]]
    highs, lows = map(max, opens, closes), map(min, opens, closes)
    return BarColumnsFeed("TEST.SIM 1m last", times, opens, list(highs), list(lows), closes, [1e6] * count)


async def watch(strategy: Counts, run: asyncio.Task[Any]) -> list[int]:
    """How many events were delivered whenever another task had its turn."""
    seen = [0]
    while not run.done():
        await asyncio.sleep(0)
        if strategy.count != seen[-1]:
            seen.append(strategy.count)
    return seen


async def test_other_tasks_have_their_turn_every_thousand_events_of_a_window_and_never_within_an_instant() -> None:
    """The trades with numbers 1,500 to 2,999 are of one instant: it is delivered whole."""
    seconds = [min(n, 1_500) if n < 3_000 else n for n in range(5 * STRETCH)]
    feed = TradeColumnsFeed("TEST.SIM", [T0 + s * SECOND_NS for s in seconds], [1.0] * len(seconds))
    strategy = Counts(feed)
    run = asyncio.get_running_loop().create_task(tc.run_backtest(strategies=strategy, batch_size=100_000))
    seen = await watch(strategy, run)
    assert (await run).counts["events"] == len(seconds)
    assert seen[:5] == [0, STRETCH, 3_000, 3_000 + STRETCH, 3_000 + 2 * STRETCH]


async def test_the_default_window_leaves_no_more_than_a_stretch_between_two_turns() -> None:
    feed = TradeColumnsFeed("TEST.SIM", [T0 + n for n in range(10_000)], [1.0] * 10_000)
    strategy = Counts(feed)
    seen = await watch(strategy, asyncio.get_running_loop().create_task(tc.run_backtest(strategies=strategy)))
    assert seen[-1] == 10_000
    assert max(after - before for before, after in pairwise(seen)) == STRETCH


@pytest.mark.parametrize("stops_at", [0, STRETCH, STRETCH + 1, 2 * STRETCH - 5])
async def test_orders_at_the_ends_of_stretches_are_executed_as_at_any_batch_size(stops_at: int, tmp_path: Path) -> None:
    """An order of the last bar of a stretch has the open of the next one's first bar."""
    ran = [
        await tc.run_backtest(
            strategies=Flips(make_bar_feed(3 * STRETCH), stops_at), instruments=[make_instrument()],
            brokers={"sim": MARGIN}, batch_size=size, runs_dir=tmp_path / str(size),
        )
        for size in SIZES
    ]  # fmt: skip
    first = ran[0]
    assert first.counts["events"] == (stops_at or 3 * STRETCH)
    assert first.counts["executions"] >= (5 if stops_at else 15)
    for other in ran[1:]:
        assert (other.digests, other.counts, other.notes) == (first.digests, first.counts, first.notes)
        assert other.statistics.to_dict() == first.statistics.to_dict()


@pytest.mark.parametrize("holds", [1, 2])
async def test_a_run_that_is_cancelled_between_stretches_keeps_what_one_between_windows_keeps(
    holds: int, tmp_path: Path
) -> None:
    """What is held is valued up to the last bar that was delivered, and everything is written."""
    kept = []
    for size in (STRETCH, 100_000):
        strategy = Flips(make_bar_feed(4 * STRETCH))
        run = asyncio.get_running_loop().create_task(
            tc.run_backtest(
                strategies=strategy,
                instruments=[make_instrument()],
                brokers={"sim": MARGIN},
                batch_size=size,
                runs_dir=tmp_path / str(size),
            )
        )
        while strategy.count < holds * STRETCH:  # noqa: ASYNC110  (it is the turns of the loop that are asked for)
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        (folder,) = [path for path in (tmp_path / str(size)).iterdir() if path.is_dir()]
        told = json.loads((folder / "run.json").read_text())
        assert (told["status"], told["counts"]["events"]) == ("interrupted", holds * STRETCH)
        kept.append((told["counts"], told["digests"], json.loads((folder / "statistics.json").read_text())))
    assert kept[0] == kept[1]
    assert float(kept[0][2]["all"]["open_profit"])

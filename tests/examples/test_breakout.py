"""The breakout of the examples: where it enters, how it is managed, and that its book is the ledger's."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.examples.breakout import Breakout
from tradecore.storage.bundled.bundled_data import bundled_instrument, load_bundled
from tradecore.testing.builders import make_bar, make_instrument, make_ns
from tradecore.verification.run_verification import verify_run

SERIES = "TEST.SIM 1m last"
T0 = make_ns("2024-01-01T10:00:00Z")
MINUTE_NS = 60_000_000_000


async def run(strategy: tc.Strategy, bars: list[tuple[float, float, float, float]]) -> tc.RunResult:
    """One run over minutes of these (open, high, low, close)."""
    made = [
        make_bar(T0 + (n + 1) * MINUTE_NS, close, open=first, high=high, low=low, bar_type=SERIES)
        for n, (first, high, low, close) in enumerate(bars)
    ]
    settings: Any = {"account": "margin", "cash": {"USD": Decimal(100_000)}, "participation": Decimal(1)}
    async with tc.open_storage("memory:") as storage:
        await storage.append(made)
        return await tc.run_backtest(
            strategies=strategy,
            brokers={"sim": tc.SimulatedBrokerSettings(**settings)},
            storage=storage,
            instruments=[make_instrument()],
        )


FLAT = (100.0, 101.0, 99.0, 100.0)


async def test_it_buys_above_the_range_and_takes_twice_the_risk() -> None:
    """Range 99 to 101: in at 101.01, target 105.01, 10 units."""
    strategy = Breakout(SERIES, bars_range=2, risk=Decimal(2), quantity=Decimal(10))
    await run(strategy, [FLAT, FLAT, (100.0, 102.0, 100.0, 101.5), (101.5, 106.0, 101.5, 105.5)])
    assert list(strategy.results.values()) == [10 * Decimal(4)]


async def test_its_stop_is_at_break_even_once_it_is_two_ahead() -> None:
    """In at 101.01; the close at 103.5 is 2.49 ahead, so the stop goes to 101.01, and trails to 101.50."""
    strategy = Breakout(SERIES, bars_range=2, risk=Decimal(2), quantity=Decimal(10))
    await run(
        strategy,
        [FLAT, FLAT, (100.0, 102.0, 100.0, 101.5), (101.5, 104.0, 101.5, 103.5), (103.5, 103.6, 103.4, 103.5),
         (103.5, 103.5, 99.0, 99.0)],
    )  # fmt: skip
    assert list(strategy.results.values()) == [10 * Decimal("0.49")]


async def test_it_asks_again_with_every_bar_until_it_is_in() -> None:
    """Three bars without a breakout: two entries were taken back, and one waits at the end."""
    strategy = Breakout(SERIES, bars_range=2)
    await run(strategy, [FLAT] * 4)
    assert strategy.opportunities.counts == {tc.OpportunityEnd.NOT_ENTERED: 2}
    assert len(strategy.opportunities.waiting) == 1


@pytest.mark.parametrize("contingency", ["client", "venue"])
async def test_on_thirteen_years_of_ibm_its_book_is_the_ledgers(contingency: Any, tmp_path: Path) -> None:
    """The sum of its opportunities is the net profit of the run, every law is kept, and no two of them overlap."""
    strategy = Breakout("IBM.NYSE 1d last")
    broker = tc.SimulatedBrokerSettings(
        account="margin",
        cash={"USD": Decimal(100_000)},
        commission=tc.RateCommission(taker=Decimal("0.0005"), maker=Decimal("0.0002")),
        contingency=contingency,
    )
    async with tc.open_storage("memory:") as storage:
        await load_bundled(storage, ["IBM"])
        result = await tc.run_backtest(
            strategies=strategy,
            brokers={"sim": broker},
            storage=storage,
            instruments=[bundled_instrument("IBM")],
            runs_dir=tmp_path,
        )
    assert result.run_folder is not None
    assert verify_run(result.run_folder).findings == ()
    assert not strategy.opportunities.in_trade
    assert len(strategy.results) > 50
    assert sum(strategy.results.values(), Decimal(0)) == result.statistics.net_profit
    events = [json.loads(line) for line in (result.run_folder / "events.jsonl").read_text().splitlines()]
    entered = [e for e in events if e["kind"] == "opportunity" and e["state"] == "FINISHED" and e["ts_entered"]]
    assert [e["ts_entered"] for e in entered] == sorted(e["ts_entered"] for e in entered)
    assert all(a["ts_finished"] <= b["ts_entered"] for a, b in pairwise(entered))

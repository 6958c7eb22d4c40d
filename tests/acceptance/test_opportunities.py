"""Opportunities on a real day, both contingencies, with and without latency: every law kept, every cent counted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.verification.run_verification import verify_run

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(300)]

AIG = tc.Instrument(
    id="AIG.Z", price_increment=Decimal("0.01"), quantity_increment=Decimal(1), currency="USD",
    session="09:30-16:00 America/New_York",
)  # fmt: skip
CENT = Decimal("0.01")


class Scalper(tc.Strategy):
    """Every hundredth quote one opportunity, in turn long and short, market and limit, managed or not: up to ten."""

    def __init__(self) -> None:
        self.count = 0
        self.trades: list[tc.Opportunity] = []

    def on_start(self) -> None:
        self.subscribe_to_quotes(AIG.id)

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.count += 1
        if self.count % 100 or len(self.opportunities) >= 10 or tick.bid_price >= tick.ask_price:
            return
        kind = self.count // 100
        sign = 1 if kind % 2 else -1
        at = Decimal(repr(tick.bid_price if sign > 0 else tick.ask_price))
        entry = tc.Order.market(AIG.id, 200 * sign) if kind % 3 else tc.Order.limit(AIG.id, 200 * sign, at)
        self.trades.append(
            self.submit_opportunity(
                tc.Opportunity(
                    entry,
                    profit=tc.Order.limit(AIG.id, -200 * sign, at + 3 * sign * CENT),
                    stop=tc.Order.stop(AIG.id, -200 * sign, at - 3 * sign * CENT),
                    manage=[tc.BreakEven(after=2 * CENT, plus=CENT)] if kind % 5 else [],
                    time_out=timedelta(minutes=3),
                )
            )
        )


@pytest.mark.parametrize("contingency", ["client", "venue"])
@pytest.mark.parametrize("ms", [0, 50])
async def test_a_day_of_opportunities_adds_up(
    aig_stores: dict[str, str], tmp_path: Path, ms: int, contingency: Any
) -> None:
    """What they earned together is the net profit of the run."""
    delay = tc.ConstantDelay(ms)
    broker = tc.SimulatedBrokerSettings(
        account="margin",
        cash={"USD": Decimal(1_000_000)},
        latency=tc.Latency(submit=delay, cancel=delay, update=delay, report=delay),
        commission=tc.PerUnitCommission(amount=Decimal("0.0005")),
        contingency=contingency,
    )
    strategy = Scalper()
    result = await tc.run_backtest(
        strategies=strategy,
        brokers={"sim": broker},
        instruments=[AIG],
        storage=aig_stores["parquet"],
        runs_dir=tmp_path,
    )
    assert result.run_folder is not None
    assert verify_run(result.run_folder).findings == ()
    ended = [one for one in strategy.trades if one.is_finished]
    assert len(ended) > 100
    ends = {one.end.name for one in ended if one.end is not None}
    assert ends >= {"NOT_ENTERED", "PROFIT", "STOP", "TIMED_OUT"}
    for one in ended:
        assert one.held == 0
        assert one.mae <= one.profit + one.commission <= one.mfe
    assert not any(one.held for one in strategy.trades)
    assert sum((one.profit for one in strategy.trades), Decimal(0)) == result.statistics.net_profit
    # Two quotes may bear one millisecond: then both exits can execute before we hear of either, if the group is ours.
    over = [one for one in strategy.trades if one.problem is not None]
    assert len(over) <= (2 if contingency == "client" else 0)
    assert all(one.group is not None and one.group.closing for one in over)

"""Opportunities in phases B, C and D of a live run, on virtual time: SPEC "Opportunity Management"; DESIGN 9, 10.

The market steps every 5 s, from 100.00 up to 100.06 and down again; the run begins 121 s into it.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.runtime.check_parity import check_parity
from tradecore.runtime.live_settings import RecordingSettings
from tradecore.strategy.opportunity_management import tighten_stop
from tradecore.testing.live_market import INSTRUMENT, LogStrategy, open_market_stage
from tradecore.verification.run_verification import verify_run

pytestmark = pytest.mark.virtual_time(seed=7)


class Trader(LogStrategy):
    """Opens one opportunity of 1 in each of the phases B, C and D, whose settings are given by phase. It takes a second
    for each trade of history, so that some arrive meanwhile, for C.

    told: phase and id of every change.
    """

    def __init__(self, **settings: dict[str, Any]) -> None:
        super().__init__("trades")
        self.settings = settings
        self.opened: dict[str, tc.Opportunity] = {}
        self.told: list[tuple[str, str]] = []
        self.entered_ns: dict[str, int] = {}
        self.finished_ns: dict[str, int] = {}

    async def on_trade_tick(self, tick: tc.TradeTick) -> None:  # type: ignore[override]
        super().on_trade_tick(tick)
        if self.phase == "B":
            await anyio.sleep(1)
        if self.phase in self.settings and self.phase not in self.opened:
            given = {key: make() if callable(make) else make for key, make in self.settings[self.phase].items()}
            self.opened[self.phase] = self.submit_opportunity(tc.Opportunity(tc.Order.market(INSTRUMENT, 1), **given))

    def on_opportunity_changed(self, change: tc.OpportunityChanged) -> None:
        now = change.opportunity
        self.told.append((self.phase, now.opportunity_id))
        if now.state is tc.OpportunityState.IN_TRADE:
            self.entered_ns.setdefault(now.opportunity_id, self.now_ns)
        if now.state is tc.OpportunityState.FINISHED:
            self.finished_ns[now.opportunity_id] = self.now_ns


def limit(price: str) -> Any:
    return lambda: tc.Order.limit(INSTRUMENT, -1, price)


def stop(price: str) -> Any:
    return lambda: tc.Order.stop(INSTRUMENT, -1, price)


FAR: dict[str, Any] = {"profit": limit("110"), "stop": stop("90")}
NEAR: dict[str, Any] = {"profit": limit("100.05"), "stop": stop("99.90")}


def tighten(trade: tc.Opportunity) -> None:
    """Management: the stop goes to 100.02 once the price is well above it."""
    if trade.price is not None and trade.price >= Decimal("100.04"):
        tighten_stop(trade, Decimal("100.02"))


def make_trader() -> Trader:
    """B: out of reach, and given up after 150 s. C: its stop is moved, and met. D: a profit that is reached."""
    return Trader(B={**FAR, "time_out": timedelta(seconds=150)}, C={**FAR, "manage": [tighten]}, D=NEAR)


@pytest.mark.parametrize("contingency", ["client", "venue"])
async def test_opportunities_live_through_all_phases_and_are_repeated_by_a_replay(
    tmp_path: Path, contingency: Any
) -> None:
    """Who opened in B is still in trade in D, and timed out there by the clock; what was opened in C moves its stop in
    D; what they earned together is the profit of the run.
    """
    broker = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(10_000)}, participation=Decimal(1), contingency=contingency
    )
    given: dict[str, Any] = {"brokers": {"sim": broker}}
    trader = make_trader()
    async with open_market_stage() as stage:
        result = await stage.go(
            trader, **given, duration="100s", trace=True, runs_dir=tmp_path, recording=RecordingSettings(frames=False)
        )
    assert list(trader.opened) == ["B", "C", "D"]
    in_b, in_c, in_d = trader.opened.values()
    assert [trade.end for trade in trader.opened.values()] == [
        tc.OpportunityEnd.TIMED_OUT, tc.OpportunityEnd.STOP, tc.OpportunityEnd.PROFIT,
    ]  # fmt: skip
    assert all(trade.problem is None and trade.held == 0 for trade in trader.opened.values())
    assert [phase for phase, trade_id in trader.told if trade_id == in_b.id] == ["B", "D"]
    assert trader.finished_ns[in_b.id] - trader.entered_ns[in_b.id] >= 150 * SECOND_NS
    assert in_c.stop_order is not None
    assert in_c.stop_order.stop_price == Decimal("100.02")
    assert in_d.exit_price == Decimal("100.05")
    assert sum(trade.profit for trade in trader.opened.values()) == result.statistics.net_profit
    assert result.run_folder is not None
    assert verify_run(result.run_folder).findings == ()
    parity = await check_parity(result.run_folder, strategies=make_trader(), **given)
    assert parity.is_same, parity.differences


async def test_what_is_not_finished_at_the_end_of_a_live_run_is_said(tmp_path: Path) -> None:
    trader = Trader(D=FAR)
    async with open_market_stage() as stage:
        broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, participation=Decimal(1))
        result = await stage.go(trader, brokers={"sim": broker}, runs_dir=tmp_path)
    assert trader.opened["D"].held == 1
    assert "Trader: 1 opportunities were not finished at the end, 1 held" in result.notes
    assert result.run_folder is not None
    assert "opportunity_left" in (result.run_folder / "run.log").read_text()

"""`tradecore verify` on runs through the whole program: the quickstart, one that was stopped, a market maker's day."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import tradecore as tc
from tradecore.brokerage.settings import Latency, RateCommission
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instrument import Instrument
from tradecore.verification.run_verification import Verification, verify_run

REPOSITORY = Path(__file__).parents[2]
AIG = Instrument(
    id="AIG.P", price_increment=Decimal("0.01"), quantity_increment=Decimal(1), currency="USD",
    session="09:30-16:00 America/New_York",
)  # fmt: skip


def count_checks(verification: Verification) -> dict[str, int]:
    return {row.law: row.checked for row in verification.rows}


def test_the_quickstart_keeps_every_law(run_tradecore: Any, tmp_path: Path) -> None:
    """In processes of their own, as a user types it."""
    config = REPOSITORY / "configs" / "quickstart.toml"
    storage = ("--set", f"storage.url=sqlite:{tmp_path / 'market.db'}")
    ran: CompletedProcess[str] = run_tradecore("run", config, *storage, "--json")
    folder = Path(json.loads(ran.stdout)["run_folder"])
    verified: CompletedProcess[str] = run_tradecore("verify", folder, "--json")
    assert verified.returncode == 0, verified.stderr
    value = json.loads(verified.stdout)
    assert value["findings"] == []
    assert value["left_out"] == []
    checked = {law["law"]: law["checked"] for law in value["laws"]}
    # 122 orders, each accepted and executed once: the figures that the README shows.
    assert [checked[law] for law in ("O1", "O4", "S6", "E3", "E9", "B1", "B2")] == [244, 244, 122, 122, 122, 1, 1]
    assert run_tradecore("verify", folder).stdout.splitlines()[-1].endswith("all kept")


class MarketMaker(tc.Strategy):
    """Quotes both sides at the touch, 100 shares each, and keeps cancelling: whenever the touch has moved."""

    def __init__(self) -> None:
        self.bid: tc.Order | None = None
        self.ask: tc.Order | None = None

    def on_start(self) -> None:
        self.subscribe_to_quotes(AIG.id)

    def on_quote_tick(self, quote: tc.QuoteTick) -> None:
        held = self.position(AIG.id).quantity
        self.bid = self.requote(self.bid, quote.bid_price, 100 if held < 500 else 0)
        self.ask = self.requote(self.ask, quote.ask_price, -100 if held > -500 else 0)

    def requote(self, order: tc.Order | None, price: float, quantity: int) -> tc.Order | None:
        if order is not None and not order.is_finished:
            if float(order.price or 0) != price and not order.pending_cancel:
                self.cancel_order(order)
            return order
        return self.submit_order(tc.Order.limit(AIG.id, quantity, price)) if quantity else None


async def make_market(storage: str, folder: Path, ms: float) -> tc.RunResult:
    each = ConstantDelay(ms)
    settings = tc.SimulatedBrokerSettings(
        account="margin",
        cash={"USD": Decimal(1_000_000)},
        commission=RateCommission(maker=Decimal("-0.00002"), taker=Decimal("0.00003")),
        latency=Latency(submit=each, cancel=each, update=each, report=each),
    )
    return await tc.run_backtest(
        strategies=MarketMaker(),
        brokers={"sim": settings},
        storage=storage,
        instruments=[AIG],
        runs_dir=folder,
        name=f"maker-{ms:g}",
    )


@pytest.mark.real_data
async def test_a_market_maker_on_the_real_day_keeps_every_law(aig_stores: dict[str, str], tmp_path: Path) -> None:
    """With 50 ms each way its quotes are staler: fewer of them execute, and those that do are picked off."""
    results = {}
    for ms in (0.0, 50.0):
        result = results[ms] = await make_market(aig_stores["parquet"], tmp_path, ms)
        assert result.run_folder is not None
        verification = verify_run(result.run_folder)
        assert verification.findings == ()
        checked = count_checks(verification)
        assert checked["S2"] == result.counts["executions"] > 100
        # At the end of the day one quote a side may still be on its way.
        assert result.counts["orders"] - 2 <= checked["S6"] <= result.counts["orders"]
        assert checked["S6"] > 1_000
    assert results[50.0].digests["executions"] != results[0.0].digests["executions"]
    per_share = {ms: result.statistics.net_profit / result.statistics.turnover for ms, result in results.items()}
    assert per_share[50.0] < per_share[0.0]

"""Market making on real days: what 50 ms each way do to quotes, and that the laws of trading are kept.

AIG is one exchange's whole day (AIG.Z: 55,722 quotes, 3,902 trades), BTC the 345 recorded seconds of the perpetual.
Each runs with and without latency, matched on quotes and on trades with a queue. TRADECORE_FULL_DAY=1 takes the busiest
exchange as well, AIG.N with 658,263 quotes.

The direction one expects: without latency a cancel that is sent always succeeds, for nothing can come between. With
latency an order stands where the market was until its cancel arrives, and whoever sees the new price first takes it:
some orders execute after their own cancel was sent, and the market is further against what was executed a second later.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable
from decimal import Decimal
from math import fsum
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.examples.market_maker import MarketMaker
from tradecore.journal.run_reading import load_run
from tradecore.runtime.frame_log_layout import open_log_readers
from tradecore.storage.importing.import_data import import_data
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.verification.run_verification import verify_run

pytestmark = [pytest.mark.real_data, pytest.mark.slow, pytest.mark.timeout(300)]

LATENCY_MS = 50
LOOK_AHEAD_NS = SECOND_NS
SESSION = "09:30-16:00 America/New_York"


def make_aig(exchange: str) -> tc.Instrument:
    return tc.Instrument(
        id=f"AIG.{exchange}", price_increment=Decimal("0.01"), quantity_increment=Decimal(1), currency="USD",
        session=SESSION,
    )  # fmt: skip


BTC = tc.Instrument(
    id="BTCUSDT.BINANCE", price_increment=Decimal("0.1"), quantity_increment=Decimal("0.001"), currency="USDT",
    base_currency="BTC",
)  # fmt: skip

CASES = {
    "AIG.Z": (make_aig("Z"), Decimal(100)),
    "BTC": (BTC, Decimal("0.01")),
    "AIG.N": (make_aig("N"), Decimal(100)),  # on demand
}


class WatchedMaker(MarketMaker):
    """The example, which also hears of trades and keeps every middle price it was shown."""

    def __init__(self, instrument: str, quantity: Decimal) -> None:
        super().__init__(instrument, quantity, 5 * quantity)
        self.times: list[int] = []
        self.mids: list[float] = []

    def on_start(self) -> None:
        super().on_start()
        self.subscribe_to_trades(self.instrument_id, key="trades")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.times.append(tick.ts_event)
        self.mids.append((tick.bid_price + tick.ask_price) / 2)
        super().on_quote_tick(tick)

    def find_mid(self, ts: int) -> float:
        """The middle that stood at an instant; the first one before there was any."""
        return self.mids[max(bisect_right(self.times, ts) - 1, 0)]


class Outcome(msgspec.Struct):
    """What a maker's executions came to. after_cancel: executions later than the order's own cancel was sent.

    markout: money per unit that the middle a second later is above what was bought, or below what was sold, on average;
    below 0, the market went on against us.
    """

    executions: int
    after_cancel: int
    markout: float
    cancels_sent: int
    folder: Path


async def make_market(
    url: str, instrument: tc.Instrument, quantity: Decimal, *, ms: int, match_on: str, folder: Path
) -> Outcome:
    delay = tc.ConstantDelay(ms)
    settings = tc.SimulatedBrokerSettings(
        account="margin",
        cash={instrument.currency: Decimal(10_000_000)},
        latency=tc.Latency(submit=delay, cancel=delay, update=delay, report=delay),
        match_on={instrument.id: match_on},
    )
    maker = WatchedMaker(instrument.id, quantity)
    result = await tc.run_backtest(
        strategies=maker,
        brokers={"sim": settings},
        instruments=[instrument],
        storage=url,
        runs_dir=folder,
        name=f"maker-{match_on}-{ms}",
    )
    assert result.run_folder is not None
    late, gains, units = 0, [], []
    executions = list(load_run(result.run_folder).iterate_executions())
    for execution in executions:
        assert execution.liquidity is tc.Liquidity.MAKER  # post_only: it never takes
        later = maker.find_mid(execution.ts_event + LOOK_AHEAD_NS)
        gains.append((later - float(execution.price)) * float(execution.signed_quantity))
        units.append(float(execution.quantity))
        cancel_ns = maker.cancels_sent.get(execution.order_id)
        late += cancel_ns is not None and execution.ts_event > cancel_ns
    return Outcome(len(executions), late, fsum(gains) / fsum(units), len(maker.cancels_sent), result.run_folder)


@pytest.fixture(scope="session")
def market_stores(
    shared_data: Path, aig_stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Any]:
    """A call that gives the URL of a store with quotes and trades of a case, imported from the files on first use."""
    folder = tmp_path_factory.mktemp("makers")
    known: dict[str, str] = {}

    async def build(case: str) -> str:
        if case not in known:
            known[case] = f"parquet:{folder / case}"
            async with tc.open_storage(known[case]) as storage:
                if case == "BTC":
                    log = shared_data / "frames" / "binance_usdm_btcusdt_20240808.jsonl.gz"
                    settings = ImportSettings(layout="binance-frames")
                    await import_data(storage, log, settings, open_files=open_log_readers)
                else:
                    async with tc.open_storage(aig_stores["parquet"]) as quotes:
                        await copy_series(quotes, storage, case)
                    trades = shared_data / "ticks" / "aig_20131007_trade.zip"
                    settings = ImportSettings(timezone="America/New_York", by_exchange=True, conditions="regular")
                    await import_data(storage, trades, settings)
        return known[case]

    return build


async def copy_series(source: Any, target: Any, instrument: str) -> None:
    series = [info.series for info in await source.list_series() if info.series.name == instrument]
    assert [one.kind for one in series] == ["quote_tick"]
    async for batch in source.read(series[0]):
        await target.append(batch)


def list_cases() -> list[str]:
    return [case for case in CASES if case != "AIG.N" or os.environ.get("TRADECORE_FULL_DAY")]


@pytest.mark.parametrize("match_on", ["quote", "trade_queue"])
@pytest.mark.parametrize("case", list_cases())
async def test_latency_leaves_stale_quotes_to_be_picked_off(
    market_stores: Callable[[str], Any], case: str, match_on: str, tmp_path: Path, record_property: Any
) -> None:
    """Every law is kept in both runs, and the difference points where it must."""
    instrument, quantity = CASES[case]
    url = await market_stores(case)
    at_once = await make_market(url, instrument, quantity, ms=0, match_on=match_on, folder=tmp_path)
    delayed = await make_market(url, instrument, quantity, ms=LATENCY_MS, match_on=match_on, folder=tmp_path)
    for outcome in (at_once, delayed):
        verification = verify_run(outcome.folder)
        assert verification.findings == ()
        assert outcome.executions > 100
        assert outcome.cancels_sent > 500
    assert at_once.after_cancel == 0
    assert delayed.after_cancel > 0
    assert delayed.markout < at_once.markout
    figures = f"{case} on {match_on}: {at_once} without latency, {delayed} with {LATENCY_MS} ms each way"
    record_property("figures", figures)
    print(figures)  # noqa: T201  (`-rP` shows what was measured)

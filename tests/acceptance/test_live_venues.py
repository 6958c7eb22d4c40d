"""A whole live run through both adapters, over sockets in memory and virtual time, to the local venue: issue 4."""

from itertools import pairwise
from typing import Any

import pytest

from tradecore.domain.clock import Clock
from tradecore.domain.instant import HOUR_NS, MINUTE_NS, SECOND_NS
from tradecore.domain.trade_tick import TradeTick
from tradecore.feeds.proof import Proof
from tradecore.runtime.live_settings import HandoverSettings, VenueSettings
from tradecore.runtime.run_live import run_live
from tradecore.runtime.run_result import RunResult
from tradecore.strategy.strategy import Strategy
from tradecore.testing.local_venue import LocalVenue, SyntheticSource, open_local_venue, open_venue_server
from tradecore.testing.local_venue import VenueSettings as LocalSettings
from tradecore.testing.local_venue.synthetic_source import PAIRS
from tradecore.testing.virtual_run import running_clock

pytestmark = pytest.mark.virtual_time(seed=5)

IDS = {"binance": "BTCUSDT.BINANCE", "kraken": "BTC/USD.KRAKEN"}
SYMBOLS = {"binance": "BTCUSDT", "kraken": "BTCUSD"}
# Whatever is put wrong is wrong in phase D, after two minutes of history and before the last minute.
FAULTS = ("drop at=30", "duplicate p=0.02", "reorder p=0.02", "gap p=0.01 frames=2", "garbage p=0.01")


class Everything(Strategy):
    """Trades, best prices, depth and minutes of one instrument."""

    def __init__(self, instrument: str) -> None:
        self.instrument_id = instrument
        self.trades: list[TradeTick] = []
        self.ends: list[int] = []
        self.times: list[int] = []

    def on_start(self) -> None:
        self.subscribe_to_trades(self.instrument_id, key="trades")
        self.subscribe_to_quotes(self.instrument_id, key="quotes")
        self.subscribe_to_depth(self.instrument_id, key="depth")
        self.subscribe_to_bars(f"{self.instrument_id} 1m last", key="bars")

    def on_event(self, event: Any) -> None:
        self.times.append(self.now_ns)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.trades.append(tick)

    def on_bar(self, bar: Any) -> None:
        self.ends.append(bar.ts_event)


async def run_dialect(
    dialect: str, faults: tuple[str, ...], **settings: Any
) -> tuple[Everything, RunResult, LocalVenue]:
    """Three minutes live after two of history, then what the venue knows."""
    clock = running_clock()
    pair = next(pair for pair in PAIRS if pair.base + pair.quote == SYMBOLS[dialect])
    source = SyntheticSource(clock.wall_ns(), seed=3, pairs=(pair,), history_ns=5 * MINUTE_NS)
    strategy = Everything(IDS[dialect])
    async with (
        open_local_venue(source, LocalSettings(seed=3)) as local,
        open_venue_server(local, "venue.test") as server,
    ):
        for fault in faults:
            local.add_fault(fault)
        result = await run_live(
            strategies=strategy, venues={dialect: make_table(dialect, server.urls)}, warmup="2m", duration="3m",
            clock=clock, handover=HandoverSettings(**settings),
        )  # fmt: skip
        return strategy, result, local


def make_table(dialect: str, urls: dict[str, str]) -> VenueSettings:
    if dialect == "binance":
        return VenueSettings(type="binance", stream_url=urls["binance_stream"], api_url=urls["binance_api"])
    return VenueSettings(type="kraken", stream_url=urls["kraken"], rest_url=urls["kraken_rest"])


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
async def test_every_trade_comes_once_and_in_order_over_the_seam(dialect: str) -> None:
    """Binance's bars are the venue's, Kraken's are made of its trades: both are whole on both sides of the seam."""
    strategy, result, _ = await run_dialect(dialect, ())
    assert result.handover is not None
    proofs = {report.stream.partition(" ")[0]: report.verdict.proof for report in result.handover.streams}
    wanted = {"trade_tick": Proof.PROVED, "quote_tick": Proof.EXCUSED, "depth": Proof.EXCUSED}
    assert proofs == (wanted | {"bar": Proof.PROVED} if dialect == "binance" else wanted)
    ids = [int(tick.trade_id or 0) for tick in strategy.trades]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert strategy.trades[0].ts_event < running_clock().wall_ns() - 280 * SECOND_NS
    assert [later - earlier for earlier, later in pairwise(strategy.ends)] == [MINUTE_NS] * (len(strategy.ends) - 1)
    assert len(strategy.ends) >= 4
    assert strategy.times == sorted(strategy.times)


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
async def test_what_goes_wrong_in_phase_d_is_mended_or_declared(dialect: str) -> None:
    strategy, result, local = await run_dialect(dialect, FAULTS, on_conflict="warn")
    assert result.handover is not None
    ids = [int(tick.trade_id or 0) for tick in strategy.trades]
    assert len(ids) == len(set(ids)), "a trade was delivered twice"
    [report] = [report for report in result.handover.streams if report.stream.startswith("trade_tick")]
    missing = set(range(min(ids), max(ids) + 1)) - set(ids)
    holes = [*report.declared, *report.open_holes]
    told = {number for hole in holes if hole.first_id is not None and hole.last_id is not None
            for number in range(hole.first_id, hole.last_id + 1)}  # fmt: skip
    assert missing <= told, "a trade is missing without a word"
    assert sum(local.fault_counts.values()) > 5
    assert report.counts.requeried > 0


async def test_a_clock_that_is_an_hour_behind_the_venues_changes_nothing_of_what_is_delivered() -> None:
    clock: Clock = running_clock()
    assert running_clock().wall_ns() == clock.wall_ns()
    pair = next(pair for pair in PAIRS if pair.base + pair.quote == "BTCUSDT")
    source = SyntheticSource(clock.wall_ns(), seed=3, pairs=(pair,), history_ns=5 * MINUTE_NS)
    strategy = Everything(IDS["binance"])
    async with (
        open_local_venue(source, LocalSettings(seed=3)) as local,
        open_venue_server(local, "venue.test") as server,
    ):
        await run_live(
            strategies=strategy, venues={"binance": make_table("binance", server.urls)}, warmup=0, duration="1m",
            clock=running_clock().with_offset(-HOUR_NS),
        )  # fmt: skip
    ids = [int(tick.trade_id or 0) for tick in strategy.trades]
    assert len(ids) > 100
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert strategy.times == sorted(strategy.times)

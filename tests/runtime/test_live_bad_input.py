"""Bad input of a live run: each named with what was tried and what to do: issue 4; DESIGN 10."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.feed_state import FeedState
from tradecore.domain.order import Order
from tradecore.errors import (
    BackfillTooLarge,
    CatchUpTooSlow,
    ConfigError,
    InstrumentConflict,
    RunFolderError,
    StrategyError,
    UnknownSymbol,
    UnknownVenue,
    VenueRequestFailed,
    VenueUnreachable,
)
from tradecore.feeds.proof import Proof
from tradecore.journal.run_folder import RunFolder
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.run_live import run_live
from tradecore.testing.builders import make_instrument
from tradecore.testing.live_market import BARS, INSTRUMENT, QUOTES, TRADES, LogStrategy, open_market_stage
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.virtual_run import running_clock

pytestmark = pytest.mark.virtual_time(seed=7)

BROKER = SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})


# --------------------------------------------------------------------------------------------------------- bad input


async def test_an_instrument_of_no_venue_is_said_with_what_to_add() -> None:
    async with open_market_stage() as stage:
        with pytest.raises(UnknownVenue, match=r"\[venues.sim\]") as caught:
            await stage.go(LogStrategy("trades"), venues={"OTHER": stage.venue})
    assert caught.value.suffix == "SIM"


async def test_a_symbol_that_the_venue_does_not_know_ends_the_run_in_phase_a() -> None:
    class Wrong(LogStrategy):
        def on_start(self) -> None:
            self.subscribe_to_trades("NOBODY.SIM")

    async with open_market_stage() as stage:
        with pytest.raises(UnknownSymbol, match="NOBODY"):
            await stage.go(Wrong())


async def test_an_instrument_that_the_venue_defines_otherwise_is_refused_before_anything_is_replayed() -> None:
    async with open_market_stage() as stage:
        strategy = LogStrategy("trades")
        with pytest.raises(InstrumentConflict, match=r"price_increment is 0\.5 here and 0\.01 there"):
            await stage.go(strategy, instruments=[make_instrument(price_increment="0.5")])
    assert strategy.list_ids() == []


async def test_an_instrument_that_nobody_defined_is_the_venues() -> None:
    async with open_market_stage() as stage:

        def trade(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "quote" and not strategy.orders() and not strategy.list_events("execution"):
                strategy.submit_order(Order.market(INSTRUMENT, 1))

        strategy = LogStrategy("quotes", act=trade)
        result = await stage.go(strategy, instruments=[], brokers={"sim": BROKER})
    assert len(strategy.list_events("execution")) == 1
    assert result.match_sources == {f"sim {INSTRUMENT}": f"quote {INSTRUMENT}"}


async def test_a_backfill_that_is_too_large_is_refused_before_its_first_row() -> None:
    async with open_market_stage() as stage:
        strategy = LogStrategy("bars")
        with pytest.raises(BackfillTooLarge, match=r"about 43,20\d rows.*tradecore data import"):
            await stage.go(strategy, warmup="30d", handover=HandoverSettings(backfill_limit=10_000))
    assert strategy.list_events("bar") == []


async def test_trades_are_estimated_by_one_page() -> None:
    """Pages of 3 rows, 10 s apart: 24 trades in two minutes."""
    async with open_market_stage() as stage:
        stage.venue = ObjectVenue(stage.clock, [TRADES, QUOTES, BARS], page_rows=3)
        stage.venue.truth[TRADES] = stage.market.venue.truth[TRADES]
        with pytest.raises(BackfillTooLarge) as caught:
            await stage.go(LogStrategy("trades"), handover=HandoverSettings(backfill_limit=20))
    assert 34 <= caught.value.rows <= 40  # 3 rows span 10 s, so 122 s are estimated as 36


async def test_history_that_fails_is_asked_again_and_the_run_goes_on() -> None:
    async with open_market_stage() as stage:
        stage.venue.failures = 3
        strategy = LogStrategy("trades")
        result = await stage.go(strategy, handover=HandoverSettings(ask_first_s=0.5))
    assert strategy.list_ids() == list(range(2, 40))
    assert result.handover is not None
    assert result.handover.is_proved


async def test_history_that_cannot_be_had_degrades_or_halts() -> None:
    impatient = HandoverSettings(ask_first_s=0.5, ask_times=2)
    async with open_market_stage() as stage:
        stage.venue.failures = 1_000
        strategy = LogStrategy("trades")
        result = await stage.go(strategy, handover=impatient)
        assert result.handover is not None
        assert result.handover.streams[0].verdict.proof is Proof.BROKEN
        assert strategy.list_ids()[-1] == 39
        with pytest.raises(VenueRequestFailed, match="503"):
            await stage.go(LogStrategy("trades"), handover=HandoverSettings(ask_times=2, on_broken="halt"))


async def test_a_venue_that_cannot_be_reached_is_named() -> None:
    class Dead(ObjectVenue):
        async def run(self, sink: Any, *, task_status: Any = None) -> None:
            raise VenueUnreachable("wss://dead.test", 5, "refused")

    async with open_market_stage() as stage:
        stage.venue = Dead(stage.clock, [TRADES])
        with pytest.raises(VenueUnreachable, match=r"wss://dead\.test cannot be reached after 5 attempts"):
            await stage.go(LogStrategy("trades"))


@pytest.mark.parametrize("policy", ["degrade", "halt"])
async def test_a_venue_that_is_lost_for_good_ends_the_run_or_is_noted(policy: Any) -> None:
    class Mortal(ObjectVenue):
        async def run(self, sink: Any, *, task_status: Any = None) -> None:
            with anyio.move_on_after(20):
                await super().run(sink, task_status=task_status)
            sink.put_state(TRADES, FeedState.ENDED, "banned")
            raise VenueUnreachable("wss://mortal.test", 5, "banned")

    async with open_market_stage() as stage:
        mortal = Mortal(stage.clock, [TRADES, QUOTES, BARS])
        stage.market.venue = mortal
        mortal.truth, stage.venue = stage.venue.truth, mortal
        strategy = LogStrategy("trades")
        if policy == "halt":
            with pytest.raises(VenueUnreachable):
                await stage.go(strategy, handover=HandoverSettings(on_broken="halt"))
            return
        result = await stage.go(strategy)
    assert any("was lost while the run went on" in note for note in result.notes)
    assert strategy.list_events("state")[-1].state is FeedState.ENDED


@pytest.mark.parametrize("phase", ["C", "D"])
async def test_a_strategy_that_raises_is_told_although_the_disk_is_full(
    phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be kept of a failed run is said beside why it failed, not instead of it."""

    def fail(strategy: LogStrategy, word: str, event: Any) -> None:
        if strategy.phase == phase and word in ("phase", "state", "trade"):
            monkeypatch.setattr(RunFolder, "write_report", refuse)
            raise ValueError("my own mistake")

    def refuse(_self: RunFolder, name: str, _report: Any) -> None:
        raise RunFolderError(f"{name}: cannot be written (No space left on device)")

    async with open_market_stage() as stage:
        with pytest.raises(StrategyError, match="my own mistake") as caught:
            await stage.go(LogStrategy("trades", act=fail), runs_dir=tmp_path)
    assert caught.value.__notes__ == ["handover.json: cannot be written (No space left on device)"]
    assert caught.value.run_folder is not None
    assert json.loads((caught.value.run_folder / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("phase", ["C", "D"])
async def test_a_strategy_that_raises_ends_the_run_with_its_line_and_the_handover_is_kept(
    phase: str, tmp_path: Path
) -> None:
    def fail(strategy: LogStrategy, word: str, event: Any) -> None:
        if strategy.phase == phase and word in ("phase", "state", "trade"):
            raise ValueError("my own mistake")

    async with open_market_stage() as stage:
        with pytest.raises(StrategyError, match="my own mistake") as caught:
            await stage.go(LogStrategy("trades", act=fail), runs_dir=tmp_path)
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.run_folder is not None
    assert (caught.value.run_folder / "handover.json").is_file()


async def test_a_strategy_that_is_slower_than_the_market_is_told_so() -> None:
    """Callbacks take 7 s, events come every 5 s: after the limit the run says what it cannot."""

    class Slow(LogStrategy):
        async def on_trade_tick(self, tick: Any) -> None:  # type: ignore[override]
            if self.phase == "C":
                await anyio.sleep(7)

        async def on_phase_changed(self, change: Any) -> None:  # type: ignore[override]
            self.phase = change.phase.value
            if self.phase == "C":
                await anyio.sleep(60)

    async with open_market_stage() as stage:
        with pytest.raises(CatchUpTooSlow, match="catch_up_limit"):
            await stage.go(Slow("trades"), duration=None, handover=HandoverSettings(catch_up_limit="5m"))


async def test_what_cannot_be_meant_is_said_before_anything_starts() -> None:
    clock = running_clock()
    with pytest.raises(ConfigError, match="at least one venue"):
        await run_live(strategies=LogStrategy(), clock=clock)
    venue = ObjectVenue(clock, [TRADES])
    with pytest.raises(ConfigError, match="is in the future"):
        await run_live(strategies=LogStrategy(), venues={"SIM": venue}, clock=clock, start=clock.wall_ns() + 1)
    with pytest.raises(ConfigError, match="has passed"):
        await run_live(strategies=LogStrategy(), venues={"SIM": venue}, clock=clock, end=clock.wall_ns())
    wrong: Any = {"SIM": object()}
    with pytest.raises(ConfigError, match="expected VenueSettings"):
        await run_live(strategies=LogStrategy(), venues=wrong, clock=clock)

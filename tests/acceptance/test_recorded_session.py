"""A recorded live session replayed as a plain backtest: the same callbacks, at the same instants, in the same order.

Every session is drawn from a seed: what it subscribes to, which bars it makes, what goes wrong on the way. The market
opens when the run has gone live, so that there is no history: with one, `verify --parity` is what repeats a run.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import msgspec
import pytest

import tradecore as tc
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import DataMissing
from tradecore.runtime.check_parity import check_parity
from tradecore.runtime.live_settings import HandoverSettings, RecordingSettings
from tradecore.runtime.parity import Parity, compare_runs
from tradecore.runtime.run_backtest import run_backtest
from tradecore.runtime.run_live import run_live
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.virtual_run import run_virtual, running_clock

ID, OTHER = "TEST.SIM", "OTHER.SIM"
TRADES, QUOTES, DEPTH = Stream("trade_tick", ID), Stream("quote_tick", ID), Stream("depth", ID)
MINUTES, FIVES = Stream("bar", f"{ID} 1m last"), Stream("bar", f"{ID} 5s last")
OTHERS, SILENT = Stream("trade_tick", OTHER), Stream("bar", f"{OTHER} 1m last")
STREAMS = (TRADES, QUOTES, DEPTH, MINUTES, FIVES, OTHERS, SILENT)
MADE = (
    ("3s last", "trades"), ("10s last", "trades"), ("1h last", "trades"), ("7t last", "trades"), ("5s mid", "quotes"),
    ("10s bid", "quotes"), ("15s last", FIVES.name), ("2m last", MINUTES.name),
)  # fmt: skip


class Session(msgspec.Struct, frozen=True):
    """One drawn session. step_s: mean distance of two happenings. made: bars that the run makes, and of what."""

    seed: int
    handover: HandoverSettings
    made: tuple[tuple[str, str], ...]
    latency_ms: int
    report_ms: int
    timer_s: float
    run_s: float
    step_s: float
    opens_s: float
    has_two: bool
    has_depth: bool
    history_lag: int


def draw_session(seed: int) -> Session:
    """Round numbers by intent: arrivals, ends of bars, timers and reports then meet at one nanosecond."""
    rng = random.Random(seed)
    pick = rng.choice
    handover = HandoverSettings(
        on_broken=pick(("degrade", "allow")), on_conflict="warn", empty=pick(("skip", "flat")),
        settle_s=pick((0.0, 2.0, 9.0)), close_grace_s=pick((0.0, 0.2, 2.0, 7.0)), ask_first_s=pick((0.1, 1.0, 3.0)),
        ask_times=pick((1, 2, 6)), buffer_events=pick((16, 10_000)),
    )  # fmt: skip
    return Session(
        seed=seed,
        handover=handover,
        made=tuple(rng.sample(MADE, rng.randint(1, 5))),
        latency_ms=pick((0, 37, 1_500, 5_000)),
        report_ms=pick((0, 13, 700)),
        timer_s=pick((0.5, 1, 7, 10)),
        run_s=pick((60, 90, 127.3)),
        step_s=pick((0.05, 0.3, 0.5, 1.0)),
        opens_s=pick((2.5, 5.0, 12.3)),
        has_two=rng.random() < 0.4,
        has_depth=rng.random() < 0.4,
        history_lag=pick((0, 3, 30)),
    )


class Trader(tc.Strategy):
    """Subscribes in an order of its own to everything that could come out differently, and trades under latency."""

    def __init__(self, session: Session, name: str) -> None:
        self.session = session
        self.order = random.Random(f"{session.seed} {name}")

    def on_start(self) -> None:
        session, add = self.session, list[Callable[[], object]]()
        add.append(partial(self.subscribe_to_trades, ID, key="trades"))
        add.append(partial(self.subscribe_to_quotes, ID, key="quotes"))
        add.append(partial(self.subscribe_to_bars, MINUTES.name, key="minutes"))
        add.append(partial(self.add_repeating_timer, "timer", int(session.timer_s * SECOND_NS)))
        for step, source in session.made:
            add.append(partial(self.subscribe_to_bars, f"{ID} {step}", key=step, source=source))
        if session.has_depth:
            add.append(partial(self.subscribe_to_depth, ID, key="depth"))
        if session.has_two:
            add.append(partial(self.subscribe_to_trades, OTHER, key="other trades"))
            add.append(partial(self.subscribe_to_bars, SILENT.name, key="silent"))
        self.order.shuffle(add)
        for call in add:
            call()

    def on_event(self, event: Any) -> None:
        if type(event) is tc.TradeTick and event.instrument == ID and int(event.trade_id or 0) % 9 == 0:
            self.submit_order(tc.Order.market(ID, 1 if int(event.trade_id or 0) % 2 else -1))
        elif type(event) is tc.QuoteTick and event.sequence % 31 == 0:
            self.submit_order(tc.Order.limit(ID, 1, event.bid_price))
        elif type(event) is tc.QuoteTick and event.sequence % 47 == 0:
            self.submit_order(tc.Order.stop(ID, -1, event.bid_price - 1))
        elif type(event) is tc.Bar and event.bar_type.step_ns == 3 * SECOND_NS:
            self.submit_order(tc.Order.market(ID, -1))

    def on_execution(self, execution: tc.Execution) -> None:
        """Traced."""

    def on_order_updated(self, update: Any) -> None:
        """Traced."""


class Market:
    """Happenings with faults: late, lost and repeated trades, lost bars, lost connections, a history that lags."""

    def __init__(self, session: Session, venue: ObjectVenue, clock: Any) -> None:
        self.session, self.venue, self.clock = session, venue, clock
        self.rng = random.Random(session.seed + 1)
        self.late: list[Any] = []
        self.back_at = 0

    async def play(self) -> None:
        await anyio.sleep(self.session.opens_s)
        ends = {stream: self._next_end(stream) for stream in (MINUTES, FIVES)}
        number = 0
        while True:
            number += 1
            now = self.clock.wall_ns()
            self._trade(now, number)
            self._quote(now, number)
            for stream in ends:
                while now >= ends[stream]:
                    assert stream.bar_type is not None
                    bar = make_bar(ends[stream], 100.0 + self.rng.randint(0, 3), bar_type=stream.name)
                    self.venue.publish(stream, bar, lost=self.rng.random() < 0.1)
                    ends[stream] += stream.bar_type.step_ns
            self._strike(number)
            await anyio.sleep(self.session.step_s * self.rng.choice((0.5, 1, 1, 2)))

    def _next_end(self, stream: Stream) -> int:
        assert stream.bar_type is not None
        step = stream.bar_type.step_ns
        return (cast("int", self.clock.wall_ns()) // step + 1) * step

    def _trade(self, now: int, number: int) -> None:
        rng = self.rng
        ts = now - rng.choice((0, 0, 1_000, 50_000_000))
        trade = make_trade_tick(ts, 100.0 + rng.randint(0, 5), trade_id=str(number))
        fault = rng.choice(("",) * 8 + ("lost", "late", "twice"))
        self.venue.publish(TRADES, trade, lost=fault in ("lost", "late"), copies=2 if fault == "twice" else 1)
        if fault == "late":
            self.late.append(trade)
        elif self.late and rng.random() < 0.3:
            self.venue.send(TRADES, self.late.pop(rng.randrange(len(self.late))))
        if rng.random() < 0.5:
            other = make_trade_tick(now, 50.0, instrument=OTHER, trade_id=str(len(self.venue.truth[OTHERS]) + 1))
            self.venue.publish(OTHERS, other)

    def _quote(self, now: int, number: int) -> None:
        bid, ask = 99.0 + self.rng.randint(0, 3), 101.0 + self.rng.randint(0, 2)
        self.venue.publish(QUOTES, make_quote_tick(now, bid, ask, sequence=number))
        self.venue.publish(DEPTH, tc.DepthSnapshot(ID, now, now, ((bid, 5.0),), ((ask, 5.0),), number))

    def _strike(self, number: int) -> None:
        rng, venue = self.rng, self.venue
        if self.back_at and number >= self.back_at:
            venue.reconnect()
            self.back_at = 0
        elif not self.back_at and rng.random() < 0.01:
            venue.disconnect()
            self.back_at = number + rng.randint(1, 20)
        if rng.random() < 0.05:
            venue.history_lag = rng.choice((0, self.session.history_lag))
            venue.failures = rng.choice((0, 1))


def make_strategies(session: Session) -> dict[str, tc.Strategy]:
    return {name: Trader(session, name) for name in (("first", "second") if session.has_two else ("first",))}


def make_brokers(session: Session) -> dict[str, Any]:
    latency = tc.Latency(submit=ConstantDelay(ms=session.latency_ms), report=ConstantDelay(ms=session.report_ms))
    return {"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)}, latency=latency)}


async def record(session: Session, folder: Path) -> tuple[Path, int]:
    """Run folder of a live run, and when it began."""
    clock = running_clock()
    began_ns = clock.wall_ns()
    venue = ObjectVenue(clock, STREAMS, page_rows=random.Random(session.seed).choice((1, 5, 100)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Market(session, venue, clock).play)
        result = await run_live(
            strategies=make_strategies(session), venues={"SIM": venue}, brokers=make_brokers(session), clock=clock,
            duration=int(session.run_s * SECOND_NS), runs_dir=folder, trace=True, recording=RecordingSettings(),
            handover=session.handover,
        )  # fmt: skip
        tasks.cancel_scope.cancel()
    assert result.status == "complete"
    assert result.run_folder is not None
    return result.run_folder, began_ns


async def replay(session: Session, folder: Path, recording: Path, began_ns: int) -> Path:
    """Run folder of the backtest over it."""
    result = await run_backtest(
        strategies=make_strategies(session), brokers=make_brokers(session), recording=recording, start=began_ns,
        end=began_ns + int(session.run_s * SECOND_NS), runs_dir=folder, trace=True,
    )  # fmt: skip
    assert result.run_folder is not None
    return result.run_folder


async def repeat(session: Session, live: Path) -> Parity:
    """What `tradecore verify --parity` finds."""
    return await check_parity(
        live, strategies=make_strategies(session), brokers=make_brokers(session), handover=session.handover
    )


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 32))])
def test_a_session_that_was_recorded_gives_the_same_callbacks_as_a_backtest(seed: int, tmp_path: Path) -> None:
    """Orders and executions too: one timeline, arrival, for brokers and strategies alike; and so does --parity."""
    session = draw_session(seed)
    live, began_ns = run_virtual(partial(record, session, tmp_path / "live"), seed=seed)
    again = run_virtual(partial(replay, session, tmp_path / "again", live / "recording", began_ns), seed=seed + 1)
    parity = compare_runs(live, again)
    assert parity.differences == (), "\n".join(map(str, parity.differences))
    assert parity.same["callbacks"] > 50
    assert parity.same["orders"] > 5
    repeated = run_virtual(partial(repeat, session, live), seed=seed + 2)
    assert repeated.differences == (), "\n".join(map(str, repeated.differences))
    assert repeated.same == parity.same


def test_what_was_not_recorded_is_named_and_what_was_silent_is_not_missing(tmp_path: Path) -> None:
    session = msgspec.structs.replace(draw_session(4), has_two=True, has_depth=False)
    live, began_ns = run_virtual(partial(record, session, tmp_path / "live"), seed=4)
    run_virtual(partial(replay, session, tmp_path / "silent", live / "recording", began_ns), seed=5)
    wider = msgspec.structs.replace(session, has_depth=True)
    with pytest.raises(DataMissing, match=r"recorded bar OTHER\.SIM 1m last, .*; not depth TEST\.SIM"):
        run_virtual(partial(replay, wider, tmp_path / "again", live / "recording", began_ns), seed=5)

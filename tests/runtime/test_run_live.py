"""From history to live over an ObjectVenue, on virtual time: phases A to D, whole: DESIGN 4, 6, 9, 10; EXECUTION 11.

The market steps every 5 s; a run begins 121 s into it, with two minutes of warm-up unless a test says otherwise.
"""

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec import structs

from tradecore.brokerage.settings import Latency, SimulatedBrokerSettings
from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment, AdjustmentKind
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import HOUR_NS, SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.phase import Phase
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import EngineStateError
from tradecore.feeds.proof import Proof
from tradecore.indicators import SMA
from tradecore.runtime.check_parity import check_parity
from tradecore.runtime.live_settings import RecordingSettings
from tradecore.runtime.run_backtest import run_backtest
from tradecore.runtime.run_result import RunResult
from tradecore.storage.open_storage import open_storage
from tradecore.testing.builders import make_instrument
from tradecore.testing.live_market import BARS, INSTRUMENT, QUOTES, TRADES, LogStrategy, MarketStage, open_market_stage
from tradecore.testing.virtual_run import running_clock

pytestmark = pytest.mark.virtual_time(seed=7)

BROKER = SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})


# -------------------------------------------------------------------------------------------------- the four phases


async def test_one_strategy_goes_through_all_phases_and_hears_each_event_once() -> None:
    """on_start comes once, before A; on_stop at the end. Trades 2 to 39: the first is older than the warm-up."""
    async with open_market_stage() as stage:
        strategy = LogStrategy("trades", "quotes", "bars", "timer")
        result = await stage.go(strategy)
    assert result.status == "complete"
    assert [event.phase.value for event in strategy.list_events("phase")] == ["A", "B", "C", "D"]
    words = [word for _, _, word, _ in strategy.log]
    assert (words[0], words.count("start"), words[-1], words.count("stop")) == ("start", 1, "stop", 1)
    assert strategy.list_ids() == list(range(2, 40))
    assert strategy.list_ids("B") == list(range(2, 26))
    ends = [bar.ts_event for bar in strategy.list_events("bar")]
    assert ends == sorted(set(ends))
    assert len(ends) == 3
    times = [now for _, now, _, _ in strategy.log]
    assert times == sorted(times)


async def test_what_arrives_is_received_strictly_later_than_all_before_it() -> None:
    """Over the whole run, quotes and trades of one instant of the venue included."""
    async with open_market_stage() as stage:
        strategy = LogStrategy("trades", "quotes")
        await stage.go(strategy)
    live = [event.ts_received for phase, _, word, event in strategy.log if phase in "CD" and word in ("trade", "quote")]
    assert len(live) == 28
    assert all(earlier < later for earlier, later in pairwise(live))


async def test_the_report_proves_stream_by_stream() -> None:
    async with open_market_stage() as stage:
        result = await stage.go(LogStrategy("trades", "quotes", "bars"))
    assert result.handover is not None
    proofs = {report.stream: report.verdict.proof for report in result.handover.streams}
    assert proofs == {str(BARS): Proof.PROVED, str(QUOTES): Proof.EXCUSED, str(TRADES): Proof.PROVED}
    assert result.handover.is_proved
    assert [span.phase for span in result.handover.phases] == list(Phase)
    assert all(span.duration_ns is not None for span in result.handover.phases)


async def test_the_report_is_in_the_run_folder_before_anybody_hears_of_phase_d(tmp_path: Path) -> None:
    """A strategy, or who watches events.jsonl, may look for it at once, or kill the run."""
    found: dict[str, Any] = {}

    def look(strategy: LogStrategy, word: str, event: Any) -> None:
        if word == "phase":
            reports = [json.loads(path.read_text()) for path in tmp_path.glob("*/handover.json")]
            found[event.phase.value] = [[span["phase"] for span in report["phases"]] for report in reports]

    async with open_market_stage() as stage:
        await stage.go(LogStrategy("trades", act=look), runs_dir=tmp_path)
    assert found == {"A": [], "B": [], "C": [], "D": [["A", "B", "C", "D"]]}


async def test_a_run_without_warm_up_begins_live() -> None:
    async with open_market_stage() as stage:
        strategy = LogStrategy("trades")
        await stage.go(strategy, warmup=0)
    assert strategy.list_ids() == list(range(26, 40))


@pytest.mark.parametrize("batch", [1, 3, 1_024])
async def test_phase_b_gives_the_callbacks_of_a_backtest_over_the_same_store(tmp_path: Path, batch: int) -> None:
    """Hash for hash: callbacks.jsonl up to phase C is that of the backtest, phases and ends aside."""
    async with open_market_stage() as stage, open_storage("memory:") as storage:
        await storage.add_instruments([make_instrument()])
        await storage.append(stage.venue.truth[TRADES][:20])
        await storage.append(stage.venue.truth[QUOTES])
        await storage.append(stage.venue.truth[BARS])
        words = ("trades", "quotes", "bars", "made bars", "timer")

        def trade(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "trade" and int(event.trade_id) % 3 == 0:
                strategy.submit_order(Order.market(INSTRUMENT, 1 if int(event.trade_id) % 2 else -1))

        given: dict[str, Any] = {"brokers": {"sim": BROKER}, "storage": storage, "trace": True, "runs_dir": tmp_path}
        live = await stage.go(LogStrategy(*words, act=trade), **given, delays={"bar": ConstantDelay(ms=700)})
        assert live.handover is not None
        again = await run_backtest(
            strategies=LogStrategy(*words, act=trade), **given, start=stage.run.start_ns, name="again",
            end=live.handover.replay_end_ns, batch_size=batch, delays={"bar": ConstantDelay(ms=700)},
            instruments=[make_instrument()],
        )  # fmt: skip
    ours, theirs = read_callbacks(live), read_callbacks(again)
    assert len(theirs) > 60
    assert ours == theirs


def read_callbacks(result: RunResult) -> list[str]:
    """Lines of a trace, up to phase C."""
    assert result.run_folder is not None
    lines = (result.run_folder / "callbacks.jsonl").read_text().splitlines()
    told = [line for line in lines if "on_stop" not in line]
    until = next((at for at, line in enumerate(told) if '"phase":"C"' in line), len(told))
    return [line for line in told[:until] if "on_phase_changed" not in line]


async def test_the_same_seed_gives_the_same_bytes() -> None:
    logs = []
    for _ in range(2):
        clock = running_clock().with_offset(-running_clock().monotonic_ns())  # the market begins at the same time again
        async with open_market_stage(clock) as stage:
            strategy = LogStrategy("trades", "quotes", "bars", "timer")
            await stage.go(strategy)
        logs.append(strategy.log)
    assert logs[0] == logs[1]


async def test_the_log_tells_of_phases_feeds_and_the_order_gate_as_they_change(tmp_path: Path) -> None:
    """Both streams are silent as D begins, so their gates are closed; the first event opens each. In the middle both go
    stale for 10 s.
    """
    async with open_market_stage() as stage, anyio.create_task_group() as tasks:

        async def go_silent() -> None:
            await anyio.sleep(30)
            stage.venue.tell(FeedState.STALE, "nothing for 10 s")
            await anyio.sleep(10)
            stage.venue.tell(FeedState.CONNECTED, "again")

        tasks.start_soon(go_silent)
        result = await stage.go(LogStrategy("trades", "quotes"), runs_dir=tmp_path)
    assert result.run_folder is not None
    lines = [json.loads(line) for line in (result.run_folder / "run.log").read_text().splitlines()]
    assert [line["phase"] for line in lines if line["event"] == "phase_began"] == ["A", "B", "C", "D"]
    gate = [(line["event"], line["stream"]) for line in lines if line["event"].startswith("order_gate")]
    opened, closed = "order_gate_opened", "order_gate_closed"
    for name in (str(QUOTES), str(TRADES)):
        assert [what for what, stream in gate if stream == name] == [closed, opened, closed, opened]
    [stale, _] = [line for line in lines if line["event"] == "feed_state" and line["state"] == "stale"]
    assert (stale["level"], stale["reason"]) == ("warning", "nothing for 10 s")
    assert lines[-1]["event"] == "run_ended"


# ------------------------------------------------------------------------------------------------------------ time


@pytest.mark.parametrize("behind_s", [0.0, 1.27, 30.0])
async def test_now_stands_until_a_clock_that_is_behind_has_caught_up_and_no_timer_fires_twice(behind_s: float) -> None:
    """B ends by the venue's clock, ahead of ours; what arrives then is received one nanosecond after the other."""
    venue_clock = running_clock()
    async with open_market_stage(venue_clock) as stage:
        stage.clock = venue_clock.with_offset(-round(behind_s * SECOND_NS))
        strategy = LogStrategy("trades", "timer")
        await stage.go(strategy, duration="100s")
    ticks = [event.ts_event for event in strategy.list_events("timer")]
    assert all(later - earlier == 30 * SECOND_NS for earlier, later in pairwise(ticks))
    assert len(ticks) >= 6
    times = [now for _, now, _, _ in strategy.log]
    assert times == sorted(times)
    assert strategy.list_ids() == sorted(set(strategy.list_ids()))


async def test_a_timer_fires_by_the_clock_when_nothing_arrives() -> None:
    async with open_market_stage() as stage:
        strategy = LogStrategy("timer")
        await stage.go(strategy, duration="100s")
    live = [
        (now, event.ts_event, event.missed)
        for phase, now, word, event in strategy.log
        if (phase, word) == ("D", "timer")
    ]
    assert [now for now, _, _ in live] == [ts for _, ts, _ in live]
    assert [missed for _, _, missed in live] == [0] * 3


async def test_a_machine_that_slept_is_told_once_with_the_ticks_it_missed() -> None:
    """The clock jumps an hour ahead: 120 ticks are due, and the last of them says that 119 were passed over."""
    clock = running_clock()
    async with open_market_stage(clock) as stage:

        def sleep(strategy: LogStrategy, word: str, event: Any) -> None:
            if (strategy.phase, word) == ("D", "phase"):
                clock.step_wall(HOUR_NS)

        strategy = LogStrategy("timer", act=sleep)
        await stage.go(strategy, duration=HOUR_NS + 40 * SECOND_NS)
    told = [event.missed for event in strategy.list_events("timer", "D")]
    assert told == [119, 0]


async def test_a_command_takes_effect_when_the_clock_reaches_it_although_nothing_arrives() -> None:
    """Given with a quote, due 1.5 s later, between two steps of the market: the standing quote executes it."""

    def trade(strategy: LogStrategy, word: str, event: Any) -> None:
        if (
            strategy.phase == "D"
            and word == "quote"
            and not strategy.orders()
            and not strategy.list_events("execution")
        ):
            strategy.submit_order(Order.market(INSTRUMENT, 1))
            strategy.log.append(("D", strategy.now_ns, "sent", event))

    slow = Latency(submit=ConstantDelay(ms=1_500), report=ConstantDelay(ms=250))
    broker = SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, latency=slow)
    async with open_market_stage() as stage:
        strategy = LogStrategy("quotes", act=trade)
        await stage.go(strategy, brokers={"sim": broker})
    [(_, sent_ns, _, quote)] = [line for line in strategy.log if line[2] == "sent"]
    [(_, heard_ns, _, execution)] = [line for line in strategy.log if line[2] == "execution"]
    assert execution.ts_event == sent_ns + 1_500_000_000
    assert float(execution.price) == quote.ask_price
    assert heard_ns == execution.ts_event + 250_000_000


async def test_what_a_delay_holds_back_at_the_end_of_history_is_delivered_in_phase_c() -> None:
    """Imported trades are 4 s late on their way to the strategy: the last one of B comes after B's end."""
    async with open_market_stage() as stage:
        strategy = LogStrategy("trades")
        await stage.go(strategy, delays={"trade_tick": ConstantDelay(ms=4_000)})
    assert strategy.list_ids() == list(range(2, 40))
    assert strategy.list_ids("B")[-1] < 25 <= max(strategy.list_ids("CD"))


# ------------------------------------------------------------------------------------------------- adjustments


class Holder(LogStrategy):
    """Buys 1 with the first trade of phase B and keeps it; an average of three prices goes along."""

    def on_start(self) -> None:
        super().on_start()
        self.average = SMA(3)
        self.averages: list[float] = []
        self.add_indicator(self.average, key="trades")

    def on_trade_tick(self, tick: TradeTick) -> None:
        if not self.list_events("trade"):
            self.submit_order(Order.market(INSTRUMENT, 1))
        self.averages.append(self.average.value)
        super().on_trade_tick(tick)

    def on_account_adjusted(self, adjusted: AccountAdjusted) -> None:
        self._note("adjusted", (adjusted, self.position(INSTRUMENT).quantity))


def make_adjustments(now: int) -> list[AccountAdjustment]:
    """Dividends of 0.50 a minute ago, in 12 s, and in 31.25 s, when nothing arrives; a split in 42.5 s."""
    dividends = [(AdjustmentKind.DIVIDEND, at, "0.5") for at in (-60, 12, 31.25)]
    return [
        AccountAdjustment(kind, INSTRUMENT, now + int(at * SECOND_NS), now + int(at * SECOND_NS), Decimal(value))
        for kind, at, value in ((AdjustmentKind.SPLIT, 42.5, "2"), *dividends)
    ]


async def test_adjustments_are_booked_in_every_phase_at_their_own_instants(tmp_path: Path) -> None:
    """1 held: 0.50 USD for each dividend; then 2 held, and the average goes on in halves. A replay hears the same."""
    async with open_market_stage() as stage:
        adjustments = make_adjustments(stage.clock.wall_ns())
        strategy = Holder("trades")
        broker = structs.replace(BROKER, participation=Decimal(1))  # prints are of 1
        given: dict[str, Any] = {"brokers": {"sim": broker}, "adjustments": adjustments}
        recording = RecordingSettings(frames=False)
        result = await stage.go(strategy, **given, runs_dir=tmp_path, trace=True, recording=recording)
    told = [(phase, now, event) for phase, now, word, event in strategy.log if word == "adjusted"]
    assert [now for _, now, _ in told] == sorted(one.ts_received for one in adjustments)
    assert [phase for phase, _, _ in told] == ["B", "D", "D", "D"]
    assert [(adjusted.amount, held) for _, _, (adjusted, held) in told] == [*[(Decimal("0.5"), 1)] * 3, (0, 2)]
    trades = strategy.list_events("trade")
    after = next(place for place, tick in enumerate(trades) if tick.ts_received > told[-1][1])
    one, two, three = (tick.price for tick in trades[after - 2 : after + 1])
    assert strategy.averages[after] == pytest.approx((one / 2 + two / 2 + three) / 3)
    parity = await check_parity(result.run_folder or "", strategies=Holder("trades"), **given)
    assert parity.is_same, parity.differences


# -------------------------------------------------------------------------------------------- an embedding program


async def test_the_embedding_program_may_give_orders_in_phase_d_and_not_before() -> None:
    refused: list[str] = []
    strategy = LogStrategy("quotes")

    async def trade_from_outside(stage: MarketStage) -> None:
        while strategy.phase != "D":
            if strategy.phase in "ABC":
                try:
                    strategy.submit_order(Order.market(INSTRUMENT, 1))
                except EngineStateError as error:
                    refused.append(str(error))
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(12)
        strategy.submit_order(Order.market(INSTRUMENT, 1))

    async with open_market_stage() as stage, anyio.create_task_group() as tasks:
        tasks.start_soon(trade_from_outside, stage)
        await stage.go(strategy, brokers={"sim": BROKER})
    assert refused
    assert "before phase D only callbacks may give commands" in refused[0]
    [execution] = strategy.list_events("execution")
    # Two quotes have come since; it executes at once, on the newest, not with the next one.
    assert execution.ts_event - stage.run.make_report().phases[-1].began_ns < 13 * SECOND_NS


async def test_a_run_that_nobody_ends_goes_on_until_it_is_asked_to_stop() -> None:
    strategy = LogStrategy("trades")

    async def stop(stage: MarketStage) -> None:
        await anyio.sleep(33)
        stage.run.engine.request_stop()

    async with open_market_stage() as stage, anyio.create_task_group() as tasks:
        tasks.start_soon(stop, stage)
        result = await stage.go(strategy, duration=None)
    assert result.status == "interrupted"
    assert strategy.log[-1][2] == "stop"
    assert strategy.list_ids()[-1] == 31  # 33 s later, no event after the request was waited for


async def test_a_strategy_may_end_the_run() -> None:
    def stop(strategy: LogStrategy, word: str, event: Any) -> None:
        if word == "trade" and event.trade_id == "30":
            strategy.stop_run()

    async with open_market_stage() as stage:
        strategy = LogStrategy("trades", act=stop)
        result = await stage.go(strategy, duration=None)
    assert result.status == "complete"
    assert strategy.list_ids()[-1] == 30


@pytest.mark.parametrize("phase", ["A", "B", "C", "D"])
async def test_cancelled_in_any_phase_it_stops_cleanly_and_keeps_what_was_done(phase: str, tmp_path: Path) -> None:
    scope = anyio.CancelScope()

    def cancel(strategy: LogStrategy, word: str, event: Any) -> None:
        if word == "phase" and strategy.phase == phase:
            scope.cancel()

    async with open_market_stage() as stage:
        strategy = LogStrategy("trades", "quotes", act=cancel)
        result = await stage.go(strategy, scope=scope, runs_dir=tmp_path)
    assert result.status == "interrupted"
    assert strategy.log[-1][2] == "stop"
    assert result.run_folder is not None
    assert (result.run_folder / "handover.json").is_file()
    assert result.handover is not None
    assert [span.phase.value for span in result.handover.phases] == list("ABCD"[: "ABCD".index(phase) + 1])
    assert stage.venue.subscribed == set()

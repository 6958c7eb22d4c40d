"""Streams of a live run: holes, the order gate, late subscriptions, bars of the run, own halves: DESIGN 5, 10."""

from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.execution import BrokerSource
from tradecore.domain.feed_state import FeedState
from tradecore.domain.gate_reason import Reason, Refusal
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order
from tradecore.engine.timeline import Timeline
from tradecore.errors import (
    NotLiveYet,
    StreamBroken,
)
from tradecore.feeds.proof import Proof
from tradecore.feeds.push_feed import PushFeed
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.run_backtest import run_backtest
from tradecore.testing.builders import make_trade_tick
from tradecore.testing.live_market import BARS, INSTRUMENT, QUOTES, TRADES, LogStrategy, MarketStage, open_market_stage
from tradecore.testing.virtual_run import running_clock

pytestmark = pytest.mark.virtual_time(seed=7)

BROKER = SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)})


# ------------------------------------------------------------------------------------------------- holes and the gate


async def test_a_lost_trade_is_asked_for_and_the_gate_refuses_until_it_is_there() -> None:
    async with open_market_stage() as stage:
        reasons: list[str] = []

        def look(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "trade" and strategy.phase == "D":
                reason = strategy.order_gate(INSTRUMENT)
                reasons.append(f"{event.trade_id} {'' if reason is None else reason.refusal.value}")
            if word == "trade" and event.trade_id == "28":
                stage.market.lose = 1

        strategy = LogStrategy("trades", act=look)
        await stage.go(strategy)
    # 29 is lost; 30 shows it; the answer brings it a second later, with its own place in the order of arrival.
    assert strategy.list_ids("D")[:6] == [26, 27, 28, 30, 29, 31]
    assert reasons[:6] == ["26 ", "27 ", "28 ", "30 unproven", "29 ", "31 "]
    states = [change.state for change in strategy.list_events("state")]
    assert states == [FeedState.CONNECTED, FeedState.GAP, FeedState.RECOVERED]


async def test_a_lost_connection_is_told_between_the_events_around_it_and_its_hole_is_filled() -> None:
    async with open_market_stage() as stage:
        asked: list[Reason | None] = []

        def break_it(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "trade" and event.trade_id == "28":
                stage.venue.disconnect("pulled")
            if word == "state":
                asked.append(strategy.order_gate(INSTRUMENT))

        async def mend() -> None:
            await anyio.sleep(40)
            stage.venue.reconnect()

        strategy = LogStrategy("trades", act=break_it)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(mend)
            result = await stage.go(strategy)
    assert sorted(strategy.list_ids()) == list(range(2, 40))
    assert result.handover is not None
    assert result.handover.is_proved
    told = [(change.state, "" if reason is None else reason.refusal.value)
            for change, reason in zip(strategy.list_events("state"), asked, strict=True)]  # fmt: skip
    assert told == [
        (FeedState.CONNECTED, "not_live"), (FeedState.RECONNECTING, "not_fresh"), (FeedState.CONNECTED, "unproven"),
        (FeedState.GAP, "unproven"), (FeedState.RECOVERED, ""),
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["degrade", "allow", "halt"])
async def test_a_hole_that_nothing_fills_is_what_the_policy_makes_of_it(policy: Any) -> None:
    """History never has trade 29: the run ends with the stream's name, bars real orders, or lets it pass."""
    settings = HandoverSettings(on_broken=policy, ask_first_s=1.0, ask_times=2)
    async with open_market_stage() as stage:

        def lose(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "trade" and event.trade_id == "28":
                stage.market.lose = 1
                stage.venue.history_lag = 1_000

        strategy = LogStrategy("trades", act=lose)
        if policy == "halt":
            with pytest.raises(StreamBroken, match=r"trade_tick TEST\.SIM"):
                await stage.go(strategy, handover=settings)
            return
        result = await stage.go(strategy, handover=settings)
    assert result.handover is not None
    [report] = result.handover.streams
    assert report.verdict.proof is (Proof.BROKEN if policy == "degrade" else Proof.EXCUSED)
    assert [(hole.first_id, hole.last_id) for hole in report.declared] == [(29, 29)]
    assert 29 not in strategy.list_ids()


async def test_the_gate_says_why_in_every_phase_and_opens_in_d() -> None:
    async with open_market_stage() as stage:
        seen: dict[str, list[str]] = {}

        def ask(strategy: LogStrategy, word: str, event: Any) -> None:
            if word in ("start", "phase", "trade"):
                reason = strategy.order_gate(INSTRUMENT)
                seen.setdefault(strategy.phase, []).append("" if reason is None else reason.refusal.value)

        await stage.go(LogStrategy("trades", act=ask))
    assert set(seen["-"]) == set(seen["A"]) == set(seen["B"]) == set(seen["C"]) == {"not_live"}
    assert seen["D"][0] == "unproven"  # PENDING: no live trade yet
    assert set(seen["D"][1:]) == {""}


async def test_a_backtest_has_no_live_data_to_trade_on() -> None:
    reasons: list[Reason | None] = []
    feed = PushFeed("empty")
    feed.finish()

    class Asks(LogStrategy):
        def on_start(self) -> None:
            self.add_event_feed(feed, "empty")
            reasons.append(self.order_gate(INSTRUMENT))

    await run_backtest(strategies=Asks())
    assert reasons[0] is not None
    assert reasons[0].refusal is Refusal.NOT_LIVE


# ----------------------------------------------------------------------------------------------------- late wishes


@pytest.mark.parametrize("phase", ["B", "C", "D"])
async def test_a_stream_that_is_subscribed_late_is_proved_like_any_other(phase: str) -> None:
    async with open_market_stage() as stage:

        def want(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "phase" and strategy.phase == phase:
                strategy.want("trades")

        strategy = LogStrategy("quotes", act=want)
        result = await stage.go(strategy)
    assert result.handover is not None
    proofs = {report.stream: report.verdict.proof for report in result.handover.streams}
    assert proofs[str(TRADES)] is Proof.PROVED
    first = 2 if phase == "B" else 26
    assert sorted(strategy.list_ids()) == list(range(first, 40))


async def test_orders_execute_on_a_stream_that_nobody_listens_to_any_more() -> None:
    """As in a backtest: what is matched does not depend on who listens. Trade 28 ends the quotes, 30 buys."""
    async with open_market_stage() as stage:

        def trade(strategy: LogStrategy, word: str, event: Any) -> None:
            if word == "trade" and event.trade_id == "28":
                strategy.unsubscribe("quotes")
            elif word == "trade" and event.trade_id == "30":
                strategy.submit_order(Order.market(INSTRUMENT, 1))

        strategy = LogStrategy("trades", "quotes", act=trade)
        await stage.go(strategy, brokers={"sim": BROKER})
        asked = {quote.sequence: quote.ask_price for quote in stage.venue.truth[QUOTES]}
    assert max(quote.sequence for quote in strategy.list_events("quote")) == 27
    (execution,) = strategy.list_events("execution")
    # The touch that stands when trade 30 comes is that of quote 29; quote 30 follows the trade.
    assert float(execution.price) == asked[29]


async def test_bars_of_the_run_go_on_through_all_phases() -> None:
    """The minute that is open when live begins has the trades of both sides: the venue's own bars are the truth."""
    async with open_market_stage(before_s=141) as stage:
        strategy = LogStrategy("made bars")
        await stage.go(strategy, duration="200s")
        truth = {bar.ts_event: bar for bar in stage.venue.truth[BARS]}
    made = strategy.list_events("bar")
    assert [bar.ts_event // MINUTE_NS % 60 for bar in made] == [2, 3, 4, 5]
    for bar in made:
        own = truth[bar.ts_event]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            own.open,
            own.high,
            own.low,
            own.close,
            own.volume,
        )
    assert strategy.list_ids() == []


async def test_trades_and_the_bars_that_are_made_of_them_are_subscribed_once() -> None:
    async with open_market_stage() as stage:
        strategy = LogStrategy("made bars", "trades")
        result = await stage.go(strategy)
    assert strategy.list_ids() == list(range(2, 40))
    assert [bar.ts_event // MINUTE_NS % 60 for bar in strategy.list_events("bar")] == [2, 3]
    assert result.handover is not None
    assert [report.stream for report in result.handover.streams] == [str(TRADES)]


async def test_a_users_own_live_half_goes_on_where_its_history_ends() -> None:
    """Each live event that history gave already is left out, by its content."""
    clock = running_clock()
    now = clock.wall_ns()
    past = [make_trade_tick(now - second * SECOND_NS, 50.0 + second, trade_id=f"p{second}") for second in (3, 2, 1)]
    history, live = PushFeed("own"), PushFeed("own live", is_live=True)
    for event in past:
        await history.push(event)
    history.finish()

    class Own(LogStrategy):
        def on_start(self) -> None:
            self.add_event_feed(history, "own", live)

    async def push() -> None:
        await live.push(past[-1])
        await anyio.sleep(10)
        await live.push(make_trade_tick(clock.wall_ns(), 60.0, trade_id="l1"))

    strategy = Own()
    stage = MarketStage(clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        result = await stage.go(strategy, warmup="1m", duration="20s")
    heard = [(phase, event.trade_id) for phase, _, word, event in strategy.log if word == "trade"]
    assert heard == [("B", "p3"), ("B", "p2"), ("B", "p1"), ("D", "l1")]
    assert result.handover is not None
    assert result.handover.streams[0].counts.overlap == 1


# ---------------------------------------------------------------------------------------------------- real brokers


class VenueBroker(SimulatedBroker):
    """Says that it is real, and does what a simulated one does: a stand-in until there is one."""

    source = BrokerSource.REAL


async def test_a_real_broker_takes_nothing_before_phase_d() -> None:
    """Each order before it is a typed error at the call; the first one in D executes."""
    met: list[tuple[str, str]] = []

    def trade(strategy: LogStrategy, word: str, event: Any) -> None:
        if word in ("phase", "trade") and not strategy.orders():
            try:
                strategy.submit_order(Order.market(INSTRUMENT, 1))
            except NotLiveYet as error:
                met.append((strategy.phase, error.reason))
            else:
                met.append((strategy.phase, "taken"))
                strategy.stop_run()

    async with open_market_stage() as stage:
        real = VenueBroker("real", BROKER, seed=1, timeline=Timeline())
        strategy = LogStrategy("trades", act=trade)
        await stage.go(strategy, brokers={"real": real})
    assert {phase for phase, what in met if what != "taken"} == {"A", "B", "C"}
    assert [(phase, what) for phase, what in met if what == "taken"] == [("D", "taken")]
    assert "the run is in phase B" in next(reason for phase, reason in met if phase == "B")

"""Laws of opportunities, in random markets with random latencies; and what a run keeps of them.

exits never execute more than the entry did, wherever nothing can be in flight (no latency, or the venue holds them)
with latency and groups in our hands both exits may execute: what is too much is closed before it is finished
states only go WAITING, IN_TRADE, FINISHED
profit is exactly what the ledger earned
MAE <= result before commission <= MFE
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.testing.builders import make_instrument, make_ns, make_quote_tick
from tradecore.verification.run_verification import verify_run

ID = "TEST.SIM"
T0 = make_ns("2024-01-01T10:00:00Z")
MS = SECOND_NS // 1_000
RANKS = {"WAITING": 0, "IN_TRADE": 1, "FINISHED": 2}


class Random(tc.Strategy):
    """Opens, closes and moves as it is told, and checks at every quote what must hold at any time."""

    def __init__(self, plan: list[tuple[Any, ...]], quotes: list[Any], *, is_immediate: bool, at_venue: bool) -> None:
        self.plan, self.quotes, self.is_immediate, self.at_venue = plan, quotes, is_immediate, at_venue
        self.trades: list[tc.Opportunity] = []
        self.number = -1
        self.ranks: dict[str, int] = {}

    def on_start(self) -> None:
        self.add_event_feed(tc.feed(self.quotes, name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.number += 1
        last = len(self.quotes) - 40
        for at, make in self.plan:
            if at == self.number and at < last:
                self.trades.append(self.submit_opportunity(make(tick)))
        if self.number >= last:
            self.opportunities.close_all()
        self.check()

    def check(self) -> None:
        for one in self.trades:
            exits = sum((o.filled_quantity for o in one.orders if o.side is not one.side), Decimal(0))
            entries = sum((o.filled_quantity for o in one.orders if o.side is one.side), Decimal(0))
            assert one.held * one.side.sign == entries - exits
            is_pair = one.profit_order is not None and one.stop_order is not None
            if self.is_immediate or self.at_venue or not is_pair:
                assert exits <= one.entry.filled_quantity == entries

    def on_opportunity_changed(self, change: tc.OpportunityChanged) -> None:
        rank = RANKS[change.opportunity.state.name]
        assert rank >= self.ranks.get(change.opportunity.opportunity_id, 0)
        self.ranks[change.opportunity.opportunity_id] = rank


@st.composite
def opportunities(draw: Any) -> Any:
    """(number of the quote at which it is opened, a call that makes it of that quote)."""
    sign = draw(st.sampled_from([1, -1]))
    quantity = sign * draw(st.integers(1, 12))
    behind, near, far = draw(st.integers(0, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    has_profit, has_stop = draw(st.booleans()), draw(st.booleans())
    kind = draw(st.sampled_from(["market", "limit", "stop"]))
    wait = draw(st.one_of(st.none(), st.integers(1, 400)))
    manage = draw(st.sampled_from([(), (tc.TrailStop(offset="0.02"),), (tc.BreakEven(after="0.01"),)]))

    def make(tick: tc.QuoteTick) -> tc.Opportunity:
        middle = Decimal(repr(tick.bid_price))
        at = middle - sign * behind * Decimal("0.01") if kind == "limit" else middle + sign * behind * Decimal("0.01")
        if kind == "market":
            entry = tc.Order.market(ID, quantity)
        else:
            entry = tc.Order.limit(ID, quantity, at) if kind == "limit" else tc.Order.stop(ID, quantity, at)
        profit = tc.Order.limit(ID, -quantity, at + sign * near * Decimal("0.01")) if has_profit else None
        stop = tc.Order.stop(ID, -quantity, at - sign * far * Decimal("0.01")) if has_stop else None
        return tc.Opportunity(
            entry, profit=profit, stop=stop, manage=manage if has_stop else (),
            time_out=None if wait is None else timedelta(milliseconds=wait),
        )  # fmt: skip

    return draw(st.integers(0, 60)), make


@given(
    moves=st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 8), st.integers(1, 8)), min_size=60, max_size=60),
    plan=st.lists(opportunities(), min_size=1, max_size=4),
    latency_ms=st.sampled_from([0, 0, 5, 15, 35]),
    contingency=st.sampled_from(["client", "venue"]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_the_laws_hold_in_random_markets(
    tmp_path_factory: pytest.TempPathFactory,
    moves: list[tuple[int, int, int]],
    plan: list[Any],
    latency_ms: int,
    contingency: Any,
) -> None:
    """A walk of one-cent steps, a quote every 10 ms, 1 to 8 on each side, then forty quotes in which all is closed."""
    cents, quotes = 10_000, []
    for n, (step, bid_size, ask_size) in enumerate([*moves, *[(0, 50, 50)] * 40]):
        cents += step
        bid, ask = cents / 100, (cents + 1) / 100
        quotes.append(make_quote_tick(T0 + n * 10 * MS, bid, ask, bid_size=bid_size, ask_size=ask_size))
    delay = tc.ConstantDelay(latency_ms)
    broker = tc.SimulatedBrokerSettings(
        account="margin",
        cash={"USD": Decimal(1_000_000)},
        latency=tc.Latency(submit=delay, cancel=delay, update=delay, report=delay),
        commission=tc.PerUnitCommission(amount=Decimal("0.001"), minimum=Decimal("0.003")),
        contingency=contingency,
    )
    strategy = Random(plan, quotes, is_immediate=not latency_ms, at_venue=contingency == "venue")
    result = await tc.run_backtest(
        strategies=strategy, brokers={"sim": broker}, instruments=[make_instrument()],
        runs_dir=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip
    assert all(one.is_finished and not one.held for one in strategy.trades)
    together = sum((one.profit for one in strategy.trades), Decimal(0))
    assert together == result.statistics.net_profit
    for one in strategy.trades:
        assert one.mae <= one.profit + one.commission <= one.mfe
        assert (one.end is tc.OpportunityEnd.NOT_ENTERED) == (one.quantity == 0)
    assert result.run_folder is not None
    assert verify_run(result.run_folder).findings == ()


# ------------------------------------------------------------------------------------------------- what a run keeps


def walk(*bids: float) -> list[Any]:
    return [make_quote_tick(T0 + n * SECOND_NS, bid, round(bid + 0.02, 2)) for n, bid in enumerate(bids)]


def read_events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


async def test_a_run_keeps_every_change_and_says_what_was_left(trade: Any, tmp_path: Path) -> None:
    """Submitted, entered, finished; and at the end what was neither."""

    def step(s: Any) -> None:
        s.open(tc.Order.market(ID, 2), profit=tc.Order.limit(ID, -2, 101))
        s.open(tc.Order.limit(ID, 1, 90))
        s.open(tc.Order.market(ID, -1), stop=tc.Order.stop(ID, 1, 110))

    s = await trade(walk(100, 100.5, 101), {0: step}, runs_dir=tmp_path)
    events = read_events(s.result.run_folder)
    assert [(e["kind"], e["opportunity_id"], e.get("before"), e["state"]) for e in events] == [
        ("opportunity", "s-o1", None, "WAITING"), ("opportunity", "s-o2", None, "WAITING"),
        ("opportunity", "s-o3", None, "WAITING"), ("opportunity", "s-o1", "WAITING", "IN_TRADE"),
        ("opportunity", "s-o3", "WAITING", "IN_TRADE"), ("opportunity", "s-o1", "IN_TRADE", "FINISHED"),
        ("opportunity_left", "s-o2", None, "WAITING"), ("opportunity_left", "s-o3", None, "IN_TRADE"),
    ]  # fmt: skip
    finished = events[5]
    # In at 100.02, out at 101: 2 x 0.98. Order ids: entry, then its exit.
    assert (finished["profit"], finished["end"], finished["order_ids"]) == ("1.96", "PROFIT", ["s-1", "s-2"])
    assert Decimal(events[7]["held"]) == -1
    assert "s: 2 opportunities were not finished at the end, 1 held" in s.result.notes


async def test_an_opportunity_gives_the_orders_that_its_bracket_gives(trade: Any) -> None:
    """The same bytes of orders and executions: nothing is added to what the group does."""

    def orders() -> dict[str, tc.Order]:
        return {"profit": tc.Order.limit(ID, -2, 101), "stop": tc.Order.stop(ID, -2, 95)}

    path = walk(100, 100.5, 101)
    one = await trade(path, {0: lambda s: s.open(tc.Order.market(ID, 2), **orders())})
    other = await trade(path, {0: lambda s: s.submit_group(tc.OrderGroup.bracket(tc.Order.market(ID, 2), **orders()))})
    assert one.result.digests == other.result.digests


async def test_what_is_told_too_late_is_booked_and_changes_no_state(trade: Any, late_broker: Any) -> None:
    """The entry was cancelled; two seconds later the venue remembers that 1 had executed before."""
    told: list[Any] = []
    bus = tc.MessageBus()
    bus.subscribe(tc.OpportunityChanged, told.append)
    s = await trade(
        walk(*[100] * 5),
        {0: lambda s: s.open(tc.Order.limit(ID, 2, 90)), 1: lambda s: s.trades[0].close()},
        brokers={"late": late_broker},
        bus=bus,
    )
    (one,) = s.trades
    assert s.told == [("WAITING", "FINISHED", "NOT_ENTERED"), ("FINISHED", "FINISHED", "NOT_ENTERED")]
    assert (one.held, one.problem) == (1, "execution s-1-1 was told of after it was finished")
    assert [change.before for change in told] == [None, tc.OpportunityState.WAITING, tc.OpportunityState.FINISHED]


async def test_opportunities_that_ended_long_ago_are_forgotten(trade: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their handles are the user's; the manager keeps the newest and the counts."""
    monkeypatch.setattr("tradecore.strategy.opportunity_manager.FINISHED_KEPT", 2)

    def flip(s: Any) -> None:
        for one in s.opportunities:
            one.close()
        s.open(tc.Order.market(ID, 1), stop=tc.Order.stop(ID, -1, 90))

    s = await trade(walk(*[100] * 8), dict.fromkeys(range(7), flip))
    # Six finished: at the fourth the oldest two were dropped, at the sixth two more.
    assert [one.id for one in s.opportunities.finished] == ["s-o5", "s-o6"]
    assert s.opportunities.find("s-o1") is s.opportunities.find(s.trades[0].entry) is None
    assert s.opportunities.counts == {tc.OpportunityEnd.CLOSED: 6}


async def test_two_keys_of_one_series_are_both_served_with_an_indicator_or_an_opportunity() -> None:
    """Renewing the calls of one key must not drop the other's."""

    class TwoKeys(tc.Strategy):
        lengths: tuple[int, int] = (0, 0)

        def on_start(self) -> None:
            self.subscribe_to_quotes(ID, key="first", history=9)
            self.subscribe_to_quotes(ID, key="second", history=9)

        def on_quote_tick(self, tick: tc.QuoteTick) -> None:
            if len(self.events["first"]) == 2 and not list(self.opportunities):
                self.submit_opportunity(tc.Opportunity(tc.Order.market(ID, 1)))
            self.lengths = (len(self.events["first"]), len(self.events["second"]))

    strategy = TwoKeys()
    async with tc.open_storage("memory:") as storage:
        await storage.add_instruments([make_instrument()])
        await storage.append(walk(100, 100, 100, 100))
        broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})
        await tc.run_backtest(strategies=strategy, brokers={"sim": broker}, storage=storage)
    assert strategy.lengths == (4, 4)


async def test_time_outs_keep_their_order_beside_a_timer_that_cuts_windows_short() -> None:
    """A timer of 10 ms makes windows of ten seconds: a time-out that was taken for later must not come before one that
    was set afterwards and is earlier.
    """

    class Waits(tc.Strategy):
        trades: tuple[tc.Opportunity, ...] = ()
        last_ns = steps_back = 0

        def on_start(self) -> None:
            quotes = [make_quote_tick(T0 + seconds * SECOND_NS) for seconds in (0, 1, 2, 150, 300)]
            self.add_event_feed(tc.feed(quotes, name="quotes"), "quotes")

        def open(self, seconds: int) -> None:
            wanted = tc.Opportunity(tc.Order.market(ID, 1), time_out=timedelta(seconds=seconds))
            self.trades = (*self.trades, self.submit_opportunity(wanted))

        def on_quote_tick(self, tick: tc.QuoteTick) -> None:
            if not self.trades:
                self.open(100)
            elif "fast" not in self.events:
                self.add_repeating_timer("fast", timedelta(milliseconds=10))

        def on_execution(self, execution: tc.Execution) -> None:
            self.look()

        def look(self) -> None:
            self.steps_back += self.now_ns < self.last_ns
            self.last_ns = self.now_ns

        def on_time_event(self, event: Any) -> None:
            self.look()
            if self.now_ns == T0 + 5 * SECOND_NS:
                self.open(30)
            if self.now_ns == T0 + 6 * SECOND_NS:
                self.open(2)

    strategy = Waits()
    broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})
    await tc.run_backtest(strategies=strategy, brokers={"sim": broker}, instruments=[make_instrument()], batch_size=1)
    assert [one.duration for one in strategy.trades] == [timedelta(seconds=seconds) for seconds in (100, 30, 2)]
    assert strategy.steps_back == 0

"""The short way of an order to the next open changes nothing that anybody could see.

Random strategies on random bars, run twice: as they are, and with every order on the general way. What strategies
heard, what was recorded, statistics and books are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import tradecore as tc
from tradecore.brokerage.next_open import NextOpen
from tradecore.brokerage.settings import (
    Commission,
    DepthSlippage,
    FixedCommission,
    PerUnitCommission,
    RateCommission,
    Slippage,
    TickSlippage,
)
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.errors import StrategyError
from tradecore.strategy.strategy_host import StrategyHost
from tradecore.testing.broker_desk import make_broker_desk
from tradecore.testing.builders import make_bar, make_instrument
from tradecore.testing.scripted_feed import ScriptedFeed

NAMES = ("A.SIM", "B.SIM")
T0 = 1_704_067_200 * SECOND_NS  # 2024-01-01T00:00:00Z

Act = tuple[str, int, int]
"""What to do at a bar, of which instrument, how much."""

COMMISSIONS: list[Commission] = [
    RateCommission(), RateCommission(taker=Decimal("0.0007")), FixedCommission(amount=Decimal("1.25")),
    PerUnitCommission(amount=Decimal("0.01"), minimum=Decimal(1)),
]  # fmt: skip
SLIPPAGES: list[Slippage] = [
    TickSlippage(), TickSlippage(ticks=Decimal(3)), DepthSlippage(level_size=Decimal(2), jitter=Decimal("0.5")),
]  # fmt: skip


class Scripted(tc.Strategy):
    """Does at each bar what its script says, and writes down all that it hears: not what happens to its orders."""

    def __init__(self, script: list[list[Act]], feeds: list[ScriptedFeed], bus: tc.MessageBus) -> None:
        self.script, self.feeds, self.bus = iter(script), feeds, bus
        self.given: list[tc.Order] = []
        self.heard: list[Any] = []

    def on_start(self) -> None:
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, f"feed {number}")
        self.add_repeating_timer("clock", 7 * MINUTE_NS // 3)

    def on_bar(self, bar: tc.Bar) -> None:
        for act in next(self.script, []):
            self.act(*act)
        self.heard.append((bar.ts_event, [(order.order_id, order.state, order.reason) for order in self.given[-3:]]))

    def act(self, word: str, place: int, quantity: int) -> None:
        name = NAMES[place]
        if word == "market" and quantity:
            self.given.append(self.submit_order(tc.Order.market(name, quantity)))
        elif word == "flip" and (held := self.position(name).quantity):
            self.given.append(self.submit_order(tc.Order.market(name, -2 * held)))
        elif word == "close" and (held := self.position(name).quantity):
            self.given.append(self.submit_order(tc.Order.market(name, -held, reduce_only=quantity > 0)))
        elif word == "limit" and quantity:
            self.given.append(self.submit_order(tc.Order.limit(name, quantity, 100 + quantity % 3)))
        elif word == "cancel":
            self.cancel_all_orders()
        elif word == "update" and self.given and self.given[-1].is_open:
            self.update_order(self.given[-1], quantity=self.given[-1].filled_quantity + abs(quantity) + 1)
        elif word == "look":
            self.heard.append((self.statistics.trades, self.account().cash, len(self.orders())))
        elif word == "listen" and quantity > 6:
            self.bus.subscribe(tc.OrderUpdated, self.heard.append)
        elif word == "stop" and quantity == 8:
            self.stop_run()

    def on_execution(self, execution: tc.Execution) -> None:
        states = [order.state for order in self.given[-3:]]
        self.heard.append((execution, self.position(execution.instrument), self.account().cash, states))

    def on_account_adjusted(self, adjusted: Any) -> None:
        self.heard.append(adjusted)

    def on_time_event(self, event: Any) -> None:
        self.heard.append((event.ts_event, self.position(NAMES[0]), [order.state for order in self.given[-3:]]))


class Attentive(Scripted):
    """Hears of every change of its orders."""

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        self.heard.append(update)


acts = st.tuples(
    st.sampled_from(("market", "flip", "flip", "flip", "close", "limit", "cancel", "update", "look", "listen", "stop")),
    st.integers(0, 1) | st.just(0),
    st.integers(-8, 8),
)
scripts = st.lists(st.lists(acts, max_size=2) | st.just([("flip", 0, 0)]), min_size=4, max_size=24).map(
    lambda script: [[("market", 0, 5)], *script]
)
rows = st.tuples(
    st.sampled_from((0, 0, 0, 1)), st.integers(90, 110), st.integers(90, 110), st.sampled_from((9, 90, 900, 900, 900))
)


@dataclass
class Case:
    """A market, what is done in it, and the account that it is done with."""

    script: list[list[Act]]
    rows: list[tuple[int, int, int, int]]
    batch_size: int = 1_024
    words: dict[str, Any] = field(default_factory=dict)
    splits: list[int] = field(default_factory=list)
    second: list[list[Act]] = field(default_factory=list)
    attentive: tuple[bool, bool] = (False, False)

    def list_bars(self, place: int) -> Iterator[tc.Bar]:
        """Bars of an instrument; gaps between some, whose open is that of the bar after them."""
        for minute, (shown, opened, closed, volume) in enumerate(self.rows, 1):
            if shown == place or (place == 0 and minute % 5):
                yield make_bar(
                    T0 + minute * MINUTE_NS, float(closed), open=float(opened), high=float(max(opened, closed)),
                    low=float(min(opened, closed)), volume=float(volume), bar_type=f"{NAMES[place]} 1m last",
                )  # fmt: skip

    async def run(self) -> list[Any]:
        """Everything that there is to be seen."""
        listed = [list(self.list_bars(place)) for place in (0, 1)]
        feeds = [ScriptedFeed([bars], name=name) for name, bars in zip(NAMES, listed, strict=True) if bars]
        bus = tc.MessageBus()
        strategy, second = (
            (Attentive if hears else Scripted)(script, feeds, bus)
            for hears, script in zip(self.attentive, (self.script, self.second), strict=True)
        )
        words: dict[str, Any] = {"account": "margin", "cash": {"USD": Decimal(9_000)}, **self.words}
        result = await tc.run_backtest(
            strategies={"a": strategy, "b": second},
            instruments=[make_instrument(name) for name in NAMES],
            brokers={"sim": tc.SimulatedBrokerSettings(**words)},
            batch_size=self.batch_size,
            adjustments=[make_split(minute) for minute in self.splits],
            bus=bus,
        )
        statistics = [one.to_dict() for one in result.strategies.values()]
        return [strategy.heard, second.heard, result.digests, result.counts, result.notes, statistics]


def make_split(minute: int) -> AccountAdjustment:
    ts = T0 + minute * MINUTE_NS + 1  # while orders that were given at a bar wait for the next one
    return AccountAdjustment(AdjustmentKind.SPLIT, NAMES[0], ts, ts, Decimal(2))


words = st.fixed_dictionaries(
    {"commission": st.sampled_from(COMMISSIONS), "slippage": st.sampled_from(SLIPPAGES)},
    optional={
        "account": st.just("cash"),
        "cash": st.sampled_from([{"USD": Decimal(300)}, {"USD": Decimal(1_500)}]),
        "no_short": st.just((NAMES[0],)),
        "bar_fill": st.just("same_close"),
        "no_market": st.just("reject"),
        "spread": st.just({NAMES[0]: Decimal("0.06")}),
    },
)
cases = st.builds(
    Case,
    scripts,
    st.lists(rows, min_size=6, max_size=30),
    st.sampled_from((1, 5, 1_024, 1_024)),
    st.just({}) | st.just({}) | words,
    st.lists(st.integers(1, 30), max_size=2),
    st.just([]) | scripts,
    st.tuples(st.booleans(), st.booleans()),
)


async def run_the_general_way(case: Case) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NextOpen, "take", lambda self, order, number, now: None)
        return await case.run()


@given(cases)
@settings(deadline=None)
async def test_the_short_way_and_the_general_way_are_told_apart_by_nothing(case: Case) -> None:
    taken: list[tc.Order] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NextOpen, "take", count(NextOpen.take, taken))
        shown = await case.run()
    event(f"orders on the short way: {min(len(taken), 3)}")
    assert shown == await run_the_general_way(case)


def count(take: Callable[..., Any], taken: list[tc.Order]) -> Callable[..., Any]:
    def counting(self: NextOpen, order: tc.Order, number: int, now: int) -> Any:
        accepted = take(self, order, number, now)
        if accepted is not None:
            taken.append(order)
        return accepted

    return counting


@pytest.mark.parametrize(
    ("script", "volume", "split", "expected"),
    [
        ([[("flip", 0, 0)]] * 8, 900, 0, 8),
        # Two at once, and one that is cancelled: given back, and the general way from there.
        ([[("flip", 0, 0), ("market", 0, 1)], [("flip", 0, 0), ("cancel", 0, 0)], [("flip", 0, 0)]], 900, 0, 3),
        ([[("flip", 0, 0)]] * 3, 90, 0, 2),  # more than a tenth of a bar's volume: it is executed over two
        # A split between the first and its bar; after it the margin is looked at again.
        ([[("flip", 0, 0)]] * 3, 900, 3, 2),
    ],
)
async def test_orders_that_turn_a_position_take_the_short_way(
    script: list[list[Act]], volume: int, split: int, expected: int
) -> None:
    case = Case(
        [[("market", 0, 5)], [], *script], [(0, 100 + n % 3, 101, volume) for n in range(14)],
        splits=[split] if split else [],
    )  # fmt: skip
    taken: list[tc.Order] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NextOpen, "take", count(NextOpen.take, taken))
        shown = await case.run()
    assert len(taken) == expected
    assert shown == await run_the_general_way(case)


@pytest.mark.parametrize("general", [False, True])
async def test_what_is_due_before_the_bar_comes_before_it_however_far_time_jumps(general: bool) -> None:
    """A split lies between the order and its bar, and the broker is asked only afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        if general:
            patch.setattr(NextOpen, "take", lambda self, order, number, now: None)
        desk = make_broker_desk("bar A.SIM 1m last", instruments=[make_instrument(NAMES[0])])
        prices = ((100.0, 100.0), (101.0, 102.0), (51.0, 52.0))
        bars = [
            make_bar(T0 + n * MINUTE_NS, closed, open=opened, bar_type="A.SIM 1m last")
            for n, (opened, closed) in enumerate(prices, 1)
        ]
        split = make_split(2)
        desk.broker.load_adjustments([(split.ts_event, split)])
        desk.broker.load("bar", "A.SIM 1m last", bars)
        desk.advance(bars[0].ts_event)
        await desk.submit(tc.Order.market(NAMES[0], 5))
        desk.advance(bars[1].ts_event)
        order = await desk.submit(tc.Order.market(NAMES[0], -10))
        assert desk.broker.get_positions()[0].quantity == 5
        desk.timeline.advance_to(bars[2].ts_event)
        desk.broker.advance(bars[2].ts_event)
        desk.advance(bars[2].ts_event)
        assert desk.list_executed(order) == [("20", "51.0")]
        assert [adjusted.after.quantity for adjusted in desk.adjusted if adjusted.after] == [10]


@pytest.mark.parametrize("general", [False, True])
async def test_a_command_that_waits_for_its_bar_is_answered_in_its_time(general: bool) -> None:
    """Arrivals: a cancel of what its bar executed already, given before anybody knew, waits a bar's length and 5 s.

    The order that is given meanwhile, and whose bar comes much later, does not hold the answer up.
    """
    with pytest.MonkeyPatch.context() as patch:
        if general:
            patch.setattr(NextOpen, "take", lambda self, order, number, now: None)
        desk = make_broker_desk("bar A.SIM 1m last", instruments=[make_instrument(NAMES[0])])
        bars = [
            make_bar(T0 + end * SECOND_NS, 100.0, bar_type="A.SIM 1m last", received=T0 + (end + 5) * SECOND_NS)
            for end in (60, 120, 180, 360, 420)
        ]
        desk.broker.load("bar", "A.SIM 1m last", bars, by_arrival=True)
        desk.advance(T0 + 170 * SECOND_NS)
        first = await desk.submit(tc.Order.market(NAMES[0], 5))  # has the close at 180, known at 185
        desk.advance(T0 + 182 * SECOND_NS)
        await desk.cancel(first)
        desk.advance(T0 + 185 * SECOND_NS)
        second = await desk.submit(tc.Order.market(NAMES[0], -10))  # bar 300 to 360, known at 365
        desk.advance(T0 + 500 * SECOND_NS)
        told = [((one.at - T0) // SECOND_NS, one.report.order) for one in desk.received]
        assert [(at, order.order_id, order.cancel_rejected) for at, order in told if at > 185] == [
            (247, first.order_id, True), (365, second.order_id, False),
        ]  # fmt: skip


class Doubled(tc.Strategy):
    """The same orders at two brokers; told of an execution at the first, it looks, cancels at both, and raises."""

    def __init__(self, feed: ScriptedFeed) -> None:
        self.feed, self.bars = feed, 0

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "feed")

    def on_bar(self, bar: tc.Bar) -> None:
        self.bars += 1
        quantity = {1: 5, 3: -10, 5: 10}.get(self.bars)
        if quantity is not None:
            for broker in ("a", "b"):
                self.submit_order(tc.Order.market(NAMES[0], quantity), broker=broker)

    def on_execution(self, execution: tc.Execution) -> None:
        if self.bars == 5 and execution.broker == "a":
            assert self.statistics.trades
            self.cancel_all_orders()
            raise ValueError("enough")


@pytest.mark.parametrize("general", [False, True])
async def test_what_was_executed_by_looking_is_still_known_to_its_broker(general: bool, tmp_path: Path) -> None:
    """The statistics let the second broker come to this instant, and its report is not handed out before the cancel."""
    bars = [make_bar(T0 + n * MINUTE_NS, 100.0, bar_type="A.SIM 1m last") for n in range(1, 12)]
    account = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(9_000)})
    with pytest.MonkeyPatch.context() as patch:
        if general:
            patch.setattr(NextOpen, "take", lambda self, order, number, now: None)
        with pytest.raises(StrategyError, match="enough"):
            await tc.run_backtest(
                strategies={"s": Doubled(ScriptedFeed([bars], name="A"))},
                instruments=[make_instrument(NAMES[0])], brokers={"a": account, "b": account}, runs_dir=tmp_path,
            )  # fmt: skip
    assert '"cancel_rejected":true' in read_file(tmp_path, "orders.jsonl")
    assert "UnknownOrder" not in read_file(tmp_path, "run.json")


def read_file(runs: Path, name: str) -> str:
    (file,) = runs.glob(f"*/{name}")
    return file.read_text(encoding="utf-8")


class Turning(tc.Strategy):
    """Buys, then turns its position. word: what it does with the second order."""

    def __init__(self, bus: tc.MessageBus, word: str) -> None:
        self.bus, self.word, self.bars = bus, word, 0
        self.updates: list[tc.OrderUpdated] = []
        self.states: list[str] = []
        self.order: tc.Order | None = None

    def on_start(self) -> None:
        bars = [make_bar(T0 + n * MINUTE_NS, 100.0, bar_type="A.SIM 1m last") for n in range(1, 8)]
        self.add_event_feed(ScriptedFeed([bars], name="A"), "feed")
        if self.word == "manage":
            assert self._host is not None
            assert not list(self._host.opportunities)

    def on_bar(self, bar: tc.Bar) -> None:
        self.bars += 1
        if self.order is not None:
            self.states.append(self.order.state.name)
        if self.bars in {1, 3}:
            order = (Remembering if self.word == "derive" else tc.Order).market(NAMES[0], 5 if self.bars == 1 else -10)
            self.order = self.submit_order(order)
        if self.bars == 3 and self.word == "listen":
            self.bus.subscribe(tc.OrderUpdated, self.updates.append)
        if self.bars == 3 and self.word == "time":
            self.add_timer("later", T0 + 9 * MINUTE_NS)


class Remembering(tc.Order):
    """An order that does more with its reports."""

    def apply_report(self, report: Any) -> bool:
        remembered.append(report.state.name)
        return super().apply_report(report)


remembered: list[str] = []


class OlderBroker(SimulatedBroker):
    """A user's own, which knows of one argument."""

    async def submit_order(self, order: tc.Order) -> None:  # type: ignore[override]
        await super().submit_order(order)


@pytest.mark.parametrize(
    ("word", "is_reported"),
    [("", False), ("listen", True), ("manage", True), ("time", True), ("derive", True), ("two", True), ("older", True)],
)
async def test_an_acceptance_that_nobody_hears_of_needs_no_report(word: str, is_reported: bool) -> None:
    """Who begins to listen after the order was given, but before it is accepted, hears of it still."""
    received: list[str] = []
    receive = StrategyHost.receive

    def counting(host: StrategyHost, report: Any) -> Any:
        received.append(report.order.state.name)
        return receive(host, report)

    bus = tc.MessageBus()
    strategy = Turning(bus, word)
    account = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(9_000)})
    remembered.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StrategyHost, "receive", counting)
        if word == "older":
            patch.setattr("tradecore.runtime.run_assembly.SimulatedBroker", OlderBroker)
        await tc.run_backtest(
            strategies={"s": strategy}, instruments=[make_instrument(NAMES[0])], bus=bus,
            brokers=dict.fromkeys("ab" if word == "two" else "a", account),
        )  # fmt: skip
    assert received == ["ACCEPTED", "FILLED", *(["ACCEPTED"] if is_reported else []), "FILLED"]
    assert strategy.states == ["FILLED"] * 6
    assert [one.order.state.name for one in strategy.updates] == (["ACCEPTED", "FILLED"] if word == "listen" else [])
    assert remembered == (["ACCEPTED", "FILLED"] * 2 if word == "derive" else [])


@pytest.mark.parametrize("waits", [False, True])
async def test_an_acceptance_never_overtakes_a_report_that_waits(waits: bool) -> None:
    desk = make_broker_desk("bar A.SIM 1m last", instruments=[make_instrument(NAMES[0])])
    bars = [make_bar(T0 + n * MINUTE_NS, 100.0, bar_type="A.SIM 1m last") for n in (1, 2, 3)]
    desk.broker.load("bar", "A.SIM 1m last", bars)
    desk.advance(bars[0].ts_event)
    first = await desk.submit(tc.Order.market(NAMES[0], 5))
    desk.advance(bars[1].ts_event)
    now = desk.timeline.now
    if waits:
        await desk.broker.record_unsent(first.snapshot(now))
    order = tc.Order.market(NAMES[0], -10)
    order.mark_submitted("s-2", "s", desk.broker.name, now)
    await desk.broker.submit_order(order, False)
    assert order.state.name == ("SUBMITTED" if waits else "ACCEPTED")
    assert desk.broker.due_ns == (now if waits else bars[2].ts_event)
    told = [report.order.order_id for report in desk.broker.take_reports(now)]
    assert told == ([first.order_id, "s-2"] if waits else [])

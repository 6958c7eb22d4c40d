"""Planted bugs (RELIABILITY 7.1): each is put into the real code, and the laws must find it.

A law that lets its bug pass would be a law that checks nothing; a test here fails when the bug is *not* caught.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain import order_machine
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.order_machine import News, OrderRecord, make_record
from tradecore.domain.order_state import MATRIX, OrderNews, OrderState, Outcome, OutcomeKind
from tradecore.domain.order_terms import Contingency, OrderRole
from tradecore.domain.position import Position
from tradecore.errors import IllegalOrderTransition
from tradecore.execution import group_rules
from tradecore.execution.execution_engine import ExecutionEngine
from tradecore.execution.group_rules import Action
from tradecore.strategy.order_desk import OrderDesk
from tradecore.testing.builders import make_ns, make_quote_tick
from tradecore.testing.order_laws import BrokenLaw, OrderLaws, hold
from tradecore.testing.order_soak import GroupStory
from tradecore.testing.order_stage import OrderStage

N, S = OrderNews, OrderState
Plant = Callable[[pytest.MonkeyPatch], None]

# ------------------------------------------------------------------------------------------------------- the machine


def tell_machine_stories() -> None:
    """A hundred random lives of an order at a venue that repeats itself, is silent and late; and their laws."""
    for seed in range(100):
        rng = random.Random(seed)
        order, told, executed = make_record("s-1", Decimal(10)), list[News](), dict[str, News]()
        order = order_machine.apply_news(order, News(N.SUBMIT, "s-1"))[0]
        for step in range(12):
            news = _draw_news(rng, step, told)
            told.append(news)
            before, order = order, order_machine.apply_news(order, news)[0]
            if news.execution_id:
                executed.setdefault(news.execution_id, news)
            _check_record(before, order, news, executed)


def _draw_news(rng: random.Random, step: int, told: list[News]) -> News:
    if told and rng.random() < 0.25:
        return rng.choice(told)
    word = rng.choice([N.ACKNOWLEDGED, N.TIMED_OUT, N.NOT_FOUND_YET, N.CANCELLED, *[N.EXECUTED_PARTLY] * 3])
    if word is N.EXECUTED_PARTLY:
        return News(word, "s-1", Decimal(rng.randint(1, 2)), Decimal(rng.randint(99, 101)), f"e{step}")
    return News(word, "s-1")


def _check_record(before: OrderRecord, order: OrderRecord, news: News, executed: dict[str, News]) -> None:
    filled = sum((one.quantity for one in executed.values()), Decimal(0))
    value = sum((one.quantity * one.price for one in executed.values()), Decimal(0))
    met = f"{news} of {before} made {order}"
    hold("O5", holds=(order.filled, order.value) == (filled, value), met=met)
    if news.word in (N.TIMED_OUT, N.NOT_FOUND_YET):
        hold("O6", holds=order.state is before.state, met=met)
        hold("O6", holds=order.is_unknown is order.state.is_open, met=met)
    if before.state.is_finished:
        hold("O3", holds=order.state.is_finished and not order.leaves, met=met)


def wrap_news(change: Callable[[OrderRecord, News], News | None]) -> Plant:
    """The machine hears other news than the venue told; None: it does not listen."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        real = order_machine.apply_news

        def wrong(record: Any, news: News) -> Any:
            heard = change(record, news)
            return (record, ()) if heard is None else real(record, heard)

        monkeypatch.setattr(order_machine, "apply_news", wrong)

    return plant


def set_outcome(word: OrderNews, state: OrderState, reached: OrderState) -> Plant:
    return lambda monkeypatch: monkeypatch.setitem(MATRIX[word], state, Outcome(OutcomeKind.MOVE, reached))


def _is_executed(news: News) -> bool:
    return news.word is N.EXECUTED_PARTLY


IN_THE_MACHINE: dict[str, Plant] = {
    "no dedupe of execution ids": wrap_news(
        lambda r, n: replace(n, execution_id=f"{n.execution_id}/{len(r.executions)}") if _is_executed(n) else n
    ),
    "dedupe by price and quantity": wrap_news(
        lambda _, n: replace(n, execution_id=f"{n.price} {n.quantity}") if _is_executed(n) else n
    ),
    "an execution before the acknowledgement is dropped": wrap_news(
        lambda r, n: None if _is_executed(n) and r.state is S.SUBMITTED else n
    ),
    "a late execution is dropped": wrap_news(lambda r, n: None if _is_executed(n) and r.state is S.CANCELLED else n),
    "a late execution makes the order work again": set_outcome(N.EXECUTED_PARTLY, S.CANCELLED, S.PARTIALLY_FILLED),
    "a timeout is a rejection": set_outcome(N.TIMED_OUT, S.SUBMITTED, S.REJECTED),
    "not found in an outage is cancelled": set_outcome(N.NOT_FOUND_YET, S.ACCEPTED, S.CANCELLED),
    "an acknowledgement revives what was cancelled": set_outcome(N.ACKNOWLEDGED, S.CANCELLED, S.ACCEPTED),
}


def test_the_machine_as_it_is_keeps_its_laws() -> None:
    tell_machine_stories()


@pytest.mark.parametrize("plant", IN_THE_MACHINE.values(), ids=IN_THE_MACHINE)
def test_a_bug_in_the_order_machine_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(BrokenLaw):
        tell_machine_stories()


# --------------------------------------------------------------------------------------- broker, desk and group rules


def tell_group_stories(contingency: str, kind: str) -> None:
    """Stories until a law breaks; the short way, without making the failing one small."""

    class Story(GroupStory):
        kinds = (kind,)
        contingencies = (contingency,)

    options = settings(
        max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    run_state_machine_as_test(Story, settings=options)


def patch(owner: Any, name: str, make: Callable[[Any], Any]) -> Plant:
    """Put what `make` makes of the real function in its place."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, make(getattr(owner, name)))


def without_law(leg: str) -> Plant:
    """A broker that forgets the latency of one leg."""

    def make(real: Any) -> Any:
        def wrong(self: Any, *arguments: Any, **words: Any) -> None:
            real(self, *arguments, **words)
            if leg == "report":
                self._report_law = None
            else:
                self._laws[leg] = None

        return wrong

    return patch(SimulatedBroker, "__init__", make)


def without_steps(*actions: Action, of: Callable[[Any, Any], bool] = lambda group, step: True) -> Plant:
    """Group rules that forget some steps."""

    def make(real: Any) -> Any:
        def wrong(group: Any) -> Any:
            after, steps = real(group)
            return after, tuple(s for s in steps if s.action not in actions or not of(group, s))

        return wrong

    return patch(group_rules, "decide", make)


def _is_entry(group: Any, step: Any) -> bool:
    return bool(group.find(step.order_id).role is OrderRole.ENTRY)


def _grows(group: Any, step: Any) -> bool:
    return bool(step.quantity > (group.find(step.order_id).asked or 0))


def _after_whole_execution(real: Any) -> Any:
    """OCO that reacts to a whole execution only."""

    def wrong(group: Any, leg: Any) -> Any:
        first = None if group.first is None else group.find(group.first)
        if group.link is Contingency.OCO and first is not None and first.state is not S.FILLED:
            group = replace(group, first=None)
        return real(group, leg)

    return wrong


def _reduced_twice(real: Any) -> Any:
    def wrong(group: Any, leg: Any) -> Any:
        others = sum((one.executed for one in group.exits if one is not leg), Decimal(0))
        return max(Decimal(0), real(group, leg) - others)

    return wrong


def _average_kept(real: Any) -> Any:
    """A flip through zero that keeps the average of the old side."""

    def wrong(self: Any, signed: Decimal, price: Decimal, ts: int, *rest: Any) -> Any:
        after = real(self, signed, price, ts, *rest)
        if self.quantity and after.quantity and (self.quantity > 0) is not (after.quantity > 0):
            return replace(after, cost=self.cost / self.quantity * after.quantity)
        return after

    return wrong


def _free_in_parts(real: Any) -> Any:
    def wrong(self: Any, order: Any, quantity: Decimal, *rest: Any) -> Any:
        terms, name = self._terms, order.instrument
        lane, _, currency = known = terms[name]
        if quantity < order.remaining:
            terms[name] = (lane, lambda *_: Decimal(0), currency)
        try:
            return real(self, order, quantity, *rest)
        finally:
            terms[name] = known

    return wrong


def _beyond_limit(real: Any) -> Any:
    def wrong(self: Any, order: Any, quantity: Decimal, price: Decimal, *rest: Any) -> Any:
        return real(self, order, quantity, price + order.sign * Decimal("0.01"), *rest)

    return wrong


def _always_news(real: Any) -> Any:
    def wrong(self: Any, report: Any) -> bool:
        real(self, report)
        return True

    return wrong


def _ids_begin_again(real: Any) -> Any:
    def wrong(self: Any) -> Any:
        self._ids_made = 0
        ids = real(self)
        del ids[:-5]
        return ids

    return wrong


IN_GROUPS: dict[str, tuple[str, str, Plant]] = {
    "an execution told twice is booked twice": (
        "client", "quote", patch(Order, "apply_report", _always_news),
    ),
    "an order executes before its submit arrives": ("client", "quote", without_law("submit")),
    "a cancel takes effect at once": ("client", "quote", without_law("cancel")),
    "reports take no time": ("client", "quote", without_law("report")),
    "an order executes beyond its limit": ("client", "quote", patch(ExecutionEngine, "execute", _beyond_limit)),
    "commission is lost on partial executions": (
        "client", "quote", patch(ExecutionEngine, "execute", _free_in_parts),
    ),
    "an id is given again": ("client", "quote", patch(OrderDesk, "_make_ids", _ids_begin_again)),
    "the average is wrong after a flip through zero": ("client", "quote", patch(Position, "after", _average_kept)),
    "an OCO sibling is kept on a partial execution": (
        "venue", "quote", patch(group_rules, "_find_step", _after_whole_execution),
    ),
    "an OUO reduces twice": ("venue", "quote", patch(group_rules, "find_leaves", _reduced_twice)),
    "children have the full quantity after a partial entry": (
        "client", "quote", patch(group_rules, "find_limit", lambda real: lambda group, leg: leg.wanted),
    ),
    "children live on when the entry ended unexecuted": ("client", "quote", without_steps(Action.DROP)),
    "children do not grow with the entry": ("venue", "quote", without_steps(Action.RESIZE, of=_grows)),
    "siblings are not reduced": (
        "venue", "quote", without_steps(Action.RESIZE, of=lambda group, step: not _grows(group, step)),
    ),
    "what executed too much is not closed": (
        "client", "bar", patch(group_rules, "_find_close", lambda real: lambda group: None),
    ),
}  # fmt: skip


def tell_of_an_entry_in_part(contingency: str) -> None:
    """4 of 10 come in at 99.99, all 4 leave at 101: what is left of the entry must not come in any more.

    Random stories meet this once in a thousand: the exits must be done while the entry rests and nothing crosses it.
    """
    stage = OrderStage("quote_tick TEST.SIM", contingency=contingency)
    laws = OrderLaws(stage)

    def play(second: int, bid: float, size: int) -> None:
        ts = make_ns("2024-01-01T10:00") + second * SECOND_NS
        stage.play(make_quote_tick(ts, bid, round(bid + 0.01, 2), bid_size=size, ask_size=size, instrument="TEST.SIM"))
        laws.check()

    play(0, 100.0, 50)
    stage.submit_group(Order.bracket("TEST.SIM", 10, price="99.99", profit_price=101, stop_price=99))
    for second, bid, size in ((1, 99.98, 4), (2, 101.5, 50), (3, 100.0, 50)):
        play(second, bid, size)
    laws.check_at_rest()


@pytest.mark.parametrize("contingency", ["client", "venue"])
def test_the_entry_that_works_on_when_its_exits_are_done_is_caught(
    contingency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the story breaks no law without the bug."""
    tell_of_an_entry_in_part(contingency)
    without_steps(Action.CANCEL, of=_is_entry)(monkeypatch)
    with pytest.raises(BrokenLaw, match="the exits are done, and something works"):
        tell_of_an_entry_in_part(contingency)


@pytest.mark.parametrize(("contingency", "kind", "plant"), IN_GROUPS.values(), ids=IN_GROUPS)
def test_a_bug_in_broker_desk_or_groups_is_caught(
    contingency: str, kind: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((BrokenLaw, IllegalOrderTransition)):
        tell_group_stories(contingency, kind)

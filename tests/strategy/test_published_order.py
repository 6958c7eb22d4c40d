"""What is published, and in which order: to the strategy, then on the bus (strategy_host.py says it in words)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import StrategyError
from tradecore.testing.builders import make_instrument, make_ns, make_quote_tick

T0 = make_ns("2024-01-01T10:00:00Z")


def quotes(*sizes: float) -> Any:
    """One quote of TEST.SIM a second, 99.99 / 100.01, with so much on each side."""
    made = [make_quote_tick(T0 + n * SECOND_NS, bid_size=size, ask_size=size) for n, size in enumerate(sizes)]
    return tc.feed(made, name="quotes")


def describe(message: Any) -> str:
    """Kind of a message, and the one thing that tells it from others."""
    if isinstance(message, tc.OrderUpdated):
        return f"order {message.order.order_id} {message.order.state.name} {message.order.filled_quantity}"
    if isinstance(message, tc.Execution):
        return f"execution {message.order_id} {message.signed_quantity}"
    return f"{type(message).__name__} {message.before.quantity} to {message.after.quantity}"


class Steps(tc.Strategy):
    """Carries out one step a quote, and writes down what it hears of it, beside what it can see at that moment."""

    def __init__(self, *steps: Callable[[Steps], Any], sizes: Sequence[float] = (10,) * 6) -> None:
        self.steps, self.sizes = list(steps), sizes
        self.heard: list[str] = []
        self.held: list[Decimal] = []
        self.last: tc.Order | None = None

    def on_start(self) -> None:
        self.add_event_feed(quotes(*self.sizes), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        if self.steps:
            self.steps.pop(0)(self)

    def send(self, order: tc.Order) -> None:
        self.last = self.submit_order(order)

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        self._note(update)

    def on_execution(self, execution: tc.Execution) -> None:
        self._note(execution)

    def on_position_changed(self, change: tc.PositionChanged) -> None:
        self._note(change)

    def _note(self, message: Any) -> None:
        self.heard.append(describe(message))
        self.held.append(self.position("TEST.SIM").quantity)


class AsyncSteps(Steps):
    """The same with a callback that is awaited in place."""

    async def on_execution(self, execution: tc.Execution) -> None:  # type: ignore[override]
        self._note(execution)


def market(quantity: int, **options: Any) -> Callable[[Steps], None]:
    return lambda strategy: strategy.send(tc.Order.market("TEST.SIM", quantity, **options))


def margin(**settings: Any) -> Any:
    return {"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000_000)}, **settings)}


async def run(*strategies: tc.Strategy, **options: Any) -> tuple[tc.RunResult, list[str]]:
    """Run, and what observers of everything on the bus were told."""
    bus, told = tc.MessageBus(), []
    for kind in (tc.PositionChanged, tc.Execution, tc.OrderUpdated):
        bus.subscribe(kind, lambda message: told.append(describe(message)))
    named = {f"s{number}": strategy for number, strategy in enumerate(strategies)}
    settings = {"brokers": margin(), "instruments": [make_instrument()], **options}
    result = await tc.run_backtest(strategies=named, bus=bus, **settings)
    return result, told


# One step a quote, and what is told of it. The account is flat before the first step.
LIVES = {
    "open, increase, decrease, close": (
        (market(2), market(3), market(-1), market(-4)),
        [
            "order s0-1 ACCEPTED 0", "order s0-1 FILLED 2", "execution s0-1 2", "PositionOpened 0 to 2",
            "order s0-2 ACCEPTED 0", "order s0-2 FILLED 3", "execution s0-2 3", "PositionIncreased 2 to 5",
            "order s0-3 ACCEPTED 0", "order s0-3 FILLED 1", "execution s0-3 -1", "PositionDecreased 5 to 4",
            "order s0-4 ACCEPTED 0", "order s0-4 FILLED 4", "execution s0-4 -4", "PositionClosed 4 to 0",
        ],
    ),
    "flip": (
        (market(2), market(-5)),
        [
            "order s0-1 ACCEPTED 0", "order s0-1 FILLED 2", "execution s0-1 2", "PositionOpened 0 to 2",
            "order s0-2 ACCEPTED 0", "order s0-2 FILLED 5", "execution s0-2 -5",
            "PositionClosed 2 to 0", "PositionOpened 0 to -3",
        ],
    ),
    "cancel": (
        (lambda s: s.send(tc.Order.limit("TEST.SIM", 1, 90)), lambda s: s.cancel_all_orders()),
        ["order s0-1 ACCEPTED 0", "order s0-1 CANCELLED 0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", [Steps, AsyncSteps])
@pytest.mark.parametrize("life", LIVES)
async def test_order_then_execution_then_position_and_the_bus_hears_the_same(life: str, kind: type[Steps]) -> None:
    """One documented order, whether callbacks are plain or awaited."""
    steps, expected = LIVES[life]
    strategy = kind(*steps)
    _, told = await run(strategy)
    assert strategy.heard == expected
    assert told == expected


@pytest.mark.parametrize("kind", [Steps, AsyncSteps])
async def test_it_is_the_same_order_when_nobody_listens_on_the_bus(kind: type[Steps]) -> None:
    """Without observers another, shorter way is taken through the code."""
    steps, expected = LIVES["flip"]
    strategy = kind(*steps)
    await tc.run_backtest(strategies={"s0": strategy}, brokers=margin(), instruments=[make_instrument()])
    assert strategy.heard == expected


async def test_the_position_has_an_execution_before_anybody_hears_of_it() -> None:
    """on_order_updated comes first, and the position read there is the new one."""
    strategy = Steps(market(2))
    await run(strategy)
    # ACCEPTED: still flat. FILLED, execution, PositionOpened: 2 held.
    assert strategy.held == [0, 2, 2, 2]


async def test_each_part_of_an_order_is_told_whole() -> None:
    """3 on the ask, then 2 more of a new price level: 5 in two parts, each with its order, execution and position."""
    strategy = Steps(lambda s: s.send(tc.Order.limit("TEST.SIM", 5, "100.01")), sizes=(3, 5, 5))
    await run(strategy)
    assert strategy.heard == [
        "order s0-1 ACCEPTED 0",
        "order s0-1 PARTIALLY_FILLED 3", "execution s0-1 3", "PositionOpened 0 to 3",
        # The ask shows 5 where 3 are consumed: 2 are there for us.
        "order s0-1 FILLED 5", "execution s0-1 2", "PositionIncreased 3 to 5",
    ]  # fmt: skip


async def test_a_rejection_is_an_order_update_alone_with_its_reason() -> None:
    """A cash account cannot sell what it does not hold."""
    reasons: list[str | None] = []

    class Shorts(Steps):
        def on_order_updated(self, update: tc.OrderUpdated) -> None:
            super().on_order_updated(update)
            reasons.append(update.order.reason)

    cash = {"sim": tc.SimulatedBrokerSettings(account="cash", cash={"USD": Decimal(1_000)})}
    strategy = Shorts(market(-1))
    _, told = await run(strategy, brokers=cash)
    assert strategy.heard == told == ["order s0-1 REJECTED 0"]
    assert reasons[0] is not None
    assert "short" in reasons[0]


async def test_an_answer_to_an_update_says_whether_it_took_effect() -> None:
    """The state stays ACCEPTED: without the flag nobody could tell the answers from one another."""
    answers: list[tuple[bool, bool, str | None]] = []

    class Updates(Steps):
        def on_order_updated(self, update: tc.OrderUpdated) -> None:
            answers.append((update.order.updated, update.order.update_rejected, update.order.reason))

    def widen(s: Steps) -> None:
        assert s.last is not None
        s.update_order(s.last, price=91)

    def grow(s: Steps) -> None:
        assert s.last is not None
        s.update_order(s.last, quantity=1_000_000)  # 91 million dollars for an account of one

    await run(Updates(lambda s: s.send(tc.Order.limit("TEST.SIM", 1, 90)), widen, grow))
    assert answers[:2] == [(False, False, None), (True, False, None)]
    assert answers[2][:2] == (False, True)
    assert answers[2][2]


async def test_reports_of_one_instant_come_one_after_the_other_and_each_whole() -> None:
    """Two strategies at two brokers: brokers by name, each report told to the end before the next begins."""
    first, second = Steps(market(1)), Steps(market(-1))
    _, told = await run(
        first, second, brokers={"b": margin()["sim"], "a": margin()["sim"]}, broker_of={"s0": "b", "s1": "a"}
    )
    # Both orders are given in the same turn; broker a's reports come before broker b's.
    assert told == [
        "order s1-1 ACCEPTED 0", "order s1-1 FILLED 1", "execution s1-1 -1", "PositionOpened 0 to -1",
        "order s0-1 ACCEPTED 0", "order s0-1 FILLED 1", "execution s0-1 1", "PositionOpened 0 to 1",
    ]  # fmt: skip
    assert first.heard == told[4:]
    assert second.heard == told[:4]


@pytest.mark.parametrize("policy", ["halt", "isolate"])
async def test_what_happened_is_published_although_the_strategy_raised_on_it(policy: str) -> None:
    """An observer that keeps books would be wrong for ever without it."""

    class Raises(Steps):
        def on_order_updated(self, update: tc.OrderUpdated) -> None:
            if update.order.state is tc.OrderState.FILLED:
                raise RuntimeError("not this one")

    bus, told = tc.MessageBus(), []
    for kind in (tc.OrderUpdated, tc.Execution, tc.PositionChanged):
        bus.subscribe(kind, lambda message: told.append(describe(message)))
    options: dict[str, Any] = {"brokers": margin(), "instruments": [make_instrument()], "on_error": policy, "bus": bus}
    if policy == "halt":
        with pytest.raises(StrategyError):
            await tc.run_backtest(strategies={"s0": Raises(market(1))}, **options)
    else:
        await tc.run_backtest(strategies={"s0": Raises(market(1))}, **options)
    assert told == ["order s0-1 ACCEPTED 0", "order s0-1 FILLED 1", "execution s0-1 1", "PositionOpened 0 to 1"]


# ------------------------------------------------------------------------------------------------------ late executions


@pytest.mark.parametrize("others", [0, 2])
async def test_a_late_execution_is_told_like_any_other_and_the_order_stays_finished(
    others: int, late_broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Venues do it. others: orders that finish meanwhile; after two more the first handle is not kept any more."""
    monkeypatch.setattr("tradecore.strategy.order_desk.FINISHED_KEPT", 1)
    first = tc.Order.limit("TEST.SIM", 2, 90)

    def send_all(s: Steps) -> None:
        s.send(first)
        for _ in range(others):
            s.send(tc.Order.limit("TEST.SIM", 2, 80))

    strategy = Steps(send_all, lambda s: s.cancel_all_orders(), sizes=(10,) * 5)
    _, told = await run(strategy, brokers={"late": late_broker})
    assert strategy.heard == told
    of_first = [line for line in told if line.startswith(("order s0-1", "execution s0-1"))]
    # 1 of 2 executed before the cancel; the venue says so afterwards.
    assert of_first == [
        "order s0-1 ACCEPTED 0", "order s0-1 CANCELLED 0", "order s0-1 CANCELLED 1", "execution s0-1 1"
    ]  # fmt: skip
    assert told[told.index("execution s0-1 1") + 1] == "PositionOpened 0 to 1"
    assert first.state is tc.OrderState.CANCELLED
    assert first.filled_quantity == (0 if others else 1)  # a handle that nobody keeps up to date stays as it was


class RaisesAtItsOrder(tc.Strategy):
    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        raise ValueError("no")


class RaisesAtItsExecution(tc.Strategy):
    def on_execution(self, execution: tc.Execution) -> None:
        raise ValueError("no")


class RaisesAtItsPosition(tc.Strategy):
    async def on_position_changed(self, change: tc.PositionChanged) -> None:
        raise ValueError("no")


class RaisesAtItsOpportunity(tc.Strategy):
    def on_opportunity_changed(self, change: tc.OpportunityChanged) -> None:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("kind", "callback"),
    [
        (RaisesAtItsOrder, "on_order_updated"),
        (RaisesAtItsExecution, "on_execution"),
        (RaisesAtItsPosition, "on_position_changed"),
        (RaisesAtItsOpportunity, "on_opportunity_changed"),
    ],
)
async def test_a_callback_that_raises_at_a_report_is_named(kind: type[tc.Strategy], callback: str) -> None:
    """One report is told to several callbacks; the error says which of them it was."""

    class Raises(kind):  # type: ignore[valid-type,misc]
        def on_start(self) -> None:
            self.add_event_feed(quotes(10, 10, 10), "quotes")

        def on_quote_tick(self, tick: tc.QuoteTick) -> None:
            self.submit_opportunity(tc.Opportunity(tc.Order.market("TEST.SIM", 1)))

    with pytest.raises(StrategyError) as caught:
        await tc.run_backtest(strategies=Raises(), brokers=margin(), instruments=[make_instrument()])
    assert caught.value.callback == callback


async def test_an_observer_that_raises_at_a_report_is_no_callback() -> None:
    def observe(_execution: tc.Execution) -> None:
        raise ValueError("no")

    bus = tc.MessageBus()
    bus.subscribe(tc.Execution, observe)
    with pytest.raises(StrategyError) as caught:
        await tc.run_backtest(strategies=Steps(market(1)), brokers=margin(), instruments=[make_instrument()], bus=bus)
    assert caught.value.callback == "a report"

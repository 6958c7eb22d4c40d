"""Calls of the order API that cannot be meant: each raises an error of ours, at the call, that says what was met.

What a strategy may write by mistake: wrong types, NaN, words for numbers, amounts that nobody can count, orders used
twice, orders of somebody else. Nothing of a refused call is sent, numbered or remembered.    Issue 3, "Bad input".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.errors import (
    EngineStateError,
    InvalidName,
    InvalidOpportunity,
    InvalidOrder,
    InvalidTime,
    OpportunityStateError,
    OrderError,
    TradecoreError,
    UnknownInstrument,
    UnknownOrder,
)
from tradecore.storage.open_storage import make_storage
from tradecore.testing.builders import make_bars, make_instrument

IBM = "IBM.NYSE"
BARS = "IBM.NYSE 1m last"
NAN = float("nan")
make: Any = tc.Order  # called with what its types forbid
Refused = type[TradecoreError]


def limit(quantity: int = 1, price: int = 50) -> tc.Order:
    return tc.Order.limit(IBM, quantity, price)


# ------------------------------------------------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: make(IBM, 1, "LIMIT", price=3),
            InvalidOrder,
            "type of an order for IBM.NYSE is 'LIMIT'; expected one of",
        ),
        (lambda: make(IBM, 1, None), InvalidOrder, "is None; expected one of OrderType.MARKET"),
        (lambda: make(IBM, -1, tc.OrderType.TRAILING_STOP), InvalidOrder, "does not say how it trails"),
        (
            lambda: make(IBM, -1, tc.OrderType.TRAILING_STOP, trailing=(1,)),
            InvalidOrder,
            "use|make trailing stops with",
        ),
        (lambda: make.market(IBM, 1, trailing=5), InvalidOrder, "trailing is 5"),
        (lambda: make.market(IBM, 1, tags="x"), InvalidOrder, "tags of an order for IBM.NYSE are 'x'; expected texts"),
        (lambda: make.market(IBM, 1, tags=[1]), InvalidOrder, "tags"),
        (lambda: make.market(IBM, 1, tags={"a": 5}), InvalidOrder, "tags"),
        (lambda: make.market(None, 1), InvalidName, "instrument id is the NoneType None; expected a text SYMBOL.VENUE"),
        (lambda: make.market(5, 1), InvalidName, "is the int 5"),
        (lambda: make.market([IBM], 1), InvalidName, "is the list"),
        (lambda: make.market("IBM", 1), InvalidName, "'IBM' cannot be read; expected SYMBOL.VENUE"),
        (lambda: make.market(IBM, None), InvalidOrder, "quantity is None"),
        (lambda: make.market(IBM, NAN), InvalidOrder, "finite"),
        (lambda: make.market(IBM, Decimal("sNaN")), InvalidOrder, "finite"),
        (lambda: make.market(IBM, True), InvalidOrder, "quantity is True"),
        (lambda: make.market(IBM, "ten"), InvalidOrder, "quantity is 'ten'; expected a number"),
        (lambda: make.market(IBM, [1]), InvalidOrder, r"quantity is \[1\]"),
        (lambda: make.market(IBM, 0.0), InvalidOrder, "is 0; expected above 0 to buy"),
        (lambda: make.limit(IBM, 1, None), InvalidOrder, "needs a price"),
        (lambda: make.limit(IBM, 1, NAN), InvalidOrder, "price is nan"),
        (lambda: make.market(IBM, 1, price=3), InvalidOrder, "takes no price"),
        (lambda: make.stop(IBM, 1, None), InvalidOrder, "needs a stop_price"),
        (lambda: make.market(IBM, 1, time_in_force="DAY"), InvalidOrder, "expected one of TimeInForce.GTC"),
        (lambda: make.limit(IBM, 1, 3, post_only="yes"), InvalidOrder, "post_only = 'yes'; expected True or False"),
        (lambda: make.market(IBM, 1, reduce_only="no"), InvalidOrder, "reduce_only = 'no'"),
        (
            lambda: make.limit(IBM, 1, 3, time_in_force=tc.TimeInForce.GTD, expire_time="2030"),
            InvalidTime,
            "no datetime",
        ),
        (lambda: make.limit(IBM, 1, 3, expire_time=datetime(2030, 1, 1)), InvalidOrder, "only GTD orders expire"),
        (lambda: make.trailing_stop(IBM, -1, offset=NAN), InvalidOrder, "offset is nan"),
        (lambda: make.trailing_stop(IBM, -1, percent=100), InvalidOrder, "below 100"),
    ],
)
def test_an_order_that_cannot_be_meant_is_not_made(call: Callable[[], Any], error: Refused, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


group: Any = tc.OrderGroup


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: group.oco(limit()), InvalidOrder, "the orders of a group are <Order .*; expected a list of them"),
        (lambda: group.oco(None), InvalidOrder, "the orders of a group are None"),
        (lambda: group.oco([1, 2]), InvalidOrder, "a group is made of orders, got int 1"),
        (lambda: group.oco([]), InvalidOrder, "expected at least two orders"),
        (lambda: group.oto(None, [limit(-1)]), InvalidOrder, "the parent of a group is None; expected an Order"),
        (lambda: group.oto(limit(), limit(-1)), InvalidOrder, "expected a list of them"),
        (lambda: group.oto(limit(), [limit(-1), limit(-1)], link="OCO"), InvalidOrder, "link of a group is OCO"),
        (lambda: group.bracket("x", stop=tc.Order.stop(IBM, -1, 9)), InvalidOrder, "the parent of a group is 'x'"),
        (lambda: group.bracket(limit(), profit=3), InvalidOrder, "a group is made of orders, got int 3"),
        (lambda: group(limit(), [limit(-1)], None, roles=[]), InvalidOrder, "a group of 1 exits has 0 roles"),
        (lambda: make.bracket(IBM, None, stop_price=3), InvalidOrder, "quantity is None"),
        (lambda: tc.Opportunity(group), InvalidOpportunity, "expected an Order, with exits as profit= and stop="),
        (lambda: tc.Opportunity(make.bracket(IBM, 1, stop_price=3)), InvalidOpportunity, "<OrderGroup"),
        (
            lambda: tc.Opportunity(limit(), manage=make(IBM, 1, tc.OrderType.MARKET)),
            InvalidOpportunity,
            "manage is <Order",
        ),
        (lambda: tc.BreakEven(after="x"), InvalidOrder, "after is 'x'"),
    ],
)
def test_a_group_that_cannot_be_meant_is_not_made(call: Callable[[], Any], error: Refused, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


# -------------------------------------------------------------------------------------------------------------- calls


class Hostile(tc.Strategy):
    """At the second bar it does what it is told, and keeps what was raised."""

    def __init__(self, act: Callable[[Any], Any]) -> None:
        self.act, self.count = act, 0
        self.raised: Exception | None = None
        self.other: tc.Order | None = None

    def on_start(self) -> None:
        self.subscribe_to_bars(BARS)

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        if self.count == 2:
            try:
                self.act(self)
            except Exception as error:
                self.raised = error


async def run(**strategies: tc.Strategy) -> Any:
    storage = make_storage("memory:")
    await storage.connect()
    await storage.add_instruments([make_instrument(IBM)])
    await storage.append(make_bars([100.0] * 6, bar_type=BARS))
    broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})
    return await tc.run_backtest(strategies=strategies, storage=storage, brokers={"sim": broker})


def update(**words: Any) -> Callable[[Any], None]:
    """A working order of 2 at 50, updated so."""

    def act(strategy: Any) -> None:
        strategy.update_order(strategy.submit_order(limit(2)), **words)

    return act


def move(price: Any) -> Callable[[Any], None]:
    def act(strategy: Any) -> None:
        trade = tc.Opportunity(limit(), stop=tc.Order.stop(IBM, -1, 40))
        strategy.submit_opportunity(trade).move_stop(price)

    return act


def twice(call: str, thing: Callable[[], Any]) -> Callable[[Any], None]:
    def act(strategy: Any) -> None:
        given = thing()
        getattr(strategy, call)(given)
        getattr(strategy, call)(given)

    return act


def lend_a_leg(strategy: Any) -> None:
    bracket = tc.Order.bracket(IBM, 1, price=50, stop_price=40)
    strategy.submit_group(bracket)
    strategy.submit_order(bracket.exits[0])


def lend_an_order(strategy: Any) -> None:
    first, second = limit(), limit(1, 51)
    strategy.submit_group(tc.OrderGroup.oco([first, second]))
    strategy.submit_group(tc.OrderGroup.oco([first, second]))


def keep_for_later(strategy: Any) -> None:
    strategy.cancel_group(tc.Order.bracket(IBM, 1, price=50, stop_price=40))


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda s: s.submit_order(None), InvalidOrder, "submit_order takes an Order, got NoneType"),
        (lambda s: s.submit_order(tc.Order), InvalidOrder, "takes an Order, got type"),
        (lambda s: s.submit_order([limit()]), InvalidOrder, "takes an Order, got list"),
        (
            lambda s: s.submit_order(tc.Order.bracket(IBM, 1, stop_price=3)),
            InvalidOrder,
            "for an OrderGroup there is submit_group",
        ),
        (
            lambda s: s.submit_order(tc.Order.market("X.Y", 1)),
            UnknownInstrument,
            "'X.Y' is not defined; defined: IBM.NYSE",
        ),
        (lambda s: s.submit_order(limit(), "nope"), OrderError, "broker 'nope' is not defined; defined: sim"),
        (lambda s: s.submit_order(limit(), ["sim"]), OrderError, r"broker \['sim'\] is not defined"),
        (
            lambda s: s.submit_order(tc.Order.market(IBM, 10**40)),
            InvalidOrder,
            "so many increments cannot be counted exactly",
        ),
        (lambda s: s.submit_order(tc.Order.market(IBM, 1e308)), InvalidOrder, "cannot be counted exactly"),
        (lambda s: s.submit_order(tc.Order.limit(IBM, 1, 1e300)), InvalidOrder, "cannot be counted exactly"),
        (lambda s: s.submit_order(tc.Order.stop(IBM, -1, Decimal("1e300"))), InvalidOrder, "cannot be counted exactly"),
        (lambda s: s.submit_order(tc.Order.market(IBM, 1e-300)), InvalidOrder, "less than one quantity_increment"),
        (twice("submit_order", limit), OrderError, "was submitted before and is SUBMITTED; make a new Order"),
        (
            twice("submit_group", lambda: tc.Order.bracket(IBM, 1, price=50, stop_price=40)),
            OrderError,
            "make a new OrderGroup",
        ),
        (twice("submit_opportunity", lambda: tc.Opportunity(limit())), OpportunityStateError, "make a new Opportunity"),
        (lend_a_leg, OrderError, "order Hostile-2 was submitted before and is INITIALIZED"),
        (lend_an_order, InvalidOrder, "was submitted before"),
        (keep_for_later, UnknownOrder, r"group \(not submitted\) is not open"),
        (lambda s: s.submit_group(limit()), InvalidOrder, "for an Order there is submit_order"),
        (lambda s: s.submit_opportunity(limit()), InvalidOrder, "takes an Opportunity"),
        (lambda s: s.cancel_order("Hostile-1"), InvalidOrder, "cancel_order takes an Order, got str"),
        (lambda s: s.cancel_order(limit()), UnknownOrder, "was not submitted by this strategy"),
        (lambda s: s.cancel_all_orders("UNKNOWN.X"), UnknownInstrument, "'UNKNOWN.X' is not defined"),
        (lambda s: s.cancel_all_orders(limit()), UnknownInstrument, "is not defined"),
        (lambda s: s.cancel_all_orders([IBM]), UnknownInstrument, "is not defined"),
        (lambda s: s.orders("UNKNOWN.X"), UnknownInstrument, "'UNKNOWN.X' is not defined"),
        (lambda s: s.orders([IBM]), UnknownInstrument, "is not defined"),
        (lambda s: s.orders(IBM, "nope"), OrderError, "broker 'nope' is not defined"),
        (lambda s: s.position("UNKNOWN.X"), UnknownInstrument, "'UNKNOWN.X' is not defined"),
        (lambda s: s.position([IBM]), UnknownInstrument, "is not defined"),
        (lambda s: s.position(IBM, "nope"), OrderError, "broker 'nope' is not defined"),
        (lambda s: s.account(["sim"]), OrderError, "is not defined; defined: sim"),
        (lambda s: s.instrument([1]), UnknownInstrument, "is not defined"),
        (lambda s: s.opportunities.find(None), InvalidOpportunity, "find takes an id, an Order or an Execution"),
        (update(), InvalidOrder, "changes nothing; give quantity, price or stop_price"),
        (update(quantity=NAN), InvalidOrder, "nan; expected a finite number"),
        (update(price=[1]), InvalidOrder, r"is \[1\]"),
        (update(quantity=-5), InvalidOrder, "expected the total wanted, above 0"),
        (update(quantity=True), InvalidOrder, "is True"),
        (update(quantity=Decimal("1e400")), InvalidOrder, "cannot be counted exactly"),
        (update(stop_price=5), InvalidOrder, "is a LIMIT order and has no stop_price"),
        (lambda s: s.update_order(limit(), quantity=1), UnknownOrder, "was not submitted by this strategy"),
        (move(NAN), InvalidOrder, "nan"),
        (move("x"), InvalidOrder, "'x'"),
        (lambda s: tc.Opportunity(limit()).close(), OpportunityStateError, "was not submitted"),
        (
            lambda s: s.submit_opportunity(tc.Opportunity(limit())).close(5),
            InvalidOpportunity,
            "detail of a close is 5",
        ),
    ],
)
async def test_a_call_that_cannot_be_meant_raises_and_the_run_goes_on(
    act: Callable[[Any], Any], error: Refused, words: str
) -> None:
    strategy = Hostile(act)
    result = await run(Hostile=strategy)
    assert (result.status, strategy.count) == ("complete", 6)
    assert type(strategy.raised) is error
    assert re.search(words, str(strategy.raised))


async def test_a_refused_order_takes_no_number() -> None:
    """The first order that is taken is the first of its strategy."""

    def act(strategy: Any) -> None:
        with pytest.raises(InvalidOrder):
            strategy.submit_order(tc.Order.market(IBM, 10**40))
        with pytest.raises(OrderError):
            strategy.submit_group(tc.Order.bracket(IBM, 1, price=50, stop_price=40), "nope")
        strategy.first = strategy.submit_order(limit())

    strategy: Any = Hostile(act)
    await run(Hostile=strategy)
    assert strategy.raised is None
    assert strategy.first.order_id == "Hostile-1"


async def test_an_order_of_another_strategy_is_not_ones_own() -> None:
    """Nor can it be submitted again; its owner's goes on."""
    heard: list[str] = []

    def act(strategy: Any) -> None:
        order = owner.other
        for call in (strategy.cancel_order, strategy.submit_order, lambda it: strategy.update_order(it, quantity=3)):
            with pytest.raises(OrderError) as caught:
                call(order)
            heard.append(str(caught.value))

    def lend(strategy: Any) -> None:
        strategy.other = strategy.submit_order(limit())

    owner: Any = Hostile(lend)
    thief = Hostile(act)
    await run(a_owner=owner, b_thief=thief)
    assert thief.raised is None
    assert "cancel_order: order a_owner-1 was not submitted by this strategy" in heard[0]
    assert "order a_owner-1 was submitted before" in heard[1]
    assert "update_order: order a_owner-1 was not submitted by this strategy" in heard[2]
    assert owner.other.state.name == "ACCEPTED"


class Late(tc.Strategy):
    """Uses its order again once it is executed."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.done: tc.Order | None = None

    def on_start(self) -> None:
        self.subscribe_to_bars(BARS)

    def on_bar(self, bar: tc.Bar) -> None:
        if self.done is None:
            self.done = self.submit_order(tc.Order.market(IBM, 1))

    def on_execution(self, execution: tc.Execution) -> None:
        assert self.done is not None
        calls: list[Any] = [self.submit_order, self.cancel_order, lambda it: self.update_order(it, quantity=2)]
        for call in calls:
            with pytest.raises(OrderError) as caught:
                call(self.done)
            self.heard.append(str(caught.value))


async def test_an_order_that_is_finished_cannot_be_used_again() -> None:
    strategy = Late()
    await run(Hostile=strategy)
    assert strategy.heard == [
        "order Hostile-1 was submitted before and is FILLED; make a new Order",
        "cancel_order: order Hostile-1 is FILLED; only an open order will do",
        "update_order: order Hostile-1 is FILLED; only an open order will do",
    ]


def test_a_strategy_that_runs_nowhere_says_so() -> None:
    with pytest.raises(EngineStateError):
        Hostile(lambda _: None).submit_order(limit())

"""Groups of orders (EXECUTION 8), by hand: OTO, OCO, OUO and brackets, held by us and by the venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.order import Order, OrderSnapshot, TimeInForce
from tradecore.domain.order_events import GroupClosing
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import Contingency, OrderRole
from tradecore.errors import InvalidOrder, OrderError, UnknownOrder
from tradecore.testing.builders import make_bar, make_ns, make_quote_tick
from tradecore.testing.order_stage import OrderStage

ID = "TEST.SIM"
QUOTES = f"quote_tick {ID}"
BARS = f"bar {ID} 1m last"
both = pytest.mark.parametrize("contingency", ["client", "venue"])


def at(second: float) -> int:
    return make_ns("2024-01-01T10:00") + int(second * 1_000_000_000)


def quote(second: float, bid: float, size: int = 1_000) -> Any:
    """A bid, and an ask one cent above it, of this size."""
    return make_quote_tick(at(second), bid, round(bid + 0.01, 2), bid_size=size, ask_size=size, instrument=ID)


def make_stage(contingency: str = "client", source: str = QUOTES, **settings: Any) -> OrderStage:
    stage = OrderStage(source, contingency=contingency, **settings)
    if source == QUOTES:
        stage.play(quote(0, 100.00))
    return stage


def delayed(ms: float = 500) -> Latency:
    law = ConstantDelay(ms=ms)
    return Latency(submit=law, cancel=law, update=law, report=law)


def make_bracket(**words: Any) -> OrderGroup:
    """Buy 10 at 99.99; take the profit at 101, end the loss at 99."""
    return Order.bracket(ID, 10, **{"price": "99.99", "profit_price": 101, "stop_price": 99, **words})


def states(group: OrderGroup) -> list[str]:
    return [order.state.name for order in group.orders]


def show(*orders: Order) -> list[str]:
    return [f"{order.state.name} {order.filled_quantity}/{order.quantity}" for order in orders]


def held(stage: OrderStage) -> int:
    return int(stage.desk.position(ID, None).quantity)


# ------------------------------------------------------------------------------------------------------------ bracket


@both
def test_exits_follow_what_the_entry_has_executed(contingency: str) -> None:
    """4 of the entry, then 3 more, then 5 of the target: 7 - 5 = 2 are left, and both exits have them."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4), quote(2, 99.97, 3), quote(3, 101, 5))
    assert stage.list_story() == [
        "s-1 ACCEPTED 0/10",
        "s-1 PARTIALLY_FILLED 4/10", "s-2 ACCEPTED 0/4", "s-3 ACCEPTED 0/4",
        "s-1 PARTIALLY_FILLED 7/10", "s-2 ACCEPTED 0/7", "s-3 ACCEPTED 0/7",
        "s-2 PARTIALLY_FILLED 5/7", "s-3 ACCEPTED 0/2",
    ]  # fmt: skip
    assert [order.remaining_quantity for order in group.exits] == [2, 2]
    assert held(stage) == 2


@both
def test_exits_that_flatten_cancel_the_rest_of_the_entry(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4), quote(2, 98.9, 4))  # 4 in; the stop is met: 4 out
    assert states(group) == ["CANCELLED", "CANCELLED", "FILLED"]
    assert held(stage) == 0
    assert (group.is_finished, group.problem) == (True, None)


@both
def test_children_of_an_entry_that_ended_unexecuted_never_existed(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.cancel(group.orders[0])
    assert states(group) == ["CANCELLED"] * 3
    assert group.exits[0].reason == "its parent s-1 ended unexecuted"
    shown = [line for line in stage.lines if line.order_id == "s-2"]
    assert [(line.state, line.terms.parent_id) for line in shown] == [(OrderState.CANCELLED, "s-1")]


@both
def test_an_entry_cancelled_in_part_leaves_exits_of_that_part(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4))
    stage.cancel(group.orders[0])
    assert show(*group.exits) == ["ACCEPTED 0/4", "ACCEPTED 0/4"]


@both
def test_an_immediate_entry_has_exits_of_what_it_got(contingency: str) -> None:
    """IOC for 10, 6 are there."""
    stage = OrderStage(QUOTES, contingency=contingency)
    stage.play(quote(0, 100, 6))
    group = stage.submit_group(make_bracket(price="100.01", time_in_force=TimeInForce.IOC))
    assert show(*group.orders) == ["CANCELLED 6/10", "ACCEPTED 0/6", "ACCEPTED 0/6"]


@both
def test_a_refused_entry_takes_its_children_with_it(contingency: str) -> None:
    """A cash account of 100 dollars cannot pay 10 at 99.99."""
    stage = make_stage(contingency, account="cash", cash={"USD": Decimal(100)})
    group = stage.submit_group(make_bracket())
    assert states(group) == ["REJECTED", "CANCELLED", "CANCELLED"]
    assert "needs" in str(group.orders[0].reason)


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ({"stop_price": "100.00", "profit_price": 101}, "stop s-3 at 100.00"),  # triggers at the bid that stands
        ({"stop_price": "100.50", "profit_price": 101}, "stop s-3 at 100.50"),
        ({"stop_price": 99, "profit_price": "100.00"}, "profit s-2 at 100.00"),  # the bid would take it
        ({"price": "100.60", "stop_price": "100.50"}, "stop s-2 at 100.50"),  # a limit that takes 100.01
        ({"entry_stop_price": 99, "stop_price": "98", "profit_price": "99.50"}, "profit s-2 at 99.50"),
    ],
)
@both
def test_a_bracket_that_would_leave_at_once_is_refused_whole(
    contingency: str, words: dict[str, Any], culprit: str
) -> None:
    """Bid 100.00, ask 100.01: the entry takes, and an exit is passed already. Nothing executes, nothing is closed."""
    stage = make_stage(contingency)
    group = stage.submit_group(Order.bracket(ID, 10, **words))
    entry, *exits = group.orders
    side = "below" if "stop" in culprit else "above"
    assert entry.state is OrderState.REJECTED
    assert entry.reason == (
        f"its {culprit} is on the wrong side of the market, which stands at 100.0: it must lie {side}, or it would "
        "leave at once"
    )
    assert {order.state for order in exits} == {OrderState.CANCELLED}
    assert (stage.executions, group.closing, group.is_finished) == ([], (), True)


@pytest.mark.parametrize("words", [{"profit_price": "100.01", "stop_price": 101}, {"stop_price": "100.01"}])
@both
def test_the_same_of_a_bracket_that_sells(contingency: str, words: dict[str, Any]) -> None:
    """Its exits buy at the ask of 100.01."""
    stage = make_stage(contingency)
    group = stage.submit_group(Order.bracket(ID, -10, **words))
    assert group.orders[0].state is OrderState.REJECTED
    assert stage.executions == []


@pytest.mark.parametrize(
    "words",
    [
        {"stop_price": "99.99", "profit_price": "100.01"},  # a cent on either side of the bid
        {"price": "99.50", "stop_price": "99.40", "profit_price": "99.60"},  # it rests: what comes is not known
        {"entry_stop_price": "100.50", "stop_price": "100.40", "profit_price": "100.60"},
    ],
)
@both
def test_a_bracket_whose_exits_lie_right_or_whose_entry_waits_is_accepted(
    contingency: str, words: dict[str, Any]
) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(Order.bracket(ID, 10, **words))
    assert group.orders[0].state in (OrderState.ACCEPTED, OrderState.FILLED)
    assert group.problem is None


@both
def test_on_bars_the_last_close_is_the_market(contingency: str) -> None:
    """It closed at 100: a stop at 101 under a purchase at the next open would sell in the same bar."""
    stage = make_stage(contingency, BARS)
    stage.play(make_bar("2024-01-01T10:01", 100, bar_type=BARS.partition(" ")[2]))
    refused = stage.submit_group(Order.bracket(ID, 10, stop_price=101))
    taken = stage.submit_group(Order.bracket(ID, 10, stop_price=99))
    assert (refused.orders[0].state, taken.orders[0].state) == (OrderState.REJECTED, OrderState.ACCEPTED)


def test_the_market_is_looked_at_when_the_entry_arrives() -> None:
    """Right when it was given at second 0, wrong when it comes at 0.5: the bid is 98 by then."""
    stage = make_stage(latency=delayed())
    group = stage.submit_group(Order.bracket(ID, 10, stop_price=99))
    stage.play(quote(0.3, 98))
    stage.advance(at(2))
    assert group.orders[0].state is OrderState.REJECTED
    assert "which stands at 98.0" in (group.orders[0].reason or "")


@both
def test_both_exits_fit_into_a_cash_account(contingency: str) -> None:
    """Two sales of 10 while 10 are held: only one can be had, so only one is counted."""
    stage = make_stage(contingency, account="cash")
    group = stage.submit_group(make_bracket(price="100.01"))
    assert states(group) == ["FILLED", "ACCEPTED", "ACCEPTED"]
    stage.play(quote(1, 101))
    assert states(group) == ["FILLED", "FILLED", "CANCELLED"]
    assert held(stage) == 0


@both
def test_a_refused_exit_takes_the_whole_bracket_back(contingency: str) -> None:
    """The market falls through entry and stop at once, and the venue refuses stops that are through.

    Half a group would be a position without its stop: what the entry executed is sold, and the target is cancelled.
    """
    stage = make_stage(contingency, latency=delayed(), stop_through="reject")
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 98.5), quote(5, 98.5))
    stage.advance(at(9))
    assert [order.state.name for order in group.exits] == ["CANCELLED", "REJECTED"]
    (closing,) = group.closing
    assert (closing.side.name, closing.terms.role, *show(closing)) == ("SELL", OrderRole.CLOSE, "FILLED 10/10")
    assert held(stage) == 0
    assert "was refused" in str(group.problem)


def test_client_children_are_sent_when_the_first_execution_is_reported() -> None:
    """Half a second each way: decided 0, at the venue 0.5, reported 1.0, children at the venue 1.5."""
    stage = make_stage(latency=delayed())
    group = stage.submit_group(make_bracket(price="100.01"))
    stage.play(quote(0.2, 100.00))
    stage.advance(at(0.999))
    assert group.exits[0].state is OrderState.INITIALIZED
    stage.advance(at(3))
    times = {line.order_id: line.ts_event for line in stage.lines if line.state is OrderState.ACCEPTED}
    assert times == {"s-1": at(0.5), "s-2": at(1.5), "s-3": at(1.5)}
    assert group.exits[0].ts_decided == at(1)


def test_venue_children_exist_from_the_execution_on() -> None:
    stage = make_stage("venue", latency=delayed())
    stage.submit_group(make_bracket(price="100.01"))
    stage.advance(at(3))
    times = {line.order_id: line.ts_event for line in stage.lines if line.state is OrderState.ACCEPTED}
    assert times == {"s-1": at(0.5), "s-2": at(0.5), "s-3": at(0.5)}


@both
def test_in_one_bar_the_stop_comes_before_the_target(contingency: str) -> None:
    """A bar from 99 to 102 spans both exits: the worst is assumed, whichever way it went."""
    stage = OrderStage(BARS, contingency=contingency)
    bars = [make_bar(at(60 * n), 100, volume=1_000, bar_type="TEST.SIM 1m last") for n in (1, 2)]
    stage.play(bars[0])
    group = stage.submit_group(make_bracket(price=None))
    stage.play(bars[1])
    stage.play(make_bar(at(180), 101, open=100, high=102, low=98.5, volume=1_000, bar_type="TEST.SIM 1m last"))
    assert states(group) == ["FILLED", "CANCELLED", "FILLED"]
    assert stage.list_executed(group.exits[1]) == [("10", "99")]


def test_venue_children_join_the_bar_of_their_entry() -> None:
    """The entry takes the open at 100; the same bar falls to 98.5: a stop that the venue held is met in it.

    Ours would be sent at the bar's end only: it cannot be in that bar.
    """
    for contingency, executed in (("venue", [("10", "99")]), ("client", [])):
        stage = OrderStage(BARS, contingency=contingency)
        stage.play(make_bar(at(60), 100, volume=1_000, bar_type="TEST.SIM 1m last"))
        group = stage.submit_group(make_bracket(price=None))
        stage.play(make_bar(at(120), 99.5, open=100, high=100.5, low=98.5, volume=1_000, bar_type="TEST.SIM 1m last"))
        assert group.stop is not None
        assert stage.list_executed(group.stop) == executed


# ------------------------------------------------------------------------------------------------------------ OCO, OUO


def make_pair(quantity: int = 10) -> list[Order]:
    """Sell 10 at 101 or better, or when the market falls to 99."""
    return [Order.limit(ID, -quantity, 101), Order.stop(ID, -quantity, 99)]


@both
def test_a_part_of_one_cancels_the_other(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(OrderGroup.oco(make_pair()))
    stage.play(quote(1, 101, 3))
    assert show(*group.orders) == ["PARTIALLY_FILLED 3/10", "CANCELLED 0/10"]
    assert [order.terms.contingency for order in group.orders] == [Contingency.OCO] * 2


@both
def test_each_execution_of_an_ouo_reduces_the_other_by_as_much(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(OrderGroup.ouo(make_pair()))
    stage.play(quote(1, 101, 3), quote(2, 101.2, 4))
    assert [order.remaining_quantity for order in group.orders] == [3, 3]
    stage.play(quote(3, 98.9))
    assert show(*group.orders) == ["CANCELLED 7/10", "FILLED 3/3"]


@both
def test_a_refused_leg_refuses_the_pair(contingency: str) -> None:
    """A stop that is through already, where the venue refuses such: the limit must not stand alone."""
    stage = make_stage(contingency, stop_through="reject")
    group = stage.submit_group(OrderGroup.oco([Order.limit(ID, -10, 101), Order.stop(ID, -10, 105)]))
    assert {order.state for order in group.orders} <= {OrderState.REJECTED, OrderState.CANCELLED}
    assert group.orders[1].state is OrderState.REJECTED
    assert held(stage) == 0


def test_what_both_legs_executed_while_the_cancel_was_on_its_way_is_closed() -> None:
    """101 at second 1 is reported at 1.5, the cancel arrives at 2.0; at 1.7 the market is at 98.9, and the stop sells.

    20 were sold where 10 should have been: 10 are bought back, and the group says so.
    """
    stage = make_stage(latency=delayed())
    told: list[GroupClosing] = []
    stage.bus.subscribe(GroupClosing, told.append)
    group = stage.submit_group(OrderGroup.oco(make_pair()))
    stage.play(quote(0.6, 100), quote(1, 101), quote(1.7, 98.9))
    stage.advance(at(9))
    assert [order.filled_quantity for order in group.orders] == [10, 10, 10]
    (closing,) = group.closing
    assert closing.side.name == "BUY"
    assert held(stage) == -10
    assert group.problem == "more executed than it should: 10 are closed"
    # The stop's execution at 1.7 is heard at 2.2, and answered there.
    reason = "more executed than it should: 10 are closed"
    assert told == [GroupClosing("s", "sim", "s-g1", closing.order_id, ID, Decimal(10), reason, at(2.2))]


@both
def test_what_a_sibling_did_is_the_reason_of_the_other(contingency: str) -> None:
    """On the handle and on the line of the record, in the words of a person."""
    stage = make_stage(contingency)
    bracket = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 10), quote(2, 101.5))
    assert states(bracket) == ["FILLED", "FILLED", "CANCELLED"]
    assert bracket.exits[1].reason == "its sibling s-2 executed"
    pair = stage.submit_group(OrderGroup.oco(make_pair()))
    stage.play(quote(3, 98.9))
    cancelled = next(order for order in pair.exits if order.state is OrderState.CANCELLED)
    done = next(order for order in pair.exits if order is not cancelled)
    assert cancelled.reason == f"its sibling {done.order_id} executed"
    ends = [line for line in stage.lines if line.state is OrderState.CANCELLED]
    assert [line.reason for line in ends] == [bracket.exits[1].reason, cancelled.reason]


@both
def test_an_entry_that_goes_with_its_exits_says_so(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4), quote(2, 101.5, 4))  # 4 in, 4 out with a gain
    assert group.orders[0].reason == "its exits have left what it had executed"


def test_a_cancel_of_the_strategy_itself_has_no_reason() -> None:
    stage = make_stage()
    order = stage.submit(Order.limit(ID, 1, 90))
    stage.cancel(order)
    assert (order.state, order.reason) == (OrderState.CANCELLED, None)


def test_a_reason_waits_for_the_end_of_a_cancel_on_its_way() -> None:
    """A cancel that comes too late leaves no reason of its siblings on an order that executed."""
    stage = make_stage(latency=delayed())
    group = stage.submit_group(OrderGroup.oco(make_pair()))
    stage.play(quote(0.6, 100), quote(1, 101), quote(1.7, 98.9))
    stage.advance(at(9))
    reasons = [line.reason for line in stage.lines if line.order_id == group.orders[1].order_id]
    assert reasons[-1] == "cannot cancel: the order is FILLED"
    assert set(reasons[:-1]) == {None}


# ------------------------------------------------------------------------------------------------- cancels and updates


@both
def test_cancelling_a_group_ends_all_of_it(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.cancel_group(group)
    assert states(group) == ["CANCELLED"] * 3
    with pytest.raises(UnknownOrder, match="not open"):
        stage.cancel_group(group)


@both
def test_a_child_can_be_moved_before_it_exists(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    assert group.stop is not None
    stage.update(group.stop, stop_price="99.5")
    stage.play(quote(1, 99.98, 4), quote(2, 99.4))
    assert stage.list_executed(group.stop) == [("4", "99.4")]


@both
def test_an_exit_can_be_made_smaller_and_not_larger_than_its_entry(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket(price="100.01"))
    profit, stop = group.exits
    stage.update(profit, quantity=4)
    assert [profit.quantity, stop.quantity] == [4, 10]
    stage.play(quote(1, 101))
    assert [profit.filled_quantity, stop.remaining_quantity] == [4, 6]
    with pytest.raises(InvalidOrder, match="exits may not be larger"):
        stage.update(stop, quantity=11)


@both
def test_a_child_that_its_strategy_cancels_leaves_the_other(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket(price="100.01"))
    stage.cancel(group.exits[0])
    stage.play(quote(1, 98.9))
    assert states(group) == ["FILLED", "CANCELLED", "FILLED"]


def test_orders_of_a_group_are_recorded_with_it() -> None:
    stage = make_stage()
    group = stage.submit_group(make_bracket(price="100.01"))
    last: dict[str, OrderSnapshot] = {line.order_id: line for line in stage.lines}
    shown = [(t.group_id, t.contingency, t.role, t.parent_id) for t in (line.terms for line in last.values())]
    assert shown == [
        ("s-g1", Contingency.OTO, OrderRole.ENTRY, None),
        ("s-g1", Contingency.OUO, OrderRole.PROFIT, "s-1"),
        ("s-g1", Contingency.OUO, OrderRole.STOP, "s-1"),
    ]
    assert group.id == "s-g1"


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: make_bracket(stop_price=100), "the stop must lie below the entry"),
        (lambda: make_bracket(profit_price="99.5"), "the entry must lie below the profit"),
        (lambda: Order.bracket(ID, -10, price=100, stop_price=99), "the stop must lie above the entry"),
        (lambda: Order.bracket(ID, 10, profit_price=99, stop_price=100), "the stop must lie below the profit"),
        (lambda: Order.bracket(ID, 10, price=100), "at least one child"),
        (lambda: Order.bracket(ID, 10, price=100, profit_price=101, stop_limit_price=98), "give both or neither"),
        (lambda: OrderGroup.oco([Order.limit(ID, 1, 100)]), "at least two orders"),
        (lambda: OrderGroup.oco([Order.limit(ID, 1, 100), Order.limit("B.SIM", 1, 100)]), "one instrument"),
        (lambda: OrderGroup.oco([Order.market(ID, 1)] * 2), "stands twice"),
        (lambda: OrderGroup.ouo([Order.limit(ID, 1, 99), Order.limit(ID, -1, 101)]), "of one side"),
        (lambda: OrderGroup.oto(Order.market(ID, 1), [Order.limit(ID, -2, 101)]), "larger than its parent"),
        (lambda: OrderGroup.oto(Order.market(ID, 2), [Order.limit(ID, -2, 101), Order.stop(ID, -1, 99)]), "could flip"),
        (
            lambda: OrderGroup.oco([Order.limit(ID, 1, 99, time_in_force=TimeInForce.IOC), Order.limit(ID, 1, 98)]),
            "could not grow or wait",
        ),
        (lambda: OrderGroup.bracket(Order.market(ID, 2), stop=Order.stop(ID, -1, 99)), "must SELL 2"),
    ],
)
def test_a_group_that_makes_no_sense_raises_where_it_is_made(make: Any, words: str) -> None:
    with pytest.raises(InvalidOrder, match=words):
        make()


@both
def test_a_wrong_leg_lets_nothing_of_a_group_be_submitted(contingency: str) -> None:
    """99.005 is off the grid of cents: the call raises, and no order has an id."""
    stage = make_stage(contingency)
    group = Order.bracket(ID, 10, price="99.99", profit_price=101, stop_price="99.005")
    with pytest.raises(InvalidOrder):
        stage.submit_group(group)
    assert [order.order_id for order in group.orders] == ["", "", ""]
    assert (stage.lines, group.is_submitted, stage.desk.order_count) == ([], False, 0)


def test_a_group_is_submitted_once_and_not_by_who_was_stopped() -> None:
    stage = make_stage()
    group = stage.submit_group(make_bracket())
    with pytest.raises(OrderError, match="submitted before"):
        stage.submit_group(group)
    with pytest.raises(OrderError, match="submitted before"):
        stage.submit(group.exits[0])
    stage.desk.close()
    assert group.exits[0].state is OrderState.CANCELLED
    for call in (lambda: stage.submit_group(make_bracket()), lambda: stage.submit(Order.market(ID, 1))):
        with pytest.raises(OrderError, match="has been stopped"):
            call()


@both
def test_what_cannot_be_updated_or_cancelled_says_why(contingency: str) -> None:
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket(price="100.01"))
    entry, profit, _ = group.orders
    assert entry.is_finished
    with pytest.raises(UnknownOrder, match="FILLED"):
        stage.cancel(entry)
    with pytest.raises(UnknownOrder, match="FILLED"):
        stage.update(entry, price=100)
    with pytest.raises(UnknownOrder, match="not submitted"):
        stage.cancel(Order.market(ID, 1))
    calls: list[dict[str, Any]] = [{}, {"stop_price": 1}, {"quantity": 0}, {"price": "101.001"}]
    for changes in calls:
        with pytest.raises(InvalidOrder):
            stage.update(profit, **changes)
        assert not profit.pending_update
    stage.play(quote(1, 101, 4))
    with pytest.raises(InvalidOrder, match="4 are executed"):
        stage.update(profit, quantity=3)
    assert show(profit) == ["PARTIALLY_FILLED 4/10"]

"""Groups of orders across a split (EXECUTION 8, 9), by hand: held by us and by the venue, with and without latency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.order import Order
from tradecore.domain.order_group import OrderGroup
from tradecore.testing.builders import make_ns, make_quote_tick
from tradecore.testing.order_stage import OrderStage

ID = "TEST.SIM"
both = pytest.mark.parametrize("contingency", ["client", "venue"])


def at(second: float) -> int:
    return make_ns("2024-01-01T10:00") + int(second * 1_000_000_000)


def quote(second: float, bid: float, size: int = 1_000) -> Any:
    """A bid, and an ask one cent above it, of this size."""
    return make_quote_tick(at(second), bid, round(bid + 0.01, 2), bid_size=size, ask_size=size, instrument=ID)


def split(second: float, ratio: str) -> AccountAdjustment:
    return AccountAdjustment(AdjustmentKind.SPLIT, ID, at(second), at(second), Decimal(ratio))


def make_stage(contingency: str, **settings: Any) -> OrderStage:
    stage = OrderStage(f"quote_tick {ID}", contingency=contingency, **settings)
    stage.play(quote(0, 100.00))
    return stage


def make_bracket(quantity: int = 10, price: str | None = "99.99") -> OrderGroup:
    """Buy; take the profit at 101, end the loss at 99."""
    return Order.bracket(ID, quantity, price=price, profit_price=101, stop_price=99)


def show(*orders: Order) -> list[str]:
    """State, executed of total, and where it works: "ACCEPTED 0/20 @49.50"."""
    shown = []
    for order in orders:
        level = order.stop_price if order.price is None else order.price
        shown.append(f"{order.state.name} {order.filled_quantity:f}/{order.quantity:f} @{level}")
    return shown


def held(stage: OrderStage) -> int:
    return int(stage.desk.position(ID, None).quantity)


def assert_same_as_venue(stage: OrderStage) -> None:
    """What the strategy knows of open orders is what the venue has, once everything was told."""
    for there in stage.broker.get_orders():
        known = stage.handles[there.order_id]
        assert (known.quantity, known.filled_quantity) == (there.quantity, there.filled_quantity)
        assert (known.price, known.stop_price) == (there.price, there.stop_price)


# --------------------------------------------------------------------------------------------------------- brackets


@both
def test_a_bracket_that_waits_is_converted_whole(contingency: str) -> None:
    """2:1. Buy 10 at 99.99 is buy 20 at 49.99 (down, against it); 101 is 50.50, 99 is 49.50."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(split(1, "2"))
    assert show(*group.orders)[0] == "ACCEPTED 0/20 @49.99"
    stage.play(quote(2, 49.98))
    assert show(*group.orders) == ["FILLED 20/20 @49.99", "ACCEPTED 0/20 @50.50", "ACCEPTED 0/20 @49.50"]
    stage.play(quote(3, 49.50))
    assert stage.list_executed(group.exits[1]) == [("20", "49.5")]
    assert [order.state.name for order in group.orders] == ["FILLED", "CANCELLED", "FILLED"]
    assert (held(stage), group.problem) == (0, None)


@both
def test_a_bracket_whose_entry_executed_partly_keeps_its_exits(contingency: str) -> None:
    """4 of 10, then 2:1: 8 are held, 12 of the entry are left, so its total is 16. Then all of it: 20 are held."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4), split(2, "2"))
    assert show(*group.orders) == ["PARTIALLY_FILLED 4/16 @49.99", "ACCEPTED 0/8 @50.50", "ACCEPTED 0/8 @49.50"]
    stage.play(quote(3, 49.98, 7))
    assert [order.quantity for order in group.exits] == [15, 15]  # 8 + 7
    stage.play(quote(4, 49.97))
    assert show(*group.orders) == ["FILLED 16/16 @49.99", "ACCEPTED 0/20 @50.50", "ACCEPTED 0/20 @49.50"]
    stage.play(quote(5, 50.50, 15))
    assert show(*group.exits) == ["PARTIALLY_FILLED 15/20 @50.50", "ACCEPTED 0/5 @49.50"]
    stage.play(quote(6, 49.40))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)


@both
def test_exits_that_executed_partly_go_on_together_with_a_remainder(contingency: str) -> None:
    """3:2. 5 of 10 came in, 1 went out at the target: 4 are held, 6 after it. The entry's 5 left are 7.5, so 7, and
    its total 12; the target's total is 1 + 6, the stop's 6. 101 / 1.5 is 67.34 (up), 99 / 1.5 is 66.
    """
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 5), quote(2, 101, 1), split(3, "1.5"))
    assert held(stage) == 6
    assert show(*group.orders) == [
        "PARTIALLY_FILLED 5/12 @66.66", "PARTIALLY_FILLED 1/7 @67.34", "ACCEPTED 0/6 @66.00",
    ]  # fmt: skip
    stage.play(quote(4, 66.65))
    assert [order.remaining_quantity for order in group.exits] == [13, 13]  # 6 + 7
    stage.play(quote(5, 65))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)


@both
def test_exits_are_never_larger_than_what_a_split_leaves(contingency: str) -> None:
    """3:2 of 5: 7.5, of which half a unit is paid out; exits of 7 each leave nothing and flip nothing."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket(5))
    stage.play(quote(1, 99.98), split(2, "1.5"))
    assert held(stage) == 7
    assert show(*group.orders) == ["FILLED 5/5 @99.99", "ACCEPTED 0/7 @67.34", "ACCEPTED 0/7 @66.00"]
    stage.play(quote(3, 67.40))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)


@both
def test_a_reverse_split_lifts_prices_and_lowers_quantities(contingency: str) -> None:
    """1:10 of 25: 2.5, of which half a unit is paid out. 101 is 1010, 99 is 990."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket(25))
    stage.play(quote(1, 99.98), split(2, "0.1"))
    assert show(*group.orders) == ["FILLED 25/25 @99.99", "ACCEPTED 0/2 @1010.00", "ACCEPTED 0/2 @990.00"]
    stage.play(quote(3, 989))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)


@both
def test_a_group_of_which_a_reverse_split_leaves_nothing_ends(contingency: str) -> None:
    """1:10. 5 of 25 came in: half a unit, paid out. The exits have nothing left, so the entry, of 2 more, is cancelled:
    what it executed later would be held without them.
    """
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket(25))
    stage.play(quote(1, 99.98, 5), split(2, "0.1"))
    assert [order.state.name for order in group.orders] == ["CANCELLED"] * 3
    assert "left nothing of what it held" in str(group.problem)
    assert "nothing is left of it" in str(group.exits[0].reason)
    assert held(stage) == 0


@both
def test_two_splits_follow_each_other(contingency: str) -> None:
    """4 of 10; 2:1 makes 8 held and 12 to come, 3:2 makes 12 and 18."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4), split(2, "2"), split(3, "1.5"))
    assert [group.entry.quantity if group.entry else 0, *(order.quantity for order in group.exits)] == [22, 12, 12]
    stage.play(quote(4, 33.30), quote(5, 32))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)
    assert stage.list_executed(group.exits[1]) == [("30", "32.0")]


@both
def test_a_total_that_the_strategy_set_is_converted(contingency: str) -> None:
    """The target of 10 lowered to 6 is of 12 after 2:1; it may be of 20 again, and not of 21."""
    stage = make_stage(contingency)
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98))
    stage.update(group.exits[0], quantity=6)
    stage.play(split(2, "2"))
    assert [order.quantity for order in group.exits] == [12, 20]
    with pytest.raises(Exception, match="its parent s-1 is of 20"):
        stage.update(group.exits[0], quantity=21)
    stage.update(group.exits[0], quantity=20)
    assert [order.quantity for order in group.exits] == [20, 20]


# -------------------------------------------------------------------------------------------------- without a parent


@both
def test_an_oco_pair_is_converted_and_one_still_takes_the_other_away(contingency: str) -> None:
    """3:2 of a pair for 5: 7 each, half a unit less. A buy at 99 is one at 66, a sale at 101 one at 67.34."""
    stage = make_stage(contingency)
    pair = stage.submit_group(OrderGroup.oco([Order.limit(ID, 5, 99), Order.limit(ID, -5, 101)]))
    stage.play(split(1, "1.5"))
    assert show(*pair.orders) == ["ACCEPTED 0/7 @66.00", "ACCEPTED 0/7 @67.34"]
    stage.play(quote(2, 65.99, 3), quote(3, 65.98))
    assert show(*pair.orders) == ["FILLED 7/7 @66.00", "CANCELLED 0/7 @67.34"]
    assert (held(stage), pair.problem) == (7, None)


@both
def test_an_ouo_pair_shares_what_is_left(contingency: str) -> None:
    """4 of 10 went at 101: 6 are left, 12 after 2:1. 5 of them at 50.50 leave 7 to the other."""
    stage = make_stage(contingency)
    pair = stage.submit_group(OrderGroup.ouo([Order.limit(ID, -10, 101), Order.stop(ID, -10, 99)]))
    stage.play(quote(1, 101, 4), split(2, "2"))
    assert show(*pair.orders) == ["PARTIALLY_FILLED 4/16 @50.50", "ACCEPTED 0/12 @49.50"]
    stage.play(quote(3, 50.50, 5))
    assert show(*pair.orders) == ["PARTIALLY_FILLED 9/16 @50.50", "ACCEPTED 0/7 @49.50"]
    stage.play(quote(4, 49))
    assert (held(stage), pair.problem, pair.is_finished) == (-20, None, True)  # -4 x 2 - 5 - 7 = -20


# --------------------------------------------------------------------------------------------------------- latency


def delayed() -> Latency:
    """Half a second each way."""
    law = ConstantDelay(ms=500)
    return Latency(submit=law, cancel=law, update=law, report=law)


def test_children_on_their_way_across_a_split_come_in_new_units() -> None:
    """The entry executes at 1.0, told at 1.5; its exits are sent then, and the split of 1.7 meets them on their way."""
    stage = make_stage("client", latency=delayed())
    group = stage.submit_group(make_bracket())
    stage.play(quote(0.6, 100), quote(1, 99.98), quote(1.6, 99.98))
    assert [order.state.name for order in group.exits] == ["SUBMITTED"] * 2
    stage.play(split(1.7, "2"), quote(2, 50), quote(3, 50))
    assert show(*group.exits) == ["ACCEPTED 0/20 @50.50", "ACCEPTED 0/20 @49.50"]
    assert_same_as_venue(stage)
    stage.play(quote(4, 49.40), quote(6, 49.40))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)


def test_children_sent_before_the_strategy_heard_of_a_split_come_in_new_units() -> None:
    """The entry executes at 1.0; the split of 1.2 is heard of behind that, at 1.5, after the exits were sent."""
    stage = make_stage("client", latency=delayed())
    group = stage.submit_group(make_bracket())
    stage.play(quote(0.6, 100), quote(1, 99.98), split(1.2, "2"), quote(1.4, 50))
    assert [order.state.name for order in group.exits] == ["INITIALIZED"] * 2
    stage.play(quote(1.6, 50))
    assert show(*group.exits) == ["SUBMITTED 0/20 @50.50", "SUBMITTED 0/20 @49.50"]
    stage.play(quote(3, 50), quote(4, 50.50, 5), quote(6, 50))
    assert show(*group.exits) == ["PARTIALLY_FILLED 5/20 @50.50", "ACCEPTED 0/15 @49.50"]
    assert_same_as_venue(stage)


@both
def test_a_group_that_meets_a_split_on_its_way_comes_in_new_units(contingency: str) -> None:
    stage = make_stage(contingency, latency=delayed())
    group = stage.submit_group(make_bracket())
    stage.play(split(0.2, "2"), quote(0.3, 50))
    assert [order.quantity for order in group.orders] == [20] * 3
    stage.play(quote(1.2, 50), quote(2, 49.98), quote(4, 50))
    assert show(*group.orders) == ["FILLED 20/20 @49.99", "ACCEPTED 0/20 @50.50", "ACCEPTED 0/20 @49.50"]
    assert_same_as_venue(stage)


@both
def test_an_update_decided_before_the_split_was_heard_of_is_refused(contingency: str) -> None:
    """The stop is to go from 99 to 99.50, which no market of new units sees; the next update is in those."""
    stage = make_stage(contingency, latency=delayed())
    group = stage.submit_group(make_bracket())
    stage.play(quote(0.6, 100), quote(1, 99.98), quote(3, 100))
    stage.update(group.exits[1], stop_price="99.50")
    stage.play(split(3.2, "2"), quote(3.4, 50), quote(4.5, 50))
    refused = [told.report.order for told in stage.received if told.report.order.update_rejected]
    assert [order.order_id for order in refused] == ["s-3"]
    assert "TEST.SIM was split, 2 for 1, so its numbers are in old units" in str(refused[0].reason)
    assert show(group.exits[1]) == ["ACCEPTED 0/20 @49.50"]
    stage.update(group.exits[1], stop_price="49.70")
    stage.play(quote(6, 50))
    assert show(group.exits[1]) == ["ACCEPTED 0/20 @49.70"]


def test_a_resize_that_met_the_split_on_its_way_is_said_again_in_new_units() -> None:
    """4 of the target execute at 4.0, told at 4.5: the stop is to be of 6. The split of 4.7 meets that, which is
    refused, and at 5.0 the stop is asked to be of 12, as the target's rest is.
    """
    stage = make_stage("client", latency=delayed())
    group = stage.submit_group(make_bracket())
    stage.play(quote(0.6, 100), quote(1, 99.98), quote(3, 100), quote(4, 101, 4), quote(4.6, 100), split(4.7, "2"))
    stage.play(quote(7, 50))
    assert show(*group.exits) == ["PARTIALLY_FILLED 4/16 @50.50", "ACCEPTED 0/12 @49.50"]
    assert group.problem is None
    assert_same_as_venue(stage)
    stage.play(quote(8, 49), quote(10, 49))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)


def test_what_was_decided_in_the_turn_in_which_a_split_is_heard_of_is_converted() -> None:
    """Reports take no time: the entry executes and the split is booked at one instant, and the exits are sent in it."""
    stage = make_stage("client")
    group = stage.submit_group(make_bracket())
    stage.broker.load_adjustments([(at(1), split(1, "2"))])
    stage.play(quote(1, 99.98))
    assert show(*group.exits) == ["ACCEPTED 0/20 @50.50", "ACCEPTED 0/20 @49.50"]
    assert_same_as_venue(stage)


def test_a_strategy_with_orders_and_no_position_hears_of_the_split() -> None:
    stage = make_stage("client")
    stage.submit_group(make_bracket())
    stage.play(split(1, "2"))
    (adjusted,) = stage.adjusted
    assert adjusted.before == adjusted.after
    assert adjusted.amount == 0
    assert [kind for kind, _, _ in stage.recorder.notes] == ["groups_split"]


@both
def test_a_trailing_stop_of_a_group_trails_in_new_units(contingency: str) -> None:
    """2 below the best bid, 100: 98. After 2:1 it is 1 below, at 49; at 51 it follows to 50."""
    stage = make_stage(contingency)
    entry, trailing = Order.limit(ID, 10, "99.99"), Order.trailing_stop(ID, -10, offset=2)
    group = stage.submit_group(OrderGroup.bracket(entry, stop=trailing))
    stage.play(split(1, "2"), quote(2, 49.98), quote(3, 51), quote(4, 50.01))
    assert held(stage) == 20
    stage.play(quote(5, 50))
    assert stage.list_executed(group.exits[0]) == [("20", "50.0")]


def test_children_sent_between_a_split_and_its_report_come_in_new_units() -> None:
    """4 execute at 1.00, told at 1.50; 6 at 1.15, told at 1.65, and the split of 1.20 behind them: the exits of 4, sent
    at 1.50, are in old units. They come as 8, and are asked to be of 20 at 1.65.
    """
    stage = make_stage("client", latency=delayed())
    group = stage.submit_group(make_bracket())
    stage.play(quote(0.6, 100), quote(1, 99.98, 4), quote(1.15, 99.97, 6), split(1.2, "2"), quote(1.6, 50))
    assert [order.quantity for order in group.exits] == [4, 4]
    stage.play(quote(2.1, 50))
    assert [order.quantity for order in stage.broker.get_orders()] == [8, 8]
    stage.play(quote(4, 50))
    assert show(*group.exits) == ["ACCEPTED 0/20 @50.50", "ACCEPTED 0/20 @49.50"]
    assert_same_as_venue(stage)
    assert group.problem is None


def test_a_resize_of_the_turn_in_which_a_split_is_heard_of_is_said_in_new_units() -> None:
    """4 executed before, 3 at the instant of the split: the exits of 4 are of 8, then of 14, and were never of 7."""
    stage = make_stage("client")
    group = stage.submit_group(make_bracket())
    stage.play(quote(1, 99.98, 4))
    stage.broker.load_adjustments([(at(2), split(2, "2"))])
    stage.play(quote(2, 99.97, 3))
    assert show(*group.orders) == ["PARTIALLY_FILLED 7/13 @49.99", "ACCEPTED 0/14 @50.50", "ACCEPTED 0/14 @49.50"]
    assert [line.quantity for line in stage.lines if line.order_id == "s-3"] == [4, 8, 14]
    stage.play(quote(3, 101 / 2, 5), quote(4, 49))
    assert (held(stage), group.problem, group.is_finished) == (0, None, True)

"""The pure state of a group across a split: what is executed is in new units, and orders show what they showed."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import Contingency, OrderRole
from tradecore.execution.group_rules import GroupState, Leg, decide, find_leaves, take_report, take_wish
from tradecore.execution.group_split import find_most, rescale_group

ACCEPTED, PARTLY, FILLED = OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.FILLED


def leg(name: str, role: OrderRole, sign: int, wanted: int, executed: int, asked: int) -> Leg:
    state = FILLED if executed == wanted else PARTLY if executed else ACCEPTED
    return Leg(name, role, sign, Decimal(wanted), state, Decimal(executed), Decimal(asked))


def bracket(entered: int, profit: int, stop: int, of: int = 10) -> GroupState:
    """Bought `entered` of so many; so many sold at the profit and at the stop. What works is of the right size."""
    left = entered - profit - stop
    legs = (
        leg("e", OrderRole.ENTRY, 1, of, entered, of),
        leg("p", OrderRole.PROFIT, -1, of, profit, profit + left),
        leg("s", OrderRole.STOP, -1, of, stop, stop + left),
    )
    return GroupState(legs, Contingency.OUO, Decimal(1))


def test_the_example_of_the_module_comes_out() -> None:
    """3:2, 5 of 10 in, 1 out: 4 are held, 6 after it. 1.5 is 2 out, so 8 are in; the orders show 1 of 7 and 0 of 6."""
    after = rescale_group(bracket(5, 1, 0), Decimal("1.5"))
    assert [one.executed for one in after.legs] == [8, 2, 0]
    assert [one.asked for one in after.legs] == [12, 7, 6]
    assert [find_leaves(after, one) for one in after.exits] == [6, 6]
    assert decide(after) == (after, ())


def test_reports_go_on_in_the_totals_of_orders() -> None:
    """The target's order shows 1, then 4: 3 new units more, so the stop, of 6, is to be of 3."""
    after = rescale_group(bracket(5, 1, 0), Decimal("1.5"))
    after, steps = take_report(after, "p", PARTLY, Decimal(4))
    assert [(step.action.name, step.order_id, int(step.quantity)) for step in steps] == [("RESIZE", "s", 3)]
    assert take_report(after, "p", PARTLY, Decimal(4)) == (after, ())  # told twice
    after, steps = take_report(after, "e", PARTLY, Decimal(7))  # 5 of its order before, 2 more now
    assert [(step.order_id, int(step.quantity)) for step in steps] == [("p", 9), ("s", 5)]  # 4 + 5, and 5


def test_a_wish_is_in_the_totals_of_orders() -> None:
    """The target, of which 1 is executed, is to be of 4: 3 more. With an entry of 12 shown, its total is at most 14."""
    after = rescale_group(bracket(5, 1, 0), Decimal("1.5"))
    assert find_most(after, "p", Decimal(12)) == 14  # the entry is of 12 + 8 - 5 = 15, the target shows 2 - 1 less
    after, steps = take_wish(after, "p", Decimal(4))
    assert [(step.order_id, int(step.quantity)) for step in steps] == [("p", 4)]
    again = rescale_group(after, Decimal(2))
    assert find_leaves(again, again.find("p")) == 6


def test_children_that_nothing_links_keep_their_parts() -> None:
    """2:1. The entry executed 5 of 10; children of 10 and 4 have 5 and 2 of it. 1 of the second is done."""
    legs = (
        leg("e", OrderRole.ENTRY, 1, 10, 5, 10),
        leg("a", OrderRole.CHILD, -1, 10, 0, 5),
        leg("b", OrderRole.CHILD, -1, 4, 1, 2),
    )
    after = rescale_group(GroupState(legs, None, Decimal(1)), Decimal(2))
    assert [find_leaves(after, one) for one in after.exits] == [10, 2]
    assert [one.asked for one in after.legs] == [15, 10, 3]
    assert decide(after) == (after, ())
    after, steps = take_report(after, "e", PARTLY, Decimal(10))  # 5 new units more: 5 and 2
    assert [(step.order_id, int(step.quantity)) for step in steps] == [("a", 15), ("b", 5)]


def test_a_split_that_leaves_nothing_ends_the_group() -> None:
    after = rescale_group(bracket(5, 0, 0), Decimal("0.1"))
    assert after.is_ending
    assert "a split of 0.1 for 1 left nothing" in str(after.problem)


def test_a_group_that_is_over_stays_as_it_is() -> None:
    legs = (leg("e", OrderRole.ENTRY, 1, 10, 10, 10), leg("p", OrderRole.PROFIT, -1, 10, 10, 10))
    group = GroupState(legs, Contingency.OUO, Decimal(1))
    assert rescale_group(group, Decimal(2)) is group


@given(
    entered=st.integers(1, 10), out=st.lists(st.integers(0, 10), min_size=2, max_size=2),
    ratio=st.sampled_from(["2", "1.5", "3", "0.1", "0.5", "1.25", "7"]),
)  # fmt: skip
def test_what_may_be_left_is_what_is_held_rounded_down(entered: int, out: list[int], ratio: str) -> None:
    """Of any bracket, through any split: the exits have exactly the units that the position has on its grid."""
    profit = min(out[0], entered)
    stop = min(out[1], entered - profit)
    if profit + stop == entered:
        return  # it is ending
    after = rescale_group(bracket(entered, profit, stop), Decimal(ratio))
    held = int((entered - profit - stop) * Decimal(ratio))
    assert [find_leaves(after, one) for one in after.exits] == [held, held]
    shown = [one.executed - one.shift for one in after.legs]
    assert shown == [entered, profit, stop]

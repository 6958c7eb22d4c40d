"""Children that the venue holds join their entry's bar, and what a group may do in one bar. EXECUTION 6, 8.

The listener here brings children into being at an entry's first execution, as a broker with contingency does, and ends
the others of a group when one of them executes. Minute 1 closes at 100; all is decided there.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tradecore.domain.execution import BrokerSource, Execution
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState
from tradecore.execution.execution_engine import ExecutionEngine
from tradecore.execution.match_rules import MatchRules
from tradecore.execution.match_source import MatchSource
from tradecore.execution.working_order import WorkingOrder
from tradecore.testing.builders import make_bar, make_instrument

ID = "TEST.SIM"
NAME = f"{ID} 1m last"
Four = tuple[float, float, float, float]


class Venue:
    """An ExecutionEngine and a listener with one group: an entry, its children, one of which ends the others."""

    def __init__(self, **rules: Any) -> None:
        self.engine = ExecutionEngine("sim", BrokerSource.SIMULATED, MatchRules(**rules), self)
        self.engine.open_lane(make_instrument(), MatchSource("bar", (NAME,), MINUTE_NS), lambda *_: Decimal(0))
        self.told: list[tuple[str, str, int]] = []
        self.children: list[WorkingOrder] = []
        self._number = 0

    def make(self, name: str, order: Order, group: str | None = "g") -> WorkingOrder:
        self._number += 1
        order.mark_submitted(name, "s", "sim", 0)
        working = WorkingOrder(order)
        working.number, working.group, working.state = self._number, group, OrderState.ACCEPTED
        working.is_plain = group is None and working.is_plain
        return working

    def submit(self, name: str, order: Order, group: str | None = "g") -> WorkingOrder:
        working = self.make(name, order, group)
        self.engine.arrive(working, MINUTE_NS)
        return working

    def play(self, *bars: Four) -> None:
        events = [
            make_bar(minute * MINUTE_NS, last, open=first, high=high, low=low, bar_type=NAME)
            for minute, (first, high, low, last) in enumerate(bars, self.minute + 1)
        ]
        self.minute += len(bars)
        self.engine.load("bar", NAME, events)
        while self.engine.due_ns <= self.minute * MINUTE_NS:
            self.engine.match(self.engine.due_ns)
        self.engine.end_window()

    minute = 0

    # ----------------------------------------------------------------------------------------------------- the listener

    def on_execution(self, order: WorkingOrder, execution: Execution) -> None:
        self.told.append((order.order_id, str(execution.price), execution.ts_event // MINUTE_NS))
        if order.order_id == "entry":
            children, self.children = self.children, []
            for child in children:
                self.engine.join(child, execution.ts_event, float(execution.price))
        elif order.group is not None:
            lane = self.engine.lanes[ID]
            for other in [*lane.stops, *lane.limits]:
                if other.group == order.group and other is not order and other.order_id != "entry":
                    self.engine.withdraw(other, execution.ts_event, "the other executed")

    def on_order_changed(self, order: WorkingOrder, ts_event: int) -> None: ...

    def find_money_refusal(self, order: WorkingOrder, quantity: Decimal, price: Decimal) -> str | None:
        return None

    def run_postponed(self, command: Any, ts_event: int) -> None:
        raise AssertionError("nothing is postponed here")

    def find_reducible(self, order: WorkingOrder) -> Decimal:
        return Decimal(0)

    def resize(self, order: WorkingOrder, room: Decimal) -> None:
        raise AssertionError("nothing reduces here")


def bracket(entry: Order, exits: Sequence[tuple[str, Order]], **rules: Any) -> Venue:
    """A venue on which minute 1 has closed at 100 and the entry was submitted then."""
    venue = Venue(**rules)
    venue.play((100, 100, 100, 100))
    venue.children = [venue.make(name, order) for name, order in exits]
    venue.submit("entry", entry)
    return venue


def exits(target: str, stop: str, side: int = -1) -> list[tuple[str, Order]]:
    return [("target", Order.limit(ID, side, target)), ("stop", Order.stop(ID, side, stop))]


@pytest.mark.parametrize(
    ("entry", "bar", "expected"),
    [
        # Entered at the open of 100: the whole bar comes after it.
        (Order.market(ID, 1), (100, 103, 99, 101), [("entry", "100.0", 1), ("target", "102", 2)]),
        (Order.market(ID, 1), (100, 101, 97, 99), [("entry", "100.0", 1), ("stop", "98", 2)]),
        # Both are reached: the one that hurts.
        (Order.market(ID, 1), (100, 103, 97, 101), [("entry", "100.0", 1), ("stop", "98", 2)]),
        # Entered inside the bar at 99: the target cannot execute in it, wherever the high was; the stop can.
        (Order.limit(ID, 1, "99"), (100, 103, 98.5, 101), [("entry", "99", 2)]),
        (Order.limit(ID, 1, "99"), (100, 103, 97, 101), [("entry", "99", 2), ("stop", "98", 2)]),
        (Order.stop(ID, 1, "101"), (100, 103, 99, 101), [("entry", "101", 2)]),
        (Order.stop(ID, 1, "101"), (100, 103, 97, 101), [("entry", "101", 2), ("stop", "98", 2)]),
        # Entered at the open of a gap: the whole bar comes after it.
        (Order.stop(ID, 1, "101"), (101.5, 103, 101, 102), [("entry", "101.5", 1), ("target", "102", 2)]),
    ],
)
def test_under_worst_children_join_their_entrys_bar(
    entry: Order, bar: Four, expected: list[tuple[str, str, int]]
) -> None:
    venue = bracket(entry, exits("102", "98"), bar_path="worst")
    venue.play(bar)
    assert venue.told == expected


def test_what_the_entrys_bar_forbade_the_next_one_gives() -> None:
    venue = bracket(Order.limit(ID, 1, "99"), exits("102", "98"))
    venue.play((100, 103, 98.5, 101), (101, 102.5, 100, 102))
    assert venue.told == [("entry", "99", 2), ("target", "102", 3)]


@pytest.mark.parametrize(
    ("entry", "bar", "expected"),
    [
        # open 100, high 103 (past the target of 102, but before the entry), low 98.5 (the entry), close 101
        (Order.limit(ID, 1, "99"), (100, 103, 98.5, 101), [("entry", "99", 2)]),
        # ... and a close past the target
        (Order.limit(ID, 1, "99"), (100, 103, 98.5, 102.5), [("entry", "99", 2), ("target", "102", 2)]),
        # down to 97: entry at 99, then the stop at 98 on the same leg
        (Order.limit(ID, 1, "99"), (100, 103, 97, 102.5), [("entry", "99", 2), ("stop", "98", 2)]),
        # up: entry at 101, then the target at 102 on the same leg; the low of 97 finds nothing any more
        (Order.stop(ID, 1, "101"), (100, 103, 97, 98), [("entry", "101", 2), ("target", "102", 2)]),
        # up to 101.5 only: entry, then down through the stop
        (Order.stop(ID, 1, "101"), (100, 101.5, 97, 98), [("entry", "101", 2), ("stop", "98", 2)]),
        (Order.market(ID, 1), (100, 103, 97, 98), [("entry", "100.0", 1), ("target", "102", 2)]),
    ],
)
def test_on_a_known_path_children_meet_what_comes_after_the_entry(
    entry: Order, bar: Four, expected: list[tuple[str, str, int]]
) -> None:
    venue = bracket(entry, exits("102", "98"), bar_path="ohlc")
    venue.play(bar)
    assert venue.told == expected


@pytest.mark.parametrize(
    ("entry", "bar", "expected"),
    [
        (Order.limit(ID, -1, "101"), (100, 101.5, 97, 99), [("entry", "101", 2)]),
        (Order.limit(ID, -1, "101"), (100, 103, 97, 99), [("entry", "101", 2), ("stop", "102", 2)]),
        (Order.market(ID, -1), (100, 103, 97, 99), [("entry", "100.0", 1), ("stop", "102", 2)]),
        (Order.market(ID, -1), (100, 101, 97, 99), [("entry", "100.0", 1), ("target", "98", 2)]),
    ],
)
def test_a_short_group_mirrors_it(entry: Order, bar: Four, expected: list[tuple[str, str, int]]) -> None:
    venue = bracket(entry, exits("98", "102", side=1))
    venue.play(bar)
    assert venue.told == expected


def test_a_target_waits_while_its_stop_can_execute_even_where_the_stop_gets_no_room() -> None:
    """A tenth of 30 is 3: the stop sells 3 of 5, the target of the group nothing, though the high is past it."""
    venue = Venue()
    venue.play((100, 100, 100, 100))
    stop = venue.submit("stop", Order.stop(ID, -5, "98"))
    target = venue.submit("target", Order.limit(ID, -5, "102"), group="g")
    stranger = venue.submit("stranger", Order.limit(ID, -1, "102"), group=None)
    venue.on_execution = lambda order, execution: venue.told.append((order.order_id, str(execution.price), 0))  # type: ignore[method-assign]
    event = make_bar(2 * MINUTE_NS, 100, high=103, low=97, volume=30, bar_type=NAME)
    venue.engine.load("bar", NAME, [event])
    venue.engine.match(2 * MINUTE_NS)
    assert [order.filled_quantity for order in (stop, target, stranger)] == [3, 0, 0]
    assert venue.told == [("stop", "98", 0)]


def test_a_target_that_the_open_is_past_executes_there_whatever_follows() -> None:
    """The open comes before all of the path: nothing about it is unknown."""
    venue = Venue()
    venue.play((100, 100, 100, 100))
    venue.submit("stop", Order.stop(ID, -1, "98"))
    venue.submit("target", Order.limit(ID, -1, "102"))
    venue.play((100, 100, 100, 100), (103, 104, 97, 98))
    assert venue.told == [("target", "102", 2)]


def test_a_market_if_touched_target_is_barred_as_a_limit_is() -> None:
    for low, expected in ((97.0, ["stop"]), (99.0, ["target"])):
        venue = Venue()
        venue.play((100, 100, 100, 100))
        venue.submit("stop", Order.stop(ID, -1, "98"))
        venue.submit("target", Order.market_if_touched(ID, -1, "102"))
        venue.play((100, 103, low, 100))
        assert [name for name, _, _ in venue.told] == expected


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        # The entry at 99 starts it at 98; a low of 98.2 leaves it, the close of 99.2 moves it, the high does not.
        ((100, 103, 98.2, 99.2), [("entry", "99", 2)]),
        ((100, 103, 97.9, 99.2), [("entry", "99", 2), ("trail", "98.00", 2)]),
    ],
)
def test_a_trailing_child_begins_at_its_entry(bar: Four, expected: list[tuple[str, str, int]]) -> None:
    venue = bracket(Order.limit(ID, 1, "99"), [("trail", Order.trailing_stop(ID, -1, offset=1))])
    venue.play(bar)
    assert venue.told == expected


def test_outside_a_bar_a_child_simply_arrives() -> None:
    """Joined at the close of minute 1, where nothing is passing: it works from minute 2 on."""
    venue = Venue()
    venue.play((100, 100, 100, 100))
    child = venue.make("stop", Order.stop(ID, -1, "98"))
    venue.engine.join(child, MINUTE_NS, 100.0)
    venue.play((100, 100, 97, 100))
    assert venue.told == [("stop", "98", 2)]

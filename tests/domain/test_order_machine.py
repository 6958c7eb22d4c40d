"""The order machine: every (state, news) pair of RELIABILITY 3, and the laws O1 to O9 under any order of news."""

# Amounts are Decimals, and the numbers beside them ints that read better.
# mypy: disable-error-code="comparison-overlap"
from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_machine import CommandWord, News, OrderRecord, apply_news, make_record
from tradecore.domain.order_state import ALARMED, MATRIX, TRANSITIONS, OrderNews, OrderState, OutcomeKind
from tradecore.errors import IllegalOrderTransition

N, S = OrderNews, OrderState
TEN = Decimal(10)

# The matrix of RELIABILITY 3, written again by hand. One column a state: Init Denied Submitted Rejected Accepted
# Triggered Partly Filled Cancelled Expired aBandoned. What stands in it: the state that is reached, "." nothing changes
# and it is counted, "=" legal and it stays, "!" an alarm (and the state that is taken over), "x" an error.
COLUMNS = "I D S R A T P F C E B"
LETTERS = dict(zip(COLUMNS.split(), OrderState, strict=True))
WRITTEN = {
    N.DENY:            "D x x x x x x x x x x",
    N.DROP:            "C x x x x x x x x x x",
    N.SUBMIT:          "S x x x x x x x x x x",
    N.CANCEL:          "x x = x = = = x x x x",
    N.UPDATE:          "x x = x = = = x x x x",
    N.ACKNOWLEDGED:    "x !A A !A . . . . . . !A",
    N.REJECTED:        "x . R . R R ! ! . . R",
    N.TRIGGERED:       "x !T T !T T . . . . . !T",
    N.EXECUTED_PARTLY: "x !P P !P P P P ! C E !P",
    N.EXECUTED_WHOLLY: "x !F F !F F F F ! F F !F",
    N.CANCELLED:       "x . C . C C C . . . C",
    N.EXPIRED:         "x . E . E E E . . . E",
    N.UPDATED:         "x !A = !A = = = . . . !A",
    N.UPDATE_REFUSED:  "x . = . = = = . . . .",
    N.CANCEL_REFUSED:  "x . = . = = = . . . .",
    N.TIMED_OUT:       "x . = . = = = . . . .",
    N.NOT_FOUND_YET:   "x . = . = = = . . . .",
    N.NOT_FOUND:       "x . B . ! ! ! . . . .",
}  # fmt: skip
PAIRS = [
    (word, state, cell)
    for word, cells in WRITTEN.items()
    for (state, cell) in zip(OrderState, cells.split(), strict=True)
]


def reach(state: OrderState) -> OrderRecord:
    """An order of 10 in this state, with 4 executed where it says so."""
    filled = {S.FILLED: TEN, S.PARTIALLY_FILLED: Decimal(4)}.get(state, Decimal(0))
    executions = (("old", filled, Decimal(100)),) if filled else ()
    return OrderRecord("s-1", TEN, TEN, state, filled, filled * 100, executions)


def tell(word: OrderNews, **facts: Any) -> News:
    if word is N.EXECUTED_PARTLY:
        facts = {"quantity": Decimal(3), "price": Decimal(101), "execution_id": "new"} | facts
    if word is N.EXECUTED_WHOLLY:
        facts = {"quantity": TEN, "price": Decimal(101), "execution_id": "new"} | facts
    if word is N.UPDATED:
        facts = {"quantity": Decimal(12)} | facts
    return News(word, "s-1", **facts)


def test_every_pair_of_state_and_news_is_in_the_table() -> None:
    assert {(word, state) for word, state, _ in PAIRS} == {(word, state) for word in OrderNews for state in OrderState}
    assert {word: set(row) for word, row in MATRIX.items()} == {word: set(OrderState) for word in OrderNews}


@pytest.mark.parametrize(("word", "state", "cell"), PAIRS, ids=lambda part: getattr(part, "name", part))
def test_what_every_pair_does(word: OrderNews, state: OrderState, cell: str) -> None:
    record = reach(state)
    if cell == "x":
        with pytest.raises(IllegalOrderTransition, match=state.name):
            apply_news(record, tell(word))
        return
    news = tell(word)
    if word is N.EXECUTED_WHOLLY and state is S.PARTIALLY_FILLED:
        news = tell(word, quantity=Decimal(6))  # the rest of the ten
    after, commands = apply_news(record, news)
    words = [command.word for command in commands]
    assert after.state is (state if cell in (".", "=", "!") else LETTERS[cell.removeprefix("!")])
    assert (CommandWord.HALT in words) is cell.startswith("!")
    assert after.alarms == (1 if cell.startswith("!") else 0)
    if cell == ".":
        silent = word in (N.TIMED_OUT, N.NOT_FOUND_YET, N.NOT_FOUND)
        assert (after.repeated, commands) == (0 if silent else 1, ())
    if word in (N.EXECUTED_PARTLY, N.EXECUTED_WHOLLY):
        assert after.filled == record.filled + news.quantity  # whatever the state: an execution is the truth


def test_a_state_moves_only_along_the_table() -> None:
    """TRANSITIONS and ALARMED, by which handles and brokers move, are that table and nothing beside it."""
    for state in OrderState:
        reached = {LETTERS[c] for _, s, c in PAIRS if s is state and c in LETTERS}
        alarmed = {LETTERS[c[1:]] for _, s, c in PAIRS if s is state and c.startswith("!") and len(c) > 1}
        assert TRANSITIONS[state] == reached
        assert ALARMED[state] == alarmed


# --------------------------------------------------------------------------------------------------- single stories


def follow(*news: News, record: OrderRecord | None = None) -> OrderRecord:
    order = record or apply_news(make_record("s-1", TEN), tell(N.SUBMIT))[0]
    for one in news:
        order, _ = apply_news(order, one)
    return order


def test_an_execution_before_the_acknowledgement_is_one() -> None:
    order = follow(tell(N.EXECUTED_PARTLY), tell(N.ACKNOWLEDGED))
    assert (order.state, order.filled, order.repeated) == (S.PARTIALLY_FILLED, 3, 1)


def test_a_late_execution_is_booked_and_revives_nothing() -> None:
    """Cancelled at 0 of 10, then 3 were executed after all: 3 are filled, 0 are left."""
    order = follow(tell(N.ACKNOWLEDGED), tell(N.CANCELLED), tell(N.EXECUTED_PARTLY))
    assert (order.state, order.filled, order.leaves, order.late) == (S.CANCELLED, 3, 0, 1)
    order = follow(tell(N.EXECUTED_PARTLY, quantity=Decimal(7), execution_id="more"), record=order)
    assert (order.state, order.late) == (S.FILLED, 2)


def test_an_execution_told_twice_counts_once() -> None:
    order = follow(tell(N.EXECUTED_PARTLY), tell(N.EXECUTED_PARTLY))
    assert (order.filled, order.value, order.repeated, order.alarms) == (3, 303, 1, 0)


def test_one_execution_id_with_two_contents_is_an_alarm() -> None:
    order = follow(tell(N.EXECUTED_PARTLY))
    order, commands = apply_news(order, tell(N.EXECUTED_PARTLY, quantity=Decimal(4)))
    assert (order.filled, order.alarms) == (3, 1)
    assert [command.word for command in commands] == [CommandWord.TELL, CommandWord.HALT]
    assert "was 3 at 101, and is 4 at 101" in commands[0].reason


def test_more_than_was_wanted_is_booked_and_flagged() -> None:
    """10 wanted; 7 and 5 executed: 2 too many, an alarm, and no dispute with the venue."""
    order = follow(tell(N.EXECUTED_PARTLY, quantity=Decimal(7), execution_id="a"))
    order, commands = apply_news(order, tell(N.EXECUTED_PARTLY, quantity=Decimal(5), execution_id="b"))
    assert (order.state, order.filled, order.overfilled) == (S.FILLED, 12, 2)
    assert CommandWord.HALT in [command.word for command in commands]


def test_a_timeout_is_not_a_refusal() -> None:
    """It stays where it was, counted as if all of it could execute, and the venue is asked."""
    order, commands = apply_news(follow(), tell(N.TIMED_OUT))
    assert (order.state, order.is_unknown, order.exposure) == (S.SUBMITTED, True, 10)
    assert [command.word for command in commands] == [CommandWord.QUERY]
    order, commands = apply_news(order, tell(N.NOT_FOUND_YET))
    assert (order.state, order.is_unknown) == (S.SUBMITTED, True)
    assert follow(tell(N.ACKNOWLEDGED), record=order).is_unknown is False


def test_what_works_although_it_was_given_up_is_cancelled() -> None:
    order, commands = apply_news(follow(tell(N.NOT_FOUND)), tell(N.ACKNOWLEDGED))
    assert (order.state, order.is_pending_cancel) == (S.ACCEPTED, True)
    assert [c.word for c in commands] == [CommandWord.TELL, CommandWord.HALT, CommandWord.CANCEL]
    assert follow(tell(N.CANCELLED), record=order).state is S.CANCELLED


def test_not_found_ends_nothing_that_the_venue_had_accepted() -> None:
    order, commands = apply_news(follow(tell(N.ACKNOWLEDGED)), tell(N.NOT_FOUND))
    assert (order.state, order.is_unknown) == (S.ACCEPTED, True)
    assert CommandWord.HALT in [command.word for command in commands]


def test_an_execution_leaves_a_cancel_pending_and_its_refusal_settles_it_once() -> None:
    order = follow(tell(N.ACKNOWLEDGED), tell(N.CANCEL, number=1), tell(N.EXECUTED_PARTLY))
    assert order.is_pending_cancel
    order, commands = apply_news(order, tell(N.CANCEL_REFUSED, number=1))
    assert not order.is_pending_cancel
    assert [command.word for command in commands] == [CommandWord.QUERY]
    order = follow(tell(N.CANCEL, number=2), tell(N.CANCEL_REFUSED, number=1), record=order)
    assert order.is_pending_cancel  # the old refusal, told again, answers the old cancel


def test_an_update_to_what_is_executed_ends_the_order() -> None:
    order = follow(tell(N.EXECUTED_PARTLY), tell(N.UPDATE, number=1), tell(N.UPDATED, number=1, quantity=Decimal(3)))
    assert (order.state, order.most, order.is_pending_update) == (S.FILLED, 10, False)


def test_an_order_that_nobody_here_submitted_is_taken_over() -> None:
    """By hand, by another program, or from before a crash: its executions move our position all the same."""
    order, commands = apply_news(None, News(N.EXECUTED_PARTLY, "x-9", Decimal(3), Decimal(101), "e"))
    assert (order.is_external, order.filled, order.state) == (True, 3, S.FILLED)
    assert commands[0].word is CommandWord.HALT
    with pytest.raises(IllegalOrderTransition, match="unknown"):
        apply_news(None, News(N.CANCEL, "x-9"))


# ------------------------------------------------------------------------------------------------------------- laws


def execute(n: int, quantity: int, price: int) -> News:
    return News(N.EXECUTED_PARTLY, "s-1", Decimal(quantity), Decimal(price), f"e{n}-{quantity}-{price}")


PLAIN = [N.ACKNOWLEDGED, N.TRIGGERED, N.REJECTED, N.CANCELLED, N.EXPIRED]
told = st.one_of(
    st.sampled_from(PLAIN).map(lambda word: News(word, "s-1")),
    st.builds(execute, st.integers(1, 5), st.integers(1, 6), st.integers(99, 101)),
    st.builds(lambda n, total: News(N.UPDATED, "s-1", Decimal(total), number=n), st.integers(1, 4), st.integers(1, 15)),
    st.builds(lambda n: News(N.UPDATE_REFUSED, "s-1", number=n), st.integers(1, 4)),
    st.builds(lambda n: News(N.CANCEL_REFUSED, "s-1", number=n), st.integers(1, 4)),
)
COUNTERS = {"repeated": 0, "alarms": 0, "late": 0}


@given(st.lists(told, max_size=30), st.data())
@settings(max_examples=300, deadline=None)
def test_news_told_again_at_any_later_time_changes_nothing(news: list[News], data: st.DataObject) -> None:
    """O8: venues repeat themselves, above all after a reconnect."""
    order = make_record("s-1", TEN)
    order, _ = apply_news(order, tell(N.SUBMIT))
    for place, one in enumerate(news):
        order, _ = apply_news(order, one)
        if order.alarms:
            return  # the venue contradicted itself: which of its words is old news, nobody can tell
        again = data.draw(st.sampled_from(news[: place + 1]))
        if MATRIX[again.word][order.state].kind is OutcomeKind.ALARM:
            continue  # what contradicts the state is taken over whenever it is told
        twice, _ = apply_news(order, again)
        if again is one or again.word not in (N.CANCELLED, N.EXPIRED, N.REJECTED):
            assert replace(twice, **COUNTERS) == replace(order, **COUNTERS)


@given(st.lists(told, max_size=40))
@settings(max_examples=300, deadline=None)
def test_the_books_of_an_order_follow_from_its_distinct_executions(news: list[News]) -> None:
    """O1, O3, O4, O5, O6: only moves of the table; filled, value and average are sums; nothing ends by silence."""
    order = follow()
    seen: dict[str, News] = {}
    for one in news:
        before = order
        order, commands = apply_news(order, one)
        if one.word is N.EXECUTED_PARTLY:
            seen.setdefault(one.execution_id, one)
        moves = TRANSITIONS[before.state] | ALARMED[before.state] | {before.state}
        is_lowered = one.word is N.UPDATED and order.state is S.FILLED
        assert order.state in moves or is_lowered
        assert order.filled == sum((e.quantity for e in seen.values()), Decimal(0))
        assert order.value == sum((e.quantity * e.price for e in seen.values()), Decimal(0))
        assert order.overfilled >= max(Decimal(0), order.filled - order.most)
        assert order.leaves >= 0
        if before.state.is_finished and order.state.is_open:
            assert CommandWord.HALT in [command.word for command in commands]


# ----------------------------------------------------------------------------------------------------------- handles


def show(order: Order, state: OrderState, filled: int = 0) -> OrderSnapshot:
    average = Decimal(100) if filled else None
    return replace(order.snapshot(), state=state, filled_quantity=Decimal(filled), average_price=average)


def make_handle() -> Order:
    order = Order.limit("TEST.SIM", 10, 100)
    order.mark_submitted("s-1", "s", "sim", 0)
    return order


def test_a_handle_counts_old_news_and_keeps_its_state() -> None:
    order = make_handle()
    assert order.apply_report(show(order, S.FILLED, 10)) is True
    assert order.apply_report(show(order, S.ACCEPTED)) is False
    assert order.apply_report(show(order, S.PARTIALLY_FILLED, 4)) is False
    assert (order.state, order.filled_quantity, order.repeated_reports, order.alarm) == (S.FILLED, 10, 2, None)


def test_a_handle_takes_over_what_cannot_be_and_says_so() -> None:
    order = make_handle()
    order.apply_report(show(order, S.REJECTED))
    assert order.apply_report(show(order, S.PARTIALLY_FILLED, 4)) is True
    assert (order.state, order.filled_quantity) == (S.PARTIALLY_FILLED, 4)
    assert order.alarm == "reported PARTIALLY_FILLED although it was REJECTED"


def test_a_handle_refuses_what_no_venue_can_report() -> None:
    order = make_handle()
    with pytest.raises(IllegalOrderTransition):
        order.apply_report(show(order, S.INITIALIZED))


@pytest.mark.parametrize("known", [0, 4, 10])
@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("accepted", [S.ACCEPTED, S.PARTIALLY_FILLED, S.SUBMITTED])
def test_the_usual_last_report_does_what_any_other_does(accepted: OrderState, known: int, pending: bool) -> None:
    """A broker of ours reports the order's very own quantity as executed, a venue an equal one."""
    seen = []
    for is_own in (True, False):
        order = make_handle()
        if accepted is not S.SUBMITTED:
            order.apply_report(show(order, accepted, known))
        order.mark_pending(cancel=pending, update=pending)
        executed = order.quantity if is_own else Decimal(str(order.quantity))
        last = replace(show(order, S.FILLED, 10), filled_quantity=executed, average_price=Decimal(101), reason="told")
        is_more = order.apply_report(last)
        states = (order.state, order.filled_quantity, order.average_price, order.reason, order.repeated_reports)
        seen.append((is_more, *states, order.pending_cancel, order.pending_update))
    assert seen[0] == seen[1]
    assert seen[0][:2] == (accepted is S.SUBMITTED or known < 10, S.FILLED)

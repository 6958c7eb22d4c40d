"""Groups of orders, written by hand: OTO, OCO, OUO and brackets, kept and broken; and rules of single orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
DELAYED = {"latency": {"report": {"type": "constant", "ms": 300}, "cancel": {"type": "constant", "ms": 200}}}


def laws_of(run: Any) -> set[str]:
    return {finding.law for finding in run.verify().findings}


def exit_terms(contingency: str, parent: str | None = "one-1") -> dict[str, Any]:
    return {"side": "SELL", "terms": {"group_id": "g", "contingency": contingency, "parent_id": parent}}


@pytest.fixture
def bracket(make_order: Make, make_execution: Make) -> Callable[..., tuple[list[Any], list[Any]]]:
    """An entry of 10 at second 2, then two exits of `size`: at second 3 the target executes `target`, at `stop_at` the
    stop executes `stop`. The entry executes `entry`.
    """

    def make(
        word: str = "OUO", entry: int = 10, size: int = 10, target: int = 10, stop: int = 0, stop_at: float = 4
    ) -> tuple[list[Any], list[Any]]:
        terms = exit_terms(word)
        head = {"terms": {"group_id": "g", "contingency": "OTO"}}
        orders = [make_order(1, "ACCEPTED", 1, **head)]
        executions = []
        if entry:
            state = "FILLED" if entry == 10 else "PARTIALLY_FILLED"
            orders.append(make_order(1, state, 2, entry, **head))
            executions.append(make_execution(1, 1, entry, 2))
        if entry < 10:
            orders.append(make_order(1, "CANCELLED", 2.5, entry, **head))
        orders += [make_order(number, "ACCEPTED", 2.6, quantity=str(size), **terms) for number in (2, 3)]
        for number, amount, at in ((2, target, 3), (3, stop, stop_at)):
            if amount:
                state = "FILLED" if amount == size else "PARTIALLY_FILLED"
                orders.append(make_order(number, state, at, amount, quantity=str(size), **terms))
                executions.append(make_execution(number, 1, amount, at, side="SELL"))
        for number, amount in ((2, target), (3, stop)):
            if amount < size:
                line = make_order(number, "CANCELLED", 5, amount, quantity=str(size), **terms)
                orders.append(line)
        return orders, executions

    return make


@pytest.mark.parametrize("word", ["OCO", "OUO"])
def test_a_bracket_that_exits_once_is_sound(write_run: Make, bracket: Make, word: str) -> None:
    verification = write_run(*bracket(word)).verify()
    assert verification.findings == ()
    checked = {row.law: row.checked for row in verification.rows}
    assert checked["C3"] + checked["C4"] == 2
    assert checked["C2"] == 1
    assert checked["C1"] == (1 if word == "OCO" else 0)


def test_both_orders_of_an_oco_may_not_execute(write_run: Make, bracket: Make) -> None:
    """The target executes 4 at second 3, the stop 4 more at second 4: no more than 10 in all, but two legs."""
    run = write_run(*bracket("OCO", target=4, stop=4))
    (finding,) = [finding for finding in run.verify().findings if finding.law == "C1"]
    assert finding.place == "executions.jsonl:3"
    assert "one-2 of its OCO group executed at 3000000000" in finding.message


def test_an_oco_sibling_may_execute_while_its_cancel_is_on_its_way(write_run: Make, bracket: Make) -> None:
    """Report 300 ms and cancel 200 ms: until 3.5 s the stop may execute; it is counted, not blamed."""
    submit = {"latency": DELAYED["latency"]}
    verification = write_run(*bracket("OCO", target=4, stop=4, stop_at=3.4), **submit).verify()
    assert verification.findings == ()
    assert [law for law, reason, _ in verification.left_out if "on its way (client)" in reason] == ["C1"]


def test_on_bars_an_answer_takes_until_the_bar_is_known(write_run: Make, bracket: Make) -> None:
    """The same on bars of one second: the report waits for the bar's end, and the cancel may wait for another's."""
    orders, executions = bracket("OCO", target=4, stop=4, stop_at=5)
    orders[-1]["ts_event"] = orders[-2]["ts_event"] = 6_000_000_000
    for execution in executions:
        execution["matched_on"] = "bar"
    run = write_run(orders, executions, **DELAYED)
    run.edit_json("run.json", "match_sources", value={"sim TEST.SIM": "bar TEST.SIM 1s last"})
    assert run.verify().findings == ()  # 3 s + 300 ms + 200 ms + two bars = 5.5 s
    run.edit_json("run.json", "match_sources", value={"sim TEST.SIM": "bar TEST.SIM 500ms last"})
    assert laws_of(run) == {"C1"}


def test_an_order_that_closes_an_excess_is_no_exit(
    write_run: Make, bracket: Make, make_order: Make, make_execution: Make
) -> None:
    """7 + 4 executed within the cancel's way; one is bought back, in the name of the group."""
    orders, executions = bracket("OUO", target=7, stop=4, stop_at=3.4)
    close = {"quantity": "1", "terms": {"group_id": "g", "contingency": "OUO", "role": "CLOSE", "parent_id": "one-1"}}
    orders += [make_order(4, "ACCEPTED", 6, **close), make_order(4, "FILLED", 6, 1, **close)]
    verification = write_run(orders, [*executions, make_execution(4, 1, 1, 6)], **DELAYED).verify()
    assert verification.findings == ()
    assert [law for law, _, _ in verification.left_out if law == "C2"] == ["C2"]


def test_a_venue_that_holds_the_group_has_no_such_excuse(write_run: Make, bracket: Make) -> None:
    orders, executions = bracket("OCO", target=4, stop=4, stop_at=3.4)
    assert laws_of(write_run(orders, executions, **DELAYED, contingency="venue")) == {"C1"}


def test_an_oco_sibling_that_works_on_is_found_at_the_end(write_run: Make, bracket: Make) -> None:
    orders, executions = bracket("OCO")
    assert orders[-1]["state"] == "CANCELLED"
    run = write_run(orders[:-1], executions)
    (finding,) = run.verify().findings
    assert (finding.law, finding.place) == ("C1", "orders.jsonl:4")
    assert "one-3 still works" in finding.message


def test_exits_never_execute_more_than_the_entry(write_run: Make, bracket: Make) -> None:
    """7 of the target and 4 of the stop are 11 of an entry of 10: the position is flipped."""
    run = write_run(*bracket("OUO", target=7, stop=4))
    (finding,) = [finding for finding in run.verify().findings if finding.law == "C2"]
    assert finding.place == "executions.jsonl:3"
    assert "makes 11 executed by the exits of group g; there were 10" in finding.message
    assert laws_of(run) == {"C2"}


def test_a_partly_executed_target_leaves_the_rest_to_the_stop(write_run: Make, bracket: Make) -> None:
    assert laws_of(write_run(*bracket("OUO", target=6, stop=4))) == set()


def test_a_child_before_its_parents_first_execution_is_found(write_run: Make, bracket: Make) -> None:
    orders, executions = bracket()
    orders[1], orders[2] = orders[2], orders[1]  # the target is accepted before the entry executes
    run = write_run(orders, executions)
    (finding,) = [finding for finding in run.verify().findings if finding.law == "C3"]
    assert finding.place == "orders.jsonl:2"
    assert "parent one-1 has executed nothing" in finding.message


def test_children_larger_than_what_the_entry_executed_are_found(write_run: Make, bracket: Make) -> None:
    """The entry was cancelled at 6 of 10; exits of 10 could open a position of -4."""
    run = write_run(*bracket(entry=6, size=10, target=6))
    assert "C4" in laws_of(run)
    assert laws_of(run) <= {"C4"}
    assert next(f.message for f in run.verify().findings) == "order one-2 is of 10; its parent one-1 executed 6"


def test_children_of_the_executed_size_are_sound(write_run: Make, bracket: Make) -> None:
    verification = write_run(*bracket(entry=6, size=6, target=6)).verify()
    assert verification.findings == ()
    assert {row.law: row.checked for row in verification.rows}["C4"] == 2


def test_children_of_an_entry_that_never_executed_are_found(write_run: Make, bracket: Make) -> None:
    assert laws_of(write_run(*bracket(entry=0, target=0))) == {"C5"}


# -------------------------------------------------------------------------------------------- rules of single orders


def test_an_immediate_order_has_one_attempt(write_run: Make, make_order: Make, make_execution: Make) -> None:
    force = {"time_in_force": "IOC"}
    orders = [
        make_order(1, "ACCEPTED", 1, **force),
        make_order(1, "PARTIALLY_FILLED", 1, 4, **force),
        make_order(1, "FILLED", 2, 10, **force),
    ]
    run = write_run(orders, [make_execution(1, 1, 4, 1), make_execution(1, 2, 6, 2)])
    (finding,) = run.verify().findings
    assert (finding.law, finding.place) == ("E7", "executions.jsonl:2")
    assert "IOC has one attempt" in finding.message


def test_a_fok_order_is_done_whole_or_not_at_all(write_run: Make, make_order: Make, make_execution: Make) -> None:
    force = {"time_in_force": "FOK"}
    orders = [
        make_order(1, "ACCEPTED", 1, **force),
        make_order(1, "PARTIALLY_FILLED", 1, 4, **force),
        make_order(1, "CANCELLED", 1, 4, **force),
    ]
    (finding,) = write_run(orders, [make_execution(1, 1, 4, 1)]).verify().findings
    assert finding.message == "order one-1 is FOK and ended with 4 of 10 executed"


@pytest.mark.parametrize(
    ("terms", "seconds", "words"),
    [
        ({"expire_ns": 5_000_000_000}, 5, "expired at 5000000000"),  # on quotes, at the instant itself is too late
        ({"post_only": True}, 2, "its order is post_only"),
        ({"reduce_only": True}, 2, "0 was held before it"),
    ],
)
def test_conditions_of_an_order_are_kept(
    write_run: Make, make_order: Make, make_execution: Make, terms: dict[str, Any], seconds: float, words: str
) -> None:
    orders = [
        make_order(1, "ACCEPTED", 1, price="101", terms=terms),
        make_order(1, "FILLED", seconds, 10, price="101", terms=terms),
    ]
    (finding,) = write_run(orders, [make_execution(1, 1, 10, seconds)]).verify().findings
    assert (finding.law, finding.place) == ("E7", "executions.jsonl:1")
    assert words in finding.message


def test_an_order_that_expires_too_early_is_found(write_run: Make, make_order: Make) -> None:
    terms = {"time_in_force": "GTD", "terms": {"expire_ns": 5_000_000_000}}
    run = write_run([make_order(1, "ACCEPTED", 1, **terms), make_order(1, "EXPIRED", 4, **terms)], [])
    (finding,) = run.verify().findings
    assert (finding.law, finding.place) == ("E7", "orders.jsonl:2")


def test_a_trailing_stop_never_goes_back(write_run: Make, make_order: Make) -> None:
    """A buy's stop follows the market down: 102, 101, and not 101.5 again."""
    terms = {"order_type": "TRAILING_STOP"}
    stops = ["102", "101", "101.5"]
    orders = [make_order(1, "ACCEPTED", 1 + n, stop_price=stop, **terms) for n, stop in enumerate(stops)]
    (finding,) = write_run(orders, []).verify().findings
    assert (finding.law, finding.place) == ("E7", "orders.jsonl:3")


def test_a_late_execution_of_a_real_venue_is_counted_and_legal(
    write_run: Make, make_order: Make, make_execution: Make
) -> None:
    """CANCELLED, then a report of 4 that had been executed before: booked, and nothing works again."""
    orders = [make_order(1, "ACCEPTED", 1), make_order(1, "CANCELLED", 2), make_order(1, "CANCELLED", 3, 4)]
    for order in orders:
        order["broker"] = "real"
    executions = [make_execution(1, 1, 4, 3, broker="real", source="REAL", execution_id="venue-77")]
    run = write_run(orders, executions)
    run.edit_json("run.json", "config", "brokers", value=lambda brokers: {**brokers, "real": {"type": "mine:Venue"}})
    verification = run.verify()
    assert verification.findings == ()
    assert {row.law: row.checked for row in verification.rows}["O3"] == 1


def test_a_working_quantity_after_a_cancel_is_no_late_execution(
    write_run: Make, make_order: Make, make_execution: Make
) -> None:
    orders = [make_order(1, "ACCEPTED", 1), make_order(1, "CANCELLED", 2), make_order(1, "PARTIALLY_FILLED", 3, 4)]
    assert laws_of(write_run(orders, [make_execution(1, 1, 4, 3)])) == {"O1", "O3"}

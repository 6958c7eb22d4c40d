"""For each law, damage that breaks it, planted in a real run: found, with file, line and law, even where the digests of
run.json were made to fit it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tradecore.verification.law_book import LAWS

Copy = Any
Place = tuple[str, int | None]
QUOTES, BARS, CASH = "quotes, delayed, two brokers", "bars", "bars, delayed, cash"


def more(step: str) -> Callable[[str], str]:
    return lambda text: str(Decimal(text) + Decimal(step))


def later(ns: int) -> Callable[[int], int]:
    return lambda ts: ts + ns


# ----------------------------------------------------------------------------------- files; each returns where to look


def cut_the_last_line_off(copy: Copy) -> Place:
    copy.delete("executions", len(copy.lines("executions")))
    return "executions.jsonl", None


def change_a_digit(copy: Copy) -> Place:
    copy.edit("orders", 5, ts_decided=later(1))
    return "orders.jsonl", None


def change_a_setting_that_no_law_reads(copy: Copy) -> Place:
    copy.edit_json("run.json", "config", "brokers", "sim", "borrow_rate", value="0.5")
    return "run.json", None


def say_that_the_data_had_more_series(copy: Copy) -> Place:
    copy.edit_json("run.json", "fingerprints", "series", "bar OTHER.SIM 1d last", value={"rows": 1})
    return "run.json", None


def change_the_digest_of_the_run(copy: Copy) -> Place:
    copy.edit_json("run.json", "digests", "run", value="0" * 64)
    return "run.json", None


def cut_the_last_line_in_half(copy: Copy) -> Place:
    lines = copy.lines("orders")
    copy.write("orders", [*lines[:-1], lines[-1][:40]])
    return "orders.jsonl", len(lines)


def break_json_in_the_middle(copy: Copy) -> Place:
    lines = copy.lines("executions")
    copy.write("executions", [*lines[:9], "{oops\n", *lines[10:]])
    return "executions.jsonl", 10


def write_a_float(copy: Copy) -> Place:
    copy.edit("executions", 7, price=100.5)
    return "executions.jsonl", 7


def write_nan(copy: Copy) -> Place:
    copy.edit("executions", 7, price="NaN")
    return "executions.jsonl", 7


def write_an_endless_number(copy: Copy) -> Place:
    copy.edit("executions", 7, price="1e999999999")
    return "executions.jsonl", 7


def give_a_market_order_a_price(copy: Copy) -> Place:
    line = copy.find("orders", order_type="MARKET")
    copy.edit("orders", line, price="100")
    return "orders.jsonl", line


def write_an_unknown_side(copy: Copy) -> Place:
    copy.edit("orders", 3, side="HOLD")
    return "orders.jsonl", 3


def take_a_field_away(copy: Copy) -> Place:
    record = copy.read("orders")[3]
    del record["state"]
    copy.delete("orders", 4)
    copy.insert("orders", 4, record)
    return "orders.jsonl", 4


def count_an_execution_more(copy: Copy) -> Place:
    copy.edit_json("run.json", "counts", "executions", value=lambda count: count + 1)
    return "run.json", None


def take_a_whole_order_away(copy: Copy) -> Place:
    lines = copy.find_order("REJECTED")
    after = [n for n, one in enumerate(copy.read("orders"), 1) if n > lines[0]]
    order, records = copy.read("orders")[lines[0] - 1], copy.read("orders")
    following = f"{order['strategy']}-{int(order['order_id'].rpartition('-')[2]) + 1}"
    found = next(n for n in after if records[n - 1]["order_id"] == following)
    copy.delete("orders", *lines)
    return "orders.jsonl", found - 1


# -------------------------------------------------------------------------------------------------- lives of orders


def skip_the_acceptance(copy: Copy) -> Place:
    first, _ = copy.find_order("ACCEPTED", "FILLED")
    copy.delete("orders", first)
    return "orders.jsonl", None


def revive_a_rejected_order(copy: Copy) -> Place:
    (line,) = copy.find_order("REJECTED")
    record = {**copy.read("orders")[line - 1], "state": "ACCEPTED"}
    copy.insert("orders", line + 1, record)
    return "orders.jsonl", line + 1


def cancel_what_is_done(copy: Copy) -> Place:
    _, last = copy.find_order("ACCEPTED", "FILLED")
    copy.insert("orders", last + 1, {**copy.read("orders")[last - 1], "state": "CANCELLED"})
    return "orders.jsonl", last + 1


def execute_after_the_cancel(copy: Copy) -> Place:
    _, line = copy.find_order("ACCEPTED", "CANCELLED", quantity="2")
    record = copy.read("orders")[line - 1]
    late = {**record, "filled_quantity": "1", "average_price": "100"}
    copy.insert("orders", line + 1, late)
    return "orders.jsonl", line + 1


def execute_more_than_was_asked(copy: Copy) -> Place:
    _, line = copy.find_order("ACCEPTED", "FILLED")
    copy.edit("orders", line, filled_quantity=more("1"))
    return "orders.jsonl", line


def call_a_part_the_whole(copy: Copy) -> Place:
    line = copy.find("orders", state="PARTIALLY_FILLED")
    copy.edit("orders", line, state="FILLED")
    return "orders.jsonl", line


def let_executed_fall(copy: Copy) -> Place:
    lines = copy.find_order("ACCEPTED", "PARTIALLY_FILLED", "PARTIALLY_FILLED", "FILLED")
    copy.edit(
        "orders", lines[2], filled_quantity=copy.read("orders")[lines[0] - 1]["filled_quantity"], average_price=None
    )
    return "orders.jsonl", lines[2]


def change_an_executed_quantity(copy: Copy) -> Place:
    execution = copy.read("executions")[20]
    copy.edit("executions", 21, quantity=more("1"))
    shown = [n for n, o in enumerate(copy.read("orders"), 1) if o["order_id"] == execution["order_id"]]
    return "orders.jsonl", shown[1]


def change_an_average(copy: Copy) -> Place:
    line = copy.find("orders", state="FILLED")
    copy.edit("orders", line, average_price=more("0.01"))
    return "orders.jsonl", line


def change_an_average_in_its_last_digit(copy: Copy) -> Place:
    records = copy.read("orders")
    line = next(n for n, one in enumerate(records, 1) if len(one["average_price"] or "") > 25)
    old = records[line - 1]["average_price"]
    copy.edit("orders", line, average_price=old[:-1] + str((int(old[-1]) + 5) % 10))
    return "orders.jsonl", line


def take_an_execution_away(copy: Copy) -> Place:
    execution = copy.read("executions")[30]
    copy.delete("executions", 31)
    records = copy.read("orders")
    shown = [n for n, o in enumerate(records, 1) if o["order_id"] == execution["order_id"] and o["average_price"]]
    return "orders.jsonl", shown[-1]


def refuse_without_a_reason(copy: Copy) -> Place:
    (line,) = copy.find_order("REJECTED")
    copy.edit("orders", line, reason=None)
    return "orders.jsonl", line


def add_an_execution_of_nobody(copy: Copy) -> Place:
    execution = {**copy.read("executions")[40], "order_id": "one-99999", "execution_id": "one-99999.1"}
    copy.insert("executions", 42, execution)
    return "executions.jsonl", 42


def turn_the_side_of_an_execution(copy: Copy) -> Place:
    copy.edit("executions", 12, side=lambda side: "SELL" if side == "BUY" else "BUY")
    return "executions.jsonl", 12


def use_an_id_for_another_order(copy: Copy) -> Place:
    _, line = copy.find_order("ACCEPTED", "CANCELLED")
    copy.edit("orders", line, side=lambda side: "SELL" if side == "BUY" else "BUY")
    return "orders.jsonl", line


def move_a_price_without_an_update(copy: Copy) -> Place:
    _, line = copy.find_order("ACCEPTED", "CANCELLED", order_type="LIMIT")
    copy.edit("orders", line, price=more("1"))
    return "orders.jsonl", line


def repeat_an_execution(copy: Copy) -> Place:
    execution = copy.read("executions")[20]
    copy.insert("executions", 21, execution)
    return "executions.jsonl", None


# -------------------------------------------------------------------------------------------------------------- time


def turn_an_order_back_in_time(copy: Copy) -> Place:
    numbers = copy.find_order("ACCEPTED", "CANCELLED", time_in_force="GTC")
    copy.edit("orders", numbers[0], ts_event=later(10**15))
    return "orders.jsonl", numbers[1]


def end_the_run_before_its_last_order(copy: Copy) -> Place:
    copy.edit_json("run.json", "ended_at", value="2024-01-01T01:00:00Z")
    records = copy.read("orders")
    return "orders.jsonl", next(n for n, o in enumerate(records, 1) if o["ts_event"] > 1704070800 * 10**9)


def start_the_run_after_its_first_order(copy: Copy) -> Place:
    copy.edit_json("run.json", "config", "run", "start", value="2024-01-01T00:30:00Z")
    return "orders.jsonl", 1


def stamp_an_execution_otherwise(copy: Copy) -> Place:
    copy.edit("executions", 25, ts_event=later(1))
    return "executions.jsonl", 25


def swap_two_executions(copy: Copy) -> Place:
    records = copy.read("executions")
    line = next(n for n in range(1, len(records)) if records[n - 1]["order_id"] != records[n]["order_id"])
    copy.swap("executions", line, line + 1)
    return "executions.jsonl", line


def swap_two_callbacks(copy: Copy) -> Place:
    records = copy.read("callbacks")
    line = next(n for n in range(9, len(records)) if records[n - 1]["ts"] < records[n]["ts"])
    copy.swap("callbacks", line, line + 1)
    return "callbacks.jsonl", line + 1


# --------------------------------------------------------------------------------------- latency, prices, sequence


def accept_before_the_latency(copy: Copy) -> Place:
    line = copy.find("orders", state="ACCEPTED")
    copy.edit("orders", line, ts_event=copy.read("orders")[line - 1]["ts_decided"] + 1_499_999_000)
    return "orders.jsonl", line


def execute_before_the_acceptance(copy: Copy) -> Place:
    _, last = copy.find_order("ACCEPTED", "FILLED")
    order = copy.read("orders")[last - 1]
    line = copy.find("executions", order_id=order["order_id"])
    for word, number in (("orders", last), ("executions", line)):
        copy.edit(word, number, ts_event=order["ts_decided"])
    return "executions.jsonl", line


def cancel_before_the_latency(copy: Copy) -> Place:
    """A cancel takes 700 ms to the venue."""
    line = next(n for n, o in enumerate(copy.read("orders"), 1) if o["state"] == "CANCELLED" and "ts_command" in o)
    copy.edit("orders", line, ts_command=copy.read("orders")[line - 1]["ts_event"] - 699_999_000)
    return "orders.jsonl", line


def update_before_the_latency(copy: Copy) -> Place:
    line = copy.find("orders", updated=True)
    copy.edit("orders", line, ts_command=copy.read("orders")[line - 1]["ts_event"] - 699_999_000)
    return "orders.jsonl", line


def refuse_a_cancel_that_nobody_gave(copy: Copy) -> Place:
    line = copy.find("orders", cancel_rejected=True)
    copy.edit("orders", line, ts_command=0)
    return "orders.jsonl", line


def cancel_without_reason_or_command(copy: Copy) -> Place:
    line = next(n for n, o in enumerate(copy.read("orders"), 1) if o["state"] == "CANCELLED" and not o["reason"])
    copy.edit("orders", line, ts_command=0)
    return "orders.jsonl", line


def cancel_before_the_order_was_given(copy: Copy) -> Place:
    line = next(n for n, o in enumerate(copy.read("orders"), 1) if o["state"] == "CANCELLED" and "ts_command" in o)
    copy.edit("orders", line, ts_command=copy.read("orders")[line - 1]["ts_decided"] - 1)
    return "orders.jsonl", line


def hear_of_it_at_once(copy: Copy) -> Place:
    records = copy.read("callbacks")
    line = next(n for n, one in enumerate(records, 1) if one["callback"] == "on_execution")
    copy.edit("callbacks", line, ts=records[line - 1]["subject"]["ts_event"])
    return "callbacks.jsonl", line


def hear_of_the_future(copy: Copy) -> Place:
    records = copy.read("callbacks")
    line = next(n for n, one in enumerate(records, 1) if one["callback"] == "on_quote_tick" and n > 50)
    records[line - 1]["subject"]["ts_received"] += 1
    copy.edit("callbacks", line, subject=records[line - 1]["subject"])
    return "callbacks.jsonl", line


def pay_more_than_the_limit(copy: Copy) -> Place:
    numbers = copy.find_order("ACCEPTED", "FILLED", order_type="LIMIT", side="BUY")
    order_id = copy.read("orders")[numbers[0] - 1]["order_id"]
    for number in numbers:
        copy.edit("orders", number, price=more("-5"))
    return "executions.jsonl", copy.find("executions", order_id=order_id)


def give_a_maker_a_better_price(copy: Copy) -> Place:
    line = copy.find("executions", liquidity="MAKER", side="BUY")
    copy.edit("executions", line, price=more("-0.01"))
    return "executions.jsonl", line


def let_a_later_order_go_first(copy: Copy) -> Place:
    firsts: dict[str, int] = {}
    records = copy.read("orders")
    for number, record in enumerate(records, 1):
        firsts.setdefault(record["order_id"], number)
    lines = [n for n in firsts.values() if records[n - 1]["strategy"] == "one"]
    line, other = next(
        (a, b) for a, b in pairwise(lines) if all(r["order_id"] != records[a - 1]["order_id"] for r in records[a:b])
    )
    copy.swap("orders", line, other)
    return "orders.jsonl", other


# ------------------------------------------------------------------------------------------ grid, source, rules, money


def ask_for_half_a_share(copy: Copy) -> Place:
    (line,) = copy.find_order("REJECTED")
    copy.edit("orders", line, quantity=more("0.5"))
    return "orders.jsonl", line


def ask_for_half_a_cent(copy: Copy) -> Place:
    line = copy.find("orders", order_type="STOP")
    copy.edit("orders", line, stop_price=more("0.005"))
    return "orders.jsonl", line


def match_on_something_else(copy: Copy) -> Place:
    copy.edit("executions", 15, matched_on="trade")
    return "executions.jsonl", 15


def let_a_market_order_rest(copy: Copy) -> Place:
    order_id = copy.read("orders")[copy.find("orders", order_type="MARKET", state="FILLED") - 1]["order_id"]
    line = copy.find("executions", order_id=order_id)
    copy.edit("executions", line, liquidity="MAKER", slippage="0")
    return "executions.jsonl", line


def charge_a_cent_too_much(copy: Copy) -> Place:
    copy.edit("executions", 8, commission=more("0.01"))
    return "executions.jsonl", 8


def sell_what_a_cash_account_does_not_have(copy: Copy) -> Place:
    line = copy.find("executions", side="BUY")
    order_id = copy.read("executions")[line - 1]["order_id"]
    copy.edit("executions", line, side="SELL")
    for number, order in enumerate(copy.read("orders"), 1):
        if order["order_id"] == order_id:
            copy.edit("orders", number, side="SELL")
    return "executions.jsonl", line


def state_a_position_more(copy: Copy) -> Place:
    copy.edit_json("run.json", "accounts", "sim", "positions", 0, "quantity", value=more("1"))
    return "run.json", None


def state_a_cent_more(copy: Copy) -> Place:
    copy.edit_json("run.json", "accounts", "sim", "cash", "USD", value=more("0.01"))
    return "run.json", None


def state_another_cost(copy: Copy) -> Place:
    copy.edit_json("run.json", "accounts", "sim", "positions", 0, "cost", value=more("0.01"))
    return "run.json", None


def state_more_profit(copy: Copy) -> Place:
    copy.edit_json("statistics.json", "all", "net_profit", value=more("0.01"))
    return "statistics.json", None


def open_profit_of_what_is_flat(copy: Copy) -> Place:
    # Neither strategy ends long and short at once: one direction is flat.
    word = "long" if copy.statistics("all", "by_direction", "long", "trades_open") == 0 else "short"
    copy.edit_json("statistics.json", "all", "by_direction", word, "open_profit", value="5")
    return "statistics.json", None


def begin_with_more_capital(copy: Copy) -> Place:
    copy.edit_json("statistics.json", "strategies", "one", "accounts", "sim", value="20001")
    return "statistics.json", None


def win_one_trade_more(copy: Copy) -> Place:
    copy.edit_json("statistics.json", "all", "trades_won", value=lambda count: count + 1)
    return "statistics.json", None


def hear_an_execution_twice(copy: Copy) -> Place:
    line = next(n for n, one in enumerate(copy.read("callbacks"), 1) if one["callback"] == "on_execution")
    copy.insert("callbacks", line, copy.read("callbacks")[line - 1])
    return "callbacks.jsonl", line + 1


def hear_another_price(copy: Copy) -> Place:
    records = copy.read("callbacks")
    line = next(n for n, one in enumerate(records, 1) if one["callback"] == "on_execution")
    copy.edit("callbacks", line, subject={**records[line - 1]["subject"], "price": "1"})
    return "callbacks.jsonl", line


class Case(NamedTuple):
    law: str
    kind: str
    damage: Callable[[Copy], Place]
    is_stamped: bool = True


CASES = [
    Case("F1", BARS, cut_the_last_line_off, is_stamped=False),
    Case("F2", BARS, change_a_digit, is_stamped=False),
    Case("F2", BARS, change_the_digest_of_the_run, is_stamped=False),
    Case("F2", BARS, change_a_setting_that_no_law_reads, is_stamped=False),
    Case("F2", BARS, say_that_the_data_had_more_series, is_stamped=False),
    Case("F3", BARS, cut_the_last_line_in_half),
    Case("F3", BARS, break_json_in_the_middle),
    Case("F3", BARS, write_a_float),
    Case("F3", BARS, write_nan),
    Case("F3", BARS, write_an_endless_number),
    Case("F3", BARS, give_a_market_order_a_price),
    Case("F3", BARS, write_an_unknown_side),
    Case("F3", BARS, take_a_field_away),
    Case("F4", BARS, count_an_execution_more, is_stamped=False),
    Case("F4", CASH, take_a_whole_order_away),
    Case("O1", BARS, skip_the_acceptance),
    Case("O1", CASH, revive_a_rejected_order),
    Case("O1", BARS, cancel_what_is_done),
    Case("O3", BARS, execute_after_the_cancel),
    Case("O4", BARS, execute_more_than_was_asked),
    Case("O4", QUOTES, call_a_part_the_whole),
    Case("O4", QUOTES, let_executed_fall),
    Case("O5", BARS, change_an_executed_quantity),
    Case("O5", QUOTES, change_an_average),
    Case("O5", QUOTES, change_an_average_in_its_last_digit),
    Case("O5", BARS, take_an_execution_away),
    Case("O6", CASH, refuse_without_a_reason),
    Case("O6", BARS, add_an_execution_of_nobody),
    Case("O6", BARS, turn_the_side_of_an_execution),
    Case("O7", BARS, use_an_id_for_another_order),
    Case("O7", BARS, move_a_price_without_an_update),
    Case("O7", BARS, repeat_an_execution),
    Case("T3", BARS, turn_an_order_back_in_time),
    Case("T3", BARS, end_the_run_before_its_last_order),
    Case("T3", BARS, start_the_run_after_its_first_order),
    Case("T3", QUOTES, stamp_an_execution_otherwise),
    Case("T3", BARS, swap_two_executions),
    Case("T3", BARS, swap_two_callbacks),
    Case("S1", QUOTES, accept_before_the_latency),
    Case("S1", QUOTES, execute_before_the_acceptance),
    Case("S1", QUOTES, cancel_before_the_latency),
    Case("S1", QUOTES, update_before_the_latency),
    Case("S1", QUOTES, refuse_a_cancel_that_nobody_gave),
    Case("S1", QUOTES, cancel_without_reason_or_command),
    Case("S1", QUOTES, cancel_before_the_order_was_given),
    Case("S1", QUOTES, hear_of_it_at_once),
    Case("S1", QUOTES, hear_of_the_future),
    Case("S2", QUOTES, pay_more_than_the_limit),
    Case("S2", QUOTES, give_a_maker_a_better_price),
    Case("S6", BARS, let_a_later_order_go_first),
    Case("I1", CASH, ask_for_half_a_share),
    Case("I1", BARS, ask_for_half_a_cent),
    Case("E3", QUOTES, match_on_something_else),
    Case("E7", BARS, let_a_market_order_rest),
    Case("E9", BARS, charge_a_cent_too_much),
    Case("E9", CASH, sell_what_a_cash_account_does_not_have),
    Case("B1", BARS, state_a_position_more),
    Case("B2", BARS, state_a_cent_more),
    Case("B3", BARS, state_another_cost),
    Case("B3", BARS, state_more_profit),
    Case("B4", BARS, open_profit_of_what_is_flat),
    Case("B5", BARS, begin_with_more_capital),
    Case("B6", BARS, win_one_trade_more),
    Case("R1", QUOTES, hear_an_execution_twice),
    Case("R1", QUOTES, hear_another_price),
]
GROUP_LAWS = {"C1", "C2", "C3", "C4", "C5"}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.law}-{case.damage.__name__}" for case in CASES])
def test_damage_is_found_with_file_line_and_law(copy_of: Callable[[str], Copy], case: Case) -> None:
    copy = copy_of(case.kind)
    file, line = case.damage(copy)
    if case.is_stamped:
        copy.stamp()
    verification = copy.verify()
    found = [(finding.file, finding.line) for finding in verification.findings if finding.law == case.law]
    assert not verification.is_sound
    assert any(met == file and line in (None, number) for met, number in found), [*verification.findings][:8]
    if case.is_stamped:  # the digests fit what they were made to fit: no other law may hide behind them
        assert not [finding for finding in verification.findings if finding.law == "F2"]


def test_every_law_has_damage_that_breaks_it() -> None:
    """A law without a plant is a law that may check nothing. Groups have tests of their own."""
    assert {case.law for case in CASES} | GROUP_LAWS == set(LAWS)


def test_one_damaged_line_does_not_hide_the_rest(copy_of: Callable[[str], Copy]) -> None:
    """Two executions taken away far from each other are two findings of their own orders, not a flood."""
    copy = copy_of(BARS)
    records = copy.read("executions")
    gone = [records[n - 1]["order_id"] for n in (10, 60)]
    copy.delete("executions", 10, 60)
    copy.stamp()
    found = [finding.message for finding in copy.verify().findings if finding.law == "O5"]
    assert len([message for message in found if "more executed" in message]) == 2
    assert all(any(f"order {order_id} " in message for message in found) for order_id in gone)


def test_a_bit_flipped_anywhere_is_found(copy_of: Callable[[str], Copy]) -> None:
    """Every 97th byte of every record file, one at a time: the digests see it whatever the laws say of it."""
    copy = copy_of("quotes, cash")
    path = copy.path / "executions.jsonl"
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not copy.verify().is_sound, f"byte {place}"

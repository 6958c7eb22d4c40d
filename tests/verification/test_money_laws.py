"""Money in several currencies: commission in base, received or another currency; accounts and their adjustments."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]
RATE = {"type": "rate", "maker": "0", "taker": "0.001"}


@pytest.fixture
def trade(write_run: Make, make_order: Make, make_execution: Make) -> Make:
    """Buys 10 TEST at 100 USD, then sells 9 at 100; `paid` is the commission of each, as (amount, currency)."""

    def make(currency: str, *paid: tuple[str, str], cash: dict[str, str], held: str) -> Any:
        orders = [
            make_order(1, "ACCEPTED"),
            make_order(1, "FILLED", 1, 10),
            make_order(2, "ACCEPTED", 2, side="SELL", quantity="9"),
            make_order(2, "FILLED", 2, 9, side="SELL", quantity="9"),
        ]
        fees = [{"commission": amount, "commission_currency": word} for amount, word in paid]
        executions = [make_execution(1, 1, 10, 1, **fees[0]), make_execution(2, 1, 9, 2, side="SELL", **fees[1])]
        run = write_run(orders, executions, commission={**RATE, "currency": currency})
        run.edit_json("run.json", "instruments", "TEST.SIM", "base_currency", value="TEST")
        positions = [{"strategy": "one", "instrument": "TEST.SIM", "quantity": held, "cost": "100"}]
        run.edit_json("run.json", "accounts", value={"sim": {"cash": cash, "positions": positions}})
        return run

    return make


def messages_of(run: Any) -> list[str]:
    return [finding.message for finding in run.verify().findings]


def test_commission_in_the_quoted_currency_is_paid_from_cash(trade: Make) -> None:
    """1,000 - 1,000 - 1 + 900 - 0.9 = 898.1 USD; 10 - 9 = 1 held."""
    assert messages_of(trade("quote", ("1", "USD"), ("0.9", "USD"), cash={"USD": "898.1"}, held="1")) == []


def test_commission_in_units_of_what_is_traded_is_taken_from_the_position(trade: Make) -> None:
    """0.001 of 10 and of 9 units: 10 - 0.01 - 9 - 0.009 = 0.981 are held, and cash is 1,000 - 1,000 + 900."""
    assert messages_of(trade("base", ("0.010", "TEST"), ("0.009", "TEST"), cash={"USD": "900"}, held="0.981")) == []


def test_commission_in_what_is_received_is_units_of_a_buy_and_money_of_a_sale(trade: Make) -> None:
    """10 - 0.01 - 9 = 0.99 are held; 900 - 0.9 = 899.1 USD."""
    run = trade("received", ("0.010", "TEST"), ("0.9", "USD"), cash={"USD": "899.1"}, held="0.99")
    assert messages_of(run) == []


def test_commission_in_a_third_currency_is_paid_from_its_cash(trade: Make) -> None:
    """How many BNB a dollar is cannot be told from the files: the amount is left out, the cash is not."""
    run = trade("BNB", ("0.003", "BNB"), ("0.002", "BNB"), cash={"USD": "900", "BNB": "-0.005"}, held="1")
    verification = run.verify()
    assert verification.findings == ()
    assert ("E9", "a commission in BNB of type rate needs market prices", 2) in verification.left_out
    run.edit_json("run.json", "accounts", "sim", "cash", "BNB", value="-0.004")
    assert messages_of(run) == ["accounts.sim.cash has -0.004 BNB; executions.jsonl up to line 2 leaves -0.005"]


def test_commission_in_the_wrong_currency_is_found(trade: Make) -> None:
    run = trade("quote", ("0.010", "TEST"), ("0.9", "USD"), cash={"USD": "899.1"}, held="0.99")
    assert messages_of(run) == ["execution one-1.1 paid its commission in TEST; the table says USD"]


def test_money_and_units_that_an_account_was_given_count(trade: Make) -> None:
    """A dividend of 5 USD, and a split of 2 for 1 that adds a unit to the one held."""
    run = trade("quote", ("1", "USD"), ("0.9", "USD"), cash={"USD": "903.1"}, held="2")
    assert len(messages_of(run)) == 2
    given = [
        {"ts_event": 3, "kind": "account_adjustment", "broker": "sim", "currency": "USD", "amount": "5"},
        {
            "ts_event": 3, "kind": "account_adjustment", "broker": "sim", "strategy": "one", "instrument": "TEST.SIM",
            "quantity": "1",
        },
    ]  # fmt: skip
    run.write("events", [json.dumps(line) + "\n" for line in given])
    assert messages_of(run) == []
    run.write(
        "events", [json.dumps({"ts_event": 3, "kind": "account_adjustment", "broker": "sim", "amount": "5"}) + "\n"]
    )
    assert "is no account adjustment: 'currency'" in messages_of(run)

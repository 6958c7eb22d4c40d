"""Money laws: commission, cash and positions, from executions alone (B1, B2, B3, E9).

Receives: every execution, in the order of the file; adjustments of accounts; the broker's own books from run.json.
Gives:    a TradeLedger for each (strategy, broker, source, instrument); findings.
Never:    assumes a multiplier: without the instrument's terms the account is left out.    EXECUTION 9.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from tradecore.verification.exact_number import ZERO, parse_number
from tradecore.verification.law_book import LawBook
from tradecore.verification.record_forms import ExecutionLine
from tradecore.verification.run_files import EVENTS_FILE, EXECUTIONS_FILE, RUN_FILE
from tradecore.verification.run_terms import BrokerTerms, InstrumentTerms, RunTerms
from tradecore.verification.trade_ledger import TradeLedger

LedgerKey = tuple[str, str, str, str]
"""strategy, broker, source, instrument."""


class MoneyLaws:
    """Books of all accounts. ledgers: by strategy, broker, source, instrument."""

    def __init__(self, terms: RunTerms, book: LawBook) -> None:
        self.ledgers: dict[LedgerKey, TradeLedger] = {}
        self._terms, self._book = terms, book
        self._cash: dict[str, dict[str, Decimal]] = {name: dict(one.cash) for name, one in terms.brokers.items()}
        self._adjusted: dict[tuple[str, str, str], Decimal] = {}
        self._adjusted_brokers: set[str] = set()
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()  # adjustments, with their lines
        self._unknown: set[str] = set()  # brokers with executions whose money cannot be counted
        self._last_line: dict[str, int] = {}

    def take(self, execution: ExecutionLine) -> None:
        """Book one execution, behind the adjustments before it; it then knows what was held before it."""
        while self._waiting and self._waiting[0][1]["executions"] < execution.number:
            self._adjust(*self._waiting.popleft())
        key = execution.ledger_key
        instrument = self._terms.instruments.get(execution.instrument)
        ledger = self.ledgers.get(key)
        if ledger is None:
            ledger = self.ledgers[key] = TradeLedger(Decimal(1) if instrument is None else instrument.multiplier)
        execution.held_before = ledger.quantity
        if instrument is not None and execution.commission_currency == instrument.base_currency:
            execution.take_commission_away()
        self._check_time(execution, ledger)
        ledger.take(execution)
        broker = self._terms.brokers.get(execution.broker)
        self._last_line[execution.broker] = execution.number
        if instrument is None or broker is None:
            self._unknown.add(execution.broker)
            missing = execution.instrument if instrument is None else f"broker {execution.broker}"
            self._book.leave_out("E9", f"run.json has no terms of {missing}")
            return
        self._check_commission(execution, instrument, broker)
        self._pay(execution, instrument, broker, ledger)

    def take_adjustment(self, number: int, record: dict[str, Any]) -> None:
        """Book a line of events.jsonl of the kind account_adjustment: money, or units of an instrument, received.

        Where it says after how many executions, it changes the ledger of its strategy there; else the account alone.
        """
        if type(record.get("executions")) is int:
            self._waiting.append((number, record))
            return
        broker = str(record.get("broker"))
        self._adjusted_brokers.add(broker)
        try:
            if "amount" in record:
                cash, currency = self._cash.setdefault(broker, {}), str(record["currency"])
                cash[currency] = cash.get(currency, ZERO) + parse_number(record["amount"], "amount")
            if "quantity" in record:
                key = (str(record["strategy"]), broker, str(record["instrument"]))
                self._adjusted[key] = self._adjusted.get(key, ZERO) + parse_number(record["quantity"], "quantity")
        except (KeyError, ValueError) as error:
            self._book.report("F3", EVENTS_FILE, number, f"is no account adjustment: {error}")

    def _adjust(self, number: int, record: dict[str, Any]) -> None:
        """A strategy's part of an adjustment: into its ledger, and into the cash."""
        try:
            strategy, broker = str(record["strategy"]), str(record["broker"])
            amount = parse_number(record.get("amount", "0"), "amount")
            currency = str(record["currency"]) if amount else ""
            name = str(record.get("instrument", currency))
            key = (strategy, broker, "SIMULATED", name)
            ledger = self.ledgers.get(key)
            if ledger is None:
                if "instrument" in record:
                    raise ValueError(f"{strategy} held no {name} then")
                ledger = self.ledgers[key] = TradeLedger(Decimal(1), is_money=True)
            is_split = record["adjustment"] == "SPLIT"
            ratio = parse_number(record["value"], "value") if is_split else None
            moved = parse_number(record.get("quantity", "0"), "quantity")
        except (KeyError, ValueError) as error:
            self._book.report("F3", EVENTS_FILE, number, f"is no account adjustment: {error}")
            return
        terms = self._terms.instruments.get(name)
        if terms is not None and amount and currency != terms.currency:
            ledger.is_converted = True
        ledger.adjust(amount, moved, ratio, record["ts_event"])
        if amount:
            cash = self._cash.setdefault(broker, {})
            cash[currency] = cash.get(currency, ZERO) + amount

    def finish(self, accounts: Any, *, is_incomplete: bool) -> None:
        """Compare with the brokers' own books, as run.json has them."""
        while self._waiting:
            self._adjust(*self._waiting.popleft())
        accounts = accounts if isinstance(accounts, dict) else {}
        for name in sorted({key[1] for key in self.ledgers} | set(self._cash)):
            if name not in accounts:
                reason = "the run never came to its end" if is_incomplete else f"run.json has no books of broker {name}"
                self._book.leave_out("B1", reason)
                self._book.leave_out("B2", reason)
                continue
            try:
                self._compare_cash(name, accounts[name]["cash"])
                self._compare_positions(name, accounts[name]["positions"])
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                self._book.report("F3", RUN_FILE, None, f"accounts.{name} cannot be read: {error!r}")

    def _check_time(self, execution: ExecutionLine, ledger: TradeLedger) -> None:
        self._book.checked["T3"] += 1
        if ledger.last_ns is not None and execution.ts_event < ledger.last_ns:
            self._break(
                "T3", execution, f"is of {execution.ts_event}, after one of the same ledger of {ledger.last_ns}"
            )

    def _check_commission(self, execution: ExecutionLine, instrument: InstrumentTerms, broker: BrokerTerms) -> None:
        paid_in = _find_commission_currency(execution, instrument, broker)
        self._book.checked["E9"] += 1
        if execution.commission_currency != paid_in:
            met = execution.commission_currency
            self._break("E9", execution, f"paid its commission in {met}; the table says {paid_in}")
        expected = _compute_commission(execution, instrument, broker)
        if expected is None:
            self._book.leave_out(
                "E9", f"a commission in {paid_in} of type {broker.commission_type} needs market prices"
            )
            return
        if execution.commission != expected:
            self._break("E9", execution, f"paid a commission of {execution.commission}; the table says {expected}")

    def _pay(
        self, execution: ExecutionLine, instrument: InstrumentTerms, broker: BrokerTerms, ledger: TradeLedger
    ) -> None:
        cash = self._cash[execution.broker]
        value = execution.quantity * execution.price * instrument.multiplier
        cash.setdefault(instrument.currency, ZERO)
        cash[instrument.currency] += -value if execution.is_buy else value
        paid_in = execution.commission_currency
        if paid_in != instrument.base_currency:  # that was taken from what is traded
            cash[paid_in] = cash.get(paid_in, ZERO) - execution.commission
        if not broker.is_cash:
            return
        if execution.broker in self._adjusted_brokers:
            self._book.leave_out("E9", "the account was adjusted, at times that executions do not show")
            return
        self._book.checked["E9"] += 1
        if ledger.quantity < 0:
            self._break("E9", execution, f"leaves a cash account short: it holds {ledger.quantity}")
        if execution.is_buy and cash[instrument.currency] < 0:
            self._break(
                "E9", execution, f"leaves a cash account with {cash[instrument.currency]} {instrument.currency}"
            )

    def _compare_cash(self, name: str, noted: dict[str, str]) -> None:
        if name in self._unknown:
            self._book.leave_out("B2", f"run.json lacks terms of broker {name} or of an instrument traded there")
            return
        mine = self._cash[name]
        for currency in sorted({*mine, *noted}):
            self._book.checked["B2"] += 1
            stated = parse_number(noted.get(currency, "0"), "cash")
            if mine.get(currency, ZERO) != stated:
                self._book.report(
                    "B2",
                    RUN_FILE,
                    None,
                    f"accounts.{name}.cash has {stated} {currency}; {EXECUTIONS_FILE} up to line "
                    f"{self._last_line.get(name, 0)} leaves {mine.get(currency, ZERO)}",
                )

    def _compare_positions(self, name: str, noted: list[dict[str, Any]]) -> None:
        stated = {(one["strategy"], one["instrument"]): one for one in noted}
        for (strategy, broker, _, instrument), ledger in sorted(self.ledgers.items()):
            if broker != name:
                continue
            self._book.checked["B1"] += 1
            one = stated.pop((strategy, instrument), {"quantity": "0", "cost": "0"})
            quantity = ledger.quantity + self._adjusted.get((strategy, broker, instrument), ZERO)
            what = f"accounts.{name}.positions: {strategy} {instrument}"
            if parse_number(one["quantity"], "quantity") != quantity:
                self._book.report(
                    "B1",
                    RUN_FILE,
                    None,
                    f"{what} holds {one['quantity']}; {EXECUTIONS_FILE} up to line {ledger.line} sums to {quantity}",
                )
            elif "cost" in one and instrument in self._terms.instruments and not ledger.is_converted:
                self._book.checked["B3"] += 1
                cost, slack = (ledger.trade.cost, ledger.trade.slack) if ledger.trade is not None else (ZERO, ZERO)
                if abs(parse_number(one["cost"], "cost") - cost) > slack:
                    self._book.report("B3", RUN_FILE, None, f"{what} cost {one['cost']}; its executions cost {cost}")
        for strategy, instrument in sorted(stated):
            self._book.checked["B1"] += 1
            self._book.report(
                "B1", RUN_FILE, None, f"accounts.{name}.positions: {strategy} {instrument} has no execution at all"
            )

    def _break(self, law: str, execution: ExecutionLine, message: str) -> None:
        self._book.report(law, EXECUTIONS_FILE, execution.number, f"execution {execution.execution_id} {message}")


def _find_commission_currency(execution: ExecutionLine, instrument: InstrumentTerms, broker: BrokerTerms) -> str:
    """What commission is paid in: "quote", "base", "received" (bought: base, sold: quote) or a currency by name."""
    word = broker.commission_currency
    if word == "received":
        word = "base" if execution.is_buy else "quote"
    named = {"quote": instrument.currency, "base": instrument.base_currency or instrument.currency}
    return named.get(word, word)


def _compute_commission(execution: ExecutionLine, instrument: InstrumentTerms, broker: BrokerTerms) -> Decimal | None:
    """What the table says of an execution; None where it cannot be told from the files. EXECUTION 9."""
    kind, table = broker.commission_type, broker.commission
    if kind == "rate":
        rate = table.get("maker" if execution.is_maker else "taker", ZERO)
        if execution.commission_currency == instrument.base_currency:
            return execution.quantity * rate
        value = abs(execution.price) * execution.quantity * instrument.multiplier
        return value * rate if execution.commission_currency == instrument.currency or not rate else None
    if kind == "per_unit":
        return max(execution.quantity * table.get("amount", ZERO), table.get("minimum", ZERO))
    return table.get("amount", ZERO) if kind == "fixed" else None

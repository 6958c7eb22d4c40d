"""AccountEvents: what happens to an account at an instant without an order: margin tests, then adjustments.

Receives: the passing of windows; changes of what is held or owed; adjustments.
Gives:    `due_ns`: when the account itself is due; `run` does it, behind the market events of that instant.
Never:    is due while nothing can happen: an account that owes nothing and is short of nothing has no margin to test.
          EXECUTION 9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradecore.brokerage.account_acts import AccountActs
from tradecore.brokerage.account_book import AccountBook
from tradecore.brokerage.account_money import AccountMoney
from tradecore.brokerage.adjustments import Adjustments, Due
from tradecore.brokerage.margin_watch import NEVER, MarginWatch
from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.engine.participant import Recorder
from tradecore.execution.lane import Lane
from tradecore.execution.working_order import WorkingOrder


class AccountEvents:
    """Of one account. due_ns: int nanoseconds, NEVER without. heard: see Adjustments; empty before the first split."""

    def __init__(
        self,
        broker: str,
        settings: SimulatedBrokerSettings,
        book: AccountBook,
        money: AccountMoney,
        lanes: dict[str, Lane],
        acts: AccountActs,
    ) -> None:
        self.due_ns = NEVER
        self._book = book
        self._borrows = bool(settings.borrow_rate)
        self._adjustments = Adjustments(broker, book, money, lanes, settings.borrow_rate, acts)
        self.heard = self._adjustments.heard
        self._margin: MarginWatch | None = None
        if settings.account == "margin":
            kept = settings.maintenance_margin
            maintenance = settings.initial_margin / 2 if kept is None else kept
            does_halt = settings.on_breach == "halt"
            self._margin = MarginWatch(broker, book, money, maintenance, acts, self._note, does_halt=does_halt)

    def attach(self, strategy: str, recorder: Recorder) -> None:
        """A strategy uses this account."""
        self._adjustments.recorders[strategy] = recorder

    def begin_window(self, events: Sequence[Any], now: int) -> None:
        """Events of one series were loaded. now: the instant at which the broker is."""
        if self._borrows:
            self._adjustments.begin(events[0].ts_event)
        if self._book.is_watched and self._margin is not None:
            self._margin.begin_window()
        if self._borrows or self._book.is_exposed:
            self.watch(now)

    def load(self, dues: Sequence[Due]) -> None:
        """Adjustments of the next window, in order of time."""
        self._adjustments.load(dues)
        self._refresh()

    def end_window(self) -> None:
        """All loaded events have happened."""
        self._adjustments.end_window()
        if self._margin is not None:
            self._margin.end_window()
        self._refresh()

    def watch(self, after: int) -> None:
        """What is held or owed changed, or more events came: look for the next instant to test the margin at."""
        if self._margin is not None and self._book.is_exposed:
            self._margin.refresh(after)
        self._refresh()

    def run(self, ts: int) -> None:
        """What is due at this instant. Raises: MarginBroken."""
        if self._margin is not None and self._margin.due_ns <= ts:
            self._margin.test(ts)
        if self._adjustments.due_ns <= ts:
            self._adjustments.run(ts)
            if self._margin is not None:
                self._margin.forget()
        self.watch(ts)

    def convert_late(self, order: WorkingOrder, now: int) -> None:
        """An order is sent now, by a strategy that may not have heard of a split yet."""
        self._adjustments.convert_late(order, now)

    def find_outdated(self, order: WorkingOrder, decided_ns: int) -> str | None:
        """Why an update decided then has numbers of before a split; None where it has not."""
        return self._adjustments.find_outdated(order, decided_ns)

    @property
    def own_orders(self) -> int:
        """Orders that the broker gave itself, to close what was held."""
        return 0 if self._margin is None else self._margin.closings

    def list_assumptions(self) -> list[str]:
        """What was taken for granted about costs and income of what was held, as sentences for the report."""
        said = []
        if self._book.has_shorted and not self._borrows:
            said.append("borrow_rate is 0: shorts cost nothing to hold")
        ledgers = self._book.ledgers.values()
        stocks = {ledger.instrument.id for ledger in ledgers if ledger.instrument.base_currency is None}
        without = sorted(stocks - self._adjustments.dividends)
        if without:
            said.append(f"no dividends were given of {', '.join(without)}: none were paid or received")
        return said

    def _note(self, kind: str, ts: int, facts: Mapping[str, Any]) -> None:
        """Into events.jsonl, which the recorders of a run share."""
        next(iter(self._adjustments.recorders.values())).record_note(kind, ts, facts)

    def _refresh(self) -> None:
        due = self._adjustments.due_ns
        self.due_ns = due if self._margin is None else min(due, self._margin.due_ns)

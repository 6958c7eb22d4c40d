"""SimulatedBroker: a venue in memory: latency, an ExecutionEngine, ledgers and money.

Receives: windows of market events from the engine; orders, cancels and updates of strategies, decided at `now`.
Gives:    reports with due times; every Execution, order change and mark to the recorder of its strategy; `due_ns`.
Never:    calls a strategy, shows anything before its time, or depends on the order in which feeds were added.
          Spec: 5.3; DESIGN 4, 9; EXECUTION 1, 2, 7, 9.

At one instant market events meet the orders that are effective already, then the account itself is due (margin,
adjustments), then commands take effect in the order in which they were given. None of a broker overtakes another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from tradecore.brokerage.account_acts import AccountActs
from tradecore.brokerage.account_book import AccountBook
from tradecore.brokerage.account_events import AccountEvents
from tradecore.brokerage.account_money import AccountMoney
from tradecore.brokerage.broker_command import BrokerCommand, Timeline
from tradecore.brokerage.ledger import Ledger
from tradecore.brokerage.next_open import NextOpen
from tradecore.brokerage.order_check import check_order, check_terms, check_update
from tradecore.brokerage.report_queue import ReportQueue
from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.settings_check import list_settings_mistakes
from tradecore.brokerage.slippage import make_lane_slippage
from tradecore.brokerage.source_choice import list_choices
from tradecore.brokerage.update_refusal import find_update_refusal
from tradecore.brokerage.venue_groups import VenueActs, VenueGroups, make_venue_group
from tradecore.domain.account import Account
from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment
from tradecore.domain.delay_law import draw_key
from tradecore.domain.exact import ZERO
from tradecore.domain.execution import BrokerSource, Execution
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import PLAIN_TERMS, OrderRole
from tradecore.domain.position import Position
from tradecore.engine.participant import NEVER, AdjustmentReport, BrokerReport, Recorder, Source
from tradecore.errors import ConfigError, InvalidOrder, UnknownOrder
from tradecore.execution.execution_engine import Charge, ExecutionEngine
from tradecore.execution.match_rules import MatchRules
from tradecore.execution.match_source import MatchSource
from tradecore.execution.waiting_lane import WaitingLane
from tradecore.execution.working_order import WorkingOrder

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_STATE_ACCEPTED: Final = OrderState.ACCEPTED
_STATE_CANCELLED: Final = OrderState.CANCELLED
_STATE_FILLED: Final = OrderState.FILLED
_STATE_REJECTED: Final = OrderState.REJECTED


class SimulatedBroker:
    """A BrokerParticipant and a BrokerageProvider. Raises: ConfigError for settings that contradict each other."""

    source = BrokerSource.SIMULATED
    shows_acceptance = True

    def __init__(self, name: str, settings: SimulatedBrokerSettings, *, seed: int, timeline: Timeline) -> None:
        mistakes = list_settings_mistakes(settings)
        if mistakes:
            raise ConfigError(f"broker {name!r}", mistakes)
        self.name = name
        self.settings = settings
        self.contingency = settings.contingency
        self.due_ns = NEVER
        self._seed = seed
        self._timeline = timeline
        rules = MatchRules(
            bar_fill=settings.bar_fill, bar_touch=settings.bar_touch, bar_path=settings.bar_path,
            participation=settings.participation, open_grace=settings.open_grace, no_market=settings.no_market,
            stop_through=settings.stop_through, self_trade=settings.self_trade,
        )  # fmt: skip
        self._engine = ExecutionEngine(name, self.source, rules, self)
        self._charges: dict[str, Charge] = {}
        self._money = AccountMoney(name, next(iter(settings.cash)), settings.commission, lambda: self._instant)
        self._book = AccountBook(settings, convert=self._money.find_rate, now=lambda: self._instant)
        self.account = AccountEvents(
            name, settings, self._book, self._money, self._engine.lanes,
            AccountActs(
                lambda: [order for order in self._orders.values() if not order.is_finished], self._engine.withdraw,
                self._charges, partial(self._tell_answer, updated=True), self._engine.rescan, self._tell_adjusted,
                self._close_out, lambda *args: self._groups.split(*args), lambda *args: self._groups.settle(*args),
            ),
        )  # fmt: skip
        self._instruments: dict[str, Instrument] = {}
        self._known: dict[str, Instrument] = {}
        self._more_may_come = False
        self._sources: dict[str, MatchSource] = {}
        self._without_source: dict[str, str] = {}
        self._recorders: dict[str, Recorder] = {}
        self._reports: list[BrokerReport | AdjustmentReport] = []  # due since the instant at which they were made
        self._delayed_reports = ReportQueue()
        self._ended: list[str] = []  # orders whose end waits there to be told
        self._commands: deque[BrokerCommand] = deque()
        self._orders: dict[str, WorkingOrder] = {}
        self._number = 0
        self._instant = 0
        self._next_ns = NEVER  # due_ns, but for the reports that are due already
        latency = settings.latency
        self._report_law = None if latency.report.is_zero else latency.report
        # Of a command's way here, by its word; None where it takes no time.
        laws = {"submit": latency.submit, "group": latency.submit, "cancel": latency.cancel, "update": latency.update}
        self._laws = {word: None if law.is_zero else law for word, law in laws.items()}
        is_prompt = self._report_law is None and not any(self._laws.values())
        self._next_open = NextOpen(name, self.source, self._book, self._charges) if is_prompt else None
        self._groups = VenueGroups(
            VenueActs(
                self._find_arrival_refusal, self._accept, self._reject, self._accept_child, self._resize_child,
                self._drop_child, self._engine.withdraw,
            )
        )  # fmt: skip

    # ----------------------------------------------------------------------------------------------- before the run

    async def connect(self) -> None:
        """Nothing to open."""

    async def disconnect(self) -> None:
        """Nothing to close."""

    def attach(self, strategy: str, recorder: Recorder) -> None:
        """Open ledgers for a strategy; its executions, order changes and marks go to the recorder."""
        self._recorders[strategy] = recorder
        self.account.attach(strategy, recorder)

    def choose_sources(
        self, sources: Sequence[Source], instruments: dict[str, Instrument], *, more_may_come: bool = False
    ) -> None:
        """Choose one match source for each instrument that has none yet (EXECUTION 3).

        Raises: UnknownInstrument; ConfigError for a currency that a margin account cannot convert, and, unless
        more_may_come, for a match_on that nothing serves and a side's bars without a spread.
        """
        self._known, self._more_may_come = instruments, more_may_come
        new = [source for source in sources if source.instrument not in self._sources]
        choices, mistakes = list_choices(
            new, instruments, self.settings, self._money.find_mistake, more_may_come=more_may_come
        )
        for name, chosen in choices.items():
            self._instruments[name] = instruments[name]
            if isinstance(chosen, MatchSource):
                self._open(instruments[name], chosen)
            else:
                self._without_source[name] = chosen
                self._reject_waiting(name, chosen)
        needed = {self._instruments[name].currency for name in self._sources}
        needed.update(() if self._book.is_cash else self._book.cash)
        mistakes.extend(self._money.find_paths(self._engine.lanes.values(), needed))
        if mistakes:
            raise ConfigError(f"broker {self.name!r}", mistakes)

    def _open(self, instrument: Instrument, chosen: MatchSource) -> None:
        charge = self._money.make_charge(instrument)
        slippage = make_lane_slippage(self.settings.slippage, instrument, self._seed)
        self._engine.open_lane(instrument, chosen, charge, **slippage)
        for ledger in self._book.ledgers.values():
            if ledger.instrument.id == instrument.id:  # of orders that waited for this market
                ledger.lane = self._engine.lanes[instrument.id]
        self._sources[instrument.id] = chosen
        self._charges[instrument.id] = charge
        self._without_source.pop(instrument.id, None)

    @property
    def match_sources(self) -> dict[str, str]:
        """What each instrument is matched on, for run.json: {"IBM.NYSE": "bar IBM.NYSE 1d last"}."""
        return {name: self._sources[name].description for name in sorted(self._sources)}

    @property
    def match_counts(self) -> dict[str, dict[str, int]]:
        """For run.json, by instrument: executions that no size capped; half and crossed pairs of bid and ask bars."""
        return {name: self._engine.lanes[name].list_counts() for name in sorted(self._engine.lanes)}

    def is_source(self, kind: str, name: str) -> bool:
        """Whether events of this series are matched here."""
        return self._engine.is_source(kind, name)

    # ------------------------------------------------------------------------------------------------------- commands

    def check_order(self, order: Order) -> None:
        """What is wrong with an order at any time, so that it raises at the user's call. Raises: InvalidOrder."""
        if order._terms is not PLAIN_TERMS:  # noqa: SLF001  (a property costs more than the rest of this)
            check_terms(order, self._timeline.now)
        name = order._instrument  # noqa: SLF001
        if name not in self._money.payable:
            self._money.check_payable(self._known.get(name), more_may_come=self._more_may_come)

    async def submit_order(self, order: Order, is_heard: bool = True) -> None:
        """Take charge of a submitted order. Raises: InvalidOrder, InvalidOrder for an unknown instrument included."""
        next_open = self._next_open
        if next_open is not None:
            # No order works, none waits for its bar, and the engine has nothing left of those that are finished.
            is_idle = not self._orders and not self._commands and self._engine.due_ns == NEVER
            if is_idle and next_open.due_ns == NEVER:
                number, now = self._number + 1, self._timeline.now
                accepted = next_open.take(order, number, now)
                if accepted is not None:
                    self._number, self._instant = number, now
                    self.due_ns = self._next_ns = min(next_open.due_ns, self.account.due_ns)
                    if is_heard or self._reports or type(order) is not Order:
                        self._reports.append(BrokerReport(now, accepted.strategy, accepted))
                        self.due_ns = now
                    else:
                        order._state = _STATE_ACCEPTED  # noqa: SLF001  (what the report would do)
                    return
            self._give_back()
        self._send("submit", self._take_charge(order))

    async def submit_group(self, group: OrderGroup) -> None:
        """Take charge of a submitted group: one command, whose orders take effect together. Raises: InvalidOrder."""
        self._give_back()
        orders = [self._take_charge(order) for order in group.orders]
        self._send("group", make_venue_group(orders, self._known[group.instrument].quantity_increment).first)

    def _take_charge(self, order: Order) -> WorkingOrder:
        working = WorkingOrder(order)
        if self._report_law is not None:
            working.report_ns = self._report_law.draw_ns(draw_key(self._seed, order.order_id, "report"))
        if working.is_special or not working.order_id:
            check_order(order, self._timeline.now)
            if self.account.heard:
                self.account.convert_late(working, self._timeline.now)
        if working.strategy not in self._recorders:
            raise InvalidOrder(
                f"order {order.order_id!r} is of strategy {order.strategy!r}, which is not attached to broker "
                f"{self.name!r}; submit orders through Strategy.submit_order"
            )
        self._number = working.number = self._number + 1
        self._orders[working.order_id] = working
        return working

    async def record_unsent(self, order: OrderSnapshot) -> None:
        """See BrokerParticipant. It is told behind what is on its way already."""
        self._give_back()
        now = self._instant = self._timeline.now
        if self._report_law is None:
            self._tell(order)
        else:
            self._recorders[order.strategy].record_order(order)
            self._delayed_reports.put(now, order, None, None)
        self._refresh_due()

    async def cancel_order(self, order: Order) -> None:
        """Take charge of a cancel. Raises: UnknownOrder."""
        self._send("cancel", self._find(order), reason=order._cancel_reason)  # noqa: SLF001

    async def update_order(
        self, order: Order, *, quantity: Decimal | None = None, price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:  # fmt: skip
        """Take charge of a change; quantity is the absolute total. Raises: UnknownOrder, InvalidOrder."""
        working = self._find(order)
        check_update(working, quantity, price, stop_price, self._instruments.get(working.instrument))
        self._send("update", working, quantity, price, stop_price)

    def _find(self, order: Order) -> WorkingOrder:
        self._give_back()
        working = self._orders.get(order._order_id)  # noqa: SLF001  (see check_order)
        if working is None:
            raise UnknownOrder(
                f"order {order.order_id or '(not submitted)'} is not with broker {self.name!r}: it was never submitted "
                f"here, or it is finished ({order.state.name})"
            )
        return working

    def _send(
        self, word: str, order: WorkingOrder, quantity: Decimal | None = None, price: Decimal | None = None,
        stop_price: Decimal | None = None, reason: str | None = None,
    ) -> None:  # fmt: skip
        """Put a command on its way. It never overtakes one that was given before."""
        due, commands, law = (now := self._timeline.now), self._commands, self._laws[word]
        if law is not None:
            due += law.draw_ns(draw_key(self._seed, order.order_id, word))
        elif not commands and (engine := self._engine).due_ns > due:  # nothing comes before it: it takes effect now
            self._instant = due
            if word == "submit":
                self._accept(order, due)
            else:
                self._take_effect(BrokerCommand(due, word, order, quantity, price, stop_price, now, reason))
            if self._book.is_exposed:
                self.account.watch(due)
            self._set_next(engine.due_ns)
            return
        if commands and commands[-1].due_ns > due:
            due = commands[-1].due_ns
        commands.append(BrokerCommand(due, word, order, quantity, price, stop_price, now, reason))
        self._next_ns, self.due_ns = min(due, self._next_ns), min(due, self.due_ns)

    # -------------------------------------------------------------------------------------------------------- the run

    def load(self, kind: str, name: str, events: Sequence[Any], *, by_arrival: bool = False) -> None:
        """Events of the next window of a match source series, in order of ts_event, or of arrival (DESIGN 4)."""
        self._give_back()
        self._engine.load(kind, name, events, by_arrival=by_arrival)
        self.account.begin_window(events, self._instant)
        if self._engine.due_ns < self._next_ns or self.account.due_ns < self._next_ns:
            self._refresh_due()

    def load_adjustments(self, dues: Sequence[tuple[int, AccountAdjustment]]) -> None:
        """Adjustments of accounts of the next window, with the instants at which they are booked, in order."""
        self._give_back()
        self.account.load(dues)
        self._refresh_due()

    def advance(self, ts: int) -> None:
        """Do everything up to and including this instant: market events, then commands, instant by instant."""
        if self._next_ns > ts:
            return
        book, account = self._book, self.account
        if (next_open := self._next_open) is not None and (due := next_open.due_ns) != NEVER:
            # An order that waits for the next open has it, where nothing else is due by then.
            report = next_open.execute() if due <= ts and due <= account.due_ns else None
            if report is None:
                self._give_back()
            else:
                self._instant = self.due_ns = due
                self._reports.append(report)
                if book.is_exposed:  # it has met the rest of its bar
                    account.watch(due - 1)
                self._next_ns = due = account.due_ns
                if due > ts:
                    return
        engine, commands = self._engine, self._commands
        while True:
            due, booked = engine.due_ns, account.due_ns
            commanded = commands[0].due_ns if commands else NEVER
            if due <= ts and due <= booked and due <= commanded:
                self._instant = due
                engine.match(due)
                if book.is_exposed:  # what was executed in this bar, at its open say, has met the rest of it
                    account.watch(due - 1)
            elif booked <= ts and booked <= commanded:
                self._instant = booked
                account.run(booked)
            elif commanded <= ts:
                self._instant = commanded
                self._take_effect(commands.popleft())
                if book.is_exposed:
                    account.watch(commanded)
            else:
                break
        self._set_next(min(commanded, due))

    def _give_back(self) -> None:
        """Something else comes before the bar that an order waits for: it goes the general way from here."""
        if self._next_open is not None and self._next_open.due_ns != NEVER:
            order, ts = self._next_open.give_back()
            self._orders[order.order_id] = order
            self._engine.arrive(order, ts)
            self._refresh_due()

    def take_reports(self, ts: int) -> Sequence[BrokerReport | AdjustmentReport]:
        """Reports due by this instant, in order, each handed out once."""
        if self._report_law is not None:
            reports = self._delayed_reports.take(ts)
            self._refresh_due()
            for report in reports:
                if isinstance(report, BrokerReport) and report.order.state.is_finished:
                    self._orders.pop(report.order.order_id, None)
            return reports
        reports = self._reports
        if reports:
            self._reports = []
            self.due_ns = self._next_ns
            for order_id in self._ended:  # the strategy knows by now: it will not ask for them any more
                self._orders.pop(order_id, None)
            self._ended.clear()
        return reports

    def value(self, ts: int) -> None:
        """Record marks up to and including this instant; at the same instant an execution may still follow."""
        if self._next_open is not None and self._next_open.due_ns <= ts:
            self._give_back()  # its reports are not handed out at once: until then the broker has to know it
        self.advance(ts)
        if not self._book.ledgers:
            return
        for lane in self._engine.lanes.values():
            lane.take_until(ts)
        for ledger in self._book.ledgers.values():
            if ledger.lane.last is not None:
                ledger.record_marks(ts, ledger.position.quantity)

    def end_window(self, mark: int) -> None:
        """Everything before mark has happened: take in what is left of the loaded events, value what is held."""
        self._give_back()
        self.value(mark - 1)
        self._money.end_window(self._book.ledgers.values(), mark - 1)
        self._engine.end_window()
        self.account.end_window()
        self._refresh_due()

    def find_complete_ns(self, mark: int) -> int:
        """The instant up to which no execution comes any more once all before the mark has happened."""
        return mark - 1 - self._engine.lag_ns

    def finish(self, ts: int) -> None:
        """The run ended at this instant: what waits for a bar takes effect, what is held gets a last mark.

        What is loaded of later instants never happens.
        """
        self._give_back()
        self.advance(ts)
        for lane in self._engine.lanes.values():
            lane.take_until(ts)
        self._instant = ts
        self._engine.end_run(ts)
        for ledger in self._book.ledgers.values():
            ledger.record_last_mark(ts)
        self._refresh_due()

    def _refresh_due(self) -> None:
        due = self._engine.due_ns
        if self._next_open is not None and self._next_open.due_ns < due:
            due = self._next_open.due_ns
        self._set_next(min(due, self._commands[0].due_ns) if self._commands else due)

    def _set_next(self, due: int) -> None:
        """The next event or command is due then; a report may be due before."""
        if self.account.due_ns < due:
            due = self.account.due_ns
        if self._report_law is not None and self._delayed_reports.due_ns < due:
            due = self._delayed_reports.due_ns
        self._next_ns = due
        self.due_ns = self._instant if self._reports else due

    # ---------------------------------------------------------------------------------------------- taking effect

    def _take_effect(self, command: BrokerCommand) -> None:
        order, due = command.order, command.due_ns
        if command.word == "submit":
            self._accept(order, due)
        elif command.word == "group":
            self._groups.arrive(order.venue_group, due)
        elif order.is_finished or not self._engine.postpone(order, due, command):
            self.run_postponed(command, due)

    def _accept(self, order: WorkingOrder, ts: int) -> None:
        ledger = self._book.ledgers.get((order.strategy, order.instrument))
        if ledger is None:
            if (unmatched := self._find_unmatched(order.instrument)) is not None:
                self._reject(order, ts, unmatched)
                return
            ledger = self._find_ledger(order)
        lane = ledger.lane
        lane.take_until(ts)
        charge = self._charges[order.instrument]
        refusal = self._engine.find_refusal(order, ts) if lane.may_refuse or order.is_special else None
        if refusal is None:
            refusal = self._book.admit(order, ledger, charge)
        if refusal is not None:
            self._reject(order, ts, refusal)
            return
        order.state, order.ledger = _STATE_ACCEPTED, ledger
        self._publish(order, order.snapshot(self.name, ts))
        self._engine.arrive(order, ts)

    def _find_unmatched(self, name: str) -> str | None:
        """Why orders of an instrument cannot work; None where a lane takes them, be it for a while."""
        if name in self._engine.lanes:
            return None
        instrument = self._known.get(name)
        if instrument is None or not self._more_may_come or name in self._without_source:
            return _say_unmatched(name, self._without_source.get(name, "no series of it is read by this run"))
        self._instruments[name] = instrument
        self._charges[name] = self._money.make_charge(instrument)
        self._engine.open_waiting_lane(instrument, self._charges[name])
        return None

    def _reject_waiting(self, name: str, reason: str) -> None:
        """What has shown itself of an instrument cannot be matched: orders that waited for it need it now."""
        lane = self._engine.lanes.get(name)
        if isinstance(lane, WaitingLane):
            for order in lane.refuse_all(_say_unmatched(name, reason)):
                self._book.release(order, self._find_ledger(order))
                self._reject(order, self._timeline.now, _say_unmatched(name, reason))
            self._refresh_due()

    def _reject(self, order: WorkingOrder, ts: int, reason: str) -> None:
        order.move(_STATE_REJECTED, reason)
        self._publish(order, order.snapshot(self.name, ts))

    def run_postponed(self, command: BrokerCommand, ts_event: int) -> None:
        """A cancel or update takes effect, at once or after the bar that it had to wait for."""
        order = command.order
        if command.word == "cancel":
            self._cancel(order, command, ts_event)
        else:
            self._update(order, command, ts_event)

    def _cancel(self, order: WorkingOrder, command: BrokerCommand, ts: int) -> None:
        if order.is_finished:
            reason = f"cannot cancel: the order is {order.state.name}"
            self._tell_answer(order, ts, reason=reason, cancel_rejected=True, ts_command=command.decided_ns)
            return
        if order.venue_group is not None and self._groups.is_held(order):
            self._drop_child(order, ts, "cancelled before it worked", command.decided_ns)
            return
        self._engine.leave(order)
        order.move(_STATE_CANCELLED, command.reason)
        self._book.release(order, order.ledger)
        self._publish(order, order.snapshot(self.name, ts, command.decided_ns))

    def _update(self, order: WorkingOrder, command: BrokerCommand, ts: int) -> None:
        refusal, decided_ns = find_update_refusal(order, command, self.account, self._groups), command.decided_ns
        if refusal is not None:
            self._tell_answer(order, ts, reason=refusal, update_rejected=True, ts_command=decided_ns)
            return
        if order.venue_group is not None and self._update_grouped(order, command, ts):
            return
        ledger, charge = self._find_ledger(order), self._charges[order.instrument]
        before = (order.quantity, order.price, order.stop_price)
        self._book.release(order, ledger)
        order.change(command.quantity, command.price, command.stop_price)
        is_only_less = (order.price, order.stop_price) == before[1:] and order.quantity <= before[0]
        refusal = None
        if not is_only_less:
            refusal = self._engine.find_refusal(order, ts) or self._book.find_refusal(order, ledger, charge)
        if refusal is not None:
            order.change(*before)
            self._book.reserve(order, ledger, charge)
            self._tell_answer(order, ts, reason=refusal, update_rejected=True, ts_command=decided_ns)
            return
        self._book.reserve(order, ledger, charge)
        if not order.remaining:  # lowered to what is executed: done
            self._engine.leave(order)
            order.move(_STATE_FILLED)
        self._tell_answer(order, ts, updated=True, ts_command=decided_ns)
        if not is_only_less and not order.is_finished:
            self._number += 1
            order.number, order.is_fresh = self._number, True
            self._engine.leave(order)
            self._engine.arrive(order, ts)

    def _update_grouped(self, order: WorkingOrder, command: BrokerCommand, ts: int) -> bool:
        """An update of an order whose group the venue holds; False where it is one as any other."""
        is_held = self._groups.is_held(order)
        if command.quantity is None and not is_held:
            return False
        if order.terms.role is OrderRole.ENTRY:
            return False
        if is_held:
            order.change(None, command.price, command.stop_price)
        if command.quantity is not None:
            self._groups.wish(order, command.quantity, ts)
        if is_held or (command.price is command.stop_price is None):
            self._tell_answer(order, ts, updated=True, ts_command=command.decided_ns)
        else:
            self._update(order, replace(command, quantity=None), ts)
        return True

    def _find_ledger(self, order: WorkingOrder) -> Ledger:
        key = (order.strategy, order.instrument)
        ledger = self._book.ledgers.get(key)
        if ledger is None:
            lane, recorder = self._engine.lanes[order.instrument], self._recorders[order.strategy]
            ledger = self._money.make_ledger(order.strategy, self._instruments[order.instrument], lane, recorder)
            self._book.ledgers[key] = ledger
        return ledger

    # --------------------------------------------------------------------- called by the engine (ExecutionListener)

    def find_money_refusal(self, order: WorkingOrder, quantity: Decimal, price: Decimal) -> str | None:
        """See ExecutionListener."""
        charge = self._charges[order.instrument]
        return self._book.find_execution_refusal(order, self._find_ledger(order), charge, quantity, price)

    def on_execution(self, order: WorkingOrder, execution: Execution) -> None:
        """See ExecutionListener."""
        ledger: Ledger = order.ledger
        if ledger.conversion is not None:
            execution = ledger.conversion.complete(execution, self._instant)
        after = self._book.apply(order, ledger, execution, self._instant)
        self._publish(order, order.snapshot(self.name, execution.ts_event), execution, after)

    def on_order_changed(self, order: WorkingOrder, ts_event: int) -> None:
        """See ExecutionListener."""
        if order.is_finished:
            self._book.release(order, self._find_ledger(order))
        self._publish(order, order.snapshot(self.name, ts_event))

    def find_reducible(self, order: WorkingOrder) -> Decimal:
        """See ExecutionListener."""
        held = self._find_ledger(order).position.quantity
        return max(-held if order.is_buy else held, ZERO)

    def resize(self, order: WorkingOrder, room: Decimal) -> None:
        """See ExecutionListener."""
        ledger = self._find_ledger(order)
        self._book.release(order, ledger)
        order.clip(room)
        self._book.reserve(order, ledger, self._charges[order.instrument])

    # --------------------------------------------------------------------------- asked by groups that the venue holds

    def _find_arrival_refusal(self, order: WorkingOrder, ts: int) -> str | None:
        if (unmatched := self._find_unmatched(order.instrument)) is not None:
            return unmatched
        ledger = self._find_ledger(order)
        ledger.lane.take_until(ts)
        refusal = self._engine.find_refusal(order, ts)
        return refusal or self._book.find_refusal(order, ledger, self._charges[order.instrument])

    def _accept_child(self, order: WorkingOrder, ts: int, price: Decimal) -> None:
        ledger, charge = self._find_ledger(order), self._charges[order.instrument]
        refusal = self._engine.find_refusal(order, ts) or self._book.find_refusal(order, ledger, charge)
        if refusal is not None:
            self._reject(order, ts, refusal)
            return
        order.state, order.ledger = _STATE_ACCEPTED, ledger
        self._book.reserve(order, ledger, charge)
        self._tell_answer(order, ts, updated=True)  # of the size that the entry has executed
        self._engine.join(order, ts, float(price))

    def _resize_child(self, order: WorkingOrder, quantity: Decimal, ts: int) -> None:
        ledger = self._find_ledger(order)
        self._book.release(order, ledger)
        order.change(quantity, None, None)
        self._book.reserve(order, ledger, self._charges[order.instrument])
        self._tell_answer(order, ts, updated=True)

    def _drop_child(self, order: WorkingOrder, ts: int, reason: str, decided_ns: int = 0) -> None:
        order.move(_STATE_CANCELLED, reason)
        self._publish(order, order.snapshot(self.name, ts, decided_ns))

    def _tell_answer(self, order: WorkingOrder, ts_event: int, **answer: Any) -> None:
        """Report what became of a command for an order that works on: see OrderSnapshot for the words."""
        self._publish(order, replace(order.snapshot(self.name, ts_event), **answer))

    def _publish(
        self, order: WorkingOrder, snapshot: OrderSnapshot, execution: Execution | None = None,
        after: Position | None = None,
    ) -> None:  # fmt: skip
        """Record and report: due when it happened plus latency, but not before it can be known."""
        if self._report_law is None:
            self._tell(snapshot, execution, after)
            if order.is_finished:
                self._ended.append(order.order_id)
        else:
            self._recorders[order.strategy].record_order(snapshot)
            self._delayed_reports.put(
                max(snapshot.ts_event + order.report_ns, self._instant), snapshot, execution, after
            )
        if order.venue_group is not None:
            self._groups.take(order, snapshot.ts_event, execution)

    def _tell(self, snapshot: OrderSnapshot, execution: Execution | None = None, after: Position | None = None) -> None:
        """Record and report at once."""
        strategy = snapshot.strategy
        self._recorders[strategy].record_order(snapshot)
        self._reports.append(BrokerReport(self._instant, strategy, snapshot, execution, after))

    # ----------------------------------------------------------------------------- asked by adjustments and the margin

    def _close_out(self, closing: Order, ledger: Ledger, ts: int, reason: str) -> None:
        """The broker's own order, that closes a ledger; it works at once."""
        order = self._take_charge(closing)
        order.terms = replace(order.terms, role=OrderRole.MARGIN)
        order.state, order.ledger, order.reason = _STATE_ACCEPTED, ledger, reason
        order.clip(order.quantity)
        self._book.reserve(order, ledger, self._charges[order.instrument])
        self._publish(order, order.snapshot(self.name, ts))
        self._engine.close_out(order, ts)

    def _tell_adjusted(self, adjusted: AccountAdjusted) -> int:
        """Report an adjustment: at once, but not before what happened before it; when it is heard of."""
        if self._report_law is not None:
            return self._delayed_reports.put_adjusted(self._instant, adjusted)
        self._reports.append(AdjustmentReport(self._instant, adjusted.strategy, adjusted))
        return self._instant

    # ------------------------------------------------------------------------------------------------ what it knows

    def get_orders(self) -> list[OrderSnapshot]:
        """Orders that are not finished, in order of submission; those on their way are SUBMITTED."""
        self._give_back()
        return [order.snapshot(self.name) for order in self._orders.values() if not order.is_finished]

    def get_positions(self) -> list[Position]:
        """What each strategy holds, without flat positions, in order of (strategy, instrument)."""
        return list(self.get_account().positions.values())

    def get_account(self) -> Account:
        """Cash by currency and what is held, exact."""
        ledgers = self._book.ledgers
        held = {key: ledgers[key].position for key in sorted(ledgers) if not ledgers[key].position.is_flat}
        return Account(self.name, self.settings.account, dict(self._book.cash), held)


def _say_unmatched(instrument: str, reason: str) -> str:
    return f"{instrument} cannot be matched: {reason}"

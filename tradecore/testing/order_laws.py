"""Laws of orders and groups, checked on an OrderStage after every step and at rest.

Receives: a stage, while a story is told on it.
Gives:    nothing, or BrokenLaw with the law's number in RELIABILITY 3 and what was met.
Never:    asks the code that it checks what should be: sums are added up here again, from reports and executions.

    laws = OrderLaws(stage)
    stage.play(...); laws.check()        # after every step
    laws.check_at_rest()                 # once every command and report has arrived
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradecore.brokerage.settings import RateCommission
from tradecore.domain.execution import Execution, Liquidity
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.order_machine import News, OrderRecord, apply_news, make_record
from tradecore.domain.order_state import OrderNews, OrderState
from tradecore.domain.order_terms import Contingency, OrderRole
from tradecore.engine.participant import BrokerReport
from tradecore.testing.broker_desk import Received
from tradecore.testing.order_stage import OrderStage

_ZERO: Final = Decimal(0)
_LEGS: Final = ("submit", "cancel", "update", "report")
_NEWS: Final = {
    OrderState.ACCEPTED: OrderNews.ACKNOWLEDGED,
    OrderState.TRIGGERED: OrderNews.TRIGGERED,
    OrderState.REJECTED: OrderNews.REJECTED,
    OrderState.CANCELLED: OrderNews.CANCELLED,
    OrderState.EXPIRED: OrderNews.EXPIRED,
}


class BrokenLaw(AssertionError):
    """A law of RELIABILITY 3 does not hold."""

    def __init__(self, law: str, met: str) -> None:
        super().__init__(f"{law}: {met}")
        self.law = law


def hold(law: str, *, holds: bool, met: str) -> None:
    """Raises: BrokenLaw unless it holds."""
    if not holds:
        raise BrokenLaw(law, met)


@dataclass(slots=True)
class _Told:
    """A group as the reports tell it. amounts: executed by order id. most: the largest total of each order's lines.
    first: id and instant of the exit that executed first.
    """

    group: OrderGroup
    amounts: dict[str, Decimal] = field(default_factory=dict)
    most: dict[str, Decimal] = field(default_factory=dict)
    first: tuple[str, int] | None = None

    def executed(self, order: Order | None) -> Decimal:
        return _ZERO if order is None else self.amounts.get(order.order_id, _ZERO)

    @property
    def exited(self) -> Decimal:
        return _add(self.executed(order) for order in self.group.exits)

    @property
    def closed(self) -> Decimal:
        """By orders that we sent to close an excess, signed."""
        return _add(self.executed(order) * order.side.sign for order in self.group.closing)


class OrderLaws:
    """Follows one stage. Whatever it raises is a mistake of the code under test."""

    def __init__(self, stage: OrderStage) -> None:
        self._stage = stage
        self._place = 0
        self._records: dict[str, OrderRecord] = {}
        self._updates: dict[str, int] = {}
        self._groups: dict[str, _Told] = {}
        self._ids: set[str] = set()
        self._position = self._cash = self._gross = _ZERO
        latency = stage.settings.latency
        # Constant laws only: how long each leg takes, int nanoseconds.
        self._way = {leg: int(getattr(getattr(latency, leg), "ms", 0)) * (SECOND_NS // 1_000) for leg in _LEGS}

    # --------------------------------------------------------------------------------------------------- every step

    def check(self) -> None:
        """All laws on what was reported since the last call, and on how things stand."""
        for group in self._stage.groups:
            self._groups.setdefault(group.id, _Told(group))
        received = self._stage.received
        while self._place < len(received):
            self._place += 1
            self._take(received[self._place - 1])
        ids = self._stage.intents
        hold("O7", holds=len(set(ids)) == len(ids), met=f"one id for two orders: {ids}")
        for order in self._stage.handles.values():
            self._check_handle(order)
        self._check_books()
        for told in self._groups.values():
            self._check_group(told)

    def _take(self, received: Received) -> None:
        report = received.report
        assert isinstance(report, BrokerReport)
        order, execution = report.order, report.execution
        hold("S1", holds=received.at >= order.ts_event + (self._way["report"] if execution else 0),
             met=f"{order.order_id} was reported at {received.at}, it is of {order.ts_event}")  # fmt: skip
        hold("O4", holds=_ZERO <= order.filled_quantity <= order.quantity or order.state.is_finished,
             met=f"{order.order_id} executed {order.filled_quantity} of {order.quantity}")  # fmt: skip
        self._check_cancel(order)
        self._follow(report)
        told = self._groups.get(order.terms.group_id or "")
        if told is not None:
            told.most[order.order_id] = max(told.most.get(order.order_id, _ZERO), order.quantity)
        if execution is not None:
            self._take_execution(order, execution)
            if told is not None:
                self._take_grouped(told, order, execution, received.at)
        if told is not None:
            self._check_child(told, order)

    def _check_cancel(self, order: OrderSnapshot) -> None:
        """A cancel of ours takes its time, and does not come before what it cancels."""
        if order.state is not OrderState.CANCELLED or order.cancel_rejected or order.update_rejected or order.updated:
            return
        if order.reason is not None and not order.ts_command:  # the venue's own
            return
        asked = [ns for ns, label, order_id in self._stage.asked if order_id == order.order_id and "cancel" in label]
        hold("S1", holds=bool(asked) and order.ts_event >= asked[0] + self._way["cancel"],
             met=f"{order.order_id} is cancelled at {order.ts_event}, asked for at {asked}")  # fmt: skip
        if order.terms.parent_id is None:  # a child may be cancelled while it is held
            known = order.order_id in self._records
            hold("S6", holds=known, met=f"{order.order_id} is cancelled before it was accepted")

    def _take_execution(self, order: OrderSnapshot, execution: Execution) -> None:
        hold("O8", holds=execution.execution_id not in self._ids, met=f"{execution.execution_id} was told twice")
        self._ids.add(execution.execution_id)
        handle = self._stage.handles[order.order_id]
        earliest = handle.ts_decided + self._way["submit"]
        hold("S1", holds=execution.ts_event >= earliest,
             met=f"{execution.execution_id} is of {execution.ts_event}, it could begin at {earliest}")  # fmt: skip
        if order.price is not None:
            hold("S2", holds=(order.price - execution.price) * execution.side.sign >= 0,
                 met=f"{execution.execution_id} at {execution.price}, beyond its limit {order.price}")  # fmt: skip
        fees = self._stage.settings.commission
        if isinstance(fees, RateCommission):
            rate = fees.taker if execution.liquidity is Liquidity.TAKER else fees.maker
            hold("B2", holds=execution.commission == execution.quantity * execution.price * rate,
                 met=f"{execution} costs {execution.commission}")  # fmt: skip
        signed, paid = execution.signed_quantity, execution.signed_quantity * execution.price
        self._position += signed
        self._cash -= paid + execution.commission
        self._gross -= paid

    def _follow(self, report: BrokerReport) -> None:
        """The order machine, told the same story."""
        order = report.order
        record = self._records.get(order.order_id)
        news: list[News] = []
        if record is None:
            record = make_record(order.order_id, order.quantity)
            is_unsent = order.state is OrderState.CANCELLED and order.terms.parent_id is not None
            news.append(News(OrderNews.DROP if is_unsent else OrderNews.SUBMIT, order.order_id))
        if report.execution is not None:
            done = report.execution
            news.append(News(OrderNews.EXECUTED_PARTLY, order.order_id, done.quantity, done.price, done.execution_id))
        if order.updated:
            number = self._updates[order.order_id] = self._updates.get(order.order_id, 0) + 1
            news.append(News(OrderNews.UPDATED, order.order_id, order.quantity, number=number))
            if order.state is OrderState.ACCEPTED:  # a child that begins to work, of the size that it may have
                news.append(News(OrderNews.ACKNOWLEDGED, order.order_id))
        elif order.update_rejected or order.cancel_rejected:
            word = OrderNews.UPDATE_REFUSED if order.update_rejected else OrderNews.CANCEL_REFUSED
            news.append(News(word, order.order_id))
        elif report.execution is None and order.state in _NEWS:
            news.append(News(_NEWS[order.state], order.order_id))
        for one in news:
            before = record
            record, commands = apply_news(record, one)
            hold("O1", holds=record.alarms == before.alarms, met=f"{one} of {before}: {commands}")
        self._records[order.order_id] = record

    # ---------------------------------------------------------------------------------------------------- how it stands

    def _check_handle(self, order: Order) -> None:
        record = self._records.get(order.order_id)
        if record is None:
            return
        met = f"{order!r}, the machine has {record}"
        hold("O1", holds=order.state is record.state, met=met)
        hold("O5", holds=order.filled_quantity == record.filled, met=met)
        hold("O5", holds=order.average_price == record.average_price, met=met)
        hold("O8", holds=order.alarm is None, met=f"{order!r}: {order.alarm}")
        if order.is_finished:
            hold("O9", holds=not (order.pending_update or order.pending_cancel), met=f"{order!r} is pending")

    def _check_books(self) -> None:
        stage = self._stage
        shown = stage.desk.position(stage.instrument.id, None)
        hold("B1", holds=shown.quantity == self._position, met=f"{shown}, executions make {self._position}")
        if not self._position:
            met = f"flat: cost {shown.cost}, realised {shown.realised}, executions made {self._gross}"
            hold("B4", holds=shown.cost == 0 and shown.realised == self._gross, met=met)
        money = stage.desk.account(None).cash["USD"] - stage.settings.cash["USD"]
        hold("B2", holds=money == self._cash, met=f"cash changed by {money}, executions by {self._cash}")

    # --------------------------------------------------------------------------------------------------------- groups

    def _take_grouped(self, told: _Told, order: OrderSnapshot, execution: Execution, told_ns: int) -> None:
        order_id, group = order.order_id, told.group
        told.amounts[order_id] = told.executed(self._stage.handles[order_id]) + execution.quantity
        if order.terms.role in (OrderRole.ENTRY, OrderRole.CLOSE):
            return
        is_venue = self._stage.broker.contingency == "venue"
        if told.first is None:
            told.first = (order_id, told_ns)
        first_id, first_ns = told.first
        if group.link is Contingency.OCO and order_id != first_id:
            is_late = execution.ts_event > first_ns + self._way["cancel"]  # nobody could know before it was told
            hold("C1", holds=not (is_venue or is_late), met=f"{order_id} executes although {first_id} did")
        if group.link is None or (group.entry is None and group.link is Contingency.OCO):
            return
        if is_venue:
            most = told.executed(group.entry) if group.entry is not None else self._find_most(told)
            hold("C2", holds=told.exited <= most, met=f"{told.exited} exited of {most}: {group!r}")

    def _find_most(self, told: _Told) -> Decimal:
        """What the legs of an OUO without a parent may execute together: the largest total that was ever meant."""
        ids = [order.order_id for order in told.group.exits]
        return max(max(told.most.get(each, _ZERO), self._stage.changed.get(each, _ZERO)) for each in ids)

    def _check_child(self, told: _Told, order: OrderSnapshot) -> None:
        if order.terms.parent_id is None or order.state in (OrderState.SUBMITTED, OrderState.CANCELLED):
            return  # held by the venue, or never worked
        done = told.amounts.get(order.terms.parent_id, _ZERO)
        law = "C5" if self._stage.handles[order.terms.parent_id].is_finished else "C3"
        hold(law, holds=done > 0, met=f"{order.order_id} exists, its parent executed nothing")
        hold("C3", holds=order.quantity <= done, met=f"{order.order_id} is of {order.quantity}, its parent of {done}")

    def _check_group(self, told: _Told) -> None:
        """At the venue a group is in order at any time; with us, once everything has arrived."""
        group = told.group
        if self._stage.broker.contingency == "venue" and not any(order.alarm for order in group.orders):
            self._check_leaves(told)

    def _check_leaves(self, told: _Told) -> None:
        group, entry = told.group, told.group.entry
        if entry is None or group.link is None:
            return
        left = told.executed(entry) - told.exited
        for order in group.exits:
            if order.is_open and order.state is not OrderState.SUBMITTED:
                may = order.quantity - order.filled_quantity
                hold(
                    "C2", holds=may <= max(left, _ZERO), met=f"{order!r} may execute {may}, {left} are held: {group!r}"
                )

    def check_at_rest(self) -> None:
        """Everything given and reported has arrived: what groups owe by then."""
        self.check()
        for order in self._stage.handles.values():
            hold("O9", holds=not (order.pending_cancel or order.pending_update), met=f"{order!r} is pending at rest")
        for told in self._groups.values():
            self._check_rest(told)

    def _check_rest(self, told: _Told) -> None:
        group, entry = told.group, told.group.entry
        if any(order.state is not OrderState.FILLED for order in group.closing):
            return  # refused, or cancelled by the strategy: it was told
        if group.link is Contingency.OCO and told.first is not None:
            open_ids = [order.order_id for order in group.exits if order.is_open]
            hold("C1", holds=set(open_ids) <= {told.first[0]}, met=f"{open_ids} work although {told.first[0]} executed")
        if entry is None:
            self._check_balance(told)
            return
        executed = told.executed(entry)
        if group.link is not None:
            self._check_leaves(told)
            self._check_sizes(told)
            net = executed - told.exited + told.closed * entry.side.sign
            hold("C2", holds=net >= 0, met=f"the exits flipped the position by {-net}: {group!r}")
            if executed and told.exited >= executed:
                hold("C2", holds=all(order.is_finished for order in group.orders),
                     met=f"the exits are done, and something works: {group!r}")  # fmt: skip
        if entry.is_finished and not executed:
            hold("C5", holds=all(order.is_finished for order in group.exits), met=f"children live: {group!r}")
        if executed and entry.is_finished and group.problem is None:
            untouched = [order for order in group.exits if order.state is OrderState.INITIALIZED]
            share = all(order.quantity == entry.quantity for order in group.exits)
            hold("C4", holds=not (untouched and share), met=f"{untouched} were never sent: {group!r}")

    def _check_sizes(self, told: _Told) -> None:
        """Exits protect all that is held: those of the entry's size have what is left of it, neither less nor more."""
        group, entry = told.group, told.group.entry
        assert entry is not None
        if group.problem is not None or any(order.order_id in self._stage.changed for order in group.orders):
            return
        left = told.executed(entry) - told.exited
        for order in group.exits:
            if (
                order.is_open
                and order.state is not OrderState.SUBMITTED
                and told.most[entry.order_id] == entry.quantity
            ):
                is_whole = order.terms.role is not OrderRole.CHILD
                hold("C2", holds=not is_whole or order.remaining_quantity == left,
                     met=f"{order!r} has {order.remaining_quantity} left, {left} are held: {group!r}")  # fmt: skip

    def _check_balance(self, told: _Told) -> None:
        group = told.group
        if group.link is Contingency.OCO:
            first = "" if told.first is None else told.first[0]
            beyond = _add(told.executed(o) * o.side.sign for o in group.exits if o.order_id != first)
            is_due = all(order.is_finished for order in group.exits)
        else:
            most = self._find_most(told)
            beyond = max(_ZERO, told.exited - most) * group.exits[0].side.sign
            is_due = all(order.is_finished for order in group.exits)
        balance = beyond + told.closed
        law = "C1" if group.link is Contingency.OCO else "C2"
        hold(law, holds=not is_due or balance == 0, met=f"{balance} too much, and not closed: {group!r}")


def _add(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, _ZERO)

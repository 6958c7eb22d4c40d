"""The order machine: what becomes of one order when something happens to it, as a pure function.

Receives: an OrderRecord (None for an order that we never had) and a News of it.
Gives:    the next OrderRecord, and Commands: ask the venue, cancel, halt the instrument, tell somebody.
Never:    waits, looks at a clock or talks to anybody, so that everything hard is tested without a loop or a socket.
          Spec: 5.1; DESIGN 8; RELIABILITY 2 and 3 (the matrix is MATRIX in order_state.py).

What holds after any news, in any order, however often it is told (RELIABILITY O1 to O9):

    filled == the quantities of distinct execution ids, added up; value likewise
    a state changes as the table says; what is told twice is counted and changes nothing
    silence (a timeout, "not found" while a request may be on its way) never ends an order
    a pending flag is cleared once, by the answer to what was asked or by the order's end
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec
from msgspec.structs import replace

from tradecore.domain.order_state import MATRIX, OrderNews, OrderState, Outcome, OutcomeKind
from tradecore.errors import IllegalOrderTransition

_ZERO: Final = Decimal(0)
_S, _N = OrderState, OrderNews
_EXECUTED: Final = frozenset({_N.EXECUTED_PARTLY, _N.EXECUTED_WHOLLY})
_SILENCE: Final = frozenset({_N.TIMED_OUT, _N.NOT_FOUND_YET, _N.NOT_FOUND})
_REQUESTS: Final = frozenset({_N.DENY, _N.DROP, _N.SUBMIT, _N.CANCEL, _N.UPDATE})
_ANSWERS: Final = frozenset({_N.UPDATED, _N.UPDATE_REFUSED, _N.CANCEL_REFUSED})
_DIED_QUIETLY: Final = frozenset({_S.CANCELLED, _S.EXPIRED})


class CommandWord(Enum):
    """What has to be done now."""

    QUERY = "QUERY"  # ask the venue where the order stands
    CANCEL = "CANCEL"  # it works although we gave it up
    HALT = "HALT"  # stop trading its instrument until somebody has looked
    TELL = "TELL"  # an alarm, in the log and to the strategy


class OrderCommand(msgspec.Struct, frozen=True, gc=False):
    """One thing to do about an order."""

    word: CommandWord
    order_id: str
    reason: str = ""


class News(msgspec.Struct, frozen=True, gc=False):
    """Something that happened to an order.

    quantity, price, execution_id: of an execution, which is EXECUTED_PARTLY whatever it completes. quantity: of UPDATED
    too, the new total. number: of a CANCEL or UPDATE, counted from 1, and of its answer; 0: the newest.
    """

    word: OrderNews
    order_id: str
    quantity: Decimal = _ZERO
    price: Decimal = _ZERO
    execution_id: str = ""
    number: int = 0


class OrderRecord(msgspec.Struct, frozen=True, gc=False):
    """One order, as far as known.

    quantity: total that the venue has. most: the largest total that it ever acknowledged. filled, value: executed so
    far, and its price x quantity. executions: (id, quantity, price) of each, in order of their coming. is_unknown: a
    request had no answer. cancels, updates: (numbers of the newest one asked for, of the newest one answered).
    is_external: nobody here submitted it. The counters say what was told and changed nothing, or
    should not have been.
    """

    order_id: str
    quantity: Decimal
    most: Decimal
    state: OrderState = _S.INITIALIZED
    filled: Decimal = _ZERO
    value: Decimal = _ZERO
    executions: tuple[tuple[str, Decimal, Decimal], ...] = ()
    cancels: tuple[int, int] = (0, 0)
    updates: tuple[int, int] = (0, 0)
    is_unknown: bool = False
    is_external: bool = False
    repeated: int = 0
    late: int = 0
    alarms: int = 0
    overfilled: Decimal = _ZERO

    @property
    def is_pending_cancel(self) -> bool:
        """A cancel is on its way; its answer, or the order's end, settles it."""
        return self.cancels[0] > self.cancels[1] and not self.state.is_finished

    @property
    def is_pending_update(self) -> bool:
        """An update is on its way."""
        return self.updates[0] > self.updates[1] and not self.state.is_finished

    @property
    def leaves(self) -> Decimal:
        """What may still execute: 0 once it is finished, whatever was executed late."""
        return _ZERO if self.state.is_finished else max(_ZERO, self.quantity - self.filled)

    @property
    def exposure(self) -> Decimal:
        """The most that it may have executed in the worst case: an order given up counts as one that works."""
        return max(self.quantity, self.filled) if self.state.is_open or self.state is _S.ABANDONED else self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Value executed over quantity executed."""
        return self.value / self.filled if self.filled else None


Applied = tuple[OrderRecord, tuple[OrderCommand, ...]]


def make_record(order_id: str, quantity: Decimal) -> OrderRecord:
    """An order that was made and not submitted."""
    return OrderRecord(order_id, quantity, quantity)


def apply_news(record: OrderRecord | None, news: News) -> Applied:
    """The order after its news, and what to do. Raises: IllegalOrderTransition for a mistake of ours."""
    if record is None:
        return _adopt(news)
    if news.word in _EXECUTED:
        return _execute(record, news)
    outcome = MATRIX[news.word][record.state]
    if outcome.kind is OutcomeKind.ERROR:
        raise IllegalOrderTransition(record.order_id, record.state.name, news.word.name)
    if outcome.kind is OutcomeKind.NOTHING:
        is_repeated = news.word not in _SILENCE
        return replace(_clear(record, news), repeated=record.repeated + is_repeated), ()
    if news.word in _REQUESTS:
        return _request(record, news, outcome), ()
    if news.word in _ANSWERS and news.number and news.number <= _answered(record, news.word)[1]:
        return replace(record, repeated=record.repeated + 1), ()
    moved = _clear(replace(record, state=outcome.state or record.state), news)
    if news.word is _N.UPDATED:
        moved = _resize(moved, news.quantity)
    return _conclude(record, moved, news, outcome)


def _adopt(news: News) -> Applied:
    """News of an order that we never had: by hand, by another program, or from before a crash. Truth all the same."""
    if news.word in _REQUESTS:
        raise IllegalOrderTransition(news.order_id, "unknown", news.word.name)
    record = OrderRecord(news.order_id, news.quantity, news.quantity, _S.ACCEPTED, is_external=True)
    commands: tuple[OrderCommand, ...] = ()
    if news.word is not _N.ACKNOWLEDGED:
        record, commands = apply_news(record, news)
    return record, (OrderCommand(CommandWord.HALT, news.order_id, "an order that nobody here submitted"), *commands)


def _request(record: OrderRecord, news: News, outcome: Outcome) -> OrderRecord:
    """We ask, or decide."""
    if news.word is _N.CANCEL:
        return replace(record, cancels=(max(news.number, record.cancels[0] + 1), record.cancels[1]))
    if news.word is _N.UPDATE:
        return replace(record, updates=(max(news.number, record.updates[0] + 1), record.updates[1]))
    return replace(record, state=outcome.state or record.state)


def _answered(record: OrderRecord, word: OrderNews) -> tuple[int, int]:
    return record.cancels if word is _N.CANCEL_REFUSED else record.updates


def _clear(record: OrderRecord, news: News) -> OrderRecord:
    """What this news answers: any word of the venue ends its silence; an answer settles what was asked until then."""
    if news.word in _SILENCE:
        return replace(record, is_unknown=not record.state.is_finished)
    record = replace(record, is_unknown=False)
    if news.word not in _ANSWERS:
        return record
    asked, answered = _answered(record, news.word)
    answered = max(answered, news.number or asked)
    if news.word is _N.CANCEL_REFUSED:
        return replace(record, cancels=(asked, answered))
    return replace(record, updates=(asked, answered))


def _resize(record: OrderRecord, total: Decimal) -> OrderRecord:
    """The venue has this total now. It may have executed more by then; what is not below that is the order's end."""
    state = _S.FILLED if record.filled and record.filled >= total and record.state.is_open else record.state
    return replace(record, quantity=total, most=max(record.most, total), state=state)


def _execute(record: OrderRecord, news: News) -> Applied:
    """Book an execution, once. Nothing that a venue executed is ever refused."""
    known = next((one for one in record.executions if one[0] == news.execution_id), None)
    if known is not None:
        if known[1:] == (news.quantity, news.price):
            return replace(record, repeated=record.repeated + 1), ()
        reason = f"execution {news.execution_id} was {known[1]} at {known[2]}, and is {news.quantity} at {news.price}"
        return replace(record, alarms=record.alarms + 1), _alarm_commands(record, reason)
    filled = record.filled + news.quantity
    word = _N.EXECUTED_WHOLLY if filled >= record.quantity else _N.EXECUTED_PARTLY
    outcome = MATRIX[word][record.state]
    if outcome.kind is OutcomeKind.ERROR:
        raise IllegalOrderTransition(record.order_id, record.state.name, word.name)
    over = max(_ZERO, filled - max(record.quantity, record.filled))
    booked = replace(
        record,
        state=outcome.state or record.state,
        filled=filled,
        value=record.value + news.quantity * news.price,
        executions=(*record.executions, (news.execution_id, news.quantity, news.price)),
        late=record.late + (record.state in _DIED_QUIETLY),
        overfilled=record.overfilled + over,
    )
    booked = _clear(booked, News(word, record.order_id))
    booked, commands = _conclude(record, booked, News(word, record.order_id), outcome)
    if over and outcome.kind is not OutcomeKind.ALARM:
        commands = (*commands, *_alarm_commands(record, f"{filled} executed of {record.quantity}"))
    return booked, commands


def _conclude(before: OrderRecord, after: OrderRecord, news: News, outcome: Outcome) -> Applied:
    """The commands that a move or an alarm brings with it."""
    commands: list[OrderCommand] = []
    if news.word in (_N.TIMED_OUT, _N.NOT_FOUND_YET, _N.CANCEL_REFUSED) and not after.state.is_finished:
        commands.append(OrderCommand(CommandWord.QUERY, before.order_id, news.word.value))
    if outcome.kind is OutcomeKind.ALARM:
        reason = f"{news.word.value} of an order that was {before.state.name}"
        after = replace(after, alarms=after.alarms + 1, is_unknown=news.word is _N.NOT_FOUND)
        commands.extend(_alarm_commands(before, reason))
        if before.state is _S.ABANDONED and after.state.is_open:
            commands.append(OrderCommand(CommandWord.CANCEL, before.order_id, "it had been given up"))
            after = replace(after, cancels=(after.cancels[0] + 1, after.cancels[1]))
    return after, tuple(commands)


def _alarm_commands(record: OrderRecord, reason: str) -> tuple[OrderCommand, ...]:
    return (
        OrderCommand(CommandWord.TELL, record.order_id, reason),
        OrderCommand(CommandWord.HALT, record.order_id, reason),
    )


# ------------------------------------------------------------------------------------------------- reports, as totals

_TOLD: Final[dict[OrderState, OrderNews]] = {
    _S.ACCEPTED: _N.ACKNOWLEDGED,
    _S.REJECTED: _N.REJECTED,
    _S.TRIGGERED: _N.TRIGGERED,
    _S.PARTIALLY_FILLED: _N.EXECUTED_PARTLY,
    _S.FILLED: _N.EXECUTED_WHOLLY,
    _S.CANCELLED: _N.CANCELLED,
    _S.EXPIRED: _N.EXPIRED,
}
"""What a report says that shows an order in a state."""


def judge_report(order_id: str, current: OrderState, shown: OrderState, *, is_more: bool) -> Outcome:
    """What a report means that TRANSITIONS has no move for: old news, or an alarm to be taken over.

    current: where the handle stands; shown: where the report shows it; is_more: it shows more executed than was known.
    Raises: IllegalOrderTransition for a report that no venue can make.
    """
    news = _TOLD.get(shown)
    if news is None:
        raise IllegalOrderTransition(order_id, current.name, shown.name)
    if news in _EXECUTED and not is_more:
        return Outcome(OutcomeKind.NOTHING)
    outcome = MATRIX[news][current]
    if is_more and outcome.kind is OutcomeKind.NOTHING:  # more executed, told together with an end
        outcome = MATRIX[_N.EXECUTED_PARTLY][current]
    if outcome.kind is OutcomeKind.ERROR:
        raise IllegalOrderTransition(order_id, current.name, shown.name)
    return outcome

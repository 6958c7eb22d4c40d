"""OrderState: the life of an order, as one table.

Receives: what happened to an order (OrderNews), and where it stands.
Gives:    the Outcome for every pair of the two: a move, a note, an alarm or an error; TRANSITIONS, the moves alone. The
          README's diagram is drawn from MATRIX.
Never:    knows brokers, times or quantities. PENDING_CANCEL, PENDING_UPDATE and UNKNOWN are flags beside the state,
          not states: they must not forget where the order stands.    Spec: 5.1; DESIGN 8; RELIABILITY 3.

order_machine.py applies the table to one order's record; Order and WorkingOrder move by TRANSITIONS, which is the part
of it that a venue in good order needs.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from tradecore.errors import IllegalOrderTransition


class OrderState(Enum):
    """Where an order stands."""

    INITIALIZED = "INITIALIZED"  # made by the strategy, not submitted
    DENIED = "DENIED"  # refused by us before it left
    SUBMITTED = "SUBMITTED"  # on its way
    REJECTED = "REJECTED"  # refused by the venue
    ACCEPTED = "ACCEPTED"  # working at the venue
    TRIGGERED = "TRIGGERED"  # a stop whose condition was met
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    ABANDONED = "ABANDONED"  # given up after an unknown outcome

    is_open: bool
    """Submitted and not finished: it may still execute."""
    is_finished: bool
    """Nothing more is expected of it (a late execution may still come after CANCELLED and EXPIRED)."""

    # Members are single objects: hashing them by identity saves a Python call per look-up in the table.
    __hash__ = object.__hash__


class OrderNews(Enum):
    """What can happen to an order: we do it (the first five), or the venue, or its silence, tells it."""

    DENY = "DENY"
    DROP = "DROP"  # a child of a group that will never be sent
    SUBMIT = "SUBMIT"
    CANCEL = "CANCEL"  # asked for
    UPDATE = "UPDATE"  # asked for
    ACKNOWLEDGED = "ACKNOWLEDGED"
    REJECTED = "REJECTED"
    TRIGGERED = "TRIGGERED"
    EXECUTED_PARTLY = "EXECUTED_PARTLY"
    EXECUTED_WHOLLY = "EXECUTED_WHOLLY"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    UPDATED = "UPDATED"
    UPDATE_REFUSED = "UPDATE_REFUSED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    TIMED_OUT = "TIMED_OUT"  # no answer, or the network failed
    NOT_FOUND_YET = "NOT_FOUND_YET"  # the venue does not know it, and a request may still be on its way
    NOT_FOUND = "NOT_FOUND"  # the venue does not know it, and none can be on its way any more

    __hash__ = object.__hash__


class OutcomeKind(Enum):
    """What news means for an order in its state."""

    MOVE = "MOVE"  # legal
    NOTHING = "NOTHING"  # old news: counted, changes nothing
    ALARM = "ALARM"  # it cannot be, but the venue is right: taken over, and somebody has to be told
    ERROR = "ERROR"  # our own mistake: raises


class Outcome(NamedTuple):
    """state: where the order stands then; None: where it stood."""

    kind: OutcomeKind
    state: OrderState | None = None


_S, _N = OrderState, OrderNews
_STAY: Final = Outcome(OutcomeKind.MOVE)
_NOTHING: Final = Outcome(OutcomeKind.NOTHING)
_ALARM: Final = Outcome(OutcomeKind.ALARM)
_ERROR: Final = Outcome(OutcomeKind.ERROR)

OPEN_STATES: Final = frozenset({_S.SUBMITTED, _S.ACCEPTED, _S.TRIGGERED, _S.PARTIALLY_FILLED})
FINISHED_STATES: Final = frozenset({_S.DENIED, _S.REJECTED, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.ABANDONED})

for _state in OrderState:
    _state.is_open = _state in OPEN_STATES
    _state.is_finished = _state in FINISHED_STATES

_Row = dict[OrderState, Outcome]


def _row(
    *, opened: Outcome | OrderState = _NOTHING, finished: Outcome = _NOTHING, **others: Outcome | OrderState
) -> _Row:
    """One line of the matrix: of open orders, of finished ones, of states that differ. Of what was not sent: ERROR."""
    row = {state: finished if state.is_finished else _ERROR for state in OrderState}
    row |= dict.fromkeys(OPEN_STATES, _as_outcome(opened))
    return row | {_S[name]: _as_outcome(outcome) for name, outcome in others.items()}


def _as_outcome(outcome: Outcome | OrderState) -> Outcome:
    return outcome if isinstance(outcome, Outcome) else Outcome(OutcomeKind.MOVE, outcome)


def _alarm(state: OrderState) -> Outcome:
    return Outcome(OutcomeKind.ALARM, state)


MATRIX: Final[dict[OrderNews, _Row]] = {
    _N.DENY: _row(opened=_ERROR, finished=_ERROR, INITIALIZED=_S.DENIED),
    _N.DROP: _row(opened=_ERROR, finished=_ERROR, INITIALIZED=_S.CANCELLED),
    _N.SUBMIT: _row(opened=_ERROR, finished=_ERROR, INITIALIZED=_S.SUBMITTED),
    _N.CANCEL: _row(opened=_STAY, finished=_ERROR),
    _N.UPDATE: _row(opened=_STAY, finished=_ERROR),
    # What was refused and works all the same is taken over; what was given up is cancelled at once (order_machine.py).
    _N.ACKNOWLEDGED: _row(
        SUBMITTED=_S.ACCEPTED,
        REJECTED=_alarm(_S.ACCEPTED), DENIED=_alarm(_S.ACCEPTED), ABANDONED=_alarm(_S.ACCEPTED),
    ),
    # A trigger may be refused when it is met. What has executed cannot have been refused.
    _N.REJECTED: _row(opened=_S.REJECTED, PARTIALLY_FILLED=_ALARM, FILLED=_ALARM, ABANDONED=_S.REJECTED),
    _N.TRIGGERED: _row(
        opened=_S.TRIGGERED, TRIGGERED=_NOTHING, PARTIALLY_FILLED=_NOTHING,
        REJECTED=_alarm(_S.TRIGGERED), DENIED=_alarm(_S.TRIGGERED), ABANDONED=_alarm(_S.TRIGGERED),
    ),
    # An execution before the acknowledgement is legal, and so is one that is told after the end: it is booked, and
    # never makes the order work again.
    _N.EXECUTED_PARTLY: _row(
        opened=_S.PARTIALLY_FILLED, CANCELLED=_S.CANCELLED, EXPIRED=_S.EXPIRED, FILLED=_ALARM,
        REJECTED=_alarm(_S.PARTIALLY_FILLED), DENIED=_alarm(_S.PARTIALLY_FILLED), ABANDONED=_alarm(_S.PARTIALLY_FILLED),
    ),
    _N.EXECUTED_WHOLLY: _row(
        opened=_S.FILLED, CANCELLED=_S.FILLED, EXPIRED=_S.FILLED, FILLED=_ALARM,
        REJECTED=_alarm(_S.FILLED), DENIED=_alarm(_S.FILLED), ABANDONED=_alarm(_S.FILLED),
    ),
    _N.CANCELLED: _row(opened=_S.CANCELLED, ABANDONED=_S.CANCELLED),
    _N.EXPIRED: _row(opened=_S.EXPIRED, ABANDONED=_S.EXPIRED),
    _N.UPDATED: _row(
        opened=_STAY,
        REJECTED=_alarm(_S.ACCEPTED), DENIED=_alarm(_S.ACCEPTED), ABANDONED=_alarm(_S.ACCEPTED),
    ),
    _N.UPDATE_REFUSED: _row(opened=_STAY),
    _N.CANCEL_REFUSED: _row(opened=_STAY),
    # Silence is not a refusal: the order stays where it was, with its outcome unknown.
    _N.TIMED_OUT: _row(opened=_STAY),
    _N.NOT_FOUND_YET: _row(opened=_STAY),
    _N.NOT_FOUND: _row(opened=_ALARM, SUBMITTED=_S.ABANDONED),
}  # fmt: skip


def _list_moves(kind: OutcomeKind, *, stays: bool) -> dict[OrderState, frozenset[OrderState]]:
    moves: dict[OrderState, set[OrderState]] = {state: set() for state in OrderState}
    for row in MATRIX.values():
        for state, outcome in row.items():
            if outcome.kind is kind and outcome.state is not None and (stays or outcome.state is not state):
                moves[state].add(outcome.state)
    return {state: frozenset(reached) for state, reached in moves.items()}


TRANSITIONS: Final = _list_moves(OutcomeKind.MOVE, stays=True)
"""Legal moves. A state that leads to itself does so by another execution."""

ALARMED: Final = _list_moves(OutcomeKind.ALARM, stays=False)
"""Moves that should not be, and are made because the venue says so."""


def check_transition(order_id: str, current: OrderState, requested: OrderState) -> OrderState:
    """The requested state, if the table has the move. Raises: IllegalOrderTransition naming order, state, request."""
    if requested not in TRANSITIONS[current]:
        raise IllegalOrderTransition(order_id, current.name, requested.name)
    return requested

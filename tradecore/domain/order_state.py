"""OrderState: the life of an order, as one table.

Gives:    the states, the legal moves, and the error for any other move. The README's diagram is drawn from TRANSITIONS.
Never:    knows brokers, times or quantities. PENDING_CANCEL, PENDING_UPDATE and UNKNOWN are flags beside the state,
          not states: they must not forget where the order stands.    Spec: 5.1; DESIGN 8.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

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


_S = OrderState

TRANSITIONS: Final[dict[OrderState, frozenset[OrderState]]] = {
    # A child whose parent ended unexecuted is cancelled before it was ever sent.
    _S.INITIALIZED: frozenset({_S.DENIED, _S.SUBMITTED, _S.CANCELLED}),
    _S.DENIED: frozenset(),
    # Fill before acknowledgement, immediate cancel and expiry are legal: reports may overtake each other at a venue.
    _S.SUBMITTED: frozenset(
        {
            _S.REJECTED, _S.ACCEPTED, _S.TRIGGERED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED,
            _S.ABANDONED,
        }
    ),
    _S.REJECTED: frozenset(),
    _S.ACCEPTED: frozenset(
        {_S.REJECTED, _S.TRIGGERED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED}
    ),
    _S.TRIGGERED: frozenset({_S.REJECTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED}),
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.TRIGGERED, _S.FILLED, _S.CANCELLED, _S.EXPIRED}),
    _S.FILLED: frozenset(),
    # A late execution is booked; it never makes the order work again.
    _S.CANCELLED: frozenset({_S.CANCELLED, _S.FILLED}),
    _S.EXPIRED: frozenset({_S.EXPIRED, _S.FILLED}),
    _S.ABANDONED: frozenset({_S.ACCEPTED, _S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.FILLED, _S.PARTIALLY_FILLED}),
}  # fmt: skip

OPEN_STATES: Final = frozenset({_S.SUBMITTED, _S.ACCEPTED, _S.TRIGGERED, _S.PARTIALLY_FILLED})
FINISHED_STATES: Final = frozenset({_S.DENIED, _S.REJECTED, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.ABANDONED})

for _state in OrderState:
    _state.is_open = _state in OPEN_STATES
    _state.is_finished = _state in FINISHED_STATES


def check_transition(order_id: str, current: OrderState, requested: OrderState) -> OrderState:
    """The requested state, if the table has the move. Raises: IllegalOrderTransition naming order, state, request."""
    if requested not in TRANSITIONS[current]:
        raise IllegalOrderTransition(order_id, current.name, requested.name)
    return requested

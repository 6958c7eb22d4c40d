"""OpportunityState: where an opportunity stands, why it ended, and what is published of it.

Receives: what was reported of its orders.
Gives:    the state as a pure function of that (`find_state`); frozen snapshots; OpportunityChanged.
Never:    leaves FINISHED again: what comes late is booked, told as a problem, and changes no state.
          SPEC "Opportunity Management"; RELIABILITY C7.

    WAITING   nothing of the entry executed, and it may yet
    IN_TRADE  something executed, and something is held or still works
    FINISHED  the entry ended unexecuted; or what it executed was left again and nothing works any more
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum

import msgspec

from tradecore.domain.order import Order, OrderSide


class OpportunityState(Enum):
    """Where an opportunity stands."""

    WAITING = "WAITING"
    IN_TRADE = "IN_TRADE"
    FINISHED = "FINISHED"


class OpportunityEnd(Enum):
    """Why an opportunity is finished: by the order whose execution left the position flat."""

    NOT_ENTERED = "NOT_ENTERED"  # the entry was cancelled, refused, or expired before anything of it executed
    PROFIT = "PROFIT"  # the profit order
    STOP = "STOP"  # the stop
    CLOSED = "CLOSED"  # a market order, by hand, by management, or because the group was out of balance
    TIMED_OUT = "TIMED_OUT"  # a market order, because its time was over


class OpportunitySnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """An opportunity as it stood at one moment: what is published, and what stands in events.jsonl.

    quantity: executed of the entry, > 0 beside side. entry_price, exit_price: averages. profit: realised, in `currency`
    and after `commission`. mae, mfe: lowest and highest total profit before commission while in trade. Times are int
    nanoseconds, of the venue; ts_finished: when it became flat, or when the entry ended. problem: what did not go as it
    was meant.
    """

    opportunity_id: str
    strategy: str
    broker: str
    instrument: str
    side: OrderSide
    state: OpportunityState
    end: OpportunityEnd | None
    detail: str | None
    order_ids: tuple[str, ...]
    quantity: Decimal
    held: Decimal
    entry_price: Decimal | None
    exit_price: Decimal | None
    profit: Decimal
    commission: Decimal
    currency: str
    mae: Decimal
    mfe: Decimal
    ts_submitted: int
    ts_entered: int | None
    ts_finished: int | None
    problem: str | None = None


class OpportunityChanged(msgspec.Struct, frozen=True):
    """An opportunity was submitted, entered or finished, as far as reported; or something of it came too late.

    before: its state until now, None when it was submitted; equal to the present one for what came late.
    """

    opportunity: OpportunitySnapshot
    before: OpportunityState | None
    ts_received: int


def find_state(entry: Order, held: Decimal, orders: Sequence[Order]) -> OpportunityState:
    """The state that reports give. held: signed; orders: all of the opportunity, the entry among them."""
    executed = any(order.filled_quantity for order in orders)
    if not executed:
        return OpportunityState.FINISHED if entry.is_finished else OpportunityState.WAITING
    if held or not all(order.is_finished for order in orders):
        return OpportunityState.IN_TRADE
    return OpportunityState.FINISHED

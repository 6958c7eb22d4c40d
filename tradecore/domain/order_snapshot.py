"""OrderSnapshot: an order as it stood at one report.

Receives: what a broker, or a handle, knows of an order at that moment.
Gives:    a frozen value: what brokers report, what OrderUpdated carries, what a line of orders.jsonl shows.
Never:    changes, or shows a step: amounts are totals, so that a report that comes twice says nothing new.
          Spec: 5.1; DESIGN 8.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import PLAIN_TERMS, OrderSide, OrderTerms, OrderType, TimeInForce


class OrderSnapshot(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order as it stood at one report; what brokers report is such a value. Prices and quantities are exact; times
    are int nanoseconds.

    filled_quantity and average_price are totals, not steps: applying one report twice changes nothing. average_price is
    derived: value executed over quantity executed, None before the first execution. reason: why it was refused or taken
    away, or why the last command for it failed. ts_decided: when the strategy submitted it; ts_event: when what it
    shows last changed at the venue, 0 where that is not known. ts_command: when the cancel or update that this answers
    was decided, 0 where it answers none. updated: an update took effect. update_rejected, cancel_rejected: the command
    failed, the order stands as it was. terms: its conditions. A trailing stop's stop_price is where it stood then.
    """

    order_id: str
    strategy: str
    broker: str
    instrument: str
    side: OrderSide
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce
    state: OrderState
    filled_quantity: Decimal
    average_price: Decimal | None
    reason: str | None
    ts_decided: int
    ts_event: int
    ts_command: int = 0
    updated: bool = False
    update_rejected: bool = False
    cancel_rejected: bool = False
    terms: OrderTerms = PLAIN_TERMS

"""Order refusal: why a venue does not take an order that arrives, as far as the market can tell.

Receives: a lane that has taken in everything up to now, an order, the instant.
Gives:    a sentence that a person understands, or None.
Never:    looks at money or positions (brokerage/ and ExecutionEngine do).    EXECUTION 3, 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradecore.execution.exact import to_exact
from tradecore.execution.working_order import WorkingOrder

if TYPE_CHECKING:
    from tradecore.execution.lane import Lane


def find_refusal(lane: Lane, order: WorkingOrder, ts: int) -> str | None:
    """Market missing or closed, post_only that would take, a stop that is through, our own order in the way."""
    rules = lane.rules
    is_closed = lane.hours is not None and not lane.hours.is_open(ts)
    # What a closed market last showed is no offer; a bar's close is the best guess there is at its next open.
    met = None if is_closed and not lane.spans_time else lane.offer(order.sign)
    if rules.no_market == "reject":
        if is_closed:
            return (
                f"the market of {order.instrument} is closed: its session is {lane.instrument.session!r} "
                "(no_market = reject)"
            )
        if met is None:
            return f"there is no market for {order.instrument} yet: no {lane.matched_on} has come (no_market = reject)"
    if order.post_only and met is not None and order.price_f is not None:
        would_take = lane.taker_price.is_within(met, order.sign, order.price_f)  # to meet the other side is to cross it
        if would_take:
            return f"it is post_only and would take: its price {order.price} meets the market at {met}"
    if rules.stop_through == "reject" and met is not None and order.waits_for_trigger and lane.is_through(order):
        return f"stop {order.stop_price} is already through: the market stands at {met} (stop_through = reject)"
    if lane.limits and rules.self_trade == "reject" and not order.waits_for_trigger:
        price = order.price if order.price is not None or met is None else to_exact(met)
        if price is not None and (crossed := lane.crossed_by(order, price)):
            return f"it would cross our own order {crossed[0].order_id} at {crossed[0].price} (self_trade = reject)"
    return None

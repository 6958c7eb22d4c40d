"""Order refusal: why a venue does not take an order that arrives, as far as the market can tell.

A bracket whose entry takes at once needs its exits on their sides of the market: it is refused whole, by its entry, so
that nothing of it is ever half done.

Receives: a lane that has taken in everything up to now, an order, the instant.
Gives:    a sentence that a person understands, or None.
Never:    looks at money or positions (brokerage/ and ExecutionEngine do).    EXECUTION 3, 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradecore.domain.exact import to_exact
from tradecore.domain.order_terms import OrderRole
from tradecore.execution.working_order import WorkingOrder

if TYPE_CHECKING:
    from tradecore.execution.lane import Lane


def find_refusal(lane: Lane, order: WorkingOrder, ts: int) -> str | None:
    """Market missing or closed, post_only that would take, a stop that is through, our own order in the way."""
    if order.reason is not None:  # a split on its way here left nothing of it
        return order.reason
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
    if order.bracket_exits and met is not None and _takes_at_once(lane, order, met):
        return _find_wrong_exit(lane, order)
    return None


def _takes_at_once(lane: Lane, order: WorkingOrder, met: float) -> bool:
    """Whether an order that arrives now executes now, or with the next event."""
    if order.waits_for_trigger:
        return lane.is_through(order)
    return order.price_f is None or lane.taker_price.is_within(met, order.sign, order.price_f)


def _find_wrong_exit(lane: Lane, entry: WorkingOrder) -> str | None:
    """An exit of a bracket that the market has passed already: it would leave what the entry opens at once."""
    stands = lane.trigger_price(not entry.is_buy)
    if stands is None:
        return None
    for order in entry.bracket_exits:
        is_profit = order.terms.role is OrderRole.PROFIT
        level = order.price if is_profit and order.price is not None else order.stop_price
        beyond = 0.0 if level is None else entry.sign * (float(level) - stands)
        if level is not None and (beyond <= 0 if is_profit else beyond >= 0):
            role, where = "profit" if is_profit else "stop", "above" if is_profit is entry.is_buy else "below"
            return (
                f"its {role} {order.order_id} at {level} is on the wrong side of the market, which stands at {stands}: "
                f"it must lie {where}, or it would leave at once"
            )
    return None

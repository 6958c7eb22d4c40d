"""Taking levels: how a taker goes down a book, one Execution a level.

Receives: a lane, an order, levels with their exact price and what is there, best first.
Gives:    executions, through the lane's venue; (price, amount) of the levels that gave something.
Never:    goes past the order's limit, or executes part of a FOK order.    EXECUTION 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradecore.domain.execution import Liquidity
from tradecore.domain.order import TimeInForce
from tradecore.execution.synthetic_depth import SyntheticDepth
from tradecore.execution.working_order import WorkingOrder

if TYPE_CHECKING:
    from tradecore.execution.lane import Lane

Levels = Iterable[tuple[Decimal, Decimal]]
"""Exact price and amount of each level, best first."""

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_TAKER: Final = Liquidity.TAKER
_TIF_FOK: Final = TimeInForce.FOK
_ZERO: Final = Decimal(0)


def take_levels(
    lane: Lane, order: WorkingOrder, levels: Levels, quantity: Decimal, ts: int
) -> list[tuple[Decimal, Decimal]]:
    """Execute up to a quantity of an order; slippage counts from the best level."""
    plan = _plan_levels(lane, order, levels, quantity)
    if not plan:
        return []
    worst = lane.taker_price.after(plan[-1][0], order.sign, order.price)
    if lane.limits and not lane.clear_own(order, worst, ts):
        return []
    best, done = plan[0][0], []
    for level, part in plan:
        if part:
            price = lane.taker_price.after(level, order.sign, order.price)
            if not lane.venue.execute(order, part, price, ts, _LIQUIDITY_TAKER, abs(price - best)):
                break
            done.append((level, part))
            if order.is_finished:  # an execution may end an order of a group
                break
    return done


def _plan_levels(lane: Lane, order: WorkingOrder, levels: Levels, quantity: Decimal) -> list[tuple[Decimal, Decimal]]:
    """What each level would give, the best first even where it gives nothing; empty where nothing is to be done."""
    plan: list[tuple[Decimal, Decimal]] = []
    increment, limit, left = lane.instrument.quantity_increment, order.price_f, quantity
    for level, there in levels:
        if limit is not None and not lane.taker_price.is_within(float(level), order.sign, limit):
            break
        part = left if left <= there else there // increment * increment
        if part > 0 or not plan:
            plan.append((level, max(part, _ZERO)))
            left -= plan[-1][1]
        if not left:
            break
    if left == quantity or (left and order.time_in_force is _TIF_FOK):
        return []
    return plan


def take_down(
    lane: Lane, order: WorkingOrder, found: Decimal, quantity: Decimal, ts: int, depth: SyntheticDepth
) -> Decimal:
    """Execute a taker down the levels that the slippage model puts below a record; what executed."""
    moment = lane.last.ts_event
    done = _ZERO
    for _, part in take_levels(lane, order, depth.list_levels(found, order.sign, moment), quantity, ts):
        done += part
    if done:
        depth.take(found, order.sign, moment, done)
    return done

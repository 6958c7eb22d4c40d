"""Opportunity check: whether what an opportunity was made of can be meant.

Receives: the entry, the management and the time-out, as they were given.
Gives:    the same, or InvalidOpportunity that says what was met and what is expected.
Never:    looks at exits (OrderGroup.bracket does), at prices or at brokers.    SPEC "Opportunity Management".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState
from tradecore.errors import InvalidOpportunity


def check_entry(entry: Any) -> None:
    """An order that was not submitted yet, and that may open something."""
    if not isinstance(entry, Order):
        raise InvalidOpportunity(
            f"the entry of an opportunity is {entry!r:.120}; expected an Order, with exits as profit= and stop="
        )
    if entry.state is not OrderState.INITIALIZED or entry.order_id:
        raise InvalidOpportunity(
            f"the entry {entry.order_id} was submitted before and is {entry.state.name}; make a new Order"
        )
    if entry.terms.reduce_only:
        raise InvalidOpportunity(f"the entry for {entry.instrument} is reduce_only, so it could never open anything")


def check_manage(manage: Any, stop: Order | None) -> tuple[Callable[[Any], Any], ...]:
    """One call or several; those that move the stop need one that has a price of its own."""
    if not callable(manage) and not isinstance(manage, Iterable):
        raise InvalidOpportunity(f"manage is {manage!r:.80}; expected a function of the opportunity, or a list of them")
    calls = (manage,) if callable(manage) else tuple(manage)
    for call in calls:
        if not callable(call):
            raise InvalidOpportunity(
                f"management {call!r} cannot be called; expected a function of the opportunity, def or async def"
            )
        if not getattr(call, "needs_stop", False):
            continue
        if stop is None:
            raise InvalidOpportunity(f"{call!r} moves the stop, but there is none; give stop= an order")
        if stop.stop_price is None:
            raise InvalidOpportunity(
                f"{call!r} moves the stop, but a {stop.order_type.value} order has no stop_price of its own: it moves "
                "by itself; give a stop or stop-limit order, or leave the management out"
            )
    return calls


def check_time_out(time_out: Any) -> timedelta | datetime | None:
    """A duration above 0, or a moment in UTC."""
    if isinstance(time_out, timedelta) and time_out <= timedelta(0):
        raise InvalidOpportunity(f"time_out is {time_out}; expected a timedelta above 0")
    if isinstance(time_out, datetime) and time_out.utcoffset() != timedelta(0):
        raise InvalidOpportunity(f"time_out is {time_out.isoformat()}; expected an aware UTC datetime")
    if time_out is not None and not isinstance(time_out, (timedelta, datetime)):
        raise InvalidOpportunity(f"time_out is {time_out!r}; expected a timedelta or an aware UTC datetime")
    return time_out

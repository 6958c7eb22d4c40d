"""Order check: what is wrong with an order or an update at any time, raised at the call.    DESIGN 8; EXECUTION 7.

Receives: an order as it was submitted; the terms of an update.
Gives:    nothing, or InvalidOrder. What depends on the market or the account is judged at the venue instead.
"""

from __future__ import annotations

from decimal import Decimal

from tradecore.domain.instant import format_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order
from tradecore.errors import InvalidOrder
from tradecore.execution.working_order import WorkingOrder


def check_order(order: Order, now: int) -> None:
    """Raises InvalidOrder for an order that was not submitted, or can never work."""
    check_terms(order, now)
    if not order.order_id:
        raise InvalidOrder(f"{order!r} has no id yet; submit it with Strategy.submit_order")


def check_terms(order: Order, now: int) -> None:
    """Raises InvalidOrder for an order whose time is over before it begins, submitted or not. now: int nanoseconds."""
    expire_ns = order.terms.expire_ns
    if expire_ns is not None and expire_ns <= now:
        raise InvalidOrder(
            f"expire_time of a {order.order_type.value} order for {order.instrument} is {format_ns(expire_ns)}, which "
            f"is not later than now, {format_ns(now)}; give a time in the future"
        )


def check_update(
    order: WorkingOrder,
    quantity: Decimal | None,
    price: Decimal | None,
    stop_price: Decimal | None,
    instrument: Instrument | None,
) -> None:
    """Raises InvalidOrder for an update that says nothing, names a price that the type has not, or is off the grid."""
    if quantity is None and price is None and stop_price is None:
        raise InvalidOrder(f"update of order {order.order_id} changes nothing; give quantity, price or stop_price")
    if stop_price is not None and order.trail is not None:
        raise InvalidOrder(
            f"order {order.order_id} is a trailing stop: its stop follows the market and cannot be set; cancel it and "
            "submit another"
        )
    for name, wanted, current in (("price", price, order.price), ("stop_price", stop_price, order.stop_price)):
        if wanted is not None and current is None:
            raise InvalidOrder(
                f"order {order.order_id} is a {order.order_type.value} order and has no {name} to update"
            )
    if quantity is not None and quantity <= 0:
        raise InvalidOrder(
            f"update of order {order.order_id}: quantity is {quantity}; expected the new total, above 0 "
            "(cancel_order ends an order)"
        )
    if instrument is not None:
        for given, check in (
            (quantity, instrument.quantity),
            (price, instrument.price),
            (stop_price, instrument.price),
        ):
            if given is not None:
                check(given)

"""Splits: prices, sizes and order terms in new units.

Receives: a ratio: new units for each old one (2 for 2:1).
Gives:    copies of market events, and new terms of working orders, worth what they were worth before.
Never:    changes an event that a feed or a strategy may hold; lets rounding favour an order.    EXECUTION 7, 9.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from msgspec.structs import replace

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSide, OrderType
from tradecore.domain.order_terms import Trailing
from tradecore.domain.quote_tick import QuoteTick
from tradecore.execution.group_split import rescale_total
from tradecore.execution.working_order import WorkingOrder

_ONE: Final = Decimal(1)


def rescale_event(event: Any, ratio: float) -> Any:
    """A market event as it would read in new units: prices divided by the ratio, sizes multiplied."""
    if isinstance(event, Bar):
        prices = {name: getattr(event, name) / ratio for name in ("open", "high", "low", "close")}
        return replace(event, volume=event.volume * ratio, **prices)
    if isinstance(event, QuoteTick):
        return replace(
            event,
            bid_price=event.bid_price / ratio,
            ask_price=event.ask_price / ratio,
            bid_size=event.bid_size * ratio,
            ask_size=event.ask_size * ratio,
        )
    if isinstance(event, DepthSnapshot):
        bids, asks = (
            tuple((price / ratio, size * ratio) for price, size in levels) for levels in (event.bids, event.asks)
        )
        return replace(event, bids=bids, asks=asks)
    return replace(event, price=event.price / ratio, size=event.size * ratio)


def rescale_order(order: WorkingOrder, ratio: Decimal, instrument: Instrument) -> None:
    """What is left of an order in new units. What is executed stays as it was executed.

    Off the grid its quantity is rounded down; a limit price in the order's disfavour (a buy's down), a trigger away
    from the market.
    """
    if order.trail is not None and order.terms.trailing is not None:
        trailing = rescale_trailing(order.terms.trailing, ratio)
        order.terms = replace(order.terms, trailing=trailing)
        order.trail.rescale(trailing, ratio, instrument.price_increment)
    prices = rescale_prices(order.price, order.stop_price, ratio, instrument, is_buy=order.is_buy, rises=order.rises)
    order.change(rescale_total(order.quantity, order.filled_quantity, ratio, instrument.quantity_increment), *prices)


def rescale_waiting(order: WorkingOrder, ratio: Decimal, instrument: Instrument) -> None:
    """The same of an order that is on its way, or held for its parent; its reason says where nothing is left of it."""
    quantity = order.quantity
    rescale_order(order, ratio, instrument)
    if not order.quantity:
        order.change(quantity, None, None)
        order.reason = f"{instrument.id} was split, {ratio:f} for 1, and nothing is left of it"


def rescale_handle(order: Order, ratio: Decimal, instrument: Instrument) -> None:
    """The same of the handle of an order that its venue was not heard of yet; at least one increment of it."""
    is_buy, rises = _read_way(order)
    prices = rescale_prices(order.price, order.stop_price, ratio, instrument, is_buy=is_buy, rises=rises)
    step, trailing = instrument.quantity_increment, order.terms.trailing
    order.change_held(max(rescale_total(order.quantity, order.filled_quantity, ratio, step), step), *prices)
    if trailing is not None:
        order.change_trailing(rescale_trailing(trailing, ratio))


def rescale_update(order: Order, words: dict[str, Any], ratio: Decimal, instrument: Instrument) -> dict[str, Any]:
    """The terms of an update (quantity, price, stop_price; None stays) in new units."""
    is_buy, rises = _read_way(order)
    price, stop_price = rescale_prices(
        words["price"], words["stop_price"], ratio, instrument, is_buy=is_buy, rises=rises
    )
    quantity = words["quantity"]
    if quantity is not None:
        quantity = rescale_total(quantity, order.filled_quantity, ratio, instrument.quantity_increment)
    return {"quantity": quantity, "price": price, "stop_price": stop_price}


def _read_way(order: Order) -> tuple[bool, bool]:
    """Whether it buys, and whether its trigger is met by prices at or above it."""
    is_buy = order.side is OrderSide.BUY
    return is_buy, is_buy is not (order.order_type is OrderType.MARKET_IF_TOUCHED)


def rescale_prices(
    price: Decimal | None, stop_price: Decimal | None, ratio: Decimal, instrument: Instrument, *, is_buy: bool,
    rises: bool,
) -> tuple[Decimal | None, Decimal | None]:  # fmt: skip
    """Limit price and trigger in new units. rises: the trigger is met by prices at or above it."""
    return _divide(price, ratio, instrument, is_up=not is_buy), _divide(stop_price, ratio, instrument, is_up=rises)


def _divide(price: Decimal | None, ratio: Decimal, instrument: Instrument, *, is_up: bool) -> Decimal | None:
    if price is None:
        return None
    step = instrument.price_increment
    return (price / ratio / step).quantize(_ONE, ROUND_CEILING if is_up else ROUND_FLOOR) * step


def rescale_trailing(trailing: Trailing, ratio: Decimal) -> Trailing:
    """Distances and prices divided; a percentage stays."""
    parts = {name: getattr(trailing, name) for name in ("offset", "activation_price", "limit_offset")}
    return replace(trailing, **{name: value / ratio for name, value in parts.items() if value is not None})

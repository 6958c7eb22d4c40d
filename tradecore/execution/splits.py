"""Splits: prices, sizes and order terms in new units.

Receives: a ratio: new units for each old one (2 for 2:1).
Gives:    copies of market events, and new terms of working orders, worth what they were worth before.
Never:    changes an event that a feed or a strategy may hold; lets rounding favour an order.    EXECUTION 7, 9.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Any, Final

from msgspec.structs import replace

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instrument import Instrument
from tradecore.domain.order_terms import Trailing
from tradecore.domain.quote_tick import QuoteTick
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
    step = instrument.quantity_increment
    left = ((order.quantity - order.filled_quantity) * ratio / step).quantize(_ONE, ROUND_DOWN) * step
    if order.trail is not None and order.terms.trailing is not None:
        trailing = _rescale_trailing(order.terms.trailing, ratio)
        order.terms = replace(order.terms, trailing=trailing)
        order.trail.rescale(trailing, ratio, instrument.price_increment)
    order.change(
        order.filled_quantity + left,
        _divide(order.price, ratio, instrument, is_up=not order.is_buy),
        _divide(order.stop_price, ratio, instrument, is_up=order.rises),
    )


def _divide(price: Decimal | None, ratio: Decimal, instrument: Instrument, *, is_up: bool) -> Decimal | None:
    if price is None:
        return None
    step = instrument.price_increment
    return (price / ratio / step).quantize(_ONE, ROUND_CEILING if is_up else ROUND_FLOOR) * step


def _rescale_trailing(trailing: Trailing, ratio: Decimal) -> Trailing:
    """Distances and prices divided; a percentage stays."""
    parts = {name: getattr(trailing, name) for name in ("offset", "activation_price", "limit_offset")}
    return replace(trailing, **{name: value / ratio for name, value in parts.items() if value is not None})

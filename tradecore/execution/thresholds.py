"""Thresholds: the prices at which the next working order has to be looked at.

Receives: the limits and stops that work in a lane.
Gives:    four floats: below or above them nothing can execute, be triggered or trail. One pass, before events are
          scanned against them in a tight loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from tradecore.execution.working_order import WorkingOrder

Thresholds = tuple[float, float, float, float]
"""(ask_low, ask_high, bid_low, bid_high): an ask at or below ask_low, or at or above ask_high, concerns a buy; bids
likewise concern sells."""


def find_thresholds(limits: Iterable[WorkingOrder], stops: Iterable[WorkingOrder]) -> Thresholds:
    """Thresholds of these orders; infinite where no order waits on that side."""
    ask_low, ask_high, bid_low, bid_high = -inf, inf, -inf, inf
    for order in limits:
        price = order.price_f
        assert price is not None
        if order.is_buy:
            ask_low = max(ask_low, price)
        else:
            bid_high = min(bid_high, price)
    for order in stops:
        if order.is_buy:
            if order.rises:
                ask_high = min(ask_high, order.stop_f)
            else:
                ask_low = max(ask_low, order.stop_f)
            if order.trail is not None:
                ask_low = max(ask_low, order.trail.move_f)
        else:
            if order.rises:
                bid_high = min(bid_high, order.stop_f)
            else:
                bid_low = max(bid_low, order.stop_f)
            if order.trail is not None:
                bid_high = min(bid_high, order.trail.move_f)
    return ask_low, ask_high, bid_low, bid_high

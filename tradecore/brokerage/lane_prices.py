"""Lane prices: what stood at an instant, read from a lane without moving it.

Receives: a lane whose window is loaded; an instant that has happened.
Gives:    the price at which a holding was valued then; the worst price that each event of the window shows for it.
Never:    looks past the instant that it is asked for, or depends on how the events were cut into windows.
          EXECUTION 9.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from tradecore.domain.event_batch import find_column
from tradecore.execution.bar_lane import BarLane
from tradecore.execution.lane import Lane
from tradecore.execution.quote_lane import QuoteLane
from tradecore.execution.standing_lane import StandingLane


def read_price(lane: Lane, sign: int, ts: int) -> float | None:
    """Price at which a holding of this sign is valued at the present instant: a long is sold, a short bought back.

    ts: now, int nanoseconds. None before the first price.
    """
    place = bisect_right(lane.times, ts) - 1 if lane.events else -1
    found = read_price_at(lane, sign, place)
    return lane.mark(sign) if found is None else found


def read_price_at(lane: Lane, sign: int, place: int) -> float | None:
    """The same as of the event at this place of the window; None where the window has shown none by then."""
    while place >= 0:
        price = _value_event(lane, sign, place)
        if price is not None:
            return price
        place -= 1
    return None


def list_adverse(lane: Lane, sign: int, start: int, stop: int) -> Sequence[float | None]:
    """The worst price for a holding of this sign that each event in [start, stop) shows: a bar's low or high."""
    if isinstance(lane, BarLane):
        if sign > 0:
            return [bar.low + lane.shift_sell for bar in lane.events[start:stop]]
        return [bar.high + lane.shift_buy for bar in lane.asks[start:stop]]
    return [_value_event(lane, sign, place) for place in range(start, stop)]


def find_worst(lane: Lane, sign: int) -> float | None:
    """A price as bad for a holding of this sign as any of the whole window, None where it shows none.

    It may be worse than what list_adverse gives: crossed quotes count, because looking at each would cost more.
    """
    if not lane.events:
        return None
    events = lane.events
    if isinstance(lane, BarLane):
        shift = lane.shift_sell if sign > 0 else lane.shift_buy
        return (_find_extreme(events, "low", sign) if sign > 0 else _find_extreme(lane.asks, "high", sign)) + shift
    if isinstance(lane, QuoteLane):
        return _find_extreme(events, "bid_price" if sign > 0 else "ask_price", sign)
    if not isinstance(lane, StandingLane):
        return _find_extreme(events, "price", sign)
    met = [price for price in list_adverse(lane, sign, 0, len(lane.events)) if price is not None]
    return None if not met else min(met) if sign > 0 else max(met)


def _find_extreme(events: Sequence[Any], name: str, sign: int) -> float:
    # The lowest (for a long holding) or highest of a field.
    prices: Any = find_column(events, name)
    if hasattr(prices, "dtype"):  # numpy's, which is not imported for who does not use it
        return float(prices[prices.argmin() if sign > 0 else prices.argmax()])  # a third of the time of min(), max()
    if prices is None:
        prices = map(attrgetter(name), events)
    return float(min(prices) if sign > 0 else max(prices))


def _value_event(lane: Lane, sign: int, place: int) -> float | None:
    """What the event at this place alone says; None of a crossed or one-sided book."""
    event: Any = lane.events[place]
    if isinstance(lane, BarLane):
        return float(event.close) + lane.shift_sell if sign > 0 else lane.asks[place].close + lane.shift_buy
    if isinstance(lane, StandingLane):
        return None if lane.is_crossed(event) else lane.value_of(event, sign)
    return float(event.price)

"""Bar paths: in which order the prices between a bar's open and close met the orders.

Receives: a BarPassage whose open has been dealt with.
Gives:    calls of its `settle_triggered` and `make_bar`, one order after the other.
Never:    decides how much executes, or at what price.    EXECUTION 6.

`worst`: high and low may have come in either order, so a stop executes if it was touched at all, before any limit; a
stop-limit triggered inside the bar can only count on the close. A trailing stop is tested with its old trigger on the
adverse extreme, then moved by the favourable one, then tested on the close. A target, or a later limit of a group,
cannot execute in the bar in which its entry (unless at the open) or its stop can.
`ohlc`: open, high, low, close, in this order; what joins in the middle meets what comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from tradecore.execution.working_order import LIMIT, STOP, WorkingOrder, nearest_first

if TYPE_CHECKING:
    from tradecore.execution.bar_passage import BarPassage

_Met = tuple[float, int, int, int, WorkingOrder]
"""How far along a leg an order is met (0 to 1), trigger before limit, effective time, number, the order."""


# -------------------------------------------------------------------------------------------------------------- worst


def pass_worst(passage: BarPassage) -> None:
    """What hurts first, what helps afterwards, and only where nothing of the group hurt."""
    lane = passage.lane
    only_close: list[WorkingOrder] = []
    hurt: set[str] = set()
    _pass_adverse(passage, lane.stops, only_close, hurt)
    _pass_joiners(passage, only_close, hurt)
    for order in _list_favourable(passage):
        if order in only_close or (order.group is not None and order.group in hurt):
            continue
        if order.place == LIMIT:
            passage.make_bar(order, passage.stamp(order))
        elif order.place == STOP:
            _set_off(passage, order)
        _pass_joiners(passage, only_close, hurt)
    for order in only_close:
        if order.place == LIMIT and passage.is_reached(order, passage.bar_of(order).close):
            passage.make_bar(order, passage.end)


def _pass_adverse(
    passage: BarPassage, stops: Iterable[WorkingOrder], only_close: list[WorkingOrder], hurt: set[str]
) -> None:
    """Stops that the adverse extreme touched; trailing ones that it did not move, and are tested on the close."""
    touched, trailing = [], []
    for order in stops:
        if order.rises is order.is_buy and passage.is_whole(order):
            if passage.is_touched(order, passage.adverse(order)):
                touched.append(order)
            elif order.trail is not None:
                trailing.append(order)
    for order in trailing:
        is_new = order.joined_ns == passage.end and order.effective_ns == passage.end
        close = passage.bar_of(order).close
        passage.follow(order, close if is_new else passage.favourable(order))  # the extreme may lie before its entry
        if passage.is_touched(order, close):
            touched.append(order)
    for order in nearest_first(touched, passage.open_of):
        if order.place == STOP:
            if order.group is not None:
                hurt.add(order.group)
            _set_off(passage, order)
            only_close.append(order)


def _pass_joiners(passage: BarPassage, only_close: list[WorkingOrder], hurt: set[str]) -> None:
    """Stops that an execution of this bar has just brought into being."""
    while passage.joiners:
        joined, passage.joiners = passage.joiners, []
        _pass_adverse(passage, [o for o in joined if o.place == STOP], only_close, hurt)


def _list_favourable(passage: BarPassage) -> list[WorkingOrder]:
    """Limits and touch triggers that the favourable extreme reaches, the best price first, then time."""
    lane = passage.lane
    reached = [o for o in lane.limits if passage.is_whole(o) and passage.is_reached(o, passage.favourable(o))]
    for order in lane.stops:
        is_waiting = order.rises is not order.is_buy and passage.is_whole(order)
        if is_waiting and passage.is_touched(order, passage.favourable(order)):
            reached.append(order)
    return nearest_first(reached, passage.open_of)


# --------------------------------------------------------------------------------------------------------------- ohlc


def pass_ohlc(passage: BarPassage) -> None:
    """Three legs; on each, whoever is reached first."""
    ask, bid = passage.ask, passage.bid
    asks = (ask.open, ask.high, ask.low, ask.close)
    bids = (bid.open, bid.high, bid.low, bid.close)
    for leg in range(3):
        _walk_leg(passage, asks[leg : leg + 2], bids[leg : leg + 2])


def _walk_leg(passage: BarPassage, ask_leg: tuple[float, ...], bid_leg: tuple[float, ...]) -> None:
    lane = passage.lane
    met: list[_Met] = []

    def look(order: WorkingOrder, after: float = -1.0) -> None:
        """Note an order that the rest of the leg meets."""
        begin, end = ask_leg if order.is_buy else bid_leg
        is_stop = order.place == STOP
        if not (passage.is_touched(order, end) if is_stop else passage.is_reached(order, end)):
            return
        level = _level_of(order) - passage.shift_of(order)
        way = (level - begin) / (end - begin) if end != begin else 0.0
        if way >= after and passage.is_whole(order):
            heappush(met, (way, 0 if is_stop else 1, order.effective_ns, order.number, order))

    for order in (*lane.stops, *lane.limits):
        look(order)
    heapify(met)
    while met:
        way, kind, _, _, order = heappop(met)
        if kind == 0 and order.place == STOP:
            _set_off(passage, order)
        elif kind == 1 and order.place == LIMIT:
            passage.make_bar(order, passage.stamp(order))
        joined, passage.joiners = passage.joiners, []
        for child in joined:
            if child.place in (STOP, LIMIT):
                look(child, way)
    for order in lane.stops:
        if order.trail is not None and passage.is_whole(order):
            passage.follow(order, (ask_leg if order.is_buy else bid_leg)[1])


# ---------------------------------------------------------------------------------------------------------------- both


def _set_off(passage: BarPassage, order: WorkingOrder) -> None:
    ts = passage.stamp(order)
    passage.lane.set_off(order, ts)
    passage.settle_triggered(order, None, ts)


def _level_of(order: WorkingOrder) -> float:
    """The price at which an order is met."""
    if order.place == STOP:
        return order.stop_f
    assert order.price_f is not None
    return order.price_f

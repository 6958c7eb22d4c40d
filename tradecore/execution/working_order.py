"""WorkingOrder: an order as the venue knows it, from submission to its end.

Receives: an Order handle at submit; what the ExecutionEngine does with it.
Gives:    the venue's truth: state, what is left, where it works; frozen snapshots of it.
Never:    is seen by a strategy: the handle changes only by reports.    Spec: 5.2; DESIGN 8.

It is mutable and caches floats of its prices, because matching compares floats all day (DESIGN 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from math import inf
from typing import Any, Final

from tradecore.domain.exact import ZERO as _ZERO
from tradecore.domain.exact import to_float
from tradecore.domain.instant import MAX_NS
from tradecore.domain.order import Order, OrderSide, OrderSnapshot, OrderType, TimeInForce
from tradecore.domain.order_state import OrderState, check_transition
from tradecore.domain.order_terms import PLAIN_TERMS
from tradecore.execution.trailing_stop import TrailingStop

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_SIDE_BUY: Final = OrderSide.BUY
_STATE_FILLED: Final = OrderState.FILLED
_STATE_PARTIALLY_FILLED: Final = OrderState.PARTIALLY_FILLED
_STATE_SUBMITTED: Final = OrderState.SUBMITTED
_TIF_DAY: Final = TimeInForce.DAY
_TIF_FOK: Final = TimeInForce.FOK
_TIF_GTC: Final = TimeInForce.GTC
_TIF_IOC: Final = TimeInForce.IOC

NOWHERE: Final = -1  # not placed in a lane
TAKER: Final = 0  # takes what comes, up to its limit price if it has one
STOP: Final = 1  # waits for its trigger
LIMIT: Final = 2  # rests at its price

_TYPE_TOUCHED: Final = OrderType.MARKET_IF_TOUCHED


class WorkingOrder:
    """One order at the venue.

    is_plain: at market, good till cancelled, without conditions. waits_for_trigger: a stop of any kind whose condition
    was not met yet. is_held: it came while the market was closed.
    sign: +1 buys, -1 sells. price_f, stop_f: floats of price and stop_price, for comparing only. rises: whether its
    trigger is met by prices at or above stop_f, else by those at or below. trail: of a trailing stop. remaining,
    remaining_f: amount that may still execute. effective_ns: instant at which it took its present place. number: breaks
    ties, in order of submission. place: TAKER, STOP, LIMIT or NOWHERE. is_fresh: a limit that has not met an event yet.
    is_unchecked: whether its money has to be looked at when it executes. leaves_ns: a command inside a bar that is not
    known yet takes it away at this instant (EXECUTION 2). report_ns: what its reports take to come back. reserved:
    money set aside for it. ledger: its broker's, since it was accepted; matching does not look at it.

    Of orders with conditions (is_special): expires_ns: instant from which it works no more. room: the most that a
    reduce_only order may execute now. group: names the contingency group that entry, stop and targets share; joined_ns:
    end of the bar in which an entry brought it into being (EXECUTION 6). venue_group: its broker's, where the venue
    holds the group; matching does not look at it. bracket_exits: of an entry, handles of its profit order and stop.
    """

    __slots__ = (
        "average_price", "bracket_exits", "effective_ns", "executions", "expires_ns", "filled_quantity", "filled_value",
        "group", "instrument", "is_buy", "is_finished", "is_fresh", "is_held", "is_immediate", "is_plain", "is_special",
        "is_triggered", "is_unchecked", "joined_ns", "leaves_ns", "ledger", "number", "order_id", "order_type", "place",
        "post_only", "price", "price_f", "quantity", "reason", "reduce_only", "remaining", "remaining_f", "report_ns",
        "reserved", "rises", "room", "side", "sign", "state", "stop_f", "stop_price", "strategy", "terms",
        "time_in_force", "trail", "ts_decided", "venue_group", "waits_for_trigger",
    )  # fmt: skip

    def __init__(self, order: Order) -> None:
        """A submitted order as it comes to the venue."""
        (
            self.order_id, self.strategy, self.instrument, self.side, self.order_type, self.time_in_force,
            self.ts_decided, self.quantity, self.price, self.stop_price, self.terms,
        ) = order.read()  # fmt: skip
        quantity = self.quantity
        self.is_buy = is_buy = self.side is _SIDE_BUY
        self.sign = 1 if is_buy else -1
        self.remaining, self.remaining_f = quantity, to_float(quantity)
        self.state = _STATE_SUBMITTED
        self.number = self.effective_ns = self.executions = self.report_ns = 0
        self.place = NOWHERE
        self.is_plain = self.is_fresh = True
        self.is_finished = self.is_triggered = self.is_unchecked = self.is_immediate = self.is_special = False
        self.filled_quantity = self.filled_value = self.reserved = _ZERO
        self.leaves_ns = self.expires_ns = MAX_NS
        self.average_price: Decimal | None = None
        self.reason: str | None = None
        self.ledger: Any = None
        self.venue_group: Any = None
        self.price_f: float | None = None
        self.stop_f = 0.0
        self.waits_for_trigger = self.rises = self.is_held = self.post_only = self.reduce_only = False
        self.trail: TrailingStop | None = None
        self.room: Decimal | None = None
        self.group: str | None = None
        self.joined_ns: int | None = None
        self.bracket_exits: tuple[Order, ...] = ()
        if self.price is not None:
            self.price_f, self.is_plain = to_float(self.price), False
        if self.stop_price is not None:
            self.stop_f = to_float(self.stop_price)
            self.waits_for_trigger, self.is_plain = True, False
            self.rises = is_buy is not (self.order_type is _TYPE_TOUCHED)
        if self.time_in_force is not _TIF_GTC or self.terms is not PLAIN_TERMS:
            self.is_plain = False
            self.take_terms()
            self.bracket_exits = order.bracket_exits

    def take_terms(self) -> None:
        """Note what an order with conditions asks for."""
        terms, time_in_force = self.terms, self.time_in_force
        self.is_immediate = time_in_force is _TIF_IOC or time_in_force is _TIF_FOK
        if terms is PLAIN_TERMS and time_in_force is not _TIF_DAY:
            return
        self.is_special = True
        self.post_only, self.reduce_only = terms.post_only, terms.reduce_only
        self.group = terms.group_id
        if terms.expire_ns is not None:
            self.expires_ns = terms.expire_ns
        if terms.trailing is not None:
            self.waits_for_trigger = True
            self.rises = self.is_buy
            self.stop_f = self.sign * inf  # out of reach until there is a market to follow
            self.trail = TrailingStop(terms.trailing, self.sign)

    def set_off(self) -> None:
        """Its trigger was met; a trailing stop has its prices from now on."""
        self.is_triggered, self.waits_for_trigger = True, False
        if self.trail is not None and (price := self.trail.find_limit()) is not None:
            self.price, self.price_f = price, float(price)

    def follow(self, met: float, increment: Decimal) -> None:
        """Let a trailing stop that waits see a price of the market."""
        assert self.trail is not None
        stop = self.trail.follow(met, increment)
        if stop is not None:
            self.stop_price, self.stop_f = stop, float(stop)

    def move(self, state: OrderState, reason: str | None = None) -> None:
        """Change state as the table allows. Raises: IllegalOrderTransition."""
        self.state = check_transition(self.order_id, self.state, state)
        self.is_finished = state.is_finished
        if reason is not None:
            self.reason = reason

    def book(self, quantity: Decimal, price: Decimal) -> bool:
        """Note an execution of 0 < quantity <= remaining at a price; True when nothing is left."""
        self.executions = count = self.executions + 1
        left = self.remaining
        if count == 1 and quantity is left and not self.reduce_only:  # the usual: all of it at once
            self.filled_quantity, self.average_price = self.quantity, price
            self.remaining, self.remaining_f = _ZERO, 0.0
            self.state, self.is_finished = _STATE_FILLED, True
            return True
        self.filled_value = value = self.filled_value + quantity * price
        is_whole = quantity is left or quantity == left
        if is_whole and (not self.reduce_only or self.filled_quantity + quantity == self.quantity):
            self.filled_quantity = filled = self.quantity
            self.remaining, self.remaining_f = _ZERO, 0.0
            self.state, self.is_finished = _STATE_FILLED, True
        else:
            assert 0 < quantity <= left, f"{self.order_id}: executed {quantity} of {left}"
            self.filled_quantity = filled = self.filled_quantity + quantity
            self.remaining = left = left - quantity
            self.remaining_f = to_float(left)
            self.state = _STATE_PARTIALLY_FILLED
        self.average_price = price if count == 1 else value / filled
        return self.is_finished

    def clip(self, room: Decimal) -> None:
        """No more than this may execute now: a reduce_only order follows the position. room: >= 0."""
        self.room = room
        self.remaining = min(self.quantity - self.filled_quantity, room)
        self.remaining_f = to_float(self.remaining)

    def change(self, quantity: Decimal | None, price: Decimal | None, stop_price: Decimal | None) -> None:
        """Take new terms; None leaves one as it is. quantity is the total, not below what is executed."""
        if quantity is not None:
            self.quantity = quantity
            self.remaining = quantity - self.filled_quantity
            if self.room is not None and self.room < self.remaining:
                self.remaining = self.room
            self.remaining_f = to_float(self.remaining)
        if price is not None:
            self.price, self.price_f = price, float(price)
        if stop_price is not None:
            self.stop_price, self.stop_f = stop_price, float(stop_price)

    def snapshot(self, broker: str, ts_event: int = 0, ts_command: int = 0) -> OrderSnapshot:
        """The order as the venue has it, frozen. ts_event: of the change that it shows; ts_command: see there."""
        return OrderSnapshot(
            self.order_id, self.strategy, broker, self.instrument, self.side, self.order_type, self.quantity,
            self.price, self.stop_price, self.time_in_force, self.state, self.filled_quantity, self.average_price,
            self.reason, self.ts_decided, ts_event, ts_command, terms=self.terms,
        )  # fmt: skip


def by_time(order: WorkingOrder) -> tuple[int, int]:
    """Priority among orders of one price: effective time, then submit number."""
    return order.effective_ns, order.number


def by_price_then_time(order: WorkingOrder) -> tuple[float, int, int]:
    """Priority among resting limits of one side: the best price first, then time."""
    assert order.price_f is not None
    return -order.sign * order.price_f, order.effective_ns, order.number


def nearest_first(orders: Iterable[WorkingOrder], met_by: Callable[[WorkingOrder], float]) -> list[WorkingOrder]:
    """Orders by how far the market is from meeting them, then by time: price priority that favours neither side.

    met_by: the price that an order's side meets. Stops come before orders that wait for a better price.
    """

    def find_rank(order: WorkingOrder) -> tuple[bool, float, int, int]:
        level = order.stop_f if order.waits_for_trigger else order.price_f
        assert level is not None
        rises = order.rises if order.waits_for_trigger else not order.is_buy
        met = met_by(order)
        distance = round(level - met if rises else met - level, 10)  # without what subtracting floats leaves
        return rises is not order.is_buy, distance, order.effective_ns, order.number

    return sorted(orders, key=find_rank)

"""OrderTerms: what an order asks for beside price and quantity: its type, how long it works, and its conditions.

Receives: what a strategy typed, through the factories of Order.
Gives:    the words OrderSide, OrderType, TimeInForce, Contingency and OrderRole; one frozen OrderTerms an order,
          PLAIN_TERMS for most.
Never:    knows the present instant or the market: an expiry in the past is refused where the order is submitted.
          Spec: 5.1; DESIGN 8; EXECUTION 7.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import msgspec

from tradecore.domain.instant import to_datetime, to_ns
from tradecore.domain.instrument import Instrument, Number, to_decimal
from tradecore.errors import InvalidOrder


class OrderSide(Enum):
    """Buy or sell; `sign` is +1 or -1."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int


OrderSide.BUY.sign = 1
OrderSide.SELL.sign = -1


class OrderType(Enum):
    """What makes an order execute. has_price, has_stop: whether it needs a price, a stop_price; else it takes none."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    MARKET_IF_TOUCHED = "MARKET_IF_TOUCHED"
    TRAILING_STOP = "TRAILING_STOP"

    has_price: bool
    has_stop: bool


class TimeInForce(Enum):
    """How long an order works."""

    GTC = "GTC"  # until cancelled
    GTD = "GTD"  # until expire_time
    DAY = "DAY"  # until the session of its instrument ends
    IOC = "IOC"  # what can execute at once, the rest is cancelled
    FOK = "FOK"  # all at once or nothing


class Contingency(Enum):
    """How an order depends on the others of its group (EXECUTION 8)."""

    OTO = "OTO"  # the parent's executions bring the children into being
    OCO = "OCO"  # the first execution of one cancels the others
    OUO = "OUO"  # each execution reduces the others by as much


class OrderRole(Enum):
    """What an order is in its group, or for its account."""

    ENTRY = "ENTRY"  # the parent
    PROFIT = "PROFIT"  # child of a bracket: leaves with a gain
    STOP = "STOP"  # child of a bracket: leaves with a loss
    CHILD = "CHILD"  # of an OTO
    LEG = "LEG"  # of an OCO or OUO without a parent
    CLOSE = "CLOSE"  # sent by us to close what a group executed too much, or could not exit
    MARGIN = "MARGIN"  # given by the broker itself to close an account whose margin was broken; of no group


for _type in OrderType:
    _type.has_price = _type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    _type.has_stop = _type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.MARKET_IF_TOUCHED)

_IMMEDIATE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})


TypedTrailing = tuple[Number | None, Number | None, Number | None, Number | None]
"""Offset, percent, activation_price and limit_offset of a trailing stop, as typed: floats may be rounded."""


class Trailing(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a trailing stop follows the market: by an offset in price units, or by a percentage (1.5 = 1.5 %).

    activation_price: it begins to follow when the market has reached this price (a sale's lies above the market); None
    begins at once. limit_offset: once triggered it is a limit order this much beyond its stop; None: a market order.
    """

    offset: Decimal | None = None
    percent: Decimal | None = None
    activation_price: Decimal | None = None
    limit_offset: Decimal | None = None

    @classmethod
    def make(cls, typed: TypedTrailing | Any, instrument: Instrument | None = None) -> Trailing:
        """A checked one; with an instrument, its prices lie on the grid (floats are rounded). Raises: InvalidOrder."""

        def read(value: Number | None, name: str, *, is_price: bool = True) -> Decimal | None:
            if value is None:
                return None
            return instrument.price(value) if instrument is not None and is_price else to_decimal(value, name)

        if not isinstance(typed, tuple) or len(typed) != 4:
            raise InvalidOrder(f"trailing is {typed!r:.80}; make trailing stops with Order.trailing_stop(...)")
        offset, percent, activation_price, limit_offset = typed
        made = cls(
            read(offset, "offset"),
            read(percent, "percent", is_price=False),
            read(activation_price, "activation_price"),
            read(limit_offset, "limit_offset"),
        )
        if (made.offset is None) == (made.percent is None):
            raise InvalidOrder(
                f"a trailing stop follows by an offset or by a percentage; got offset {offset!r} and percent "
                f"{percent!r}; give one of them"
            )
        if made.offset is not None and made.offset <= 0:
            raise InvalidOrder(f"offset of a trailing stop is {offset!r}; expected price units above 0 (on its grid)")
        if made.percent is not None and not 0 < made.percent < 100:
            raise InvalidOrder(f"percent of a trailing stop is {percent!r}; expected above 0 and below 100")
        if made.limit_offset is not None and made.limit_offset < 0:
            raise InvalidOrder(f"limit_offset of a trailing stop is {limit_offset!r}; expected 0 or more price units")
        return made


class OrderTerms(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Conditions of an order. expire_ns: of GTD, int nanoseconds. post_only: a limit that must not take. reduce_only:
    it never opens or widens the strategy's position. trailing: of a trailing stop.

    Of an order of a group: group_id; contingency and role, see there; parent_id: of a child, its parent's order id.
    """

    expire_ns: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    trailing: Trailing | None = None
    group_id: str | None = None
    contingency: Contingency | None = None
    parent_id: str | None = None
    role: OrderRole | None = None

    @property
    def expire_time(self) -> datetime | None:
        """Of GTD, aware UTC, cut to microseconds."""
        return None if self.expire_ns is None else to_datetime(self.expire_ns)


PLAIN_TERMS: Final = OrderTerms()
"""What most orders have. Compare with `is`."""


def check_time_in_force(value: TimeInForce, instrument: str) -> TimeInForce:
    """The same value, a TimeInForce; a word like it would be taken for GTC. Raises: InvalidOrder."""
    if type(value) is TimeInForce:
        return value
    words = ", ".join(f"TimeInForce.{one.name}" for one in TimeInForce)
    raise InvalidOrder(f"time_in_force of an order for {instrument} is {value!r}; expected one of {words}")


def make_terms(
    what: str,
    order_type: OrderType,
    time_in_force: TimeInForce,
    *,
    expire_time: datetime | None,
    post_only: bool,
    reduce_only: bool,
    trailing: Trailing | None,
) -> OrderTerms:
    """Terms that agree with type and time in force. what: the order, for errors. Raises: InvalidOrder, InvalidTime."""
    for name, flag in (("post_only", post_only), ("reduce_only", reduce_only)):
        if type(flag) is not bool:
            raise InvalidOrder(f"{what} has {name} = {flag!r:.80}; expected True or False")
    is_dated = time_in_force is TimeInForce.GTD
    if is_dated and expire_time is None:
        raise InvalidOrder(f"{what} is GTD without an expire_time; give an aware UTC datetime")
    if not is_dated and expire_time is not None:
        raise InvalidOrder(
            f"{what} has an expire_time, but its time in force is {time_in_force.value}; only GTD orders expire at a "
            "time of their own: add time_in_force=TimeInForce.GTD"
        )
    if post_only and order_type is not OrderType.LIMIT:
        raise InvalidOrder(f"{what} is post_only, but a {order_type.value} order takes; only LIMIT orders may be")
    if post_only and time_in_force in _IMMEDIATE:
        raise InvalidOrder(f"{what} is post_only and {time_in_force.value}: it could never execute; drop one of them")
    if (trailing is not None) != (order_type is OrderType.TRAILING_STOP):
        raise InvalidOrder(f"{what} is a {order_type.value} order; make trailing stops with Order.trailing_stop(...)")
    expire_ns = None if expire_time is None else to_ns(expire_time)
    if expire_ns is None and not post_only and not reduce_only and trailing is None:
        return PLAIN_TERMS
    return OrderTerms(expire_ns, post_only, reduce_only, trailing)

"""Order: what a strategy wants done, as a live handle that only reports change.

Receives: what the strategy asks for, through the factories (signed quantities); reports, through `apply_report`.
Gives:    a handle that always shows what has been *reported* to the strategy; frozen OrderSnapshots for OrderUpdated.
Never:    runs ahead of its reports: the broker keeps its own books, so with latency the handle is honestly late.
          Spec: 5.1; DESIGN 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from tradecore.domain.instrument import Instrument, Number, check_instrument_id, to_decimal
from tradecore.domain.order_state import OrderState, check_transition
from tradecore.errors import InvalidOrder, OrderError

_ZERO = Decimal(0)


class OrderSide(Enum):
    """Buy or sell; `sign` is +1 or -1."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int


OrderSide.BUY.sign = 1
OrderSide.SELL.sign = -1


class OrderType(Enum):
    """What makes an order execute."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"


class TimeInForce(Enum):
    """How long an order works."""

    GTC = "GTC"
    GTD = "GTD"
    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"


class OrderSnapshot(msgspec.Struct, frozen=True, gc=False):
    """An order as it stood at one report. Prices and quantities are exact; times are int nanoseconds.

    average_price is derived: value executed over quantity executed, None before the first execution.
    """

    order_id: str
    strategy: str
    broker: str
    instrument: str
    side: OrderSide
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce
    state: OrderState
    filled_quantity: Decimal
    average_price: Decimal | None
    reason: str | None
    ts_decided: int


class OrderReport(msgspec.Struct, frozen=True, gc=False):
    """What a broker says of an order. Fields that are None say nothing new.

    ts_event: when it happened at the venue. filled_quantity and filled_value are totals, not steps: applying the same
    report twice changes nothing. cancel_rejected / update_rejected: the command failed, the order stands as it was.
    """

    order_id: str
    state: OrderState
    ts_event: int
    filled_quantity: Decimal = _ZERO
    filled_value: Decimal = _ZERO
    reason: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    cancel_rejected: bool = False
    update_rejected: bool = False
    updated: bool = False


class Order:
    """A live handle, read-only to the strategy; it changes only when a report is delivered.

    Make one with the factories; `submit_order` gives it its id (strategy name and counter) and its broker.
    `quantity` is always above 0, beside `side`.
    """

    __slots__ = (
        "_average",
        "_broker",
        "_filled_quantity",
        "_filled_value",
        "_instrument",
        "_order_id",
        "_order_type",
        "_pending_cancel",
        "_pending_update",
        "_price",
        "_quantity",
        "_reason",
        "_side",
        "_state",
        "_stop_price",
        "_strategy",
        "_tags",
        "_time_in_force",
        "_ts_decided",
        "_ts_expires",
        "_typed",
    )

    def __init__(
        self,
        instrument: str,
        quantity: Number,
        order_type: OrderType,
        *,
        price: Number | None = None,
        stop_price: Number | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """An order not yet submitted. quantity is signed: above 0 buys, below 0 sells. Raises: InvalidOrder."""
        check_instrument_id(instrument)
        amount = to_decimal(quantity, f"quantity of an order for {instrument}")
        if not amount:
            raise InvalidOrder(f"quantity of an order for {instrument} is 0; expected above 0 to buy, below 0 to sell")
        wants_price = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        wants_stop = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
        for name, value, wanted in (("price", price, wants_price), ("stop_price", stop_price, wants_stop)):
            if wanted and value is None:
                raise InvalidOrder(f"a {order_type.value} order for {instrument} needs a {name}")
            if not wanted and value is not None:
                raise InvalidOrder(f"a {order_type.value} order for {instrument} takes no {name}, got {value!r}")
        self._instrument = instrument
        self._side = OrderSide.BUY if amount > 0 else OrderSide.SELL
        self._order_type = order_type
        self._quantity = abs(amount)
        self._price = None if price is None else to_decimal(price, f"price of an order for {instrument}")
        self._stop_price = (
            None if stop_price is None else to_decimal(stop_price, f"stop_price of an order for {instrument}")
        )
        # As typed: a float may be rounded to the grid, anything else must lie on it.
        self._typed = (quantity, price, stop_price)
        self._time_in_force = time_in_force
        self._tags: Mapping[str, str] = dict(tags) if tags else {}
        self._state = OrderState.INITIALIZED
        self._order_id = ""
        self._strategy = ""
        self._broker = ""
        self._filled_quantity = _ZERO
        self._filled_value = _ZERO
        self._average: Decimal | None = None
        self._reason: str | None = None
        self._pending_cancel = False
        self._pending_update = False
        self._ts_decided = 0
        self._ts_expires: int | None = None

    # -------------------------------------------------------------------------------------------------- factories

    @classmethod
    def market(cls, instrument: str, quantity: Number, **options: Any) -> Order:
        """Execute at once at what the market offers. quantity is signed."""
        return cls(instrument, quantity, OrderType.MARKET, **options)

    @classmethod
    def limit(cls, instrument: str, quantity: Number, price: Number, **options: Any) -> Order:
        """Execute at `price` or better. quantity is signed."""
        return cls(instrument, quantity, OrderType.LIMIT, price=price, **options)

    @classmethod
    def stop(cls, instrument: str, quantity: Number, stop_price: Number, **options: Any) -> Order:
        """Become a market order when the market reaches `stop_price`. quantity is signed."""
        return cls(instrument, quantity, OrderType.STOP, stop_price=stop_price, **options)

    @classmethod
    def stop_limit(cls, instrument: str, quantity: Number, stop_price: Number, price: Number, **options: Any) -> Order:
        """Become a limit order at `price` when the market reaches `stop_price`. quantity is signed."""
        return cls(instrument, quantity, OrderType.STOP_LIMIT, price=price, stop_price=stop_price, **options)

    # ------------------------------------------------------------------------------------------- what one may read

    @property
    def order_id(self) -> str:
        """Given at submit: strategy name and counter. Empty before."""
        return self._order_id

    @property
    def strategy(self) -> str:
        """Name of the strategy that submitted it. Empty before."""
        return self._strategy

    @property
    def broker(self) -> str:
        """Name of the broker it was given to. Empty before."""
        return self._broker

    @property
    def instrument(self) -> str:
        """Instrument id."""
        return self._instrument

    @property
    def side(self) -> OrderSide:
        """BUY or SELL."""
        return self._side

    @property
    def order_type(self) -> OrderType:
        """MARKET, LIMIT, STOP or STOP_LIMIT."""
        return self._order_type

    @property
    def quantity(self) -> Decimal:
        """Total amount wanted, > 0."""
        return self._quantity

    @property
    def price(self) -> Decimal | None:
        """Limit price, where the type has one."""
        return self._price

    @property
    def stop_price(self) -> Decimal | None:
        """Trigger price, where the type has one."""
        return self._stop_price

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it works."""
        return self._time_in_force

    @property
    def tags(self) -> Mapping[str, str]:
        """The strategy's own words for it."""
        return self._tags

    @property
    def state(self) -> OrderState:
        """Where it stands, as far as reported."""
        return self._state

    @property
    def is_open(self) -> bool:
        """Submitted and, as far as reported, not finished."""
        return self._state.is_open

    @property
    def is_finished(self) -> bool:
        """Nothing more is expected of it."""
        return self._state.is_finished

    @property
    def filled_quantity(self) -> Decimal:
        """Amount executed, as far as reported."""
        return self._filled_quantity

    @property
    def remaining_quantity(self) -> Decimal:
        """Amount not executed, as far as reported."""
        return self._quantity - self._filled_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Value executed over amount executed, None before the first execution."""
        if not self._filled_quantity:
            return None
        if self._average is None:
            self._average = self._filled_value / self._filled_quantity
        return self._average

    @property
    def reason(self) -> str | None:
        """Why it was denied, rejected, cancelled by the venue, or a command for it failed."""
        return self._reason

    @property
    def pending_cancel(self) -> bool:
        """A cancel is on its way."""
        return self._pending_cancel

    @property
    def pending_update(self) -> bool:
        """An update is on its way."""
        return self._pending_update

    @property
    def ts_decided(self) -> int:
        """Engine time at which the strategy submitted it, int nanoseconds; 0 before."""
        return self._ts_decided

    def snapshot(self) -> OrderSnapshot:
        """The order as it stands now, frozen."""
        return OrderSnapshot(
            self._order_id, self._strategy, self._broker, self._instrument, self._side, self._order_type,
            self._quantity, self._price, self._stop_price, self._time_in_force, self._state, self._filled_quantity,
            self.average_price, self._reason, self._ts_decided,
        )  # fmt: skip

    # --------------------------------------------------------------------------------- called by the engine, not you

    def round_to(self, instrument: Instrument) -> None:
        """Lay quantity and prices on the instrument's grid. Called once at submit. Raises: InvalidOrder."""
        quantity, price, stop_price = self._typed
        if type(quantity) is float or self._quantity % instrument.quantity_increment:
            self._quantity = abs(instrument.quantity(quantity))
            if not self._quantity:
                raise InvalidOrder(
                    f"quantity {quantity!r} of an order for {self._instrument} is less than "
                    f"one quantity_increment {instrument.quantity_increment}"
                )
        if price is not None:
            self._price = instrument.price(price)
        if stop_price is not None:
            self._stop_price = instrument.price(stop_price)

    def mark_submitted(self, order_id: str, strategy: str, broker: str, ts_decided: int) -> None:
        """INITIALIZED to SUBMITTED, with its id. Raises: OrderError when it was submitted before."""
        if self._state is not OrderState.INITIALIZED:
            raise OrderError(f"order {self._order_id} was submitted before and is {self._state.name}; make a new Order")
        self._state = OrderState.SUBMITTED
        self._order_id, self._strategy, self._broker = order_id, strategy, broker
        self._ts_decided = ts_decided

    def mark_pending(self, *, cancel: bool = False, update: bool = False) -> None:
        """Set the flag beside the state; a report clears it."""
        self._pending_cancel = self._pending_cancel or cancel
        self._pending_update = self._pending_update or update

    def apply_report(self, report: OrderReport) -> None:
        """Move as the report says. Raises: IllegalOrderTransition for a move that the table does not have."""
        if report.state is not self._state or report.filled_quantity > self._filled_quantity:
            self._state = check_transition(self._order_id, self._state, report.state)
        if report.filled_quantity > self._filled_quantity:
            self._filled_quantity, self._filled_value = report.filled_quantity, report.filled_value
            self._average = None
        if report.reason is not None:
            self._reason = report.reason
        if report.updated:
            if report.quantity is not None:
                self._quantity = report.quantity
            if report.price is not None:
                self._price = report.price
            if report.stop_price is not None:
                self._stop_price = report.stop_price
        if report.updated or report.update_rejected:
            self._pending_update = False
        if report.cancel_rejected or report.state in (OrderState.CANCELLED, OrderState.EXPIRED, OrderState.FILLED):
            self._pending_cancel = False
        if self._state.is_finished:
            self._pending_update = False

    def __repr__(self) -> str:
        at = "" if self._price is None else f" @ {self._price}"
        stop = "" if self._stop_price is None else f" stop {self._stop_price}"
        return (
            f"<Order {self._order_id or '(not submitted)'} {self._side.value} {self._quantity} {self._instrument} "
            f"{self._order_type.value}{at}{stop} {self._state.name} filled {self._filled_quantity}>"
        )

"""Order: what a strategy wants done, as a live handle that only reports change.

Receives: what the strategy asks for, through the factories (signed quantities); reports, through `apply_report`.
Gives:    a handle that always shows what has been *reported* to the strategy; frozen OrderSnapshots for OrderUpdated.
Never:    runs ahead of its reports: the broker keeps its own books, so with latency the handle is honestly late. An
          acceptance that nobody hears of is shown where its report would be delivered (participant.shows_acceptance).
          Spec: 5.1; DESIGN 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec.structs import replace

from tradecore.domain.exact import WHOLE
from tradecore.domain.exact import ZERO as _ZERO
from tradecore.domain.instrument import (
    Instrument,
    Number,
    check_instrument_id,
    refuse_instrument_id,
    refuse_size,
    to_decimal,
)
from tradecore.domain.order_machine import judge_report
from tradecore.domain.order_snapshot import OrderSnapshot as OrderSnapshot
from tradecore.domain.order_state import TRANSITIONS, OrderState, OutcomeKind, check_transition

# OrderSide, OrderType and TimeInForce are read from here by most: they are words of the Order.
from tradecore.domain.order_terms import (
    PLAIN_TERMS,
    Contingency,
    OrderRole,
    OrderTerms,
    Trailing,
    TypedTrailing,
    check_time_in_force,
    make_terms,
)
from tradecore.domain.order_terms import OrderSide as OrderSide
from tradecore.domain.order_terms import OrderType as OrderType
from tradecore.domain.order_terms import TimeInForce as TimeInForce
from tradecore.errors import InvalidOrder, OrderError

if TYPE_CHECKING:
    from tradecore.domain.order_group import OrderGroup

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11, and orders do it often.
_BUY, _SELL = OrderSide.BUY, OrderSide.SELL
_MARKET, _LIMIT = OrderType.MARKET, OrderType.LIMIT
_GTC, _GTD = TimeInForce.GTC, TimeInForce.GTD
_INITIALIZED, _SUBMITTED, _TRIGGERED = OrderState.INITIALIZED, OrderState.SUBMITTED, OrderState.TRIGGERED
_ACCEPTED, _FILLED = OrderState.ACCEPTED, OrderState.FILLED
_NO_TAGS: Mapping[str, str] = MappingProxyType({})
OrderFacts = tuple[
    str, str, str, OrderSide, OrderType, TimeInForce, int, Decimal, Decimal | None, Decimal | None, OrderTerms
]
"""Id, strategy, instrument, side, type, time in force, ts_decided, quantity, price, stop_price, terms."""

# Side and quantity of the usual quantities as they are typed, signed.
_KNOWN = {size: (_BUY, amount) for size, amount in WHOLE.items()}
_KNOWN |= {-size: (_SELL, amount) for size, amount in WHOLE.items()}

_Typed = tuple[Number | None, Number | None, Number | None]
_make = object.__new__


class Order:
    """A live handle, read-only to the strategy; it changes only when a report is delivered.

    Make one with the factories; `submit_order` gives it its id (strategy name and counter) and its broker.
    `quantity` is always above 0, beside `side`.
    """

    # What an order need not have stands on the class until it is set; the rest is read often, which is faster on the
    # instance.
    _tags = _NO_TAGS
    _cancel_reason: str | None = None
    _bracket_exits: tuple[Order, ...] = ()
    _alarm: str | None = None
    _state: OrderState
    _terms: OrderTerms
    _time_in_force: TimeInForce
    _price: Decimal | None = None
    _stop_price: Decimal | None = None
    _average_price: Decimal | None = None
    _reason: str | None = None
    _pending_cancel = False
    _pending_update = False
    # Quantity as typed, and the prices where one is a float: that may be rounded to the grid, the rest must lie on it.
    # The quantity is None there where it is a small whole number, which every grid takes whose increment divides 1;
    # None for all three where that is all there is.
    _typed: _Typed | None
    _typed_trailing: TypedTrailing | None = None
    _repeated_reports = 0

    def __init__(
        self,
        instrument: str,
        quantity: Number,
        order_type: OrderType,
        *,
        price: Number | None = None,
        stop_price: Number | None = None,
        time_in_force: TimeInForce = _GTC,
        tags: Mapping[str, str] | None = None,
        expire_time: datetime | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        trailing: TypedTrailing | None = None,
    ) -> None:
        """An order not yet submitted. quantity is signed: above 0 buys, below 0 sells.

        expire_time: of GTD, aware UTC. trailing: (offset, percent, activation_price, limit_offset), see Trailing.
        Raises: InvalidOrder, InvalidTime.
        """
        self._begin(instrument, quantity, order_type)
        if type(price) is float or type(stop_price) is float:
            self._typed = (None if self._typed is None else quantity, price, stop_price)
        if order_type is not _MARKET or price is not None or stop_price is not None:
            self._set_prices(price, stop_price, trailing)
        if time_in_force is not _GTC:
            self._time_in_force = check_time_in_force(time_in_force, instrument)
        if tags:
            self._tags = _read_tags(tags, instrument)
        if post_only or reduce_only or expire_time is not None or time_in_force is _GTD or trailing is not None:
            self._typed_trailing = trailing
            self._terms = make_terms(
                f"a {order_type.value} order for {instrument}", order_type, time_in_force, expire_time=expire_time,
                post_only=post_only, reduce_only=reduce_only,
                trailing=None if trailing is None else Trailing.make(trailing),
            )  # fmt: skip

    def _begin(self, instrument: str, quantity: Number, order_type: OrderType) -> None:
        """What every order has. The factories of plain orders come here at once: words cost more than the rest."""
        known = _KNOWN.get(quantity) if type(quantity) is int else None
        if known is None:
            self._typed = (quantity, None, None)
            amount = to_decimal(quantity, "quantity")
            if not amount:
                raise InvalidOrder(
                    f"quantity of an order for {instrument} is 0; expected above 0 to buy, below 0 to sell"
                )
            self._side, self._quantity = _BUY if amount > _ZERO else _SELL, amount.copy_abs()
        else:
            self._typed = None
            self._side, self._quantity = known
        try:
            self._instrument = check_instrument_id(instrument)
        except TypeError as error:  # what cannot be hashed cannot be looked up either
            raise refuse_instrument_id(instrument) from error
        self._order_type = order_type
        self._filled_quantity = _ZERO
        self._state, self._order_id, self._strategy, self._broker, self._ts_decided = _INITIALIZED, "", "", "", 0
        self._time_in_force, self._terms = _GTC, PLAIN_TERMS

    def _set_prices(self, price: Number | None, stop_price: Number | None, trailing: object = None) -> None:
        order_type = self._order_type
        try:
            has_price, has_stop = order_type.has_price, order_type.has_stop
        except AttributeError as error:
            words = ", ".join(f"OrderType.{one.name}" for one in OrderType)
            raise InvalidOrder(
                f"type of an order for {self._instrument} is {order_type!r:.80}; expected one of {words}, or a factory "
                "such as Order.limit"
            ) from error
        if (price is not None) is not has_price:
            self._refuse_price("price", price)
        if (stop_price is not None) is not has_stop:
            self._refuse_price("stop_price", stop_price)
        if price is not None:
            self._price = to_decimal(price, "price")
        if stop_price is not None:
            self._stop_price = to_decimal(stop_price, "stop_price")
        elif price is None and trailing is None:
            raise InvalidOrder(
                f"a {order_type.value} order for {self._instrument} does not say how it trails; use Order.trailing_stop"
            )

    def _refuse_price(self, name: str, value: Number | None) -> NoReturn:
        wrong = f"needs a {name}" if value is None else f"takes no {name}, got {value!r}"
        raise InvalidOrder(f"a {self._order_type.value} order for {self._instrument} {wrong}")

    # -------------------------------------------------------------------------------------------------- factories

    @classmethod
    def market(cls, instrument: str, quantity: Number, **options: Any) -> Order:
        """Execute at once at what the market offers. quantity is signed."""
        if options:
            return cls(instrument, quantity, _MARKET, **options)
        order = _make(cls)
        order._begin(instrument, quantity, _MARKET)  # noqa: SLF001  (its own)
        return order

    @classmethod
    def limit(cls, instrument: str, quantity: Number, price: Number, **options: Any) -> Order:
        """Execute at `price` or better. quantity is signed."""
        if options:
            return cls(instrument, quantity, _LIMIT, price=price, **options)
        order = _make(cls)
        order._begin(instrument, quantity, _LIMIT)  # noqa: SLF001  (its own)
        if price is None:
            order._refuse_price("price", price)  # noqa: SLF001
        order._price = to_decimal(price, "price")  # noqa: SLF001
        if type(price) is float:
            order._typed = (None if order._typed is None else quantity, price, None)  # noqa: SLF001
        return order

    @classmethod
    def stop(cls, instrument: str, quantity: Number, stop_price: Number, **options: Any) -> Order:
        """Become a market order when the market reaches `stop_price`. quantity is signed."""
        return cls(instrument, quantity, OrderType.STOP, stop_price=stop_price, **options)

    @classmethod
    def stop_limit(cls, instrument: str, quantity: Number, stop_price: Number, price: Number, **options: Any) -> Order:
        """Become a limit order at `price` when the market reaches `stop_price`. quantity is signed."""
        return cls(instrument, quantity, OrderType.STOP_LIMIT, price=price, stop_price=stop_price, **options)

    @classmethod
    def market_if_touched(cls, instrument: str, quantity: Number, stop_price: Number, **options: Any) -> Order:
        """Become a market order when the market comes to `stop_price` from the good side: below for a buy."""
        return cls(instrument, quantity, OrderType.MARKET_IF_TOUCHED, stop_price=stop_price, **options)

    @classmethod
    def trailing_stop(
        cls,
        instrument: str,
        quantity: Number,
        *,
        offset: Number | None = None,
        percent: Number | None = None,
        activation_price: Number | None = None,
        limit_offset: Number | None = None,
        **options: Any,
    ) -> Order:
        """A stop that follows the market at an offset or percentage (1.5 = 1.5 %) and never goes back; see Trailing."""
        trailing = (offset, percent, activation_price, limit_offset)
        return cls(instrument, quantity, OrderType.TRAILING_STOP, trailing=trailing, **options)

    @classmethod
    def bracket(
        cls,
        instrument: str,
        quantity: Number,
        *,
        price: Number | None = None,
        entry_stop_price: Number | None = None,
        profit_price: Number | None = None,
        stop_price: Number | None = None,
        stop_limit_price: Number | None = None,
        **options: Any,
    ) -> OrderGroup:
        """An entry (market; limit with `price`; stop with `entry_stop_price`), a limit order that takes the profit, a
        stop that ends the loss, or both exits. options: of the entry. `OrderGroup.bracket` takes orders of any type.
        """
        from tradecore.domain.order_group import make_bracket

        prices = (price, entry_stop_price, profit_price, stop_price, stop_limit_price)
        return make_bracket(instrument, quantity, prices, options)

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
        """MARKET, LIMIT, STOP, STOP_LIMIT, MARKET_IF_TOUCHED or TRAILING_STOP."""
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
        """Trigger price, where the type has one; of a trailing stop once it is triggered."""
        return self._stop_price

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it works."""
        return self._time_in_force

    @property
    def terms(self) -> OrderTerms:
        """Its conditions: expiry, post_only, reduce_only, how it trails."""
        return self._terms

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
        return self._average_price

    @property
    def reason(self) -> str | None:
        """Why it was denied, rejected or cancelled by the venue; or why the last command for it was refused, until the
        next report.
        """
        return self._reason

    @property
    def cancel_reason(self) -> str | None:
        """Why a cancel is on its way that the strategy did not give itself; its report will say so."""
        return self._cancel_reason

    @property
    def bracket_exits(self) -> tuple[Order, ...]:
        """Of a bracket's entry: its profit order and its stop, whichever there is, once it was submitted."""
        return self._bracket_exits

    @property
    def pending_cancel(self) -> bool:
        """A cancel is on its way."""
        return self._pending_cancel

    @property
    def pending_update(self) -> bool:
        """An update is on its way."""
        return self._pending_update

    @property
    def alarm(self) -> str | None:
        """What was reported of it that cannot be, such as an execution of a rejected order; it is taken over."""
        return self._alarm

    @property
    def repeated_reports(self) -> int:
        """Reports of old news; they changed nothing."""
        return self._repeated_reports

    @property
    def ts_decided(self) -> int:
        """Engine time at which the strategy submitted it, int nanoseconds; 0 before."""
        return self._ts_decided

    def snapshot(self, ts_event: int = 0) -> OrderSnapshot:
        """The order as it stands now, frozen. ts_event: of the change that it shows."""
        return OrderSnapshot(
            self._order_id, self._strategy, self._broker, self._instrument, self._side, self._order_type,
            self._quantity, self._price, self._stop_price, self._time_in_force, self._state, self._filled_quantity,
            self._average_price, self._reason, self._ts_decided, ts_event, terms=self._terms,
        )  # fmt: skip

    # --------------------------------------------------------------------------------- called by the engine, not you

    def read(self) -> OrderFacts:
        """What a broker needs of a submitted order, in one call."""
        return (
            self._order_id, self._strategy, self._instrument, self._side, self._order_type, self._time_in_force,
            self._ts_decided, self._quantity, self._price, self._stop_price, self._terms,
        )  # fmt: skip

    def round_to(self, instrument: Instrument, *, takes_whole: bool = False) -> None:
        """Lay quantity and prices on the instrument's grid. Called once at submit. Raises: InvalidOrder.

        takes_whole: any whole number is a quantity of it, so that one need not be divided.
        """
        quantity, price, stop_price = self._typed or (None, None, None)
        is_whole = takes_whole and quantity is None
        increment = instrument.price_increment
        try:
            if not is_whole and (type(quantity) is float or self._quantity % instrument.quantity_increment):
                if not isinstance(quantity, float):
                    quantity = self._quantity if self._side is _BUY else -self._quantity
                self._quantity = abs(instrument.quantity(quantity))
                if not self._quantity:
                    raise InvalidOrder(
                        f"quantity {quantity!r} of an order for {self._instrument} is less than "
                        f"one quantity_increment {instrument.quantity_increment}"
                    )
            if self._price is not None and self._price % increment:
                self._price = instrument.price(self._price if price is None else price)
            if self._stop_price is not None and self._stop_price % increment:
                self._stop_price = instrument.price(self._stop_price if stop_price is None else stop_price)
        except InvalidOperation as error:
            largest = max(self._quantity, abs(self._price or _ZERO), abs(self._stop_price or _ZERO))
            raise refuse_size(f"a number of an order for {self._instrument}", largest) from error
        if self._typed_trailing is not None:
            self._terms = replace(self._terms, trailing=Trailing.make(self._typed_trailing, instrument))

    def mark_submitted(self, order_id: str, strategy: str, broker: str, ts_decided: int) -> None:
        """INITIALIZED to SUBMITTED, with its id. Raises: OrderError when it was submitted before."""
        if self._state is not _INITIALIZED:
            raise OrderError(f"order {self._order_id} was submitted before and is {self._state.name}; make a new Order")
        self._state = _SUBMITTED
        self._order_id, self._strategy, self._broker, self._ts_decided = order_id, strategy, broker, ts_decided

    def join_group(
        self, order_id: str, strategy: str, broker: str, ts_decided: int, *,
        group_id: str, contingency: Contingency | None, role: OrderRole, parent_id: str | None,
        bracket_exits: tuple[Order, ...] = (),
    ) -> None:  # fmt: skip
        """Its id and place in a group; it stays INITIALIZED until it is sent. Raises: OrderError when it has an id."""
        if self._order_id:
            raise OrderError(f"order {self._order_id} was submitted before and is {self._state.name}; make a new Order")
        self._order_id, self._strategy, self._broker, self._ts_decided = order_id, strategy, broker, ts_decided
        self._bracket_exits = bracket_exits
        self._terms = replace(self._terms, group_id=group_id, contingency=contingency, role=role, parent_id=parent_id)

    def change_held(self, quantity: Decimal | None, price: Decimal | None, stop_price: Decimal | None) -> None:
        """Change a child that was not sent yet; None leaves a term as it is."""
        self._quantity = quantity or self._quantity  # above 0
        self._price = self._price if price is None else price
        self._stop_price = self._stop_price if stop_price is None else stop_price

    def change_trailing(self, trailing: Trailing) -> None:
        """A split: an order that its venue was not heard of yet follows by these terms."""
        self._terms = replace(self._terms, trailing=trailing)

    def drop_held(self, reason: str) -> None:
        """A child that was not sent will never be. Raises: IllegalOrderTransition when it was sent."""
        self._state = check_transition(self._order_id, self._state, OrderState.CANCELLED)
        self._reason = reason

    def mark_pending(self, *, cancel: bool = False, update: bool = False, reason: str | None = None) -> None:
        """Set the flag beside the state; a report clears it. reason: of a cancel that its group gives."""
        if cancel:
            self._cancel_reason = reason
        self._pending_cancel = self._pending_cancel or cancel
        self._pending_update = self._pending_update or update

    def apply_report(self, report: OrderSnapshot) -> bool:
        """Move as the report says; whether it shows more executed than was known.

        Old news changes nothing and is counted; what cannot be, and is, is taken over and stands in `alarm`.
        Raises: IllegalOrderTransition for a report that no venue can make.
        """
        state, executed, known = report.state, report.filled_quantity, self._filled_quantity
        is_usual = state is _FILLED and self._state is _ACCEPTED and executed is self._quantity
        if is_usual and known is _ZERO and not report.updated:  # it executes whole: what follows would do the same
            self._state, self._filled_quantity, self._average_price = state, executed, report.average_price
            self._reason, self._pending_cancel, self._pending_update = report.reason, False, False
            return True
        is_more = executed is not known and executed > known
        if state is not self._state or is_more:
            if state in TRANSITIONS[self._state]:
                self._state = state
            elif not self._take_odd(state, is_more=is_more):
                return False
            if state is _TRIGGERED:  # a trailing stop has its prices now
                self._price, self._stop_price = report.price, report.stop_price
        if is_more:
            self._filled_quantity, self._average_price = executed, report.average_price
        if report.reason is not self._reason:  # a refused command's is told once: it explains nothing of what follows
            self._reason = report.reason
        if report.updated:
            self._quantity, self._price, self._stop_price = report.quantity, report.price, report.stop_price
        if self._pending_update and (report.updated or report.update_rejected or state.is_finished):
            self._pending_update = False
        if self._pending_cancel and (report.cancel_rejected or state.is_finished):
            self._pending_cancel = False
        return is_more

    def _take_odd(self, shown: OrderState, *, is_more: bool) -> bool:
        """A report that the plain table has no move for; False for old news."""
        outcome = judge_report(self._order_id, self._state, shown, is_more=is_more)
        if outcome.kind is OutcomeKind.NOTHING:
            self._repeated_reports += 1
            return False
        if outcome.kind is OutcomeKind.ALARM:
            self._alarm = f"reported {shown.name} although it was {self._state.name}"
        self._state = outcome.state or self._state
        return True

    def __repr__(self) -> str:
        at = "" if self._price is None else f" @ {self._price}"
        stop = "" if self._stop_price is None else f" stop {self._stop_price}"
        return (
            f"<Order {self._order_id or '(not submitted)'} {self._side.value} {self._quantity} {self._instrument} "
            f"{self._order_type.value}{at}{stop} {self._state.name} filled {self._filled_quantity}>"
        )


def _read_tags(tags: object, instrument: str) -> Mapping[str, str]:
    if not isinstance(tags, Mapping) or not all(isinstance(word, str) for pair in tags.items() for word in pair):
        raise InvalidOrder(
            f"tags of an order for {instrument} are {tags!r:.80}; expected texts by name, for example "
            '{"signal": "breakout"}'
        )
    return MappingProxyType(dict(tags))


# The same properties, read in C: brokers read a dozen of them per order, and a Python call for each would cost more
# than the rest of a submit. The definitions above stay, for their types and docstrings.
for _name in (
    "order_id", "strategy", "broker", "instrument", "side", "order_type", "quantity", "price", "stop_price",
    "time_in_force", "state", "filled_quantity", "average_price", "reason", "pending_cancel", "pending_update",
    "ts_decided", "terms",
):  # fmt: skip
    setattr(Order, _name, property(attrgetter(f"_{_name}"), doc=getattr(Order, _name).__doc__))

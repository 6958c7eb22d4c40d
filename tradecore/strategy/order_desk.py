"""OrderDesk: what one strategy asks of its brokers, and what it has been told by them.

Receives: orders, cancels and updates from the strategy; reports from the engine.
Gives:    commands for the end of the turn; open orders, positions and money, made only of what has been reported.
Never:    looks at a broker's books: those run ahead of the reports.    Spec: 5.1; DESIGN 8, 9; EXECUTION 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Context, Decimal
from functools import partial
from typing import Any, Final, NoReturn

from tradecore.domain.account import Account
from tradecore.domain.account_adjustment import AccountAdjusted, AdjustmentKind
from tradecore.domain.execution import BrokerSource
from tradecore.domain.gate_reason import Refusal
from tradecore.domain.instrument import ONE, Instrument, Number
from tradecore.domain.order import Order, OrderType
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.position import Position
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.participant import BrokerParticipant, BrokerReport, shows_acceptance
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import InvalidOrder, NotLiveYet, OrderError, UnknownInstrument, UnknownOrder
from tradecore.strategy.group_desk import GroupDesk
from tradecore.strategy.order_call import check_given
from tradecore.strategy.order_endings import OrderEndings
from tradecore.strategy.reported_money import WAITING_MOST, ReportedMoney

_Place = tuple[BrokerParticipant, Instrument, bool, Callable[[Order], None] | None]
"""A broker, an instrument that it takes orders for, whether in any whole quantity, and its own check of an order."""

IDS_MADE: Final = 64
"""Order ids that are made together."""

# A member by module name: reading it off an Enum class costs 0.1 us in Python 3.11.
_MARKET: Final = OrderType.MARKET

_WIDE: Final = Context(prec=50)
_SMALL: Final = Decimal("1e-12")  # of a smaller increment a whole quantity could be more than is counted exactly

FINISHED_KEPT: Final = 64
"""Finished orders that are kept, the newest: a venue may tell of an execution after it told of the cancel."""


class OrderDesk:
    """Orders, positions and money of one strategy, as reported. currency: of its account and statistics.
    hears_changes: whether what happens to an order before it executes means anything to the strategy but its state.
    """

    def __init__(
        self,
        name: str,
        engine: TradingEngine,
        brokers: dict[str, BrokerParticipant],
        default_broker: str | None,
        money: ReportedMoney,
        currency: str,
    ) -> None:
        self.name = name
        self._prefix = f"{name}-"
        self.brokers = brokers
        self._ids_made = 0
        self.repeated_executions = 0
        self._engine = engine
        self._timeline = engine.timeline
        self._broker = default_broker
        self._money, self._waiting = money, money.waiting
        self._currency = currency
        # Their accounts are in the record's own currency, and they convert what is not.
        self._converting = {name for name in brokers if money.get_currency(name) == currency}
        self.is_open = True
        # A broker beside others reports whatever happens: those may tell of something at the same instant.
        self.hears_changes = len(brokers) != 1 or not all(map(shows_acceptance, brokers.values()))
        self._ids: list[str] = []  # the next ones, the very next last
        self._places: dict[str | None, dict[str, _Place]] = {}  # by broker as named, and instrument
        self._orders: dict[str, Order] = {}
        # Of a deque one goes as one comes, so that the collector of cycles has nothing to count; few are asked for, and
        # then it is one of the newest, mostly.
        self._finished: deque[Order] = deque(maxlen=FINISHED_KEPT)
        self._positions: dict[str, dict[str, Position]] = {}  # by broker, and instrument
        self.groups = GroupDesk(self)
        self._grouped = self.groups.members  # empty for who uses no groups: one look a report
        self.endings = OrderEndings()

    # ------------------------------------------------------------------------------------------------------ orders

    def submit_order(self, order: Order, broker_name: str | None) -> Order:
        """Check, number and give an order to its broker at the end of the turn."""
        broker = self.check_order(order, broker_name)
        name, order_id = self.name, (self._ids or self._make_ids()).pop()
        order.mark_submitted(order_id, name, broker.name, self._timeline.now)
        self._orders[order_id] = order
        self._engine.note_order(name, "submit_order", broker.submit_order, order, not self.hears_changes)
        return order

    def check_order(self, order: Order, broker_name: str | None) -> BrokerParticipant:
        """The broker that may take an order, which lies on its instrument's grid now. Raises: see Strategy."""
        if type(order) is not Order:
            check_given("submit_order", order, Order)
        if order._order_id or not self.is_open:  # noqa: SLF001  (a property takes as long as half of all this)
            self._refuse(order)
        name = order._instrument  # noqa: SLF001
        try:
            broker, instrument, takes_whole, check = self._places[broker_name][name]
        except (KeyError, TypeError):  # not met before; what cannot be hashed is no broker's name
            broker, instrument, takes_whole, check = self._find_place(broker_name, name)
        # A small whole number at market lies on such a grid as it is.
        if not takes_whole or order._typed is not None or order._order_type is not _MARKET:  # noqa: SLF001
            order.round_to(instrument, takes_whole=takes_whole)
        self._engine.check_in_turn("submit_order")
        if check is not None:
            check(order)
        return broker

    def _refuse(self, order: Order) -> NoReturn:
        if not self.is_open:
            raise OrderError(f"strategy {self.name!r} has been stopped; its orders are refused")
        raise OrderError(f"order {order.order_id} was submitted before and is {order.state.name}; make a new Order")

    def _find_place(self, broker_name: str | None, instrument_id: str) -> _Place:
        """Where orders for an instrument go; it is looked up once. Raises: see Strategy."""
        broker, instrument = self._get_broker(broker_name), self.instrument(instrument_id)
        if broker.name not in self._converting:
            self._check_currency(broker.name, instrument)
        check = getattr(broker, "check_order", None)
        if broker.source is BrokerSource.REAL:
            check = partial(self._check_live, broker.name, check)
        increment = instrument.quantity_increment
        takes_whole = increment >= _SMALL and not _WIDE.remainder(ONE, increment)
        found = self._places.setdefault(broker_name, {})[instrument_id] = broker, instrument, takes_whole, check
        return found

    def _check_live(self, broker: str, check: Callable[[Order], None] | None, order: Order) -> None:
        """A real broker's orders begin with phase D; proof, freshness and lag it asks for itself, as it sends them.

        Raises: NotLiveYet.
        """
        reason = self._engine.check_gate(order.instrument)
        if reason is not None and reason.refusal is Refusal.NOT_LIVE:
            raise NotLiveYet(broker, order.instrument, reason.text)
        if check is not None:
            check(order)

    def _check_currency(self, broker: str, instrument: Instrument) -> None:
        """Whether executions there can be in this strategy's record, which has one currency. Raises: InvalidOrder."""
        of_account = self._money.get_currency(broker)
        met = instrument.currency if of_account is None else of_account
        if met != self._currency:
            what = f"{instrument.id} is priced" if of_account is None else f"the account of broker {broker!r} is"
            raise InvalidOrder(
                f"{what} in {met}, the statistics of {self.name!r} are in {self._currency}, and broker {broker!r} does "
                f"not convert between them; use a broker whose cash begins with {self._currency}"
            )

    def cancel_order(self, order: Order) -> None:
        """Ask the order's broker to cancel it."""
        if type(order) is not Order:
            check_given("cancel_order", order, Order)
        if self._grouped and self.groups.is_held(order):
            self._engine.check_in_turn("cancel_order")
            self.groups.cancel_held(order)
            return
        self._check_open(order, "cancel_order")
        self._engine.check_in_turn("cancel_order")
        self.give_cancel(order)

    def give_cancel(self, order: Order, reason: str | None = None) -> None:
        """Put a cancel on its way, unless one is. reason: where it is not the strategy's own."""
        if order._pending_cancel:  # noqa: SLF001  (see check_order)
            return
        order.mark_pending(cancel=True, reason=reason)
        if self._grouped:
            self.groups.note_cancel(order)
        broker = self.brokers[order._broker]  # noqa: SLF001
        self._engine.note_order(self.name, "cancel_order", broker.cancel_order, order)

    def cancel_all(self, instrument: str | None) -> None:
        """Ask for every open order (of an instrument) to be cancelled."""
        if instrument is not None:
            self.instrument(instrument)
        self._engine.check_in_turn("cancel_all_orders")
        for order in list(self._orders.values()):
            if instrument in (None, order.instrument):
                self.give_cancel(order)

    def update_order(
        self, order: Order, *, quantity: Number | None, price: Number | None, stop_price: Number | None
    ) -> None:
        """Ask the order's broker to change it; a child of a group that was not sent yet changes here."""
        check_given("update_order", order, Order)
        is_held = bool(self._grouped) and self.groups.is_held(order)
        if not is_held:
            self._check_open(order, "update_order")
        self._engine.check_in_turn("update_order")
        if quantity is None and price is None and stop_price is None:
            raise InvalidOrder(f"update of order {order.order_id} changes nothing; give quantity, price or stop_price")
        for name, new, old in (("price", price, order.price), ("stop_price", stop_price, order.stop_price)):
            if new is not None and old is None:
                raise InvalidOrder(f"order {order.order_id} is a {order.order_type.value} order and has no {name}")
        instrument = self.instrument(order.instrument)
        new_quantity = None if quantity is None else instrument.quantity(quantity)
        new_price = None if price is None else instrument.price(price)
        new_stop = None if stop_price is None else instrument.price(stop_price)
        if new_quantity is not None and new_quantity <= 0:
            raise InvalidOrder(
                f"new quantity of order {order.order_id} is {quantity!r}; expected the total wanted, above 0"
            )
        if new_quantity is not None and new_quantity < order.filled_quantity:
            raise InvalidOrder(
                f"new quantity of order {order.order_id} is {new_quantity}, but {order.filled_quantity} are executed; "
                "expected at least that (cancel_order ends the rest)"
            )
        if new_quantity is not None and self._grouped and self.groups.wish(order, new_quantity):
            new_quantity = None  # the group says how much of it the venue is to have now
        if is_held:
            order.change_held(None, new_price, new_stop)
        elif not (new_quantity is new_price is new_stop is None):
            if self._grouped:
                self.groups.note_update(order)
            self.give_update(order, quantity=new_quantity, price=new_price, stop_price=new_stop)

    def give_update(
        self,
        order: Order,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
        is_ours: bool = False,
    ) -> None:
        """Put a change on its way. is_ours: its group asks for it, not the strategy."""
        order.mark_pending(update=True)
        broker = self.brokers[order.broker]
        command = partial(broker.update_order, quantity=quantity, price=price, stop_price=stop_price)
        if self._grouped:
            command = self.groups.watch_update(order, command, is_ours=is_ours)
        self._engine.note_order(self.name, "update_order", command, order)

    def _check_open(self, order: Order, label: str) -> None:
        if self._orders.get(order._order_id) is not order:  # noqa: SLF001  (see check_order)
            what = f"is {order.state.name}" if order.strategy == self.name else "was not submitted by this strategy"
            raise UnknownOrder(
                f"{label}: order {order.order_id or '(not submitted)'} {what}; only an open order will do"
            )

    def _get_broker(self, name: str | Any | None) -> BrokerParticipant:
        name = name or self._broker
        if name is None:
            raise OrderError(f"strategy {self.name!r} has no broker; name one with `broker =` in its table")
        broker = self.brokers.get(name) if isinstance(name, str) else None
        if broker is None:
            raise OrderError(f"broker {name!r} is not defined; defined: {', '.join(sorted(self.brokers)) or 'none'}")
        return broker

    def close(self) -> None:
        """The strategy was stopped: cancel what works, take no more orders."""
        self.is_open = False
        for order in list(self._orders.values()):
            self.give_cancel(order)
        self.groups.close()

    # ------------------------------------------------------------------------------------------ asked by its groups

    @property
    def now(self) -> int:
        """The turn's instant, int nanoseconds."""
        return self._timeline.now

    @property
    def bus(self) -> MessageBus:
        """Where observers hear of what happens to its groups."""
        return self._engine.bus

    @property
    def order_count(self) -> int:
        """Orders that were given an id."""
        return self._ids_made - len(self._ids)

    def make_id(self) -> str:
        """The next order id."""
        return (self._ids or self._make_ids()).pop()

    def _make_ids(self) -> list[str]:
        """Some at a time: one by one it takes three times as long."""
        before, self._ids_made = self._ids_made, self._ids_made + IDS_MADE
        self._ids += [self._prefix + str(number) for number in range(self._ids_made, before, -1)]
        return self._ids

    def knows(self, order: Order) -> bool:
        """Whether an order is open, as far as reported."""
        return self._orders.get(order.order_id) is order

    def send(self, order: Order, broker: BrokerParticipant) -> None:
        """Give an order that has its id to a broker."""
        order.mark_submitted(order.order_id, self.name, broker.name, self._timeline.now)
        self._orders[order.order_id] = order
        self._engine.note_order(self.name, "submit_order", broker.submit_order, order)

    def send_group(self, group: OrderGroup, broker: BrokerParticipant) -> None:
        """Give a group to a broker that holds it."""
        for order in group.orders:
            order.mark_submitted(order.order_id, self.name, broker.name, self._timeline.now)
            self._orders[order.order_id] = order
        self._engine.note_order(self.name, "submit_group", partial(broker.submit_group, group))

    def give_unsent(self, order: Order, broker: BrokerParticipant) -> None:
        """Let a broker record and report an order that will never be sent."""
        self._finished.append(order)
        command = partial(broker.record_unsent, order.snapshot(self._timeline.now))
        self._engine.note_order(self.name, "record_unsent", command)

    # ------------------------------------------------------------------------------------------------ what is known

    def take_report(self, report: BrokerReport) -> tuple[Order | None, Position | None]:
        """Take a report in, whole: the order it is of, and the position before its execution, if it has one.

        None in place of an order that finished too long ago to be kept; what it executed counts all the same. None in
        place of the position, too, for an execution that was reported before.
        """
        change, execution = report.order, report.execution
        order_id, is_news = change.order_id, True
        order = self._orders.get(order_id)
        if order is not None:
            is_news = order.apply_report(change)
            if change.state.is_finished and order._state.is_finished:  # noqa: SLF001  (or it is news that cannot be)
                del self._orders[order_id]
                self._finished.append(order)
                if change.reason is not None:
                    self.endings.take(change)
        else:
            order = next((one for one in reversed(self._finished) if one.order_id == order_id), None)
            if order is None and change.state.is_finished:  # the broker's own, to close a broken margin
                self.endings.take(change)
            if order is not None:  # a late execution: it is booked, and the order stays finished
                is_news = order.apply_report(change)
                if order.state.is_open:  # the venue says that it works although it was refused
                    del self._finished[[one is order for one in self._finished].index(True)]
                    self._orders[order_id] = order
        if self._grouped:
            self.groups.take(change, execution)
        if execution is None:
            return order, None
        if not is_news:  # told before
            self.repeated_executions += 1
            return order, None
        name, broker = execution.instrument, execution.broker
        held = self._positions.get(broker)
        if held is None:
            held = self._positions[broker] = {}
        before = held.get(name) or self.position(name, broker)
        after = report.after
        if after is None:
            signed, paid = execution.signed_quantity, execution.commission
            after = before.after(signed, execution.price, execution.ts_event, paid)
        held[name] = after
        waiting = self._waiting
        waiting += execution, after
        if len(waiting) >= WAITING_MOST:
            self._money.fold()
        return order, before

    def take_adjustment(self, adjusted: AccountAdjusted) -> None:
        """Take an adjustment in: the position and the money after it."""
        if adjusted.after is not None:
            self._positions.setdefault(adjusted.broker, {})[adjusted.after.instrument] = adjusted.after
        self._money.take_adjustment(adjusted)
        split = adjusted.adjustment
        if split.kind is AdjustmentKind.SPLIT and self._grouped:
            self.groups.take_split(adjusted.broker, self.instrument(split.instrument), split.value)

    def open_orders(self, instrument: str | None, broker: str | None) -> list[Order]:
        """Open orders as reported, at one broker (default: the one in use)."""
        if broker is not None:
            self._get_broker(broker)
        if instrument is not None:
            self.instrument(instrument)
        broker = broker or self._broker
        return [o for o in self._orders.values() if o.broker == broker and instrument in (None, o.instrument)]

    def position(self, instrument: str, broker: str | None) -> Position:
        """Position as reported. Raises: UnknownInstrument, OrderError."""
        name = broker or self._broker or ""
        try:
            return self._positions[name][instrument]
        except (KeyError, TypeError):  # not held before; what cannot be hashed is neither
            if broker is not None:
                self._get_broker(broker)
        found = Position(instrument, multiplier=self.instrument(instrument).multiplier)
        self._positions.setdefault(name, {})[instrument] = found
        return found

    def account(self, broker: str | None) -> Account:
        """Money at a broker as reported."""
        return self._money.account(self._get_broker(broker).name)

    def instrument(self, instrument: str | Any) -> Instrument:
        """Definition. Raises: UnknownInstrument."""
        found = self._engine.instruments.get(instrument) if isinstance(instrument, str) else None
        if found is None:
            raise UnknownInstrument(instrument, list(self._engine.instruments))
        return found

"""OrderGroup: orders that depend on each other: OTO, OCO, OUO and brackets.

Receives: orders that were not submitted yet, through the factories.
Gives:    live handles: `orders`, `entry`, `exits`, `profit`, `stop`; what went wrong with the group as `problem`.
Never:    acts: who holds the group (EXECUTION 8: we, or the venue) sends, reduces and cancels by group_rules.py, and
          each order changes by its reports only.    Spec: 5.2; DESIGN 8; EXECUTION 8.

    group = Order.bracket("BTCUSDT.BINANCE", 1, price=100, profit_price=110, stop_price=95)
    self.submit_group(group)             # all or nothing: a wrong leg raises here and nothing is sent
    self.cancel_group(group)             # later: whatever of it is not finished
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tradecore.domain.instrument import Number, to_decimal
from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import Contingency, OrderRole, OrderType, TimeInForce
from tradecore.errors import InvalidOrder

_SCALED = frozenset({TimeInForce.IOC, TimeInForce.FOK})
# A limit where the stop should be would take a profit, and a stop where the profit should be triggers at once.
_TYPES = {
    OrderRole.PROFIT: (OrderType.LIMIT, OrderType.MARKET_IF_TOUCHED, OrderType.TRAILING_STOP),
    OrderRole.STOP: (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP),
}


class OrderGroup:
    """Orders of one instrument that depend on each other; make one with a factory, submit it with `submit_group`.

    entry: the parent whose executions bring `exits` into being, None where there is none. link: how the exits depend
    on each other: OCO, OUO, or None for children that do not. All orders are live handles, read-only to the strategy.
    """

    def __init__(
        self,
        entry: Order | None,
        exits: Iterable[Order],
        link: Contingency | None,
        roles: Sequence[OrderRole] | None = None,
    ) -> None:
        """roles: of the exits; default CHILD below an entry, LEG without. Raises: InvalidOrder."""
        self._entry = entry
        self._exits = _list_orders(exits)
        self._link = link
        default = OrderRole.LEG if entry is None else OrderRole.CHILD
        self._roles = tuple(roles) if roles is not None else (default,) * len(self._exits)
        self._id = ""
        self._broker = ""
        self._closing: tuple[Order, ...] = ()
        self._problem: str | None = None
        check_group(self)

    # -------------------------------------------------------------------------------------------------- factories

    @classmethod
    def oto(cls, parent: Order, children: Iterable[Order], *, link: Contingency | None = None) -> OrderGroup:
        """One triggers others: children come to exist with the parent's first execution, sized to what is executed.

        link: how the children depend on each other (Contingency.OCO or OUO); children of the other side that are not
        linked may not be larger than the parent together.
        """
        return cls(_check_parent(parent), children, link)

    @classmethod
    def oco(cls, orders: Iterable[Order]) -> OrderGroup:
        """One cancels others: the first execution of one, even a part, cancels the rest."""
        return cls(None, orders, Contingency.OCO)

    @classmethod
    def ouo(cls, orders: Iterable[Order]) -> OrderGroup:
        """One updates others: each execution reduces the others by as much; orders of one side."""
        return cls(None, orders, Contingency.OUO)

    @classmethod
    def bracket(cls, entry: Order, *, profit: Order | None = None, stop: Order | None = None) -> OrderGroup:
        """An entry with a profit order, a stop, or both, of its quantity on the other side.

        The exits are OUO: a partly executed target leaves the rest protected. `Order.bracket` makes it from prices.
        Raises: InvalidOrder, also for an exit on the wrong side of the entry or of the other exit.
        """
        _check_parent(entry)
        given = [(profit, OrderRole.PROFIT), (stop, OrderRole.STOP)]
        exits = [(order, role) for order, role in given if order is not None]
        group = cls(entry, [order for order, _ in exits], Contingency.OUO, [role for _, role in exits])
        check_bracket(group)
        return group

    # ------------------------------------------------------------------------------------------- what one may read

    @property
    def id(self) -> str:
        """Given at submit: strategy name, "g" and a counter. Empty before."""
        return self._id

    @property
    def broker(self) -> str:
        """Name of the broker it was given to. Empty before."""
        return self._broker

    @property
    def orders(self) -> tuple[Order, ...]:
        """All its orders: the entry first, then the exits, then what was sent to close an excess."""
        head = () if self._entry is None else (self._entry,)
        return (*head, *self._exits, *self._closing)

    @property
    def entry(self) -> Order | None:
        """The parent, None where there is none."""
        return self._entry

    @property
    def exits(self) -> tuple[Order, ...]:
        """Children, or the legs of a group without a parent."""
        return self._exits

    @property
    def roles(self) -> tuple[OrderRole, ...]:
        """Of the exits, in their order."""
        return self._roles

    @property
    def profit(self) -> Order | None:
        """A bracket's profit order."""
        return self._find(OrderRole.PROFIT)

    @property
    def stop(self) -> Order | None:
        """A bracket's stop."""
        return self._find(OrderRole.STOP)

    def _find(self, role: OrderRole) -> Order | None:
        return next((order for order, its in zip(self._exits, self._roles, strict=True) if its is role), None)

    @property
    def closing(self) -> tuple[Order, ...]:
        """Market orders that were sent to close what executed too much, or could not exit."""
        return self._closing

    @property
    def link(self) -> Contingency | None:
        """How the exits depend on each other."""
        return self._link

    @property
    def instrument(self) -> str:
        """Instrument id, the same for all orders."""
        return self.orders[0].instrument

    @property
    def problem(self) -> str | None:
        """Why the group did not go as it was meant: a leg was refused, or more executed than it should have."""
        return self._problem

    @property
    def is_submitted(self) -> bool:
        """It was given to a broker."""
        return bool(self._id)

    @property
    def is_finished(self) -> bool:
        """Nothing more is expected of any of its orders."""
        return self.is_submitted and all(order.is_finished for order in self.orders)

    # --------------------------------------------------------------------------------- called by the engine, not you

    def mark_submitted(self, group_id: str, broker: str, make_id: Callable[[], str], strategy: str, now: int) -> None:
        """Give ids to the group and its orders. make_id: the next order id of the strategy, in order of `orders`."""
        self._id, self._broker = group_id, broker
        parent_id = None
        if self._entry is not None:
            parent_id = make_id()
            self._entry.join_group(
                parent_id, strategy, broker, now,
                group_id=group_id, contingency=Contingency.OTO, role=OrderRole.ENTRY, parent_id=None,
                bracket_exits=tuple(order for order in (self.profit, self.stop) if order is not None),
            )  # fmt: skip
        for order, role in zip(self._exits, self._roles, strict=True):
            order.join_group(
                make_id(), strategy, broker, now,
                group_id=group_id, contingency=self._link or Contingency.OTO, role=role, parent_id=parent_id,
            )  # fmt: skip

    def add_closing(self, order: Order) -> None:
        """A market order was sent to close an excess."""
        self._closing = (*self._closing, order)

    def mark_problem(self, problem: str) -> None:
        """Say what went wrong; the first problem stands."""
        self._problem = self._problem or problem

    def __repr__(self) -> str:
        parts = ", ".join(repr(order) for order in self.orders)
        return f"<OrderGroup {self._id or '(not submitted)'} {parts}>"


def make_bracket(
    instrument: str, quantity: Number, prices: tuple[Number | None, ...], options: dict[str, Any]
) -> OrderGroup:
    """See Order.bracket. prices: in its order. options: of the entry (time_in_force, expire_time, tags, post_only).

    Raises: InvalidOrder.
    """
    price, entry_stop_price, profit_price, stop_price, stop_limit_price = prices
    if entry_stop_price is not None:
        kind = OrderType.STOP if price is None else OrderType.STOP_LIMIT
    else:
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
    entry = Order(instrument, quantity, kind, price=price, stop_price=entry_stop_price, **options)
    if stop_limit_price is not None and stop_price is None:
        raise InvalidOrder(f"a bracket for {instrument} has a stop_limit_price but no stop_price; give both or neither")
    tags = options.get("tags")
    opposite = -quantity if isinstance(quantity, float) else -to_decimal(quantity, "quantity")  # a float may be rounded
    profit = stop = None
    if profit_price is not None:
        profit = Order.limit(instrument, opposite, profit_price, tags=tags)
    if stop_price is not None and stop_limit_price is not None:
        stop = Order.stop_limit(instrument, opposite, stop_price, stop_limit_price, tags=tags)
    elif stop_price is not None:
        stop = Order.stop(instrument, opposite, stop_price, tags=tags)
    return OrderGroup.bracket(entry, profit=profit, stop=stop)


# -------------------------------------------------------------------------------------------------------------- checks


def _list_orders(given: object) -> tuple[Any, ...]:
    """What check_group then looks at one by one. Raises: InvalidOrder for what is no list."""
    if not isinstance(given, Iterable):
        raise InvalidOrder(f"the orders of a group are {given!r:.120}; expected a list of them")
    return tuple(given)


def _check_parent(given: Order) -> Order:
    if not isinstance(given, Order):
        raise InvalidOrder(f"the parent of a group is {given!r:.120}; expected an Order")
    return given


def check_group(group: OrderGroup) -> None:
    """What is wrong with a group whatever the market. Raises: InvalidOrder."""
    orders, entry, exits = group.orders, group.entry, group.exits
    for order in orders:
        if not isinstance(order, Order):
            raise InvalidOrder(f"a group is made of orders, got {type(order).__name__} {order!r:.120}")
    if len(group.roles) != len(exits):
        raise InvalidOrder(f"a group of {len(exits)} exits has {len(group.roles)} roles; expected one for each")
    if len(exits) < (2 if entry is None else 1):
        least = "two orders" if entry is None else "one child (a bracket: profit, stop or both)"
        raise InvalidOrder(
            f"a group of {len(exits)} orders beside its parent makes no sense; expected at least {least}"
        )
    if group.link not in (None, Contingency.OCO, Contingency.OUO) or (entry is None and group.link is None):
        raise InvalidOrder(f"link of a group is {group.link}; expected Contingency.OCO or Contingency.OUO")
    if len({id(order) for order in orders}) < len(orders):
        raise InvalidOrder("an order stands twice in one group; make a new Order for each place")
    others = sorted({order.instrument for order in orders})
    if len(others) > 1:
        raise InvalidOrder(f"a group has orders for {', '.join(others)}; expected one instrument for all")
    for order in orders:
        if order.state is not OrderState.INITIALIZED or order.terms.group_id is not None:
            raise InvalidOrder(
                f"order {order.order_id} of a group was submitted before ({order.state.name}); make a new Order"
            )
        if order is not entry and order.time_in_force in _SCALED:
            raise InvalidOrder(
                f"an exit of a group is {order.time_in_force.value}: it could not grow or wait; use GTC, GTD or DAY"
            )
    if group.link is Contingency.OUO and len({order.side for order in exits}) > 1:
        raise InvalidOrder("orders of an OUO reduce each other, so they must be of one side; use an OCO")
    if entry is not None:
        _check_sizes(group, entry)


def _check_sizes(group: OrderGroup, entry: Order) -> None:
    """Children may not be larger than the parent, those of the other side that are not linked not even together."""
    for order in group.exits:
        if order.quantity > entry.quantity:
            raise InvalidOrder(
                f"a child of {order.quantity} {order.instrument} is larger than its parent of {entry.quantity}; "
                "children are sized to what the parent executes"
            )
        if group.link is not None and order.side is entry.side:
            raise InvalidOrder(f"linked children of a parent must {_leave(entry)}, got another {entry.side.value}")
    together = sum((order.quantity for order in group.exits if order.side is not entry.side), Decimal(0))
    if group.link is None and together > entry.quantity:
        raise InvalidOrder(
            f"children of {together} {entry.instrument} in all could flip the position of a parent of "
            f"{entry.quantity}; link them with Contingency.OUO, or make them smaller"
        )


def check_bracket(group: OrderGroup) -> None:
    """Exits of the entry's quantity, the profit beyond the entry and the stop behind it. Raises: InvalidOrder."""
    entry, profit, stop = group.entry, group.profit, group.stop
    assert entry is not None
    for order, role in zip(group.exits, group.roles, strict=True):
        if order.order_type not in _TYPES[role]:
            expected = ", ".join(one.value for one in _TYPES[role])
            raise InvalidOrder(
                f"the {role.value.lower()} of a bracket for {entry.instrument} is a {order.order_type.value} order; "
                f"expected one of {expected}"
            )
        if order.side is entry.side or order.quantity != entry.quantity:
            raise InvalidOrder(
                f"an exit of a bracket must {_leave(entry)} {entry.quantity} {entry.instrument}, "
                f"got {order.side.value} {order.quantity}"
            )
    sign = entry.side.sign
    levels = [
        ("stop", None if stop is None else stop.stop_price),
        ("entry", entry.price if entry.price is not None else entry.stop_price),
        ("profit", None if profit is None else (profit.price if profit.price is not None else profit.stop_price)),
    ]
    known = [(name, level) for name, level in levels if level is not None]
    for (low_name, low), (high_name, high) in pairwise(known):
        if sign * (high - low) <= 0:
            where = "below" if sign > 0 else "above"
            raise InvalidOrder(
                f"a bracket that {'buys' if sign > 0 else 'sells'} {entry.instrument} has its {low_name} at {low} and "
                f"its {high_name} at {high}; the {low_name} must lie {where} the {high_name}"
            )


def _leave(entry: Order) -> str:
    return "SELL" if entry.side.sign > 0 else "BUY"

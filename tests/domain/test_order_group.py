"""Groups of orders: what can never be meant is refused where the group is made. EXECUTION 8; DESIGN 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tradecore.domain.order import Order
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.order_terms import Contingency, TimeInForce
from tradecore.errors import InvalidOrder

ID = "TEST.SIM"


def buy(price: int = 100, quantity: int = 2) -> Order:
    return Order.limit(ID, quantity, price)


def sell(price: int, quantity: int = 2) -> Order:
    return Order.limit(ID, -quantity, price)


def protect(stop_price: int, quantity: int = 2) -> Order:
    return Order.stop(ID, -quantity, stop_price)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        # A buy at 100: stop < 100 < profit; a sale the other way round; without a level of the entry stop < profit.
        (lambda: Order.bracket(ID, 2, price=100, stop_price=105), "its stop at 105 and its entry at 100; .* below"),
        (lambda: Order.bracket(ID, 2, price=100, stop_price=100), "its stop at 100 and its entry at 100"),
        (lambda: Order.bracket(ID, 2, price=100, profit_price=99), "its entry at 100 and its profit at 99"),
        (
            lambda: Order.bracket(ID, -2, price=100, stop_price=95),
            "sells .* its stop at 95 .* must lie above the entry",
        ),
        (lambda: Order.bracket(ID, -2, price=100, profit_price=110), "its profit at 110; the entry must lie above"),
        (lambda: Order.bracket(ID, 2, profit_price=90, stop_price=95), "its stop at 95 and its profit at 90"),
        (lambda: Order.bracket(ID, 2, entry_stop_price=100, stop_price=101), "its stop at 101 and its entry at 100"),
        # A limit in the stop's place would take a profit at once; a stop in the profit's place triggers at once.
        (
            lambda: OrderGroup.bracket(buy(), stop=sell(110)),
            "the stop of a bracket .* is a LIMIT order; expected .* STOP,",
        ),
        (
            lambda: OrderGroup.bracket(buy(), profit=protect(110)),
            "the profit of a bracket .* is a STOP order; expected",
        ),
        (lambda: OrderGroup.bracket(buy(), stop=Order.market(ID, -2)), "is a MARKET order"),
        (lambda: OrderGroup.bracket(buy(), stop=protect(95, 1)), "must SELL 2 TEST.SIM, got SELL 1"),
        (lambda: OrderGroup.bracket(buy(), stop=Order.stop(ID, 2, 95)), "must SELL, got another BUY"),
        (lambda: Order.bracket(ID, 2, price=100), "a group of 0 orders beside its parent"),
        (lambda: Order.bracket(ID, 2, profit_price=110, stop_limit_price=90), "no stop_price; give both or neither"),
        (lambda: OrderGroup.oco([sell(110)]), "expected at least two orders"),
        (lambda: OrderGroup.ouo([sell(110), buy(90)]), "must be of one side; use an OCO"),
        (lambda: OrderGroup.oco([sell(110), Order.limit("OTHER.SIM", -2, 5)]), "expected one instrument for all"),
        (lambda: OrderGroup.oco([one := sell(110), one]), "stands twice in one group"),
        (lambda: OrderGroup.oco([sell(110), "sell"]), "a group is made of orders, got str 'sell'"),  # type: ignore[list-item]
        (
            lambda: OrderGroup.oto(buy(), [Order.limit(ID, -2, 110, time_in_force=TimeInForce.IOC)]),
            "use GTC, GTD or DAY",
        ),
        (lambda: OrderGroup.oto(buy(), [sell(110, 3)]), "a child of 3 TEST.SIM is larger than its parent of 2"),
        (lambda: OrderGroup.oto(buy(), [sell(110), sell(120)]), "children of 4 TEST.SIM in all could flip"),
    ],
)
def test_a_group_that_cannot_be_meant_raises_where_it_is_made(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(InvalidOrder, match=said):
        make()


def test_exits_that_trail_or_touch_have_their_places() -> None:
    """A trailing stop may protect, and with an activation price it may take the profit."""
    taking = Order.trailing_stop(ID, -2, offset=1, activation_price=110)
    group = OrderGroup.bracket(buy(), profit=taking, stop=Order.trailing_stop(ID, -2, percent=5))
    assert (group.profit, group.link) == (taking, Contingency.OUO)
    touched = Order.market_if_touched(ID, -2, 110)
    assert OrderGroup.bracket(buy(), profit=touched, stop=Order.stop_limit(ID, -2, 95, 94)).profit is touched

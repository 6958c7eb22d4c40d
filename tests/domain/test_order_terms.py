"""Terms of orders: what is wrong at any time raises where the order is made. DESIGN 8."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import PLAIN_TERMS, OrderTerms, TimeInForce, Trailing
from tradecore.errors import InvalidOrder, InvalidTime
from tradecore.testing.builders import make_instrument

ID = "TEST.SIM"
LATER = datetime(2024, 1, 2, tzinfo=UTC)


def test_a_plain_order_carries_the_one_plain_terms() -> None:
    """Who has no conditions pays one comparison for them."""
    assert Order.market(ID, 1).terms is PLAIN_TERMS
    assert Order.limit(ID, 1, 100, time_in_force=TimeInForce.DAY).terms is PLAIN_TERMS


def test_terms_say_what_was_asked_for() -> None:
    order = Order.limit(ID, 1, 100, time_in_force=TimeInForce.GTD, expire_time=LATER, post_only=True, reduce_only=True)
    assert order.terms == OrderTerms(1_704_153_600_000_000_000, post_only=True, reduce_only=True)
    assert order.terms.expire_time == LATER


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Order.market(ID, 1, time_in_force=TimeInForce.GTD), "GTD without an expire_time"),
        (lambda: Order.limit(ID, 1, 100, time_in_force="IOC"), "is 'IOC'; expected one of TimeInForce.GTC, "),
        (lambda: Order.market(ID, 1, time_in_force=None), "is None; expected one of TimeInForce.GTC, "),
        (lambda: Order.market(ID, 1, expire_time=LATER), "add time_in_force=TimeInForce.GTD"),
        (lambda: Order.market(ID, 1, post_only=True), "a MARKET order takes; only LIMIT orders may be"),
        (lambda: Order.stop_limit(ID, 1, 100, 101, post_only=True), "a STOP_LIMIT order takes"),
        (lambda: Order.limit(ID, 1, 100, post_only=True, time_in_force=TimeInForce.IOC), "could never execute"),
        (lambda: Order.market_if_touched(ID, 0, 100), "quantity of an order"),
        (lambda: Order.trailing_stop(ID, 1), "give one of them"),
        (lambda: Order.trailing_stop(ID, 1, offset=1, percent=1), "give one of them"),
        (lambda: Order.trailing_stop(ID, 1, offset=0), "offset of a trailing stop is 0"),
        (lambda: Order.trailing_stop(ID, 1, percent=100), "above 0 and below 100"),
        (lambda: Order.trailing_stop(ID, 1, percent=-1), "above 0 and below 100"),
        (lambda: Order.trailing_stop(ID, 1, offset=1, limit_offset="-0.01"), "0 or more price units"),
        (lambda: Order.trailing_stop(ID, 1, offset="wide"), "offset is 'wide'"),
        (lambda: Order.trailing_stop(ID, 1, offset=1, stop_price=99), "takes no stop_price"),
    ],
)
def test_what_contradicts_itself_is_refused_at_once(make: Any, said: str) -> None:
    with pytest.raises(InvalidOrder, match=said):
        make()


@pytest.mark.parametrize("when", [datetime(2024, 1, 2), LATER.astimezone(timezone(timedelta(hours=1))), "2024-01-02"])
def test_an_expiry_is_an_aware_utc_time(when: Any) -> None:
    with pytest.raises(InvalidTime, match="UTC"):
        Order.limit(ID, 1, 100, time_in_force=TimeInForce.GTD, expire_time=when)


def test_prices_of_a_trailing_stop_lie_on_the_grid() -> None:
    """A float is rounded, anything else must lie on it; a percentage has no grid."""
    order = Order.trailing_stop(ID, -1, offset=0.1 + 0.2, activation_price=101.004, limit_offset=0.05)
    order.round_to(make_instrument())
    assert order.terms.trailing == Trailing(Decimal("0.30"), None, Decimal("101.00"), Decimal("0.05"))
    with pytest.raises(InvalidOrder, match="off its price_increment"):
        Order.trailing_stop(ID, -1, offset="0.005").round_to(make_instrument())
    with pytest.raises(InvalidOrder, match="offset of a trailing stop is"):
        Order.trailing_stop(ID, -1, offset=0.001).round_to(make_instrument())  # rounded to nothing
    percent = Order.trailing_stop(ID, -1, percent="0.125")
    percent.round_to(make_instrument())
    assert percent.terms.trailing == Trailing(percent=Decimal("0.125"))


def test_a_snapshot_carries_the_terms_and_its_json_leaves_plain_ones_out() -> None:
    plain = Order.market(ID, 1).snapshot()
    trailing = Order.trailing_stop(ID, -1, percent=2, reduce_only=True).snapshot()
    assert trailing.terms == OrderTerms(reduce_only=True, trailing=Trailing(percent=Decimal(2)))
    assert b"terms" not in msgspec.json.encode(plain)
    assert b'"terms":{"reduce_only":true,"trailing":{"percent":"2"}}' in msgspec.json.encode(trailing)


def test_a_report_of_the_trigger_brings_the_prices_of_a_trailing_stop() -> None:
    order = Order.trailing_stop(ID, -1, offset=1, limit_offset=1)
    order.mark_submitted("s-1", "s", "sim", 0)
    told = msgspec.structs.replace(
        order.snapshot(), state=OrderState.TRIGGERED, stop_price=Decimal(99), price=Decimal(98)
    )
    order.apply_report(told)
    assert (order.stop_price, order.price) == (Decimal(99), Decimal(98))

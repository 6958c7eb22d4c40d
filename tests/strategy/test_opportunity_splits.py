"""Opportunities across a split: what they hold, their exits and their management go on in new units. By hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.testing.builders import make_ns, make_quote_tick

ID = "TEST.SIM"
T0 = make_ns("2024-01-01T10:00:00Z")
both = pytest.mark.parametrize("contingency", ["client", "venue"])


def quotes(*bids: float, first: int = 0) -> list[Any]:
    """A quote a second from a second on: these bids, the ask 2 cents above, 100 on each side."""
    times = [T0 + (first + n) * SECOND_NS for n in range(len(bids))]
    touches = [(bid, round(bid + 0.02, 2)) for bid in bids]
    return [make_quote_tick(ts, *t, bid_size=100, ask_size=100) for ts, t in zip(times, touches, strict=True)]


def split(ratio: str) -> tc.AccountAdjustment:
    """Half a second after the second quote. It is an event, so the quote after it is number 3."""
    return tc.AccountAdjustment.split(ID, datetime(2024, 1, 1, 10, 0, 1, 500_000, tzinfo=UTC), ratio)


def market(quantity: int) -> tc.Order:
    return tc.Order.market(ID, quantity)


def limit(quantity: int, price: Any) -> tc.Order:
    return tc.Order.limit(ID, quantity, price)


def stop(quantity: int, price: Any) -> tc.Order:
    return tc.Order.stop(ID, quantity, price)


def opens(entry: tc.Order, **settings: Any) -> Any:
    """A step that submits an opportunity."""
    return lambda s: s.open(entry, **settings)


@both
@pytest.mark.parametrize("latency_ms", [0, 200])
async def test_its_exits_go_on_in_new_units(trade: Any, contingency: str, latency_ms: float) -> None:
    """2:1 of 5 bought at 100 are 10 at 50; the profit of 102 is taken at 51: 10 x 1."""
    s = await trade(
        [*quotes(99.98, 99.98), split("2"), *quotes(50, 51, 51, first=2)],
        {0: opens(market(5), profit=limit(-5, 102), stop=stop(-5, 90))},
        contingency=contingency, latency_ms=latency_ms,
    )  # fmt: skip
    (one,) = s.trades
    assert (one.end, one.problem, one.split_ratio) == (tc.OpportunityEnd.PROFIT, None, 2)
    assert (one.quantity, one.entry_price, one.exit_price, one.profit) == (10, 50, 51, 10)
    assert one.stop_order.state is tc.OrderState.CANCELLED
    assert one.stop_order.stop_price == 45
    assert s.position(ID).quantity == 0
    assert one.profit == s.result.statistics.net_profit


@both
async def test_what_lies_off_the_grid_is_paid_out_and_its_exits_leave_the_rest(trade: Any, contingency: str) -> None:
    """3:2 of 5 bought at 100: 7.5, of which half a unit is paid out at the bid, 99.98 / 1.5; 90 is a stop at 60."""
    s = await trade(
        [*quotes(99.98, 99.98), split("1.5"), *quotes(66, 60, 60, first=2)],
        {0: opens(market(5), stop=stop(-5, 90))},
        contingency=contingency,
    )
    (one,) = s.trades
    assert (one.end, one.problem, one.exit_price) == (tc.OpportunityEnd.STOP, None, 60)
    assert one.profit == s.result.statistics.net_profit
    assert s.position(ID).quantity == 0


@both
async def test_one_that_waits_enters_in_new_units(trade: Any, contingency: str) -> None:
    """Buy 5 at 99 is buy 10 at 49.50, told to a strategy that holds nothing; its stop of 98 is one at 49."""
    s = await trade(
        [*quotes(99.98, 99.98), split("2"), *quotes(49.4, 49, 49, first=2)],
        {0: opens(limit(5, 99), stop=stop(-5, 98))},
        contingency=contingency,
    )
    (one,) = s.trades
    assert (one.end, one.problem, one.split_ratio) == (tc.OpportunityEnd.STOP, None, 2)
    assert (one.quantity, one.entry_price, one.exit_price) == (10, Decimal("49.50"), 49)


async def test_levels_of_management_are_in_new_units(trade: Any) -> None:
    """Bought at 100; after 2:1 the entry is 50, break-even after 2 one after 1, its stop 0.50 beyond one at 50.25; a
    second one trails by 4, hence by 2 of 51: at 49.
    """
    manage = tc.BreakEven(after=2, plus="0.50")  # one for both: what belongs to a split is the opportunity's
    stops: list[tuple[Any, Any]] = []

    def look(s: Any) -> None:
        stops.append(tuple(one.stop_order.stop_price for one in s.trades))

    def open_both(s: Any) -> None:
        s.open(market(5), stop=stop(-5, 90), manage=manage)
        s.open(market(5), stop=stop(-5, 90), manage=tc.TrailStop(4))

    s = await trade([*quotes(99.98, 100), split("2"), *quotes(50.5, 51, 51, first=2)], {0: open_both, 3: look, 5: look})
    assert stops[0] == (45, 48)  # the second at 100 - 4 before it
    assert stops[1] == (Decimal("50.25"), 49)
    assert [one.problem for one in s.trades] == [None, None]


async def test_the_newest_price_is_in_new_units_at_once(trade: Any) -> None:
    """No quote has come since: 5 bought at 100, bid 99.98, are 10 at 49.99, and still 0.10 below what they cost."""
    seen: list[Any] = []

    def look(s: Any) -> None:
        one = s.trades[0]
        seen.append((one.held, one.price, one.open_profit))

    s = await trade([*quotes(99.98, 99.98), split("2"), *quotes(50, first=2)], {0: opens(market(5)), 1: look, 2: look})
    assert s.trades[0].split_ratio == 2
    assert seen == [(5, Decimal("99.98"), Decimal("-0.10")), (10, Decimal("49.99"), Decimal("-0.10"))]

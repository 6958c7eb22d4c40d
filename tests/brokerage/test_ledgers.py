"""Ledgers, cash and commission, exact: EXECUTION 9. Marks: EXECUTION 10."""

from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import FixedCommission, PerUnitCommission, RateCommission
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order
from tradecore.domain.quote_tick import QuoteTick
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_instrument, make_quote_tick

ID = "TEST.SIM"
QUOTES = f"quote_tick {ID}"
BARS = f"bar {ID} 1m last"
SECOND = 1_000_000_000


def quote(ns: int, bid: float, ask: float) -> QuoteTick:
    return make_quote_tick(ns, bid, ask, bid_size=1_000, ask_size=1_000)


async def trade_at(desk: BrokerDesk, quantity: Any, price: float, strategy: str = "s") -> Order:
    """One execution at a price: the market stands there for a moment."""
    desk.play(quote(desk.timeline.now + SECOND, price, price))
    return await desk.submit(Order.market(ID, quantity), strategy)


async def test_the_example_of_the_rules_comes_out() -> None:
    """+2@100, +2@110, -3@120, -3@90: average 105, 105 on 1, then -2@90; realised 45, then -15."""
    desk = make_broker_desk(QUOTES)
    for quantity, price in ((2, 100.0), (2, 110.0), (-3, 120.0), (-3, 90.0)):
        await trade_at(desk, quantity, price)
    seen = [f"{after.quantity} {after.average_price} {after.realised}" for _, after in desk.recorder.positions]
    assert seen == ["2 100.0 0", "4 105.0 0", "1 105.0 45.0", "-2 90.0 30.0"]
    # 1,000,000 - 200 - 220 + 360 + 270
    assert desk.broker.get_account().cash == {"USD": Decimal(1_000_210)}


async def test_flat_means_cost_zero_and_realised_equals_cash() -> None:
    """A third of 100.01 has no end in decimals; nothing of it may be lost."""
    desk = make_broker_desk(QUOTES)
    await trade_at(desk, 3, 100.01)
    await trade_at(desk, 4, 99.97)
    for price in (100.02, 100.05, 99.99):
        await trade_at(desk, -2, price)
    await trade_at(desk, -1, 100.0)
    after = desk.recorder.positions[-1][1]
    assert after.quantity == 0
    assert after.cost == 0
    assert desk.broker.get_account().cash["USD"] - 1_000_000 == after.realised


@pytest.mark.parametrize(
    ("commission", "paid"),
    [
        (RateCommission(taker=Decimal("0.0005")), "0.1500"),  # 3 x 100 x 0.0005
        (PerUnitCommission(amount=Decimal("0.02"), minimum=Decimal("0.05")), "0.06"),
        (PerUnitCommission(amount=Decimal("0.01"), minimum=Decimal("0.05")), "0.05"),
        (FixedCommission(amount=Decimal("1.25")), "1.25"),
    ],
)
async def test_commission_is_paid_in_cash_and_kept_beside_the_realised_profit(commission: Any, paid: str) -> None:
    desk = make_broker_desk(QUOTES, commission=commission)
    await trade_at(desk, 3, 100.0)
    assert desk.executions[0].commission == Decimal(paid)
    assert desk.broker.get_account().cash["USD"] == Decimal(1_000_000) - 300 - Decimal(paid)
    assert desk.broker.get_positions()[0].commission == Decimal(paid)


async def test_a_maker_may_earn_a_rebate() -> None:
    """2 x 99 x -0.0001 = -0.0198: money comes in."""
    desk = make_broker_desk(QUOTES, commission=RateCommission(maker=Decimal("-0.0001"), taker=Decimal("0.0005")))
    desk.play(quote(SECOND, 100, 100.02))
    await desk.submit(Order.limit(ID, 2, "99.00"))
    desk.play(quote(2 * SECOND, 98, 98.5))
    assert desk.executions[0].commission == Decimal("-0.0198")
    assert desk.broker.get_account().cash["USD"] == Decimal(1000000) - 198 + Decimal("0.0198")


async def test_a_multiplier_scales_money_and_not_quantity() -> None:
    """2 contracts x 100 x 50, sold at 101: 100 earned; commission 2 x (100 + 101) x 50 x 0.0001 = 2.01."""
    desk = make_broker_desk(
        QUOTES, instruments=[make_instrument(multiplier=50)], commission=RateCommission(taker=Decimal("0.0001"))
    )
    await trade_at(desk, 2, 100.0)
    await trade_at(desk, -2, 101.0)
    assert desk.recorder.positions[-1][1].realised == 100
    assert desk.broker.get_account().cash["USD"] == Decimal("1000097.99")


async def test_each_strategy_has_its_ledger_and_the_account_is_their_sum() -> None:
    """One is long, the other short; nothing nets."""
    desk = make_broker_desk(QUOTES, strategies=("a", "b"))
    await trade_at(desk, 5, 100.0, "a")
    await trade_at(desk, -3, 101.0, "b")
    account = desk.broker.get_account()
    assert {key: position.quantity for key, position in account.positions.items()} == {("a", ID): 5, ("b", ID): -3}
    assert account.cash["USD"] == Decimal(1_000_000) - 500 + 303
    assert [e.strategy for e in desk.recorders["b"].executions] == ["b"]


async def test_bars_mark_what_is_held_at_every_end_and_nothing_when_flat() -> None:
    """Held from the open of minute 2 (stamped at 1:00) to the open of minute 4: marks at 2:00 and 3:00."""
    desk = make_broker_desk(BARS)
    bars = [make_bar(n * MINUTE_NS, 100 + n) for n in range(1, 7)]
    desk.play(bars[0])
    await desk.submit(Order.market(ID, 1))
    desk.play(*bars[1:3])
    await desk.submit(Order.market(ID, -1))
    desk.play(*bars[3:])
    desk.finish()
    assert desk.recorder.marks == [(ID, 2 * MINUTE_NS, 102.0), (ID, 3 * MINUTE_NS, 103.0)]


@pytest.mark.parametrize(("side", "touch"), [(1, "bid"), (-1, "ask")])
async def test_ticks_mark_once_a_minute_at_the_touch_that_stands(side: int, touch: str) -> None:
    """Held from 0:30; whole minutes 1 and 2; the end at 2:30 is marked too. The quote of 1:59 stands at 2:00."""
    desk = make_broker_desk(QUOTES)
    desk.play(quote(30 * SECOND, 100, 101))
    await desk.submit(Order.market(ID, side))
    desk.play(quote(50 * SECOND, 102, 103), quote(119 * SECOND, 104, 105), quote(150 * SECOND, 106, 107))
    desk.finish()
    add = 0 if touch == "bid" else 1
    expected = [(60, 102 + add), (120, 104 + add), (150, 106 + add)]
    assert desk.recorder.marks == [(ID, seconds * SECOND, float(price)) for seconds, price in expected]


async def test_marks_do_not_depend_on_windows() -> None:
    """A minute between two windows is marked once, with what stood."""
    told = []
    for window in (1, 2, 5, None):
        desk = make_broker_desk(QUOTES)
        desk.play(quote(SECOND, 100, 101))
        await desk.submit(Order.market(ID, 1))
        desk.play(*[quote(n * 13 * SECOND, 100 + n, 101 + n) for n in range(1, 40)], window=window)
        desk.finish()
        told.append(desk.recorder.marks)
    assert len(told[0]) == 9  # minutes 1 to 8 of 507 s, and the end
    assert all(marks == told[0] for marks in told)

"""The ledger that verification keeps for itself: the rules' own example, and what holds for any executions."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradecore.verification.exact_number import EXACT, STEP, divide, is_mean, parse_number
from tradecore.verification.record_forms import ExecutionLine
from tradecore.verification.trade_ledger import TradeLedger, add_sums


def line(number: int, quantity: int, price: str, commission: str = "0", at: int | None = None) -> ExecutionLine:
    record = {
        "execution_id": f"x.{number}", "order_id": "x", "strategy": "s", "broker": "b", "source": "SIMULATED",
        "instrument": "A.X", "side": "BUY" if quantity > 0 else "SELL", "quantity": str(abs(quantity)), "price": price,
        "commission": commission, "commission_currency": "USD", "liquidity": "TAKER", "matched_on": "bar",
        "ts_event": number if at is None else at,
    }  # fmt: skip
    return ExecutionLine(number, record)


def test_the_example_of_the_rules_comes_out() -> None:
    """+2@100, +2@110, -3@120, -3@90: 45 realised on the long side, -15 when it closes; -2@90 is held short."""
    ledger = TradeLedger(Decimal(1))
    for number, (quantity, price) in enumerate([(2, "100"), (2, "110"), (-3, "120")], 1):
        ledger.take(line(number, quantity, price))
    assert ledger.trade is not None
    assert [ledger.quantity, ledger.trade.cost, ledger.trade.realised] == [1, 105, 45]
    ledger.take(line(4, -3, "90", commission="0.3"))
    # Long: 45 - 15 = 30, less a third of the commission; the other two thirds open the short side.
    long, short = ledger.long, ledger.short
    assert [long.realised, long.commission, long.gross_profit] == [30, Decimal("0.1"), Decimal("29.9")]
    assert ledger.trade is not None
    assert [ledger.quantity, ledger.trade.cost, short.commission] == [-2, -180, Decimal("0.2")]
    assert (long.trades, short.trades, ledger.both.sells) == (1, 0, 1)


def test_profit_while_flat_makes_the_least_drawdown() -> None:
    """+1@100, -1@110: +10; +1@110, -1@80: -30; flat again at 3 and at 5, so equity fell from 10 to -20."""
    ledger = TradeLedger(Decimal(1))
    for number, (quantity, price) in enumerate([(1, "100"), (-1, "110"), (1, "110"), (-1, "80"), (1, "80")], 1):
        ledger.take(line(number, quantity, price))
    assert [ledger.peak, ledger.deepest] == [10, 30]


def test_what_is_flat_for_no_time_is_no_point_of_equity() -> None:
    """The close and the next open are of one instant: a mark of this instant may have come after both."""
    ledger = TradeLedger(Decimal(1))
    for number, (quantity, price, at) in enumerate([(1, "100", 1), (-1, "110", 2), (1, "110", 2)], 1):
        ledger.take(line(number, quantity, price, at=at))
    assert ledger.peak == 0


amounts = st.integers(-20, 20).filter(bool)
prices = st.integers(1, 50_000).map(lambda cents: Decimal(cents) / 100)
commissions = st.integers(0, 50_000).map(lambda parts: Decimal(parts) / 10_000)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first draw reads the whole package
@given(st.lists(st.tuples(amounts, prices, commissions), min_size=1, max_size=40))
def test_money_is_neither_made_nor_lost(executions: list[tuple[int, Decimal, Decimal]]) -> None:
    """realised - cost of what is held = money received - paid, whatever the order of buys and sells (B2, B3)."""
    ledger, received, held, paid = TradeLedger(Decimal(3)), Fraction(0), 0, Fraction(0)
    with localcontext(EXACT):
        for number, (quantity, price, commission) in enumerate(executions, 1):
            ledger.take(line(number, quantity, str(price), str(commission)))
            received -= quantity * Fraction(price) * 3
            held += quantity
            paid += Fraction(commission)
        sums = add_sums(ledger.compute_sums(is_long=is_long) for is_long in (True, False))
        cost = ledger.trade.cost if ledger.trade is not None else Decimal(0)
        assert ledger.quantity == held
        assert Fraction(sums.realised - cost) == received
        assert Fraction(sums.commission) == paid
        assert sums.buys - ledger.both.buys == sum(quantity > 0 for quantity, _, _ in executions)
        assert (ledger.trade is None) is (held == 0)


@pytest.mark.parametrize("text", ["1.5.2", "", "NaN", "Infinity", "1e101", "1" * 200, None, 5, 1.5])
def test_what_is_no_number_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="price is"):
        parse_number(text, "price")


def test_a_mean_is_exact_or_rounded_in_its_28th_digit() -> None:
    """100 / 3 to 28 digits ends in ...333; one more in the last place is another number."""
    mean = Decimal(100) / Decimal(3)
    with localcontext(EXACT):
        assert is_mean(mean, Decimal(100), Decimal(3))
        assert not is_mean(mean + Decimal("1e-26"), Decimal(100), Decimal(3))
        assert is_mean(Decimal(50), Decimal(100), Decimal(2))
        assert not is_mean(Decimal("50.0000000000000000000000001"), Decimal(100), Decimal(2))
        assert abs(divide(Decimal(1), Decimal(3)) * 3 - 1) < STEP

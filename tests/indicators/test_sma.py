"""SMA: the mean of the last prices, exact after a million of them."""

from decimal import Decimal
from math import fsum, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import InvalidEvent
from tradecore.indicators import SMA, Indicator
from tradecore.testing.builders import make_bar, make_bars, make_quote_tick, make_trade_tick


def test_the_mean_of_the_last_three_closes() -> None:
    sma = SMA(3)
    assert isinstance(sma, Indicator)
    values = []
    for bar in make_bars([1, 2, 6, 7, 2]):
        sma.update(bar)
        values.append(sma.value if sma.is_ready else None)
    # (1 + 2 + 6) / 3 = 3, (2 + 6 + 7) / 3 = 5, (6 + 7 + 2) / 3 = 5
    assert values == [None, None, 3.0, 5.0, 5.0]


def test_it_has_no_value_until_it_has_seen_enough() -> None:
    sma = SMA(2)
    sma.update_price(5.0)
    assert not sma.is_ready
    assert isnan(sma.value)
    assert repr(sma) == "SMA(2, price='close'): 1 of 2 seen"


def test_close_means_the_one_price_of_any_market_event() -> None:
    sma = SMA(1)
    sma.update(make_bar(1, 7.0))
    assert sma.value == 7.0
    sma.update(make_trade_tick(2, 8.0))
    assert sma.value == 8.0
    sma.update(make_quote_tick(3, 9.0, 10.0))
    assert sma.value == 9.5


def test_any_field_can_be_named() -> None:
    high, bid, mid = SMA(1, price="high"), SMA(1, price="bid_price"), SMA(1, price="mid")
    high.update(make_bar(1, 7.0, high=12.0))
    bid.update(make_quote_tick(1, 9.0, 10.0))
    mid.update(make_quote_tick(1, 9.0, 10.0))
    assert (high.value, bid.value, mid.value) == (12.0, 9.0, 9.5)


def test_a_price_that_the_event_lacks_is_named() -> None:
    with pytest.raises(InvalidEvent, match="'bid_price' met a Bar"):
        SMA(3, price="bid_price").update(make_bar(1))


@pytest.mark.parametrize("period", [0, -1, 2.0, True])
def test_a_period_that_is_no_positive_int_is_refused(period: object) -> None:
    with pytest.raises(ValueError, match="SMA period is"):
        SMA(period)  # type: ignore[arg-type]


def test_reset_forgets_everything() -> None:
    sma = SMA(2)
    for price in (1.0, 2.0, 3.0):
        sma.update_price(price)
    sma.reset()
    assert not sma.is_ready
    sma.update_price(8.0)
    sma.update_price(10.0)
    assert sma.value == 9.0


def test_the_sum_does_not_drift_over_a_long_run() -> None:
    """A plain rolling sum keeps the rounding of a price of 1e9 forever; here it is gone within one period."""
    sma = SMA(10)
    for n in range(100_000):
        sma.update_price(1e9 if n == 50 else 0.1 + (n % 7) * 0.01)
    window = [0.1 + (n % 7) * 0.01 for n in range(99_990, 100_000)]
    assert sma.value == pytest.approx(fsum(window) / 10, rel=1e-15)


@given(st.lists(st.decimals(-10_000, 10_000, places=4), min_size=1, max_size=80), st.integers(1, 12))
def test_it_equals_the_exact_mean_of_the_window(prices: list[Decimal], period: int) -> None:
    sma = SMA(period)
    for price in prices:
        sma.update_price(float(price))
    assert sma.is_ready == (len(prices) >= period)
    if sma.is_ready:
        exact = fsum(float(price) for price in prices[-period:]) / period
        assert sma.value == pytest.approx(exact, rel=1e-12, abs=1e-9)

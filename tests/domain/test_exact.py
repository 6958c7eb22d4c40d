"""Exact: what is remembered of a number does not depend on what was asked before."""

from __future__ import annotations

from decimal import Decimal, localcontext
from math import inf, nextafter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.exact import KEPT_MOST, WHOLE, to_exact, to_float
from tradecore.domain.instrument import check_instrument_id

cents = st.integers(-(10**15), 10**15).map(lambda n: n / 100) | st.integers(-(10**6), 10**6).map(lambda n: n / 100)


@pytest.mark.parametrize("first", [0, 1])
def test_equal_numbers_have_one_text(first: int) -> None:
    """A whole number and its float, zero from below and from above: whichever comes first."""
    pairs = [(7_001 + first, 7_001.0 + first), (-0.0, 0.0)]
    for pair in pairs:
        asked = pair[first], pair[1 - first]
        assert [str(to_exact(number)) for number in asked] == [repr(pair[1])] * 2
        assert [repr(to_float(to_exact(number))) for number in asked] == [repr(pair[1])] * 2


def test_floats_and_decimals_are_the_same_numbers_however_many_came_between() -> None:
    kept = [(to_exact(price / 7), price / 7) for price in range(1, 50)]
    for number in range(2 * KEPT_MOST):
        to_exact(number / 11)
    for exact, price in kept:
        assert exact == Decimal(repr(price))
        assert to_float(exact) == price
        assert to_exact(price) == exact
    assert [to_float(WHOLE[number]) for number in (1, 2, 1_024)] == [1.0, 2.0, 1024.0]
    assert [to_float(Decimal(number)) for number in (1, 1_025, 10**20)] == [1.0, 1025.0, 1e20]


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), cents, cents.map(lambda x: nextafter(x, inf))))
def test_an_exact_price_is_the_number_that_its_float_shows(price: float) -> None:
    """To the last digit and the last 0, however it is found, and whatever the program around rounds to."""
    price = price or 0.0  # a zero from below is a zero
    with localcontext(prec=3):
        assert to_exact(price).as_tuple() == Decimal(repr(price)).as_tuple()


def test_an_id_that_only_reads_as_a_text_is_not_handed_to_others() -> None:
    check_instrument_id(np.str_("EXACT.SIM"))
    assert type(check_instrument_id("EXACT.SIM")) is str
    assert type(check_instrument_id("EXACT.SIM")) is str

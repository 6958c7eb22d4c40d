"""The venue's own matching: price, then time; what one account pays another one gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.testing.local_venue.matching_core import OUTSIDE, MatchingCore
from tradecore.testing.local_venue.venue_action import BUY, SELL
from tradecore.testing.local_venue.venue_ledger import LedgerExecution, VenueLedger


def make_core() -> MatchingCore:
    return MatchingCore("BTCUSDT", VenueLedger())


def place(
    core: MatchingCore, account: str, name: str, side: int, price: int | None, size: int, *, keeps_rest: bool = True
) -> list[LedgerExecution]:
    return core.place(1, account, name, side, price, size, keeps_rest=keeps_rest, first_trade_id=1)


def test_the_best_price_trades_first_and_at_one_price_the_oldest_order() -> None:
    core = make_core()
    place(core, "a", "1", SELL, 102, 5)
    place(core, "b", "1", SELL, 101, 5)
    place(core, "c", "1", SELL, 101, 5)
    executions = place(core, "taker", "t", BUY, 102, 12)
    # 5 of b at 101, then 5 of c, who came later, then 2 of a at 102.
    assert [(e.maker, e.price, e.size, e.trade_id) for e in executions] == [
        ("b", 101, 5, 1), ("c", 101, 5, 2), ("a", 102, 2, 3),
    ]  # fmt: skip
    assert list(core.asks.levels()) == [(102, 3)]
    assert list(core.bids.levels()) == []


def test_what_does_not_trade_rests_unless_it_may_not() -> None:
    core = make_core()
    place(core, "a", "1", SELL, 101, 5)
    assert place(core, "b", "1", BUY, 100, 4) == []
    assert [e.size for e in place(core, "b", "2", BUY, 101, 7, keeps_rest=False)] == [5]
    assert list(core.bids.levels()) == [(100, 4)]
    assert [e.price for e in place(core, "c", "market", SELL, None, 9)] == [100]
    assert len(core.asks) == 0, "a market order has no price to rest at"


def test_a_cancel_takes_the_order_and_only_once() -> None:
    core = make_core()
    place(core, "a", "1", BUY, 100, 4)
    assert core.cancel("a", "1")
    assert not core.cancel("a", "1")
    assert core.take_changes() == (((100, 0),), ())


def test_a_name_in_use_and_a_size_of_zero_are_refused() -> None:
    core = make_core()
    place(core, "a", "1", BUY, 100, 4)
    with pytest.raises(ValueError, match="order '1' of a"):
        place(core, "a", "1", BUY, 99, 4)
    with pytest.raises(ValueError, match="size 0"):
        place(core, "a", "2", BUY, 99, 0)


def test_the_outside_market_keeps_its_place_when_it_shrinks_and_loses_it_when_it_grows() -> None:
    core = make_core()
    core.set_outside(SELL, 101, 5)
    place(core, "a", "1", SELL, 101, 5)
    core.set_outside(SELL, 101, 3)
    assert place(core, "t", "1", BUY, 101, 1)[0].maker == OUTSIDE
    core.set_outside(SELL, 101, 9)
    assert place(core, "t", "2", BUY, 101, 1)[0].maker == "a"


def test_the_ledger_moves_size_one_way_and_money_the_other() -> None:
    core = make_core()
    core.ledger.deposit("seller", "BTCUSDT", base=10)
    core.ledger.deposit("buyer", "BTCUSDT", quote=1_000)
    place(core, "seller", "1", SELL, 101, 4)
    place(core, "buyer", "1", BUY, 101, 3)
    # 3 x 101 = 303
    assert core.ledger.get_balance("buyer", "BTCUSDT") == (3, 697)
    assert core.ledger.get_balance("seller", "BTCUSDT") == (7, 303)


Step = tuple[str, str, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["place", "cancel", "outside"]), st.sampled_from("abc"), st.integers(0, 4),
        st.integers(95, 105), st.integers(1, 9),
    ),
    max_size=60,
)  # fmt: skip


@given(steps)
def test_no_order_ever_crosses_the_book_and_no_money_is_made(script: list[Step]) -> None:
    """B1, B2, B7 of the venue itself: it is the oracle of brokers, so it must be right."""
    core = make_core()
    for number, (what, account, name, price, size) in enumerate(script):
        side = BUY if (number + name) % 2 else SELL
        if what == "place":
            core.cancel(account, str(name))
            place(core, account, str(name), side, price, size)
        elif what == "cancel":
            core.cancel(account, str(name))
        else:
            core.set_outside(BUY, price - 50, size - 1)
        bid, ask = core.bids.best(), core.asks.best()
        assert bid is None or ask is None or bid.price < ask.price
    assert sum(core.ledger.base_balances.values()) == 0
    assert sum(core.ledger.quote_balances.values()) == 0


@given(steps)
def test_changes_rebuild_the_book(script: list[Step]) -> None:
    """Who applies every change to an empty book has the venue's book: what depth streams rely on."""
    core = make_core()
    books: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for number, (what, account, name, price, size) in enumerate(script):
        if what == "outside":
            core.set_outside(BUY if number % 2 else SELL, price - 10 if number % 2 else price + 10, size % 5)
        else:
            core.cancel(account, str(name))
            if what == "place":
                place(core, account, str(name), BUY if number % 2 else SELL, price, size)
        for book, changes in zip(books, core.take_changes(), strict=True):
            book.update(changes)
    assert {price: size for price, size in books[0].items() if size} == dict(core.bids.levels())
    assert {price: size for price, size in books[1].items() if size} == dict(core.asks.levels())

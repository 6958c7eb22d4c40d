"""A book by sequence: begin, follow, break, begin anew (VENUES 4.1, how to manage a local order book)."""

from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.event import NO_VENUE_TIME
from tradecore.domain.feed_state import FeedState
from tradecore.venues.binance_book import BinanceBook
from tradecore.venues.feed_dialect import BookChange

BTC = "BTCUSDT.BINANCE"
BIDS, ASKS = [(100.0, 1.0), (99.0, 2.0)], [(101.0, 3.0), (102.0, 4.0)]


def change(first: int, last: int, bids: list[tuple[float, float]] | None = None) -> BookChange:
    return BookChange(BTC, last * 10, last * 10 + 1, bids or [], [], first, last)


def begun(last: int = 160) -> BinanceBook:
    book = BinanceBook(BTC, 2)
    book.begin(last, BIDS, ASKS, lambda: 5)
    return book


def test_changes_wait_for_a_whole_book_and_those_that_it_holds_are_dropped() -> None:
    book = BinanceBook(BTC, 2)
    for first, last in ((150, 155), (156, 162), (163, 165)):
        assert book.take(change(first, last, [(100.0 + last / 1_000, 1.0)]), last) is None
    snapshot = book.begin(160, BIDS, ASKS, lambda: 9_999)
    assert snapshot is not None
    assert not book.needs_resync
    # 150..155 is in the whole book of 160 already; 156..162 straddles it and 163..165 follows.
    assert snapshot.bids == ((100.165, 1.0), (100.162, 1.0))
    assert (snapshot.sequence, snapshot.ts_event, snapshot.ts_received) == (165, 1_650, 9_999)
    assert book.news == [], "nothing was missing"


def test_a_whole_book_older_than_the_first_change_is_of_no_use() -> None:
    book = BinanceBook(BTC, 2)
    book.take(change(170, 175), 175)
    assert book.begin(160, BIDS, ASKS, lambda: 5) is None
    assert book.needs_resync
    assert book.begin(169, BIDS, ASKS, lambda: 5) is not None


def test_a_whole_book_of_a_quiet_market_has_no_time_of_its_own() -> None:
    book = BinanceBook(BTC, 2)
    snapshot = book.begin(160, BIDS, ASKS, lambda: 77)
    assert snapshot is not None
    assert (snapshot.ts_event, snapshot.ts_received, snapshot.flags) == (77, 77, NO_VENUE_TIME)
    assert (snapshot.bids, snapshot.asks) == (tuple(BIDS), tuple(ASKS))


def test_a_level_is_replaced_and_size_zero_removes_it() -> None:
    book = begun()
    snapshot = book.take(change(161, 161, [(100.0, 0.0), (99.0, 5.0), (97.0, 0.0)]), 161)
    assert snapshot is not None
    assert snapshot.bids == ((99.0, 5.0),), "97.0 was never known: removing it changes nothing"


def test_a_change_seen_before_is_a_duplicate() -> None:
    book = begun()
    assert book.take(change(155, 160), 160) is None
    assert book.duplicates == 1
    assert not book.needs_resync


def test_a_gap_is_told_and_nothing_is_applied_across_it() -> None:
    book = begun()
    assert book.take(change(163, 164, [(100.5, 9.0)]), 164) is None
    assert book.news == [(FeedState.GAP, "updates 161 to 162 are missing")]
    assert book.needs_resync
    book.news.clear()
    snapshot = book.begin(164, BIDS, ASKS, lambda: 5)
    assert snapshot is not None
    assert snapshot.bids[0][0] == 100.0, "the change across the gap is in the whole book or nowhere"
    assert [state for state, _ in book.news] == [FeedState.RECOVERED]


def test_a_gap_among_the_changes_that_waited_is_found_too() -> None:
    book = BinanceBook(BTC, 2)
    book.take(change(161, 162), 162)
    book.take(change(165, 166), 166)
    assert book.begin(160, BIDS, ASKS, lambda: 5) is None
    assert book.needs_resync
    assert [state for state, _ in book.news] == [FeedState.GAP]


def test_a_new_connection_begins_anew() -> None:
    book = begun()
    book.begin_connection()
    assert book.needs_resync
    assert book.take(change(161, 161), 161) is None
    book.begin(161, BIDS, ASKS, lambda: 5)
    assert [state for state, _ in book.news] == [FeedState.RECOVERED]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3), st.booleans()), max_size=4), min_size=1, max_size=12
    ),
    st.integers(0, 11),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_the_book_is_the_venues_or_it_is_out_of_sequence(
    updates: list[list[tuple[int, int, bool]]], at: int, lost: set[int]
) -> None:
    """Any changes, any place of the whole book among them, any of them lost: never a wrong book."""
    truth: list[dict[bool, dict[int, int]]] = []
    sides: dict[bool, dict[int, int]] = {False: {}, True: {}}
    for update in updates:
        sides = {side: dict(levels) for side, levels in sides.items()}
        for price, size, is_bid in update:
            sides[is_bid][price] = size
        truth.append({side: {price: size for price, size in levels.items() if size} for side, levels in sides.items()})
    at = min(at, len(updates) - 1)
    book = BinanceBook(BTC, 20)
    for number, update in enumerate(updates):
        if number == at:
            bids, asks = ([(float(p), float(s)) for p, s in truth[at][side].items()] for side in (True, False))
            book.begin(at + 1, bids, asks, lambda: 1)
        if number in lost:
            continue
        said = BookChange(
            BTC, 1, 1,
            [(float(p), float(s)) for p, s, is_bid in update if is_bid],
            [(float(p), float(s)) for p, s, is_bid in update if not is_bid],
            number + 1, number + 1,
        )  # fmt: skip
        snapshot = book.take(said, number + 1)
        if snapshot is not None:
            assert dict(snapshot.bids) == truth[number][True]
            assert dict(snapshot.asks) == truth[number][False]
            assert not any(earlier in lost for earlier in range(at + 1, number))

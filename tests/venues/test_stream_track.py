"""Each event once, late ones told from repeated ones, holes told; by number, never by time."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.feed_state import FeedState
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.venues.stream_track import IdentityTrack, StateTrack


def tick(number: int, ts: int | None = None) -> TradeTick:
    return TradeTick("A.X", number if ts is None else ts, 1, 1.0, 1.0, trade_id=str(number))


def quote(ts: int, bid: float = 1.0) -> QuoteTick:
    return QuoteTick("A.X", ts, ts, bid, 1.0, 2.0, 1.0)


def take_all(track: IdentityTrack, numbers: Sequence[int]) -> list[int]:
    return [number for number in numbers if track.take(tick(number), number) is not None]


def test_repeated_numbers_are_dropped_and_counted() -> None:
    track = IdentityTrack()
    assert take_all(track, [5, 6, 6, 5, 7]) == [5, 6, 7]
    assert track.duplicates == 2
    assert track.news == []


def test_what_comes_late_into_a_hole_is_delivered_and_closes_it() -> None:
    track = IdentityTrack()
    assert take_all(track, [1, 5, 3, 2, 2, 4, 6]) == [1, 5, 3, 2, 4, 6]
    assert [state for state, _ in track.news] == [FeedState.GAP, FeedState.RECOVERED]
    assert track.news[0][1] == "3 missing: 2 to 4"
    assert (track.late, track.duplicates) == (3, 1)


def test_bars_are_adjacent_at_one_step() -> None:
    track = IdentityTrack(60)
    assert take_all(track, [60, 120, 240, 180]) == [60, 120, 240, 180]
    assert [state for state, _ in track.news] == [FeedState.GAP, FeedState.RECOVERED]


def test_a_venue_that_counts_anew_is_followed_and_the_break_is_told() -> None:
    """Lower numbers, but all of them happened later: a venue after a restart, not an echo."""
    track = IdentityTrack()
    track.take(tick(100, ts=1_000), 100)
    assert track.take(tick(1, ts=2_000), 1) is not None
    assert track.take(tick(2, ts=2_001), 2) is not None
    assert [state for state, _ in track.news] == [FeedState.GAP]
    assert "counts anew" in track.news[0][1]


def test_after_a_lost_connection_nothing_comes_late_any_more() -> None:
    track = IdentityTrack()
    take_all(track, [1, 5])
    track.begin_connection()
    assert take_all(track, [3, 6]) == [6], "3 now can only be an echo: history is asked for the hole"


def test_of_quotes_only_newer_ones_count() -> None:
    track = StateTrack()
    taken = [number for number in (5, 7, 6, 7, 8) if track.take(quote(1), number) is not None]
    assert taken == [5, 7, 8]
    assert track.duplicates == 2
    track.begin_connection()
    assert track.take(quote(1), 3) is not None, "a new connection may count anew"


def test_without_numbers_only_the_very_same_quote_is_dropped() -> None:
    track = StateTrack()
    given_quotes = [quote(1), quote(1), quote(1, bid=1.5), quote(2, bid=1.5)]
    assert [track.take(each, 0) is not None for each in given_quotes] == [True, False, True, True]


@given(st.lists(st.integers(1, 30), max_size=60))
def test_no_number_is_delivered_twice_and_what_is_missing_was_told(numbers: list[int]) -> None:
    """All happen at one instant, so nothing looks like a restart; the first number is where the stream begins."""
    track = IdentityTrack()
    taken = [number for number in numbers if track.take(tick(number, ts=1), number) is not None]
    assert len(set(taken)) == len(taken)
    wanted = {number for number in numbers if number >= numbers[0]}
    assert set(taken) == wanted
    if wanted and set(range(numbers[0], max(wanted) + 1)) - wanted:
        assert FeedState.GAP in [state for state, _ in track.news]
        assert track.news[-1][0] is FeedState.GAP
    assert track.duplicates + len(taken) == len(numbers)

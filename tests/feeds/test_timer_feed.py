"""Timer feeds: exact moments, made only as far as they are asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.time_event import OneTimeEvent, RepeatingEvent
from tradecore.errors import InvalidTime
from tradecore.feeds.timer_feed import OneTimeTimerFeed, RepeatingTimerFeed


def test_a_repeating_timer_ticks_at_start_plus_k_periods_strictly_before_the_mark() -> None:
    """A tick at the mark itself belongs to the next window."""
    feed = RepeatingTimerFeed("minute", start_ns=100, period_ns=10)
    events = feed.take_before(130, limit=100)
    assert events == [
        RepeatingEvent("minute", 100, 100, 0),
        RepeatingEvent("minute", 110, 110, 1),
        RepeatingEvent("minute", 120, 120, 2),
    ]
    assert feed.next_ts == 130


def test_a_tick_is_handed_out_once() -> None:
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=5)
    assert [e.ts_event for e in feed.take_before(11, 100)] == [0, 5, 10]
    assert feed.take_before(11, 100) == []
    assert [e.ts_event for e in feed.take_before(16, 100)] == [15]


def test_the_limit_leaves_the_rest_for_later() -> None:
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=1)
    assert [e.count for e in feed.take_before(10**18, 3)] == [0, 1, 2]
    assert [e.count for e in feed.take_before(10**18, 2)] == [3, 4]


def test_a_timer_ends_with_the_last_tick_at_or_before_its_end() -> None:
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=10, end_ns=25)
    assert [e.ts_event for e in feed.take_before(1_000, 100)] == [0, 10, 20]
    assert feed.next_ts is None
    assert not feed.has_next()


def test_a_timer_that_is_added_late_keeps_its_count() -> None:
    """k counts from the start, so that a late subscriber sees the same events as an early one."""
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=10)
    feed.skip_before(25)
    assert feed.take_before(31, 10) == [RepeatingEvent("t", 30, 30, 3)]


def test_skipping_to_a_tick_keeps_that_tick_and_never_goes_back() -> None:
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=10)
    feed.skip_before(20)
    feed.skip_before(5)
    assert feed.next_ts == 20


def test_a_timer_of_an_odd_period_does_not_drift() -> None:
    """A third of a second, 3 million times: the last tick is exactly start + k * period."""
    period = 333_333_333
    feed = RepeatingTimerFeed("t", start_ns=7, period_ns=period)
    feed.skip_before(7 + 3_000_000 * period)
    # 3,000,000 x 333,333,333 ns + 7 ns = 999,999,999,000,007 ns
    at = 999_999_999_000_007
    assert feed.take_before(10**18, 1) == [RepeatingEvent("t", at, at, 3_000_000)]


def test_a_one_time_timer_comes_once() -> None:
    feed = OneTimeTimerFeed("alarm", at_ns=50)
    assert feed.take_before(50, 10) == []
    assert feed.take_before(51, 10) == [OneTimeEvent("alarm", 50, 50)]
    assert feed.take_before(100, 10) == []
    assert not feed.has_next()


def test_a_one_time_timer_in_the_past_never_comes() -> None:
    feed = OneTimeTimerFeed("alarm", at_ns=50)
    feed.skip_before(51)
    assert feed.next_ts is None
    assert feed.take_before(100, 10) == []


def test_a_cancelled_timer_is_silent() -> None:
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=10)
    feed.cancel()
    assert feed.take_before(100, 10) == []
    assert feed.next_ts is None


async def test_a_timer_read_by_itself_gives_its_ticks_without_waiting() -> None:
    feed = RepeatingTimerFeed("t", start_ns=0, period_ns=10, end_ns=20)
    assert [e.ts_event for e in await feed.next_batch(2)] == [0, 10]
    event = await feed.next()
    assert event is not None
    assert event.dt_event.microsecond == 0
    assert await feed.next() is None
    await feed.close()
    await feed.close()


@pytest.mark.parametrize("period", [0, -1, 1.5, True])
def test_a_period_that_is_no_positive_int_is_refused(period: object) -> None:
    with pytest.raises(InvalidTime, match="period of timer 't'"):
        RepeatingTimerFeed("t", 0, period)  # type: ignore[arg-type]


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(InvalidTime, match="before it starts"):
        RepeatingTimerFeed("t", 10, 1, end_ns=9)


@given(
    start=st.integers(-(10**18), 10**18),
    period=st.integers(1, 10**15),
    marks=st.lists(st.integers(0, 40), max_size=12),
    limit=st.integers(1, 5),
)
def test_however_the_marks_fall_the_ticks_are_the_same(start: int, period: int, marks: list[int], limit: int) -> None:
    """Windows must not show: the ticks before the last mark are start + k * period, each once."""
    feed = RepeatingTimerFeed("t", start, period)
    seen: list[int] = []
    for mark in sorted(marks):
        while events := feed.take_before(start + mark * period // 2, limit):
            seen += [e.ts_event for e in events]
    last = start + max(marks, default=0) * period // 2
    expected = [start + k * period for k in range(25) if start + k * period < last] if marks else []
    assert seen == expected


def test_moments_that_nobody_was_awake_for_are_told_with_the_last_of_them() -> None:
    """Every 10 from 10 on; at 45 those of 10 to 30 are passed over, and 40 says so. Then it goes on as ever."""
    timer = RepeatingTimerFeed("t", 10, 10)
    timer.miss_until(45)
    told = [(event.ts_event, event.count, event.missed) for event in timer.take_before(71, 100)]
    assert told == [(40, 3, 3), (50, 4, 0), (60, 5, 0), (70, 6, 0)]
    timer.miss_until(75)  # nothing is due
    timer.miss_until(80)  # one is, and it is not late
    assert [(event.ts_event, event.missed) for event in timer.take_before(81, 100)] == [(80, 0)]


def test_a_timer_that_has_ended_misses_nothing_beyond_its_end() -> None:
    timer = RepeatingTimerFeed("t", 10, 10, 30)
    timer.miss_until(1_000)
    assert [(event.ts_event, event.missed) for event in timer.take_before(1_001, 100)] == [(30, 2)]

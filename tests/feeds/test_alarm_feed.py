"""AlarmFeed: moments that are set while the run goes on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import InvalidTime
from tradecore.feeds.alarm_feed import AlarmFeed


@given(st.lists(st.integers(0, 100)), st.integers(0, 100), st.integers(1, 10))
def test_each_moment_is_handed_out_once_and_in_order(times: list[int], mark: int, limit: int) -> None:
    """Whatever the order in which they were set, and however they are asked for."""
    feed = AlarmFeed("alarms")
    for at in times:
        feed.set(at)
    taken: list[int] = []
    while events := feed.take_before(mark, limit):
        assert len(events) <= limit
        taken += [event.ts_event for event in events]
    assert taken == sorted(at for at in times if at < mark)
    assert feed.next_ts == min((at for at in times if at >= mark), default=None)


def test_one_that_is_set_between_two_questions_comes_in_its_turn() -> None:
    """20 was handed out; 15 is over for the feed, but who set it is not disappointed."""
    feed = AlarmFeed("alarms")
    feed.set(20)
    assert [event.ts_event for event in feed.take_before(25, 1)] == [20]
    feed.set(15)
    feed.set(30)
    assert [event.ts_event for event in feed.take_before(25, 5)] == [15]
    assert feed.next_ts == 30


def test_moments_before_its_start_are_left_out() -> None:
    """A feed that is added late starts at now."""
    feed = AlarmFeed("alarms")
    for at in (5, 10, 15):
        feed.set(at)
    feed.skip_before(10)
    assert [event.ts_event for event in feed.take_before(100, 10)] == [10, 15]


def test_a_cancelled_feed_has_no_more() -> None:
    """The run is over."""
    feed = AlarmFeed("alarms")
    feed.set(5)
    feed.cancel()
    assert (feed.next_ts, feed.take_before(10, 1)) == (None, [])


def test_a_moment_that_is_none_is_refused() -> None:
    """Times are whole nanoseconds."""
    with pytest.raises(InvalidTime):
        AlarmFeed("alarms").set(1.5)  # type: ignore[arg-type]

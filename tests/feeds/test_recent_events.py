"""RecentEvents: a run of neighbours kept at once is the run kept one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradecore.feeds.recent_events import RECENT, RecentEvents


@given(
    first=st.integers(0, 3 * RECENT),
    count=st.integers(1, 2 * RECENT + 1),
    step=st.sampled_from((1, 60)),
    before=st.integers(0, RECENT),
)
def test_a_run_is_kept_as_its_events_would_be(first: int, count: int, step: int, before: int) -> None:
    """Also where it goes on at the beginning of the ring, and where it is longer than the ring."""
    at_once, one_by_one = RecentEvents(int, step), RecentEvents(int, step)
    for number in range(max(first - before, 0), first):
        at_once.add(number * step, number * step)
        one_by_one.add(number * step, number * step)
    numbers = [(first + place) * step for place in range(count)]
    at_once.add_run(numbers[-1], numbers)
    for number in numbers:
        one_by_one.add(number, number)
    assert at_once.ring == one_by_one.ring
    assert len(at_once.ring) == RECENT

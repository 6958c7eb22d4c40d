"""Timeline and clocks: DESIGN 4; RELIABILITY 2 (row 14)."""

import pytest

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.engine.timeline import WAIT_S_MAX, ScaledClock, SystemClock, Timeline, compute_wait_s


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.ns = 1_000

    def wall_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def test_now_never_goes_back() -> None:
    timeline = Timeline(10)
    timeline.advance_to(10)
    timeline.advance_to(12)
    with pytest.raises(AssertionError, match="cannot go back from 12 to 11"):
        timeline.advance_to(11)


def test_a_venues_time_goes_on_at_its_rate() -> None:
    """It was noon of its day when ours said 1,000 ns; three seconds of ours are a minute at rate 20."""
    own = HandClock()
    noon = 43_200 * SECOND_NS
    clock = ScaledClock(noon, 20.0, own)
    assert clock.wall_ns() == noon
    own.ns += 3 * SECOND_NS
    assert clock.wall_ns() == noon + MINUTE_NS
    assert clock.monotonic_ns() == own.ns


def test_waiting_is_in_seconds_of_ours() -> None:
    own = HandClock()
    clock = ScaledClock(0, 20.0, own)
    assert compute_wait_s(clock, 10 * SECOND_NS) == 0.5
    assert compute_wait_s(own, own.ns + SECOND_NS) == 1.0


def test_what_is_past_is_not_waited_for_and_nothing_is_waited_for_without_looking_at_the_clock_again() -> None:
    own = HandClock()
    assert compute_wait_s(own, 0) == 0.0
    assert compute_wait_s(own, own.ns + 10**18) == WAIT_S_MAX


def test_the_machines_clock_is_after_this_was_written() -> None:
    assert SystemClock().wall_ns() > 1_767_225_600 * SECOND_NS  # 2026
    assert SystemClock().monotonic_ns() <= SystemClock().monotonic_ns()

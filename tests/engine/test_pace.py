"""Pace: two milliseconds between checkpoints, however slow the callbacks are: DESIGN 6."""

from tradecore.engine.pace import EVENTS_MAX, STRETCH_NS, Pace


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.ns = 0

    def wall_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def pass_stretch(pace: Pace, clock: HandClock, events: int, ns_each: int) -> int:
    pace.begin()
    clock.ns += events * ns_each
    pace.end(events)
    return pace.limit


def test_a_stretch_that_took_too_long_is_cut_to_what_two_milliseconds_hold() -> None:
    """1,024 callbacks of 20 us are 20.48 ms; 100 of them are 2 ms."""
    clock = HandClock()
    assert pass_stretch(Pace(clock), clock, 1_024, 20_000) == 100


def test_one_slow_callback_is_the_least() -> None:
    clock = HandClock()
    assert pass_stretch(Pace(clock), clock, 1, 50 * STRETCH_NS) == 1


def test_it_grows_back_by_doubling_where_callbacks_are_quick_again() -> None:
    clock = HandClock()
    pace = Pace(clock)
    pass_stretch(pace, clock, 1_024, 200_000)
    limits = [pass_stretch(pace, clock, pace.limit, 100) for _ in range(8)]
    assert limits == [20, 40, 80, 160, 320, 640, 1_024, EVENTS_MAX]


def test_a_batch_that_was_not_full_says_nothing_about_larger_ones() -> None:
    clock = HandClock()
    pace = Pace(clock)
    pass_stretch(pace, clock, 1_024, 20_000)
    assert pass_stretch(pace, clock, 3, 100) == 100

"""When to connect again, and what may be asked: pure numbers, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.errors import VenueError
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.frame_quarantine import BYTES_KEPT, FRAMES_KEPT, FrameQuarantine
from tradecore.venues.handshake import read_retry_after
from tradecore.venues.reconnect_schedule import ConnectBudget, ReconnectSchedule, WeightBudget

SETTINGS = ConnectionSettings()


def test_the_bound_doubles_from_half_a_second_to_thirty() -> None:
    """0.5 1 2 4 8 16 30 30 ...: every delay is below its bound, and they differ."""
    schedule = ReconnectSchedule(SETTINGS, "X", seed=1)
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    delays = [schedule.next_delay_s() for _ in bounds]
    assert all(0 <= delay < bound for delay, bound in zip(delays, bounds, strict=True))
    assert len(set(delays)) == len(delays)


def test_only_a_long_life_starts_the_doubling_anew() -> None:
    schedule = ReconnectSchedule(SETTINGS, "X", seed=1)
    for _ in range(10):
        schedule.next_delay_s()
        schedule.note_uptime(29 * SECOND_NS)
    assert schedule.attempt == 10
    schedule.note_uptime(30 * SECOND_NS)
    assert schedule.attempt == 0


def test_the_same_seed_waits_the_same_and_another_does_not() -> None:
    def draw(seed: int, name: str) -> list[float]:
        schedule = ReconnectSchedule(SETTINGS, name, seed)
        return [schedule.next_delay_s() for _ in range(5)]

    assert draw(1, "X") == draw(1, "X")
    assert draw(1, "X") != draw(2, "X")
    assert draw(1, "X") != draw(1, "Y"), "two venues that fall together do not come back together"


def test_what_the_venue_asked_for_is_waited_at_least() -> None:
    assert ReconnectSchedule(SETTINGS, "X", seed=1).next_delay_s(at_least_s=60) >= 60


def test_thousands_of_attempts_do_not_overflow() -> None:
    schedule = ReconnectSchedule(SETTINGS, "X", seed=1)
    schedule.attempt = 5_000
    assert schedule.next_delay_s() <= 30


@given(st.lists(st.integers(0, 60), min_size=1, max_size=200))
def test_no_window_holds_more_connections_than_the_budget(pauses_s: list[int]) -> None:
    budget = ConnectBudget(ConnectionSettings(connects_max=5, connects_window_s=100))
    now, made = 0, []
    for pause_s in pauses_s:
        now += pause_s * SECOND_NS
        wait_s = budget.take(now)
        if wait_s:
            now += round(wait_s * SECOND_NS)
            assert budget.take(now) == 0, "after the wait it is granted"
        made.append(now)
    assert all(sum(1 for other in made if at <= other < at + 100 * SECOND_NS) <= 5 for at in made)


def test_weight_is_granted_until_the_minute_is_full_and_again_in_the_next() -> None:
    budget = WeightBudget(100)
    assert budget.take(60, 10 * SECOND_NS) == 0
    assert budget.take(60, 20 * SECOND_NS) == 40
    assert budget.take(60, 61 * SECOND_NS) == 0
    budget.note_used(95)
    assert budget.take(10, 62 * SECOND_NS) == 58
    assert budget.take(500, 120 * SECOND_NS) == 0, "more than a whole minute's is asked alone"


def test_rejected_frames_are_kept_in_part_and_counted_in_full() -> None:
    quarantine = FrameQuarantine(rejects_per_minute_max=2)
    for number in range(100):
        quarantine.add(b"x" * 1_000, f"reason {number}", number)
    assert quarantine.rejected == 100
    assert len(quarantine.frames) == FRAMES_KEPT
    last = quarantine.frames[-1]
    assert (last.reason, len(last.start), last.size) == ("reason 99", BYTES_KEPT, 1_000)


def test_a_flood_is_more_than_the_limit_within_a_minute() -> None:
    quarantine = FrameQuarantine(rejects_per_minute_max=2)
    for at_s in (0, 1, 59):
        quarantine.add(b"", "", at_s * SECOND_NS)
    assert quarantine.is_flooded(59 * SECOND_NS)
    assert not quarantine.is_flooded(MINUTE_NS)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("90", 90), (None, 5), ("", 5), ("soon", 5), ("Wed, 21 Oct 2026 07:28:00 GMT", 5), ("-3", 5), ("9" * 40, 259_200)],
)
def test_a_retry_after_is_seconds_or_the_default(header: str | None, seconds: float) -> None:
    assert read_retry_after(header, 5) == seconds


@pytest.mark.parametrize("name", ConnectionSettings.__struct_fields__)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_setting_that_cannot_be_meant_is_named(name: str, value: float) -> None:
    with pytest.raises(VenueError, match=name):
        ConnectionSettings(**{name: value})  # type: ignore[arg-type]


def test_deadlines_out_of_order_are_named() -> None:
    with pytest.raises(VenueError, match="frame_deadline_s is 20"):
        ConnectionSettings(frame_deadline_s=20)

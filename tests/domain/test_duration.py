"""Lengths of time as people write them: DESIGN 13."""

from datetime import timedelta

import pytest

from tradecore.domain.duration import parse_duration, to_duration_ns
from tradecore.domain.instant import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tradecore.errors import InvalidTime


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("30d", 30 * DAY_NS),
        ("2w", 14 * DAY_NS),
        ("1h 30m", HOUR_NS + 30 * MINUTE_NS),
        ("1m30s", 90 * SECOND_NS),
        ("250ms", 250_000_000),
        ("0s", 0),
    ],
)
def test_parts_add_up(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "30", "d", "30 days", "1.5h", "-1d", "1h and more", "99999999999d"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidTime, match=r"30d|0 to 36500d"):
        parse_duration(text)


def test_code_may_give_a_timedelta_or_nanoseconds() -> None:
    assert to_duration_ns(timedelta(minutes=2)) == 2 * MINUTE_NS
    assert to_duration_ns(5) == 5
    assert to_duration_ns("5s") == 5 * SECOND_NS
    for wrong in (timedelta(seconds=-1), -1, True, 40_000 * DAY_NS):
        with pytest.raises(InvalidTime):
            to_duration_ns(wrong)

"""Times of files: what is read, and what is refused because it could mean two things."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.instant import MAX_NS, MIN_NS, format_ns, parse_ns, to_ns
from tradecore.domain.trading_session import parse_session
from tradecore.errors import InvalidTime
from tradecore.storage.importing.time_column import TimeColumn, recognise_time_form


@pytest.mark.parametrize(
    ("sample", "form"),
    [
        ("2020-01-01 00:00:00", "iso"),
        ("2020-01-01T00:00:00.123456789Z", "iso"),
        ("2012.02.01 00:00", "iso"),
        ("2020/1/5 9:30:00+02:00", "iso"),
        ("2020-01-01", "date"),
        ("1577836800", "s"),
        ("1577836800.25", "s"),
        ("1577836800000", "ms"),
        ("1577836800000000", "us"),
        ("1577836800000000000", "ns"),
    ],
)
def test_forms_with_one_meaning_are_recognised(sample: str, form: str) -> None:
    assert recognise_time_form(sample) == form


@pytest.mark.parametrize("sample", ["01/02/2020 10:00", "1.2.20", "20200101", "12345", "yesterday", ""])
def test_forms_with_two_meanings_or_none_ask_for_time_form(sample: str) -> None:
    """20200101 is a day, or a second of 1970; 01/02 is January or February."""
    with pytest.raises(InvalidTime, match="time_form"):
        recognise_time_form(sample)


def test_a_time_without_a_zone_needs_one() -> None:
    assert TimeColumn("iso", None).needs_zone("2020-01-01 00:00:00")
    assert not TimeColumn("iso", "UTC").needs_zone("2020-01-01 00:00:00")
    assert not TimeColumn("iso", None).needs_zone("2020-01-01 00:00:00Z")
    assert not TimeColumn("ms", None).needs_zone("1577836800000")
    assert TimeColumn("%d.%m.%Y %H:%M", None).needs_zone("01.02.2020 10:00")


def test_local_times_follow_the_clock_of_their_place() -> None:
    times = TimeColumn("iso", "America/New_York")
    assert format_ns(times.read("2024-01-15 09:30:00")) == "2024-01-15T14:30:00Z"
    assert format_ns(times.read("2024-07-15 09:30:00")) == "2024-07-15T13:30:00Z"


@pytest.mark.parametrize("text", ["2024-11-03 01:30:00", "2024-03-10 02:30:00"])
def test_an_hour_that_the_clocks_repeat_or_skip_is_refused(text: str) -> None:
    """01:30 on 2024-11-03 happened twice in New York, 02:30 on 2024-03-10 never."""
    with pytest.raises(InvalidTime, match="twice or never"):
        TimeColumn("iso", "America/New_York").read(text)


def test_rows_with_and_without_a_zone_do_not_mix() -> None:
    times = TimeColumn("iso", None)
    times.read("2024-01-15T00:00:00Z")
    with pytest.raises(InvalidTime, match="mixes zones"):
        times.read("2024-01-15T00:01:00")


def test_changing_offsets_need_the_place_that_explains_them() -> None:
    """Offsets that change are two zones in one file, unless one place's clock explains both."""
    summer, winter = "2024-07-15T09:30:00-04:00", "2024-12-15T09:30:00-05:00"
    times = TimeColumn("iso", None)
    times.read(summer)
    with pytest.raises(InvalidTime, match="mixes zones"):
        times.read(winter)
    explained = TimeColumn("iso", "America/New_York")
    assert format_ns(explained.read(summer)) == "2024-07-15T13:30:00Z"
    assert format_ns(explained.read(winter)) == "2024-12-15T14:30:00Z"


def test_a_zone_that_contradicts_the_data_is_refused() -> None:
    with pytest.raises(InvalidTime, match="leave timezone out"):
        TimeColumn("iso", "Asia/Tokyo").read("2024-01-15T00:00:00Z")


def test_days_end_at_the_close_of_the_session() -> None:
    times = TimeColumn("date", None, parse_session("09:30-16:00 America/New_York"))
    assert format_ns(times.read("2024-01-15")) == "2024-01-15T21:00:00Z"
    assert format_ns(times.read("2024-01-15 00:00:00")) == "2024-01-15T21:00:00Z"
    with pytest.raises(InvalidTime, match="time of day"):
        times.read("2024-01-15 09:30:00")


def test_patterns_are_read_as_they_are_given() -> None:
    assert format_ns(TimeColumn("%d/%m/%Y %H:%M", "UTC").read("01/02/2020 10:00")) == "2020-02-01T10:00:00Z"
    assert format_ns(TimeColumn("%m/%d/%Y %H:%M", "UTC").read("01/02/2020 10:00")) == "2020-01-02T10:00:00Z"
    assert TimeColumn("%Y%m%d", None, parse_session("24x7")).is_date_only


def test_fractions_of_seconds_since_1970_are_exact() -> None:
    assert TimeColumn("s", None).read("1577836800.000000001") == 1_577_836_800_000_000_001
    with pytest.raises(InvalidTime, match="nanosecond"):
        TimeColumn("ns", None).read("1577836800000000000.5")


@pytest.mark.parametrize("text", ["2024-02-30 00:00:00", "2024-01-01 25:00:00", "noon", "2024-01-01T10:00:00+5"])
def test_times_on_no_clock_are_refused(text: str) -> None:
    with pytest.raises(InvalidTime):
        TimeColumn("iso", "UTC").read(text)


@given(st.integers(MIN_NS, MAX_NS))
def test_what_format_ns_writes_is_read_back_to_the_nanosecond(at_ns: int) -> None:
    text = format_ns(at_ns)
    assert TimeColumn("iso", None).read(text) == parse_ns(text) == at_ns


@given(st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_offsets_are_subtracted(local: datetime, minutes: int) -> None:
    sign, shown = "-" if minutes < 0 else "+", f"{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    instant = TimeColumn("iso", None).read(f"{local:%Y-%m-%d %H:%M:%S.%f}{sign}{shown}")
    assert instant == to_ns((local - timedelta(minutes=minutes)).replace(tzinfo=UTC))

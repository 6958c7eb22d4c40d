"""Sessions: instants of opens and closes over clock changes, weekends and midnight."""

from datetime import date

import pytest

from tradecore.domain.instant import format_ns, parse_ns
from tradecore.domain.trading_session import find_zone, parse_session
from tradecore.errors import InvalidName

NEW_YORK_STOCKS = "09:30-16:00 America/New_York"


def test_a_stock_session_closes_at_the_wall_clock_of_its_place_in_winter_and_summer() -> None:
    session = parse_session(NEW_YORK_STOCKS)
    # New York is UTC-5 in winter and UTC-4 in summer.
    assert format_ns(session.compute_close_ns(date(2024, 1, 15))) == "2024-01-15T21:00:00Z"
    assert format_ns(session.compute_close_ns(date(2024, 7, 15))) == "2024-07-15T20:00:00Z"
    assert format_ns(session.compute_open_ns(date(2024, 7, 15))) == "2024-07-15T13:30:00Z"


def test_a_day_that_never_closes_ends_at_the_next_utc_midnight() -> None:
    session = parse_session("24x7")
    assert format_ns(session.compute_open_ns(date(2024, 2, 28))) == "2024-02-28T00:00:00Z"
    assert format_ns(session.compute_close_ns(date(2024, 2, 28))) == "2024-02-29T00:00:00Z"


def test_a_currency_day_runs_from_five_to_five_in_new_york() -> None:
    session = parse_session("fx")
    # Monday 2024-01-15 began on Sunday at 17:00 New York, which is 22:00 UTC.
    assert format_ns(session.compute_open_ns(date(2024, 1, 15))) == "2024-01-14T22:00:00Z"
    assert format_ns(session.compute_close_ns(date(2024, 1, 15))) == "2024-01-15T22:00:00Z"


def test_an_overnight_session_opens_the_evening_before() -> None:
    session = parse_session("18:00-17:00 America/New_York")
    assert format_ns(session.compute_open_ns(date(2024, 1, 16))) == "2024-01-15T23:00:00Z"


@pytest.mark.parametrize(
    ("text", "after", "close"),
    [
        (NEW_YORK_STOCKS, "2024-01-12T20:59:59Z", "2024-01-12T21:00:00Z"),  # Friday
        (NEW_YORK_STOCKS, "2024-01-12T21:00:00Z", "2024-01-15T21:00:00Z"),  # strictly after: Monday
        ("fx", "2024-01-13T12:00:00Z", "2024-01-15T22:00:00Z"),  # Saturday
        ("24x7", "2024-01-13T12:00:00Z", "2024-01-14T00:00:00Z"),
        ("24x7", "2024-01-14T00:00:00Z", "2024-01-15T00:00:00Z"),
    ],
)
def test_the_next_close_is_the_first_one_strictly_after(text: str, after: str, close: str) -> None:
    assert format_ns(parse_session(text).compute_next_close_ns(parse_ns(after))) == close


@pytest.mark.parametrize("text", [NEW_YORK_STOCKS, "24x7", "fx", "18:00-17:00 America/Chicago"])
def test_the_close_of_a_day_belongs_to_that_day(text: str) -> None:
    """Daily bars are stamped at the close, and are asked back for their day."""
    session = parse_session(text)
    for day in (date(2024, 3, 8), date(2024, 3, 11), date(2024, 11, 4)):  # around both clock changes
        assert session.find_day(session.compute_close_ns(day)) == day


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("9-16", "09:30-16:00"),
        ("09:30-25:00 UTC", "clock"),
        ("09:30-16:00 America/Gotham", "America/Gotham"),
        ("", "24x7"),
    ],
)
def test_a_session_that_cannot_be_read_says_what_was_expected(text: str, word: str) -> None:
    with pytest.raises(InvalidName, match=word):
        parse_session(text)


@pytest.mark.parametrize("name", ["", "../etc/passwd", "Mars/Base"])
def test_an_unknown_zone_is_a_typed_error(name: str) -> None:
    with pytest.raises(InvalidName, match="IANA"):
        find_zone(name)

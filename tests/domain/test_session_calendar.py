"""Sessions from a table of the week and from an exchange calendar: spans, days and what is refused."""

import subprocess
import sys
from datetime import date

import pytest

from tradecore.domain.instant import format_ns, parse_ns
from tradecore.domain.trading_session import parse_session
from tradecore.errors import InvalidName, InvalidTime

GLOBEX = "Mon-Thu 17:00-16:00, Fri 17:00-15:00 America/Chicago"
TOKYO = "Mon-Fri 09:00-11:30, Mon-Fri 12:30-15:00 Asia/Tokyo"


def spans(text: str, day: date) -> list[str]:
    return [
        f"{format_ns(opens)[5:16]} {format_ns(closes)[5:16]}" for opens, closes in parse_session(text).list_spans(day)
    ]


def test_a_table_of_the_week_gives_each_weekday_its_hours() -> None:
    """Chicago is UTC-6 in January: Friday's session ends an hour earlier, Saturday has none."""
    assert spans(GLOBEX, date(2024, 1, 11)) == ["01-10T23:00 01-11T22:00"]
    assert spans(GLOBEX, date(2024, 1, 12)) == ["01-11T23:00 01-12T21:00"]
    assert spans(GLOBEX, date(2024, 1, 13)) == []


def test_a_lunch_break_makes_two_stretches_of_one_day() -> None:
    session = parse_session(TOKYO)
    assert spans(TOKYO, date(2024, 1, 15)) == ["01-15T00:00 01-15T02:30", "01-15T03:30 01-15T06:00"]
    assert format_ns(session.compute_next_close_ns(parse_ns("2024-01-15T01:00:00Z"))) == "2024-01-15T06:00:00Z"
    at_lunch = session.find_span(parse_ns("2024-01-15T03:00:00Z"))
    assert [format_ns(ns) for ns in at_lunch] == ["2024-01-15T03:30:00Z", "2024-01-15T06:00:00Z"]


def test_days_may_wrap_around_the_weekend() -> None:
    session = parse_session("Sat-Sun 10:00-12:00, Wed 10:00-11:00 UTC")
    assert [session.is_session_day(date(2024, 1, day)) for day in range(15, 22)] == [
        False,
        False,
        True,
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mon-Fry 09:00-10:00 UTC", "cannot be read"),
        ("Mon 09:00 UTC", "cannot be read"),
        ("Mon 09:00-24:00 UTC", "no clock shows"),
        ("Mon 09:00-12:00, Mon 11:00-13:00 UTC", "hours of Mon overlap"),
        ("Mon 09:00-12:00 Mars/Base", "Mars/Base"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(text: str, said: str) -> None:
    with pytest.raises(InvalidName, match=said):
        parse_session(text)


# ----------------------------------------------------------------------------------------------------------- calendars


def test_a_calendar_knows_holidays_and_short_days() -> None:
    """New York closed at 13:00 on 3 July 2024 and stayed closed on the 4th."""
    pytest.importorskip("exchange_calendars")
    session = parse_session("calendar:XNYS")
    assert spans("calendar:XNYS", date(2024, 7, 3)) == ["07-03T13:30 07-03T17:00"]
    assert not session.is_session_day(date(2024, 7, 4))
    assert format_ns(session.compute_next_close_ns(parse_ns("2024-07-03T17:00:00Z"))) == "2024-07-05T20:00:00Z"
    assert session.find_day(parse_ns("2024-07-04T12:00:00Z")) == date(2024, 7, 5)
    with pytest.raises(InvalidTime, match="2024-07-04 is no session"):
        session.compute_close_ns(date(2024, 7, 4))


def test_a_calendar_knows_lunch_breaks_and_its_own_bounds() -> None:
    pytest.importorskip("exchange_calendars")
    assert spans("calendar:XTKS", date(2024, 1, 15)) == ["01-15T00:00 01-15T02:30", "01-15T03:30 01-15T06:00"]
    with pytest.raises(InvalidTime, match="XTKS does not reach into 1990"):
        parse_session("calendar:XTKS").list_spans(date(1990, 1, 2))


def test_an_unknown_calendar_is_named() -> None:
    pytest.importorskip("exchange_calendars")
    with pytest.raises(InvalidName, match="no exchange calendar is called 'NYSE2'"):
        parse_session("calendar:NYSE2")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(InvalidName, match=r'pip install "tradecore\[calendars\]"'):
        parse_session("calendar:XLON")


def test_the_library_is_not_loaded_unless_a_session_names_a_calendar() -> None:
    """It takes about a second, and tradecore must be there in a fifth of one."""
    code = (
        "import sys, tradecore; from tradecore.domain.trading_session import parse_session; parse_session('fx'); "
        "print('exchange_calendars' in sys.modules or 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

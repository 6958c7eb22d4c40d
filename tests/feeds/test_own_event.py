"""Own events: a user's class with the four members of the protocol is enough; times without a zone are not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from tradecore.errors import InvalidEvent, InvalidTime
from tradecore.feeds.own_event import check_event, received_at, stamp_own_event
from tradecore.testing.builders import make_bar, make_trade_tick

NOON = datetime(2024, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
NOON_NS = 1_704_110_400_000_005_000  # 2024-01-01T12:00:00.000005Z


class News:
    """The protocol's four members and nothing else."""

    event_type = "news"

    def __init__(self, dt_event: Any, dt_received: Any) -> None:
        self.dt_event, self.dt_received = dt_event, dt_received

    def __lt__(self, other: Any) -> bool:
        return bool((self.dt_event, self.dt_received) < (other.dt_event, other.dt_received))


@dataclass(frozen=True)
class Rate:
    dt_event: datetime
    dt_received: datetime
    event_type: str = "rate"


class Stamped(msgspec.Struct, frozen=True):
    ts_event: int
    ts_received: int
    event_type: str = "stamped"


def test_a_class_with_datetimes_is_stamped_in_nanoseconds() -> None:
    assert stamp_own_event(News(NOON, NOON + timedelta(microseconds=3))) == (NOON_NS, NOON_NS + 3_000)


def test_a_class_with_int_nanoseconds_is_taken_at_its_word() -> None:
    assert stamp_own_event(Stamped(7, 9)) == (7, 9)


def test_our_own_events_keep_their_nanoseconds() -> None:
    assert stamp_own_event(make_bar(17, received=19)) == (17, 19)


@pytest.mark.parametrize("moment", [datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1)))])
def test_naive_and_non_utc_times_are_refused_naming_class_and_member(moment: datetime) -> None:
    with pytest.raises(InvalidTime, match="dt_event of News"):
        stamp_own_event(News(moment, NOON))
    with pytest.raises(InvalidTime, match="dt_received of News"):
        check_event(News(NOON, moment))


@pytest.mark.parametrize("moment", [5, "2024-01-01", 3.5])
def test_a_time_that_is_no_datetime_is_refused(moment: object) -> None:
    with pytest.raises(InvalidTime, match="expected an aware UTC datetime"):
        stamp_own_event(News(moment, NOON))


def test_an_object_that_is_no_event_is_told_what_an_event_needs() -> None:
    with pytest.raises(InvalidEvent, match="needs dt_received, dt_event, event_type and __lt__"):
        check_event(object())
    with pytest.raises(InvalidEvent, match="has no dt_event"):
        stamp_own_event(object())


def test_our_market_events_are_checked_for_what_no_market_can_have() -> None:
    good = make_trade_tick(1)
    check_event(good)
    with pytest.raises(InvalidEvent, match="price is nan"):
        check_event(msgspec.structs.replace(good, price=float("nan")))


def test_nanoseconds_beyond_64_bits_are_refused() -> None:
    with pytest.raises(InvalidTime, match="64 bits"):
        stamp_own_event(Stamped(2**63, 0))


def test_a_dataclass_and_a_struct_are_copied_with_their_later_time() -> None:
    rate = Rate(NOON, NOON)
    late = received_at(rate, NOON_NS + 1_000_000)
    assert late == Rate(NOON, NOON + timedelta(milliseconds=1))
    assert rate.dt_received == NOON
    assert received_at(Stamped(7, 9), 11) == Stamped(7, 11)


def test_an_object_that_cannot_be_copied_stays_as_it_is() -> None:
    news = News(NOON, NOON)
    assert received_at(news, NOON_NS + 5) is news
    assert news.dt_received == NOON

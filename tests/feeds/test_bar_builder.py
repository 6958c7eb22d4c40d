"""Bar builders: hand-worked bars, their received times, partial and empty intervals."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import FLAT, SIZE_UNKNOWN
from tradecore.domain.trading_session import parse_session
from tradecore.errors import FeedMismatch
from tradecore.feeds.bar_builder import TickBarBuilder, TimeBarBuilder
from tradecore.feeds.bar_intervals import interval_finder
from tradecore.testing.builders import make_bar, make_bars, make_ns, make_quote_tick, make_trade_tick

SECOND = 10**9
MINUTE = 60 * SECOND
T0 = make_ns("2024-01-01T10:00")


def make_builder(bar_type: str = "TEST.SIM 5m last", start: Any = T0, **options: Any) -> TimeBarBuilder:
    kind = BarType.parse(bar_type)
    return TimeBarBuilder(kind, interval_finder(kind), start_ns=None if start is None else make_ns(start), **options)


def build(builder: Any, events: list[Any]) -> list[Bar]:
    return list(builder.build(events))


def test_five_minutes_make_one_bar_received_with_the_last_of_them() -> None:
    """The minute that ends at 10:05 completes the five minutes: nothing later can belong to them."""
    minutes = [
        make_bar("2024-01-01T10:01", open=10, high=12, low=9, close=11, volume=1),
        make_bar("2024-01-01T10:02", open=11, high=15, low=11, close=14, volume=2),
        make_bar("2024-01-01T10:03", open=14, high=14, low=8, close=9, volume=3),
        make_bar("2024-01-01T10:04", open=9, high=10, low=9, close=10, volume=4),
        make_bar("2024-01-01T10:05", open=10, high=13, low=10, close=12, volume=5),
    ]
    # open of the first 10, highest 15, lowest 8, close of the last 12, 1 + 2 + 3 + 4 + 5 = 15
    at = make_ns("2024-01-01T10:05")
    assert build(make_builder(), minutes) == [
        Bar(BarType.parse("TEST.SIM 5m last"), at, at, 10.0, 15.0, 8.0, 12.0, 15.0)
    ]


def test_the_completing_minute_is_enough_when_it_comes_late() -> None:
    """Received 1.2 s after its end, as live: the five minutes are received with it, not before."""
    minutes = make_bars([1, 2, 3, 4], start="2024-01-01T10:00")
    last = make_bar("2024-01-01T10:05", 5, received=make_ns("2024-01-01T10:05") + 1_200_000_000)
    (bar,) = build(make_builder(), [*minutes, last])
    assert bar.ts_event == make_ns("2024-01-01T10:05")
    assert bar.ts_received == make_ns("2024-01-01T10:05") + 1_200_000_000


def test_a_tick_at_the_end_belongs_to_the_next_bar_and_the_bar_is_known_at_its_end() -> None:
    ticks = [
        make_trade_tick("2024-01-01T10:00:00", 10, 1),
        make_trade_tick("2024-01-01T10:04:59.999999", 12, 2),
        make_trade_tick("2024-01-01T10:05:00", 99, 7),
    ]
    at = make_ns("2024-01-01T10:05")
    assert build(make_builder(), ticks) == [Bar(BarType.parse("TEST.SIM 5m last"), at, at, 10.0, 12.0, 10.0, 12.0, 3.0)]


def test_a_bar_waits_for_its_delayed_last_part() -> None:
    """A trade of 10:04:59 heard at 10:05:02 is in the bar, so nobody can have had the bar before 10:05:02."""
    ticks = [
        make_trade_tick("2024-01-01T10:00:00", 10),
        make_trade_tick("2024-01-01T10:04:59", 12, received="2024-01-01T10:05:02"),
        make_trade_tick("2024-01-01T10:06:00", 13, received="2024-01-01T10:06:02"),
    ]
    (bar,) = build(make_builder(), ticks)
    assert bar.ts_received == make_ns("2024-01-01T10:05:02")
    assert bar.close == 12


def test_with_a_grace_the_first_tick_past_the_end_closes_or_the_end_of_the_grace() -> None:
    """Grace 10 s: a tick 3 s past the end closes at once; a tick 40 s past it is too late to be waited for."""
    early = [make_trade_tick("2024-01-01T10:00"), make_trade_tick("2024-01-01T10:05:03")]
    late = [make_trade_tick("2024-01-01T10:00"), make_trade_tick("2024-01-01T10:05:40")]
    grace = 10 * SECOND
    (bar,) = build(make_builder(close_grace_ns=grace), early)
    assert bar.ts_received == make_ns("2024-01-01T10:05:03")
    (bar,) = build(make_builder(close_grace_ns=grace), late)
    assert bar.ts_received == make_ns("2024-01-01T10:05:10")


def test_a_missing_last_minute_closes_the_bar_at_its_end() -> None:
    minutes = [make_bar("2024-01-01T10:01", 1), make_bar("2024-01-01T10:06", 6), make_bar("2024-01-01T10:07", 7)]
    (bar,) = build(make_builder(), minutes)
    assert (bar.ts_event, bar.ts_received, bar.close) == (T0 + 5 * MINUTE, T0 + 5 * MINUTE, 1.0)


def test_a_first_bar_that_the_input_joined_late_is_counted_and_not_emitted() -> None:
    """The first tick at 10:01 says nothing of what happened since 10:00."""
    ticks = [
        make_trade_tick("2024-01-01T10:01"),
        make_trade_tick("2024-01-01T10:05"),
        make_trade_tick("2024-01-01T10:10"),
    ]
    builder = make_builder(start=None)
    bars = build(builder, ticks)
    assert [bar.ts_event for bar in bars] == [make_ns("2024-01-01T10:10")]
    assert builder.partial_bars == 1


def test_a_first_bar_is_whole_when_its_input_begins_with_it() -> None:
    minutes = make_bars([1, 2, 3, 4, 5], start="2024-01-01T10:00")
    builder = make_builder(start=None)
    assert len(build(builder, minutes)) == 1
    assert builder.partial_bars == 0
    builder = make_builder(start=None)
    assert build(builder, minutes[1:]) == []
    assert builder.partial_bars == 1


def test_a_first_bar_is_whole_when_the_source_is_known_to_cover_its_start() -> None:
    """A quiet first minute is quiet, not missing, if the source was read from 10:00 on."""
    ticks = [make_trade_tick("2024-01-01T10:01"), make_trade_tick("2024-01-01T10:05")]
    assert len(build(make_builder(start="2024-01-01T10:00"), ticks)) == 1
    assert build(make_builder(start="2024-01-01T10:00:30"), ticks) == []


def test_empty_intervals_are_skipped_or_flat_and_flagged() -> None:
    """10:00 has a trade at 7; 10:05 and 10:10 none; the trade of 10:17 ends the silence."""
    ticks = [make_trade_tick("2024-01-01T10:00", 7), make_trade_tick("2024-01-01T10:17", 9)]
    skipped = build(make_builder(), ticks)
    assert [bar.ts_event for bar in skipped] == [T0 + 5 * MINUTE]
    flat = build(make_builder(empty="flat"), ticks)
    kind = BarType.parse("TEST.SIM 5m last")
    assert flat[1:] == [
        Bar(kind, T0 + 10 * MINUTE, T0 + 10 * MINUTE, 7.0, 7.0, 7.0, 7.0, 0.0, FLAT),
        Bar(kind, T0 + 15 * MINUTE, T0 + 15 * MINUTE, 7.0, 7.0, 7.0, 7.0, 0.0, FLAT),
    ]


def test_a_long_silence_is_filled_one_bar_at_a_time() -> None:
    """A year of flat seconds must not be made at once."""
    builder = make_builder("TEST.SIM 1s last", empty="flat")
    made = builder.build([make_trade_tick(T0), make_trade_tick(T0 + 365 * 86_400 * SECOND)])
    assert [next(made).ts_event for _ in range(3)] == [T0 + SECOND, T0 + 2 * SECOND, T0 + 3 * SECOND]


def test_time_that_passes_at_the_end_closes_what_is_over_and_nothing_else() -> None:
    tick = make_trade_tick("2024-01-01T10:02")
    for until, count in (("2024-01-01T10:04:59", 0), ("2024-01-01T10:05", 1)):
        builder = make_builder()
        assert build(builder, [tick]) == []
        assert len(list(builder.finish(make_ns(until)))) == count
    builder = make_builder()
    build(builder, [tick])
    assert list(builder.finish(None)) == []


def test_flat_bars_go_on_to_the_end_of_time_given() -> None:
    builder = make_builder(empty="flat")
    build(builder, [make_trade_tick("2024-01-01T10:02", 3)])
    bars = list(builder.finish(make_ns("2024-01-01T10:16")))
    assert [(bar.ts_event - T0) // MINUTE for bar in bars] == [5, 10, 15]
    assert [bar.flags for bar in bars] == [0, FLAT, FLAT]


def test_quotes_make_bid_ask_and_mid_bars_without_volume() -> None:
    quotes = [
        make_quote_tick("2024-01-01T10:00", 10, 12),
        make_quote_tick("2024-01-01T10:01", 13, 15),
        make_quote_tick("2024-01-01T10:05", 1, 2),
    ]
    expected = {"bid": (10.0, 13.0), "ask": (12.0, 15.0), "mid": (11.0, 14.0)}  # mid: (10 + 12) / 2, (13 + 15) / 2
    for price, (first, last) in expected.items():
        (bar,) = build(make_builder(f"TEST.SIM 5m {price}"), quotes)
        assert (bar.open, bar.close, bar.volume, bar.flags) == (first, last, 0.0, SIZE_UNKNOWN)


def test_one_part_of_unknown_size_makes_the_volume_unknown() -> None:
    ticks = [make_trade_tick(T0, 1, 5), make_trade_tick(T0 + 1, 1, None), make_trade_tick(T0 + 5 * MINUTE, 1, 5)]
    (bar,) = build(make_builder(), ticks)
    assert (bar.volume, bar.flags) == (0.0, SIZE_UNKNOWN)


def test_days_end_at_utc_midnight_weeks_on_monday() -> None:
    """2024-01-03 is a Wednesday; its week runs from Monday the 1st to Monday the 8th."""
    at = make_ns("2024-01-03T15:00")
    day, week = BarType.parse("TEST.SIM 1d last"), BarType.parse("TEST.SIM 1w last")
    assert interval_finder(day)(at) == (make_ns("2024-01-03T00:00"), make_ns("2024-01-04T00:00"))
    assert interval_finder(week)(at) == (make_ns("2024-01-01T00:00"), make_ns("2024-01-08T00:00"))


def test_a_day_of_a_session_runs_from_close_to_close_across_the_weekend() -> None:
    """New York closes at 16:00: 21:00 UTC in winter. Monday the 8th began with Friday's close."""
    kind = BarType.parse("IBM.NYSE 1d last")
    find = interval_finder(kind, parse_session("09:30-16:00 America/New_York"))
    assert find(make_ns("2024-01-08T15:00")) == (make_ns("2024-01-05T21:00"), make_ns("2024-01-08T21:00"))
    assert find(make_ns("2024-01-08T21:00"))[0] == make_ns("2024-01-08T21:00")


def test_a_session_matters_to_bars_of_one_day_alone() -> None:
    """09:30 New York is 14:30 UTC, which is no multiple of an hour; hours stay on the UTC grid."""
    find = interval_finder(BarType.parse("IBM.NYSE 1h last"), parse_session("09:30-16:00 America/New_York"))
    assert find(make_ns("2024-01-08T14:30")) == (make_ns("2024-01-08T14:00"), make_ns("2024-01-08T15:00"))


def test_a_session_around_the_clock_ends_days_at_utc_midnight() -> None:
    find = interval_finder(BarType.parse("BTC.X 1d last"), parse_session("24x7"))
    assert find(make_ns("2024-01-06T15:00")) == (make_ns("2024-01-06T00:00"), make_ns("2024-01-07T00:00"))


def test_daily_bars_that_end_at_the_close_make_weeks() -> None:
    """Monday to Friday close inside the UTC week; the week is over when Monday comes."""
    days = [make_bar(f"2024-01-{day:02}T21:00", day, bar_type="IBM.NYSE 1d last") for day in (1, 2, 3, 4, 5, 8)]
    builder = make_builder("IBM.NYSE 1w last", start=None)
    (week,) = build(builder, days)
    assert (week.open, week.close, week.ts_event) == (1.0, 5.0, make_ns("2024-01-08T00:00"))


def test_three_ticks_make_a_tick_bar_received_with_the_third() -> None:
    ticks = [make_trade_tick(n, price, n + 1, received=n + 5) for n, price in enumerate([5, 9, 4, 6])]
    builder = TickBarBuilder(BarType.parse("TEST.SIM 3t last"))
    # open 5, high 9, low 4, close 4, volume 1 + 2 + 3
    assert build(builder, ticks) == [Bar(BarType.parse("TEST.SIM 3t last"), 2, 7, 5.0, 9.0, 4.0, 4.0, 6.0)]
    assert list(builder.finish(10**18)) == []


@pytest.mark.parametrize(
    ("bar_type", "part", "why"),
    [
        ("TEST.SIM 5m last", make_trade_tick(T0, instrument="OTHER.SIM"), "instrument is OTHER.SIM"),
        ("TEST.SIM 5m last", make_quote_tick(T0), "made of TradeTicks or bars"),
        ("TEST.SIM 5m bid", make_trade_tick(T0), "made of QuoteTicks or bars"),
        ("TEST.SIM 5m last", make_bar(T0, bar_type="TEST.SIM 2m last"), "divide"),
        ("TEST.SIM 5m last", make_bar(T0, bar_type="TEST.SIM 5m last"), "smaller"),
        ("TEST.SIM 5m last", make_bar(T0, bar_type="TEST.SIM 1h last"), "smaller"),
        ("TEST.SIM 5m last", make_bar(T0, bar_type="TEST.SIM 1m bid"), "price is 'bid'"),
        ("TEST.SIM 5m last", make_bar(T0, bar_type="OTHER.SIM 1m last"), "instrument is OTHER.SIM"),
    ],
)
def test_a_source_that_does_not_suit_is_refused_saying_why(bar_type: str, part: Any, why: str) -> None:
    with pytest.raises(FeedMismatch, match=why):
        build(make_builder(bar_type), [part])


def test_tick_bars_of_bars_are_refused() -> None:
    with pytest.raises(FeedMismatch, match="made of ticks"):
        build(TickBarBuilder(BarType.parse("TEST.SIM 10t last")), [make_bar(T0)])


def test_a_bar_that_is_there_twice_is_refused() -> None:
    minutes = make_bars([1, 2, 3, 4, 5], start="2024-01-01T10:00")
    with pytest.raises(FeedMismatch, match="there twice"):
        build(make_builder(), [*minutes, minutes[-1]])


@given(
    gaps=st.lists(st.integers(0, 200), min_size=1, max_size=60),
    delays=st.lists(st.integers(0, 300), min_size=60, max_size=60),
    grace=st.integers(0, 90),
    empty=st.sampled_from(["skip", "flat"]),
    cut=st.integers(0, 60),
)
def test_bars_show_no_future_and_do_not_depend_on_batches(
    gaps: list[int], delays: list[int], grace: int, empty: str, cut: int
) -> None:
    """Every tick is in exactly one bar or in the one still open; each bar is received after all its parts."""
    now, received, ticks = T0, T0, []
    for n, (gap, delay) in enumerate(zip(gaps, delays, strict=False)):
        now += gap * SECOND
        received = max(received, now + delay * SECOND)
        ticks.append(make_trade_tick(now, 100.0 + n % 7, 1.0, received=received))
    options: dict[str, Any] = {"close_grace_ns": grace * SECOND, "empty": empty}
    whole = build(make_builder("TEST.SIM 1m last", **options), ticks)
    parted = make_builder("TEST.SIM 1m last", **options)
    assert build(parted, ticks[:cut]) + build(parted, ticks[cut:]) == whole
    assert [b.ts_event for b in whole] == sorted({b.ts_event for b in whole})
    assert [b.ts_received for b in whole] == sorted(b.ts_received for b in whole)
    last_end = whole[-1].ts_event if whole else T0
    for bar in whole:
        parts = [t for t in ticks if bar.ts_event - MINUTE <= t.ts_event < bar.ts_event]
        assert bar.volume == float(len(parts))
        assert bar.ts_received >= max([bar.ts_event, *(t.ts_received for t in parts)])
    assert len([t for t in ticks if t.ts_event < last_end]) == sum(int(b.volume) for b in whole)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(0, 40))
def test_a_run_to_a_cut_makes_a_prefix_of_the_bars_of_the_longer_run(gaps: list[int], cut: int) -> None:
    """Noise after the cut changes no bar that was known before it."""
    times: list[int] = []
    now = T0
    for gap in gaps:
        now += gap * 15 * SECOND
        times.append(now)
    ticks = [make_trade_tick(t, 100.0 + n) for n, t in enumerate(times)]
    until = times[min(cut, len(times) - 1)]
    short = make_builder("TEST.SIM 1m last")
    known = [t for t in ticks if t.ts_event <= until]
    first = build(short, known) + list(short.finish(until))
    longer = build(make_builder("TEST.SIM 1m last"), ticks)
    assert [b for b in longer if b.ts_received <= until] == [b for b in first if b.ts_received <= until]

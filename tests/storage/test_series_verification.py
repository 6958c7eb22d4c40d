"""SeriesVerifier: counts worked by hand."""

from __future__ import annotations

from contextlib import closing

import pytest

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import DAY_NS, HOUR_NS, MINUTE_NS
from tradecore.storage.covered_span import join_spans
from tradecore.storage.market_data_storage import Gap, Series, Span, VerifyReport
from tradecore.storage.series_verification import SeriesVerifier
from tradecore.testing.storage_contract import BARS, QUOTES, START, TRADES, make_minute_bar, make_quote, make_trade

EVERYTHING = [Span(START - DAY_NS, START + 900 * DAY_NS)]


def verify_bars(minutes: list[int], spans: list[Span] = EVERYTHING) -> VerifyReport:
    with closing(SeriesVerifier(BARS, spans)) as verifier:
        verifier.take([make_minute_bar(minute) for minute in minutes])
        return verifier.report()


def at(minute: int) -> int:
    return START + minute * MINUTE_NS


def test_a_gap_counts_the_bars_that_would_fit() -> None:
    report = verify_bars([1, 2, 5, 6, 7, 9])
    assert report.gaps == (Gap(at(2), at(5), 2), Gap(at(7), at(9), 1))
    assert report.gap_count == 2
    assert report.is_sound


@pytest.mark.parametrize(
    ("spans", "missing"),
    [
        ([Span(at(0), at(99))], 7),  # 3 ... 9
        ([Span(at(0), at(4))], 2),  # 3, 4
        ([Span(at(8), at(99))], 2),  # 8, 9
        ([Span(at(5), at(6)), Span(at(8), at(8))], 3),  # 5, 6, 8
        ([Span(at(5) + 1, at(6) - 1)], 0),  # no bar ends inside it
        ([Span(at(0), at(2)), Span(at(10), at(99))], 0),
        ([], 0),
    ],
)
def test_of_a_gap_only_the_covered_part_is_missing(spans: list[Span], missing: int) -> None:
    report = verify_bars([1, 2, 10], spans)
    assert [gap.missing for gap in report.gaps] == ([missing] if missing else [])


def test_an_hour_more_or_less_between_daily_bars_is_no_gap() -> None:
    """Ends move with daylight saving time: 25 hours apart leaves no room for a whole day."""
    bar_type = BarType.parse("A.X 1d last")
    ends = [START, START + DAY_NS + HOUR_NS, START + 2 * DAY_NS, START + 4 * DAY_NS + HOUR_NS]
    bars = [Bar(bar_type, end, end, 1.0, 1.0, 1.0, 1.0, 0.0) for end in ends]
    with closing(SeriesVerifier(Series("bar", bar_type.name), EVERYTHING)) as verifier:
        verifier.take(bars)
        assert verifier.report().gaps == (Gap(ends[2], ends[3], 1),)


def test_of_very_many_gaps_the_largest_are_kept_and_all_are_counted() -> None:
    minutes = [0]
    for number in range(1_500):
        minutes.append(minutes[-1] + 2 + (number % 500 == 0))  # one missing, two missing at every 500th
    report = verify_bars(minutes)
    assert (report.gap_count, len(report.gaps)) == (1_500, 1_000)
    assert [gap.missing for gap in report.gaps].count(2) == 3
    assert [gap.after_ns for gap in report.gaps] == sorted(gap.after_ns for gap in report.gaps)


def test_bars_of_one_end_and_ids_seen_twice_are_duplicates_wherever_they_stand() -> None:
    assert verify_bars([1, 2, 2, 3]).duplicates == 1
    with closing(SeriesVerifier(TRADES, [])) as verifier:
        verifier.take([make_trade(number, trade_id=f"{number % 40}") for number in range(50)])
        verifier.take([make_trade(60, trade_id="49"), make_trade(61), make_trade(61), make_trade(62, trade_id="0")])
        assert verifier.report().duplicates == 11  # 40 ... 49 repeat 0 ... 9, and "0" a third time; "49" was never one
    with closing(SeriesVerifier(QUOTES, [])) as verifier:
        verifier.take([make_quote(0), make_quote(0), make_quote(1, sequence=5), make_quote(2, sequence=5)])
        assert verifier.report().duplicates == 1  # equal quotes without a sequence are two quotes


def test_what_fails_its_check_is_described_up_to_a_hundred_times() -> None:
    with closing(SeriesVerifier(QUOTES, [])) as verifier:
        verifier.take([make_quote(number, float("nan")) for number in range(150)])
        verifier.take([make_quote(200, instrument="B.X")])
        report = verifier.report()
    assert len(report.invalid) == 100
    assert report.invalid[0].startswith("row 1: quote_tick of A.X at 2023-11-14T22:13:20Z: bid_price is nan")
    assert not report.is_sound


def test_spans_join_at_one_nanosecond_and_bars_at_one_step() -> None:
    assert join_spans(QUOTES, [Span(5, 9), Span(1, 4), Span(11, 12)]) == [Span(1, 9), Span(11, 12)]
    assert join_spans(BARS, [Span(at(1), at(2)), Span(at(3), at(4)), Span(at(5) + 1, at(9))]) == [
        Span(at(1), at(4)),
        Span(at(5) + 1, at(9)),
    ]
    assert join_spans(Series("bar", "A.X 100t last"), [Span(1, 2), Span(3, 3), Span(5, 6)]) == [Span(1, 3), Span(5, 6)]
    assert join_spans(QUOTES, [Span(1, 10), Span(2, 3)]) == [Span(1, 10)]

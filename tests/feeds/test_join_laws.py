"""The laws of the seam hold for any history, any live window and any fault; a planted bug breaks them.

RELIABILITY 3 (P2, P3), 7.1; DESIGN 10.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.domain.event import FLAT
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.feeds.identity_join import IdentityJoin, Question
from tradecore.feeds.join import splice
from tradecore.feeds.proof import JoinPolicy, JoinReport, Proof
from tradecore.feeds.recent_events import RecentEvents
from tradecore.feeds.seen_ids import Place, SeenIds
from tradecore.feeds.state_join import StateJoin
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.stream_laws import StreamLawBroken, check_identity_stream, check_state_stream


def trade_id(event: Any) -> int | None:
    return int(event.trade_id)


def bar_end(event: Any) -> int | None:
    return int(event.ts_event)


class Seam(NamedTuple):
    """What a venue published, and what of it came which way. `lag`: rows that history does not have yet."""

    truth: list[Any]
    stored: list[list[Any]]
    backfill: list[list[Any]]
    asked_from: int | None
    live: list[Any]
    lag: int


def pages(rows: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(rows[first : first + size]) for first in range(0, len(rows), size)]


def shake(rng: random.Random, rows: Sequence[Any], faults: set[str]) -> list[Any]:
    """Live rows as a bad day brings them: some lost, some twice, some neighbours swapped."""
    out: list[Any] = []
    for row in rows:
        if "drop" in faults and rng.random() < 0.1:
            continue
        out.append(row)
        if "duplicate" in faults and rng.random() < 0.2:
            out.append(row)
    if "reorder" in faults:
        for at in range(1, len(out)):
            if rng.random() < 0.2:
                out[at - 1], out[at] = out[at], out[at - 1]
    return out


def make_trades_seam(seed: int) -> Seam:
    """A seam from one integer: trades of which many share an instant, any cut between store, backfill and live."""
    rng = random.Random(seed)
    truth, ts = [], 0
    for number in range(1_000, 1_000 + rng.randint(1, 60)):
        ts += rng.choice((0, 0, 1, SECOND_NS))
        truth.append(make_trade_tick(ts, 100.0 + rng.randint(0, 3), trade_id=str(number)))
    count = len(truth)
    faults = {fault for fault in ("drop", "duplicate", "reorder") if rng.random() < 0.5}
    stored_to = rng.choice((0, rng.randint(0, count)))
    backfill_to = rng.randint(stored_to, count)
    overlap = rng.randint(0, 3)
    first = max(0, stored_to - overlap)
    asked_from = None if not stored_to else 1_000 + first
    live_from = rng.randint(0, count)
    return Seam(
        truth,
        pages(truth[:stored_to], rng.randint(1, 9)),
        pages(truth[first:backfill_to], rng.randint(1, 9)),
        asked_from,
        shake(rng, truth[live_from:], faults),
        rng.choice((0, 0, rng.randint(0, count))),
    )


def make_ask(seam: Seam) -> Callable[[Question], tuple[Sequence[Any], int]]:
    """History as the venue answers: from the id on, as far as it has got."""
    published = seam.truth[: len(seam.truth) - seam.lag]

    def ask(question: Question) -> tuple[Sequence[Any], int]:
        first = question.from_id if question.from_id is not None else 0
        rows = [row for row in published if first <= int(row.trade_id) <= question.to_id]
        return rows, seam.truth[-1].ts_event

    return ask


def run_trades(seed: int, *, with_ask: bool = True) -> JoinReport:
    """Splice a seam and judge it."""
    seam = make_trades_seam(seed)
    join = IdentityJoin("trade_tick TEST.SIM", trade_id, policy=JoinPolicy(on_conflict="warn"))
    given = splice(
        join, seam.stored, seam.backfill, seam.live,
        asked_from=seam.asked_from, as_of_ns=seam.truth[-1].ts_event, ask=make_ask(seam) if with_ask else None,
    )  # fmt: skip
    seen = list(given)
    join.give_up()
    report = join.make_report()
    # What was published after the last event that reached us by any way is nobody's loss yet.
    known = [int(row.trade_id) for page in (*seam.stored, *seam.backfill, seam.live) for row in page]
    published = [row for row in seam.truth if int(row.trade_id) <= max(known, default=0)]
    check_identity_stream(published, seen, report, trade_id, are_answers_late=False)
    return report


def run_bars(seed: int) -> JoinReport:
    """Bars with empty minutes, history that still shows an open bar, and FLAT bars or none for what is empty."""
    rng = random.Random(seed)
    minutes = [n for n in range(1, rng.randint(3, 40)) if n in (1, 2) or rng.random() < 0.8]
    truth = [make_bar(n * MINUTE_NS, 100.0 + n) for n in minutes]
    policy = JoinPolicy(on_conflict="warn", empty=rng.choice(("skip", "flat")), settle_ns=2 * SECOND_NS)
    cut = rng.randint(1, len(truth))
    as_of = truth[cut - 1].ts_event + rng.choice((0, SECOND_NS, 3 * SECOND_NS, 30 * SECOND_NS))
    open_end = (as_of // MINUTE_NS + 1) * MINUTE_NS
    rows = [*truth[:cut], make_bar(open_end, 1.0)]  # the last row of any answer is still open
    live_from = rng.randint(0, len(truth))
    live = shake(rng, truth[live_from:], {"duplicate"})
    end = truth[-1].ts_event + MINUTE_NS

    def ask(question: Question) -> tuple[Sequence[Any], int]:
        return [bar for bar in truth if (question.from_id or 0) <= bar.ts_event <= question.to_id], end

    join = IdentityJoin("bar TEST.SIM 1m last", bar_end, step=MINUTE_NS, policy=policy)
    events = list(splice(join, [], pages(rows, 7), live, asked_from=None, as_of_ns=as_of, ask=ask))
    join.give_up()
    report = join.make_report()
    real = [bar for bar in events if not bar.flags & FLAT]
    last = max((bar.ts_event for bar in [*real, *live]), default=0)
    check_identity_stream([bar for bar in truth if bar.ts_event <= last], real, report, bar_end)
    ends = [bar.ts_event for bar in events]
    if policy.empty == "flat" and ends and ends != list(range(ends[0], ends[-1] + 1, MINUTE_NS)):
        raise StreamLawBroken("FLAT bars leave an interval out")
    return report


def run_quotes(seed: int) -> JoinReport:
    """A recorded part, a stretch that nobody has, live; values that repeat, updates that come twice or late."""
    rng = random.Random(seed)
    truth = [make_quote_tick(n, 99.0, 100.0 + rng.randint(0, 2), sequence=10 + n) for n in range(rng.randint(1, 40))]
    recorded_to = rng.randint(0, len(truth))
    live_from = rng.randint(0, len(truth))
    join = StateJoin("quote_tick TEST.SIM")
    seen = join.take_stored(truth[:recorded_to])
    for event in shake(rng, truth[live_from:], {"duplicate", "reorder"}):
        if rng.random() < 0.05:
            join.note_interruption()
        if join.take_live(event):
            seen.append(event)
    report = join.make_report()
    counts = report.counts
    # An outdated state is not delivered: that it was left out is counted, and here it is no loss to answer for.
    left_out = {event.sequence for event in truth[live_from:]} - {event.sequence for event in seen}
    if counts.outdated + counts.collapsed + counts.overlap < len(left_out - _in_declared(truth, report)):
        raise StreamLawBroken("an update was left out and not counted")
    kept = [event for event in truth if event.sequence not in left_out]
    check_state_stream(kept, seen, report)
    return report


def _in_declared(truth: Sequence[Any], report: JoinReport) -> set[int]:
    return {
        event.sequence
        for event in truth
        for hole in report.declared
        if hole.after_ns is not None
        and hole.before_ns is not None
        and hole.after_ns <= event.ts_event <= hole.before_ns
    }


@given(st.integers(0, 2**32))
@settings(max_examples=400, deadline=None)
def test_any_seam_of_trades_delivers_the_truth_once_or_declares_what_is_missing(seed: int) -> None:
    run_trades(seed)


@given(st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_holes_that_nobody_can_be_asked_about_are_declared(seed: int) -> None:
    run_trades(seed, with_ask=False)


@given(st.integers(0, 2**32))
@settings(max_examples=400, deadline=None)
def test_any_seam_of_bars_delivers_closed_bars_once(seed: int) -> None:
    run_bars(seed)


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_any_seam_of_quotes_never_goes_back(seed: int) -> None:
    run_quotes(seed)


def test_the_examples_reach_every_state_and_every_way_to_join() -> None:
    """No vacuous pass (RELIABILITY 4.7): what the laws are checked on must include what they are about."""
    reports = [run_trades(seed) for seed in range(300)] + [run_bars(seed) for seed in range(100)]
    assert {report.verdict.proof for report in reports} >= {Proof.PROVED, Proof.PENDING, Proof.BROKEN}
    assert {report.joined_by for report in reports} >= {"overlap", "adjacency", "query"}
    for name in ("overlap", "duplicates", "late", "requeried", "unsettled", "empty", "flat", "stored", "backfilled"):
        assert any(getattr(report.counts, name) for report in reports), name
    states = [run_quotes(seed).counts for seed in range(100)]
    assert all(any(getattr(counts, name) for counts in states) for name in ("outdated", "duplicates", "collapsed"))


# ------------------------------------------------------------------------------------------------------ planted bugs


def splice_by_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop what is not later than the last event: trades that share an instant are lost."""
    take = IdentityJoin.take_live

    def planted(self: Any, event: Any) -> bool:
        if self._last_ns is not None and event.ts_event <= self._last_ns:
            return False
        return take(self, event)

    monkeypatch.setattr(IdentityJoin, "take_live", planted)


def duplicates_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what has the same id but is told apart by time: nothing is ever a duplicate."""
    find = SeenIds.find_place

    def planted(self: SeenIds, number: int) -> Place:
        place = find(self, number)
        return Place.NEXT if place is Place.KNOWN else place

    monkeypatch.setattr(SeenIds, "find_place", planted)


def history_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No overlap is taken out: live begins with whatever comes first."""

    def planted(self: Any, event: Any) -> bool:
        self._is_silent, self._joined_by = False, "overlap"
        self.counts.live += 1
        return True

    monkeypatch.setattr(IdentityJoin, "take_live", planted)


def holes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of gaps is lost on the way."""
    add = SeenIds.add

    def planted(self: SeenIds, number: int, ts_event: int, last_ns: int | None) -> None:
        add(self, number, ts_event, last_ns)
        self.holes.clear()

    monkeypatch.setattr(SeenIds, "add", planted)


def an_answer_that_falls_short_proves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that lags is taken for complete: the holes it does not reach are closed as empty."""
    close = SeenIds.close_holes

    def planted(self: SeenIds, first: int | None, last: int) -> list[Any]:
        return close(self, None, 10**18)

    monkeypatch.setattr(SeenIds, "close_holes", planted)


def late_events_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is lower than the last id counts as known, though it never came."""
    find = SeenIds.find_place

    def planted(self: SeenIds, number: int) -> Place:
        place = find(self, number)
        if place is Place.IN_HOLE:
            self._cut_hole(number, number, None)
            return Place.KNOWN
        return place

    monkeypatch.setattr(SeenIds, "find_place", planted)


def unfinished_bars_are_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last row of an answer is taken for final."""
    monkeypatch.setattr(IdentityJoin, "_settle", lambda self, rows: sorted(rows, key=self._need_id))


def live_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What history brings for a hole comes after the event behind the hole, and is not counted as late."""
    monkeypatch.setattr(IdentityJoin, "put_in_order", lambda self, events: events)


def flat_bars_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty intervals have no bar although the policy wants one."""
    monkeypatch.setattr(RecentEvents, "make_flats", lambda self, hole: [])


def older_states_are_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that was overtaken puts the market back."""

    def planted(self: Any, event: Any) -> bool:
        self._settle(event)
        return True

    monkeypatch.setattr(StateJoin, "take_live", planted)


def collapsed_in_the_middle_of_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates are thrown away for being a multiple of seven, and nobody counts."""
    take = StateJoin.take_live
    monkeypatch.setattr(StateJoin, "take_live", lambda self, event: event.sequence % 7 != 0 and take(self, event))


PLANTED: list[tuple[Callable[[pytest.MonkeyPatch], None], Callable[[int], Any]]] = [
    (splice_by_time_alone, run_trades),
    (duplicates_by_time, run_trades),
    (history_is_not_compared, run_trades),
    (holes_are_forgotten, run_trades),
    (an_answer_that_falls_short_proves_all, run_trades),
    (late_events_are_dropped, run_trades),
    (live_before_the_answer, run_trades),
    (unfinished_bars_are_delivered, run_bars),
    (flat_bars_are_left_out, run_bars),
    (older_states_are_delivered, run_quotes),
    (collapsed_in_the_middle_of_live, run_quotes),
]


def seeds_that_find(run: Callable[[int], Any], count: int) -> Iterator[int]:
    for seed in range(count):
        try:
            run(seed)
        except StreamLawBroken:
            yield seed


@pytest.mark.parametrize(("plant", "run"), PLANTED, ids=lambda item: item.__name__)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], run: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same two hundred seeds find nothing in the code as it is: the laws have teeth and no false alarm."""
    plant(monkeypatch)
    assert next(seeds_that_find(run, 200), None) is not None, f"{plant.__name__} went unnoticed"


@pytest.mark.parametrize("run", [run_trades, run_bars, run_quotes], ids=lambda item: item.__name__)
def test_the_code_as_it_is_passes_on_the_very_seeds(run: Callable[[int], Any]) -> None:
    assert list(seeds_that_find(run, 200)) == []

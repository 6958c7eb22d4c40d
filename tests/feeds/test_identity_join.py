"""IdentityJoin in hand-worked cases: what it says, and why."""

from typing import Any

import pytest

from tradecore.domain.event import FLAT
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.errors import FeedMismatch, StreamBroken, StreamConflict
from tradecore.feeds.identity_join import IdentityJoin, Question
from tradecore.feeds.proof import Hole, JoinPolicy, Proof
from tradecore.feeds.seen_ids import MissingIds, SeenIds
from tradecore.testing.builders import make_bar, make_trade_tick


def trade(number: int, price: float = 100.0, at: int | None = None) -> Any:
    return make_trade_tick(number * SECOND_NS if at is None else at, price, trade_id=str(number))


def trades(*numbers: int) -> list[Any]:
    return [trade(number) for number in numbers]


def make_join(**policy: Any) -> IdentityJoin:
    return IdentityJoin("trade_tick TEST.SIM", lambda event: int(event.trade_id), policy=JoinPolicy(**policy))


def make_bar_join(**policy: Any) -> IdentityJoin:
    return IdentityJoin(
        "bar TEST.SIM 1m last", lambda bar: int(bar.ts_event), step=MINUTE_NS, policy=JoinPolicy(**policy)
    )


def bars(*minutes: int) -> list[Any]:
    return [make_bar(minute * MINUTE_NS, 100.0 + minute) for minute in minutes]


def proof_of(join: IdentityJoin) -> Proof:
    return join.verdict.proof


def ids(events: list[Any]) -> list[int]:
    return [int(event.trade_id) for event in events]


def test_history_and_live_that_overlap_are_proved() -> None:
    join = make_join()
    assert ids(join.take_stored(trades(1, 2, 3))) == [1, 2, 3]
    join.begin_backfill(asked_from=3, as_of_ns=0)
    assert ids(join.take_backfill(trades(3, 4, 5))) == [4, 5]
    assert proof_of(join) is Proof.PENDING
    assert [join.take_live(event) for event in trades(4, 5, 6)] == [False, False, True]
    assert (join.verdict.proof, join.verdict.reason) == (Proof.PROVED, "history and live joined by overlap")
    counts = join.counts
    assert (counts.stored, counts.backfilled, counts.live, counts.overlap, counts.delivered) == (3, 2, 1, 3, 6)


def test_history_and_live_that_touch_are_proved() -> None:
    join = make_join()
    join.take_stored(trades(1, 2))
    assert join.take_live(trade(3))
    assert join.verdict.reason == "history and live joined by adjacency"
    assert join.make_report().pivot_id == 3


def test_what_lies_between_history_and_live_is_asked_and_comes_in_order() -> None:
    """History ends at 2, live begins with 6: 3 to 5 are missing, asked for from 2 to 6, and 4 does not exist."""
    join = make_join()
    join.take_stored(trades(1, 2))
    assert join.take_live(trade(6))
    assert proof_of(join) is Proof.BROKEN
    assert join.verdict.reason == ("3 missing from id 3 to 5, between 1970-01-01T00:00:02Z and 1970-01-01T00:00:06Z")
    question = join.question
    assert question == Question(2, 6, 2 * SECOND_NS, 6 * SECOND_NS)
    assert ids(join.take_answer(trades(2, 3, 5, 6), question, as_of_ns=0)) == [3, 5]
    assert (join.verdict.reason, join.counts.empty) == ("history and live joined by query", 1)


def test_an_answer_proves_as_far_as_it_reaches() -> None:
    """A history that has got to 4 says nothing about 5."""
    join = make_join()
    join.take_stored(trades(1, 2))
    join.take_live(trade(6))
    question = join.question
    assert question is not None
    assert ids(join.take_answer(trades(2, 4), question, as_of_ns=0)) == [4]
    assert join.make_report().open_holes == (Hole(5, 5, 4 * SECOND_NS, 6 * SECOND_NS),)
    assert join.take_answer([], question, as_of_ns=0) == []
    assert join.question == Question(4, 6, 4 * SECOND_NS, 6 * SECOND_NS)


def test_a_late_event_closes_its_hole_and_is_counted() -> None:
    join = make_join()
    join.take_stored(trades(1))
    assert [join.take_live(event) for event in trades(2, 4, 3, 3, 5)] == [True, True, True, False, True]
    assert (join.counts.late, join.counts.duplicates) == (1, 1)
    assert proof_of(join) is Proof.PROVED


def test_trades_of_one_instant_are_told_apart_by_their_ids_alone() -> None:
    join = make_join()
    join.take_stored([trade(1, at=5), trade(2, at=5)])
    assert join.take_live(trade(3, at=5))
    assert not join.take_live(trade(2, at=5))


def test_without_history_rows_the_start_is_open_until_history_shows_the_first_live_event() -> None:
    join = make_join()
    assert join.take_live(trade(10))
    assert join.verdict.reason == "what came before id 10 is not known"
    question = join.question
    assert question == Question(None, 10, None, 10 * SECOND_NS)
    assert ids(join.take_answer(trades(8, 9, 10), question, as_of_ns=0)) == [8, 9]
    assert proof_of(join) is Proof.PROVED


def test_a_stream_without_history_is_excused_and_says_where_it_starts() -> None:
    join = IdentityJoin("trade_tick TEST.SIM", lambda event: int(event.trade_id), has_history=False)
    join.take_stored(trades(1, 2))
    assert join.take_live(trade(9))
    assert proof_of(join) is Proof.EXCUSED
    assert join.verdict.reason == "no history source: starts live at id 9; recorded up to id 2"
    assert join.make_report().declared == (Hole(3, 8, 2 * SECOND_NS, 9 * SECOND_NS),)
    assert join.question is None


def test_after_an_interruption_it_is_pending_until_the_next_event_decides() -> None:
    join = make_join()
    join.take_stored(trades(1))
    join.take_live(trade(2))
    join.note_interruption()
    assert proof_of(join) is Proof.PENDING
    join.take_live(trade(3))
    assert proof_of(join) is Proof.PROVED
    join.note_interruption()
    join.take_live(trade(5))
    assert proof_of(join) is Proof.BROKEN


def test_what_history_does_not_bring_is_declared_and_bars_real_orders_for_good() -> None:
    join = make_join(on_broken="degrade")
    join.take_stored(trades(1))
    join.take_live(trade(4))
    join.give_up()
    join.take_live(trade(5))
    assert proof_of(join) is Proof.BROKEN
    assert join.verdict.reason.endswith("declared")
    assert [(hole.first_id, hole.last_id) for hole in join.make_report().declared] == [(2, 3)]


def test_a_hole_may_end_the_run_or_be_let_pass() -> None:
    halting, letting = make_join(on_broken="halt"), make_join(on_broken="allow")
    for join in (halting, letting):
        join.take_stored(trades(1))
        join.take_live(trade(4))
    with pytest.raises(StreamBroken, match=r"trade_tick TEST\.SIM: 2 missing from id 2 to 3"):
        halting.give_up()
    letting.give_up()
    assert proof_of(letting) is Proof.EXCUSED


def test_giving_up_may_be_about_the_oldest_hole_alone() -> None:
    join = make_join()
    join.take_stored(trades(1))
    for event in trades(3, 5):
        join.take_live(event)
    join.give_up(oldest_only=True)
    report = join.make_report()
    assert [hole.first_id for hole in report.declared] == [2]
    assert [hole.first_id for hole in report.open_holes] == [4]


@pytest.mark.parametrize("source", ["backfill", "live", "answer"])
def test_the_same_id_with_other_values_is_a_conflict_wherever_it_comes_from(source: str) -> None:
    for policy in ("halt", "warn"):
        join = make_join(on_conflict=policy)
        join.take_stored(trades(1, 2, 4))
        other = trade(2, price=7.0)

        def meet(join: IdentityJoin = join, other: Any = other) -> None:
            if source == "backfill":
                join.begin_backfill(asked_from=1, as_of_ns=0)
                join.take_backfill([trade(1), other])
            elif source == "live":
                join.take_live(other)
            else:
                join.take_answer([trade(1), other], Question(1, 4, 0, 0), as_of_ns=0)

        if policy == "halt":
            with pytest.raises(StreamConflict, match="id 2 came as"):
                meet()
        else:
            meet()
        assert join.counts.conflicts == 1
        assert proof_of(join) is Proof.BROKEN


def test_a_trade_told_with_coarser_time_is_no_conflict() -> None:
    """One call of a venue gives microseconds, another milliseconds."""
    join = make_join()
    join.take_stored([trade(1, at=1_000_000_001)])
    assert not join.take_live(trade(1, at=1_000_000_000))
    assert join.counts.conflicts == 0


def test_ids_that_begin_anew_are_delivered_and_cannot_be_proved() -> None:
    """A test network is wiped: after 500 comes 1, ten seconds later. Nothing of it may look like a duplicate."""
    join = make_join()
    join.take_stored([trade(number, at=number) for number in range(1, 501)])
    assert join.take_live(trade(1, at=10 * SECOND_NS))
    assert join.take_live(trade(2, at=11 * SECOND_NS))
    assert join.verdict.reason.startswith("ids began anew with 1 at 1970-01-01T00:00:10Z, after 500")


def test_rows_without_ids_are_refused_by_name() -> None:
    join = IdentityJoin("trade_tick TEST.SIM", lambda event: None)
    with pytest.raises(FeedMismatch, match="carries no id"):
        join.take_stored([make_trade_tick(1)])


def test_a_bar_off_the_grid_of_its_step_is_refused() -> None:
    join = make_bar_join()
    join.take_stored(bars(1))
    with pytest.raises(FeedMismatch, match="no whole number of steps"):
        join.take_live(make_bar(MINUTE_NS + SECOND_NS))


def test_ids_that_are_not_adjacent_by_nature_do_not_fill_the_memory() -> None:
    """Every second id: after a thousand holes they are declared as one, and the stream is not proved."""
    join = make_join()
    for number in range(0, 10_000, 2):
        join.take_live(trade(number))
    assert len(join.make_report().open_holes) <= 1_002
    assert len(join.make_report().declared) == 4
    assert join.verdict.reason.startswith("more than 1000 holes")


# ----------------------------------------------------------------------------------------------------------------- bars


def test_a_bar_that_history_gave_too_early_is_left_out_and_comes_live() -> None:
    """Asked one second after its end, with two seconds to settle: the bar of minute 3 may still be revised."""
    join = make_bar_join(settle_ns=2 * SECOND_NS)
    join.begin_backfill(asked_from=None, as_of_ns=3 * MINUTE_NS + SECOND_NS)
    assert join.take_backfill(bars(1, 2, 3)) == bars(1, 2)
    assert join.counts.unsettled == 1
    assert join.take_live(bars(3)[0])
    assert join.verdict.reason == "history and live joined by adjacency"


def test_a_revised_bar_is_a_conflict() -> None:
    join = make_bar_join()
    join.take_stored(bars(1))
    with pytest.raises(StreamConflict):
        join.take_live(make_bar(MINUTE_NS, 999.0))


@pytest.mark.parametrize("empty", ["skip", "flat"])
def test_minutes_that_history_confirms_to_be_empty_have_no_bar_or_a_flat_one(empty: str) -> None:
    """Minutes 2 and 3 are not in an answer that has 1 and 4: nothing happened. Flat bars repeat the close of 1."""
    join = make_bar_join(empty=empty)
    join.begin_backfill(asked_from=None, as_of_ns=10 * MINUTE_NS)
    given = join.take_backfill(bars(1, 4))
    assert join.counts.empty == 2
    if empty == "skip":
        assert given == bars(1, 4)
    else:
        assert [(bar.ts_event // MINUTE_NS, bar.close, bar.flags) for bar in given] == [
            (1, 101.0, 0), (2, 101.0, FLAT), (3, 101.0, FLAT), (4, 104.0, 0),
        ]  # fmt: skip
    assert join.counts.backfilled == 2


def test_a_minute_missing_live_is_not_taken_for_empty_before_history_says_so() -> None:
    join = make_bar_join(empty="flat", settle_ns=0)
    join.take_stored(bars(1))
    join.take_live(bars(3)[0])
    question = join.question
    assert question is not None
    assert proof_of(join) is Proof.BROKEN
    flat = join.take_answer(bars(1, 3), question, as_of_ns=10 * MINUTE_NS)
    assert [(bar.ts_event, bar.flags) for bar in flat] == [(2 * MINUTE_NS, FLAT)]
    assert proof_of(join) is Proof.PROVED


# ------------------------------------------------------------------------------------------------------------- seen ids


def test_holes_shrink_split_and_close() -> None:
    seen = SeenIds()
    for number in (1, 9):
        seen.add(number, number, 1)
    assert seen.holes == [MissingIds(2, 8, 1, 9)]
    seen.add(5, 5, 9)
    assert seen.holes == [MissingIds(2, 4, 1, 5), MissingIds(6, 8, 5, 9)]
    assert seen.close_holes(3, 7) == [MissingIds(3, 4, 1, 5), MissingIds(6, 7, 5, 9)]
    assert [(hole.first, hole.last) for hole in seen.holes] == [(2, 2), (8, 8)]


def test_a_hole_before_the_first_event_ends_with_that_event() -> None:
    """Live begins with 10; 7 comes late. The start is given up, and 8 and 9 are still asked for: up to 10's time."""
    join = make_join(on_broken="allow")
    assert [join.take_live(trade(number)) for number in (10, 7)] == [True, True]
    join.give_up(oldest_only=True)
    question = join.question
    assert question is not None
    assert (question.from_id, question.to_id) == (7, 10)
    assert (question.start_ns, question.end_ns) == (trade(7).ts_event, trade(10).ts_event)
    assert ids(join.take_answer(trades(7, 8, 9, 10), question, as_of_ns=0)) == [8, 9]


def test_a_page_says_nothing_of_what_lies_before_it() -> None:
    """3 is missing; of the answer's first page 6 is still to come live. It is lost, 7 and 8 come: 6 is a hole then.

    The second page (7, 8) reaches beyond that hole, but the row that would have filled it was in the first.
    """
    join = make_join()
    join.take_stored(trades(1, 2))
    assert [join.take_live(trade(number)) for number in (4, 5)] == [True, True]
    question = join.question
    assert question is not None
    assert ids(join.take_answer(trades(2, 3, 4, 5, 6), question, as_of_ns=0)) == [3]
    assert [join.take_live(trade(number)) for number in (7, 8)] == [True, True]
    assert join.take_answer(trades(7, 8), question, as_of_ns=0, page_from=6) == []
    assert [(hole.first_id, hole.last_id) for hole in join.make_report().open_holes] == [(6, 6)]

"""StateJoin and OwnJoin in hand-worked cases."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tradecore.domain.instant import SECOND_NS
from tradecore.feeds.own_join import OwnJoin
from tradecore.feeds.proof import Hole, Proof
from tradecore.feeds.state_join import StateJoin
from tradecore.testing.builders import make_depth, make_quote_tick


def quote(second: int, bid: float = 99.0, sequence: int = 0) -> Any:
    return make_quote_tick(second * SECOND_NS, bid, 100.0, sequence=sequence)


def proof_of(join: Any) -> Proof:
    proof: Proof = join.verdict.proof
    return proof


def test_recorded_part_declared_hole_first_live_value() -> None:
    join = StateJoin("quote_tick TEST.SIM")
    assert len(join.take_stored([quote(1), quote(2)])) == 2
    assert proof_of(join) is Proof.PENDING
    assert join.take_live(quote(9, 98.0))
    assert proof_of(join) is Proof.EXCUSED
    report = join.make_report()
    assert report.declared == (Hole(None, None, 2 * SECOND_NS, 9 * SECOND_NS),)
    assert report.verdict.reason == "no history source: starts live at 1970-01-01T00:00:09Z"


def test_across_a_seam_a_value_that_stands_is_not_told_again_within_live_it_is() -> None:
    """Real quotes do repeat; at a seam the repetition is only the venue's first word."""
    join = StateJoin("quote_tick TEST.SIM")
    join.take_stored([quote(1)])
    assert not join.take_live(quote(2))
    assert proof_of(join) is Proof.EXCUSED
    assert join.take_live(quote(3))
    assert (join.counts.collapsed, join.counts.live) == (1, 1)


def test_an_older_state_after_a_newer_one_is_left_out() -> None:
    join = StateJoin("quote_tick TEST.SIM")
    sequences = [5, 7, 6, 7, 8]
    assert [join.take_live(quote(n, sequence=n)) for n in sequences] == [True, True, False, False, True]
    assert (join.counts.outdated, join.counts.duplicates) == (1, 1)


def test_what_the_store_recorded_of_live_already_is_overlap() -> None:
    """A recorder beside us has stored update 7 already; the buffer gives 6 and 7 again, then 8."""
    join = StateJoin("quote_tick TEST.SIM")
    join.take_stored([quote(6, sequence=6), quote(7, sequence=7)])
    assert [join.take_live(quote(n, sequence=n)) for n in (6, 7, 8)] == [False, False, True]
    assert (join.counts.overlap, join.make_report().declared) == (2, ())


def test_after_an_interruption_updates_may_count_afresh() -> None:
    join = StateJoin("quote_tick TEST.SIM")
    assert join.take_live(quote(1, sequence=1_000))
    join.note_interruption()
    assert proof_of(join) is Proof.PENDING
    assert join.take_live(quote(60, 98.0, sequence=1))
    assert join.take_live(quote(61, 98.0, sequence=2))
    assert len(join.make_report().declared) == 1


def test_books_are_compared_by_their_levels() -> None:
    join = StateJoin("depth TEST.SIM")
    join.take_stored([make_depth(1)])
    assert not join.take_live(make_depth(2))
    join.note_interruption()
    assert join.take_live(make_depth(3, ((99.0, 1.0),)))


@dataclass(frozen=True)
class News:
    """A user's own event: only what the Event protocol asks for."""

    second: int
    text: str
    event_type = "news"

    @property
    def dt_event(self) -> datetime:
        return datetime(2024, 1, 1, 0, 0, self.second, tzinfo=UTC)

    dt_received = dt_event

    def __lt__(self, other: Any) -> bool:
        return bool(self.dt_event < other.dt_event)


def test_own_events_are_told_apart_by_what_they_are_not_by_their_time() -> None:
    """History ends with a and b of one second; live brings b again, then c of that second: only c is new."""
    join = OwnJoin("news")
    join.take_stored([News(1, "x"), News(5, "a"), News(5, "b")])
    assert [join.take_live(News(5, text)) for text in ("b", "c", "b")] == [False, True, True]
    assert (proof_of(join), join.counts.overlap) == (Proof.PROVED, 1)


def test_own_events_that_do_not_overlap_start_live_behind_a_declared_hole() -> None:
    join = OwnJoin("news")
    join.take_stored([News(1, "x")])
    assert proof_of(join) is Proof.PENDING
    assert join.take_live(News(7, "y"))
    report = join.make_report()
    assert (report.verdict.proof, len(report.declared)) == (Proof.EXCUSED, 1)
    assert join.take_live(News(6, "late"))
    assert join.counts.late == 1

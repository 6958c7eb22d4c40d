"""Seeded fault schedules through the whole engine, A to D, on virtual time: truth minus declared holes, none twice.

200 of the schedules run here; `scripts/seam_schedules --count 1000` runs as many as one likes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.phase import Phase
from tradecore.engine.event_queue import EventQueue
from tradecore.engine.live_stage import LiveStage
from tradecore.errors import TradecoreError
from tradecore.feeds import history_questions, live_buffer
from tradecore.feeds.history_questions import HistoryQuestions
from tradecore.feeds.identity_join import IdentityJoin
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.seen_ids import SeenIds
from tradecore.feeds.spliced_feed import SplicedFeed
from tradecore.feeds.state_join import StateJoin
from tradecore.testing.seam_run import check_seam, run_schedule
from tradecore.testing.seam_schedule import CELLS, draw_schedule, format_coverage
from tradecore.testing.stream_laws import StreamLawBroken

COUNT = 200
PART = 50


@pytest.fixture(scope="module")
def met() -> Counter[tuple[str, Phase]]:
    """What went wrong in which phase, over all parts below."""
    return Counter()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("first", range(0, COUNT, PART))
def test_every_schedule_keeps_the_laws_of_the_seam(first: int, met: Counter[tuple[str, Phase]]) -> None:
    for seed in range(first, first + PART):
        run = run_schedule(seed)
        try:
            check_seam(run)
        except StreamLawBroken as broken:
            broken.add_note(f"repeat it: scripts/seam_schedules --count 1 --seed {seed}")
            raise
        met += run.met


@pytest.mark.slow
def test_each_fault_met_each_phase(met: Counter[tuple[str, Phase]]) -> None:
    """A cell that is 0 is a part of the seam that nobody tested."""
    if not met:
        pytest.skip("the schedules above did not run")
    assert [cell for cell in CELLS if not met[cell]] == [], "\n" + format_coverage(met)


def test_a_seed_repeats_its_run_to_the_byte() -> None:
    for seed in (2, 12, 27):
        assert run_schedule(seed).digest() == run_schedule(seed).digest()
    assert run_schedule(2).digest() != run_schedule(12).digest()


def test_as_many_seeds_as_there_are_cells_are_made_for_all_of_them() -> None:
    assert {draw_schedule(seed).focus for seed in range(len(CELLS))} == set(CELLS)
    for seed in range(len(CELLS)):
        assert draw_schedule(seed) == draw_schedule(seed)
        assert draw_schedule(seed).focus[0] in draw_schedule(seed).faults


# ------------------------------------------------------------------------------------------------------ planted bugs

Plant = Callable[[pytest.MonkeyPatch], None]


def overflow_drops_in_silence(patch: pytest.MonkeyPatch) -> None:
    """What memory cannot hold is gone."""

    def planted(self: Any, _arrival: Any) -> None:
        self.received -= 1

    patch.setattr(LiveBuffer, "_push_to_tail", planted)


def a_loss_is_not_declared(patch: pytest.MonkeyPatch) -> None:
    """What neither memory nor file could hold leaves no GAP behind."""

    def planted(self: Any, _losing: Any) -> None:
        self._losing = None

    patch.setattr(LiveBuffer, "_end_loss", planted)


def the_file_is_read_behind_the_tail(patch: pytest.MonkeyPatch) -> None:
    """What was spilled last is read first."""
    refill = LiveBuffer._refill_head

    def planted(self: Any) -> None:
        self._blocks.reverse()
        refill(self)

    patch.setattr(LiveBuffer, "_refill_head", planted)


def stamps_are_the_clock_s(patch: pytest.MonkeyPatch) -> None:
    """Two events of one instant get one stamp."""
    patch.setattr(LiveBuffer, "stamp", lambda self: self._wall_ns())


def live_forgets_what_replay_gave(patch: pytest.MonkeyPatch) -> None:
    """Phase C begins with joins that know nothing of B."""
    end = IdentityJoin.end_replay

    def planted(self: Any) -> None:
        end(self)
        self._seen = SeenIds(self._step)

    patch.setattr(IdentityJoin, "end_replay", planted)


def replay_and_catch_up_both_give_the_cache(patch: pytest.MonkeyPatch) -> None:
    """What B took from the cache is given again in C."""
    take = IdentityJoin.take_live

    def planted(self: Any, event: Any) -> bool:
        return take(self, event) or (self._history_last is not None and self._identify(event) == self._history_last)

    patch.setattr(IdentityJoin, "take_live", planted)


def a_late_history_is_not_continued_from_the_cache(patch: pytest.MonkeyPatch) -> None:
    """B ends where the venue's history does, yet C counts all before its end as known."""

    def planted(self: Any) -> None:
        self._stage = type(self._stage).OVER
        self._taken = []
        for arrival in self._buffer.peek(self._buffer.next_ordinal, 10_000):
            if getattr(arrival, "event_type", "") == self.stream.kind == "trade_tick" and self._newest is not None:
                self.join.take_live(arrival)

    patch.setattr(SplicedFeed, "_take_cached", planted)


def a_reconnect_is_not_backfilled(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks history what the lost connection did not bring."""
    patch.setattr(HistoryQuestions, "look", lambda self: None)


def every_hole_is_given_up_as_empty(patch: pytest.MonkeyPatch) -> None:
    """Patience ends, and nothing is written down."""
    give_up = IdentityJoin.give_up

    def planted(self: Any, *, oldest_only: bool = False) -> None:
        give_up(self, oldest_only=oldest_only)
        self._declared.clear()

    patch.setattr(IdentityJoin, "give_up", planted)
    patch.setattr(history_questions, "open_answer", _answer_with_nothing)


async def _answer_with_nothing(*_: Any) -> Any:
    """A history that never knows."""
    for page in list[Any]():
        yield page


def answers_keep_their_old_times(patch: pytest.MonkeyPatch) -> None:
    """What history brings late is delivered as if it had been received back then."""
    put = LiveBuffer._put_any

    def planted(self: Any, arrival: Any) -> None:
        if type(arrival) is live_buffer.HistoryAnswer:
            rows = tuple(msgspec.structs.replace(row, ts_received=row.ts_event) for row in arrival.rows)
            arrival = msgspec.structs.replace(arrival, rows=rows)
        put(self, arrival)

    patch.setattr(LiveBuffer, "_put_any", planted)


def recovered_is_never_said(patch: pytest.MonkeyPatch) -> None:
    """A gap that is closed stays told."""
    note = LiveIntake._note_news

    def planted(self: Any, track: Any, ts: int, given: list[Any]) -> None:
        note(self, track, ts, given)
        if given and type(given[-1]) is FeedStateChanged and given[-1].state is FeedState.RECOVERED:
            given.pop()

    patch.setattr(LiveIntake, "_note_news", planted)


def a_hole_of_a_state_is_not_declared(patch: pytest.MonkeyPatch) -> None:
    """Quotes go on after a lost connection as if nothing had been missed."""
    patch.setattr(StateJoin, "note_interruption", lambda self: None)


def timers_are_made_twice_at_the_seam(patch: pytest.MonkeyPatch) -> None:
    """The moments of a window that C delivers were B's already."""
    take = EventQueue.take_own

    def planted(self: Any, mark: int) -> list[Any]:
        return [event for event in take(self, mark) for _ in range(2)]

    patch.setattr(EventQueue, "take_own", planted)


def time_stands_while_nothing_arrives(patch: pytest.MonkeyPatch) -> None:
    """Arrivals are delivered, but their instants are not: the first of a batch stands for all."""
    deliver = LiveStage._deliver

    async def planted(self: Any, events: Any) -> None:
        if events:
            first = events[0].ts_received
            events = [msgspec.structs.replace(event, ts_received=first) for event in events]
        await deliver(self, events)

    patch.setattr(LiveStage, "_deliver", planted)


def the_cache_keeps_its_stamps_behind_history(patch: pytest.MonkeyPatch) -> None:
    """What arrived in A is delivered in C with instants before the end of B."""
    patch.setattr(LiveStage, "_receive_after_now", lambda _self, events: events)


PLANTED: list[Plant] = [
    overflow_drops_in_silence,
    a_loss_is_not_declared,
    the_file_is_read_behind_the_tail,
    stamps_are_the_clock_s,
    live_forgets_what_replay_gave,
    replay_and_catch_up_both_give_the_cache,
    a_late_history_is_not_continued_from_the_cache,
    a_reconnect_is_not_backfilled,
    every_hole_is_given_up_as_empty,
    answers_keep_their_old_times,
    recovered_is_never_said,
    a_hole_of_a_state_is_not_declared,
    timers_are_made_twice_at_the_seam,
    time_stands_while_nothing_arrives,
    the_cache_keeps_its_stamps_behind_history,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found_in_the_whole_engine(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the seeds of one round of cells, on which the code as it is breaks no law."""
    plant(monkeypatch)
    for seed in range(len(CELLS)):
        try:
            check_seam(run_schedule(seed))
        except StreamLawBroken:
            return
        except (ExceptionGroup, TradecoreError, AssertionError) as error:  # the code may notice before the laws do
            if isinstance(error, ExceptionGroup) and error.subgroup((TradecoreError, AssertionError)) is None:
                raise
            return
    pytest.fail(f"{plant.__name__} went unnoticed")

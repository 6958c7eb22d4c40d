"""Bugs that such adapters have had (RELIABILITY 7.1), planted one by one: the suites must catch each.

A suite that passes with a bug in place proves nothing; here each bug makes the named test fail.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from _pytest.outcomes import Failed

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.domain.stream import Stream
from tradecore.testing.market_data_venue_contract import MarketDataVenueContract
from tradecore.testing.scripted_binance import ScriptedBinance
from tradecore.testing.venue_connection_contract import VenueConnectionContract
from tradecore.testing.virtual_run import run_virtual
from tradecore.venues import binance_codec, handshake
from tradecore.venues.binance_history import BinanceQuestions
from tradecore.venues.feed_link import FeedLink
from tradecore.venues.feed_session import FeedSession
from tradecore.venues.frame_intake import FrameIntake
from tradecore.venues.frame_quarantine import FrameQuarantine
from tradecore.venues.reconnect_schedule import ConnectBudget, ReconnectSchedule
from tradecore.venues.silence_watch import SilenceWatch
from tradecore.venues.stream_track import IdentityTrack


class Suite(MarketDataVenueContract, VenueConnectionContract):
    __test__ = False

    def make_skin(self, clock: Clock) -> Any:
        return ScriptedBinance(clock)


Plant = Callable[[pytest.MonkeyPatch], None]


def never_stale(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FeedSession, "_judge_life", lambda *_: None)


def stale_for_ever(patch: pytest.MonkeyPatch) -> None:
    judge = FeedSession._judge_life
    patch.setattr(FeedSession, "_judge_life", lambda self, link, s: None if link.is_stale else judge(self, link, s))


def no_resubscription(patch: pytest.MonkeyPatch) -> None:
    async def forget(*_: Any) -> None:
        """Connected again, and nobody asks for anything."""

    patch.setattr(FeedSession, "_subscribe_all", forget)


def no_acknowledgement(patch: pytest.MonkeyPatch) -> None:
    async def believe(self: FeedSession, stream: Stream) -> None:
        link = await self._wait_for_link()
        (request,) = self._dialect.encode_subscribe([stream])
        await link._send(request.frame)

    patch.setattr(FeedSession, "_ask_until_answered", believe)


def back_off_without_uptime(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ReconnectSchedule, "note_uptime", lambda self, _: setattr(self, "attempt", 0))
    patch.setattr(ConnectBudget, "take", lambda *_: 0.0)


def every_repetition_delivered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdentityTrack, "take", lambda _self, item, _number: item)


def told_apart_by_time_only(patch: pytest.MonkeyPatch) -> None:
    def take(self: IdentityTrack, item: Any, _number: int) -> Any:
        is_newer, self._last_ts = item.ts_event > self._last_ts, item.ts_event
        return item if is_newer else None

    patch.setattr(IdentityTrack, "take", take)


def gap_never_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdentityTrack, "_note_hole", lambda *_: None)


def late_dropped_as_repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(IdentityTrack, "_take_late", lambda *_: False)


def states_stamped_after_events(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tradecore.venues.frame_intake._stamp_again", lambda event, _sink: event)


def successor_deaf_until_promoted(patch: pytest.MonkeyPatch) -> None:
    hold = FrameIntake._hold

    def forget(self: FrameIntake, link: FeedLink, frame: bytes) -> None:
        hold(self, link, frame)
        assert link.held is not None
        link.held.clear()

    patch.setattr(FrameIntake, "_hold", forget)


def old_connection_closed_with_its_dead_successor(patch: pytest.MonkeyPatch) -> None:
    make = FeedSession._make_successor

    async def close_first(self: FeedSession, link: FeedLink) -> Any:
        successor = await make(self, link)
        await link.close()
        return successor

    patch.setattr(FeedSession, "_make_successor", close_first)


def garbage_is_fatal(patch: pytest.MonkeyPatch) -> None:
    def pass_on(error: Exception) -> Exception:
        return RuntimeError(error)

    patch.setattr(binance_codec, "unreadable", pass_on)


def garbage_never_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FrameQuarantine, "add", lambda *_: None)


def retry_after_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "read_retry_after", lambda *_: 0.0)


def end_in_silence(patch: pytest.MonkeyPatch) -> None:
    tell_all = FeedSession._tell_all

    def be_silent(self: FeedSession, state: FeedState, reason: str) -> None:
        if state is not FeedState.ENDED:
            tell_all(self, state, reason)

    patch.setattr(FeedSession, "_tell_all", be_silent)


def dead_topic_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SilenceWatch, "look", lambda _: False)


def quiet_topic_taken_for_dead(patch: pytest.MonkeyPatch) -> None:
    answers = count()

    async def always_newer(*_: Any) -> int:
        return next(answers)

    patch.setattr(BinanceQuestions, "load_newest", always_newer)


def revived_topic_stale_for_ever(patch: pytest.MonkeyPatch) -> None:
    note = FeedSession._note_dead_stream

    def forget(self: FeedSession, stream: Stream, silent_s: float, found: int) -> bool:
        is_told = note(self, stream, silent_s, found)
        self._tracks[stream].news.clear()
        return is_told

    patch.setattr(FeedSession, "_note_dead_stream", forget)


PLANTED: list[tuple[Plant, str, tuple[Any, ...]]] = [
    (never_stale, "test_a_half_open_connection_is_stale_at_its_deadline_then_given_up", ()),
    (stale_for_ever, "test_a_stale_connection_that_comes_back_is_connected_again", ()),
    (no_resubscription, "test_a_lost_connection_is_told_made_again_and_subscribed_again", ()),
    (no_acknowledgement, "test_a_subscription_that_is_never_acknowledged_times_out_and_is_not_there", ()),
    (back_off_without_uptime, "test_a_venue_that_accepts_and_closes_is_not_stormed", ()),
    (every_repetition_delivered, "test_a_repeated_trade_is_dropped_and_a_late_one_is_not", ()),
    (told_apart_by_time_only, "test_a_repeated_trade_is_dropped_and_a_late_one_is_not", ()),
    (gap_never_told, "test_a_gap_is_told_before_the_event_that_shows_it", ()),
    (late_dropped_as_repeated, "test_a_repeated_trade_is_dropped_and_a_late_one_is_not", ()),
    (states_stamped_after_events, "test_a_gap_is_told_before_the_event_that_shows_it", ()),
    (successor_deaf_until_promoted, "test_a_connection_that_breaks_during_its_replacement_leaves_no_hole", ()),
    (
        old_connection_closed_with_its_dead_successor,
        "test_a_successor_that_breaks_is_made_again_while_the_old_connection_goes_on",
        (),
    ),
    (garbage_is_fatal, "test_garbage_is_kept_aside_and_its_neighbours_are_delivered", ("{",)),
    (garbage_never_counted, "test_mostly_garbage_makes_the_stream_stale_until_it_ends", ()),
    (retry_after_ignored, "test_a_venue_that_asks_to_be_left_alone_is_left_alone", (429,)),
    (dead_topic_not_noticed, "test_a_stream_that_dies_alone_is_stale_by_its_name_and_asked_for_anew", ()),
    (quiet_topic_taken_for_dead, "test_a_quiet_stream_beside_a_busy_one_is_not_dead", ()),
    (revived_topic_stale_for_ever, "test_a_stream_that_dies_alone_is_stale_by_its_name_and_asked_for_anew", ()),
    (end_in_silence, "test_a_refusal_for_good_ends_run_and_is_told_to_every_stream", (401,)),
]


@pytest.mark.parametrize(("plant", "test", "args"), PLANTED, ids=[plant.__name__ for plant, _, _ in PLANTED])
def test_a_planted_bug_is_caught(
    plant: Plant, test: str, args: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> None:
        run_virtual(lambda: getattr(Suite(), test)(*args), seed=11)

    run()  # without the bug it passes
    plant(monkeypatch)
    with pytest.raises(BaseException) as caught:
        run()
    # By what the test asserts or waits for, not because the bug was planted badly.
    assert set(map(type, leaves(caught.value))) <= {AssertionError, TimeoutError, Failed, RuntimeError}


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]

"""LiveIntake and HistoryQuestions: what passes, what is told, and when history is asked."""

from typing import Any

import anyio
import pytest

from tradecore.domain.bar import Bar
from tradecore.domain.event import FLAT
from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, StreamBroken
from tradecore.feeds.history_questions import HistoryQuestions, Patience
from tradecore.feeds.join import make_join
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.own_join import OwnJoin
from tradecore.feeds.proof import JoinPolicy, Proof, Verdict
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.virtual_run import running_clock

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")

pytestmark = pytest.mark.virtual_time(seed=1)


class Scene:
    """A venue, its buffer and intake; trades 1 and 2 are known from history."""

    def __init__(self, **policy: Any) -> None:
        self.verdicts: list[tuple[Stream, Proof]] = []
        self.venue = ObjectVenue(running_clock(), [TRADES, QUOTES])
        self.buffer = LiveBuffer(running_clock())
        self.intake = LiveIntake(self.hear)
        join = make_join(TRADES, self.venue, JoinPolicy(**policy))
        join.take_stored([self.trade(1), self.trade(2)])
        self.intake.add(TRADES, join)
        self.intake.add(QUOTES, make_join(QUOTES, self.venue, JoinPolicy()))

    def hear(self, stream: Stream, verdict: Verdict) -> None:
        self.verdicts.append((stream, verdict.proof))

    @staticmethod
    def trade(number: int) -> Any:
        return make_trade_tick(number * SECOND_NS, trade_id=str(number))

    def send(self, *numbers: int) -> None:
        """These trades arrive."""
        for number in numbers:
            tick = make_trade_tick(number * SECOND_NS, trade_id=str(number), received=self.buffer.stamp())
            self.buffer.put(TRADES, tick)

    def admit(self) -> list[Any]:
        """What comes through, in words: trade ids, quotes' bids, states."""
        return [self.word(item) for item in self.intake.admit(self.buffer.take(1_000))]

    @staticmethod
    def word(item: Any) -> Any:
        if type(item) is FeedStateChanged:
            return item.state
        return int(item.trade_id) if hasattr(item, "trade_id") else getattr(item, "bid_price", item)


async def test_what_the_venue_does_not_tell_the_join_does() -> None:
    """A hole at the seam is the join's to see: GAP behind the event that shows it, RECOVERED behind the last one."""
    scene = Scene()
    scene.send(3, 5)
    assert scene.admit() == [3, 5, FeedState.GAP]
    scene.send(4, 6)
    assert scene.admit() == [4, FeedState.RECOVERED, 6]
    assert [proof for stream, proof in scene.verdicts if stream == TRADES] == [
        Proof.PENDING, Proof.PROVED, Proof.BROKEN, Proof.PROVED,
    ]  # fmt: skip


async def test_a_gap_that_the_venue_told_is_not_told_again_and_recovered_is_the_join_s_to_say() -> None:
    """The venue says RECOVERED when its own hole closes; here 4 is still on its way, and a seam may be open besides."""
    scene = Scene()
    scene.send(3)
    scene.buffer.put_state(TRADES, FeedState.GAP, "1 missing: 4")
    scene.send(5)
    assert scene.admit() == [3, FeedState.GAP, 5]
    scene.buffer.put_state(TRADES, FeedState.RECOVERED, "what was missing came late")
    scene.send(4)
    assert scene.admit() == [4, FeedState.RECOVERED]


async def test_a_gap_that_history_had_closed_before_it_was_told_is_over_with_the_next_event() -> None:
    scene = Scene()
    scene.buffer.put_state(TRADES, FeedState.GAP, "1 missing: 1")
    scene.send(2, 3)
    assert scene.admit() == [FeedState.GAP, FeedState.RECOVERED, 3]


async def test_a_lost_connection_makes_its_streams_pending_until_the_next_event() -> None:
    scene = Scene()
    scene.send(3)
    scene.buffer.put_state(TRADES, FeedState.RECONNECTING, "closed")
    scene.buffer.put_state(TRADES, FeedState.CONNECTED, "again")
    assert scene.admit() == [3, FeedState.RECONNECTING, FeedState.CONNECTED]
    assert scene.verdicts[-1] == (TRADES, Proof.PENDING)
    scene.send(4)
    scene.admit()
    assert scene.verdicts[-1] == (TRADES, Proof.PROVED)


async def test_what_nobody_added_is_left_out_and_counted() -> None:
    scene = Scene()
    scene.buffer.put(QUOTES, make_quote_tick(1, instrument="OTHER.SIM", received=scene.buffer.stamp()))
    await scene.buffer.put_own("news", 1, "text")
    scene.intake.remove(TRADES)
    scene.send(3)
    assert scene.admit() == []
    assert scene.intake.unknown == 3
    with pytest.raises(FeedError, match="is taken in already"):
        scene.intake.add(QUOTES, scene.intake.joins[QUOTES])


async def test_own_events_pass_through_a_join_of_their_own() -> None:
    scene = Scene()
    join = OwnJoin("news")
    old = scene.trade(1)
    join.take_stored([old])
    scene.intake.add_own("news", join)
    await scene.buffer.put_own("news", old.ts_event, old)
    await scene.buffer.put_own("news", SECOND_NS, scene.trade(7))
    (arrival,) = scene.intake.admit(scene.buffer.take(10))
    assert arrival.event.trade_id == "7"


# -------------------------------------------------------------------------------------------------- asking history


async def run_questions(scene: Scene, seconds: float, patience: Patience) -> tuple[HistoryQuestions, list[Any]]:
    """Deliver for so long, as phase D would."""
    venues = {TRADES: scene.venue}
    questions = HistoryQuestions(scene.intake, scene.buffer, venues, start_ns=0, patience=patience)
    words: list[Any] = []
    async with anyio.create_task_group() as tasks:
        await tasks.start(questions.run)
        with anyio.move_on_after(seconds):
            while True:
                words += [scene.word(item) for item in scene.intake.admit(await scene.buffer.next_batch(100))]
                questions.look()
        tasks.cancel_scope.cancel()
    return questions, words


async def test_a_hole_is_asked_about_and_what_comes_is_received_now() -> None:
    scene = Scene()
    for number in (1, 2, 3, 4, 5):
        scene.venue.publish(TRADES, scene.trade(number))
    scene.send(5)
    questions, words = await run_questions(scene, 10, Patience(first_s=1))
    assert words == [5, FeedState.GAP, 3, 4, FeedState.RECOVERED]
    assert scene.venue.requests == [(TRADES, 2 * SECOND_NS, 6 * SECOND_NS, 2)]
    assert questions.asked == 1


async def test_a_flat_bar_that_an_answer_makes_is_received_with_the_answer() -> None:
    """Minute 2 is missing, and history confirms that nothing happened: its flat bar has no stamp of its own."""
    minutes = Stream("bar", "TEST.SIM 1m last")
    venue, buffer, intake = ObjectVenue(running_clock(), [minutes]), LiveBuffer(running_clock()), LiveIntake()
    join = make_join(minutes, venue, JoinPolicy(empty="flat", settle_ns=0))
    first, third = make_bar(MINUTE_NS), make_bar(3 * MINUTE_NS)
    join.take_stored([first])
    intake.add(minutes, join)
    buffer.put(minutes, make_bar(3 * MINUTE_NS, received=buffer.stamp()))
    assert [bar.ts_event for bar in intake.admit(buffer.take(9)) if type(bar) is Bar] == [3 * MINUTE_NS]
    question = intake.questions[minutes]
    before_ns = buffer.stamp()
    buffer.put_answer(minutes, question, [first, third], as_of_ns=10 * MINUTE_NS)
    (flat,) = (bar for bar in intake.admit(buffer.take(9)) if type(bar) is Bar)
    assert (flat.ts_event, flat.flags) == (2 * MINUTE_NS, FLAT)
    assert before_ns < flat.ts_received < buffer.stamp()


async def test_a_hole_that_closes_by_itself_is_not_asked_about() -> None:
    scene = Scene()
    scene.send(4, 3)
    _, words = await run_questions(scene, 10, Patience(first_s=1))
    assert words == [4, FeedState.GAP, 3, FeedState.RECOVERED]
    assert scene.venue.requests == []


async def test_patience_doubles_and_then_the_hole_is_declared() -> None:
    """Asked after 1, 2 and 4 seconds, each refused; given up 8 seconds later: at 15 s, not at 14."""
    scene = Scene()
    scene.venue.publish(TRADES, scene.trade(9))
    scene.venue.failures = 99
    scene.send(9)
    questions, _ = await run_questions(scene, 14, Patience(first_s=1, times_max=3))
    assert (questions.asked, questions.failed) == (3, 3)
    assert "the test says no" in str(questions.last_error)
    assert scene.intake.joins[TRADES].make_report().declared == ()
    scene.send(9)
    await run_questions(scene, 16, Patience(first_s=1, times_max=3))
    assert [hole.first_id for hole in scene.intake.joins[TRADES].make_report().declared] == [3]


async def test_under_halt_a_hole_that_stays_ends_the_run() -> None:
    scene = Scene(on_broken="halt")
    scene.send(9)
    with pytest.raises(ExceptionGroup) as errors:
        await run_questions(scene, 600, Patience(first_s=1, times_max=2))
    assert errors.group_contains(StreamBroken, match="6 missing from id 3 to 8", depth=2)


async def test_an_old_hole_is_given_up_and_the_younger_one_still_asked_about() -> None:
    """History has lost 3 for good, while 8 only comes to it late."""
    scene = Scene()
    for number in (1, 2, 4, 5):
        scene.venue.publish(TRADES, scene.trade(number))
    scene.venue.truth[TRADES] = [tick for tick in scene.venue.truth[TRADES] if tick.trade_id in ("1", "2")]
    scene.send(4, 5)
    await run_questions(scene, 40, Patience(first_s=1, times_max=3))
    scene.venue.truth[TRADES] += [scene.trade(number) for number in (4, 5, 6, 7)]
    scene.send(7)
    await run_questions(scene, 40, Patience(first_s=1, times_max=3))
    report = scene.intake.joins[TRADES].make_report()
    assert [(hole.first_id, hole.last_id) for hole in report.declared] == [(3, 3)]
    assert report.open_holes == ()
    assert report.counts.requeried == 1


async def test_a_hole_that_is_given_up_wakes_whoever_waits_for_its_answer() -> None:
    """In a quiet market nothing else would: phase C would go on until the next event."""
    scene = Scene()
    scene.venue.failures = 99
    scene.send(9)
    scene.admit()
    questions = HistoryQuestions(
        scene.intake, scene.buffer, {TRADES: scene.venue}, start_ns=0, patience=Patience(first_s=1, times_max=1)
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(questions.run)
        questions.look()
        with anyio.fail_after(10):
            await scene.buffer.wait()
        assert scene.intake.questions == {}
        tasks.cancel_scope.cancel()

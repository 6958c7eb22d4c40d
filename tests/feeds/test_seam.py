"""From history to live on virtual time: store, backfill, cache and live of one venue, with faults in every part.

What was seen is the venue's truth minus declared holes, none twice (RELIABILITY P1-P4, L1), and planted bugs break it.
"""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import msgspec
import pytest

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, VenueRequestFailed
from tradecore.feeds import history_questions, live_buffer
from tradecore.feeds.history_questions import HistoryQuestions
from tradecore.feeds.identity_join import IdentityJoin
from tradecore.feeds.join import make_join
from tradecore.feeds.live import LiveBarFeed, LiveFeed, LiveQuoteFeed, LiveTradeFeed
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.proof import JoinPolicy, JoinReport, Proof
from tradecore.feeds.seen_ids import SeenIds
from tradecore.feeds.spliced_feed import SplicedFeed
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.scripted_feed import ScriptedFeed
from tradecore.testing.stream_laws import StreamLawBroken, check_identity_stream, check_state_stream
from tradecore.testing.virtual_clock import VirtualClock
from tradecore.testing.virtual_run import run_virtual, running_clock

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")
BARS = Stream("bar", "TEST.SIM 1m last")
MARKET_S = 200  # how long the market of a run goes on
FAULTS = ("lose", "repeat", "late", "disconnect", "history_lags", "history_fails", "disk_full")


class Market:
    """Publishes trades, quotes and closed minutes by the venue's clock, with the faults that a seed has chosen."""

    def __init__(self, venue: ObjectVenue, clock: VirtualClock, rng: random.Random) -> None:
        self.venue, self.clock, self.rng = venue, clock, rng
        self.faults = {fault for fault in FAULTS if rng.random() < 0.4}
        self.met: Counter[str] = Counter()
        self.number = 1_000
        self._late: list[tuple[Stream, Any]] = []

    async def run(self) -> None:
        end_ns = self.clock.wall_ns() + MARKET_S * SECOND_NS
        minute_ns = (self.clock.wall_ns() // MINUTE_NS + 1) * MINUTE_NS
        while (now := self.clock.wall_ns()) < end_ns:
            self.step(now)
            if now >= minute_ns:
                self.publish(BARS, make_bar(minute_ns, 100.0 + self.rng.randint(0, 9)))
                minute_ns += MINUTE_NS
            await anyio.sleep(self.rng.choice((0.0, 0.01, 0.1, 2.0)))
        if not self.venue.is_connected:
            self.venue.reconnect()
        self.venue.history_lag = self.venue.failures = 0
        self.faults.clear()
        for _ in range(3):  # the market goes on in peace, so that every stream has a next event
            self.step(self.clock.wall_ns())
            self.publish(BARS, make_bar(minute_ns, 100.0))
            minute_ns += MINUTE_NS
            await anyio.sleep(60)

    def step(self, now: int) -> None:
        rng, venue = self.rng, self.venue
        self.number += 1
        self.publish(TRADES, make_trade_tick(now, 100.0 + rng.randint(0, 5), trade_id=str(self.number)))
        quote = make_quote_tick(now, 99.0, 100.0 + rng.randint(0, 2), sequence=self.number)
        venue.publish(QUOTES, quote)
        if not self.faults:
            return
        if "disconnect" in self.faults and rng.random() < 0.03:
            self.met["disconnect"] += 1
            venue.disconnect() if venue.is_connected else venue.reconnect()
        if "history_lags" in self.faults and rng.random() < 0.1:
            venue.history_lag = rng.choice((0, 1, 2, 20))
            self.met["history_lags"] += venue.history_lag > 0
        if "history_fails" in self.faults and rng.random() < 0.02:
            venue.failures += 1
        self.release_late()

    def publish(self, stream: Stream, event: Any) -> None:
        fault = self.rng.choice([*sorted(self.faults), *["none"] * 6])
        self.met[fault] += 1
        self.venue.publish(stream, event, lost=fault in ("lose", "late"), copies=2 if fault == "repeat" else 1)
        if fault == "late":
            self._late.append((stream, event))

    def release_late(self) -> None:
        """An event that others have overtaken comes after all."""
        while self._late and self.rng.random() < 0.5:
            self.venue.send(*self._late.pop(0))


class Run:
    """Phases A to D without an engine: what they would deliver, stream by stream and as one sequence."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = running_clock()
        self.start_ns = self.clock.wall_ns()
        self.venue = ObjectVenue(self.clock, [TRADES, QUOTES, BARS], page_rows=self.rng.choice((3, 100)))
        self.market = Market(self.venue, self.clock, self.rng)
        policy = JoinPolicy(on_conflict="warn", settle_ns=0)
        self.joins: dict[Stream, Any] = {
            stream: make_join(stream, self.venue, policy) for stream in (TRADES, BARS, QUOTES)
        }
        spill = FullDisk() if "disk_full" in self.market.faults else None
        self.buffer = LiveBuffer(self.clock, capacity=self.rng.choice((4, 10_000)), spill=spill, on_full="degrade")
        self.intake = LiveIntake()
        self.delivered: list[Any] = []
        self.replayed = 0

    async def go(self) -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.venue.run, self.buffer)
            tasks.start_soon(self.market.run)
            await anyio.sleep(self.rng.uniform(0, 30))
            stored = list(self.venue.truth[TRADES])[: self.rng.choice((0, 5, 1_000))]
            feeds: list[LiveFeed] = [
                LiveTradeFeed(self.venue, "TEST.SIM"),
                LiveBarFeed(self.venue, "TEST.SIM 1m last"),
                LiveQuoteFeed(self.venue, "TEST.SIM"),
            ]
            for feed in feeds:
                await tasks.start(feed.pump, self.buffer)
            await self.replay(stored)
            await self.catch_up_and_live(tasks)
            tasks.cancel_scope.cancel()

    async def replay(self, stored: list[Any]) -> None:
        """Phase B, as slow as the seed wants."""
        end_ns = await self.venue.server_time() + SECOND_NS
        for stream in (TRADES, BARS):
            feed = SplicedFeed(
                stream, self.joins[stream], start_ns=self.start_ns, end_ns=end_ns,
                stored=ScriptedFeed([stored]) if stored and stream is TRADES else None,
                venue=self.venue, buffer=self.buffer,
            )  # fmt: skip
            limit = self.rng.choice((1, 7, 1_024))
            while True:
                try:
                    batch = await feed.next_batch(limit)
                except VenueRequestFailed:
                    await anyio.sleep(1)  # phase B asks again
                    continue
                if not batch:
                    break
                self.delivered += batch
                await anyio.sleep(self.rng.choice((0, 0, 0.5)))
            await feed.close()
        self.replayed = len(self.delivered)

    async def catch_up_and_live(self, tasks: anyio.abc.TaskGroup) -> None:
        """Phases C and D: drain, ask about holes, until the market has closed and all questions are answered."""
        for stream, join in self.joins.items():
            self.intake.add(stream, join)
        patience = history_questions.Patience(first_s=0.5, times_max=8)
        venues = dict.fromkeys(self.joins, self.venue)
        questions = HistoryQuestions(self.intake, self.buffer, venues, start_ns=self.start_ns, patience=patience)
        await tasks.start(questions.run)
        with anyio.move_on_after(MARKET_S + 600):
            while True:
                arrivals = await self.buffer.next_batch(self.rng.choice((1, 64, 1_024)))
                self.delivered += self.intake.admit(arrivals)
                questions.look()
                await anyio.sleep(self.rng.choice((0, 0, 0, 0.3)))

    def events(self, stream: Stream) -> list[Any]:
        return [
            event
            for event in self.delivered
            if type(event) is not FeedStateChanged and Stream(event.event_type, str(event.series)) == stream
        ]


class FullDisk:
    """A disk that takes two blocks, then none."""

    name = "a small disk"

    def __init__(self) -> None:
        self.blocks: list[bytes] = []

    def append(self, block: bytes) -> int:
        if len(self.blocks) == 2:
            raise OSError(28, "No space left on device")
        self.blocks.append(block)
        return len(self.blocks) - 1

    def read(self, place: int, length: int) -> bytes:
        return self.blocks[place][:length]

    def clear(self) -> None:
        self.blocks.clear()

    def close(self) -> None:
        self.blocks.clear()


def check_laws(run: Run) -> None:
    """The laws of every stream, and of the order of all of them."""
    for stream in (TRADES, BARS):
        join = run.joins[stream]
        truth = [event for event in run.venue.truth[stream] if event.ts_event >= run.start_ns]
        report: JoinReport = join.make_report()
        # Behind the last event that came at all nobody can know of a hole.
        seen = run.events(stream)
        last = max((run.venue.identity(stream, event) or 0 for event in seen), default=0)
        known = [event for event in truth if (run.venue.identity(stream, event) or 0) <= last]
        check_identity_stream(known, seen, report, partial(run.venue.identity, stream))
        if report.open_holes:
            raise StreamLawBroken(f"{stream}: still open at the end: {report.open_holes}")
    live = [event for event in run.delivered[run.replayed :] if type(event) is not FeedStateChanged]
    for before, after in pairwise(live):
        if after.ts_received <= before.ts_received:
            raise StreamLawBroken(f"{after!r} is delivered behind {before!r}, which was received later")
    check_state_stream(run.venue.truth[QUOTES], run.events(QUOTES), run.joins[QUOTES].make_report())
    for stream in (TRADES, BARS, QUOTES):
        newest = max((event.ts_event for event in run.events(stream)), default=None)
        if newest != run.venue.truth[stream][-1].ts_event:
            raise StreamLawBroken(f"{stream}: the market ended in peace, and its last event was not delivered")
    check_states(run)


def check_states(run: Run) -> None:
    """RECOVERED comes after a GAP alone, and a stream that lacks nothing has said so."""
    told: dict[Stream, FeedState] = {}
    for change in run.delivered:
        if type(change) is not FeedStateChanged or change.state not in (FeedState.GAP, FeedState.RECOVERED):
            continue
        if change.state is FeedState.RECOVERED and told.get(change.stream) is not FeedState.GAP:
            raise StreamLawBroken(f"{change.stream} says RECOVERED, and no GAP before it")
        told[change.stream] = change.state
    for stream in (TRADES, BARS):
        if told.get(stream) is FeedState.GAP and run.joins[stream].verdict.proof is Proof.PROVED:
            raise StreamLawBroken(f"{stream} is PROVED, and its last word is GAP")


def run_seam(seed: int) -> Run:
    """One run from one integer, and its laws."""
    made: list[Run] = []

    async def main() -> None:
        made.append(Run(seed))
        try:
            await made[0].go()
        finally:
            made[0].buffer.discard()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_buffer, "BLOCK_ARRIVALS", 8)
        run_virtual(main, seed=seed)
    check_laws(made[0])
    return made[0]


def test_forty_schedules_of_faults_leave_the_truth_minus_declared_holes() -> None:
    """And once the faults have stopped, nearly every stream is PROVED: what else there is was given up in time."""
    proofs: Counter[Proof] = Counter()
    met: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in range(40):
        run = run_seam(seed)
        met += run.market.met
        for stream in (TRADES, BARS):
            report = run.joins[stream].make_report()
            proofs[report.verdict.proof] += 1
            for name in ("requeried", "duplicates", "late", "overlap", "backfilled", "stored"):
                counts[name] += getattr(report.counts, name)
        counts["not taken"] += sum((loss.count for loss in run.buffer.lost.values()), 0)
    assert all(met[fault] for fault in FAULTS if fault not in ("history_fails", "disk_full")), met
    assert all(counts.values()), counts
    assert proofs[Proof.PROVED] >= 76, proofs


def test_a_seed_repeats_its_run() -> None:
    assert run_seam(3).delivered == run_seam(3).delivered


# ------------------------------------------------------------------------------------------------------ planted bugs


def overflow_drops_in_silence(patch: pytest.MonkeyPatch) -> None:
    """What memory cannot hold is gone."""

    def planted(self: Any, arrival: Any) -> None:
        self.received -= 1

    patch.setattr(LiveBuffer, "_push_to_tail", planted)


def a_quiet_feed_is_read_as_finished(patch: pytest.MonkeyPatch) -> None:
    """Nothing at hand is taken for the end."""
    done: list[bool] = []
    take = LiveBuffer.next_batch

    async def planted(self: Any, limit: int) -> list[Any]:
        if self.depth == 0 or done:
            done.append(True)
            await anyio.sleep(10_000)
        return await take(self, limit)

    patch.setattr(LiveBuffer, "next_batch", planted)


def a_reconnect_is_not_backfilled(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks history what the lost connection did not bring."""
    patch.setattr(HistoryQuestions, "look", lambda self: None)


def live_forgets_what_replay_gave(patch: pytest.MonkeyPatch) -> None:
    """Phase C begins with a join that knows nothing of B."""
    add = LiveIntake.add

    def planted(self: Any, stream: Stream, join: Any) -> None:
        if isinstance(join, IdentityJoin):
            join._seen = SeenIds(join._step)
        add(self, stream, join)

    patch.setattr(LiveIntake, "add", planted)


def answers_keep_their_old_times(patch: pytest.MonkeyPatch) -> None:
    """What history brings in phase D is delivered as if it had been received back then."""
    put = LiveBuffer._put_any

    def planted(self: Any, arrival: Any) -> None:
        if type(arrival) is live_buffer.HistoryAnswer:
            rows = tuple(msgspec.structs.replace(row, ts_received=row.ts_event) for row in arrival.rows)
            arrival = msgspec.structs.replace(arrival, rows=rows)
        put(self, arrival)

    patch.setattr(LiveBuffer, "_put_any", planted)


def stamps_are_the_clock_s(patch: pytest.MonkeyPatch) -> None:
    """Two events of one instant get one stamp."""
    patch.setattr(LiveBuffer, "stamp", lambda self: self._wall_ns())


def the_file_is_read_behind_the_tail(patch: pytest.MonkeyPatch) -> None:
    """What was spilled last is read first."""
    refill = LiveBuffer._refill_head

    def planted(self: Any) -> None:
        self._blocks.reverse()
        refill(self)

    patch.setattr(LiveBuffer, "_refill_head", planted)


def recovered_is_never_said(patch: pytest.MonkeyPatch) -> None:
    """The kin of STALE never cleared: a gap that is closed stays told."""
    note = LiveIntake._note_news

    def planted(self: Any, track: Any, ts: int, given: list[Any]) -> None:
        note(self, track, ts, given)
        if given and type(given[-1]) is FeedStateChanged and given[-1].state is FeedState.RECOVERED:
            given.pop()

    patch.setattr(LiveIntake, "_note_news", planted)


def every_hole_is_given_up_as_empty(patch: pytest.MonkeyPatch) -> None:
    """Patience ends, and nothing is written down."""
    give_up = IdentityJoin.give_up

    def planted(self: Any, *, oldest_only: bool = False) -> None:
        give_up(self, oldest_only=oldest_only)
        self._declared.clear()

    patch.setattr(IdentityJoin, "give_up", planted)
    patch.setattr(history_questions, "open_answer", answer_with_nothing)


async def answer_with_nothing(*_: Any) -> Any:
    """A history that never knows."""
    for page in list[Any]():
        yield page


def a_late_history_is_not_continued_from_the_cache(patch: pytest.MonkeyPatch) -> None:
    """Phase B takes the cache for history, and phase C does not know of it."""
    take = IdentityJoin.take_live

    def planted(self: Any, event: Any) -> bool:
        return take(self, event) or self._history_last == self._seen.last

    patch.setattr(IdentityJoin, "take_live", planted)


PLANTED = [
    overflow_drops_in_silence,
    a_quiet_feed_is_read_as_finished,
    a_reconnect_is_not_backfilled,
    live_forgets_what_replay_gave,
    answers_keep_their_old_times,
    stamps_are_the_clock_s,
    the_file_is_read_behind_the_tail,
    recovered_is_never_said,
    every_hole_is_given_up_as_empty,
    a_late_history_is_not_continued_from_the_cache,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeds are those on which the code as it is breaks no law."""
    plant(monkeypatch)
    for seed in range(40):
        try:
            run_seam(seed)
        except StreamLawBroken:
            return
        except ExceptionGroup as errors:  # the code itself may notice before the laws do
            if errors.subgroup(FeedError) is None:
                raise
            return
    pytest.fail(f"{plant.__name__} went unnoticed")

"""One topic of many dies while the connection lives: by the local venue's `mute`, and by scripted venues."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import VenueRequestFailed
from tradecore.testing.local_venue import synthetic_source
from tradecore.testing.local_venue.local_venue import LocalVenue, open_local_venue
from tradecore.testing.local_venue.synthetic_source import SyntheticSource
from tradecore.testing.local_venue.venue_play import VenueSettings
from tradecore.testing.local_venue.venue_server import open_venue_server
from tradecore.testing.recording_sink import RecordingSink
from tradecore.testing.scripted_binance import ScriptedBinance
from tradecore.testing.scripted_kraken import ScriptedKraken
from tradecore.testing.venue_stage import Stage, VenueStageSuite, on_virtual_time
from tradecore.testing.virtual_run import run_virtual, running_clock
from tradecore.venues.binance_venue import BinanceVenue
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.kraken_venue import KrakenVenue
from tradecore.venues.silence_watch import SilenceWatch

KINDS = ("trade_tick", "quote_tick", "depth")
PAIRS = {"binance": "BTCUSDT", "kraken": "BTCUSD"}
TOPICS = {
    ("binance", "trade_tick"): "btcusdt@trade",
    ("binance", "quote_tick"): "btcusdt@bookTicker",
    ("binance", "depth"): "btcusdt@depth@100ms",
    ("kraken", "trade_tick"): "trade:*",
    ("kraken", "quote_tick"): "ticker:*",
    ("kraken", "depth"): "book:*",
}
STALE_S = 10 + 1  # the deadline of a busy stream, and up to a second until it is looked at


@asynccontextmanager
async def open_market(dialect: str, kinds: tuple[str, ...]) -> AsyncIterator[Any]:
    """A synthetic market of one pair at the local venue, and an adapter that is subscribed to these kinds of it."""
    clock = running_clock()
    pairs = tuple(pair for pair in synthetic_source.PAIRS if pair.base + pair.quote == PAIRS[dialect])
    source = SyntheticSource(clock.wall_ns(), seed=5, pairs=pairs, history_ns=SECOND_NS)
    async with (
        open_local_venue(source, VenueSettings(seed=5)) as local,
        open_venue_server(local, "venue.test") as server,
    ):
        base = f"venue.test:{server.port}"
        venue: Any
        if dialect == "binance":
            venue = BinanceVenue(clock=clock, seed=5, stream_url=f"ws://{base}", api_url=f"ws://{base}/ws-api/v3")
        else:
            venue = KrakenVenue(clock=clock, seed=5, stream_url=f"ws://{base}/v2", rest_url=f"http://{base}")
        sink = RecordingSink(clock)
        name = {"binance": "BTCUSDT.BINANCE", "kraken": "BTC/USD.KRAKEN"}[dialect]
        async with anyio.create_task_group() as tasks:
            await tasks.start(venue.run, sink)
            for kind in kinds:
                await venue.subscribe(Stream(kind, name))
            yield local, venue, sink, name
            tasks.cancel_scope.cancel()


async def mute(dialect: str, kind: str) -> tuple[RecordingSink, str, int, LocalVenue]:
    """Twenty seconds of a lively market, then one topic of it is lost for 18 s, and as long again to come back."""
    async with open_market(dialect, KINDS) as (local, _venue, sink, name):
        await anyio.sleep(20)
        muted_ns = running_clock().wall_ns()
        local.add_fault(f"mute for=18 topic={TOPICS[dialect, kind]}")
        await anyio.sleep(36)
        return sink, name, muted_ns, local


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", ["binance", "kraken"])
def test_a_muted_topic_is_told_by_name_within_its_deadline_and_the_others_are_not(dialect: str, kind: str) -> None:
    sink, name, muted_ns, local = run_virtual(lambda: mute(dialect, kind), seed=5)
    muted = Stream(kind, name)
    (stale,) = [change for change in sink.changes(muted) if change.state is FeedState.STALE]
    assert local.fault_counts["mute"] > 20, "the market moved, and nobody was told"
    assert str(muted) in stale.reason
    assert 0 < (stale.ts - muted_ns) / SECOND_NS <= STALE_S
    for other in KINDS:
        if other != kind:
            assert set(sink.states(Stream(other, name))) == {FeedState.CONNECTED}
    after = sink.states(muted)[sink.states(muted).index(FeedState.STALE) + 1 :]
    assert after[0] is FeedState.CONNECTED, "heard again"
    # A hole of trades is closed by the join, which asks history; a state is whole again with its next value. Kraken's
    # book breaks once more where a successor is promoted that was subscribed while its whole book was lost as well.
    holes = [FeedState.GAP, FeedState.RECOVERED]
    told = ([FeedState.GAP],) if kind == "trade_tick" else (holes, 2 * holes)
    assert after[1:] in told, "what was not sent is missing, and that is told"


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
def test_each_death_of_a_topic_is_told_anew(dialect: str) -> None:
    """After it was heard again its deadline begins anew."""

    async def main() -> tuple[RecordingSink, Stream]:
        async with open_market(dialect, KINDS) as (local, _venue, sink, name):
            await anyio.sleep(15)
            for _ in range(2):
                local.add_fault(f"mute for=15 topic={TOPICS[dialect, 'quote_tick']}")
                await anyio.sleep(25)
            return sink, Stream("quote_tick", name)

    sink, quotes = run_virtual(main, seed=6)
    told = [state for state in sink.states(quotes) if state in (FeedState.STALE, FeedState.RECOVERED)]
    assert told == [FeedState.STALE, FeedState.RECOVERED] * 2


class TestSilenceAtBinance(VenueStageSuite):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedBinance(clock)

    @on_virtual_time
    async def test_bars_that_the_venue_made_and_did_not_send_are_missed_by_their_step(self) -> None:
        """Bars of a minute: due 60 s after the one before, told 15 s later at the latest, plus a second to look."""
        async with self.stage(subscribe=False) as stage:
            bars = Stream("bar", f"{ScriptedBinance.instrument} 1m last")
            await stage.skin.publish_trade(1, is_said=False)
            await stage.venue.subscribe(bars)
            subscribed_ns = running_clock().wall_ns()
            first_end_ns = -(-subscribed_ns // MINUTE_NS) * MINUTE_NS
            await anyio.sleep(180)
            assert stage.sink.states(bars) == [FeedState.CONNECTED, FeedState.STALE]
            stale_ns = stage.sink.changes(bars)[-1].ts
            assert first_end_ns < stale_ns <= max(first_end_ns, subscribed_ns) + MINUTE_NS + 16 * SECOND_NS

    @on_virtual_time
    async def test_what_the_venue_does_not_answer_is_not_held_against_a_stream(self) -> None:
        """Nothing is known then: freshness rests on the connection, as without the watch."""
        async with self.stage() as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedBinance)
            skin.errors["trades.aggregate"] = [(400, {"code": -1000, "msg": "not today"})] * 1_000
            for number in range(1, 200):
                await skin.publish_trade(number, is_said=False)
                await anyio.sleep(1)
            assert len(skin.errors["trades.aggregate"]) < 1_000, "it was asked"
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED]

    @on_virtual_time
    async def test_questions_about_a_quiet_stream_grow_rare(self) -> None:
        """60 s x 0.3 = 18 s between the first ones, doubled up to eight times: an hour takes 3,600 / 144 of them."""
        async with self.stage() as stage:
            await anyio.sleep(3_600)
            asked = [request for request in stage.skin.requests if request["method"] == "trades.aggregate"]
            assert 20 <= len(asked) <= 3_600 / 144 + 5

    @on_virtual_time
    async def test_a_connection_that_is_lost_before_a_verdict_begins_anew(self) -> None:
        """The venue has newer, and while a frame may still be on its way the connection breaks: nothing was proved."""
        async with self.stage() as stage:
            await self.silence_until_the_last_question(stage)
            stage.skin.drop()
            await stage.wait_for_state(FeedState.RECONNECTING)
            await stage.wait_for_state(FeedState.CONNECTED)
            assert stage.sink.states(stage.trades) == [
                FeedState.CONNECTED, FeedState.RECONNECTING, FeedState.CONNECTED
            ]  # fmt: skip

    @on_virtual_time
    async def test_a_stream_that_is_unsubscribed_before_a_verdict_gets_none(self) -> None:
        async with self.stage() as stage:
            await self.silence_until_the_last_question(stage)
            await stage.venue.unsubscribe(stage.trades)
            await anyio.sleep(10)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED]

    async def silence_until_the_last_question(self, stage: Stage) -> None:
        """Trades that nobody is told of, until the venue has been asked about them twice."""

        def count_questions() -> int:
            return sum(1 for request in stage.skin.requests if request["method"] == "trades.aggregate")

        number = 0
        while count_questions() < 2:
            number += 1
            await stage.skin.publish_trade(number, is_said=False)
            await anyio.sleep(0.5)
            assert number < 200
        assert stage.sink.states(stage.trades) == [FeedState.CONNECTED], "for two seconds more it may be on its way"

    @on_virtual_time
    async def test_a_connection_that_says_nothing_at_all_is_told_as_a_whole(self) -> None:
        """One reason for all streams, not one for each."""
        from tradecore.testing.virtual_run import running_network

        async with self.stage(lost_after_s=120.0) as stage:
            for number in range(1, 61):
                await stage.skin.publish_trade(number)
                await anyio.sleep(0.5)
            for link in running_network().links_to(stage.skin.host, stage.skin.port):
                link.stall()
            await anyio.sleep(60)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED, FeedState.STALE]
            assert "nothing heard" in stage.sink.changes(stage.trades)[-1].reason


class TestSilenceAtKraken(VenueStageSuite):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedKraken(clock)

    @on_virtual_time
    async def test_an_answer_about_the_book_that_cannot_be_read_is_named(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            body = '{"error":[],"result":{"XXBTZUSD":{"bids":7}}}'
            skin.http_answers = [f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()]
            with pytest.raises(VenueRequestFailed, match=r"Depth.*cannot be read"):
                await stage.venue._rest.load_newest(stage.quotes)


class Heard:
    """A track, as far as a SilenceWatch reads one."""

    heard = 0


@pytest.mark.virtual_time(seed=3)
async def test_a_busy_stream_that_dies_is_not_asked_about_after_a_hundred_quiet_ones() -> None:
    """Quiet: two trades a minute, then none. Half a question a second takes 200 s for one round of them."""
    clock = running_clock()
    quiet = [Stream("trade_tick", f"Q{number}.SIM") for number in range(100)]
    busy, dead = Stream("quote_tick", "BUSY.SIM"), list[tuple[Stream, float]]()
    tracks: dict[Stream, Any] = {stream: Heard() for stream in (*quiet, busy)}

    async def load_newest(stream: Stream) -> int:
        return clock.monotonic_ns() if stream == busy else 1

    def on_silent(stream: Stream, silent_s: float, _found: int) -> bool:
        dead.append((stream, silent_s))
        return True

    watch = SilenceWatch(ConnectionSettings(), clock, tracks, load_newest=load_newest, on_silent=on_silent)
    async with anyio.create_task_group() as tasks:
        for second in range(400):
            if second < 300:
                tracks[busy].heard += 5
            if second < 100 and second % 30 == 0:
                for stream in quiet:
                    tracks[stream].heard += 1
            if watch.look():
                tasks.start_soon(watch.ask)
            await anyio.sleep(1)
        tasks.cancel_scope.cancel()
    (found, silent_s), *_ = dead
    assert found == busy
    assert silent_s <= 15


def test_nothing_is_asked_twice_at_a_time() -> None:
    """Kraken bears one question a second, and a backfill asks too: two silent streams are asked about in turn."""

    async def main() -> list[int]:
        async with open_market("kraken", KINDS) as (local, venue, _sink, _name):
            asked_ns: list[int] = []
            load = venue._rest.load_newest

            async def note(stream: Stream) -> Any:
                asked_ns.append(running_clock().monotonic_ns())
                return await load(stream)

            venue.session._silence._load_newest = note
            local.add_fault("mute for=60 topic=ticker:*")
            local.add_fault("mute for=60 topic=book:*")
            await anyio.sleep(40)
            return asked_ns

    asked = run_virtual(main, seed=7)
    assert len(asked) >= 6
    assert min(later - earlier for earlier, later in pairwise(asked)) >= 2 * SECOND_NS

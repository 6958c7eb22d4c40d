"""What is Kraken's own: books by checksum, heartbeats, bars of its trades, REST and its moods."""

from typing import Any

import anyio
import pytest

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import HistoryNotOffered, SubscriptionRefused, VenueRateLimited, VenueRequestFailed
from tradecore.testing.scripted_kraken import ScriptedKraken
from tradecore.testing.venue_stage import VenueStageSuite, on_virtual_time
from tradecore.testing.virtual_run import running_clock
from tradecore.venues.kraken_book import KrakenBook
from tradecore.venues.market_data_venue import HistoryKind

BTC = ScriptedKraken.instrument
BARS = Stream("bar", f"{BTC} 1m last")
DEPTH = Stream("depth", BTC)


def status(system: str) -> str:
    """As the venue greets each connection, and says when it changes."""
    return f'{{"channel":"status","type":"update","data":[{{"system":"{system}","api_version":"v2"}}]}}'


def http(status: str, body: str, *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers])
    return f"{head}\r\n\r\n{body}".encode()


def book(
    bids: list[tuple[float, float]], asks: list[tuple[float, float]], checksum: int | None = None
) -> dict[str, Any]:
    """A whole book, its checksum computed as the pair's precision of 1 and 8 digits wants it."""
    from zlib import crc32

    def text(side: list[tuple[float, float]]) -> str:
        return "".join(
            f"{price:.1f}".replace(".", "").lstrip("0") + f"{size:.8f}".replace(".", "").lstrip("0")
            for price, size in side
        )

    return {
        "symbol": "BTC/USD",
        "bids": [{"price": price, "qty": size} for price, size in bids],
        "asks": [{"price": price, "qty": size} for price, size in asks],
        "checksum": crc32((text(asks) + text(bids)).encode()) if checksum is None else checksum,
        "timestamp": "2024-01-01T00:00:01.000000Z",
    }


class TestKrakenVenue(VenueStageSuite):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedKraken(clock)

    @on_virtual_time
    async def test_bars_are_the_runtimes_to_make_of_trades(self) -> None:
        async with self.stage(subscribe=False) as stage:
            assert stage.venue.history_kind(BARS).kind is HistoryKind.FROM_TRADES
            with pytest.raises(SubscriptionRefused, match="made of its trades"):
                await stage.venue.subscribe(BARS)
            with pytest.raises(HistoryNotOffered):
                stage.venue.read_history(BARS, start=0, end=1)

    @on_virtual_time
    async def test_a_book_whose_checksum_differs_is_asked_for_anew(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            skin.whole_book = book([(100.0, 1.0)], [(101.0, 2.0)])
            await stage.venue.subscribe(DEPTH)
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 1)
            await skin.publish_book("update", book([(100.5, 3.0)], [], checksum=1))
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: stage.sink.states(DEPTH)[-1] is FeedState.RECOVERED)
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 2)
            assert stage.sink.states(DEPTH) == [FeedState.CONNECTED, FeedState.GAP, FeedState.RECOVERED]
            asked = [
                request["method"] for request in skin.requests if request.get("params", {}).get("channel") == "book"
            ]
            assert asked == ["subscribe", "unsubscribe", "subscribe"]
            assert stage.sink.events(DEPTH)[-1].bids == ((100.0, 1.0),)  # type: ignore[union-attr]

    @on_virtual_time
    async def test_after_a_lost_connection_the_book_begins_with_the_whole_one_of_the_new(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            skin.whole_book = book([(100.0, 1.0)], [(101.0, 2.0)])
            await stage.venue.subscribe(DEPTH)
            skin.whole_book = book([(90.0, 1.0)], [(91.0, 2.0)])
            skin.drop()
            with anyio.fail_after(60):
                await stage.sink.wait_for(lambda: FeedState.RECOVERED in stage.sink.states(DEPTH))
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) >= 1)
            assert stage.sink.events(DEPTH)[-1].bids == ((90.0, 1.0),)  # type: ignore[union-attr]

    @on_virtual_time
    async def test_silence_without_heartbeats_is_a_fault_although_pings_are_answered(self) -> None:
        """The socket's machine lives, the feed behind it does not: RELIABILITY 2 #3."""
        async with self.stage() as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            await anyio.sleep(60)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED], "heartbeats alone keep it alive"
            skin.beats = False
            await stage.wait_for_state(FeedState.STALE)
            await stage.wait_for_state(FeedState.RECONNECTING)

    @on_virtual_time
    async def test_maintenance_makes_streams_stale_until_it_is_over(self) -> None:
        """Frames go on coming, and say nothing about a market that stands still."""
        async with self.stage() as stage:
            await stage.skin.send_raw(status("maintenance"))
            await stage.wait_for_state(FeedState.STALE)
            assert "maintenance" in stage.sink.changes(stage.trades)[-1].reason
            await stage.venue.subscribe(stage.quotes)
            assert stage.sink.states(stage.quotes) == [FeedState.CONNECTED, FeedState.STALE], (
                "one that comes late hears it"
            )
            await anyio.sleep(60)
            await stage.skin.send_raw(status("online"))
            await stage.wait_for_state(FeedState.CONNECTED)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED, FeedState.STALE, FeedState.CONNECTED]
            assert stage.venue.system == "online"

    @on_virtual_time
    async def test_maintenance_that_outlasts_a_connection_is_told_again_on_the_next(self) -> None:
        async with self.stage() as stage:
            await stage.skin.send_raw(status("maintenance"))
            await stage.wait_for_state(FeedState.STALE)
            stage.skin.drop()
            await stage.wait_for_state(FeedState.RECONNECTING)
            await stage.wait_for_state(FeedState.STALE)
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)
            assert stage.sink.states(stage.trades)[-1] is FeedState.STALE

    @on_virtual_time
    @pytest.mark.parametrize(
        ("system", "said"),
        [("cancel_only", "none can be placed"), ("post_only", "rest in the book"), ("brand_new", "not known here")],
    )
    async def test_what_concerns_orders_only_is_told_and_leaves_data_fresh(self, system: str, said: str) -> None:
        async with self.stage() as stage:
            await stage.skin.send_raw(status(system))
            await stage.skin.send_raw(status(system))
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED] * 2, "once, however often it is said"
            told = stage.sink.changes(stage.trades)[-1].reason
            assert system in told
            assert said in told
            assert stage.venue.system == system
            await stage.skin.send_raw(status("maintenance"))
            await stage.skin.send_raw(status(system))
            await stage.skin.send_raw(status("online"))
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: "as usual" in stage.sink.changes(stage.trades)[-1].reason)
            assert stage.sink.states(stage.trades)[2:] == [FeedState.STALE, *[FeedState.CONNECTED] * 3]

    @on_virtual_time
    async def test_rest_is_asked_about_once_a_second(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            for number in range(1, 3_001):
                await skin.publish_trade(number, is_said=False)
                await anyio.sleep(0.001)
            before = running_clock().monotonic_ns()
            read = [
                tick.trade_id
                async for page in stage.venue.read_history(stage.trades, start=0, end=running_clock().wall_ns())
                for tick in page
            ]
            assert read == [str(number) for number in range(1, 3_001)]
            assert len(skin.http_targets) == 4
            assert running_clock().monotonic_ns() - before >= 3 * SECOND_NS
            assert skin.http_targets[0] == "/0/public/Trades?pair=BTC%2FUSD&since=0&count=1000"

    @on_virtual_time
    @pytest.mark.parametrize(
        ("answer", "waited_s"),
        [
            (http("200 OK", '{"error":["EAPI:Rate limit exceeded"]}'), 15),
            (http("429 Too Many Requests", "slow down", "Retry-After: 40"), 40),
            (http("503 Service Unavailable", ""), 1),
            (b"", 1),
            (b"no http at all\r\n\r\n", 1),
        ],
    )
    async def test_rest_is_asked_again_after_a_passing_refusal(self, answer: bytes, waited_s: float) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            await skin.publish_trade(1, is_said=False)
            skin.http_answers = [answer]
            before = running_clock().monotonic_ns()
            pages = [
                page async for page in stage.venue.read_history(stage.trades, start=0, end=running_clock().wall_ns())
            ]
            assert [tick.trade_id for page in pages for tick in page] == ["1"]
            assert running_clock().monotonic_ns() - before >= waited_s * SECOND_NS

    @on_virtual_time
    @pytest.mark.parametrize(
        ("answers", "said"),
        [
            ([http("200 OK", '{"error":["EQuery:Unknown asset pair"]}')], "Unknown asset pair"),
            ([http("200 OK", "<html>")], "cannot be read"),
            ([http("200 OK", '{"error":[],"result":{"X":[]}}')], "cannot be read"),
            (
                [http("200 OK", '{"error":[],"result":{"X":[["NaN","1",1.5,"b","l","",1]],"last":"1"}}')],
                "cannot be read",
            ),
            ([http("200 OK", '{"error":[],"result":{"X":[["1","1",1e999999,"b","l","",1]],"last":"1"}}')], "cannot be"),
            ([http("200 OK", '{"error":[],"result":{"X":[["1","1",1.5,"z","l","",1]],"last":"1"}}')], "cannot be read"),
            ([http("500 Oops", "")] * 4, "the server failed"),
            ([http("200 OK", "x" * 10_000)] * 4, "larger than"),
        ],
    )
    async def test_an_answer_of_rest_that_does_not_help_is_named(self, answers: list[bytes], said: str) -> None:
        async with self.stage(subscribe=False, frame_bytes_max=4_096) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            skin.http_answers = answers
            with pytest.raises(VenueRequestFailed, match=said):
                await anext(stage.venue.read_history(stage.trades, start=0, end=1))

    @on_virtual_time
    async def test_a_long_ban_is_for_the_user_to_know_of(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            skin.http_answers = [http("418 Banned", "", "Retry-After: 86400")]
            with pytest.raises(VenueRateLimited) as caught:
                await anext(stage.venue.read_history(stage.trades, start=0, end=1))
            assert caught.value.retry_after_s == 86_400

    @on_virtual_time
    async def test_times_of_rest_are_cut_to_what_the_socket_sends(self) -> None:
        """1.0000019 s of REST is 1.000001 s of the socket: the same trade."""
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedKraken)
            row = '["100.5","2.0",1.0000019,"s","m","",77]'
            skin.http_answers = [http("200 OK", f'{{"error":[],"result":{{"XXBTZUSD":[{row}],"last":"1000001900"}}}}')]
            (tick,) = await anext(stage.venue.read_history(stage.trades, start=0, end=2 * SECOND_NS))
            assert (tick.ts_event, tick.trade_id) == (1_000_001_000, "77")


def test_the_book_helper_agrees_with_the_books_own_checksum() -> None:
    """The helper above is written apart from the adapter."""
    made = book([(100.0, 1.0)], [(101.0, 2.0)])
    track = KrakenBook(BTC, 5, 25)
    track._bids.put(100.0, (1.0, "1000100000000"))
    track._asks.put(101.0, (2.0, "1010200000000"))
    assert track.compute_checksum() == made["checksum"]

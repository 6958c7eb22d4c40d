"""What is Binance's own: bars, books over the API socket, refusals and weights of questions."""

from typing import Any

import anyio
import pytest

from tradecore.domain.clock import Clock
from tradecore.domain.event import NO_VENUE_TIME
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import HistoryNotOffered, SubscriptionRefused, VenueRateLimited, VenueRequestFailed
from tradecore.testing.scripted_binance import ScriptedBinance
from tradecore.testing.venue_stage import VenueStageSuite, on_virtual_time
from tradecore.testing.virtual_run import running_clock
from tradecore.venues.market_data_venue import HistoryKind

BTC = ScriptedBinance.instrument
BARS = Stream("bar", f"{BTC} 1m last")
DEPTH = Stream("depth", BTC)
LIMITED = {"code": -1003, "msg": "Too much request weight used.", "data": {"serverTime": 1_000, "retryAfter": 31_000}}


def kline(opening_ms: int, *, is_closed: bool) -> str:
    return (
        '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{'
        f'"t":{opening_ms},"T":{opening_ms + 59_999},"i":"1m","f":1,"L":2,"o":"100","c":"101","h":"102","l":"99",'
        f'"v":"7.5","n":2,"x":{str(is_closed).lower()},"q":"1","V":"1","Q":"1","B":"0"}}}}}}'
    )


class TestBinanceVenue(VenueStageSuite):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedBinance(clock)

    @on_virtual_time
    async def test_a_live_bar_is_delivered_when_it_is_closed_and_not_before(self) -> None:
        async with self.stage(subscribe=False) as stage:
            await stage.venue.subscribe(BARS)
            opening_ms = running_clock().wall_ns() // MINUTE_NS * 60_000
            for is_closed in (False, False, True, True):
                await stage.skin.send_raw(kline(opening_ms, is_closed=is_closed))
            await stage.skin.send_raw(kline(opening_ms + 120_000, is_closed=True))
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(BARS)) == 2)
            first, second = stage.sink.events(BARS)
            assert first.ts_event == opening_ms * 1_000_000 + MINUTE_NS
            assert second.ts_event == first.ts_event + 2 * MINUTE_NS
            assert stage.sink.states(BARS) == [FeedState.CONNECTED, FeedState.GAP], "a minute was skipped"
            assert stage.venue.identity(BARS, first) == first.ts_event

    @on_virtual_time
    async def test_the_past_of_bars_ends_with_the_last_closed_one_and_is_complete_and_checked(self) -> None:
        """1,005 minutes and a half: two pages, 1,005 bars; the open one is not among them."""
        async with self.stage(subscribe=False) as stage:
            start = running_clock().wall_ns() // MINUTE_NS * MINUTE_NS
            for number in range(1, 1_006):
                await stage.skin.publish_trade(number, is_said=False)
                stage.skin.clock_offset_ns += MINUTE_NS  # the venue's clock runs ahead: nobody has to wait for it
            stage.skin.clock_offset_ns += MINUTE_NS // 2
            now = stage.skin.now_ns()
            pages = [page async for page in stage.venue.read_history(BARS, start=start, end=now + MINUTE_NS)]
            assert len(pages) == 2
            bars = [bar for page in pages for bar in page]
            assert [bar.ts_event for bar in bars] == [start + count * MINUTE_NS for count in range(1, 1_006)]
            assert [bar.close for bar in bars] == [trade.price for trade in stage.skin.trades]
            part = [
                bar
                async for page in stage.venue.read_history(
                    BARS, start=bars[10].ts_event, end=bars[20].ts_event + SECOND_NS
                )
                for bar in page
            ]
            assert part == bars[10:21], "both ends included, by the bars' ends"
            assert stage.venue.history_kind(BARS).kind is HistoryKind.BY_TIME

    @on_virtual_time
    async def test_bars_have_no_past_by_id(self) -> None:
        async with self.stage(subscribe=False) as stage:
            with pytest.raises(HistoryNotOffered, match="by id"):
                stage.venue.read_history(BARS, start=0, end=1, from_id=3)

    @on_virtual_time
    async def test_bars_that_the_venue_does_not_make_are_refused(self) -> None:
        async with self.stage(subscribe=False) as stage:
            with pytest.raises(SubscriptionRefused, match="aggregate these"):
                await stage.venue.subscribe(Stream("bar", f"{BTC} 7m last"))

    @on_virtual_time
    async def test_a_book_begins_with_a_whole_one_breaks_at_a_gap_and_begins_anew(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedBinance)
            skin.book = (10, [["100.0", "1.0"]], [["101.0", "2.0"]])
            await stage.venue.subscribe(DEPTH)
            await skin.publish_change(9, 11, [["100.5", "3.0"]], [])
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 1)
            await skin.publish_change(12, 12, [["100.5", "0"]], [])
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 2)
            first, second = stage.sink.events(DEPTH)
            assert (first.bids, first.asks) == (((100.5, 3.0), (100.0, 1.0)), ((101.0, 2.0),))  # type: ignore[union-attr]
            assert not first.flags & NO_VENUE_TIME
            assert second.bids == ((100.0, 1.0),)  # type: ignore[union-attr]
            skin.book = (14, [["90.0", "1.0"]], [["91.0", "2.0"]])
            await skin.publish_change(15, 15, [["90.5", "1.0"]], [])  # 13 and 14 never came
            with anyio.fail_after(30):
                await stage.sink.wait_for(lambda: FeedState.RECOVERED in stage.sink.states(DEPTH))
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 3)
            third = stage.sink.events(DEPTH)[-1]
            assert third.bids == ((90.5, 1.0), (90.0, 1.0))  # type: ignore[union-attr]
            assert stage.sink.states(DEPTH) == [FeedState.CONNECTED, FeedState.GAP, FeedState.RECOVERED]

    @on_virtual_time
    async def test_a_book_that_gets_no_beginning_says_so_and_goes_on_asking(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedBinance)
            skin.book = (20, [["100.0", "1.0"]], [["101.0", "2.0"]])
            skin.errors["depth"] = [(400, {"code": -1000, "msg": "no book today"})]
            await stage.venue.subscribe(DEPTH)
            await skin.publish_change(20, 21, [], [])
            with anyio.fail_after(30):
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 1)
            assert FeedState.STALE in stage.sink.states(DEPTH)
            assert any("no book today" in change.reason for change in stage.sink.changes(DEPTH))

    @on_virtual_time
    async def test_after_a_lost_connection_the_book_is_in_sequence_again(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedBinance)
            skin.book = (10, [["100.0", "1.0"]], [["101.0", "2.0"]])
            await stage.venue.subscribe(DEPTH)
            await skin.publish_change(11, 11, [], [])
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 1)
            skin.drop()
            with anyio.fail_after(60):
                await stage.sink.wait_for(lambda: stage.sink.states(DEPTH).count(FeedState.CONNECTED) == 2)
            skin.book = (50, [["100.0", "7.0"]], [["101.0", "2.0"]])
            await skin.publish_change(51, 51, [], [])
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(DEPTH)) == 2)
            assert stage.sink.events(DEPTH)[-1].bids == ((100.0, 7.0),)  # type: ignore[union-attr]
            assert stage.sink.states(DEPTH)[-1] is FeedState.RECOVERED

    @on_virtual_time
    async def test_a_farewell_brings_a_successor_without_a_hole(self) -> None:
        """The venue says that it restarts, and closes ten seconds later."""
        async with self.stage() as stage:
            await stage.skin.publish_trade(1)
            await stage.skin.send_raw('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
            for number in range(2, 102):
                await stage.skin.publish_trade(number)
                await anyio.sleep(0.1)
            await stage.wait_for_trades(101)
            assert stage.numbers() == list(range(1, 102))
            assert len(stage.skin.connects_ns) == 2
            assert set(stage.sink.states(stage.trades)) == {FeedState.CONNECTED}

    @on_virtual_time
    async def test_a_refusal_for_too_many_questions_is_waited_out(self) -> None:
        """retryAfter - serverTime = 30 s; a ban longer than two minutes is for the user to know of."""
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedBinance)
            skin.errors["time"] = [(429, LIMITED)]
            before = running_clock().monotonic_ns()
            await stage.venue.server_time()
            assert running_clock().monotonic_ns() - before >= 30 * SECOND_NS
            banned = {**LIMITED, "data": {"serverTime": 1_000, "retryAfter": 1_000_000}}
            skin.errors["time"] = [(418, banned)]
            with pytest.raises(VenueRateLimited) as caught:
                await stage.venue.server_time()
            assert caught.value.retry_after_s == 999.0

    @on_virtual_time
    async def test_a_question_that_is_answered_with_an_error_names_the_venues_words(self) -> None:
        async with self.stage(subscribe=False) as stage:
            skin = stage.skin
            assert isinstance(skin, ScriptedBinance)
            skin.errors["time"] = [(400, {"code": -1102, "msg": "Mandatory parameter was not sent."})]
            with pytest.raises(VenueRequestFailed, match="Mandatory parameter"):
                await stage.venue.server_time()

    @on_virtual_time
    async def test_an_api_connection_that_breaks_is_made_again_for_the_next_question(self) -> None:
        async with self.stage(subscribe=False) as stage:
            from tradecore.testing.virtual_run import running_network

            await stage.venue.server_time()
            for link in running_network().links_to(stage.skin.host, stage.skin.port):
                link.abort()
            await stage.venue.server_time()

    @on_virtual_time
    async def test_questions_keep_within_the_weight_of_a_minute(self) -> None:
        """trades.historical weighs 25 and 4,800 of 6,000 are ours: 192 pages a minute."""
        async with self.stage(subscribe=False) as stage:
            await stage.skin.publish_trade(1, is_said=False)
            asked_ns = []
            for _ in range(400):
                pages = stage.venue.read_history(stage.trades, start=0, end=running_clock().wall_ns(), from_id=1)
                assert [page async for page in pages]
                asked_ns.append(running_clock().wall_ns())
            by_minute: dict[int, int] = {}
            for at in asked_ns:
                by_minute[at // MINUTE_NS] = by_minute.get(at // MINUTE_NS, 0) + 1
            assert max(by_minute.values()) <= 4_800 // 25
            assert len(by_minute) == 3

"""What a person reads when a venue fails: what was tried, what happened, what to do."""

from typing import Any

import anyio
import pytest

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import UnknownSymbol, VenueRequestFailed, VenueUnreachable
from tradecore.testing.recording_sink import RecordingSink
from tradecore.testing.scripted_binance import ScriptedBinance
from tradecore.testing.scripted_kraken import ScriptedKraken
from tradecore.testing.venue_stage import VenueStageSuite, on_virtual_time
from tradecore.testing.virtual_run import running_clock, running_network


class TextSuite(VenueStageSuite):
    @on_virtual_time
    async def test_frames_that_cannot_be_read_say_what_was_wrong_with_the_last(self) -> None:
        async with self.stage(rejects_per_minute_max=2) as stage:
            for _ in range(3):
                await stage.skin.publish_trade(1)
                await stage.skin.send_raw(self.make_nan())
            await stage.wait_for_state(FeedState.STALE)
            reason = stage.sink.changes(stage.trades)[-1].reason
            assert "more than 2 frames of a minute could not be read; " in reason
            assert "malformed" in reason
            assert len(stage.sink.events(stage.trades)) == 1, "NaN never gets further"

    @on_virtual_time
    async def test_an_oversized_frame_names_the_setting(self) -> None:
        async with self.stage(frame_bytes_max=4_096) as stage:
            await stage.skin.send_raw("x" * 5_000)
            await stage.wait_for_state(FeedState.RECONNECTING)
            assert stage.sink.changes(stage.trades)[-1].reason == "a frame was larger than frame_bytes_max, 4096 bytes"

    @on_virtual_time
    async def test_a_long_ban_at_the_start_is_told_and_not_waited_for(self) -> None:
        """An hour of silence would look like a hanging program; a ban of two minutes is waited out."""
        clock = running_clock()
        async with self.make_skin(clock).open() as skin:
            venue: Any = skin.make_venue(self.settings)
            skin.refusal = (418, {"Retry-After": "3600"})
            before = clock.monotonic_ns()
            with pytest.raises(VenueUnreachable, match=r"after 1 attempt: HTTP 418: .*asked to wait 3600 s"):
                await venue.run(RecordingSink(clock))
            assert clock.monotonic_ns() - before < SECOND_NS

    @on_virtual_time
    async def test_the_reason_is_at_hand_while_there_is_no_connection(self) -> None:
        async with self.stage() as stage:
            assert stage.venue.session.failure == ""
            running_network().refuse(stage.skin.host, stage.skin.port)
            stage.skin.drop()
            await stage.wait_for_state(FeedState.RECONNECTING)
            await anyio.sleep(5)
            assert "refuses the connection" in stage.venue.session.failure
            running_network().heal(stage.skin.host)
            await stage.wait_for_state(FeedState.CONNECTED)
            assert stage.venue.session.failure == ""

    def make_nan(self) -> str:
        raise NotImplementedError


class TestBinanceTexts(TextSuite):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedBinance(clock)

    def make_nan(self) -> str:
        return '{"stream":"btcusdt@trade","data":{"e":"trade","t":2,"p":NaN,"q":"1","T":1704067200000000,"m":true}}'

    @on_virtual_time
    async def test_a_symbol_that_does_not_exist_never_reaches_the_stream_socket(self) -> None:
        """That socket would acknowledge it and stay silent for ever; exchangeInfo knows better."""
        async with self.stage(subscribe=False) as stage:
            with pytest.raises(UnknownSymbol, match=r"NOPE\.BINANCE.*Invalid symbol"):
                await stage.venue.subscribe(Stream("quote_tick", "NOPE.BINANCE"))
            assert [request["method"] for request in stage.skin.requests] == ["exchangeInfo"]
            assert stage.sink.entries == []

    @on_virtual_time
    async def test_questions_without_a_connection_say_why_there_is_none(self) -> None:
        async with self.stage(subscribe=False, request_timeout_s=0.4, first_attempts_max=50) as stage:
            running_network().refuse(stage.skin.host, stage.skin.port)
            with pytest.raises(VenueRequestFailed, match=r"did not answer time: no connection: .*refuses.*status page"):
                await stage.venue.server_time()


class TestKrakenTexts(TextSuite):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedKraken(clock)

    def make_nan(self) -> str:
        return (
            '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":NaN,"qty":1.0,'
            '"trade_id":2,"timestamp":"2024-01-01T00:00:01.000000Z"}]}'
        )

    @on_virtual_time
    async def test_questions_without_a_connection_say_why_there_is_none(self) -> None:
        async with self.stage(subscribe=False, request_timeout_s=2.0) as stage:
            running_network().refuse(stage.skin.host, stage.skin.port)
            stage.skin.drop()
            await anyio.sleep(1)
            with pytest.raises(VenueRequestFailed, match=r"did not answer .*: .*refuses.*status page"):
                await stage.venue.load_instruments([ScriptedKraken.instrument])
            with pytest.raises(VenueRequestFailed, match=r"did not answer ping: .*refuses"):
                await stage.venue.server_time()

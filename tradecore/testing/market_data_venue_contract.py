"""MarketDataVenueContract: what every market data adapter promises, as tests against a venue that is told what to do.

Receives: a ScriptedVenue skin of the dialect, from a subclass.
Gives:    tests on virtual time (the plugin tradecore.testing.plugin runs them): hours pass in a moment, and faults
          strike at exact instants.
Never:    knows the adapter's class.    DESIGN 10; RELIABILITY 2 #1-#9; STYLE 12.

    class TestMyVenue(MarketDataVenueContract):
        def make_skin(self, clock: Clock) -> MySkin:
            return MySkin(clock)
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tradecore.domain.event import CROSSED
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import HOUR_NS, SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import Aggressor
from tradecore.errors import (
    HistoryNotOffered,
    SubscriptionTimeout,
    UnknownSymbol,
    VenueNotRunning,
)
from tradecore.testing.venue_stage import VenueStageSuite, on_virtual_time
from tradecore.testing.virtual_run import running_clock
from tradecore.venues.market_data_venue import HistoryKind


class MarketDataVenueContract(VenueStageSuite):
    """Subclass it, override `make_skin`, and pytest runs the suite on the adapter that the skin makes."""

    # ---------------------------------------------------------------------------------------------- subscriptions

    @on_virtual_time
    async def test_a_subscription_is_there_once_it_is_acknowledged(self) -> None:
        """Phase A may go on only then; asking twice asks the venue once."""
        async with self.stage() as stage:
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED]
            assert any(stage.skin.subscriptions.values())
            await stage.venue.subscribe(stage.trades)  # idempotent: the venue is not asked again
            assert sum(1 for wanted in stage.skin.subscriptions.values() if wanted) == 1

    @on_virtual_time
    async def test_a_subscription_that_is_never_acknowledged_times_out_and_is_not_there(self) -> None:
        """Later events of it would otherwise come for a stream that nobody believes to have."""
        async with self.stage(subscribe=False) as stage:
            await stage.venue.load_instruments([stage.skin.instrument])
            stage.skin.acknowledges = False
            before = running_clock().monotonic_ns()
            with pytest.raises(SubscriptionTimeout, match="did not acknowledge"):
                await stage.venue.subscribe(stage.trades)
            waited_s = (running_clock().monotonic_ns() - before) / SECOND_NS
            assert waited_s == pytest.approx(self.settings.ack_timeout_s, abs=1)
            await stage.skin.publish_trade(1)
            await anyio.sleep(1)
            assert stage.sink.entries == []

    @on_virtual_time
    async def test_a_subscription_that_is_cancelled_is_not_there(self) -> None:
        """A run may stop while it waits; nothing of the stream comes afterwards, and it may be asked for again."""
        async with self.stage(subscribe=False) as stage:
            await stage.venue.load_instruments([stage.skin.instrument])
            stage.skin.acknowledges = False
            with anyio.move_on_after(3):
                await stage.venue.subscribe(stage.trades)
            await stage.skin.publish_trade(1)
            await anyio.sleep(1)
            assert stage.sink.entries == []
            stage.skin.acknowledges = True
            await stage.venue.subscribe(stage.trades)
            await stage.skin.publish_trade(2)
            await stage.wait_for_trades(1)
            assert stage.numbers() == [2]

    @on_virtual_time
    async def test_a_symbol_that_the_venue_does_not_list_is_named(self) -> None:
        """Some venues acknowledge any name, and stay silent."""
        async with self.stage(subscribe=False) as stage:
            unknown = f"NOPE.{stage.venue.name}"
            with pytest.raises(UnknownSymbol, match="NOPE"):
                await stage.venue.subscribe(Stream("trade_tick", unknown))
            with pytest.raises(UnknownSymbol, match="does not end with"):
                await stage.venue.load_instruments(["BTCUSDT.ELSEWHERE"])

    @on_virtual_time
    async def test_nothing_comes_of_a_stream_after_it_was_unsubscribed(self) -> None:
        """Idempotent, too."""
        async with self.stage() as stage:
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)
            await stage.venue.unsubscribe(stage.trades)
            await stage.venue.unsubscribe(stage.trades)
            assert not any(stage.skin.subscriptions.values())
            await stage.skin.publish_trade(2)
            await anyio.sleep(1)
            assert stage.numbers() == [1]

    @on_virtual_time
    async def test_calls_outside_of_run_are_refused(self) -> None:
        """Nobody would own the connections."""
        async with self.make_skin(running_clock()).open() as skin:
            venue: Any = skin.make_venue(self.settings)
            with pytest.raises(VenueNotRunning):
                await venue.subscribe(skin.stream("trade_tick"))
            with pytest.raises(VenueNotRunning):
                await venue.server_time()

    # ------------------------------------------------------------------------------------------------------ events

    @on_virtual_time
    async def test_trades_arrive_as_the_venue_printed_them(self) -> None:
        """Every field, and the receive time of the sink."""
        async with self.stage() as stage:
            for number in range(1, 6):
                await stage.skin.publish_trade(number)
                await anyio.sleep(0.01)
            await stage.wait_for_trades(5)
            for event, truth in zip(stage.sink.events(stage.trades), stage.skin.trades, strict=True):
                tick: Any = event
                side = Aggressor.SELLER if truth.is_sell else Aggressor.BUYER
                assert (tick.ts_event, tick.price, tick.size, tick.aggressor, tick.trade_id) == (
                    truth.ts_event, truth.price, truth.size, side, str(truth.number)
                )  # fmt: skip
                assert tick.ts_received == tick.ts_event + 1_000_000  # the link takes 1 ms each way
            assert len(stage.sink.frames) >= 5, "raw frames are there for a recorder"

    @on_virtual_time
    async def test_quotes_arrive_and_a_crossed_one_is_flagged(self) -> None:
        """Kept and delivered, never used to execute."""
        async with self.stage() as stage:
            await stage.venue.subscribe(stage.quotes)
            await stage.skin.publish_quote(1, 100.0, 101.5)
            await stage.skin.publish_quote(2, 102.0, 101.5)
            with anyio.fail_after(10):
                await stage.sink.wait_for(lambda: len(stage.sink.events(stage.quotes)) == 2)
            first, second = stage.sink.events(stage.quotes)
            first.check()
            assert (first.bid_price, first.bid_size, first.ask_price, first.ask_size) == (100.0, 1.5, 101.5, 2.5)  # type: ignore[union-attr]
            assert not first.flags & CROSSED
            assert second.flags & CROSSED

    @on_virtual_time
    async def test_a_repeated_trade_is_dropped_and_a_late_one_is_not(self) -> None:
        """By number, never by time: five trades may share a microsecond."""
        async with self.stage() as stage:
            for number in (1, 2, 2, 4, 3, 3, 5):
                await stage.skin.publish_trade(number)
            await stage.wait_for_trades(5)
            await anyio.sleep(1)
            assert stage.numbers() == [1, 2, 4, 3, 5]
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED, FeedState.GAP, FeedState.RECOVERED]

    @on_virtual_time
    async def test_a_gap_is_told_before_the_event_that_shows_it(self) -> None:
        """So that order_gate closes before a strategy sees the event."""
        async with self.stage() as stage:
            await stage.skin.publish_trade(1)
            await stage.skin.publish_trade(2, is_said=False)
            await stage.skin.publish_trade(3)
            await stage.wait_for_trades(2)
            kinds = [getattr(item, "state", None) or item.trade_id for _, item in stage.sink.entries]  # type: ignore[union-attr]
            assert kinds == [FeedState.CONNECTED, "1", FeedState.GAP, "3"]
            assert "2" in stage.sink.changes(stage.trades)[-1].reason

    @on_virtual_time
    @pytest.mark.parametrize(
        "garbage",
        [
            b"\xff\xfe\x00", "", "{", '{"stream":', "[1,2", "null", '"text"', "NaN", '{"a":NaN}', "[" * 50_000,
            '{"stream":"x@trade","data":' + '{"a":' * 20_000, '{"channel":"trade","data":[{}]}', '{"id":"x"}',
        ],
    )  # fmt: skip
    async def test_garbage_is_kept_aside_and_its_neighbours_are_delivered(self, garbage: str | bytes) -> None:
        """Counted, never fatal."""
        async with self.stage() as stage:
            await stage.skin.publish_trade(1)
            await stage.skin.send_raw(garbage)
            await stage.skin.publish_trade(2)
            await stage.wait_for_trades(2)
            assert stage.numbers() == [1, 2]
            quarantine = stage.venue.session.quarantine
            assert quarantine.rejected == 1
            (kept,) = quarantine.frames
            assert kept.reason
            assert (garbage.encode() if isinstance(garbage, str) else garbage).startswith(kept.start)
            assert stage.sink.states(stage.trades) == [FeedState.CONNECTED]

    @on_virtual_time
    async def test_mostly_garbage_makes_the_stream_stale_until_it_ends(self) -> None:
        """What is left between garbage is not to be trusted."""
        async with self.stage(rejects_per_minute_max=3) as stage:
            for _ in range(4):
                await stage.skin.send_raw("garbage")
            await stage.wait_for_state(FeedState.STALE)
            assert "could not be read" in stage.sink.changes(stage.trades)[-1].reason
            await stage.wait_for_state(FeedState.CONNECTED)

    @on_virtual_time
    async def test_an_oversized_frame_ends_the_connection_and_not_the_stream(self) -> None:
        """The library must not read it; the session goes on."""
        async with self.stage(frame_bytes_max=4_096) as stage:
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)
            await stage.skin.send_raw("x" * 5_000)
            await stage.wait_for_state(FeedState.RECONNECTING)
            await stage.wait_for_state(FeedState.CONNECTED)
            await stage.skin.publish_trade(2)
            await stage.wait_for_trades(2)
            assert stage.numbers() == [1, 2]
            assert stage.venue.session.quarantine.frames[-1].size > 4_096

    # -------------------------------------------------------------------------------------------- history and time

    @on_virtual_time
    async def test_the_venues_clock_is_the_venues(self) -> None:
        """1.27 s ahead of ours, as a recorder once was behind."""
        async with self.stage(subscribe=False) as stage:
            stage.skin.clock_offset_ns = 1_270 * 1_000_000
            before = running_clock().wall_ns()
            told = await stage.venue.server_time()
            assert before <= told - stage.skin.clock_offset_ns <= running_clock().wall_ns()

    @on_virtual_time
    async def test_the_past_of_trades_comes_in_pages_in_order_each_once(self) -> None:
        """2,500 trades make three pages; asked for the middle of it, exactly the middle comes."""
        async with self.stage(subscribe=False) as stage:
            for number in range(1, 2_501):
                await stage.skin.publish_trade(number, is_said=False)
                await anyio.sleep(0.001)
            truth = stage.skin.trades
            start, end = truth[100].ts_event, truth[2_399].ts_event
            pages = [page async for page in stage.venue.read_history(stage.trades, start=start, end=end)]
            assert len(pages) >= 3
            assert all(pages)
            read = [event for page in pages for event in page]
            assert [stage.venue.identity(stage.trades, tick) for tick in read] == list(range(101, 2_401))
            assert [(tick.ts_event, tick.price, tick.size) for tick in read] == [
                (trade.ts_event, trade.price, trade.size) for trade in truth[100:2_400]
            ]
            assert all(tick.ts_received == tick.ts_event for tick in read)

    @on_virtual_time
    async def test_the_past_of_trades_has_nothing_below_the_id_that_it_is_asked_from(self) -> None:
        """How a hole is asked for: from its first id, to a moment after its end."""
        async with self.stage(subscribe=False) as stage:
            for number in range(1, 1_508):
                await stage.skin.publish_trade(number, is_said=False)
                await anyio.sleep(0.01)
            end = stage.skin.trades[1_505].ts_event
            pages = stage.venue.read_history(stage.trades, start=0, end=end, from_id=3)
            read = [stage.venue.identity(stage.trades, tick) async for page in pages for tick in page]
            assert read == list(range(3, 1_507))

    @on_virtual_time
    async def test_a_past_in_which_nothing_happened_is_empty(self) -> None:
        """An empty answer, not an error, and not a page."""
        async with self.stage(subscribe=False) as stage:
            await stage.skin.publish_trade(1, is_said=False)
            first = stage.skin.trades[0].ts_event
            for start, end in ((first - HOUR_NS, first - SECOND_NS), (first + SECOND_NS, first + HOUR_NS)):
                assert [page async for page in stage.venue.read_history(stage.trades, start=start, end=end)] == []

    @on_virtual_time
    async def test_a_trade_is_the_same_event_live_and_in_history(self) -> None:
        """What the join compares: all but the receive time."""
        async with self.stage() as stage:
            await stage.skin.publish_trade(1)
            await stage.wait_for_trades(1)
            (live,) = stage.sink.events(stage.trades)
            at = live.ts_event
            (page,) = [page async for page in stage.venue.read_history(stage.trades, start=at, end=at)]
            (past,) = page
            assert (past.ts_event, past.price, past.size, past.aggressor, past.trade_id, past.flags) == (
                live.ts_event, live.price, live.size, live.aggressor, live.trade_id, live.flags,  # type: ignore[union-attr]
            )  # fmt: skip

    @on_virtual_time
    async def test_quotes_and_depth_have_no_past(self) -> None:
        """A state that was not recorded is gone."""
        async with self.stage(subscribe=False) as stage:
            for kind in ("quote_tick", "depth"):
                stream = stage.skin.stream(kind)
                assert stage.venue.history_kind(stream).kind is HistoryKind.NONE
                with pytest.raises(HistoryNotOffered):
                    stage.venue.read_history(stream, start=0, end=1)

    @on_virtual_time
    async def test_the_venue_defines_its_instruments(self) -> None:
        """Increments come from the venue, to be compared with the configuration."""
        async with self.stage(subscribe=False) as stage:
            name = stage.skin.instrument
            found = await stage.venue.load_instruments([name])
            assert set(found) == {name}
            assert found[name].id == name
            assert found[name].base_currency == "BTC"
            assert found[name].price_increment > 0

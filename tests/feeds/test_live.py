"""Live feeds: subscribed once acknowledged, pumped into the one buffer, read by themselves where one wants that."""

from datetime import datetime
from typing import Any

import anyio
import pytest

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, FeedMismatch, InvalidTime, UnknownSymbol
from tradecore.feeds.live import (
    LiveBarFeed,
    LiveDepthFeed,
    LiveOwnFeed,
    LiveQuoteFeed,
    LiveTradeFeed,
    open_live_feed,
)
from tradecore.feeds.live_bars import LiveBars
from tradecore.feeds.live_buffer import LiveBuffer, OwnArrival
from tradecore.feeds.push_feed import PushFeed
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.scripted_feed import ScriptedFeed
from tradecore.testing.virtual_run import running_clock
from tradecore.venues.market_data_venue import HistoryKind, HistoryOffer

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")
BARS = Stream("bar", "TEST.SIM 1m last")
DEPTH = Stream("depth", "TEST.SIM")

on_virtual_time = pytest.mark.virtual_time(seed=1)


def make_venue() -> ObjectVenue:
    return ObjectVenue(running_clock(), [TRADES, QUOTES, BARS, DEPTH])


@on_virtual_time
async def test_a_feed_says_what_it_is_before_it_is_connected() -> None:
    venue = make_venue()
    feeds = [
        LiveTradeFeed(venue, "TEST.SIM"),
        LiveQuoteFeed(venue, "TEST.SIM"),
        LiveDepthFeed(venue, "TEST.SIM"),
        LiveBarFeed(venue, "TEST.SIM 1m last"),
    ]
    assert [feed.stream for feed in feeds] == [TRADES, QUOTES, DEPTH, BARS]
    assert [feed.get_event_types() for feed in feeds] == [["trade_tick"], ["quote_tick"], ["depth"], ["bar"]]
    assert all(feed.is_live and feed.has_next() for feed in feeds)
    assert feeds[3].series_key.step_ns == MINUTE_NS


@on_virtual_time
async def test_pumping_begins_with_the_acknowledgement_and_ends_with_good_bye() -> None:
    venue = make_venue()
    buffer = LiveBuffer(running_clock())
    async with anyio.create_task_group() as tasks:
        await tasks.start(venue.run, buffer)
        async with anyio.create_task_group() as pumps:
            await pumps.start(LiveTradeFeed(venue, "TEST.SIM").pump, buffer)
            assert venue.subscribed == {TRADES}
            venue.publish(TRADES, make_trade_tick(1, trade_id="7"))
            pumps.cancel_scope.cancel()
        assert venue.subscribed == set()
        tasks.cancel_scope.cancel()
    state, trade = buffer.take(10)
    assert (state.stream, state.state) == (TRADES, FeedState.CONNECTED)
    assert (trade.trade_id, trade.ts_received) == ("7", state.ts + 1)


@on_virtual_time
async def test_an_unknown_symbol_is_told_to_who_starts_the_pump() -> None:
    venue = make_venue()
    with pytest.raises(ExceptionGroup) as errors:  # noqa: PT012  (the group is what raises)
        async with anyio.create_task_group() as tasks:
            buffer = LiveBuffer(running_clock())
            await tasks.start(venue.run, buffer)
            await tasks.start(LiveTradeFeed(venue, "NONE.SIM").pump, buffer)
    assert errors.group_contains(UnknownSymbol, match="NONE.SIM")


@on_virtual_time
async def test_a_feed_can_be_read_by_itself() -> None:
    """Events come as an EventFeed gives them; what the venue says of the stream is its `state`."""
    venue = make_venue()
    async with open_live_feed(LiveTradeFeed(venue, "TEST.SIM"), running_clock()) as feed:
        venue.publish(TRADES, make_trade_tick(1, trade_id="1"))
        venue.disconnect()
        venue.reconnect()
        venue.publish(TRADES, make_trade_tick(2, trade_id="2"))
        first = await feed.next()
        assert first is not None
        second = await feed.next_batch(10)
        assert [tick.trade_id for tick in (first, *second)] == ["1", "2"]
        assert isinstance(feed.state, FeedStateChanged)
        assert feed.state.state is FeedState.CONNECTED
    assert await feed.next_batch(10) == []
    assert venue.subscribed == set()


@on_virtual_time
async def test_a_feed_that_nobody_opened_says_how_to() -> None:
    feed = LiveTradeFeed(make_venue(), "TEST.SIM")
    with pytest.raises(FeedError, match="open it with open_live_feed"):
        await feed.next_batch(1)
    await feed.close()
    assert await feed.next_batch(1) == []


@on_virtual_time
async def test_bars_that_a_venue_cannot_prove_are_made_of_its_trades() -> None:
    class TradesOnly(ObjectVenue):
        def history_kind(self, stream: Stream) -> HistoryOffer:
            return HistoryOffer(HistoryKind.FROM_TRADES) if stream.kind == "bar" else super().history_kind(stream)

    feed = LiveBarFeed(TradesOnly(running_clock(), [TRADES]), "TEST.SIM 5m last")
    assert (feed.stream.name, feed.source, feed.made_by_run) == ("TEST.SIM 5m last", TRADES, True)


# ------------------------------------------------------------------------------------------------- users' live halves


@on_virtual_time
async def test_a_user_s_live_half_is_stamped_like_everything_else_until_it_ends() -> None:
    buffer = LiveBuffer(running_clock())
    ticks = [make_trade_tick(n) for n in (5, 6)]
    feed = LiveOwnFeed(ScriptedFeed(ticks, name="mine", is_live=True))
    async with anyio.create_task_group() as tasks:
        await tasks.start(feed.pump, buffer)
    now = running_clock().wall_ns()
    assert feed.has_ended
    assert buffer.take(10) == [
        OwnArrival(now, 5, ticks[0], "mine"),
        OwnArrival(now + 1, 6, ticks[1], "mine"),
    ]


@on_virtual_time
async def test_a_user_s_live_half_is_checked_as_it_enters() -> None:
    class News:
        event_type = "news"
        dt_event = dt_received = datetime(2024, 1, 1)

        def __lt__(self, other: Any) -> bool:
            return False

    feed = LiveOwnFeed(ScriptedFeed([News()], name="news", is_live=True))
    with pytest.raises(InvalidTime, match="dt_event of News"):
        await feed.pump(LiveBuffer(running_clock()))


@on_virtual_time
async def test_a_user_s_live_half_is_closed_when_the_run_ends() -> None:
    source = PushFeed("mine", is_live=True)
    async with anyio.create_task_group() as tasks:
        await tasks.start(LiveOwnFeed(source).pump, LiveBuffer(running_clock()))
        tasks.cancel_scope.cancel()
    assert not source.has_next()


async def test_history_is_no_live_half() -> None:
    with pytest.raises(FeedError, match="'mine' is given as a live half, but says of itself that it is history"):
        LiveOwnFeed(PushFeed("mine"))


# --------------------------------------------------------------------------------------------------- bars of live parts


def test_live_bars_close_with_the_next_part_or_with_time() -> None:
    """Trades at 0:00:10 and 0:00:50 make the minute that ends at 0:01; one at 0:01:05 closes it.

    The next closes by time, at 0:02 plus 3 s of grace.
    """
    bars = LiveBars("TEST.SIM 1m last", close_grace_ns=3 * SECOND_NS, start_ns=0)
    assert bars.pass_time(MINUTE_NS) == []
    assert bars.take(make_trade_tick(10 * SECOND_NS, 100.0)) == []
    assert bars.take(make_trade_tick(50 * SECOND_NS, 102.0)) == []
    assert bars.due_ns == MINUTE_NS + 3 * SECOND_NS
    (first,) = bars.take(make_trade_tick(65 * SECOND_NS, 101.0))
    assert (first.ts_event, first.open, first.close, first.volume) == (MINUTE_NS, 100.0, 102.0, 2.0)
    assert first.ts_received == 63 * SECOND_NS
    assert bars.pass_time(2 * MINUTE_NS + 2 * SECOND_NS) == []
    (second,) = bars.pass_time(2 * MINUTE_NS + 3 * SECOND_NS)
    assert (second.ts_event, second.close) == (2 * MINUTE_NS, 101.0)


def test_a_part_that_comes_too_late_for_its_bar_is_counted() -> None:
    """The bar was seen; it cannot be taken back."""
    bars = LiveBars("TEST.SIM 1m last", start_ns=0)
    bars.take(make_trade_tick(10 * SECOND_NS, 100.0))
    bars.take(make_trade_tick(61 * SECOND_NS, 100.0))
    assert bars.take(make_trade_tick(59 * SECOND_NS, 500.0)) == []
    assert bars.late_parts == 1
    (bar,) = bars.pass_time(2 * MINUTE_NS)
    assert bar.high == 100.0


def test_live_bars_of_smaller_bars_and_of_ticks() -> None:
    larger = LiveBars("TEST.SIM 2m last", start_ns=0)
    assert larger.take(make_bar(MINUTE_NS, 1.0)) == []
    assert [bar.ts_event for bar in larger.take(make_bar(2 * MINUTE_NS, 2.0))] == [2 * MINUTE_NS]
    ticks = LiveBars("TEST.SIM 2t last")
    assert ticks.take(make_trade_tick(1)) == []
    assert len(ticks.take(make_trade_tick(2))) == 1
    assert (ticks.due_ns, ticks.pass_time(10**18)) == (None, [])


def test_what_no_such_bar_is_made_of_is_refused() -> None:
    with pytest.raises(FeedMismatch, match="'last' bars are made of TradeTicks or bars"):
        LiveBars("TEST.SIM 1m last").take(make_quote_tick(1, instrument="OTHER.SIM"))

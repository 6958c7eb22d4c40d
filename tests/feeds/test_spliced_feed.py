"""SplicedFeed: store, backfill and cache of one stream, in order, cancelled anywhere without loss."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, VenueRequestFailed
from tradecore.feeds.event_feed import EventFeed
from tradecore.feeds.join import make_join
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.proof import JoinPolicy, Proof
from tradecore.feeds.spliced_feed import SplicedFeed
from tradecore.feeds.state_join import StateJoin
from tradecore.testing.builders import make_quote_tick, make_trade_tick
from tradecore.testing.feed_contract import FeedContract
from tradecore.testing.object_venue import ObjectVenue
from tradecore.testing.scripted_feed import Pause, ScriptedFeed

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")


class StillClock:
    def wall_ns(self) -> int:
        return 1_000 * SECOND_NS

    def monotonic_ns(self) -> int:
        return 0


def trade(number: int) -> Any:
    return make_trade_tick(number * SECOND_NS, trade_id=str(number))


def make_venue(count: int, *, history_lag: int = 0) -> ObjectVenue:
    """Trades 1 to count have happened."""
    venue = ObjectVenue(StillClock(), [TRADES, QUOTES], page_rows=3)
    for number in range(1, count + 1):
        venue.publish(TRADES, trade(number))
    venue.history_lag = history_lag
    return venue


def make_feed(venue: ObjectVenue, stored: Sequence[Any] = (), **options: Any) -> SplicedFeed:
    join = make_join(TRADES, venue, JoinPolicy())
    options.setdefault("end_ns", 100 * SECOND_NS)
    return SplicedFeed(TRADES, join, start_ns=0, venue=venue, stored=ScriptedFeed([list(stored)]), **options)


def make_buffer(*numbers: int) -> LiveBuffer:
    """A live cache with these trades, between quotes."""
    buffer = LiveBuffer(StillClock())
    for number in numbers:
        buffer.put(QUOTES, make_quote_tick(number, received=buffer.stamp()))
        tick = trade(number)
        buffer.put(TRADES, type(tick)(tick.instrument, tick.ts_event, buffer.stamp(), *[
            getattr(tick, name) for name in tick.__struct_fields__[3:]
        ]))  # fmt: skip
    return buffer


async def read_ids(feed: Any, limit: int = 4) -> list[int]:
    ids: list[int] = []
    while batch := await feed.next_batch(limit):
        assert len(batch) <= limit
        ids += [int(tick.trade_id) for tick in batch]
    return ids


class TestSplicedFeedContract(FeedContract):
    """Everything the engine relies on, and a cancellation at every point where it waits."""

    def make_feed(self) -> EventFeed:
        venue = make_venue(9, history_lag=2)
        stored: list[Any] = [Pause(1), [trade(1), trade(2)], Pause(1), [trade(3)]]
        return SplicedFeed(
            TRADES, make_join(TRADES, venue, JoinPolicy()), start_ns=0, end_ns=100 * SECOND_NS,
            stored=ScriptedFeed(stored), venue=venue, buffer=make_buffer(6, 7, 8, 9),
        )  # fmt: skip


async def test_the_store_is_continued_by_the_venue_from_its_newest_row_on() -> None:
    venue = make_venue(8)
    feed = make_feed(venue, [trade(1), trade(2)])
    assert await read_ids(feed) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert venue.requests == [(TRADES, 2 * SECOND_NS, 100 * SECOND_NS, 2)]
    assert feed.join.counts.overlap == 1


async def test_what_the_venue_gave_is_kept_for_the_store_page_by_page() -> None:
    kept: list[list[int]] = []

    async def keep(rows: Sequence[Any]) -> None:
        kept.append([int(row.trade_id) for row in rows])

    await read_ids(make_feed(make_venue(5), keep=keep))
    assert kept == [[1, 2, 3], [4, 5]]


async def test_a_history_that_ends_early_is_continued_from_the_cache_up_to_the_end() -> None:
    """History lags by 4 and knows 1 to 4; the cache begins with 4; the replay ends at 00:07."""
    venue = make_venue(8, history_lag=4)
    buffer = make_buffer(4, 5, 6, 7, 8)
    feed = make_feed(venue, buffer=buffer, end_ns=7 * SECOND_NS)
    assert await read_ids(feed) == [1, 2, 3, 4, 5, 6, 7]
    assert buffer.depth == 10  # nothing was taken out
    assert feed.join.verdict.proof is Proof.PROVED
    later = [arrival for arrival in buffer.take(100) if type(arrival).__name__ == "TradeTick"]
    assert [feed.join.take_live(tick) for tick in later] == [False, False, False, False, True]
    assert (feed.join.counts.overlap, feed.join.counts.duplicates) == (5, 0)


async def test_a_late_cached_event_is_left_to_phase_c() -> None:
    """5 came behind 6: in B time does not go back."""
    feed = make_feed(make_venue(6, history_lag=2), buffer=make_buffer(4, 6, 5))
    assert await read_ids(feed) == [1, 2, 3, 4, 6]
    assert feed.join.take_live(trade(5))
    assert feed.join.counts.late == 1


async def test_a_hole_between_history_and_cache_is_asked_about_in_its_place() -> None:
    """The first answer ended at 4, the cache begins with 7; by then history knows 5 and 6."""
    venue = make_venue(8, history_lag=4)

    async def keep(rows: Sequence[Any]) -> None:
        venue.history_lag = 0

    feed = make_feed(venue, buffer=make_buffer(7, 8), keep=keep)
    venue.truth[TRADES], rest = venue.truth[TRADES][:4], venue.truth[TRADES][4:]
    venue.history_lag = 0
    first = await feed.next_batch(3)
    second = await feed.next_batch(3)
    venue.truth[TRADES] += rest
    assert [int(tick.trade_id) for tick in first + second] + await read_ids(feed) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert feed.join.verdict.proof is Proof.PROVED


async def test_a_question_that_history_cannot_answer_is_asked_once() -> None:
    """What it may know later is asked for in phase D."""
    venue = make_venue(9, history_lag=5)
    feed = make_feed(venue, buffer=make_buffer(7, 8, 9))
    assert await read_ids(feed, 1) == [1, 2, 3, 4, 7, 8, 9]
    assert len(venue.requests) == 2
    assert feed.join.verdict.proof is Proof.BROKEN


async def test_an_error_of_the_venue_leaves_it_where_it_was() -> None:
    venue = make_venue(5)
    feed = make_feed(venue, [trade(1)])
    assert [tick.trade_id for tick in await feed.next_batch(9)] == ["1"]
    venue.failures = 1
    with pytest.raises(VenueRequestFailed):
        await feed.next_batch(9)
    assert await read_ids(feed) == [2, 3, 4, 5]


async def test_a_state_has_its_recorded_part_and_nothing_else() -> None:
    quotes = [make_quote_tick(n) for n in (1, 2)]
    feed = SplicedFeed(
        QUOTES, StateJoin(str(QUOTES)), start_ns=0, end_ns=9, stored=ScriptedFeed(quotes), buffer=make_buffer(3)
    )
    assert await feed.next_batch(9) + await feed.next_batch(9) == quotes
    assert await feed.next_batch(9) == []
    with pytest.raises(FeedError, match="has no ids, so a venue's history cannot be joined"):
        SplicedFeed(QUOTES, StateJoin(str(QUOTES)), start_ns=0, end_ns=9, venue=make_venue(1))


async def test_closing_it_closes_what_it_had_opened() -> None:
    store = ScriptedFeed([trade(1)])
    venue = make_venue(9)
    feed = SplicedFeed(
        TRADES, make_join(TRADES, venue, JoinPolicy()), start_ns=0, end_ns=100 * SECOND_NS, stored=store, venue=venue
    )
    await feed.next_batch(1)
    await feed.next_batch(1)
    await feed.close()
    await feed.close()
    assert store.is_closed
    assert await feed.next_batch(1) == []
    await anyio.lowlevel.checkpoint()


async def test_what_was_taken_from_the_cache_outlives_a_history_that_fails() -> None:
    """4 is missing before 5; the answer to that fails once, after the cache was read to its end."""
    venue = make_venue(5, history_lag=5)
    feed = make_feed(venue, [trade(1), trade(2), trade(3)], buffer=make_buffer(5), end_ns=5 * SECOND_NS)
    assert await feed.next_batch(10) == [trade(1), trade(2), trade(3)]
    venue.failures = 1
    with pytest.raises(VenueRequestFailed):
        await feed.next_batch(10)
    venue.history_lag = 0
    assert await read_ids(feed) == [4, 5]


async def test_a_history_that_was_given_up_is_not_asked_about_holes_either() -> None:
    """Else whoever has no more patience would ask for ever."""
    venue = make_venue(5, history_lag=5)
    feed = make_feed(venue, [trade(1)], buffer=make_buffer(5), end_ns=5 * SECOND_NS)
    feed.give_up_backfill()
    assert await read_ids(feed) == [1, 5]
    assert venue.requests == []


async def test_a_cached_row_is_received_as_history_would_give_it() -> None:
    """Otherwise it would be carried behind rows of later events that an answer has brought."""
    venue = make_venue(5, history_lag=2)
    feed = make_feed(venue, buffer=make_buffer(4, 5), end_ns=5 * SECOND_NS)
    ticks: list[Any] = []
    while batch := await feed.next_batch(10):
        ticks += batch
    assert [tick.ts_received for tick in ticks] == [number * SECOND_NS for number in (1, 2, 3, 4, 5)]

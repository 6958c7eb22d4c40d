"""BarAggregationFeed: the same bars at every batch size, no loss before an error, delays of the parts."""

import asyncio
from typing import Any

import pytest

from tradecore.domain.delay_law import ConstantDelay, NormalDelay
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.errors import FeedError, FeedMismatch, FeedOutOfOrder, InvalidEvent
from tradecore.feeds.bar_aggregation_feed import BarAggregationFeed
from tradecore.feeds.event_feed import EventFeed
from tradecore.feeds.historical_feeds import HistoricalBarFeed, HistoricalTradeFeed
from tradecore.testing.builders import make_bar, make_bars, make_ns, make_trade_tick
from tradecore.testing.scripted_feed import Gate, ScriptedFeed

SECOND = 10**9
T0 = make_ns("2024-01-01T10:00")


def make_feed(script: list[Any], bar_type: str = "TEST.SIM 5m last", **options: Any) -> BarAggregationFeed:
    return BarAggregationFeed(ScriptedFeed(script, trusted=True, start_ns=T0), bar_type, **options)


def test_a_feed_says_that_its_bars_are_made_by_the_run() -> None:
    feed = make_feed([])
    assert isinstance(feed, EventFeed)
    assert feed.made_by_run
    assert feed.is_trusted
    assert feed.get_event_types() == ["bar"]
    assert feed.name == "bar TEST.SIM 5m last from scripted"
    assert (feed.series_key.name, feed.series_key.step_ns) == ("TEST.SIM 5m last", 300 * SECOND)


@pytest.mark.parametrize("limit", [1, 2, 16, 1_024])
@pytest.mark.parametrize("source_batch", [1, 3, 1_024])
async def test_batch_sizes_do_not_change_the_bars(read_all: Any, limit: int, source_batch: int) -> None:
    minutes = make_bars([float(n) for n in range(1, 101)], start=T0)
    script = [minutes[first : first + source_batch] for first in range(0, 100, source_batch)]
    bars = await read_all(make_feed(script), limit)
    assert [bar.close for bar in bars] == [5.0 * n for n in range(1, 21)]
    assert all(bar.ts_received == bar.ts_event for bar in bars)


async def test_a_long_flat_stretch_is_handed_out_in_pieces() -> None:
    """30 days of flat minutes come 1,000 at a time, not at once."""
    ticks = [make_trade_tick(T0), make_trade_tick(T0 + 30 * 86_400 * SECOND)]
    feed = make_feed([ticks], "TEST.SIM 1m last", empty="flat")
    sizes = []
    while batch := await feed.next_batch(1_000):
        sizes.append(len(batch))
    assert sizes == [1_000] * 43 + [200]  # 30 x 1,440 = 43,200


async def test_the_end_of_the_stretch_closes_a_quiet_bar_and_not_one_that_is_cut_off(
    make_store: Any, read_all: Any
) -> None:
    """Read to 10:05 the quiet bar is over; read to 10:04 it is cut in the middle."""
    ticks = [make_trade_tick("2024-01-01T10:01"), make_trade_tick("2024-01-01T10:03")]
    for end, count in (("2024-01-01T10:05", 1), ("2024-01-01T10:04", 0)):
        source = HistoricalTradeFeed(make_store(ticks), "TEST.SIM", start_ns=T0, end_ns=make_ns(end))
        bars = await read_all(BarAggregationFeed(source, "TEST.SIM 5m last"))
        assert len(bars) == count


async def test_without_a_known_start_the_first_bar_is_counted_as_partial(make_store: Any, read_all: Any) -> None:
    minutes = make_bars([float(n) for n in range(1, 13)], start="2024-01-01T10:02")
    feed = BarAggregationFeed(HistoricalBarFeed(make_store(minutes), "TEST.SIM 1m last"), "TEST.SIM 5m last")
    bars = await read_all(feed)
    assert [bar.ts_event for bar in bars] == [make_ns("2024-01-01T10:10")]
    assert feed.partial_bars == 1


@pytest.mark.parametrize("law", [ConstantDelay(ms=2_000), NormalDelay(mean_ms=900, sd_ms=400)])
async def test_a_bar_of_delayed_minutes_is_received_with_the_last_of_them(read_all: Any, law: Any) -> None:
    """The parts get the very delays that a strategy sees on the same series, so the bar never comes before them."""
    minutes = make_bars([float(n) for n in range(1, 51)], start=T0)
    delays = DelaySimulator({"bar": law}, seed=7)
    seen = {bar.ts_event: bar.ts_received for bar in delays.apply("TEST.SIM 1m last", list(minutes))}
    source = ScriptedFeed([minutes[:7], minutes[7:]], name="TEST.SIM 1m last", trusted=True, start_ns=T0)
    bars = await read_all(BarAggregationFeed(source, "TEST.SIM 5m last", delays=delays.fork()))
    assert len(bars) == 10
    for bar in bars:
        assert bar.ts_received == seen[bar.ts_event] > bar.ts_event


async def test_bars_before_a_step_back_are_handed_out_and_then_it_is_named() -> None:
    ticks = [make_trade_tick(T0 + n * 60 * SECOND) for n in (0, 5, 10, 3)]
    feed = BarAggregationFeed(ScriptedFeed([ticks], start_ns=T0), "TEST.SIM 5m last")
    assert len(await feed.next_batch(100)) == 2
    with pytest.raises(FeedOutOfOrder) as caught:
        await feed.next_batch(100)
    assert (caught.value.feed, caught.value.row) == ("scripted", 4)


async def test_bars_before_a_part_that_does_not_suit_are_handed_out_first() -> None:
    minutes = make_bars([1.0, 2.0, 3.0, 4.0, 5.0], start=T0)
    alien = make_bar("2024-01-01T10:06", bar_type="OTHER.SIM 1m last")
    feed = make_feed([[*minutes, alien]])
    assert len(await feed.next_batch(100)) == 1
    for _ in range(2):
        with pytest.raises(FeedMismatch, match=r"instrument is OTHER.SIM"):
            await feed.next_batch(100)


async def test_bars_before_an_error_of_the_source_are_not_lost() -> None:
    minutes = make_bars([1.0, 2.0, 3.0, 4.0, 5.0], start=T0)
    feed = make_feed([minutes, InvalidEvent("row 6 is no bar")])
    with pytest.raises(InvalidEvent, match="row 6"):
        await feed.next_batch(100)
    assert [bar.close for bar in await feed.next_batch(100)] == [5.0]


async def test_a_cancelled_wait_for_the_source_loses_no_bar(read_all: Any) -> None:
    gate = Gate()
    minutes = make_bars([float(n) for n in range(1, 11)], start=T0)
    feed = make_feed([minutes[:5], gate, minutes[5:]])
    task = asyncio.Task(feed.next_batch(100))
    await gate.reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open()
    assert [bar.close for bar in await read_all(feed)] == [5.0, 10.0]


async def test_a_live_source_gives_its_bar_as_soon_as_it_is_made() -> None:
    """The next read would wait for the market."""
    minutes = make_bars([1.0, 2.0, 3.0, 4.0, 5.0], start=T0)
    feed = BarAggregationFeed(ScriptedFeed([minutes, Gate()], is_live=True, start_ns=T0), "TEST.SIM 5m last")
    assert feed.is_live
    assert len(await asyncio.wait_for(feed.next_batch(100), 5)) == 1


async def test_closing_closes_the_source_and_ends_the_feed() -> None:
    source = ScriptedFeed([make_bars([1.0] * 10, start=T0)], trusted=True, start_ns=T0)
    feed = BarAggregationFeed(source, "TEST.SIM 5m last")
    await feed.next_batch(1)
    await feed.close()
    await feed.close()
    assert source.is_closed
    assert await feed.next() is None
    assert not feed.has_next()


async def test_tick_bars_come_from_ticks(read_all: Any) -> None:
    ticks = [make_trade_tick(n, 100.0 + n, 1.0) for n in range(10)]
    bars = await read_all(make_feed([ticks], "TEST.SIM 4t last"), 1)
    assert [(bar.open, bar.close, bar.ts_event, bar.volume) for bar in bars] == [
        (100.0, 103.0, 3, 4.0),
        (104.0, 107.0, 7, 4.0),
    ]


@pytest.mark.parametrize(
    ("bar_type", "options", "error"),
    [
        ("TEST.SIM 5m last", {"close_grace_ns": -1}, FeedError),
        ("TEST.SIM 5m last", {"empty": "zero"}, FeedError),
        ("TEST.SIM 10t last", {"empty": "flat"}, FeedMismatch),
        ("TEST.SIM 10t last", {"close_grace_ns": 5}, FeedMismatch),
    ],
)
def test_options_that_make_no_sense_are_refused(bar_type: str, options: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        make_feed([], bar_type, **options)

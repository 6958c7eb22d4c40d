"""MixedFeed: parts for the queue; the one total order for who reads it directly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import FeedError, FeedOutOfOrder
from tradecore.feeds.iterator_feed import feed
from tradecore.feeds.mixed_feed import MixedFeed
from tradecore.feeds.push_feed import PushFeed
from tradecore.feeds.timer_feed import OneTimeTimerFeed, RepeatingTimerFeed
from tradecore.testing.builders import make_bar, make_ns, make_quote_tick, make_trade_tick
from tradecore.testing.scripted_feed import ScriptedFeed

T0 = make_ns("2024-01-01T10:00")
MINUTE = 60 * 10**9


def test_it_hands_its_parts_to_the_queue() -> None:
    parts = [feed([], name="a", event_types=["bar"]), PushFeed("b", ["news"], is_live=True)]
    mixed = MixedFeed("both", parts)
    assert mixed.parts == tuple(parts)
    assert mixed.get_event_types() == ["bar", "news"]
    assert mixed.is_live


@pytest.mark.parametrize("limit", [1, 2, 1_024])
@pytest.mark.parametrize("reverse", [False, True])
async def test_one_instant_comes_in_the_order_of_kinds_whatever_the_order_of_parts(
    read_all: Any, limit: int, reverse: bool
) -> None:
    """At 10:05: quote, trade, the minute, the five minutes that it closes, the timer."""
    at = T0 + 5 * MINUTE
    quote, trade = make_quote_tick(at), make_trade_tick(at)
    minute, five = make_bar(at), make_bar(at, bar_type="TEST.SIM 5m last")
    parts: list[Any] = [
        feed([five], name="five"),
        RepeatingTimerFeed("timer", at, MINUTE),
        feed([minute], name="minute"),
        feed([trade], name="trade"),
        feed([quote], name="quote"),
    ]
    if reverse:
        parts.reverse()
    events = await read_all(MixedFeed("all", parts), limit)
    assert events[:4] == [quote, trade, minute, five]
    assert [event.event_type for event in events[4:]] == ["time_event"]


async def test_a_later_received_event_comes_later(read_all: Any) -> None:
    """The bar of 10:00 arrives after the trade of 10:01."""
    bar, trade = make_bar(T0, received=T0 + 2 * MINUTE), make_trade_tick(T0 + MINUTE)
    mixed = MixedFeed("both", [feed([bar], name="bars"), feed([trade], name="trades")])
    assert await read_all(mixed) == [trade, bar]


async def test_an_endless_timer_ends_with_the_last_event_that_is_no_timers(read_all: Any) -> None:
    mixed = MixedFeed(
        "both", [RepeatingTimerFeed("minute", T0, MINUTE), feed([make_trade_tick(T0 + 2 * MINUTE)], name="trades")]
    )
    events = await read_all(mixed)
    assert [(e.ts_event - T0) // MINUTE for e in events] == [0, 1, 2, 2]
    assert events[2].event_type == "trade_tick"


async def test_timers_alone_come_in_order() -> None:
    mixed = MixedFeed("timers", [RepeatingTimerFeed("slow", 0, 10), OneTimeTimerFeed("once", 15)])
    assert [e.ts_event for e in [await mixed.next() for _ in range(4)] if e is not None] == [0, 10, 15, 20]  # type: ignore[attr-defined]


async def test_a_part_that_goes_back_in_time_is_named_after_all_earlier_events() -> None:
    ticks = [make_trade_tick(n) for n in (1, 5, 3)]
    mixed = MixedFeed("both", [feed(ticks, name="bad"), feed([make_trade_tick(9)], name="good")])
    seen: list[int] = []
    with pytest.raises(FeedOutOfOrder, match=r"'bad' goes back in time at row 3"):
        await _collect(mixed, seen)
    assert seen == [1, 5]


async def test_live_parts_are_for_the_engine() -> None:
    mixed = MixedFeed("both", [PushFeed("push", is_live=True), feed([make_trade_tick(1)], name="trades")])
    with pytest.raises(FeedError, match="add it to an engine"):
        await mixed.next_batch(1)


def test_no_parts_are_refused() -> None:
    with pytest.raises(FeedError, match="has no parts"):
        MixedFeed("none", [])


async def test_closing_closes_every_part() -> None:
    parts = [ScriptedFeed([make_trade_tick(1)], name="a"), ScriptedFeed([], name="b")]
    mixed = MixedFeed("both", parts)
    await mixed.close()
    assert [part.is_closed for part in parts] == [True, True]
    assert await mixed.next() is None


@given(
    left=st.lists(st.integers(0, 15), max_size=20),
    right=st.lists(st.integers(0, 15), max_size=20),
    size=st.integers(1, 4),
    limit=st.integers(1, 5),
)
async def test_the_merged_order_is_the_sorted_order_however_it_is_cut(
    left: list[int], right: list[int], size: int, limit: int
) -> None:
    quotes = [make_quote_tick(t, 1.0 + n / 100, 9) for n, t in enumerate(sorted(left))]
    trades = [make_trade_tick(t, 1.0 + n / 100) for n, t in enumerate(sorted(right))]
    scripts = [[events[k : k + size] for k in range(0, len(events), size)] for events in (trades, quotes)]
    mixed = MixedFeed("both", [ScriptedFeed(script, name=str(n)) for n, script in enumerate(scripts)])
    events: list[Any] = []
    while batch := await mixed.next_batch(limit):
        events += batch
    both: list[Any] = [*quotes, *trades]
    assert events == sorted(both, key=lambda e: e.ts_event)  # stable: quotes before trades


async def _collect(mixed: MixedFeed, seen: list[int]) -> None:
    while batch := await mixed.next_batch(1):
        seen += [event.ts_event for event in batch]

"""Laws of every store, over data that hypothesis makes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import CROSSED
from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidEvent
from tradecore.feeds.historical_feeds import HistoricalTradeFeed
from tradecore.storage.append_check import check_event, sort_into_series
from tradecore.storage.market_data_storage import MarketDataStorage, Series
from tradecore.testing.storage_contract import bits, make_trade, read_all

MakeStorage = Callable[[Path], MarketDataStorage]
SLOW_FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

anything_finite = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.floats(min_value=0, allow_nan=False, allow_infinity=False) | st.just(-0.0)
instants = st.integers(MIN_NS, MAX_NS)
few_instants = st.integers(0, 4)
flags = st.integers(0, 15)


@st.composite
def quotes(draw: st.DrawFn, when: Any = instants, price: Any = anything_finite) -> QuoteTick:
    bid, ask = draw(price), draw(price)
    crossed = CROSSED if bid > ask else 0
    return QuoteTick("A.X", draw(when), draw(when), bid, draw(sizes), ask, draw(sizes), 0, draw(flags) | crossed)


@st.composite
def trades(draw: st.DrawFn) -> TradeTick:
    return TradeTick(
        "A.X", draw(instants), draw(instants), draw(anything_finite), draw(sizes), draw(st.sampled_from(Aggressor)),
        None, draw(flags),
    )  # fmt: skip


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    low, first, last, high = sorted(draw(st.lists(anything_finite, min_size=4, max_size=4)))
    return Bar(
        BarType.parse("A.X 1m last"), draw(instants), draw(instants), first, high, low, last, draw(sizes), draw(flags)
    )


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW_FIXTURE)
@given(
    events=st.lists(st.one_of(quotes(), trades(), bars()), max_size=30, unique_by=lambda e: (e.event_type, e.ts_event))
)
async def test_storage_returns_what_it_was_given(make_each_storage: MakeStorage, events: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = make_each_storage(Path(folder))
        await storage.connect()
        await storage.append(events)
        for kind, name in (("bar", "A.X 1m last"), ("quote_tick", "A.X"), ("trade_tick", "A.X")):
            expected = sorted((one for one in events if one.event_type == kind), key=lambda one: one.ts_event)
            if expected:
                assert bits(await read_all(storage, Series(kind, name), batch_size=7)) == bits(expected)
        await storage.disconnect()


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW_FIXTURE)
@given(
    delays=st.lists(st.tuples(few_instants, st.sampled_from([0, 0, 0, 1])), min_size=1, max_size=20),
    batch_size=st.integers(1, 6),
    limit=st.integers(1, 6),
)
async def test_what_a_feed_says_of_a_stored_batch_is_true(
    make_each_storage: MakeStorage, delays: list[tuple[int, int]], batch_size: int, limit: int
) -> None:
    """`next_ns` is the time of the next event; `is_coincident` is only said where all came as they happened."""
    times = sorted(instant for instant, _ in delays)
    events = [make_trade(at, 1.0 + row, received=delays[row][1]) for row, at in enumerate(times)]
    with tempfile.TemporaryDirectory() as folder:
        storage = make_each_storage(Path(folder))
        await storage.connect()
        await storage.append(events)
        feed = HistoricalTradeFeed(storage, "A.X", batch_size=batch_size)
        seen: list[Any] = []
        while batch := await feed.next_batch(limit):
            seen += batch
            assert feed.last_ts == batch[-1].ts_event
            assert feed.next_ns == (events[len(seen)].ts_event if len(seen) < len(events) else None)
            assert not feed.is_coincident or all(one.ts_event == one.ts_received for one in batch)
        assert seen == events
        await feed.close()
        await storage.disconnect()


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW_FIXTURE)
@given(
    instant_groups=st.lists(
        st.tuples(few_instants, st.lists(quotes(st.just(0), st.sampled_from([1.0, 2.0])), min_size=1, max_size=4)),
        unique_by=lambda group: group[0],
        max_size=5,
    ),
    data=st.data(),
)
async def test_whole_instants_in_any_split_order_and_repetition_give_the_same_reads(
    make_each_storage: MakeStorage, instant_groups: list[tuple[int, list[QuoteTick]]], data: st.DataObject
) -> None:
    """The law behind resumable imports: how the calls were cut leaves no trace."""
    instants_given = [
        [msgspec.structs.replace(quote, ts_event=at, ts_received=at) for quote in group] for at, group in instant_groups
    ]
    expected = [quote for group in sorted(instants_given, key=lambda group: group[0].ts_event) for quote in group]
    order = data.draw(st.permutations(instants_given))
    repeated = order + data.draw(st.lists(st.sampled_from(instants_given), max_size=4) if order else st.just([]))
    with tempfile.TemporaryDirectory() as folder:
        storage = make_each_storage(Path(folder))
        await storage.connect()
        added = 0
        while repeated:
            count = data.draw(st.integers(1, len(repeated)))
            # Within a call an instant is given once, as it is: the same instant twice would be twice as many ticks.
            call, repeated = repeated[:count], repeated[count:]
            distinct = {group[0].ts_event: group for group in call}
            added += (await storage.append([quote for group in distinct.values() for quote in group])).added
        assert added == len(expected)
        if expected:
            series = Series("quote_tick", "A.X")
            assert bits(await read_all(storage, series)) == bits(expected)
            assert (await storage.list_series())[0].rows == len(expected)
        await storage.disconnect()


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_FIXTURE)
@given(calls=st.lists(st.lists(st.tuples(few_instants, st.sampled_from([1.0, 2.0, 3.0])), max_size=8), max_size=6))
async def test_a_store_has_of_each_tick_the_most_that_any_one_call_gave(
    make_each_storage: MakeStorage, calls: list[list[tuple[int, float]]]
) -> None:
    """max(0, m - k) added to k there is max(k, m): the model of DESIGN 7 in one line."""
    most: Counter[tuple[int, float]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        storage = make_each_storage(Path(folder))
        await storage.connect()
        for call in calls:
            await storage.append([TradeTick("A.X", at, at, price, 1.0) for at, price in call])
            most |= Counter(call)
        if most:
            stored = await read_all(storage, Series("trade_tick", "A.X"), batch_size=3)
            assert Counter((tick.ts_event, tick.price) for tick in stored) == most
            assert [tick.ts_event for tick in stored] == sorted(tick.ts_event for tick in stored)
        await storage.disconnect()


odd_floats = st.floats() | st.integers(0, 3) | st.none()
odd_ints = st.sampled_from([0, 1, -1, MAX_NS, MAX_NS + 1, MIN_NS - 1, 1.0, None, True])


@st.composite
def doubtful_events(draw: st.DrawFn) -> Any:
    def number() -> Any:
        return draw(odd_floats)

    def whole() -> Any:
        return draw(odd_ints)

    kind = draw(st.sampled_from(["bar", "quote", "trade"]))
    if kind == "bar":
        bar_type = BarType.parse("A.X 1m last")
        return Bar(bar_type, whole(), whole(), number(), number(), number(), number(), number(), whole())
    if kind == "quote":
        return QuoteTick("A.X", whole(), whole(), number(), number(), number(), number(), whole(), whole())
    aggressor: Any = draw(st.sampled_from([Aggressor.BUYER, 1]))
    trade_id: Any = draw(st.sampled_from([None, "t", 5, "\ud800"]))
    name = draw(st.sampled_from(["A.X", "AX", "A X.Y"]))
    return TradeTick(name, whole(), whole(), number(), number(), aggressor, trade_id, whole())


@settings(max_examples=300, deadline=None)
@given(event=doubtful_events())
def test_checking_columns_refuses_exactly_what_checking_one_event_refuses(event: Any) -> None:
    """The fast check is an optimisation: it must not be a second opinion."""
    try:
        check_event(event)
    except (ValueError, TypeError):
        with pytest.raises((ValueError, TypeError)):
            sort_into_series([event])
    else:
        assert sum(map(len, sort_into_series([event]).values())) == 1


def test_the_first_bad_event_of_a_call_is_the_one_that_is_named() -> None:
    bad: list[Any] = [
        TradeTick("A.X", 1, 1, 1.0, 1.0),
        TradeTick("A.X", 2, 2, 1.0, -2.0),
        QuoteTick("A.X", 1, 1, 1.0, -3.0, 2.0, 1.0),
    ]
    with pytest.raises(InvalidEvent, match=r"trade_tick of A\.X at 1970-01-01T00:00:00\.000000002Z: size is -2\.0"):
        sort_into_series(bad)

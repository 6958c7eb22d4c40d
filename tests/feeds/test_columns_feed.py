"""Columns feeds: lists and arrays give the same events; what is wrong in a column is named once, at the start."""

from array import array
from typing import Any

import numpy as np
import pytest

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.event_batch import EventBatch, find_column
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import FeedOutOfOrder, InvalidEvent, InvalidTime
from tradecore.feeds.columns_feed import BATCH_LEAST, BarColumnsFeed, QuoteColumnsFeed, TradeColumnsFeed
from tradecore.feeds.event_feed import EventFeed

KIND = BarType.parse("TEST.SIM 1m last")
TIMES = [10, 20, 20, 30]
PRICES: dict[str, Any] = {
    "open": [1.0, 2.0, 3.0, 4.0],
    "high": [5.0, 5.0, 5.0, 5.0],
    "low": [1.0, 1.0, 1.0, 1.0],
    "close": [2.0, 3.0, 4.0, 5.0],
}


def as_list(values: list[Any]) -> Any:
    return values


def as_array(values: list[Any]) -> Any:
    return array("q" if type(values[0]) is int else "d", values)


def as_numpy(values: list[Any]) -> Any:
    return np.array(values)


@pytest.mark.parametrize("column", [as_list, as_array, as_numpy])
@pytest.mark.parametrize("limit", [1, 3, 1_024])
async def test_bars_are_the_same_from_every_kind_of_column(read_all: Any, column: Any, limit: int) -> None:
    prices = {name: column(values) for name, values in PRICES.items()}
    feed = BarColumnsFeed(KIND, column(TIMES), volume=column([1.0, 2.0, 3.0, 4.0]), **prices)
    assert isinstance(feed, EventFeed)
    assert feed.is_coincident
    bars = await read_all(feed, limit)
    assert bars[0] == Bar(KIND, 10, 10, 1.0, 5.0, 1.0, 2.0, 1.0)
    assert bars[3] == Bar(KIND, 30, 30, 4.0, 5.0, 1.0, 5.0, 4.0)
    assert len(bars) == feed.rows == 4
    assert feed.last_ts == 30
    for bar in bars:
        bar.check()
        assert type(bar.ts_event) is int
        assert type(bar.close) is float


async def test_absent_volume_is_flagged(read_all: Any) -> None:
    bars = await read_all(BarColumnsFeed(KIND, TIMES, **PRICES))
    assert {(bar.volume, bar.flags) for bar in bars} == {(0.0, SIZE_UNKNOWN)}


async def test_received_times_of_their_own_are_kept(read_all: Any) -> None:
    feed = BarColumnsFeed(KIND, TIMES, **PRICES, ts_received=[11, 21, 22, 33])
    assert not feed.is_coincident
    assert [bar.ts_received for bar in await read_all(feed)] == [11, 21, 22, 33]


async def test_only_the_stretch_asked_for_is_given_both_ends_included(read_all: Any) -> None:
    for column in (as_list, as_numpy):
        feed = BarColumnsFeed(KIND, column(TIMES), **PRICES, start_ns=20, end_ns=29)
        assert [bar.ts_event for bar in await read_all(feed)] == [20, 20]


async def test_whole_numbers_become_floats(read_all: Any) -> None:
    feed = TradeColumnsFeed("TEST.SIM", [1, 2], [100, 101], np.array([1, 2]))
    assert await read_all(feed) == [TradeTick("TEST.SIM", 1, 1, 100.0, 1.0), TradeTick("TEST.SIM", 2, 2, 101.0, 2.0)]
    assert type((await TradeColumnsFeed("TEST.SIM", [1], [100], np.array([1])).next_batch(1))[0].size) is float


@pytest.mark.parametrize("column", [as_list, as_numpy])
async def test_trades_carry_their_aggressor(read_all: Any, column: Any) -> None:
    feed = TradeColumnsFeed("TEST.SIM", [1, 2, 3], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], column([0, 1, 2]))
    assert [tick.aggressor for tick in await read_all(feed)] == [Aggressor.UNKNOWN, Aggressor.BUYER, Aggressor.SELLER]
    feed = TradeColumnsFeed("TEST.SIM", [1], [1.0], aggressor=[Aggressor.SELLER])
    assert await read_all(feed) == [TradeTick("TEST.SIM", 1, 1, 1.0, 0.0, Aggressor.SELLER, None, SIZE_UNKNOWN)]
    feed = TradeColumnsFeed("TEST.SIM", [1], [1.0])
    assert await read_all(feed) == [TradeTick("TEST.SIM", 1, 1, 1.0, 0.0, flags=SIZE_UNKNOWN)]


@pytest.mark.parametrize("column", [as_list, as_numpy])
async def test_crossed_quotes_are_kept_and_flagged(read_all: Any, column: Any) -> None:
    feed = QuoteColumnsFeed("TEST.SIM", [1, 2], column([9.0, 11.0]), column([10.0, 10.0]), [1.0, 1.0], [2.0, 2.0])
    assert await read_all(feed) == [
        QuoteTick("TEST.SIM", 1, 1, 9.0, 1.0, 10.0, 2.0),
        QuoteTick("TEST.SIM", 2, 2, 11.0, 1.0, 10.0, 2.0, 0, CROSSED),
    ]
    feed = QuoteColumnsFeed("TEST.SIM", [1, 2], column([9.0, 9.0]), column([10.0, 10.0]))
    assert {quote.flags for quote in await read_all(feed)} == {SIZE_UNKNOWN}


@pytest.mark.parametrize("column", [as_list, as_array, as_numpy])
@pytest.mark.parametrize(
    ("name", "values", "match"),
    [
        ("close", [2.0, float("nan"), 4.0, 5.0], "column close has nan in row 2; expected a finite float"),
        ("high", [5.0, 5.0, float("inf"), 5.0], "column high has inf in row 3"),
        ("low", [1.0, 1.0, 1.0, 6.0], "row 4 has high 5.0 below low 6.0"),
        ("close", [2.0, 3.0, 4.0, 5.5], "row 4 has high 5.0 below close 5.5"),
        ("open", [0.5, 2.0, 3.0, 4.0], "row 1 has open 0.5 below low 1.0"),
        ("volume", [1.0, -1.0, 1.0, 1.0], "column volume has -1.0 in row 2; expected at least 0"),
        ("volume", [1.0, 1.0, 1.0], "columns differ in length: ts_event 4"),
    ],
)
def test_what_no_market_can_have_is_named_with_column_row_and_value(
    column: Any, name: str, values: list[float], match: str
) -> None:
    columns = {key: column(given) for key, given in {**PRICES, "volume": [1.0] * 4, name: values}.items()}
    with pytest.raises(InvalidEvent, match=match):
        BarColumnsFeed(KIND, column(TIMES), **columns)


@pytest.mark.parametrize("column", [as_list, as_array, as_numpy])
def test_times_that_go_back_are_named(column: Any) -> None:
    with pytest.raises(FeedOutOfOrder) as caught:
        BarColumnsFeed(KIND, column([10, 30, 20, 40]), **PRICES)
    assert (caught.value.row, caught.value.previous_ns, caught.value.met_ns) == (3, 30, 20)


@pytest.mark.parametrize(
    "times",
    [[1.5, 2.0, 3.0, 4.0], ["a", "b", "c", "d"], [1, 2, 3, 2**63], np.array([1.0, 2.0, 3.0, 4.0]),
     np.array(["2024-01-01"] * 4, dtype="datetime64[ns]"), np.zeros((4, 1), dtype="int64")],
)  # fmt: skip
def test_times_that_are_no_int_nanoseconds_are_refused(times: Any) -> None:
    with pytest.raises(InvalidTime, match="ts_event"):
        BarColumnsFeed(KIND, times, **PRICES)


@pytest.mark.parametrize("prices", [["1.0"] * 4, np.array(["1.0"] * 4), [None] * 4])
def test_prices_that_are_no_numbers_are_refused(prices: Any) -> None:
    with pytest.raises(InvalidEvent, match="column open"):
        BarColumnsFeed(KIND, TIMES, **{**PRICES, "open": prices})


def test_half_a_pair_of_sizes_and_unknown_aggressors_are_refused() -> None:
    with pytest.raises(InvalidEvent, match="give both or neither"):
        QuoteColumnsFeed("TEST.SIM", [1], [1.0], [2.0], bid_size=[1.0])
    with pytest.raises(InvalidEvent, match="aggressor has 3 in row 2"):
        TradeColumnsFeed("TEST.SIM", [1, 2], [1.0, 1.0], aggressor=[1, 3])


async def test_no_rows_are_no_events(read_all: Any) -> None:
    for column in (list, np.array):
        assert await read_all(TradeColumnsFeed("TEST.SIM", np.array([], dtype="int64"), column([]))) == []


async def test_a_closed_feed_gives_nothing_more() -> None:
    feed = TradeColumnsFeed("TEST.SIM", [1, 2], [1.0, 1.0])
    await feed.next_batch(1)
    await feed.close()
    assert await feed.next() is None


@pytest.mark.parametrize("column", [as_list, as_array, as_numpy])
async def test_a_batch_keeps_the_columns_it_was_made_of(column: Any) -> None:
    """The fields of its events, and no copy of them; a part of a batch, or a short one, is a list without."""
    prices = [float(row % 7) for row in range(BATCH_LEAST + 2)]
    feed = TradeColumnsFeed("TEST.SIM", column(list(range(1, len(prices) + 1))), column(prices))
    batch = await feed.next_batch(BATCH_LEAST)
    assert type(batch) is EventBatch
    assert batch.times == [trade.ts_event for trade in batch]
    found = find_column(batch, "price")
    assert found is not None
    assert list(found) == [trade.price for trade in batch]
    assert feed.next_ns == BATCH_LEAST + 1
    for part in (batch[:5], [*batch], await feed.next_batch(BATCH_LEAST)):
        assert type(part) is list
        assert find_column(part, "price") is None
    assert feed.next_ns is None


async def test_columns_may_lie_anywhere_in_memory() -> None:
    """Records of 60 bytes, as trading terminals write them: their numbers do not lie where a processor likes them."""
    record = np.dtype([("time", "i8"), ("price", "f8"), ("rest", "S44")])
    rows = np.zeros(BATCH_LEAST, record)
    rows["time"], rows["price"] = np.arange(1, len(rows) + 1), np.arange(len(rows))
    batch = await TradeColumnsFeed("TEST.SIM", rows["time"], rows["price"]).next_batch(BATCH_LEAST)
    for name, first in (("price", [0.0, 1.0, 2.0]), ("ts_event", [1, 2, 3])):
        column: Any = find_column(batch, name)
        assert memoryview(column)[:3].tolist() == first
    assert [trade.price for trade in batch] == rows["price"].tolist()


class Labelled:
    """A column as pandas has it: no array, but it holds one."""

    def __init__(self, values: Any) -> None:
        self.values, self.dtype = values, values.dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values


async def test_columns_may_be_those_of_a_table() -> None:
    times, prices = (Labelled(np.arange(1.0, 1_001.0).astype(kind)) for kind in ("int64", "float64"))
    batch = await TradeColumnsFeed("TEST.SIM", times, prices).next_batch(1_000)
    assert [trade.price for trade in batch] == prices.values.tolist()
    column: Any = find_column(batch, "ts_event")
    assert memoryview(column)[2] == 3


async def test_rows_stand_for_batches_only_where_events_cannot_be_made_otherwise() -> None:
    """A class of the user's own, a wrapped next_batch, lists and times of receipt keep their batches."""

    class Own(TradeColumnsFeed):
        pass

    times, prices = np.array(TIMES), np.array([1.0, 2.0, 3.0, 4.0])
    assert TradeColumnsFeed("A.X", times, prices).gives_rows
    assert not Own("A.X", times, prices).gives_rows
    assert not TradeColumnsFeed("A.X", TIMES, prices).gives_rows
    assert not TradeColumnsFeed("A.X", times, prices.tolist()).gives_rows
    assert not TradeColumnsFeed("A.X", times, prices, ts_received=times + 1).gives_rows
    wrapped: Any = TradeColumnsFeed("A.X", times, prices)
    wrapped.next_batch = wrapped.next_batch
    assert not wrapped.gives_rows


async def test_rows_are_what_batches_are() -> None:
    """As a sequence, in parts, and in their columns."""
    sides, sizes = [0, 1, 2, 1], [1.0, 2.0, 3.0, 4.0]
    feeds = [
        TradeColumnsFeed("A.X", np.array(TIMES), np.array(PRICES["close"]), np.array(sizes), np.array(sides))
        for _ in range(2)
    ]
    batch, rows = await feeds[0].next_batch(3), feeds[1].next_rows(3)
    assert list(rows) == batch
    assert (len(rows), rows[0], rows[-1], rows[1:]) == (3, batch[0], batch[2], batch[1:])
    assert (rows.first_ns, rows.last_ns) == (10, 20)
    columns: list[Any] = [rows.find_column(name) for name in ("price", "ts_event", "flags")]
    assert (columns[0].tolist(), columns[1].tolist(), columns[2]) == ([2.0, 3.0, 4.0], [10, 20, 20], None)
    before, after = feeds[1].next_rows(3).continue_from(rows).split(20)
    assert [list(before), list(after)] == [batch[:1], [*batch[1:], *await feeds[0].next_batch(3)]]
    assert (feeds[1].last_ts, feeds[1].next_ns, len(feeds[1].next_rows(3))) == (30, None, 0)
    assert not feeds[1].has_next()

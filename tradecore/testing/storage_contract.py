"""The contract suite of MarketDataStorage: what every store must do, as tests to subclass.

    from tradecore.testing.storage_contract import StorageContract

    class TestMyStorage(StorageContract):
        def make_storage(self, folder):
            return MyStorage(folder / "my.store")

Receives: a store that is not connected yet, from `make_storage`; the same folder gives the same store again.
Gives:    failing tests for what the store does not keep. It needs pytest and pytest-asyncio.
Never:    looks inside a store.    Spec: 2.1; DESIGN 7; STYLE 12.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED, IMPORTED, SIZE_UNKNOWN
from tradecore.domain.instant import MAX_NS, MIN_NS, MINUTE_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidEvent, SeriesNotFound, StorageConflict, StorageError
from tradecore.storage.market_data_storage import (
    Appended,
    Gap,
    MarketDataStorage,
    MarketEvent,
    Series,
    SeriesInfo,
    Span,
)
from tradecore.testing.builders import make_instrument

START = 1_700_000_000_000_000_000
QUOTES = Series("quote_tick", "A.X")
TRADES = Series("trade_tick", "A.X")
BARS = Series("bar", "A.X 1m last")


def make_quote(at: int, bid: float = 1.0, *, instrument: str = "A.X", sequence: int = 0, flags: int = 0) -> QuoteTick:
    """A quote at START + at nanoseconds."""
    return QuoteTick(instrument, START + at, START + at, bid, 2.0, bid + 0.5, 3.0, sequence, flags)


def make_trade(at: int, price: float = 1.0, trade_id: str | None = None, *, received: int = 0) -> TradeTick:
    """A trade at START + at nanoseconds, received so many nanoseconds later."""
    return TradeTick("A.X", START + at, START + at + received, price, 2.0, Aggressor.BUYER, trade_id)


def make_minute_bar(minute: int, close: float = 1.0, *, flags: int = 0) -> Bar:
    """A one-minute bar that ends `minute` minutes after START."""
    end = START + minute * MINUTE_NS
    return Bar(BarType.parse(BARS.name), end, end, 1.0, max(1.0, close), min(1.0, close), close, 5.0, flags)


async def read_all(
    storage: MarketDataStorage, series: Series, start_ns: int = MIN_NS, end_ns: int = MAX_NS, *, batch_size: int = 1_024
) -> list[Any]:
    """All events of a stretch; every batch is checked to be neither empty nor too long."""
    events: list[Any] = []
    async for batch in storage.read(series, start_ns, end_ns, batch_size=batch_size):
        assert 1 <= len(batch) <= batch_size
        events += batch
    return events


def bits(events: Sequence[MarketEvent]) -> list[str]:
    """The events as texts that differ when a single bit does: repr tells -0.0 from 0.0, and any float from the next."""
    return [repr(event) for event in events]


class StorageContract:
    """Subclass it and give it a store."""

    pytestmark = pytest.mark.asyncio
    outlives_closing = True
    """Whether a store made again from the same folder has what the first one had; False for a store in memory."""

    def make_storage(self, folder: Path) -> MarketDataStorage:
        """A store in this folder, not connected."""
        raise NotImplementedError("return your store, not connected")

    @asynccontextmanager
    async def opened(self, folder: Path) -> AsyncIterator[MarketDataStorage]:
        """The connected store."""
        storage = self.make_storage(folder)
        await storage.connect()
        try:
            yield storage
        finally:
            await storage.disconnect()

    # ---------------------------------------------------------------------------------------------- round trip

    async def test_every_kind_comes_back_bit_for_bit(self, tmp_path: Path) -> None:
        """Signs of zero, subnormal and largest floats, both ends of time, odd texts: all are legal values."""
        tiny, huge = 5e-324, 1.7976931348623157e308
        bar_type = BarType.parse("A.X 1m last")
        given: dict[Series, list[Any]] = {
            BARS: [
                Bar(bar_type, MIN_NS, MAX_NS, -0.0, 0.0, -0.0, 0.0, -0.0),
                Bar(bar_type, START + 1, START, -huge, huge, -huge, tiny, huge, IMPORTED | SIZE_UNKNOWN),
                Bar(bar_type, MAX_NS, MIN_NS, 0.1, 0.30000000000000004, 0.1, 0.2, 0.0, 2**63 - 1),
            ],
            TRADES: [
                TradeTick("A.X", START, START + 1, -0.0, tiny, Aggressor.SELLER, "O'Brien \n \u00e9 \U0001f600"),
                TradeTick("A.X", START, START, huge, 0.0, Aggressor.UNKNOWN, None, SIZE_UNKNOWN),
                TradeTick("A.X", START, START, 0.0, -0.0, Aggressor.BUYER, ""),
            ],
            QUOTES: [
                QuoteTick("A.X", START - 1, START, -0.0, -0.0, -0.0, -0.0),
                QuoteTick("A.X", START, START, 0.0, 0.0, -0.0, 0.0, 2**63 - 1, IMPORTED),
                QuoteTick("A.X", START + 1, START, 2.0, tiny, 1.0, huge, 7, CROSSED),
            ],
            Series("depth", "A.X"): [
                DepthSnapshot("A.X", START, START, (), ()),
                DepthSnapshot("A.X", START, START, ((0.0, tiny), (-0.1, huge)), ((-0.0, 1.0),), 5, 0),
                DepthSnapshot("A.X", START + 1, START, (), ((1.0, 2.0), (1.5, 3.0), (2.0, 4.0)), 0, IMPORTED),
            ],
        }
        async with self.opened(tmp_path) as storage:
            everything = [event for events in given.values() for event in events]
            assert await storage.append(everything) == Appended(12, 0)
            for series, events in given.items():
                for batch_size in (1, 2, 1_024):
                    assert bits(await read_all(storage, series, batch_size=batch_size)) == bits(events)
            assert await storage.append(everything) == Appended(0, 12)

    async def test_a_range_includes_both_its_ends_to_the_nanosecond(self, tmp_path: Path) -> None:
        """A feed that continues at the last time it saw must find all of that instant again."""
        events = [make_quote(at) for at in (0, 1, 2, 2, 3)]
        async with self.opened(tmp_path) as storage:
            await storage.append(events)
            assert await read_all(storage, QUOTES, START + 1, START + 2) == events[1:4]
            assert await read_all(storage, QUOTES, START + 3) == events[4:]
            assert await read_all(storage, QUOTES, MIN_NS, START) == events[:1]
            assert await read_all(storage, QUOTES, START + 2, START + 1) == []
            assert await read_all(storage, QUOTES, START + 4) == []

    async def test_long_series_and_long_instants_are_read_whole_at_any_batch_size(self, tmp_path: Path) -> None:
        """Blocks and row groups are cut inside an instant; nothing may be lost or doubled there."""
        steady = [make_quote(at // 3, float(at % 7)) for at in range(20_000)]
        crowd = [make_quote(30_000, float(at % 11)) for at in range(20_000)]
        events = [*steady, *crowd, make_quote(30_001)]
        async with self.opened(tmp_path) as storage:
            assert await storage.append(events) == Appended(40_001, 0)
            for batch_size in (999, 16_384, 100_000):
                assert await read_all(storage, QUOTES, batch_size=batch_size) == events
            assert await storage.append(events) == Appended(0, 40_001)

    async def test_a_batch_size_below_one_is_refused(self, tmp_path: Path) -> None:
        """Zero would never end."""
        async with self.opened(tmp_path) as storage:
            await storage.append([make_quote(0)])
            with pytest.raises(StorageError, match="batch_size is 0"):
                await read_all(storage, QUOTES, batch_size=0)

    async def test_order_is_by_event_time_then_as_appended(self, tmp_path: Path) -> None:
        """History may be loaded backwards; within one instant the order of arrival is all there is."""
        late, early = [make_quote(10, bid) for bid in (5.0, 4.0)], [make_quote(1, 9.0), make_quote(1, 8.0)]
        between = [make_quote(10, 1.0), make_quote(5, 2.0), make_quote(1, 7.0)]
        async with self.opened(tmp_path) as storage:
            for part in (late, early, between):
                assert (await storage.append(part)).known == 0
            expected = [*early, between[2], between[1], *late, between[0]]
            assert await read_all(storage, QUOTES) == expected
            assert await read_all(storage, QUOTES, batch_size=1) == expected

    async def test_events_of_one_call_may_be_in_any_order_and_of_any_series(self, tmp_path: Path) -> None:
        """An append sorts; the caller need not."""
        events: list[Any] = [
            make_trade(3),
            make_quote(2),
            make_minute_bar(2),
            make_trade(1),
            make_minute_bar(1),
            make_quote(1),
        ]
        async with self.opened(tmp_path) as storage:
            assert await storage.append(events) == Appended(6, 0)
            assert await read_all(storage, TRADES) == [events[3], events[0]]
            assert await read_all(storage, QUOTES) == [events[5], events[1]]
            assert await read_all(storage, BARS) == [events[4], events[2]]
            assert await storage.append([]) == Appended(0, 0)

    async def test_names_of_any_spelling_keep_to_themselves(self, tmp_path: Path) -> None:
        """Ids come from venues: slashes, stars, dots, upper and lower case, very long ones."""
        names = ["a.X", "A.X", "BTC/USD:PERP?*.X", "..X", "A%2F.X", "\u00e9\U0001f600.X", "L" * 300 + ".X"]
        async with self.opened(tmp_path) as storage:
            for number, name in enumerate(names):
                await storage.append([make_quote(number, instrument=name)])
            for number, name in enumerate(names):
                assert await read_all(storage, Series("quote_tick", name)) == [make_quote(number, instrument=name)]
            assert [info.series.name for info in await storage.list_series()] == sorted(names)

    # ------------------------------------------------------------------------------------------------ identity

    async def test_equal_ticks_are_kept_and_appending_them_again_adds_nothing(self, tmp_path: Path) -> None:
        """Of k equals there and m given, max(0, m - k) are added: real ticks do repeat exactly."""
        async with self.opened(tmp_path) as storage:
            assert await storage.append([make_quote(0)] * 2) == Appended(2, 0)
            assert await storage.append([make_quote(0)]) == Appended(0, 1)
            assert await storage.append([make_quote(0), make_quote(0, 9.0), *[make_quote(0)] * 2]) == Appended(2, 2)
            # Two were known; what is new, the other quote and a third equal one, comes behind them.
            assert [quote.bid_price for quote in await read_all(storage, QUOTES)] == [1.0, 1.0, 9.0, 1.0]

    async def test_a_bar_with_other_values_is_a_conflict_that_names_both(self, tmp_path: Path) -> None:
        """A bar's identity is its type and end; two truths about it must not be settled silently."""
        async with self.opened(tmp_path) as storage:
            await storage.append([make_minute_bar(1, 1.5)])
            assert await storage.append([make_minute_bar(1, 1.5)]) == Appended(0, 1)
            with pytest.raises(StorageConflict, match=r"(?s)1\.5.*1\.25"):
                await storage.append([make_minute_bar(0), make_minute_bar(1, 1.25), make_minute_bar(2)])
            with pytest.raises(StorageConflict):
                await storage.append([make_minute_bar(7, 1.5), make_minute_bar(7, 1.25)])
            assert await read_all(storage, BARS) == [make_minute_bar(1, 1.5)]

    async def test_a_venue_id_is_one_trade_however_it_reached_us(self, tmp_path: Path) -> None:
        """The same trade, heard live and fetched again from history, differs in what is ours only; the first stays."""
        live = make_trade(5, 1.0, "t1", received=1_000)
        async with self.opened(tmp_path) as storage:
            assert await storage.append([live, live, make_trade(5, 1.0)]) == Appended(2, 1)
            assert await storage.append([make_trade(5, 1.0, "t1")]) == Appended(0, 1)
            for other in (make_trade(5, 2.0, "t1"), make_trade(6, 1.0, "t1")):
                with pytest.raises(StorageConflict, match=r"trade_id 't1'"):
                    await storage.append([make_trade(9, 1.0, "t9"), other])
            assert bits(await read_all(storage, TRADES)) == bits([live, make_trade(5, 1.0)])

    async def test_a_sequence_above_zero_is_an_id_and_zero_is_none(self, tmp_path: Path) -> None:
        """0 stands for "the venue gives none"."""
        async with self.opened(tmp_path) as storage:
            quotes = [make_quote(0, sequence=10), make_quote(0), make_quote(0), make_quote(1, 2.0, sequence=9)]
            assert await storage.append(quotes) == Appended(4, 0)
            assert await storage.append(quotes[:1]) == Appended(0, 1)
            with pytest.raises(StorageConflict, match="sequence 9"):
                await storage.append([make_quote(2, 2.0, sequence=9)])
            assert await read_all(storage, QUOTES) == quotes

    async def test_what_fails_in_one_series_leaves_all_others_alone(self, tmp_path: Path) -> None:
        """A call is one unit over all its series, whichever of them fails."""
        bad: list[Any] = [
            make_minute_bar(1, 7.0),
            QuoteTick("A.X", START, START, float("nan"), 1.0, 1.0, 1.0),
            QuoteTick("A.X", START, START, 2.0, 1.0, 1.0, 1.0),
            TradeTick("A.X", START, START, 1.0, -1.0),
            TradeTick("A.X", START, START, 1.0, 1.0, Aggressor.BUYER, "\ud800"),
            TradeTick("A.X", START, 2**63, 1.0, 1.0),
            TradeTick("A.X", START, START, 1.0, 1.0, flags=2**63),
            DepthSnapshot("A.X", START, START, ((1.0, 0.0),), ()),
            "no event",
        ]
        async with self.opened(tmp_path) as storage:
            await storage.append([make_minute_bar(1)])
            for event in bad:
                with pytest.raises((StorageConflict, InvalidEvent)):
                    await storage.append([make_trade(1), event, make_quote(1)])
                with pytest.raises((StorageConflict, InvalidEvent)):
                    await storage.append([make_trade(1), make_quote(1), make_minute_bar(1), event])
            assert [info.series for info in await storage.list_series()] == [BARS]
            with pytest.raises(SeriesNotFound):
                await read_all(storage, TRADES)

    # --------------------------------------------------------------------------------------- series and spans

    async def test_it_lists_what_it_holds(self, tmp_path: Path) -> None:
        """By kind and name, with rows and both ends."""
        async with self.opened(tmp_path) as storage:
            assert await storage.list_series() == []
            await storage.append([make_trade(5), make_trade(2), make_quote(3), make_quote(3), make_minute_bar(1)])
            await storage.append([make_trade(1)])
            end = START + MINUTE_NS
            assert await storage.list_series() == [
                SeriesInfo(BARS, 1, end, end),
                SeriesInfo(QUOTES, 2, START + 3, START + 3),
                SeriesInfo(TRADES, 3, START + 1, START + 5),
            ]

    async def test_spans_are_joined_where_they_touch(self, tmp_path: Path) -> None:
        """Both ends belong to a span, so the next nanosecond touches; bars touch at the distance of their step."""
        async with self.opened(tmp_path) as storage:
            await storage.append([make_quote(10), make_quote(20)])
            await storage.add_span(QUOTES, Span(START + 22, START + 30))
            assert await storage.covered_spans(QUOTES) == [Span(START + 10, START + 20), Span(START + 22, START + 30)]
            await storage.add_span(QUOTES, Span(START + 21, START + 21))
            await storage.append([make_quote(40)])
            assert await storage.covered_spans(QUOTES) == [Span(START + 10, START + 30), Span(START + 40, START + 40)]
            await storage.append([make_minute_bar(1), make_minute_bar(2)])
            await storage.append([make_minute_bar(3)])
            joined = Span(START + MINUTE_NS, START + 3 * MINUTE_NS)
            assert await storage.covered_spans(BARS) == [joined]
            with pytest.raises(StorageError, match="ends before it starts"):
                await storage.add_span(QUOTES, Span(5, 4))

    async def test_a_stretch_in_which_nothing_happened_is_known_and_empty(self, tmp_path: Path) -> None:
        """That is not the same as a series the store has never heard of."""
        async with self.opened(tmp_path) as storage:
            await storage.add_span(QUOTES, Span(START, START + 5))
            assert await read_all(storage, QUOTES) == []
            assert await storage.list_series() == []
            assert (await storage.verify(QUOTES)).rows == 0
            for ask in (storage.covered_spans, storage.verify):
                with pytest.raises(SeriesNotFound, match=r"trade_tick A\.X"):
                    await ask(TRADES)
            reader = storage.read(TRADES)  # says nothing before its first step
            with pytest.raises(SeriesNotFound):
                await anext(reader)

    async def test_instruments_are_added_and_replaced_by_id(self, tmp_path: Path) -> None:
        """Events may come before their instrument is defined; only defined ones are listed."""
        b, a = make_instrument("B.X", price_increment="0.010"), make_instrument("A.X", base_currency="BTC")
        async with self.opened(tmp_path) as storage:
            await storage.append([make_quote(0), make_minute_bar(1)])
            assert await storage.list_instruments() == []
            await storage.add_instruments([b, a])
            changed: Instrument = make_instrument("A.X", multiplier=50, session="fx")
            await storage.add_instruments([changed])
            listed = await storage.list_instruments()
            assert [repr(one) for one in listed] == [repr(changed), repr(b)]  # 0.010 keeps its last digit
            assert await read_all(storage, QUOTES) == [make_quote(0)]

    # -------------------------------------------------------------------------------------------------- verify

    async def test_verify_finds_gaps_only_where_the_store_says_it_has_everything(self, tmp_path: Path) -> None:
        """Between two loads nobody knows; inside one, three minutes without a bar are three missing bars."""
        async with self.opened(tmp_path) as storage:
            await storage.append([make_minute_bar(minute) for minute in (1, 2, 6)])
            await storage.append([make_minute_bar(minute) for minute in (100, 101)])
            report = await storage.verify(BARS)
            assert report.gaps == (Gap(START + 2 * MINUTE_NS, START + 6 * MINUTE_NS, 3),)  # 3, 4, 5 are missing
            assert (report.rows, report.gap_count, report.is_sound) == (5, 1, True)
            await storage.add_span(BARS, Span(START + 90 * MINUTE_NS, START + 95 * MINUTE_NS))
            # Of the 93 bars between 6 and 100, those that end at 90 ... 95 are said to be there and are not.
            assert [gap.missing for gap in (await storage.verify(BARS)).gaps] == [3, 6]

    async def test_verify_counts_received_times_that_run_backwards(self, tmp_path: Path) -> None:
        """Delivery order is by received time; such a series cannot be replayed as it was heard."""
        async with self.opened(tmp_path) as storage:
            await storage.append([make_trade(0, received=10), make_trade(1, received=3), make_trade(2, received=20)])
            report = await storage.verify(TRADES)
            assert (report.disorder, report.duplicates, report.invalid, report.is_sound) == (1, 0, (), False)

    # ------------------------------------------------------------------------------- readers, cancellation, closing

    async def test_readers_and_appends_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        """Several readers at their own pace; what is appended behind them is seen, and nothing twice."""
        events = [make_quote(at // 2, float(at)) for at in range(30_000)]
        async with self.opened(tmp_path) as storage:
            await storage.append(events)
            fast, slow = storage.read(QUOTES, batch_size=5_000), storage.read(QUOTES, batch_size=10_000)
            fast_seen, slow_seen = [*await anext(fast)], [*await anext(slow)]
            fast_seen += await anext(fast)
            await storage.append([make_quote(-1), make_quote(20_000, 7.0)])  # the first is before where they are
            fast_seen += [event async for batch in fast for event in batch]
            slow_seen += [event async for batch in slow for event in batch]
            assert fast_seen == slow_seen == [*events, make_quote(20_000, 7.0)]

    async def test_a_cancelled_append_has_appended_everything_or_nothing(self, tmp_path: Path) -> None:
        """A run may be cancelled at any await; half of a call would look like a complete one for ever."""
        async with self.opened(tmp_path) as storage:
            for attempt in range(5):
                events = [make_quote(at + attempt * 10_000) for at in range(1_000)]
                events += [make_quote(at, instrument=f"B{attempt}.X") for at in range(1_000)]
                with anyio.move_on_after(attempt * 0.002):
                    await storage.append(events)
                for series in (QUOTES, Series("quote_tick", f"B{attempt}.X")):
                    stored = {info.series: info.rows for info in await storage.list_series()}.get(series, 0)
                    assert stored % 1_000 == 0
                await storage.append(events)
            assert await storage.append(events) == Appended(0, 2_000)
            assert len(await read_all(storage, QUOTES)) == 5_000

    async def test_a_cancelled_step_of_a_reader_has_consumed_nothing(self, tmp_path: Path) -> None:
        """A feed's next_batch promises the same."""
        events = [make_quote(at) for at in range(3_000)]
        async with self.opened(tmp_path) as storage:
            await storage.append(events)
            reader = storage.read(QUOTES, batch_size=1_000)
            with anyio.move_on_after(0):
                await anext(reader)
                pytest.skip("this store reads without waiting: there was nothing to cancel")
            assert [event async for batch in reader for event in batch] == events

    async def test_a_reader_left_early_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """Closed, it ends; the store closes under an open one, whose next step then says so."""
        async with self.opened(tmp_path) as storage:
            await storage.append([make_quote(at) for at in range(50_000)])
            async with aclosing(storage.read(QUOTES, batch_size=10)) as left:  # type: ignore[type-var]
                assert len(await anext(left)) == 10
            assert [batch async for batch in left] == []
            open_reader = storage.read(QUOTES, batch_size=16_384)
            await anext(open_reader)
        with pytest.raises(StorageError, match="not connected"):
            async for _ in open_reader:
                pass

    async def test_opening_and_closing_are_idempotent_and_a_closed_store_says_so(self, tmp_path: Path) -> None:
        """Who closes twice in an error path must not mask the first error."""
        storage = self.make_storage(tmp_path)
        await storage.disconnect()
        await storage.connect()
        await storage.connect()
        await storage.append([make_quote(0)])
        await storage.disconnect()
        await storage.disconnect()
        for attempt in (storage.append([make_quote(1)]), storage.list_series(), storage.covered_spans(QUOTES)):
            with pytest.raises(StorageError, match="not connected"):
                await attempt
        await storage.connect()
        assert await read_all(storage, QUOTES) == [make_quote(0)]
        await storage.disconnect()

    async def test_what_was_stored_is_there_when_the_store_is_opened_again(self, tmp_path: Path) -> None:
        """Series, spans and instruments."""
        if not self.outlives_closing:
            pytest.skip("this store lives as long as its object")
        async with self.opened(tmp_path) as storage:
            await storage.append([make_quote(0), make_minute_bar(1)])
            await storage.add_span(QUOTES, Span(START, START + 9))
            await storage.add_instruments([make_instrument("A.X")])
        async with self.opened(tmp_path) as storage:
            assert await read_all(storage, QUOTES) == [make_quote(0)]
            assert await storage.covered_spans(QUOTES) == [Span(START, START + 9)]
            assert await storage.list_instruments() == [make_instrument("A.X")]
            assert await storage.append([make_minute_bar(1), make_minute_bar(2)]) == Appended(1, 1)

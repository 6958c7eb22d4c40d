"""Synthetic data: within the day it was given, the same everywhere, and never mistaken for the market's."""

import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from itertools import pairwise, takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.domain.bar import Bar
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.domain.trading_session import parse_session
from tradecore.errors import SyntheticDataError
from tradecore.storage.bundled.bundled_data import load_bundled
from tradecore.storage.market_data_storage import Series
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.storage.synthetic import (
    BATCH_EVENTS,
    SyntheticSettings,
    generate_events,
    generate_into,
    load_day_ranges,
    walk_days,
)
from tradecore.storage.synthetic_path import DayRange, PriceGrid, make_random, share_volume, walk_day

DAY = DayRange(date(2024, 1, 16), open=100.0, high=103.5, low=99.25, close=101.0, volume=1_234_567.0)


def make_settings(kind: str, **changes: Any) -> SyntheticSettings:
    return SyntheticSettings(kind=kind, symbol="IBM", **({"seed": 7, "ticks_per_day": 500} | changes))


def make_events(kind: str, days: list[DayRange] | None = None, **changes: Any) -> list[Any]:
    batches = generate_events(make_settings(kind, **changes), days or [DAY])
    return [event for batch in batches for event in batch]


@st.composite
def day_ranges(draw: st.DrawFn) -> DayRange:
    low, first, second, high = sorted(draw(st.tuples(*[st.integers(1, 100_000)] * 4)))
    opens, closes = draw(st.permutations([first, second]))
    scale = draw(st.sampled_from([100, 1_000]))  # 1,000 puts prices off the increment of 0.01
    return DayRange(date(2024, 1, 16), opens / scale, high / scale, low / scale, closes / scale, 10_000.0)


@given(day=day_ranges(), points=st.integers(4, 60), seed=st.integers(0, 1_000))
def test_a_path_opens_closes_and_turns_where_the_day_did(day: DayRange, points: int, seed: int) -> None:
    path = list(walk_day(day, points, PriceGrid(Decimal("0.01")), make_random(seed)))
    assert len(path) == points
    assert (path[0], max(path), min(path), path[-1]) == (day.open, day.high, day.low, day.close)


@given(volume=st.integers(0, 10_000), parts=st.integers(1, 200), seed=st.integers(0, 1_000))
def test_shares_of_a_volume_add_up_to_it(volume: int, parts: int, seed: int) -> None:
    shares = list(share_volume(volume, parts, make_random(seed)))
    assert (len(shares), sum(shares)) == (parts, volume)
    assert min(shares) >= (1 if volume >= parts else 0)


@settings(max_examples=25, deadline=None)
@given(day=day_ranges(), step=st.sampled_from(["1m", "7m", "1h", "1d"]))
def test_the_bars_of_a_day_make_the_day_again(day: DayRange, step: str) -> None:
    bars: list[Bar] = make_events("bar", [day], step=step)
    assert (bars[0].open, bars[-1].close) == (day.open, day.close)
    assert (max(bar.high for bar in bars), min(bar.low for bar in bars)) == (day.high, day.low)
    assert sum(int(bar.volume) for bar in bars) == 10_000
    session = parse_session("09:30-16:00 America/New_York")
    assert bars[-1].ts_event == session.compute_close_ns(day.day)
    for bar in bars:
        bar.check()


def test_a_stock_day_has_390_minutes() -> None:
    bars: list[Bar] = make_events("bar")
    assert len(bars) == 390  # 09:30 to 16:00
    assert {later.ts_event - earlier.ts_event for earlier, later in pairwise(bars)} == {60 * 10**9}


def test_trades_touch_the_days_prices_and_share_its_volume() -> None:
    trades: list[TradeTick] = make_events("trade_tick")
    path = [trade.price for trade in trades]
    assert (path[0], max(path), min(path), path[-1]) == (100.0, 103.5, 99.25, 101.0)
    assert sum(int(trade.size) for trade in trades) == 1_234_567
    assert all(later.ts_event > earlier.ts_event for earlier, later in pairwise(trades))


def test_quotes_stay_within_the_day_and_are_never_crossed() -> None:
    quotes: list[QuoteTick] = make_events("quote_tick")
    assert max(quote.ask_price for quote in quotes) == 103.5
    assert min(quote.bid_price for quote in quotes) == 99.25
    for quote in quotes:
        quote.check()
        assert quote.bid_price <= quote.ask_price


def test_a_day_without_range_stands_still() -> None:
    still = DayRange(date(2024, 1, 16), 5.0, 5.0, 5.0, 5.0, 0.0)
    quotes: list[QuoteTick] = make_events("quote_tick", [still])
    assert {(quote.bid_price, quote.ask_price) for quote in quotes} == {(5.0, 5.0)}
    bars: list[Bar] = make_events("bar", [still])
    assert {(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars} == {(5.0, 5.0, 5.0, 5.0, 0.0)}


def test_a_day_looks_the_same_whichever_days_came_before() -> None:
    before = DayRange(date(2024, 1, 15), 90.0, 101.0, 90.0, 100.0, 5_000.0)
    assert make_events("trade_tick", [before, DAY])[500:] == make_events("trade_tick", [DAY])
    assert make_events("trade_tick", [DAY], seed=8) != make_events("trade_tick", [DAY])


_DIGEST = """
import hashlib
from datetime import date
from tradecore.storage.synthetic import SyntheticSettings, generate_events, walk_days
digest = hashlib.sha256()
for kind in ("bar", "quote_tick", "trade_tick"):
    wanted = SyntheticSettings(kind=kind, symbol="IBM", seed=7, ticks_per_day=500)
    for batch in generate_events(wanted, walk_days(wanted, date(2024, 1, 1), 3)):
        digest.update(repr(batch).encode())
print(digest.hexdigest())
"""
# Computed on Python 3.11 (Linux, x86-64); any Python must give it.
_EXPECTED_DIGEST = "22a91fb401d11d997276f9e46ac29635fcfd81f505d8e41d8698ca7a67a15b9e"


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_same_settings_give_the_same_bytes_on_any_python_and_hash_seed(hash_seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.run(
        [sys.executable, "-c", _DIGEST], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == _EXPECTED_DIGEST


def test_batches_are_small_however_many_events_a_day_has() -> None:
    batches = generate_events(make_settings("trade_tick", ticks_per_day=10_000_000), [DAY])
    sizes = [len(batch) for _, batch in takewhile(lambda pair: pair[0] < 3, enumerate(batches))]
    assert sizes == [BATCH_EVENTS] * 3


async def test_days_of_a_stored_series_become_synthetic_minutes_under_another_venue() -> None:
    store = MemoryStorage()
    await store.connect()
    await load_bundled(store, ["IBM"])
    wanted = make_settings("bar", ticks_per_day=100)
    days = (await load_day_ranges(store, Series("bar", "IBM.NYSE 1d last"), wanted.session))[:5]
    report = await generate_into(store, wanted, days)
    assert (report.series, report.days) == (Series("bar", "IBM.SYNTH 1m last"), 5)
    assert (report.events, report.added) == (1_950, 1_950)  # 5 days of 390 minutes
    assert report.note.startswith("synthetic")
    assert "IBM.SYNTH" in [instrument.id for instrument in await store.list_instruments()]
    again = await generate_into(store, wanted, days)
    assert (again.events, again.added) == (1_950, 0)


async def test_only_daily_bars_are_days() -> None:
    store = MemoryStorage()
    await store.connect()
    with pytest.raises(SyntheticDataError, match="daily"):
        await load_day_ranges(store, Series("bar", "IBM.NYSE 1h last"), "24x7")


def test_made_up_days_are_weekdays_on_the_grid() -> None:
    wanted = make_settings("bar")
    days = list(walk_days(wanted, date(2024, 1, 6), 10))  # 2024-01-06 is a Saturday
    assert [day.day.day for day in days] == [8, 9, 10, 11, 12, 15, 16, 17, 18, 19]
    for day in days:
        assert day.low <= min(day.open, day.close) <= max(day.open, day.close) <= day.high
        assert Decimal(repr(day.close)) % Decimal("0.01") == 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"kind": "depth"}, "kind"), ({"ticks_per_day": 3}, "at least 4"), ({"kind": "bar", "step": "100t"}, "step")],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], word: str) -> None:
    kind = changes.pop("kind", "trade_tick")
    with pytest.raises(SyntheticDataError, match=word):
        make_events(kind, **changes)

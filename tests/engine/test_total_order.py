"""The total order: what strategies see depends on the events alone, not on batches, feed order or when feeds came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tradecore as tc
from tradecore.domain.bar_type import BarType
from tradecore.domain.delay_law import ConstantDelay, DelayLaw, LognormalDelay
from tradecore.domain.instant import SECOND_NS
from tradecore.engine import event_queue
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.feeds import columns_feed, merge
from tradecore.feeds.columns_feed import BarColumnsFeed, QuoteColumnsFeed, TradeColumnsFeed

T0 = 1_704_067_200 * SECOND_NS  # 2024-01-01T00:00:00Z
BATCH_SIZES = (1, 16, 1_024)


class News:
    """A user's own event: only what the Event protocol asks for."""

    event_type = "news"

    def __init__(self, ts: int, text: str) -> None:
        self.dt_event = self.dt_received = datetime.fromtimestamp(ts // SECOND_NS, tz=UTC)
        self.text = text

    def __lt__(self, other: Any) -> bool:
        return bool(self.dt_event < other.dt_event)


class Listener(tc.Strategy):
    """Writes down everything it hears, with the engine's time."""

    def __init__(self, feeds: Sequence[Any], timer_s: int | None = None) -> None:
        self.feeds, self.timer_s = feeds, timer_s
        self.heard: list[tuple[int, Any, int]] = []

    def on_start(self) -> None:
        for number, feed in enumerate(self.feeds):
            self.add_event_feed(feed, f"feed{number}")
        if self.timer_s is not None:
            self.add_repeating_timer("timer", self.timer_s * SECOND_NS, start=T0)

    def on_event(self, event: Any) -> None:
        self.heard.append((self.now_ns, describe(event), to_ns(event)))


def to_ns(event: Any) -> int:
    return int(getattr(event, "ts_event", 0)) or int(event.dt_event.timestamp()) * SECOND_NS


def describe(event: Any) -> str:
    if isinstance(event, News):
        return f"news {event.text}"
    name = getattr(event, "name", None) or str(event.series)
    value = getattr(event, "close", None) or getattr(event, "price", None) or getattr(event, "bid_price", None)
    return f"{event.event_type} {name} {value}"


# Small times on purpose: equal instants are where an order shows.
seconds = st.lists(st.integers(0, 12), max_size=14).map(sorted)


def make_feeds(times: dict[str, list[int]], in_columns: Sequence[str] = ()) -> dict[str, Any]:
    """One feed of each kind, fresh: a feed is read once. in_columns: whose columns are arrays of numpy."""

    def stamps(name: str) -> Any:
        instants = [T0 + s * SECOND_NS for s in times[name]]
        return np.array(instants, np.int64) if name in in_columns else instants

    def numbers(name: str, base: float) -> Any:
        column = [base + i for i in range(len(times[name]))]
        return np.array(column) if name in in_columns else column

    bars: dict[str, Any] = {}
    for name, step in (("minute", "1m"), ("hour", "1h")):
        # A series of bars has one bar per end.
        ends = stamps(name)
        ends = np.unique(ends) if name in in_columns else sorted(set(ends))
        prices: Any = [1000.0 + i for i in range(len(ends))]
        prices = np.array(prices) if name in in_columns else prices
        bars[name] = BarColumnsFeed(f"A.X {step} last", ends, prices, prices, prices, prices, prices)
    return {
        "quote": QuoteColumnsFeed("A.X", stamps("quote"), numbers("quote", 1.0), numbers("quote", 2.0)),
        "trade": TradeColumnsFeed("A.X", stamps("trade"), numbers("trade", 100.0), numbers("trade", 1.0)),
        "other": TradeColumnsFeed("B.X", stamps("other"), numbers("other", 200.0), numbers("other", 1.0)),
        **bars,
        "own": tc.feed([News(ts, str(i)) for i, ts in enumerate(stamps("own"))], name="news", event_types=["news"]),
    }


KINDS = ("quote", "trade", "other", "minute", "hour", "own")
# Kind rank, bar step, series name: the order of one instant, worked out by hand from DESIGN 4.
PLACE = {"quote": (1, 0, "A.X"), "trade": (2, 0, "A.X"), "other": (2, 0, "B.X"), "minute": (3, 60, "A.X 1m last"),
         "hour": (3, 3600, "A.X 1h last"), "own": (4, 0, "news")}  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(times=st.fixed_dictionaries(dict.fromkeys(KINDS, seconds)), order=st.permutations(KINDS), data=st.data())
async def test_delivery_is_the_sorted_union_at_every_batch_size_and_feed_order(
    run_engine: Any, times: dict[str, list[int]], order: list[str], data: Any
) -> None:
    """The merge must be the sort by the full key, whatever the windows were, and wherever times stand in columns."""
    expected: list[tuple[Any, ...]] = []
    for kind in KINDS:
        stamps = sorted(set(times[kind])) if kind in ("minute", "hour") else times[kind]
        expected += [(s, PLACE[kind], i) for i, s in enumerate(stamps)]
    expected.sort()
    size = data.draw(st.sampled_from(BATCH_SIZES))
    feeds = make_feeds(times, data.draw(st.lists(st.sampled_from(KINDS), unique=True)))
    listener = Listener([feeds[kind] for kind in order])
    with pytest.MonkeyPatch.context() as patch:  # so that few will do
        patch.setattr(columns_feed, "TIMES_LEAST", 1)
        patch.setattr(merge, "COLUMNS_LEAST", 2)
        patch.setattr(event_queue, "ROWS_LEAST", data.draw(st.sampled_from((1, 99))))
        patch.setattr(event_queue, "ROWS_BATCH_LEAST", 1)
        await run_engine([listener], batch_size=size)
    assert [now for now, _, _ in listener.heard] == [T0 + s * SECOND_NS for s, _, _ in expected]
    words = {"quote": "quote_tick A.X", "trade": "trade_tick A.X", "other": "trade_tick B.X", "own": "news",
             "minute": "bar A.X 1m last", "hour": "bar A.X 1h last"}  # fmt: skip
    by_place = {place: words[kind] for kind, place in PLACE.items()}
    for (_, text, _), (_, place, _) in zip(listener.heard, expected, strict=True):
        assert text.startswith(by_place[place])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    times=st.fixed_dictionaries(dict.fromkeys(KINDS, seconds)), order=st.permutations(KINDS), timer=st.integers(1, 5)
)
async def test_delays_change_the_time_of_delivery_and_nothing_else(
    run_engine: Any, times: dict[str, list[int]], order: list[str], timer: int
) -> None:
    """Delivered by received time, the same at every batch size and feed order; nothing is seen early or lost."""
    laws: dict[str, DelayLaw] = {"trade_tick": LognormalDelay(median_ms=2_500, sigma=0.8), "minute": ConstantDelay()}
    heard = []
    for size, names in ((1, KINDS), (16, tuple(order)), (1_024, tuple(reversed(order)))):
        feeds = make_feeds(times)
        listener = Listener([feeds[kind] for kind in names], timer_s=timer)
        await run_engine([listener], batch_size=size, delays=DelaySimulator(laws, 7))
        heard.append(listener.heard)
        assert all(now >= ts for now, _, ts in listener.heard)
        assert [now for now, _, _ in listener.heard] == sorted(now for now, _, _ in listener.heard)
        trades = [text for _, text, _ in listener.heard if text.startswith("trade")]
        assert len(trades) == len(times["trade"]) + len(times["other"])
        assert all(now == ts for now, text, ts in listener.heard if not text.startswith("trade"))
    assert heard[0] == heard[1] == heard[2]


class LateComer(Listener):
    """Adds a feed and a timer in the middle, from a callback."""

    def __init__(self, feeds: Sequence[Any], late: Any, at_count: int) -> None:
        super().__init__(feeds)
        self.late, self.at_count = late, at_count

    def on_event(self, event: Any) -> None:
        super().on_event(event)
        if len(self.heard) == self.at_count:
            if self.late is not None:
                self.add_event_feed(self.late, "late")
            self.add_repeating_timer("late timer", 2 * SECOND_NS, start=T0)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(times=st.fixed_dictionaries(dict.fromkeys(KINDS, seconds)), at_count=st.integers(1, 10))
async def test_a_feed_and_a_timer_added_in_the_middle_of_a_window_keep_their_rank(
    run_engine: Any, times: dict[str, list[int]], at_count: int
) -> None:
    """They start after `now` and then come in the order of the full key, at every batch size."""
    runs = []
    for size in BATCH_SIZES:
        feeds = make_feeds(times)
        late = feeds.pop("other")
        strategy = LateComer(list(feeds.values()), late, at_count)
        await run_engine([strategy], batch_size=size)
        runs.append(strategy.heard)
    assert runs[0] == runs[1] == runs[2]
    heard = runs[0]
    if len(heard) < at_count:
        return
    added = heard[at_count - 1][0]
    after = [s for s in times["other"] if T0 + s * SECOND_NS > added]
    late_heard = [(now, text) for now, text, _ in heard if "B.X" in text]
    # Its prices count from 200 for the first row of the feed, so the first one heard tells which rows came.
    first = len(times["other"]) - len(after)
    assert late_heard == [(T0 + s * SECOND_NS, f"trade_tick B.X {200.0 + first + i}") for i, s in enumerate(after)]
    ranks = [(now, rank(text)) for now, text, _ in heard[at_count:]]
    whole = [(now, place) for now, place in ranks if now > added]
    assert whole == sorted(whole)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    times=st.lists(seconds, min_size=2, max_size=6), wide=st.sampled_from(("trade", "quote", "bar")),
    size=st.sampled_from((1, 2, 16, 1_024)), end=st.integers(0, 13), start=st.integers(0, 3),
    late=st.sampled_from((0, 0, 1, 4, 8)),
)  # fmt: skip
async def test_events_that_are_made_as_they_are_delivered_are_those_that_feeds_make(
    run_engine: Any, times: list[list[int]], wide: str, size: int, end: int, start: int, late: int
) -> None:
    """Feeds of one kind in columns: the merged making of their events gives the same as each feed's own, in order."""
    heard = []
    for least in (1, 99):
        feeds = [make_wide(wide, place, one) for place, one in enumerate(times)]
        strategy: Listener = Hearer(feeds[1:], feeds[0], late) if late else Hearer(feeds, None, -1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(event_queue, "ROWS_LEAST", least)
            patch.setattr(event_queue, "ROWS_BATCH_LEAST", 1)
            begin, until = T0 + start * SECOND_NS, T0 + end * SECOND_NS
            await run_engine([strategy], batch_size=size, start_ns=begin, end_ns=max(begin, until))
        heard.append(strategy.heard)
    assert heard[0] == heard[1]
    if not late:
        wanted = sorted((s, place, row) for place, one in enumerate(times) for row, s in enumerate(prepare(wide, one)))
        wanted = [(s, place, row) for s, place, row in wanted if start <= s <= max(start, end)]
        assert [(now, event.series) for now, event, _ in heard[0]] == [
            (T0 + s * SECOND_NS, make_wide(wide, place, []).head) for s, place, _ in wanted
        ]


def prepare(kind: str, times: list[int]) -> list[int]:
    """A series of bars has one bar per end."""
    return sorted(set(times)) if kind == "bar" else times


def make_wide(kind: str, place: int, times: list[int]) -> Any:
    """A feed whose columns are all numpy's; every third quote of every second feed is crossed, no other is."""
    stamps = np.array([T0 + s * SECOND_NS for s in prepare(kind, times)], np.int64)
    base = 100.0 * (place + 1) + np.arange(len(stamps))
    if kind == "trade":
        return TradeColumnsFeed(f"I{place}.X", stamps, base, base / 4, np.arange(len(stamps)) % 3)
    if kind == "quote":
        asks = base + 1.0 - 2.0 * (np.arange(len(stamps)) % 3 == 0) * (place % 2)
        return QuoteColumnsFeed(f"I{place}.X", stamps, base, asks, base, base)
    return BarColumnsFeed(f"I{place}.X 1s last", stamps, base, base + 1, base - 1, base)


class Hearer(LateComer):
    """Keeps the events themselves."""

    def on_event(self, event: Any) -> None:
        super().on_event(event)
        self.heard[-1] = (self.now_ns, event, 0)


def rank(text: str) -> tuple[int, str]:
    kinds = {"quote_tick": 1, "trade_tick": 2, "bar": 3, "news": 4, "time_event": 5}
    word, _, rest = text.partition(" ")
    if word == "bar":
        return 3, {"1m": "a", "1h": "b"}[rest.split()[1]]
    return kinds[word], rest.split()[0] if word.endswith("tick") else ""


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_the_minute_comes_before_the_hour_that_it_closes_and_the_timer_after_both(
    run_engine: Any, order: tuple[int, ...]
) -> None:
    """A timer at 01:00 sees the bars that closed at 01:00."""
    end = T0 + 3600 * SECOND_NS
    feeds = [
        BarColumnsFeed(f"A.X {step} last", [end], [1.0], [1.0], [1.0], [1.0], [1.0]) for step in ("1h", "1m", "15m")
    ]
    listener = Listener([feeds[i] for i in order], timer_s=3600)
    await run_engine([listener], start_ns=T0 + 1, end_ns=end)
    assert [text for _, text, _ in listener.heard] == [
        "bar A.X 1m last 1.0", "bar A.X 15m last 1.0", "bar A.X 1h last 1.0", "time_event timer None",
    ]  # fmt: skip


async def test_two_feeds_of_one_series_go_each_to_its_own_key(run_engine: Any) -> None:
    """Class and series no longer say which feed an event came from; the key must still be right."""

    class TwoKeys(tc.Strategy):
        def on_start(self) -> None:
            for key, base in (("first", 100.0), ("second", 200.0)):
                feed = TradeColumnsFeed("A.X", [T0, T0 + SECOND_NS], [base, base + 1], [1.0, 1.0], name=key)
                self.add_event_feed(feed, key, history=5)

    strategy = TwoKeys()
    await run_engine([strategy])
    assert [tick.price for tick in strategy.events["first"]] == [100.0, 101.0]
    assert [tick.price for tick in strategy.events["second"]] == [200.0, 201.0]


async def test_order_by_event_is_the_literal_order_of_the_spec(run_engine: Any) -> None:
    """(dt_event, dt_received), although the received times say otherwise."""
    received = [T0 + 9 * SECOND_NS, T0 + 9 * SECOND_NS]
    late = TradeColumnsFeed("A.X", [T0, T0 + SECOND_NS], [1.0, 2.0], [1.0, 1.0], ts_received=received)
    prompt = TradeColumnsFeed("B.X", [T0 + SECOND_NS], [3.0], [1.0])
    listener = Listener([late, prompt])
    await run_engine([listener], order_by="event")
    assert [(now - T0) // SECOND_NS for now, _, _ in listener.heard] == [0, 1, 1]
    assert [text.split()[-1] for _, text, _ in listener.heard] == ["1.0", "2.0", "3.0"]


def test_bar_types_are_one_object_each() -> None:
    """Routes are found by identity."""
    assert BarType.parse("A.X 1m last") is BarType("A.X", "1m")


@pytest.mark.parametrize("size", BATCH_SIZES)
async def test_feeds_of_one_series_do_not_hold_each_other_up(run_engine: Any, size: int) -> None:
    """Three of A.X, delayed by 2 s each: what happens at 1 to 9 is heard at 3 to 11, whoever is read first."""
    stamps = [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    feeds = [TradeColumnsFeed("A.X", [T0 + s * SECOND_NS for s in part], [1.0] * len(part)) for part in stamps]
    listener = Listener(feeds)
    laws: dict[str, DelayLaw] = {"trade_tick": ConstantDelay(ms=2_000)}
    await run_engine([listener], batch_size=size, delays=DelaySimulator(laws, 7))
    assert [(now - T0) // SECOND_NS for now, _, _ in listener.heard] == list(range(3, 12))
    assert [(ts - T0) // SECOND_NS for _, _, ts in listener.heard] == list(range(1, 10))

"""What orders are matched on when feeds declare no series: the same in any order of feeds, at every batch size.

Minute n of the tests ends n minutes after 2024-01-01T00:00.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import MINUTE_NS
from tradecore.feeds.columns_feed import TradeColumnsFeed
from tradecore.runtime.run_result import RunResult
from tradecore.testing.builders import make_bar, make_bars, make_instrument, make_ns, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
T0 = make_ns("2024-01-01T00:00")
BATCHES = (1, 3, 1_024)

MakeFeeds = Callable[[], list[Any]]


def bars(side: str = "last", *, first: int = 1, count: int = 12, shift: float = 0.0) -> list[tc.Bar]:
    """Minutes `first`, first + 1 ... that close at 101 and 100 in turn."""
    closes = [100.0 + n % 2 + shift for n in range(first, first + count)]
    return make_bars(closes, start=T0 + (first - 1) * MINUTE_NS, bar_type=f"{ID} 1m {side}")


def quotes(first: float, *, count: int = 12) -> list[tc.QuoteTick]:
    """A quote a minute, 99.99 to 100.01 and a cent higher in turn."""
    return [
        make_quote_tick(T0 + int((first + n) * MINUTE_NS), 99.99 + n % 2 / 100, 100.01 + n % 2 / 100)
        for n in range(count)
    ]


class Flips(tc.Strategy):
    """Buys one and sells one in turn, with every event."""

    def __init__(self, feeds: Sequence[Any], order: Sequence[int], at_start: Callable[[], tc.Order] | None) -> None:
        self.feeds, self.order, self.at_start = feeds, order, at_start
        self.first: tc.Order | None = None
        self.count = 0

    def on_start(self) -> None:
        for number in self.order:
            self.add_event_feed(self.feeds[number], str(number))
        if self.at_start is not None:
            self.first = self.submit_order(self.at_start())

    def on_event(self, event: Any) -> None:
        if self.at_start is None:
            self.submit_order(tc.Order.market(ID, 1 if self.count % 2 == 0 else -1))
            self.count += 1


async def run(
    make_feeds: MakeFeeds,
    order: Sequence[int],
    batch_size: int,
    *,
    at_start: Callable[[], tc.Order] | None = None,
    strategy: type[Flips] = Flips,
    **settings: Any,
) -> tuple[RunResult, Flips]:
    flips = strategy(make_feeds(), order, at_start)
    result = await tc.run_backtest(
        strategies={"flips": flips},
        instruments=[make_instrument(ID)],
        brokers={"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(100_000)}, **settings)},
        batch_size=batch_size,
    )
    return result, flips


async def run_all(make_feeds: MakeFeeds, count: int = 2, **settings: Any) -> RunResult:
    """Run in every order of the feeds, at every batch size; what all of them give."""
    results = [
        (await run(make_feeds, order, size, **settings))[0] for order in permutations(range(count)) for size in BATCHES
    ]
    first = results[0]
    for other in results[1:]:
        assert other.match_sources == first.match_sources
        assert other.digests == first.digests
        assert other.notes == first.notes
        assert other.statistics.to_dict() == first.statistics.to_dict()
    return first


def feed(name: str, events: Sequence[Any]) -> Any:
    return tc.feed(events, name=name)


@pytest.mark.parametrize(
    ("first_quote", "source"),
    [
        (5.5, f"bar {ID} 1m last"),  # they begin late: the bars were there
        (0.5, f"quote {ID}"),
        (1.0, f"quote {ID}"),  # at the instant of the first bar both are known, and quotes go before bars
    ],
)
async def test_the_series_that_shows_itself_first_is_matched(first_quote: float, source: str) -> None:
    result = await run_all(lambda: [feed("bars", bars()), feed("quotes", quotes(first_quote))])
    assert result.match_sources == {f"sim {ID}": source}
    assert result.counts["executions"] > 10


async def test_a_series_that_a_feed_declares_is_known_before_those_that_show_themselves() -> None:
    """Trades of a feed with a series, which begin at minute 4; the quotes of the other begin at 0.5."""
    times = [T0 + n * MINUTE_NS for n in range(4, 16)]

    def make_feeds() -> list[Any]:
        return [TradeColumnsFeed(ID, times, [100.0] * 12, [50.0] * 12), feed("quotes", quotes(0.5))]

    result = await run_all(make_feeds)
    assert result.match_sources == {f"sim {ID}": f"trade {ID}"}


async def test_bid_and_ask_bars_of_two_feeds_match_as_a_pair() -> None:
    """Neither feed alone is a source; their first bars have one end."""
    result = await run_all(lambda: [feed("bid", bars("bid")), feed("ask", bars("ask", shift=0.02))])
    assert result.match_sources == {f"sim {ID}": f"bar_bid_ask {ID} 1m bid + {ID} 1m ask"}
    assert result.counts["executions"] > 10
    assert not [note for note in result.notes if "half" in note]


async def test_bid_bars_that_come_earlier_are_no_source_until_the_ask_bars_come_too() -> None:
    """Orders of minutes 1 to 3 are refused, those of minute 4 on execute; no half pair is counted before it."""
    make_feeds: MakeFeeds = lambda: [feed("bid", bars("bid")), feed("ask", bars("ask", first=4, count=9, shift=0.02))]  # noqa: E731
    result = await run_all(make_feeds)
    assert result.match_sources == {f"sim {ID}": f"bar_bid_ask {ID} 1m bid + {ID} 1m ask"}
    # 12 + 9 orders; three are refused, and the two of the last minute find no bar.
    assert (result.counts["orders"], result.counts["executions"]) == (21, 16)
    assert not [note for note in result.notes if "half" in note]


async def test_with_a_spread_the_bid_bars_that_come_earlier_are_the_source() -> None:
    make_feeds: MakeFeeds = lambda: [feed("bid", bars("bid")), feed("ask", bars("ask", first=4, count=9, shift=0.02))]  # noqa: E731
    result = await run_all(make_feeds, spread={ID: Decimal("0.02")})
    assert result.match_sources == {f"sim {ID}": f"bar {ID} 1m bid with a spread of 0.02"}
    assert result.counts["executions"] == 19


async def test_of_two_feeds_of_one_series_the_one_that_begins_earlier_is_matched() -> None:
    """Both are trades of one instrument; the early ones print at 100, the late ones at 200."""
    make_feeds: MakeFeeds = lambda: [  # noqa: E731
        feed("early", [make_trade_tick(T0 + n * MINUTE_NS, 100.0, 50.0) for n in range(1, 9)]),
        feed("late", [make_trade_tick(T0 + n * MINUTE_NS + 7, 200.0, 50.0) for n in range(2, 9)]),
    ]
    result = await run_all(make_feeds)
    assert result.statistics.split_by("instrument")[ID].turnover == 100 * result.counts["executions"]


async def test_a_feed_added_in_the_middle_shows_its_series_at_the_same_instant_at_every_batch_size() -> None:
    """Bars of another instrument run; at minute 3 trades are added that begin at minute 5. Quotes begin at minute 7:
    a window that already holds them must not let them go first.
    """
    other = make_bars([1.0] * 12, start=T0, bar_type="OTHER.SIM 1m last")

    class Adds(Flips):
        def on_bar(self, bar: tc.Bar) -> None:
            if bar.ts_event == T0 + 3 * MINUTE_NS:
                trades = [make_trade_tick(T0 + n * MINUTE_NS, 100.0, 50.0) for n in range(5, 12)]
                self.add_event_feed(feed("trades", trades), "trades")

    result = await run_all(lambda: [feed("other", other), feed("quotes", quotes(7, count=5))], strategy=Adds)
    assert result.match_sources == {f"sim {ID}": f"trade {ID}"}


# ------------------------------------------------------------------------------------- orders before the first event


def buy() -> tc.Order:
    return tc.Order.market(ID, 1)


async def test_an_order_of_on_start_waits_until_its_series_shows_itself() -> None:
    """The quote of minute 2 asks 100.01; the bars of another instrument begin at minute 1."""
    other = make_bars([1.0] * 5, start=T0, bar_type="OTHER.SIM 1m last")
    make_feeds: MakeFeeds = lambda: [feed("other", other), feed("quotes", quotes(2))]  # noqa: E731
    for order in ((0, 1), (1, 0)):
        for size in BATCHES:
            result, flips = await run(make_feeds, order, size, at_start=buy)
            assert flips.first is not None
            assert (flips.first.state.name, flips.first.average_price) == ("FILLED", Decimal("100.01"))
            assert result.counts["executions"] == 1


async def test_a_waiting_order_gets_the_open_of_the_first_bar_as_with_a_declared_series() -> None:
    """It was there before the bar began: minute 1 opens at 99.5."""
    first = make_bar(T0 + MINUTE_NS, 101.0, open=99.5, bar_type=f"{ID} 1m last")
    for order, price in ((buy, "99.5"), (lambda: tc.Order.limit(ID, 1, "100.50"), "99.5")):
        _, flips = await run(lambda: [feed("bars", [first, *bars(first=2)])], (0,), 1_024, at_start=order)
        assert flips.first is not None
        assert flips.first.average_price == Decimal(price)


async def test_a_waiting_order_can_be_changed_and_cancelled() -> None:
    """The limit is lowered to 90 while nothing is known of its market, so that minute 2 does not reach it."""

    class Changes(Flips):
        def on_bar(self, bar: tc.Bar) -> None:
            assert self.first is not None
            if bar.ts_event == T0 + MINUTE_NS:
                self.update_order(self.first, price="90")
            elif bar.ts_event == T0 + 4 * MINUTE_NS:
                self.cancel_order(self.first)

    other = make_bars([1.0] * 6, start=T0, bar_type="OTHER.SIM 1m last")
    for first_quote in (2, 5):
        make_feeds: MakeFeeds = lambda at=first_quote: [feed("other", other), feed("quotes", quotes(at))]  # type: ignore[misc]  # noqa: E731
        limit: Callable[[], tc.Order] = lambda: tc.Order.limit(ID, 1, "101")  # noqa: E731
        result, flips = await run(make_feeds, (0, 1), 1_024, at_start=limit, strategy=Changes)
        assert flips.first is not None
        assert (flips.first.state.name, flips.first.price) == ("CANCELLED", Decimal(90))
        assert result.counts["executions"] == 0


async def test_an_order_whose_series_never_shows_itself_is_counted_in_the_notes() -> None:
    other = make_bars([1.0] * 5, start=T0, bar_type="OTHER.SIM 1m last")
    result, flips = await run(lambda: [feed("other", other)], (0,), 1_024, at_start=buy)
    assert flips.first is not None
    assert flips.first.state.name == "ACCEPTED"
    assert f"sim {ID}: 1 orders without market" in result.notes


async def test_a_waiting_order_is_refused_when_what_shows_itself_cannot_be_matched() -> None:
    """Bid bars alone, and no spread: the order needs a source now."""
    for size in BATCHES:
        _, flips = await run(lambda: [feed("bid", bars("bid"))], (0,), size, at_start=buy)
        assert flips.first is not None
        assert flips.first.state.name == "REJECTED"
        assert "they need a spread" in str(flips.first.reason)


async def test_no_market_reject_refuses_an_order_before_its_series_shows_itself() -> None:
    _, flips = await run(lambda: [feed("quotes", quotes(2))], (0,), 1_024, at_start=buy, no_market="reject")
    assert flips.first is not None
    assert flips.first.state.name == "REJECTED"
    assert "no_market = reject" in str(flips.first.reason)


async def test_where_every_feed_declares_its_series_an_order_for_none_of_them_is_refused_at_once() -> None:
    trades = TradeColumnsFeed("OTHER.SIM", [T0], [1.0], [1.0])
    _, flips = await run(lambda: [trades], (0,), 1_024, at_start=buy)
    assert flips.first is not None
    assert flips.first.reason == f"{ID} cannot be matched: no series of it is read by this run"

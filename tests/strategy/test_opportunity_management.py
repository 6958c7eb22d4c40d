"""What an opportunity is shown while it is in trade, and what its management makes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import InvalidOpportunity, StrategyError
from tradecore.testing.builders import make_bar, make_depth, make_ns, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
T0 = make_ns("2024-01-01T10:00:00Z")
MS = SECOND_NS // 1_000


def prices(*prices: float, every_ns: int = SECOND_NS) -> list[Any]:
    """A quote a second, bid and ask at one price: what is earned is easy to see."""
    return [make_quote_tick(T0 + n * every_ns, price, price) for n, price in enumerate(prices)]


def market(quantity: int) -> tc.Order:
    return tc.Order.market(ID, quantity)


def stop(quantity: int, price: Any) -> tc.Order:
    return tc.Order.stop(ID, quantity, price)


def opens(entry: tc.Order, **settings: Any) -> Any:
    """A step that submits an opportunity."""
    return lambda s: s.open(entry, **settings)


def look_at_stop(seen: list[str]) -> Any:
    """A step that notes where the stop is."""
    return lambda s: seen.append(str(s.trades[0].stop_order.stop_price))


async def test_a_bar_counts_whole_only_if_it_began_after_the_entry(trade: Any) -> None:
    """Bought at the open of the second bar: the range of that bar counts, the one of the bar before it does not."""
    bars = [
        make_bar(T0 + 60 * SECOND_NS, 100, high=120, low=80),
        make_bar(T0 + 120 * SECOND_NS, 101, open=100, high=104, low=97),
        make_bar(T0 + 180 * SECOND_NS, 102, open=101, high=103, low=99),
    ]
    s = await trade(bars, {0: opens(market(1))}, participation=Decimal(1))
    (one,) = s.trades
    assert (one.entry_price, one.mae, one.mfe, one.price) == (100, -3, 4, 102)
    assert one.open_profit == 2


async def test_of_a_bar_that_began_before_the_entry_only_the_close_counts(trade: Any) -> None:
    """The quote executes the entry half a minute into the bar: nobody can say when its extremes were."""
    quote = make_quote_tick(T0 + 30 * SECOND_NS, 99.98, 100)
    bar = make_bar(T0 + 60 * SECOND_NS, 101, open=100, high=120, low=80, bar_type=f"{ID} 1m last")
    s = await trade([quote, bar], {0: opens(market(1))}, match_on={ID: "quote"})
    assert (s.trades[0].mae, s.trades[0].mfe) == (0, 1)


@pytest.mark.parametrize(
    ("side", "quantity", "expected"), [("bid", 1, (-1, 2)), ("ask", 1, (0, 0)), ("ask", -1, (-2, 1))]
)
async def test_bid_bars_are_for_what_is_long(trade: Any, side: str, quantity: int, expected: tuple[int, int]) -> None:
    """At the ask nobody leaves a long position; nor a short one at the bid."""
    quote = make_quote_tick(T0, 100, 100)
    bar = make_bar(T0 + 61 * SECOND_NS, 101, open=100, high=102, low=99, bar_type=f"{ID} 1m {side}")
    s = await trade([quote, bar], {0: opens(market(quantity))}, match_on={ID: "quote"})
    assert (s.trades[0].mae, s.trades[0].mfe) == expected


@pytest.mark.parametrize(("quantity", "expected"), [(1, (-1, 3)), (-1, (-3, 1))])
async def test_trades_and_books_show_prices_too(trade: Any, quantity: int, expected: tuple[int, int]) -> None:
    """Trades as they are, books by the side on which it would be left; empty sides and crossed ones show nothing."""
    events = [
        make_quote_tick(T0, 100, 100),
        make_trade_tick(T0 + 1 * SECOND_NS, 99),
        make_depth(T0 + 2 * SECOND_NS, [(103, 1)], [(103, 1)]),
        make_depth(T0 + 3 * SECOND_NS, [], []),
        make_depth(T0 + 4 * SECOND_NS, [(150, 1)], [(50, 1)]),
        make_quote_tick(T0 + 5 * SECOND_NS, 150, 50),
    ]
    s = await trade(events, {0: opens(market(quantity))}, match_on={ID: "quote"})
    assert (s.trades[0].mae, s.trades[0].mfe, s.trades[0].price) == (*expected, 103)


# ----------------------------------------------------------------------------------------------------------- management


async def test_break_even_moves_the_stop_to_the_entry_once_and_never_back(trade: Any) -> None:
    """In at 100. At 101.5 the stop goes to 100.25; it stays there, and takes the trade out when the price is back."""
    seen: list[str] = []
    manage = tc.BreakEven(after="1.5", plus="0.25")
    s = await trade(
        prices(100, 101, 101.5, 103, 100.5, 100.25),
        {0: opens(market(1), stop=stop(-1, 99), manage=manage), **dict.fromkeys(range(2, 5), look_at_stop(seen))},
    )
    # Each look comes before the management of the same instant.
    assert seen == ["99", "100.25", "100.25"]
    assert (s.trades[0].end, s.trades[0].profit) == (tc.OpportunityEnd.STOP, Decimal("0.25"))


@pytest.mark.parametrize(
    ("manage", "path", "expected"),
    [
        (tc.TrailStop(offset=2), [101, 104, 103, 104.5], ["99", "102", "102", "102.5"]),
        (tc.TrailStop(offset=2, after=4), [101, 103, 104, 103], ["95", "95", "102", "102"]),
        (tc.TrailStop(percent=1), [101, 110, 109], ["99.99", "108.9", "108.9"]),
        (tc.TrailStop(offset="0.5"), [101.005], ["100.5"]),  # 100.505 is laid on the grid away from the market
    ],
)
async def test_a_stop_trails_the_best_price_seen(
    trade: Any, manage: Any, path: list[float], expected: list[str]
) -> None:
    """Long from 100 with a stop at 95: what the stop is at after each price."""
    seen: list[str] = []
    looks = dict.fromkeys(range(2, len(path) + 2), look_at_stop(seen))
    await trade(prices(100, *path, 105), {0: opens(market(1), stop=stop(-1, 95), manage=manage), **looks})
    assert [Decimal(one) for one in seen] == [Decimal(one) for one in expected]


async def test_a_short_ones_stop_comes_down(trade: Any) -> None:
    """Short from 100, stop at 105, trailed by 2: at 96 it is at 98; rounding goes up, away from the market."""
    seen: list[str] = []
    await trade(
        prices(100, 96, 97.005, 94.005, 95),
        {0: opens(market(-1), stop=stop(1, 105), manage=tc.TrailStop(offset=2)),
         **dict.fromkeys(range(2, 5), look_at_stop(seen))},
    )  # fmt: skip
    assert [Decimal(one) for one in seen] == [98, 98, Decimal("96.01")]


async def test_the_limit_of_a_stop_limit_keeps_its_distance(trade: Any) -> None:
    """Stop 95, limit 94.5: with the stop at 102 the limit is at 101.5."""
    exit_order = tc.Order.stop_limit(ID, -1, 95, "94.5")
    s = await trade(prices(100, 104, 104), {0: opens(market(1), stop=exit_order, manage=tc.TrailStop(offset=2))})
    order = s.trades[0].stop_order
    assert (order.stop_price, order.price) == (102, Decimal("101.5"))


async def test_your_own_management_may_be_async_and_may_close(trade: Any) -> None:
    """It sees the opportunity as it stands, once an instant, after all callbacks; never once it is closing."""
    calls: list[tuple[Any, Any]] = []

    async def leave_at_five(one: tc.Opportunity) -> None:
        calls.append((one.price, one.open_profit))
        if one.open_profit >= 5:
            one.close("five is enough")

    never = [lambda one: calls.append((one.price, Decimal(-1)))]
    s = await trade(
        [*prices(100, 102), make_trade_tick(T0 + SECOND_NS, 103), *prices(100, 102, 105, 106)[2:]],
        {0: opens(market(1), manage=[leave_at_five, *never])},
        match_on={ID: "quote"},
    )
    # Quote and trade of the second instant are one call, with what was seen last; at 105 it closes, and the second
    # management is not called any more.
    assert calls == [(103, 3), (103, -1), (105, 5)]
    assert (s.trades[0].detail, s.trades[0].profit) == ("five is enough", 5)


async def test_the_profit_order_can_be_moved_while_it_is_held_back_and_while_it_works(trade: Any) -> None:
    """Before the entry executes it changes here, afterwards at the broker; a market-if-touched by its stop_price."""
    target = tc.Order.market_if_touched(ID, -1, 110)
    s = await trade(
        prices(100, 99, 98, 101, 102),
        {0: opens(tc.Order.limit(ID, 1, 98), profit=target), 1: lambda s: s.trades[0].move_profit(105),
         3: lambda s: s.trades[0].move_profit(102)},
    )  # fmt: skip
    assert (s.trades[0].end, s.trades[0].exit_price) == (tc.OpportunityEnd.PROFIT, 102)


async def test_with_latency_a_stop_is_moved_again_only_when_the_last_move_is_answered(trade: Any) -> None:
    """Three prices pass while the first update is on its way and back: they make one update, not three."""
    moves: list[tuple[int, Any]] = []

    def note(update: tc.OrderUpdated) -> None:
        if update.order.updated:
            moves.append(((update.ts_event - T0) // MS, update.order.stop_price))

    bus = tc.MessageBus()
    bus.subscribe(tc.OrderUpdated, note)
    await trade(
        prices(100, 100, 100, 100, 101, 102, 103, 104, 105, 105, 105, 105, 105, every_ns=20 * MS),
        {0: opens(market(1), stop=stop(-1, 95), manage=tc.TrailStop(offset=2))},
        latency_ms=40,
        bus=bus,
    )
    # The entry is known at 80 ms, when the price is 101: an update to 99, there at 120 and known at 160, when the
    # price is 105: an update to 103, there at 200.
    assert moves == [(120, 99), (200, 103)]


async def test_management_that_raises_is_the_strategys_error_and_what_is_held_is_told(trade: Any) -> None:
    """Its orders are cancelled, nothing more is sent, and the opportunity says what is left."""

    def fail(one: tc.Opportunity) -> None:
        raise RuntimeError("no idea")

    with pytest.raises(StrategyError, match="management of opportunities: RuntimeError: no idea"):
        await trade(prices(100, 101, 102), {0: opens(market(1), stop=stop(-1, 95), manage=fail)})
    s = await trade(prices(100, 101, 102), {0: opens(market(1), stop=stop(-1, 95), manage=fail)}, on_error="isolate")
    (one,) = s.trades
    assert (one.state, one.held) == (tc.OpportunityState.IN_TRADE, 1)
    assert one.problem == "1 TEST.SIM are held; its strategy was stopped"


@pytest.mark.parametrize(
    "make",
    [
        lambda: tc.BreakEven(after=0),
        lambda: tc.BreakEven(after=1, plus=1),
        lambda: tc.TrailStop(),
        lambda: tc.TrailStop(offset=1, percent=1),
        lambda: tc.TrailStop(offset=0),
        lambda: tc.TrailStop(offset=1, after=-1),
        lambda: tc.Opportunity(market(1), stop=tc.Order.trailing_stop(ID, -1, offset=1), manage=tc.TrailStop(offset=1)),
    ],
)
def test_management_that_cannot_be_meant_is_refused(make: Any) -> None:
    """With what was met and what was expected."""
    with pytest.raises(InvalidOpportunity):
        make()


async def test_management_is_in_the_trace(trade: Any, tmp_path: Any) -> None:
    """Every callback of the user's is."""
    s = await trade(prices(100, 101), {0: opens(market(1), manage=lambda one: None)}, runs_dir=tmp_path, trace=True)
    lines = (s.result.run_folder / "callbacks.jsonl").read_text().splitlines()
    assert sum('"callback":"manage"' in line for line in lines) == 1

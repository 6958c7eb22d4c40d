"""Bugs of RELIABILITY 7.1 that concern matching, planted one at a time: a story worked by hand catches each.

A story asserts what must happen; it holds as the code is, and fails once its bug is planted. A story that would pass
with its bug in place proves nothing, and is the fault that these tests look for.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import Latency, TickSlippage
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order, TimeInForce
from tradecore.execution import bar_passage, bar_path
from tradecore.execution.bar_lane import BarLane
from tradecore.execution.bar_passage import BarPassage
from tradecore.execution.consumed_levels import ConsumedLevels
from tradecore.execution.consumed_size import ConsumedSize
from tradecore.execution.execution_engine import ExecutionEngine
from tradecore.execution.expiries import Expiries
from tradecore.execution.lane import Lane
from tradecore.execution.market_hours import MarketHours
from tradecore.execution.room import Room
from tradecore.execution.taker_price import TakerPrice
from tradecore.execution.trade_queue_lane import TradeQueueLane
from tradecore.execution.trailing_stop import TrailingStop
from tradecore.execution.working_order import WorkingOrder
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_depth, make_instrument, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
Story = Callable[[], Awaitable[None]]
Plant = Callable[[pytest.MonkeyPatch], None]


def bar(minute: int, first: float, high: float, low: float, last: float, volume: float = 1_000) -> Any:
    at = minute * MINUTE_NS
    return make_bar(at, last, open=first, high=high, low=low, volume=volume, bar_type=f"{ID} 1m last")


def barred(**settings: Any) -> BrokerDesk:
    desk = make_broker_desk(f"bar {ID} 1m last", **settings)
    desk.play(bar(1, 100, 103, 97, 100))
    return desk


def quoted(**settings: Any) -> BrokerDesk:
    desk = make_broker_desk(f"quote_tick {ID}", **settings)
    desk.play(make_quote_tick(SECOND_NS, 99.98, 100.02))
    return desk


def latency(submit: float = 0, cancel: float = 0) -> Latency:
    return Latency(submit=ConstantDelay(ms=submit), cancel=ConstantDelay(ms=cancel))


# ------------------------------------------------------------------------------------------------------------- stories


async def signal_bar() -> None:
    """Decided at the end of minute 1, whose low was 97: only minute 2 can execute it, and its low is 99.50."""
    desk = barred()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(bar(2, 100, 100.5, 99.5, 100))
    assert order.filled_quantity == 0


async def begun_bar() -> None:
    """Due half a minute into minute 2: it has no part in what that minute met."""
    desk = barred(latency=latency(submit=30_000))
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(bar(2, 100, 101, 98, 100))
    assert order.filled_quantity == 0


async def entry_latency() -> None:
    """Due at 3 seconds: the ask is 100.50 by then."""
    desk = quoted(latency=latency(submit=2_000))
    order = await desk.submit(Order.market(ID, 1))
    desk.play(make_quote_tick(2 * SECOND_NS, 100.46, 100.50), until=4 * SECOND_NS)
    assert desk.list_executed(order) == [("1", "100.5")]


async def cancel_latency() -> None:
    """Cancelled at 1 second, due at 3; at 2 the market reaches it."""
    desk = quoted(latency=latency(cancel=2_000))
    order = await desk.submit(Order.limit(ID, 1, "99"))
    await desk.cancel(order)
    desk.play(make_quote_tick(2 * SECOND_NS, 98, 98.5), until=4 * SECOND_NS)
    assert desk.list_executed(order) == [("1", "99")]


async def cancel_after_open() -> None:
    """The bar had opened when the cancel took effect."""
    desk = barred()
    order = await desk.submit(Order.market(ID, 1))
    desk.advance(90 * SECOND_NS)
    await desk.cancel(order)
    desk.play(bar(2, 101, 101, 101, 101))
    assert desk.list_executed(order) == [("1", "101.0")]


async def same_size() -> None:
    """10 are displayed: the second order finds 4 of them."""
    desk = quoted()
    await desk.submit(Order.market(ID, 6))
    order = await desk.submit(Order.market(ID, 6))
    assert desk.list_executed(order) == [("4", "100.02"), ("2", "100.03")]


async def same_level() -> None:
    desk = make_broker_desk(f"depth {ID}")
    desk.play(make_depth(SECOND_NS, [(99, 5)], [(100, 3), (101, 5)]))
    await desk.submit(Order.market(ID, 3))
    order = await desk.submit(Order.market(ID, 3))
    assert desk.list_executed(order) == [("3", "101.0")]


async def whole_volume() -> None:
    """A tenth of 50 is 5, over both orders."""
    desk = barred()
    orders = [await desk.submit(Order.market(ID, 4)) for _ in range(2)]
    desk.play(bar(2, 100, 100, 100, 100, volume=50))
    assert [str(order.filled_quantity) for order in orders] == ["4", "1"]


async def beyond_limit() -> None:
    """Two ticks of slippage on 100.02, but the limit is 100.03."""
    desk = quoted(slippage=TickSlippage(ticks=Decimal(2)))
    order = await desk.submit(Order.limit(ID, 1, "100.03"))
    assert desk.list_executed(order) == [("1", "100.03")]


async def better_than_limit() -> None:
    """A resting limit gets its price, whatever it was gapped to."""
    desk = barred()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(bar(2, 100, 100, 100, 100), bar(3, 97, 97, 97, 97))
    assert desk.list_executed(order) == [("1", "99")]


async def touch_is_not_through() -> None:
    desk = barred()
    order = await desk.submit(Order.limit(ID, 1, "99"))
    desk.play(bar(2, 100, 100, 99, 100))
    assert order.filled_quantity == 0


async def stop_before_target() -> None:
    """Both are reached in one bar: the one that hurts comes first."""
    desk = barred()
    target, stop = await desk.submit(Order.limit(ID, -1, "102")), await desk.submit(Order.stop(ID, -1, "98"))
    desk.play(bar(2, 100, 103, 97, 100))
    assert [e.order_id for e in desk.executions] == [stop.order_id, target.order_id]


async def day_order_next_day() -> None:
    """A DAY order of the first day is gone on the second."""
    desk = make_broker_desk(f"quote_tick {ID}")
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=TimeInForce.DAY))
    desk.advance(86_400 * SECOND_NS)
    desk.play(make_quote_tick(86_401 * SECOND_NS, 98, 98.5))
    assert f"{order.state.name} {order.filled_quantity}" == "EXPIRED 0"


async def expiry_inside_a_bar() -> None:
    """Its time ends at 1:30; the low of 98 may have come after that."""
    desk = barred()
    ends = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=90)
    order = await desk.submit(Order.limit(ID, 1, "99", time_in_force=TimeInForce.GTD, expire_time=ends))
    desk.play(bar(2, 100, 100, 98, 100))
    assert f"{order.state.name} {order.filled_quantity}" == "EXPIRED 0"


async def reduce_only_flips() -> None:
    desk = quoted()
    await desk.submit(Order.market(ID, 2))
    orders = [await desk.submit(Order.limit(ID, -2, "100.10", reduce_only=True)) for _ in range(2)]
    desk.play(make_quote_tick(2 * SECOND_NS, 100.20, 100.30))
    assert [str(order.filled_quantity) for order in orders] == ["2", "0"]


async def post_only_takes() -> None:
    desk = quoted()
    order = await desk.submit(Order.limit(ID, 1, "100.02", post_only=True))
    assert order.state.name == "REJECTED"


async def queue_jumps() -> None:
    """50 stand before it; a print of 20 is theirs."""
    words: dict[str, Any] = {"match_on": {ID: "trade_queue"}, "participation": Decimal(1)}
    desk = make_broker_desk(f"trade_tick {ID}", f"quote_tick {ID}", **words)
    desk.play(make_quote_tick(SECOND_NS, 99, 101, bid_size=50), make_trade_tick(SECOND_NS, 100, 1))
    order = await desk.submit(Order.limit(ID, 5, "99"))
    desk.play(make_trade_tick(2 * SECOND_NS, 99, 20))
    assert order.filled_quantity == 0


async def trail_goes_back() -> None:
    """Bids of 105 and 103 with an offset of 4: the stop stays at 101, and 100.9 sets it off."""
    desk = quoted()
    order = await desk.submit(Order.trailing_stop(ID, -1, offset=4))
    for second, bid in enumerate((105, 103, 100.9), 2):
        desk.play(make_quote_tick(second * SECOND_NS, bid, bid + 0.02))
    assert desk.list_executed(order) == [("1", "100.9")]


async def closed_market() -> None:
    """What stood at the close executes nothing in the evening."""
    hours = make_instrument(session="09:00-17:00 UTC")
    desk = make_broker_desk(f"quote_tick {ID}", instruments=[hours])
    desk.play(make_quote_tick(17 * 3_600 * SECOND_NS), until=20 * 3_600 * SECOND_NS)
    order = await desk.submit(Order.market(ID, 1))
    assert order.filled_quantity == 0


async def crosses_itself() -> None:
    """Our own bid at 100.01 would be the first that our sale meets."""
    desk = quoted()
    bid = await desk.submit(Order.limit(ID, 1, "100.01"))
    await desk.submit(Order.market(ID, -1))
    assert bid.state.name == "CANCELLED"


async def target_with_its_stop() -> None:
    """Stop and target of one group, both reached; the stop has room for 3 of 5, the target for nothing."""
    desk = barred()
    stop, target = await desk.submit(Order.stop(ID, -5, "98")), await desk.submit(Order.limit(ID, -5, "102"))
    for working in desk.broker._orders.values():
        working.group, working.is_plain = "g", False
    desk.play(bar(2, 100, 103, 97, 100, volume=80))
    assert [str(order.filled_quantity) for order in (stop, target)] == ["5", "0"]


# ---------------------------------------------------------------------------------------------------------------- bugs


def patch(owner: Any, name: str, wrong: Any) -> Plant:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, wrong)


def ignore_due(word: str) -> Plant:
    """Commands of this word take effect when they are given."""

    def make(self: SimulatedBroker, *arguments: Any, **words: Any) -> None:
        right(self, *arguments, **words)
        self._laws[word] = None

    right = SimulatedBroker.__init__
    return patch(SimulatedBroker, "__init__", make)


def in_any_bar(self: BarPassage, order: WorkingOrder) -> bool:
    return not self._room(order).is_empty


def in_signal_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order meets the bar that had ended when it was given."""
    right = BarLane.enter

    def enter(self: BarLane, order: WorkingOrder, ts: int) -> None:
        right(self, order, ts)
        if self.last is not None and self.last_ask is not None:
            passage = BarPassage(self, 0, self.last_ask, self.last)
            order.effective_ns, order.is_fresh = 0, False
            passage.run()

    monkeypatch.setattr(BarLane, "enter", enter)


def expire_nothing(self: Expiries, ts: int) -> list[WorkingOrder]:
    self.due_ns = 2**63 - 1
    return []


def forget_queue(self: TradeQueueLane, order: WorkingOrder, book: Any) -> None:
    self._ahead[order.order_id] = Decimal(0)


def follow_both_ways(self: TrailingStop, met: float, increment: Decimal) -> Decimal:
    stop = Decimal(repr(met)) + self.sign * (self._trailing.offset or 0)
    self.stop_price = stop
    return stop


def make_at_open(self: BarPassage, order: WorkingOrder) -> None:
    """Price improvement as a gift: a limit that rested takes a better open."""
    if self.is_reached(order, self.bar_of(order).open):
        self._take_bar(order, self.bar_of(order).open, self.start)


def favourable_first(passage: BarPassage) -> None:
    for order in bar_path._list_favourable(passage):
        passage.make_bar(order, passage.end)
    right_worst(passage)


right_worst = bar_path.pass_worst


def forget_groups(
    passage: BarPassage, stops: Sequence[WorkingOrder], only_close: list[WorkingOrder], hurt: set[str]
) -> None:
    right_adverse(passage, stops, only_close, set())


right_adverse = bar_path._pass_adverse

BUGS: dict[str, tuple[Story, Plant]] = {
    "an execution inside the signal bar": (signal_bar, in_signal_bar),
    "an execution inside a bar that had begun": (begun_bar, patch(BarPassage, "is_here", in_any_bar)),
    "an execution that ignores entry latency": (entry_latency, ignore_due("submit")),
    "a cancel that is effective at once": (cancel_latency, ignore_due("cancel")),
    "a cancel that undoes an open": (cancel_after_open, patch(BarLane, "must_wait", lambda *_: False)),
    "two orders from one displayed size": (same_size, patch(ConsumedSize, "take", lambda *_: None)),
    "two orders from one level of a book": (same_level, patch(ConsumedLevels, "take", lambda *_: None)),
    "the whole volume of a bar for us": (whole_volume, patch(Room, "use", lambda *_: None)),
    "slippage beyond the limit": (
        beyond_limit,
        patch(TakerPrice, "after", lambda self, matched, sign, limit: matched + sign * self._slip),
    ),
    "price improvement for a resting limit": (better_than_limit, patch(BarPassage, "_open_limit", make_at_open)),
    "a limit executed at a touch": (
        touch_is_not_through,
        patch(BarPassage, "is_reached", lambda self, order, price: (price - order.price_f) * order.sign <= 0),
    ),
    "the target before the stop": (stop_before_target, patch(bar_passage, "pass_worst", favourable_first)),
    "a DAY order kept for days": (day_order_next_day, patch(Expiries, "take", expire_nothing)),
    "the rest of a bar after the expiry": (
        expiry_inside_a_bar,
        patch(BarPassage, "is_whole", lambda self, order: self.is_here(order)),
    ),
    "reduce_only that flips": (reduce_only_flips, patch(ExecutionEngine, "_clip_reducing", lambda *_: None)),
    "post_only that takes": (post_only_takes, patch(Lane, "refusal", lambda *_: None)),
    "a place before the queue": (queue_jumps, patch(TradeQueueLane, "_see_book", forget_queue)),
    "a trailing stop that goes back": (trail_goes_back, patch(TrailingStop, "follow", follow_both_ways)),
    "a closed market that executes": (closed_market, patch(MarketHours, "is_open", lambda *_: True)),
    "an order that crosses our own": (crosses_itself, patch(Lane, "crossed_by", lambda *_: [])),
    "a target in the bar of its stop": (target_with_its_stop, patch(bar_path, "_pass_adverse", forget_groups)),
}


@contextmanager
def planted(plant: Plant) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        plant(monkeypatch)
        yield


@pytest.mark.parametrize("bug", BUGS)
async def test_a_planted_bug_is_caught(bug: str) -> None:
    story, plant = BUGS[bug]
    await story()
    with planted(plant), pytest.raises(AssertionError):
        await story()
    await story()

"""Times, order and fate of commands: EXECUTION 1, 2 and 7."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tradecore.brokerage.settings import Latency
from tradecore.domain.delay_law import ConstantDelay, NormalDelay
from tradecore.domain.order import Order, TimeInForce
from tradecore.domain.quote_tick import QuoteTick
from tradecore.errors import ConfigError, InvalidOrder, UnknownOrder
from tradecore.testing.broker_desk import make_broker_desk
from tradecore.testing.builders import make_instrument, make_quote_tick

ID = "TEST.SIM"
QUOTES = f"quote_tick {ID}"
MS = 1_000_000


def quote(ms: int, bid: float, ask: float, size: float = 10) -> QuoteTick:
    return make_quote_tick(ms * MS, bid, ask, bid_size=size, ask_size=size)


def latency(submit: float = 0, cancel: float = 0, update: float = 0, report: float = 0) -> Latency:
    return Latency(*(ConstantDelay(ms=ms) for ms in (submit, cancel, update, report)))


async def test_an_order_takes_the_book_that_stands_when_it_arrives() -> None:
    """Decided at 100 ms on 100.02, due at 130 ms, when 100.05 stands; between events, at its own instant."""
    desk = make_broker_desk(QUOTES, latency=latency(submit=30, report=20))
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.market(ID, 1))
    desk.play(quote(120, 99.99, 100.05), quote(140, 99.99, 100.09))
    assert [(str(e.price), e.ts_event) for e in desk.executions] == [("100.05", 130 * MS)]
    assert order.state.name == "SUBMITTED"  # the report needs 20 ms more
    desk.advance(150 * MS)
    assert order.state.name == "FILLED"
    assert [(r.at, r.report.order.ts_event) for r in desk.received] == [(150 * MS, 130 * MS)] * 2


async def test_market_events_of_an_instant_come_before_the_commands_due_then() -> None:
    """The quote of 130 ms stands when the order of 130 ms arrives; a cancel of that instant comes too late."""
    desk = make_broker_desk(QUOTES, latency=latency(submit=30, cancel=30))
    desk.play(quote(100, 99.98, 100.02))
    market = await desk.submit(Order.market(ID, 1))
    limit = await desk.submit(Order.limit(ID, 1, "99.90"))
    desk.play(quote(130, 99.98, 100.07), quote(170, 99.98, 100.07))
    await desk.cancel(limit)
    desk.play(quote(200, 99.80, 99.90))
    assert desk.list_executed(market) == [("1", "100.07")]
    assert desk.list_executed(limit) == [("1", "99.90")]
    assert limit.state.name == "FILLED"
    assert not limit.pending_cancel


async def test_the_lines_that_a_command_changed_say_when_it_was_decided() -> None:
    """Submitted at 100 and updated then: done at 120. At 130 an update that no account could pay, refused at 150, and a
    cancel, done at 160. A cancel at 155 comes too late at 185.
    """
    desk = make_broker_desk(QUOTES, latency=latency(update=20, cancel=30))
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 5, "99"))
    await desk.update(order, price=Decimal(98))
    desk.advance(130 * MS)
    await desk.update(order, quantity=Decimal(10**9))
    await desk.cancel(order)
    desk.advance(155 * MS)
    await desk.cancel(order)
    desk.advance(200 * MS)
    told = [(line.state.name, line.ts_event // MS, line.ts_command // MS) for line, _ in desk.recorder.orders]
    assert told == [
        ("ACCEPTED", 100, 0), ("ACCEPTED", 120, 100), ("ACCEPTED", 150, 130), ("CANCELLED", 160, 130),
        ("CANCELLED", 185, 155),
    ]  # fmt: skip


async def test_a_cancel_that_is_faster_than_its_submit_waits_for_it() -> None:
    desk = make_broker_desk(QUOTES, latency=latency(submit=50, cancel=1))
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 1, "99"))
    await desk.cancel(order)
    desk.advance(150 * MS)
    assert desk.list_states(order) == ["ACCEPTED", "CANCELLED"]


async def test_reports_of_a_strategy_never_overtake_each_other() -> None:
    """Each order has a latency of its own, of any length; what is heard is in the order in which it happened."""
    wild = NormalDelay(mean_ms=50, sd_ms=40, min_ms=0, max_ms=200)
    desk = make_broker_desk(QUOTES, latency=Latency(report=wild))
    for n in range(1, 60):
        desk.play(quote(10 * n, 99.98, 100.02, size=100))
        await desk.submit(Order.market(ID, 1 if n % 2 else -1))
    desk.advance(2_000 * MS)
    happened = [received.report.order.ts_event for received in desk.received]
    assert len(happened) == 2 * 59
    assert happened == sorted(happened)
    waits = {received.at - received.report.order.ts_event for received in desk.received}
    assert len(waits) > 10  # the delays were drawn, not constant


async def test_draws_depend_on_seed_and_order_and_on_nothing_else() -> None:
    """Another order in between changes no draw; another seed does."""
    law = NormalDelay(mean_ms=50, sd_ms=20)
    stamps = []
    for seed, others in ((1, 0), (1, 3), (2, 0)):
        desk = make_broker_desk(QUOTES, seed=seed, latency=Latency(submit=law), strategies=("s", "other"))
        desk.play(quote(100, 99.98, 100.02))
        await desk.submit(Order.market(ID, 1))
        for _ in range(others):
            await desk.submit(Order.limit(ID, 1, "50"), "other")
        desk.advance(1_000 * MS)
        stamps.append(desk.recorder.executions[0].ts_event)
    assert stamps[0] == stamps[1] != stamps[2]


async def test_a_cancel_of_an_executed_order_is_refused_with_the_state() -> None:
    """The strategy could not know: the report was on its way."""
    desk = make_broker_desk(QUOTES, latency=latency(report=100))
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.market(ID, 1))
    await desk.cancel(order)
    desk.advance(500 * MS)
    assert order.state.name == "FILLED"
    assert order.reason == "cannot cancel: the order is FILLED"
    with pytest.raises(UnknownOrder, match="it is finished"):
        await desk.broker.cancel_order(order)


async def test_an_update_into_the_market_executes_as_a_taker() -> None:
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 2, "99"))
    await desk.update(order, price=Decimal("100.10"))
    assert desk.list_executed(order) == [("2", "100.02")]
    assert (order.price, desk.executions[0].liquidity.name) == (Decimal("100.10"), "TAKER")


@pytest.mark.parametrize(("quantity", "price", "first"), [("2", None, 0), (None, "99.95", 1), ("9", None, 1)])
async def test_priority_is_lost_unless_only_the_quantity_fell(
    quantity: str | None, price: str | None, first: int
) -> None:
    """Two bids at 99.95, the first is updated (the price to what it is: any new price order goes to the end)."""
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    orders = [
        await desk.submit(Order.limit(ID, 3, "99.94" if price else "99.95")),
        await desk.submit(Order.limit(ID, 3, "99.95")),
    ]
    await desk.update(
        orders[0],
        quantity=None if quantity is None else Decimal(quantity),
        price=None if price is None else Decimal(price),
    )
    desk.play(quote(200, 99.90, 99.94, size=1))
    assert [order.filled_quantity for order in orders] == ([0, 1] if first else [1, 0])


async def test_a_quantity_below_what_is_executed_is_refused_and_equal_to_it_ends_the_order() -> None:
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 5, "99.95"))
    desk.play(quote(200, 99.90, 99.94, size=3))
    await desk.update(order, quantity=Decimal(2))
    assert order.quantity == 5
    assert not order.pending_update
    assert order.reason == "cannot lower the quantity to 2: 3 are executed"
    await desk.update(order, quantity=Decimal(3))
    assert f"{order.state.name} {order.quantity}" == "FILLED 3"
    assert desk.broker.get_orders() == []


async def test_why_an_update_was_refused_is_not_why_the_order_was_filled() -> None:
    """The refusal is told with its own report; the execution that comes later has no reason."""
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 5, "99.95"))
    desk.play(quote(200, 99.90, 99.94, size=3))
    await desk.update(order, quantity=Decimal(2))
    assert order.reason == "cannot lower the quantity to 2: 3 are executed"
    desk.play(quote(300, 99.90, 99.93, size=9))
    assert f"{order.state.name} {order.reason}" == "FILLED None"


async def test_an_update_that_the_money_does_not_pay_leaves_the_order_as_it_was() -> None:
    desk = make_broker_desk(QUOTES, account="cash", cash={"USD": Decimal(1_000)})
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 5, "99"))
    await desk.update(order, quantity=Decimal(50))
    assert f"{order.quantity} {order.state.name}" == "5 ACCEPTED"
    assert "needs 4950" in str(order.reason)
    desk.play(quote(200, 98, 98.5))
    assert desk.list_executed(order) == [("5", "99")]


async def test_a_stop_price_can_move_until_it_is_triggered() -> None:
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.stop_limit(ID, 1, "101", "101"))
    await desk.update(order, stop_price=Decimal("100.50"))
    desk.play(quote(200, 101.4, 101.5))
    assert order.state.name == "TRIGGERED"
    await desk.update(order, stop_price=Decimal(102))
    assert order.reason == "cannot move the stop: it was triggered at 100.50"


@pytest.mark.parametrize("ms", [100, 99])
async def test_an_order_whose_time_is_over_is_refused_at_the_call(ms: int) -> None:
    """Now is 0.1 s: an order that ends then could never work."""
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    ends = datetime(1970, 1, 1, microsecond=ms * 1_000, tzinfo=UTC)
    with pytest.raises(InvalidOrder, match=r"is not later than now, 1970-01-01T00:00:00.100Z"):
        await desk.submit(Order.market(ID, 1, time_in_force=TimeInForce.GTD, expire_time=ends))


async def test_the_stop_of_a_trailing_stop_cannot_be_set() -> None:
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.trailing_stop(ID, -1, offset=1))
    with pytest.raises(InvalidOrder, match="its stop follows the market"):
        await desk.update(order, stop_price=Decimal(99))


async def test_updates_that_say_nothing_or_the_impossible_are_refused_at_the_call() -> None:
    desk = make_broker_desk(QUOTES)
    desk.play(quote(100, 99.98, 100.02))
    order = await desk.submit(Order.limit(ID, 1, "99"))
    with pytest.raises(InvalidOrder, match="changes nothing"):
        await desk.update(order)
    with pytest.raises(InvalidOrder, match="no stop_price"):
        await desk.update(order, stop_price=Decimal(98))
    with pytest.raises(InvalidOrder, match="above 0"):
        await desk.update(order, quantity=Decimal(0))
    with pytest.raises(InvalidOrder, match="price_increment"):
        await desk.update(order, price=Decimal("99.001"))


async def test_an_instrument_that_nothing_can_match_rejects_orders_with_the_reason() -> None:
    desk = make_broker_desk(f"bar {ID} 1m mid")
    order = await desk.submit(Order.market(ID, 1))
    assert order.state.name == "REJECTED"
    assert order.reason == (
        f"{ID} cannot be matched: nothing that is read can be matched (bar {ID} 1m mid); depth, quotes, trades, last "
        "bars, or bid and ask bars can"
    )


@pytest.mark.parametrize(
    ("sources", "match_on", "chosen"),
    [
        ([f"bar {ID} 5m last", f"bar {ID} 1m last"], None, f"bar {ID} 1m last"),
        ([f"bar {ID} 1m last", f"trade_tick {ID}"], None, f"trade {ID}"),
        ([f"trade_tick {ID}", f"quote_tick {ID}"], None, f"quote {ID}"),
        ([f"trade_tick {ID}", f"quote_tick {ID}"], "trade", f"trade {ID}"),
        ([f"bar {ID} 1m last", f"bar {ID} 1h bid", f"bar {ID} 1h ask"], None, f"bar_bid_ask {ID} 1h bid + {ID} 1h ask"),
        ([f"bar {ID} 1m bid", f"bar {ID} 5m bid", f"bar {ID} 5m ask"], None, f"bar_bid_ask {ID} 5m bid + {ID} 5m ask"),
        ([f"bar {ID} 100t last", f"bar {ID} 1d last"], None, f"bar {ID} 1d last"),
    ],
)
def test_one_match_source_is_chosen_by_the_rule(sources: list[str], match_on: str | None, chosen: str) -> None:
    desk = make_broker_desk(*sources, match_on={} if match_on is None else {ID: match_on})
    assert desk.broker.match_sources == {ID: chosen}
    assert sum(desk.broker.is_source(*source.split(" ", 1)) for source in sources) == (2 if "+" in chosen else 1)


@pytest.mark.parametrize("word", ["depth", "candles", "quote"])
def test_match_on_that_nothing_serves_is_a_configuration_error(word: str) -> None:
    with pytest.raises(ConfigError, match="match_on is"):
        make_broker_desk(f"trade_tick {ID}", match_on={ID: word})


async def test_finished_orders_are_not_kept() -> None:
    """A run may make millions; the broker knows those that work."""
    desk = make_broker_desk(QUOTES)
    for n in range(1, 20):
        desk.play(quote(100 * n, 99.98, 100.02))
        await desk.submit(Order.market(ID, 1))
    assert desk.broker.get_orders() == []
    assert desk.broker._orders == {}


async def test_two_instruments_of_one_instant_are_matched_in_order_of_their_names() -> None:
    """Whichever feed came first."""
    ids = ["B.SIM", "A.SIM"]
    told = []
    for names in (ids, ids[::-1]):
        desk = make_broker_desk(*[f"quote_tick {n}" for n in names], instruments=[make_instrument(n) for n in names])
        for name in ids:
            await desk.submit(Order.market(name, 1))
        desk.play(*[make_quote_tick(MS, instrument=name) for name in names])
        told.append([e.instrument for e in desk.executions])
    assert told == [["A.SIM", "B.SIM"]] * 2

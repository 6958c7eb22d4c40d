"""Laws that hold for any market and any orders: EXECUTION 1, 3, 4, 9; RELIABILITY B1, B2, S1, S2, D3."""

from collections.abc import Coroutine, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.brokerage.settings import Latency, RateCommission, TickSlippage
from tradecore.domain.delay_law import NormalDelay
from tradecore.domain.execution import Execution, Liquidity
from tradecore.domain.instant import MINUTE_NS, SECOND_NS, to_datetime
from tradecore.domain.order import Order, TimeInForce
from tradecore.domain.position import Position
from tradecore.domain.trade_tick import Aggressor
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_depth, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
KINDS = {
    "quote": (f"quote_tick {ID}",),
    "trade": (f"trade_tick {ID}",),
    "bar": (f"bar {ID} 1m last",),
    "depth": (f"depth {ID}",),
    "trade_queue": (f"trade_tick {ID}", f"quote_tick {ID}"),
}

prices = st.integers(9_900, 10_100).map(lambda ticks: ticks / 100)
sizes = st.integers(0, 30).map(float)


class Wish(msgspec.Struct, frozen=True):
    """An order, submitted after this many events, and what is done to it so many events later. lives: of GTD, half
    minutes.
    """

    after: int
    kind: str
    quantity: int
    price: float
    stop: float
    tif: TimeInForce
    lives: int
    flag: str
    then: str
    wait: int


wishes = st.lists(
    st.builds(
        Wish,
        after=st.integers(0, 25),
        kind=st.sampled_from(["market", "limit", "limit", "stop", "stop_limit", "touched", "trailing"]),
        quantity=st.integers(-20, 20).filter(bool),
        price=prices,
        stop=prices,
        tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, *TimeInForce]),
        lives=st.integers(1, 12),
        flag=st.sampled_from(["", "", "reduce_only", "post_only"]),
        then=st.sampled_from(["keep", "keep", "cancel", "update"]),
        wait=st.integers(0, 4),
    ),
    max_size=12,
)


@st.composite
def markets(draw: st.DrawFn, kind: str) -> list[Any]:
    events: list[Any] = []
    ns = 0
    for _ in range(draw(st.integers(5, 30))):
        ns += (MINUTE_NS if kind == "bar" else SECOND_NS) * draw(st.sampled_from([1, 1, 1, 2, 7, 40]))
        word = draw(st.sampled_from(["trade", "quote"])) if kind == "trade_queue" else kind
        events.append(draw(MAKERS[word](ns)))
    return events


@st.composite
def quotes(draw: st.DrawFn, ns: int) -> Any:
    bid, spread = draw(prices), draw(st.integers(-1, 5)) / 100
    return make_quote_tick(ns, bid, round(bid + spread, 2), bid_size=draw(sizes), ask_size=draw(sizes), instrument=ID)


@st.composite
def trades(draw: st.DrawFn, ns: int) -> Any:
    return make_trade_tick(ns, draw(prices), draw(sizes) * 10, aggressor=draw(st.sampled_from(Aggressor)))


@st.composite
def books(draw: st.DrawFn, ns: int) -> Any:
    middle = draw(st.integers(9_900, 10_100))
    levels = st.lists(st.integers(1, 40), max_size=3, unique=True).map(sorted)
    sides = [
        [((middle + sign * step) / 100, float(draw(st.integers(1, 12)))) for step in draw(levels)] for sign in (-1, 1)
    ]
    return make_depth(ns, *sides, instrument=ID)


@st.composite
def bars(draw: st.DrawFn, ns: int) -> Any:
    four = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    first, last = draw(st.sampled_from([(1, 2), (2, 1)]))
    return make_bar(
        ns, four[last], open=four[first], high=four[3], low=four[0], volume=draw(sizes) * 10, bar_type=f"{ID} 1m last"
    )


MAKERS = {"quote": quotes, "trade": trades, "depth": books, "bar": bars}


def make_order(wish: Wish, now: int) -> Order:
    terms: dict[str, Any] = {"time_in_force": wish.tif}
    if wish.tif is TimeInForce.GTD:
        terms["expire_time"] = to_datetime(now + wish.lives * 30 * SECOND_NS)
    is_resting = wish.kind == "limit" and wish.tif not in (TimeInForce.IOC, TimeInForce.FOK)
    if wish.flag == "reduce_only" or (wish.flag == "post_only" and is_resting):
        terms[wish.flag] = True
    if wish.kind == "market":
        return Order.market(ID, wish.quantity, **terms)
    if wish.kind == "limit":
        return Order.limit(ID, wish.quantity, wish.price, **terms)
    if wish.kind == "stop":
        return Order.stop(ID, wish.quantity, wish.stop, **terms)
    if wish.kind == "touched":
        return Order.market_if_touched(ID, wish.quantity, wish.stop, **terms)
    if wish.kind == "trailing":
        offset = round(abs(wish.stop - 100) / 4 + 0.01, 2)
        limit_offset = offset if wish.lives % 2 else None
        return Order.trailing_stop(ID, wish.quantity, offset=offset, limit_offset=limit_offset, **terms)
    return Order.stop_limit(ID, wish.quantity, wish.stop, wish.price, **terms)


async def tell(
    kind: str,
    events: Sequence[Any],
    wanted: Sequence[Wish],
    cuts: Sequence[int],
    beside: Sequence[Any] = (),
    **words: Any,
) -> BrokerDesk:
    """The market with its orders. cuts: windows end after these events too, wherever commands fall.
    beside: events of 5-minute bars that are read too.
    """
    if kind == "trade_queue":
        words["match_on"] = {ID: kind}
    desk = make_broker_desk(*KINDS[kind], *([f"bar {ID} 5m last"] if beside else []), **words)
    orders: dict[int, Order] = {}
    todo = [(wish.after, n, "submit") for n, wish in enumerate(wanted)]
    todo += [(wish.after + wish.wait, n, wish.then) for n, wish in enumerate(wanted) if wish.then != "keep"]
    todo.sort(key=lambda item: item[0])  # stable: what is submitted at an instant is there to be cancelled at it
    stops = sorted({*cuts, *(min(after, len(events)) for after, _, _ in todo), len(events)})
    place = 0
    for stop in stops:
        part = events[place:stop]
        if part:
            desk.play(*part, *[bar for bar in beside if part[0].ts_event <= bar.ts_event <= part[-1].ts_event])
        place = stop
        while todo and min(todo[0][0], len(events)) <= stop:
            _, n, word = todo.pop(0)
            if word == "submit":
                orders[n] = await desk.submit(make_order(wanted[n], desk.timeline.now))
            elif orders[n].is_open:
                if word == "cancel":
                    await desk.cancel(orders[n])
                else:
                    await desk.update(orders[n], quantity=orders[n].quantity + 1)
    desk.advance(desk.timeline.now + MINUTE_NS)
    desk.finish()
    return desk


def run(story: Coroutine[Any, Any, BrokerDesk]) -> BrokerDesk:
    """A simulated broker never suspends, so no event loop is needed (and none is made a thousand times)."""
    try:
        story.send(None)
    except StopIteration as end:
        desk: BrokerDesk = end.value
        return desk
    raise AssertionError("the simulated broker suspended")


def check_laws(desk: BrokerDesk) -> None:
    cash, position = Decimal(1_000_000), Position(ID)
    filled: dict[str, Decimal] = {}
    for execution, (before, after) in zip(desk.executions, desk.recorder.positions, strict=True):
        order = desk.handles[execution.order_id]
        assert execution.ts_event >= order.ts_decided, "executed before it was decided"
        limit = order.price
        if limit is not None:
            assert (limit - execution.price) * execution.side.sign >= 0, "executed beyond its limit"
        check_terms(execution, order, before)
        assert before.quantity == position.quantity
        position = position.after(execution.signed_quantity, execution.price, execution.ts_event, execution.commission)
        assert after.quantity == position.quantity
        cash -= execution.signed_quantity * execution.price + execution.commission
        filled[order.order_id] = filled.get(order.order_id, Decimal(0)) + execution.quantity
    assert desk.broker.get_account().cash["USD"] == cash
    for order in desk.handles.values():
        assert order.filled_quantity == filled.get(order.order_id, Decimal(0)) <= order.quantity
        if order.time_in_force is TimeInForce.FOK and not order.terms.reduce_only:
            assert order.filled_quantity in (0, order.quantity) or order.quantity - order.filled_quantity == 1
    for ledger in desk.broker._book.ledgers.values():  # nothing is held back for orders that are gone
        working = [order for order in desk.broker._orders.values() if not order.is_finished]
        assert ledger.open_buys == sum((o.remaining for o in working if o.is_buy), Decimal(0))
        assert ledger.open_sells == sum((o.remaining for o in working if not o.is_buy), Decimal(0))
    times = [ts for _, ts, _ in desk.recorder.marks]
    assert times == sorted(times)  # an instant is marked again when something executes at it after its mark


def check_terms(execution: Execution, order: Order, before: Position) -> None:
    """Expiry, post_only and reduce_only of one execution."""
    terms = order.terms
    if terms.expire_ns is not None:
        is_bar = execution.matched_on == "bar"  # one that ends at the expiry still counts
        assert execution.ts_event < terms.expire_ns + is_bar, "executed after its time"
    if terms.post_only:
        assert execution.liquidity is Liquidity.MAKER, "took although it is post_only"
    if terms.reduce_only:
        assert before.quantity * execution.side.sign < 0, "opened although it is reduce_only"
        assert execution.quantity <= abs(before.quantity), "flipped although it is reduce_only"


costs = {"commission": RateCommission(maker=Decimal("0.0001"), taker=Decimal("0.0007"))}
far = Latency(
    submit=NormalDelay(mean_ms=700, sd_ms=400),
    cancel=NormalDelay(mean_ms=500, sd_ms=400),
    update=NormalDelay(mean_ms=500, sd_ms=400),
    report=NormalDelay(mean_ms=300, sd_ms=300),
)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_books_limits_and_times_hold_for_any_story(data: st.DataObject) -> None:
    """Position and cash are the executions added up; nothing is early, beyond its limit, or more than was wanted."""
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    events, wanted = data.draw(markets(kind)), data.draw(wishes)
    words: dict[str, Any] = {
        **costs,
        "latency": data.draw(st.sampled_from([Latency(), far])),
        "slippage": TickSlippage(ticks=Decimal(data.draw(st.sampled_from(["0", "1", "1.5"])))),
        "bar_path": data.draw(st.sampled_from(["worst", "ohlc"])),
        "self_trade": data.draw(st.sampled_from(["cancel_resting", "reject"])),
    }
    check_laws(run(tell(kind, events, wanted, [], **words)))


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_windows_of_any_size_give_the_same_executions(data: st.DataObject) -> None:
    """How the history was cut into batches is nobody's business (D3)."""
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    events, wanted = data.draw(markets(kind)), data.draw(wishes)
    cuts = data.draw(st.lists(st.integers(1, len(events)), max_size=8))
    words: dict[str, Any] = {**costs, "latency": data.draw(st.sampled_from([Latency(), far]))}
    whole = run(tell(kind, events, wanted, [], **words))
    cut = run(tell(kind, events, wanted, cuts, **words))
    assert cut.executions == whole.executions
    assert cut.received == whole.received
    assert cut.recorder.orders == whole.recorder.orders
    assert cut.recorder.marks == whole.recorder.marks


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_no_more_executes_than_was_offered(data: st.DataObject) -> None:
    """A tenth of all volume, over all orders together (S3)."""
    kind = data.draw(st.sampled_from(["trade", "bar", "trade_queue"]))
    events, wanted = data.draw(markets(kind)), data.draw(wishes)
    desk = run(tell(kind, events, wanted, []))
    shown = [getattr(event, "volume", None) or getattr(event, "size", 0.0) for event in events]
    offered = sum((Decimal(repr(size)) for size in shown), Decimal(0))
    assert sum((e.quantity for e in desk.executions), Decimal(0)) <= offered / 10


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_no_level_of_a_book_gives_more_than_it_showed(data: st.DataObject) -> None:
    """Takers alone: what a price gave is at most what was shown there first and what was added since."""
    events = data.draw(markets("depth"))
    wanted = [msgspec.structs.replace(wish, kind="market", then="keep") for wish in data.draw(wishes)]
    desk = run(tell("depth", events, wanted, []))
    shown: dict[tuple[str, float], Decimal] = {}
    before: dict[tuple[str, float], float] = {}
    for event in events:
        now = {("BUY", price): size for price, size in event.asks} | {("SELL", p): size for p, size in event.bids}
        for level, size in now.items():
            added = Decimal(repr(size)) - Decimal(repr(before.get(level, 0.0)))
            shown[level] = shown.get(level, Decimal(0)) + max(added, Decimal(0))
        before = now
    for (side, price), most in shown.items():
        taken = [e.quantity for e in desk.executions if (e.side.value, float(e.price)) == (side, price)]
        assert sum(taken, Decimal(0)) <= most


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_run_to_an_instant_is_a_prefix_of_the_run_beyond_it(data: st.DataObject) -> None:
    """What comes later changes nothing that was reported (no look-ahead)."""
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    events, wanted = data.draw(markets(kind)), data.draw(wishes)
    cut = data.draw(st.integers(1, len(events)))
    mark = events[cut - 1].ts_event
    early = [wish for wish in wanted if wish.after + wish.wait < cut]
    short = run(tell(kind, events[:cut], early, []))
    long = run(tell(kind, events, early, []))
    assert [r for r in short.received if r.at <= mark] == [r for r in long.received if r.at <= mark]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_subscribing_to_more_data_never_changes_an_execution(data: st.DataObject) -> None:
    """Larger bars of the same instrument beside the ones that are matched are delivered, never matched."""
    events, wanted = data.draw(markets("bar")), data.draw(wishes)
    more = [make_bar(5 * n * MINUTE_NS, 90.0, bar_type=f"{ID} 5m last") for n in range(1, 40)]
    alone = run(tell("bar", events, wanted, []))
    both = run(tell("bar", events, wanted, [], beside=more))
    assert both.executions == alone.executions
    assert both.recorder.orders == alone.recorder.orders

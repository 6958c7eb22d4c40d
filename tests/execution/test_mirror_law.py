"""A market turned upside down turns every execution upside down: nothing favours the long or the short side.

Prices p become 200 - p, buys become sales, asks become bids. Under `worst`: a known path begins with the high, so it
has no mirror. Slippage in ticks; a part of the price is another amount at another price.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.brokerage.settings import DepthSlippage, Slippage, TickSlippage
from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instant import MINUTE_NS
from tradecore.domain.order import Order, TimeInForce
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_bar, make_depth, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
SOURCES = {
    "quote": [f"quote_tick {ID}"],
    "trade": [f"trade_tick {ID}"],
    "depth": [f"depth {ID}"],
    "bar": [f"bar {ID} 1m last"],
    "bar_bid_ask": [f"bar {ID} 1m bid", f"bar {ID} 1m ask"],
    "trade_queue": [f"trade_tick {ID}", f"quote_tick {ID}"],
}
OTHER = {Aggressor.BUYER: Aggressor.SELLER, Aggressor.SELLER: Aggressor.BUYER, Aggressor.UNKNOWN: Aggressor.UNKNOWN}

cents = st.integers(9_970, 10_030)
sizes = st.integers(0, 30).map(float)


class Wish(msgspec.Struct, frozen=True):
    """An order after so many events; prices in cents."""

    after: int
    kind: str
    quantity: int
    price: int
    stop: int
    tif: TimeInForce
    reduce_only: bool

    def mirror(self) -> "Wish":
        return msgspec.structs.replace(
            self, quantity=-self.quantity, price=20_000 - self.price, stop=20_000 - self.stop
        )

    def make(self) -> Order:
        price, stop = Decimal(self.price) / 100, Decimal(self.stop) / 100
        terms: dict[str, Any] = {"time_in_force": self.tif, "reduce_only": self.reduce_only}
        if self.kind == "limit":
            return Order.limit(ID, self.quantity, price, **terms)
        if self.kind == "stop":
            return Order.stop(ID, self.quantity, stop, **terms)
        if self.kind == "stop_limit":
            return Order.stop_limit(ID, self.quantity, stop, price, **terms)
        if self.kind == "touched":
            return Order.market_if_touched(ID, self.quantity, stop, **terms)
        if self.kind == "trailing":
            return Order.trailing_stop(ID, self.quantity, offset="0.25", activation_price=stop, **terms)
        return Order.market(ID, self.quantity, **terms)


wishes = st.lists(
    st.builds(
        Wish,
        after=st.integers(0, 8),
        kind=st.sampled_from(["market", "limit", "limit", "stop", "stop_limit", "touched", "trailing"]),
        quantity=st.integers(-9, 9).filter(bool),
        price=cents,
        stop=cents,
        tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK]),
        reduce_only=st.sampled_from([False, False, False, True]),
    ),
    min_size=2,
    max_size=12,
)


@st.composite
def markets(draw: st.DrawFn, kind: str) -> list[Any]:
    events: list[Any] = []
    for minute in range(1, draw(st.integers(5, 25)) + 1):
        ns = minute * MINUTE_NS
        word = draw(st.sampled_from(["trade", "quote"])) if kind == "trade_queue" else kind
        if word == "quote":
            bid = draw(cents)
            ask = bid + draw(st.integers(-1, 5))
            events.append(make_quote_tick(ns, bid / 100, ask / 100, bid_size=draw(sizes), ask_size=draw(sizes)))
        elif word == "trade":
            events.append(
                make_trade_tick(ns, draw(cents) / 100, draw(sizes) * 10, aggressor=draw(st.sampled_from(Aggressor)))
            )
        elif word == "depth":
            middle = draw(cents)
            steps = [sorted(draw(st.sets(st.integers(1, 20), max_size=3))) for _ in range(2)]
            bids, asks = (
                [((middle + sign * step) / 100, draw(sizes) + 1) for step in side]
                for sign, side in zip((-1, 1), steps, strict=True)
            )
            events.append(make_depth(ns, bids, asks))
        else:
            four = sorted(draw(st.lists(cents, min_size=4, max_size=4)))
            first, last = draw(st.sampled_from([(1, 2), (2, 1)]))
            volume = draw(sizes) * 10
            sides = [("last", 0)] if word == "bar" else [("bid", 0), ("ask", draw(st.integers(-1, 5)))]
            for side, up in sides:
                low, opened, closed, high = ((four[at] + up) / 100 for at in (0, first, last, 3))
                series = f"{ID} 1m {side}"
                events.append(make_bar(ns, closed, open=opened, high=high, low=low, volume=volume, bar_type=series))
    return events


def turn(price: float) -> float:
    return round(200 - price, 2)


def mirror(event: Any) -> Any:
    if isinstance(event, QuoteTick):
        return make_quote_tick(
            event.ts_event, turn(event.ask_price), turn(event.bid_price),
            bid_size=event.ask_size, ask_size=event.bid_size,
        )  # fmt: skip
    if isinstance(event, TradeTick):
        return make_trade_tick(event.ts_event, turn(event.price), event.size, aggressor=OTHER[event.aggressor])
    if isinstance(event, DepthSnapshot):
        bids, asks = ([(turn(price), size) for price, size in side] for side in (event.asks, event.bids))
        return make_depth(event.ts_event, bids, asks)
    assert isinstance(event, Bar)
    name = str(event.bar_type)
    other = name.replace(" bid", " ask") if " bid" in name else name.replace(" ask", " bid")
    return make_bar(
        event.ts_event, turn(event.close), open=turn(event.open), high=turn(event.low), low=turn(event.high),
        volume=event.volume, bar_type=other,
    )  # fmt: skip


async def tell(kind: str, events: Sequence[Any], wanted: Sequence[Wish], slippage: Slippage) -> BrokerDesk:
    words: dict[str, Any] = {"match_on": {ID: kind}} if kind == "trade_queue" else {}
    desk = make_broker_desk(*SOURCES[kind], slippage=slippage, **words)
    by_minute: dict[int, list[Any]] = {}
    for event in events:
        by_minute.setdefault(event.ts_event, []).append(event)
    for minute, ns in enumerate(sorted(by_minute)):
        for wish in wanted:
            if wish.after == minute:
                await desk.submit(wish.make())
        desk.play(*by_minute[ns])
    return desk


def list_mirrored(desk: BrokerDesk, of: Callable[[Decimal], Decimal]) -> list[tuple[str, int, str, str, str]]:
    """Executions in order of orders; at one event both sides execute, and whose report comes first is no matter."""
    rows = [
        (e.order_id, e.ts_event, str(e.quantity), str(of(e.price).quantize(Decimal("0.01"))), e.liquidity.name)
        for e in desk.executions
    ]
    return sorted(rows, key=lambda row: (row[1], int(row[0][2:])))


@given(st.data())
@settings(max_examples=150, deadline=None)
async def test_a_mirrored_market_gives_mirrored_executions(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(SOURCES)))
    events, wanted = data.draw(markets(kind)), data.draw(wishes)
    slippages: list[Slippage] = [TickSlippage(), TickSlippage(Decimal(2)), DepthSlippage(Decimal(3), Decimal(2))]
    slippage = data.draw(st.sampled_from(slippages))
    straight = await tell(kind, events, wanted, slippage)
    turned = await tell(kind, [mirror(event) for event in events], [wish.mirror() for wish in wanted], slippage)
    assert list_mirrored(straight, lambda price: price) == list_mirrored(turned, lambda price: 200 - price)
    assert [order.state for order in straight.handles.values()] == [order.state for order in turned.handles.values()]

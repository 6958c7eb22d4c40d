"""The market maker of the examples: where it stands, what it cancels, and how much it lets itself hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.examples.market_maker import MarketMaker
from tradecore.testing.builders import make_instrument, make_ns, make_quote_tick

T0 = make_ns("2024-01-01T10:00:00Z")
MS = SECOND_NS // 1_000


class Watched(MarketMaker):
    """With a market of its own, one quote every 10 ms, and a diary."""

    def __init__(self, *touches: tuple[float, float]) -> None:
        super().__init__("TEST.SIM", Decimal(1), Decimal(2))
        self.touches = touches
        self.diary: list[str] = []

    def on_start(self) -> None:
        quotes = [make_quote_tick(T0 + n * 10 * MS, *touch) for n, touch in enumerate(self.touches)]
        self.add_event_feed(tc.feed(quotes, name="quotes"), "quotes")

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        order = update.order
        if order.state is not tc.OrderState.ACCEPTED:
            self.diary.append(f"{order.order_id} {order.side.value} {order.price} {order.state.name}")


async def run(strategy: tc.Strategy, ms: int = 0) -> tc.RunResult:
    delay = tc.ConstantDelay(ms)
    settings: Any = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(10_000)}, latency=tc.Latency(submit=delay, cancel=delay)
    )
    return await tc.run_backtest(strategies=strategy, brokers={"sim": settings}, instruments=[make_instrument()])


async def test_it_follows_the_touch_on_both_sides() -> None:
    """The bid moves down by a cent: the buy goes with it, the sale stays where it is."""
    strategy = Watched((99.98, 100.02), (99.97, 100.02), (99.97, 100.02))
    await run(strategy)
    # Orders 1 and 2 at 99.98 and 100.02; 1 is cancelled for 3 at 99.97; the end cancels 2 and 3.
    assert strategy.diary == ["Watched-1 BUY 99.98 CANCELLED", "Watched-2 SELL 100.02 CANCELLED",
                              "Watched-3 BUY 99.97 CANCELLED"]  # fmt: skip


async def test_a_cancel_that_arrives_too_late_lets_the_stale_quote_be_taken() -> None:
    """The market falls in two steps, 10 ms apart. Who is 5 ms away is gone by then, who is 15 ms away is not."""
    touches = ((99.98, 100.02), (99.95, 99.99), (99.94, 99.98), (99.94, 99.98))
    near, far = Watched(*touches), Watched(*touches)
    await run(near, ms=5)
    await run(far, ms=15)
    # Decided at 10 ms: the cancel of the buy at 99.98 arrives at 15 ms, or at 25 ms. The ask is 99.98 at 20 ms.
    assert "Watched-1 BUY 99.98 CANCELLED" in near.diary
    assert "Watched-1 BUY 99.98 FILLED" in far.diary
    assert far.cancels_sent["Watched-1"] == T0 + 10 * MS


async def test_what_may_be_held_counts_orders_whose_cancel_is_on_its_way() -> None:
    """At most 2 units: a third buy would be one too many if the two that are being cancelled executed after all."""
    strategy = Watched((99.98, 100.02), (99.97, 100.02), (99.96, 100.02), (99.95, 100.02), (99.95, 100.02))
    result = await run(strategy, ms=100)
    # Buys at 99.98 and 99.97, then none until a cancel is through; the sale never moves.
    assert result.counts["orders"] == 3


async def test_a_locked_market_has_no_room_for_it() -> None:
    """Bid and ask are one price: whatever stood there would take."""
    strategy = Watched((100.0, 100.0), (100.0, 100.0))
    assert (await run(strategy)).counts["orders"] == 0

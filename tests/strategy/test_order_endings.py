"""What a run's notes say of orders that ended otherwise than their strategy wished."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import tradecore as tc
from tradecore.testing.builders import make_instrument, make_quote_tick

ID = "TEST.SIM"


class Gives(tc.Strategy):
    """Quotes a second apart; at the first it gives its orders."""

    def __init__(self, orders: Sequence[tc.Order], asks: Sequence[float]) -> None:
        self.orders_left, self.asks = list(orders), asks

    def on_start(self) -> None:
        ticks: list[Any] = [
            make_quote_tick(f"2024-01-01T10:00:0{second}Z", ask, ask) for second, ask in enumerate(self.asks)
        ]
        self.add_event_feed(tc.feed(ticks, name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        while self.orders_left:
            self.submit_order(self.orders_left.pop(0))


async def notes_of(*orders: tc.Order, asks: Sequence[float] = (100, 100), **settings: Any) -> list[str]:
    account: dict[str, Any] = {"account": "margin", "cash": {"USD": Decimal(1_000)}, **settings}
    result = await tc.run_backtest(
        strategies=Gives(orders, asks),
        brokers={"sim": tc.SimulatedBrokerSettings(**account)},
        instruments=[make_instrument()],
    )
    return [note for note in result.notes if note.startswith("Gives: ")]


async def test_refused_orders_are_counted_and_the_first_says_why() -> None:
    """20 x 100 x 0.5 are all of the 1000: 21 are refused, and 22; the one that reduces nothing is the third."""
    market = tc.Order.market
    (note,) = await notes_of(market(ID, 21), market(ID, -22), market(ID, 1, reduce_only=True), market(ID, 1))
    assert note == (
        "Gives: 3 orders were rejected: the first was Gives-1 at 2024-01-01T10:00:00Z, buying 21 TEST.SIM at 100.0 "
        "needs 1050.00 USD of margin (initial_margin 0.5); equity is 1000 USD, of which 0.0 are used"
    )


async def test_what_the_broker_took_away_is_told_with_its_reason() -> None:
    ioc = tc.Order.limit(ID, 5, 90, time_in_force=tc.TimeInForce.IOC)
    assert await notes_of(ioc) == [
        "Gives: 1 order was cancelled by the broker: Gives-1 at 2024-01-01T10:00:00Z, IOC: 0 of 5 could execute at once"
    ]


async def test_an_order_that_the_broker_gave_itself_is_told() -> None:
    """Long 20 from 100 with 1000: at 60 equity is 200, and a quarter of 20 x 60 = 300 is needed."""
    (note,) = await notes_of(tc.Order.market(ID, 20), asks=(100, 60, 60))
    assert note.startswith("Gives: 1 order was given by the broker: Gives-sim-margin-1 at 2024-01-01T10:00:01Z, margin")


async def test_orders_that_went_as_they_were_meant_are_not_mentioned() -> None:
    """Executed, expired by their own time, still working at the end."""
    day = tc.Order.limit(ID, 1, 50, time_in_force=tc.TimeInForce.DAY)
    assert await notes_of(tc.Order.market(ID, 1), day, tc.Order.limit(ID, 1, 90)) == []

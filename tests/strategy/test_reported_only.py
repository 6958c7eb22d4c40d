"""What a strategy reads is what was reported to it: EXECUTION 1."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import tradecore as tc
from tradecore.testing.builders import make_instrument, make_quote_tick

ID = "TEST.SIM"


class Looks(tc.Strategy):
    """Buys 2 at the first quote, sells 1 by a limit at the fifth, and writes down what it can read at each."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_start(self) -> None:
        ticks: list[Any] = [make_quote_tick(f"2024-01-01T10:00:0{second}Z", 100, 101) for second in range(9)]
        self.add_event_feed(tc.feed(ticks, name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        states = ",".join(order.state.name for order in self.orders())
        cash = self.account().cash["USD"]
        self.seen.append(f"{tick.dt_event.second}: {self.position(ID).quantity} held, {cash} USD, {states or 'none'}")
        if tick.dt_event.second == 0:
            self.submit_order(tc.Order.market(ID, 2))
        if tick.dt_event.second == 4:
            self.submit_order(tc.Order.limit(ID, -1, 110))


async def test_positions_orders_and_money_are_as_late_as_the_reports() -> None:
    """1 s to the venue and 1.5 s back: bought at 1 for 2 x 101 = 202, heard at 2.5, so first seen at 3.

    The limit order reaches the venue at 5 and is heard of at 6.5.
    """
    looks = Looks()
    latency = tc.Latency(submit=tc.ConstantDelay(ms=1_000), report=tc.ConstantDelay(ms=1_500))
    settings = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, latency=latency)
    await tc.run_backtest(strategies=looks, brokers={"sim": settings}, instruments=[make_instrument()])
    assert looks.seen == [
        "0: 0 held, 1000 USD, none",
        "1: 0 held, 1000 USD, SUBMITTED",
        "2: 0 held, 1000 USD, SUBMITTED",
        "3: 2 held, 798.0 USD, none",
        "4: 2 held, 798.0 USD, none",
        "5: 2 held, 798.0 USD, SUBMITTED",
        "6: 2 held, 798.0 USD, SUBMITTED",
        "7: 2 held, 798.0 USD, ACCEPTED",
        "8: 2 held, 798.0 USD, ACCEPTED",
    ]


async def test_the_statistics_know_the_truth_meanwhile() -> None:
    """They are the analyzer's, not the desk's: at 1 the broker acts before the strategy hears of that instant."""

    class Counts(Looks):
        def on_quote_tick(self, tick: tc.QuoteTick) -> None:
            super().on_quote_tick(tick)
            self.seen[-1] = f"{self.position(ID).quantity} {self.statistics.to_dict()['executions']}"

    counts = Counts()
    latency = tc.Latency(submit=tc.ConstantDelay(ms=1_000), report=tc.ConstantDelay(ms=1_500))
    settings = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, latency=latency)
    await tc.run_backtest(strategies=counts, brokers={"sim": settings}, instruments=[make_instrument()])
    assert counts.seen[:4] == ["0 0", "0 1", "0 1", "2 1"]

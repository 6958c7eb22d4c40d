"""Depth and queues in whole runs: from a store to executions. EXECUTION 3, 5."""

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.storage.memory_storage import MemoryStorage
from tradecore.testing.builders import make_depth, make_instrument, make_quote_tick, make_trade_tick

ID = "TEST.SIM"
START = 1_704_067_200_000_000_000  # 2024-01-01


class Maker(tc.Strategy):
    """Bids 99 for 3 at the first event, and again for a day."""

    def on_start(self) -> None:
        self.subscribe_to_depth(ID, key="depth")
        self.subscribe_to_quotes(ID, key="quotes")
        self.subscribe_to_trades(ID, key="trades")
        self.executions: list[tuple[str, str, str]] = []
        self.ended: list[str] = []
        self.is_done = False

    def on_event(self, event: Any) -> None:
        if not self.is_done:
            self.is_done = True
            self.submit_order(tc.Order.limit(ID, 3, "99"))
            self.submit_order(tc.Order.limit(ID, 3, "90", time_in_force=tc.TimeInForce.DAY))

    def on_execution(self, execution: tc.Execution) -> None:
        self.executions.append((str(execution.quantity), str(execution.price), execution.matched_on))

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        if update.order.state.is_finished:
            self.ended.append(f"{update.order.order_type.value} {update.order.price} {update.order.state.name}")


def at(second: float) -> int:
    return START + int(second * SECOND_NS)


EVENTS: list[Any] = [
    make_depth(at(1), [(99, 4), (98, 9)], [(101, 4)]),
    make_quote_tick(at(1), 99, 101, bid_size=4, ask_size=4),
    make_trade_tick(at(2), 99, 6),
    make_depth(at(3), [(97, 9)], [(98.5, 2), (99, 2), (99.5, 2)]),
    make_quote_tick(at(3), 97, 98.5, bid_size=9, ask_size=2),
    make_trade_tick(at(90_000), 99, 1),
]


@pytest.mark.parametrize("batch_size", [1, 16, 1_024])
@pytest.mark.parametrize(
    ("match_on", "executed"),
    [
        (None, [("3", "99", "depth")]),  # of the asks, 2 and 2 stand at 99 or better
        ("quote", [("2", "99", "quote")]),  # 2 are displayed at 98.50
        ("trade", []),  # no print goes through 99
        ("trade_queue", [("2", "99", "trade_queue"), ("1", "99", "trade_queue")]),  # 4 before us, 6 printed; 1 more
    ],
)
async def test_a_resting_bid_meets_what_it_is_matched_on(
    match_on: str | None, executed: list[tuple[str, str, str]], batch_size: int
) -> None:
    storage = MemoryStorage()
    await storage.connect()
    await storage.append(EVENTS)
    settings = tc.SimulatedBrokerSettings(
        account="margin", cash={"USD": Decimal(100_000)}, participation=Decimal(1),
        match_on={} if match_on is None else {ID: match_on},
    )  # fmt: skip
    strategy = Maker()
    await tc.run_backtest(
        strategies=strategy, brokers={"sim": settings}, storage=storage, instruments=[make_instrument()], start=START,
        batch_size=batch_size,
    )  # fmt: skip
    assert strategy.executions == executed
    assert "LIMIT 90 EXPIRED" in strategy.ended

"""Whole runs with hundreds of groups: what they leave passes `tradecore verify`, which shares no code with them."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.testing.builders import make_bar, make_instrument, make_ns, make_quote_tick
from tradecore.verification.run_verification import verify_run

ID = "TEST.SIM"
EVENTS = 900


def make_market(kind: str, seed: int) -> list[Any]:
    """A walk in cents with little to be had at each step."""
    rng = random.Random(seed)
    price, ns, events = 10_000, make_ns("2024-01-01T10:00"), list[Any]()
    for _ in range(EVENTS):
        before, price = price, price + rng.choice([-2, -1, 0, 1, 2])
        if kind == "quote":
            ns += SECOND_NS
            sizes = {"bid_size": rng.randint(0, 6), "ask_size": rng.randint(0, 6)}
            events.append(make_quote_tick(ns, price / 100, (price + 1) / 100, instrument=ID, **sizes))
        else:
            ns += MINUTE_NS
            high, low = max(price, before) + rng.randint(0, 3), min(price, before) - rng.randint(0, 3)
            events.append(
                make_bar(
                    ns,
                    price / 100,
                    open=before / 100,
                    high=high / 100,
                    low=low / 100,
                    volume=rng.randint(0, 60),
                    bar_type=f"{ID} 1m last",
                )
            )
    return events


class Groups(tc.Strategy):
    """Submits brackets, pairs and straddles around the price, changes some, cancels some."""

    def __init__(self, events: list[Any]) -> None:
        self.market = events
        self.rng = random.Random(3)
        self.groups: list[tc.OrderGroup] = []
        self.count = 0

    def on_start(self) -> None:
        self.add_event_feed(tc.feed(self.market, name="market"), "market")

    def on_event(self, event: Any) -> None:
        self.count += 1
        if self.count % 7 == 0 and self.count < EVENTS - 100:
            self.groups.append(self.submit_group(self.make_group(round(self.price_of(event) * 100))))
        if self.count % 11 == 0 and self.groups:
            self.disturb(self.rng.choice(self.groups))

    def price_of(self, event: Any) -> float:
        return float(event.close if isinstance(event, tc.Bar) else event.bid_price)

    def make_group(self, price: int) -> tc.OrderGroup:
        rng = self.rng
        side, quantity = rng.choice([1, -1]), rng.randint(2, 12)
        if rng.random() < 0.6:
            entry = price - side * rng.randint(0, 3)
            profit, stop = entry + side * rng.randint(1, 5), entry - side * rng.randint(1, 5)
            return tc.Order.bracket(
                ID, side * quantity, price=cents(entry), profit_price=cents(profit), stop_price=cents(stop)
            )
        limit = tc.Order.limit(ID, side * quantity, cents(price - side * 2))
        stop_order = tc.Order.stop(ID, side * quantity, cents(price + side * 2))
        if rng.random() < 0.5:
            return tc.OrderGroup.ouo([limit, stop_order])
        return tc.OrderGroup.oco([stop_order, tc.Order.stop(ID, -side * quantity, cents(price - side * 2))])

    def disturb(self, group: tc.OrderGroup) -> None:
        if not group.is_finished and self.rng.random() < 0.3:
            self.cancel_group(group)
            return
        for order in group.orders:
            if order.is_open and order.price is not None:
                self.update_order(order, price=order.price + Decimal("0.01"))


def cents(value: int) -> Decimal:
    return Decimal(value) / 100


@pytest.mark.parametrize("ms", [0, 700])
@pytest.mark.parametrize("contingency", ["client", "venue"])
@pytest.mark.parametrize("kind", ["quote", "bar"])
async def test_what_groups_leave_passes_verification(tmp_path: Path, kind: str, contingency: Any, ms: int) -> None:
    law = tc.ConstantDelay(ms=ms)
    broker = tc.SimulatedBrokerSettings(
        account="margin",
        cash={"USD": Decimal(1_000_000)},
        contingency=contingency,
        participation=Decimal("0.5"),
        latency=tc.Latency(submit=law, cancel=law, update=law, report=law),
    )
    strategy = Groups(make_market(kind, seed=3))
    result = await tc.run_backtest(
        strategies=strategy, brokers={"sim": broker}, instruments=[make_instrument()], runs_dir=tmp_path
    )
    assert result.run_folder is not None
    verification = verify_run(result.run_folder)
    assert verification.findings == ()
    checked = {row.law: row.checked for row in verification.rows}
    assert min(checked["C1"], checked["C2"], checked["C3"]) > 10
    assert result.counts["executions"] > 100
    flagged = [group for group in strategy.groups if group.problem is not None]
    assert all(group.closing for group in flagged)
    assert contingency == "client" or not flagged  # at the venue nothing executes too much

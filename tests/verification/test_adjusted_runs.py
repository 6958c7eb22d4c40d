"""Runs with dividends, splits, interest, borrowing and broken margins: what the engine leaves is sound."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.instant import MINUTE_NS
from tradecore.testing.builders import make_bar, make_instrument
from tradecore.verification.run_verification import Verification, verify_run

ID = "TEST.SIM"
MakeOrder = Callable[[], tc.Order | tc.OrderGroup]


def bar(minute: int, close: float, **more: Any) -> tc.Bar:
    return make_bar(minute * MINUTE_NS, close, **more)


def adjust(kind: str, minute: float, value: str) -> AccountAdjustment:
    ts = int(minute * MINUTE_NS)
    name, currency = ("", "USD") if kind == "INTEREST" else (ID, None)
    return AccountAdjustment(AdjustmentKind[kind], name, ts, ts, Decimal(value), currency)


class GivesOrders(tc.Strategy):
    """Submits orders at the bars with these numbers."""

    def __init__(self, bars: Sequence[tc.Bar], orders: dict[int, MakeOrder]) -> None:
        self.bars, self.given, self.seen = bars, orders, 0

    def on_start(self) -> None:
        self.add_event_feed(tc.feed(self.bars, name="bars", event_types=["bar"]), "bars")

    def on_bar(self, event: tc.Bar) -> None:
        self.seen += 1
        if self.seen in self.given:
            given = self.given[self.seen]()
            if isinstance(given, tc.OrderGroup):
                self.submit_group(given)
            else:
                self.submit_order(given)


async def leave_run(
    root: Path,
    bars: Sequence[tc.Bar],
    orders: dict[int, MakeOrder],
    adjustments: Sequence[AccountAdjustment] = (),
    **settings: Any,
) -> Path:
    account = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)}, **settings)
    result = await tc.run_backtest(
        strategies={"s": GivesOrders(bars, orders)},
        instruments=[make_instrument(ID)],
        brokers={"sim": account},
        adjustments=adjustments,
        runs_dir=root,
    )
    assert result.run_folder is not None
    return result.run_folder


def list_broken(verification: Verification) -> dict[str, str]:
    return {finding.law: finding.message for finding in verification.findings}


async def leave_adjusted_run(root: Path) -> Path:
    """Held across a split with a resting order, then a dividend, interest, part of it sold, and funding.

    The order executes at the open of the bar in which the dividend is booked, and is known only at that bar's end: the
    dividend is of 15 units, not of 22.
    """
    bars = [bar(1, 100), bar(2, 100), bar(3, 104), bar(4, 52, open=52), bar(5, 53), bar(6, 53)]
    orders: dict[int, MakeOrder] = {
        1: lambda: tc.Order.market(ID, 10),
        3: lambda: tc.Order.limit(ID, 5, 90),
        5: lambda: tc.Order.market(ID, -12),
    }
    adjustments = [adjust("SPLIT", 3.5, "1.5"), adjust("DIVIDEND", 4.5, "0.5"), adjust("INTEREST", 4.6, "0.001")]
    return await leave_run(root, bars, orders, [*adjustments, adjust("FUNDING", 5.5, "0.001")])


async def test_a_run_with_adjustments_is_sound(tmp_path: Path) -> None:
    found = verify_run(await leave_adjusted_run(tmp_path))
    assert list_broken(found) == {}
    assert found.left_out == ()


@pytest.mark.parametrize("quantity", [-5, 7])
async def test_a_run_that_borrows_is_sound(tmp_path: Path, quantity: int) -> None:
    bars = [bar(1, 100), bar(2, 100), bar(2_000, 80), bar(2_001, 80), bar(2_002, 80)]
    orders: dict[int, MakeOrder] = {1: lambda: tc.Order.market(ID, quantity), 4: lambda: tc.Order.market(ID, -quantity)}
    found = verify_run(await leave_run(tmp_path, bars, orders, borrow_rate=Decimal("0.05")))
    assert list_broken(found) == {}


async def test_a_run_whose_margin_broke_is_sound_whatever_the_latency(tmp_path: Path) -> None:
    """The closing order is the broker's own: it waits for no latency, and is counted."""
    bars = [bar(1, 100), bar(2, 100), bar(3, 100), bar(4, 80, open=100, low=60), bar(5, 80)]
    orders: dict[int, MakeOrder] = {1: lambda: tc.Order.market(ID, 20), 3: lambda: tc.Order.limit(ID, -5, 150)}
    latency = tc.Latency(submit=tc.ConstantDelay(ms=50), report=tc.ConstantDelay(ms=20))
    folder = await leave_run(tmp_path, bars, orders, latency=latency)
    found = verify_run(folder)
    assert list_broken(found) == {}
    facts = json.loads((folder / "run.json").read_text())
    assert facts["counts"]["orders"] == 3
    assert '"role":"MARGIN"' in (folder / "orders.jsonl").read_text()


async def test_a_dividend_that_was_changed_breaks_the_cash(tmp_path: Path) -> None:
    folder = await leave_adjusted_run(tmp_path)
    path = folder / "events.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    (dividend,) = (record for record in records if record["adjustment"] == "DIVIDEND")
    assert Decimal(dividend["amount"]) == Decimal("7.5")  # 15 units of 0.5
    dividend["amount"] = "7.6"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    broken = list_broken(verify_run(folder))
    assert {"B2", "B6", "F2"} <= set(broken)
    assert "accounts.sim.cash" in broken["B2"]


async def test_a_split_that_is_missing_breaks_the_position(tmp_path: Path) -> None:
    folder = await leave_adjusted_run(tmp_path)
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "SPLIT" not in line))
    broken = list_broken(verify_run(folder))
    assert "B1" in broken
    assert "holds 10.0" in broken["B1"]  # 15, and 7 of the order that was for 5, less 12


# ------------------------------------------------------------------------------------------------ groups across a split

both = pytest.mark.parametrize("contingency", ["client", "venue"])
late = pytest.mark.parametrize("ms", [0, 20_000])


async def leave_split_groups(root: Path, contingency: str, ratio: str, ms: float = 0) -> Path:
    """Two brackets of 10 across a split, one whole, one partly executed, and an OUO pair of which 2 went before.

    Bars are of 40 units, of which a tenth executes an order: 4 a bar.
    """
    after = 100 / float(ratio)
    bars = [bar(1, 100, volume=40)]
    bars += [bar(minute, 100, high=100.2, low=99.8, volume=40) for minute in (2, 3, 4, 5)]
    bars += [bar(minute, after, open=after, high=after * 1.002, low=after * 0.998, volume=60) for minute in (6, 7)]
    bars += [bar(8, after * 1.006, open=after, volume=60), bar(9, after, open=after * 1.006, volume=60)]
    bars += [bar(minute, after * 0.97, open=after, volume=400) for minute in (10, 11, 12)]
    prices: dict[str, Any] = {"profit_price": "100.5", "stop_price": "99"}
    orders: dict[int, MakeOrder] = {
        1: lambda: tc.Order.bracket(ID, 10, price="99.9", **prices),
        3: lambda: tc.OrderGroup.ouo([tc.Order.limit(ID, -10, "100.1"), tc.Order.stop(ID, -10, "98.5")]),
        4: lambda: tc.Order.bracket(ID, 10, price="99.9", **prices),
    }
    law = tc.ConstantDelay(ms=ms)
    latency = tc.Latency(submit=law, cancel=law, update=law, report=law)
    return await leave_run(
        root, bars, orders, [adjust("SPLIT", 5.2, ratio)], contingency=contingency, latency=latency,
        participation=Decimal("0.1"), initial_margin=Decimal("0.1"),
    )  # fmt: skip


@both
@late
@pytest.mark.parametrize("ratio", ["2", "1.5", "0.25"])
async def test_a_run_whose_groups_went_through_a_split_is_sound(
    tmp_path: Path, contingency: str, ratio: str, ms: float
) -> None:
    folder = await leave_split_groups(tmp_path, contingency, ratio, ms)
    found = verify_run(folder)
    assert list_broken(found) == {}
    checked = {row.law: row.checked for row in found.rows}
    assert min(checked["C2"], checked["C3"]) > 0
    lines = [json.loads(line) for line in (folder / "orders.jsonl").read_text().splitlines()]
    split_ns = int(5.2 * MINUTE_NS)
    converted = {line["order_id"] for line in lines if line["ts_event"] == split_ns and line.get("updated")}
    assert len(converted) >= 4
    exits = [line for line in lines if line["terms"].get("parent_id") and line["filled_quantity"] != "0"]
    assert any(line["ts_event"] > split_ns for line in exits)


@both
async def test_a_split_of_groups_that_is_missing_is_found(tmp_path: Path, contingency: str) -> None:
    """4 of an entry, exits of 8 after 2:1: without the split they would open a position of -4."""
    folder = await leave_split_groups(tmp_path, contingency, "2")
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "groups_split" not in line))
    assert list_broken(verify_run(folder)).keys() & {"C2", "C3", "C4"}


@both
async def test_exits_that_grow_behind_a_split_are_found(tmp_path: Path, contingency: str) -> None:
    """Every child that a split converted is made larger by one increment: more than its parent executed."""
    folder = await leave_split_groups(tmp_path, contingency, "2")
    path, split_ns = folder / "orders.jsonl", int(5.2 * MINUTE_NS)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    grown = [line for line in lines if line["terms"].get("role") == "STOP" and line["ts_event"] == split_ns]
    assert grown
    for line in grown:
        line["quantity"] = str(Decimal(line["quantity"]) + 1)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list_broken(verify_run(folder)).keys() & {"C3", "C4"}

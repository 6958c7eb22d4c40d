"""What the tests of verification share: real runs of several kinds, made once, and copies that can be damaged."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.brokerage.settings import (
    BasisPointSlippage,
    FixedCommission,
    Latency,
    PerUnitCommission,
    RateCommission,
    TickSlippage,
)
from tradecore.domain.delay_law import ConstantDelay, LognormalDelay, NormalDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import TimeInForce
from tradecore.testing.builders import make_bar, make_instrument, make_ns, make_quote_tick, make_trade_tick
from tradecore.verification.run_verification import Verification, verify_run

ID = "TEST.SIM"
EVENTS = 250
TIMES_IN_FORCE = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
LATENCIES = {
    "none": Latency(),
    "constant": Latency(ConstantDelay(1_500.0), ConstantDelay(700.0), ConstantDelay(700.0), ConstantDelay(900.0)),
    "random": Latency(
        LognormalDelay(2_000.0, 1.0),
        NormalDelay(800.0, 500.0, 100.0, 3_000.0),
        LognormalDelay(500.0, 0.5),
        NormalDelay(3_000.0, 1_000.0, 1_000.0),
    ),
}
COMMISSIONS: dict[str, Any] = {
    "none": RateCommission(Decimal("-0.0001"), Decimal("0.0005")),
    "constant": PerUnitCommission(Decimal("0.0035"), Decimal(1)),
    "random": FixedCommission(Decimal("0.7")),
}


class Churn(tc.Strategy):
    """Orders of every kind, cancels and updates, drawn from a seed; at one broker or in turn at several.

    has_groups: brackets, OCO and OUO as well.
    """

    def __init__(self, kind: str, seed: int, brokers: tuple[str, ...], *, has_groups: bool = False) -> None:
        self.kind, self.random, self.brokers, self.has_groups = kind, random.Random(seed), brokers, has_groups

    def on_start(self) -> None:
        if self.kind == "bars":
            self.subscribe_to_bars(f"{ID} 1m last")
        elif self.kind == "pair":
            self.subscribe_to_bars(f"{ID} 1m bid")
            self.subscribe_to_bars(f"{ID} 1m ask")
        elif self.kind == "quotes":
            self.subscribe_to_quotes(ID)
        else:
            self.subscribe_to_trades(ID)

    def on_bar(self, bar: tc.Bar) -> None:
        self.act(bar.close)

    def on_quote_tick(self, quote: tc.QuoteTick) -> None:
        self.act(quote.bid_price)

    def on_trade_tick(self, trade: tc.TradeTick) -> None:
        self.act(trade.price)

    def on_execution(self, execution: tc.Execution) -> None:
        """In the trace only."""

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        """In the trace only."""

    def act(self, met: float) -> None:
        draw = self.random
        quantity = draw.choice((-3, -2, -1, 1, 2, 3)) * draw.choice((1, 1, 10))
        price = round(met + draw.randint(-5, 5) * 0.5, 2)
        beyond = round(price + (1 if quantity > 0 else -1), 2)
        broker, kind = draw.choice(self.brokers), draw.random()
        if kind < 0.15:
            self.submit_order(tc.Order.market(ID, quantity), broker)
        elif kind < 0.4:
            force = draw.choice(TIMES_IN_FORCE)
            self.submit_order(tc.Order.limit(ID, quantity, price, time_in_force=force), broker)
        elif kind < 0.5:
            self.submit_order(tc.Order.stop(ID, quantity, price), broker)
        elif kind < 0.6:
            self.submit_order(tc.Order.stop_limit(ID, quantity, price, beyond), broker)
        elif kind < 0.75 and self.orders():
            self.cancel_order(draw.choice(self.orders()))
        elif kind < 0.85:
            limits = [order for order in self.orders() if order.price is not None]
            if limits:
                order = draw.choice(limits)
                more = 0 if self.has_groups else draw.randint(0, 2)  # exits may not be larger than their entry
                self.update_order(order, price=price, quantity=order.quantity + more)
        elif self.has_groups:
            self.submit_group(self.make_group(met, quantity), broker)

    def make_group(self, met: float, quantity: int) -> tc.OrderGroup:
        draw, sign = self.random, 1 if quantity > 0 else -1
        near, far = (round(met + sign * step, 2) for step in (draw.choice((0.3, 1.0)), -draw.choice((0.3, 1.0))))
        kind = draw.random()
        if kind < 0.6:
            return tc.Order.bracket(ID, quantity, profit_price=near, stop_price=far)
        legs = [tc.Order.limit(ID, quantity, far), tc.Order.stop(ID, quantity, near)]
        return tc.OrderGroup.oco(legs) if kind < 0.8 else tc.OrderGroup.ouo(legs)


def make_events(kind: str, count: int) -> list[Any]:
    """A random walk as bars, pairs of bars, quotes or trades, with sizes that often are not enough, or absent."""
    draw, met, events = random.Random(3), 100.0, list[Any]()
    for number in range(count):
        opened, met = met, round(met + draw.gauss(0, 0.5), 2)
        high = round(max(opened, met) + abs(draw.gauss(0, 0.3)), 2)
        low = round(min(opened, met) - abs(draw.gauss(0, 0.3)), 2)
        volume, at = draw.choice((None, 50.0, 200.0, 1_000.0)), make_ns("2024-01-01T00:00") + (number + 1) * MINUTE_NS
        tick_at = at - draw.randint(0, 50) * SECOND_NS
        if kind == "quotes":
            sizes: dict[str, Any] = {"bid_size": draw.choice((None, 2.0, 5.0)), "ask_size": draw.choice((5.0, 3.0))}
            events.append(make_quote_tick(tick_at, met, met + 0.02, **sizes))
        elif kind == "trades":
            events.append(make_trade_tick(tick_at, met, draw.choice((10.0, 100.0, None))))
        for side, shift in {"bars": {"last": 0.0}, "pair": {"bid": 0.0, "ask": 0.02}}.get(kind, {}).items():
            prices: dict[str, Any] = {"open": opened + shift, "high": high + shift, "low": low + shift}
            events.append(make_bar(at, met + shift, **prices, volume=volume, bar_type=f"{ID} 1m {side}"))
    return events


async def run_churn(
    folder: Path, kind: str, latency: str, account: Any, brokers: tuple[str, ...], has_groups: bool
) -> Path:
    is_constant = latency == "constant"
    settings = tc.SimulatedBrokerSettings(
        account=account,
        cash={"USD": Decimal(20_000)},
        latency=LATENCIES[latency],
        commission=COMMISSIONS[latency],
        slippage=TickSlippage(Decimal(2)) if is_constant else BasisPointSlippage(Decimal(3)),
        bar_path="ohlc" if is_constant else "worst",
        self_trade="reject",
        spread={ID: Decimal("0.05")} if kind == "trades" else {},
    )
    async with tc.open_storage("memory:") as storage:
        await storage.append(make_events(kind, EVENTS))
        result = await tc.run_backtest(
            strategies={
                "one": Churn(kind, 1, brokers[:1], has_groups=has_groups),
                "two": Churn(kind, 2, brokers, has_groups=has_groups),
            },
            brokers=dict.fromkeys(brokers, settings),
            storage=storage,
            instruments=[make_instrument(multiplier=2)],
            runs_dir=folder,
            name=f"{kind}-{latency}-{account}",
            trace=True,
        )
    assert result.run_folder is not None
    assert result.counts["executions"] > EVENTS // 2
    return result.run_folder


class Copy:
    """A run folder that may be damaged. Files by their first word: "orders" is orders.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # ---------------------------------------------------------------------------------------------------- looking

    def read(self, word: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(word)]

    def lines(self, word: str) -> list[str]:
        return (self.path / f"{word}.jsonl").read_text().splitlines(keepends=True)

    def find(self, word: str, number: int = 0, **wanted: Any) -> int:
        """Line, from 1, of a record with these values; the number-th of them."""
        found = [n for n, one in enumerate(self.read(word), 1) if wanted.items() <= one.items()]
        assert len(found) > number, f"the run has no {wanted} in {word}"
        return found[number]

    def find_order(self, *states: str, **wanted: Any) -> list[int]:
        """Lines of the first order that goes through just these states."""
        lives: dict[str, list[int]] = {}
        records = self.read("orders")
        for number, record in enumerate(records, 1):
            lives.setdefault(record["order_id"], []).append(number)
        for numbers in lives.values():
            met = tuple(records[number - 1]["state"] for number in numbers)
            if met == states and wanted.items() <= records[numbers[0] - 1].items():
                return numbers
        raise AssertionError(f"the run has no order that goes {states}")

    # --------------------------------------------------------------------------------------------------- damaging

    def edit(self, word: str, number: int, **changes: Any) -> None:
        """Change fields of a line; a callable value makes the new one of the old one."""
        lines = self.lines(word)
        record = json.loads(lines[number - 1])
        for name, value in changes.items():
            record[name] = value(record[name]) if callable(value) else value
        lines[number - 1] = json.dumps(record, separators=(",", ":")) + "\n"
        self.write(word, lines)

    def insert(self, word: str, number: int, record: dict[str, Any]) -> None:
        lines = self.lines(word)
        lines.insert(number - 1, json.dumps(record, separators=(",", ":")) + "\n")
        self.write(word, lines)

    def delete(self, word: str, *numbers: int) -> None:
        self.write(word, [line for n, line in enumerate(self.lines(word), 1) if n not in numbers])

    def swap(self, word: str, one: int, other: int) -> None:
        lines = self.lines(word)
        lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
        self.write(word, lines)

    def write(self, word: str, lines: list[str]) -> None:
        (self.path / f"{word}.jsonl").write_text("".join(lines))

    def statistics(self, *keys: str) -> Any:
        place = json.loads((self.path / "statistics.json").read_text())
        for key in keys:
            place = place[key]
        return place

    def edit_json(self, name: str, *keys: str | int, value: Any) -> None:
        """Change one value of run.json or statistics.json; a callable makes the new one of the old one."""
        path = self.path / name
        content = json.loads(path.read_text())
        place: Any = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value(place[keys[-1]]) if callable(value) else value
        path.write_text(json.dumps(content, indent=2) + "\n")

    def stamp(self) -> None:
        """Note the files as they are now, as who covers his tracks would do: the laws must catch it all the same."""
        path = self.path / "run.json"
        facts = json.loads(path.read_text())
        for name in facts["files"]:
            content = (self.path / name).read_bytes()
            digest, word = sha256(content).hexdigest(), name.partition(".")[0]
            facts["files"][name].update(lines=content.count(b"\n"), bytes=len(content), sha256=digest)
            if word in facts["digests"]:
                facts["digests"][word] = digest
        named = sorted((name, digest) for name, digest in facts["digests"].items() if name != "run")
        text = "".join(f"{name} {digest}\n" for name, digest in named)
        facts["digests"]["run"] = sha256(text.encode()).hexdigest()
        fingerprints = facts.get("fingerprints", {})  # a run that a test wrote down has none
        for name, told in (("config", facts["config"]), ("data", fingerprints.get("series"))):
            if name in fingerprints:
                text = json.dumps(told, sort_keys=True, ensure_ascii=False)
                fingerprints[name] = sha256(text.encode()).hexdigest()
        facts["counts"]["executions"] = facts["files"]["executions.jsonl"]["lines"]
        path.write_text(json.dumps(facts, indent=2) + "\n")

    def verify(self) -> Verification:
        return verify_run(self.path)


KINDS = {
    "bars": ("bars", "none", "margin", ("sim",)),
    "bars, delayed, cash": ("bars", "constant", "cash", ("sim",)),
    "pairs of bars": ("pair", "random", "margin", ("sim",)),
    "quotes, delayed, two brokers": ("quotes", "constant", "margin", ("sim", "other")),
    "quotes, cash": ("quotes", "none", "cash", ("sim",)),
    "trades, random delays": ("trades", "random", "cash", ("sim", "other")),
    "quotes, groups": ("quotes", "constant", "margin", ("sim",)),
    "bars, groups": ("bars", "none", "margin", ("sim",)),
}


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a run of a kind, made when first asked for. Not to be changed: `copy_of` is."""
    made: dict[str, Path] = {}

    def run(kind: str) -> Path:
        if kind not in made:
            made[kind] = asyncio.run(run_churn(tmp_path_factory.mktemp("runs"), *KINDS[kind], "groups" in kind))
        return made[kind]

    return run


@pytest.fixture(scope="session")
def kinds() -> list[str]:
    """Names that `run_of` knows."""
    return list(KINDS)


@pytest.fixture
def copy_of(run_of: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Copy]:
    """A copy of a run of a kind."""

    def copy(kind: str) -> Copy:
        return Copy(shutil.copytree(run_of(kind), tmp_path / "run"))

    return copy


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Copy]:
    """Writes a run folder by hand: orders and executions as records, latency and mode of groups of broker `sim`."""

    def write(orders: list[dict[str, Any]], executions: list[dict[str, Any]], **broker: Any) -> Copy:
        path = tmp_path / "written"
        path.mkdir()
        grid = {"price_increment": "0.01", "quantity_increment": "1", "currency": "USD", "multiplier": "1"}
        facts = {
            "format": 1, "run_id": "written", "status": "complete", "ended_at": "1970-01-01T00:01:00Z",
            "match_sources": {f"sim {ID}": f"quote {ID}"}, "instruments": {ID: grid},
            "counts": {"orders": len(orders), "executions": len(executions)},
            "config": {
                "run": {"start": "1970-01-01T00:00:00Z"}, "strategies": [{"name": "one", "broker": "sim"}],
                "brokers": {"sim": {"account": "margin", "cash": {"USD": "1000"}, **broker}},
            },
            "digests": {"orders": "", "executions": "", "run": ""},
            "files": {"orders.jsonl": {"is_whole": True}, "executions.jsonl": {"is_whole": True}},
        }  # fmt: skip
        (path / "run.json").write_text(json.dumps(facts))
        (path / "statistics.json").write_text("{}")
        copy = Copy(path)
        for word, records in (("orders", orders), ("executions", executions)):
            copy.write(word, [json.dumps(record) + "\n" for record in records])
        copy.stamp()
        return copy

    return write


@pytest.fixture
def make_order() -> Callable[..., dict[str, Any]]:
    """A line of orders.jsonl: number of the order, state, seconds; terms and whatever else by name."""

    def make(number: int, state: str, at: float = 1, filled: int = 0, **fields: Any) -> dict[str, Any]:
        record = {
            "order_id": f"one-{number}", "strategy": "one", "broker": "sim", "instrument": ID, "side": "BUY",
            "order_type": "MARKET", "quantity": "10", "price": None, "stop_price": None, "time_in_force": "GTC",
            "state": state, "filled_quantity": str(filled), "average_price": "100" if filled else None,
            "reason": "as asked" if state in ("REJECTED", "CANCELLED") else None, "ts_decided": 1 * SECOND_NS,
            "ts_event": int(at * SECOND_NS),
        }  # fmt: skip
        if fields.get("price") is not None:
            record["order_type"] = "LIMIT"
        return {**record, **fields}

    return make


@pytest.fixture
def make_execution() -> Callable[..., dict[str, Any]]:
    """A line of executions.jsonl at 100: number of the order, of the execution, quantity, seconds."""

    def make(number: int, counter: int, quantity: int, at: float = 1, **fields: Any) -> dict[str, Any]:
        return {
            "execution_id": f"one-{number}.{counter}", "order_id": f"one-{number}", "strategy": "one", "broker": "sim",
            "source": "SIMULATED", "instrument": ID, "side": "BUY", "quantity": str(quantity), "price": "100",
            "commission": "0", "commission_currency": "USD", "liquidity": "TAKER", "matched_on": "quote",
            "ts_event": int(at * SECOND_NS), "slippage": "0", **fields,
        }  # fmt: skip

    return make

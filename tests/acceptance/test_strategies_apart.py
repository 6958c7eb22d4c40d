"""Strategies in one engine: ledgers of their own, one account; what happens to the others when one raises."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import tradecore as tc
from tradecore.brokerage.settings import RateCommission
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import StrategyError
from tradecore.journal.run_reading import load_run
from tradecore.testing.builders import make_bars, make_instrument

CLOSES = [100.0, 101.0, 103.0, 102.0, 99.0, 98.0, 100.0, 104.0]


def broker(**settings: Any) -> dict[str, Any]:
    return {"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(10_000)}, **settings)}


class OnBars(tc.Strategy):
    """Listens to its own copy of the bars, without volume: nothing that one of them takes is missing to another."""

    def __init__(self, amount: int = 1) -> None:
        self.amount, self.count = amount, 0

    def on_start(self) -> None:
        self.subscribe_to_bars("TEST.SIM 1m last", key="bars")

    def on_bar(self, bar: tc.Bar) -> None:
        self.count += 1
        self.act(bar)

    def act(self, bar: tc.Bar) -> None:
        raise NotImplementedError


class Flips(OnBars):
    """Turns its position around at every third bar; notes what it can see of itself and of the account."""

    def __init__(self, amount: int = 1) -> None:
        super().__init__(amount)
        self.seen: list[tuple[Decimal, Decimal]] = []

    def act(self, bar: tc.Bar) -> None:
        held = self.position(bar.instrument).quantity
        self.seen.append((held, self.account().cash["USD"]))
        if self.count % 3 == 1:
            self.submit_order(tc.Order.market(bar.instrument, -2 * held or self.amount))


class Raises(OnBars):
    """Leaves two limits far away, then raises at its fourth bar, or in the middle of the bar that follows it."""

    def __init__(self, *, in_mid_bar: bool = False) -> None:
        super().__init__()
        self.in_mid_bar = in_mid_bar
        self.errors: list[Exception] = []
        self.heard_after: list[Any] = []

    def act(self, bar: tc.Bar) -> None:
        if self.errors:
            self.heard_after.append(bar)
        if self.count == 1:
            self.submit_order(tc.Order.limit(bar.instrument, 1, 50))
            self.submit_order(tc.Order.limit(bar.instrument, -1, 200))
        if self.count == 4 and self.in_mid_bar:
            self.add_timer("late", bar.ts_event + 20 * SECOND_NS)
        elif self.count == 4:
            raise RuntimeError("the fourth bar")

    def on_time_event(self, event: Any) -> None:
        raise RuntimeError("in the middle of a bar")

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)


async def run(folder: Path, strategies: dict[str, tc.Strategy], **settings: Any) -> tc.RunResult:
    async with tc.open_storage("memory:") as storage:
        await storage.append(make_bars(CLOSES, volume=None))
        return await tc.run_backtest(
            strategies=strategies,
            storage=storage,
            instruments=[make_instrument()],
            runs_dir=folder,
            **{"brokers": broker(commission=RateCommission(taker=Decimal("0.001"))), **settings},
        )


def executions_of(folder: Path, strategy: str) -> list[tuple[Any, ...]]:
    return [
        (e.ts_event, e.side, e.quantity, e.price, e.commission)
        for e in load_run(folder).iterate_executions()
        if e.strategy == strategy
    ]


async def test_each_strategy_does_what_it_does_alone_and_the_account_is_the_sum(tmp_path: Path) -> None:
    alone = {name: await run(tmp_path, {name: Flips(amount)}) for name, amount in (("small", 1), ("large", 5))}
    strategies = {"small": Flips(1), "large": Flips(5)}
    both = await run(tmp_path, dict(strategies))
    assert both.run_folder is not None
    for name, result in alone.items():
        assert result.run_folder is not None
        assert executions_of(both.run_folder, name) == executions_of(result.run_folder, name) != []
        # No money of its own was lost to the other: the profit of each is what it was alone.
        assert both.strategies[name].net_profit == result.statistics.net_profit
    assert both.statistics.net_profit == sum((r.statistics.net_profit for r in alone.values()), Decimal(0))
    assert both.statistics.initial_capital == 10_000  # one account, counted once
    # Before bar 3 both are long: bought at the open of bar 2, which is the close of bar 1, 100. Cash by hand:
    # 10,000 - 1 x 100 x 1.001 - 5 x 100 x 1.001 = 9,399.4
    assert strategies["small"].seen[2] == (Decimal(1), Decimal("9399.4"))
    assert strategies["large"].seen[2] == (Decimal(5), Decimal("9399.4"))


@pytest.mark.parametrize("in_mid_bar", [False, True])
@pytest.mark.parametrize("on_error", ["halt", "isolate"])
async def test_a_strategy_that_raises_has_its_working_orders_cancelled(
    tmp_path: Path, on_error: str, in_mid_bar: bool
) -> None:
    """In the middle of a bar as well, where a cancel has to wait until the bar is known, or the run is over."""
    bad, good = Raises(in_mid_bar=in_mid_bar), Flips()
    if on_error == "halt":
        with pytest.raises(StrategyError, match="RuntimeError") as caught:
            await run(tmp_path, {"bad": bad, "good": good}, on_error=on_error)
        folder = caught.value.run_folder
        assert good.count == (4 if in_mid_bar else 3)  # in order of name, the fourth bar came to the bad one first
    else:
        result = await run(tmp_path, {"bad": bad, "good": good}, on_error=on_error)
        folder = result.run_folder
        assert result.status == "complete"
        assert [failure.partition(" raised in ")[0] for failure in result.failures] == ["strategy 'bad'"]
        assert good.count == len(CLOSES)
    assert folder is not None
    last = {record.order_id: record.state.value for record in load_run(folder).iterate_orders()}
    assert (last["bad-1"], last["bad-2"]) == ("CANCELLED", "CANCELLED")
    assert [str(error) for error in bad.errors] == ["in the middle of a bar" if in_mid_bar else "the fourth bar"]
    assert bad.heard_after == []
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["strategy"] for event in events if event["kind"] == "strategy_raised"] == ["bad"]


CLI_STRATEGY = """\
import tradecore as tc


class Mine(tc.Strategy):
    def on_start(self):
        self.subscribe_to_bars("IBM.NYSE 1d last", key="bars", history=9)

    def on_bar(self, bar):
        if len(self.events["bars"]) == 1:
            self.submit_order(tc.Order.limit(bar.instrument, 10, 1))
        if len(self.events["bars"]) == 5:
            raise ArithmeticError("on line twelve")

    def on_error(self, error):
        print("told:", error)
"""
CLI_CONFIG = """\
[run]
name = "raises"
start = 2000-03-01T00:00:00Z
end = 2000-06-01T00:00:00Z
[data]
bundled = ["IBM"]
[storage]
url = "memory:"
[[instruments]]
id = "IBM.NYSE"
price_increment = 0.01
quantity_increment = 1
currency = "USD"
[[strategies]]
path = "mine:Mine"
[brokers.sim]
type = "simulated"
account = "margin"
cash = { USD = 100000 }
"""


def test_through_the_command_line_it_is_exit_1_a_traceback_at_its_line_and_cancelled_orders(
    run_tradecore: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(CLI_STRATEGY)
    (tmp_path / "config.toml").write_text(CLI_CONFIG)
    done = run_tradecore("run", "config.toml")
    assert done.returncode == 1
    assert "told: on line twelve" in done.stdout
    assert 'mine.py", line 12, in on_bar' in done.stderr
    assert "ArithmeticError: on line twelve" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    run = load_run(folder, verify=True)
    assert run.status == "failed"
    assert run.problems == []
    assert [record.state.value for record in run.iterate_orders()] == ["ACCEPTED", "CANCELLED"]

"""What the random runs have found: commands and executions that meet at one instant. Each is worked by hand here."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import tradecore as tc
from tradecore.brokerage.settings import Latency
from tradecore.domain.delay_law import ConstantDelay
from tradecore.testing.builders import make_bar, make_bars, make_instrument, make_quote_tick

MARGIN = {"account": "margin", "cash": {"USD": Decimal(10_000)}}


async def run(folder: Path, strategy: tc.Strategy, **settings: Any) -> list[dict[str, Any]]:
    result = await tc.run_backtest(
        strategies=strategy,
        brokers={"sim": tc.SimulatedBrokerSettings(**MARGIN, **settings)},  # type: ignore[arg-type]
        instruments=[make_instrument()],
        runs_dir=folder,
    )
    assert result.run_folder is not None
    return [json.loads(line) for line in (result.run_folder / "executions.jsonl").read_text().splitlines()]


class ChangesFinished(tc.Strategy):
    """Two limits execute on one quote; the report of the first makes it change the second, and cancel it as well."""

    def __init__(self) -> None:
        self.limits: list[tc.Order] = []

    def on_start(self) -> None:
        quotes = [
            make_quote_tick("2024-01-01T00:00:01", 99.99, 100.01),
            make_quote_tick("2024-01-01T00:00:02", 99.9, 99.95),
        ]
        self.add_event_feed(tc.feed(quotes, name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        if not self.limits:
            self.limits = [self.submit_order(tc.Order.limit(tick.instrument, 1, price)) for price in ("99.97", "99.96")]

    def on_execution(self, execution: tc.Execution) -> None:
        second = self.limits[1]
        if execution.order_id == self.limits[0].order_id:
            self.update_order(second, price="99.98")
            self.cancel_order(second)


async def test_a_command_for_an_order_that_finished_in_the_same_turn_is_dropped(tmp_path: Path) -> None:
    """As far as reported it was open when the command was given: a strategy must not end for that."""
    executions = await run(tmp_path, ChangesFinished())
    assert [(e["order_id"][-1], e["price"]) for e in executions] == [("1", "99.97"), ("2", "99.96")]


class StopAndLateMarket(tc.Strategy):
    """A stop rests; a market order becomes effective two seconds after a bar has begun beyond the stop."""

    def on_start(self) -> None:
        # Bars end at 00:01, 00:02, 00:03; the one that begins at 00:02 opens at 102, beyond the stop at 101.
        bars = make_bars([100.0, 100.0], start="2024-01-01T00:00")
        bars.append(make_bar("2024-01-01T00:03", 102.0, open=102.0))
        self.add_event_feed(tc.feed(bars, name="bars"), "bars", history=5)

    def on_bar(self, bar: tc.Bar) -> None:
        count = len(self.events["bars"])
        if count == 1:
            self.submit_order(tc.Order.stop(bar.instrument, 1, 101))
        if count == 2:
            self.submit_order(tc.Order.market(bar.instrument, 1))


async def test_at_a_bars_open_a_stop_comes_before_a_market_order_that_is_two_seconds_late(tmp_path: Path) -> None:
    """The grace gives the late one the open's price, not a place in time before those who were there."""
    executions = await run(tmp_path, StopAndLateMarket(), latency=Latency(submit=ConstantDelay(ms=2_000)))
    minute_2 = 1_704_067_320 * 1_000_000_000  # 2024-01-01T00:02:00Z
    # The market order is due 2 s after the bar's start, within 5 % of a minute: the open, stamped when it was due.
    assert [(e["order_id"][-1], e["price"], e["ts_event"] - minute_2) for e in executions] == [
        ("1", "102.0", 0),
        ("2", "102.0", 2_000_000_000),
    ]

"""An async test suite of a strategy, to start from: every test makes a market by hand and says what must come of it.

Copy it, put your strategy in the place of SmaCross, and keep the shape: `make_bars` for the market, one run, one claim.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

import tradecore as tc
from tradecore.brokerage.settings import RateCommission
from tradecore.errors import DataMissing
from tradecore.examples.sma_cross import SmaCross
from tradecore.testing.builders import make_bar, make_bars, make_instrument
from tradecore.testing.scripted_feed import Pause, ScriptedFeed

SERIES = "TEST.SIM 1m last"

# With fast = 1 and slow = 3 the cross is easy to see: the last close against the average of the last three.
RISING = [100.0, 100.0, 103.0]  # average 101: long at the third bar
FALLING = [102.0, 98.0, 96.0]  # averages 101.7, 101, 98.7: short at the first of these, and stays so


class Watched(SmaCross):
    """The strategy under test, with a diary: callbacks can be overridden without touching what it does."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(SERIES, **{"fast": 1, "slow": 3, "quantity": Decimal(2), **settings})
        self.executions: list[tuple[str, Decimal, Decimal]] = []
        self.changes: list[str] = []

    def on_execution(self, execution: tc.Execution) -> None:
        self.executions.append((execution.side.value, execution.quantity, execution.price))

    def on_position_changed(self, change: tc.PositionChanged) -> None:
        self.changes.append(type(change).__name__)


async def run(strategy: tc.Strategy, closes: list[float], **broker: Any) -> tc.RunResult:
    """One run over bars of these closes, each opening where the one before it closed, in a store in memory."""
    settings = {"account": "margin", "cash": {"USD": Decimal(1_000)}, "participation": Decimal(1), **broker}
    async with tc.open_storage("memory:") as storage:
        await storage.append(make_bars(closes))
        return await tc.run_backtest(
            strategies=strategy,
            brokers={"sim": tc.SimulatedBrokerSettings(**settings)},
            storage=storage,
            instruments=[make_instrument("TEST.SIM")],
        )


async def test_nothing_is_ordered_before_the_slow_average_is_ready() -> None:
    """Two bars are no average of three."""
    strategy = Watched()
    result = await run(strategy, [100.0, 105.0])
    assert result.counts == {"events": 2, "orders": 0, "executions": 0}
    assert strategy.executions == []


async def test_a_fast_average_above_the_slow_one_buys_at_the_next_open() -> None:
    strategy = Watched()
    await run(strategy, [*RISING, 104.0])
    # Decided at the close of the third bar, 103; the fourth one opens there.
    assert strategy.executions == [("BUY", Decimal(2), Decimal("103.0"))]
    assert strategy.changes == ["PositionOpened"]


async def test_the_turn_of_the_cross_turns_the_position_around_in_one_order() -> None:
    strategy = Watched()
    result = await run(strategy, [*RISING, *FALLING])
    # Long at 103. At 102 it is above the average of (100, 103, 102) = 101.67 still; at 98 it is below (101): sell 4.
    assert strategy.executions == [("BUY", Decimal(2), Decimal("103.0")), ("SELL", Decimal(4), Decimal("98.0"))]
    assert strategy.changes == ["PositionOpened", "PositionClosed", "PositionOpened"]
    # Lost 2 x 5; then short two from 98, which stands at 96: won 2 x 2, not closed yet.
    assert result.statistics.realised_profit == -10
    assert result.statistics.open_profit == 4
    assert result.statistics.filter(direction="long").net_profit == -10


async def test_commission_is_paid_on_every_execution() -> None:
    result = await run(Watched(), [*RISING, *FALLING], commission=RateCommission(taker=Decimal("0.001")))
    # 2 x 103 + 4 x 98 = 598 executed, at a thousandth.
    assert result.statistics.commission == Decimal("0.598")


async def test_while_the_cross_stays_nothing_more_is_ordered() -> None:
    strategy = Watched()
    result = await run(strategy, [100.0 + n for n in range(30)])
    assert result.counts["orders"] == 1


@pytest.mark.parametrize("fast", [1, 2])
async def test_any_lengths_will_do(fast: int) -> None:
    strategy = Watched(fast=fast, slow=5, quantity=Decimal(1))
    await run(strategy, [100.0, 100.0, 100.0, 100.0, 105.0, 106.0])
    assert strategy.executions == [("BUY", Decimal(1), Decimal("105.0"))]


async def test_what_a_cash_account_cannot_do_is_refused_with_a_reason_and_the_run_goes_on() -> None:
    """A cash account sells nothing that it does not hold."""

    class Refused(Watched):
        reasons: list[str | None]

        def on_order_updated(self, update: tc.OrderUpdated) -> None:
            if update.order.state is tc.OrderState.REJECTED:
                self.reasons.append(update.order.reason)

    strategy = Refused()
    strategy.reasons = []
    result = await run(strategy, [100.0, 100.0, 97.0, 96.0], account="cash")
    assert result.status == "complete"
    assert result.counts["executions"] == 0
    assert strategy.reasons != []
    assert all(strategy.reasons)


async def test_a_feed_that_keeps_the_strategy_waiting_gives_the_same_executions() -> None:
    """What a network does: single events, with pauses. A ScriptedFeed plays it without any."""

    class FromFeed(Watched):
        def on_start(self) -> None:
            bars = make_bars([*RISING, *FALLING])
            script = [step for bar in bars for step in (Pause(3), bar)]
            self.add_event_feed(ScriptedFeed(script, event_types=["bar"]), key="bars")
            self.add_indicator(self.fast, key="bars")
            self.add_indicator(self.slow, key="bars")

    strategy = FromFeed()
    broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})
    await tc.run_backtest(strategies=strategy, brokers={"sim": broker}, instruments=[make_instrument("TEST.SIM")])
    assert strategy.executions == [("BUY", Decimal(2), Decimal("103.0")), ("SELL", Decimal(4), Decimal("98.0"))]


async def test_a_gap_at_the_open_is_what_one_gets() -> None:
    """A market order gets the next open, wherever that is."""
    strategy = Watched()
    bars = [*make_bars(RISING), make_bar("2024-01-01T00:04", 110.0, open=109.0)]
    async with tc.open_storage("memory:") as storage:
        await storage.append(bars)
        broker = tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})
        await tc.run_backtest(
            strategies=strategy, brokers={"sim": broker}, storage=storage, instruments=[make_instrument("TEST.SIM")]
        )
    assert strategy.executions == [("BUY", Decimal(2), Decimal("109.0"))]


async def test_bars_that_are_not_stored_are_said_before_anything_runs() -> None:
    strategy = Watched()
    strategy.bar_type = "TEST.SIM 1h last"
    with pytest.raises(DataMissing, match="bars can be made from smaller ones"):
        await run(strategy, RISING)

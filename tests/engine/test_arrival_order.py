"""A feed that goes by arrival, as recorded sessions do: DESIGN 4 (one timeline for live and recorded events)."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.brokerage.simulated_broker import SimulatedBroker
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.execution import Execution
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.trade_tick import TradeTick
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.engine.timeline import Timeline
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import FeedOutOfOrder
from tradecore.feeds.series_key import SeriesKey
from tradecore.strategy.strategy import Strategy
from tradecore.testing.builders import make_instrument, make_trade_tick
from tradecore.testing.scripted_feed import ScriptedFeed

ID = "TEST.SIM"
RunEngine = Callable[..., Awaitable[TradingEngine]]


class RecordedFeed(ScriptedFeed):
    """Trades in order of arrival."""

    by_arrival = True

    def __init__(self, script: list[Any]) -> None:
        super().__init__(script, event_types=["trade_tick"])
        self.series_key = SeriesKey.of("trade_tick", ID)


class Watcher(Strategy):
    """Writes down what it gets and when; may buy on the first trade."""

    def __init__(self, feed: Any, *, buys: bool = False) -> None:
        self.feed, self.buys = feed, buys
        self.heard: list[tuple[int, str | None]] = []
        self.executions: list[Execution] = []

    def on_start(self) -> None:
        self.add_event_feed(self.feed, key="trades")

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.heard.append((self.now_ns, tick.trade_id))
        if self.buys and len(self.heard) == 1:
            self.submit_order(Order.market(ID, 1))

    def on_execution(self, execution: Execution) -> None:
        self.executions.append(execution)


def trade(second: float, received: float, number: int, price: float = 100.0) -> TradeTick:
    return make_trade_tick(
        round(second * SECOND_NS), price, 100, received=round(received * SECOND_NS), trade_id=str(number)
    )


# Number 3 is late: it happened before 2, and arrives after it.
RECORDED = [trade(1, 1.5, 1), trade(3, 3.5, 2), trade(2, 4.0, 3, 101.0), trade(5, 5.5, 4)]


@pytest.mark.parametrize("batch_size", [1, 2, 1_024])
async def test_strategies_and_brokers_see_a_recording_in_the_order_in_which_it_came(
    run_engine: RunEngine, batch_size: int
) -> None:
    watcher = Watcher(RecordedFeed([RECORDED[:1], RECORDED[1:]]), buys=True)
    settings = SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(10_000)})
    timeline = Timeline()
    broker = SimulatedBroker("sim", settings, seed=1, timeline=timeline)
    engine = await run_engine(
        [watcher], brokers=[broker], instruments=[make_instrument()], batch_size=batch_size, timeline=timeline
    )
    assert [(ts / SECOND_NS, number) for ts, number in watcher.heard] == [
        (1.5, "1"), (3.5, "2"), (4.0, "3"), (5.5, "4"),
    ]  # fmt: skip
    # Bought at 1.5, executed by the next arrival, number 2.
    assert [(e.ts_event, str(e.price)) for e in watcher.executions] == [(round(3.5 * SECOND_NS), "100.0")]
    assert engine.timeline.now == round(5.5 * SECOND_NS)


async def test_what_is_recorded_is_not_delayed_a_second_time(run_engine: RunEngine) -> None:
    """It came with the delay that it had."""
    watcher = Watcher(RecordedFeed([RECORDED]))
    await run_engine(
        [watcher], instruments=[make_instrument()], delays=DelaySimulator({"trade_tick": ConstantDelay(ms=900)}, 1)
    )
    assert watcher.heard[0][0] == round(1.5 * SECOND_NS)


async def test_start_and_end_of_a_run_cut_a_recording_by_arrival(run_engine: RunEngine) -> None:
    watcher = Watcher(RecordedFeed([RECORDED]))
    await run_engine([watcher], start_ns=2 * SECOND_NS, end_ns=4 * SECOND_NS)
    assert [number for _, number in watcher.heard] == ["2", "3"]


async def test_a_recording_whose_arrivals_go_back_is_an_error_after_all_that_came_before(run_engine: RunEngine) -> None:
    watcher = Watcher(RecordedFeed([[*RECORDED, trade(6, 5.0, 5)]]))
    with pytest.raises(FeedOutOfOrder, match="row 5"):
        await run_engine([watcher])
    assert len(watcher.heard) == len(RECORDED)

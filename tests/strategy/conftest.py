"""What the tests of strategies share: a trader that follows a script, and a broker that tells of things too late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tradecore as tc
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import OrderSnapshot
from tradecore.engine.participant import NEVER, BrokerReport
from tradecore.testing.builders import make_instrument

Step = Callable[["Trader"], Any]


class Trader(tc.Strategy):
    """Takes a step at some of its events, by number from 0, and writes down what becomes of its opportunities.

    told: (state before, state now, end) of every OpportunityChanged. result: of the run, once it is over.
    """

    def __init__(self, events: Sequence[Any], steps: Mapping[int, Step]) -> None:
        self.feed, self.steps = tc.feed(events, name="events"), steps
        self.number = -1
        self.trades: list[tc.Opportunity] = []
        self.told: list[tuple[str | None, str, str | None]] = []
        self.heard: list[str] = []
        self.executed: list[tc.Execution] = []
        self.result: tc.RunResult | None = None

    def on_start(self) -> None:
        self.add_event_feed(self.feed, "events")

    def on_event(self, event: Any) -> None:
        self.number += 1
        step = self.steps.get(self.number)
        if step is not None:
            step(self)

    def open(self, entry: tc.Order, **settings: Any) -> tc.Opportunity:
        """Submit an opportunity."""
        trade = self.submit_opportunity(tc.Opportunity(entry, **settings))
        self.trades.append(trade)
        return trade

    def on_order_updated(self, update: tc.OrderUpdated) -> None:
        self.heard.append(f"{update.order.order_id} {update.order.state.name}")

    def on_execution(self, execution: tc.Execution) -> None:
        self.executed.append(execution)
        self.heard.append(f"{execution.order_id} executes {execution.signed_quantity} @ {execution.price}")

    def on_opportunity_changed(self, change: tc.OpportunityChanged) -> None:
        now = change.opportunity
        before, end = change.before, now.end
        self.heard.append(f"{now.opportunity_id} {now.state.name}")
        self.told.append((before.name if before else None, now.state.name, end.name if end else None))


Trade = Callable[..., Awaitable[Any]]


@pytest.fixture
def trade() -> Trade:
    """Run a Trader over events with steps; further settings are those of the SimulatedBroker, or of the run."""

    async def run(
        events: Sequence[Any],
        steps: Mapping[int, Step],
        *,
        latency_ms: float = 0,
        brokers: Mapping[str, Any] | None = None,
        instrument: tc.Instrument | None = None,
        runs_dir: Path | None = None,
        bus: tc.MessageBus | None = None,
        on_error: str = "halt",
        end: int | None = None,
        trace: bool = False,
        **settings: Any,
    ) -> Trader:
        delay = tc.ConstantDelay(latency_ms)
        words: dict[str, Any] = {
            "account": "margin",
            "cash": {"USD": Decimal(1_000_000)},
            "latency": tc.Latency(submit=delay, cancel=delay, update=delay, report=delay),
            **settings,
        }
        strategy = Trader(events, steps)
        strategy.result = await tc.run_backtest(
            strategies={"s": strategy},
            brokers=brokers or {"sim": tc.SimulatedBrokerSettings(**words)},
            instruments=[instrument or make_instrument()],
            runs_dir=runs_dir,
            bus=bus,
            on_error=on_error,
            end=end,
            trace=trace,
        )
        return strategy

    return run


class LateBroker:
    """A venue that cancels at once, and tells two seconds later that a part had executed before."""

    source = tc.BrokerSource.SIMULATED

    def __init__(self) -> None:
        self.name = "late"
        self.due_ns = NEVER
        self._reports: list[BrokerReport] = []

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    def attach(self, strategy: str, recorder: Any) -> None: ...

    def choose_sources(self, sources: Any, instruments: Any, *, more_may_come: bool = False) -> None: ...

    def is_source(self, kind: str, name: str) -> bool:
        return False

    def value(self, ts: int) -> None: ...

    def end_window(self, mark: int) -> None: ...

    def finish(self, ts: int) -> None: ...

    def advance(self, ts: int) -> None: ...

    def take_reports(self, ts: int) -> list[BrokerReport]:
        due = [report for report in self._reports if report.due_ns <= ts]
        self._reports = [report for report in self._reports if report.due_ns > ts]
        self.due_ns = min((report.due_ns for report in self._reports), default=NEVER)
        return due

    async def submit_order(self, order: tc.Order) -> None:
        now = order.ts_decided
        self._tell(now, _shown(order, tc.OrderState.ACCEPTED, 0, now), None)

    async def cancel_order(self, order: tc.Order) -> None:
        now = order.ts_decided
        self._tell(now, _shown(order, tc.OrderState.CANCELLED, 0, now), None)
        late = now + 2 * SECOND_NS
        executed = tc.Execution(
            f"{order.order_id}-1", order.order_id, order.strategy, self.name, self.source, order.instrument, order.side,
            Decimal(1), Decimal(100), Decimal(0), "USD", tc.Liquidity.MAKER, "venue", now,
        )  # fmt: skip
        self._tell(late, _shown(order, tc.OrderState.CANCELLED, 1, now), executed)

    async def update_order(self, order: tc.Order, **changes: Any) -> None: ...

    def _tell(self, due_ns: int, shown: OrderSnapshot, execution: tc.Execution | None) -> None:
        self._reports.append(BrokerReport(due_ns, shown.strategy, shown, execution))
        self.due_ns = min(self.due_ns, due_ns)


def _shown(order: tc.Order, state: tc.OrderState, executed: int, ts_event: int) -> OrderSnapshot:
    return OrderSnapshot(
        order.order_id, order.strategy, "late", order.instrument, order.side, order.order_type, order.quantity,
        order.price, None, order.time_in_force, state, Decimal(executed), Decimal(100) if executed else None, None,
        order.ts_decided, ts_event,
    )  # fmt: skip


@pytest.fixture
def late_broker() -> LateBroker:
    """See LateBroker."""
    return LateBroker()

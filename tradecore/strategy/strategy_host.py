"""StrategyHost: one strategy's place in a run: what it hears and what it subscribes to.

Receives: reports and events from the engine; plain calls from the user's strategy.
Gives:    the calls that the engine makes per event (computed once); subscriptions and timers; callbacks for reports.
Never:    keeps orders or positions: its OrderDesk does (order_desk.py).    Spec: 4.1; DESIGN 9, 13.

What a report means is told in one order, the same in every phase:

    1. everything is taken in: order handle, position and account show it before anybody hears of it
    2. the strategy:  on_order_updated, on_execution, on_position_changed (of a flip: closed, then opened),
                      on_opportunity_changed
    3. the bus:       the same messages in the same order, to observers of all strategies, also where one has been
                      stopped or has just raised

One report is told to the end before the next begins. Reports of one broker come in the order in which it made them,
whichever strategies they are of; those of several brokers at one instant by the broker's name. A rejection, a cancel
and an answer to an update are an OrderUpdated alone. An execution that comes late, after the order was cancelled or
has expired, is told like any other, and the order stays finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Protocol

from msgspec.structs import replace

from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.analytics.performance_statistics import PerformanceStatistics
from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment, AdjustmentKind
from tradecore.domain.execution import Execution
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.instant import check_ns, format_ns, to_ns
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_events import OrderUpdated, PositionChanged
from tradecore.domain.phase import PhaseChanged
from tradecore.domain.position import Position
from tradecore.engine.participant import AdjustmentReport, BrokerParticipant, BrokerReport
from tradecore.engine.subscription import Handler
from tradecore.engine.timeline import Timeline
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import EngineStateError, InvalidTime, StrategyError
from tradecore.feeds.merge import Lane
from tradecore.feeds.timer_feed import OneTimeTimerFeed, RepeatingTimerFeed
from tradecore.strategy.feed_desk import FeedDesk
from tradecore.strategy.opportunity import Opportunity
from tradecore.strategy.opportunity_manager import OpportunityManager
from tradecore.strategy.opportunity_state import OpportunityChanged
from tradecore.strategy.order_desk import OrderDesk
from tradecore.strategy.position_changes import position_changes
from tradecore.strategy.reported_money import ReportedMoney
from tradecore.strategy.strategy import CALLBACK_BY_KIND, Strategy

REPORT_CALLBACKS = ("on_order_updated", "on_execution", "on_position_changed")


class CallbackTrace(Protocol):
    """Who writes down every callback, for --trace."""

    def record_callback(self, strategy: str, callback: str, ts: int, event: Any) -> None:
        """A callback is about to be called."""
        ...


class StrategyHost:
    """Runs one strategy in one engine. brokers: those it may use, by name; default_broker: unless it names another."""

    def __init__(
        self,
        strategy: Strategy,
        name: str,
        *,
        engine: TradingEngine,
        desk: FeedDesk,
        brokers: dict[str, BrokerParticipant],
        default_broker: str | None,
        money: ReportedMoney,
        analyzer: PerformanceAnalyzer,
        trace: CallbackTrace | None = None,
    ) -> None:
        if strategy._host is not None:  # noqa: SLF001  (the host is the other half of Strategy)
            raise EngineStateError(f"strategy object {name!r} belongs to a run already; make a new one for each run")
        strategy._host = self  # noqa: SLF001
        self.name = name
        self.is_active = True
        self.events: dict[str, Sequence[Any]] = {}
        self.timeline: Timeline = engine.timeline
        self._strategy = strategy
        self._engine = engine
        self.check_gate = engine.check_gate
        self._desk = desk
        self._analyzer = analyzer
        self._trace = trace
        self.orders = OrderDesk(name, engine, brokers, default_broker, money, analyzer.currency)
        self._opportunities: OpportunityManager | None = None
        self._watches_prices = False
        self._lanes: dict[str, list[Lane]] = {}
        self._indicators: dict[str, list[Any]] = {}
        overridden = self._overridden
        self._routes_itself = overridden("distribute_event_to_proper_callbacks")
        self._hears_orders = overridden("on_order_updated")
        self._hears_executions = overridden("on_execution")
        self._hears_positions = overridden("on_position_changed")
        self._reports_plainly = trace is None and not any(
            iscoroutinefunction(getattr(strategy, label)) for label in REPORT_CALLBACKS
        )
        # The usual case: plain callbacks, and of reports at most executions are listened to.
        self._hears_few = self._reports_plainly and not (self._hears_orders or self._hears_positions)
        self.orders.hears_changes = self.orders.hears_changes or not self._hears_few

    # ------------------------------------------------------------------------------------------------- callbacks

    async def start(self) -> None:
        """Tell the strategy that it may subscribe."""
        await self._tell("on_start")

    async def stop(self) -> None:
        """Tell it that the run is over."""
        await self._tell("on_stop")

    async def change_phase(self, change: PhaseChanged) -> None:
        """Tell it that a phase began."""
        if self._overridden("on_phase_changed"):
            await self._tell("on_phase_changed", change)

    async def change_feed_state(self, change: FeedStateChanged) -> None:
        """Tell it how a live stream is."""
        if self._overridden("on_feed_state"):
            await self._tell("on_feed_state", change)

    async def fail(self, error: StrategyError) -> None:
        """Cancel what works, tell on_error, deliver nothing more."""
        self.is_active = False
        self.orders.close()
        await self._tell("on_error", error.__cause__ if isinstance(error.__cause__, Exception) else error)

    async def _tell(self, label: str, *arguments: Any) -> None:
        if self._trace is not None:
            self._trace.record_callback(self.name, label, self.timeline.now, arguments[0] if arguments else None)
        answer = getattr(self._strategy, label)(*arguments)
        if answer is not None:
            await answer

    def _overridden(self, label: str) -> bool:
        return getattr(type(self._strategy), label) is not getattr(Strategy, label)

    def _handlers_for(self, key: str, event_class: type) -> list[Handler]:
        """The calls to make for an event of this class under this key: history, indicators, callbacks."""
        history = self.events[key]
        assert isinstance(history, deque)
        handlers = [Handler(history.append, False, self.name, "events")]
        handlers += [Handler(i.update, False, self.name, f"{type(i).__name__}.update") for i in self._indicators[key]]
        if self._watches_prices:
            watch = self.opportunities.find_watcher(event_class)
            if watch is not None:
                handlers.append(Handler(watch, False, self.name, "prices of opportunities"))
        if self._routes_itself:
            handlers.append(self._callback("distribute_event_to_proper_callbacks"))
            return handlers
        if self._overridden("on_event"):
            handlers.append(self._callback("on_event"))
        own = CALLBACK_BY_KIND.get(getattr(event_class, "event_type", ""))
        if own is not None and self._overridden(own):
            handlers.append(self._callback(own))
        return handlers

    def _callback(self, label: str) -> Handler:
        call: Callable[[Any], Any] = getattr(self._strategy, label)
        is_async = iscoroutinefunction(call)
        if label == "distribute_event_to_proper_callbacks" and not is_async:
            call, is_async = partial(_await_if_needed, call), True
        if self._trace is not None:
            call = self._traced(label, call, is_async=is_async)
        return Handler(call, is_async, self.name, label)

    def _traced(self, label: str, call: Callable[[Any], Any], *, is_async: bool) -> Callable[[Any], Any]:
        trace = self._trace
        assert trace is not None

        def traced(event: Any) -> Any:
            trace.record_callback(self.name, label, self.timeline.now, event)
            return call(event)

        async def traced_async(event: Any) -> None:
            trace.record_callback(self.name, label, self.timeline.now, event)
            await call(event)

        return traced_async if is_async else traced

    # ------------------------------------------------------------------------------------------------ subscriptions

    def subscribe(self, kind: str, name: str, key: str | None, history: int, source: Any) -> None:
        """Note a subscription; it is carried out at the end of the turn."""
        key = key or name
        self._new_key(key, history)
        open_feed = partial(self._desk.open_series, kind, name, None if source is None else str(source))
        self._engine.give(self.name, f"subscription {key!r}", partial(self._connect, key, open_feed))

    def add_feed(self, feed: Any, key: str, history: int, live: Any) -> None:
        """Note a feed of the user's own. live: its live half, used from phase A on; not in a backtest."""
        if live is not None and not getattr(live, "is_live", False):
            raise EngineStateError(f"the live half of feed {key!r} has is_live = False; expected a live feed")
        self._new_key(key, history)
        open_lanes = self._desk.opener(feed, live)
        self._engine.give(self.name, f"add_event_feed {key!r}", partial(self._connect, key, open_lanes))

    def _new_key(self, key: str, history: int) -> None:
        if key in self.events:
            raise EngineStateError(
                f"key {key!r} is in use by another subscription of {self.name!r}; choose another key="
            )
        if history < 1:
            raise EngineStateError(f"history={history} for key {key!r}; expected at least 1")
        self.events[key] = deque(maxlen=history)
        self._indicators[key] = []

    async def _connect(self, key: str, open_lanes: Callable[[], Awaitable[list[Lane]]]) -> None:
        lanes = self._lanes[key] = await open_lanes()
        for lane in lanes:
            self._engine.subscribe(self.name, lane, partial(self._handlers_for, key))

    def unsubscribe(self, key: str) -> None:
        """End a subscription or a timer at the end of the turn."""
        if key not in self.events:
            raise KeyError(
                f"{self.name!r} has no subscription or timer {key!r}; it has {', '.join(self.events) or 'none'}"
            )

        async def end() -> None:
            for lane in self._lanes.pop(key, []):
                self._engine.unsubscribe(self.name, lane)
            del self.events[key], self._indicators[key]

        self._engine.give(self.name, f"unsubscribe {key!r}", end)

    def add_indicator(self, indicator: Any, key: str) -> None:
        """Let an indicator hear of a subscription's events before the callbacks do."""
        if key not in self._indicators:
            raise KeyError(f"{self.name!r} has no subscription {key!r}; it has {', '.join(self.events) or 'none'}")
        self._indicators[key].append(indicator)
        self._engine.give(self.name, f"add_indicator {key!r}", self._renew_routes)

    async def _renew_routes(self) -> None:
        """Make the calls per event anew: of every key, for two may share a lane."""
        for lane in {lane.number: lane for lanes in self._lanes.values() for lane in lanes}.values():
            self._engine.unsubscribe(self.name, lane)
        for key, lanes in self._lanes.items():
            for lane in lanes:
                self._engine.subscribe(self.name, lane, partial(self._handlers_for, key))

    def add_timer(self, name: str, at: datetime | int) -> None:
        """A timer that comes once."""
        at_ns = _instant(at, f"time of timer {name!r}")
        if at_ns <= self.timeline.now and self._engine.phase is not None:
            raise InvalidTime(
                f"timer {name!r} at {format_ns(at_ns)} is not after now, {format_ns(self.timeline.now)}; "
                "a timer can only be set for the future"
            )
        self._add_timer_feed(name, OneTimeTimerFeed(name, at_ns))

    def add_repeating_timer(
        self, name: str, every: timedelta | int, start: datetime | int | None, end: datetime | int | None
    ) -> None:
        """A timer that repeats without drift."""
        period = every // timedelta(microseconds=1) * 1_000 if isinstance(every, timedelta) else every
        if type(period) is not int or period < 1:
            raise InvalidTime(f"timer {name!r} repeats every {every!r}; expected a timedelta or nanoseconds above 0")
        now = self.timeline.now
        start_ns = (now // period + 1) * period if start is None else _instant(start, f"start of timer {name!r}")
        end_ns = None if end is None else _instant(end, f"end of timer {name!r}")
        feed = RepeatingTimerFeed(name, start_ns, period, end_ns)
        feed.waits_for_data = start is None and self._engine.phase is None and self._engine.settings.start_ns is None
        self._add_timer_feed(name, feed)

    def _add_timer_feed(self, name: str, feed: Any) -> None:
        self._new_key(name, 1)
        self._engine.give(self.name, f"timer {name!r}", partial(self._connect, name, self._desk.opener(feed)))

    def statistics(self) -> PerformanceStatistics:
        """Performance so far, what is held valued now. Asking changes nothing that the run leaves."""
        now = self.timeline.now
        for broker in self.orders.brokers.values():
            broker.value(now)
        return self._analyzer.statistics(now)

    def stop_run(self) -> None:
        """End the run with this turn."""
        self._engine.stop_after_turn(self.name)

    # ----------------------------------------------------------------------------------------------- opportunities

    @property
    def opportunities(self) -> OpportunityManager:
        """Those of this strategy; made when somebody asks."""
        if self._opportunities is None:
            self._opportunities = OpportunityManager(self.name, self._engine, self.orders, self._trace_management)
            self.orders.hears_changes = True
        return self._opportunities

    def list_open_opportunities(self) -> list[Opportunity]:
        """Those that are not finished, oldest first."""
        return [] if self._opportunities is None else list(self._opportunities)

    def submit_opportunity(self, opportunity: Opportunity, broker: str | None) -> Opportunity:
        """Submit it; with the first one, prices are watched from the end of this turn on."""
        self.opportunities.submit(opportunity, broker)
        if not self._watches_prices:
            self._watches_prices = True
            self._engine.give(self.name, "submit_opportunity", self._renew_routes)
        return opportunity

    def _trace_management(self, opportunity: Opportunity) -> None:
        if self._trace is not None:
            self._trace.record_callback(self.name, "manage", self.timeline.now, opportunity.id)

    # ----------------------------------------------------------------------------------------------------- reports

    def receive(self, report: BrokerReport | AdjustmentReport) -> Awaitable[None] | None:
        """Take a report in, whole, and only then tell the callbacks: order, execution, position, in this order.

        Returns something to await where a callback is `async def` or somebody traces.
        """
        if type(report) is AdjustmentReport:  # isinstance asks the class of a Struct, which takes as long as all this
            return self._receive_adjustment(report.adjusted)
        order, before = self.orders.take_report(report)
        execution = report.execution if before is not None else None
        if self._opportunities is not None:
            after = None if execution is None else self.orders.position(execution.instrument, execution.broker)
            moves = self._opportunities.take_report(report.order, execution, before, after)
            if moves:
                return self._tell_moves(partial(self._tell_all, order, report.order, execution, before), moves)
        if self._hears_few and not self._engine.bus.hears_reports:
            if execution is not None and self._hears_executions and self.is_active:
                self._strategy.on_execution(execution)
            return None
        return self._tell_all(order, report.order, execution, before)

    async def _receive_adjustment(self, adjusted: AccountAdjusted) -> None:
        """The account first, then the callback, then the bus."""
        adjusted = replace(adjusted, ts_received=self.timeline.now)
        self.orders.take_adjustment(adjusted)
        if self._opportunities is not None:
            self._opportunities.take_adjustment(adjusted)
        try:
            if self.is_active and self._overridden("on_account_adjusted"):
                await self._tell("on_account_adjusted", adjusted)
        finally:
            self._engine.bus.publish(adjusted)

    def adjust_indicators(self, adjustment: AccountAdjustment) -> None:
        """A split: indicators of its instrument go on in new units, if they can (`Indicator.adjust`)."""
        if adjustment.kind is not AdjustmentKind.SPLIT:
            return
        for key, indicators in self._indicators.items():
            newest = self.events[key][-1] if self.events[key] else None
            if getattr(newest, "instrument", None) == adjustment.instrument:
                for indicator in indicators:
                    adjust = getattr(indicator, "adjust", None)
                    if adjust is not None:
                        adjust(float(adjustment.value))

    def _tell_all(
        self, order: Order | None, change: OrderSnapshot, execution: Execution | None, before: Position | None
    ) -> Awaitable[None] | None:
        """What a report means to who listens to order updates, to position changes, or on the bus."""
        bus, now = self._engine.bus, self.timeline.now
        is_heard = bus.hears_reports
        changes: list[PositionChanged] = []
        if (
            execution is not None
            and before is not None
            and (self._hears_positions or (is_heard and bus.is_heard(PositionChanged)))
        ):
            after = self.orders.position(execution.instrument, execution.broker)
            changes = position_changes(self.name, execution, before, after, now)
        update = None
        if self._hears_orders or (is_heard and bus.is_heard(OrderUpdated)):
            update = OrderUpdated(_as_known(order, change), change.ts_event, now)
        if self._reports_plainly and not is_heard:
            if self.is_active:
                self._tell_plainly(update, execution, changes)
            return None
        return self._tell_and_publish(update, execution, changes)

    async def _tell_moves(
        self, tell_first: Callable[[], Awaitable[None] | None], moves: list[OpportunityChanged]
    ) -> None:
        """What a report means to an opportunity comes after the report's own messages."""
        try:
            first = tell_first()
            if first is not None:
                await first
            if self.is_active and self._overridden("on_opportunity_changed"):
                for move in moves:
                    await self._tell("on_opportunity_changed", move)
        finally:
            for move in moves:
                self._engine.bus.publish(move)

    def _tell_plainly(
        self, update: OrderUpdated | None, execution: Execution | None, changes: list[PositionChanged]
    ) -> None:
        """Callbacks that are all plain functions, with nobody else listening: nothing to await."""
        strategy = self._strategy
        if update is not None and self._hears_orders:
            strategy.on_order_updated(update)
        if execution is not None and self._hears_executions:
            strategy.on_execution(execution)
        for change in changes:
            strategy.on_position_changed(change)

    async def _tell_and_publish(
        self, update: OrderUpdated | None, execution: Execution | None, changes: list[PositionChanged]
    ) -> None:
        try:
            if self.is_active:
                if update is not None and self._hears_orders:
                    await self._tell("on_order_updated", update)
                if execution is not None and self._hears_executions:
                    await self._tell("on_execution", execution)
                if self._hears_positions:
                    for change in changes:
                        await self._tell("on_position_changed", change)
        finally:  # it happened, whether or not the strategy could take it
            publish = self._engine.bus.publish
            for message in (update, execution, *changes):
                if message is not None:
                    publish(message)


def _as_known(order: Order | None, change: OrderSnapshot) -> OrderSnapshot:
    """What a report says, unless the order is known to be further: reports may overtake each other at a venue."""
    if order is None or (order.state is change.state and order.filled_quantity == change.filled_quantity):
        return change
    return order.snapshot(change.ts_event)


async def _await_if_needed(call: Callable[[Any], Any], event: Any) -> None:
    answer = call(event)
    if answer is not None:
        await answer


def _instant(moment: datetime | int, what: str) -> int:
    return check_ns(moment, what) if isinstance(moment, int) else to_ns(moment)

"""TradingEngine: the one loop, for every phase.

Receives: windows from the EventQueue; reports from brokers; commands from strategies.
Gives:    turns: at each instant brokers first, then reports, market events, commands, timers (DESIGN 4); `now`.
Never:    is called by a broker, reads a clock, runs a callback beside another one, or makes a task per event.
          Spec: 3.1, 4.2; DESIGN 4, 6.

Between two instants at which a broker has anything to do, a turn is nothing but callbacks: that stretch is a plain
loop (delivery.py). At every other instant `_run_window` serves the brokers and completes the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter, length_hint
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint

from tradecore.domain.bar_type import BarType
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.gate_reason import Reason, Refusal
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order
from tradecore.domain.phase import Phase, PhaseChanged
from tradecore.domain.time_event import OneTimeEvent, RepeatingEvent
from tradecore.engine.command import Command
from tradecore.engine.delivery import Delivery
from tradecore.engine.engine_settings import EngineSettings
from tradecore.engine.event_queue import EventQueue
from tradecore.engine.late_deliveries import Keyed, LateDeliveries
from tradecore.engine.message_bus import MessageBus
from tradecore.engine.pace import Pace
from tradecore.engine.participant import NEVER, BrokerParticipant, Progress, Report
from tradecore.engine.source_register import MARKET_CLASSES, SourceRegister
from tradecore.engine.strategy_participant import OrderGate, StrategyParticipant
from tradecore.engine.subscription import Handler, Route, Subscription, Subscriptions
from tradecore.engine.timeline import Timeline
from tradecore.engine.user_frames import find_place, find_report_callback
from tradecore.errors import (
    DataMissing,
    EngineStateError,
    FeedError,
    RunFolderError,
    StorageError,
    StrategyError,
    TurnLimitExceeded,
    VenueError,
)
from tradecore.feeds.merge import Envelope, Lane, Window, is_time_event

ROUNDS_LIMIT: Final = 1_000
"""Rounds of commands and reports at one instant before it is taken for an endless loop."""

CLOSING_S: Final = 5.0
"""Seconds that closing feeds and brokers may take after a run, however it ended."""

STRETCH: Final = 1_024
"""Events of a window after which the event loop has its turn, once their instant is over."""

_STRATEGY_OF: Final = attrgetter("strategy")


class TradingEngine:
    """Runs strategies over feeds with brokers. One engine is one run.

    events_delivered: so far. failures: of strategies. stopped_by: the strategy that ended the run by `stop_run`.
    on_begin: called once, before anything is delivered, with the time of the first event (int nanoseconds). on_passed:
    called when all before an instant has happened, with it.
    order_gate: of a live run; None in a backtest.
    """

    def __init__(
        self,
        *,
        queue: EventQueue,
        brokers: Sequence[BrokerParticipant],
        timeline: Timeline,
        bus: MessageBus,
        instruments: dict[str, Instrument],
        settings: EngineSettings,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.timeline = timeline
        self.bus = bus
        self.instruments = instruments
        self.settings = settings
        self.phase: Phase | None = None
        self.events_delivered = 0
        self.failures: list[StrategyError] = []
        self.stopped_by: str | None = None
        self.on_begin: Callable[[int], None] | None = None
        self.on_passed: Callable[[int], None] | None = None
        self.order_gate: OrderGate | None = None
        self._queue = queue
        self._brokers = sorted(brokers, key=lambda broker: broker.name)
        self._sources = SourceRegister(self._brokers, instruments)
        self._strategies: dict[str, StrategyParticipant] = {}
        self._subscriptions = Subscriptions()
        self._progress = progress
        self._given: list[Command] = []  # always this very list
        self._delivery = Delivery(timeline, self._given, self._subscriptions)
        self._due = NEVER
        self._mark = 0
        self._late_deliveries = LateDeliveries(self._subscriptions)
        self._late = self._late_deliveries.heap
        self._attached: dict[int, tuple[Any, Lane]] = {}  # by the feed's id, which it keeps as long as it is kept
        self._task: object | None = None
        self._wake: Callable[[], None] | None = None
        self._stopping = False
        self._is_finishing = False
        self._is_started = False

    # ------------------------------------------------------------------------------------------ before and during

    def add_strategy(self, strategy: StrategyParticipant) -> None:
        """Take a strategy on before the run. Raises: EngineStateError for a name that is taken."""
        if strategy.name in self._strategies:
            raise EngineStateError(f"two strategies are named {strategy.name!r}; give one of them another `name`")
        self._strategies[strategy.name] = strategy
        adjust = getattr(strategy, "adjust_indicators", None)
        if adjust is not None:
            self._subscriptions.adjusters.append(Handler(adjust, False, strategy.name, "Indicator.adjust"))

    @property
    def brokers(self) -> list[BrokerParticipant]:
        """All brokers, by name."""
        return list(self._brokers)

    def give(self, strategy: str, label: str, carry_out: Callable[[], Any]) -> None:
        """Note a wish that is no order (a subscription, a timer) for this turn. Raises: EngineStateError outside it."""
        self.check_in_turn(label)
        self._given.append(Command(strategy, label, False, carry_out))

    def note_order(
        self, strategy: str, label: str, carry_out: Callable[..., Awaitable[None]], order: Order | None = None,
        is_unheard: bool = False,
    ) -> None:  # fmt: skip
        """Note a command for a broker, which `check_in_turn` let pass; it is carried out in this turn."""
        self._given.append(Command(strategy, label, True, carry_out, order, is_unheard))

    def check_in_turn(self, label: str) -> None:
        """Raises EngineStateError unless one of the engine's callbacks is running, in its own task."""
        # Inside a plain stretch no other task can run, so only the rest needs to ask who is calling.
        if not self._delivery.is_plain and (self._task is None or asyncio.current_task() is not self._task):
            if self._wake is not None:
                self._wake()
                return
            raise EngineStateError(
                f"{label} was called outside a callback of a running engine; before phase D only callbacks may give "
                "commands, or the result would depend on timing"
            )

    def request_stop(self) -> None:
        """End the run after the current window; what was done is kept."""
        self._stopping = True
        if self._wake is not None:
            self._wake()

    @property
    def was_stopped(self) -> bool:
        """Whether somebody outside the run asked it to end early."""
        return self._stopping

    def stop_after_turn(self, strategy: str) -> None:
        """End the run with the present turn, as this strategy wishes. Raises: EngineStateError outside a callback."""
        self.give(strategy, "stop_run", partial(self._note_stop, strategy))

    async def _note_stop(self, strategy: str) -> None:
        if self.stopped_by is None and not self._is_finishing:
            self.stopped_by = strategy

    async def attach(self, feed: Any) -> Lane:
        """A lane for a feed. Added while running it starts after `now` and keeps its rank at every instant."""
        if not self._is_started:
            lane = self._queue.add(feed)
            self._attached[id(feed)] = (feed, lane)
            self._open_routes(lane)
            return lane
        lane, loaded, deliveries = await self._queue.attach(feed, self.timeline.now, self._mark)
        self._attached[id(feed)] = (feed, lane)
        self._open_routes(lane)
        self._sources.declare([lane], self.timeline.now)
        if loaded:
            self._sources.load(lane, loaded)
        self._late_deliveries.push(lane, deliveries)
        return lane

    def renew_timer(self, lane: Lane) -> None:
        """A timer of the run was given new moments: those before the present mark come in their turn."""
        if self._is_started:
            self._late_deliveries.push(lane, self._queue.renew_timer(lane, self._mark))

    def subscribe(self, owner: str, lane: Lane, handlers_for: Callable[[type], list[Handler]]) -> None:
        """Let a strategy have the events of a lane."""
        self._subscriptions.add(Subscription(owner, lane, handlers_for))

    def unsubscribe(self, owner: str, lane: Lane | None = None) -> None:
        """End a strategy's subscriptions, to one lane or to all."""
        self._subscriptions.remove(owner, lane)

    def _open_routes(self, lane: Lane) -> None:
        if lane.rank is None:
            return
        if getattr(lane.feed, "is_timer", False):
            for event_class in (OneTimeEvent, RepeatingEvent):
                self._subscriptions.open_lane(lane, event_class, lane.series)
        else:
            kind, name = lane.series.kind, lane.series.name
            self._subscriptions.open_lane(lane, MARKET_CLASSES[kind], BarType.parse(name) if kind == "bar" else name)

    # ------------------------------------------------------------------------------------------------------ the run

    async def run(self, stage: Callable[[], Awaitable[None]] | None = None) -> None:
        """Run a stage between start and end: by default `replay`, to the end of all feeds. Always closes all.

        stage: what a live run does (phases A to D), in this very task. Raises what it raises, what a feed raised,
        StrategyError under `halt`.
        """
        if self._task is not None:
            raise EngineStateError("this engine has run; an engine is one run, make a new one")
        self._task = asyncio.current_task()
        try:
            for broker in self._brokers:
                await broker.connect()
            await self._start()
            await (self.replay if stage is None else stage)()
            await self._finish()
        finally:
            self._task = object()  # no task: commands are refused from here on
            with anyio.move_on_after(CLOSING_S, shield=True):
                await self._queue.close()
                for broker in self._brokers:
                    await broker.disconnect()

    async def _start(self) -> None:
        if self.settings.start_ns is not None:
            self.timeline.advance_to(self.settings.start_ns)
        self._mark = self.timeline.now
        for strategy in self._by_name():
            await self._guarded(strategy, "on_start", strategy.start)
        orders = [command for command in self._given if command.is_order]
        self._given[:] = [command for command in self._given if not command.is_order]
        await self._rounds(self.timeline.now)
        self._given.extend(orders)
        self._sources.declare(self._queue.lanes, self.timeline.now)
        self._is_started = True

    async def _finish(self) -> None:
        self._is_finishing = True
        if self.settings.end_ns is not None and not self.is_ending and self.timeline.now < self.settings.end_ns:
            self.timeline.advance_to(self.settings.end_ns)
        for broker in self._brokers:
            broker.finish(self.timeline.now)
        for strategy in self._by_name():
            if strategy.is_active:
                await self._guarded(strategy, "on_stop", strategy.stop)
        await self._rounds(self.timeline.now)
        for broker in self._brokers:
            broker.finish(self.timeline.now)
        self._tell_progress(done=True)

    async def replay(self, pace: Pace | None = None) -> None:
        """Phase B: history, in order, to its end. A live run calls this very coroutine, with a pace."""
        await self.change_phase(Phase.B_REPLAY)
        await self._rounds(self.timeline.now)
        while not self.is_ending:
            if pace is not None:
                self._queue.set_batch_size(pace.limit)
            window = await self._queue.next_window()
            if window is None:
                break
            if self.on_begin is not None and self._queue.first_ns is not None:
                self.on_begin(self._queue.first_ns)
                self.on_begin = None
            if pace is None:
                await self._run_window(window)
            else:
                pace.begin()
                await self._run_window(window)
                pace.end(len(window.deliveries))
            del window  # its events go before others are made, which then take their place in the cache
            self._tell_progress(done=False)
            await checkpoint()

    def check_gate(self, instrument: str) -> Reason | None:
        """Why no real order may rest on an instrument's data now, None when it may."""
        if self.order_gate is None:
            return Reason(Refusal.NOT_LIVE, "this run is a backtest; real orders begin with phase D of a live run")
        return self.order_gate.check_instrument(instrument)

    # --------------------------------------------------------------------------------------------- for live stages

    @property
    def queue(self) -> EventQueue:
        """Where timers, and history that is delayed, wait."""
        return self._queue

    @property
    def is_ending(self) -> bool:
        """Whether a strategy ended the run, or somebody outside asked for it."""
        return self._stopping or self.stopped_by is not None

    @property
    def due_ns(self) -> int:
        """The next instant at which a broker has something to do; NEVER without."""
        self._refresh_due()
        return self._due

    def find_lane(self, feed: Any) -> Lane | None:
        """The lane of a feed that was attached."""
        known = self._attached.get(id(feed))
        return None if known is None else known[1]

    def declare_sources(self) -> None:
        """Instruments have become known: brokers choose match sources for those that had none."""
        self._sources.declare([lane for _, lane in self._attached.values()], self.timeline.now)

    async def deliver(self, window: Window) -> None:
        """Turns for all that happens before the window's mark."""
        if self.on_begin is not None and window.deliveries:
            self.on_begin(window.deliveries[0].ts_received)
            self.on_begin = None
        await self._run_window(window)
        self._tell_progress(done=False)

    async def tell_feed_state(self, change: FeedStateChanged, feeds: Sequence[Any]) -> None:
        """A turn of its own: who subscribed to one of these feeds hears that the stream behind it changed its state."""
        ts = change.ts
        self.timeline.advance_to(ts)
        self._mark = ts + 1
        if (left := self._serve_brokers(ts)) is not None:
            await left
        lanes = [lane for lane in map(self.find_lane, feeds) if lane is not None]
        for strategy in self._by_name():
            if strategy.is_active and self._subscriptions.has_any(strategy.name, lanes):
                await self._guarded(strategy, "on_feed_state", partial(strategy.change_feed_state, change))
        self.bus.publish(change)
        await self._rounds(ts)

    @property
    def has_commands(self) -> bool:
        """Whether commands wait that no turn has carried out."""
        return bool(self._given)

    async def carry_out_given(self, ts: int) -> None:
        """A turn for commands that came from outside of one."""
        if self._given:
            self.timeline.advance_to(ts)
            self._mark = ts + 1
            await self._rounds(ts)

    def open_to_outside(self, wake: Callable[[], None] | None) -> None:
        """From now on the embedding program may give commands too; wake: called for each. None: no longer."""
        self._wake = wake

    async def change_phase(self, phase: Phase) -> None:
        """A phase begins: tell everybody."""
        change = PhaseChanged(self.phase, phase, self.timeline.now)
        self.phase = phase
        for strategy in self._by_name():
            if strategy.is_active:
                await self._guarded(strategy, "on_phase_changed", partial(strategy.change_phase, change))
        self.bus.publish(change)

    def _by_name(self) -> list[StrategyParticipant]:
        return [self._strategies[name] for name in sorted(self._strategies)]

    def _tell_progress(self, *, done: bool) -> None:
        if self._progress is not None:
            settings = self.settings
            self._progress(Progress(self.events_delivered, self.timeline.now, settings.start_ns, settings.end_ns, done))

    # ------------------------------------------------------------------------------------------------------- windows

    async def _run_window(self, window: Window) -> None:
        self._mark = window.mark
        self._sources.begin_window()
        for lane, events in window.loads:
            self._sources.load(lane, events)
        self._refresh_due()
        deliveries, stop = window.deliveries, 0
        route = None
        if window.lane is not None and deliveries:
            route = self._subscriptions.route(window.lane, type(deliveries[0]))
        while True:
            start, stop = stop, _find_stretch_end(deliveries, stop)
            is_last = stop == len(deliveries)
            until = window.mark if is_last else deliveries[stop].ts_received
            await self._run_stretch(
                window, route, deliveries[start:stop] if start or not is_last else deliveries, until
            )
            if self.stopped_by is not None:  # the rest of the window never happens, neither here nor at the brokers
                return
            if is_last:
                break
            try:
                await checkpoint()
            except anyio.get_cancelled_exc_class():
                for broker in self._brokers:  # what is held is valued up to here, as at the end of a window
                    broker.value(self.timeline.now)
                raise
        for broker in self._brokers:
            broker.end_window(window.mark)
        if self.on_passed is not None:
            self.on_passed(window.mark)

    async def _run_stretch(self, window: Window, route: Route | None, deliveries: Sequence[Any], until: int) -> None:
        """Part of a window: these deliveries, and what else happens before an instant."""
        delivery, subscriptions = self._delivery, self._subscriptions
        self.events_delivered += len(deliveries)
        rest = iter(deliveries)
        event = next(rest, None)
        while event is not None or self._due < until:
            if event is not None and event.ts_received < self._due:
                if subscriptions.has_async:
                    event = await delivery.deliver_async(event, rest, self._due, route)
                elif route is not None and route.steps[2] is None:
                    event = delivery.deliver_alone(event, rest, self._due, route.steps)
                elif window.only is not None and not subscriptions.has_more:
                    event = delivery.deliver_class(event, rest, self._due, subscriptions.steps[window.only])
                else:
                    event = delivery.deliver_plain(event, rest, self._due)
                if delivery.raised is not None:
                    await self._settle_raised()
                if not self._given:
                    continue
                ts = self.timeline.now
            else:
                # One instant, whole: brokers and reports first, then what `_complete_turn` does.
                ts = self._due
                self.timeline.advance_to(ts)
                if (left := self._serve_brokers(ts)) is not None:
                    await left
            if self._late or (self._given and event is not None and event.ts_received == ts):
                event = await self._complete_turn(ts, event, rest)
                self._refresh_due()
            elif self._given:
                await self._rounds(ts)
            else:  # nothing is left of this instant but deliveries, and those are what the stretch is for
                self._refresh_due()
            if self.stopped_by is not None:
                self.events_delivered -= length_hint(rest) + (event is not None)
                return

    # --------------------------------------------------------------------------------------------------------- turns

    async def _complete_turn(self, ts: int, event: Any, rest: Iterator[Any]) -> Any:
        """What is left of an instant once brokers and reports are through."""
        timers: list[Any] = []
        if self._late and self._late[0][0] == ts:
            event = await self._deliver_with_late(ts, event, rest, timers)
        else:
            while event is not None and event.ts_received == ts:
                if is_time_event(event):
                    timers.append(event)
                else:
                    await self._deliver(event)
                event = next(rest, None)
        await self._rounds(ts)
        if timers:
            for timer in timers:
                await self._deliver(timer)
            await self._rounds(ts)
        return event

    async def _deliver_with_late(self, ts: int, event: Any, rest: Iterator[Any], timers: list[Any]) -> Any:
        """Deliver an instant that feeds added in the middle of the window have a part in, by the full key."""
        keyed: list[Keyed] = []
        while event is not None and event.ts_received == ts:
            keyed.append((event.ts_event, self._subscriptions.rank_of(event), len(keyed), event))
            event = next(rest, None)
        late = self._late_deliveries.take(ts)
        self.events_delivered += len(late)
        keyed += late
        for _, _, _, due in sorted(keyed, key=lambda item: item[:3]):
            if is_time_event(due):
                timers.append(due)
            else:
                await self._deliver(due)
        return event

    async def _rounds(self, ts: int) -> None:
        """Carry out the commands of this instant and deliver what they bring about, until nothing is left.

        What is due next is known then, if there was any command.
        """
        rounds = 0
        while self._given:
            if rounds == ROUNDS_LIMIT:
                raise self._refuse_rounds(ts)
            rounds += 1
            given = self._given.copy()
            self._given.clear()
            if len(given) > 1 and len(self._strategies) > 1:
                given.sort(key=_STRATEGY_OF)  # stable: of one strategy in the order in which they were given
            for command in given:
                order = command.order
                try:
                    if order is None:
                        await command.carry_out()
                    elif not order._state.is_finished:  # noqa: SLF001  (a property would cost ten times as much)
                        # Alone in its round: else code of others may run between here and where reports are delivered.
                        if command.is_unheard and len(given) == 1 and not self.bus.hears_reports:
                            await command.carry_out(order, False)
                        else:
                            await command.carry_out(order)
                except (DataMissing, FeedError, RunFolderError, StorageError, VenueError):
                    raise  # not the strategy's: what cannot be read or kept ends the run, whoever asked for it
                except Exception as error:  # a command's error is its strategy's
                    await self._strategy_raised(command.strategy, command.label, error)
            self._refresh_due()
            if self._due <= ts:
                if (left := self._serve_brokers(ts)) is not None:
                    await left
                self._refresh_due()

    def _refuse_rounds(self, ts: int) -> TurnLimitExceeded:
        return TurnLimitExceeded(
            f"{ROUNDS_LIMIT} rounds of orders and reports at one instant ({ts}); a strategy that answers each report "
            f"with another order never lets time pass. Waiting: {', '.join(sorted({c.label for c in self._given}))}"
        )

    def _serve_brokers(self, ts: int) -> Awaitable[None] | None:
        """Let brokers do their part of this instant, then deliver the reports that are due.

        Returns what is left to await, where a callback is `async def` or raised: most are neither.
        """
        if self._sources.due_ns <= ts:
            self._sources.show_due(ts)
        strategies = self._strategies
        for broker in self._brokers:
            while broker.due_ns <= ts:
                broker.advance(ts)
                reports = iter(broker.take_reports(ts))
                for report in reports:
                    try:
                        answer = strategies[report.strategy].receive(report)
                    except Exception as error:
                        left = self._strategy_raised(report.strategy, find_report_callback(error), error)
                    else:
                        if answer is None:
                            continue
                        left = self._await_answer(report.strategy, answer)
                    return self._serve_on(ts, left, reports)
        return None

    async def _serve_on(self, ts: int, left: Awaitable[None], reports: Iterator[Report]) -> None:
        """The same, from a report on that had to be awaited."""
        await left
        for report in reports:
            try:
                answer = self._strategies[report.strategy].receive(report)
                if answer is not None:
                    await answer
            except Exception as error:
                await self._strategy_raised(report.strategy, find_report_callback(error), error)
        if (rest := self._serve_brokers(ts)) is not None:
            await rest

    async def _await_answer(self, strategy: str, answer: Awaitable[None]) -> None:
        try:
            await answer
        except Exception as error:
            await self._strategy_raised(strategy, find_report_callback(error), error)

    async def _deliver(self, event: Any) -> None:
        """One event to all that want it."""
        handlers = self._subscriptions.route_of(event).handlers
        await self._call(handlers, event.event if type(event) is Envelope else event)

    async def _call(self, handlers: list[Handler], event: Any) -> None:
        for handler in list(handlers):
            if not self._strategies[handler.owner].is_active:
                continue
            try:
                if handler.is_async:
                    await handler.call(event)
                else:
                    handler.call(event)
            except Exception as error:
                await self._strategy_raised(handler.owner, handler.label, error)

    def _refresh_due(self) -> None:
        due = self._sources.due_ns
        if self._late and self._late[0][0] < due:
            due = self._late[0][0]
        for broker in self._brokers:
            if broker.due_ns < due:
                due = broker.due_ns
        self._due = due

    # --------------------------------------------------------------------------------------------------------- errors

    async def _settle_raised(self) -> None:
        raised, self._delivery.raised = self._delivery.raised, None
        assert raised is not None
        if raised.handler is None:
            event = raised.event
            raise FeedError(
                f"an event that no feed of this run declared: {event!r}; a feed with a series_key may give only events "
                "of that series"
            ) from raised.error
        await self._strategy_raised(raised.handler.owner, raised.handler.label, raised.error)
        await self._call(raised.rest, raised.event)
        # The turn is completed by whoever called: it may have commands to carry out.

    async def _guarded(self, strategy: StrategyParticipant, label: str, call: Callable[[], Any]) -> None:
        try:
            await call()
        except Exception as error:
            await self._strategy_raised(strategy.name, label, error)

    async def _strategy_raised(self, name: str, label: str, error: Exception) -> None:
        """Cancel what the strategy has working, tell it, and end the run or go on without it."""
        strategy = self._strategies[name]
        failure = StrategyError(name, label, find_place(error), error)
        failure.__cause__ = error
        if not strategy.is_active:  # raised again while it was being stopped
            self.failures.append(failure)
            return
        self.failures.append(failure)
        self._subscriptions.remove(name)
        try:
            await strategy.fail(failure)
        except Exception as second:  # its on_error raised too: both are told, the first one is what went wrong
            self.failures.append(StrategyError(name, "on_error", find_place(second), second))
            failure.add_note(str(self.failures[-1]))
        self.bus.publish(failure)
        if self.settings.on_error != "isolate":
            await self._rounds(self.timeline.now)
            for broker in self._brokers:  # a cancel that waits to know its bar need not wait any more
                broker.finish(self.timeline.now)
            raise failure from error


def _find_stretch_end(deliveries: Sequence[Any], start: int) -> int:
    """Where the next part of a window ends that may be delivered in one go."""
    stop, count = start + STRETCH, len(deliveries)
    while stop < count and deliveries[stop].ts_received == deliveries[stop - 1].ts_received:
        stop += 1  # an instant is never cut
    return min(stop, count)

"""Strategy: what a user writes. The same class runs in every phase.

Receives: market events, time events and the user's own, through `on_event` and one callback per kind; what brokers
          report. Every callback may be `def` or `async def`.
Gives:    subscriptions, timers and orders, as plain calls; they are carried out at the end of the turn.
Never:    sees an event before it was received, or an order change before it was reported.    Spec: 4.1; DESIGN 13.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from tradecore.domain.account import Account
from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.execution import Execution
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.gate_reason import Reason
from tradecore.domain.instant import to_datetime
from tradecore.domain.instrument import Instrument, Number
from tradecore.domain.order import Order
from tradecore.domain.order_events import OrderUpdated, PositionChanged
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.phase import PhaseChanged
from tradecore.domain.position import Position
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.time_event import TimeEvent
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import EngineStateError

if TYPE_CHECKING:
    from tradecore.analytics.performance_statistics import PerformanceStatistics
    from tradecore.strategy.opportunity import Opportunity
    from tradecore.strategy.opportunity_manager import OpportunityManager
    from tradecore.strategy.opportunity_state import OpportunityChanged
    from tradecore.strategy.strategy_host import StrategyHost

Answer = Awaitable[None] | None
"""What a callback returns: nothing, or something to await."""

CALLBACK_BY_KIND = {
    "bar": "on_bar",
    "trade_tick": "on_trade_tick",
    "quote_tick": "on_quote_tick",
    "depth": "on_depth",
    "time_event": "on_time_event",
}


class Strategy:
    """Base of all strategies. Override the callbacks you need; the others cost nothing.

    Parameters are those of your own `__init__`; forgetting `super().__init__()` is harmless. Subscribe in `on_start`.
    """

    _host: StrategyHost | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Set the base state, so that a subclass need not call `super().__init__()`."""
        self = super().__new__(cls)
        self._host = None
        return self

    # ------------------------------------------------------------------------------------------------- callbacks

    def on_start(self) -> Answer:
        """Once, before anything is delivered: subscribe, add indicators and timers."""

    def on_stop(self) -> Answer:
        """Once, at the end of the run. Orders given here execute only if the market stands still for them."""

    def on_event(self, event: Any) -> Answer:
        """Every event, before its own callback; the only callback of the user's own events."""

    def on_bar(self, bar: Bar) -> Answer:
        """A bar was received."""

    def on_trade_tick(self, tick: TradeTick) -> Answer:
        """A trade of the market was received."""

    def on_quote_tick(self, tick: QuoteTick) -> Answer:
        """A quote was received."""

    def on_depth(self, depth: DepthSnapshot) -> Answer:
        """A depth snapshot was received."""

    def on_time_event(self, event: TimeEvent) -> Answer:
        """A timer is due."""

    def on_order_updated(self, update: OrderUpdated) -> Answer:
        """An order changed, as reported. Told before the execution that caused it, if one did."""

    def on_execution(self, execution: Execution) -> Answer:
        """An order executed, wholly or in part. The position already has it."""

    def on_position_changed(self, change: PositionChanged) -> Answer:
        """A position opened, increased, decreased or closed; a flip comes as closed, then opened."""

    def on_opportunity_changed(self, change: OpportunityChanged) -> Answer:
        """An opportunity was entered or finished, or something of it went wrong. Told last of a report."""

    def on_account_adjusted(self, adjusted: AccountAdjusted) -> Answer:
        """A dividend, split, funding, interest or borrowing changed the account. The position already has it."""

    def on_phase_changed(self, change: PhaseChanged) -> Answer:
        """A phase of the run began."""

    def on_feed_state(self, change: FeedStateChanged) -> Answer:
        """A live stream connected, went stale, lost or recovered events. Never in a backtest."""

    def on_error(self, error: Exception) -> Answer:
        """One of your callbacks raised: working orders are being cancelled, nothing more will be delivered to you."""

    def distribute_event_to_proper_callbacks(self, event: Any) -> Answer:
        """Route an event to `on_event` and to the callback of its kind.

        Override it to route otherwise. The engine calls the callbacks directly as long as nobody does.
        """
        first = self.on_event(event)
        name = CALLBACK_BY_KIND.get(event.event_type)
        if name is None:
            return first
        callback = getattr(self, name)
        if first is None:
            answer: Answer = callback(event)
            return answer
        return _one_after_the_other(first, callback, event)

    # --------------------------------------------------------------------------------------------- subscriptions

    def subscribe_to_bars(
        self, bar_type: BarType | str, key: str | None = None, *, history: int = 1, source: BarType | str | None = None
    ) -> None:
        """Have these bars delivered; the same line decides what is read from storage and what is subscribed live.

        key: name in `self.events`, default the bar type's. history: how many of the last events to keep there. source:
        make the bars from smaller ones ("GBPUSD.FX 1m bid") or from ticks ("trades", "quotes") instead of reading them.
        Raises: InvalidName; DataMissing when the store has no such series.
        """
        self._bound("subscribe_to_bars").subscribe("bar", str(BarType.parse(bar_type)), key, history, source)

    def subscribe_to_trades(self, instrument: str, key: str | None = None, *, history: int = 1) -> None:
        """Have the trades of an instrument delivered."""
        self._bound("subscribe_to_trades").subscribe("trade_tick", instrument, key, history, None)

    def subscribe_to_quotes(self, instrument: str, key: str | None = None, *, history: int = 1) -> None:
        """Have the quotes of an instrument delivered."""
        self._bound("subscribe_to_quotes").subscribe("quote_tick", instrument, key, history, None)

    def subscribe_to_depth(self, instrument: str, key: str | None = None, *, history: int = 1) -> None:
        """Have the depth snapshots of an instrument delivered."""
        self._bound("subscribe_to_depth").subscribe("depth", instrument, key, history, None)

    def add_event_feed(self, feed: Any, key: str, live: Any = None, *, history: int = 1) -> None:
        """Have the events of a feed of your own delivered: a historical one, and its live half where there is one."""
        self._bound("add_event_feed").add_feed(feed, key, history, live)

    def unsubscribe(self, key: str) -> None:
        """End a subscription, from the end of this turn on; the key is free then. Raises: KeyError for an unknown key.

        Brokers go on hearing the series, live too: what orders execute on does not depend on who listens.
        """
        self._bound("unsubscribe").unsubscribe(key)

    def add_indicator(self, indicator: Any, key: str) -> None:
        """Update an indicator with every event of a subscription, before the callbacks. Raises: KeyError."""
        self._bound("add_indicator").add_indicator(indicator, key)

    @property
    def events(self) -> dict[str, Sequence[Any]]:
        """The last `history` events by key, newest at [-1]; empty until the first one came."""
        return self._bound("events").events

    # ----------------------------------------------------------------------------------------------------- timers

    def add_timer(self, name: str, at: datetime | int) -> None:
        """One time event at a moment (aware UTC datetime, or int nanoseconds). The past is refused."""
        self._bound("add_timer").add_timer(name, at)

    def add_repeating_timer(
        self,
        name: str,
        every: timedelta | int,
        start: datetime | int | None = None,
        end: datetime | int | None = None,
    ) -> None:
        """Time events at start + k * every, without drift. every: timedelta or int nanoseconds, above 0.

        start: the first moment; default: the next whole multiple of `every` since 1970 UTC, strictly after now, and in
        a run without a start strictly after its first event.
        """
        self._bound("add_repeating_timer").add_repeating_timer(name, every, start, end)

    def cancel_timer(self, name: str) -> None:
        """No further event of this timer. Raises: KeyError for an unknown name."""
        self._bound("cancel_timer").unsubscribe(name)

    def get_current_time(self) -> datetime:
        """The turn's instant, aware UTC, cut to microseconds: the same in all callbacks of a turn."""
        return to_datetime(self._bound("get_current_time").timeline.now)

    @property
    def now_ns(self) -> int:
        """The turn's instant, int nanoseconds since 1970 UTC."""
        return self._bound("now_ns").timeline.now

    # ----------------------------------------------------------------------------------------------------- orders

    def submit_order(self, order: Order, broker: str | None = None) -> Order:
        """Give an order to a broker (default: the one in use). Returns the same order, now with its id.

        Raises: UnknownInstrument, InvalidOrder (off the increment ...), OrderError (submitted before).
        """
        host = self._host or self._bound("submit_order")
        return host.orders.submit_order(order, broker)

    def cancel_order(self, order: Order) -> None:
        """Ask for an order to be cancelled. Raises: UnknownOrder when it is not open, as far as reported."""
        self._bound("cancel_order").orders.cancel_order(order)

    def update_order(
        self,
        order: Order,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
    ) -> None:
        """Ask for an order to be changed. quantity: the new absolute total, above 0.

        Raises: UnknownOrder, InvalidOrder (nothing to change, a price its type does not have, off the increment).
        """
        self._bound("update_order").orders.update_order(order, quantity=quantity, price=price, stop_price=stop_price)

    def submit_group(self, group: OrderGroup, broker: str | None = None) -> OrderGroup:
        """Give a group of orders to a broker (default: the one in use), all or nothing. Returns the same group.

        Its orders have ids from now on. Children are INITIALIZED until the entry's first execution is reported, where
        `contingency = client`; SUBMITTED until the venue lets them work, where it is `venue`. Raises: as submit_order;
        a wrong order of the group lets nothing of it be submitted.
        """
        return self._bound("submit_group").orders.groups.submit(group, broker)

    def cancel_group(self, group: OrderGroup) -> None:
        """Ask for whatever of a group is not finished to be cancelled; what it holds stays. Raises: UnknownOrder."""
        self._bound("cancel_group").orders.groups.cancel(group)

    def submit_opportunity(self, opportunity: Opportunity, broker: str | None = None) -> Opportunity:
        """Give an opportunity to a broker (default: the one in use), which all its orders go to; all or nothing.

        Raises: InvalidOpportunity, OpportunityStateError (submitted before), and what submit_group raises.
        """
        return self._bound("submit_opportunity").submit_opportunity(opportunity, broker)

    @property
    def opportunities(self) -> OpportunityManager:
        """Those of this strategy: iterate for what is not finished; `waiting`, `in_trade`, `finished`, `find(order)`,
        `close_all()`.
        """
        return self._bound("opportunities").opportunities

    def cancel_all_orders(self, instrument: str | None = None) -> None:
        """Ask for every open order of this strategy (of one instrument) to be cancelled."""
        self._bound("cancel_all_orders").orders.cancel_all(instrument)

    def orders(self, instrument: str | None = None, broker: str | None = None) -> list[Order]:
        """Open orders, as far as reported, oldest first."""
        return self._bound("orders").orders.open_orders(instrument, broker)

    def position(self, instrument: str, broker: str | None = None) -> Position:
        """What this strategy holds, as far as reported; flat if nothing."""
        return self._bound("position").orders.position(instrument, broker)

    def account(self, broker: str | None = None) -> Account:
        """Money at the broker in use, as far as reported."""
        return self._bound("account").orders.account(broker)

    def instrument(self, instrument: str) -> Instrument:
        """Definition of an instrument. Raises: UnknownInstrument."""
        return self._bound("instrument").orders.instrument(instrument)

    def order_gate(self, instrument: str) -> Reason | None:
        """Why no real order may rest on an instrument's live data now (phase, proof, freshness, lag); None: it may."""
        return self._bound("order_gate").check_gate(instrument)

    @property
    def statistics(self) -> PerformanceStatistics:
        """Performance so far, from the executions as they happened at the brokers."""
        return self._bound("statistics").statistics()

    @property
    def name(self) -> str:
        """Name of this strategy in the run."""
        return self._bound("name").name

    def stop_run(self) -> None:
        """End the run early, in good order, with the present turn: nothing later is delivered or executed.

        What it did until then is complete, and says who ended it.
        """
        self._bound("stop_run").stop_run()

    def _bound(self, what: str) -> StrategyHost:
        if self._host is None:
            raise EngineStateError(
                f"{type(self).__name__}.{what} needs a running engine; use it in on_start or a later callback"
            )
        return self._host


async def _one_after_the_other(first: Awaitable[None], callback: Any, event: Any) -> None:
    await first
    second = callback(event)
    if second is not None:
        await second

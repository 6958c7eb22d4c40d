"""OpportunityManager: the opportunities of one strategy.

Receives: opportunities from the strategy; reports, after the order desk took them in; prices the strategy is shown.
Gives:    their orders to the order desk; OpportunityChanged for the strategy and the bus; look-ups.
Never:    acts on what was not reported, or keeps more than the newest finished ones.    SPEC "Opportunity Management".

Closing is two steps, so that nothing can flip: everything that works is cancelled, and when the last of it is reported
as finished, what is then held goes at the market. Whatever comes in meanwhile is counted first.

Prices count from the report of the first execution to that of the last: quotes and depth by the side on which it would
be left, trades and bars as they are, except that bid bars are for what is held long and ask bars for what is short.
Management runs at the end of the instant, after all callbacks, once an instant.

When the strategy is stopped its orders are cancelled (OrderDesk.close) and nothing more is sent: what is held stays,
and the opportunity says so. When the run ends, what is not finished stays as it is, and the run folder shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from itertools import islice
from typing import Any, Final

from tradecore.domain.account_adjustment import AccountAdjusted, AdjustmentKind
from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import CROSSED
from tradecore.domain.execution import Execution
from tradecore.domain.instant import format_ns, to_ns
from tradecore.domain.instrument import Number
from tradecore.domain.order import Order
from tradecore.domain.order_snapshot import OrderSnapshot
from tradecore.domain.order_state import OrderState
from tradecore.domain.position import Position
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.time_event import OneTimeEvent
from tradecore.domain.trade_tick import TradeTick
from tradecore.engine.subscription import Handler
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import InvalidOpportunity, OpportunityStateError
from tradecore.feeds.alarm_feed import AlarmFeed
from tradecore.strategy.opportunity import Opportunity
from tradecore.strategy.opportunity_state import OpportunityChanged, OpportunityEnd, OpportunityState
from tradecore.strategy.order_call import check_given
from tradecore.strategy.order_desk import OrderDesk

FINISHED_KEPT: Final = 1_000
"""Finished opportunities that are kept at least: for look-ups, and for executions that are told of too late."""

_ZERO: Final = Decimal(0)
_SHARE_STEP: Final = Decimal("1e-12")
_IN_TRADE: Final = OpportunityState.IN_TRADE


class OpportunityManager:
    """Opportunities of one strategy: iterate it for those that are not finished, oldest first.

    counts: of the finished ones, by how they ended.
    """

    def __init__(
        self, name: str, engine: TradingEngine, desk: OrderDesk, tell_trace: Callable[[Opportunity], None]
    ) -> None:
        """tell_trace: called before each call of management."""
        self.counts: Counter[OpportunityEnd] = Counter()
        self._name, self._engine, self._desk, self._tell_trace = name, engine, desk, tell_trace
        self._count = 0
        self._open: dict[str, Opportunity] = {}
        self._finished: dict[str, Opportunity] = {}
        self._by_order: dict[str, Opportunity] = {}
        self._by_group: dict[str, Opportunity] = {}
        self._closing: dict[str, bool] = {}  # by id: whether its time was over
        self._in_trade: dict[str, list[Opportunity]] = {}  # by instrument
        self._to_manage: dict[str, Opportunity] = {}
        self._count_alarms = 0
        self._alarms: list[tuple[int, int, Opportunity]] = []
        self._alarm_feed: AlarmFeed | None = None
        self._alarm_lane: Any = None

    # ---------------------------------------------------------------------------------------------------- look-ups

    def __iter__(self) -> Iterator[Opportunity]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def waiting(self) -> list[Opportunity]:
        """Those whose entry may still execute, and nothing of it has."""
        return [one for one in self._open.values() if one.state is OpportunityState.WAITING]

    @property
    def in_trade(self) -> list[Opportunity]:
        """Those that hold something, or whose orders still work."""
        return [one for one in self._open.values() if one.state is _IN_TRADE]

    @property
    def finished(self) -> list[Opportunity]:
        """The newest that are finished, oldest first; at least a thousand are kept."""
        return list(self._finished.values())

    def find(self, key: str | Order | Execution) -> Opportunity | None:
        """The opportunity of this id, or of an order or execution of it; None where there is none (any more)."""
        if not isinstance(key, str | Order | Execution):
            raise InvalidOpportunity(f"find takes an id, an Order or an Execution, got {key!r:.80}")
        if isinstance(key, str):
            return self._open.get(key) or self._finished.get(key) or self._by_order.get(key)
        return self._by_order.get(key.order_id)

    # ---------------------------------------------------------------------------------------------------- commands

    def submit(self, opportunity: Opportunity, broker: str | None) -> Opportunity:
        """Give its orders to one broker, all or nothing. Raises: InvalidOpportunity, and what orders raise."""
        check_given("submit_opportunity", opportunity, Opportunity)
        if opportunity.id:
            raise OpportunityStateError(f"opportunity {opportunity.id} was submitted before; make a new Opportunity")
        now = self._desk.now
        time_out = opportunity.time_out
        at_ns = to_ns(time_out) if isinstance(time_out, datetime) else None
        if at_ns is not None and at_ns <= now:
            raise InvalidOpportunity(f"time_out {format_ns(at_ns)} is not after now, {format_ns(now)}")
        if opportunity.group is None:
            self._desk.submit_order(opportunity.entry, broker)
        else:
            self._desk.groups.submit(opportunity.group, broker)
            self._by_group[opportunity.group.id] = opportunity
        self._count += 1
        instrument = self._desk.instrument(opportunity.instrument)
        opportunity.begin(f"{self._name}-o{self._count}", instrument, self, now)
        self._open[opportunity.id] = opportunity
        self._by_order |= dict.fromkeys((order.order_id for order in opportunity.orders), opportunity)
        if at_ns is not None:
            self._set_alarm(at_ns, opportunity)
        submitted = OpportunityChanged(opportunity.snapshot(), None, now)
        self._engine.give(self._name, "submit_opportunity", partial(self._publish, submitted))
        return opportunity

    async def _publish(self, change: OpportunityChanged) -> None:
        self._engine.bus.publish(change)

    def close_all(self, instrument: str | None = None, detail: str = "closed by hand") -> None:
        """Close every opportunity (of an instrument)."""
        for opportunity in self:
            if instrument in (None, opportunity.instrument):
                self.close(opportunity, detail)

    def close(self, opportunity: Opportunity, detail: str) -> None:
        """See Opportunity.close."""
        self._engine.check_in_turn("close")
        self._close(opportunity, detail, timed_out=False)

    def _close(self, opportunity: Opportunity, detail: str, *, timed_out: bool) -> None:
        opportunity.note_detail(detail)
        self._closing.setdefault(opportunity.id, timed_out)
        self._take_back(opportunity)
        self._leave(opportunity)

    def move_exit(self, opportunity: Opportunity, order: Order, price: Number) -> None:
        """See Opportunity.move_stop and move_profit; the limit of a stop-limit keeps its distance."""
        if order.stop_price is None:
            self._desk.update_order(order, quantity=None, price=price, stop_price=None)
            return
        limit = None
        if order.price is not None:
            stop_price = self._desk.instrument(order.instrument).price(price)
            limit = stop_price + order.price - order.stop_price
        self._desk.update_order(order, quantity=None, price=limit, stop_price=price)

    def _take_back(self, opportunity: Opportunity) -> None:
        """Cancel what works of it."""
        group, desk = opportunity.group, self._desk
        if group is not None and not group.is_finished:
            desk.groups.cancel(group)
        elif group is None and opportunity.entry.is_open:
            desk.give_cancel(opportunity.entry)

    def _leave(self, opportunity: Opportunity) -> None:
        """Send what is held to the market, if it is to be closed and nothing of it works any more."""
        is_wanted = opportunity.id in self._closing or opportunity.is_left_by_commission
        if not is_wanted or not opportunity.to_leave or not self._desk.is_open:
            return
        if all(order.is_finished for order in opportunity.orders):
            closer = Order.market(opportunity.instrument, -opportunity.to_leave)
            self._desk.submit_order(closer, opportunity.broker)
            opportunity.add_closer(closer)
            self._by_order[closer.order_id] = opportunity

    # ----------------------------------------------------------------------------------------------------- reports

    def take_report(
        self, change: OrderSnapshot, execution: Execution | None, before: Position | None, after: Position | None
    ) -> list[OpportunityChanged]:
        """A report that the order desk has taken in; before, after: the strategy's position around its execution.

        What it means to the opportunity of its order: to be told after the report's own messages.
        """
        opportunity = self._by_order.get(change.order_id)
        if opportunity is None and change.terms.group_id is not None:  # the group sent an order of its own
            opportunity = self._by_group.get(change.terms.group_id)
        if opportunity is None:
            return []
        if execution is not None and before is not None and after is not None:
            opportunity.book(execution, after.commission - before.commission, after.quantity - before.quantity)
        if opportunity.is_finished:
            if execution is not None:
                opportunity.mark_problem(f"execution {execution.execution_id} was told of after it was finished")
        else:
            self._note_refused_close(opportunity, change)
            self._leave(opportunity)
        state = opportunity.move(self._desk.now, timed_out=self._closing.get(opportunity.id, False))
        self._follow(opportunity, state)
        if opportunity.has_news() or opportunity.state is not state or (opportunity.is_finished and execution):
            return [OpportunityChanged(opportunity.snapshot(), state, self._desk.now)]
        return []

    def take_adjustment(self, adjusted: AccountAdjusted) -> None:
        """A dividend, a split or the like of what the strategy holds: each opportunity has its part in it.

        It is shared by what is held, so that the parts of all add up to what the strategy's ledger booked: money, and
        the units that a split leaves off the grid, which are paid out.
        """
        before, after, change = adjusted.before, adjusted.after, adjusted.adjustment
        is_split = change.kind is AdjustmentKind.SPLIT
        if before is None or after is None or not (before.quantity or is_split):
            return
        concerned = [
            one for one in self
            if (one.held or is_split) and one.instrument == before.instrument and one.broker == adjusted.broker
        ]  # fmt: skip
        rest = before.quantity * change.value - after.quantity if is_split else _ZERO
        price = adjusted.amount / (rest * before.multiplier) if rest else _ZERO
        whole = rest if is_split else after.realised - before.realised
        concerned.sort(key=lambda one: bool(one.held))  # what rounding leaves over goes to one that holds something
        parts = _share([one.held for one in concerned], before.quantity, whole)
        for opportunity, part in zip(concerned, parts, strict=True):
            if is_split:
                opportunity.split(change.value, change.ts_event, part, price)
            else:
                opportunity.earn(part, change.ts_event)

    def _note_refused_close(self, opportunity: Opportunity, change: OrderSnapshot) -> None:
        """A close that is over without leaving everything is not tried again: somebody has to look."""
        if not opportunity.to_leave or not all(order.is_finished for order in opportunity.orders):
            return
        held = f"{opportunity.held} {opportunity.instrument} are held"
        if not self._desk.is_open:
            opportunity.mark_problem(f"{held}; its strategy was stopped")
        elif opportunity.is_closer(change.order_id) and change.state is not OrderState.FILLED:
            self._closing.pop(opportunity.id, None)
            opportunity.mark_problem(f"{held}; the order to close them was {change.state.name}: {change.reason}")
        elif opportunity.is_left_by_commission:
            return  # the rest is sent to the market
        elif opportunity.group is not None and opportunity.id not in self._closing:
            opportunity.mark_problem(f"{held}, and none of its exits works any more")

    def _follow(self, opportunity: Opportunity, before: OpportunityState) -> None:
        """What a new state means to who watches prices, to time-outs and to look-ups."""
        now = opportunity.state
        if now is before:
            return
        if now is _IN_TRADE:
            self._in_trade.setdefault(opportunity.instrument, []).append(opportunity)
            time_out, entered = opportunity.time_out, opportunity.ts_entered
            if isinstance(time_out, timedelta) and entered is not None:
                self._set_alarm(entered + time_out // timedelta(microseconds=1) * 1_000, opportunity)
            return
        if before is _IN_TRADE:
            self._in_trade[opportunity.instrument].remove(opportunity)
        self._closing.pop(opportunity.id, None)
        del self._open[opportunity.id]
        assert opportunity.end is not None
        self.counts[opportunity.end] += 1
        self._finished[opportunity.id] = opportunity
        if len(self._finished) >= 2 * FINISHED_KEPT:
            self._forget()

    def _forget(self) -> None:
        for opportunity_id in list(islice(self._finished, FINISHED_KEPT)):
            gone = self._finished.pop(opportunity_id)
            for order in gone.orders:
                self._by_order.pop(order.order_id, None)
            if gone.group is not None:
                del self._by_group[gone.group.id]

    # ------------------------------------------------------------------------------------------------------ prices

    def find_watcher(self, event_class: type) -> Callable[[Any], None] | None:
        """The call that shows this manager an event of a class; None for classes without a price."""
        watchers: dict[type, Callable[[Any], None]] = {
            QuoteTick: self._see_quote, TradeTick: self._see_trade, DepthSnapshot: self._see_depth, Bar: self._see_bar
        }  # fmt: skip
        return watchers.get(event_class)

    def _see_quote(self, quote: QuoteTick) -> None:
        in_trade = self._in_trade.get(quote.instrument)
        if in_trade and not quote.flags & CROSSED:
            self._see(in_trade, quote.bid_price, quote.ask_price)

    def _see_trade(self, tick: TradeTick) -> None:
        in_trade = self._in_trade.get(tick.instrument)
        if in_trade:
            self._see(in_trade, tick.price, tick.price)

    def _see_depth(self, depth: DepthSnapshot) -> None:
        in_trade = self._in_trade.get(depth.instrument)
        if in_trade and not depth.flags & CROSSED:
            self._see(in_trade, depth.bids[0][0] if depth.bids else None, depth.asks[0][0] if depth.asks else None)

    def _see(self, in_trade: list[Opportunity], bid: float | None, ask: float | None) -> None:
        for opportunity in in_trade:
            price = bid if opportunity.held > 0 else ask
            if price is not None and opportunity.held:
                opportunity.see(price)
                self._want_management(opportunity)

    def _see_bar(self, bar: Bar) -> None:
        kind = bar.bar_type
        start_ns = bar.ts_event - kind.step_ns if kind.is_time_based else None
        for opportunity in self._in_trade.get(kind.instrument, ()):
            if opportunity.held and kind.price != ("ask" if opportunity.held > 0 else "bid"):
                opportunity.see_bar(start_ns, bar.low, bar.high, bar.close)
                self._want_management(opportunity)

    # -------------------------------------------------------------------------------------------------- management

    def _want_management(self, opportunity: Opportunity) -> None:
        if not opportunity.management or opportunity.id in self._closing:
            return
        if not self._to_manage:
            self._engine.give(self._name, "management of opportunities", self._run_management)
        self._to_manage[opportunity.id] = opportunity

    async def _run_management(self) -> None:
        due, self._to_manage = self._to_manage, {}
        for opportunity in due.values():
            for call in opportunity.management:
                if opportunity.state is not _IN_TRADE or opportunity.id in self._closing or not self._desk.is_open:
                    break
                self._tell_trace(opportunity)
                answer = call(opportunity)
                if answer is not None:
                    await answer

    # --------------------------------------------------------------------------------------------------- time-outs

    def _set_alarm(self, at_ns: int, opportunity: Opportunity) -> None:
        if at_ns <= self._desk.now:  # the report took longer than the time it had
            self._time_out(opportunity)
            return
        self._count_alarms += 1
        heappush(self._alarms, (at_ns, self._count_alarms, opportunity))
        if self._alarm_feed is None:
            self._alarm_feed = AlarmFeed(f"{self._name} opportunities")
            self._engine.give(self._name, "time_out of an opportunity", partial(self._open_alarms, self._alarm_feed))
        self._alarm_feed.set(at_ns)
        if self._alarm_lane is not None:
            self._engine.renew_timer(self._alarm_lane)

    async def _open_alarms(self, feed: AlarmFeed) -> None:
        self._alarm_lane = await self._engine.attach(feed)
        handler = Handler(self._on_alarm, False, self._name, "time_out of an opportunity")
        self._engine.subscribe(self._name, self._alarm_lane, lambda _: [handler])

    def _on_alarm(self, event: OneTimeEvent) -> None:
        while self._alarms and self._alarms[0][0] <= event.ts_event:
            opportunity = heappop(self._alarms)[2]
            if not opportunity.is_finished:
                self._time_out(opportunity)

    def _time_out(self, opportunity: Opportunity) -> None:
        self._close(opportunity, f"timed out at {format_ns(self._desk.now)}", timed_out=True)


def _share(held: list[Decimal], position: Decimal, whole: Decimal) -> list[Decimal]:
    """Parts of a whole by what each holds of a position, exact: who hold all of it together get all of it together."""
    parts = [(whole * one / position).quantize(_SHARE_STEP) if whole else _ZERO for one in held]
    if whole and parts and sum(held, _ZERO) == position:
        parts[-1] = whole - sum(parts[:-1], _ZERO)
    return parts

"""Opportunity: an entry, and how it is left again: with a profit, with a loss, by management, or by hand.

Receives: orders that were not submitted yet; what was reported of them; prices that the strategy was shown.
Gives:    a live handle: state, what it executed, its own profit, duration, MAE and MFE; commands to close it and to
          move its exits.
Never:    counts what other orders of the strategy did, moves by anything but reports, or leaves FINISHED again.
          SPEC "Opportunity Management"; DESIGN 9; EXECUTION 8. States: opportunity_state.py.

    trade = tc.Opportunity(
        tc.Order.limit("AIG.N", 100, "48.50"),
        profit=tc.Order.limit("AIG.N", -100, "49.10"),
        stop=tc.Order.stop("AIG.N", -100, "48.20"),
        manage=[tc.BreakEven(after="0.20"), tc.TrailStop(offset="0.25")],
        time_out=timedelta(minutes=30),
    )
    self.submit_opportunity(trade)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final, Protocol

from tradecore.domain.execution import Execution
from tradecore.domain.instrument import Instrument, Number
from tradecore.domain.order import Order, OrderSide
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.position import Position
from tradecore.errors import InvalidOpportunity, OpportunityStateError
from tradecore.strategy.opportunity_check import check_entry, check_manage, check_time_out
from tradecore.strategy.opportunity_excursion import Excursion
from tradecore.strategy.opportunity_state import OpportunityEnd, OpportunitySnapshot, OpportunityState, find_state

_ZERO: Final = Decimal(0)


Manage = Callable[["Opportunity"], Awaitable[None] | None]
"""Management: called with the opportunity while it is in trade, at the end of each instant that showed it a price."""


class OpportunityCommands(Protocol):
    """What an opportunity asks of its manager."""

    def close(self, opportunity: Opportunity, detail: str) -> None:
        """Take back what works, and leave what is held at the market."""
        ...

    def move_exit(self, opportunity: Opportunity, order: Order, price: Number) -> None:
        """Have an exit work at another price."""
        ...


class Opportunity:
    """An entry with optional exits. Read-only but for its commands; it changes only when a report is delivered.

    profit, stop: any orders of the other side and the entry's quantity (a limit; a stop, stop-limit or trailing stop),
    held back until the entry executes and then always sized to what is held (a bracket, EXECUTION 8). manage: calls
    made while it is in trade. time_out: it is closed this long after the entry's first execution (a timedelta), or at a
    moment (an aware UTC datetime), which also ends the waiting. Raises: InvalidOpportunity, InvalidOrder.
    """

    def __init__(
        self,
        entry: Order,
        *,
        profit: Order | None = None,
        stop: Order | None = None,
        manage: Manage | Iterable[Manage] = (),
        time_out: timedelta | datetime | None = None,
    ) -> None:
        check_entry(entry)
        self._entry, self._profit, self._stop = entry, profit, stop
        has_exits = profit is not None or stop is not None
        self._group = OrderGroup.bracket(entry, profit=profit, stop=stop) if has_exits else None
        self._manage = check_manage(manage, stop)
        self._time_out = check_time_out(time_out)
        self._id = ""
        self._instrument: Instrument | None = None
        self._commands: OpportunityCommands | None = None
        self._state = OpportunityState.WAITING
        self._end: OpportunityEnd | None = None
        self._detail: str | None = None
        self._problem: str | None = None
        self._told_problem: str | None = None
        self._closers: list[Order] = []
        self._position = Position(entry.instrument)
        self._excursion = Excursion()
        self._value_in = self._value_out = self._amount_in = self._amount_out = _ZERO
        self._taken_out = _ZERO  # units that the commission of exits took
        self._flat_by: str | None = None
        self._split_ratio = Decimal(1)
        self._ts_submitted = 0
        self._ts_entered: int | None = None
        self._ts_changed: int | None = None
        self._ts_finished: int | None = None

    # ------------------------------------------------------------------------------------------- what one may read

    @property
    def id(self) -> str:
        """Given at submit: strategy name, "o" and a counter. Empty before."""
        return self._id

    @property
    def instrument(self) -> str:
        """Instrument id."""
        return self._entry.instrument

    @property
    def side(self) -> OrderSide:
        """Of the entry: BUY is long."""
        return self._entry.side

    @property
    def broker(self) -> str:
        """Name of the one broker that all its orders go to. Empty before it is submitted."""
        return self._entry.broker

    @property
    def entry(self) -> Order:
        """The entry."""
        return self._entry

    @property
    def profit_order(self) -> Order | None:
        """The exit with a gain, where there is one."""
        return self._profit

    @property
    def stop_order(self) -> Order | None:
        """The exit with a loss, where there is one."""
        return self._stop

    @property
    def group(self) -> OrderGroup | None:
        """Entry and exits as a bracket; None without exits."""
        return self._group

    @property
    def orders(self) -> tuple[Order, ...]:
        """All its orders: entry, exits, what closed an excess, what closed it at the market."""
        first = (self._entry,) if self._group is None else self._group.orders
        return (*first, *self._closers)

    @property
    def state(self) -> OpportunityState:
        """WAITING, IN_TRADE or FINISHED, as far as reported."""
        return self._state

    @property
    def is_finished(self) -> bool:
        """Nothing more is expected of it."""
        return self._state is OpportunityState.FINISHED

    @property
    def end(self) -> OpportunityEnd | None:
        """Why it is finished; None before."""
        return self._end

    @property
    def detail(self) -> str | None:
        """The reason in words: of the broker, of who closed it, of the time-out."""
        return self._detail

    @property
    def problem(self) -> str | None:
        """What did not go as it was meant: an exit was refused, an execution came late, a close was refused."""
        return self._problem or (None if self._group is None else self._group.problem)

    @property
    def management(self) -> tuple[Manage, ...]:
        """The calls made while it is in trade, in order."""
        return self._manage

    @property
    def time_out(self) -> timedelta | datetime | None:
        """When it is closed at the latest."""
        return self._time_out

    @property
    def quantity(self) -> Decimal:
        """Executed of the entry, >= 0."""
        return self._amount_in

    @property
    def held(self) -> Decimal:
        """What it holds now, signed."""
        return self._position.quantity

    @property
    def to_leave(self) -> Decimal:
        """What of it an order can leave, signed: commission that took units may leave less than an increment."""
        held, instrument = self.held, self._instrument
        if instrument is None or not held % instrument.quantity_increment:
            return held
        return (held / instrument.quantity_increment).quantize(Decimal(1), ROUND_DOWN) * instrument.quantity_increment

    @property
    def is_left_by_commission(self) -> bool:
        """Its exits did what they should, and what it still holds is no more than what their commission took."""
        return bool(self._taken_out) and 0 < abs(self.to_leave) <= self._taken_out

    @property
    def entry_price(self) -> Decimal | None:
        """Average price of what came in, None before."""
        return self._value_in / self._amount_in if self._amount_in else None

    @property
    def exit_price(self) -> Decimal | None:
        """Average price of what went out, None before."""
        return self._value_out / self._amount_out if self._amount_out else None

    @property
    def price(self) -> Decimal | None:
        """The newest price seen in trade at which it could be left: bid for a long one, ask for a short one, else the
        last trade or close; None before the first.
        """
        last = self._excursion.last
        return None if last is None else Decimal(repr(last))

    @property
    def price_increment(self) -> Decimal:
        """Grid of the instrument's prices. Raises: OpportunityStateError before it is submitted."""
        if self._instrument is None:
            raise OpportunityStateError(
                "price_increment: this opportunity was not submitted; use submit_opportunity first"
            )
        return self._instrument.price_increment

    @property
    def split_ratio(self) -> Decimal:
        """Units now for each one when it was submitted, as far as splits were reported: what was meant in prices then
        is divided by it.
        """
        return self._split_ratio

    @property
    def commission(self) -> Decimal:
        """Paid so far, in the instrument's currency (or the ledger's, where that converts)."""
        return self._position.commission

    @property
    def profit(self) -> Decimal:
        """Realised, after commission: exactly what it added to the ledger."""
        return self._position.realised - self._position.commission

    @property
    def open_profit(self) -> Decimal:
        """Of what is held, at `price`, before the commission of leaving it; 0 when nothing is held or seen."""
        held, price = self._position, self.price
        if not held.quantity or price is None:
            return _ZERO
        return price * held.multiplier * held.quantity - held.cost

    @property
    def mae(self) -> Decimal:
        """Maximum adverse excursion, <= 0: the lowest total profit before commission at prices seen in trade."""
        return self._excursion.compute(self._position)[0]

    @property
    def mfe(self) -> Decimal:
        """Maximum favourable excursion, >= 0: the highest of these."""
        return self._excursion.compute(self._position)[1]

    @property
    def ts_entered(self) -> int | None:
        """First execution of the entry at the venue, int nanoseconds; None before."""
        return self._ts_entered

    @property
    def ts_finished(self) -> int | None:
        """When it became flat at the venue, or when it was told that the entry had ended; None before."""
        return self._ts_finished

    @property
    def duration(self) -> timedelta | None:
        """From the entry's first execution to the one that left it flat; None unless entered and finished."""
        if self._ts_entered is None or self._ts_finished is None:
            return None
        return timedelta(microseconds=(self._ts_finished - self._ts_entered) // 1_000)

    def snapshot(self) -> OpportunitySnapshot:
        """As it stands now, frozen."""
        mae, mfe = self._excursion.compute(self._position)
        currency = "" if self._instrument is None else self._instrument.currency
        return OpportunitySnapshot(
            self._id, self._entry.strategy, self.broker, self.instrument, self.side, self._state, self._end,
            self._detail, tuple(order.order_id for order in self.orders), self._amount_in, self.held, self.entry_price,
            self.exit_price, self.profit, self.commission, currency, mae, mfe,
            self._ts_submitted, self._ts_entered, self._ts_finished, self.problem,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------------ commands

    def close(self, detail: str = "closed by hand") -> None:
        """Leave it: what works is cancelled, and once that is confirmed, what is held goes at the market.

        In this order nothing can flip: while a cancel is on its way its order may still execute, and only what is then
        left is sent. A second call does nothing. Raises: OpportunityStateError when it is finished or not submitted;
        InvalidOpportunity for a detail that is no text.
        """
        if not isinstance(detail, str):
            raise InvalidOpportunity(f"detail of a close is {detail!r:.80}; expected a text that says why")
        self._bound("close").close(self, detail)

    def move_stop(self, price: Number) -> None:
        """Have the stop trigger at this price. Raises: OpportunityStateError without a stop that still may work."""
        self._bound("move_stop").move_exit(self, self._working(self._stop, "stop"), price)

    def move_profit(self, price: Number) -> None:
        """Have the profit order work at this price. Raises: OpportunityStateError."""
        self._bound("move_profit").move_exit(self, self._working(self._profit, "profit order"), price)

    def _bound(self, what: str) -> OpportunityCommands:
        if self._commands is None:
            raise OpportunityStateError(f"{what}: this opportunity was not submitted; use submit_opportunity first")
        if self.is_finished:
            raise OpportunityStateError(f"{what}: opportunity {self._id} is finished ({self._say_end()})")
        return self._commands

    def _working(self, order: Order | None, what: str) -> Order:
        if order is None:
            raise OpportunityStateError(f"opportunity {self._id} was made without a {what}; there is nothing to move")
        if order.is_finished:
            raise OpportunityStateError(
                f"the {what} of opportunity {self._id} is {order.state.name}; it cannot be moved"
            )
        return order

    def _say_end(self) -> str:
        return "" if self._end is None else self._end.name

    # --------------------------------------------------------------------------------- called by the manager, not you

    def begin(self, opportunity_id: str, instrument: Instrument, commands: OpportunityCommands, now: int) -> None:
        """It was submitted."""
        self._id, self._instrument, self._commands, self._ts_submitted = opportunity_id, instrument, commands, now
        self._position = Position(instrument.id, multiplier=instrument.multiplier)

    def add_closer(self, order: Order) -> None:
        """A market order was sent to leave what is held."""
        self._closers.append(order)

    def is_closer(self, order_id: str) -> bool:
        """Whether this order was sent to leave what is held."""
        return any(order.order_id == order_id for order in self._closers)

    def book(self, execution: Execution, commission: Decimal, moved: Decimal) -> None:
        """One of its orders executed. commission: as the strategy's ledger booked it; moved: what it changed the
        position by, signed: its quantity, less units that commission took.
        """
        before, was_left = self._position, self.is_left_by_commission
        self._position = before.after(moved, execution.price, execution.ts_event, commission)
        self._excursion.change(before, self._position, execution.price)
        value = execution.quantity * execution.price
        if execution.side is self._entry.side:
            self._amount_in, self._value_in = self._amount_in + execution.quantity, self._value_in + value
        else:
            self._amount_out, self._value_out = self._amount_out + execution.quantity, self._value_out + value
            self._taken_out += abs(moved - execution.signed_quantity)
        if self._ts_entered is None:
            self._ts_entered = execution.ts_event
        self._ts_changed = execution.ts_event
        if self.is_left_by_commission or not (self.to_leave or was_left):
            self._flat_by = execution.order_id

    def earn(self, amount: Decimal, ts_event: int) -> None:
        """Its part of a dividend, of funding or of what borrowing costs (below 0), in the instrument's currency."""
        self._excursion.settle(self._position)
        self._position = self._position.after_income(amount, ts_event)

    def split(self, ratio: Decimal, ts_event: int, rest: Decimal, price: Decimal) -> None:
        """What it holds is `ratio` new units for each old one from now on; averages, exits and levels are in new units.

        rest: new units, signed, off the quantity grid; they are paid out at this price.
        """
        self._split_ratio *= ratio
        self._excursion.split(self._position, float(ratio))
        self._position = self._position.after_split(ratio, ts_event)
        if rest:
            self._position = self._position.after(-rest, price, ts_event)
        self._amount_in, self._amount_out = self._amount_in * ratio, self._amount_out * ratio
        self._taken_out *= ratio
        self._ts_changed = ts_event

    def see(self, price: float) -> None:
        """The strategy was shown this price while it is held."""
        self._excursion.see(price)

    def see_bar(self, start_ns: int | None, low: float, high: float, close: float) -> None:
        """The same of a bar; of one that began before the last execution only the close is known to be later."""
        if start_ns is not None and self._ts_changed is not None and start_ns >= self._ts_changed:
            self._excursion.see_range(low, high, close)
        else:
            self._excursion.see(close)

    def move(self, now: int, *, timed_out: bool) -> OpportunityState:
        """Take the state that the reports give; the one it had. timed_out: its time was over before it was closed."""
        before = self._state
        if before is OpportunityState.FINISHED:
            return before
        self._state = find_state(self._entry, self.to_leave, self.orders)
        if self._state is OpportunityState.FINISHED:
            self._finish(now, timed_out=timed_out)
        return before

    def _finish(self, now: int, *, timed_out: bool) -> None:
        if self._ts_entered is None:
            self._end, self._ts_finished = OpportunityEnd.NOT_ENTERED, now
            self._detail = self._detail or self._entry.reason or f"the entry was {self._entry.state.name.lower()}"
            return
        self._ts_finished = self._ts_changed
        for order, end in ((self._profit, OpportunityEnd.PROFIT), (self._stop, OpportunityEnd.STOP)):
            if order is not None and order.order_id == self._flat_by:
                self._end = end
                self._detail = None  # somebody may have asked to close it, but the exit was quicker
                return
        self._end = OpportunityEnd.TIMED_OUT if timed_out else OpportunityEnd.CLOSED
        self._detail = self._detail or self.problem

    def note_detail(self, detail: str) -> None:
        """Why it is being closed; the first reason stands."""
        self._detail = self._detail or detail

    def mark_problem(self, problem: str) -> None:
        """Say what went wrong; the first problem stands."""
        self._problem = self._problem or problem

    def has_news(self) -> bool:
        """Whether there is a problem that was not told yet; it counts as told now."""
        known, self._told_problem = self._told_problem, self.problem
        return self._told_problem != known

    def __repr__(self) -> str:
        end = f" {self._end.name}" if self._end is not None else ""
        return (
            f"<Opportunity {self._id or '(not submitted)'} {self.side.value} {self.instrument} {self._state.name}{end} "
            f"held {self.held} profit {self.profit}>"
        )

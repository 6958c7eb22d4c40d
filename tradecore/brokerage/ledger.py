"""Ledger: what one strategy holds of one instrument at one broker, and what its working orders may add to it.

Receives: executions; quantities of orders that start and end working; the lane that prices it.
Gives:    positions before and after; marks for the strategy's recorder, only while it holds.
Never:    nets across strategies or brokers.    Spec: 5.1; EXECUTION 9, 10.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradecore.brokerage.lane_prices import read_price
from tradecore.domain.exact import to_exact
from tradecore.domain.execution import Execution
from tradecore.domain.instant import MIN_NS
from tradecore.domain.instrument import ONE, Instrument
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position
from tradecore.engine.participant import Recorder
from tradecore.execution.lane import Lane
from tradecore.execution.working_order import WorkingOrder

if TYPE_CHECKING:
    from tradecore.brokerage.conversion import Conversion

# A member by module name: reading it off an Enum class costs 0.1 us in Python 3.11.
_SIDE_BUY: Final = OrderSide.BUY

_ZERO: Final = Decimal(0)


class Ledger:
    """One ledger. open_buys, open_sells: quantity that working orders may still execute. marked_ns: marks up to and
    including this instant were recorded. last_mark_ns: time of the newest.
    """

    __slots__ = (
        "conversion",
        "instrument",
        "lane",
        "last_mark_ns",
        "marked_ns",
        "open_buys",
        "open_sells",
        "position",
        "recorder",
        "strategy",
    )

    def __init__(self, strategy: str, instrument: Instrument, lane: Lane, recorder: Recorder) -> None:
        self.strategy, self.instrument, self.lane, self.recorder = strategy, instrument, lane, recorder
        # Where its money is not the account's, or its commission not its own: see ConvertedLedger.
        self.conversion: Conversion | None = None
        self.position = Position(instrument.id, multiplier=instrument.multiplier)
        self.open_buys = _ZERO
        self.open_sells = _ZERO
        self.marked_ns = MIN_NS
        self.last_mark_ns = MIN_NS

    def apply(self, execution: Execution, instant: int) -> Position:
        """Book an execution made at an instant of the run (a bar's open, when the bar is known); the position after it.

        Marks before this instant are of what was held before it, its own mark of what is held after it. On bars, which
        mark a holding of either side alike, they are read off later while something is held, many at once.
        """
        before = self.position
        held, signed = before.quantity, execution.quantity
        if execution.side is not _SIDE_BUY:
            signed = -signed
        self.position = after = before.after(signed, execution.price, execution.ts_event, execution.commission)
        if held and not (after.quantity and self.lane.has_one_price):
            self.record_marks(instant - 1, held)
        # Who asked for the statistics at this very instant had its mark taken with what was held before it.
        if not held or self.marked_ns >= instant:
            self.marked_ns = instant - 1
        self.recorder.record_execution(execution, before, after, instant)
        return after

    def record_marks(self, until: int, quantity: Decimal) -> None:
        """Record the marks that are due by an instant, of a holding of this quantity, if it is one."""
        if until <= self.marked_ns or not quantity:
            return
        times, prices = self.lane.marks(1 if quantity > 0 else -1, self.marked_ns, until)
        self.marked_ns = until
        if times:
            self.last_mark_ns = times[-1]
            self.recorder.record_marks(self.instrument.id, times, prices)

    def record_last_mark(self, ts: int) -> None:
        """The run ended: marks up to its end, and one at the end at the last known price."""
        quantity = self.position.quantity
        if not quantity:
            return
        self.record_marks(ts, quantity)
        price = self.lane.mark(1 if quantity > 0 else -1)
        if price is not None and self.last_mark_ns < ts:
            self.last_mark_ns = ts
            self.recorder.record_marks(self.instrument.id, [ts], [price])

    def measure(self, ts: int | None) -> tuple[Decimal, Decimal]:
        """Value of what is held, and of the largest position, long or short, that working orders may lead to.

        At present marks, in the instrument's currency; the latter >= 0, and 0 before any mark. ts: see find_mark.
        """
        held = self.position.quantity
        up, down = held + self.open_buys, self.open_sells - held
        widest = max(down, up)
        if not (held or widest):
            return _ZERO, _ZERO
        mark = self.find_mark(1, ts)
        if mark is None:
            return self.find_value(ts), _ZERO
        price, multiplier = to_exact(mark), self.instrument.multiplier
        if multiplier is not ONE:
            price *= multiplier
        value = held * price if held > _ZERO else self.find_value(ts) if held else _ZERO
        return value, widest * abs(price)

    def compute_widening(self, order: WorkingOrder, quantity: Decimal) -> Decimal:
        """How much that much more on an order's side would widen it; 0 for what only reduces."""
        held = self.position.quantity
        if order.is_buy:
            own, other = held + self.open_buys, self.open_sells - held
        else:
            own, other = self.open_sells - held, held + self.open_buys
        wider = own + quantity
        if wider <= other:
            return _ZERO
        return wider - other if other > own else quantity

    def find_mark(self, sign: int, ts: int | None = None) -> float | None:
        """What a holding of this sign is valued at, None before any price. ts: now, where the lane may lag behind; it
        does not while its own orders are judged.
        """
        return self.lane.mark(sign) if ts is None else read_price(self.lane, sign, ts)

    def find_value(self, ts: int | None = None) -> Decimal:
        """Value of what is held at the present mark, signed, in the instrument's currency; at cost before any mark.

        ts: see find_mark.
        """
        quantity = self.position.quantity
        if not quantity:
            return _ZERO
        price = self.find_mark(1 if quantity > 0 else -1, ts)
        if price is None:
            return self.position.cost
        return quantity * to_exact(price) * self.instrument.multiplier

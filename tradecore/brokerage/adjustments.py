"""Adjustments: dividends, splits, funding, interest and borrowing, applied to what one account holds.

Receives: AccountAdjustments with the instants at which they hold; the passing of UTC midnights, where shorts cost.
Gives:    cash, positions and resting orders after them; for each strategy concerned a record and a report.
Never:    changes what is executed already, or books an adjustment before the market events of its instant.
          EXECUTION 9.

A dividend and funding concern what each strategy holds; interest the balance of the account, of which each of its
strategies gets an even part. A split multiplies what is held and what is left of orders; what then lies off the
quantity grid is paid out at the mark. An order is effective from the split on: inside a bar it has that bar's close or
the next bar, as one that comes then. Orders of a group are converted with it, those on their way too, so that what is
held keeps its exits; a lone order on its way comes as it was sent. Until a strategy has heard of a split it speaks in
old units: orders that it then sends for groups are converted, and its updates are refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Final

from tradecore.brokerage.account_acts import AccountActs
from tradecore.brokerage.account_book import AccountBook
from tradecore.brokerage.account_money import AccountMoney
from tradecore.brokerage.currency_paths import RATE_CONTEXT
from tradecore.brokerage.ledger import Ledger
from tradecore.domain.account_adjustment import AccountAdjusted, AccountAdjustment, AdjustmentKind
from tradecore.domain.exact import to_exact
from tradecore.domain.instant import DAY_NS, MAX_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.position import Position
from tradecore.engine.participant import Recorder
from tradecore.errors import InvalidEvent
from tradecore.execution.lane import Lane
from tradecore.execution.splits import rescale_event, rescale_order, rescale_waiting
from tradecore.execution.working_order import WorkingOrder

NEVER: Final = MAX_NS
DAYS_OF_YEAR: Final = 365
GROUPS_SPLIT: Final = "groups_split"
"""Kind of the line in events.jsonl which says that a strategy's groups of an instrument go on in new units."""

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_MONEY_STEP: Final = Decimal("1e-12")
_SPLIT: Final = AdjustmentKind.SPLIT

Due = tuple[int, AccountAdjustment]
"""The instant at which it is booked, int nanoseconds, and the adjustment."""


class Adjustments:
    """Of one account. due_ns: when the next one is due, NEVER without. recorders: by strategy. dividends: instruments
    that had any. heard: splits by strategy and instrument, with the instants at which it hears of them.
    """

    def __init__(
        self,
        broker: str,
        book: AccountBook,
        money: AccountMoney,
        lanes: dict[str, Lane],
        borrow_rate: Decimal,
        acts: AccountActs,
    ) -> None:
        """borrow_rate: per year, of the value that is short."""
        self.due_ns = NEVER
        self.recorders: dict[str, Recorder] = {}
        self.dividends: set[str] = set()
        self._broker, self._book, self._lanes, self._acts = broker, book, lanes, acts
        self._find_market_rate = money.find_rate_at
        self._waiting: deque[Due] = deque()
        self._borrow_rate = borrow_rate / DAYS_OF_YEAR
        self._midnight_ns = NEVER
        self._has_begun = False  # the first window is over
        self.heard: dict[tuple[str, str], list[tuple[AccountAdjustment, int]]] = {}

    def begin(self, ts: int) -> None:
        """Events of a series begin at this instant: from the midnight (UTC) after the first of all on, shorts cost a
        day's borrowing.
        """
        if self._borrow_rate and not self._has_begun:
            self._midnight_ns = min(self._midnight_ns, (ts // DAY_NS + 1) * DAY_NS)
            self._refresh()

    def end_window(self) -> None:
        """All loaded events have happened; what comes is later."""
        self._has_begun = self._midnight_ns != NEVER

    def load(self, dues: Sequence[Due]) -> None:
        """Adjustments of the next window, in order of time."""
        mine = [due for due in dues if due[1].broker in (None, self._broker)]
        self._waiting = deque(sorted([*self._waiting, *mine], key=lambda due: due[0]))
        self._refresh()

    def run(self, ts: int) -> None:
        """Book what is due at this instant, in the order in which it came; borrowing last."""
        while self._waiting and self._waiting[0][0] <= ts:
            self._book_one(self._waiting.popleft()[1], ts)
        if self._midnight_ns <= ts:
            self._midnight_ns += DAY_NS
            for instrument in sorted({ledger.instrument.id for ledger in self._book.ledgers.values()}):
                kind = AdjustmentKind.BORROW
                self._book_one(AccountAdjustment(kind, instrument, ts, ts, self._borrow_rate), ts)
        self._refresh()

    def _refresh(self) -> None:
        self.due_ns = min(self._waiting[0][0] if self._waiting else NEVER, self._midnight_ns)

    def _book_one(self, adjustment: AccountAdjustment, ts: int) -> None:
        if adjustment.kind is AdjustmentKind.INTEREST:
            self._book_interest(adjustment, ts)
            return
        instrument = adjustment.instrument
        lane = self._lanes.get(instrument)
        if lane is None:
            return  # nothing of it can be held here
        if adjustment.kind is AdjustmentKind.DIVIDEND:
            self.dividends.add(instrument)
        lane.take_until(ts)
        ledgers = [self._book.ledgers[key] for key in sorted(self._book.ledgers) if key[1] == instrument]
        for ledger in ledgers:  # marks up to here are of what was held until now
            ledger.record_marks(ts, ledger.position.quantity)
        if adjustment.kind is _SPLIT:
            lane.rescale(partial(rescale_event, ratio=float(adjustment.value)))
        for ledger in ledgers:
            if ledger.position.quantity:
                self._book_holding(adjustment, ledger, ts)
        if adjustment.kind is _SPLIT:
            self._split_orders(adjustment, lane.instrument, ts)

    def _split_orders(self, adjustment: AccountAdjustment, instrument: Instrument, ts: int) -> None:
        """Orders of the instrument go on in new units; strategies that have some hear of it, whatever they hold."""
        acts, ratio = self._acts, adjustment.value
        orders = [order for order in acts.list_orders() if order.instrument == instrument.id]
        for strategy in sorted({order.strategy for order in orders}):
            if not any(adjustment is split for split, _ in self.heard.get((strategy, instrument.id), ())):
                flat = Position(instrument.id, multiplier=instrument.multiplier)
                ledger = self._book.ledgers.get((strategy, instrument.id))
                after = flat if ledger is None else ledger.position
                self._tell(
                    AccountAdjusted(
                        strategy, self._broker, adjustment, after, after, _ZERO, instrument.currency, ts_received=ts
                    )
                )
        for strategy in sorted({order.strategy for order in orders if order.group is not None}):
            facts = {"strategy": strategy, "broker": self._broker, "instrument": instrument.id, "value": ratio}
            self.recorders[strategy].record_note(GROUPS_SPLIT, ts, facts)
        groups = list(dict.fromkeys(order.venue_group for order in orders if order.venue_group is not None))
        for group in groups:
            acts.split_group(group, ratio)
        for order in orders:
            if not order.is_finished:  # one before it may have ended its group
                self._rescale(order, ratio, instrument, ts)
        for group in groups:
            acts.settle_group(group, ts)
        acts.rescan(instrument.id)

    def _tell(self, adjusted: AccountAdjusted) -> None:
        """Report an adjustment, and remember until when the strategy does not know of a split."""
        heard_ns = self._acts.tell(adjusted)
        if adjusted.adjustment.kind is _SPLIT:
            place = (adjusted.strategy, adjusted.adjustment.instrument)
            self.heard.setdefault(place, []).append((adjusted.adjustment, heard_ns))

    def convert_late(self, order: WorkingOrder, now: int) -> None:
        """An order of a group is sent now: in old units, if its strategy has not heard of a split yet."""
        if order.group is not None:
            for split, heard_ns in self.heard.get((order.strategy, order.instrument), ()):
                if now < heard_ns:
                    self._rescale_waiting(order, split.value, self._lanes[order.instrument].instrument)

    def find_outdated(self, order: WorkingOrder, decided_ns: int) -> str | None:
        """Why an update of an order cannot be taken: it was decided before its strategy heard of a split."""
        for split, heard_ns in self.heard.get((order.strategy, order.instrument), ()):
            if decided_ns < heard_ns:
                return (
                    f"cannot update: it was decided before {order.strategy} heard that {order.instrument} was split, "
                    f"{split.value:f} for 1, so its numbers are in old units; the order was converted, update it again"
                )
        return None

    def _book_holding(self, adjustment: AccountAdjustment, ledger: Ledger, ts: int) -> None:
        before, own = ledger.position, ledger.instrument.currency
        currency = adjustment.currency or own
        if adjustment.kind is _SPLIT:
            after, amount = self._split(adjustment.value, ledger, ts)
            realised = after.realised - before.realised
        else:
            amount = self._compute_income(adjustment, ledger)
            if not amount:
                return
            rate = self._find_rate(adjustment, currency, ts)
            realised = amount
            if currency != own:
                realised = amount * RATE_CONTEXT.divide(rate, self._find_rate(adjustment, own, ts))
            after = before.after_income(realised, ts)
        if amount:
            self._book.pay(currency, amount)
        profit = realised * self._find_rate(adjustment, own, ts) if currency == own else amount * rate
        ledger.position = after
        adjusted = AccountAdjusted(
            ledger.strategy, self._broker, adjustment, before, after, amount, currency, ts_received=ts
        )
        price = ledger.find_mark(1 if before.quantity > 0 else -1)
        mark = float(after.average_price or 0) if price is None else price
        ledger.recorder.record_adjustment(adjusted, profit, mark)
        self._tell(adjusted)

    def _compute_income(self, adjustment: AccountAdjustment, ledger: Ledger) -> Decimal:
        """Money that a holding receives, below 0 pays."""
        quantity = ledger.position.quantity
        if adjustment.kind is AdjustmentKind.DIVIDEND:
            return quantity * adjustment.value
        if adjustment.kind is AdjustmentKind.FUNDING:
            return _round(-ledger.find_value() * adjustment.value)
        return _round(min(ledger.find_value() * adjustment.value, _ZERO)) if quantity < 0 else _ZERO

    def _split(self, ratio: Decimal, ledger: Ledger, ts: int) -> tuple[Position, Decimal]:
        """The position in new units, and the money for what of it lies off the grid."""
        after = ledger.position.after_split(ratio, ts)
        step = ledger.instrument.quantity_increment
        whole = (after.quantity / step).quantize(_ONE, ROUND_DOWN) * step
        rest = after.quantity - whole
        if not rest or ledger.position.quantity % step:  # what was off the grid before (commission in base) may stay so
            return after, _ZERO
        mark = ledger.find_mark(1 if rest > 0 else -1)
        price = (after.average_price or _ZERO) if mark is None else to_exact(mark)
        return after.after(-rest, price, ts), rest * price * ledger.instrument.multiplier

    def _rescale(self, order: WorkingOrder, ratio: Decimal, instrument: Instrument, ts: int) -> None:
        """What is left of an order is in new units; a lone one on its way comes as it was sent."""
        acts, ledger = self._acts, order.ledger
        if ledger is None:
            if order.group is not None:
                self._rescale_waiting(order, ratio, instrument)
            return
        self._book.release(order, ledger)
        rescale_order(order, ratio, instrument)
        order.effective_ns = ts  # what opened in old units cannot execute it any more
        if order.quantity == order.filled_quantity and self._may_leave(order, instrument):
            order.change(order.quantity + instrument.quantity_increment, None, None)
        if order.reduce_only:
            held = ledger.position.quantity
            order.clip(max(-held if order.is_buy else held, _ZERO))
        self._book.reserve(order, ledger, acts.charges[order.instrument])
        if order.quantity > order.filled_quantity:
            acts.tell_updated(order, ts)
        else:
            acts.withdraw(order, ts, f"{order.instrument} was split, {ratio:f} for 1, and nothing is left of it")

    def _rescale_waiting(self, order: WorkingOrder, ratio: Decimal, instrument: Instrument) -> None:
        rescale_waiting(order, ratio, instrument)
        if order.reason is not None and self._may_leave(order, instrument):
            order.reason = None
            order.change(instrument.quantity_increment, None, None)

    def _may_leave(self, order: WorkingOrder, instrument: Instrument) -> bool:
        """Whether an exit of which rounding leaves nothing keeps one increment: something is held, and its group may be
        about to make it larger.
        """
        ledger = self._book.ledgers.get((order.strategy, order.instrument))
        if ledger is None or order.terms.parent_id is None:
            return False
        return -order.sign * ledger.position.quantity >= instrument.quantity_increment

    def _book_interest(self, adjustment: AccountAdjustment, ts: int) -> None:
        """On the balance of a currency; an even part for each strategy of the account, the rest for the first."""
        currency = adjustment.currency or ""
        amount = _round(self._book.cash.get(currency, _ZERO) * adjustment.value)
        owners = [name for name, recorder in sorted(self.recorders.items()) if getattr(recorder, "is_owner", True)]
        if not amount or not owners:
            return
        rate = self._find_rate(adjustment, currency, ts)
        self._book.pay(currency, amount)
        part = _round(amount / len(owners))
        for number, strategy in enumerate(owners):
            share = part if number else amount - part * (len(owners) - 1)
            adjusted = AccountAdjusted(strategy, self._broker, adjustment, None, None, share, currency, ts_received=ts)
            self.recorders[strategy].record_adjustment(adjusted, share * rate, 0.0)
            self._tell(adjusted)

    def _find_rate(self, adjustment: AccountAdjustment, currency: str, ts: int) -> Decimal:
        if currency == self._book.currency:
            return _ONE
        rate = self._find_market_rate(currency, ts)
        if rate is None:
            raise InvalidEvent(
                f"{adjustment.kind.value.lower()} of {adjustment.instrument or currency} is money in {currency}, and "
                f"at its instant nothing prices {currency} in {self._book.currency}, the currency of account "
                f"{self._broker!r}; read an instrument between the two from before it on"
            )
        return rate


def _round(amount: Decimal) -> Decimal:
    """Money that was computed from a rate, so that sums of cash stay exact: to twelve decimals."""
    return amount.quantize(_MONEY_STEP, ROUND_HALF_EVEN) if amount else amount

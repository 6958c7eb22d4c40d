"""MarginWatch: whether what an account holds is still covered, at the worst price of every event.

Receives: the book of a margin account; the loaded events of what it holds.
Gives:    `due_ns`, the next instant at which the margin may be broken; on a breach cancels, then closes (or halts).
Never:    costs anything while nothing is short and no cash is owed: then no price can break a margin.
          EXECUTION 9.

Margin is tested at each event of what is held: a bar counts with its adverse extreme, all bars that end together with
all of theirs; a quote, trade or book with what it shows. Broken means equity below maintenance_margin x value. The
closing orders became due inside the bar that broke it, so they take its close, as takers due inside a bar do; what its
volume has no room for goes on at the following opens.

A whole window is passed over when its worst prices, all at once, leave the account covered; the windows after it, too,
while prices stay between 0 and twice its highest, where the account is covered at that.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from tradecore.brokerage.account_acts import AccountActs
from tradecore.brokerage.account_book import AccountBook
from tradecore.brokerage.account_money import AccountMoney
from tradecore.brokerage.lane_prices import find_worst, list_adverse, read_price
from tradecore.brokerage.ledger import Ledger
from tradecore.domain.exact import to_exact
from tradecore.domain.instant import MAX_NS
from tradecore.domain.order import Order
from tradecore.domain.order_terms import OrderRole
from tradecore.errors import MarginBroken
from tradecore.execution.lane import Lane

NEVER: Final = MAX_NS
EVENTS_AHEAD: Final = 64
"""Events of each instrument that are looked through at a time, once a window is not safe as a whole."""

_MARGIN: Final = OrderRole.MARGIN
_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_SLACK: Final = 1e-9  # part of the sums by which floats may be wrong
_BAND: Final = 2.0  # prices may be this many times the highest before anybody looks again


class MarginWatch:
    """Of one margin account. maintenance: fraction of the value that equity must not fall below. does_halt: a breach
    ends the run instead of closing what is held. closings: orders that were given to close.
    """

    def __init__(
        self,
        broker: str,
        book: AccountBook,
        money: AccountMoney,
        maintenance: Decimal,
        acts: AccountActs,
        note: Callable[[str, int, Mapping[str, Any]], None],
        *,
        does_halt: bool,
    ) -> None:
        """note: writes a line of events.jsonl: kind, time, facts."""
        self.due_ns = NEVER
        self.closings = 0
        self._broker, self._book, self._money, self._acts, self._note = broker, book, money, acts, note
        self._maintenance, self._does_halt = maintenance, does_halt
        self._worst: dict[tuple[str, int], float | None] = {}
        self._bounds: dict[str, float] = {}  # prices up to which the account is covered, by instrument

    def begin_window(self) -> None:
        """Events were loaded: unless they are within what is covered anyway, the margin has to be looked at."""
        self._worst.clear()
        if not self._is_within_bounds():
            self._book.is_exposed = True

    def end_window(self) -> None:
        """All loaded events have happened."""
        self._worst.clear()
        if not self._bounds:
            self._book.risks.clear()
        self.due_ns = NEVER

    def forget(self) -> None:
        """A unit, or the account, is not worth what it was: what was known of it is void."""
        self._bounds.clear()
        self._book.is_exposed = self._book.is_exposed or self._book.is_watched

    def refresh(self, after: int) -> None:
        """What is held or owed changed: find the next instant later than `after` to test at."""
        book = self._book
        book.is_exposed = False
        held = [ledger for ledger in book.ledgers.values() if ledger.position.quantity]
        owes = any(amount < 0 for amount in book.cash.values())
        is_short = any(ledger.position.quantity < 0 for ledger in held)
        book.is_watched, book.has_shorted = owes or is_short, book.has_shorted or is_short
        self.due_ns = NEVER
        book.risks.clear()
        self._bounds.clear()
        if not (book.is_watched and held):
            return
        excess = self._find_excess(held, after)
        if excess <= 0:
            self.due_ns = self._find_suspect(held, after)
        elif not owes:
            self._allow(held, excess)

    def _allow(self, held: list[Ledger], excess: float) -> None:
        """Let executions take from the excess before anybody has to look again: each no more than its own worst.

        A unit more or less of an instrument changes cash by what was paid, and value less margin by at most the highest
        price that is reckoned with and the margin of that: where nothing is owed, only shorts can be broken. Of what
        may cost less than nothing, nothing is allowed.
        """
        book = self._book
        highest: dict[str, float] = {}
        for ledger in held:
            lane = ledger.lane
            price = self._find_window_worst(lane, -1)
            if ledger.conversion is None and price is not None and self._is_above_zero(lane):
                highest[ledger.instrument.id] = max(price, lane.mark(-1) or 0.0)
        is_known = all(ledger.instrument.id in highest for ledger in held) and list(book.cash) == [book.currency]
        if is_known and self._maintenance <= 1:  # what is held long covers its own margin then, whatever its price
            bounds = {name: _BAND * price for name, price in highest.items()}
            wide = self._find_excess_at(held, bounds)
            if wide > 0:
                excess, highest, self._bounds = wide, bounds, bounds
        book.slack = Decimal(int(excess))  # rounded down, and short: executions count in it
        for ledger in held:
            name, instrument = ledger.instrument.id, ledger.instrument
            if name in highest:
                book.risks[name] = to_exact(highest[name]) * instrument.multiplier * (1 + self._maintenance)

    def _is_above_zero(self, lane: Lane) -> bool:
        """Whether no price of the window, and none that stands, is below 0."""
        return (self._find_window_worst(lane, 1) or 0.0) >= 0 and (lane.mark(1) or 0.0) >= 0

    def _find_excess_at(self, held: list[Ledger], bounds: Mapping[str, float]) -> float:
        """The same as _find_excess with shorts at these prices; longs, worth something as long as prices are, are left
        out.
        """
        total = size = float(self._book.cash[self._book.currency])
        for ledger in held:
            if ledger.position.quantity < 0:
                excess = self._compute_excess(ledger, bounds[ledger.instrument.id])
                total, size = total + excess, size + abs(excess)
        return total - size * _SLACK

    def _is_within_bounds(self) -> bool:
        """Whether prices of the window leave the account as covered as it was known to be."""
        if not self._bounds:
            return False
        for ledger in self._book.ledgers.values():
            bound, is_held = self._bounds.get(ledger.instrument.id), bool(ledger.position.quantity)
            if bound is None:
                if is_held:
                    return False
                continue
            highest = self._find_window_worst(ledger.lane, -1)
            if (highest is not None and highest > bound) or not self._is_above_zero(ledger.lane):
                return False
        return True

    # -------------------------------------------------------------------------------------------------- looking ahead

    def _find_excess(self, held: list[Ledger], after: int) -> float:
        """By how much the account is covered at the worst of all prices of the window together; above 0: it is."""
        total, size = 0.0, 0.0
        for currency, amount in self._book.cash.items():
            value = self._convert_worst(float(amount), currency)
            total, size = total + value, size + abs(value)
        for ledger in held:
            price = self._find_worst(ledger, after)
            if price is not None:
                excess = self._convert_worst(self._compute_excess(ledger, price), ledger.instrument.currency)
                total, size = total + excess, size + abs(excess)
        return total - size * _SLACK

    def _find_worst(self, ledger: Ledger, after: int) -> float | None:
        """The worst price of the window for what is held, or what stands now."""
        lane, sign = ledger.lane, 1 if ledger.position.quantity > 0 else -1
        worst, stands = self._find_window_worst(lane, sign), read_price(lane, sign, after)
        if worst is None or stands is None:
            return stands if worst is None else worst
        return min(worst, stands) if sign > 0 else max(worst, stands)

    def _find_window_worst(self, lane: Lane, sign: int) -> float | None:
        key = (lane.instrument.id, sign)
        if key not in self._worst:
            self._worst[key] = find_worst(lane, sign)
        return self._worst[key]

    def _convert_worst(self, amount: float, currency: str) -> float:
        if currency == self._book.currency or not amount:
            return amount
        rates = self._money.paths.find_rate_range(currency)
        return amount * (0.0 if rates is None else rates[0] if amount > 0 else rates[1])

    def _compute_excess(self, ledger: Ledger, price: float) -> float:
        """Value of what is held less the margin that it needs, in its own currency."""
        quantity, multiplier = float(ledger.position.quantity), float(ledger.instrument.multiplier)
        return (quantity * price - abs(quantity * price) * float(self._maintenance)) * multiplier

    def _find_suspect(self, held: list[Ledger], after: int) -> int:
        """The first instant after this one that breaks the margin as far as floats can tell, or how far was looked."""
        horizon, instants = NEVER, set()
        for ledger in held:
            times = ledger.lane.times if ledger.lane.events else []
            start = bisect_right(times, after)
            stop = min(start + EVENTS_AHEAD, len(times))
            instants.update(times[start:stop])
            if stop < len(times):
                horizon = min(horizon, times[stop - 1])
        for ts in sorted(instants):
            if ts > horizon:
                break
            equity, required = self._measure(held, ts)
            if equity < required:
                return ts
        return horizon

    # ------------------------------------------------------------------------------------------------------- testing

    def test(self, ts: int) -> None:
        """Test the margin at this instant; act on a breach. Raises: MarginBroken under on_breach = halt."""
        held = [self._book.ledgers[key] for key in sorted(self._book.ledgers)]
        held = [ledger for ledger in held if ledger.position.quantity]
        equity, required = self._measure(held, ts)
        if held and equity < required:
            self._act(held, ts, equity, required)
        self.refresh(ts)

    def _measure(self, held: list[Ledger], ts: int) -> tuple[Decimal, Decimal]:
        """Equity, and what it has to cover, at the worst prices of this instant; in the account's currency, exact."""
        equity = required = _ZERO
        for currency, amount in self._book.cash.items():
            if amount:
                equity += amount * self._find_rate(currency, ts)
        for ledger in held:
            quantity, instrument = ledger.position.quantity, ledger.instrument
            price = _find_adverse(ledger.lane, 1 if quantity > 0 else -1, ts)
            if price is None:
                continue
            value = quantity * to_exact(price) * instrument.multiplier * self._find_rate(instrument.currency, ts)
            equity += value
            required += abs(value) * self._maintenance
        return equity, required

    def _find_rate(self, currency: str, ts: int) -> Decimal:
        if currency == self._book.currency:
            return _ONE
        return self._money.find_rate_at(currency, ts) or _ZERO

    def _act(self, held: list[Ledger], ts: int, equity: Decimal, required: Decimal) -> None:
        acts, own = self._acts, self._book.currency
        orders = [order for order in acts.list_orders() if order.ledger is not None]
        closing = [order.ledger for order in orders if order.terms.role is _MARGIN]
        working = [order for order in orders if order.terms.role is not _MARGIN]
        left = [ledger for ledger in held if ledger not in closing]
        if not working and not left:
            return  # all that can be done is being done
        reason = (
            f"margin broken: equity {equity} {own} is below the {required} {own} that maintenance_margin "
            f"{self._maintenance} needs"
        )
        facts = {"broker": self._broker, "currency": own, "equity": equity, "required": required}
        self._note("margin_broken", ts, facts | {"on_breach": "halt" if self._does_halt else "close"})
        for one in working:
            if not one.is_finished:  # not with another one of its group
                acts.withdraw(one, ts, reason)
                self._note("margin_cancelled", ts, {"broker": self._broker, "order_id": one.order_id})
        if self._does_halt:
            raise MarginBroken(self._broker, ts, reason)
        for ledger in left:
            facts = {"broker": self._broker, "strategy": ledger.strategy, "instrument": ledger.instrument.id}
            self.closings += 1
            order = make_closing_order(ledger, self._broker, self.closings, ts)
            facts |= {"order_id": order.order_id, "quantity": -ledger.position.quantity}
            self._note("margin_closing", ts, facts)
            acts.close(order, ledger, ts, reason)


def make_closing_order(ledger: Ledger, broker: str, number: int, ts: int) -> Order:
    """A market order of the broker's own that closes a ledger and can do nothing else."""
    order = Order.market(ledger.instrument.id, -ledger.position.quantity, reduce_only=True)
    order.mark_submitted(f"{ledger.strategy}-{broker}-margin-{number}", ledger.strategy, broker, ts)
    return order


def _find_adverse(lane: Lane, sign: int, ts: int) -> float | None:
    """The worst price of the events of this instant, else what stands."""
    if lane.events:
        times = lane.times
        start = bisect_left(times, ts)
        stop = bisect_right(times, ts, start)
        met = [price for price in list_adverse(lane, sign, start, stop) if price is not None]
        if met:
            return min(met) if sign > 0 else max(met)
    return read_price(lane, sign, ts)

"""Ledger sum: ledgers of one or several analyzers, of one side or both, put together.

Receives: snapshots of analyzers, and which ledgers and sides of them count.
Gives:    exact totals, the combined profit curve, the times something was held.
Never:    depends on the order in which parts were added.    Spec: Strategy Performance Analysis; EXECUTION 10.

A ledger whose record was cut (a resumed run) is joined again: where a record begins with something held, the record of
the same ledger that ended with the very same holding before it is its past. The open trade then is one trade, and the
open profit is counted where the record went on.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cached_property
from math import fsum
from operator import add, itemgetter

from tradecore.analytics.drawdown import DrawdownTracker
from tradecore.analytics.equity_curve import LedgerCurve, fit_curves
from tradecore.analytics.ledger_record import ClosedTrade, LedgerKey, LedgerSnapshot, OpenTrade
from tradecore.analytics.marked_span import Columns
from tradecore.analytics.side_totals import EXACT, ZERO, SideTotals, add_totals

Curve = tuple[list[int], list[float]]
"""Times (ns, strictly ascending) and profit over the initial capital (money)."""


class AnalyzerSnapshot:
    """One analyzer as it stood. Its curves are laid out once, for all the sums that use them.

    drawdown: followed over every mark of all ledgers, however coarse the curves are.
    """

    def __init__(self, ledgers: tuple[LedgerSnapshot, ...], drawdown: DrawdownTracker) -> None:
        self.ledgers = ledgers
        self.drawdown = drawdown

    @cached_property
    def curves(self) -> list[LedgerCurve]:
        """The curve of each ledger, all with cells of one width."""
        curves = []
        for ledger in self.ledgers:
            curve = LedgerCurve.restore(ledger.curve)
            curve.extend(ledger.spans)
            curves.append(curve)
        fit_curves(curves)
        return curves


class LedgerView:
    """One ledger of a snapshot, and which sides of it count."""

    __slots__ = ("has_long", "has_short", "index", "ledger", "snapshot")

    def __init__(
        self, snapshot: AnalyzerSnapshot, index: int, *, has_long: bool = True, has_short: bool = True
    ) -> None:
        self.snapshot, self.index, self.has_long, self.has_short = snapshot, index, has_long, has_short
        self.ledger = snapshot.ledgers[index]

    @property
    def key(self) -> LedgerKey:
        """Which ledger."""
        return self.ledger.key

    def has(self, quantity: Decimal) -> bool:
        """Whether the side of this signed quantity counts."""
        return self.has_long if quantity > 0 else self.has_short

    def narrow(self, direction: str) -> LedgerView | None:
        """The same with one side only; None where that side does not count."""
        if not (self.has_long if direction == "long" else self.has_short):
            return None
        return LedgerView(self.snapshot, self.index, has_long=direction == "long", has_short=direction == "short")


class LedgerSum:
    """What some ledger views make together. Computed when read, once."""

    def __init__(self, views: Sequence[LedgerView]) -> None:
        # One order whatever the parts came in, so that equal sums are equal to the last bit.
        self.views = sorted(
            views, key=lambda view: (view.key, view.ledger.first_ns, view.has_short, view.ledger.last_ns)
        )
        self._after, self._before = _join(self.views)

    @cached_property
    def totals(self) -> SideTotals:
        """Sums over all sides that count; executions that touched two counted sides count once."""
        parts = []
        for number, view in enumerate(self.views):
            ledger = view.ledger
            if view.has_long:
                parts.append(ledger.long)
            if view.has_short:
                parts.append(ledger.short)
            if view.has_long and view.has_short:
                parts.append(_negative(ledger.flips))
            if ledger.head is not None and (view.has_long if ledger.head.is_long else view.has_short):
                parts.append(self._finish(number, ledger.head))
        return add_totals(parts)

    @cached_property
    def open_profit(self) -> Decimal:
        """Profit of what is held, at its last price, before the commission of closing it. Exact."""
        with localcontext(EXACT):
            total = ZERO
            for number, view in enumerate(self.views):
                tail = self._open_tail(number)
                if tail is not None:
                    price = Decimal(repr(view.ledger.price))
                    total += tail.quantity * tail.multiplier * price - tail.cost
        return total

    @cached_property
    def trades_open(self) -> int:
        """Trades that are not flat yet."""
        return sum(self._open_tail(number) is not None for number in range(len(self.views)))

    @cached_property
    def width_ns(self) -> int:
        """The widest cell of any curve; 0 when every mark is a point."""
        return max((view.snapshot.curves[view.index].width_ns for view in self.views), default=0)

    @cached_property
    def curve(self) -> Curve:
        """The profit of all views together, one value per instant."""
        curves = [self._curve_of(number) for number in range(len(self.views))]
        return curves[0] if len(curves) == 1 else _merge(curves)

    def compute_held_ns(self, end_ns: int) -> int:
        """Time in which anything was held, ns; what is open counts up to end_ns."""
        stretches: list[tuple[int, int]] = []
        for number, view in enumerate(self.views):
            after = self._after.get(number)
            until = end_ns if after is None else self.views[after].ledger.first_ns
            sides = ((view.has_long, view.ledger.long_held), (view.has_short, view.ledger.short_held))
            for counts, (held, begun, ended) in sides:
                if counts:
                    ends = [*held.ends[:ended], *([until] * (begun - ended))]
                    stretches += zip(held.starts[:begun], ends, strict=True)
        return _measure(stretches)

    def _open_tail(self, number: int) -> OpenTrade | None:
        view = self.views[number]
        tail = view.ledger.tail
        return tail if tail is not None and number not in self._after and view.has(tail.quantity) else None

    def _finish(self, number: int, head: ClosedTrade) -> SideTotals:
        # The trade that a record found open and saw closed: with its past, if that is here.
        profit = head.profit
        with localcontext(EXACT):
            while (before := self._before.get(number)) is not None:
                tail = self.views[before].ledger.tail
                profit += ZERO if tail is None else tail.profit
                number = before if self.views[before].ledger.head is None else -1
        totals = SideTotals(held_ns=head.closed_ns - head.opened_ns)
        totals.add_trades([profit])
        return totals

    def _curve_of(self, number: int) -> Curve:
        view = self.views[number]
        times, longs, shorts = view.snapshot.curves[view.index].to_columns()
        after = self._after.get(number)
        if after is not None:
            ledger, cut_ns = view.ledger, self.views[after].ledger.first_ns
            while times and times[-1] >= cut_ns:
                times.pop()
            times.append(cut_ns)
            longs[len(times) - 1 :] = [float(ledger.long.net)]
            shorts[len(times) - 1 :] = [float(ledger.short.net)]
        return times, _choose(view, (times, longs, shorts))


def _choose(view: LedgerView, columns: Columns) -> list[float]:
    _, longs, shorts = columns
    if view.has_long and view.has_short:
        return list(map(add, longs, shorts))
    return longs if view.has_long else shorts


def _join(views: Sequence[LedgerView]) -> tuple[dict[int, int], dict[int, int]]:
    # Which record goes on where which ended: numbers of views, both ways.
    after: dict[int, int] = {}
    for number, view in enumerate(views):
        carried = view.ledger.carried
        if carried is None:
            continue
        for earlier in range(number - 1, -1, -1):
            before = views[earlier]
            tail = before.ledger.tail
            if (
                earlier not in after
                and before.key == view.key
                and (before.has_long, before.has_short) == (view.has_long, view.has_short)
                and tail is not None
                and (tail.quantity, tail.cost, tail.opened_ns) == (carried.quantity, carried.cost, carried.opened_ns)
                and before.ledger.last_ns <= view.ledger.first_ns
            ):
                after[earlier] = number
                break
    return after, {later: earlier for earlier, later in after.items()}


def _negative(flips: SideTotals) -> SideTotals:
    return SideTotals(
        buys_maker=-flips.buys_maker,
        buys_taker=-flips.buys_taker,
        sells_maker=-flips.sells_maker,
        sells_taker=-flips.sells_taker,
    )


def _merge(curves: Sequence[Curve]) -> Curve:
    points = [
        (ts, number, profit)
        for number, (times, profits) in enumerate(curves)
        for ts, profit in zip(times, profits, strict=True)
    ]
    points.sort(key=itemgetter(0))
    current = [0.0] * len(curves)
    times, sums = [], []
    last = len(points) - 1
    for i, (ts, number, profit) in enumerate(points):
        current[number] = profit
        if i == last or points[i + 1][0] != ts:
            times.append(ts)
            sums.append(fsum(current))  # rounded once, so the order of the parts cannot matter
    return times, sums


def _measure(stretches: list[tuple[int, int]]) -> int:
    # Length of the union of the stretches.
    total, reached = 0, None
    for start, end in sorted(stretches):
        if reached is None or start > reached:
            total, reached = total + max(end - start, 0), max(start, end)
        elif end > reached:
            total, reached = total + end - reached, end
    return total


def track_drawdown(curve: Curve, capital: Decimal, start_ns: int) -> DrawdownTracker:
    """The drawdown over the points of a curve."""
    tracker = DrawdownTracker(float(capital), start_ns)
    tracker.track_all(zip(*curve, strict=True))
    return tracker

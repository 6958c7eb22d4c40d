"""LedgerRecord: what one ledger (strategy, broker, instrument) did, kept while it happens.

Receives: executions with the position before and after each; marks while something is held.
Gives:    totals by side, the trade that is open, the times something was held, and spans of the equity curve.
Never:    knows other ledgers: they are put together on request (performance_statistics.py).
          Spec: Strategy Performance Analysis; EXECUTION 9, 10.

Profit of a side at a mark = realised - commission + (quantity x multiplier x price - cost) while it is held. What is
realised, paid and kept as cost is exact; only the product with the mark's price is a float. A flip is a close and an
open at one instant; its commission is divided by quantity, the closing part rounded to 1e-12, the rest to the opening.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import accumulate, cycle, islice, repeat
from operator import add, sub
from struct import pack
from typing import Final, NoReturn

import msgspec

from tradecore.analytics.equity_curve import CurveSnapshot, LedgerCurve
from tradecore.analytics.flip_run import Recorded, read_flips
from tradecore.analytics.marked_span import MarkedSpan, Piece, place_pieces
from tradecore.analytics.side_totals import ZERO, SideTotals
from tradecore.domain.exact import to_float
from tradecore.domain.execution import Execution, Liquidity
from tradecore.domain.instant import MIN_NS, format_ns
from tradecore.domain.instrument import ONE
from tradecore.domain.order import OrderSide
from tradecore.domain.position import Position
from tradecore.domain.trading_session import TradingSession
from tradecore.errors import StatisticsError

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_LIQUIDITY_MAKER: Final = Liquidity.MAKER
_SIDE_BUY: Final = OrderSide.BUY

STRETCHES_WAIT: Final = 512
"""Stretches that wait to be packed, with the trades that ended them."""

_COMMISSION_STEP: Final = Decimal("1e-12")


class LedgerKey(msgspec.Struct, frozen=True, order=True):
    """Which ledger: one per strategy, broker and instrument (EXECUTION 9). source: "SIMULATED" or "REAL"."""

    strategy: str
    broker: str
    source: str
    instrument: str


class OpenTrade(msgspec.Struct, frozen=True):
    """A trade that is not flat yet. profit: realised in it so far, after commission. cost: of what is held, signed."""

    quantity: Decimal
    multiplier: Decimal
    cost: Decimal
    profit: Decimal
    opened_ns: int


class ClosedTrade(msgspec.Struct, frozen=True):
    """The rest of a trade that was open when recording began. profit: after commission, of the part recorded here."""

    is_long: bool
    profit: Decimal
    opened_ns: int
    closed_ns: int


class Stretches:
    """Times in which one side was held: starts and ends (ns). The last stretch has no end while it is held.

    begun, ended: the newest of them, which `pack` moves to the others, where they take a fifth of the memory. profits:
    after commission, of the trades that ended with one of these, whole since recording began and not counted yet.
    """

    __slots__ = ("begun", "ended", "ends", "profits", "starts")

    def __init__(self) -> None:
        self.starts, self.ends = array("q"), array("q")
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.profits: list[Decimal] = []

    def pack(self, totals: SideTotals) -> None:
        """Take in what is new, many at once: one by one it would cost an array ten times as much. totals: its own."""
        for column, new in ((self.starts, self.begun), (self.ends, self.ended)):
            column.frombytes(pack(f"{len(new)}q", *new))
            new.clear()
        totals.add_trades(self.profits)
        self.profits.clear()

    def snapshot(self) -> tuple[Stretches, int, int]:
        """These, with how many were begun and ended by now; call `pack` before."""
        return self, len(self.starts), len(self.ends)


class LedgerSnapshot(msgspec.Struct, frozen=True):
    """A ledger as it stood once. Arrays are shared with the record by length; they only grow.

    carried: what was held when recording began. head: that trade's end, once it ended. tail: the trade now open.
    flips: executions counted on both sides. long_held, short_held: when each side was held, with how many stretches
    were begun, and how many ended. price: of the last mark or execution.
    """

    key: LedgerKey
    long: SideTotals
    short: SideTotals
    flips: SideTotals
    carried: OpenTrade | None
    head: ClosedTrade | None
    tail: OpenTrade | None
    long_held: tuple[Stretches, int, int]
    short_held: tuple[Stretches, int, int]
    price: float
    first_ns: int
    last_ns: int
    curve: CurveSnapshot
    spans: list[MarkedSpan]


class LedgerRecord:
    """The running record of one ledger. Its owner moves spans into the curve (`fold`)."""

    __slots__ = (
        "_adjusted_ns", "_before", "_carried", "_changes", "_executed_ns", "_flip_counts", "_head", "_is_whole",
        "_laid_ns", "_long", "_long_counts", "_long_held", "_opened_ns", "_position", "_price", "_short",
        "_short_counts", "_short_held", "_slopes", "_trade_profit", "curve", "first_ns", "key", "point_count", "spans",
    )  # fmt: skip

    def __init__(self, key: LedgerKey, session: TradingSession, carried: Position) -> None:
        """carried: the position when recording begins, flat as a rule. Its past is not part of this record."""
        self.key = key
        self.curve = LedgerCurve(session)
        self.spans: list[MarkedSpan] = []
        self.point_count = 0  # in the spans
        self.first_ns = MIN_NS
        self._executed_ns = self._laid_ns = self._adjusted_ns = MIN_NS
        self._changes: list[Piece] = []  # of executions whose marks may still come
        self._before = Piece(None, 0.0, 0.0, 0.0, True, 0.0)  # of marks before the first of them
        self._long, self._short = SideTotals(), SideTotals()
        # Executions of each side, and of both at once, as SideTotals.with_executions takes them.
        self._long_counts, self._short_counts, self._flip_counts = [0] * 4, [0] * 4, [0] * 4
        self._position = carried
        self._trade_profit = ZERO
        self._opened_ns = carried.ts_opened
        self._is_whole = carried.is_flat  # False while the open trade began before this record
        self._carried = None if carried.is_flat else self._open_trade()
        self._head: ClosedTrade | None = None
        self._long_held, self._short_held = Stretches(), Stretches()
        self._price = 0.0
        self._slopes = [(ZERO, 0.0), (ZERO, 0.0)]  # of the last short holding, and of the last long one
        if self._carried is not None:
            self._before = self._make_piece(carried, carried.quantity > 0, None, 0.0, None)

    @property
    def position(self) -> Position:
        """What is held, by the last execution recorded."""
        return self._position

    @property
    def last_ns(self) -> int:
        """Time of the newest mark or execution, ns; MIN_NS before the first."""
        return max(self._executed_ns, self._laid_ns, self._adjusted_ns)

    def add_execution(
        self, execution: Execution, before: Position, after: Position, known_ns: int | None = None
    ) -> None:
        """One execution of this ledger, between these positions. known_ns: marks before this instant are of what was
        held before it, whenever they come; None: all that come from now on are of what is held after it.

        Raises: StatisticsError when it is in the past.
        """
        ts = execution.ts_event
        if ts < self._executed_ns or (known_ns is None and ts < self._laid_ns):
            self._refuse(ts)
        held, now = before.quantity, after.quantity
        is_buy, was_long, is_long = execution.side is _SIDE_BUY, held > ZERO, now > ZERO
        if execution.slippage:
            self._book_slippage(execution, held, now, after.multiplier)
        if was_long is not is_long and held and now:
            counts = self._flip_counts
            self._book_flip(execution, before, after, is_buy)
        else:
            is_opening = not held or was_long is is_buy
            is_of_long = is_opening is is_buy
            counts = self._long_counts if is_of_long else self._short_counts
            self._book_part(execution, before, after, is_opening, self._long if is_of_long else self._short)
            if not now:
                is_long = was_long
        counts[2 * is_buy + (execution.liquidity is _LIQUIDITY_MAKER)] += 1
        self._position = after
        if self.first_ns == MIN_NS:
            self._begin(ts)
        self._executed_ns = ts
        if ts < self._adjusted_ns:  # it happened inside a bar in which the account was adjusted, and is known only now
            ts = self._adjusted_ns
        # An execution is a mark at its own price: it is what the market last paid.
        self._changes.append(self._make_piece(after, is_long, ts, to_float(execution.price), known_ns))

    def add_flips(self, run: Sequence[Recorded]) -> int:
        """The same for executions in a row, where each flips what is held: how many were taken in, all of them or none.

        What `add_execution` does for each, in columns. Only where nothing came between this record and the run.
        """
        is_next = run[0][1] is self._position and self._is_whole and self.first_ns != MIN_NS
        if not is_next or self._long.commission or self._short.commission:
            return 0
        flips = read_flips(run)
        if flips is None or flips.times[0] < max(self._executed_ns, self._adjusted_ns):
            return 0
        times, profits, count = flips.times, flips.profits, len(run)
        # Sides take turns: the first execution closes one and opens the other, the next the other way round.
        sides = [(self._short, self._short_held, 0), (self._long, self._long_held, 1)]
        (one, one_held, one_is_long), (other, other_held, other_is_long) = sides[::-1] if flips.was_long else sides
        values, other_values = flips.closed, flips.opened
        values[1::2], other_values[1::2] = other_values[1::2], values[1::2]
        turnover, other_turnover = sum(values, one.turnover), sum(other_values, other.turnover)
        made = list(accumulate(profits[::2], initial=one.realised))
        other_made = list(accumulate(profits[1::2], initial=other.realised))
        earned = list(map(add, (self._trade_profit, *repeat(ZERO, count - 1)), profits))
        lasted = list(map(sub, times, (self._opened_ns, *times)))
        opened = (count + 1) // 2  # of the other side
        # The side that is held after each, and how profit moves with it from there on.
        slopes, now, still = [0.0] * count, [ZERO] * count, [ZERO] * count
        slopes[::2] = self._list_slopes(flips.quantities[::2], other_is_long)
        slopes[1::2] = self._list_slopes(flips.quantities[1::2], one_is_long)
        now[::2], now[1::2] = other_made[:opened], made[1 : count - opened + 1]
        still[::2], still[1::2] = made[1:], other_made[1:]
        bases = map(float, map(sub, now, flips.costs))
        is_long = map(bool, islice(cycle((other_is_long, one_is_long)), count))
        pieces = list(map(Piece, times, flips.prices, bases, slopes, is_long, map(float, still), flips.known))
        # From here on nothing can raise: all of it is taken in, or nothing.
        self._changes += pieces
        one.turnover, other.turnover = turnover, other_turnover
        one.realised, other.realised = made[-1], other_made[-1]
        for totals, held, at in ((one, one_held, 0), (other, other_held, 1)):
            totals.held_ns += sum(lasted[at::2])
            held.ended += times[at::2]
            held.begun += times[1 - at :: 2]
            held.profits += earned[at::2]
        self._flip_counts[2 * other_is_long] += opened
        self._flip_counts[2 * one_is_long] += count - opened
        self._opened_ns, self._trade_profit = times[-1], ZERO
        self._position, self._executed_ns = flips.after, times[-1]
        return count

    def _list_slopes(self, quantities: list[Decimal], is_long: int) -> Iterable[float]:
        """Slopes of pieces in which one side is held: mostly the same."""
        known, slope = self._slopes[is_long]
        if quantities.count(known) == len(quantities):
            return repeat(slope, len(quantities))
        slopes = [float(quantity * ONE) for quantity in quantities]
        self._slopes[is_long] = (quantities[-1], slopes[-1])
        return slopes

    def add_adjustment(self, ts: int, after: Position, profit: Decimal, price: float) -> None:
        """Money or units came without an execution, and all marks up to then have: a dividend, a split, interest.

        profit: received, below 0 paid; it counts as realised on the side that is held (interest: what is received as
        long, what is paid as short). price: a unit's mark after it.
        """
        held = self._position.quantity
        is_long = held > 0 or (not held and profit >= 0)
        totals = self._long if is_long else self._short
        totals.realised += profit
        self._trade_profit += profit
        if held and not after.quantity:
            self._close(totals, self._long_held if is_long else self._short_held, ts)
        self._position = after
        if self.first_ns == MIN_NS:
            self._begin(ts)
        self._adjusted_ns = ts
        self._changes.append(self._make_piece(after, is_long, ts, price, ts + 1))

    def _book_part(
        self, execution: Execution, before: Position, after: Position, is_opening: bool, totals: SideTotals
    ) -> None:
        """An execution that opens, or closes, on one side alone."""
        value, commission = execution.quantity * execution.price, execution.commission
        if after.multiplier is not ONE:
            value *= after.multiplier
        totals.turnover += value
        if commission:
            totals.commission += commission
        if not is_opening:
            realised = after.realised - before.realised
            totals.realised += realised
            self._trade_profit += realised - commission
            if not after.quantity:
                self._close(totals, self._long_held if totals is self._long else self._short_held, execution.ts_event)
        elif before.quantity:
            self._trade_profit -= commission
        else:
            self._opened_ns, self._trade_profit = execution.ts_event, -commission
            (self._long_held if totals is self._long else self._short_held).begun.append(execution.ts_event)

    def _book_flip(self, execution: Execution, before: Position, after: Position, is_buy: bool) -> None:
        """A close and an open at one instant."""
        price, commission, ts = execution.price, execution.commission, execution.ts_event
        if after.multiplier is not ONE:
            price *= after.multiplier
        if is_buy:
            closing, opening, closed, opened = self._short, self._long, -before.quantity, after.quantity
            left, begun = self._short_held, self._long_held
        else:
            closing, opening, closed, opened = self._long, self._short, before.quantity, -after.quantity
            left, begun = self._long_held, self._short_held
        closing.turnover += closed * price
        opening.turnover += opened * price
        profit = after.realised - before.realised
        closing.realised += profit
        rest = ZERO
        if commission:
            share = (commission * closed / execution.quantity).quantize(_COMMISSION_STEP, ROUND_HALF_EVEN)
            rest = share - commission
            closing.commission += share
            opening.commission -= rest
            profit -= share
        self._trade_profit += profit
        self._close(closing, left, ts)
        begun.begun.append(ts)
        self._opened_ns, self._trade_profit = ts, rest

    def add_marks(self, times: Sequence[int], prices: Sequence[float]) -> None:
        """Prices at ascending instants; the sequences are kept. Raises: StatisticsError for one in the past."""
        if times[0] < self._laid_ns:
            self._refuse(times[0])
        if self.first_ns == MIN_NS:
            self._begin(times[0])
        pieces, self._changes = self._changes, []
        if pieces and pieces[0].known_ns is None and times[0] < (pieces[-1].ts or 0):
            self._refuse(times[0])
        starts = place_pieces(pieces, times)
        if not starts or starts[0]:
            pieces.insert(0, self._before.continue_from())
            starts.insert(0, 0)
        self._before = pieces[-1]
        self._keep(MarkedSpan(times, prices, pieces, starts), times[-1], prices[-1])

    def settle(self) -> None:
        """No mark comes any more from before now: lay executions out that wait for theirs."""
        pieces, self._changes = self._changes, []
        if pieces:
            self._before = last = pieces[-1]
            assert last.ts is not None, "an execution has a time"
            self._keep(MarkedSpan((), (), pieces, [0] * len(pieces)), last.ts, last.price)

    def _keep(self, span: MarkedSpan, ts: int, price: float) -> None:
        if len(self._long_held.ended) + len(self._short_held.ended) >= STRETCHES_WAIT:
            self._pack()
        self.spans.append(span)
        self.point_count += span.point_count
        self._laid_ns, self._price = ts, price

    def _pack(self) -> None:
        self._long_held.pack(self._long)
        self._short_held.pack(self._short)

    def fold(self, count: int) -> None:
        """Forget the first `count` spans: they are in the curve now. A snapshot keeps the old list."""
        self.point_count -= sum(span.point_count for span in self.spans[:count])
        self.spans = self.spans[count:]

    def snapshot(self) -> LedgerSnapshot:
        """The ledger as it stands."""
        self._pack()
        # Columns are their owner's: what is kept has marks of its own.
        self.spans = [span.copy_marks() if span.is_borrowed else span for span in self.spans]
        return LedgerSnapshot(
            self.key, self._long.with_executions(self._long_counts, self._flip_counts),
            self._short.with_executions(self._short_counts, self._flip_counts),
            SideTotals().with_executions(self._flip_counts), self._carried, self._head,
            None if self._position.is_flat else self._open_trade(), self._long_held.snapshot(),
            self._short_held.snapshot(), self._price, self.first_ns, self.last_ns,
            self.curve.snapshot(), self.spans[:],
        )  # fmt: skip

    def _book_slippage(self, execution: Execution, held: Decimal, now: Decimal, multiplier: Decimal) -> None:
        """Money given up by a taker: a flip's on both sides, by quantity."""
        given_up = execution.slippage * multiplier
        opens, closes = (self._long, self._short) if execution.side is _SIDE_BUY else (self._short, self._long)
        if not held or (held > 0) == (execution.side is _SIDE_BUY):
            opens.slippage += execution.quantity * given_up
        elif not now or (now > 0) == (held > 0):
            closes.slippage += execution.quantity * given_up
        else:
            closes.slippage += abs(held) * given_up
            opens.slippage += abs(now) * given_up

    def _close(self, totals: SideTotals, held: Stretches, ts: int) -> None:
        held.ended.append(ts)
        if self._is_whole:
            held.profits.append(self._trade_profit)
            totals.held_ns += ts - self._opened_ns
        else:
            self._head = ClosedTrade(self._position.quantity > 0, self._trade_profit, self._opened_ns, ts)
            self._is_whole = True

    def _make_piece(
        self, position: Position, is_long: bool, ts: int | None, price: float, known_ns: int | None
    ) -> Piece:
        # How profit of the side that is held (or was, last) moves with the price from here on.
        held, other = (self._long, self._short) if is_long else (self._short, self._long)
        quantity = position.quantity
        known, slope = self._slopes[is_long]
        if quantity != known:  # it mostly is the same: float(Decimal) goes through text, as its hash nearly does
            slope = float(quantity * position.multiplier)
            if quantity:
                self._slopes[is_long] = (quantity, slope)
        made = held.realised - held.commission if held.commission else held.realised
        still = other.realised - other.commission if other.commission else other.realised
        return Piece(ts, price, float(made - position.cost), slope, is_long, float(still), known_ns)

    def _begin(self, ts: int) -> None:
        self.first_ns = ts
        if self._carried is not None:
            (self._long_held if self._carried.quantity > 0 else self._short_held).begun.insert(0, ts)

    def _open_trade(self) -> OpenTrade:
        position = self._position
        return OpenTrade(position.quantity, position.multiplier, position.cost, self._trade_profit, self._opened_ns)

    def _refuse(self, ts: int) -> NoReturn:
        raise StatisticsError(
            f"{self.key.instrument} at broker {self.key.broker!r}: a mark or execution of {format_ns(ts)} came after "
            f"one of {format_ns(self.last_ns)}; expected ascending times within a ledger. A broker sends the marks up "
            "to an execution's instant before the execution"
        )

"""TradeLedger: positions, trades and their money, recomputed from executions alone.

Receives: executions of one (strategy, broker, source, instrument), in the order of the file.
Gives:    signed quantity, cost, and for each side what was realised, paid and traded from flat to flat.
Never:    rounds at 1e-12 as the ledgers under test do: `slack` says how far apart that may set the two.    EXECUTION 9.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final

from tradecore.verification.exact_number import STEP, ZERO, divide
from tradecore.verification.record_forms import ExecutionLine


@dataclass(slots=True)
class SideSums:
    """What happened on one side. Money in the instrument's currency; slack: how far rounding may have moved it.

    trades_unsure: closed trades whose profit is within their slack of 0, so that who rounds may call them won or lost.
    """

    realised: Decimal = ZERO
    commission: Decimal = ZERO
    turnover: Decimal = ZERO
    slippage: Decimal = ZERO
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    slack: Decimal = ZERO
    trades_won: int = 0
    trades_lost: int = 0
    trades_even: int = 0
    trades_unsure: int = 0
    held_ns: int = 0
    buys: int = 0
    sells: int = 0
    makers: int = 0
    takers: int = 0
    best: Decimal | None = None
    worst: Decimal | None = None

    @property
    def trades(self) -> int:
        """Trades that ended flat."""
        return self.trades_won + self.trades_lost + self.trades_even

    def count_execution(self, execution: ExecutionLine, count: int = 1) -> None:
        """One execution more on this side."""
        if execution.is_buy:
            self.buys += count
        else:
            self.sells += count
        if execution.is_maker:
            self.makers += count
        else:
            self.takers += count

    def count_trade(self, profit: Decimal, held_ns: int, slack: Decimal) -> None:
        """One trade more that ended flat; profit after commission."""
        if profit > 0:
            self.trades_won += 1
            self.gross_profit += profit
        elif profit < 0:
            self.trades_lost += 1
            self.gross_loss += profit
        else:
            self.trades_even += 1
        if abs(profit) <= slack and slack:
            self.trades_unsure += 1
        self.best = profit if self.best is None else max(self.best, profit)
        self.worst = profit if self.worst is None else min(self.worst, profit)
        self.held_ns += held_ns


_BEST_OF: Final = {"best": max, "worst": min}


def add_sums(parts: Iterable[SideSums]) -> SideSums:
    """All parts together."""
    total = SideSums()
    for part in parts:
        for one in fields(SideSums):
            mine, other = getattr(total, one.name), getattr(part, one.name)
            if one.name in _BEST_OF:
                mine = other if mine is None else mine if other is None else _BEST_OF[one.name](mine, other)
            else:
                mine += other
            setattr(total, one.name, mine)
    return total


@dataclass(slots=True)
class OpenTrade:
    """What happened since the ledger was flat. cash: received less paid, without commission."""

    opened_ns: int
    cash: Decimal = ZERO
    cost: Decimal = ZERO
    commission: Decimal = ZERO
    slack: Decimal = ZERO

    @property
    def realised(self) -> Decimal:
        """Profit of what was closed: cash received, and what is still held at cost."""
        return self.cash + self.cost


@dataclass(slots=True)
class TradeLedger:
    """One ledger. quantity: held now, signed. starts, ends: when something was held. both: executions on both sides.

    deepest: the largest fall of profit between instants at which it was flat, its peak so far beside it. is_converted:
    some of its money is of another currency, so that only its quantity is known here.
    """

    multiplier: Decimal
    quantity: Decimal = ZERO
    long: SideSums = field(default_factory=SideSums)
    short: SideSums = field(default_factory=SideSums)
    both: SideSums = field(default_factory=SideSums)
    trade: OpenTrade | None = None
    starts: dict[bool, array[int]] = field(default_factory=lambda: {True: array("q"), False: array("q")})
    ends: dict[bool, array[int]] = field(default_factory=lambda: {True: array("q"), False: array("q")})
    deepest: Decimal = ZERO
    peak: Decimal = ZERO
    last_ns: int | None = None
    line: int = 0
    is_converted: bool = False
    is_money: bool = False

    def adjust(self, amount: Decimal, moved: Decimal, ratio: Decimal | None, ts: int) -> None:
        """Money came (below 0 went), or units moved, without an execution. ratio: of a split.

        What is held off the grid after a split was paid out: it was sold, at its part of the cost.
        """
        trade = self.trade
        if trade is None:  # interest: of the account, what came in as long, what was paid as short
            self.side(is_long=amount >= 0).realised += amount
            return
        trade.cash += amount
        if ratio is None:
            return
        whole = self.quantity * ratio
        self.quantity += moved
        if whole != self.quantity:
            trade.cost -= divide(trade.cost * (whole - self.quantity), whole)
            trade.slack += STEP
        if not self.quantity:
            is_long = whole > 0
            sums = self.side(is_long=is_long)
            sums.realised += trade.cash
            sums.count_trade(trade.cash - trade.commission, ts - trade.opened_ns, trade.slack)
            self.ends[is_long].append(ts)
            self.trade = None

    def take(self, execution: ExecutionLine) -> None:
        """One execution more."""
        self.line = execution.number
        held, signed = self.quantity, execution.moved
        self.is_converted = self.is_converted or execution.is_converted
        if not held and self.last_ns is not None and execution.ts_event > self.last_ns:
            self._note_flat()
        self.last_ns = execution.ts_event
        closing = min(abs(held), abs(signed)) if held and (held > 0) != execution.is_buy else ZERO
        opening = abs(signed) - closing
        share = execution.commission
        if closing and opening:  # a flip: commission goes to both parts by quantity
            share = divide(execution.commission * closing, abs(signed))
        if closing:
            self._close(execution, closing, share, is_flip=bool(opening))
        if opening:
            self._open(execution, opening, execution.commission - share if closing else share, is_flip=bool(closing))
        if closing and opening:
            self.both.count_execution(execution)
        self.quantity = held + signed

    def side(self, *, is_long: bool) -> SideSums:
        """Sums of one side, without the trade that is open."""
        return self.long if is_long else self.short

    @property
    def net(self) -> Decimal:
        """Realised profit after commission, the open trade's part included."""
        realised = self.trade.realised if self.trade is not None else ZERO
        return self.long.realised + self.short.realised + realised - self.long.commission - self.short.commission

    def compute_sums(self, *, is_long: bool) -> SideSums:
        """Sums of one side, with what the open trade realised so far."""
        sums = self.side(is_long=is_long)
        if self.trade is None or (self.quantity > 0) != is_long:
            return sums
        return add_sums([sums, SideSums(realised=self.trade.realised, slack=self.trade.slack)])

    def _open(self, execution: ExecutionLine, quantity: Decimal, commission: Decimal, *, is_flip: bool) -> None:
        if self.trade is None:
            self.trade = OpenTrade(execution.ts_event)
            self.starts[execution.is_buy].append(execution.ts_event)
        value = self._book(self.side(is_long=execution.is_buy), execution, quantity, commission)
        trade, paid = self.trade, value if execution.is_buy else -value
        trade.cash -= paid
        trade.cost += paid
        trade.commission += commission
        if is_flip:
            trade.slack += STEP
            self.side(is_long=execution.is_buy).slack += STEP

    def _close(self, execution: ExecutionLine, quantity: Decimal, commission: Decimal, *, is_flip: bool) -> None:
        trade, is_long = self.trade, not execution.is_buy
        assert trade is not None
        sums = self.side(is_long=is_long)
        value = self._book(sums, execution, quantity, commission)
        trade.cash += value if is_long else -value
        trade.commission += commission
        if is_flip:
            trade.slack += STEP
            sums.slack += STEP
        if quantity < abs(self.quantity):
            trade.cost -= divide(trade.cost * quantity, abs(self.quantity))
            trade.slack += STEP
            return
        sums.realised += trade.cash
        sums.count_trade(trade.cash - trade.commission, execution.ts_event - trade.opened_ns, trade.slack)
        self.ends[is_long].append(execution.ts_event)
        self.trade = None

    def _book(self, sums: SideSums, execution: ExecutionLine, quantity: Decimal, commission: Decimal) -> Decimal:
        value = quantity * execution.price * self.multiplier
        sums.turnover += value
        sums.commission += commission
        sums.slippage += quantity * execution.slippage * self.multiplier
        sums.count_execution(execution)
        return value

    def _note_flat(self) -> None:
        """It was flat until now: its profit then did not depend on any mark."""
        net = self.net
        self.peak = max(self.peak, net)
        self.deepest = max(self.deepest, self.peak - net)

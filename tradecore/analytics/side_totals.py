"""SideTotals: what was done on one side of one ledger, exact.

Receives: shares of executions: what opened or closed a long, or a short, holding.
Gives:    sums that add up: totals of long + totals of short = totals of the ledger, in money and in trades.
Never:    keeps executions: they are in the run folder.    Spec: Strategy Performance Analysis; EXECUTION 9, 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, fields
from decimal import Context, Decimal, localcontext
from typing import Final

ZERO: Final = Decimal(0)

EXACT: Final = Context(prec=400)
"""Sums of parts lose no digit, so the order of adding cannot matter."""


@dataclass(slots=True)  # a Struct takes ten times as long to be written to
class SideTotals:
    """Sums of one side. Money is exact, in the account's currency; times in nanoseconds.

    realised: profit of closed parts before commission. commission: paid (below 0: rebates). turnover: value executed.
    slippage: given up by takers. A trade runs from flat to flat; its profit is after commission. gross_profit: sum of
    the trades that made money; gross_loss: sum of those that lost, <= 0. trades_flat: those that did neither. held_ns:
    sum of the trades' times. buys and sells, by makers and takers: executions that touched this side (a flip: both).
    """

    realised: Decimal = ZERO
    commission: Decimal = ZERO
    turnover: Decimal = ZERO
    slippage: Decimal = ZERO
    buys_maker: int = 0
    buys_taker: int = 0
    sells_maker: int = 0
    sells_taker: int = 0
    trades_won: int = 0
    trades_lost: int = 0
    trades_flat: int = 0
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    best: Decimal | None = None
    worst: Decimal | None = None
    held_ns: int = 0

    @property
    def net(self) -> Decimal:
        """Realised profit after commission."""
        return self.realised - self.commission

    @property
    def trades(self) -> int:
        """Trades closed."""
        return self.trades_won + self.trades_lost + self.trades_flat

    @property
    def executions(self) -> int:
        """Executions that touched this side."""
        return self.buys_maker + self.buys_taker + self.sells_maker + self.sells_taker

    def with_executions(self, *counts: Sequence[int]) -> SideTotals:
        """A copy with these executions counted, each row as (sells by takers, by makers, buys by takers, by makers)."""
        total = copy(self)
        for sells_taker, sells_maker, buys_taker, buys_maker in counts:
            total.sells_taker += sells_taker
            total.sells_maker += sells_maker
            total.buys_taker += buys_taker
            total.buys_maker += buys_maker
        return total

    def add_trades(self, profits: Sequence[Decimal]) -> None:
        """Count closed trades, by the profit of each after commission. Their times are added by who knows them."""
        if not profits:
            return
        won = [profit for profit in profits if profit > ZERO]
        lost = [profit for profit in profits if profit < ZERO]
        self.trades_won += len(won)
        self.trades_lost += len(lost)
        self.trades_flat += len(profits) - len(won) - len(lost)
        self.gross_profit, self.gross_loss = sum(won, self.gross_profit), sum(lost, self.gross_loss)
        best, worst = max(profits), min(profits)
        if self.best is None or best > self.best:
            self.best = best
        if self.worst is None or worst < self.worst:
            self.worst = worst


_SUMS = tuple(one.name for one in fields(SideTotals) if one.name not in ("best", "worst"))


def add_totals(parts: Iterable[SideTotals]) -> SideTotals:
    """The sums of all parts; the best and worst trade of any."""
    listed = list(parts)
    total = SideTotals()
    with localcontext(EXACT):
        for name in _SUMS:
            value = getattr(total, name)
            for part in listed:
                value += getattr(part, name)
            setattr(total, name, value)
    total.best = max((part.best for part in listed if part.best is not None), default=None)
    total.worst = min((part.worst for part in listed if part.worst is not None), default=None)
    return total

"""Flip run: executions in a row of which each turns what is held to the other side, column by column.

Receives: executions of one ledger with the positions around them, as an analyzer keeps them until it takes them in.
Gives:    what a LedgerRecord books of each, in columns; None where anything in the run is not as usual (another ledger,
          a commission, slippage, a maker, a multiplier, known at once, time that goes back): one by one, then.
Never:    adds or rounds in another order than one by one.    EXECUTION 10.

A strategy that is always in the market gives little else, and one by one it takes twice as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import gt, is_, mul, sub
from typing import Any, Final, NamedTuple

from tradecore.domain.exact import to_floats
from tradecore.domain.execution import Execution, Liquidity
from tradecore.domain.instrument import ONE
from tradecore.domain.position import Position

Recorded = tuple[Execution, Position, Position, int | None]
"""An execution, the position before and after it, and the instant at which it was known, None for at once."""

_LIQUIDITY_TAKER: Final = Liquidity.TAKER


class FlipRun(NamedTuple):
    """Columns, a row for each execution. times: ns. known: instants at which they were known. prices: floats. was_long:
    the side that the first one closes; the second opens it again, and so on. quantities, costs: of what is held after
    each. profits: of what each closes. closed, opened: value that each closes and opens. after: the last position.
    """

    times: list[int]
    known: Sequence[int]
    prices: list[float]
    was_long: bool
    quantities: list[Decimal]
    costs: list[Decimal]
    profits: list[Decimal]
    closed: list[Decimal]
    opened: list[Decimal]
    after: Position


def read_flips(run: Sequence[Recorded]) -> FlipRun | None:
    """The columns of a run, if it is one."""
    first = run[0][1]
    if (
        not first.quantity
        or first.multiplier is not ONE
        or first.quantity.is_signed() is run[0][2].quantity.is_signed()
    ):
        return None  # what most others are is seen at once
    columns: Any = zip(*run, strict=True)
    executions, befores, afters, known = columns
    quantities = [first.quantity, *[after.quantity for after in afters]]
    is_short = [quantity.is_signed() for quantity in quantities]
    times = [execution.ts_event for execution in executions]
    if (
        not all(map(is_, befores[1:], afters))  # of another ledger, or with money between them
        or not all(quantities)
        or any(map(is_, is_short, is_short[1:]))
        or any(map(gt, times, times[1:]))
        or None in known
        or any([execution.commission for execution in executions])  # noqa: C419  (a generator takes twice as long)
        or any([execution.slippage for execution in executions])  # noqa: C419
        or [execution.liquidity for execution in executions].count(_LIQUIDITY_TAKER) != len(run)
    ):
        return None
    prices = [execution.price for execution in executions]
    realised = [first.realised, *[after.realised for after in afters]]
    sizes = [-quantity if short else quantity for quantity, short in zip(quantities, is_short, strict=True)]
    return FlipRun(
        times, known, to_floats(prices), not is_short[0], quantities[1:], [after.cost for after in afters],
        list(map(sub, realised[1:], realised)), list(map(mul, sizes, prices)), list(map(mul, sizes[1:], prices)),
        afters[-1],
    )  # fmt: skip

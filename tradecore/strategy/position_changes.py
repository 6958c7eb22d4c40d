"""Which PositionChanged an execution means.    Spec: "BrokerageProvider Extensions"; DESIGN 9."""

from __future__ import annotations

from tradecore.domain.execution import Execution
from tradecore.domain.order_events import (
    PositionChanged,
    PositionClosed,
    PositionDecreased,
    PositionIncreased,
    PositionOpened,
)
from tradecore.domain.position import Position


def position_changes(
    strategy: str, execution: Execution, before: Position, after: Position, ts_received: int
) -> list[PositionChanged]:
    """One change, or two for a flip: closed, then opened the other way."""

    def change(kind: type[PositionChanged], first: Position, last: Position) -> PositionChanged:
        return kind(strategy, execution.broker, execution, first, last, ts_received)

    if before.is_flat:
        return [change(PositionOpened, before, after)]
    if after.is_flat:
        return [change(PositionClosed, before, after)]
    if (before.quantity > 0) != (after.quantity > 0):
        flat = before.after(-before.quantity, execution.price, execution.ts_event)
        return [change(PositionClosed, before, flat), change(PositionOpened, flat, after)]
    grown = abs(after.quantity) > abs(before.quantity)
    return [change(PositionIncreased if grown else PositionDecreased, before, after)]

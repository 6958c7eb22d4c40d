"""BrokerCommand: what a strategy has asked of a simulated broker, on its way there.

Receives: the order, the terms to change, the instant at which it takes effect.
Gives:    commands that wait in order; none overtakes one that was given before.    EXECUTION 2, 7.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import msgspec

from tradecore.execution.working_order import WorkingOrder


class Timeline(Protocol):
    """What the broker needs of the engine's timeline."""

    @property
    def now(self) -> int:
        """The instant of the turn, int nanoseconds."""
        ...


class BrokerCommand(msgspec.Struct, frozen=True, gc=False):
    """A command on its way. word: "submit", "cancel" or "update"; terms that are None stay. reason: of a cancel."""

    due_ns: int
    word: str
    order: WorkingOrder
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    decided_ns: int = 0
    reason: str | None = None

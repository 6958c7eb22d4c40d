"""What is published beside executions: OrderUpdated, the changes of positions, and the closing of a group's excess.

Spec: "BrokerageProvider Extensions"; DESIGN 9.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderSnapshot
from tradecore.domain.position import Position


class OrderUpdated(msgspec.Struct, frozen=True, gc=False):
    """An order changed, as reported. ts_event: at the venue; ts_received: when the strategy heard of it."""

    order: OrderSnapshot
    ts_event: int
    ts_received: int


class PositionChanged(msgspec.Struct, frozen=True, gc=False):
    """A strategy's position changed by an execution. `before` and `after` are the position around it."""

    strategy: str
    broker: str
    execution: Execution
    before: Position
    after: Position
    ts_received: int


class PositionOpened(PositionChanged, frozen=True, gc=False):
    """From flat to held."""


class PositionIncreased(PositionChanged, frozen=True, gc=False):
    """More of the same side."""


class PositionDecreased(PositionChanged, frozen=True, gc=False):
    """Less of the same side."""


class PositionClosed(PositionChanged, frozen=True, gc=False):
    """From held to flat. A flip is a PositionClosed followed by a PositionOpened."""


class GroupClosing(msgspec.Struct, frozen=True, gc=False):
    """A group is out of balance: more executed than it should have, or its exits could not exit.

    quantity: of the market order that brings it back, signed, above 0 buys. order_id: its id, empty where the strategy
    was stopped already and nothing is sent. ts_event: when that was decided.
    """

    strategy: str
    broker: str
    group_id: str
    order_id: str
    instrument: str
    quantity: Decimal
    reason: str
    ts_event: int

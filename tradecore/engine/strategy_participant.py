"""StrategyParticipant: what the engine needs of strategies, and of whoever judges live data for them.

Receives: nothing; these are contracts.
Gives:    StrategyParticipant, OrderGate; participant.py has those of brokers.
Never:    says what a strategy is: strategy/ does.    Spec: 4.1; DESIGN 6, 10.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.gate_reason import Reason
from tradecore.domain.phase import PhaseChanged
from tradecore.engine.participant import AdjustmentReport, BrokerReport
from tradecore.errors import StrategyError


class StrategyParticipant(Protocol):
    """A strategy, as the engine sees it."""

    name: str
    is_active: bool

    async def start(self) -> None:
        """Subscribe to what it needs; once, before anything is delivered."""
        ...

    async def stop(self) -> None:
        """The run is over."""
        ...

    def receive(self, report: BrokerReport | AdjustmentReport) -> Awaitable[None] | None:
        """Take a report in, then tell the user's callbacks; what is returned is awaited."""
        ...

    async def change_phase(self, change: PhaseChanged) -> None:
        """A phase began."""
        ...

    async def change_feed_state(self, change: FeedStateChanged) -> None:
        """A live stream that it subscribed to changed its state."""
        ...

    async def fail(self, error: StrategyError) -> None:
        """One of its callbacks raised: cancel what works, tell `on_error`; nothing is delivered to it any more."""
        ...


class OrderGate(Protocol):
    """Who says whether live data is fit to base a real order on."""

    def check_instrument(self, instrument: str) -> Reason | None:
        """The first reason against it, None when there is none."""
        ...

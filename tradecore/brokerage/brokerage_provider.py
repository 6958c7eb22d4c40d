"""BrokerageProvider: the contract of everything that takes orders.

Receives: orders, cancels and updates, decided at the engine's `now`.
Gives:    reports, queued with due times (engine/participant.py); what it knows of orders, positions and money.
Never:    calls out, or answers a command with the venue's word: the async methods return when the broker has taken
          charge.    Spec: 5.3, "BrokerageProvider Extensions"; DESIGN 9.

SimulatedBroker is one; a RealBroker will be. tradecore/testing/broker_contract.py is the suite that both must pass.
"""

from __future__ import annotations

from typing import Protocol

from tradecore.domain.account import Account
from tradecore.domain.order import OrderSnapshot
from tradecore.domain.position import Position
from tradecore.engine.participant import BrokerCommands


class BrokerageProvider(BrokerCommands, Protocol):
    """What strategies and embedding programs may ask of a broker.

    The get_ methods show the broker's own truth, which may be ahead of what has been reported to a strategy; strategies
    read their own folded view instead.
    """

    def get_orders(self) -> list[OrderSnapshot]:
        """Orders that are not finished, in order of submission."""
        ...

    def get_positions(self) -> list[Position]:
        """What each strategy holds, without flat positions, in order of (strategy, instrument)."""
        ...

    def get_account(self) -> Account:
        """Money and holdings."""
        ...

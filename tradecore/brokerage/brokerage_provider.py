"""BrokerageProvider: the contract of everything that takes orders.

Receives: orders, cancels and updates, decided at the engine's `now`.
Gives:    reports, queued with due times (engine/participant.py); what it knows of orders, positions and money.
Never:    calls out, or answers a command with the venue's word: the async methods return when the broker has taken
          charge.    Spec: 5.3, "BrokerageProvider Extensions"; DESIGN 9.

SimulatedBroker is one; a RealBroker will be. tradecore/testing/broker_contract.py is the suite that both must pass.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from tradecore.domain.account import Account
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.position import Position


class BrokerageProvider(Protocol):
    """What strategies and embedding programs may ask of a broker.

    Commands keep their order: a cancel never overtakes its submit. The get_ methods show the broker's own truth, which
    may be ahead of what has been reported to a strategy; strategies read their own folded view instead.
    """

    name: str

    async def connect(self) -> None:
        """Open what it needs. Raises what the venue's side raises, translated."""
        ...

    async def disconnect(self) -> None:
        """Close it; idempotent."""
        ...

    async def submit_order(self, order: Order) -> None:
        """Take charge of a submitted order. Raises: InvalidOrder for what no such broker can take."""
        ...

    async def cancel_order(self, order: Order) -> None:
        """Take charge of a cancel. Raises: UnknownOrder for an order it never had, or that is finished."""
        ...

    async def update_order(
        self,
        order: Order,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        """Take charge of a change; quantity is the absolute total. Raises: UnknownOrder, InvalidOrder."""
        ...

    def get_orders(self) -> list[OrderSnapshot]:
        """Orders that are not finished, in order of submission."""
        ...

    def get_positions(self) -> list[Position]:
        """What each strategy holds, without flat positions, in order of (strategy, instrument)."""
        ...

    def get_account(self) -> Account:
        """Money and holdings."""
        ...

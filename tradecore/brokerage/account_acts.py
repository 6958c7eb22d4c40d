"""AccountActs: what happens to an account without an order of a strategy needs this much of its broker.

Receives: nothing; this is a contract between SimulatedBroker and what it asks about its account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tradecore.brokerage.ledger import Ledger
from tradecore.brokerage.venue_groups import VenueGroup
from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.order import Order
from tradecore.execution.execution_engine import Charge
from tradecore.execution.working_order import WorkingOrder


@dataclass(frozen=True, slots=True)
class AccountActs:
    """What a broker lends.

    list_orders: those that are not finished. withdraw: take a working order away, at this instant, with this reason.
    charges: by instrument. tell_updated: report an order's new terms. rescan: terms of an instrument's orders changed
    where they stand. tell: report an adjustment. close: let an order work that closes a ledger, at this instant, for
    this reason. split_group: a group that the venue holds is in new units, at this ratio; settle_group: so are its
    orders, and what that asks for is done. tell: it returns when its strategy hears of it.
    """

    list_orders: Callable[[], Iterable[WorkingOrder]]
    withdraw: Callable[[WorkingOrder, int, str], None]
    charges: Mapping[str, Charge]
    tell_updated: Callable[[WorkingOrder, int], None]
    rescan: Callable[[str], None]
    tell: Callable[[AccountAdjusted], int]
    close: Callable[[Order, Ledger, int, str], None]
    split_group: Callable[[VenueGroup, Decimal], None]
    settle_group: Callable[[VenueGroup, int], None]

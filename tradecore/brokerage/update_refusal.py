"""Update refusal: why a change of an order cannot take effect once it is at the venue.    DESIGN 8; EXECUTION 8, 9.

Receives: the order as the venue has it, the command, the account's adjustments, the groups that the venue holds.
Gives:    a sentence, or None. Whether the change can be paid is AccountBook's to say.
"""

from __future__ import annotations

from tradecore.brokerage.account_events import AccountEvents
from tradecore.brokerage.broker_command import BrokerCommand
from tradecore.brokerage.venue_groups import VenueGroups
from tradecore.execution.working_order import WorkingOrder


def find_update_refusal(
    order: WorkingOrder, command: BrokerCommand, account: AccountEvents, groups: VenueGroups
) -> str | None:
    """Why an update is refused, None when it may be tried."""
    if order.is_finished:
        return f"cannot update: the order is {order.state.name}"
    if command.quantity is not None and command.quantity < order.filled_quantity:
        return f"cannot lower the quantity to {command.quantity}: {order.filled_quantity} are executed"
    if command.stop_price is not None and order.is_triggered:
        return f"cannot move the stop: it was triggered at {order.stop_price}"
    if account.heard and (outdated := account.find_outdated(order, command.decided_ns)) is not None:
        return outdated
    if command.quantity is not None and order.venue_group is not None:
        return groups.find_wish_refusal(order, command.quantity)
    return None

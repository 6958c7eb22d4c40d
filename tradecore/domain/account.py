"""Account: money and holdings at a broker, exact.    Spec: "BrokerageProvider Extensions"; EXECUTION 9."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradecore.domain.position import Position


class Account(msgspec.Struct, frozen=True):
    """Money and holdings at a broker at one moment.

    account_type: "cash" or "margin". cash: by currency, exact; what was paid and received, commission included.
    positions: by (strategy, instrument), flat ones left out.
    """

    broker: str
    account_type: str
    cash: dict[str, Decimal]
    positions: dict[tuple[str, str], Position]

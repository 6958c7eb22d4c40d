"""Account: money at a broker, exact.    Spec: "BrokerageProvider Extensions"; EXECUTION 9."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Account(msgspec.Struct, frozen=True):
    """Money at a broker at one moment.

    kind: "cash" or "margin". cash: by currency, exact; what has been paid and received, commission included.
    """

    broker: str
    kind: str
    cash: dict[str, Decimal]

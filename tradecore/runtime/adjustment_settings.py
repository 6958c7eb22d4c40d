"""AdjustmentSettings: one [[adjustments]] table: a dividend, split, funding or interest that a run is to book.

Receives: what a configuration says.
Gives:    the AccountAdjustment, and the feed that brings all of a run's.
Never:    checks whether the instrument exists (config_checks.py does).    EXECUTION 9.

    [[adjustments]]
    kind = "dividend"
    instrument = "IBM.NYSE"
    at = 2001-02-07T14:30:00Z       # the ex-day's open: the instant from which prices are without it
    value = 0.13                    # USD for each share
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.instant import to_ns
from tradecore.feeds.iterator_feed import IteratorFeed

FEED_NAME = "adjustments of the configuration"


class AdjustmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """kind: what happens. at: aware UTC. value: of a dividend money per unit, of a split new units for each old one, of
    funding and interest a fraction. instrument: of all but interest. currency: of interest, and of a dividend that is
    paid in another one than the instrument's. broker: the only one concerned, "" for all.
    """

    kind: Literal["dividend", "split", "funding", "interest"]
    at: datetime
    value: Decimal
    instrument: str = ""
    currency: str = ""
    broker: str = ""

    def to_event(self) -> AccountAdjustment:
        """The event. Raises: InvalidEvent, InvalidName for what no account could be adjusted by."""
        ts = to_ns(self.at)
        kind = AdjustmentKind(self.kind.upper())
        event = AccountAdjustment(kind, self.instrument, ts, ts, self.value, self.currency or None, self.broker or None)
        event.check()
        return event


def make_adjustments_feed(adjustments: Sequence[AccountAdjustment]) -> IteratorFeed:
    """A feed of all of them, in order of time."""
    ordered = sorted(adjustments, key=lambda event: event.ts_event)
    return IteratorFeed(ordered, name=FEED_NAME, event_types=[AccountAdjustment.event_type])

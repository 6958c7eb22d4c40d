"""AccountAdjustment: money or units that come and go without an order: dividend, split, funding, interest.

Receives: what an issuer, a venue or a lender decided, with the instant from which it holds.
Gives:    one event, which travels through feeds like any other (`tc.feed([...], name="dividends")`); what each account
          made of it, as AccountAdjusted.
Never:    knows who holds what: each broker applies it to what is held there at that instant.    EXECUTION 9.

    feed = tc.feed([AccountAdjustment.split("IBM.NYSE", datetime(1999, 5, 27, tzinfo=UTC), 2)], name="splits")

At one instant market events come first: a bar that ends at the instant of a split is still in old units. So an
adjustment bears the instant from which prices are the new ones (the open of the ex-day, or the midnight before it).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar

import msgspec

from tradecore.domain.instant import format_ns, to_ns
from tradecore.domain.instrument import Number, check_instrument_id, to_decimal
from tradecore.domain.market_event import TimedEvent, check_times
from tradecore.domain.position import Position
from tradecore.errors import InvalidEvent


class AdjustmentKind(Enum):
    """What an AccountAdjustment does; `value` of the event means something else for each.

    DIVIDEND: money per unit, received by who holds, paid by who is short. SPLIT: new units for each old one, prices are
    divided by it. FUNDING: fraction of the position's value at its mark, paid by longs to shorts (below 0: the other
    way). INTEREST: fraction of the cash balance of a currency, received (a balance below 0 pays). BORROW: fraction of
    the value that is short, paid; brokers make it themselves of their `borrow_rate`.
    """

    DIVIDEND = "DIVIDEND"
    SPLIT = "SPLIT"
    FUNDING = "FUNDING"
    INTEREST = "INTEREST"
    BORROW = "BORROW"


class AccountAdjustment(TimedEvent, frozen=True, gc=False):
    """One adjustment. instrument: id, "" for INTEREST. value: see AdjustmentKind, exact. currency: what a dividend is
    paid in (None: the instrument's), or whose balance bears interest. broker: None for all of them.

    Make it with a factory, which checks; the plain constructor takes nanoseconds and checks nothing.
    """

    event_type: ClassVar[str] = "account_adjustment"

    kind: AdjustmentKind
    instrument: str
    ts_event: int
    ts_received: int
    value: Decimal
    currency: str | None = None
    broker: str | None = None

    @classmethod
    def dividend(
        cls, instrument: str, dt_event: datetime, amount: Number, currency: str | None = None, broker: str | None = None
    ) -> AccountAdjustment:
        """amount: money per unit, above 0. Raises: InvalidEvent, InvalidTime, InvalidName."""
        return _make(AdjustmentKind.DIVIDEND, instrument, dt_event, amount, currency, broker)

    @classmethod
    def split(cls, instrument: str, dt_event: datetime, ratio: Number, broker: str | None = None) -> AccountAdjustment:
        """ratio: new units for each old one: 2 for 2:1, "0.1" for 1:10. Raises: as `dividend`."""
        return _make(AdjustmentKind.SPLIT, instrument, dt_event, ratio, None, broker)

    @classmethod
    def funding(cls, instrument: str, dt_event: datetime, rate: Number, broker: str | None = None) -> AccountAdjustment:
        """rate: fraction of the value, paid by longs to shorts; below 0 the other way. Raises: as `dividend`."""
        return _make(AdjustmentKind.FUNDING, instrument, dt_event, rate, None, broker)

    @classmethod
    def interest(cls, currency: str, dt_event: datetime, rate: Number, broker: str | None = None) -> AccountAdjustment:
        """rate: fraction of the balance for the time that it is for, not per year. Raises: as `dividend`."""
        return _make(AdjustmentKind.INTEREST, "", dt_event, rate, currency, broker)

    def check(self) -> None:
        """Raises InvalidEvent, InvalidTime or InvalidName for what no account could be adjusted by."""
        check_times(self)
        kind = self.kind
        value: Any = self.value  # the plain constructor takes what it is given
        if not isinstance(value, Decimal) or not value.is_finite():
            raise self._fault(f"value is {value!r}; expected a finite Decimal")
        if kind in (AdjustmentKind.DIVIDEND, AdjustmentKind.SPLIT) and value <= 0:
            raise self._fault(f"value is {value}; expected above 0")
        if kind is AdjustmentKind.INTEREST:
            if not self.currency or self.instrument:
                raise self._fault("interest is of a currency's balance; give currency, and no instrument")
            return
        check_instrument_id(self.instrument)
        if self.currency is not None and kind is not AdjustmentKind.DIVIDEND:
            raise self._fault(f"currency is {self.currency!r}; only a dividend may be paid in another one")

    def _fault(self, what: str) -> InvalidEvent:
        of = self.instrument or self.currency or "nothing"
        return InvalidEvent(f"{self.kind.value.lower()} of {of} at {format_ns(self.ts_event)}: {what}")


class AccountAdjusted(msgspec.Struct, frozen=True, gc=False):
    """What an adjustment made of one strategy's holding, as reported.

    before, after: its position around it; None for interest, which is of the account. A split is reported to who has
    orders of the instrument, too, with positions that are equal if nothing is held. amount: money received in
    `currency`, below 0 paid. ts_received: when the strategy heard of it.
    """

    strategy: str
    broker: str
    adjustment: AccountAdjustment
    before: Position | None
    after: Position | None
    amount: Decimal
    currency: str
    ts_received: int


def _make(
    kind: AdjustmentKind, instrument: str, dt_event: datetime, value: Number, currency: str | None, broker: str | None
) -> AccountAdjustment:
    ts = to_ns(dt_event)
    made = AccountAdjustment(
        kind, instrument, ts, ts, to_decimal(value, f"value of a {kind.value.lower()}"), currency, broker
    )
    made.check()
    return made

"""WaitingLane: orders for an instrument of which no series has shown itself yet.

Receives: accepted orders, of a run that reads feeds whose series are known only when their first events come.
Gives:    nothing, until the instrument's match source is known: then `release` lets the orders go on to its lane.
Never:    executes or triggers anything: there is no market.    EXECUTION 7 (no_market = hold).
"""

from __future__ import annotations

from tradecore.domain.instrument import Instrument
from tradecore.execution.lane import Lane
from tradecore.execution.match_rules import MatchRules
from tradecore.execution.taker_price import TakerPrice
from tradecore.execution.venue import Venue
from tradecore.execution.working_order import TAKER, WorkingOrder, by_time


class WaitingLane(Lane):
    """One instrument without a market. unmatched: why what has shown itself cannot be matched, None before."""

    matched_on = "series of it"

    def __init__(self, instrument: Instrument, rules: MatchRules, venue: Venue) -> None:
        super().__init__(instrument, rules, TakerPrice(instrument.price_increment), venue)
        self.unmatched: str | None = None

    @property
    def orders(self) -> list[WorkingOrder]:
        """Orders that wait, in the order in which they took effect."""
        return sorted([*self.takers, *self.stops, *self.limits], key=by_time)

    def refuse_all(self, reason: str) -> list[WorkingOrder]:
        """Nothing can match this instrument as it is: refuse orders from now on. Those that waited, to be rejected."""
        self.unmatched, self.may_refuse = reason, True
        return self.release()

    def release(self) -> list[WorkingOrder]:
        """Let all orders go; they are nowhere then."""
        released = self.orders
        for order in released:
            self.remove(order)
        return released

    def refusal(self, order: WorkingOrder, ts: int) -> str | None:
        """See Lane.refusal."""
        return self.unmatched or super().refusal(order, ts)

    def enter(self, order: WorkingOrder, ts: int) -> None:
        """Wait."""
        if order.price_f is None or order.is_immediate:
            self.put(order, TAKER)
        else:
            self.rest(order, ts)

    def touch(self, sign: int) -> float | None:
        """There is no price."""
        return None

    def marks(self, sign: int, after: int, until: int) -> tuple[list[int], list[float]]:
        """Nothing is held here."""
        return [], []

    def list_counts(self) -> dict[str, int]:
        """What was counted for the report."""
        return {"orders_without_market": len(self.orders)}

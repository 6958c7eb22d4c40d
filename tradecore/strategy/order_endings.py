"""OrderEndings: orders that ended otherwise than their strategy wished, counted for the report.

Receives: the last report of an order that says why it ended.
Gives:    one sentence per kind: how many, and the first with its time and reason.
Never:    keeps more than the first of a kind: orders.jsonl has them all.    EXECUTION 7, 9.
"""

from __future__ import annotations

from typing import Final

from tradecore.domain.instant import format_ns
from tradecore.domain.order_snapshot import OrderSnapshot
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import OrderRole

_WORDS: Final = {
    OrderState.DENIED: "denied",
    OrderState.REJECTED: "rejected",
    OrderState.CANCELLED: "cancelled by the broker",
}
"""An order that expired did what it was told to."""


class OrderEndings:
    """Of one strategy, as far as reported."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._firsts: dict[str, OrderSnapshot] = {}

    def take(self, change: OrderSnapshot) -> None:
        """An order ended, for the reason that it says."""
        words = "given by the broker" if change.terms.role is OrderRole.MARGIN else _WORDS.get(change.state)
        if change.ts_command and change.state is OrderState.CANCELLED:  # by the strategy, or its group
            return
        if words is not None:
            self._counts[words] = self._counts.get(words, 0) + 1
            self._firsts.setdefault(words, change)

    def list_sentences(self) -> list[str]:
        """For a person who reads the report; kinds in the order in which they first came."""
        sentences = []
        for words, count in self._counts.items():
            first, what = self._firsts[words], "1 order was" if count == 1 else f"{count:,} orders were"
            which = first.order_id if count == 1 else f"the first was {first.order_id}"
            sentences.append(f"{what} {words}: {which} at {format_ns(first.ts_event)}, {first.reason}")
        return sentences

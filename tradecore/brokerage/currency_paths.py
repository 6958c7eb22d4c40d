"""CurrencyPaths: how money of one currency becomes money of another, through instruments that the run is fed with.

Receives: the lanes that price instruments with a base currency ("GBPUSD.FX": base GBP, currency USD).
Gives:    rates at present marks; the currencies that have no path, so that a run can refuse them at its start.
Never:    assumes a rate.    EXECUTION 9.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tradecore.execution.exact import to_exact
from tradecore.execution.lane import Lane

_ONE: Final = Decimal(1)


class CurrencyPaths:
    """Paths to one currency, the shortest of each, found once. A step is (lane, whether its price is inverted)."""

    def __init__(self, currency: str, lanes: Iterable[Lane]) -> None:
        edges: dict[str, list[tuple[str, Lane, bool]]] = {}
        for lane in sorted(lanes, key=lambda lane: lane.instrument.id):
            base, quoted = lane.instrument.base_currency, lane.instrument.currency
            if base is not None and base != quoted:
                edges.setdefault(quoted, []).append((base, lane, False))  # base -> quoted: times the price
                edges.setdefault(base, []).append((quoted, lane, True))
        self._steps: dict[str, list[tuple[Lane, bool]]] = {currency: []}
        waiting = deque([currency])
        while waiting:
            reached = waiting.popleft()
            for other, lane, is_inverted in edges.get(reached, []):
                if other not in self._steps:
                    self._steps[other] = [(lane, is_inverted), *self._steps[reached]]
                    waiting.append(other)

    def has_path(self, currency: str) -> bool:
        """Whether money of this currency can be converted at all."""
        return currency in self._steps

    def find_rate(self, currency: str) -> Decimal | None:
        """Units of the base currency for one of this, at the bid of what is sold; None before the first price."""
        rate = _ONE
        for lane, is_inverted in self._steps.get(currency, []):
            price = lane.mark(-1 if is_inverted else 1)
            if price is None or price <= 0:
                return None
            found = to_exact(price)
            rate = rate / found if is_inverted else rate * found
        return rate if currency in self._steps else None

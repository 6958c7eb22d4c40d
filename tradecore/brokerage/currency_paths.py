"""CurrencyPaths: how money of one currency becomes money of another, through instruments that the run is fed with.

Receives: the lanes that price instruments with a base currency ("GBPUSD.FX": base GBP, currency USD).
Gives:    rates at an instant: direct, inverse, or over one currency between; the currencies that have no such path, so
          that a run can refuse them at its start.
Never:    assumes a rate, or goes over two currencies: what two crosses add up to is nobody's price.    EXECUTION 9.

Money that is owned is valued at the bid of what is sold, as a position is: EUR at the bid of EURUSD, USD in a EUR
account at one over its ask.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Final

from tradecore.brokerage.lane_prices import list_adverse, read_price_at
from tradecore.domain.exact import to_exact
from tradecore.execution.lane import Lane

_ONE: Final = Decimal(1)

RATE_CONTEXT: Final = Context(prec=15)
"""A rate that was divided or multiplied has as many digits as the float prices that it is made of."""


class RateTrack:
    """One lane as a source of rates: what stood at any instant of the window, and when it began.

    sign: +1 reads what a long is sold at, -1 what a short is bought back at.
    """

    __slots__ = ("_before", "lane", "sign")

    def __init__(self, lane: Lane, sign: int) -> None:
        self.lane, self.sign = lane, sign
        self._before = lane.mark(sign)

    def read(self, ts: int) -> float | None:
        """The price at an instant of the window, None before the first; a price of 0 or less is no rate."""
        lane, found = self.lane, None
        if lane.events:
            found = read_price_at(lane, self.sign, bisect_right(lane.times, ts) - 1)
        price = self._before if found is None else found
        return price if price is not None and price > 0 else None

    def read_range(self) -> tuple[float, float] | None:
        """The lowest and the highest price of the window, with what stood when it began; None without any."""
        lane = self.lane
        met = [
            price
            for sign in (1, -1)
            for price in (self._before, *list_adverse(lane, sign, 0, len(lane.events)))
            if price is not None and price > 0
        ]
        return (min(met), max(met)) if met else None

    def end_window(self) -> None:
        """The window is over: keep what stood at its end."""
        found = read_price_at(self.lane, self.sign, len(self.lane.events) - 1)
        self._before = self._before if found is None else found


Step = tuple[RateTrack, bool]
"""A lane's prices, and whether they are inverted."""


class CurrencyPaths:
    """Paths to one currency, of one step or two, found once: the shortest, of equals the first by instrument id."""

    def __init__(self, currency: str, lanes: Iterable[Lane], earlier: CurrencyPaths | None = None) -> None:
        """earlier: paths that lanes were added to; what stood before the window is taken over."""
        self.currency = currency
        self._tracks: dict[tuple[str, int], RateTrack] = {} if earlier is None else dict(earlier._tracks)  # noqa: SLF001
        self._steps: dict[str, tuple[Step, ...]] = {currency: ()}
        edges: dict[str, list[tuple[str, Step]]] = {}
        for lane in sorted(lanes, key=lambda lane: lane.instrument.id):
            base, quoted = lane.instrument.base_currency, lane.instrument.currency
            if base is not None and base != quoted:
                edges.setdefault(quoted, []).append((base, (self._open_track(lane, 1), False)))
                edges.setdefault(base, []).append((quoted, (self._open_track(lane, -1), True)))
        for reached in (currency, *[other for other, _ in edges.get(currency, [])]):
            for other, step in edges.get(reached, []):
                self._steps.setdefault(other, (step, *self._steps[reached]))

    def _open_track(self, lane: Lane, sign: int) -> RateTrack:
        key = (lane.instrument.id, sign)
        track = self._tracks.get(key)
        if track is None or track.lane is not lane:
            track = self._tracks[key] = RateTrack(lane, sign)
        return track

    @property
    def is_used(self) -> bool:
        """Whether anything can be converted at all."""
        return bool(self._tracks)

    def has_path(self, currency: str) -> bool:
        """Whether money of this currency can be converted at all."""
        return currency in self._steps

    def list_instruments(self, currency: str) -> list[str]:
        """Ids of the instruments on the way of this currency."""
        return [track.lane.instrument.id for track, _ in self._steps.get(currency, ())]

    def find_rate(self, currency: str, ts: int) -> Decimal | None:
        """Units of the target currency for one of this, at an instant of the window; None before the first price."""
        steps = self._steps.get(currency)
        if steps is None:
            return None
        rate = _ONE
        for track, is_inverted in steps:
            price = track.read(ts)
            if price is None:
                return None
            found = to_exact(price)
            if is_inverted:
                rate = RATE_CONTEXT.divide(rate, found)
            else:
                rate = found if rate is _ONE else RATE_CONTEXT.multiply(rate, found)
        return rate

    def find_rate_range(self, currency: str) -> tuple[float, float] | None:
        """The least and the most that one of this may be worth in the window; None where that is not known yet."""
        low, high = 1.0, 1.0
        for track, is_inverted in self._steps.get(currency, ()):
            found = track.read_range()
            if found is None:
                return None
            least, most = (1.0 / found[1], 1.0 / found[0]) if is_inverted else found
            low, high = low * least, high * most
        return low, high

    def end_window(self) -> None:
        """The window is over."""
        for track in self._tracks.values():
            track.end_window()

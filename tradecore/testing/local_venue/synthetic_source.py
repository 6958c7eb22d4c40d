"""SyntheticSource: a made-up market: makers who keep a ladder of orders around a random walk, and takers.

Receives: a seed, pairs, rates, an instant.
Gives:    orders and cancels without end, the same for the same settings on every machine and Python.
Never:    passes for market data. Never looks at the book: what it does next does not depend on who else trades.
          Draws with `random()` only, whose sequence is the same everywhere.    Issue 4, item 2.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import msgspec

from tradecore.domain.instant import HOUR_NS, SECOND_NS
from tradecore.errors import LocalVenueError
from tradecore.storage.synthetic_path import make_random
from tradecore.testing.local_venue.venue_action import BUY, SELL, CancelOrder, PlaceOrder, VenueAction
from tradecore.testing.local_venue.venue_instrument import VenueInstrument

MAKER: Final = "maker"
TAKER: Final = "taker"

_BATCH: Final = 512
_LADDER: Final = 25  # orders on each side: more than the largest depth that `depth20` shows
_SHARE_TAKEN: Final = 0.25  # of steps: a taker comes
_SHARE_MOVED: Final = 0.15  # of steps: the walk goes one rung up or down
_RUNG: Final = 0.00002  # distance of two rungs as a share of the price; makes about 0.7 % a day at 10 steps a second
_MICROSECOND_NS: Final = 1_000


class SyntheticPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair and where its walk begins. price: in quote currency. size: typical order, in base currency."""

    base: str
    quote: str
    price: Decimal
    size: Decimal
    price_increment: Decimal
    size_increment: Decimal


PAIRS: Final = (
    SyntheticPair(
        base="BTC", quote="USDT", price=Decimal(60_000), size=Decimal("0.2"),
        price_increment=Decimal("0.01"), size_increment=Decimal("0.00001"),
    ),
    SyntheticPair(
        base="ETH", quote="USDT", price=Decimal(3_000), size=Decimal(2),
        price_increment=Decimal("0.01"), size_increment=Decimal("0.0001"),
    ),
    SyntheticPair(
        base="BTC", quote="USD", price=Decimal(60_000), size=Decimal("0.2"),
        price_increment=Decimal("0.1"), size_increment=Decimal("0.00000001"),
    ),
)  # fmt: skip


class SyntheticSource:
    """A made-up market that begins `history_ns` before `start_ns` and never ends.

    steps_per_second: of each pair; a quarter of them are takers, so 10 make about 2.5 trades a second.
    """

    def __init__(
        self,
        start_ns: int,
        *,
        seed: int = 0,
        pairs: tuple[SyntheticPair, ...] = PAIRS,
        steps_per_second: float = 10.0,
        history_ns: int = HOUR_NS,
    ) -> None:
        if not pairs or steps_per_second <= 0 or history_ns < 0:
            raise LocalVenueError(
                f"a synthetic market of {len(pairs)} pairs, {steps_per_second} steps a second and {history_ns} ns of "
                "history cannot be made; expected at least one pair, more than 0 steps and no negative history"
            )
        self.instruments = tuple(
            VenueInstrument(pair.base, pair.quote, pair.price_increment, pair.size_increment) for pair in pairs
        )
        self.start_ns = start_ns
        self.recorded_quotes: frozenset[str] = frozenset()
        self.settle_ns = 0
        self._begin_ns = start_ns - history_ns
        self._pairs, self._seed = pairs, seed
        self._mean_step_ns = int(SECOND_NS / steps_per_second)

    async def batches(self) -> AsyncIterator[list[VenueAction]]:
        """Batches of some 500 actions, without end."""
        actions = self.actions()
        while batch := list(islice(actions, _BATCH)):
            yield batch

    def actions(self) -> Iterator[VenueAction]:
        """All actions, in order of their instants."""
        walks = [
            self._walk(pair, instrument, make_random(self._seed, instrument.symbol, "venue"))
            for pair, instrument in zip(self._pairs, self.instruments, strict=True)
        ]
        return heapq.merge(*walks, key=_instant)

    def _walk(self, pair: SyntheticPair, instrument: VenueInstrument, draw: Any) -> Iterator[VenueAction]:
        ladder = _Ladder(pair, instrument, draw)
        at_ns, number = self._begin_ns, 0
        yield from ladder.build(at_ns)
        while True:
            # Equally likely between 0 and twice the mean: bursts and pauses, from additions and products alone.
            at_ns += max(int(2 * self._mean_step_ns * draw.random()) // _MICROSECOND_NS, 1) * _MICROSECOND_NS
            number += 1
            chance = draw.random()
            if chance < _SHARE_TAKEN:
                yield ladder.take(at_ns, number)
            elif chance < _SHARE_TAKEN + _SHARE_MOVED:
                yield from ladder.move(at_ns)
            else:
                yield from ladder.renew(at_ns)


class _Ladder:
    """The makers' orders of one pair: one on each of 25 rungs below and above the rung of the walk."""

    def __init__(self, pair: SyntheticPair, instrument: VenueInstrument, draw: Any) -> None:
        price = instrument.prices.count(pair.price)
        self._symbol, self._draw = instrument.symbol, draw
        self._rung_ticks = max(int(price * _RUNG), 1)
        self._rung = max(price // self._rung_ticks, _LADDER + 2)
        self._size = max(instrument.sizes.count(pair.size), 10)

    def build(self, at_ns: int) -> Iterator[VenueAction]:
        for step in range(1, _LADDER + 1):
            yield self._quote(at_ns, BUY, self._rung - step)
            yield self._quote(at_ns, SELL, self._rung + step)

    def take(self, at_ns: int, number: int) -> VenueAction:
        side = BUY if self._draw.random() < 0.5 else SELL
        spread = self._draw.random()
        size = max(int(self._size * spread * spread * 1.5), 1)  # many small ones, few that reach the second rung
        return PlaceOrder(self._symbol, at_ns, TAKER, f"t{number}", side, None, size, keeps_rest=False)

    def move(self, at_ns: int) -> Iterator[VenueAction]:
        """One rung up or down: the order in the way goes first, so that none ever meets the other side."""
        step = 1 if self._draw.random() < 0.5 else -1
        if self._rung + step < _LADDER + 2:
            step = 1
        ahead, behind = (SELL, BUY) if step > 0 else (BUY, SELL)
        yield self._cancel(at_ns, ahead, self._rung + step)
        yield self._cancel(at_ns, behind, self._rung - step * _LADDER)
        self._rung += step
        yield self._quote(at_ns, behind, self._rung - step)
        yield self._quote(at_ns, ahead, self._rung + step * _LADDER)

    def renew(self, at_ns: int) -> Iterator[VenueAction]:
        """A maker takes an order back and quotes anew; what was bought away comes back this way."""
        side = BUY if self._draw.random() < 0.5 else SELL
        place = self._draw.random()
        rung = self._rung - side * (1 + int(_LADDER * place * place))  # most of it happens near the middle
        yield self._cancel(at_ns, side, rung)
        yield self._quote(at_ns, side, rung)

    def _quote(self, at_ns: int, side: int, rung: int) -> PlaceOrder:
        offset = int(self._draw.random() * self._rung_ticks / 4)
        size = max(int(self._size * (0.2 + self._draw.random())), 1)
        return PlaceOrder(
            self._symbol, at_ns, MAKER, f"{side}@{rung}", side, rung * self._rung_ticks - side * offset, size
        )

    def _cancel(self, at_ns: int, side: int, rung: int) -> CancelOrder:
        return CancelOrder(self._symbol, at_ns, MAKER, f"{side}@{rung}")


def _instant(action: VenueAction) -> int:
    return action.at_ns

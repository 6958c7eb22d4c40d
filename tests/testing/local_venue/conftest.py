"""What the tests of the local venue share: a market of scripted actions, and a venue driven by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from tradecore.domain.instant import SECOND_NS, parse_ns
from tradecore.testing.local_venue import LocalVenue, VenueSettings
from tradecore.testing.local_venue.local_venue import InLoopConnection
from tradecore.testing.local_venue.venue_action import (
    PrintTrade,
    SetLevels,
    ShowQuote,
    VenueAction,
)
from tradecore.testing.local_venue.venue_instrument import VenueInstrument
from tradecore.testing.venue_fixtures import local_venue, venue_process

__all__ = ["local_venue", "venue_process"]

START_NS = parse_ns("2024-01-02T10:00:00Z")


class ScriptedMarket:
    """A MarketSource of a few actions of one pair, BTC/USDT on 0.10 and 0.001 (BTC/USD where Kraken is meant)."""

    def __init__(self, actions: Iterable[VenueAction], *, quote: str = "USDT", settle_ns: int = 0) -> None:
        self.instruments = (VenueInstrument("BTC", quote, Decimal("0.10"), Decimal("0.001")),)
        self.start_ns, self.settle_ns = START_NS, settle_ns
        self.actions = list(actions)
        shown = any(isinstance(action, ShowQuote) for action in self.actions)
        self.recorded_quotes = frozenset(["BTC" + quote] if shown else [])

    async def batches(self) -> AsyncIterator[list[VenueAction]]:
        if self.actions:
            yield self.actions


class DrivenVenue:
    """A LocalVenue whose clock is the test's: `await venue.to(1.5)` plays until 1.5 s after the start."""

    def __init__(self, venue: LocalVenue, clock: list[int]) -> None:
        self.venue, self._clock = venue, clock

    async def to(self, seconds: float) -> None:
        at_ns = START_NS + round(seconds * SECOND_NS)
        self._clock[0] = at_ns - START_NS
        await self.venue.play.play_until(at_ns)

    def connect(self, target: str) -> InLoopConnection:
        return self.venue.connect(target)

    def get(self, target: str) -> Any:
        return json.loads(self.venue.request("GET", target).body)


DriveVenue = Callable[..., Any]


@pytest.fixture
def drive_venue() -> DriveVenue:
    """Makes a venue of scripted actions that has begun: `await drive_venue([trade(1, ...)])`."""

    async def make(actions: Iterable[VenueAction] = (), *, source: Any = None, **settings: Any) -> DrivenVenue:
        clock = [0]
        venue = LocalVenue(source or ScriptedMarket(actions), VenueSettings(**settings), lambda: clock[0])
        venue.clock.start()
        await venue.play.prepare()
        return DrivenVenue(venue, clock)

    return make


def _at(seconds: float) -> int:
    return START_NS + round(seconds * SECOND_NS)


@pytest.fixture
def make_trade() -> Callable[..., PrintTrade]:
    """A print: seconds after the start, price and size in units, who rested."""

    def make(
        seconds: float, price: str, size: str, *, trade_id: int | None = None, buyer_is_maker: bool = False,
        symbol: str = "BTCUSDT",
    ) -> PrintTrade:  # fmt: skip
        at_ns = _at(seconds)
        ticks, lots = int(Decimal(price) / Decimal("0.1")), int(Decimal(size) / Decimal("0.001"))
        return PrintTrade(symbol, at_ns, at_ns, ticks, lots, buyer_is_maker, trade_id)

    return make


@pytest.fixture
def make_levels() -> Callable[..., SetLevels]:
    """A book change: seconds after the start, update id, {price: size} of bids and asks, in whole increments."""

    def make(
        seconds: float, last_id: int, bids: dict[int, int], asks: dict[int, int], *, symbol: str = "BTCUSDT"
    ) -> SetLevels:
        at_ns = _at(seconds)
        return SetLevels(symbol, at_ns, at_ns, last_id, tuple(bids.items()), tuple(asks.items()))

    return make


@pytest.fixture
def make_quote() -> Callable[..., ShowQuote]:
    """A best bid and ask in whole increments."""

    def make(seconds: float, update_id: int, bid: tuple[int, int], ask: tuple[int, int]) -> ShowQuote:
        at_ns = _at(seconds)
        return ShowQuote("BTCUSDT", at_ns, at_ns, *bid, *ask, update_id)

    return make

"""Both adapters keep what every market data venue promises."""

from typing import Any

from tradecore.domain.clock import Clock
from tradecore.testing.market_data_venue_contract import MarketDataVenueContract
from tradecore.testing.scripted_binance import ScriptedBinance
from tradecore.testing.scripted_kraken import ScriptedKraken
from tradecore.testing.venue_connection_contract import VenueConnectionContract


class TestBinanceVenue(MarketDataVenueContract, VenueConnectionContract):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedBinance(clock)


class TestKrakenVenue(MarketDataVenueContract, VenueConnectionContract):
    def make_skin(self, clock: Clock) -> Any:
        return ScriptedKraken(clock)

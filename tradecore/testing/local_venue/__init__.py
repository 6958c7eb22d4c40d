"""The local venue: Binance Spot and Kraken v2 over loopback, with faults on demand, for tests and for trying things.

source = SyntheticSource(start_ns, seed=7)
async with open_local_venue(source, VenueSettings(speed=20)) as venue, open_venue_server(venue) as server:
    print(server.urls["binance_stream"])
    venue.add_fault("mute for=5 topic=btcusdt@trade")
"""

from tradecore.testing.local_venue.fault import Fault as Fault
from tradecore.testing.local_venue.fault import parse_fault as parse_fault
from tradecore.testing.local_venue.frame_source import FrameSource as FrameSource
from tradecore.testing.local_venue.local_venue import LocalVenue as LocalVenue
from tradecore.testing.local_venue.local_venue import open_local_venue as open_local_venue
from tradecore.testing.local_venue.synthetic_source import SyntheticSource as SyntheticSource
from tradecore.testing.local_venue.venue_play import VenueSettings as VenueSettings
from tradecore.testing.local_venue.venue_server import VenueServer as VenueServer
from tradecore.testing.local_venue.venue_server import open_venue_server as open_venue_server

"""VenueEvent: what the local venue published. The truth that an oracle compares with what a client saw.

Receives: nothing; these are definitions.
Gives:    trades, best prices and book changes in whole increments, with the venue's own ids.
Never:    changes after it was published.    RELIABILITY 7.2.
"""

from __future__ import annotations

import msgspec

from tradecore.testing.local_venue.venue_action import Level


class VenueTrade(msgspec.Struct, frozen=True, gc=False):
    """One trade. at_ns: when the venue said it; event_ns: when it happened. trade_id: one more than the one before."""

    symbol: str
    at_ns: int
    event_ns: int
    trade_id: int
    price: int
    size: int
    buyer_is_maker: bool


class VenueQuote(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask after an update of the book."""

    symbol: str
    at_ns: int
    event_ns: int
    update_id: int
    bid_price: int
    bid_size: int
    ask_price: int
    ask_size: int


class VenueBookChange(msgspec.Struct, frozen=True):
    """Levels whose size changed, with their new sizes. first_id is one more than the last_id before."""

    symbol: str
    at_ns: int
    event_ns: int
    first_id: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


VenueEvent = VenueTrade | VenueQuote | VenueBookChange

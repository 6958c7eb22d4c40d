"""VenueAction: what happens to the local venue's market, whoever makes it happen.

Receives: nothing; these are definitions.
Gives:    orders and cancels of accounts at the venue, and what a recording says: levels, prints, best prices.
Never:    holds floats: prices and sizes are whole numbers of the instrument's increments.
"""

from __future__ import annotations

from typing import Final

import msgspec

BUY: Final = 1
SELL: Final = -1

Level = tuple[int, int]
"""Price and size of one price level, in whole increments; size 0 takes the level away."""


class PlaceOrder(msgspec.Struct, frozen=True, gc=False):
    """An account's order. price None: a market order. keeps_rest: what does not execute rests in the book.

    order_name: the account's own name for it, unique among the account's working orders.
    """

    symbol: str
    at_ns: int
    account: str
    order_name: str
    side: int
    price: int | None
    size: int
    keeps_rest: bool = True


class CancelOrder(msgspec.Struct, frozen=True, gc=False):
    """Take an account's order out of the book; nothing happens when it is not there any more."""

    symbol: str
    at_ns: int
    account: str
    order_name: str


class SetLevels(msgspec.Struct, frozen=True):
    """What a recording says of a book: the sizes that stand at these prices now. last_id: the recorded update id."""

    symbol: str
    at_ns: int
    event_ns: int
    last_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    is_snapshot: bool = False


class PrintTrade(msgspec.Struct, frozen=True, gc=False):
    """A recorded trade. trade_id None: the venue numbers it."""

    symbol: str
    at_ns: int
    event_ns: int
    price: int
    size: int
    buyer_is_maker: bool
    trade_id: int | None = None


class ShowQuote(msgspec.Struct, frozen=True, gc=False):
    """A recorded best bid and ask. update_id None: the venue numbers it."""

    symbol: str
    at_ns: int
    event_ns: int
    bid_price: int
    bid_size: int
    ask_price: int
    ask_size: int
    update_id: int | None = None


VenueAction = PlaceOrder | CancelOrder | SetLevels | PrintTrade | ShowQuote

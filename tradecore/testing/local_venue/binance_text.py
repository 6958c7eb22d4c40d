"""Binance Spot's words: what the venue published, as the texts of its streams.

Receives: published events in whole increments; the unit of times that the connection asked for.
Gives:    the JSON texts of VENUES 4.1, with the digits of the instrument.
Never:    knows connections or subscriptions.    Source: VENUES 4.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tradecore.testing.local_venue.bar_series import VenueBar
from tradecore.testing.local_venue.venue_action import Level
from tradecore.testing.local_venue.venue_event import VenueQuote, VenueTrade
from tradecore.testing.local_venue.venue_instrument import VenueInstrument

MILLISECOND: Final = 1_000_000
MICROSECOND: Final = 1_000


def trade_text(pair: VenueInstrument, trade: VenueTrade, sent_ns: int, unit: int) -> str:
    """`<symbol>@trade`."""
    maker = "true" if trade.buyer_is_maker else "false"
    return (
        f'{{"e":"trade","E":{sent_ns // unit},"s":"{pair.symbol}","t":{trade.trade_id},'
        f'"p":"{pair.prices.text(trade.price)}","q":"{pair.sizes.text(trade.size)}",'
        f'"T":{trade.event_ns // unit},"m":{maker},"M":true}}'
    )


def quote_text(pair: VenueInstrument, quote: VenueQuote) -> str:
    """`<symbol>@bookTicker`; it carries no time."""
    return (
        f'{{"u":{quote.update_id},"s":"{pair.symbol}",'
        f'"b":"{pair.prices.text(quote.bid_price)}","B":"{pair.sizes.text(quote.bid_size)}",'
        f'"a":"{pair.prices.text(quote.ask_price)}","A":"{pair.sizes.text(quote.ask_size)}"}}'
    )


def bar_text(pair: VenueInstrument, bar: VenueBar, interval: str, sent_ns: int, unit: int, *, is_closed: bool) -> str:
    """`<symbol>@kline_<interval>`."""
    price, size = pair.prices.text, pair.sizes.text
    value = pair.prices.product_text
    return (
        f'{{"e":"kline","E":{sent_ns // unit},"s":"{pair.symbol}","k":{{"t":{bar.open_ns // unit},'
        f'"T":{bar.end_ns // unit - 1},"s":"{pair.symbol}","i":"{interval}","f":{bar.first_id},"L":{bar.last_id},'
        f'"o":"{price(bar.open)}","c":"{price(bar.close)}","h":"{price(bar.high)}","l":"{price(bar.low)}",'
        f'"v":"{size(bar.volume)}","n":{bar.count},"x":{"true" if is_closed else "false"},'
        f'"q":"{value(pair.sizes, bar.value)}","V":"{size(bar.taker_volume)}",'
        f'"Q":"{value(pair.sizes, bar.taker_value)}","B":"0"}}}}'
    )


def change_text(
    pair: VenueInstrument, ids: tuple[int, int], bids: Iterable[Level], asks: Iterable[Level], sent_ns: int, unit: int
) -> str:
    """`<symbol>@depth`. ids: first and last update id."""
    return (
        f'{{"e":"depthUpdate","E":{sent_ns // unit},"s":"{pair.symbol}","U":{ids[0]},"u":{ids[1]},'
        f'"b":{levels_text(pair, bids)},"a":{levels_text(pair, asks)}}}'
    )


def depth_text(pair: VenueInstrument, last_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> str:
    """`<symbol>@depth20`, and the answer to a question for the book."""
    return f'{{"lastUpdateId":{last_id},"bids":{levels_text(pair, bids)},"asks":{levels_text(pair, asks)}}}'


def levels_text(pair: VenueInstrument, levels: Iterable[Level]) -> str:
    """Levels as pairs of texts."""
    price, size = pair.prices.text, pair.sizes.text
    return "[" + ",".join([f'["{price(at)}","{size(amount)}"]' for at, amount in levels]) + "]"

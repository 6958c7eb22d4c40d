"""Kraken v2's words: what the venue published, as the texts of its channels.

Receives: published events in whole increments.
Gives:    the JSON texts of VENUES 4.2: numbers with all digits of the pair, times with microseconds; book checksums.
Never:    knows connections or subscriptions.    Source: VENUES 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

from tradecore.domain.instant import SECOND_NS, to_datetime
from tradecore.testing.local_venue.bar_series import VenueBar
from tradecore.testing.local_venue.venue_action import Level
from tradecore.testing.local_venue.venue_event import VenueQuote, VenueTrade
from tradecore.testing.local_venue.venue_instrument import VenueInstrument

CHECKSUM_LEVELS: Final = 10


def time_text(at_ns: int) -> str:
    """RFC 3339 with microseconds: "2023-09-25T07:48:36.925533Z"."""
    return to_datetime(at_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_text_ns(at_ns: int) -> str:
    """RFC 3339 with nanoseconds, as the ohlc channel has them."""
    return f"{to_datetime(at_ns).strftime('%Y-%m-%dT%H:%M:%S')}.{at_ns % SECOND_NS:09d}Z"


def trades_text(pair: VenueInstrument, trades: Iterable[VenueTrade], kind: str) -> str:
    """A frame of the trade channel. kind: "snapshot" or "update"."""
    rows = ",".join([
        f'{{"symbol":"{pair.kraken_symbol}","side":"{"sell" if trade.buyer_is_maker else "buy"}",'
        f'"price":{pair.prices.text(trade.price)},"qty":{pair.sizes.text(trade.size)},"ord_type":"market",'
        f'"trade_id":{trade.trade_id},"timestamp":"{time_text(trade.event_ns)}"}}'
        for trade in trades
    ])  # fmt: skip
    return f'{{"channel":"trade","type":"{kind}","data":[{rows}]}}'


def ticker_text(pair: VenueInstrument, quote: VenueQuote, day: tuple[int, int, int, int, int, int], kind: str) -> str:
    """A frame of the ticker channel. day: last, open, high, low price, volume and value of the last 24 hours."""
    price, size = pair.prices.text, pair.sizes.text
    last, opened, high, low, volume, value = day
    change = last - opened
    percent = change * 100 / opened if opened else 0.0
    return (
        f'{{"channel":"ticker","type":"{kind}","data":[{{"symbol":"{pair.kraken_symbol}",'
        f'"bid":{price(quote.bid_price)},"bid_qty":{size(quote.bid_size)},'
        f'"ask":{price(quote.ask_price)},"ask_qty":{size(quote.ask_size)},'
        f'"last":{price(last)},"volume":{size(volume)},"vwap":{price(value // volume if volume else last)},'
        f'"low":{price(low)},"high":{price(high)},"change":{"-" if change < 0 else ""}{price(abs(change))},'
        f'"change_pct":{percent:.2f},"timestamp":"{time_text(quote.event_ns)}"}}]}}'
    )


def bars_text(pair: VenueInstrument, bars: Sequence[VenueBar], minutes: int, sent_ns: int, kind: str) -> str:
    """A frame of the ohlc channel."""
    price, size = pair.prices.text, pair.sizes.text
    rows = ",".join([
        f'{{"symbol":"{pair.kraken_symbol}","open":{price(bar.open)},"high":{price(bar.high)},"low":{price(bar.low)},'
        f'"close":{price(bar.close)},"trades":{bar.count},"volume":{size(bar.volume)},'
        f'"vwap":{price(bar.value // bar.volume if bar.volume else bar.close)},'
        f'"interval_begin":"{time_text_ns(bar.open_ns)}","interval":{minutes},"timestamp":"{time_text(bar.end_ns)}"}}'
        for bar in bars
    ])  # fmt: skip
    return f'{{"channel":"ohlc","type":"{kind}","timestamp":"{time_text_ns(sent_ns)}","data":[{rows}]}}'


def book_text(
    pair: VenueInstrument, bids: Iterable[Level], asks: Iterable[Level], checksum: int, event_ns: int, kind: str
) -> str:
    """A frame of the book channel."""
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{pair.kraken_symbol}",'
        f'"bids":{_levels_text(pair, bids)},"asks":{_levels_text(pair, asks)},'
        f'"checksum":{checksum},"timestamp":"{time_text(event_ns)}"}}]}}'
    )


def compute_checksum(pair: VenueInstrument, bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """CRC32 of the ten best levels: asks, lowest first, then bids, highest first, best level first in both.

    Each is its price and its size with all digits, without the point and without leading zeros.
    """
    price, size = pair.prices.text, pair.sizes.text
    text = "".join([
        number.replace(".", "").lstrip("0")
        for at, amount in [*asks[:CHECKSUM_LEVELS], *bids[:CHECKSUM_LEVELS]]
        for number in (price(at), size(amount))
    ])  # fmt: skip
    return crc32(text.encode())


def _levels_text(pair: VenueInstrument, levels: Iterable[Level]) -> str:
    price, size = pair.prices.text, pair.sizes.text
    return "[" + ",".join([f'{{"price":{price(at)},"qty":{size(amount)}}}' for at, amount in levels]) + "]"

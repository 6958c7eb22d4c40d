"""KrakenChannels: which connection reads which channel of which pair, and what each gets.

Receives: subscriptions; what the market publishes.
Gives:    snapshots at the start, then updates, each text made once for all who read it.
Never:    sends a level that a book of the subscribed depth does not show: what falls out of the depth is not said,
          what comes back into it is.    Source: VENUES 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple, Protocol

from tradecore.domain.instant import DAY_NS
from tradecore.testing.local_venue.kraken_text import bars_text, book_text, compute_checksum, ticker_text, trades_text
from tradecore.testing.local_venue.matching_core import BookSide
from tradecore.testing.local_venue.venue_action import Level
from tradecore.testing.local_venue.venue_event import VenueBookChange, VenueEvent, VenueQuote, VenueTrade
from tradecore.testing.local_venue.venue_market import PairMarket
from tradecore.testing.local_venue.venue_play import VenuePlay

BOOK_DEPTHS: Final = (10, 25, 100, 500, 1_000)
INTERVAL_WORDS: Final = {
    1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1_440: "1d", 10_080: "1w",
}  # fmt: skip
"""Minutes of an ohlc interval. The venue's 21,600 (15 days) has no counterpart and is refused."""

_SNAPSHOT_TRADES: Final = 50
_SNAPSHOT_BARS: Final = 720


class KrakenTopic(NamedTuple):
    """What is subscribed to. argument: depth of a book, minutes of bars, trigger of a ticker ("bbo", "trades")."""

    channel: str
    symbol: str
    argument: int | str = ""

    def __str__(self) -> str:
        return ":".join(str(part) for part in self if part != "")


class ChannelReader(Protocol):
    """Who gets frames of a channel."""

    def deliver(self, topic: str, text: str) -> None:
        """Take a frame."""
        ...


class KrakenChannels:
    """All channels of the venue and who reads them."""

    def __init__(self, play: VenuePlay) -> None:
        self._play = play
        self._readers: dict[KrakenTopic, dict[ChannelReader, None]] = {}
        self._books: dict[tuple[str, int], _ShownBook] = {}
        play.market.add_listener(self._on_published)

    def add(self, topic: KrakenTopic, reader: ChannelReader) -> None:
        """Let a reader have a topic from now on."""
        self._readers.setdefault(topic, {})[reader] = None
        if topic.channel == "book":
            depth = int(topic.argument)
            self._books.setdefault((topic.symbol, depth), _ShownBook(self._play.market.pairs[topic.symbol], depth))

    def remove(self, topic: KrakenTopic, reader: ChannelReader) -> None:
        """End it for this reader."""
        readers = self._readers.get(topic, {})
        readers.pop(reader, None)
        if not readers:
            self._readers.pop(topic, None)
            if topic.channel == "book":
                self._books.pop((topic.symbol, int(topic.argument)), None)

    def make_snapshot(self, topic: KrakenTopic) -> str | None:
        """The first frame of a topic; None where there is nothing to show."""
        pair, now_ns = self._play.market.pairs[topic.symbol], self._play.now_ns()
        if topic.channel == "trade":
            trades = pair.tape.newest(_SNAPSHOT_TRADES, len(pair.tape.trades))
            return trades_text(pair.instrument, trades, "snapshot")
        if topic.channel == "ticker":
            return None if pair.quote is None else self._make_ticker(pair, pair.quote, "snapshot")
        if topic.channel == "ohlc":
            minutes = int(topic.argument)
            bars = pair.tape.bars(INTERVAL_WORDS[minutes], now_ns)[-_SNAPSHOT_BARS:]
            return bars_text(pair.instrument, bars, minutes, now_ns, "snapshot")
        return self._books[topic.symbol, int(topic.argument)].make_snapshot(now_ns)

    def _deliver(self, topic: KrakenTopic, text: str) -> None:
        for reader in list(self._readers.get(topic, ())):
            reader.deliver(str(topic), text)

    def _on_published(self, event: VenueEvent) -> None:
        if not self._readers:
            return
        pair = self._play.market.pairs[event.symbol]
        if type(event) is VenueTrade:
            self._say_trade(pair, event)
        elif type(event) is VenueQuote:
            topic = KrakenTopic("ticker", event.symbol, "bbo")
            if topic in self._readers:
                self._deliver(topic, self._make_ticker(pair, event, "update"))
        elif type(event) is VenueBookChange:
            for (symbol, depth), book in list(self._books.items()):
                if symbol == event.symbol:
                    text = book.make_update(event.event_ns)
                    if text is not None:
                        self._deliver(KrakenTopic("book", symbol, depth), text)

    def _say_trade(self, pair: PairMarket, trade: VenueTrade) -> None:
        topic = KrakenTopic("trade", trade.symbol)
        if topic in self._readers:
            self._deliver(topic, trades_text(pair.instrument, (trade,), "update"))
        topic = KrakenTopic("ticker", trade.symbol, "trades")
        if topic in self._readers and pair.quote is not None:
            self._deliver(topic, self._make_ticker(pair, pair.quote, "update"))
        for minutes, interval in INTERVAL_WORDS.items():
            topic = KrakenTopic("ohlc", trade.symbol, minutes)
            if topic in self._readers:
                bar = pair.tape.bars(interval, trade.event_ns)[-1]
                self._deliver(topic, bars_text(pair.instrument, (bar,), minutes, self._play.now_ns(), "update"))

    def _make_ticker(self, pair: PairMarket, quote: VenueQuote, kind: str) -> str:
        return ticker_text(pair.instrument, quote, summarize_day(pair, self._play.now_ns()), kind)


class _ShownBook:
    """What readers of one depth have been shown, so that an update says what changed within it."""

    def __init__(self, pair: PairMarket, depth: int) -> None:
        self._pair, self._depth = pair, depth
        self._bids, self._asks = dict(self._levels(pair.core.bids)), dict(self._levels(pair.core.asks))

    def make_snapshot(self, now_ns: int) -> str:
        bids, asks = list(self._bids.items()), list(self._asks.items())
        checksum = compute_checksum(self._pair.instrument, bids, asks)
        return book_text(self._pair.instrument, bids, asks, checksum, now_ns, "snapshot")

    def make_update(self, event_ns: int) -> str | None:
        """The frame that leads from what was shown to what is there; None when that is the same."""
        core = self._pair.core
        bids, asks = dict(self._levels(core.bids)), dict(self._levels(core.asks))
        changed_bids = list(_list_changes(self._bids, bids, core.bids))
        changed_asks = list(_list_changes(self._asks, asks, core.asks))
        self._bids, self._asks = bids, asks
        if not (changed_bids or changed_asks):
            return None
        checksum = compute_checksum(self._pair.instrument, list(bids.items()), list(asks.items()))
        return book_text(self._pair.instrument, changed_bids, changed_asks, checksum, event_ns, "update")

    def _levels(self, side: BookSide) -> Iterator[Level]:
        return side.levels(self._depth)


def _list_changes(before: dict[int, int], now: dict[int, int], side: BookSide) -> Iterator[Level]:
    gone = ((price, 0) for price in before if price not in now and not side.size_at(price))
    return chain(gone, ((price, size) for price, size in now.items() if before.get(price) != size))


def summarize_day(pair: PairMarket, now_ns: int) -> tuple[int, int, int, int, int, int]:
    """Last, open, high, low price, volume and value of the last 24 hours, in whole increments."""
    bars: Sequence = [  # type: ignore[type-arg]
        bar for bar in pair.tape.bars("1m", now_ns)[-1_441:] if bar.count and bar.end_ns > now_ns - DAY_NS
    ]
    if not bars:
        last = pair.tape.trades[-1].price if pair.tape.trades else 0
        return last, last, last, last, 0, 0
    return (
        bars[-1].close, bars[0].open, max(bar.high for bar in bars), min(bar.low for bar in bars),
        sum([bar.volume for bar in bars], 0), sum([bar.value for bar in bars], 0),
    )  # fmt: skip

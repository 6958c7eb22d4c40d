"""BinanceStreams: which connection wants which stream, and when each stream has something to say.

Receives: subscriptions by stream name; what the market publishes; timers.
Gives:    each text once, to all who want it.
Never:    makes a text that nobody wants. Unknown streams are accepted and stay silent, as on the real venue.
          Source: VENUES 4.1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Final, Protocol

from tradecore.domain.instant import SECOND_NS
from tradecore.testing.local_venue.bar_series import INTERVALS
from tradecore.testing.local_venue.binance_text import bar_text, change_text, depth_text, quote_text, trade_text
from tradecore.testing.local_venue.venue_action import Level
from tradecore.testing.local_venue.venue_event import VenueBookChange, VenueEvent, VenueQuote, VenueTrade
from tradecore.testing.local_venue.venue_market import PairMarket
from tradecore.testing.local_venue.venue_play import VenuePlay

_FAST_NS: Final = SECOND_NS // 10
_DEPTHS: Final = (5, 10, 20)

MakeText = Callable[[int], str]
"""The text of a frame for a unit of time (nanoseconds in one unit)."""


class StreamReader(Protocol):
    """Who gets frames of a stream. unit: nanoseconds in the unit of its times."""

    unit: int

    def deliver(self, stream: str, text: str) -> None:
        """Take a frame."""
        ...


class BinanceStreams:
    """All streams of the venue and who reads them."""

    def __init__(self, play: VenuePlay) -> None:
        self._play = play
        self._readers: dict[str, dict[StreamReader, None]] = {}
        self._changes: dict[str, _ChangeStream] = {}
        play.market.add_listener(self._on_published)

    def add(self, stream: str, reader: StreamReader) -> None:
        """Let a reader have a stream from now on."""
        readers = self._readers.setdefault(stream, {})
        is_first = not readers
        readers[reader] = None
        if is_first:
            self._start(stream)

    def remove(self, stream: str, reader: StreamReader) -> None:
        """End it for this reader."""
        readers = self._readers.get(stream, {})
        readers.pop(reader, None)
        if not readers:
            self._readers.pop(stream, None)
            self._changes.pop(stream, None)

    def _deliver(self, stream: str, make_text: MakeText) -> None:
        texts: dict[int, str] = {}
        for reader in list(self._readers.get(stream, ())):
            text = texts.get(reader.unit)
            if text is None:
                text = texts[reader.unit] = make_text(reader.unit)
            reader.deliver(stream, text)

    # ----------------------------------------------------------------------------------- at once, with the market

    def _on_published(self, event: VenueEvent) -> None:
        pair = self._play.market.pairs[event.symbol].instrument
        symbol = event.symbol.lower()
        if type(event) is VenueTrade:
            if (stream := f"{symbol}@trade") in self._readers:
                sent_ns = self._play.server_ns("binance")
                self._deliver(stream, lambda unit: trade_text(pair, event, sent_ns, unit))
        elif type(event) is VenueQuote:
            if (stream := f"{symbol}@bookTicker") in self._readers:
                self._deliver(stream, lambda _unit: quote_text(pair, event))
        elif type(event) is VenueBookChange:
            for changes in self._changes.values():
                if changes.symbol == event.symbol:
                    changes.add(event)

    # ------------------------------------------------------------------------------------------------- by timers

    def _start(self, stream: str) -> None:
        """Start the timer of a stream that needs one."""
        name, _, what = stream.partition("@")
        pair = self._play.get_pair(name.upper())
        if pair is None:
            return
        kind, _, cadence = what.partition("@")
        step_ns = _FAST_NS if cadence == "100ms" else SECOND_NS
        if kind.startswith("kline_") and kind[6:] in INTERVALS:
            interval = kind[6:]
            self._repeat(
                stream, SECOND_NS if interval == "1s" else 2 * SECOND_NS, partial(self._say_bar, stream, pair, interval)
            )
            self._close_next_bar(stream, pair, interval, self._play.now_ns() - self._play.source.settle_ns)
        elif kind == "depth":
            self._changes[stream] = changes = _ChangeStream(pair)
            self._repeat(stream, step_ns, partial(self._say_changes, stream, changes))
        elif kind.startswith("depth") and kind[5:].isdecimal() and int(kind[5:]) in _DEPTHS:
            self._repeat(stream, step_ns, partial(self._say_depth, stream, pair, int(kind[5:]), [-1]))

    def _repeat(self, stream: str, step_ns: int, say: Callable[[], None]) -> None:
        """Call a function at each multiple of the step, while the stream has these readers."""

        def tick() -> None:
            self._repeat(stream, step_ns, say)
            say()

        self._later(stream, _next_multiple(self._play.now_ns(), step_ns), tick)

    def _close_next_bar(self, stream: str, pair: PairMarket, interval: str, after_ns: int) -> None:
        """Say of each interval, from the one that ends after an instant, that it is over.

        No sooner than its last trade can have come: a recording publishes trades later than they happened.
        """
        readers, play = self._readers[stream], self._play
        bars = pair.tape.bars(interval, play.now_ns())
        if not bars:  # nothing has traded yet: look again later
            self._later(
                stream, play.now_ns() + SECOND_NS, lambda: self._close_next_bar(stream, pair, interval, after_ns)
            )
            return
        bar = bars[min(bisect_right(bars, after_ns, key=attrgetter("end_ns")), len(bars) - 1)]

        def close() -> None:
            sent_ns, instrument = play.server_ns("binance"), pair.instrument
            self._deliver(stream, lambda unit: bar_text(instrument, bar, interval, sent_ns, unit, is_closed=True))
            if self._readers.get(stream) is readers:
                self._close_next_bar(stream, pair, interval, bar.end_ns)

        self._later(stream, bar.end_ns + play.source.settle_ns, close)

    def _later(self, stream: str, at_ns: int, say: Callable[[], None]) -> None:
        """Call a function at an instant, if the stream then still has the readers that it has now."""
        readers = self._readers[stream]
        self._play.schedule(at_ns, lambda: say() if self._readers.get(stream) is readers else None)

    def _say_bar(self, stream: str, pair: PairMarket, interval: str) -> None:
        bars, sent_ns = pair.tape.bars(interval, self._play.now_ns()), self._play.server_ns("binance")
        if bars:
            bar = bars[-1]
            self._deliver(stream, lambda unit: bar_text(pair.instrument, bar, interval, sent_ns, unit, is_closed=False))

    def _say_changes(self, stream: str, changes: _ChangeStream) -> None:
        if changes.ids is not None:
            ids, bids, asks = changes.take()
            sent_ns, pair = self._play.server_ns("binance"), changes.instrument
            self._deliver(stream, lambda unit: change_text(pair, ids, bids, asks, sent_ns, unit))

    def _say_depth(self, stream: str, pair: PairMarket, depth: int, said: list[int]) -> None:
        if pair.last_change_id != said[0]:
            said[0] = pair.last_change_id
            core = pair.core
            text = depth_text(pair.instrument, pair.last_change_id, core.bids.levels(depth), core.asks.levels(depth))
            self._deliver(stream, lambda _unit: text)


class _ChangeStream:
    """Book changes of one pair since the last frame, joined into one."""

    def __init__(self, pair: PairMarket) -> None:
        self.instrument: Final = pair.instrument
        self.symbol: Final = pair.instrument.symbol
        self.ids: tuple[int, int] | None = None
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def add(self, change: VenueBookChange) -> None:
        self.ids = (change.first_id if self.ids is None else self.ids[0], change.last_id)
        self._bids.update(change.bids)
        self._asks.update(change.asks)

    def take(self) -> tuple[tuple[int, int], list[Level], list[Level]]:
        assert self.ids is not None
        taken = self.ids, list(self._bids.items()), list(self._asks.items())
        self.ids, self._bids, self._asks = None, {}, {}
        return taken


def _next_multiple(now_ns: int, step_ns: int) -> int:
    return now_ns - now_ns % step_ns + step_ns

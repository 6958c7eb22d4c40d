"""RecordedFeeds: the feed source of a backtest over a recording.

Receives: what strategies subscribe to; a RecordedSession.
Gives:    feeds in order of arrival, for brokers and strategies alike; bars that a live run makes of trades, made again.
Never:    reads a store: what was not recorded is missing, and said.    DESIGN 4, 10; issue 4, item 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.domain.trading_session import parse_session
from tradecore.errors import InvalidName
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.live_bars import LiveBars
from tradecore.feeds.series_key import SeriesKey
from tradecore.runtime.recorded_session import RecordedFeed, RecordedSession
from tradecore.storage.market_data_storage import Series, SeriesInfo

_TICK_SOURCES: Final = {"trades": "trade_tick", "quotes": "quote_tick"}
_PARTS_BATCH: Final = 1_024


class RecordedFeeds:
    """session: of which all feeds are. used: the series that were opened, with what there is of them."""

    def __init__(self, session: RecordedSession, instruments: Mapping[str, Instrument]) -> None:
        self.session = session
        self.used: dict[Series, SeriesInfo] = {}
        self._instruments = instruments
        self._known: dict[Series, SeriesInfo] | None = None

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        """A feed of a stream; the queue leaves out what is not after `after_ns`.

        Raises: DataMissing for one that was not recorded.
        """
        del after_ns
        stream = Stream(kind, name)
        parts = self._find_parts(stream, source)
        if self._known is None:
            self._known = self.session.describe_series()
        feed = self.session.open_feed(parts)
        series = Series(parts.kind, parts.name)
        if series in self._known:  # else it was silent, as it was live
            self.used[series] = self._known[series]
        if parts == stream:
            return feed
        bar_type = BarType.parse(name)
        instrument = self._instruments.get(bar_type.instrument)
        session = parse_session(instrument.session) if instrument is not None else None
        maker = LiveBars(
            bar_type,
            empty=self.session.facts.get("empty", "skip"),
            session=session,
            start_ns=self.session.complete_from_ns,
            close_grace_ns=int(self.session.facts.get("close_grace_ns", 0)),
        )
        return RecordedBars(feed, maker, self.session.last_ns)

    def _find_parts(self, stream: Stream, source: str | None) -> Stream:
        """The stream of which this one is made: itself, unless the run makes it. Raises: InvalidName."""
        if source is None:
            recorded = [one.source for one in self.session.streams if one.stream == stream]
            return recorded[0] if recorded else stream
        bar_type = BarType.parse(stream.name)
        is_tick = source in _TICK_SOURCES
        parts = (
            Stream(_TICK_SOURCES[source], bar_type.instrument) if is_tick else Stream("bar", BarType.parse(source).name)
        )
        if parts.instrument != bar_type.instrument:
            raise InvalidName(f"{stream.name!r} cannot be made from {source!r}: that is another instrument")
        return parts


class RecordedBars(BaseFeed):
    """Bars made of recorded parts: closed by the next part or, as live, by time, whichever was first.

    end_ns: up to which time passed in the recorded session. A bar that was still open then is none.
    """

    by_arrival = True
    is_trusted = True
    made_by_run = True

    def __init__(self, parts: RecordedFeed, maker: LiveBars, end_ns: int | None) -> None:
        super().__init__(f"recorded bar {maker.bar_type}", ["bar"])
        self.maker = maker
        self.series_key = SeriesKey.of("bar", maker.bar_type.name)
        self._parts = parts
        self._end_ns = end_ns
        self._made: list[Bar] = []

    async def next_batch(self, limit: int) -> list[Any]:
        """At least one bar; [] at the end."""
        maker = self.maker
        while not self._made and not self._finished:
            parts = await self._parts.next_batch(_PARTS_BATCH)
            for part in parts:
                # What came after its bar was closed by time comes too late here too.
                self._made += maker.pass_time(part.ts_received - 1)
                self._made += maker.take(part)
                self._made += maker.pass_time(part.ts_received)
            if not parts:
                self._finished = True
                self._made = [] if self._end_ns is None else maker.pass_time(self._end_ns)
        batch, self._made = self._made[:limit], self._made[limit:]
        return batch

    async def close(self) -> None:
        """Close the reader too."""
        await super().close()
        self._made = []
        await self._parts.close()

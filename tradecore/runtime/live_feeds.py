"""LiveFeeds: subscriptions of a live run become lanes: history until phase B ends, live events after it.

Receives: what strategies subscribe to, at any time; the store, the streams, the instant at which history ends.
Gives:    for phase B, feeds over store, backfill and cache; for C and D, routes in the LiveStage; bars that the run
          makes, with one maker through all phases.
Never:    asks history for more than the run's stretch, or reads a stream's past twice for two readers.
          Spec: 6.2; DESIGN 5, 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import MAX_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.domain.trading_session import parse_session
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.engine.live_stage import LiveStage
from tradecore.errors import EngineStateError, InvalidName, StorageConflict
from tradecore.feeds.event_feed import EventFeed
from tradecore.feeds.historical_feeds import HistoricalFeed
from tradecore.feeds.live import LiveOwnFeed
from tradecore.feeds.live_bars import LiveBars
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.made_bars_feed import MadeBarsFeed
from tradecore.feeds.noted_feed import NotedFeed, NoteHistory
from tradecore.feeds.own_past_feed import OwnPastFeed
from tradecore.feeds.shared_feed import SharedFeed
from tradecore.feeds.silent_feed import SilentFeed
from tradecore.feeds.spliced_feed import SplicedFeed
from tradecore.runtime.live_settings import HandoverSettings
from tradecore.runtime.live_streams import LiveStreams
from tradecore.runtime.patient_feed import PatientFeed
from tradecore.storage.market_data_storage import MarketDataStorage, Series, SeriesInfo
from tradecore.venues.market_data_venue import HistoryKind

_TICK_SOURCES: Final = {"trades": "trade_tick", "quotes": "quote_tick"}


class LiveFeeds:
    """The feed source of a live run. start_ns: of the run. replay_end_ns: where phase B ends, known when phase A does.

    used: what the store had of the series that were read, for the run's fingerprint. note_history: hears what phase B
    is about to replay, for a recording.
    """

    def __init__(
        self,
        streams: LiveStreams,
        stage: LiveStage,
        buffer: LiveBuffer,
        storage: MarketDataStorage | None,
        instruments: dict[str, Instrument],
        *,
        start_ns: int,
        batch_size: int,
        delays: DelaySimulator | None,
        settings: HandoverSettings,
    ) -> None:
        self.replay_end_ns = start_ns
        self.used: dict[Series, SeriesInfo] = {}
        self.late_starts: dict[Stream, int] = {}
        self.note_history: NoteHistory | None = None
        self._streams = streams
        self._stage = stage
        self._buffer = buffer
        self._storage = storage
        self._instruments = instruments
        self._start_ns = start_ns
        self._batch_size = batch_size
        self._delays = delays
        self._settings = settings
        self._shared: dict[Stream, SharedFeed] = {}
        self._makers: list[LiveBars] = []
        self._is_subscribed = False  # phase A is over
        self._is_replayed = False  # phase B is over

    # ----------------------------------------------------------------------------------------------- as phases go on

    def begin_replay(self, end_ns: int) -> None:
        """Phase A is over: history is read up to this instant, and whoever subscribes now is subscribed at once."""
        self.replay_end_ns, self._is_subscribed = end_ns, True

    def end_replay(self) -> None:
        """Phase B is over: parts of bars arrive late from now on."""
        self._is_replayed = True
        for maker in self._makers:
            maker.set_close_grace(self._settings.close_grace_ns)

    @property
    def has_history(self) -> bool:
        """Whether the stretch before live has any length."""
        return self.replay_end_ns > self._start_ns

    # --------------------------------------------------------------------------------------------------- FeedSource

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        """A feed of a series, from the run's start, or after an instant of a run under way.

        Raises: UnknownVenue, InvalidName; while the run goes on also what subscribing raises.
        """
        wanted = Stream(kind, name)
        parts = self._find_parts(wanted, source)
        start_ns = self._start_ns if after_ns is None else after_ns + 1
        if parts is None:
            feed = await self._open_stream(wanted, start_ns)
            self._stage.add_stream(wanted, feed)
            return feed
        return await self._open_made_bars(wanted, parts, start_ns)

    def _find_parts(self, wanted: Stream, source: str | None) -> Stream | None:
        """The stream that bars are to be made of; None for a stream that the venue gives as it is."""
        if source is None:
            offer = self._streams.find_venue(wanted.instrument).history_kind(wanted)
            return Stream("trade_tick", wanted.instrument) if offer.kind is HistoryKind.FROM_TRADES else None
        if source in _TICK_SOURCES:
            return Stream(_TICK_SOURCES[source], wanted.instrument)
        parts = Stream("bar", BarType.parse(source).name)
        if parts.instrument != wanted.instrument:
            raise InvalidName(f"{wanted.name!r} cannot be made from {source!r}: that is another instrument")
        return parts

    async def _open_stream(self, stream: Stream, start_ns: int) -> EventFeed:
        await self._subscribe(stream)
        if self._is_replayed:
            return SilentFeed(str(stream), [stream.kind], series=stream.name)
        return self._share(stream, start_ns).open_reader(stream.kind, stream.name)

    async def open_own(self, feed: Any, live: Any) -> Any:
        """What is read in place of a user's own feed; its live half (or itself, if it is live) goes into the buffer.

        Raises: EngineStateError for history that is added when phase B is over; FeedError for a name that is taken.
        """
        if live is None and not feed.is_live:
            if self._is_replayed:
                raise EngineStateError(
                    f"feed {feed.name!r} is history, and the replay is over; add it in on_start, or give a live half: "
                    "add_event_feed(feed, key, live=...)"
                )
            return feed
        join = await self._streams.add_own(LiveOwnFeed(feed if live is None else live, name=feed.name))
        if live is None or self._is_replayed:
            past: Any = SilentFeed(feed.name, feed.get_event_types())
        else:
            past = OwnPastFeed(feed, join, self)
        self._stage.add_own(feed.name, past)
        return past

    async def _subscribe(self, stream: Stream) -> None:
        """Plan it; once phase A is over, subscribe too, with proof from the venue's present on."""
        is_new = stream not in self._streams.joins
        self._streams.plan(stream)
        if is_new and self._is_subscribed:
            self.late_starts[stream] = await self._streams.venue_of[stream].server_time()
            await self._streams.subscribe(stream)

    def _share(self, stream: Stream, start_ns: int) -> SharedFeed:
        shared = self._shared.get(stream)
        if shared is None:
            shared = self._shared[stream] = SharedFeed(partial(self._splice, stream, start_ns))
        return shared

    async def _open_made_bars(self, wanted: Stream, parts: Stream, start_ns: int) -> EventFeed:
        bar_type = wanted.bar_type
        assert bar_type is not None
        instrument = self._instruments.get(wanted.instrument)
        maker = LiveBars(
            bar_type,
            empty=self._settings.empty,
            session=parse_session(instrument.session) if instrument is not None else None,
            start_ns=start_ns,
        )
        is_alone = parts not in self._streams.joins  # nobody has subscribed to the parts themselves
        await self._subscribe(parts)
        feed: EventFeed
        if self._is_replayed:
            maker.set_close_grace(self._settings.close_grace_ns)
            feed = SilentFeed(f"bar {bar_type} of {parts}", ["bar"], made_by_run=True, series=wanted.name)
        else:
            self._makers.append(maker)
            reader = self._share(parts, start_ns).open_reader(parts.kind, parts.name)
            delays = self._delays.fork() if self._delays is not None else None
            feed = MadeBarsFeed(reader, maker, self, source_name=parts.name, delays=delays)
        if is_alone:
            self._stage.add_stream(parts, None)
        self._stage.add_maker(maker, parts, feed)
        return feed

    # -------------------------------------------------------------------------------------------------------- history

    async def survey_store(self) -> None:
        """See what the store has of the planned streams; call it when phase A ends."""
        if self._storage is not None:
            known = {info.series: info for info in await self._storage.list_series()}
            for stream in self._streams.joins:
                info = known.get(Series(stream.kind, stream.name))
                if info is not None and info.first_ns <= self.replay_end_ns and info.last_ns >= self._start_ns:
                    self.used[info.series] = info

    async def load_newest(self, info: SeriesInfo) -> Any:
        """The last event that the store has of a series."""
        assert self._storage is not None, "what was surveyed has a store"
        newest = None
        async for batch in self._storage.read(info.series, info.last_ns, info.last_ns):
            newest = batch[-1]
        return newest

    def _splice(self, stream: Stream, start_ns: int) -> EventFeed:
        """Store, then what the venue has beyond it, then the cache: read when phase B begins."""
        end_ns = max(self.replay_end_ns, start_ns)
        series, storage = Series(stream.kind, stream.name), self._storage
        stored = None
        if storage is not None and series in self.used:
            stored = HistoricalFeed(storage, series, start_ns=start_ns, end_ns=end_ns, batch_size=self._batch_size)
        has_past = end_ns > start_ns and end_ns < MAX_NS
        spliced = SplicedFeed(
            stream,
            self._streams.joins[stream],
            start_ns=start_ns,
            end_ns=end_ns,
            stored=stored,
            venue=self._streams.history_venue(stream) if has_past else None,
            buffer=self._buffer,
            keep=None if storage is None else partial(self._keep, storage),
        )
        feed = PatientFeed(spliced, self._settings.patience, on_broken=self._settings.on_broken)
        return feed if self.note_history is None else NotedFeed(feed, self.note_history)

    async def _keep(self, storage: MarketDataStorage, page: Sequence[Any]) -> None:
        """Backfill goes into the store. Raises: StorageConflict under on_conflict = "halt", StorageError."""
        try:
            await storage.append(page)
        except StorageConflict:
            if self._settings.on_conflict == "halt":
                raise

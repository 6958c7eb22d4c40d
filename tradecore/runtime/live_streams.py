"""LiveStreams: the streams of a live run: each subscribed once, joined once, on its way into the one buffer.

Receives: streams that feeds need; the venues by what ids end with; the run's task group.
Gives:    streams that are subscribed and acknowledged, their joins in the intake, their venues to ask.
Never:    subscribes twice, or counts a stream as subscribed that the venue has not acknowledged.    DESIGN 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anyio.abc import TaskGroup

from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.errors import FeedError, InstrumentConflict, UnknownVenue
from tradecore.feeds.identity_join import IdentityJoin
from tradecore.feeds.join import make_join
from tradecore.feeds.live import LiveBarFeed, LiveDepthFeed, LiveFeed, LiveOwnFeed, LiveQuoteFeed, LiveTradeFeed
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.own_join import OwnJoin
from tradecore.feeds.proof import JoinPolicy
from tradecore.feeds.state_join import StateJoin
from tradecore.venues.market_data_venue import HistoryKind, MarketDataVenue

_FEEDS: Final[dict[str, Any]] = {
    "bar": LiveBarFeed,
    "trade_tick": LiveTradeFeed,
    "quote_tick": LiveQuoteFeed,
    "depth": LiveDepthFeed,
}

Join = IdentityJoin | StateJoin


class LiveStreams:
    """venues: by suffix of instrument ids. instruments: the run's, completed with what the venues say."""

    def __init__(
        self,
        venues: Mapping[str, MarketDataVenue],
        buffer: LiveBuffer,
        intake: LiveIntake,
        policy: JoinPolicy,
        instruments: dict[str, Instrument],
    ) -> None:
        self.joins: dict[Stream, Join] = {}
        self.own_joins: dict[str, OwnJoin] = {}
        self.venue_of: dict[Stream, MarketDataVenue] = {}
        self._venues = venues
        self._buffer = buffer
        self._intake = intake
        self._policy = policy
        self._instruments = instruments
        self._checked: set[str] = set()
        self._own: dict[str, LiveOwnFeed] = {}
        self._tasks: TaskGroup | None = None

    def find_venue(self, instrument: str) -> MarketDataVenue:
        """The venue that an instrument trades at, by the end of its id. Raises: UnknownVenue."""
        suffix = instrument.rpartition(".")[2]
        venue = self._venues.get(suffix)
        if venue is None:
            raise UnknownVenue(instrument, suffix, list(self._venues))
        return venue

    def plan(self, stream: Stream) -> Join:
        """A stream is needed: its join, made on first use. It is subscribed in phase A, or by `subscribe`."""
        join = self.joins.get(stream)
        if join is None:
            venue = self.venue_of[stream] = self.find_venue(stream.instrument)
            join = self.joins[stream] = make_join(stream, venue, self._policy)
        return join

    def history_venue(self, stream: Stream) -> MarketDataVenue | None:
        """Who can be asked for a planned stream's past; None where there is none."""
        venue = self.venue_of[stream]
        kind = venue.history_kind(stream).kind
        return venue if kind in (HistoryKind.BY_ID, HistoryKind.BY_TIME) else None

    async def subscribe_planned(self, tasks: TaskGroup) -> None:
        """Phase A: check instruments, then subscribe to all streams that are planned; from now on, at once.

        Raises: UnknownSymbol, SubscriptionRefused, SubscriptionTimeout, InstrumentConflict, VenueRequestFailed.
        """
        self._tasks = tasks
        for stream in sorted(self.joins):
            await self._subscribe(stream)
        for own in self._own.values():
            await tasks.start(own.pump, self._buffer)

    async def add_own(self, feed: LiveOwnFeed) -> OwnJoin:
        """Take a user's own live feed on; its join. Raises: FeedError for a name that is taken."""
        if feed.name in self._own:
            raise FeedError(f"two live feeds are named {feed.name!r}; give one of them another name")
        self._own[feed.name] = feed
        join = self.own_joins[feed.name] = OwnJoin(feed.name)
        self._intake.add_own(feed.name, join)
        if self._tasks is not None:
            await self._tasks.start(feed.pump, self._buffer)
        return join

    async def subscribe(self, stream: Stream) -> None:
        """Subscribe to a stream that is planned while the run goes on; returns once the venue has acknowledged."""
        await self._subscribe(stream)

    async def _subscribe(self, stream: Stream) -> None:
        assert self._tasks is not None, "phase A gives the task group"
        await self._check_instrument(stream.instrument)
        self._intake.add(stream, self.joins[stream])
        self._buffer.watch(stream)
        feed: LiveFeed = _FEEDS[stream.kind](self.venue_of[stream], stream.name)
        try:
            await self._tasks.start(feed.pump, self._buffer)
        except BaseException:
            self._intake.remove(stream)
            raise

    async def _check_instrument(self, instrument: str) -> None:
        """The venue's definition is taken where the run has none; else both agree. Raises: InstrumentConflict."""
        if instrument in self._checked:
            return
        venue = self.find_venue(instrument)
        theirs = (await venue.load_instruments([instrument]))[instrument]
        ours = self._instruments.setdefault(instrument, theirs)
        differing = [
            (word, getattr(ours, word), getattr(theirs, word))
            for word in ("price_increment", "quantity_increment", "currency")
            if getattr(ours, word) != getattr(theirs, word)
        ]
        if differing:
            raise InstrumentConflict(instrument, venue.name, differing)
        self._checked.add(instrument)

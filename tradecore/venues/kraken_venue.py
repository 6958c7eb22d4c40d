"""KrakenVenue: market data of Kraken Spot: one socket for streams and instruments, REST for the past of trades.

Receives: the urls of the venue (its own by default), settings, a clock, a seed.
Gives:    a MarketDataVenue whose bars are made of its trades, in every phase.    VENUES 4.2; DESIGN 10.
Never:    asks REST for candles: they end at 720, and differ from what trades make.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import HistoryNotOffered, InvalidName, UnknownSymbol, VenueNotRunning, VenueRequestFailed
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import Stamp
from tradecore.venues.feed_session import FeedSession
from tradecore.venues.kraken_codec import STREAM_URL, KrakenCodec, Pair, SystemStatus
from tradecore.venues.kraken_rest import PAGE_ROWS, REST_URL, KrakenRest
from tradecore.venues.market_data_venue import HistoryKind, HistoryOffer, MarketEvent, VenueSink
from tradecore.venues.reconnect_schedule import ConnectBudget

NAME: Final = "KRAKEN"
TRIES_MAX: Final = 3  # of a question on the socket, over lost connections

ONLINE: Final = "online"
MAINTENANCE: Final = "maintenance"
MAINTENANCE_REASON: Final = "the venue's status is maintenance: its market stands still, and takes no orders"
STATUS_REASONS: Final = {
    ONLINE: "all is as usual again",
    "cancel_only": "orders can be cancelled, none can be placed",
    "post_only": "it takes only limit orders that rest in the book",
    "limit_only": "it takes only limit orders",
}


class KrakenVenue:
    """A MarketDataVenue. name: the part of instrument ids after the last dot. session: for counts and quarantine.

    system: the venue's own word for its state, "online" when all is well; every change is told to all streams.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        seed: int,
        name: str = NAME,
        stream_url: str = STREAM_URL,
        rest_url: str = REST_URL,
        settings: ConnectionSettings | None = None,
        budget: ConnectBudget | None = None,
    ) -> None:
        settings = settings or ConnectionSettings()
        self.name = name
        self._settings = settings
        self._codec = KrakenCodec(name, stream_url, depth_levels=settings.depth_levels)
        self._rest = KrakenRest(name, settings, url=rest_url, clock=clock)
        self.session = FeedSession(
            name,
            self._codec,
            settings,
            clock=clock,
            seed=seed,
            budget=budget or ConnectBudget(settings),
            resync=self._resync,
            load_newest=self._rest.load_newest,
            on_notice=self._take_notice,
        )
        self.system = ONLINE
        self._pairs: dict[str, Pair] = {}
        self._pairs_came = anyio.Event()
        self._loading = anyio.Lock()
        self._is_running = False

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Keep connected until cancelled. Raises: VenueUnreachable, VenueRefused."""
        self._is_running = True
        try:
            await self.session.run(sink, task_status=task_status)
        finally:
            self._is_running = False

    async def subscribe(self, stream: Stream) -> None:
        """Returns when acknowledged. Raises: UnknownSymbol, SubscriptionRefused, SubscriptionTimeout."""
        await self._load_pair(stream.instrument)
        await self.session.subscribe(stream)

    async def unsubscribe(self, stream: Stream) -> None:
        """Returns when acknowledged."""
        await self.session.unsubscribe(stream)

    def list_notes(self) -> list[str]:
        """What a reader of a run's result must know of its connection."""
        return self.session.list_notes()

    async def load_instruments(self, ids: Iterable[str]) -> dict[str, Instrument]:
        """By id. Raises: UnknownSymbol."""
        return {instrument: self._make_instrument(instrument, await self._load_pair(instrument)) for instrument in ids}

    async def server_time(self) -> int:
        """The venue's clock, ns. Raises: VenueRequestFailed."""
        for _ in range(TRIES_MAX):
            answer = await self.session.ask(self._codec.encode_ping)
            if answer is not None and answer.value is not None:
                return int(answer.value)
        reason = self.session.failure or f"it was silent for {self._settings.request_timeout_s:g} s"
        raise VenueRequestFailed(self.name, "ping", 0, f"{reason}; asked {TRIES_MAX} times")

    def history_kind(self, stream: Stream) -> HistoryOffer:
        """Trades by time, bars of them, nothing of quotes and depth."""
        if stream.kind == "trade_tick":
            return HistoryOffer(HistoryKind.BY_TIME, PAGE_ROWS)
        return HistoryOffer(HistoryKind.FROM_TRADES if stream.kind == "bar" else HistoryKind.NONE)

    def read_history(
        self, stream: Stream, *, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[Sequence[MarketEvent]]:
        """Pages in order. Raises: HistoryNotOffered, VenueRequestFailed, VenueNotRunning."""
        if stream.kind != "trade_tick":
            raise HistoryNotOffered(f"{self.name} has no past of {stream}")
        if not self._is_running:
            raise VenueNotRunning(self.name, "read_history")
        return self._rest.read_trades(stream, start, end, from_id)

    def identity(self, _stream: Stream, event: MarketEvent) -> int | None:
        """The trade id, None for a state."""
        if isinstance(event, TradeTick):
            return None if event.trade_id is None else int(event.trade_id)
        return None

    async def _load_pair(self, instrument: str) -> Pair:
        symbol, _, venue = instrument.rpartition(".")
        if venue != self.name:
            raise UnknownSymbol(self.name, instrument, f"its id does not end with .{self.name}")
        if not self._pairs:
            await self._load_pairs()
        pair = self._pairs.get(symbol)
        if pair is None:
            raise UnknownSymbol(self.name, instrument, f"it does not list {symbol}; symbols read like BTC/USD")
        return pair

    async def _load_pairs(self) -> None:
        async with self._loading:
            reason = f"it was silent for {self._settings.request_timeout_s:g} s"
            for _ in range(TRIES_MAX):
                if self._pairs:
                    return
                answer = await self.session.ask(self._codec.encode_instruments)
                if answer is not None and answer.error is None:
                    with anyio.move_on_after(self._settings.request_timeout_s):
                        await self._pairs_came.wait()
                elif answer is not None:
                    reason = answer.error or reason
                elif self.session.failure:
                    reason = f"there was no connection: {self.session.failure}"
            if not self._pairs:
                raise VenueRequestFailed(self.name, "instrument", 0, f"{reason}; asked {TRIES_MAX} times")

    def _take_notice(self, notice: list[Pair] | SystemStatus) -> None:
        if isinstance(notice, SystemStatus):
            self._take_status(notice.system)
        else:
            self._take_pairs(notice)

    def _take_status(self, system: str) -> None:
        """Tell what changes. Only maintenance makes data old; the rest is for who wants to send orders to know."""
        before, self.system = self.system, system
        if system == before:
            return
        self.session.note_trouble(MAINTENANCE_REASON if system == MAINTENANCE else "")
        if system != MAINTENANCE and (before, system) != (MAINTENANCE, ONLINE):  # those two are told by note_trouble
            known = STATUS_REASONS.get(system, "what that means for orders is not known here")
            self.session.tell_connected(f"the venue's status is {system[:40]}: {known}")

    def _take_pairs(self, pairs: list[Pair]) -> None:
        for pair in pairs:
            self._pairs[pair.symbol] = pair
            self._codec.precisions[pair.symbol] = pair.price_precision, pair.qty_precision
        if self._pairs:
            self._pairs_came.set()

    def _make_instrument(self, instrument: str, pair: Pair) -> Instrument:
        try:
            return Instrument(
                id=instrument,
                price_increment=pair.price_increment,
                quantity_increment=pair.qty_increment,
                currency=pair.quote,
                base_currency=pair.base,
            )
        except InvalidName as error:
            raise VenueRequestFailed(self.name, "instrument", 200, str(error)) from error

    async def _resync(self, stream: Stream, _book: Any, _stamp: Stamp) -> None:
        """A new subscription begins with a whole book, which comes as an event."""
        await self.session.resubscribe(stream)

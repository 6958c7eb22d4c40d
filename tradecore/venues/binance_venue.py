"""BinanceVenue: market data of Binance Spot: one socket for streams, one for questions.    VENUES 4.1; DESIGN 10.

Receives: the urls of the venue (its own by default), settings, a clock, a seed.
Gives:    a MarketDataVenue.
Never:    subscribes to a symbol that the venue does not list: its stream socket would acknowledge it and stay silent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from tradecore.domain.clock import Clock
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instrument import Instrument
from tradecore.domain.stream import Stream
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import HistoryNotOffered, UnknownSymbol, VenueError
from tradecore.venues.binance_api import API_URL, BinanceApi
from tradecore.venues.binance_codec import STREAM_URL, BinanceCodec
from tradecore.venues.binance_history import PAGE_ROWS, BinanceQuestions
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.feed_dialect import Stamp
from tradecore.venues.feed_session import FeedSession
from tradecore.venues.market_data_venue import HistoryKind, HistoryOffer, MarketEvent, VenueSink
from tradecore.venues.reconnect_schedule import ConnectBudget

NAME: Final = "BINANCE"


class BinanceVenue:
    """A MarketDataVenue. name: the part of instrument ids after the last dot. session: for counts and quarantine."""

    def __init__(
        self,
        *,
        clock: Clock,
        seed: int,
        name: str = NAME,
        stream_url: str = STREAM_URL,
        api_url: str = API_URL,
        settings: ConnectionSettings | None = None,
        budget: ConnectBudget | None = None,
    ) -> None:
        settings = settings or ConnectionSettings()
        self.name = name
        codec = BinanceCodec(name, stream_url, depth_levels=settings.depth_levels)
        # Two hosts, two budgets, unless one is given for both: a storm on the one must not silence the other.
        budgets = budget or ConnectBudget(settings), budget or ConnectBudget(settings)
        self._api = BinanceApi(name, settings, url=api_url, clock=clock, seed=seed, budget=budgets[0])
        self._questions = BinanceQuestions(name, self._api)
        self.session = FeedSession(
            name,
            codec,
            settings,
            clock=clock,
            seed=seed,
            budget=budgets[1],
            resync=self._resync,
            load_newest=self._questions.load_newest,
            on_notice=_no_notice,
        )
        self._instruments: dict[str, Instrument] = {}

    async def run(self, sink: VenueSink, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Keep connected until cancelled. Raises: VenueUnreachable, VenueRefused."""
        failure: VenueError | None = None
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._api.run)
            try:
                await self.session.run(sink, task_status=task_status)
            except VenueError as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def subscribe(self, stream: Stream) -> None:
        """Returns when acknowledged. Raises: UnknownSymbol, SubscriptionRefused, SubscriptionTimeout."""
        await self._load_instrument(stream.instrument)
        await self.session.subscribe(stream)

    async def unsubscribe(self, stream: Stream) -> None:
        """Returns when acknowledged."""
        await self.session.unsubscribe(stream)

    def list_notes(self) -> list[str]:
        """What a reader of a run's result must know of its connection."""
        return self.session.list_notes()

    async def load_instruments(self, ids: Iterable[str]) -> dict[str, Instrument]:
        """By id. Raises: UnknownSymbol."""
        return {instrument: await self._load_instrument(instrument) for instrument in ids}

    async def server_time(self) -> int:
        """The venue's clock, ns."""
        return await self._questions.load_time()

    def history_kind(self, stream: Stream) -> HistoryOffer:
        """Trades by id, bars by time, nothing of quotes and depth."""
        kind = {"trade_tick": HistoryKind.BY_ID, "bar": HistoryKind.BY_TIME}.get(stream.kind, HistoryKind.NONE)
        return HistoryOffer(kind, 0 if kind is HistoryKind.NONE else PAGE_ROWS)

    def read_history(
        self, stream: Stream, *, start: int, end: int, from_id: int | None = None
    ) -> AsyncIterator[Sequence[MarketEvent]]:
        """Pages in order. Raises: HistoryNotOffered, VenueRequestFailed."""
        if stream.kind == "trade_tick":
            return self._questions.read_trades(stream, start, end, from_id)
        if stream.kind == "bar" and from_id is None:
            return self._questions.read_bars(stream, start, end)
        raise HistoryNotOffered(f"{self.name} has no past of {stream}" + ("" if from_id is None else " by id"))

    def identity(self, stream: Stream, event: MarketEvent) -> int | None:
        """The trade id, the end of a bar, None for a state."""
        if isinstance(event, TradeTick):
            return None if event.trade_id is None else int(event.trade_id)
        return event.ts_event if stream.kind == "bar" else None

    async def _load_instrument(self, instrument: str) -> Instrument:
        known = self._instruments.get(instrument)
        if known is None:
            if instrument.rpartition(".")[2] != self.name:
                raise UnknownSymbol(self.name, instrument, f"its id does not end with .{self.name}")
            known = self._instruments[instrument] = await self._questions.load_instrument(instrument)
        return known

    async def _resync(self, stream: Stream, book: Any, stamp: Stamp) -> DepthSnapshot | None:
        last, bids, asks = await self._questions.load_book(stream.symbol.upper())
        snapshot: DepthSnapshot | None = book.begin(last, bids, asks, stamp)
        return snapshot


def _no_notice(_value: Any) -> None:
    """The stream socket of this venue says nothing but events, answers and farewells."""

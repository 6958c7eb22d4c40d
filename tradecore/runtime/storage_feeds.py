"""StorageFeeds: subscribed series become historical feeds over a store.

Receives: what strategies subscribe to; the run's start and end.
Gives:    HistoricalFeeds, and BarAggregationFeeds over readers of their own where bars are to be made.
Never:    starts a run on data that is not there: what is missing is said with what the store has, and what to type.
          Spec: 6.1 (step 3); DESIGN 5.
"""

from __future__ import annotations

from typing import Any

from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import MAX_NS, MIN_NS, format_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.trading_session import parse_session
from tradecore.engine.delay_simulator import DelaySimulator
from tradecore.errors import DataMissing, InvalidName
from tradecore.feeds.bar_aggregation_feed import BarAggregationFeed
from tradecore.feeds.historical_feeds import HistoricalFeed
from tradecore.storage.market_data_storage import MarketDataStorage, Series, SeriesInfo

_TICK_SOURCES = {"trades": "trade_tick", "quotes": "quote_tick"}


class StorageFeeds:
    """The feed source of a replay. start_ns, end_ns: of the run, None where open."""

    def __init__(
        self,
        storage: MarketDataStorage,
        instruments: dict[str, Instrument],
        *,
        start_ns: int | None,
        end_ns: int | None,
        batch_size: int,
        delays: DelaySimulator | None,
    ) -> None:
        self._storage = storage
        self._instruments = instruments
        self._start_ns = MIN_NS if start_ns is None else start_ns
        self._end_ns = MAX_NS if end_ns is None else end_ns
        self._batch_size = batch_size
        self._delays = delays
        self._known: dict[Series, SeriesInfo] | None = None
        self.used: dict[Series, SeriesInfo] = {}

    async def open_feed(self, kind: str, name: str, source: str | None, after_ns: int | None) -> Any:
        """A feed of a series, from the run's start, or after an instant for a run under way. Raises: DataMissing."""
        start_ns = self._start_ns if after_ns is None else max(self._start_ns, after_ns + 1)
        if source is None:
            return await self._read(Series(kind, name), start_ns, name)
        bar_type = BarType.parse(name)
        part = Series(_TICK_SOURCES[source], bar_type.instrument) if source in _TICK_SOURCES else self._smaller(source)
        if part.instrument != bar_type.instrument:
            raise InvalidName(f"{name!r} cannot be made from {source!r}: that is another instrument")
        reader = await self._read(part, start_ns, name)
        instrument = self._instruments.get(bar_type.instrument)
        session = parse_session(instrument.session) if instrument is not None else None
        delays = self._delays.fork() if self._delays is not None else None
        return BarAggregationFeed(reader, bar_type, session=session, delays=delays)

    def _smaller(self, source: str) -> Series:
        return Series("bar", BarType.parse(source).name)

    async def _read(self, series: Series, start_ns: int, wanted: str) -> HistoricalFeed:
        info = (await self._list_known()).get(series)
        if info is None:
            raise DataMissing(self._describe_missing(series, wanted))
        # Measured against the run's own stretch: who subscribes late may well come after the last event.
        if info.last_ns < self._start_ns or info.first_ns > self._end_ns:
            raise DataMissing(
                f"{self._storage.url} has {series} from {format_ns(info.first_ns)} to {format_ns(info.last_ns)}, "
                "nothing between the run's start and end; change [run] start and end, or import more with: "
                "tradecore data import"
            )
        self.used[series] = info
        return HistoricalFeed(
            self._storage, series, start_ns=start_ns, end_ns=self._end_ns, batch_size=self._batch_size
        )

    async def _list_known(self) -> dict[Series, SeriesInfo]:
        if self._known is None:
            self._known = {info.series: info for info in await self._storage.list_series()}
        return self._known

    def _describe_missing(self, series: Series, wanted: str) -> str:
        known = self._known or {}
        same = [str(other) for other in known if other.instrument == series.instrument]
        listed = ", ".join(sorted(same)) or ", ".join(sorted(map(str, known))[:12]) or "nothing"
        smaller = [other.name for other in known if _can_make(other, series)]
        hint = ""
        if smaller:
            hint = f'; bars can be made from smaller ones: subscribe_to_bars({wanted!r}, source="{smaller[0]}")'
        return (
            f"{self._storage.url} has no {series}; it has {listed}{hint}. "
            "See what is stored with: tradecore data list; add more with: tradecore data import"
        )


def _can_make(part: Series, wanted: Series) -> bool:
    """Whether bars of one series, all of one price, add up to those of the other."""
    if not (part.kind == wanted.kind == "bar" and part.instrument == wanted.instrument):
        return False
    small, large = BarType.parse(part.name), BarType.parse(wanted.name)
    return small.price == large.price and 0 < small.step_ns < large.step_ns and large.step_ns % small.step_ns == 0

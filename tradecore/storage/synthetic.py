"""Synthetic data: minute bars, quotes and trades made up within the ranges of real or made-up days.

Receives: a seed, a series of daily bars (or none), how many events a day.
Gives:    events of an instrument whose venue is SYNTH, the same on every machine and Python for the same settings.
Never:    passes for market data: the venue, the report and the notes say what it is. Holds a batch of events at most.
          Spec: issue 2, item 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import msgspec
from anyio import to_thread

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.domain.trading_session import TradingSession, parse_session
from tradecore.errors import SyntheticDataError
from tradecore.storage.market_data_storage import MarketDataStorage, MarketEvent, Series
from tradecore.storage.synthetic_path import DayRange, PriceGrid, draw_step, make_random, share_volume, walk_day

SYNTHETIC_VENUE: Final = "SYNTH"
SYNTHETIC_NOTE: Final = "synthetic: made up from a seed, not market data"

KINDS: Final = ("bar", "quote_tick", "trade_tick")
BATCH_EVENTS: Final = 8_192
_POINTS_PER_BAR: Final = 4
_POINTS_LEAST: Final = 4
_DAILY_DEVIATION: Final = 0.03  # about that of a lively stock; only for days that are made up as well
_DAILY_VOLUME: Final = 1_000_000


class SyntheticSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to make.

    kind: "bar", "quote_tick" or "trade_tick". symbol: the instrument is symbol.SYNTH. seed: any int. step: of bars.
    ticks_per_day: quotes or trades of each day, at least 4. session: when the market is open. price_increment: grid of
    the prices. currency: of the instrument's definition.
    """

    kind: str
    symbol: str
    seed: int = 0
    step: str = "1m"
    ticks_per_day: int = 10_000
    session: str = "09:30-16:00 America/New_York"
    price_increment: Decimal = Decimal("0.01")
    currency: str = "USD"

    @property
    def instrument(self) -> Instrument:
        """Definition of what is made."""
        return Instrument(
            id=f"{self.symbol}.{SYNTHETIC_VENUE}",
            price_increment=self.price_increment,
            quantity_increment=Decimal(1),
            currency=self.currency,
            session=self.session,
        )

    @property
    def series(self) -> Series:
        """The series that the events belong to."""
        name = self.instrument.id
        return Series("bar", BarType(name, self.step).name) if self.kind == "bar" else Series(self.kind, name)

    def check(self) -> None:
        """Raises: SyntheticDataError, InvalidName."""
        if self.kind not in KINDS:
            raise SyntheticDataError(f"kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if self.ticks_per_day < _POINTS_LEAST:
            raise SyntheticDataError(
                f"ticks_per_day is {self.ticks_per_day}; expected at least {_POINTS_LEAST}, "
                "for open, high, low and close"
            )
        parse_session(self.session)
        if self.kind == "bar" and not BarType.parse(self.series.name).is_time_based:
            raise SyntheticDataError(f"step is {self.step!r}; expected a stretch of time such as 1m")


class SyntheticReport(msgspec.Struct, frozen=True):
    """What was made: days and events, of which `added` were new in the store; note says what it is."""

    series: Series
    days: int
    events: int
    added: int
    first_ns: int | None
    last_ns: int | None
    note: str


OnSyntheticProgress = Callable[[int, int], Any]
"""Called with events made and event time reached (int nanoseconds)."""


def generate_events(settings: SyntheticSettings, days: Iterable[DayRange]) -> Iterator[list[MarketEvent]]:
    """Batches of at most 8,192 events in strictly rising order of time; nothing else is kept in memory.

    Raises: SyntheticDataError, InvalidName.
    """
    settings.check()
    make_day = {"bar": _make_bars, "quote_tick": _make_quotes, "trade_tick": _make_trades}[settings.kind]
    session = parse_session(settings.session)
    for day in days:
        events = make_day(settings, session, day)
        while batch := list(islice(events, BATCH_EVENTS)):
            yield batch


def walk_days(
    settings: SyntheticSettings, first_day: date, count: int, open_price: float = 100.0
) -> Iterator[DayRange]:
    """Made-up ranges of `count` session days from `first_day` on: a seeded random walk on the price grid."""
    grid, session = PriceGrid(settings.price_increment), parse_session(settings.session)
    draw = make_random(settings.seed, settings.symbol, "days")
    ticks, day, made = max(grid.ticks(open_price), 1), first_day, 0
    while made < count:
        if session.is_session_day(day):
            width = _DAILY_DEVIATION * ticks
            opens = max(ticks + round(width * draw_step(draw) / 4), 1)
            closes = max(opens + round(width * draw_step(draw)), 1)
            high = max(opens, closes) + int(width * draw.random() / 2)
            low = max(min(opens, closes) - int(width * draw.random() / 2), 1)
            volume = float(int(_DAILY_VOLUME * (0.5 + draw.random())))
            yield DayRange(day, grid.price(opens), grid.price(high), grid.price(low), grid.price(closes), volume)
            ticks, made = closes, made + 1
        day += timedelta(days=1)


async def load_day_ranges(storage: MarketDataStorage, series: Series, session: str) -> list[DayRange]:
    """Ranges of the days of a stored series of daily bars.

    Raises: SyntheticDataError when the bars are not daily; SeriesNotFound.
    """
    if series.kind != "bar" or BarType.parse(series.name).name.split()[1] != "1d":
        raise SyntheticDataError(f"{series} is no series of daily bars; expected one such as 'IBM.NYSE 1d last'")
    hours = parse_session(session)
    ranges = []
    async with aclosing(storage.read(series)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            for bar in batch:
                assert isinstance(bar, Bar), "a series of kind bar holds bars"
                day = hours.find_day(bar.ts_event)
                ranges.append(DayRange(day, bar.open, bar.high, bar.low, bar.close, bar.volume))
    return ranges


async def generate_into(
    storage: MarketDataStorage,
    settings: SyntheticSettings,
    days: Iterable[DayRange],
    *,
    progress: OnSyntheticProgress | None = None,
) -> SyntheticReport:
    """Make events of the days and append them; the instrument is defined as well. Making them again adds nothing.

    Raises: SyntheticDataError, InvalidName; StorageConflict when bars of another seed are there under this name.
    """
    settings.check()
    await storage.add_instruments([settings.instrument])
    counted = _CountedDays(days)
    batches = generate_events(settings, counted)
    events, added, first_ns, last_ns = 0, 0, None, None
    while batch := await to_thread.run_sync(_next_batch, batches):
        appended = await storage.append(batch)
        events, added = events + len(batch), added + appended.added
        first_ns = batch[0].ts_event if first_ns is None else first_ns
        last_ns = batch[-1].ts_event
        if progress is not None:
            progress(events, last_ns)
    return SyntheticReport(settings.series, counted.count, events, added, first_ns, last_ns, SYNTHETIC_NOTE)


def _next_batch(batches: Iterator[list[MarketEvent]]) -> list[MarketEvent]:
    return next(batches, [])


class _CountedDays:
    def __init__(self, days: Iterable[DayRange]) -> None:
        self._days, self.count = days, 0

    def __iter__(self) -> Iterator[DayRange]:
        for day in self._days:
            self.count += 1
            yield day


def _draws_of(settings: SyntheticSettings, day: DayRange, what: str) -> Any:
    # Each day has its own sequence, so that a day looks the same whichever days were made before it.
    return make_random(settings.seed, settings.symbol, settings.kind, day.day.isoformat(), what)


def _make_bars(settings: SyntheticSettings, session: TradingSession, day: DayRange) -> Iterator[MarketEvent]:
    bar_type = BarType.parse(settings.series.name)
    opens_ns, closes_ns = session.compute_open_ns(day.day), session.compute_close_ns(day.day)
    count = -((opens_ns - closes_ns) // bar_type.step_ns)
    prices = walk_day(
        day, count * _POINTS_PER_BAR, PriceGrid(settings.price_increment), _draws_of(settings, day, "path")
    )
    volumes = share_volume(int(day.volume), count, _draws_of(settings, day, "volume"))
    for place, volume in enumerate(volumes, 1):
        points = list(islice(prices, _POINTS_PER_BAR))
        end_ns = min(opens_ns + place * bar_type.step_ns, closes_ns)
        yield Bar(bar_type, end_ns, end_ns, points[0], max(points), min(points), points[-1], float(volume))


def _make_trades(settings: SyntheticSettings, session: TradingSession, day: DayRange) -> Iterator[MarketEvent]:
    count, instrument = settings.ticks_per_day, settings.instrument.id
    prices = walk_day(day, count, PriceGrid(settings.price_increment), _draws_of(settings, day, "path"))
    sizes = share_volume(max(int(day.volume), count), count, _draws_of(settings, day, "volume"))
    times = _make_times(session, day, count, _draws_of(settings, day, "times"))
    previous, aggressor = day.open, Aggressor.BUYER
    for at_ns, price, size in zip(times, prices, sizes, strict=True):
        if price != previous:  # a price that rises was lifted by a buyer; an unchanged one keeps the side
            aggressor = Aggressor.BUYER if price > previous else Aggressor.SELLER
        previous = price
        yield TradeTick(instrument, at_ns, at_ns, price, float(size), aggressor)


def _make_quotes(settings: SyntheticSettings, session: TradingSession, day: DayRange) -> Iterator[MarketEvent]:
    count, instrument = settings.ticks_per_day, settings.instrument.id
    grid, draw = PriceGrid(settings.price_increment), _draws_of(settings, day, "sizes")
    prices = walk_day(day, count, grid, _draws_of(settings, day, "path"))
    times = _make_times(session, day, count, _draws_of(settings, day, "times"))
    for at_ns, price in zip(times, prices, strict=True):
        spread = 1 + int(draw.random() * 3)
        # The walk is the ask where it touches the high, the bid where it touches the low, else either of them.
        if price >= day.high or (price > day.low and draw.random() < 0.5):
            bid, ask = max(min(grid.price(grid.ticks(price) - spread), price), day.low), price
        else:
            bid, ask = price, min(max(grid.price(grid.ticks(price) + spread), price), day.high)
        bid_size, ask_size = (100.0 * (1 + int(draw.random() * 20)) for _ in range(2))
        yield QuoteTick(instrument, at_ns, at_ns, bid, bid_size, ask, ask_size)


def _make_times(session: TradingSession, day: DayRange, count: int, draw: Any) -> Iterator[int]:
    """One instant in each of `count` equal slots of the session, at a drawn place within the slot."""
    opens_ns = session.compute_open_ns(day.day)
    slot_ns = (session.compute_close_ns(day.day) - opens_ns) // count
    for place in range(count):
        yield opens_ns + place * slot_ns + int(draw.random() * slot_ns)

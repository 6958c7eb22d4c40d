"""live_venues: the venues of a live run, made of what its configuration says of them.

Receives: [venues.NAME] tables, or venue objects; the run's seed; the word of `clock`.
Gives:    venues by what instrument ids end with, and the clock that the run lives by.
Never:    connects: each venue's `run` does, in phase A.    DESIGN 4, 13.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
import msgspec

from tradecore.domain.clock import Clock
from tradecore.engine.timeline import ScaledClock, SystemClock
from tradecore.errors import ConfigError, VenueUnreachable
from tradecore.runtime.live_settings import URL_WORDS, VenueSettings
from tradecore.runtime.venue_process import VenueProcess, open_venue_process
from tradecore.venues.binance_venue import BinanceVenue
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.http_request import HttpFailed, load_http
from tradecore.venues.kraken_venue import KrakenVenue
from tradecore.venues.market_data_venue import MarketDataVenue

CLOCK_S: Final = 5.0
CLOCK_BYTES: Final = 4_096


class OpenedVenues(msgspec.Struct, frozen=True):
    """venues: by suffix of instrument ids. clock: of the run."""

    venues: dict[str, MarketDataVenue]
    clock: Clock


@asynccontextmanager
async def open_venues(
    tables: Mapping[str, VenueSettings | MarketDataVenue],
    *,
    seed: int,
    clock_word: str,
    clock: Clock | None,
    scope: anyio.CancelScope,
) -> AsyncIterator[OpenedVenues]:
    """Start local venues, and make all venues.

    scope: once it is cancelled no local venue is waited for: nothing will be connected. Raises: VenueProcessFailed,
    VenueUnreachable, ConfigError.
    """
    async with AsyncExitStack() as stack:
        started: dict[str, VenueProcess] = {}
        for name, table in tables.items():
            if isinstance(table, VenueSettings) and table.local is not None:
                opening = open_venue_process(name, table.type, table.local, scope)
                process = await stack.enter_async_context(opening)
                if process is not None:
                    started[name] = process
        if clock is None:
            is_venues = clock_word == "venue" and not scope.cancel_called
            clock = await _load_venue_clock(started) if is_venues else SystemClock()
        venues: dict[str, MarketDataVenue] = {}
        for name, table in tables.items():
            if isinstance(table, VenueSettings):
                venues[table.id_suffix] = _make_venue(table, started.get(name), seed=seed, clock=clock)
            else:
                venues[name] = table
        yield OpenedVenues(venues, clock)


async def _load_venue_clock(started: Mapping[str, VenueProcess]) -> Clock:
    """The time of the one local venue: it says what time it is now, and how fast it goes on."""
    if len(started) != 1:
        raise ConfigError(
            "[run] clock",
            [f'clock = "venue" needs exactly one venue with a local table, and there are {len(started)}'],
        )
    process = next(iter(started.values()))
    url = f"{process.urls['control']}/clock"
    try:
        told: Any = msgspec.json.decode((await load_http(url, timeout_s=CLOCK_S, bytes_max=CLOCK_BYTES)).body)
    except (HttpFailed, msgspec.DecodeError) as error:
        raise VenueUnreachable(url, 1, str(error)) from error
    return ScaledClock(int(told["now_ns"]), float(told["rate"]))


def _make_venue(table: VenueSettings, process: VenueProcess | None, *, seed: int, clock: Clock) -> MarketDataVenue:
    urls: dict[str, str] = {}
    for word, local_word in URL_WORDS[table.type].items():
        url = getattr(table, word)
        if url is None and process is not None:
            url = process.urls[local_word]
        if url is not None:
            urls[word] = url
    changed = {word: value for word in table.connection.__struct_fields__ if (value := getattr(table.connection, word))}
    settings = ConnectionSettings(**changed)
    make: Any = BinanceVenue if table.type == "binance" else KrakenVenue
    venue: MarketDataVenue = make(clock=clock, seed=seed, name=table.id_suffix, settings=settings, **urls)
    return venue

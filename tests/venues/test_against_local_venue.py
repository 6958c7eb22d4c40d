"""Both adapters against the local venue, which shares no code with them, while everything goes wrong by chance.

The laws of each run: no event twice, every value the venue's, every missing trade in a hole that was told, every book
that was delivered the venue's book at that update, stamps rising.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import anyio
import pytest

from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import VenueError
from tradecore.testing.local_venue import synthetic_source
from tradecore.testing.local_venue.local_venue import LocalVenue, open_local_venue
from tradecore.testing.local_venue.synthetic_source import SyntheticSource
from tradecore.testing.local_venue.venue_play import VenueSettings
from tradecore.testing.local_venue.venue_server import open_venue_server
from tradecore.testing.recording_sink import RecordingSink
from tradecore.testing.virtual_run import run_virtual, running_clock
from tradecore.venues.binance_venue import BinanceVenue
from tradecore.venues.connection_settings import ConnectionSettings
from tradecore.venues.kraken_venue import KrakenVenue

DURATION_S = 120
PAIRS = {"binance": "BTCUSDT", "kraken": "BTCUSD"}
# Rates per frame, and how often connections are struck: each kind several times in two minutes.
FAULTS = (
    "duplicate p=0.02", "reorder p=0.02", "gap p=0.005 frames=3", "garbage p=0.01", "partial p=0.003", "crc p=0.003",
    "drop at=20 every=37", "half_open at=51 for=14 every=71", "mute at=33 for=3 every=29 topic=*trade*",
    "stall at=64 for=4 every=45", "accept_then_close at=86 for=6", "cut at=100 every=60 seconds=5",
)  # fmt: skip

Played = tuple[RecordingSink, Any, LocalVenue, Stream]
"""What came, the adapter, the venue, the stream of trades."""


async def play(dialect: str, seed: int, faults: tuple[str, ...], seconds: float = DURATION_S) -> Played:
    """A synthetic market for so long, with these faults once all streams are subscribed; then it heals."""
    clock = running_clock()
    source = SyntheticSource(clock.wall_ns(), seed=seed, pairs=(find_pair(dialect),), history_ns=10 * SECOND_NS)
    async with (
        open_local_venue(source, VenueSettings(seed=seed)) as local,
        open_venue_server(local, "venue.test") as server,
    ):
        venue, symbol = make_venue(dialect, server.port, seed)
        sink = RecordingSink(clock)
        trades = Stream("trade_tick", symbol)
        async with anyio.create_task_group() as tasks:
            await tasks.start(venue.run, sink)
            for kind in ("trade_tick", "quote_tick", "depth"):
                await venue.subscribe(Stream(kind, symbol))
            for fault in faults:
                local.add_fault(fault)
            await anyio.sleep(seconds)
            local.heal()
            await anyio.sleep(45)
            tasks.cancel_scope.cancel()
        return sink, venue, local, trades


@cache
def run_once(dialect: str, seed: int, faults: tuple[str, ...]) -> Played:
    """A run that several tests look at; none of them changes it."""
    return run_virtual(lambda: play(dialect, seed, faults), seed=seed)


def find_pair(dialect: str) -> synthetic_source.SyntheticPair:
    return next(pair for pair in synthetic_source.PAIRS if pair.base + pair.quote == PAIRS[dialect])


def make_venue(dialect: str, port: int, seed: int) -> tuple[Any, str]:
    clock, base = running_clock(), f"venue.test:{port}"
    settings = ConnectionSettings(planned_reconnect_s=80, overlap_s=2)
    if dialect == "binance":
        urls = {"stream_url": f"ws://{base}", "api_url": f"ws://{base}/ws-api/v3"}
        return BinanceVenue(clock=clock, seed=seed, settings=settings, **urls), "BTCUSDT.BINANCE"  # type: ignore[arg-type]
    urls = {"stream_url": f"ws://{base}/v2", "rest_url": f"http://{base}"}
    return KrakenVenue(clock=clock, seed=seed, settings=settings, **urls), "BTC/USD.KRAKEN"  # type: ignore[arg-type]


def read_holes(sink: RecordingSink, trades: Stream) -> set[int]:
    """The trade ids that were told to be missing."""
    told: set[int] = set()
    for change in sink.changes(trades):
        match = re.match(r"\d+ missing: (\d+)(?: to (\d+))?$", change.reason)
        if change.state is FeedState.GAP and match:
            told.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return told


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_what_a_strategy_sees_is_the_truth_minus_what_was_told_to_be_missing(dialect: str, seed: int) -> None:
    sink, venue, local, trades = run_once(dialect, seed, FAULTS)
    price, size = read_grid(dialect)
    truth = {trade.trade_id: trade for trade in local.truth().trades(PAIRS[dialect])}
    seen: list[Any] = sink.events(trades)
    numbers = [int(tick.trade_id) for tick in seen]
    assert len(numbers) > 100
    assert len(set(numbers)) == len(numbers), "twice"
    for tick in seen:
        told = truth[int(tick.trade_id)]
        assert (tick.price, tick.size) == (price(told.price), size(told.size))
    missing = set(range(min(numbers), max(numbers) + 1)) - set(numbers)
    assert missing == read_holes(sink, trades) - set(numbers)
    assert missing, "these faults lose trades: a run without a hole would prove nothing"
    stamps = [getattr(item, "ts_received", None) or item.ts for _, item in sink.entries]  # type: ignore[union-attr]
    assert all(earlier < later for earlier, later in pairwise(stamps))
    assert sink.states(trades)[-1] not in (FeedState.STALE, FeedState.RECONNECTING), "it came back in the end"
    rejected = venue.session.quarantine.rejected
    assert rejected > 0
    assert f"{rejected:,} frames could not be read and were left out" in "".join(venue.list_notes())
    assert venue.session.reconnects >= 4
    injected = local.fault_counts
    assert all(injected.get(kind) for kind in ("duplicate", "reorder", "gap", "garbage", "drop")), injected


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
def test_without_faults_nothing_is_missing_and_books_agree_with_quotes(dialect: str) -> None:
    """Planned replacements happen all the same, every 80 s."""
    sink, venue, _, trades = run_once(dialect, 3, ())
    numbers = [int(tick.trade_id) for tick in sink.events(trades)]  # type: ignore[union-attr, arg-type]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for kind in ("trade_tick", "quote_tick", "depth"):
        assert set(sink.states(Stream(kind, trades.name))) == {FeedState.CONNECTED}
    assert venue.session.reconnects == 2
    assert venue.session.quarantine.rejected == 0
    assert venue.list_notes() == []
    books: list[Any] = sink.events(Stream("depth", trades.name))
    assert len(books) > 100
    for book in books:
        book.check()
    for kind in ("quote_tick", "depth"):
        times = [event.ts_event for event in sink.events(Stream(kind, trades.name))]
        assert times == sorted(times), "a successor's frames from before its promotion do not bring the past back"


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
def test_the_same_seed_gives_the_same_entries(dialect: str) -> None:
    again = run_virtual(lambda: play(dialect, 0, FAULTS), seed=0)[0].entries
    assert again == run_once(dialect, 0, FAULTS)[0].entries


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
def test_books_are_the_venues_own_at_their_update(dialect: str) -> None:
    """With gaps and wrong checksums: what is delivered is right, and what is not right is told."""
    faults = ("gap p=0.02 topic=*depth*", "gap p=0.02 topic=*book*", "crc p=0.02")
    sink, _, local, trades = run_virtual(lambda: play(dialect, 4, faults, seconds=40), seed=4)
    depth = Stream("depth", trades.name)
    states = sink.states(depth)
    assert states.count(FeedState.GAP) >= 2
    assert states.count(FeedState.RECOVERED) >= 2
    truth = fold_books(local, dialect, levels=20 if dialect == "binance" else 10)
    seen: list[Any] = sink.events(depth)
    compared = 0
    for book in seen:
        own = truth.get(book.sequence) if book.sequence else None
        if own is not None:
            assert (book.bids, book.asks) == own
            compared += 1
    if dialect == "binance":
        assert compared > 100, "Binance numbers its updates, so each may be compared"
    else:
        assert {(book.bids, book.asks) for book in seen} <= set(truth.values()), "Kraken has no numbers: by content"


def read_grid(dialect: str) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """The venue counts in increments; what a client sees is their number times the increment, exactly."""
    pair = find_pair(dialect)
    return (lambda count: float(count * pair.price_increment)), (lambda count: float(count * pair.size_increment))


def fold_books(local: LocalVenue, dialect: str, *, levels: int) -> dict[int, tuple[Any, Any]]:
    """Best levels after each update, folded from the oracle's changes alone."""
    price_of, size_of = read_grid(dialect)
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    books = {}
    for change in local.truth().book_changes(PAIRS[dialect]):
        for side, changed in ((bids, change.bids), (asks, change.asks)):
            for price, size in changed:
                side[price] = size
                if not size:
                    del side[price]
        best_bids = tuple((price_of(price), size_of(bids[price])) for price in sorted(bids, reverse=True)[:levels])
        best_asks = tuple((price_of(price), size_of(asks[price])) for price in sorted(asks)[:levels])
        books[change.last_id] = (best_bids, best_asks)
    return books


def test_a_symbol_of_another_venue_is_refused_by_both() -> None:
    async def main() -> list[str]:
        clock = running_clock()
        said = []
        async with (
            open_local_venue(SyntheticSource(clock.wall_ns(), seed=1, history_ns=SECOND_NS)) as local,
            open_venue_server(local, "venue.test") as server,
        ):
            for dialect in ("binance", "kraken"):
                venue, _ = make_venue(dialect, server.port, 1)
                async with anyio.create_task_group() as tasks:
                    await tasks.start(venue.run, RecordingSink(clock))
                    try:
                        await venue.subscribe(Stream("trade_tick", f"NOPE.{venue.name}"))
                    except VenueError as error:
                        said.append(str(error))
                    tasks.cancel_scope.cancel()
        return said

    assert len([text for text in run_virtual(main, seed=1) if "NOPE" in text]) == 2

"""Backfill estimate: how many rows a venue would be asked for, and how long that would take.

Receives: the streams of a run, what the store has of them, the stretch that phase B replays.
Gives:    nothing, or BackfillTooLarge before the first row is read.
Never:    fetches more than one page to find out; bars and ids can be counted without any.    DESIGN 10 (A).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.stream import Stream
from tradecore.errors import BackfillTooLarge, VenueError
from tradecore.storage.market_data_storage import Series
from tradecore.venues.market_data_venue import MarketDataVenue

if TYPE_CHECKING:
    from tradecore.runtime.live_run import LiveRun

SPAN_NS: Final = SECOND_NS
"""Shortest stretch that a density is taken from: a burst of trades in one millisecond says nothing about a month."""

PAGE_S: Final = 0.25
"""Seconds per page where none was fetched: a round trip over the Internet, and the venue's limits on requests."""


class Estimate(msgspec.Struct, frozen=True):
    """rows: to be asked for; page_s: seconds that one page takes."""

    rows: int
    page_s: float = PAGE_S


async def check_backfill(run: LiveRun) -> None:
    """Raises: BackfillTooLarge for the first stream whose backfill is larger than [handover] backfill_limit."""
    limit = run.settings.backfill_limit
    for stream in sorted(run.streams.joins):
        venue = run.streams.history_venue(stream)
        if venue is None:
            continue
        estimate = await estimate_backfill(run, stream, venue)
        if estimate.rows > limit:
            page_rows = max(venue.history_kind(stream).page_rows, 1)
            raise BackfillTooLarge(stream, estimate.rows, estimate.rows / page_rows * estimate.page_s, limit)


async def estimate_backfill(run: LiveRun, stream: Stream, venue: MarketDataVenue) -> Estimate:
    """By step for bars, by ids where they are known at both ends, else by the density of one page."""
    info = run.feeds.used.get(Series(stream.kind, stream.name))
    first_ns = run.start_ns if info is None else max(info.last_ns, run.start_ns)
    end_ns = run.replay_end_ns or first_ns
    bar_type = stream.bar_type
    if bar_type is not None:
        return Estimate(max(end_ns - first_ns, 0) // max(bar_type.step_ns, 1))
    if info is not None:
        rows = _count_ids(run, venue, stream, await run.feeds.load_newest(info))
        if rows is not None:
            return Estimate(rows)
    return await _estimate_by_page(run, venue, stream, first_ns, end_ns)


def _count_ids(run: LiveRun, venue: MarketDataVenue, stream: Stream, first: Any) -> int | None:
    """Ids from an event to the first live one; None where either is not known, or has none."""
    newest = run.buffer.first_events.get(stream)
    if first is None or newest is None:
        return None
    first_id, last_id = venue.identity(stream, first), venue.identity(stream, newest)
    return None if first_id is None or last_id is None else max(last_id - first_id, 0)


async def _estimate_by_page(
    run: LiveRun, venue: MarketDataVenue, stream: Stream, first_ns: int, end_ns: int
) -> Estimate:
    began_ns = run.clock.monotonic_ns()
    pages = venue.read_history(stream, start=first_ns, end=end_ns)
    try:
        page = await anext(pages, None)
    except VenueError:
        return Estimate(0)  # phase B asks with patience, and says what it could not get
    finally:
        await _close(pages)
    took_s = (run.clock.monotonic_ns() - began_ns) / SECOND_NS
    if page is None or len(page) < venue.history_kind(stream).page_rows:
        return Estimate(0 if page is None else len(page), took_s)
    rows = _count_ids(run, venue, stream, page[0])
    if rows is not None:
        return Estimate(rows, took_s)
    span_ns = max(page[-1].ts_event - page[0].ts_event, SPAN_NS)
    return Estimate(len(page) * (end_ns - first_ns) // span_ns, took_s)


async def _close(pages: AsyncIterator[Sequence[Any]]) -> None:
    close = getattr(pages, "aclose", None)
    if close is not None:
        await close()

"""Phase A: every stream subscribed and acknowledged, its events on their way into the cache.

Receives: the streams that strategies subscribed to in on_start; the venues.
Gives:    venues that are connected, instruments that agree, streams that are acknowledged; the instant at which phase B
          shall end; an estimate of what history will cost, refused when it is too much.
Never:    delivers anything: what arrives waits in the LiveBuffer.    Spec: 6.2; DESIGN 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.abc import TaskGroup

from tradecore.domain.event import NO_VENUE_TIME
from tradecore.domain.phase import Phase
from tradecore.runtime.backfill_estimate import check_backfill

if TYPE_CHECKING:
    from tradecore.runtime.live_run import LiveRun


async def subscribe(run: LiveRun, tasks: TaskGroup) -> None:
    """Connect, subscribe, and find where history shall end.

    Raises: VenueUnreachable, VenueRefused, UnknownVenue, UnknownSymbol, SubscriptionRefused, SubscriptionTimeout,
    InstrumentConflict, BackfillTooLarge.
    """
    await run.begin_phase(Phase.A_SUBSCRIBE)
    for venue in {id(venue): venue for venue in run.venues.values()}.values():
        await tasks.start(run.keep_connected, venue)
    await run.streams.subscribe_planned(tasks)
    run.engine.declare_sources()
    end_ns = await find_replay_end(run)
    run.replay_end_ns = end_ns
    run.engine.queue.end_at(end_ns)
    # What waits already is received after B, one nanosecond after the other; what comes from now on, behind all that.
    run.buffer.hold_above(end_ns + run.buffer.received)
    run.feeds.begin_replay(end_ns)
    await run.feeds.survey_store()
    await check_backfill(run)
    run.ask_history(tasks)


async def find_replay_end(run: LiveRun) -> int:
    """The latest pivot and the overlap: the event time of a stream's first live event, else the venue's time.

    An event without the venue's time says nothing of it. In int nanoseconds; never before the run's start.
    """
    venues = {id(venue): venue for venue in run.streams.venue_of.values()}.values()
    pivots = [run.start_ns, *[await venue.server_time() for venue in venues]]
    for stream in run.streams.joins:
        first = run.buffer.first_events.get(stream)
        if first is not None and not first.flags & NO_VENUE_TIME:
            pivots.append(first.ts_event)
    if not run.streams.venue_of:
        pivots.append(run.clock.wall_ns())
    return max(pivots) + run.settings.overlap_ns

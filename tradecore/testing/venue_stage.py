"""VenueStage: a scripted venue, the adapter connected to it, and what it puts; the ground of the contract suites.

Receives: a ScriptedVenue skin, from a subclass of a suite.
Gives:    a running adapter on virtual time; afterwards it checks the order of stamps over all that was put.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, ClassVar

import anyio
import pytest

from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedState
from tradecore.testing.recording_sink import RecordingSink
from tradecore.testing.scripted_venue import ScriptedVenue
from tradecore.testing.virtual_run import running_clock
from tradecore.venues.connection_settings import ConnectionSettings

on_virtual_time = pytest.mark.virtual_time(seed=11)


class Stage:
    """A scripted venue, the adapter that is connected to it, and what it puts."""

    def __init__(self, skin: ScriptedVenue, venue: Any, sink: RecordingSink) -> None:
        self.skin, self.venue, self.sink = skin, venue, sink
        self.trades, self.quotes = skin.stream("trade_tick"), skin.stream("quote_tick")

    def numbers(self) -> list[int]:
        """Ids of the trades that were put, in order."""
        return [self.venue.identity(self.trades, event) for event in self.sink.events(self.trades)]

    async def wait_for_trades(self, count: int) -> None:
        """Returns when so many trades have been put."""
        with anyio.fail_after(120):
            await self.sink.wait_for(lambda: len(self.sink.events(self.trades)) >= count)

    async def wait_for_state(self, state: FeedState) -> None:
        """Returns when the trade stream has this state."""
        with anyio.fail_after(600):
            await self.sink.wait_for(lambda: self.sink.states(self.trades)[-1:] == [state])


class VenueStageSuite:
    """Base of the suites. settings: of the adapter under test."""

    settings: ClassVar[ConnectionSettings] = ConnectionSettings()

    def make_skin(self, clock: Clock) -> ScriptedVenue:
        """A fresh scripted venue of the dialect."""
        raise NotImplementedError(f"{type(self).__name__} must override make_skin")

    @asynccontextmanager
    async def stage(self, *, subscribe: bool = True, **changed: Any) -> AsyncIterator[Stage]:
        """A running adapter, subscribed to trades unless told otherwise. changed: of its settings."""
        clock = running_clock()
        settings = ConnectionSettings(**{**_as_dict(self.settings), **changed})
        async with self.make_skin(clock).open() as skin:
            stage = Stage(skin, skin.make_venue(settings), RecordingSink(clock))
            async with anyio.create_task_group() as tasks:
                await tasks.start(stage.venue.run, stage.sink)
                if subscribe:
                    await stage.venue.subscribe(stage.trades)
                yield stage
                tasks.cancel_scope.cancel()
        _check_order_of_stamps(stage.sink)


def _as_dict(settings: ConnectionSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def _check_order_of_stamps(sink: RecordingSink) -> None:
    """Receive times rise strictly over everything that was put: events and states of all streams."""
    stamps = [getattr(item, "ts_received", None) or item.ts for _, item in sink.entries]  # type: ignore[union-attr]
    assert all(earlier < later for earlier, later in pairwise(stamps)), (
        "the order of arrival is not the order of stamps"
    )

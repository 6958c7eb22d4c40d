"""EventFeed: the contract of everything that produces events, and a base class that gives all but `next`.

Receives: whatever the feed reads: a store, a socket, an async iterator, an embedding program.
Gives:    events in order, one at a time (`next`) or in batches (`next_batch`, what the engine uses).
Never:    merges with other feeds (feeds/merge.py does), never delays (engine/delay_simulator.py does).
          Spec: 1.3; DESIGN 5.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from tradecore.domain.event import Event


@runtime_checkable
class EventFeed(Protocol):
    """A source of events in order of event time.

    name: unique within an engine; it stands in errors and decides ties of own events. is_live: a live feed never holds
    back the merge of history when it is quiet.
    """

    name: str
    is_live: bool

    async def next(self) -> Event | None:
        """Wait for the next event; None only when the feed has finished for good."""
        ...

    def has_next(self) -> bool:
        """False only when finished for good; True may still be followed by None."""
        ...

    def get_event_types(self) -> list[str]:
        """Event types it may produce."""
        ...

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events in order; [] when finished for good. Cancelled, it has consumed nothing."""
        ...

    async def close(self) -> None:
        """Release what it holds; idempotent. `next` returns None afterwards."""
        ...


class BaseFeed:
    """All of an EventFeed but `next`. A subclass overrides `next` (one at a time) or `next_batch` (faster)."""

    is_live = False

    def __init__(self, name: str, event_types: list[str] | None = None) -> None:
        self.name = name
        self._event_types = list(event_types or [])
        self._finished = False

    async def next(self) -> Event | None:
        """Wait for the next event; None when finished for good."""
        batch = await self.next_batch(1)
        return batch[0] if batch else None

    def has_next(self) -> bool:
        """False once it is known to be finished."""
        return not self._finished

    def get_event_types(self) -> list[str]:
        """As declared when it was made."""
        return list(self._event_types)

    async def next_batch(self, limit: int) -> list[Any]:
        """One event of `next` as a batch; [] when finished. Override it where more is at hand at once."""
        if type(self).next is BaseFeed.next:
            raise NotImplementedError(f"{type(self).__name__} must override next or next_batch")
        if self._finished:
            return []
        event = await self.next()
        if event is None:
            self._finished = True
            return []
        return [event]

    async def close(self) -> None:
        """Mark it finished. Override to release more; call this too."""
        self._finished = True

"""ScriptedFeed: a feed that plays a script: events, pauses, gates, errors.

Receives: a script: events, lists of events (handed out together), Pause, Gate, exceptions.
Gives:    exactly that, at exactly those points; what was asked of it (`limits`, `is_closed`).
Never:    sleeps: a Pause gives up the loop's turn so many times, a Gate waits for the test to open it.    STYLE 23.
"""

from __future__ import annotations

from asyncio import Event as Signal
from asyncio import sleep
from collections.abc import Iterable
from typing import Any

from tradecore.feeds.event_feed import BaseFeed


class Pause:
    """Give up the loop's turn this many times before going on."""

    def __init__(self, turns: int = 1) -> None:
        self.turns = turns


class Gate:
    """Wait until the test calls `open()`; `await gate.reached()` returns once something waits at it."""

    def __init__(self) -> None:
        self._is_open = Signal()
        self._is_reached = Signal()

    def open(self) -> None:
        """Let whoever waits go on."""
        self._is_open.set()

    async def wait(self) -> None:
        """Return once it is open."""
        self._is_reached.set()
        await self._is_open.wait()

    async def reached(self) -> None:
        """Return once somebody has come to it."""
        await self._is_reached.wait()


class ScriptedFeed(BaseFeed):
    """Plays its script in order.

    An event is a batch of its own; a list is one batch (split where the reader asks for fewer); an exception instance
    is raised once, and the script goes on after it. Cancelled at a Pause or Gate, it has consumed nothing and waits
    there again. trusted: says that the order needs no check; start_ns, end_ns: what it claims to cover.
    """

    def __init__(
        self,
        script: Iterable[Any],
        *,
        name: str = "scripted",
        event_types: list[str] | None = None,
        is_live: bool = False,
        trusted: bool = False,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> None:
        super().__init__(name, event_types)
        self.is_live = is_live
        self.is_trusted = trusted
        self.start_ns, self.end_ns = start_ns, end_ns
        self.limits: list[int] = []
        self.close_count = 0
        self._script = list(script)
        self._position = 0
        self._held: list[Any] = []

    @property
    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self.close_count > 0

    async def next_batch(self, limit: int) -> list[Any]:
        """What the script says next."""
        self.limits.append(limit)
        while not self._held:
            if self._finished or self._position == len(self._script):
                self._finished = True
                return []
            step = self._script[self._position]
            if isinstance(step, Pause):
                for _ in range(step.turns):
                    await sleep(0)
            elif isinstance(step, Gate):
                await step.wait()
            self._position += 1
            if isinstance(step, BaseException):
                raise step
            if not isinstance(step, (Pause, Gate)):
                self._held = list(step) if isinstance(step, list) else [step]
        batch, self._held = self._held[:limit], self._held[limit:]
        return batch

    async def close(self) -> None:
        """Note it, and finish."""
        self.close_count += 1
        self._held = []
        await super().close()

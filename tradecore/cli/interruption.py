"""Interruption: the first signal stops a run cleanly, the second leaves at once.

Receives: an async function and the scope that a signal cancels.
Gives:    its result, and the signal that came, if one did.
Never:    is used by the library: outside the command line a run lives in somebody else's loop.    DESIGN 13.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Final, TypeVar

import anyio
import click

T = TypeVar("T")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Which signal came first; `scope` is cancelled by it. Made inside the loop that the scope belongs to."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.scope = anyio.CancelScope()

    @property
    def exit_code(self) -> int | None:
        """130 or 143 (128 + number of the signal) once one came, else None."""
        return None if self.signal is None else 128 + self.signal


def run_interruptible(main: Callable[[Interruption], Awaitable[T]]) -> tuple[T, Interruption]:
    """Run `main` in a new loop; SIGINT and SIGTERM cancel its scope, a second one ends the process at once.

    The handlers are plain signal handlers, not the loop's: a strategy that never returns keeps the loop from seeing
    anything, and the second signal must work even then. The handlers that were there before are put back.
    """
    with asyncio.Runner() as runner:
        return runner.run(_call(main))


async def _call(main: Callable[[Interruption], Awaitable[T]]) -> tuple[T, Interruption]:
    interruption = Interruption()
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if interruption.signal is not None:
            os._exit(128 + number)
        interruption.signal = signal.Signals(number)
        os.write(2, f"\n{interruption.signal.name}: stopping; once more to leave at once\n".encode())
        loop.call_soon_threadsafe(interruption.scope.cancel)

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        return await main(interruption), interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_interrupted(interruption: Interruption) -> None:
    """Say which signal ended the run."""
    assert interruption.signal is not None
    click.echo(f"interrupted by {interruption.signal.name}; what is below is partial", err=True)

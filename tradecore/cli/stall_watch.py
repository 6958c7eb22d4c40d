"""StallWatch: says where a live run hangs when a strategy does not give the loop back.

Receives: the loop of a run.
Gives:    one message on stderr for each stall: how long, and the user's line that runs.
Never:    ends anything: what a strategy does may be meant. A second Ctrl-C does, even then.    RELIABILITY 2 (row 19).

A thread of its own, because nothing in the loop runs meanwhile. It knocks once a second, which an idle run hardly
notices.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from time import monotonic
from types import TracebackType
from typing import Final, Self

import click

from tradecore.engine.user_frames import is_user_frame

KNOCK_S: Final = 1.0
STALL_S: Final = 5.0
"""RELIABILITY 7.4: a loop that has not turned for so long hangs."""


class StallWatch:
    """Watches the loop it is entered in, from the thread it is entered in."""

    def __init__(self, *, stall_s: float = STALL_S, knock_s: float = KNOCK_S) -> None:
        self._stall_s, self._knock_s = stall_s, knock_s
        self._over = threading.Event()
        self._answered_at = monotonic()
        self._is_told = False

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        threading.Thread(target=self._watch, name="stall watch", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._knock_s):
            waited_s = monotonic() - self._answered_at
            if waited_s >= self._stall_s and not self._is_told:
                self._is_told = True
                click.echo(describe_stall(sys._current_frames().get(self._watched), waited_s), err=True)  # noqa: SLF001
            try:
                self._loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                return  # the loop is closed

    def _answer(self) -> None:
        if self._is_told:
            click.echo(f"it went on after {monotonic() - self._answered_at:.1f} s", err=True)
        self._answered_at, self._is_told = monotonic(), False


def describe_stall(frame: object, waited_s: float) -> str:
    """What hangs, as far as a frame shows it, and what to do."""
    frames = list(traceback.extract_stack(frame)) if frame is not None else []  # type: ignore[arg-type]
    own = [one for one in frames if is_user_frame(one.filename) and "site-packages" not in one.filename] or frames
    where = f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}" if own else "an unknown place"
    return (
        f"the run has not come back from {where} for {waited_s:.0f} s: live events wait in the buffer, timers are "
        "late. Await what waits (`async def` callbacks may), or do long work elsewhere; Ctrl-C twice leaves at once"
    )

"""ProgressLine: how far a run or an import is, on one line of a terminal.

Receives: Progress values from the engine, or rows and bytes from an import.
Gives:    date reached, events per second and time left on stderr.
Never:    writes to a pipe; takes more than a look at the clock for a call in between two paintings.
"""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tradecore.domain.instant import format_ns

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from tradecore.engine.participant import Progress

PAINT_EVERY_S: Final = 0.1
RATE_OVER_S: Final = 2.0
"""The rate shown is that of the last seconds: what is true now, without jumping at each painting."""


class ProgressLine:
    """A line on a terminal while it is entered; on a pipe, or when quiet, it does nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._is_shown = not quiet and sys.stderr.isatty()
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None
        self._painted_at = 0.0
        self._rate = RateMeter()

    def __enter__(self) -> Self:
        """Begin to show the line."""
        if self._is_shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._rich = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[reached]}"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                console=Console(file=sys.stderr),
                auto_refresh=False,  # painted from our calls: a painting thread would take its share of the processor
                transient=True,
            )
            self._rich.start()
            self._task = self._rich.add_task("starting", total=None, reached="", rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self._rich is not None:
            self._rich.stop()
            self._rich = None

    def show_run(self, progress: Progress) -> None:
        """How far a run is; call it as often as you like."""
        if not self._is_due():
            return
        total = done = None
        if progress.start_ns is not None and progress.end_ns is not None:
            total, done = progress.end_ns - progress.start_ns, progress.now_ns - progress.start_ns
        self._paint("running", total, done, format_ns(progress.now_ns)[:10], progress.events, "events")

    def show_rows(self, what: str, rows: int, done: int | None = None, total: int | None = None) -> None:
        """How far an import, export or generation is: rows so far; done of total in whatever unit, if it is known."""
        if self._is_due():
            self._paint(what, total, done, f"{rows:,} rows", rows, "rows")

    def _is_due(self) -> bool:
        return self._rich is not None and monotonic() - self._painted_at >= PAINT_EVERY_S

    def _paint(self, what: str, total: int | None, done: int | None, reached: str, count: int, unit: str) -> None:
        assert self._rich is not None
        assert self._task is not None
        self._painted_at = monotonic()
        rate = self._rate.measure(count, self._painted_at)
        self._rich.update(
            self._task,
            description=what,
            total=total,
            completed=done or 0,
            reached=reached,
            rate=f"{rate:,.0f} {unit}/s" if rate else "",
            refresh=True,
        )


class RateMeter:
    """Counts per second over the last seconds."""

    def __init__(self) -> None:
        self._from_count = 0
        self._from_s: float | None = None
        self._next: tuple[int, float] | None = None

    def measure(self, count: int, now_s: float) -> float:
        """Rate up to now; 0 at the first call. count never falls."""
        if self._from_s is None or count < self._from_count:
            self._from_count, self._from_s, self._next = count, now_s, None
            return 0.0
        rate = (count - self._from_count) / max(now_s - self._from_s, 1e-9)
        if self._next is None:
            self._next = (count, now_s)
        elif now_s - self._next[1] >= RATE_OVER_S:
            self._from_count, self._from_s = self._next
            self._next = (count, now_s)
        return rate

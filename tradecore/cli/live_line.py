"""LiveLine: how a live run is, on one line of a terminal: phase, backlog, lag, feeds.

Receives: the LiveRun, and word whenever something was delivered or a phase began.
Gives:    one line on stderr, painted at most ten times a second.
Never:    writes to a pipe, or wakes an idle run to paint: while nothing arrives, nothing changes.
"""

from __future__ import annotations

import sys
from collections import Counter
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tradecore.cli.progress_line import PAINT_EVERY_S, RateMeter
from tradecore.domain.instant import SECOND_NS, format_ns
from tradecore.domain.phase import Phase, PhaseChanged

if TYPE_CHECKING:
    from rich.live import Live

    from tradecore.engine.participant import Progress
    from tradecore.runtime.live_run import LiveRun

PHASE_WORDS: Final = {
    Phase.A_SUBSCRIBE: "A subscribing",
    Phase.B_REPLAY: "B replaying history",
    Phase.C_CATCH_UP: "C catching up",
    Phase.D_LIVE: "D live",
}


class LiveLine:
    """A line on a terminal while it is entered; on a pipe, or when quiet, it does nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._is_shown = not quiet and sys.stderr.isatty()
        self._live: Live | None = None
        self._run: LiveRun | None = None
        self._events = 0
        self._rate = RateMeter()
        self._painted_at = 0.0

    def __enter__(self) -> Self:
        """Begin to show the line."""
        if self._is_shown:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(file=sys.stderr), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def watch(self, run: LiveRun) -> None:
        """This is the run; it begins now."""
        self._run = run
        run.engine.bus.subscribe(PhaseChanged, self._show_phase)

    def show_progress(self, progress: Progress) -> None:
        """Something was delivered; call it as often as you like."""
        self._events = progress.events
        if self._live is not None and monotonic() - self._painted_at >= PAINT_EVERY_S:
            self._paint()

    def _show_phase(self, _change: PhaseChanged) -> None:
        if self._live is not None:
            self._paint()

    def _paint(self) -> None:
        assert self._live is not None
        self._painted_at = monotonic()
        if self._run is not None:
            rate = self._rate.measure(self._events, self._painted_at)
            self._live.update(describe_run(self._run, self._events, rate), refresh=True)


def describe_run(run: LiveRun, events: int, rate: float) -> str:
    """The line: "D live  2024-01-02T10:00:00Z  1,234 events  30/s  backlog 0  lag 0.000 s  feeds: 3 connected"."""
    engine, buffer = run.engine, run.buffer
    phase = "starting" if engine.phase is None else PHASE_WORDS[engine.phase]
    states = Counter(state.value for state in run.feed_states.values())
    waiting = len(run.streams.joins) - len(run.feed_states)
    feeds = [f"{count} {state}" for state, count in sorted(states.items())]
    if waiting:
        feeds.append(f"{waiting} waiting")
    parts = [
        phase,
        format_ns(engine.timeline.now // SECOND_NS * SECOND_NS),
        f"{events:,} events",
        f"{rate:,.0f}/s",
        f"backlog {buffer.depth:,}",
        f"lag {buffer.lag_ns / SECOND_NS:.3f} s",
        f"feeds: {', '.join(feeds) or 'none'}",
    ]
    return "  ".join(parts)

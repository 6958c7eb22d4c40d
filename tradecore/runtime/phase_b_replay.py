"""Phase B: history, through the very coroutine that a backtest is.

Receives: feeds over store, backfill and cache, up to the instant that phase A found.
Gives:    the same callbacks as a backtest over the same stretch; live input keeps its turn every two milliseconds.
Never:    does anything of its own: a backtest is phase B of a live run.    Spec: 6.1, 6.2; DESIGN 1, 6, 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradecore.domain.phase import Phase
from tradecore.engine.pace import Pace

if TYPE_CHECKING:
    from tradecore.runtime.live_run import LiveRun


async def replay(run: LiveRun) -> None:
    """Replay to the end; then `now` is that end. Raises what feeds raise, StrategyError."""
    run.note_phase(Phase.B_REPLAY)
    await run.engine.replay(Pace(run.clock))
    run.feeds.end_replay()
    if not run.engine.is_ending and run.replay_end_ns is not None:
        run.engine.timeline.advance_to(run.replay_end_ns)
        run.go_on_adjusting(run.replay_end_ns)

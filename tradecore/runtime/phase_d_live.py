"""Phase D: events as they arrive, timers by the clock, real orders where the gate lets them pass.

Receives: an empty LiveBuffer, and what arrives from now on.
Gives:    turns, the same as ever; the HandoverReport is in the run folder when the phase begins.
Never:    polls: it sleeps until something arrives or is due.    Spec: 6.2; DESIGN 6, 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradecore.domain.phase import Phase

if TYPE_CHECKING:
    from tradecore.runtime.live_run import LiveRun


async def trade_live(run: LiveRun) -> None:
    """Live, until the run's end, a strategy's stop_run, or somebody asks for it."""
    await run.begin_phase(Phase.D_LIVE)
    run.engine.open_to_outside(run.buffer.wake)
    stage, look = run.stage, run.look_for_questions
    while not run.is_over:
        if await stage.drain(run.stop_ns):
            look()
        else:
            await stage.idle(run.stop_ns)
    if not run.engine.is_ending:
        await stage.end(run.stop_ns)

"""Phase C: what arrived meanwhile, in the order of its arrival, until nothing waits.

Receives: the LiveBuffer's cache, through the joins that history went through.
Gives:    the same callbacks as before and after; in the end an empty buffer, and no question open to any history.
Never:    ends while events wait, or goes on for ever: after [handover] catch_up_limit it says why it cannot.
          Spec: 6.2; DESIGN 10; RELIABILITY 2 (row 40).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.phase import Phase
from tradecore.errors import CatchUpTooSlow

if TYPE_CHECKING:
    from tradecore.runtime.live_run import LiveRun


async def drain(run: LiveRun) -> None:
    """Deliver what waits, and wait for what was asked of history. Raises: CatchUpTooSlow, StreamBroken, SpillFailed."""
    await run.begin_phase(Phase.C_CATCH_UP)
    began_ns = run.clock.monotonic_ns()
    look = run.look_for_questions
    while not run.is_over:
        if await run.stage.drain(run.stop_ns):
            look()
            _check_time(run, began_ns)
        elif run.is_settled:
            return  # nothing was awaited since the buffer was found empty: phase D begins with the next event
        else:
            look()
            await run.stage.idle(run.stop_ns)


def _check_time(run: LiveRun, began_ns: int) -> None:
    took_ns = run.clock.monotonic_ns() - began_ns
    depth = run.buffer.depth
    if took_ns > run.settings.catch_up_limit_ns and depth:
        raise CatchUpTooSlow(took_ns / SECOND_NS, depth, run.buffer.lag_ns / SECOND_NS)

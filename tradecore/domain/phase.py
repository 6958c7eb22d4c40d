"""Phase: the four parts of a run, and the message that one has begun. A backtest is B and nothing else.  Spec: 6.2."""

from __future__ import annotations

from enum import Enum

import msgspec


class Phase(Enum):
    """Where a run stands."""

    A_SUBSCRIBE = "A"  # subscribe live, cache
    B_REPLAY = "B"  # replay history
    C_CATCH_UP = "C"  # replay the cache
    D_LIVE = "D"  # trade live


class PhaseChanged(msgspec.Struct, frozen=True, gc=False):
    """A phase began at this instant of the engine's time. previous: None at the start of a run."""

    previous: Phase | None
    phase: Phase
    ts_event: int

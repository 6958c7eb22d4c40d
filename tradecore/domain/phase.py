"""Phase: the four parts of a run. A backtest is B and nothing else.    Spec: 6.2."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a run stands."""

    A_SUBSCRIBE = "A"  # subscribe live, cache
    B_REPLAY = "B"  # replay history
    C_CATCH_UP = "C"  # replay the cache
    D_LIVE = "D"  # trade live

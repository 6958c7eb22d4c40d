"""Slippage: what the settings of a broker mean to the matching of one instrument.

Receives: the slippage settings, the instrument, the seed of the run.
Gives:    the arguments of `ExecutionEngine.open_lane` for it.    EXECUTION 4, 7.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict

from tradecore.brokerage.settings import BasisPointSlippage, DepthSlippage, Slippage
from tradecore.domain.instrument import Instrument
from tradecore.execution.synthetic_depth import SyntheticDepth


class LaneSlippage(TypedDict, total=False):
    """ticks: increments given up; fraction: part of the price; depth: made-up levels. One of them."""

    ticks: Decimal
    fraction: Decimal
    depth: SyntheticDepth


def make_lane_slippage(slippage: Slippage, instrument: Instrument, seed: int) -> LaneSlippage:
    """Arguments for one instrument."""
    if isinstance(slippage, BasisPointSlippage):
        return {"fraction": slippage.basis_points / 10_000}
    if not isinstance(slippage, DepthSlippage):
        return {"ticks": slippage.ticks}
    depth = SyntheticDepth(
        step=slippage.level_ticks * instrument.price_increment,
        size=slippage.level_size,
        jitter=slippage.jitter,
        increment=instrument.quantity_increment,
        key=f"{seed} {instrument.id}",
    )
    return {"depth": depth}

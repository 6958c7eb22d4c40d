"""MatchRules: which of the choices of EXECUTION a venue makes. Frozen words and numbers, checked where they are read.

Receives: what a broker's settings say.
Gives:    the same to every lane.    EXECUTION 3 to 7.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec


class MatchRules(msgspec.Struct, frozen=True, kw_only=True):
    """bar_fill: when a market order given at a bar's end executes. bar_touch: whether a limit needs a price through it.
    bar_path: how prices went inside a bar. participation: the part of a print or bar that is ours, 0 < p <= 1.
    open_grace: part of a bar's step (at most 5 s) in which a taker still gets its open. no_market, stop_through,
    self_trade: EXECUTION 7 and 3.
    """

    bar_fill: Literal["next_open", "same_close"] = "next_open"
    bar_touch: Literal["through", "touch"] = "through"
    bar_path: Literal["worst", "ohlc"] = "worst"
    participation: Decimal = Decimal("0.1")
    open_grace: Decimal = Decimal("0.05")
    no_market: Literal["hold", "reject"] = "hold"
    stop_through: Literal["trigger", "reject"] = "trigger"
    self_trade: Literal["cancel_resting", "reject"] = "cancel_resting"

"""Commands: what strategies ask for during a turn, carried out at its end.    Spec: 4.2; DESIGN 4 (the turn)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec


class Command(msgspec.Struct, frozen=True):
    """One wish of a strategy. Commands of a turn are carried out in (strategy, sequence) order.

    label: the strategy's call, for errors ("submit_order"). is_order: it goes to a broker; the others (subscriptions,
    timers) are carried out before match sources are chosen at the start of a run.
    """

    strategy: str
    sequence: int
    label: str
    is_order: bool
    carry_out: Callable[[], Awaitable[None]]

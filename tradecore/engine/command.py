"""Commands: what strategies ask for during a turn, carried out at its end.    Spec: 4.2; DESIGN 4 (the turn)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from tradecore.domain.order import Order


class Command(msgspec.Struct, frozen=True, gc=False):
    """One wish of a strategy. Commands of a turn are carried out by strategy, and in the order of their giving.

    label: the strategy's call, for errors ("submit_order"). is_order: it goes to a broker; the others (subscriptions,
    timers) are carried out before match sources are chosen at the start of a run. order: what `carry_out` is called
    with, where there is one; then only if no report of the same turn has said meanwhile that the order is finished.
    is_unheard: to its strategy the acceptance of `order` is no more than its state; see participant.shows_acceptance.
    """

    strategy: str
    label: str
    is_order: bool
    carry_out: Callable[..., Awaitable[None]]
    order: Order | None = None
    is_unheard: bool = False

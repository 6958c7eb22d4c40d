"""Raised: what a callback raised in a plain stretch of deliveries, and what the same event still owes.

Receives: the exception, the event, the call that was being made.
Gives:    whose callback it was, and the calls that come after it.    DESIGN 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tradecore.engine.subscription import Call, Handler, Subscriptions


class Raised(msgspec.Struct):
    """handler: whose it is, None where no callback raised. rest: calls that the same event still has to get."""

    error: Exception
    handler: Handler | None
    event: Any
    rest: list[Handler]


def find_raised(
    subscriptions: Subscriptions, error: Exception, event: Any, call: Call | None, calls: Sequence[Any]
) -> Raised:
    """Find out who raised. call: the one being made; calls: the steps or pairs of its route."""
    trace = error.__traceback__
    if trace is not None and trace.tb_next is not None:  # raised inside a call, not by our own look-up
        handlers = subscriptions.handlers_of(calls)
        for place, known in enumerate(handlers):
            if known.call is call:
                return Raised(error, known, event, handlers[place + 1 :])
    return Raised(error, None, event, [])

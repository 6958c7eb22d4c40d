"""Order call: whether what a strategy gave to submit_order and its kin is what that call takes.

Receives: the name of the call, what it was given, what it takes.
Gives:    nothing, or InvalidOrder that names the call to use instead.
Never:    looks at states or markets: order_desk.py and the broker do.    DESIGN 8.
"""

from __future__ import annotations

from typing import Final

from tradecore.errors import InvalidOrder

_CALLS: Final = {
    "Order": "{verb}_order",
    "OrderGroup": "{verb}_group",
    "Opportunity": "{verb}_opportunity",
}
_ELSEWHERE: Final = {"cancel_opportunity": "close()", "update_group": "update_order, for one order of it"}


def check_given(call: str, met: object, wanted: type) -> None:
    """Raises InvalidOrder when a call was given something else than it takes, a group for an order, say."""
    if isinstance(met, wanted):
        return
    verb = call.partition("_")[0]
    kind = type(met).__name__
    name = _CALLS.get(kind, "").format(verb=verb)
    advice = f"; for {_article(kind)} there is {_ELSEWHERE.get(name, name)}" if name else ""
    raise InvalidOrder(f"{call} takes {_article(wanted.__name__)}, got {kind} {met!r:.120}{advice}")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIOU" else f"a {noun}"

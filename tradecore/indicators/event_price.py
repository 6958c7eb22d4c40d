"""Event prices: which number of an event an indicator is made of.

Receives: a word: a field of the event such as "close", "price", "bid_price", "volume"; or "mid".
Gives:    a function from event to float.
Never:    guesses between words: an event that lacks the field raises, naming both.    Spec: 4.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import InvalidEvent

SIZES: Final = frozenset({"volume", "size", "bid_size", "ask_size"})
"""Words that mean an amount: a split multiplies them, and divides all others."""

_OWN_WORDS: dict[type, Callable[[Any], Any]] = {TradeTick: attrgetter("price"), QuoteTick: attrgetter("mid_price")}


def price_reader(word: str) -> Callable[[Any], float]:
    """The function that reads the price an indicator is made of.

    "close" (the default of indicators) means the one price of any market event: the close of a bar, the price of a
    trade, the mid of a quote. "mid" is the mid of a quote. Any other word is the field of that name.
    Raises, when called: InvalidEvent for an event without that field.
    """
    field = attrgetter("mid_price" if word == "mid" else word)
    by_class = _OWN_WORDS if word == "close" else {}

    def read(event: Any) -> float:
        try:
            return float(by_class.get(type(event), field)(event))
        except AttributeError as error:
            raise InvalidEvent(
                f"an indicator of {word!r} met a {type(event).__name__}, which has no such price; "
                'name a field of the event, as in SMA(10, price="bid_price")'
            ) from error

    return read

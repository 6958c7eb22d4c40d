"""Stream: a series of market events while it is live. Storage says series, a venue says stream; the name is one.

Receives: the kind of event, and the name of what it is about.
Gives:    a value that is hashable and ordered, and reads as the storage series of the same events.    DESIGN 3, 10.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradecore.domain.bar_type import BarType
from tradecore.domain.instrument import check_instrument_id
from tradecore.errors import InvalidName

STREAM_KINDS: Final = ("bar", "trade_tick", "quote_tick", "depth")
IDENTITY_KINDS: Final = ("bar", "trade_tick")


class Stream(msgspec.Struct, frozen=True, order=True):
    """kind: "bar", "trade_tick", "quote_tick" or "depth". name: the bar type's name, else the instrument id."""

    kind: str
    name: str

    def __post_init__(self) -> None:
        """Raises: InvalidName for a kind that is none, a bar type or an instrument id that cannot be read."""
        if self.kind not in STREAM_KINDS:
            raise InvalidName(f"stream kind {self.kind!r} is unknown; expected one of {', '.join(STREAM_KINDS)}")
        if self.kind == "bar":
            BarType.parse(self.name)
        else:
            check_instrument_id(self.name)

    @property
    def bar_type(self) -> BarType | None:
        """The bar type of a stream of bars, else None."""
        return BarType.parse(self.name) if self.kind == "bar" else None

    @property
    def instrument(self) -> str:
        """Instrument id of the stream."""
        return BarType.parse(self.name).instrument if self.kind == "bar" else self.name

    @property
    def symbol(self) -> str:
        """The venue's own part of the instrument id."""
        return self.instrument.rpartition(".")[0]

    @property
    def has_identity(self) -> bool:
        """True for trades and bars, which can be proved; False for quotes and depth, which are a state (DESIGN 10)."""
        return self.kind in IDENTITY_KINDS

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

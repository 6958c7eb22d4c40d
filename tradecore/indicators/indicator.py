"""Indicator: what the engine needs of an indicator that a strategy adds to a feed.

Receives: every event of the key it was added to, before the strategy's callback sees it.
Gives:    a value, and whether it has seen enough for it to mean something.
          What holds prices may also have `adjust(ratio)`: a split, with ratio new units for each old one, divides the
          prices that it keeps by it (sizes are multiplied). Without one an indicator goes on in mixed units.
Never:    keeps history beyond what its value needs.    Spec: 4 (add_indicator); DESIGN 13.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Indicator(Protocol):
    """Incremental: one `update` per event, in constant time."""

    @property
    def value(self) -> float:
        """The newest value; NaN until it is ready."""
        ...

    @property
    def is_ready(self) -> bool:
        """True once it has seen enough events."""
        ...

    def update(self, event: Any, /) -> None:
        """Take the next event in."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...

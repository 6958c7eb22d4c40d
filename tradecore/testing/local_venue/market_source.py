"""MarketSource: where a local venue's market comes from.

Receives: nothing; this is a definition.
Gives:    the protocol that recordings, stores and synthetic markets satisfy.
Never:    knows the clock: actions carry their instants, and the venue waits for them.    Issue 4, item 2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from tradecore.testing.local_venue.venue_action import VenueAction
from tradecore.testing.local_venue.venue_instrument import VenueInstrument


class MarketSource(Protocol):
    """A market that can be played.

    instruments: what it lists. start_ns: the instant at which playing begins; what is before is the venue's history.
    recorded_quotes: symbols whose best prices are in the source itself. settle_ns: how much later than it happened a
    trade may be published; bars are closed no sooner than that after their end.
    """

    start_ns: int
    recorded_quotes: frozenset[str]
    settle_ns: int

    @property
    def instruments(self) -> Sequence[VenueInstrument]:
        """What it lists."""
        ...

    def batches(self) -> AsyncIterator[list[VenueAction]]:
        """All actions in batches, in order of their instants, each call from the start."""
        ...

"""StateJoin: the recorded part, then a declared hole, then live, for quotes and depth, of which venues keep no past.

Receives: what the store recorded, then live values.
Gives:    each value once, never an older one after a newer; the holes, declared; a verdict with its reason.
Never:    claims proof: there is nothing to prove a state with, and the next value makes up for what was missed. So the
          hole alone does not bar real orders; silence does.    DESIGN 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, lt
from typing import Any

import msgspec

from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instant import format_ns
from tradecore.feeds.identity_join import RESTART_NS
from tradecore.feeds.proof import Hole, JoinCounts, JoinReport, Proof, Verdict

_sequence_of = attrgetter("sequence")


class StateJoin:
    """name: of the stream. Call `take_stored`, then `take_live`.

    An update number (`sequence` above 0) that is not above the last one is no news. Across a seam, a value that equals
    the one that stands is not delivered again; within live it is, because real values do repeat.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = JoinCounts()
        self.has_news = False
        self._last: Any = None
        self._sequence = 0
        self._is_seam = True  # the next live value comes after a hole
        self._history_ns: int | None = None
        self._pivot_ns: int | None = None
        self._declared: list[Hole] = []

    def take_stored(self, rows: Sequence[Any]) -> list[Any]:
        """The next recorded values, in order; all of them are to be delivered."""
        if rows:
            self._last, self._history_ns = rows[-1], rows[-1].ts_event
            self._sequence = max(self._sequence, max(row.sequence for row in rows))
            self.counts.stored += len(rows)
        return list(rows)

    def take_live(self, event: Any) -> bool:
        """Whether a live value is to be delivered."""
        counts, sequence = self.counts, event.sequence
        if self._is_seam:
            return self._cross_seam(event)
        if sequence:
            if sequence <= self._sequence:
                if sequence == self._sequence:
                    counts.duplicates += 1
                else:
                    counts.outdated += 1
                return False
            self._sequence = sequence
        self._last = event
        counts.live += 1
        return True

    def take_run(self, events: Sequence[Any]) -> bool:
        """Take live values in, all of them to be delivered, if each is newer than the one before; else take none."""
        if self._is_seam:
            return False
        sequences = list(map(_sequence_of, events))
        if any(sequences) and not (
            sequences[0] > self._sequence and all(map(lt, sequences, sequences[1:]))
        ):  # those without a number have none at all
            return False
        self._sequence = max(self._sequence, sequences[-1])
        self._last = events[-1]
        self.counts.live += len(events)
        return True

    def note_interruption(self) -> None:
        """The connection was lost, or the book: the stream is PENDING until its next value."""
        self._is_seam = self.has_news = True

    @property
    def is_whole(self) -> bool:
        """Always: nothing that was missed could be brought."""
        return True

    @property
    def verdict(self) -> Verdict:
        """State of the stream, now."""
        if self._is_seam:
            return Verdict(Proof.PENDING, "silent so far; its next value is the state")
        assert self._pivot_ns is not None
        return Verdict(Proof.EXCUSED, f"no history source: starts live at {format_ns(self._pivot_ns)}")

    def make_report(self) -> JoinReport:
        """All of it, as a value."""
        return JoinReport(
            stream=self.name,
            verdict=self.verdict,
            joined_by=None,
            pivot_id=None,
            pivot_ns=self._pivot_ns,
            history_ns=self._history_ns,
            counts=msgspec.structs.replace(self.counts),
            open_holes=(),
            declared=tuple(self._declared),
        )

    def _cross_seam(self, event: Any) -> bool:
        """The first value after a hole."""
        counts, last = self.counts, self._last
        if last is not None and 0 < event.sequence <= self._sequence:
            if event.ts_event <= last.ts_event + RESTART_NS:
                # What was recorded is newer than, or is, this one: not live yet, or the very update that stands.
                counts.overlap += 1
                if event.sequence == self._sequence:
                    self._settle(event)
                return False
            self._sequence = 0  # the venue numbers its updates afresh
        if last is not None:
            self._declared.append(Hole(None, None, last.ts_event, event.ts_event))
        self._settle(event)
        if last is not None and _value(last) == _value(event):
            counts.collapsed += 1
            return False
        counts.live += 1
        return True

    def _settle(self, event: Any) -> None:
        self._is_seam, self.has_news = False, True
        self._last = event
        self._sequence = max(self._sequence, event.sequence)
        if self._pivot_ns is None:
            self._pivot_ns = event.ts_event


def _value(event: Any) -> tuple[Any, ...]:
    if type(event) is DepthSnapshot:
        return event.bids, event.asks
    return event.bid_price, event.bid_size, event.ask_price, event.ask_size

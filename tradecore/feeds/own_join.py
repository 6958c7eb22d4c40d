"""OwnJoin: a user's own history and its live half, whose events carry no ids.

Receives: the events of the historical half, then those of the live half.
Gives:    each event once: a live one that equals a recent historical one (`==`, and the same event time) is dropped, of
          k equals in history and m live ones max(0, m - k) are given; the hole between the halves, declared.
Never:    drops by time alone.    DESIGN 4, 7, 10.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tradecore.domain.instant import format_ns
from tradecore.feeds.own_event import stamp_own_event
from tradecore.feeds.proof import Hole, JoinCounts, JoinReport, Proof, Verdict

OVERLAP_MAX: Final = 4_096
"""Newest historical events that live ones are compared with."""


class OwnJoin:
    """name: of the feed. Call `take_stored`, then `take_live`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = JoinCounts()
        self.has_news = False
        self._recent: deque[tuple[int, Any]] = deque(maxlen=OVERLAP_MAX)
        self._history_ns: int | None = None
        self._last_ns: int | None = None
        self._pivot_ns: int | None = None
        self._is_silent = True
        self._declared: list[Hole] = []

    def take_stored(self, rows: Sequence[Any]) -> list[Any]:
        """The next historical events, in order; all of them are to be delivered."""
        for row in rows[-OVERLAP_MAX:]:
            self._recent.append((stamp_own_event(row)[0], row))
        if rows:
            self._history_ns = self._last_ns = self._recent[-1][0]
        self.counts.stored += len(rows)
        return list(rows)

    def take_live(self, event: Any) -> bool:
        """Whether a live event is to be delivered."""
        ts_event = stamp_own_event(event)[0]
        self.has_news |= self._is_silent
        if self._pivot_ns is None:
            self._pivot_ns = ts_event
        if self._history_ns is not None and ts_event <= self._history_ns and (ts_event, event) in self._recent:
            self._recent.remove((ts_event, event))
            self.counts.overlap += 1
            self._is_silent = False
            return False
        if self._is_silent and self._last_ns is not None:
            self._declared.append(Hole(None, None, self._last_ns, ts_event))
        self._is_silent = False
        if self._last_ns is not None and ts_event < self._last_ns:
            self.counts.late += 1
        self._last_ns = ts_event if self._last_ns is None else max(ts_event, self._last_ns)
        self.counts.live += 1
        return True

    def note_interruption(self) -> None:
        """The live half stood still: it is PENDING until its next event."""
        self._is_silent = self.has_news = True

    @property
    def is_whole(self) -> bool:
        """Always: nothing that was missed could be brought."""
        return True

    @property
    def verdict(self) -> Verdict:
        """State of the stream, now."""
        if self._is_silent:
            return Verdict(Proof.PENDING, "silent so far")
        if self.counts.overlap and not self._declared:
            return Verdict(Proof.PROVED, "history and live joined by overlap")
        assert self._pivot_ns is not None
        return Verdict(Proof.EXCUSED, f"its events carry no ids: starts live at {format_ns(self._pivot_ns)}")

    def make_report(self) -> JoinReport:
        """All of it, as a value."""
        verdict = self.verdict
        return JoinReport(
            stream=self.name,
            verdict=verdict,
            joined_by="overlap" if verdict.proof is Proof.PROVED else None,
            pivot_id=None,
            pivot_ns=self._pivot_ns,
            history_ns=self._history_ns,
            counts=msgspec.structs.replace(self.counts),
            open_holes=(),
            declared=tuple(self._declared),
        )

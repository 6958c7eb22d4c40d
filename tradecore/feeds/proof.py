"""Proof: what is known about one stream's way from history to live, and in which words it is said.

Receives: nothing; these are definitions.
Gives:    the four states of a stream, its holes and counts, the policies of a join.
Never:    decides; feeds/identity_join.py and feeds/state_join.py do.    DESIGN 10.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

import msgspec

from tradecore.domain.instant import SECOND_NS

SETTLE_NS: Final = 2 * SECOND_NS
"""How long past its end a venue may still revise a bar; history asked earlier than that is asked again."""

OnBroken = Literal["halt", "degrade", "allow"]
OnConflict = Literal["halt", "warn"]
OnEmpty = Literal["skip", "flat"]


class Proof(Enum):
    """What is known of a stream. Real orders need PROVED or EXCUSED."""

    PROVED = "PROVED"  # nothing lost, nothing twice: history and live overlap, or touch id to id
    PENDING = "PENDING"  # silent so far: the next event proves it or breaks it
    EXCUSED = "EXCUSED"  # nothing could prove it (no history source); it starts live, and the hole is declared
    BROKEN = "BROKEN"  # something is missing, or came with other values


class Verdict(msgspec.Struct, frozen=True):
    """State of a stream, with the reason a person understands."""

    proof: Proof
    reason: str


class JoinPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What a join does where it cannot prove.

    on_broken: a hole that history does not close ends the run ("halt"), bars real orders ("degrade"), or is declared
    and let pass ("allow"). on_conflict: the same id with other values ends the run ("halt") or is counted ("warn"); it
    is not proved either way. empty: intervals in which nothing happened have no bar ("skip"), or one of the last close
    with volume 0, flagged FLAT ("flat"). settle_ns: see SETTLE_NS; int nanoseconds >= 0.
    """

    on_broken: OnBroken = "degrade"
    on_conflict: OnConflict = "halt"
    empty: OnEmpty = "skip"
    settle_ns: int = SETTLE_NS


class Hole(msgspec.Struct, frozen=True):
    """What is missing between two events of a stream.

    first_id, last_id: of the missing ids, both included; None where they are not known (a state stream, or whatever
    came before the first event). after_ns, before_ns: event times of the events around it, None where there is none.
    """

    first_id: int | None
    last_id: int | None
    after_ns: int | None
    before_ns: int | None


class JoinCounts(msgspec.Struct):
    """What a join met. Whatever enters is delivered or counted under one of the words for what is left out.

    stored, backfilled, live, requeried: handed on, by where from; flat: bars made here; late: of the live ones, those
    that came after a later one. overlap: known already at a seam, from both its sides. duplicates: met live before.
    collapsed: a value that stood already. outdated: an older state after a newer one. unsettled: bars that history
    gave too early to be final. before_start: older than the first event of the stream. conflicts: of those left out,
    the ones whose values differed. empty: ids that history confirms to hold nothing.
    """

    stored: int = 0
    backfilled: int = 0
    live: int = 0
    requeried: int = 0
    flat: int = 0
    late: int = 0
    overlap: int = 0
    duplicates: int = 0
    collapsed: int = 0
    outdated: int = 0
    unsettled: int = 0
    before_start: int = 0
    conflicts: int = 0
    empty: int = 0

    @property
    def delivered(self) -> int:
        """All that was handed on."""
        return self.stored + self.backfilled + self.live + self.requeried + self.flat


class JoinReport(msgspec.Struct, frozen=True):
    """How a stream came from history to live.

    stream: its name. joined_by: "overlap", "adjacency" or "query", None while nothing joined them. pivot_id, pivot_ns:
    id and event time of the first live event, None while there is none. history_ns: event time of the last event that
    history gave. open_holes are still asked for, declared ones are not.
    """

    stream: str
    verdict: Verdict
    joined_by: str | None
    pivot_id: int | None
    pivot_ns: int | None
    history_ns: int | None
    counts: JoinCounts
    open_holes: tuple[Hole, ...]
    declared: tuple[Hole, ...]

"""IdentityJoin: history and live of one stream whose events carry ids, made into one, with proof.

Receives: the stored part, then pages of the venue's history, then live events; answers to what it asked again.
Gives:    each event once, in order; a verdict with its reason; the holes, and the question that would close them.
Never:    takes two events for one because of their time: ids alone decide. Never waits, never asks by itself: what it
          wants to know is `question`, and who drives it brings the answer.    DESIGN 10.

A trade's id is its number, a bar's is its end; `step` is the distance of two neighbours. What history leaves out
between two rows of one answer is confirmed to be empty; what is missing between two answers, or between history and
live, is a hole until an answer that reaches from one side of it to the other says what was there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.instant import SECOND_NS, format_ns
from tradecore.errors import FeedMismatch, StreamBroken, StreamConflict
from tradecore.feeds.proof import Hole, JoinCounts, JoinPolicy, JoinReport, Proof, Verdict
from tradecore.feeds.recent_events import RECENT, RecentEvents
from tradecore.feeds.seen_ids import MissingIds, Place, SeenIds

HOLES_MAX: Final = 1_000
"""Open holes kept for one stream. One with more has ids that are not adjacent by nature."""

RESTART_NS: Final = SECOND_NS
"""A known or lower id whose event is later than the newest by more than this was given out anew."""


class Question(msgspec.Struct, frozen=True):
    """What a join would ask history: all of the stream from one event that it has to another, both included.

    from_id, start_ns: None when nothing before the hole is known; then ask from the start of the run.
    """

    from_id: int | None
    to_id: int
    start_ns: int | None
    end_ns: int


class IdentityJoin:
    """name: of the stream. identify: id of an event, None where it carries none. step: distance of adjacent ids.

    has_history: whether the venue can be asked for this stream's past. Call `take_stored`, then `begin_backfill` and
    `take_backfill`, then `take_live`; at any time `take_answer` for a `question`.
    """

    def __init__(
        self,
        name: str,
        identify: Callable[[Any], int | None],
        *,
        step: int = 1,
        policy: JoinPolicy | None = None,
        has_history: bool = True,
    ) -> None:
        self.name = name
        self.counts = JoinCounts()
        self.has_news = False  # the verdict may have changed; who reads it sets this back
        self.settles_ns: int | None = None  # when, by the venue's clock, the last answer's unsettled bars have settled
        self._identify = identify
        self._step = step
        self._policy = policy or JoinPolicy()
        self._has_history = has_history
        self._seen = SeenIds(step)
        self._recent = RecentEvents(identify, step)
        self._next: int | None = None  # the id that needs no second look; None while the next live event decides
        self._last_ns: int | None = None  # event time of the highest id
        self._history_ns: int | None = None
        self._history_last: int | None = None
        self._complete_from: int | None = None  # from this id on, the history at hand leaves out nothing
        self._settled_ns = 0
        self._pivot: tuple[int, int] | None = None
        self._joined_by: str | None = None
        self._is_silent = True
        self._is_start_open = False  # nothing before the first event is known, and history may have some of it
        self._declared: list[Hole] = []
        self._fault: str | None = None  # what cannot be mended in this run
        self._allowance: str | None = None  # why the stream is excused

    # ------------------------------------------------------------------------------------------------------- history

    def take_stored(self, rows: Sequence[Any]) -> list[Any]:
        """The next rows of the store, in order; those to deliver. Raises: FeedMismatch for rows without ids."""
        self._complete_from = None
        given = self._take_rows(rows, is_answer=False)
        self.counts.stored += len(given)
        return given

    def begin_backfill(self, *, asked_from: int | None, as_of_ns: int) -> None:
        """Pages of one answer follow, complete from the id that was asked for (None: asked for by time alone).

        as_of_ns: the venue's time when it answered; bars that had not settled by then are left out, to be asked again.
        """
        self._complete_from = asked_from
        self.settles_ns = None
        self._settled_ns = as_of_ns - self._policy.settle_ns

    def take_backfill(self, rows: Sequence[Any]) -> list[Any]:
        """The next page of the answer; those to deliver, and FLAT bars where the policy wants them."""
        flats = self.counts.flat
        given = self._take_rows(self._settle(rows), is_answer=True)
        self.counts.backfilled += len(given) - (self.counts.flat - flats)
        return given

    # ---------------------------------------------------------------------------------------------------------- live

    def take_live(self, event: Any) -> bool:
        """Whether a live event is to be delivered. Raises: StreamConflict under "halt"; FeedMismatch."""
        number = self._identify(event)
        if number is None or number != self._next:
            return self._take_odd(number, event)
        self._next = number + self._step
        self._seen.last = number
        self._last_ns = event.ts_event
        self._recent.ring[number // self._step % RECENT] = event  # its `add`, without the call
        self.counts.live += 1
        return True

    def take_run(self, events: Sequence[Any]) -> bool:
        """Take live events in, all of them to be delivered, if they are nothing but the next ones; else take none."""
        first, step = self._next, self._step
        if first is None:
            return False
        last = first + (len(events) - 1) * step
        numbers = range(first, last + 1, step)
        if list(map(self._identify, events)) != list(numbers):
            return False
        self._recent.add_run(last, events)
        self._next, self._seen.last, self._last_ns = last + step, last, events[-1].ts_event
        self.counts.live += len(events)
        return True

    def end_replay(self) -> None:
        """Phase B is over: what it had from the cache comes again in C, and that is overlap, not a duplicate."""
        self._history_last = self._seen.last

    def note_interruption(self) -> None:
        """The connection was lost: the stream is PENDING until its next event."""
        self._is_silent = self.has_news = True
        self._next = None

    # ------------------------------------------------------------------------------------------- asking history again

    @property
    def question(self) -> Question | None:
        """What to ask history so that all open holes close; None when there is none, or nobody to ask."""
        holes, pivot = self._seen.holes, self._pivot
        if not self._has_history or self.is_whole:
            return None
        if self._is_start_open and pivot is not None:
            to_id = holes[-1].last + self._step if holes else pivot[0]
            return Question(None, max(to_id, pivot[0]), None, pivot[1])
        first, last = holes[0], holes[-1]
        return Question(first.first - self._step, last.last + self._step, first.after_ns, last.before_ns)

    def take_answer(
        self, rows: Sequence[Any], question: Question, *, as_of_ns: int, page_from: int | None = None
    ) -> list[Any]:
        """History's answer to a question, or the next page of it; what of it is to be delivered, in order of id.

        It proves as far as it reaches: an answer that ends before `question.to_id` leaves the rest of the holes open.
        page_from: last id of the page before, None of the first one: a page says nothing of what lies before it. Holes
        may have opened there since, behind rows that were still to come live.
        """
        self._settled_ns = as_of_ns - self._policy.settle_ns
        seen, given = self._seen, []
        reach: int | None = None
        for row in self._settle(rows):
            number = self._need_id(row)
            if seen.last is None or number > seen.last:
                break  # it will come live; from here it would overtake what is on the way
            reach = number
            place = seen.find_place(number)
            if place is Place.IN_HOLE or (place is Place.BEFORE and self._is_start_open):
                self._add(number, row)
                self.counts.requeried += 1
                given.append(row)
            elif place is Place.KNOWN:
                self._compare(number, row)
        if reach is None:
            return []
        self.has_news = True
        if question.from_id is None and reach >= question.to_id:
            self._is_start_open = False
        given += self._confirm_empty(question.from_id if page_from is None else page_from + self._step, reach)
        given.sort(key=self._need_id)
        if self._joined_by is None and self.is_whole:
            self._joined_by = "query"
        return given

    def put_in_order(self, events: list[Any]) -> list[Any]:
        """Events that are not handed on yet, by id: an answer goes before what came after the hole."""
        return sorted(events, key=self._need_id)

    def give_up(self, *, oldest_only: bool = False) -> None:
        """Declare what is missing (the oldest hole of it), as the policy says. Raises: StreamBroken under "halt"."""
        if self.is_whole:
            return
        holes = self._seen.holes
        count = len(holes) if not oldest_only else int(not self._is_start_open)
        what = self._describe_missing(holes[:count])
        if self._policy.on_broken == "halt":
            raise StreamBroken(self.name, what)
        if self._is_start_open:
            self._declared.append(Hole(None, None, None, None))
        self._declared += [hole.as_hole() for hole in holes[:count]]
        del holes[:count]
        self._is_start_open, self.has_news = False, True
        if self._policy.on_broken == "allow":
            self._allowance = f"{what}; declared, and let pass by on_broken = 'allow'"
        else:
            self._fault = f"{what}; declared"

    # --------------------------------------------------------------------------------------------------------- proof

    @property
    def verdict(self) -> Verdict:
        """State of the stream, now."""
        if self._fault is not None:
            return Verdict(Proof.BROKEN, self._fault)
        if not self.is_whole:
            return Verdict(Proof.BROKEN, self._describe_missing(self._seen.holes))
        if self._is_silent:
            return Verdict(Proof.PENDING, "silent so far; its next event proves it or breaks it")
        if self._allowance is not None:
            return Verdict(Proof.EXCUSED, self._allowance)
        return Verdict(Proof.PROVED, f"history and live joined by {self._joined_by}")

    def make_report(self) -> JoinReport:
        """All of it, as a value."""
        pivot_id, pivot_ns = self._pivot or (None, None)
        return JoinReport(
            stream=self.name,
            verdict=self.verdict,
            joined_by=self._joined_by,
            pivot_id=pivot_id,
            pivot_ns=pivot_ns,
            history_ns=self._history_ns,
            counts=msgspec.structs.replace(self.counts),
            open_holes=tuple(self._list_open()),
            declared=tuple(self._declared),
        )

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing that could still be brought."""
        return not self._seen.holes and not self._is_start_open

    def _list_open(self) -> list[Hole]:
        start = [Hole(None, None, None, None)] if self._is_start_open else []
        return start + [hole.as_hole() for hole in self._seen.holes]

    def _describe_missing(self, holes: Sequence[MissingIds]) -> str:
        if self._is_start_open:
            return f"what came before id {self._seen.first} is not known"
        count = sum((hole.count(self._step) for hole in holes), 0)
        after, before = (
            "the start" if ns is None else format_ns(ns) for ns in (holes[0].after_ns, holes[-1].before_ns)
        )
        return f"{count} missing from id {holes[0].first} to {holes[-1].last}, between {after} and {before}"

    # ----------------------------------------------------------------------------------------------- rows of history

    def _take_rows(self, rows: Sequence[Any], *, is_answer: bool) -> list[Any]:
        if not rows:
            return []
        numbers = [self._need_id(row) for row in rows]
        seen, step = self._seen, self._step
        is_smooth = seen.last is None or numbers[0] == seen.last + step
        if is_smooth and numbers == list(range(numbers[0], numbers[0] + len(rows) * step, step)):
            # Nothing but neighbours: the usual page.
            if seen.first is None:
                seen.first, seen.first_ns = numbers[0], rows[0].ts_event
            seen.last, self._last_ns = numbers[-1], rows[-1].ts_event
            self._recent.add_run(numbers[-1], rows)
            given = list(rows)
        else:
            given = []
            for number, row in zip(numbers, rows, strict=True):
                self._take_row(number, row, given)
                if is_answer:
                    self._complete_from = number
        if is_answer:
            self._complete_from = numbers[-1]
        self._history_last, self._history_ns = seen.last, self._last_ns
        return given

    def _take_row(self, number: int, row: Any, given: list[Any]) -> None:
        """One row of history that need not be the neighbour of the one before."""
        self._check_grid(number, row)
        seen, last = self._seen, self._seen.last
        place = seen.find_place(number)
        if place is Place.KNOWN:
            self.counts.overlap += 1
            self._compare(number, row)
        elif place is Place.BEFORE:
            self.counts.before_start += 1
        else:
            self._add(number, row)
            if place is Place.AHEAD and last is not None and self._is_complete_after(last):
                given += self._confirm_empty(last + self._step, number)
            given.append(row)

    def _is_complete_after(self, number: int) -> bool:
        """Whether the history at hand leaves out nothing that follows this id."""
        return self._complete_from is not None and self._complete_from <= number + self._step

    def _settle(self, rows: Sequence[Any]) -> list[Any]:
        """In order of id, and without the bars that the venue may still revise: those are asked for again."""
        ordered = sorted(rows, key=self._need_id)
        if not ordered or type(ordered[0]) is not Bar:
            return ordered
        settled = [row for row in ordered if row.ts_event <= self._settled_ns]
        if len(settled) < len(ordered):
            self.counts.unsettled += len(ordered) - len(settled)
            self.settles_ns = ordered[-1].ts_event + self._policy.settle_ns
        return settled

    def _confirm_empty(self, first: int | None, last: int) -> list[Any]:
        """History says that the ids from first to last hold nothing but what it gave; the FLAT bars for them."""
        flats: list[Any] = []
        for hole in self._seen.close_holes(first, last):
            self.counts.empty += hole.count(self._step)
            if self._policy.empty == "flat":
                flats += self._recent.make_flats(hole)
        self.counts.flat += len(flats)
        return flats

    # ------------------------------------------------------------------------------------------- live, off the fast way

    def _take_odd(self, number: int | None, event: Any) -> bool:
        """A live event that is not simply the next one."""
        number = self._check_grid(number, event)
        counts = self.counts
        if self._pivot is None:
            self._pivot = (number, event.ts_event)
        place = self._seen.find_place(number)
        known = place in (Place.KNOWN, Place.BEFORE)
        if known and self._last_ns is not None and event.ts_event > self._last_ns + RESTART_NS:
            self._begin_anew(number, event)
            place, known = Place.FIRST, False
        is_start = self._is_silent and self._settle_start(place, number)
        if place is Place.BEFORE and self._is_start_open:
            known = False
        self.has_news |= not known
        if known:
            self._leave_out(place, number, event)
        else:
            self._add(number, event)
            counts.live += 1
            counts.late += place in (Place.IN_HOLE, Place.BEFORE)
        if is_start:
            self._declared += self._list_open()
            self._seen.holes.clear()
        if self._joined_by is None and self.is_whole and self._allowance is None:
            self._joined_by = "adjacency"
        assert self._seen.last is not None
        self._next = self._seen.last + self._step
        return not known

    def _settle_start(self, place: Place, number: int) -> bool:
        """What the first live event (or the first after an interruption) says about the seam.

        True where nobody can be asked for what lies before it: then that is declared, as for a state.
        """
        self._is_silent, self.has_news = False, True
        last = self._seen.last
        if place in (Place.NEXT, Place.KNOWN):
            self._joined_by = self._joined_by or ("adjacency" if place is Place.NEXT else "overlap")
        elif not self._has_history and self._fault is None and self.counts.live == 0:
            recorded = "" if last is None else f"; recorded up to id {last}"
            self._allowance = f"no history source: starts live at id {number}{recorded}"
            return True
        elif place is Place.FIRST and self._fault is None:
            self._is_start_open = True
        return False

    def _leave_out(self, place: Place, number: int, event: Any) -> None:
        """Count a live event that is not delivered. Raises: StreamConflict under "halt"."""
        if place is Place.BEFORE:
            self.counts.before_start += 1
            return
        if self._history_last is not None and number <= self._history_last:
            self.counts.overlap += 1
        else:
            self.counts.duplicates += 1
        self._compare(number, event)

    def _begin_anew(self, number: int, event: Any) -> None:
        """Ids fell back although time went on: the venue counts afresh, and nothing can be proved across that."""
        self._fault = (
            f"ids began anew with {number} at {format_ns(event.ts_event)}, after {self._seen.last}; what lies between "
            "cannot be known"
        )
        self._declared += [*self._list_open(), Hole(None, None, self._last_ns, event.ts_event)]
        self._seen = SeenIds(self._step)
        self._is_start_open, self._history_last = False, None
        self._recent = RecentEvents(self._identify, self._step)

    def _add(self, number: int, event: Any) -> None:
        seen = self._seen
        is_newest = seen.last is None or number > seen.last
        seen.add(number, event.ts_event, self._last_ns)
        if is_newest:
            self._last_ns = event.ts_event
        self._recent.add(number, event)
        if len(seen.holes) > HOLES_MAX:
            first, last = seen.holes[0], seen.holes[-1]
            self._declared.append(Hole(first.first, last.last, first.after_ns, last.before_ns))
            seen.holes.clear()
            self._fault = f"more than {HOLES_MAX} holes were open at once; its ids are not adjacent by nature"

    # -------------------------------------------------------------------------------------------------- ids and values

    def _need_id(self, row: Any) -> int:
        number = self._identify(row)
        if number is None:
            raise FeedMismatch(
                f"{self.name}: {row!r} carries no id, so this stream cannot be joined to live; import the stretch with "
                "its ids, or use a store without it"
            )
        return number

    def _check_grid(self, number: int | None, event: Any) -> int:
        if number is None or not self._seen.is_on_grid(number):
            raise FeedMismatch(
                f"{self.name}: {event!r} has the id {number}, which is no whole number of steps ({self._step}) from "
                "the others; a stream that is proved by id needs one on every event"
            )
        return number

    def _compare(self, number: int, again: Any) -> None:
        """Count a second event of an id whose values differ from the first's. Raises: StreamConflict under "halt"."""
        first = self._recent.find_other(number, again)
        if first is None:
            return
        self.counts.conflicts += 1
        self._fault = f"id {number} came with other values ({format_ns(again.ts_event)})"
        self.has_news = True
        if self._policy.on_conflict == "halt":
            raise StreamConflict(self.name, number, first, again)

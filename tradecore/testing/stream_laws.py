"""Stream laws: what must hold between a venue's truth, what a strategy saw, and what the run says is missing.

Receives: the events that the venue published of one stream, those that were delivered, the join's report.
Gives:    StreamLawBroken, saying which law and which event.
Never:    shares code with the joins that it judges: an own look at ids, in plain Python.    RELIABILITY P2, P3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from tradecore.feeds.proof import JoinReport, Proof


class StreamLawBroken(AssertionError):
    """A law of the seam does not hold."""


def check_identity_stream(
    truth: Sequence[Any],
    seen: Sequence[Any],
    report: JoinReport,
    identify: Callable[[Any], int | None],
    *,
    are_answers_late: bool = True,
) -> None:
    """Every event once; what is missing is declared; PROVED means that nothing is; late ones are counted.

    truth: from the run's start on, in the venue's order. seen: as delivered, without FLAT bars. are_answers_late: what
    history brought for a hole may come behind it, as it does in phase D. Raises: StreamLawBroken.
    """
    by_id = {_need(identify, event): event for event in truth}
    numbers = [_need(identify, event) for event in seen]
    twice = [number for number, count in Counter(numbers).items() if count > 1]
    if twice:
        raise StreamLawBroken(f"{report.stream}: delivered twice: ids {twice[:5]}")
    for number, event in zip(numbers, seen, strict=True):
        if number not in by_id:
            raise StreamLawBroken(f"{report.stream}: id {number} was delivered, but the venue has no such event, yet")
        if _content(event) != _content(by_id[number]):
            raise StreamLawBroken(f"{report.stream}: id {number} was delivered as {event!r}, it is {by_id[number]!r}")
    missing = sorted(set(by_id) - set(numbers))
    undeclared = [number for number in missing if not _is_declared(number, report)]
    if undeclared:
        raise StreamLawBroken(f"{report.stream}: missing, and in no hole that the run declares: ids {undeclared[:5]}")
    if missing and report.verdict.proof is Proof.PROVED:
        raise StreamLawBroken(f"{report.stream}: PROVED, but ids {missing[:5]} are missing")
    steps_back = _count_steps_back(numbers)
    counted = report.counts.late + (report.counts.requeried if are_answers_late else 0)
    if steps_back > counted:
        raise StreamLawBroken(f"{report.stream}: {steps_back} came after a later one, {counted} counted")
    if report.counts.delivered != len(seen) + report.counts.flat:
        raise StreamLawBroken(f"{report.stream}: {len(seen)} delivered, {report.counts.delivered} counted")


def check_state_stream(truth: Sequence[Any], seen: Sequence[Any], report: JoinReport) -> None:
    """Every value is the venue's, none after a newer one, and a value that was left out stood already or is declared.

    truth, seen: as above; values carry update numbers above 0. Raises: StreamLawBroken.
    """
    places = {event.sequence: place for place, event in enumerate(truth)}
    at = [places.get(event.sequence, -1) for event in seen]
    if -1 in at:
        raise StreamLawBroken(f"{report.stream}: {seen[at.index(-1)]!r} was delivered, but the venue never said it")
    for before, after in pairwise(at):
        if after <= before:
            raise StreamLawBroken(f"{report.stream}: update {truth[after].sequence} after {truth[before].sequence}")
    for place in sorted(set(range(at[0], at[-1] + 1)) - set(at)) if at else []:
        event, before = truth[place], truth[place - 1]
        ts = event.ts_event
        in_hole = any(
            (hole.after_ns is None or hole.after_ns <= ts) and (hole.before_ns is None or ts <= hole.before_ns)
            for hole in report.declared
        )
        if not in_hole and _content(event) != _content(before):
            raise StreamLawBroken(f"{report.stream}: update {event.sequence} is missing, and in no declared hole")


def _need(identify: Callable[[Any], int | None], event: Any) -> int:
    number = identify(event)
    if number is None:
        raise StreamLawBroken(f"{event!r} has no id")
    return number


def _is_declared(number: int, report: JoinReport) -> bool:
    return any(
        (hole.first_id is None or hole.first_id <= number) and (hole.last_id is None or number <= hole.last_id)
        for hole in (*report.declared, *report.open_holes)
    )


def _count_steps_back(numbers: Sequence[int]) -> int:
    """Events that come after one with a higher id."""
    highest, back = None, 0
    for number in numbers:
        if highest is not None and number < highest:
            back += 1
        else:
            highest = number
    return back


def _content(event: Any) -> tuple[Any, ...]:
    """Everything but when it was received, and how it reached us."""
    names = [name for name in event.__struct_fields__ if name not in ("ts_received", "flags", "sequence")]
    return tuple(getattr(event, name) for name in names)

"""Join: the way of one stream from history to live, as a pure function of sequences and a policy.

Receives: a stream, what its venue says of its history, a policy.
Gives:    the join that suits it (`make_join`); `splice`, all of a stream at once.
Never:    waits or reads a clock: feeds and phases bring the rows, the events and the venue's time.    DESIGN 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

from tradecore.domain.stream import Stream
from tradecore.feeds.identity_join import IdentityJoin, Question
from tradecore.feeds.proof import JoinCounts, JoinPolicy, JoinReport, Verdict
from tradecore.feeds.state_join import StateJoin
from tradecore.venues.market_data_venue import HistoryKind, MarketDataVenue

Ask = Callable[[Question], tuple[Sequence[Any], int]]
"""Asks history again: rows, and the venue's time when it answered (int nanoseconds)."""


class StreamJoin(Protocol):
    """What every join does. IdentityJoin for trades and bars, StateJoin for quotes and depth, OwnJoin for users'.

    has_news: the verdict may have changed; who reads it sets this back.
    """

    name: str
    counts: JoinCounts
    has_news: bool

    def take_stored(self, rows: Sequence[Any]) -> list[Any]:
        """The next rows of the store, in order; those to deliver."""
        ...

    def take_live(self, event: Any) -> bool:
        """Whether a live event is to be delivered."""
        ...

    def take_run(self, events: Sequence[Any]) -> bool:
        """Whether these live events, one or more, are plainly the next ones; then all are taken, else none."""
        ...

    def note_interruption(self) -> None:
        """The connection was lost; PENDING until the next event."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing that could still be brought."""
        ...

    @property
    def verdict(self) -> Verdict:
        """State of the stream, now."""
        ...

    def make_report(self) -> JoinReport:
        """All of it, as a value."""
        ...


def make_join(stream: Stream, venue: MarketDataVenue, policy: JoinPolicy) -> IdentityJoin | StateJoin:
    """The join of a venue's stream. The ids are the venue's: its `identity` decides what is one event and what two."""
    if not stream.has_identity:
        return StateJoin(str(stream))

    identify = partial(venue.identity, stream)
    bar_type = stream.bar_type
    has_history = venue.history_kind(stream).kind is not HistoryKind.NONE
    step = 1 if bar_type is None else max(bar_type.step_ns, 1)
    return IdentityJoin(str(stream), identify, step=step, policy=policy, has_history=has_history)


def splice(
    join: IdentityJoin,
    stored: Iterable[Sequence[Any]],
    backfill: Iterable[Sequence[Any]],
    live: Iterable[Any],
    *,
    asked_from: int | None,
    as_of_ns: int,
    ask: Ask | None = None,
) -> Iterator[Any]:
    """Each event of store, backfill and live once, one by one; what `ask` brings comes right where it was missing.

    stored, backfill: in pages. asked_from: the id from which the backfill is complete, None when it was asked for by
    time. as_of_ns: the venue's time when it answered. Without `ask`, holes stay open until `join.give_up()`.
    """
    for rows in stored:
        yield from _with_answer(join, join.take_stored(rows), ask)
    join.begin_backfill(asked_from=asked_from, as_of_ns=as_of_ns)
    for rows in backfill:
        yield from _with_answer(join, join.take_backfill(rows), ask)
    for event in live:
        if join.take_live(event):
            yield from _with_answer(join, [event], ask)


def _with_answer(join: IdentityJoin, given: list[Any], ask: Ask | None) -> list[Any]:
    """What was given, and where it opened a hole what history says about that, in order of id."""
    question = join.question
    if question is None or ask is None:
        return given
    rows, as_of_ns = ask(question)
    return join.put_in_order(given + join.take_answer(rows, question, as_of_ns=as_of_ns))

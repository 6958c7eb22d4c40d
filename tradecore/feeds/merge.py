"""The merge kernel: events of many feeds in one total order, window by window.

Receives: per feed (a lane), events in venue order; a mark: the instant before which every feed is complete.
Gives:    windows: all deliveries strictly before the mark, in delivery order
          (ts_received, ts_event, kind rank, bar step, series name, feed number, sequence).
Never:    splits an instant over two windows, so neither batch sizes nor the order in which feeds were added can show;
          never awaits (engine/event_queue.py fetches).    Spec: 3.1; DESIGN 4, 5.

Slices are joined in rank order and sorted stably by time: Timsort finds the runs, which costs a fraction of a heap, and
less again where the times stand in columns beside the events. Where all events are still columns, these are sorted, and
the events are made of them in the order in which they will be delivered (row_merge.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter, ne
from typing import Any, Final, NamedTuple

import msgspec

from tradecore.domain.bar import Bar
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.event import RANK_BAR, RANK_DEPTH, RANK_OWN, RANK_QUOTE, RANK_TIME, RANK_TRADE
from tradecore.domain.event_batch import find_column
from tradecore.domain.event_rows import EventRows
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.time_event import OneTimeEvent, RepeatingEvent
from tradecore.domain.trade_tick import TradeTick
from tradecore.feeds.row_merge import merge_rows

Rank = tuple[int, int, str, int]
"""Kind rank, bar step (ns), series name, feed number: the order of slices within one instant."""

COLUMNS_LEAST: Final = 256
"""Events of a window from which on times are sorted as columns, where they are: fewer are sooner done one by one."""

event_time = attrgetter("ts_event")
received_time = attrgetter("ts_received")

TIME_EVENT_CLASSES: Final = frozenset({OneTimeEvent, RepeatingEvent})
_KIND_RANKS: Final[dict[type, int]] = {
    DepthSnapshot: RANK_DEPTH,
    QuoteTick: RANK_QUOTE,
    TradeTick: RANK_TRADE,
    Bar: RANK_BAR,
    OneTimeEvent: RANK_TIME,
    RepeatingEvent: RANK_TIME,
}
KNOWN_CLASSES: Final = tuple(_KIND_RANKS)
"""Classes of events that have a callback of their own."""


class Envelope(msgspec.Struct):
    """An event that cannot be routed by its class and series alone: a user's own, or one of two feeds of one series.

    The times are those the engine orders by; `rank` and `lane` say where it came from.
    """

    ts_received: int
    ts_event: int
    event: Any
    rank: Rank
    lane: Any

    @property
    def event_class(self) -> type:
        """Class of the event inside."""
        return type(self.event)


def is_time_event(event: Any) -> bool:
    """Whether it is a timer's, in an envelope or not."""
    cls = type(event)
    if cls is Envelope:
        cls = event.event_class
    return cls in TIME_EVENT_CLASSES


def rank_of(event: Any, feed_name: str, feed_number: int) -> Rank:
    """Place of an event within its instant."""
    kind = _KIND_RANKS.get(type(event), RANK_OWN)
    if kind == RANK_BAR:
        return (kind, event.bar_type.step_ns, event.bar_type.name, feed_number)
    return (kind, 0, feed_name if kind >= RANK_OWN else event.instrument, feed_number)


class Lane:
    """One feed's place in the merge: what it has given and what of it is not delivered yet.

    series: key of its one series (then `rank` is that of all its events), or None for a feed of mixed or own events,
    which arrive in envelopes. held: not yet taken, in venue order: a list, or EventRows of a feed that gives_rows.
    held_times: event times of a list as an array of numpy, where all came with one. carried: taken (the brokers have
    them), due later than the last mark because they were delayed. is_trusted: the feed's events are known to be in
    order and of its series. by_arrival: the feed says that its events are live or recorded, hence in order of arrival,
    brokers' events included (DESIGN 4). time_of: that time of an event, else its event time. last_ts: this time of the
    newest event that was fetched; next_ns: of the one after it, where the feed knows it. read_ahead: events at hand
    with which nothing more is fetched, where the feed asks for that; else a batch.
    """

    __slots__ = (
        "by_arrival", "carried", "drop_until", "error", "feed", "finished", "gives_rows", "held", "held_times",
        "is_coincident", "is_trusted", "last_ts", "next_ns", "number", "rank", "read_ahead", "rows", "series", "taken",
        "time_of",
    )  # fmt: skip

    def __init__(self, feed: Any, number: int, series: Any, rank: Rank | None) -> None:
        self.feed = feed
        self.number = number
        self.series = series
        self.rank = rank
        self.held: Any = []
        self.held_times: Any = None
        self.taken = 0  # how many of held are gone; it is cut when half of it is
        self.carried: list[Any] = []
        self.finished = False
        self.error: Exception | None = None
        self.last_ts: int | None = None
        self.next_ns: int | None = None
        self.rows = 0
        self.drop_until: int | None = None
        self.is_coincident = True
        self.is_trusted = bool(getattr(feed, "is_trusted", False))
        self.by_arrival = bool(getattr(feed, "by_arrival", False))
        self.time_of: Callable[[Any], int] = received_time if self.by_arrival else event_time
        is_plain = rank is not None and self.is_trusted and not self.by_arrival
        self.gives_rows = is_plain and bool(getattr(feed, "gives_rows", False))
        self.read_ahead: int | None = getattr(feed, "read_ahead", None)

    def go_live(self) -> None:
        """History is over: what comes now is live, and counts by its arrival."""
        self.by_arrival, self.time_of, self.next_ns = True, received_time, None

    @property
    def remaining(self) -> int:
        """Events at hand that are not taken yet."""
        return len(self.held) - self.taken

    @property
    def first_ns(self) -> int:
        """Time of the first event that is not taken yet, where there is one."""
        held = self.held
        first_ns: int = held.first_ns if type(held) is EventRows else self.time_of(held[self.taken])
        return first_ns

    def find_end_ns(self) -> int:
        """When the last of the events at hand happens or is received, whichever is later."""
        held: Any = self.held
        if type(held) is EventRows:  # received when they happen
            return held.last_ns
        end_ns: int = max(self.time_of(held[-1]), max(map(received_time, held)))
        return end_ns

    @property
    def is_exhausted(self) -> bool:
        """Nothing at hand and nothing to come."""
        return self.finished and not self.remaining and not self.carried

    def accept(self, events: list[Any], *, coincident: bool) -> None:
        """Take in a fetched batch, in venue order."""
        if self.drop_until is not None:
            events = events[bisect_left(events, self.drop_until, key=self.time_of) :]
            if not events:
                return
            self.drop_until = None
        if not coincident and self.is_coincident and not self.by_arrival:
            self.is_coincident = not any(map(ne, map(received_time, events), map(event_time, events)))
        self.last_ts = self.time_of(events[-1])
        times = find_column(events, "ts_event")
        if getattr(times, "dtype", None) != "int64":  # numpy's; joined with another kind they might become floats
            times = None
        if self.taken < len(self.held):
            if self.held_times is not None and times is not None:
                times = _join([self.held_times[self.taken :], times])
            else:
                times = None
            events = self.held[self.taken :] + events
        self.held, self.held_times, self.taken = events, times, 0

    def accept_rows(self, rows: EventRows) -> None:
        """Take in a fetched batch that is still columns; what is at hand is columns of the same feed, if anything."""
        if self.drop_until is not None:
            rows = rows.split(self.drop_until)[1]
        if not rows:
            return
        self.drop_until = None
        self.last_ts = rows.last_ns
        self.held = rows.continue_from(self.held) if self.remaining else rows
        self.held_times, self.taken = None, 0

    def take(self, mark: int | None) -> tuple[Any, Any]:
        """Events before the mark (all, without one), in venue order, and their event times where those are an array of
        numpy, else None. They leave `held`.
        """
        held, times, taken = self.held, self.held_times, self.taken
        if taken == len(held):
            return [], None
        if type(held) is EventRows:
            if mark is None or held.last_ns < mark:
                due, self.held = held, []
            elif held.first_ns >= mark:
                return [], None
            else:
                due, self.held = held.split(mark)
            return due, due.times
        if mark is None or self.time_of(held[-1]) < mark:
            self.held, self.held_times, self.taken = [], None, 0
            if not taken:
                return held, times
            return held[taken:], None if times is None else times[taken:]
        cut = bisect_left(held, mark, taken, key=self.time_of)
        if 2 * cut > len(held):  # little is left, most often: what is taken shall be gone once it is delivered
            self.held, self.taken = held[cut:], 0
            self.held_times = None if times is None else times[cut:]
        else:
            self.taken = cut
        return held[taken:cut], None if times is None else times[taken:cut]


class Window:
    """Deliveries strictly before `mark`, in order, and what the brokers must load for it.

    lane: the one lane that all deliveries came from, where there is just one and it needs no envelopes; else None.
    only: the class that all deliveries are of, where that is known and they need no envelopes; else None.
    loads: (lane, events in venue order) for every lane that took something.
    """

    __slots__ = ("deliveries", "is_last", "lane", "loads", "mark", "only")

    def __init__(
        self,
        deliveries: Sequence[Any],
        lane: Lane | None,
        loads: list[tuple[Lane, Sequence[Any]]],
        mark: int,
        *,
        only: type | None = None,
        is_last: bool,
    ) -> None:
        self.deliveries = deliveries
        self.lane = lane
        self.loads = loads
        self.mark = mark
        self.only = only
        self.is_last = is_last


class Slice(NamedTuple):
    """Events of one rank, in their order, a list or EventRows. times: when they happen, as an array of numpy, where
    there is one; who received each of them at that instant may sort by it.
    """

    rank: Rank
    events: Any
    lane: Lane
    times: Any = None


def merge_window(lanes: Sequence[Lane], mark: int, *, is_last: bool = False) -> Window:
    """Take everything before the mark from the lanes and put it into delivery order."""
    slices: list[Slice] = []
    loads: list[tuple[Lane, Sequence[Any]]] = []
    in_step = True
    for lane in lanes:
        new, times = lane.take(mark)
        if new:
            loads.append((lane, new))
        if lane.is_coincident and not lane.carried:
            due = new
            in_step &= not lane.by_arrival  # bars made of arrivals are received with them, and happened before
        else:
            due = lane.carried + new
            due.sort(key=event_time)
            due.sort(key=received_time)
            cut = bisect_left(due, mark, key=received_time)
            lane.carried, due, times = due[cut:], due[:cut], None
            in_step = False
        if due:
            if lane.rank is not None:
                slices.append(Slice(lane.rank, due, lane, times))
            else:
                _slice(due, lane, slices)
    if len(slices) == 1:
        _, deliveries, lane, _ = slices[0]
        if type(deliveries) is EventRows:
            deliveries = deliveries.build()
        return Window(deliveries, lane if lane.rank is not None else None, loads, mark, is_last=is_last)
    slices.sort(key=_slice_rank)
    only = None
    if (
        slices
        and slices[0][0][0] == slices[-1][0][0] < RANK_OWN
        and all(lane.is_trusted and lane.rank is not None for _, _, lane, _ in slices)
    ):
        first = slices[0].events  # they stand in order of their kinds
        only = first.source.event_class if type(first) is EventRows else type(first[0])
    return Window(_sort(slices, in_step=in_step), None, loads, mark, only=only, is_last=is_last)


def _sort(slices: Sequence[Slice], *, in_step: bool) -> Sequence[Any]:
    """The events of slices that stand in rank order, by time. in_step: each was received when it happened."""
    if in_step and slices and (made := merge_rows([events for _, events, _, _ in slices])) is not None:
        return made
    joined: list[Any] = []
    in_columns = 0
    for _, events, _, times in slices:
        joined += events
        if times is not None:
            in_columns += len(times)
    if not in_step:
        joined.sort(key=event_time)
    elif in_columns >= COLUMNS_LEAST and 2 * in_columns >= len(joined):
        columns = [list(map(received_time, events)) if times is None else times for _, events, _, times in slices]
        order: list[int] = _join(columns).argsort(kind="stable").tolist()
        by_time: tuple[Any, ...] = itemgetter(*order)(joined)
        return by_time
    joined.sort(key=received_time)
    return joined


def _join(columns: Sequence[Any]) -> Any:
    import numpy as np  # where times are a column, it is there

    return np.concatenate(columns)


def _slice(events: list[Any], lane: Lane, slices: list[Slice]) -> None:
    """Events of mixed series are parted by rank, each part in its own order."""
    parts: dict[Rank, list[Any]] = {}
    for envelope in events:
        part = parts.get(envelope.rank)
        if part is None:
            parts[envelope.rank] = [envelope]
        else:
            part.append(envelope)
    slices.extend(Slice(rank, part, lane) for rank, part in parts.items())


_slice_rank: Callable[[Slice], Rank] = itemgetter(0)

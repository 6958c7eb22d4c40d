"""BarAggregationFeed: bars made by the run itself, of ticks or of smaller bars.

Receives: a source feed of its own (another reader of the series that a strategy may also see), nothing else reads it.
Gives:    closed bars in order of their end; received no earlier than the last part that is in them.
Never:    shows the future: each bar carries the instant at which it was known, whatever was read ahead to make it.
          Bars made by the run never match orders (`made_by_run`).    Spec: 2.3; DESIGN 5; EXECUTION 3, 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Protocol

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.trading_session import TradingSession
from tradecore.errors import FeedError, FeedMismatch
from tradecore.feeds.bar_builder import EmptyPolicy, TickBarBuilder, TimeBarBuilder
from tradecore.feeds.bar_intervals import interval_finder
from tradecore.feeds.event_feed import BaseFeed, EventFeed
from tradecore.feeds.order_check import check_order
from tradecore.feeds.series_key import SeriesKey

SOURCE_BATCH = 1_024
"""Events asked of the source per await."""

_READS_PER_BATCH = 8  # source batches read for one batch of bars: few windows for the merge, no long silence either


class Delays(Protocol):
    """What is needed of a DelaySimulator."""

    def apply(self, series_name: str, events: list[Any]) -> list[Any]:
        """The same events, received later."""
        ...


class BarAggregationFeed(BaseFeed):
    """Makes bars of `bar_type` out of what `source` gives.

    close_grace_ns: how long past its end an open bar waits for the first input beyond it, int nanoseconds >= 0; 0
    closes it at its end. empty: "skip" | "flat" (bars of the last close with volume 0, flagged FLAT). session: of the
    instrument; bars of 1d then end at its close instead of at UTC midnight, others ignore it. delays: the run's laws
    with a state of their own (`DelaySimulator.fork()`), applied to the parts, so that a bar waits for its delayed
    parts; the bars themselves are not delayed again. start_ns: instant from which the source is complete, end_ns: up to
    which time passes when the source has ended; both default to the source's own.

    partial_bars counts the bars that were left out because the input began inside them.
    """

    made_by_run = True
    is_trusted = True

    def __init__(
        self,
        source: EventFeed,
        bar_type: BarType | str,
        *,
        name: str | None = None,
        close_grace_ns: int = 0,
        empty: EmptyPolicy = "skip",
        session: TradingSession | None = None,
        delays: Delays | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> None:
        self.bar_type = BarType.parse(bar_type)
        super().__init__(name or f"bar {self.bar_type} from {source.name}", ["bar"])
        if type(close_grace_ns) is not int or close_grace_ns < 0:
            raise FeedError(f"feed {self.name!r}: close_grace_ns is {close_grace_ns!r}; expected int nanoseconds >= 0")
        if empty not in ("skip", "flat"):
            raise FeedError(f"feed {self.name!r}: empty is {empty!r}; expected 'skip' or 'flat'")
        self.source = source
        self.is_live = source.is_live
        self.series_key = SeriesKey.of("bar", self.bar_type.name)
        self.start_ns = _known(start_ns, getattr(source, "start_ns", None), MIN_NS)
        self.end_ns = _known(end_ns, getattr(source, "end_ns", None), MAX_NS)
        self.last_ts: int | None = None
        self._delays = delays
        self._delay_name = _series_name(source)
        self._builder = self._make_builder(close_grace_ns, empty, session)
        self._made: Iterator[Bar] | None = None  # bars of the source batch at hand that are not asked for yet
        self._is_source_finished = False
        self._source_row = 1
        self._source_ts: int | None = None
        self._error: FeedError | None = None
        self._waiting: list[Bar] = []  # made, but not handed out: a source failed or was cancelled after them

    @property
    def partial_bars(self) -> int:
        """Bars left out because the input began inside them."""
        return self._builder.partial_bars

    async def next_batch(self, limit: int) -> list[Any]:
        """At least one bar, [] when the source has finished. Raises: FeedMismatch, FeedOutOfOrder, the source's own.

        What goes wrong with the source is raised after all bars made before it are handed out.
        """
        if self._finished:
            return []
        bars, self._waiting = self._waiting, []
        reads = 0
        while True:
            if self._made is not None:
                self._draw(bars, limit)
                if len(bars) >= limit:
                    break
            if bars and (self._error is not None or self._is_source_finished or self._has_read_enough(reads)):
                break
            if self._error is not None:
                raise self._error
            if self._is_source_finished:
                self._finished = True
                return []
            self._waiting = bars  # kept, should this await be cancelled
            await self._read_source()
            self._waiting = []
            reads += 1
        if len(bars) > limit:
            bars, self._waiting = bars[:limit], bars[limit:]
        self.last_ts = bars[-1].ts_event
        return bars

    async def close(self) -> None:
        """Close the source too."""
        await super().close()
        self._made, self._waiting = None, []
        await self.source.close()

    def _make_builder(
        self, close_grace_ns: int, empty: EmptyPolicy, session: TradingSession | None
    ) -> TimeBarBuilder | TickBarBuilder:
        if not self.bar_type.is_time_based:
            if close_grace_ns or empty != "skip":
                raise FeedMismatch(f"{self.bar_type} counts ticks; close_grace_ns and empty are for bars of time")
            return TickBarBuilder(self.bar_type)
        find = interval_finder(self.bar_type, session)
        return TimeBarBuilder(self.bar_type, find, close_grace_ns=close_grace_ns, empty=empty, start_ns=self.start_ns)

    def _has_read_enough(self, reads: int) -> bool:
        return self.is_live or reads >= _READS_PER_BATCH

    def _draw(self, bars: list[Bar], limit: int) -> None:
        """Move made bars over, up to limit; a part that does not suit ends the making of bars."""
        assert self._made is not None
        try:
            for bar in islice(self._made, limit - len(bars)):
                bars.append(bar)  # noqa: PERF402  (extend would lose the bars before an error)
        except FeedMismatch as error:
            self._error = error
        if len(bars) < limit:
            self._made = None

    async def _read_source(self) -> None:
        """Fetch the next source batch and start making bars of it."""
        source = self.source
        batch = await source.next_batch(SOURCE_BATCH)
        if not batch:
            self._is_source_finished = True
            self._made = self._builder.finish(self.end_ns)
            return
        rows = len(batch)
        if not getattr(source, "is_trusted", False):
            batch, self._error = check_order(source.name, self._source_row, self._source_ts, batch)
        self._source_row += rows
        if batch:
            self._source_ts = batch[-1].ts_event
            if self._delays is not None:
                batch = self._delays.apply(self._delay_name, batch)
            self._made = self._builder.build(batch)


def _known(given: int | None, of_source: int | None, unknown: int) -> int | None:
    """What was given, else what the source says, unless that is only the end of all time."""
    if given is not None:
        return given
    return None if of_source == unknown else of_source


def _series_name(source: EventFeed) -> str:
    """The name under which the queue delays the same series, so that the draws are the same."""
    key = getattr(source, "series_key", None)
    return source.name if key is None else str(key.name)

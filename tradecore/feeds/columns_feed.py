"""Columns feeds: history from columns in memory, without a store.

Receives: columns (lists, array.array, numpy arrays), checked once when the feed is made.
Gives:    bars, trades or quotes, built a batch at a time: 10 million rows never exist as events at once.
Never:    checks again while it runs: the columns must not be changed meanwhile.    Spec: 2.2; DESIGN 5, 12.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import gt
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.event_batch import EventBatch
from tradecore.domain.event_rows import EventRows
from tradecore.domain.instant import MAX_NS, MIN_NS
from tradecore.domain.instrument import check_instrument_id
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidEvent
from tradecore.feeds.column_checks import (
    check_ascending,
    check_lengths,
    check_not_below,
    find_range,
    first_below,
    to_floats,
    to_times,
)
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.series_key import SeriesKey
from tradecore.storage.market_data_storage import Series

Times = Sequence[int] | Any
"""Int nanoseconds since 1970 UTC: a list, an array("q"), or a numpy array of int64."""

Floats = Sequence[float] | Any
"""Finite numbers: a list, an array("d"), or a numpy array of float64."""

BATCH_LEAST: Final = 256
"""Events of a batch that keeps all its columns: of many feeds, whose batches are short and cut, nobody would read more
than the times, by which they are merged.
"""

TIMES_LEAST: Final = 16
"""Events of a batch that keeps those."""


class ColumnsFeed(BaseFeed):
    """What the three kinds share. rows: how many there are; start_ns, end_ns: only rows within them are given. next_ns:
    time of the row after the newest batch, so that the batch is known to be whole; None at the end. It is a RowSource.
    """

    is_trusted = True
    event_class: type

    def __init__(
        self,
        series: Series,
        head: Any,
        ts_event: Times,
        ts_received: Times | None,
        columns: dict[str, Any],
        *,
        name: str | None,
        start_ns: int,
        end_ns: int,
    ) -> None:
        super().__init__(name or str(series), [series.kind])
        self.series = series
        self.series_key = SeriesKey.of(series.kind, series.name)
        self.start_ns, self.end_ns = start_ns, end_ns
        self.last_ts: int | None = None
        self.next_ns: int | None = None
        self.is_coincident = ts_received is None
        self.times = to_times(self.name, "ts_event", ts_event)
        self._ts_received = None if ts_received is None else to_times(self.name, "ts_received", ts_received)
        self.head, self.columns = head, columns
        self.layout: tuple[object, ...] = (type(self), *columns)
        received = {} if self._ts_received is None else {"ts_received": self._ts_received}
        self.rows = check_lengths(self.name, {"ts_event": self.times, **received, **columns})
        check_ascending(self.name, self.times)
        self._position = bisect_left(self.times, start_ns)
        self._stop = bisect_right(self.times, end_ns)

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] at the end."""
        first, stop = self._pass_rows(limit)
        if first == stop:
            return []
        times = self.times[first:stop].tolist()
        received = times if self._ts_received is None else self._ts_received[first:stop].tolist()
        lists = {name: column[first:stop].tolist() for name, column in self.columns.items()}
        events = self._build(repeat(self.head), times, received, lists)
        if stop - first < TIMES_LEAST:
            return list(events)
        columns = {"ts_event": self.times}
        if stop - first >= BATCH_LEAST:
            columns |= self.columns
        return EventBatch(events, times, {name: column[first:stop] for name, column in columns.items()})

    @property
    def gives_rows(self) -> bool:
        """Whether `next_rows` may stand for `next_batch`: all is columns of numpy, and received when it happens. Of a
        class of the user's own, or with a `next_batch` of its own, it may not: events may be made differently there.
        """
        if type(self) not in _OUR_CLASSES or "next_batch" in vars(self) or not self.is_coincident:
            return False
        return all(hasattr(column, "dtype") for column in (self.times, *self.columns.values()))

    def next_rows(self, limit: int) -> EventRows:
        """As next_batch, but of events that are not made yet; without any at the end."""
        return EventRows(self, *self._pass_rows(limit))

    def _pass_rows(self, limit: int) -> tuple[int, int]:
        """The next rows: the first, and the one behind the last; equal at the end."""
        first = self._position
        stop = min(first + limit, self._stop)
        if self._finished or first >= stop:
            self._finished = True
            return first, first
        self._position = stop
        self.last_ts = int(self.times[stop - 1])
        self.next_ns = int(self.times[stop]) if stop < self._stop else None
        return first, stop

    def make_events(self, heads: Iterable[Any], times: list[int], columns: Mapping[str, list[Any]]) -> list[Any]:
        """See RowSource."""
        return list(self._build(heads, times, times, columns))

    def _build(
        self, heads: Iterable[Any], times: list[int], received: list[int], columns: Mapping[str, list[Any]]
    ) -> Iterable[Any]:
        """Events of a batch."""
        raise NotImplementedError


class BarColumnsFeed(ColumnsFeed):
    """Bars of columns. ts_event: ends. volume None: the source gives none (SIZE_UNKNOWN).

    Raises: InvalidEvent (lengths, NaN, infinities, high below low, open or close outside, negative volume),
    InvalidTime, FeedOutOfOrder.
    """

    event_class = Bar

    def __init__(
        self,
        bar_type: BarType | str,
        ts_event: Times,
        open: Floats,  # noqa: A002  (the field's own word)
        high: Floats,
        low: Floats,
        close: Floats,
        volume: Floats | None = None,
        *,
        ts_received: Times | None = None,
        name: str | None = None,
        start_ns: int = MIN_NS,
        end_ns: int = MAX_NS,
    ) -> None:
        self.bar_type = BarType.parse(bar_type)
        series = Series("bar", self.bar_type.name)
        label = name or str(series)
        given = {"open": open, "high": high, "low": low, "close": close}
        columns = {key: to_floats(label, key, values) for key, values in given.items()}
        self._has_volume = volume is not None
        if volume is not None:
            columns["volume"] = to_floats(label, "volume", volume, least=0.0)
        super().__init__(
            series, self.bar_type, ts_event, ts_received, columns, name=name, start_ns=start_ns, end_ns=end_ns
        )
        check_not_below(label, "high", columns["high"], "low", columns["low"])
        for inner in ("open", "close"):
            check_not_below(label, "high", columns["high"], inner, columns[inner])
            check_not_below(label, inner, columns[inner], "low", columns["low"])

    def _build(
        self, heads: Iterable[Any], times: list[int], received: list[int], columns: Mapping[str, list[Any]]
    ) -> Iterable[Any]:
        absent = () if self._has_volume else (repeat(0.0), repeat(SIZE_UNKNOWN))
        return map(Bar, heads, times, received, *columns.values(), *absent)


class TradeColumnsFeed(ColumnsFeed):
    """Trades of columns. size None: the source gives none (SIZE_UNKNOWN). aggressor: Aggressor values 0, 1, 2.

    Raises: InvalidEvent (lengths, NaN, infinities, negative sizes, other aggressors), InvalidTime, FeedOutOfOrder.
    """

    event_class = TradeTick

    def __init__(
        self,
        instrument: str,
        ts_event: Times,
        price: Floats,
        size: Floats | None = None,
        aggressor: Sequence[int] | Any | None = None,
        *,
        ts_received: Times | None = None,
        name: str | None = None,
        start_ns: int = MIN_NS,
        end_ns: int = MAX_NS,
    ) -> None:
        self.instrument = check_instrument_id(instrument)
        series = Series("trade_tick", instrument)
        label = name or str(series)
        columns = {"price": to_floats(label, "price", price)}
        if size is not None:
            columns["size"] = to_floats(label, "size", size, least=0.0)
        if aggressor is not None:
            columns["aggressor"] = _to_aggressors(label, aggressor)
        super().__init__(
            series, self.instrument, ts_event, ts_received, columns, name=name, start_ns=start_ns, end_ns=end_ns
        )

    def _build(
        self, heads: Iterable[Any], times: list[int], received: list[int], columns: Mapping[str, list[Any]]
    ) -> Iterable[Any]:
        codes = columns.get("aggressor")
        aggressors: Any = repeat(Aggressor.UNKNOWN) if codes is None else map(_AGGRESSORS.__getitem__, codes)
        head = (heads, times, received, columns["price"])
        if "size" in columns:
            return map(TradeTick, *head, columns["size"], aggressors)
        return map(TradeTick, *head, repeat(0.0), aggressors, repeat(None), repeat(SIZE_UNKNOWN))


class QuoteColumnsFeed(ColumnsFeed):
    """Quotes of columns. Sizes None: the source gives none (SIZE_UNKNOWN). Crossed rows are flagged CROSSED.

    Raises: InvalidEvent (lengths, NaN, infinities, negative sizes, one size column alone), InvalidTime, FeedOutOfOrder.
    """

    event_class = QuoteTick

    def __init__(
        self,
        instrument: str,
        ts_event: Times,
        bid_price: Floats,
        ask_price: Floats,
        bid_size: Floats | None = None,
        ask_size: Floats | None = None,
        *,
        ts_received: Times | None = None,
        name: str | None = None,
        start_ns: int = MIN_NS,
        end_ns: int = MAX_NS,
    ) -> None:
        self.instrument = check_instrument_id(instrument)
        series = Series("quote_tick", instrument)
        label = name or str(series)
        if (bid_size is None) != (ask_size is None):
            raise InvalidEvent(f"feed {label!r}: only one of bid_size and ask_size is given; give both or neither")
        columns = {
            "bid_price": to_floats(label, "bid_price", bid_price),
            "ask_price": to_floats(label, "ask_price", ask_price),
        }
        self._has_sizes = bid_size is not None
        if self._has_sizes:
            columns["bid_size"] = to_floats(label, "bid_size", bid_size, least=0.0)
            columns["ask_size"] = to_floats(label, "ask_size", ask_size, least=0.0)
        super().__init__(
            series, self.instrument, ts_event, ts_received, columns, name=name, start_ns=start_ns, end_ns=end_ns
        )
        self._has_crossed = first_below(columns["ask_price"], columns["bid_price"]) is not None

    def make_events(self, heads: Iterable[Any], times: list[int], columns: Mapping[str, list[Any]]) -> list[Any]:
        """See RowSource; rows of other feeds among them may be crossed where this one's never are."""
        has_crossed = any(map(gt, columns["bid_price"], columns["ask_price"]))
        return list(self._make_quotes(heads, times, times, columns, has_crossed=has_crossed))

    def _build(
        self, heads: Iterable[Any], times: list[int], received: list[int], columns: Mapping[str, list[Any]]
    ) -> Iterable[Any]:
        return self._make_quotes(heads, times, received, columns, has_crossed=self._has_crossed)

    def _make_quotes(
        self,
        heads: Iterable[Any],
        times: list[int],
        received: list[int],
        columns: Mapping[str, list[Any]],
        *,
        has_crossed: bool,
    ) -> Iterable[Any]:
        bids, asks = columns["bid_price"], columns["ask_price"]
        sizes: list[Any] = [repeat(0.0), repeat(0.0)]
        if self._has_sizes:
            sizes = [columns["bid_size"], columns["ask_size"]]
        flags = 0 if self._has_sizes else SIZE_UNKNOWN
        tail: list[Any] = []
        if has_crossed:
            tail = [repeat(0), [flags | CROSSED if bid > ask else flags for bid, ask in zip(bids, asks, strict=True)]]
        elif flags:
            tail = [repeat(0), repeat(flags)]
        return map(QuoteTick, heads, times, received, bids, sizes[0], asks, sizes[1], *tail)


_OUR_CLASSES: Final = (BarColumnsFeed, TradeColumnsFeed, QuoteColumnsFeed)

_AGGRESSORS = tuple(Aggressor)  # in the order of their values 0, 1, 2


def _to_aggressors(feed: str, values: Any) -> Any:
    plain = values if hasattr(values, "dtype") else [v.value if isinstance(v, Aggressor) else v for v in values]
    codes = to_times(feed, "aggressor", plain)
    low, high = find_range(codes)
    if low < 0 or high >= len(_AGGRESSORS):
        row = next(i for i, code in enumerate(codes, 1) if not 0 <= code < len(_AGGRESSORS))
        raise InvalidEvent(
            f"feed {feed!r}: column aggressor has {int(codes[row - 1])} in row {row}; expected 0 (unknown), "
            "1 (buyer) or 2 (seller)"
        )
    return codes

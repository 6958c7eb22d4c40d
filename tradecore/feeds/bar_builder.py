"""Bar builders: ticks to bars, bars to larger bars. Pure: they hold one open bar, and know no feed and no clock.

Receives: market events of one series, in order, one at a time.
Gives:    closed bars, in order of their end, received no earlier than the last part that is in them.
Never:    emits a partial first bar (it is counted), nor a bar whose interval is not known to be over.
          DESIGN 5; EXECUTION 6 (last point).

A bar of time covers [start, end): a tick at t belongs to the interval with start <= t < end, an input bar, stamped at
its end t, to the one with start < t <= end. It is closed by the first of
    - an input bar that ends where the interval ends: it completes it, at once;
    - the first input at or past the end (of a tick: t >= end);
    - the instant end + close_grace, for which a live feed sets a timer and history needs none.
Its received time is the instant of that, but never before its last part was received. So a bar made of undelayed ticks
is delivered at its end, and a bar completed by a minute at the instant of that minute, right after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, Literal

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.event import FLAT, SIZE_UNKNOWN
from tradecore.domain.instant import MIN_NS, format_ns
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import FeedMismatch
from tradecore.feeds.bar_intervals import FindInterval

Part = tuple[float, float, float, float, float, int]
"""Open, high, low, close, size and size flag of one input."""

EmptyPolicy = Literal["skip", "flat"]


class TimeBarBuilder:
    """Builds bars of one stretch of time.

    find_interval: of `bar_intervals`. close_grace_ns: >= 0. empty: "skip" leaves out intervals without input, "flat"
    makes bars of the last close, size 0, flagged FLAT. start_ns: instant from which the input is complete; None when
    that is not known, then the first bar counts as partial unless its first input begins with it.
    """

    def __init__(
        self,
        bar_type: BarType,
        find_interval: FindInterval,
        *,
        close_grace_ns: int = 0,
        empty: EmptyPolicy = "skip",
        start_ns: int | None = None,
    ) -> None:
        self.bar_type = bar_type
        self.partial_bars = 0
        self._find = find_interval
        self.close_grace_ns = close_grace_ns
        self._is_flat = empty == "flat"
        self._start_ns = start_ns
        self._read = part_reader(bar_type)
        self._start = MIN_NS  # of the open interval
        self._end: int | None = None
        self._is_partial = False
        self._has_parts = False
        self._last_received = MIN_NS  # of the bar before: received times never run backwards within a series
        self._received = MIN_NS  # of the newest part
        self._open = self._high = self._low = self._close = self._size = 0.0
        self._flags = 0

    def build(self, events: Iterable[Any]) -> Iterator[Bar]:
        """Bars that these inputs close, made one by one as they are asked for. Raises: FeedMismatch."""
        read = self._read
        for event in events:
            open_, high, low, close, size, flags = read(event)
            is_bar = type(event) is Bar
            ts = event.ts_event - 1 if is_bar else event.ts_event  # a bar lies before its end
            end = self._end
            if end is None:
                self._begin(event, ts)
            elif ts >= end:
                yield from self._close_until(ts, event.ts_received)
            elif ts < self._start:
                raise _mismatch(self.bar_type, event, "the bar it belongs to is closed already; is it there twice?")
            if self._has_parts:
                if high > self._high:
                    self._high = high
                if low < self._low:
                    self._low = low
                self._size += size
                self._flags |= flags
            else:
                self._has_parts = True
                self._open, self._high, self._low, self._size, self._flags = open_, high, low, size, flags
            self._close = close
            if event.ts_received > self._received:
                self._received = event.ts_received
            if is_bar and event.ts_event == self._end:
                yield from self._complete(event.ts_received)

    @property
    def open_from_ns(self) -> int:
        """What happened before this comes too late for any bar: the start of the open interval, where none is open the
        end of the last one. MIN_NS before the first.
        """
        return self._start

    @property
    def due_ns(self) -> int | None:
        """The instant at which the passing of time alone closes the open bar; None while there is none."""
        return None if self._end is None else self._end + self.close_grace_ns

    def finish(self, until_ns: int | None) -> Iterator[Bar]:
        """Bars that the passing of time closes up to and including this instant, when no input comes any more.

        None: it is not known how far time goes. An interval that is then still open was cut off by the end: it is no
        bar.
        """
        while self._end is not None and until_ns is not None and self._end + self.close_grace_ns <= until_ns:
            end = self._end
            if not self._has_parts and not self._is_flat:
                self._start, self._end = end, None
                return
            yield from self._close_bar(end + self.close_grace_ns)
            self._open_interval(end)

    # ------------------------------------------------------------------------------------------------- the open bar

    def _begin(self, event: Any, ts: int) -> None:
        start, self._end = self._find(ts)
        self._start = start
        began = event.ts_event - event.bar_type.step_ns if type(event) is Bar else ts
        known = self._start_ns is not None and self._start_ns <= start
        self._is_partial = not (known or began <= start)

    def _complete(self, ts_received: int) -> Iterator[Bar]:
        """The last part of the interval has come; the next interval opens empty."""
        end = self._end
        assert end is not None
        yield from self._close_bar(ts_received)
        self._open_interval(end)

    def _close_until(self, ts: int, ts_received: int) -> Iterator[Bar]:
        """An input of instant ts, beyond the open interval: close it, and all empty ones before the input's own."""
        while self._end is not None and ts >= self._end:
            end = self._end
            yield from self._close_bar(min(ts_received, end + self.close_grace_ns))
            if self._is_flat:
                self._open_interval(end)
            else:
                self._open_interval(ts)

    def _open_interval(self, ts: int) -> None:
        self._start, self._end = self._find(ts)
        self._has_parts = self._is_partial = False

    def _close_bar(self, known_ns: int) -> Iterator[Bar]:
        """The open interval's bar, if it is one. known_ns: when it is known that nothing more comes."""
        end, has_parts = self._end, self._has_parts
        assert end is not None
        if self._is_partial:
            self.partial_bars += 1
            return
        if not has_parts and not self._is_flat:
            return
        received = max(known_ns, self._last_received, self._received if has_parts else MIN_NS)
        self._last_received = received
        if has_parts:
            size = 0.0 if self._flags else self._size
            prices = (self._open, self._high, self._low, self._close)
            yield Bar(self.bar_type, end, received, *prices, size, self._flags)
        else:
            last = self._close
            yield Bar(self.bar_type, end, received, last, last, last, last, 0.0, self._flags | FLAT)


class TickBarBuilder:
    """Builds bars of a fixed number of ticks. A bar ends with its last tick, and is received with it.

    Ticks are counted from the first one that is given, so these bars depend on where the input starts.
    """

    def __init__(self, bar_type: BarType) -> None:
        self.bar_type = bar_type
        self.partial_bars = 0
        self._read = part_reader(bar_type)
        self._count = 0
        self._received = MIN_NS
        self._open = self._high = self._low = self._size = 0.0
        self._flags = 0

    def build(self, events: Iterable[Any]) -> Iterator[Bar]:
        """Bars that these ticks complete. Raises: FeedMismatch."""
        read, wanted = self._read, self.bar_type.count
        for event in events:
            price, _, _, _, size, flags = read(event)
            if not self._count:
                self._open = self._high = self._low = price
                self._size, self._flags = 0.0, 0
            if price > self._high:
                self._high = price
            if price < self._low:
                self._low = price
            self._size += size
            self._flags |= flags
            self._received = max(self._received, event.ts_received)
            self._count += 1
            if self._count == wanted:
                self._count = 0
                size = 0.0 if self._flags else self._size
                prices = (self._open, self._high, self._low, price)
                yield Bar(self.bar_type, event.ts_event, self._received, *prices, size, self._flags)

    def finish(self, until_ns: int | None) -> Iterator[Bar]:
        """Nothing: a bar that lacks ticks is no bar, however long one waits."""
        del until_ns
        yield from ()


def part_reader(bar_type: BarType) -> Callable[[Any], Part]:
    """The function that takes open, high, low, close and size out of an input, and refuses what does not suit.

    "last" is made of trades or of "last" bars, "bid", "ask" and "mid" of quotes or of bars of that price. Sizes of
    quotes are offers, not amounts traded: bars made of quotes have no volume (SIZE_UNKNOWN).
    """
    instrument = bar_type.instrument
    suited: set[BarType] = set()

    def read_bar(event: Any) -> Part:
        if type(event) is not Bar:
            raise _mismatch(bar_type, event, _why_no_part(bar_type, event))
        if event.bar_type not in suited:
            _check_step(bar_type, event)
            suited.add(event.bar_type)
        return event.open, event.high, event.low, event.close, event.volume, event.flags & SIZE_UNKNOWN

    def read_last(event: Any) -> Part:
        if type(event) is not TradeTick or event.instrument != instrument:
            return read_bar(event)
        price = event.price
        return price, price, price, price, event.size, event.flags & SIZE_UNKNOWN

    read_quote = _QUOTE_PRICES.get(bar_type.price)
    if read_quote is None:
        return read_last

    def read_side(event: Any) -> Part:
        if type(event) is not QuoteTick or event.instrument != instrument:
            return read_bar(event)
        price = read_quote(event)
        return price, price, price, price, 0.0, SIZE_UNKNOWN

    return read_side


_QUOTE_PRICES: Final[dict[str, Callable[[Any], float]]] = {
    "bid": attrgetter("bid_price"),
    "ask": attrgetter("ask_price"),
    "mid": attrgetter("mid_price"),
}


def _why_no_part(bar_type: BarType, event: Any) -> str:
    wanted = TradeTick if bar_type.price == "last" else QuoteTick
    if type(event) is wanted:
        return f"its instrument is {event.instrument}"
    return f"{bar_type.price!r} bars are made of {wanted.__name__}s or bars"


def _check_step(bar_type: BarType, part: Bar) -> None:
    source = part.bar_type
    if source.instrument != bar_type.instrument:
        raise _mismatch(bar_type, part, f"its instrument is {source.instrument}")
    if source.price != bar_type.price:
        raise _mismatch(bar_type, part, f"its price is {source.price!r}")
    if not bar_type.is_time_based:
        raise _mismatch(bar_type, part, "bars of a number of ticks are made of ticks")
    if not source.is_time_based or bar_type.step_ns % source.step_ns or bar_type.step_ns == source.step_ns:
        raise _mismatch(bar_type, part, "its step must be smaller and divide the larger one")


def _mismatch(bar_type: BarType, event: Any, why: str) -> FeedMismatch:
    name = getattr(event, "series", type(event).__name__)
    at = format_ns(event.ts_event)
    return FeedMismatch(f"bars {bar_type} cannot be made of {event.event_type} {name} (met at {at}): {why}")

"""SourceRegister: what brokers may match orders on, told to them in order of time.

Receives: lanes when they are added; the events of each window.
Gives:    to each broker the series to choose from, then the events of those that it chose; `due_ns`, the instant at
          which a series shows itself that nobody had declared.
Never:    lets the order in which feeds were added, or the batch size, decide what an order meets.
          EXECUTION 3; DESIGN 4.

Most feeds declare their series (`series_key`), and brokers know of them when the run starts. Others (`tc.feed`,
PushFeed) show a series with its first event. It counts from the turn of that instant on, together with all series of
its instrument that are known by then and have not been given a source; an instrument whose source was chosen keeps it.
So bid bars that show themselves before the ask bars are their own source where a `spread` is set; where none is, orders
are refused until the ask bars come too, and the pair is matched from that instant on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instrument import Instrument
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.engine.participant import NEVER, BrokerParticipant, Source
from tradecore.feeds.merge import Lane

MARKET_CLASSES: Final = {"bar": Bar, "trade_tick": TradeTick, "quote_tick": QuoteTick, "depth": DepthSnapshot}
"""Event types that can be matched, with their classes."""

_CLASSES: Final = frozenset(MARKET_CLASSES.values())

SeriesName = tuple[str, str]
"""Kind and name, as a broker's `is_source` takes them."""


class SourceRegister:
    """Between the lanes of a run and its brokers. due_ns: int nanoseconds, NEVER while no series is about to show."""

    def __init__(self, brokers: Sequence[BrokerParticipant], instruments: dict[str, Instrument]) -> None:
        self.due_ns = NEVER
        self._brokers = brokers
        self._instruments = instruments
        self._known: dict[SeriesName, Source] = {}
        # Of two feeds of one series only one is matched: the same trade must not execute an order twice.
        self._owners: dict[SeriesName, int] = {}
        self._coming: list[tuple[int, int, SeriesName, Source]] = []  # a heap: first event, lane number
        self._more_may_come = False
        # What a window has of series that not all brokers match on (yet), by series and number of their lane.
        self._unmatched: dict[tuple[SeriesName, int], _Load] = {}
        # By number of lane: who matches on all that it brings. Forgotten when brokers choose.
        self._takers: dict[int, tuple[BrokerParticipant, ...]] = {}

    def declare(self, lanes: Iterable[Lane], now: int) -> None:
        """Tell brokers of the series that these lanes declare. Raises: ConfigError, as a broker finds it."""
        if not self._brokers:
            return
        for lane in lanes:
            feed = lane.feed
            if getattr(feed, "is_timer", False):
                continue
            series = getattr(feed, "series_key", None)
            if series is None:
                types = feed.get_event_types()
                self._more_may_come |= not types or any(kind in MARKET_CLASSES for kind in types)
                continue
            key, made_by_run = (series.kind, series.name), getattr(feed, "made_by_run", False)
            instrument = BarType.parse(series.name).instrument if series.kind == "bar" else series.name
            # What is not defined can be watched, but not traded: an order for it is refused at the call.
            if instrument not in self._instruments:
                continue
            if not made_by_run:
                self._owners.setdefault(key, lane.number)
            if key not in self._known or self._known[key].made_by_run:
                self._known[key] = Source(*key, instrument, made_by_run)
        self._choose(set(self._instruments), now + 1)

    # -------------------------------------------------------------------------------------------------------- windows

    def begin_window(self) -> None:
        """All events of the window before have happened."""
        self._unmatched.clear()

    def load(self, lane: Lane, events: Sequence[Any]) -> None:
        """Give brokers the events of a window that they match on, in the lane's order; note series that are new."""
        takers = self._takers.get(lane.number)
        if takers is None:
            takers = self._find_takers(lane)
            if takers is None:
                self._load_parts(lane, events)
                return
            self._takers[lane.number] = takers
        for broker in takers:
            if lane.by_arrival:
                broker.load(lane.series.kind, lane.series.name, events, by_arrival=True)
            else:
                broker.load(lane.series.kind, lane.series.name, events)

    def _find_takers(self, lane: Lane) -> tuple[BrokerParticipant, ...] | None:
        """The brokers that match on all that a lane brings; None where each window has to be looked at."""
        feed = lane.feed
        if not self._brokers or getattr(feed, "is_timer", False) or getattr(feed, "made_by_run", False):
            return ()
        if lane.rank is None or self._more_may_come:
            return None
        key = (lane.series.kind, lane.series.name)
        if self._owners.get(key) != lane.number:
            return ()
        return tuple(broker for broker in self._brokers if broker.is_source(*key))

    def _load_parts(self, lane: Lane, events: Sequence[Any]) -> None:
        """What is of several series, or in envelopes, or may become matched later."""
        series = getattr(lane.feed, "series_key", None)
        if series is not None:
            key = (series.kind, series.name)
            if self._owners.get(key) == lane.number:
                part = events if lane.rank is not None else [e.event for e in events]
                self._load_series(key, lane.number, _Load(part, lane.by_arrival))
            return
        parts: dict[SeriesName, list[Any]] = {}
        adjustments = []
        for envelope in events:
            event = envelope.event
            if type(event) in _CLASSES:
                parts.setdefault((event.event_type, str(event.series)), []).append(event)
            elif type(event) is AccountAdjustment:
                adjustments.append(event)
        if adjustments:
            self._load_adjustments(lane, adjustments)
        for key, part in parts.items():
            load = _Load(part, lane.by_arrival)
            if self._owners.get(key) == lane.number:
                self._load_series(key, lane.number, load)
            elif key not in self._owners and part[0].instrument in self._instruments:
                self._unmatched[key, lane.number] = load
                source = Source(*key, part[0].instrument)
                heappush(self._coming, (load.time_of(part[0]), lane.number, key, source))
                self.due_ns = self._coming[0][0]

    def _load_adjustments(self, lane: Lane, adjustments: list[AccountAdjustment]) -> None:
        """Of two feeds that adjust one instrument only the first does: two strategies may bring the same dividends."""
        dues = []
        for adjustment in adjustments:
            key = (adjustment.event_type, adjustment.instrument or adjustment.currency or "")
            if self._owners.setdefault(key, lane.number) == lane.number:
                dues.append((lane.time_of(adjustment), adjustment))
        for broker in self._brokers:
            load = getattr(broker, "load_adjustments", None)  # a real broker's venue adjusts its accounts itself
            if load is not None and dues:
                load(dues)

    def _load_series(self, key: SeriesName, number: int, load: _Load) -> None:
        for broker in self._brokers:
            if broker.is_source(*key):
                load.give(broker, key, load.events)
            elif self._more_may_come:  # a pair may become whole in this very window
                self._unmatched[key, number] = load

    def show_due(self, ts: int) -> None:
        """Let the series show themselves whose first event is of this instant. Raises: ConfigError."""
        while self.due_ns <= ts:
            instant = self.due_ns
            shown: set[str] = set()
            while self._coming and self._coming[0][0] == instant:
                _, number, key, source = heappop(self._coming)
                if self._owners.setdefault(key, number) == number:
                    self._known[key] = source
                    shown.add(source.instrument)
            self.due_ns = self._coming[0][0] if self._coming else NEVER
            self._choose(shown, instant)

    def _choose(self, instruments: set[str], begin_ns: int) -> None:
        """Let brokers choose for instruments without a source; what they chose is loaded from begin_ns on."""
        self._takers.clear()
        known = sorted(key for key, source in self._known.items() if source.instrument in instruments)
        sources = [self._known[key] for key in known]
        for broker in self._brokers:
            before = {key for key in known if broker.is_source(*key)}
            broker.choose_sources(sources, self._instruments, more_may_come=self._more_may_come)
            for key in known:
                if key in before or not broker.is_source(*key):
                    continue
                load = self._unmatched.get((key, self._owners.get(key, 0)))
                if load is None:
                    continue
                rest = load.events[bisect_left(load.events, begin_ns, key=load.time_of) :]
                if rest:
                    load.give(broker, key, rest)


class _Load:
    """Events of one series in one window, and what decides when they happen."""

    __slots__ = ("by_arrival", "events")

    def __init__(self, events: Sequence[Any], by_arrival: bool) -> None:
        self.events, self.by_arrival = events, by_arrival

    def time_of(self, event: Any) -> int:
        ts: int = event.ts_received if self.by_arrival else event.ts_event
        return ts

    def give(self, broker: BrokerParticipant, key: SeriesName, events: Sequence[Any]) -> None:
        if self.by_arrival:
            broker.load(*key, events, by_arrival=True)
        else:
            broker.load(*key, events)

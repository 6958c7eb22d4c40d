"""LiveStage: what phases C and D are made of: arrivals and the passing of time, turned into windows for the engine.

Receives: batches of the LiveBuffer, admitted by the LiveIntake; the clock, when nothing arrives.
Gives:    windows in the one order of arrival: events, bars that the run makes of them, timers at their instants, states
          of feeds in their places; `next_due_ns`, when the clock alone brings something.
Never:    polls, reorders, or lets `now` go back: where history ended ahead of the clock, what arrives is received one
          nanosecond after the other until the clock has caught up.    Spec: 6.2; DESIGN 4, 6, 10.

The engine's own loop does the rest: brokers and strategies meet a live window exactly as one of history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.domain.bar import Bar
from tradecore.domain.clock import Clock
from tradecore.domain.feed_state import FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.engine.pace import Pace
from tradecore.engine.participant import NEVER
from tradecore.engine.timeline import compute_wait_s
from tradecore.engine.trading_engine import TradingEngine
from tradecore.feeds.live_bars import LiveBars
from tradecore.feeds.live_buffer import LiveBuffer, OwnArrival
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.merge import Envelope, Lane, Rank, Window, rank_of, received_time
from tradecore.storage.market_data_storage import EVENT_CLASSES

_series_of = attrgetter("series")
_place_of = itemgetter(0)

HearState = Callable[[FeedStateChanged], None]
NoteClock = Callable[[str, int], None]


_Made = tuple[tuple[int, int, Rank], Any]
"""A delivery with its place: (ts_received, ts_event, rank)."""


class _Route:
    """Where the events of one stream, or of one feed of a user's, go: to the lane of a feed.

    lane: None before it is looked up (`LiveStage._open_lanes`), and where nobody subscribed.
    """

    __slots__ = ("feed", "lane", "makers", "taken")

    def __init__(self, feed: Any) -> None:
        self.feed = feed
        self.lane: Lane | None = None
        self.makers: list[_Maker] = []
        self.taken: list[Any] = []  # of the window at hand

    def address(self, event: Any, ts_event: int, ts_received: int) -> Any:
        """The event, in an envelope where its class and series do not say which lane it is of."""
        lane = self.lane
        assert lane is not None
        if lane.rank is not None:
            return event
        return Envelope(ts_received, ts_event, event, rank_of(event, lane.feed.name, lane.number), lane)


class _Maker:
    """Bars that the run makes, and where they go."""

    __slots__ = ("bars", "route")

    def __init__(self, bars: LiveBars, route: _Route) -> None:
        self.bars, self.route = bars, route


class LiveStage:
    """One run's. hear_state: called with each state of a feed when its turn comes, before strategies are. note_clock:
    called with what is done because of the clock ("time") or from outside ("outside"), and the instant: whoever records
    a run needs that to repeat it.

    `add_stream`, `add_maker`, `add_own` before what comes of them is drained; then `drain` and `idle`, over and over.
    """

    def __init__(
        self, engine: TradingEngine, buffer: LiveBuffer, intake: LiveIntake, clock: Clock, hear_state: HearState
    ) -> None:
        self._engine = engine
        self._buffer = buffer
        self._intake = intake
        self._clock = clock
        self.note_clock: NoteClock | None = None
        self._hear_state = hear_state
        self._pace = Pace(clock)
        self._routes: dict[type, dict[Any, _Route]] = {cls: {} for cls in EVENT_CLASSES.values()}
        self._own: dict[str, _Route] = {}
        self._makers: list[_Maker] = []
        self._bars_due_ns = NEVER
        self._heard_by: dict[Stream, list[Any]] = {}
        self._new: list[_Route] = []  # their lanes are made after they are
        self._adjusting: _Route | None = None
        self._adjustments: deque[AccountAdjustment] = deque()

    # --------------------------------------------------------------------------------------------------------- feeds

    def add_stream(self, stream: Stream, feed: Any) -> None:
        """Deliver a stream to who subscribed to this feed; None: nobody did, bars are made of it."""
        routes, series = self._routes[EVENT_CLASSES[stream.kind]], stream.bar_type or stream.name
        if series in routes:  # bars were made of it, and now somebody wants the parts too
            routes[series].feed = feed
            self._new.append(routes[series])
        else:
            routes[series] = self._make_route(feed)
        self._heard_by.setdefault(stream, []).append(feed)

    def add_maker(self, bars: LiveBars, parts: Stream, feed: Any) -> None:
        """Make bars of a stream that was added, for who subscribed to this feed."""
        maker = _Maker(bars, self._make_route(feed))
        self._routes[EVENT_CLASSES[parts.kind]][parts.bar_type or parts.name].makers.append(maker)
        self._makers.append(maker)
        self._heard_by[parts].append(feed)
        self._note_bars_due()

    def add_own(self, name: str, feed: Any) -> None:
        """Deliver what a user's live feed of this name gives to who subscribed to this feed."""
        self._own[name] = self._make_route(feed)

    def add_adjustments(self, feed: Any, adjustments: Iterable[AccountAdjustment]) -> None:
        """Adjustments of the run that history did not reach, in order of time: each comes when the clock reaches it.

        feed: the one that brought those before them.
        """
        self._adjusting = self._make_route(feed)
        self._adjustments.extend(adjustments)

    def _make_route(self, feed: Any) -> _Route:
        route = _Route(feed)
        self._new.append(route)
        return route

    def _open_lanes(self) -> None:
        """Look up the lanes of routes that are new; from now on their events are live."""
        for route in self._new:
            route.lane = self._engine.find_lane(route.feed)
            if route.lane is not None:
                route.lane.go_live()
        self._new.clear()

    # ---------------------------------------------------------------------------------------------------- what happens

    async def drain(self, until_ns: int = NEVER) -> bool:
        """Deliver a batch of what waits in the buffer and arrived by until_ns; False when nothing does, and then
        nothing was awaited.
        """
        arrivals = self._buffer.take(self._pace.limit, until_ns)
        if not arrivals:
            return False
        self._pace.begin()
        self._open_lanes()
        admitted = self._intake.admit(arrivals)
        events: list[Any] = []
        if FeedStateChanged not in set(map(type, admitted)):
            events, admitted = admitted, []
        for arrival in admitted:
            if type(arrival) is not FeedStateChanged:
                events.append(arrival)
                continue
            await self._deliver(events)
            events = []
            await self._tell_state(arrival)
            if self._engine.is_ending:
                return True
        await self._deliver(events)
        self._pace.end(len(arrivals))
        await checkpoint()
        return True

    async def end(self, ts: int) -> None:
        """The run's end has come by the clock: deliver what arrived or is due by then, the end included."""
        while not self._engine.is_ending and await self.drain(ts):
            pass
        if not self._engine.is_ending and self._engine.timeline.now < ts:
            await self.pass_time(ts)

    async def idle(self, until_ns: int) -> None:
        """Nothing waits: do what the clock says is due, or wait for it, for an arrival, or to be woken."""
        now, due = self._clock.wall_ns(), min(self.next_due_ns, until_ns)
        if due <= now:
            await self.pass_time(min(now, until_ns))
            await checkpoint()
        elif self._buffer.depth:  # it came after until_ns, which the stamps may be ahead of
            await anyio.sleep(compute_wait_s(self._clock, due))
        elif due == NEVER:
            await self._buffer.wait()
        else:
            with anyio.move_on_after(compute_wait_s(self._clock, due)):
                await self._buffer.wait()
        await self._take_outside()

    async def pass_time(self, ts: int) -> None:
        """The clock has reached an instant, and nothing arrived until then: timers, brokers, bars that are over."""
        ts = max(ts, self._engine.timeline.now)
        if self.note_clock is not None:
            self.note_clock("time", ts)
        self._open_lanes()
        self._buffer.hold_above(ts)
        self._engine.queue.miss_timers(ts)
        made: list[Any] = []
        self._close_bars(ts, made)
        await self._run_window(made, [], ts + 1)

    @property
    def next_due_ns(self) -> int:
        """When something happens although nothing arrives; NEVER without."""
        adjusted_ns = self._adjustments[0].ts_received if self._adjustments else NEVER
        return min(self._engine.due_ns, self._engine.queue.next_own_ns, self._bars_due_ns, adjusted_ns)

    async def _take_outside(self) -> None:
        """Commands of the embedding program have a turn of their own."""
        if self._engine.has_commands:
            ts = max(self._clock.wall_ns(), self._engine.timeline.now)
            self._buffer.hold_above(ts)
            if self.note_clock is not None:
                self.note_clock("outside", ts)
            await self._engine.carry_out_given(ts)

    async def _tell_state(self, change: FeedStateChanged) -> None:
        now = self._engine.timeline.now
        if change.ts > now:
            made: list[Any] = []
            self._close_bars(change.ts, made)
            await self._run_window(made, [], change.ts + 1)
        else:
            change = msgspec.structs.replace(change, ts=now)
        self._hear_state(change)
        await self._engine.tell_feed_state(change, self._heard_by.get(change.stream, ()))

    # --------------------------------------------------------------------------------------------------------- windows

    async def _deliver(self, events: list[Any]) -> None:
        if not events:
            return
        events = self._receive_after_now(events)
        mark = events[-1].ts_received + 1
        plain = self._find_plain(events, mark)
        if plain is not None:
            await self._run_window(events, [(plain, events)], mark, plain)
            return
        taken: list[_Route] = []
        deliveries = self._route(events, taken)
        loads = [(route.lane, route.taken) for route in taken if route.lane is not None]
        for route in taken:
            route.taken = []
        await self._run_window(deliveries, loads, mark)

    async def _run_window(self, deliveries: list[Any], loads: list[Any], mark: int, lane: Lane | None = None) -> None:
        """lane: of all deliveries, where it is one that needs no envelopes."""
        own = self._engine.queue.take_own(mark)
        if self._adjustments and self._adjustments[0].ts_received < mark:
            own = self._take_adjustments(mark, loads) + own
        if own:
            deliveries, lane = deliveries + own, None
            deliveries.sort(key=received_time)  # stable: a timer comes after what arrived at its instant
        await self._engine.deliver(Window(deliveries, lane, loads, mark, is_last=False))

    def _take_adjustments(self, mark: int, loads: list[Any]) -> list[Any]:
        """Adjustments due before the mark, to be delivered; `loads` has them for the brokers."""
        route, taken = self._adjusting, list[Any]()
        assert route is not None, "they came with it"
        self._open_lanes()
        while self._adjustments and (due := self._adjustments[0]).ts_received < mark:
            taken.append(route.address(due, due.ts_event, due.ts_received))
            self._adjustments.popleft()
        loads.append((route.lane, taken))
        return taken

    def _find_plain(self, events: list[Any], mark: int) -> Lane | None:
        """The lane of all these events, if they are of one stream and need nothing but to be delivered."""
        routes = self._routes.get(type(events[0]))
        if routes is None or self._bars_due_ns < mark or len(set(map(type, events))) > 1:
            return None
        route = routes[events[0].series]
        if route.makers or route.lane is None or route.lane.rank is None or len(set(map(_series_of, events))) > 1:
            return None
        return route.lane

    def _receive_after_now(self, events: list[Any]) -> list[Any]:
        """ts_received = max(last + 1 ns, as stamped), over the whole run (DESIGN 4): `now` never goes back."""
        now = self._engine.timeline.now
        if events[0].ts_received > now:
            return events
        received = []
        for event in events:
            now = max(now + 1, event.ts_received)
            received.append(event if event.ts_received == now else msgspec.structs.replace(event, ts_received=now))
        return received

    def _route(self, events: Sequence[Any], taken: list[_Route]) -> list[Any]:
        """What of these events is delivered, with the bars that they close; `taken`: routes that took some."""
        routes, deliveries = self._routes, list[Any]()
        for event in events:
            ts = event.ts_received
            if self._bars_due_ns < ts:
                self._close_bars(ts - 1, deliveries)
            cls = type(event)
            if cls is OwnArrival:
                route, addressed = self._address_own(event)
            else:
                route = routes[cls][event.series]
                is_plain = route.lane is None or route.lane.rank is not None
                addressed = event if is_plain else route.address(event, event.ts_event, ts)
            if route.lane is not None:
                if not route.taken:
                    taken.append(route)
                route.taken.append(addressed)
            if route.makers or self._bars_due_ns == ts:
                self._complete_instant(route, event, addressed, deliveries)
            elif route.lane is not None:
                deliveries.append(addressed)
        return deliveries

    def _address_own(self, arrival: OwnArrival) -> tuple[_Route, Any]:
        route = self._own[arrival.feed]
        event = arrival.event
        if getattr(event, "ts_received", None) != arrival.ts_received and type(event) in self._routes:
            event = msgspec.structs.replace(event, ts_received=arrival.ts_received)
        return route, route.address(event, arrival.ts_event, arrival.ts_received)

    # -------------------------------------------------------------------------------------------------- bars of the run

    def _complete_instant(self, route: _Route, part: Any, addressed: Any, deliveries: list[Any]) -> None:
        """An arrival, the bars that it closes, and those that are over at its very instant, in the total order."""
        made = [] if route.lane is None else [_place(addressed, route.lane)]
        for maker in route.makers:
            self._hand_out(maker, maker.bars.take(part), made)
        self._note_bars_due()
        self._close_bars(part.ts_received, deliveries, made)

    def _close_bars(self, ts: int, deliveries: list[Any], made: list[_Made] | None = None) -> None:
        """Bars that are over by an instant although nothing came after them, and `made`, in the total order."""
        made = [] if made is None else made
        if self._bars_due_ns <= ts:
            for maker in self._makers:
                self._hand_out(maker, maker.bars.pass_time(ts), made)
            self._note_bars_due()
        if len(made) > 1:
            made.sort(key=_place_of)
        deliveries += [addressed for _, addressed in made]

    def _hand_out(self, maker: _Maker, bars: list[Bar], made: list[_Made]) -> None:
        lane = maker.route.lane
        if lane is None:
            return
        now = self._engine.timeline.now
        for bar in bars:
            known = max(bar.ts_received, now + 1)
            received = bar if known == bar.ts_received else msgspec.structs.replace(bar, ts_received=known)
            made.append(_place(maker.route.address(received, bar.ts_event, known), lane))

    def _note_bars_due(self) -> None:
        dues = [due for maker in self._makers if (due := maker.bars.due_ns) is not None]
        self._bars_due_ns = min(dues, default=NEVER)


def _place(addressed: Any, lane: Lane) -> _Made:
    rank = addressed.rank if lane.rank is None else lane.rank
    return (addressed.ts_received, addressed.ts_event, rank), addressed

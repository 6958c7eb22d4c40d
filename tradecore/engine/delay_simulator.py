"""DelaySimulator: the time between a venue saying something and us hearing it.

Receives: imported history in venue order, series by series (it knows no network).
Gives:    the same events, ts_received later by a law of their event type; ts_event untouched.
Never:    reorders (engine/event_queue.py does), never sleeps, and never touches timers, live or recorded events.
          Spec: 3.2; DESIGN 4; EXECUTION 11.

A draw depends on (seed, series, event time, ordinal among equal times), so neither the order of feeds nor batch sizes
can change it. Within a series the received times never run backwards: a line delivers in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final

from tradecore.domain.bar import Bar
from tradecore.domain.delay_law import ConstantDelay, DelayLaw, draw_key
from tradecore.domain.depth_snapshot import DepthSnapshot
from tradecore.domain.instant import MIN_NS
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import TradeTick
from tradecore.errors import ConfigError
from tradecore.feeds.merge import Envelope
from tradecore.feeds.own_event import received_at

Rebuild = Callable[[list[Any], list[int]], list[Any]]

_received_time = attrgetter("ts_received")


class _SeriesState:
    """Where one event type of one series stands: what its next draw and its next received time depend on."""

    __slots__ = ("last_received", "ordinal", "ts_event")

    def __init__(self) -> None:
        self.last_received = MIN_NS
        self.ts_event: int | None = None
        self.ordinal = 0  # how many events of this instant came before


class DelaySimulator:
    """Delays events by their type.

    laws: by event type ("bar", "trade_tick", "quote_tick", "depth", or a user's own word). seed: of the run.
    Raises: ConfigError for a law on "time_event": timers are the run's own and travel no line.
    """

    def __init__(self, laws: Mapping[str, DelayLaw], seed: int) -> None:
        if "time_event" in laws:
            raise ConfigError("delays", ["time_event: timers are made here and cannot be delayed; remove this law"])
        self.laws = dict(laws)
        self.seed = seed
        self._active = {kind: law for kind, law in laws.items() if not law.is_zero}
        self._states: dict[tuple[str, str], _SeriesState] = {}

    @property
    def is_active(self) -> bool:
        """False when no law ever delays: then `apply` need not be called at all."""
        return bool(self._active)

    def delays(self, event_type: str) -> bool:
        """Whether events of this type are delayed."""
        return event_type in self._active

    def fork(self) -> DelaySimulator:
        """The same laws and seed with fresh state: another reader of a series then gets the same delays."""
        return DelaySimulator(self.laws, self.seed)

    def apply(self, series_name: str, events: list[Any]) -> list[Any]:
        """The events of the next batch of a series, received later; the same list when none of them is delayed.

        series_name: the series, or the feed's name for a feed of mixed or own events; call it with every batch of the
        series, in order. Received times never fall within one event type of a series; events come back in the order
        in which they were given.
        """
        if not self._active or not events:
            return events
        if type(events[0]) is not Envelope and len(set(map(type, events))) == 1:
            event_type = events[0].event_type
            if event_type not in self._active:
                return events
            return self._delay(series_name, event_type, events, _REBUILDERS.get(type(events[0]), _rebuild_each))
        return self._apply_mixed(series_name, events)

    def _apply_mixed(self, series_name: str, events: list[Any]) -> list[Any]:
        """Envelopes, or several classes in one batch: each event type by its own law."""
        kinds = [_event_type(event) for event in events]
        changed: list[Any] | None = None
        for kind in dict.fromkeys(kinds):
            if kind not in self._active:
                continue
            if changed is None:
                changed = list(events)
            places = [place for place, other in enumerate(kinds) if other == kind]
            late = self._delay(series_name, kind, [events[place] for place in places], _rebuild_each)
            for place, event in zip(places, late, strict=True):
                changed[place] = event
        return events if changed is None else changed

    def _delay(self, series_name: str, event_type: str, events: list[Any], rebuild: Rebuild) -> list[Any]:
        state = self._states.get((series_name, event_type))
        if state is None:
            state = self._states[(series_name, event_type)] = _SeriesState()
        law = self._active[event_type]
        received = list(map(_received_time, events))
        if isinstance(law, ConstantDelay):
            delay_ns = law.draw_ns(0)
            late = [ts + delay_ns for ts in received]
        else:
            delays = self._draw(law, f"{event_type} {series_name}", events, state)
            late = [ts + delay for ts, delay in zip(received, delays, strict=True)]
        in_order = list(accumulate(late, max, initial=state.last_received))
        state.last_received = in_order[-1]
        del in_order[0]
        return rebuild(events, in_order)

    def _draw(self, law: DelayLaw, series: str, events: list[Any], state: _SeriesState) -> list[int]:
        """One delay per event, and the state moved on."""
        seed, last, ordinal = self.seed, state.ts_event, state.ordinal
        delays = []
        for event in events:
            ts_event = event.ts_event
            ordinal = ordinal + 1 if ts_event == last else 0
            last = ts_event
            delays.append(law.draw_ns(draw_key(seed, series, ts_event, ordinal)))
        state.ts_event, state.ordinal = last, ordinal
        return delays


# Frozen structs are built anew with positional fields: `msgspec.structs.replace` takes several times as long.


def _rebuild_bars(bars: list[Any], received: list[int]) -> list[Any]:
    return [
        Bar(e.bar_type, e.ts_event, r, e.open, e.high, e.low, e.close, e.volume, e.flags)
        for e, r in zip(bars, received, strict=True)
    ]


def _rebuild_trades(trades: list[Any], received: list[int]) -> list[Any]:
    return [
        TradeTick(e.instrument, e.ts_event, r, e.price, e.size, e.aggressor, e.trade_id, e.flags)
        for e, r in zip(trades, received, strict=True)
    ]


def _rebuild_quotes(quotes: list[Any], received: list[int]) -> list[Any]:
    return [
        QuoteTick(e.instrument, e.ts_event, r, e.bid_price, e.bid_size, e.ask_price, e.ask_size, e.sequence, e.flags)
        for e, r in zip(quotes, received, strict=True)
    ]


def _rebuild_depths(depths: list[Any], received: list[int]) -> list[Any]:
    return [
        DepthSnapshot(e.instrument, e.ts_event, r, e.bids, e.asks, e.sequence, e.flags)
        for e, r in zip(depths, received, strict=True)
    ]


def _rebuild_each(events: list[Any], received: list[int]) -> list[Any]:
    """Events of any classes, one by one, in envelopes or not."""
    return list(map(_received_later, events, received))


def _received_later(event: Any, ts_received: int) -> Any:
    """In an envelope its time is what decides; the event inside shows it too where its class lets a copy be made."""
    if type(event) is Envelope:
        inner = _received_later(event.event, ts_received)
        return Envelope(ts_received, event.ts_event, inner, event.rank, event.lane)
    rebuild = _REBUILDERS.get(type(event))
    return received_at(event, ts_received) if rebuild is None else rebuild([event], [ts_received])[0]


_REBUILDERS: Final[dict[type, Rebuild]] = {
    Bar: _rebuild_bars,
    TradeTick: _rebuild_trades,
    QuoteTick: _rebuild_quotes,
    DepthSnapshot: _rebuild_depths,
}


def _event_type(event: Any) -> str:
    kind = event.event.event_type if type(event) is Envelope else event.event_type
    return str(kind)

"""Delivery: the plain loops that a run spends its time in.

Receives: the events of a window, from a place on; the instant up to which nothing but callbacks is due.
Gives:    each event to its calls, with `now` at its instant; the first event that it did not deliver.
Never:    serves brokers or carries out commands: it ends where one was given, or where a callback raised.
          Spec: 3.1; DESIGN 4, 6.

Each loop does what the last one does, `deliver_async`, for runs that need less: none looks at what its run cannot have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from tradecore.engine.participant import NEVER
from tradecore.engine.raised import Raised, find_raised
from tradecore.engine.subscription import Call, Route, Subscriptions
from tradecore.engine.timeline import Timeline
from tradecore.feeds.merge import Envelope


class Delivery:
    """The loops of one run. given: commands that wait; the engine's own list.

    Every loop takes the first event, those after it, and the instant (ns) before which it may deliver. It returns the
    next event to deliver, None behind the last one. is_plain: one that awaits nothing is running. raised: by a
    callback in the loop that ended last.
    """

    __slots__ = ("_given", "_subscriptions", "_timeline", "is_plain", "raised")

    def __init__(self, timeline: Timeline, given: list[Any], subscriptions: Subscriptions) -> None:
        self._timeline = timeline
        self._given = given
        self._subscriptions = subscriptions
        self.is_plain = False
        self.raised: Raised | None = None

    def deliver_alone(self, first: Any, rest: Iterator[Any], due: int, steps: Sequence[Any]) -> Any:
        """Of one feed with the usual subscription: its history, which cannot raise, and one callback."""
        timeline, given = self._timeline, self._given
        keep, call, _ = steps
        event = first
        self.is_plain = True
        try:
            if due == NEVER:  # nothing can come between: a third of the steps less
                timeline.now = event.ts_received
                keep(event)
                call(event)
                if given:
                    return next(rest, None)
                for event in rest:
                    timeline.now = event.ts_received
                    keep(event)
                    call(event)
                    if given:
                        return next(rest, None)
                return None
            for event in chain((first,), rest):
                ts = event.ts_received
                if ts >= due:
                    return event
                timeline.now = ts
                keep(event)
                call(event)
                if given:
                    return next(rest, None)
            return None
        except Exception as error:
            self.raised = find_raised(self._subscriptions, error, event, call, steps)
            return next(rest, None)
        finally:
            self.is_plain = False

    def deliver_class(self, first: Any, rest: Iterator[Any], due: int, by_series: Mapping[Any, Sequence[Any]]) -> Any:
        """Of several feeds of one class, each with the usual subscription."""
        timeline, given, has_due = self._timeline, self._given, due != NEVER
        call: Call | None = None
        event = first
        self.is_plain = True
        try:
            for event in chain((first,), rest):
                ts = event.ts_received
                if has_due and ts >= due:
                    return event
                timeline.now = ts
                keep, call, _ = by_series[event.series]
                keep(event)
                call(event)
                if given:
                    return next(rest, None)
            return None
        except Exception as error:
            steps = by_series.get(getattr(event, "series", None), ())
            self.raised = find_raised(self._subscriptions, error, event, call, steps)
            return next(rest, None)
        finally:
            self.is_plain = False

    def deliver_plain(self, first: Any, rest: Iterator[Any], due: int) -> Any:
        """Of any feeds, where no callback is `async def`."""
        timeline, given, has_due = self._timeline, self._given, due != NEVER
        table = self._subscriptions.steps
        steps: Sequence[Any] = ()
        call: Call | None = None
        event = first
        self.is_plain = True
        try:
            for event in chain((first,), rest):
                ts = event.ts_received
                if has_due and ts >= due:
                    return event
                timeline.now = ts
                cls = type(event)
                if cls is Envelope:
                    steps = self._subscriptions.route_of(event).steps
                    event = event.event
                else:
                    steps = table[cls][event.series]
                keep, call, more = steps
                keep(event)
                call(event)
                if more is not None:
                    for call in more:
                        call(event)
                if given:
                    return next(rest, None)
            return None
        except Exception as error:
            self.raised = find_raised(self._subscriptions, error, event, call, steps)
            return next(rest, None)
        finally:
            self.is_plain = False

    async def deliver_async(self, first: Any, rest: Iterator[Any], due: int, route: Route | None) -> Any:
        """With `async def` callbacks, awaited in place, one at a time. route: of all events, where it is known."""
        timeline, given, subscriptions = self._timeline, self._given, self._subscriptions
        table = subscriptions.pairs
        call: Call | None = None
        pairs = route.pairs if route is not None else []
        event = first
        try:
            for event in chain((first,), rest):
                ts = event.ts_received
                if ts >= due:
                    return event
                timeline.now = ts
                if route is None:
                    cls = type(event)
                    if cls is Envelope:
                        pairs = subscriptions.route_of(event).pairs
                        event = event.event
                    else:
                        pairs = table[cls][event.series]
                for call, is_async in pairs:
                    if is_async:
                        await call(event)
                    else:
                        call(event)
                if given:
                    return next(rest, None)
            return None
        except Exception as error:
            self.raised = find_raised(subscriptions, error, event, call, pairs)
            return next(rest, None)

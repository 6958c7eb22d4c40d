"""Subscription: who gets the events of a feed, and through which calls.

Receives: participants and the calls they want made for a class of events.
Gives:    for each series the plain list of calls that the engine makes per event, computed once and kept current.
Never:    decides order between events; within one event, strategies come in order of their names.    Spec: 4.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import BuiltinMethodType
from typing import Any, Final

import msgspec

from tradecore.domain.account_adjustment import AccountAdjustment
from tradecore.feeds.merge import KNOWN_CLASSES, Envelope, Lane, Rank, rank_of

Call = Callable[[Any], Any]

_PASS_OVER: Final[Call] = deque[Any](maxlen=0).append
"""Keeps nothing."""


class Handler(msgspec.Struct, frozen=True):
    """One call per event. is_async: it returns an awaitable, which the engine awaits in place."""

    call: Callable[[Any], Any | Awaitable[Any]]
    is_async: bool
    owner: str
    """Name of the strategy it belongs to."""
    label: str
    """Name of the callback, for errors."""


class Route:
    """Calls for the events of one class from one lane. Both lists are changed in place, never replaced.

    steps: [keep, call, more]. `keep` keeps the event as history and cannot raise, `call` is the first callback: what
    most routes are, each called from a place of its own in the engine's loop, which CPython makes fast; `more` is a
    tuple of what comes after them, None where nothing does. pairs: each call, and whether it is async.
    """

    __slots__ = ("handlers", "pairs", "steps")

    def __init__(self) -> None:
        self.handlers: list[Handler] = []
        self.pairs: list[tuple[Call, bool]] = []
        self.steps: list[Any] = [_PASS_OVER, _PASS_OVER, None]

    def set(self, handlers: list[Handler]) -> None:
        """Make these the calls from now on."""
        self.handlers = handlers
        self.pairs[:] = [(handler.call, handler.is_async) for handler in handlers]
        calls = [handler.call for handler in handlers]
        if not calls or type(calls[0]) is not BuiltinMethodType:
            calls.insert(0, _PASS_OVER)
        if len(calls) < 2:
            calls.append(_PASS_OVER)
        self.steps[:] = [calls[0], calls[1], tuple(calls[2:]) or None]


class Subscription:
    """A strategy's wish for the events of one lane. handlers_for: the calls it wants for a class of events."""

    __slots__ = ("handlers_for", "lane", "owner")

    def __init__(self, owner: str, lane: Lane, handlers_for: Callable[[type], list[Handler]]) -> None:
        self.owner = owner
        self.lane = lane
        self.handlers_for = handlers_for


class Subscriptions:
    """All subscriptions of a run, and the routes made of them."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._routes: dict[tuple[int, type], Route] = {}
        # class -> series key -> what to call: looked up per event where several feeds meet.
        self.steps: dict[type, dict[Any, list[Any]]] = {}
        self.pairs: dict[type, dict[Any, list[tuple[Call, bool]]]] = {}
        self._by_series: dict[tuple[type, Any], Route] = {}
        self._lanes: dict[tuple[type, Any], Lane] = {}
        self.has_async = False
        self.has_more = False  # whether any route had more than its two first calls
        self.adjusters: list[Handler] = []
        """Called with every AccountAdjustment, whoever brought the feed: indicators follow a split."""

    def add(self, subscription: Subscription) -> None:
        """Take a subscription in; its lane's routes are current at once."""
        self._subscriptions.append(subscription)
        self._refresh(subscription.lane)
        if subscription.lane.rank is None and not self.has_async:
            # The routes of mixed and own events are made when the first event of a class comes, in the middle of a
            # stretch: whether that stretch has to await must be known before. `object` stands for the user's own.
            classes = (*KNOWN_CLASSES, object)
            self.has_async = any(handler.is_async for cls in classes for handler in subscription.handlers_for(cls))

    def remove(self, owner: str, lane: Lane | None = None) -> None:
        """End a strategy's subscriptions, to one lane or to all."""
        gone = [s for s in self._subscriptions if s.owner == owner and lane in (None, s.lane)]
        self._subscriptions = [s for s in self._subscriptions if s not in gone]
        if lane is None:
            self.adjusters = [handler for handler in self.adjusters if handler.owner != owner]
        for subscription in gone:
            self._refresh(subscription.lane)

    def wanted(self, lane: Lane) -> bool:
        """Whether anybody still wants the lane's events."""
        return any(subscription.lane is lane for subscription in self._subscriptions)

    def has_any(self, owner: str, lanes: Sequence[Lane]) -> bool:
        """Whether a strategy wants the events of one of these lanes."""
        return any(subscription.owner == owner and subscription.lane in lanes for subscription in self._subscriptions)

    def open_lane(self, lane: Lane, event_class: type, key: Any) -> Route:
        """The route of a lane of one series, also found by class and key."""
        route = self.route(lane, event_class)
        self.steps.setdefault(event_class, {})[key] = route.steps
        self.pairs.setdefault(event_class, {})[key] = route.pairs
        self._by_series[event_class, key] = route
        self._lanes[event_class, key] = lane
        return route

    def route(self, lane: Lane, event_class: type) -> Route:
        """Calls for events of a class from a lane."""
        route = self._routes.get((lane.number, event_class))
        if route is None:
            route = self._routes[lane.number, event_class] = Route()
            self._fill(route, lane, event_class)
        return route

    def route_of(self, event: Any) -> Route:
        """Calls for one event, in an envelope or not."""
        if type(event) is Envelope:
            return self.route(event.lane, event.event_class)
        return self._by_series[type(event), event.series]

    def handlers_of(self, calls: Sequence[Any]) -> list[Handler]:
        """The handlers behind the `steps` or the `pairs` of a route."""
        for route in self._routes.values():
            if route.steps is calls or route.pairs is calls:
                return route.handlers
        return []

    def lane_of(self, event: Any) -> Lane:
        """The lane of an event that needs no envelope."""
        return self._lanes[type(event), event.series]

    def rank_of(self, event: Any, lane: Lane | None = None) -> Rank:
        """Place of an event within its instant. lane: where it is known."""
        if type(event) is Envelope:
            return event.rank
        lane = lane or self.lane_of(event)
        return lane.rank if lane.rank is not None else rank_of(event, lane.feed.name, lane.number)

    def _refresh(self, lane: Lane) -> None:
        for (number, event_class), route in self._routes.items():
            if number == lane.number:
                self._fill(route, lane, event_class)

    def _fill(self, route: Route, lane: Lane, event_class: type) -> None:
        wanted = sorted((s for s in self._subscriptions if s.lane is lane), key=lambda s: s.owner)
        handlers = [handler for subscription in wanted for handler in subscription.handlers_for(event_class)]
        if event_class is AccountAdjustment:
            handlers = [*self.adjusters, *handlers]
        route.set(handlers)
        self.has_async = self.has_async or any(handler.is_async for handler in handlers)
        self.has_more = self.has_more or route.steps[2] is not None

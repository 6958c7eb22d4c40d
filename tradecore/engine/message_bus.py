"""MessageBus: who else wants to know, after the strategies have been told.

Receives: what the engine publishes: OrderUpdated, Execution, PositionChanged, PhaseChanged, and what others add.
Gives:    each message to the observers of its class, in the order in which they subscribed, at once.
Never:    carries market events to strategies (their routes are computed once), never awaits, never queues. An observer
          that raises stops the run: a report nobody could write is no report.    Spec: 3.1; DESIGN 6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tradecore.domain.execution import Execution
from tradecore.domain.order_events import OrderUpdated, PositionChanged

Message = TypeVar("Message")

_REPORTS = (OrderUpdated, Execution, PositionChanged)


class MessageBus:
    """Sync and typed: observers of a class also hear of its subclasses."""

    def __init__(self) -> None:
        self._observers: dict[type, list[Callable[[Any], None]]] = {}
        self._routes: dict[type, tuple[Callable[[Any], None], ...]] = {}
        self.hears_reports = False  # whether anybody subscribed to what brokers report; asked once per report

    def subscribe(self, message_class: type[Message], observer: Callable[[Message], None]) -> Callable[[], None]:
        """Let an observer hear of every message of a class; the returned function ends that."""
        self._observers.setdefault(message_class, []).append(observer)
        self._routes.clear()
        self.hears_reports = self.hears_reports or message_class is object or issubclass(message_class, _REPORTS)

        def unsubscribe() -> None:
            observers = self._observers.get(message_class, [])
            if observer in observers:
                observers.remove(observer)
                self._routes.clear()

        return unsubscribe

    def is_heard(self, message_class: type) -> bool:
        """Whether anybody listens; what nobody hears need not be made."""
        return bool(self._route(message_class))

    def publish(self, message: object) -> None:
        """Tell every observer, at once."""
        for observer in self._route(type(message)):
            observer(message)

    def _route(self, message_class: type) -> tuple[Callable[[Any], None], ...]:
        route = self._routes.get(message_class)
        if route is None:
            route = tuple(
                observer
                for known, observers in self._observers.items()
                if issubclass(message_class, known)
                for observer in observers
            )
            self._routes[message_class] = route
        return route

"""Participants: what the engine needs of brokers and strategies, and what they hand each other.

Receives: nothing; these are contracts.
Gives:    BrokerParticipant, BrokerReport, Recorder; the engine knows brokers and strategies by these alone.
Never:    lets a broker call out: a broker queues reports with due times, the engine delivers them and awaits.
          DESIGN 4, 6, 9.

How the engine drives a broker, window by window:

    broker.load(series, events)      for each match source series: the events of the next window, in venue order
    while instants remain:
        t = next instant of anything (a delivery, a timer, broker.due_ns)
        broker.advance(t)            the broker's part of instant t: market events, expiries, commands due
        broker.take_reports(t)       reports due by t, for the engine to deliver
        await broker.submit_order()  commands given during t; due at t at once when there is no latency
    broker.end_window(mark)          everything before mark has happened
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Protocol, final

import msgspec

from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.execution import BrokerSource, Execution
from tradecore.domain.instant import MAX_NS
from tradecore.domain.instrument import Instrument
from tradecore.domain.order import Order, OrderSnapshot
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.position import Position

NEVER = MAX_NS
"""The due time of a participant that has nothing to do."""


class BrokerReport(msgspec.Struct, frozen=True, gc=False):
    """What a broker tells a strategy: an order's change, and the execution that caused it, if one did.

    due_ns: when the strategy may hear of it (execution time + report latency). Reports of a broker are in order:
    due_ns never falls within one strategy. after: the strategy's position there after the execution, where the broker
    keeps a ledger; None lets the strategy's side fold it.
    """

    due_ns: int
    strategy: str
    order: OrderSnapshot
    execution: Execution | None = None
    after: Position | None = None


@final
class AdjustmentReport(msgspec.Struct, frozen=True, gc=False):
    """What a broker tells a strategy of an adjustment of what it has there. due_ns: as of a BrokerReport."""

    due_ns: int
    strategy: str
    adjusted: AccountAdjusted


Report = BrokerReport | AdjustmentReport
"""What a broker hands to the engine for a strategy."""


class Source(msgspec.Struct, frozen=True):
    """A series that a run reads. made_by_run: aggregated or made by the run, hence never matched."""

    kind: str
    name: str
    instrument: str
    made_by_run: bool = False


class Recorder(Protocol):
    """Keeps the truth of executions: analyzer and run folder. Called when things happen at the venue."""

    def record_execution(self, execution: Execution, before: Position, after: Position, known_ns: int) -> None:
        """An execution happened, between these positions of its ledger, and became known at an instant of the run.

        Marks before that instant are of what was held before, though they may be recorded later.
        """
        ...

    def record_order(self, order: OrderSnapshot) -> None:
        """An order changed at the venue (accepted, rejected, updated, cancelled, executed) at its ts_event."""
        ...

    def record_marks(self, instrument: str, times: Sequence[int], prices: Sequence[float]) -> None:
        """Prices at which what is held is valued, in order of time, since the last call; only while it is held.

        times, prices: lists, or memoryviews of a feed's columns, which are to be read within the run.
        """
        ...

    def record_adjustment(self, adjusted: AccountAdjusted, profit: Decimal, price: float) -> None:
        """An adjustment was booked, after all marks up to its instant.

        profit: what it brought, in the account's currency. price: a unit's mark after it (converted, as marks are).
        """
        ...

    def record_note(self, kind: str, ts_event: int, facts: Mapping[str, Any]) -> None:
        """Something of note happened to the account: a line of events.jsonl."""
        ...


class BrokerCommands(Protocol):
    """What every broker takes, whoever drives it. Commands keep their order: a cancel never overtakes its submit."""

    name: str

    async def connect(self) -> None:
        """Open what it needs. Raises what the venue's side raises, translated."""
        ...

    async def disconnect(self) -> None:
        """Close it; idempotent."""
        ...

    async def submit_order(self, order: Order) -> None:
        """Take charge of an order, decided now. Returns at once; what the venue says comes as reports (but see
        shows_acceptance). Raises: InvalidOrder for what no such broker can take.
        """
        ...

    async def cancel_order(self, order: Order) -> None:
        """Take charge of a cancel, decided now. Raises: UnknownOrder for an order it never had, or that is finished."""
        ...

    async def update_order(
        self,
        order: Order,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        """Take charge of a change, decided now; quantity is the absolute total. Raises: UnknownOrder, InvalidOrder."""
        ...


class BrokerParticipant(BrokerCommands, Protocol):
    """A broker, as the engine sees it. All but the async methods are sync, hence whole or not at all."""

    source: BrokerSource
    contingency: Literal["client", "venue"]
    """Who holds a group of orders: whoever submits it, or the broker (EXECUTION 8)."""
    due_ns: int
    """The earliest instant at which there is something to do or to report; NEVER when there is none."""

    async def submit_group(self, group: OrderGroup) -> None:
        """Take charge of a submitted group, decided now. Only asked of a broker that holds groups."""
        ...

    async def record_unsent(self, order: OrderSnapshot) -> None:
        """Keep and report, as of now, the end of an order that was never sent."""
        ...

    def attach(self, strategy: str, recorder: Recorder) -> None:
        """Open a ledger for a strategy; its executions and marks go to the recorder."""
        ...

    def choose_sources(
        self, sources: Sequence[Source], instruments: dict[str, Instrument], *, more_may_come: bool = False
    ) -> None:
        """Choose one match source per instrument that has none yet (EXECUTION 3).

        sources: all that is known of these instruments by now; called again when there is more. more_may_come: feeds
        are read that declare no series, so what an instrument lacks may still show itself: that is no mistake yet.
        """
        ...

    def is_source(self, kind: str, name: str) -> bool:
        """Whether events of this series are matched here; only those are loaded."""
        ...

    def load(self, kind: str, name: str, events: Sequence[Any], *, by_arrival: bool = False) -> None:
        """Events of the next window of a match source series, in order of ts_event.

        by_arrival: they are live or recorded, so they are in order of ts_received, and happen at that instant.
        """
        ...

    def advance(self, ts: int) -> None:
        """Do everything up to and including this instant; called with times that never fall."""
        ...

    def take_reports(self, ts: int) -> Sequence[Report]:
        """Reports due by this instant, in order, each handed out once."""
        ...

    def value(self, ts: int) -> None:
        """Record marks up to and including this instant: somebody asks how things stand. It changes no result."""
        ...

    def end_window(self, mark: int) -> None:
        """Everything before mark has happened: take in what is left of the loaded events, value what is held."""
        ...

    def finish(self, ts: int) -> None:
        """The run ended at this instant: last marks."""
        ...


def shows_acceptance(broker: BrokerParticipant) -> bool:
    """Whether a broker, if it is a strategy's only one, may be told that nobody hears of an acceptance.

    It is told by `submit_order(order, False)`, where the command is alone in its round. What it accepts at once, with
    no report waiting, it then makes ACCEPTED itself, which is what the report would do next. Its class says so, by
    `shows_acceptance`; a class that derives from it, or an object around it, says it anew, as it may do otherwise.
    """
    return vars(type(broker)).get("shows_acceptance", False) and "submit_order" not in vars(broker)


class Progress(msgspec.Struct, frozen=True):
    """How far a run is. now_ns: the engine's time; start_ns, end_ns: of the run, None where unknown."""

    events: int
    now_ns: int
    start_ns: int | None
    end_ns: int | None
    done: bool = False

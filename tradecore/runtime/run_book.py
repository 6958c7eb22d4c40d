"""RunBook: what a run keeps: analyzers per strategy, the run folder, digests, notes.

Receives: executions, order changes and marks from brokers, as they happen at the venue; the way the run ended.
Gives:    recorders for brokers, analyzers for strategies, and in the end a RunResult.
Never:    awaits: so what was done is kept whole, however the run ended.    DESIGN 11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from msgspec import structs

from tradecore.analytics.performance_analyzer import PerformanceAnalyzer
from tradecore.analytics.performance_statistics import PerformanceStatistics, add_statistics
from tradecore.brokerage.account_events import AccountEvents
from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.account_adjustment import AccountAdjusted
from tradecore.domain.execution import BrokerSource, Execution
from tradecore.domain.instant import MIN_NS, format_ns
from tradecore.domain.instrument import Instrument
from tradecore.domain.order_events import GroupClosing
from tradecore.domain.order_snapshot import OrderSnapshot
from tradecore.domain.position import Position
from tradecore.engine.trading_engine import TradingEngine
from tradecore.errors import RunFolderError, StrategyError
from tradecore.journal.fingerprint import (
    compute_code_fingerprints,
    compute_fingerprint,
    compute_run_id,
    describe_environment,
)
from tradecore.journal.run_folder import RunFolder, Status, open_run_folder
from tradecore.runtime.run_log import open_run_log
from tradecore.runtime.run_plan import RunPlan
from tradecore.runtime.run_result import RunResult
from tradecore.storage.market_data_storage import Series, SeriesInfo
from tradecore.strategy.opportunity_state import OpportunityChanged
from tradecore.strategy.strategy_host import StrategyHost

BASE_CURRENCY = "USD"
"""Of statistics where no account says otherwise: a run without a simulated broker."""


class RunBook:
    """Everything that a run leaves. Raises: RunFolderError when the folder cannot be made."""

    def __init__(self, plan: RunPlan, engine: TradingEngine, instruments: Mapping[str, Instrument]) -> None:
        self.notes: list[str] = []
        self.remarks: list[str] = []  # told with the result, but not kept: the next run of the same input has none
        self.hosts: list[StrategyHost] = []
        self._plan = plan
        self._engine = engine
        self._instruments = instruments
        self._analyzers: dict[str, PerformanceAnalyzer] = {}
        self._brokers: dict[str, str | None] = {}
        self._settings = {n: b for n, b in plan.brokers.items() if isinstance(b, SimulatedBrokerSettings)}
        run_id = compute_run_id(plan.name, compute_fingerprint(plan.description))
        self.folder: RunFolder = open_run_folder(plan.runs_folder, run_id, trace=plan.trace)
        self.log = open_run_log(plan, self.folder, engine)
        engine.bus.subscribe(StrategyError, self._note_failure)
        engine.bus.subscribe(OpportunityChanged, self._note_opportunity)
        engine.bus.subscribe(GroupClosing, self._note_closing)
        engine.on_begin = self._begin
        engine.on_passed = self._pass

    def open_strategy(self, name: str, broker: str | None) -> PerformanceAnalyzer:
        """The analyzer of a strategy, with the money of the account that its orders go to."""
        settings = self._settings.get(broker or "")
        currency = next(iter(settings.cash), BASE_CURRENCY) if settings is not None else BASE_CURRENCY
        accounts = {broker: settings.cash.get(currency, Decimal(0))} if broker and settings is not None else {}
        sessions = {instrument.session for instrument in self._instruments.values()}
        analyzer = PerformanceAnalyzer(
            name,
            accounts,
            currency,
            start_ns=self._plan.start_ns,
            session=sessions.pop() if len(sessions) == 1 else "24x7",
        )
        analyzer.complete(MIN_NS)
        self._analyzers[name] = analyzer
        self._brokers[name] = broker
        return analyzer

    def recorder(self, strategy: str, broker: str) -> Recorder:
        """Who keeps what one broker does for one strategy."""
        analyzer, settings = self._analyzers[strategy], self._settings.get(broker)
        if settings is None or analyzer.currency not in settings.cash or broker == self._brokers[strategy]:
            return Recorder(self, analyzer, broker)
        return GuestRecorder(self, analyzer, broker, settings.cash[analyzer.currency])

    @property
    def record_order(self) -> Callable[[OrderSnapshot], None]:
        """Who keeps the changes of orders: the folder, and the log of those that say why."""
        keep, log = self.folder.record_order, self.log
        if log is None:
            return keep

        def record(change: OrderSnapshot) -> None:
            keep(change)
            if change.reason is not None:
                log.note_order(change)

        return record

    def record_event(
        self, kind: str, ts_event: int, facts: Mapping[str, Any] | None = None, *, flush: bool = False
    ) -> None:
        """Something of note: a line of events.jsonl, and of the log. Raises: RunFolderError."""
        self.folder.record_event(kind, ts_event, facts, flush=flush)
        if self.log is not None:
            self.log.note_event(kind, ts_event, facts or {})

    def _begin(self, ts: int) -> None:
        for analyzer in self._analyzers.values():
            analyzer.begin(ts)

    def _pass(self, mark: int) -> None:
        """All before the mark has happened, but for what a bar tells later that had begun before."""
        complete_ns = mark - 1
        for broker in self._engine.brokers:
            find = getattr(broker, "find_complete_ns", None)
            if find is not None:
                complete_ns = min(complete_ns, find(mark))
        for analyzer in self._analyzers.values():
            analyzer.complete(complete_ns)
        self.folder.flush_full()

    def _note_failure(self, failure: StrategyError) -> None:
        facts = {"strategy": failure.strategy, "callback": failure.callback, "error": str(failure.__cause__)}
        self.record_event("strategy_raised", self._engine.timeline.now, facts)

    def _note_closing(self, closing: GroupClosing) -> None:
        facts = structs.asdict(closing)
        self.record_event("group_closing" if closing.order_id else "group_left", facts.pop("ts_event"), facts)

    def _note_opportunity(self, change: OpportunityChanged) -> None:
        facts = {"before": change.before, **structs.asdict(change.opportunity)}
        self.record_event("opportunity", change.ts_received, facts)

    def _note_unfinished_opportunities(self) -> None:
        """They stay as they are: what is held is still held, and the statistics count it as open."""
        for host in self.hosts:
            left = host.list_open_opportunities()
            for opportunity in left:
                facts = structs.asdict(opportunity.snapshot())
                self.record_event("opportunity_left", self._engine.timeline.now, facts)
            if left:
                held = sum(1 for one in left if one.held)
                self.notes.append(f"{host.name}: {len(left)} opportunities were not finished at the end, {held} held")

    # ---------------------------------------------------------------------------------------------------- at the end

    def close(
        self,
        status: Status,
        error: BaseException | None,
        brokers: Sequence[Any],
        used: Mapping[Series, SeriesInfo],
    ) -> RunResult:
        """Write what is left and give the result. Raises: RunFolderError, unless the run had failed before."""
        statistics: dict[str, PerformanceStatistics] = {}
        for name, analyzer in self._analyzers.items():
            analyzer.settle(self._engine.timeline.now)
            statistics[name] = analyzer.statistics()
        total = add_statistics([one for _, one in sorted(statistics.items())])
        match_sources = {
            f"{broker.name} {instrument}": source
            for broker in brokers
            for instrument, source in sorted(getattr(broker, "match_sources", {}).items())
        }
        self._note_match_counts(brokers)
        if any(series.kind == "bar" for series in used) and "bar" not in self._plan.delays:
            self.notes.append("bars of history count as received at their end; a [delays] law for bar makes it later")
        self._note_unfinished_opportunities()
        self.notes += [
            f"{host.name}: {ending}" for host in self.hosts for ending in host.orders.endings.list_sentences()
        ]
        if self._engine.stopped_by is not None:
            self.notes.append(f"stopped by {self._engine.stopped_by} at {format_ns(self._engine.timeline.now)}")
        counts = {
            "events": self._engine.events_delivered,
            "orders": sum(host.orders.order_count for host in self.hosts)
            + sum(account.own_orders for account in self._list_accounts(brokers).values()),
            "executions": self.folder.counts["executions"],
        }
        facts = {
            "name": self._plan.name,
            "seed": self._plan.seed,
            "ended_at": format_ns(self._engine.timeline.now),
            "match_sources": match_sources,
            "instruments": self._describe_instruments(brokers),
            "accounts": self._describe_accounts(brokers),
            "counts": counts,
            "notes": self.notes,
            "failures": [str(failure) for failure in self._engine.failures],
            "fingerprints": self._compute_fingerprints(used),
            "config": self._plan.description,
        }
        described = None
        if self.folder.path is not None:  # numbers are computed when somebody reads them: here, the file's reader
            described = {
                "all": total.to_dict(),
                "strategies": {name: one.to_dict() for name, one in sorted(statistics.items())},
            }
        said = None if error is None else f"{type(error).__name__}: {error}"
        try:
            self.folder.finish(
                status, facts=facts, statistics=described, environment=describe_environment(_version()), error=said
            )
            if self.log is not None:
                self.log.end(status, counts, self.notes, said)
        except RunFolderError as failure:
            if error is None:
                raise
            error.add_note(str(failure))
        finally:
            if self.log is not None:
                self.log.close()
        return RunResult(
            run_id=self.folder.run_id,
            run_folder=self.folder.path,
            status=status,
            statistics=total,
            strategies=statistics,
            counts=counts,
            digests=self.folder.digests,
            match_sources=match_sources,
            notes=[*self.remarks, *self.notes],
            failures=[str(failure) for failure in self._engine.failures],
        )

    def _note_match_counts(self, brokers: Sequence[Any]) -> None:
        for broker in brokers:
            for instrument, counts in sorted(getattr(broker, "match_counts", {}).items()):
                listed = ", ".join(
                    f"{count:,} {what.replace('_', ' ')}" for what, count in sorted(counts.items()) if count
                )
                if listed:
                    self.notes.append(f"{broker.name} {instrument}: {listed}")
        for name, account in self._list_accounts(brokers).items():
            self.notes += [f"{name}: {sentence}" for sentence in account.list_assumptions()]

    def _list_accounts(self, brokers: Sequence[Any]) -> dict[str, AccountEvents]:
        """Of the simulated brokers: what happened to their accounts without an order of a strategy."""
        return {broker.name: broker.account for broker in brokers if broker.name in self._settings}

    def _describe_instruments(self, brokers: Sequence[Any]) -> dict[str, Instrument]:
        """Those that were matched, wherever they were defined: what executions mean in money."""
        matched = {name for broker in brokers for name in getattr(broker, "match_sources", {})}
        return {name: self._instruments[name] for name in sorted(matched)}

    def _describe_accounts(self, brokers: Sequence[Any]) -> dict[str, Any]:
        """Simulated brokers' own books at the end, which `tradecore verify` compares with the executions."""
        described = {}
        for broker in brokers:
            if broker.name in self._settings:
                account = broker.get_account()
                positions = [
                    {"strategy": strategy, "instrument": name, "quantity": held.quantity, "cost": held.cost}
                    for (strategy, name), held in account.positions.items()
                ]
                described[broker.name] = {"cash": account.cash, "positions": positions}
        return described

    def _compute_fingerprints(self, used: Mapping[Series, SeriesInfo]) -> dict[str, Any]:
        """What the run was made of: configuration, code, data. Empty where nothing is written."""
        if self.folder.path is None:
            return {}
        data = {
            str(series): {"rows": info.rows, "first": format_ns(info.first_ns), "last": format_ns(info.last_ns)}
            for series, info in sorted(used.items())
        }
        modules = sorted({type(planned.strategy).__module__ for planned in self._plan.strategies})
        return {
            "config": compute_fingerprint(self._plan.description),
            "code": compute_code_fingerprints(modules),
            "data": compute_fingerprint(data),
            "series": data,
        }


def _version() -> str:
    import tradecore

    return tradecore.__version__


class Recorder:
    """The Recorder of one strategy at one broker. is_owner: the strategy's own account, whose interest is its own."""

    is_owner = True

    def __init__(self, book: RunBook, analyzer: PerformanceAnalyzer, broker: str) -> None:
        self._analyzer, self._broker = analyzer, broker
        self._analyze = analyzer.record_execution
        self._keep = book.folder.record_execution
        self._record_event = book.record_event
        self._folder = book.folder
        self.record_marks = partial(analyzer.record_marks, broker=broker)
        self.record_order = book.record_order

    def record_execution(self, execution: Execution, before: Position, after: Position, known_ns: int) -> None:
        """Into the analyzer and the file."""
        self._keep(execution)
        self._analyze(execution, before, after, known_ns)

    def record_note(self, kind: str, ts_event: int, facts: Mapping[str, Any]) -> None:
        """Into events.jsonl, with the lines of orders.jsonl before it: times alone do not say, within an instant."""
        self._record_event(kind, ts_event, {**facts, "order_lines": self._folder.counts["orders"]})

    def record_adjustment(self, adjusted: AccountAdjusted, profit: Decimal, price: float) -> None:
        """Into the analyzer and events.jsonl: money and units received, so that the books can be made again."""
        adjustment, before, after = adjusted.adjustment, adjusted.before, adjusted.after
        name, ts = adjustment.instrument or adjusted.currency, adjustment.ts_event
        facts: dict[str, Any] = {
            "adjustment": adjustment.kind.value, "value": adjustment.value, "strategy": adjusted.strategy,
            "broker": adjusted.broker,
        }  # fmt: skip
        if before is not None and after is not None:
            facts |= {"instrument": name, "held": before.quantity}
            if after.quantity != before.quantity:
                facts["quantity"] = after.quantity - before.quantity
        if adjusted.amount:
            facts |= {"currency": adjusted.currency, "amount": adjusted.amount}
        facts["executions"] = self._folder.counts["executions"]  # before it: times alone do not say, inside a bar
        self._record_event("account_adjustment", ts, {**facts, "profit": profit})
        self._analyzer.record_adjustment(self._broker, BrokerSource.SIMULATED, name, after, ts, profit, price)


class GuestRecorder(Recorder):
    """Of a strategy at a broker that is not its own: that account's capital counts once something executed there."""

    is_owner = False

    def __init__(self, book: RunBook, analyzer: PerformanceAnalyzer, broker: str, capital: Decimal) -> None:
        super().__init__(book, analyzer, broker)
        self._open_account: Callable[[], None] | None = partial(analyzer.open_account, broker, capital)

    def record_execution(self, execution: Execution, before: Position, after: Position, known_ns: int) -> None:
        """See Recorder."""
        if self._open_account is not None:
            self._open_account()
            self._open_account = None
        super().record_execution(execution, before, after, known_ns)

"""PerformanceAnalyzer: keeps the record of one strategy while it trades, and gives its statistics at any time.

Receives: executions with the positions around them, marks while something is held: the Recorder's calls of
          engine/participant.py, when things happen at the venue.
Gives:    PerformanceStatistics, an immutable value, whenever asked; asking changes nothing.
Never:    grows with the number of marks or orders: executions become sums, marks become points of a bounded curve.
          Spec: Strategy Performance Analysis; EXECUTION 9, 10; DESIGN 11.

Marks are kept as they came, up to PENDING_MAX of them, and then the older half is laid out: first walked, in time order
over all ledgers, for the exact drawdown, then thinned into the ledgers' curves. So a call with a thousand marks costs
as much as a call with one. Instruments' calls may arrive in any order: what is laid out ends where everything has come,
as `complete` says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tradecore.analytics.converted_record import ConvertedRecord
from tradecore.analytics.drawdown import DrawdownTracker
from tradecore.analytics.equity_curve import fit_curves
from tradecore.analytics.equity_walk import EquityWalk
from tradecore.analytics.flip_run import Recorded
from tradecore.analytics.ledger_record import LedgerKey, LedgerRecord
from tradecore.analytics.ledger_sum import AnalyzerSnapshot
from tradecore.analytics.marked_span import MarkedSpan, PointColumns, lay_out_columns
from tradecore.analytics.performance_statistics import PerformanceStatistics
from tradecore.domain.execution import BrokerSource, Execution
from tradecore.domain.instant import MIN_NS
from tradecore.domain.position import Position
from tradecore.domain.trading_session import parse_session
from tradecore.errors import StatisticsError

PENDING_MAX: Final = 2**14
"""Marks kept as they came before the older half is laid out: 1.2 MB of ints and floats at most."""

PENDING_OF_LEDGER: Final = 2**7
"""The same of each ledger, where that is more together: laying out has its price for each."""

WAITING_MAX: Final = 128
"""Executions and calls of marks that wait before they are taken in."""

RUN_LEAST: Final = 4
"""Executions in a row that may be taken in together: for fewer it takes longer than one by one."""


class PerformanceAnalyzer:
    """The record of one strategy over all its brokers.

    strategy: its name. accounts: initial capital by account (the broker's name), in `currency`; two strategies on one
    account name the same account, and their sum counts its capital once. start_ns: when the run starts; without it
    `begin` says so, else the first execution's time stands for it. session: of the days on which equity is read
    (EXECUTION 10), as an Instrument has it; "24x7" reads at UTC midnights.
    """

    def __init__(
        self,
        strategy: str,
        accounts: Mapping[str, Decimal],
        currency: str,
        *,
        start_ns: int | None = None,
        session: str = "24x7",
    ) -> None:
        """Raises: StatisticsError when a capital is not a finite Decimal of at least 0; InvalidName for the session."""
        for account, capital in accounts.items():
            if type(capital) is not Decimal or not capital.is_finite() or capital < 0:
                raise StatisticsError(
                    f"initial capital of account {account!r} is {capital!r}; expected a Decimal of at least 0"
                )
        self.strategy, self.currency = strategy, currency
        self._accounts = dict(accounts)
        self._session = parse_session(session)
        self._start_ns: int | None = start_ns
        self._end_ns: int | None = start_ns
        self._ledgers: list[LedgerRecord] = []
        self._by_broker: dict[tuple[str, str], int] = {}  # a broker has one source, so its name says it
        self._by_instrument: dict[str, list[int]] = {}
        self._waiting: list[Any] = []  # executions and marks as they were recorded, in order
        self._mark_places: list[int] = []  # of marks among them
        self._waiting_marks = 0
        self._complete_ns: int | None = None
        self._walked: EquityWalk | None = None  # over everything that is in the curves
        self._ahead: tuple[EquityWalk, list[int]] | None = None  # further, over the first segments of each ledger

    # ------------------------------------------------------------------------------------------ what the broker calls

    def record_execution(
        self, execution: Execution, before: Position, after: Position, known_ns: int | None = None
    ) -> None:
        """An execution happened, between these positions of its ledger.

        known_ns: marks before this instant are of what was held before it, though they may come later; None: they have
        all come.
        Raises: StatisticsError when its commission is in another currency and it carries no rate to convert it at.
        """
        if execution.commission and execution.commission_currency != self.currency and execution.rate is None:
            raise StatisticsError(
                f"execution {execution.execution_id} paid commission in {execution.commission_currency}; statistics of "
                f"{self.strategy!r} are kept in {self.currency}, and it carries no rate. Its broker sets `rate` and "
                "`commission_rate` where it converts; use one whose account has a path between the currencies"
            )
        self._waiting.append((execution, before, after, known_ns))
        if len(self._waiting) >= WAITING_MAX:
            self._take_waiting()

    def record_marks(
        self, instrument: str, times: Sequence[int], prices: Sequence[float], broker: str | None = None
    ) -> None:
        """Prices at which what is held is valued, at strictly ascending instants, since the last call.

        The sequences are kept: hand them over and do not change them. broker: needed only where a strategy holds the
        instrument at several. Marks of an instrument that was never executed here, or of the past, are told by a
        StatisticsError when they are taken in: at the latest by `statistics()`.
        """
        if not times:
            return
        self._mark_places.append(len(self._waiting))
        self._waiting.append((times, prices, broker, instrument))
        self._waiting_marks += len(times)
        if self._waiting_marks > PENDING_MAX:
            self._take_waiting()

    def record_adjustment(
        self, broker: str, source: BrokerSource, name: str, after: Position | None, ts: int, profit: Decimal,
        price: float,
    ) -> None:  # fmt: skip
        """Money or units came without an execution; marks up to then have all come.

        name: the instrument, or the currency of interest (after is None then). profit: in the statistics' currency.
        price: a unit's mark after it, as marks are given.
        """
        self._take_waiting()
        number = self._by_broker.get((broker, name))
        if number is None:
            number = self._open_ledger(broker, source, Position(name))
        self._ahead = None
        ledger = self._ledgers[number]
        ledger.add_adjustment(ts, ledger.position if after is None else after, profit, price)
        self._settle(ts)

    def _take_waiting(self) -> None:
        """Take in what was recorded, in order; all in a row, where this code costs half as much."""
        waiting, self._waiting, self._waiting_marks = self._waiting, [], 0
        places, self._mark_places = self._mark_places, []
        if not waiting:
            return
        by_broker, ledgers = self._by_broker, self._ledgers
        taken = 0
        try:
            for place in (*places, len(waiting)):
                if place - taken >= RUN_LEAST:
                    taken += self._take_run(waiting[taken:place])
                while taken < place:
                    execution, before, after, known_ns = waiting[taken]
                    taken += 1
                    number = by_broker.get((execution.broker, execution.instrument))
                    if number is None:
                        is_converted = execution.rate is not None
                        number = self._open_ledger(execution.broker, execution.source, before, is_converted)
                    ledgers[number].add_execution(execution, before, after, known_ns)
                if place < len(waiting):
                    times, prices, broker, instrument = waiting[place]
                    taken += 1
                    number = by_broker.get((broker, instrument))
                    ledger = ledgers[number] if number is not None else self._find_ledger(instrument, broker)
                    ledger.add_marks(times, prices)
        finally:
            # One that was refused is not taken in, those after it still will be.
            self._waiting[:0] = waiting[taken:]
            self._mark_places[:0] = [place - taken for place in places if place >= taken]
            last_ns = max((ledger.last_ns for ledger in ledgers), default=MIN_NS)
            if last_ns > MIN_NS:
                if self._start_ns is None:  # where a run has no start
                    self._settle(min(ledger.first_ns for ledger in ledgers))
                self._settle(last_ns)
        self._fold_pending()

    def _take_run(self, run: Sequence[Recorded]) -> int:
        """Executions without marks between them: how many were taken in together, all of them or none."""
        first = run[0][0]
        number = self._by_broker.get((first.broker, first.instrument))
        return 0 if number is None else self._ledgers[number].add_flips(run)

    def _take_all(self) -> None:
        """Take in what waits; all marks up to now have come."""
        self._take_waiting()
        for ledger in self._ledgers:
            ledger.settle()
        self._fold_pending()

    def _fold_pending(self) -> None:
        most = max(PENDING_MAX, PENDING_OF_LEDGER * len(self._ledgers))
        while sum(ledger.point_count for ledger in self._ledgers) > most and self._fold():
            pass

    def carry(self, broker: str, source: BrokerSource, position: Position, ts: int, price: float) -> None:
        """Begin a ledger with what is held already (a resumed run), valued at this price at this instant.

        Raises: StatisticsError when the ledger was begun.
        """
        self._take_waiting()
        if (broker, position.instrument) in self._by_broker:
            raise StatisticsError(
                f"ledger {broker} {position.instrument} of {self.strategy!r} has begun; carry positions before the run"
            )
        self._ledgers[self._open_ledger(broker, source, position)].add_marks((ts,), (price,))
        self._settle(ts)

    def open_account(self, account: str, capital: Decimal) -> None:
        """The strategy executed at one more account: its capital counts, as if it had been there from the start.

        Raises: StatisticsError for another capital of an account that is there.
        """
        known = self._accounts.get(account)
        if known is not None:
            if known != capital:
                raise StatisticsError(
                    f"account {account!r} starts with {known} and was opened again with {capital}; one of them is wrong"
                )
            return
        self._accounts[account] = capital
        self._ahead = None
        if self._walked is not None:
            self._walked.add_capital(float(capital))

    def begin(self, ts: int) -> None:
        """The run's first event is of this instant: a run that was given no start starts here."""
        if self._start_ns is None:
            self._ahead = None  # somebody asked before anything happened
            self._settle(ts)

    def complete(self, ts: int) -> None:
        """All marks and executions up to this instant have come, of all ledgers; until the next call, no more have.

        Who never says so records them in order of time over all ledgers, within PENDING_MAX marks.
        """
        self._complete_ns = ts

    def settle(self, ts: int) -> None:
        """The run has come to this instant: time elapsed counts up to it, traded or not."""
        self._take_all()
        self._settle(ts)

    def _settle(self, ts: int) -> None:
        if self._end_ns is None or ts > self._end_ns:
            self._end_ns = ts
            if self._start_ns is None:
                self._start_ns = ts

    # ------------------------------------------------------------------------------------------------- what one asks

    def statistics(self, at: int | None = None) -> PerformanceStatistics:
        """Everything recorded so far, as a value of its own. Numbers are computed when they are read.

        at: the instant the run has come to, where it is later than what was recorded; asking changes nothing.
        Raises: StatisticsError for what was recorded out of order.
        """
        self._take_all()
        ledgers = tuple(ledger.snapshot() for ledger in self._ledgers)
        return PerformanceStatistics.of(
            AnalyzerSnapshot(ledgers, self._walk_ahead()),
            accounts=self._accounts,
            currency=self.currency,
            session=self._session.text,
            start_ns=self._start_ns,
            end_ns=self._end_ns if at is None or self._end_ns is None else max(at, self._end_ns),
        )

    # ------------------------------------------------------------------------------------------------------- inside

    def _open_ledger(self, broker: str, source: BrokerSource, carried: Position, is_converted: bool = False) -> int:
        number = len(self._ledgers)
        key = LedgerKey(self.strategy, broker, source.value, carried.instrument)
        kind = ConvertedRecord if is_converted else LedgerRecord
        self._ledgers.append(kind(key, self._session, carried))
        if number:  # all curves of an analyzer have cells of one width
            self._ledgers[number].curve.width_ns = self._ledgers[0].curve.width_ns
        self._by_broker[broker, carried.instrument] = number
        self._by_instrument.setdefault(carried.instrument, []).append(number)
        return number

    def _find_ledger(self, instrument: str, broker: str | None) -> LedgerRecord:
        numbers = self._by_instrument.get(instrument, ())
        if len(numbers) == 1:  # the usual case: one broker
            return self._ledgers[numbers[0]]
        matching = [self._ledgers[number] for number in numbers if self._ledgers[number].key.broker == broker]
        if len(matching) == 1:
            return matching[0]
        met = "was never executed" if not numbers else f"is held at {len(numbers)} brokers and broker is {broker!r}"
        raise StatisticsError(
            f"marks of {instrument} cannot be placed: it {met} for strategy {self.strategy!r}. Marks are sent only "
            "while something is held; name the broker where there are several, and carry() what a resumed run holds"
        )

    def _fold(self) -> bool:
        # Lay out the older half, everything up to one instant over all ledgers, so that later marks come after it.
        # False where nothing of it is complete yet.
        cut_ns = self._find_cut()
        parts: list[list[MarkedSpan]] = []
        points: PointColumns | None = None
        for ledger in self._ledgers:
            taken = _split_at(ledger, cut_ns)
            spans = ledger.spans[:taken]
            parts.append(spans)
            points = lay_out_columns(spans)
            if points is None:
                ledger.curve.extend(spans)
            else:
                ledger.curve.extend_columns(points)
            ledger.fold(taken)
        if not any(parts):
            return False
        if self._walked is None:
            self._walked = EquityWalk(self._make_tracker())
        if points is not None and len(parts) == 1:
            self._walked.walk_columns(points)
        else:
            self._walked.walk(parts)
        fit_curves([ledger.curve for ledger in self._ledgers])
        self._ahead = None
        return True

    def _find_cut(self) -> int:
        cut_ns = self._find_middle()
        return cut_ns if self._complete_ns is None else min(cut_ns, self._complete_ns)

    def _find_middle(self) -> int:
        counts = [ledger.point_count for ledger in self._ledgers]
        most = max(counts)
        busiest, room = self._ledgers[counts.index(most)], (most + 1) // 2
        for span in busiest.spans:
            if span.point_count >= room:
                return span.times[min(room, len(span.times)) - 1] if span.times else span.last_ns
            room -= span.point_count
        return busiest.spans[-1].last_ns

    def _make_tracker(self) -> DrawdownTracker:
        capital = float(sum(self._accounts.values(), Decimal(0)))
        return DrawdownTracker(capital, 0 if self._start_ns is None else self._start_ns)

    def _walk_ahead(self) -> DrawdownTracker:
        # Go on from the last request over what is new; start over where something new is older than what was walked.
        ahead = self._ahead
        if ahead is not None:
            seen = ahead[1] + [0] * (len(self._ledgers) - len(ahead[1]))
            reached = ahead[0].open_ns
            for ledger, count in zip(self._ledgers, seen, strict=True):
                if reached is not None and count < len(ledger.spans) and ledger.spans[count].first_ns < reached:
                    ahead = None
                    break
        if ahead is None:
            walk = EquityWalk(self._make_tracker()) if self._walked is None else self._walked.clone()
            seen = [0] * len(self._ledgers)
        else:
            walk = ahead[0]
        new = [ledger.spans[count:] for ledger, count in zip(self._ledgers, seen, strict=True)]
        if new:
            walk.walk(new)
        self._ahead = (walk, [len(ledger.spans) for ledger in self._ledgers])
        return walk.to_tracker()


def _split_at(ledger: LedgerRecord, cut_ns: int) -> int:
    # How many spans end at or before the cut, after splitting the one that straddles it.
    spans = ledger.spans
    taken = bisect_right(spans, cut_ns, key=lambda span: span.last_ns)
    if taken < len(spans):
        before, after = spans[taken].split(cut_ns)
        if before is not None and after is not None:
            ledger.spans = [*spans[:taken], before, after, *spans[taken + 1 :]]  # a new list: snapshots keep theirs
            taken += 1
    return taken

"""NextOpen: the usual order of a backtest on bars, from its acceptance to its execution, in a few steps.

Receives: an order at market without conditions, that widens no position, while no other order works at its broker, its
          ExecutionEngine has nothing due and nothing takes time; the instant at which its next bar is known.
Gives:    the reports, the Execution, the records and the bookings that it has on the general way, or the order as a
          WorkingOrder as soon as anything else comes before its bar, or the bar itself has to be looked at closer.
Never:    refuses, withdraws or executes in parts: what is not certain is AccountBook's and ExecutionEngine's to say.
          EXECUTION 1, 6, 9.

An order passes through some forty functions on the general way, which are there for orders that compete, wait, expire
or come in parts. This one needs none of that, and it is what most backtests consist of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tradecore.brokerage.account_book import AccountBook
from tradecore.domain.exact import ZERO, to_float
from tradecore.domain.execution import BrokerSource, Execution, Liquidity
from tradecore.domain.order import Order, OrderSide, OrderSnapshot, OrderType, TimeInForce
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import PLAIN_TERMS
from tradecore.engine.participant import NEVER, BrokerReport
from tradecore.execution.execution_engine import Charge
from tradecore.execution.working_order import WorkingOrder

# Members by module name: reading them off an Enum class costs 0.1 us each in Python 3.11.
_GTC: Final = TimeInForce.GTC
_LIQUIDITY_TAKER: Final = Liquidity.TAKER
_MARKET: Final = OrderType.MARKET
_SIDE_BUY: Final = OrderSide.BUY
_STATE_ACCEPTED: Final = OrderState.ACCEPTED
_STATE_FILLED: Final = OrderState.FILLED


class NextOpen:
    """The one such order of a broker. due_ns: when its bar is known, NEVER while there is no order."""

    __slots__ = (
        "_accepted_ns", "_book", "_broker", "_charges", "_ledger", "_number", "_order", "_source", "due_ns",
    )  # fmt: skip

    def __init__(self, broker: str, source: BrokerSource, book: AccountBook, charges: Mapping[str, Charge]) -> None:
        self._broker, self._source = broker, source
        self._book, self._charges = book, charges
        self._order: Any = None
        self._ledger: Any = None
        self._accepted_ns = self._number = 0
        self.due_ns = NEVER

    def take(self, order: Order, number: int, now: int) -> OrderSnapshot | None:
        """Accept an order that arrives now and let it wait; None for one that has to go the general way.

        Call it only while no other order works, no command is on its way and the ExecutionEngine has nothing due.
        number: its place among all orders.
        """
        # The order's own attributes: its properties would take longer than all this.
        if order._order_type is not _MARKET or order._terms is not PLAIN_TERMS or order._time_in_force is not _GTC:  # noqa: SLF001
            return None
        book, strategy, instrument = self._book, order._strategy, order._instrument  # noqa: SLF001
        ledger = book.ledgers.get((strategy, instrument))
        if ledger is None or ledger.conversion is not None or book.is_exposed:
            return None
        lane: Any = ledger.lane
        side, quantity = order._side, order._quantity  # noqa: SLF001
        if not lane.has_next_open or lane.may_refuse or lane.depth is not None:
            return None
        if not book.is_reducing(ledger, quantity, side is _SIDE_BUY):
            return None
        due = lane.find_next_open(now)
        if due == NEVER:  # its bar is not known to come
            return None
        self._order, self._ledger, self._number = order, ledger, number
        self._accepted_ns, self.due_ns = now, due
        snapshot = OrderSnapshot(
            order._order_id, strategy, self._broker, instrument, side, _MARKET, quantity, None, None, _GTC,  # noqa: SLF001
            _STATE_ACCEPTED, ZERO, None, None, order._ts_decided, now,  # noqa: SLF001
        )  # fmt: skip
        ledger.recorder.record_order(snapshot)
        return snapshot

    def execute(self) -> BrokerReport | None:
        """Execute the order at the open of the bar that is due now, and book it; None: it has to be given back."""
        order, ledger, due = self._order, self._ledger, self.due_ns
        quantity, side, lane = order._quantity, order._side, ledger.lane  # noqa: SLF001
        is_buy = side is _SIDE_BUY
        met = lane.take_open(to_float(quantity), self._accepted_ns, is_buy)
        if met is None:
            return None
        price, slippage, ts = met
        self._order, self.due_ns = None, NEVER
        order_id, strategy, instrument = order._order_id, order._strategy, order._instrument  # noqa: SLF001
        commission = self._charges[instrument](quantity, price, _LIQUIDITY_TAKER, is_buy)
        execution = Execution(
            order_id + ".1", order_id, strategy, self._broker, self._source, instrument, side, quantity, price,
            commission, ledger.instrument.currency, _LIQUIDITY_TAKER, lane.matched_on, ts, slippage,
        )  # fmt: skip
        after = self._book.book(ledger, execution, due)
        snapshot = OrderSnapshot(
            order_id, strategy, self._broker, instrument, side, _MARKET, quantity, None, None, _GTC, _STATE_FILLED,
            quantity, price, None, order._ts_decided, ts,  # noqa: SLF001
        )  # fmt: skip
        ledger.recorder.record_order(snapshot)
        return BrokerReport(due, strategy, snapshot, execution, after)

    def give_back(self) -> tuple[WorkingOrder, int]:
        """The order as it is on the general way once it was accepted, and when that was."""
        working, ledger = WorkingOrder(self._order), self._ledger
        working.number, working.state, working.ledger = self._number, _STATE_ACCEPTED, ledger
        self._book.reserve(working, ledger, self._charges[working.instrument])
        self._order, self.due_ns = None, NEVER
        return working, self._accepted_ns

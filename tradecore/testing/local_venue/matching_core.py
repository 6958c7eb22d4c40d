"""MatchingCore: the book of one pair and what trades in it, by price, then by time.

Receives: orders and cancels of accounts; sizes of the outside market, where a recording says them.
Gives:    executions in the order in which they happened; the levels that changed.
Never:    shares code with tradecore.execution: it is what that is compared with. Never lets a book be crossed by
          orders; a recording may cross its own, as real ones do.    RELIABILITY 7.2; EXECUTION 3.

This is also where the orders of clients enter once the venue takes them: an account's order and the outside market
meet in the same book.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

from tradecore.testing.local_venue.venue_action import BUY, SELL, Level
from tradecore.testing.local_venue.venue_ledger import LedgerExecution, VenueLedger

OUTSIDE: Final = "outside"
"""The account of all who are in a recording."""

_OUTSIDE_KEY: Final = (OUTSIDE, "")


class RestingOrder:
    """An order in the book; `size` is what is left of it, in whole increments."""

    __slots__ = ("account", "name", "price", "side", "size")

    def __init__(self, account: str, name: str, side: int, price: int, size: int) -> None:
        self.account, self.name, self.side, self.price, self.size = account, name, side, price, size


class BookSide:
    """One side of a book. Keys rise from the best level on: the price for asks, minus the price for bids."""

    __slots__ = ("_keys", "_levels", "side")

    def __init__(self, side: int) -> None:
        self.side: Final = side
        self._keys: list[int] = []
        self._levels: dict[int, dict[tuple[str, str], RestingOrder]] = {}

    def add(self, order: RestingOrder) -> None:
        """Put an order behind those that stand at its price."""
        key = -self.side * order.price
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = {}
            insort(self._keys, key)
        level[order.account, order.name] = order

    def remove(self, order: RestingOrder) -> None:
        """Take an order away, and its level when nothing is left there."""
        key = -self.side * order.price
        level = self._levels[key]
        del level[order.account, order.name]
        if not level:
            del self._levels[key]
            del self._keys[bisect_left(self._keys, key)]

    def get_outside(self, price: int) -> RestingOrder | None:
        """What stands outside at a price."""
        return self._levels.get(-self.side * price, {}).get(_OUTSIDE_KEY)

    def size_at(self, price: int) -> int:
        """What stands at a price, 0 for nothing."""
        level = self._levels.get(-self.side * price)
        if level is None:
            return 0
        if len(level) == 1:  # as nearly all are in a recording
            return next(iter(level.values())).size
        return sum([order.size for order in level.values()], 0)

    def best(self) -> RestingOrder | None:
        """The order that trades first."""
        return next(iter(self._levels[self._keys[0]].values())) if self._keys else None

    def levels(self, depth: int | None = None) -> Iterator[Level]:
        """Price and size of the levels, best first."""
        for key in self._keys[:depth]:
            yield abs(key), sum([order.size for order in self._levels[key].values()], 0)

    def __len__(self) -> int:
        return len(self._keys)


class MatchingCore:
    """The book of one pair. `touched` collects (side, price) of levels that changed until `take_changes`."""

    def __init__(self, symbol: str, ledger: VenueLedger) -> None:
        self.symbol: Final = symbol
        self.ledger: Final = ledger
        self.bids: Final = BookSide(BUY)
        self.asks: Final = BookSide(SELL)
        self._orders: dict[tuple[str, str], RestingOrder] = {}
        self._touched: dict[tuple[int, int], None] = {}

    def place(
        self, at_ns: int, account: str, name: str, side: int, price: int | None, size: int, *, keeps_rest: bool,
        first_trade_id: int,
    ) -> list[LedgerExecution]:  # fmt: skip
        """Match an order against the other side; what is left rests, where it may. Trade ids count from the given one.

        Raises: ValueError for a size that is not above 0, or a name that this account uses for a working order.
        """
        if size <= 0 or (account, name) in self._orders:
            raise ValueError(f"order {name!r} of {account}: size {size}, known {(account, name) in self._orders}")
        other = self.asks if side == BUY else self.bids
        executions: list[LedgerExecution] = []
        while size and (best := other.best()) is not None and (price is None or side * (price - best.price) >= 0):
            taken = min(size, best.size)
            size -= taken
            executions.append(LedgerExecution(
                self.symbol, at_ns, first_trade_id + len(executions), account, name, best.account, best.name, side,
                best.price, taken,
            ))  # fmt: skip
            self.ledger.book(executions[-1])
            self._reduce(best, taken)
        if size and keeps_rest and price is not None:
            order = RestingOrder(account, name, side, price, size)
            self._orders[account, name] = order
            (self.bids if side == BUY else self.asks).add(order)
            self._touched[side, price] = None
        return executions

    def cancel(self, account: str, name: str) -> bool:
        """Take an order out of the book; False when it is not there."""
        order = self._orders.get((account, name))
        if order is None:
            return False
        self._reduce(order, order.size)
        return True

    def set_outside(self, side: int, price: int, size: int) -> None:
        """Set what stands outside at a price. A smaller size keeps its place in the queue, a larger one does not."""
        book = self.bids if side == BUY else self.asks
        order = book.get_outside(price)
        if order is not None and 0 < size <= order.size:
            order.size = size
        else:
            if order is not None:
                book.remove(order)
            if size:
                book.add(RestingOrder(*_OUTSIDE_KEY, side, price, size))
        self._touched[side, price] = None

    def clear_outside(self) -> None:
        """Take away all that stands outside, before a snapshot."""
        for book in (self.bids, self.asks):
            for price, _ in list(book.levels()):
                if book.get_outside(price) is not None:
                    self.set_outside(book.side, price, 0)

    def take_changes(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks that changed since the last call, with their sizes now, in the order of the change."""
        touched, self._touched = self._touched, {}
        bids = tuple([(price, self.bids.size_at(price)) for side, price in touched if side == BUY])
        asks = tuple([(price, self.asks.size_at(price)) for side, price in touched if side == SELL])
        return bids, asks

    def _reduce(self, order: RestingOrder, size: int) -> None:
        order.size -= size
        self._touched[order.side, order.price] = None
        if not order.size:
            (self.bids if order.side == BUY else self.asks).remove(order)
            self._orders.pop((order.account, order.name), None)

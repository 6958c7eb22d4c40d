"""VenueLedger: who owns what at the local venue. Its own code: an oracle of the brokers that trade there.

Receives: deposits, executions between two accounts.
Gives:    balances in whole numbers: base currency in size increments, quote currency in price x size increments.
Never:    makes or loses money: what one account pays another one gets.    RELIABILITY 7.2, laws B1, B2, B7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from tradecore.testing.local_venue.venue_action import BUY


class LedgerExecution(msgspec.Struct, frozen=True, gc=False):
    """One execution between a taker and a maker. taker_side: BUY or SELL. price, size: whole increments, > 0."""

    symbol: str
    at_ns: int
    trade_id: int
    taker: str
    taker_order: str
    maker: str
    maker_order: str
    taker_side: int
    price: int
    size: int


class VenueLedger:
    """Balances by (account, symbol): base and quote of each pair apart, because their increments are the pair's."""

    def __init__(self) -> None:
        self._base: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._quote: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.deposited_base: defaultdict[str, int] = defaultdict(int)
        self.deposited_quote: defaultdict[str, int] = defaultdict(int)

    def deposit(self, account: str, symbol: str, *, base: int = 0, quote: int = 0) -> None:
        """Give an account something from outside."""
        self._base[account, symbol] += base
        self._quote[account, symbol] += quote
        self.deposited_base[symbol] += base
        self.deposited_quote[symbol] += quote

    def book(self, execution: LedgerExecution) -> None:
        """Move base from seller to buyer, and price x size from buyer to seller."""
        buyer, seller = execution.taker, execution.maker
        if execution.taker_side != BUY:
            buyer, seller = seller, buyer
        symbol, cost = execution.symbol, execution.price * execution.size
        self._base[buyer, symbol] += execution.size
        self._base[seller, symbol] -= execution.size
        self._quote[buyer, symbol] -= cost
        self._quote[seller, symbol] += cost

    def get_balance(self, account: str, symbol: str) -> tuple[int, int]:
        """Base and quote of an account in a pair, in whole increments."""
        return self._base.get((account, symbol), 0), self._quote.get((account, symbol), 0)

    @property
    def base_balances(self) -> Mapping[tuple[str, str], int]:
        """All base balances by (account, symbol)."""
        return MappingProxyType(self._base)

    @property
    def quote_balances(self) -> Mapping[tuple[str, str], int]:
        """All quote balances by (account, symbol)."""
        return MappingProxyType(self._quote)

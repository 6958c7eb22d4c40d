"""VenueMarket: the local venue's market, as one object that knows no socket, no clock and no dialect.

Receives: actions in the order of their instants (from a recording, a store, a synthetic market, a client's order).
Gives:    what it publishes, to listeners and for ever in `truth()`; books, tapes and the ledger, to be asked.
Never:    publishes an id twice or leaves one out.    RELIABILITY 7.2; issue 4, item 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue.matching_core import MatchingCore
from tradecore.testing.local_venue.trade_tape import TradeTape
from tradecore.testing.local_venue.venue_action import (
    BUY,
    SELL,
    CancelOrder,
    PlaceOrder,
    PrintTrade,
    SetLevels,
    ShowQuote,
    VenueAction,
)
from tradecore.testing.local_venue.venue_event import VenueBookChange, VenueEvent, VenueQuote, VenueTrade
from tradecore.testing.local_venue.venue_instrument import VenueInstrument
from tradecore.testing.local_venue.venue_ledger import LedgerExecution, VenueLedger

OnPublished = Callable[[VenueEvent], None]


class VenueTruth(msgspec.Struct, frozen=True):
    """All that the venue has published, in order, for oracles only. The first `live_from` events were history then."""

    events: tuple[VenueEvent, ...]
    live_from: int

    def trades(self, symbol: str, *, live_only: bool = False) -> list[VenueTrade]:
        """Trades of a pair ("BTCUSDT")."""
        return [event for event in self._chosen(live_only) if type(event) is VenueTrade and event.symbol == symbol]

    def quotes(self, symbol: str, *, live_only: bool = False) -> list[VenueQuote]:
        """Best prices of a pair."""
        return [event for event in self._chosen(live_only) if type(event) is VenueQuote and event.symbol == symbol]

    def book_changes(self, symbol: str, *, live_only: bool = False) -> list[VenueBookChange]:
        """Book changes of a pair."""
        return [e for e in self._chosen(live_only) if type(e) is VenueBookChange and e.symbol == symbol]

    def _chosen(self, live_only: bool) -> Sequence[VenueEvent]:
        return self.events[self.live_from :] if live_only else self.events


class PairMarket:
    """One pair: its book, its tape, its newest best prices. update_id: of the newest change; 0 before the first."""

    def __init__(self, instrument: VenueInstrument, ledger: VenueLedger, *, has_recorded_quotes: bool) -> None:
        self.instrument: Final = instrument
        self.core: Final = MatchingCore(instrument.symbol, ledger)
        self.tape: Final = TradeTape()
        self.has_recorded_quotes: Final = has_recorded_quotes
        self.quote: VenueQuote | None = None
        self.update_id = 0
        self.last_change_id = 0  # update id of the newest book change: recorded quotes have ids of their own between
        self.next_trade_id = 1


class VenueMarket:
    """All pairs of the venue. `now_ns` is the instant of the newest action."""

    def __init__(
        self, instruments: Iterable[VenueInstrument], recorded_quotes: Iterable[str] = (), *, keeps_truth: bool = True
    ) -> None:
        self.ledger: Final = VenueLedger()
        quoted = set(recorded_quotes)
        self.pairs: Final = {
            instrument.symbol: PairMarket(instrument, self.ledger, has_recorded_quotes=instrument.symbol in quoted)
            for instrument in instruments
        }
        if not self.pairs:
            raise LocalVenueError("a local venue needs at least one pair to list; none was given")
        self.now_ns = 0
        self.executions: list[LedgerExecution] = []
        self.published = 0
        self._keeps_truth = keeps_truth
        self._listeners: list[OnPublished] = []
        self._published: list[VenueEvent] = []
        self._live_from: int | None = None

    def add_listener(self, on_published: OnPublished) -> None:
        """Call a function with every event that is published from now on, once the market is live."""
        self._listeners.append(on_published)

    def go_live(self) -> None:
        """All before was history; from now on listeners are told."""
        if self._live_from is None:
            self._live_from = self.published

    def truth(self) -> VenueTruth:
        """All that was published. Raises: LocalVenueError when it was not to be kept."""
        if not self._keeps_truth:
            raise LocalVenueError("this venue keeps no truth; make it with VenueSettings(keeps_truth=True)")
        live_from = self.published if self._live_from is None else self._live_from
        return VenueTruth(tuple(self._published), live_from)

    def apply(self, action: VenueAction) -> None:
        """Let an action happen and publish what comes of it."""
        self.now_ns = max(self.now_ns, action.at_ns)
        pair = self.pairs[action.symbol]
        kind = type(action)
        if kind is PrintTrade:
            self._print(pair, action)  # type: ignore[arg-type]
        elif kind is ShowQuote:
            self._show(pair, action)  # type: ignore[arg-type]
        elif kind is SetLevels:
            self._set_levels(pair, action)  # type: ignore[arg-type]
        elif kind is PlaceOrder:
            self._place(pair, action)  # type: ignore[arg-type]
        else:
            assert isinstance(action, CancelOrder)
            if pair.core.cancel(action.account, action.order_name):
                self._publish_changes(pair, action.at_ns, action.at_ns)

    # ------------------------------------------------------------------------------------------- what actions make

    def _place(self, pair: PairMarket, order: PlaceOrder) -> None:
        executions = pair.core.place(
            order.at_ns, order.account, order.order_name, order.side, order.price, order.size,
            keeps_rest=order.keeps_rest, first_trade_id=pair.next_trade_id,
        )  # fmt: skip
        if self._keeps_truth:
            self.executions += executions
        for execution in executions:
            trade = VenueTrade(
                pair.instrument.symbol, order.at_ns, order.at_ns, execution.trade_id, execution.price, execution.size,
                execution.taker_side == SELL,
            )  # fmt: skip
            self._publish_trade(pair, trade)
        self._publish_changes(pair, order.at_ns, order.at_ns)

    def _print(self, pair: PairMarket, printed: PrintTrade) -> None:
        trade_id = pair.next_trade_id if printed.trade_id is None else printed.trade_id
        if trade_id < pair.next_trade_id:
            raise LocalVenueError(
                f"trade {trade_id} of {printed.symbol} comes after trade {pair.next_trade_id - 1}; "
                "a recording must have rising trade ids"
            )
        trade = VenueTrade(
            printed.symbol, printed.at_ns, printed.event_ns, trade_id, printed.price, printed.size,
            printed.buyer_is_maker,
        )  # fmt: skip
        self._publish_trade(pair, trade)

    def _show(self, pair: PairMarket, shown: ShowQuote) -> None:
        pair.update_id = pair.update_id + 1 if shown.update_id is None else shown.update_id
        quote = VenueQuote(
            shown.symbol, shown.at_ns, shown.event_ns, pair.update_id, shown.bid_price, shown.bid_size,
            shown.ask_price, shown.ask_size,
        )  # fmt: skip
        pair.quote = quote
        self._publish(quote)

    def _set_levels(self, pair: PairMarket, levels: SetLevels) -> None:
        if levels.is_snapshot:
            pair.core.clear_outside()
        for price, size in levels.bids:
            pair.core.set_outside(BUY, price, size)
        for price, size in levels.asks:
            pair.core.set_outside(SELL, price, size)
        self._publish_changes(pair, levels.at_ns, levels.event_ns, levels.last_id)

    # -------------------------------------------------------------------------------------------------- publishing

    def _publish_trade(self, pair: PairMarket, trade: VenueTrade) -> None:
        pair.next_trade_id = trade.trade_id + 1
        pair.tape.add(trade)
        self._publish(trade)

    def _publish_changes(self, pair: PairMarket, at_ns: int, event_ns: int, last_id: int = 0) -> None:
        bids, asks = pair.core.take_changes()
        if not (bids or asks):
            return
        if last_id <= pair.last_change_id:  # the recording has no ids, or repeats one
            last_id = pair.update_id + 1
        symbol = pair.instrument.symbol
        change = VenueBookChange(symbol, at_ns, event_ns, pair.last_change_id + 1, last_id, bids, asks)
        pair.last_change_id = last_id
        pair.update_id = max(pair.update_id, last_id)
        self._publish(change)
        if not pair.has_recorded_quotes:
            self._publish_best(pair, at_ns, event_ns)

    def _publish_best(self, pair: PairMarket, at_ns: int, event_ns: int) -> None:
        """Publish best bid and ask where they changed; a book without one side shows none."""
        bid, ask = next(pair.core.bids.levels(1), None), next(pair.core.asks.levels(1), None)
        before = pair.quote
        if bid is None or ask is None:
            return
        if before is not None and (before.bid_price, before.bid_size, before.ask_price, before.ask_size) == (
            *bid,
            *ask,
        ):
            return
        pair.quote = VenueQuote(pair.instrument.symbol, at_ns, event_ns, pair.update_id, *bid, *ask)
        self._publish(pair.quote)

    def _publish(self, event: VenueEvent) -> None:
        self.published += 1
        if self._keeps_truth:
            self._published.append(event)
        if self._live_from is not None:
            for on_published in self._listeners:
                on_published(event)

"""MarketMaker: an example that quotes both sides and keeps cancelling.

Receives: the quotes of one instrument.
Gives:    a buy at the bid and a sale at the ask; whenever the touch has moved, the order that stands elsewhere is
          cancelled and a new one quotes the new price. Nothing is hedged: what is held is limited, not managed.
Never:    takes: every order is post_only, so one that arrives late at a market that has moved is rejected.
          EXECUTION 1, 7.

With latency an order stands where the market was. `cancels_sent` says of each order when its cancel was decided: what
executes after that was picked off.
"""

from __future__ import annotations

from decimal import Decimal

import tradecore as tc


class MarketMaker(tc.Strategy):
    """Stands at the touch on both sides with `quantity` each, while no more than position_max is or may become held.

    cancels_sent: decision time by order id, int nanoseconds; an order that is cancelled once is never touched again.
    """

    def __init__(self, instrument: str, quantity: Decimal = Decimal(100), position_max: Decimal = Decimal(500)) -> None:
        self.instrument_id = instrument
        self.quantity, self.position_max = quantity, position_max
        self.cancels_sent: dict[str, int] = {}
        self.standing: dict[int, tc.Order] = {}

    def on_start(self) -> None:
        """One stream of quotes is all it needs."""
        self.subscribe_to_quotes(self.instrument_id, key="quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        """Follow the touch on both sides, where there is room between them for an order that must not take."""
        if tick.bid_price < tick.ask_price:
            self.follow(+1, tick.bid_price)
            self.follow(-1, tick.ask_price)

    def follow(self, sign: int, price: float) -> None:
        """Have one side (+1 buys, -1 sells) stand at this price."""
        order = self.standing.get(sign)
        if order is not None and order.is_open:
            if order.price == Decimal(repr(price)):
                return
            self.cancel_order(order)
            self.cancels_sent[order.order_id] = self.now_ns
        self.standing.pop(sign, None)
        if self.could_hold(sign) + self.quantity <= self.position_max:
            self.standing[sign] = self.submit_order(
                tc.Order.limit(self.instrument_id, sign * self.quantity, price, post_only=True)
            )

    def could_hold(self, sign: int) -> Decimal:
        """What would be held on this side if all that is open there executed: a cancelled order may yet."""
        side = tc.OrderSide.BUY if sign > 0 else tc.OrderSide.SELL
        amount = sign * self.position(self.instrument_id).quantity
        for order in self.orders(self.instrument_id):
            if order.side is side:
                amount += order.remaining_quantity
        return amount

    def on_stop(self) -> None:
        """Leave nothing behind in the market."""
        self.cancel_all_orders()

"""Stories of orders and groups in a random market, told by hypothesis on an OrderStage, with the laws after each step.

Receives: what hypothesis draws: prices, sizes, orders, groups, cancels, updates, repeated reports.
Gives:    GroupStory, a state machine for `run_state_machine_as_test`; a failure is one short story.
Never:    draws anything elsewhere: the same seed tells the same stories.    RELIABILITY 3 ("Hypothesis use").

`scripts/soak` tells thousands of them; tests/brokerage/test_group_stories.py a few hundred.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tradecore.brokerage.settings import Latency, RateCommission
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.instant import MINUTE_NS, SECOND_NS
from tradecore.domain.order import Order, TimeInForce
from tradecore.domain.order_group import OrderGroup
from tradecore.domain.order_state import OrderState
from tradecore.domain.order_terms import Contingency
from tradecore.errors import InvalidOrder, UnknownOrder
from tradecore.testing.builders import make_bar, make_quote_tick, make_trade_tick
from tradecore.testing.order_laws import OrderLaws
from tradecore.testing.order_stage import OrderStage

ID: Final = "TEST.SIM"
SOURCES: Final = {"quote": f"quote_tick {ID}", "trade": f"trade_tick {ID}", "bar": f"bar {ID} 1m last"}
START_NS: Final = 1_704_103_200 * SECOND_NS
MIDDLE: Final = 10_000
"""Price around which stories begin, in cents."""

offsets = st.integers(1, 5)
quantities = st.integers(2, 12)
moves = st.integers(-6, 6)
sides = st.sampled_from([1, -1])


def _ms(value: int) -> ConstantDelay:
    return ConstantDelay(ms=float(value))


LATENCIES: Final = (
    Latency(),
    Latency(submit=_ms(300), cancel=_ms(500), update=_ms(400), report=_ms(700)),
    Latency(submit=_ms(50), cancel=_ms(2_000), update=_ms(50), report=_ms(50)),
)


class GroupStory(RuleBasedStateMachine):
    """One strategy, one broker, one instrument. stories_told counts them, for who wants to see progress; met counts the
    stories in which what groups are hard for did happen, so that laws that held were not idle.
    """

    stories_told = 0
    met: Counter[str] = Counter()
    kinds: tuple[str, ...] = ("quote", "trade", "bar")
    contingencies: tuple[str, ...] = ("client", "venue")

    def __init__(self) -> None:
        super().__init__()
        type(self).stories_told += 1
        self.stage: OrderStage | None = None
        self.price, self.ns = MIDDLE, START_NS

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Choose a venue and show it a first price."""
        self.kind = data.draw(st.sampled_from(self.kinds))
        contingency = data.draw(st.sampled_from(self.contingencies))
        self.stage = OrderStage(
            SOURCES[self.kind],
            contingency=contingency,
            latency=data.draw(st.sampled_from(LATENCIES)),
            commission=RateCommission(maker=Decimal("0.0001"), taker=Decimal("0.0003")),
            bar_path=data.draw(st.sampled_from(["worst", "ohlc"])),
            stop_through=data.draw(st.sampled_from(["trigger", "trigger", "reject"])),
            self_trade=data.draw(st.sampled_from(["cancel_resting", "reject"])),
            participation=Decimal("0.5"),
        )
        self.laws = OrderLaws(self.stage)
        self._happen(0, 20, 3)

    # -------------------------------------------------------------------------------------------------- the market

    @rule(move=moves, size=st.integers(0, 15), width=st.integers(1, 4))
    def market(self, move: int, size: int, width: int) -> None:
        """Prices move, by a few cents, with little to be had."""
        self._happen(move, size, width)

    @rule(step=st.sampled_from([1, 1, 2]), sizes=st.lists(st.integers(1, 4), min_size=3, max_size=8))
    def rise(self, step: int, sizes: list[int]) -> None:
        """Prices run upwards with a little to be had at each: orders execute part by part."""
        for size in sizes:
            self._happen(step, size, 1)

    @rule(step=st.sampled_from([-1, -1, -2]), sizes=st.lists(st.integers(1, 4), min_size=3, max_size=8))
    def drop(self, step: int, sizes: list[int]) -> None:
        """The same, downwards."""
        for size in sizes:
            self._happen(step, size, 1)

    @rule()
    def settle(self) -> None:
        """Everything that was asked and told arrives. Inside a bar commands wait for its end, so not there."""
        self.ns += 5 * SECOND_NS
        self._stage.advance(self.ns)
        if self.kind != "bar":
            self.laws.check_at_rest()

    @rule(ms=st.sampled_from([100, 400, 900, 3_000]))
    def wait(self, ms: int) -> None:
        """Time passes without an event."""
        self.ns += ms * SECOND_NS // 1_000
        self._stage.advance(self.ns)
        self.laws.check()

    def _happen(self, move: int, size: int, width: int) -> None:
        before, self.price = self.price, self.price + move
        self.ns += MINUTE_NS if self.kind == "bar" else SECOND_NS
        low, high = min(before, self.price) - width, max(before, self.price) + width
        if self.kind == "quote":
            event: Any = make_quote_tick(
                self.ns, self.price / 100, (self.price + width) / 100, bid_size=size, ask_size=size, instrument=ID
            )
        elif self.kind == "trade":
            event = make_trade_tick(self.ns, self.price / 100, size, instrument=ID)
        else:
            event = make_bar(
                self.ns, self.price / 100, open=before / 100, high=high / 100, low=low / 100, volume=size,
                bar_type=f"{ID} 1m last",
            )  # fmt: skip
        self._stage.play(event)
        self.laws.check()

    @property
    def _stage(self) -> OrderStage:
        assert self.stage is not None
        return self.stage

    # -------------------------------------------------------------------------------------------------- the strategy

    @rule(side=sides, quantity=quantities, entry=st.sampled_from(["market", "market", "limit", "stop"]),
          gap=offsets, profit=st.none() | offsets, stop=st.none() | offsets, is_short=st.booleans())  # fmt: skip
    def bracket(
        self, side: int, quantity: int, entry: str, gap: int, profit: int | None, stop: int | None, is_short: bool
    ) -> None:  # fmt: skip
        """A bracket around the price; some entries are immediate."""
        if profit is stop is None:
            profit = 3
        at = self.price if entry == "market" else self.price + (-gap if entry == "limit" else gap) * side
        words: dict[str, Any] = {}
        if entry == "limit":
            words["price"] = _cents(at)
        elif entry == "stop":
            words["entry_stop_price"] = _cents(at)
        if profit is not None:
            words["profit_price"] = _cents(at + side * profit)
        if stop is not None:
            words["stop_price"] = _cents(at - side * stop)
        if is_short and entry != "stop":
            words["time_in_force"] = TimeInForce.IOC
        self._submit(Order.bracket(ID, side * quantity, **words))

    @rule(side=sides, quantity=st.integers(4, 12), room=st.integers(3, 40), profit=st.integers(1, 3),
          stop=st.integers(1, 3), link=st.sampled_from(["bracket", "bracket", "oco"]), way=sides,
          sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5))  # fmt: skip
    def ride(
        self, side: int, quantity: int, room: int, profit: int, stop: int, link: str, way: int, sizes: list[int]
    ) -> None:  # fmt: skip
        """An entry that executes, wholly or in part, and prices that run to one of its exits, a little at a time."""
        exits = (
            Order.limit(ID, -side * quantity, _cents(self.price + side * profit)),
            Order.stop(ID, -side * quantity, _cents(self.price - side * stop)),
        )
        entry = Order.limit(ID, side * quantity, _cents(self.price + side * 2))
        if link == "bracket":
            entry = Order.market(ID, side * quantity)
            self._submit(OrderGroup.bracket(entry, profit=exits[0], stop=exits[1]))
        else:
            self._submit(OrderGroup.oto(entry, exits, link=Contingency.OCO))
        self._happen(0, room, 1)
        self.settle()
        for size in sizes:
            self._happen(way, size, 1)

    @rule(side=sides, quantity=quantities, one=offsets, other=offsets, link=st.sampled_from(["oco", "ouo"]))
    def pair(self, side: int, quantity: int, one: int, other: int, link: str) -> None:
        """A limit and a stop of one side, without a parent."""
        limit = Order.limit(ID, side * quantity, _cents(self.price - side * one))
        stop = Order.stop(ID, side * quantity, _cents(self.price + side * other))
        self._submit(OrderGroup.oco([limit, stop]) if link == "oco" else OrderGroup.ouo([limit, stop]))

    @rule(quantity=quantities, one=offsets, other=offsets)
    def straddle(self, quantity: int, one: int, other: int) -> None:
        """A stop above and a stop below: whichever comes first."""
        above = Order.stop(ID, quantity, _cents(self.price + one))
        below = Order.stop(ID, -quantity, _cents(self.price - other))
        self._submit(OrderGroup.oco([above, below]))

    @rule(side=sides, quantity=st.integers(3, 12), gap=offsets, one=offsets, two=offsets,
          link=st.sampled_from([None, Contingency.OCO, Contingency.OUO]))  # fmt: skip
    def scaled(self, side: int, quantity: int, gap: int, one: int, two: int, link: Contingency | None) -> None:
        """An entry with a target for a part of it, and a stop for the rest, or for all where they are linked."""
        entry = Order.limit(ID, side * quantity, _cents(self.price - side * gap))
        part = quantity // 3
        target = Order.limit(ID, -side * part, _cents(self.price + side * one))
        rest = quantity - part if link is None else quantity
        stop = Order.stop(ID, -side * rest, _cents(self.price - side * (gap + two)))
        self._submit(OrderGroup.oto(entry, [target, stop], link=link))

    @rule(side=sides, quantity=quantities, gap=st.integers(-4, 6))
    def plain(self, side: int, quantity: int, gap: int) -> None:
        """A limit order of its own."""
        self._stage.submit(Order.limit(ID, side * quantity, _cents(self.price - side * gap)))
        self.laws.check()

    def _submit(self, group: OrderGroup) -> None:
        self._stage.submit_group(group)
        self.laws.check()

    def _has_orders(self) -> bool:
        return bool(self._stage.handles)

    def _choose(self, data: st.DataObject) -> Order:
        return data.draw(st.sampled_from(list(self._stage.handles.values())))

    @precondition(_has_orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel any order there ever was; finished ones are refused at the call."""
        with suppress(UnknownOrder):
            self._stage.cancel(self._choose(data))
        self.laws.check()

    @precondition(lambda self: bool(self._stage.groups))
    @rule(data=st.data())
    def cancel_group(self, data: st.DataObject) -> None:
        """Cancel a whole group."""
        with suppress(UnknownOrder):
            self._stage.cancel_group(data.draw(st.sampled_from(self._stage.groups)))
        self.laws.check()

    @precondition(_has_orders)
    @rule(data=st.data(), quantity=st.none() | quantities, move=st.none() | moves)
    def update(self, data: st.DataObject, quantity: int | None, move: int | None) -> None:
        """Change quantity, price or both; what makes no sense is refused at the call."""
        order = self._choose(data)
        words: dict[str, Any] = {"quantity": quantity}
        for name, level in (("price", order.price), ("stop_price", order.stop_price)):
            if move is not None and level is not None:
                words[name] = level + Decimal(move) / 100
        with suppress(UnknownOrder, InvalidOrder):
            self._stage.update(order, **words)
        self.laws.check()

    @precondition(lambda self: bool(self._stage.received))
    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        """A venue repeats a report (answers to commands come once: a broker has them by number)."""
        place = data.draw(st.integers(0, len(self._stage.received) - 1))
        change = self._stage.received[place].report.order
        if not (change.updated or change.update_rejected or change.cancel_rejected):
            self._stage.tell_again(place)
        self.laws.check()

    # -------------------------------------------------------------------------------------------------------- the end

    def teardown(self) -> None:
        """The market calms down with size enough for everybody, then all that was asked and told arrives."""
        if self.stage is None or not hasattr(self, "laws"):
            return
        for _ in range(4):
            self._happen(0, 100_000, 1)
            self.ns += 10 * SECOND_NS
            self._stage.advance(self.ns)
        self.laws.check_at_rest()
        self._count_met(self._stage.groups)

    def _count_met(self, groups: list[OrderGroup]) -> None:
        met = type(self).met
        for group in groups:
            entry, exits = group.entry, [order for order in group.exits if order.filled_quantity]
            met["an entry executed in part, and ended"] += entry is not None and entry.is_finished and (
                0 < entry.filled_quantity < entry.quantity
            )  # fmt: skip
            met["an entry ended unexecuted"] += entry is not None and entry.is_finished and not entry.filled_quantity
            met["two exits of a group executed"] += len(exits) > 1
            met["an exit executed in part, and was cancelled"] += any(o.state is OrderState.CANCELLED for o in exits)
            met["an exit was refused"] += any(order.state is OrderState.REJECTED for order in group.exits)
            met["an excess was closed"] += bool(group.closing)


def _cents(value: int) -> Decimal:
    return Decimal(value) / 100

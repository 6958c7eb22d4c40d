"""Random stories of one bracket across splits: whatever happens, its exits leave what it held, and flip nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.brokerage.settings import Latency
from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.delay_law import ConstantDelay
from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState
from tradecore.testing.builders import make_ns, make_quote_tick
from tradecore.testing.order_stage import OrderStage

ID = "TEST.SIM"
PLENTY = 100_000
UNITS_MOST = 20  # a unit is 5 then, and an increment of it still less than the market moves

# Seconds since the step before; the ratio of a split, or None; the bid, of 100 before any split; its size.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["0.1", "0.2", "0.5", "1"]),
        st.sampled_from([None, None, None, "2", "1.5", "3", "0.5", "0.1"]),
        st.sampled_from(["99.95", "99.90", "100.10", "101.10", "98.50"]),
        st.integers(1, 12),
    ),
    min_size=3, max_size=14,
)  # fmt: skip


class Story:
    """A stage, its time, and how many units there are now for each one of the beginning."""

    def __init__(self, contingency: str, latency_ms: int) -> None:
        law = ConstantDelay(ms=latency_ms)
        latency = Latency(submit=law, cancel=law, update=law, report=law)
        self.stage = OrderStage(f"quote_tick {ID}", contingency=contingency, latency=latency)
        self.now, self.units = make_ns("2024-01-01T10:00"), Decimal(1)

    def quote(self, seconds: str, bid: str, size: int, ratio: str | None = None) -> None:
        """A quote of the old bid in the units before a split of the same instant."""
        self.now += int(Decimal(seconds) * 1_000_000_000)
        price = float(round(Decimal(bid) / self.units, 2))
        sizes: dict[str, Any] = {"bid_size": size, "ask_size": size}
        if ratio is not None and self.units * Decimal(ratio) <= UNITS_MOST:
            split = AccountAdjustment(AdjustmentKind.SPLIT, ID, self.now, self.now, Decimal(ratio))
            self.stage.broker.load_adjustments([(self.now, split)])
            self.units *= Decimal(ratio)
        self.stage.play(make_quote_tick(self.now, price, round(price + 0.01, 2), **sizes))

    def check_venue(self) -> None:
        """No exit may execute more than is held, where the venue holds the group."""
        held = sum((position.quantity for position in self.stage.broker.get_positions()), Decimal(0))
        for order in self.stage.broker.get_orders():
            if order.terms.parent_id is not None and order.state is not OrderState.SUBMITTED:
                assert order.quantity - order.filled_quantity <= held


@given(
    contingency=st.sampled_from(["client", "venue"]), latency_ms=st.sampled_from([0, 300, 700]),
    quantity=st.sampled_from([5, 7, 10, 25, 40]), steps=STEPS,
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_a_bracket_leaves_all_that_it_held_through_any_splits(
    contingency: str, latency_ms: int, quantity: int, steps: list[tuple[str, str | None, str, int]]
) -> None:
    """At the end the market falls far below the stop: nothing is held, nothing works, and nobody knows it otherwise."""
    story = Story(contingency, latency_ms)
    stage = story.stage
    story.quote("0", "100", PLENTY)
    group = stage.submit_group(Order.bracket(ID, quantity, price="99.99", profit_price=101, stop_price=99))
    for seconds, ratio, bid, size in steps:
        story.quote(seconds, bid, size, ratio)
        if contingency == "venue":
            story.check_venue()
    for bid in ("100", "98", "97"):
        for _ in range(3):  # what one quote executes, and what that brings about, is reported before the third
            story.quote("5", bid, PLENTY)
        for there in stage.broker.get_orders():
            known = stage.handles[there.order_id]
            assert (known.quantity, known.price, known.stop_price) == (there.quantity, there.price, there.stop_price)
    assert stage.desk.position(ID, None).quantity == 0
    assert group.is_finished
    assert all(order.alarm is None for order in group.orders)

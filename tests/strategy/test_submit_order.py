"""Strategy.submit_order: what is wrong at any time raises at the user's own call (DESIGN 8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import tradecore as tc
from tradecore.errors import InvalidOrder, OrderError, TradecoreError, TurnLimitExceeded, UnknownInstrument
from tradecore.testing.builders import make_instrument, make_quote_tick

GTD, PAST = tc.TimeInForce.GTD, datetime(2023, 12, 31, tzinfo=UTC)
SIM = {"sim": tc.SimulatedBrokerSettings(account="margin", cash={"USD": Decimal(1_000)})}


class Submits(tc.Strategy):
    """Gives one order, catches what the call raises, and goes on."""

    def __init__(self, make_order: Callable[[], tc.Order], broker: str | None = None) -> None:
        self.make_order, self.broker = make_order, broker
        self.caught: TradecoreError | None = None

    def on_start(self) -> None:
        self.add_event_feed(tc.feed([make_quote_tick()], name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        try:
            self.order = self.submit_order(self.make_order(), self.broker)
        except TradecoreError as error:
            self.caught = error


@pytest.mark.parametrize(
    ("make_order", "broker", "kind"),
    [
        (lambda: tc.Order.market("TEST.SIM", 1, time_in_force=GTD, expire_time=PAST), None, InvalidOrder),
        (lambda: tc.Order.limit("TEST.SIM", 1, "99.995"), None, InvalidOrder),  # off the increment of 0.01
        (lambda: tc.Order.market("TEST.SIM", Decimal("0.5")), None, InvalidOrder),  # off the increment of 1
        (lambda: tc.Order.market("TEST.SIM", 0.4), None, InvalidOrder),  # a float rounds toward zero: nothing is left
        (lambda: tc.Order.market("NONE.SIM", 1), None, UnknownInstrument),
        (lambda: tc.Order.market("TEST.SIM", 1), "other", OrderError),
    ],
    ids=["expires", "price", "quantity", "nothing", "instrument", "broker"],
)
async def test_what_is_wrong_at_any_time_raises_at_the_call(
    make_order: Callable[[], tc.Order], broker: str | None, kind: type[Exception]
) -> None:
    """Later, in the broker, no line of the user could be named and nobody could catch it."""
    strategy = Submits(make_order, broker)
    result = await tc.run_backtest(strategies=strategy, brokers=SIM, instruments=[make_instrument()])
    assert type(strategy.caught) is kind
    assert (result.status, result.counts["orders"]) == ("complete", 0)


@pytest.mark.parametrize(
    ("increment", "quantity", "price", "accepted"),
    [
        ("1", 3, None, "3"),
        ("0.001", 3, 99.5, "3"),
        ("3", 3, None, "3"),
        ("3", 4, None, None),
        ("10", 4, 99.5, None),
        ("0.3", 3, None, "3.0"),
        ("0.3", 1, None, None),
        ("1", 2.7, None, "2"),
        ("1", np.float64(2.7), None, "2"),
        ("1", np.float64(2.7), 99.5, "2"),
        ("1", "2.7", None, None),
        ("1e-12", 1_024, None, "1024"),
        ("1e-27", 1_024, None, None),  # so many increments cannot be counted exactly
        ("1e-28", "1e-20", None, "1E-20"),
    ],
)
async def test_a_quantity_lies_on_the_grid_or_is_a_float_that_may_be_rounded_to_it(
    increment: str, quantity: Any, price: float | None, accepted: str | None
) -> None:
    def make_order() -> tc.Order:
        if price is None:
            return tc.Order.market("TEST.SIM", quantity)
        return tc.Order.limit("TEST.SIM", quantity, price)

    strategy = Submits(make_order)
    instrument = make_instrument(quantity_increment=increment)
    result = await tc.run_backtest(strategies=strategy, brokers=SIM, instruments=[instrument])
    if accepted is None:
        assert type(strategy.caught) is InvalidOrder
    else:
        assert strategy.caught is None
        assert (strategy.order.quantity, result.counts["orders"]) == (Decimal(accepted), 1)


@pytest.mark.parametrize(
    ("call", "make", "said"),
    [
        (
            "submit_order",
            lambda: make_bracket(),
            "takes an Order, got OrderGroup .*; for an OrderGroup there is submit_gr",
        ),
        ("submit_order", lambda: "buy", "submit_order takes an Order, got str 'buy'$"),
        ("submit_group", lambda: tc.Order.market("TEST.SIM", 1), "takes an OrderGroup.* there is submit_order$"),
        ("cancel_order", lambda: make_bracket(), "there is cancel_group$"),
        ("cancel_group", lambda: tc.Order.market("TEST.SIM", 1), "there is cancel_order$"),
        ("cancel_order", lambda: None, "cancel_order takes an Order, got NoneType None$"),
        ("update_order", lambda: make_bracket(), "there is update_order, for one order of it$"),
        ("submit_order", lambda: tc.Opportunity(tc.Order.market("TEST.SIM", 1)), "there is submit_opportunity$"),
        ("submit_opportunity", lambda: tc.Order.market("TEST.SIM", 1), "an Opportunity.* there is submit_order$"),
        ("cancel_order", lambda: tc.Opportunity(tc.Order.market("TEST.SIM", 1)), r"there is close\(\)$"),
    ],
)
async def test_a_call_that_is_given_something_else_names_the_one_to_use(
    call: str, make: Callable[[], Any], said: str
) -> None:
    """A bracket given to submit_order is the first mistake that everybody makes."""

    class Gives(tc.Strategy):
        def on_start(self) -> None:
            with pytest.raises(InvalidOrder, match=said):
                getattr(self, call)(make())

    result = await tc.run_backtest(strategies=Gives(), brokers=SIM, instruments=[make_instrument()])
    assert (result.status, result.counts["orders"]) == ("complete", 0)


def make_bracket() -> tc.OrderGroup:
    return tc.Order.bracket("TEST.SIM", 1, price=100, stop_price=90)


async def test_an_answer_to_every_report_never_lets_time_pass_and_is_a_typed_error() -> None:
    """Without latency each answer is carried out at once, and brings the next: a thousand rounds end the run."""

    class Answers(Buys):
        def on_execution(self, execution: tc.Execution) -> None:
            self.submit_order(tc.Order.market(execution.instrument, -execution.signed_quantity))

    with pytest.raises(TurnLimitExceeded, match=r"1000 rounds .* never lets time pass. Waiting: .*submit_order"):
        await tc.run_backtest(strategies=Answers(), brokers=SIM, instruments=[make_instrument()])


class Buys(tc.Strategy):
    """One at every quote: five, a second apart, of unlimited size."""

    def on_start(self) -> None:
        ticks: list[Any] = [
            make_quote_tick(f"2024-01-01T10:00:0{second}Z", bid_size=None, ask_size=None) for second in range(1, 6)
        ]
        self.add_event_feed(tc.feed(ticks, name="quotes"), "quotes")

    def on_quote_tick(self, tick: tc.QuoteTick) -> None:
        self.submit_order(tc.Order.market(tick.instrument, 1))


async def test_a_run_without_a_start_counts_time_from_its_first_execution_on() -> None:
    """Not from the last one that happened to be taken in together with it: years, CAGR and ratios follow from it."""
    result = await tc.run_backtest(strategies=Buys(), brokers=SIM, instruments=[make_instrument()])
    statistics = result.statistics.to_dict()
    assert (statistics["start"], statistics["end"]) == ("2024-01-01T10:00:01Z", "2024-01-01T10:00:05Z")

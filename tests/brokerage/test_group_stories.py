"""Random stories of orders and groups (RELIABILITY 3): the laws hold after every step, whoever holds the groups.

`scripts/soak --examples 10000` tells more of them.
"""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

from tradecore.domain.instant import SECOND_NS
from tradecore.domain.order import Order
from tradecore.domain.order_state import OrderState
from tradecore.testing.builders import make_ns, make_quote_tick
from tradecore.testing.order_laws import OrderLaws
from tradecore.testing.order_soak import GroupStory
from tradecore.testing.order_stage import OrderStage

ID = "TEST.SIM"

REPOSITORY = Path(__file__).parents[2]
STORIES = settings(
    max_examples=120, stateful_step_count=50, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate],  # scripts/soak makes a failing story short; here it would take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip


class ClientStory(GroupStory):
    """Groups in our hands: reports and commands take their time."""

    contingencies = ("client",)


class VenueStory(GroupStory):
    """Groups in the venue's hands."""

    contingencies = ("venue",)


TestGroupsInOurHands = ClientStory.TestCase
TestGroupsInOurHands.settings = STORIES
TestGroupsAtTheVenue = VenueStory.TestCase
TestGroupsAtTheVenue.settings = STORIES


def test_an_exit_lowered_to_what_it_has_executed_is_taken_away_by_its_venue_not_by_us() -> None:
    """Found by the soak (seed 8): the answer to the update shows an order that is cancelled, which nobody asked for."""
    stage = OrderStage(f"quote_tick {ID}", contingency="venue")
    laws = OrderLaws(stage)
    now = make_ns("2024-01-01T10:00")

    def quote(seconds: int, bid: float, size: int) -> None:
        ask = round(bid + 0.01, 2)
        stage.play(make_quote_tick(now + seconds * SECOND_NS, bid, ask, bid_size=size, ask_size=size))
        laws.check()

    quote(0, 100.00, 100)
    group = stage.submit_group(Order.bracket(ID, 4, profit_price=101, stop_price=99))
    quote(1, 100.00, 100)
    quote(2, 101.00, 2)
    profit = group.exits[0]
    assert (profit.state, profit.filled_quantity) == (OrderState.PARTIALLY_FILLED, Decimal(2))
    stage.update(profit, quantity=2)
    laws.check()
    assert (profit.state, profit.reason) == (OrderState.CANCELLED, "nothing is left for it")
    quote(3, 98.00, 100)
    assert stage.desk.position(ID, None).quantity == 0
    assert group.is_finished


def run_soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "soak"), *arguments],
        capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY,
    )  # fmt: skip


def test_the_soak_command_tells_what_it_told_and_what_it_met() -> None:
    ran = run_soak("--examples", "3", "--steps", "10", "--seed", "4", "--kind", "quote")
    assert ran.returncode == 0, ran.stderr
    assert "stories of up to 10 steps" in ran.stdout
    assert "an entry ended unexecuted" in ran.stdout
    assert ran.stderr == ""


def test_the_soak_command_refuses_what_makes_no_sense() -> None:
    ran = run_soak("--examples", "0")
    assert ran.returncode == 2
    assert "0 is not above 0" in ran.stderr

"""Random stories of orders and groups (RELIABILITY 3): the laws hold after every step, whoever holds the groups.

`scripts/soak --examples 10000` tells more of them.
"""

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

from tradecore.testing.order_soak import GroupStory

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

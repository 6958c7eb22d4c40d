"""Random stories of orders and groups (RELIABILITY 3): the laws hold after every step, whoever holds the groups.

`scripts/soak --examples 10000` tells more of them.
"""

from hypothesis import HealthCheck, Phase, settings

from tradecore.testing.order_soak import GroupStory

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

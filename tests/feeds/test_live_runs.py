"""Batches of a backlog through the LiveIntake: taken in together, they are what they are one by one: DESIGN 10, 12."""

from typing import Any

import msgspec
import pytest

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.stream import Stream
from tradecore.feeds.join import make_join
from tradecore.feeds.live_intake import LiveIntake
from tradecore.feeds.proof import JoinPolicy
from tradecore.testing.builders import make_quote_tick, make_trade_tick
from tradecore.testing.object_venue import ObjectVenue

TRADES = Stream("trade_tick", "TEST.SIM")
QUOTES = Stream("quote_tick", "TEST.SIM")


class StandingClock:
    def wall_ns(self) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return 0


@pytest.mark.parametrize("odd", ["none", "hole", "repeat", "late", "unknown", "state"])
def test_a_batch_at_once_gives_what_its_arrivals_give_one_by_one(odd: str) -> None:
    """Runs of plain events are taken in together; whatever is odd in the batch changes nothing of that."""
    wholes = []
    for size in (1, 8, 13, 40):
        intake, joins = make_intake()
        arrivals = make_arrivals(odd)
        given: list[Any] = []
        for at in range(0, len(arrivals), size):
            given += intake.admit(arrivals[at : at + size])
        wholes.append((given, intake.unknown, [join.make_report() for join in joins]))
    assert all(whole == wholes[0] for whole in wholes)
    assert len(wholes[0][0]) >= 30


def make_intake() -> tuple[LiveIntake, list[Any]]:
    venue = ObjectVenue(StandingClock(), [TRADES, QUOTES])
    intake, joins = LiveIntake(), []
    for stream in (TRADES, QUOTES):
        join = make_join(stream, venue, JoinPolicy(on_conflict="warn"))
        intake.add(stream, join)
        joins.append(join)
    return intake, joins


def make_arrivals(odd: str) -> list[Any]:
    """Twenty trades and twenty quotes in turn, received a nanosecond apart."""
    arrivals: list[Any] = []
    for number in range(1, 21):
        arrivals += [
            make_trade_tick(number * 1_000, 100.0, trade_id=str(number)),
            make_quote_tick(number * 1_000, 99.0, 101.0, sequence=number),
        ]
    if odd == "hole":
        del arrivals[20]
    elif odd == "repeat":
        arrivals.insert(21, arrivals[20])
    elif odd == "late":
        arrivals.insert(30, arrivals.pop(10))
    elif odd == "unknown":
        arrivals.insert(9, make_trade_tick(5_000, 1.0, trade_id="5", instrument="OTHER.SIM"))
    elif odd == "state":
        arrivals.insert(15, FeedStateChanged(QUOTES, FeedState.RECONNECTING, 1, "pulled"))
    return [
        arrival if isinstance(arrival, FeedStateChanged) else msgspec.structs.replace(arrival, ts_received=at + 1)
        for at, arrival in enumerate(arrivals)
    ]

"""LiveLine: phase, backlog, lag and feeds on one line: issue 4, item 7."""

from types import SimpleNamespace
from typing import Any

import pytest

from tradecore.cli.live_line import LiveLine, describe_run
from tradecore.domain.feed_state import FeedState
from tradecore.domain.instant import SECOND_NS, parse_ns
from tradecore.domain.phase import Phase
from tradecore.engine.message_bus import MessageBus


def make_run(phase: Phase | None, *states: FeedState, streams: int = 3, depth: int = 0) -> Any:
    """What the line looks at, of a LiveRun."""
    engine = SimpleNamespace(
        phase=phase, timeline=SimpleNamespace(now=parse_ns("2024-01-02T10:00:00.5Z")), bus=MessageBus()
    )
    return SimpleNamespace(
        engine=engine,
        buffer=SimpleNamespace(depth=depth, lag_ns=SECOND_NS // 4 if depth else 0),
        feed_states=dict(enumerate(states)),
        streams=SimpleNamespace(joins=dict.fromkeys(range(streams))),
    )


def test_it_says_phase_time_backlog_lag_and_feeds() -> None:
    run = make_run(Phase.C_CATCH_UP, FeedState.CONNECTED, FeedState.STALE, depth=1_234)
    assert describe_run(run, 5_678, 90.0) == (
        "C catching up  2024-01-02T10:00:00Z  5,678 events  90/s  backlog 1,234  lag 0.250 s  "
        "feeds: 1 connected, 1 stale, 1 waiting"
    )


@pytest.mark.parametrize(("phase", "word"), [(None, "starting"), (Phase.A_SUBSCRIBE, "A"), (Phase.D_LIVE, "D live")])
def test_it_begins_with_the_phase(phase: Phase | None, word: str) -> None:
    assert describe_run(make_run(phase, streams=0), 0, 0.0).startswith(word)


def test_on_a_pipe_it_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with LiveLine() as line:
        line.watch(make_run(Phase.D_LIVE))
    assert capfd.readouterr() == ("", "")

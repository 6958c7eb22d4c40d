"""StallWatch: a strategy that does not give the loop back is named, by its own line: RELIABILITY 2 (row 19)."""

import threading

import pytest

from tradecore.cli.stall_watch import StallWatch, describe_stall


async def test_a_loop_that_hangs_is_told_with_the_line_that_runs(capfd: pytest.CaptureFixture[str]) -> None:
    """A fifth of a second without a turn, where a twentieth is allowed; then it goes on."""
    hang = threading.Event()
    with StallWatch(stall_s=0.05, knock_s=0.01):
        hang.wait(0.2)
    said = capfd.readouterr().err
    assert said.count("the run has not come back from") == 1
    assert "Ctrl-C twice leaves at once" in said


async def test_a_loop_that_turns_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with StallWatch(stall_s=10, knock_s=0.001):
        pass
    assert capfd.readouterr().err == ""


def test_the_users_line_is_shown_rather_than_the_librarys() -> None:
    import sys

    told = describe_stall(sys._getframe(), 7.2)
    assert "test_stall_watch.py" in told
    assert "for 7 s" in told
    assert "unknown place" in describe_stall(None, 5.0)

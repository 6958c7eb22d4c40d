"""ProgressLine: on a terminal a line, in a pipe nothing."""

from __future__ import annotations

import io
import sys

import pytest

from tradecore.cli import progress_line
from tradecore.cli.progress_line import ProgressLine, RateMeter
from tradecore.domain.instant import DAY_NS, parse_ns
from tradecore.engine.participant import Progress

START = parse_ns("2000-01-01T00:00:00Z")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make_progress(*, days: int, events: int) -> Progress:
    return Progress(events=events, now_ns=START + days * DAY_NS, start_ns=START, end_ns=START + 100 * DAY_NS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock whose one element is the time in seconds."""
    now = [100.0]
    monkeypatch.setattr(progress_line, "monotonic", lambda: now[0])
    return now


def test_a_terminal_is_shown_date_rate_and_what_is_done(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressLine() as line:
        line.show_run(make_progress(days=0, events=0))
        clock[0] += 0.05
        line.show_run(make_progress(days=10, events=77))  # too soon: nothing is painted
        clock[0] += 0.2
        line.show_run(make_progress(days=31, events=5_000))
    text = terminal.getvalue()
    assert "2000-02-01" in text  # 31 days after the first of January
    assert "20,000 events/s" in text  # 5,000 in a quarter of a second
    assert "2000-01-11" not in text


def test_rows_are_shown_for_imports(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with ProgressLine() as line:
        line.show_rows("checking", 1_234, 1, 10)
        clock[0] += 1
        line.show_rows("checking", 2_234, 2, 10)
    assert "2,234 rows" in terminal.getvalue()
    assert "1,000 rows/s" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO, False), (Terminal, True)])
def test_a_pipe_or_quiet_shows_nothing_and_loads_no_rich(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO], quiet: bool
) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    with ProgressLine(quiet=quiet) as line:
        line.show_run(make_progress(days=50, events=1_000))
        line.show_rows("checking", 5)
    assert written.getvalue() == ""


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    assert meter.measure(0, 0.0) == 0
    assert meter.measure(1_000, 1.0) == 1_000
    assert meter.measure(3_000, 3.0) == 1_000  # so far: 3,000 in 3 s; from now on it counts from second 1
    # From (1,000, 1 s) to (23,000, 5 s): 22,000 in 4 s.
    assert meter.measure(23_000, 5.0) == 5_500
    assert meter.measure(0, 6.0) == 0  # the next stage begins at 0 again

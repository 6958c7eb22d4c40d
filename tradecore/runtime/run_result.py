"""RunResult: what a run gives back to who started it.    DESIGN 11."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tradecore.analytics.performance_statistics import PerformanceStatistics
from tradecore.runtime.handover_report import HandoverReport


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """Results of a run.

    status: "complete", also when a strategy ended it with stop_run (a note says so); "interrupted" when it was asked
    from outside to stop early (then everything is as of the stop).
    run_folder: where the files are; None when nothing was kept. statistics: all strategies together; strategies: each
    one. counts: events, orders, executions and more. digests: sha256 of what must be the same for the same input, by
    file. match_sources: what orders were matched against, by "broker instrument". notes: what a reader must know.
    failures: strategies that raised while the others went on ("isolate"). handover: of a live run.
    """

    run_id: str
    run_folder: Path | None
    status: str
    statistics: PerformanceStatistics
    strategies: dict[str, PerformanceStatistics]
    counts: dict[str, int]
    digests: dict[str, str]
    match_sources: dict[str, str]
    notes: list[str]
    failures: list[str]
    handover: HandoverReport | None = None

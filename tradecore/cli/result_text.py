"""Result text: what a finished run prints.

Receives: a RunResult.
Gives:    a text for a terminal: statistics, what was counted, what to know about it, digests, the run folder.
Never:    rounds what a machine reads: that is --json and statistics.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tradecore.analytics.performance_statistics import PerformanceStatistics

if TYPE_CHECKING:
    from tradecore.runtime.run_result import RunResult


def format_result(result: RunResult) -> str:
    """The whole text, with a newline at the end."""
    lines = [f"run {result.run_id}: {result.status}"]
    if result.status != "complete":
        lines.append("these numbers are PARTIAL: they end where the run ended")
    lines += ["", str(result.statistics)]
    if len(result.strategies) > 1:
        lines += ["", *_format_strategies(result.strategies)]
    if result.handover is not None:
        lines += ["", result.handover.to_text()]
    lines.append("")
    if result.counts:
        lines.append("  ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in result.counts.items()))
    lines += [f"matched: {name} against {source}" for name, source in result.match_sources.items()]
    lines += [f"FAILED: {failure}" for failure in result.failures]
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"digest: {name} {digest}" for name, digest in result.digests.items()]
    lines.append(f"run folder: {result.run_folder or 'none was kept'}")
    return "\n".join(lines) + "\n"


def describe_result(result: RunResult) -> dict[str, Any]:
    """The result in JSON's types, in a fixed order."""
    return {
        "run_id": result.run_id,
        "run_folder": None if result.run_folder is None else str(result.run_folder),
        "status": result.status,
        "statistics": result.statistics.to_dict(),
        "strategies": {name: statistics.to_dict() for name, statistics in result.strategies.items()},
        "counts": result.counts,
        "digests": result.digests,
        "match_sources": result.match_sources,
        "notes": result.notes,
        "failures": result.failures,
        **({} if result.handover is None else {"handover": result.handover.to_dict()}),
    }


def _format_strategies(strategies: dict[str, PerformanceStatistics]) -> list[str]:
    """One line for each strategy, numbers in columns."""
    head = ("strategy", "trades", "net profit", "return", "max drawdown", "commission")
    rows = [
        (
            name,
            f"{statistics.trades:,}",
            f"{statistics.net_profit:,.2f}",
            _format_percent(statistics.total_return),
            _format_percent(statistics.max_drawdown_fraction),
            f"{statistics.commission:,.2f}",
        )
        for name, statistics in strategies.items()
    ]
    return format_table(head, rows)


def _format_percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction * 100:,.2f} %"


def format_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]

"""HandoverReport: how a run came from history to live, stream by stream: handover.json, and a table for a terminal.

Receives: the reports of the joins, the figures of the live buffer, when each phase began.
Gives:    one frozen value; its JSON form, always the same keys; lines for a person.
Never:    judges again: a verdict is the join's own.    DESIGN 10, 11.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tradecore.domain.instant import SECOND_NS, format_ns
from tradecore.domain.phase import Phase
from tradecore.feeds.history_questions import HistoryQuestions
from tradecore.feeds.live_buffer import LiveBuffer
from tradecore.feeds.proof import Hole, JoinReport, Proof

HANDOVER_FILE: Final = "handover.json"

_HEAD: Final = ("stream", "state", "from history", "live", "filled", "overlap", "twice", "late", "missing", "why")


class PhaseSpan(msgspec.Struct, frozen=True):
    """A phase: the engine's time when it began, and how long it took by the machine's clock, None while it goes on."""

    phase: Phase
    began_ns: int
    duration_ns: int | None


class LossReport(msgspec.Struct, frozen=True):
    """Events of a stream that the live buffer could not take; first and last by receive time."""

    stream: str
    count: int
    first_ns: int
    last_ns: int


class BufferReport(msgspec.Struct, frozen=True):
    """Figures of the live buffer. Times in nanoseconds."""

    received: int
    depth_max: int
    lag_max_ns: int
    clock_steps: int
    lost: tuple[LossReport, ...]

    @classmethod
    def of(cls, buffer: LiveBuffer) -> BufferReport:
        """As they are now."""
        lost = [
            LossReport(str(stream), loss.count, loss.first_ns, loss.last_ns) for stream, loss in buffer.lost.items()
        ]
        return cls(buffer.received, buffer.depth_max, buffer.lag_max_ns, buffer.clock_steps, tuple(lost))


class HandoverReport(msgspec.Struct, frozen=True):
    """The whole handover. replay_end_ns: the instant up to which B replayed, None if it did not come to that.

    questions_asked, questions_failed: of history, after B.
    """

    phases: tuple[PhaseSpan, ...]
    replay_end_ns: int | None
    streams: tuple[JoinReport, ...]
    buffer: BufferReport
    questions_asked: int = 0
    questions_failed: int = 0

    @classmethod
    def of(
        cls,
        *,
        phases: Iterable[PhaseSpan],
        replay_end_ns: int | None,
        streams: Iterable[JoinReport],
        buffer: LiveBuffer,
        questions: HistoryQuestions | None = None,
    ) -> HandoverReport:
        """The report as it stands now; streams in order of name."""
        return cls(
            phases=tuple(phases),
            replay_end_ns=replay_end_ns,
            streams=tuple(sorted(streams, key=lambda report: report.stream)),
            buffer=BufferReport.of(buffer),
            questions_asked=0 if questions is None else questions.asked,
            questions_failed=0 if questions is None else questions.failed,
        )

    @property
    def is_proved(self) -> bool:
        """Whether every stream is PROVED or EXCUSED, and nothing was lost on the way."""
        fit = (Proof.PROVED, Proof.EXCUSED)
        return not self.buffer.lost and all(report.verdict.proof in fit for report in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """For handover.json: plain values, times as text beside nanoseconds only where people read them."""
        return {
            "is_proved": self.is_proved,
            "replay_end": _moment(self.replay_end_ns),
            "phases": [
                {"phase": span.phase.value, "began": format_ns(span.began_ns), "duration_ns": span.duration_ns}
                for span in self.phases
            ],
            "streams": [_stream_to_dict(report) for report in self.streams],
            "buffer": msgspec.to_builtins(self.buffer),
            "questions": {"asked": self.questions_asked, "failed": self.questions_failed},
        }

    def to_text(self) -> str:
        """A table for a terminal: phases, then a line per stream, then what was lost."""
        lines = [f"phase {span.phase.value}  {_duration(span.duration_ns):>10}" for span in self.phases]
        rows = [_row(report) for report in self.streams]
        widths = [max(len(row[column]) for row in [_HEAD, *rows]) for column in range(len(_HEAD))]
        lines += [_line(row, widths) for row in [_HEAD, *rows]]
        lines += [
            f"LOST: {loss.count:,} events of {loss.stream}, received {format_ns(loss.first_ns)} to "
            f"{format_ns(loss.last_ns)}: memory and disk were full"
            for loss in self.buffer.lost
        ]
        figures = self.buffer
        lag_s = figures.lag_max_ns / SECOND_NS
        lines.append(
            f"buffer: {figures.received:,} arrivals, at most {figures.depth_max:,} waiting, {lag_s:.3f} s behind"
        )
        return "\n".join(lines)


def count_missing(report: JoinReport) -> str:
    """What a stream lacks, as a cell: a number of holes, "-" for none."""
    holes = len(report.open_holes) + len(report.declared)
    return "-" if not holes else f"{holes} hole{'s' if holes > 1 else ''}"


def _stream_to_dict(report: JoinReport) -> dict[str, Any]:
    return {
        "stream": report.stream,
        "state": report.verdict.proof.value,
        "reason": report.verdict.reason,
        "joined_by": report.joined_by,
        "pivot": {"id": report.pivot_id, "at": _moment(report.pivot_ns)},
        "history_end": _moment(report.history_ns),
        "counts": {"delivered": report.counts.delivered, **msgspec.to_builtins(report.counts)},
        "open_holes": [_hole_to_dict(hole) for hole in report.open_holes],
        "declared_holes": [_hole_to_dict(hole) for hole in report.declared],
    }


def _hole_to_dict(hole: Hole) -> dict[str, Any]:
    return {
        "first_id": hole.first_id,
        "last_id": hole.last_id,
        "after": _moment(hole.after_ns),
        "before": _moment(hole.before_ns),
    }


def _row(report: JoinReport) -> tuple[str, ...]:
    counts = report.counts
    return (
        report.stream,
        report.verdict.proof.value,
        f"{counts.stored + counts.backfilled:,}",
        f"{counts.live:,}",
        f"{counts.requeried + counts.flat:,}",
        f"{counts.overlap:,}",
        f"{counts.duplicates:,}",
        f"{counts.late:,}",
        count_missing(report),
        report.verdict.reason,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Names and words to the left, numbers to the right."""
    cells = [
        cell.ljust(width) if column in (0, 1, len(row) - 1) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _moment(ns: int | None) -> str | None:
    return None if ns is None else format_ns(ns)


def _duration(ns: int | None) -> str:
    return "going on" if ns is None else f"{ns / SECOND_NS:,.3f} s"

"""RunLog: what a person must know of a run, as it happens: to run.log, to stderr, to a logger of the embedder's.

Receives: what the run folder keeps of note; order changes that say why; phases and states of feeds, from the bus.
Gives:    structured events: a snake_case fact, its level, the run's time, its keys. run.log has one JSON object a line.
Never:    hears of market events or of orders that go as they were meant, reads a clock (times are the run's, so the
          same run logs the same bytes), or touches anybody's logging. structlog is imported with the first line that
          goes to stderr or to a logger of the standard library.    STYLE 21; DESIGN 11; ECOSYSTEM 3.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from msgspec import Raw

from tradecore.domain.feed_state import FeedState, FeedStateChanged
from tradecore.domain.instant import format_ns
from tradecore.domain.order_snapshot import OrderSnapshot
from tradecore.domain.order_state import OrderState
from tradecore.domain.phase import PhaseChanged
from tradecore.errors import LoggerFailed
from tradecore.journal.jsonl_writer import JsonlWriter
from tradecore.journal.plain_json import to_json_text

if TYPE_CHECKING:
    from tradecore.engine.trading_engine import TradingEngine
    from tradecore.journal.run_folder import RunFolder, Status
    from tradecore.runtime.run_plan import RunPlan

LogLevel = Literal["debug", "info", "warning", "error", "off"]

LEVELS: Final = ("debug", "info", "warning", "error", "off")
"""From the most that is said to nothing."""

LOG_FILE: Final = "run.log"
"""In the run folder."""

EVENTS_MAX: Final = 10_000
"""Lines of one event: a log of a run in which every order is refused must not fill the disk; the rest is counted."""

_NOTE_LEVELS: Final = {
    "margin_broken": "error",
    "margin_cancelled": "warning",
    "margin_closing": "warning",
    "group_closing": "warning",
    "group_left": "error",
    "opportunity": "debug",
    "opportunity_left": "warning",
    "strategy_raised": "error",
}
_SAID_BY_THE_BUS: Final = frozenset({"phase_began"})
_FEED_LEVELS: Final = {FeedState.CONNECTED: "info", FeedState.RECOVERED: "info", FeedState.ENDED: "error"}
_ENDINGS: Final = {
    OrderState.DENIED: ("order_denied", "warning"),
    OrderState.REJECTED: ("order_rejected", "warning"),
    OrderState.ABANDONED: ("order_abandoned", "warning"),
    OrderState.CANCELLED: ("order_cancelled", "info"),
    OrderState.EXPIRED: ("order_expired", "debug"),
}


class Logger(Protocol):
    """What a log of the embedder's must do; a structlog logger does, and one of `logging` is made to."""

    def debug(self, event: str, **facts: Any) -> Any:
        """Of no interest to most."""
        ...

    def info(self, event: str, **facts: Any) -> Any:
        """As it should be."""
        ...

    def warning(self, event: str, **facts: Any) -> Any:
        """Somebody should look at it."""
        ...

    def error(self, event: str, **facts: Any) -> Any:
        """It ends the run, or a part of it."""
        ...


class Sink(NamedTuple):
    """Where lines go. write: takes level, event and facts. level: the lowest that is written."""

    write: Callable[[str, str, dict[str, Any]], None]
    level: str


class RunLog:
    """The log of one run. now: its present instant, int nanoseconds; 0 before the first. file: run.log, closed here.

    Raises, wherever it is told something: RunFolderError, LoggerFailed.
    """

    def __init__(self, now: Callable[[], int], sinks: Sequence[Sink], file: JsonlWriter | None = None) -> None:
        self._now, self._file = now, file
        self._sinks = [(sink.write, LEVELS.index(sink.level)) for sink in sinks]
        self._counts: Counter[str] = Counter()

    def say(self, level: str, event: str, /, **facts: Any) -> None:
        """One line, to every sink that wants its level."""
        self._counts[event] += 1
        if self._counts[event] <= EVENTS_MAX:
            self._write(level, event, facts)

    def _write(self, level: str, event: str, facts: Mapping[str, Any]) -> None:
        rank, now = LEVELS.index(level), self._now()
        told = {"time": format_ns(now) if now else None, **facts}
        for write, least in self._sinks:
            if rank >= least:
                write(level, event, told)

    def end(self, status: Status, counts: Mapping[str, int], notes: Sequence[str], error: str | None) -> None:
        """The run is over: what a reader must know of it, and of which events there were more than the log shows."""
        for note in notes:
            self._write("info", "note", {"text": note})
        for event, count in self._counts.items():
            if count > EVENTS_MAX:
                self._write("warning", "log_capped", {"capped": event, "shown": EVENTS_MAX, "count": count})
        level = {"complete": "info", "interrupted": "warning", "failed": "error"}[status]
        self._write(level, "run_ended", {"status": status, **counts, **({} if error is None else {"error": error})})

    def close(self) -> None:
        """Close run.log."""
        if self._file is not None:
            self._file.close()

    # ------------------------------------------------------------------------------------------------- what it hears

    def note_event(self, kind: str, ts_event: int, facts: Mapping[str, Any]) -> None:
        """A line of events.jsonl."""
        if kind not in _SAID_BY_THE_BUS:
            self.say(_NOTE_LEVELS.get(kind, "info"), kind, **{"at": format_ns(ts_event), **facts})

    def note_order(self, change: OrderSnapshot) -> None:
        """An order changed at the venue, and says why."""
        event, level = _ENDINGS.get(change.state, ("", ""))
        if change.update_rejected or change.cancel_rejected:
            event, level = "update_refused" if change.update_rejected else "cancel_refused", "warning"
        elif event == "order_cancelled" and change.ts_command:
            level = "debug"  # its group works as it was meant to; where it does not, the reason stands on another line
        if event:
            self.say(
                level, event, at=format_ns(change.ts_event), order_id=change.order_id, instrument=change.instrument,
                broker=change.broker, strategy=change.strategy, reason=change.reason,
            )  # fmt: skip

    def note_phase(self, change: PhaseChanged) -> None:
        """A phase began."""
        self.say("info", "phase_began", phase=change.phase.value)

    def note_feed_state(self, change: FeedStateChanged) -> None:
        """A live stream changed its state."""
        level = _FEED_LEVELS.get(change.state, "warning")
        self.say(level, "feed_state", stream=str(change.stream), state=change.state.value, reason=change.reason)

    def note_gate(self, stream: str, reason: str | None) -> None:
        """The order gate opened for a stream (None), or closed for this reason."""
        if reason is None:
            self.say("info", "order_gate_opened", stream=stream)
        else:
            self.say("warning", "order_gate_closed", stream=stream, reason=reason)


# ------------------------------------------------------------------------------------------------------- where it goes


def open_run_log(plan: RunPlan, folder: RunFolder, engine: TradingEngine) -> RunLog | None:
    """The log that a plan asks for, listening to the bus; None where nobody reads it. Raises: RunFolderError."""
    sinks, file = [], None
    if folder.path is not None and plan.log_level != "off":
        file = JsonlWriter(folder.path / LOG_FILE)
        sinks.append(make_file_sink(file, plan.log_level))
    if plan.log_stderr != "off":
        sinks.append(make_stderr_sink(folder.run_id, plan.log_stderr))
    if plan.logger is not None:
        sinks.append(make_logger_sink(plan.logger, folder.run_id))
    if not sinks:
        return None
    log = RunLog(lambda: engine.timeline.now, sinks, file)
    engine.bus.subscribe(PhaseChanged, log.note_phase)
    engine.bus.subscribe(FeedStateChanged, log.note_feed_state)
    strategies = [planned.name for planned in plan.strategies]
    log.say("info", "run_began", run=folder.run_id, seed=plan.seed, strategies=strategies, brokers=list(plan.brokers))
    return log


def make_file_sink(file: JsonlWriter, level: str) -> Sink:
    """Lines of run.log, each there as soon as it was said."""

    def write(level: str, event: str, facts: dict[str, Any]) -> None:
        line = to_json_text({"time": facts["time"], "level": level, "event": event, **facts})
        file.write(Raw(line.encode()))
        file.flush()

    return Sink(write, level)


def make_stderr_sink(run_id: str, level: str) -> Sink:
    """Lines for a person on stderr, in colour on a terminal."""
    bound: list[Any] = []

    def write(level: str, event: str, facts: dict[str, Any]) -> None:
        if not bound:
            bound.append(_make_console(run_id))
        getattr(bound[0], level)(event, **_plain(facts))

    return Sink(write, level)


def make_logger_sink(logger: Logger | logging.Logger, run_id: str) -> Sink:
    """Whatever the embedder's logger takes: it has levels of its own, so it is told everything."""
    bound: list[Any] = []

    def write(level: str, event: str, facts: dict[str, Any]) -> None:
        try:
            if not bound:
                bound.append(_bind(logger, run_id))
            getattr(bound[0], level)(event, **facts)
        except Exception as error:
            raise LoggerFailed(event, error) from error

    return Sink(write, LEVELS[0])


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a person writes them: a Decimal is its digits."""
    return {name: value if isinstance(value, str | int | float | None) else str(value) for name, value in facts.items()}


def _make_console(run_id: str) -> Any:
    import structlog

    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
    )
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.add_log_level, renderer],
        wrapper_class=structlog.BoundLogger,
    ).bind(run_id=run_id)


def _bind(logger: Logger | logging.Logger, run_id: str) -> Any:
    """The logger with the run's id on every line."""
    if isinstance(logger, logging.Logger):  # it takes no facts: they become part of the text
        import structlog

        renderer = structlog.processors.KeyValueRenderer(key_order=["event"])
        return structlog.wrap_logger(
            logger, processors=[_plain_facts, renderer], wrapper_class=structlog.stdlib.BoundLogger
        ).bind(run_id=run_id)
    bind = getattr(logger, "bind", None)
    return _Prefixed(logger, run_id) if bind is None else bind(run_id=run_id)


def _plain_facts(_logger: Any, _method: str, facts: Any) -> dict[str, Any]:
    return _plain(facts)


class _Prefixed:
    """A logger that cannot bind, with the run's id given every time."""

    def __init__(self, logger: Logger, run_id: str) -> None:
        for level in LEVELS[:-1]:
            setattr(self, level, partial(getattr(logger, level), run_id=run_id))

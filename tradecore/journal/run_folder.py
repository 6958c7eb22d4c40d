"""RunFolder: what a run leaves on disk, written while it runs.

Receives: order changes and executions as they happen at the venue, events of note; at the end status and results.
Gives:    runs/<id>/ with run.json, orders.jsonl, executions.jsonl, events.jsonl, statistics.json (callbacks.jsonl with
          a trace); digests and counts at any time.
Never:    keeps more orders or executions in memory than those of a window and a few; overwrites another run; reads a
          clock.    DESIGN 6, 11.

Without a root nothing is written, and digests and counts are the same. run.json is there from the start, labelled
"incomplete"; the end replaces it. So a run that was killed, or a disk that ran full, leaves a folder that says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Raw

from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderSnapshot
from tradecore.errors import RunFolderError
from tradecore.journal.digest import DIGESTED, combine_digests
from tradecore.journal.jsonl_writer import JsonlWriter, encode_record, write_error
from tradecore.journal.plain_json import to_json_text

Status = Literal["complete", "interrupted", "failed"]

FORMAT: Final = 1
"""Version of the files' layout, in run.json."""

RUN_FILE: Final = "run.json"
STATISTICS_FILE: Final = "statistics.json"

_RUN_ID: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")
_SUFFIX_MAX: Final = 100_000


class RunFolder:
    """The files of one run. Make it with `open_run_folder`, end it with `finish`.

    record_order: an order changed at the venue: one line of orders.jsonl. record_execution: one line of
    executions.jsonl. Both keep it until `flush_full`, which whoever records calls after each window of events; they are
    C functions, for a call in between costs, every time.
    """

    def __init__(self, path: Path | None, run_id: str, *, trace: bool = False) -> None:
        """path: an empty folder, or None. Raises: RunFolderError."""
        self.path, self.run_id = path, run_id
        names = [*DIGESTED, "events", *(["callbacks"] if trace else [])]
        self._writers: dict[str, JsonlWriter] = {}
        try:
            self._write_json(RUN_FILE, {"format": FORMAT, "run_id": run_id, "status": "incomplete"})
            for name in names:
                self._writers[name] = JsonlWriter(None if path is None else path / f"{name}.jsonl")
        except RunFolderError:
            self._close_all()
            raise
        self.record_order: Callable[[OrderSnapshot], None] = self._writers["orders"].keep
        self.record_execution: Callable[[Execution], None] = self._writers["executions"].keep
        self._is_finished = False

    # ------------------------------------------------------------------------------------------ while the run goes on

    def record_event(
        self, kind: str, ts_event: int, facts: Mapping[str, Any] | None = None, *, flush: bool = False
    ) -> None:
        """Something of note (a strategy stopped, quotes crossed): a line of events.jsonl. Raises: RunFolderError.

        flush: let who watches the file see it now, with all that was recorded before it.
        """
        line = to_json_text({"ts_event": ts_event, "kind": kind, **(facts or {})})
        self._writers["events"].write(Raw(line.encode()))
        if flush:
            for writer in self._writers.values():
                writer.flush()

    def flush_full(self) -> None:
        """Write the lines that wait, where they are many. Raises: RunFolderError."""
        for writer in self._writers.values():
            writer.flush_full()

    def write_report(self, name: str, report: Mapping[str, Any]) -> None:
        """A file beside run.json, such as handover.json; it replaces the one before. Raises: RunFolderError."""
        self._write_json(name, report)

    def record_callback(self, strategy: str, callback: str, ts: int, subject: Any = None) -> None:
        """A callback of a traced run: a line of callbacks.jsonl; nothing without a trace. Raises: RunFolderError."""
        writer = self._writers.get("callbacks")
        if writer is not None:
            # Encoded at once: a user's own event may change after its callback.
            record = {"ts": ts, "strategy": strategy, "callback": callback, "subject": subject}
            writer.write(Raw(encode_record(record)))

    @property
    def is_traced(self) -> bool:
        """Whether callbacks are recorded."""
        return "callbacks" in self._writers

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of orders, executions (and callbacks of a traced run), and "run": of all of them."""
        digests = {name: writer.digest for name, writer in self._writers.items() if name != "events"}
        return {**digests, "run": combine_digests(digests)}

    @property
    def counts(self) -> dict[str, int]:
        """Lines so far: order changes, executions, events of note (and callbacks); in run.json they stand by file."""
        return {name: writer.line_count for name, writer in self._writers.items()}

    # ------------------------------------------------------------------------------------------------- at the end

    def finish(
        self,
        status: Status,
        *,
        facts: Mapping[str, Any],
        statistics: Mapping[str, Any] | None = None,
        environment: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> None:
        """Write what waits, statistics.json and run.json, and close. A second call does nothing.

        facts: for run.json (config, fingerprints, seed, match_sources, counts ...). environment: versions, kept apart.
        error: what ended the run, when it failed. Whatever can be written is written, and run.json says what could not.
        Raises: RunFolderError, after that, for the first file that could not be written.
        """
        if self._is_finished:
            return
        self._is_finished = True
        problem = self._close_all()
        if statistics is not None:
            try:
                self._write_json(STATISTICS_FILE, statistics)
            except RunFolderError as failure:
                problem = problem or failure
        broken = [name for name, writer in self._writers.items() if not writer.is_whole]
        if problem is not None or broken:
            status, error = "failed", error or str(problem or f"not all of {', '.join(broken)} could be written")
        self._write_json(
            RUN_FILE,
            {
                "format": FORMAT,
                "run_id": self.run_id,
                "status": status,
                "error": error,
                **facts,
                "digests": self.digests,
                "files": {f"{name}.jsonl": _describe(writer) for name, writer in self._writers.items()},
                "environment": dict(environment or {}),
            },
        )
        if problem is not None:
            raise problem

    def _close_all(self) -> RunFolderError | None:
        problem = None
        for writer in self._writers.values():
            try:
                writer.close()
            except RunFolderError as failure:
                problem = problem or failure
        return problem

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        text = to_json_text(value, indent=2) + "\n"
        if self.path is None:
            return
        # Written beside and moved over: whoever reads meets the old file or the new one, never half of one.
        path, beside = self.path / name, self.path / f".{name}.part"
        try:
            beside.write_bytes(text.encode())
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise write_error(path, error) from error


def open_run_folder(root: Path | None, run_id: str, *, trace: bool = False) -> RunFolder:
    """A new folder root/run_id; where that exists, the first free of run_id-2, run_id-3 ... None keeps nothing on disk.

    Raises: RunFolderError when the id cannot be a folder's name, or the folder cannot be made.
    """
    if not _RUN_ID.match(run_id):
        raise RunFolderError(
            f"run id {run_id!r} cannot name a folder; expected letters, digits, '.', '_' and '-', at most 120, "
            "the first a letter or digit"
        )
    if root is None:
        return RunFolder(None, run_id, trace=trace)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(root, error) from error
    for number in range(1, _SUFFIX_MAX):
        name = run_id if number == 1 else f"{run_id}-{number}"
        try:
            (root / name).mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise write_error(root / name, error) from error
        return RunFolder(root / name, name, trace=trace)
    raise RunFolderError(f"{root} holds {_SUFFIX_MAX - 1} runs named {run_id}; remove some, or choose another name")


def _describe(writer: JsonlWriter) -> dict[str, Any]:
    if not writer.is_whole:
        return {"is_whole": False}
    return {"is_whole": True, "lines": writer.line_count, "bytes": writer.byte_count, "sha256": writer.digest}

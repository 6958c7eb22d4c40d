"""Parity: a live run and its replay side by side: callbacks, orders, executions, line by line.

Receives: two run folders: of the live run, and of the run that replayed its recording.
Gives:    how many lines were the same, and of each file the first that differs, in words.
Never:    compares what a replay has none of: changes of phase and states of feeds; or calls a run that was cut short
          different for being shorter.    DESIGN 10; issue 4, item 5.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec

from tradecore.domain.instant import format_ns
from tradecore.errors import RecordingUnreadable

ASIDE: Final = frozenset({"on_phase_changed", "on_feed_state"})
"""Callbacks of a live run alone (DESIGN 10)."""

LAST: Final = frozenset({"on_stop", "on_error"})
"""Callbacks that come when a run was ended, wherever that was."""

FILES: Final = ("callbacks", "orders", "executions")

_SHOWN: Final = 300
"""Characters of a record that are shown."""


class Difference(msgspec.Struct, frozen=True):
    """The first lines of a file that differ. line: of the live run's file, from 1. live, replay: what each has there,
    in words.
    """

    file: str
    line: int
    live: str
    replay: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}:\n  live:   {self.live}\n  replay: {self.replay}"


class Parity(msgspec.Struct, frozen=True):
    """same: equal lines, by file. differences: the first of each file that has one. notes: what was not compared."""

    same: dict[str, int]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare_runs(live: Path, replay: Path) -> Parity:
    """Compare what two runs left. Raises: RecordingUnreadable for a folder or a line that cannot be read."""
    is_whole = _read_facts(live).get("status") == "complete"
    same: dict[str, int] = {}
    differences: list[Difference] = []
    notes: list[str] = []
    for name in FILES:
        if not (live / f"{name}.jsonl").exists():
            notes.append(f"the live run kept no {name}; run it with [run] trace = true to compare them")
            continue
        count, difference = _compare_file(name, live, replay, is_whole=is_whole)
        same[name] = count
        if difference is not None:
            differences.append(difference)
    if not is_whole:
        notes.append("the live run was cut short: it is compared as far as it went")
    return Parity(same, tuple(differences), tuple(notes))


def _compare_file(name: str, live: Path, replay: Path, *, is_whole: bool) -> tuple[int, Difference | None]:
    """Equal lines before the first that differs."""
    same = 0
    for mine, theirs in zip_longest(_read_lines(live, name), _read_lines(replay, name)):
        if mine is None and not is_whole:
            break
        if mine is None or theirs is None or mine[1] != theirs[1]:
            line = mine[0] if mine is not None else same + 1
            return same, Difference(f"{name}.jsonl", line, _describe(mine), _describe(theirs))
        same += 1
    return same, None


def _read_lines(folder: Path, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and record of each line that counts."""
    path = folder / f"{name}.jsonl"
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                record = json.loads(line)
                if record.get("callback") not in ASIDE | LAST:
                    yield number, record
    except OSError as error:
        raise RecordingUnreadable(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RecordingUnreadable(f"{path}:{number}: is no record ({error})") from error


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordingUnreadable(f"{path}: cannot be read ({error}); expected the folder of a run") from error
    return facts


def _describe(entry: tuple[int, dict[str, Any]] | None) -> str:
    """A record in words: which callback of whom, when, with what."""
    if entry is None:
        return "nothing more"
    record = entry[1]
    if "callback" in record:
        subject = json.dumps(record.get("subject"), sort_keys=True)
        return _cut(f"{record['strategy']}.{record['callback']} at {format_ns(record['ts'])} with {subject}")
    at = record.get("ts_event")
    when = "" if not isinstance(at, int) else f" at {format_ns(at)}"
    return _cut(f"{record.get('id', record.get('order_id', 'record'))}{when}: {json.dumps(record, sort_keys=True)}")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."

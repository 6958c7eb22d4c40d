"""Run reading: what runs left, read back.

Receives: a run folder, or the folder of all runs.
Gives:    LoadedRun: status, facts, statistics, and the records one by one; what is missing or cut is named.
Never:    repairs anything; keeps more than one record in memory.    DESIGN 11.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tradecore.domain.execution import Execution
from tradecore.domain.order import OrderSnapshot
from tradecore.errors import RunFolderError
from tradecore.journal.run_folder import FORMAT, RUN_FILE, STATISTICS_FILE

_Record = TypeVar("_Record")


class LoadedRun(msgspec.Struct, frozen=True):
    """A run that was. facts: run.json as it is. status: "complete", "interrupted", "failed", or "incomplete" when it
    never came to its end. problems: files that are missing, cut or changed, one sentence each; empty when all is whole.
    """

    path: Path
    run_id: str
    status: str
    facts: dict[str, Any]
    statistics: dict[str, Any] | None
    problems: list[str]

    def iterate_orders(self) -> Iterator[OrderSnapshot]:
        """The order after each of its changes, in order of happening. Raises: RunFolderError naming file and line."""
        return _iterate(self.path / "orders.jsonl", OrderSnapshot)

    def iterate_executions(self) -> Iterator[Execution]:
        """The executions, in order of happening. Raises: RunFolderError naming file and line."""
        return _iterate(self.path / "executions.jsonl", Execution)


def load_run(path: Path, *, verify: bool = False) -> LoadedRun:
    """A run from its folder. verify: also compare the files' SHA-256 with what run.json says.

    Raises: RunFolderError when there is no run.json that can be read.
    """
    facts = _read_json(path / RUN_FILE)
    if not isinstance(facts.get("format"), int) or facts["format"] > FORMAT:
        raise RunFolderError(
            f"{path / RUN_FILE} has format {facts.get('format')!r}; this tradecore reads up to {FORMAT}. Upgrade it"
        )
    problems: list[str] = []
    if facts.get("status") == "incomplete":
        problems.append(f"{path}: the run never came to its end; the files hold what was written until then")
    for name, described in facts.get("files", {}).items():
        problem = _check_file(path / name, described, verify=verify)
        if problem is not None:
            problems.append(problem)
    statistics = None
    try:
        statistics = _read_json(path / STATISTICS_FILE)
    except RunFolderError as error:
        if facts.get("status") != "incomplete":
            problems.append(str(error))
    return LoadedRun(path, str(facts.get("run_id", path.name)), str(facts.get("status")), facts, statistics, problems)


def list_runs(root: Path) -> list[LoadedRun]:
    """All runs below a folder, in order of name; one whose run.json cannot be read has the status "unreadable"."""
    if not root.is_dir():
        return []
    runs = []
    for path in sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        try:
            runs.append(load_run(path))
        except RunFolderError as error:
            runs.append(LoadedRun(path, path.name, "unreadable", {}, None, [str(error)]))
    return runs


def _check_file(path: Path, described: dict[str, Any], *, verify: bool) -> str | None:
    if not path.is_file():
        return f"{path}: is missing"
    if not described.get("is_whole", False):
        return f"{path}: could not be written to its end; it holds the first lines"
    met = path.stat().st_size
    if met != described["bytes"]:
        return f"{path}: has {met} bytes; expected {described['bytes']}. It was cut or changed after the run"
    if verify:
        with path.open("rb") as file:
            total = sha256()
            while block := file.read(1 << 20):
                total.update(block)
        if total.hexdigest() != described["sha256"]:
            return f"{path}: was changed after the run (its SHA-256 is not the one in {RUN_FILE})"
    return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: is missing; expected the folder of a run") from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RunFolderError(f"{path}: is not JSON ({error}); it was cut or changed after the run") from error
    if not isinstance(value, dict):
        raise RunFolderError(f"{path}: holds {type(value).__name__}; expected a JSON object")
    return value


def _iterate(path: Path, kind: type[_Record]) -> Iterator[_Record]:
    decode = msgspec.json.Decoder(kind).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield decode(line)
                except msgspec.DecodeError as error:
                    raise RunFolderError(
                        f"{path}:{number}: is not a record of {kind.__name__} ({error}); the file was cut or changed"
                    ) from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error

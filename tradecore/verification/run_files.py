"""Run files: the files of a run folder, read once, with what run.json notes of them.

Receives: a run folder.
Gives:    the facts of run.json and statistics.json; the records of a JSON Lines file one by one, hashed as they pass;
          findings for what is missing, cut, changed or no record.
Never:    keeps more than one line; stops at a bad line: what comes after it is read as well.    DESIGN 11.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tradecore.errors import NotARunFolder
from tradecore.verification.law_book import LawBook

FORMAT: Final = 1
"""Newest layout of the files that this code knows."""

LINE_BYTES_MAX: Final = 1 << 20
"""A longer line is no record: reading it whole could take all memory."""

RUN_FILE: Final = "run.json"
STATISTICS_FILE: Final = "statistics.json"
ORDERS_FILE: Final = "orders.jsonl"
EXECUTIONS_FILE: Final = "executions.jsonl"
EVENTS_FILE: Final = "events.jsonl"
CALLBACKS_FILE: Final = "callbacks.jsonl"
_RECORD_FILES: Final = (ORDERS_FILE, EXECUTIONS_FILE, EVENTS_FILE, CALLBACKS_FILE)
_DIGESTED: Final = {"orders": ORDERS_FILE, "executions": EXECUTIONS_FILE, "callbacks": CALLBACKS_FILE}

TellRead = Callable[[int, int, int], None]
"""Told now and then: lines read, bytes read, bytes of all files."""

_TELL_EVERY: Final = 1_000


class RunFiles:
    """One run folder. facts: run.json, empty where it cannot be read. is_incomplete: the run never came to its end, so
    that files may end in the middle of a line and nothing is noted of them. Raises: NotARunFolder.
    """

    def __init__(self, path: Path, book: LawBook, tell_read: TellRead | None = None) -> None:
        self.path = path
        self._book = book
        self._tell_read = tell_read
        if not any((path / name).is_file() for name in (RUN_FILE, *_RECORD_FILES)):
            what = "holds none of a run's files" if path.is_dir() else "is no folder"
            raise NotARunFolder(f"{path} {what}; expected {RUN_FILE}, {ORDERS_FILE} and {EXECUTIONS_FILE} in it")
        self.facts = self._read_json(RUN_FILE)
        met = self.facts.get("format", FORMAT)
        if not isinstance(met, int) or met > FORMAT:
            raise NotARunFolder(f"{path / RUN_FILE} has format {met!r}; this verification reads up to {FORMAT}")
        self.status = str(self.facts.get("status", "unknown"))
        self.is_incomplete = self.status == "incomplete"
        self._noted = _as_dict(self.facts.get("files"))
        self._bytes_total = 0
        for file in (path / name for name in _RECORD_FILES):
            self._bytes_total += file.stat().st_size if file.is_file() else 0
        self._bytes_read = self._lines_read = 0
        self._digests: dict[str, str] = {}
        self.lines: dict[str, int] = {}

    def read_statistics(self) -> dict[str, Any]:
        """statistics.json; empty where it is missing, which is a finding of a run that came to its end."""
        if self.is_incomplete and not (self.path / STATISTICS_FILE).is_file():
            return {}
        return self._read_json(STATISTICS_FILE)

    def read_records(self, name: str, *, is_counted: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
        """Line numbers and records of a file. is_counted: also check the file as a whole, at its end."""
        path = self.path / name
        if not path.is_file():
            if is_counted and (name in self._noted or (name in (ORDERS_FILE, EXECUTIONS_FILE) and self.facts)):
                self._book.checked["F1"] += 1
                self._book.report("F1", name, None, "is missing")
            return
        total, number, size = sha256(), 0, 0
        with path.open("rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                number += 1
                size += len(line)
                total.update(line)
                record = self._decode(name, number, line, is_counted=is_counted)
                if record is not None:
                    yield number, record
                if is_counted:
                    self._count_read(number, len(line))
        if is_counted:
            self._check_file(name, number, size, total.hexdigest())

    def finish(self) -> None:
        """Check the fingerprints and digests of the run, once every file was read."""
        self._check_fingerprints()
        digests = _as_dict(self.facts.get("digests"))
        if not digests:
            return
        for name, file in _DIGESTED.items():
            if name in digests and file in self._digests:
                self._check_equal("F2", file, "SHA-256", self._digests[file], digests[name], "digests")
        parts = "".join(f"{name} {digests[name]}\n" for name in sorted(digests) if name != "run")
        self._check_equal(
            "F2", RUN_FILE, "digest", sha256(parts.encode()).hexdigest(), digests.get("run"), "digests.run"
        )

    def _check_fingerprints(self) -> None:
        """What run.json says of configuration and data is what the run was started with: laws are judged by it."""
        fingerprints = _as_dict(self.facts.get("fingerprints"))
        told = {"config": self.facts.get("config"), "data": fingerprints.get("series")}
        for name, value in told.items():
            if name in fingerprints:
                text = json.dumps(value, sort_keys=True, ensure_ascii=False)
                met = sha256(text.encode()).hexdigest()
                self._check_equal("F2", RUN_FILE, f"fingerprint of {name}", met, fingerprints[name], "fingerprints")

    def _decode(self, name: str, number: int, line: bytes, *, is_counted: bool) -> dict[str, Any] | None:
        book = self._book
        if is_counted:
            book.checked["F3"] += 1
        problem = None
        if not line.endswith(b"\n"):
            problem = "is cut: the file ends in the middle of it" if len(line) < LINE_BYTES_MAX else "is too long"
        else:
            try:
                record = json.loads(line, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                problem = f"is not JSON ({error}); it was cut or changed"
            else:
                if isinstance(record, dict):
                    return record
                problem = f"holds {type(record).__name__}; expected a JSON object"
        if is_counted and self.is_incomplete and not line.endswith(b"\n"):
            book.leave_out("F3", f"{name} ends in the middle of a line: the run was ended there")
        elif is_counted:
            book.report("F3", name, number, problem)
        return None

    def _check_file(self, name: str, lines: int, size: int, digest: str) -> None:
        self.lines[name], self._digests[name] = lines, digest
        noted = _as_dict(self._noted.get(name))
        if not noted:
            self._book.leave_out("F1", f"run.json notes nothing of {name}")
            return
        if noted.get("is_whole") is False:
            self._book.leave_out("F1", f"{name} could not be written to its end, as run.json says")
            return
        self._check_equal("F1", name, "lines", lines, noted.get("lines"), "files")
        self._check_equal("F1", name, "bytes", size, noted.get("bytes"), "files")
        self._check_equal("F2", name, "SHA-256", digest, noted.get("sha256"), "files")

    def _check_equal(self, law: str, name: str, what: str, met: object, noted: object, where: str) -> None:
        self._book.checked[law] += 1
        if met != noted:
            self._book.report(law, name, None, f"{what} is {met}; {RUN_FILE} notes {noted} ({where}): one was changed")

    def _read_json(self, name: str) -> dict[str, Any]:
        path, book = self.path / name, self._book
        book.checked["F1"] += 1
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            book.report("F1", name, None, "is missing")
            return {}
        try:
            value = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            book.report("F3", name, line, f"is not JSON ({error}); it was cut or changed")
            return {}
        if not isinstance(value, dict):
            book.report("F3", name, 1, f"holds {type(value).__name__}; expected a JSON object")
            return {}
        return value

    def _count_read(self, number: int, size: int) -> None:
        self._bytes_read += size
        self._lines_read += 1
        if self._tell_read is not None and number % _TELL_EVERY == 0:
            self._tell_read(self._lines_read, self._bytes_read, self._bytes_total)


def _as_dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")
